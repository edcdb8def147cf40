/* vtable.c: a sorted array of references, looked up by bisection. A loop has a handful of models; its table changes
 * only when one is created or a champion moves. */
#include "infer/vtable.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/served.h"
#include <stdlib.h>
#include <string.h>

struct vtable {
        struct served **rows; /* (n) by name */
        size_t n, cap;
};

int vtable_new(struct vtable **ret, struct err *e)
{
        struct vtable *t = new_zero(struct vtable);
        if (!t)
                return err_oom(e);
        *ret = t;
        return 0;
}

void vtable_free(struct vtable *t)
{
        if (!t)
                return;
        for (size_t i = 0; i < t->n; i++)
                served_unref(t->rows[i]);
        free(t->rows);
        free(t);
}

static int compare(struct slice a, const char *z)
{
        size_t n = strlen(z), m = a.n < n ? a.n : n;
        int c = m > 0 ? memcmp(a.p, z, m) : 0;
        return c != 0 ? c : (a.n > n) - (a.n < n);
}

/* Index of the first row that is not below name. */
static size_t lower_bound(const struct vtable *t, struct slice name)
{
        size_t lo = 0, hi = t->n;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (compare(name, t->rows[mid]->spec.name) > 0)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo;
}

struct served *vtable_get(const struct vtable *t, struct slice name)
{
        size_t i = lower_bound(t, name);
        return i < t->n && slice_eq(name, t->rows[i]->spec.name) ? t->rows[i] : NULL;
}

int vtable_put(struct vtable *t, struct served *s, struct err *e)
{
        struct slice name = slice_of(s->spec.name);
        size_t i = lower_bound(t, name);
        if (i < t->n && slice_eq(name, t->rows[i]->spec.name)) {
                struct served *old = t->rows[i];
                t->rows[i] = s;
                served_unref(old);
                return 0;
        }
        void *rows = t->rows;
        if (!mem_grow(&rows, &t->cap, t->n + 1, sizeof(*t->rows)))
                return err_oom(e);
        t->rows = rows;
        memmove(t->rows + i + 1, t->rows + i, (t->n - i) * sizeof(*t->rows));
        t->rows[i] = s;
        t->n++;
        return 0;
}

size_t vtable_size(const struct vtable *t)
{
        return t->n;
}

struct served *vtable_at(const struct vtable *t, size_t i)
{
        return t->rows[i];
}
