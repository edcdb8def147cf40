/* h_stats.c: what the served versions have answered since the process began (serving reference 2.6).
 *
 * All on the loop: the counters are memory of this process. A version that is loaded and has answered nothing yet is
 * listed with zeros; one that is no longer loaded keeps its row. */
#include "infer/served.h"
#include "infer/vtable.h"
#include "proto/json_oip.h"
#include "server/h.h"
#include "server/handlers.h"
#include "server/metrics.h"
#include <errno.h>
#include <string.h>

struct rows {
        size_t n;
        const struct oip_stats **row;
};

/* l has room; counted rows are sorted, and so must be what is put between them. */
static int add_idle(struct arena *a, struct rows *l, const struct served *v)
{
        size_t at = 0;
        for (; at < l->n; at++) {
                int order = strcmp(v->spec.name, l->row[at]->model);
                if (order == 0 && v->number == l->row[at]->number)
                        return 0;
                if (order < 0 || (order == 0 && v->number < l->row[at]->number))
                        break;
        }
        struct oip_stats *s = arena_new(a, struct oip_stats);
        if (!s)
                return -ENOMEM;
        str_copy(s->model, sizeof(s->model), v->spec.name);
        s->number = v->number;
        memmove(l->row + at + 1, l->row + at, (l->n - at) * sizeof(*l->row));
        l->row[at] = s;
        l->n++;
        return 0;
}

static int add_row(struct arena *a, struct rows *l, const struct vrow *row, uint64_t number)
{
        int r = number == 0 || number == row->champion->number ? add_idle(a, l, row->champion) : 0;
        for (size_t i = 0; i < row->n && r == 0; i++)
                if (number == 0 || number == row->others[i]->number)
                        r = add_idle(a, l, row->others[i]);
        return r;
}

/* model NULL: all models; number 0: all its versions. */
static int collect(struct request *r, const char *model, uint64_t number, struct rows *ret)
{
        const struct vtable *t = r->server->versions;
        struct oip_stats **counted;
        size_t n, loaded = 0;
        if (stats_sum(&r->server->metrics->stats, model, number, r->arena, &counted, &n) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < vtable_size(t); i++)
                loaded += 1 + vtable_row(t, slice_of(vtable_at(t, i)->spec.name))->n;
        ret->n = n;
        ret->row = arena_new_array(r->arena, const struct oip_stats *, n + loaded);
        if (!ret->row)
                return -ENOMEM;
        if (n > 0)
                memcpy(ret->row, counted, n * sizeof(*counted));
        for (size_t i = 0; i < vtable_size(t); i++) {
                const char *name = vtable_at(t, i)->spec.name;
                if ((!model || strcmp(model, name) == 0) &&
                    add_row(r->arena, ret, vtable_row(t, slice_of(name)), number) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void answer(struct request *r, const char *model, uint64_t number)
{
        struct rows rows;
        if (collect(r, model, number, &rows) < 0) {
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        struct buf *b = server_body(r->server);
        json_stats_write(b, rows.n, rows.row);
        reply_json(r, 200, b);
}

void h_stats(struct request *r)
{
        answer(r, NULL, 0);
}

void h_model_stats(struct request *r)
{
        const struct served *s = h_served(r);
        if (s)
                answer(r, s->spec.name, r->n_args > 1 ? s->number : 0);
}

void h_version_stats(struct request *r)
{
        h_model_stats(r);
}
