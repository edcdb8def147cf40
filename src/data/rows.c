/* rows.c: opens a file, tells its format from its first bytes, and hands rows through.
 *
 * idx starts with two zero bytes, ndjson with an opening brace; everything else is taken for csv, whose reader then
 * says what is wrong with it. */
#include "data/rows.h"
#include "base/err.h"
#include "base/mem.h"
#include "data/gz.h"
#include "data/rows_in.h"
#include <errno.h>

struct rows {
        enum rows_format format;
        const struct rows_ops *ops;
        void *state;
        struct gz *file, *labels;
        uint64_t total, index;
};

static int tell(struct gz *file, enum rows_format *ret, struct err *e)
{
        unsigned char head[256];
        size_t n, i = 0;
        int r = gz_peek(file, head, sizeof(head), &n, e);
        if (r < 0)
                return r;
        if (n == 0)
                return err_set(e, -EBADMSG, "%s is empty", gz_path(file));
        while (i < n && (head[i] == ' ' || head[i] == '\n' || head[i] == '\r' || head[i] == '\t'))
                i++;
        if (n >= 4 && head[0] == 0 && head[1] == 0)
                *ret = ROWS_IDX;
        else
                *ret = i < n && head[i] == '{' ? ROWS_NDJSON : ROWS_CSV;
        return 0;
}

static int open_format(struct rows *r, const struct rows_open *how, struct err *e)
{
        int c = tell(r->file, &r->format, e);
        if (c < 0)
                return c;
        if (how->labels_path && r->format != ROWS_IDX)
                return err_set(e, -EINVAL, "%s: a file of labels goes with an idx file only", how->path);
        if (how->label_column && r->format != ROWS_CSV)
                return err_set(e, -EINVAL, "%s: a label column goes with a csv file only", how->path);
        if (how->labels_path && (c = gz_open(&r->labels, how->labels_path, e)) < 0)
                return c;
        switch (r->format) {
        case ROWS_CSV:
                r->ops = &csv_ops;
                return csv_open(&r->state, r->file, how->label_column, e);
        case ROWS_IDX:
                r->ops = &idx_ops;
                return idx_open(&r->state, r->file, r->labels, &r->total, e);
        case ROWS_NDJSON:
                r->ops = &ndjson_ops;
                return ndjson_open(&r->state, r->file, e);
        }
        return err_set(e, -EINVAL, "%s: unknown format", how->path);
}

int rows_open(struct rows **ret, const struct rows_open *how, struct err *e)
{
        struct rows *r = new_zero(struct rows);
        if (!r)
                return err_oom(e);
        int c = gz_open(&r->file, how->path, e);
        if (c == 0)
                c = open_format(r, how, e);
        if (c < 0) {
                rows_close(r);
                return c;
        }
        *ret = r;
        return 0;
}

int rows_next(struct rows *r, struct row *ret, struct err *e)
{
        struct row row = {0};
        int c = r->ops->next(r->state, &row, e);
        if (c != 1)
                return c;
        row.index = r->index++;
        *ret = row;
        return 1;
}

uint64_t rows_total(const struct rows *r)
{
        return r->total;
}

double rows_fraction(const struct rows *r)
{
        return gz_fraction(r->file);
}

enum rows_format rows_format(const struct rows *r)
{
        return r->format;
}

void rows_close(struct rows *r)
{
        if (!r)
                return;
        if (r->state)
                r->ops->close(r->state);
        gz_close(r->file);
        gz_close(r->labels);
        free(r);
}
