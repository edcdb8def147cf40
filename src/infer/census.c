/* census.c: see census.h. Digests never change and numbers only grow, so a later census is the news and then the one
 * before, cut to its length. */
#include "infer/census.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"
#include <errno.h>
#include <string.h>

enum { KNOWN = 1 }; /* of a walk: it has come to what the earlier one has */

struct news {
        uint64_t newest; /* of the earlier one; 0: there is none */
        struct census_row *row;
        size_t n, cap;
};

static int take(void *arg, const struct version *v)
{
        struct news *w = arg;
        void *row = w->row;
        if (v->number <= w->newest)
                return KNOWN;
        if (!mem_grow(&row, &w->cap, w->n + 1, sizeof(*w->row)))
                return -ENOMEM;
        w->row = row;
        w->row[w->n++] = (struct census_row){v->number, v->theta};
        return 0;
}

static struct census *joined(const struct news *w, const struct census *before)
{
        size_t bytes, old = before ? before->n : 0, n = w->n + old < CENSUS_MAX ? w->n + old : CENSUS_MAX;
        if (!mem_mul(n, sizeof(struct census_row), &bytes) || !mem_add(bytes, sizeof(struct census), &bytes))
                return NULL;
        struct census *c = mem_array(1, bytes);
        if (!c)
                return NULL;
        atomic_init(&c->refs, 1);
        c->n = n;
        if (w->n > 0)
                memcpy(c->row, w->row, w->n * sizeof(*c->row));
        if (n > w->n)
                memcpy(c->row + w->n, before->row, (n - w->n) * sizeof(*c->row));
        return c;
}

int census_load(struct store *s, model_id m, struct census *before, struct census **ret, struct err *e)
{
        struct news w = {.newest = before && before->n > 0 ? before->row[0].number : 0};
        int r = store_version_list(s, m, 0, CENSUS_MAX, take, &w, e);
        struct census *c = NULL;
        if (r == 0 || r == KNOWN)
                c = before && w.n == 0 ? census_ref(before) : joined(&w, before);
        free(w.row);
        if (c)
                *ret = c;
        return c ? 0 : r < 0 && r != -ENOMEM ? r : err_oom(e);
}

struct census *census_ref(struct census *c)
{
        if (c)
                atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
        return c;
}

void census_unref(struct census *c)
{
        if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
                free(c);
}
