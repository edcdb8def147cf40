/* rows_body.c: file rows under --only, --skip and --limit, and their numbers as JSON. */
#include "cli/rows_body.h"

#include "proto/num.h"

#include <string.h>

int cli_rows_open(
    struct cli_rows *ret, const struct options *o, const char *path, const char *labels_path, struct err *e)
{
        struct rows_open how = {.path = path, .labels_path = labels_path, .label_column = o->label_column};

        *ret = (struct cli_rows){.opt = o, .path = path};
        return rows_open(&ret->rows, &how, e);
}

int cli_rows_next(struct cli_rows *r, struct row *ret, struct err *e)
{
        for (;;) {
                int k;

                if (r->opt->limit != 0 && r->taken == r->opt->limit)
                        return 0;
                k = rows_next(r->rows, ret, e);
                if (k <= 0)
                        return k;
                if (r->opt->only && ret->label && !out_list_has(r->opt->only, ret->label))
                        continue;
                if (r->passed++ < r->opt->skip)
                        continue;
                r->taken++;
                return 1;
        }
}

int cli_rows_none(struct cli *c, const struct cli_rows *r)
{
        if (c->opt.only || c->opt.skip)
                return cli_refuse(
                    c, EXIT_FAILED, 0, "%s has no row left after --only and --skip: nothing was sent", r->path);
        return cli_refuse(c, EXIT_FAILED, 0, "%s has no rows: nothing was sent", r->path);
}

void cli_rows_close(struct cli_rows *r)
{
        rows_close(r->rows);
        r->rows = NULL;
}

double cli_rows_fraction(const struct cli_rows *r)
{
        double by_file = rows_fraction(r->rows);
        double by_limit = r->opt->limit ? (double)r->taken / (double)r->opt->limit : 0;

        return by_file > by_limit ? by_file : by_limit;
}

void put_numbers(struct buf *b, const float *x, size_t n)
{
        buf_putc(b, '[');
        for (size_t i = 0; i < n; i++) {
                char *room = buf_reserve(b, NUM_F32_MAX + 1);

                if (!room)
                        return;
                if (i > 0)
                        *room++ = ',';
                buf_advance(b, (i > 0) + num_print_f32(room, x[i]));
        }
        buf_putc(b, ']');
}
