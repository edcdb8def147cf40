/* vtable.c: a sorted array of rows, looked up by bisection. A loop has a handful of models; its table changes only
 * when one is created, a champion moves, or a version is loaded or dropped. */
#include "infer/vtable.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/census.h"
#include "infer/served.h"
#include <stdlib.h>
#include <string.h>

struct vtable {
        struct vrow **rows; /* (n) by name */
        size_t n, cap;
        unsigned lane;
};

struct vrow *vrow_new(struct served *champion, size_t n, struct served *const *others)
{
        size_t bytes;
        if (!mem_mul(n, sizeof(*others), &bytes) || !mem_add(bytes, sizeof(struct vrow), &bytes))
                return NULL;
        struct vrow *r = mem_array(1, bytes);
        if (!r)
                return NULL;
        r->champion = served_ref(champion);
        r->n = n;
        for (size_t i = 0; i < n; i++)
                r->others[i] = served_ref(others[i]);
        return r;
}

void vrow_free(struct vrow *r)
{
        if (!r)
                return;
        served_unref(r->champion);
        census_unref(r->census);
        for (size_t i = 0; i < r->n; i++)
                served_unref(r->others[i]);
        free(r);
}

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
                vrow_free(t->rows[i]);
        free(t->rows);
        free(t);
}

void vtable_set_lane(struct vtable *t, unsigned lane)
{
        t->lane = lane;
}

unsigned vtable_lane(const struct vtable *t)
{
        return t->lane;
}

static const char *name_of(const struct vrow *r)
{
        return r->champion->spec.name;
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
                if (compare(name, name_of(t->rows[mid])) > 0)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo;
}

const struct vrow *vtable_row(const struct vtable *t, struct slice name)
{
        size_t i = lower_bound(t, name);
        return i < t->n && slice_eq(name, name_of(t->rows[i])) ? t->rows[i] : NULL;
}

struct served *vtable_get(const struct vtable *t, struct slice name)
{
        const struct vrow *r = vtable_row(t, name);
        return r ? r->champion : NULL;
}

struct served *vtable_find(const struct vtable *t, struct slice name, uint64_t number)
{
        const struct vrow *r = vtable_row(t, name);
        if (!r)
                return NULL;
        if (r->champion->number == number)
                return r->champion;
        size_t lo = 0, hi = r->n;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (r->others[mid]->number < number)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo < r->n && r->others[lo]->number == number ? r->others[lo] : NULL;
}

int vtable_put(struct vtable *t, struct vrow *r, struct err *e)
{
        struct slice name = slice_of(name_of(r));
        size_t i = lower_bound(t, name);
        if (i < t->n && slice_eq(name, name_of(t->rows[i]))) {
                struct vrow *old = t->rows[i];
                t->rows[i] = r;
                vrow_free(old);
                return 0;
        }
        void *rows = t->rows;
        if (!mem_grow(&rows, &t->cap, t->n + 1, sizeof(*t->rows)))
                return err_oom(e);
        t->rows = rows;
        memmove(t->rows + i + 1, t->rows + i, (t->n - i) * sizeof(*t->rows));
        t->rows[i] = r;
        t->n++;
        return 0;
}

size_t vtable_size(const struct vtable *t)
{
        return t->n;
}

struct served *vtable_at(const struct vtable *t, size_t i)
{
        return t->rows[i]->champion;
}
