/* shelf.c: one sorted array per model. Last use is found by looking: the loops count for themselves, and whoever's
 * count has moved since the last look was used meanwhile, so a request writes nothing that another loop reads. */
#include "infer/shelf.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/census.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct row {
        struct served *served;
        bool pinned;
        uint64_t uses, used_ns; /* at the last look */
};

struct shelf {
        struct shelf *next;
        model_id model;
        struct served *champion;
        struct census *census; /* NULL until it is set */
        size_t n, cap;
        struct row *rows; /* (n) ascending by number, without the champion */
};

void shelves_free(struct shelves *all)
{
        for (struct shelf *s = all->first, *next; s; s = next) {
                next = s->next;
                for (size_t i = 0; i < s->n; i++)
                        served_unref(s->rows[i].served);
                served_unref(s->champion);
                census_unref(s->census);
                free(s->rows);
                free(s);
        }
        all->first = NULL;
}

struct shelf *shelf_of(struct shelves *all, model_id m)
{
        struct shelf *s = all->first;
        while (s && s->model != m)
                s = s->next;
        return s;
}

struct shelf *shelf_next(const struct shelf *s)
{
        return s->next;
}

model_id shelf_model(const struct shelf *s)
{
        return s->model;
}

/* Index of the first row that is not below number. */
static size_t place(const struct shelf *s, uint64_t number)
{
        size_t i = 0;
        while (i < s->n && s->rows[i].served->number < number)
                i++;
        return i;
}

struct served *shelf_find(const struct shelf *s, uint64_t number)
{
        size_t i = place(s, number);
        if (s->champion->number == number)
                return s->champion;
        return i < s->n && s->rows[i].served->number == number ? s->rows[i].served : NULL;
}

static void take_out(struct shelf *s, size_t i)
{
        served_unref(s->rows[i].served);
        s->n--;
        memmove(s->rows + i, s->rows + i + 1, (s->n - i) * sizeof(s->rows[0]));
}

/* Takes the reference; false: memory is short, and it is still the caller's. */
static bool put_in(struct shelf *s, struct served *v, uint64_t now_ns)
{
        size_t i = place(s, v->number);
        void *rows = s->rows;
        if (!mem_grow(&rows, &s->cap, s->n + 1, sizeof(*s->rows)))
                return false;
        s->rows = rows;
        memmove(s->rows + i + 1, s->rows + i, (s->n - i) * sizeof(s->rows[0]));
        s->rows[i] = (struct row){.served = v, .uses = served_use_count(v), .used_ns = now_ns};
        s->n++;
        return true;
}

void shelves_count(const struct shelves *all, size_t *ret_versions, size_t *ret_bytes)
{
        size_t n = 0, bytes = 0;
        for (const struct shelf *s = all->first; s; s = s->next) {
                n += 1 + s->n;
                bytes += s->champion->bytes;
                for (size_t i = 0; i < s->n; i++)
                        bytes += s->rows[i].served->bytes;
        }
        *ret_versions = n;
        *ret_bytes = bytes;
}

static void look(struct shelves *all, uint64_t now_ns)
{
        for (struct shelf *s = all->first; s; s = s->next) {
                for (size_t i = 0; i < s->n; i++) {
                        struct row *r = &s->rows[i];
                        uint64_t uses = served_use_count(r->served);
                        if (uses != r->uses)
                                r->used_ns = now_ns;
                        r->uses = uses;
                }
        }
}

struct spot {
        struct shelf *shelf;
        size_t i;
};

static void look_for_oldest(struct shelf *s, struct spot *best)
{
        for (size_t i = 0; i < s->n; i++) {
                if (!s->rows[i].pinned && (!best->shelf || s->rows[i].used_ns < best->shelf->rows[best->i].used_ns))
                        *best = (struct spot){s, i};
        }
}

/* Takes out the least recently used version of s, or of all; false when every one is needed. */
static bool drop_oldest(struct shelves *all, struct shelf *only)
{
        struct spot best = {0};
        for (struct shelf *s = only ? only : all->first; s; s = only ? NULL : s->next)
                look_for_oldest(s, &best);
        if (!best.shelf)
                return false;
        take_out(best.shelf, best.i);
        if (all->changed)
                all->changed(all->arg, best.shelf);
        return true;
}

/* Bytes of what may not be dropped. */
static size_t held(const struct shelves *all)
{
        size_t bytes = 0;
        for (const struct shelf *s = all->first; s; s = s->next) {
                bytes += s->champion->bytes;
                for (size_t i = 0; i < s->n; i++)
                        bytes += s->rows[i].pinned ? s->rows[i].served->bytes : 0;
        }
        return bytes;
}

static void make_room(struct shelves *all, size_t more)
{
        size_t n, bytes;
        for (shelves_count(all, &n, &bytes); bytes + more > all->max_bytes; shelves_count(all, &n, &bytes)) {
                if (!drop_oldest(all, NULL))
                        return;
        }
}

static struct shelf *shelf_new(struct shelves *all, struct served *champion)
{
        struct shelf *s = new_zero(struct shelf);
        if (!s)
                return NULL;
        s->model = champion->model;
        s->champion = served_ref(champion);
        s->next = all->first;
        all->first = s;
        return s;
}

int shelf_set_champion(struct shelves *all, struct served *v, uint64_t now_ns, struct shelf **ret, struct err *e)
{
        struct shelf *s = shelf_of(all, v->model);
        if (!s && !(s = shelf_new(all, v)))
                return err_oom(e);
        for (size_t i = s->n; i-- > 0;) {
                if (s->rows[i].served->number == v->number || !served_same_tasks(v, s->rows[i].served))
                        take_out(s, i);
        }
        struct served *old = s->champion;
        s->champion = served_ref(v);
        bool stays = old->number != v->number && s->n < SHELF_ROWS && served_same_tasks(v, old);
        if (!stays || !put_in(s, old, now_ns))
                served_unref(old);
        make_room(all, 0);
        *ret = s;
        return 0;
}

int shelf_add(struct shelves *all, struct shelf *s, struct served *v, uint64_t now_ns, struct err *e)
{
        if (shelf_find(s, v->number))
                return 0;
        if (held(all) + v->bytes > all->max_bytes)
                return err_set(e, -ENOBUFS,
                    "version %" PRIu64
                    " takes %zu bytes beside %zu of champions and aliased versions, and [versions] "
                    "max_bytes is %zu",
                    v->number, v->bytes, held(all), all->max_bytes);
        look(all, now_ns);
        if (s->n == SHELF_ROWS && !drop_oldest(all, s))
                return err_set(e, -ENOBUFS, "aliases name %d versions of this model, so that no other can be loaded",
                    SHELF_ROWS);
        make_room(all, v->bytes);
        if (!put_in(s, v, now_ns))
                return err_oom(e);
        served_ref(v);
        return 0;
}

void shelf_pin(struct shelf *s, size_t n, const uint64_t *numbers, uint64_t now_ns)
{
        for (size_t i = 0; i < s->n; i++) {
                bool pinned = false;
                for (size_t k = 0; k < n; k++)
                        pinned = pinned || numbers[k] == s->rows[i].served->number;
                if (s->rows[i].pinned && !pinned)
                        s->rows[i].used_ns = now_ns; /* its time runs from here */
                s->rows[i].pinned = pinned;
        }
}

void shelves_look(struct shelves *all, uint64_t now_ns, uint64_t idle_ns)
{
        look(all, now_ns);
        for (struct shelf *s = all->first; s; s = s->next) {
                size_t before = s->n;
                for (size_t i = s->n; i-- > 0;) {
                        if (!s->rows[i].pinned && now_ns - s->rows[i].used_ns >= idle_ns)
                                take_out(s, i);
                }
                if (s->n != before && all->changed)
                        all->changed(all->arg, s);
        }
}

void shelf_set_census(struct shelf *s, struct census *c)
{
        struct census *old = s->census;
        s->census = census_ref(c);
        census_unref(old);
}

struct vrow *shelf_row(const struct shelf *s)
{
        struct served *others[SHELF_ROWS];
        for (size_t i = 0; i < s->n; i++)
                others[i] = s->rows[i].served;
        struct vrow *r = vrow_new(s->champion, s->n, others);
        if (r)
                r->census = census_ref(s->census);
        return r;
}
