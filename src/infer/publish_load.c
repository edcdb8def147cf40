/* publish_load.c: what a round brings: versions from the store, and their places on the shelf; and the start, when
 * all of it happens at once.
 *
 * A round for the aliases builds the champion anew even if its version is the same, because tasks and evaluations may
 * have changed around it; what other aliases name is built only if it is not there, or was built under other tasks.
 * One of those that cannot be served costs a line in the log, never the champion. */
#include "base/log.h"
#include "base/mem.h"
#include "infer/census.h"
#include "infer/publish_internal.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* --- reader thread --- */

static int collect_pin(void *arg, const struct alias *a)
{
        struct load *l = arg;
        bool known = a->number == l->served->number || l->n_pins == SHELF_ROWS;
        for (size_t i = 0; i < l->n_pins && !known; i++)
                known = l->pins[i] == a->number;
        if (!known)
                l->pins[l->n_pins++] = a->number;
        return 0;
}

static bool is_there(const struct load *l, uint64_t number)
{
        if (!l->have)
                return false;
        if (l->have->champion->number == number) /* it stays, as one of the others */
                return served_same_tasks(l->served, l->have->champion);
        for (size_t i = 0; i < l->have->n; i++) {
                if (l->have->others[i]->number == number)
                        return served_same_tasks(l->served, l->have->others[i]);
        }
        return false;
}

static void load_pins(struct load *l, struct store *s)
{
        struct err why = ERR_NULL;
        if (store_alias_list(s, l->model, collect_pin, l, &why) != 0)
                log_warning("model %s: aliases: %s", l->served->spec.name, why.msg);
        for (size_t i = 0; i < l->n_pins; i++) {
                struct served_want w = {l->model, l->pins[i], l->served};
                if (is_there(l, l->pins[i]))
                        continue;
                if (served_load(s, &w, &l->pinned[l->n_pinned], &why) == 0)
                        l->n_pinned++;
                else
                        log_warning("an alias names what cannot be served: %s", why.msg);
        }
}

/* Without it only ids of loaded versions are told from made-up ones. */
static void load_census(struct load *l, struct store *s)
{
        struct err why = ERR_NULL;
        if (census_load(s, l->model, l->have ? l->have->census : NULL, &l->census, &why) != 0)
                log_warning("model %s: versions: %s", l->served->spec.name, why.msg);
}

int load_run(struct load *l, struct store *s, struct err *e)
{
        struct served_want w = {l->model, l->number, l->have ? l->have->champion : NULL};
        int r = served_load(s, &w, &l->served, e);
        if (r != 0)
                return r;
        load_census(l, s);
        if (l->number > 0)
                return 0;
        if (l->served->stands_in_for > 0)
                log_error("model %s: its champion, version %" PRIu64 ", is damaged; version %s is served instead",
                    l->served->spec.name, l->served->stands_in_for, l->served->number_text);
        load_pins(l, s);
        return 0;
}

/* --- control thread --- */

void load_deinit(struct load *l)
{
        vrow_free(l->have);
        served_unref(l->served);
        census_unref(l->census);
        for (size_t i = 0; i < l->n_pinned; i++)
                served_unref(l->pinned[i]);
        *l = (struct load){.model = l->model};
}

void publish_count(struct publish *p)
{
        size_t versions, bytes;
        shelves_count(&p->shelves, &versions, &bytes);
        atomic_store_explicit(&p->versions, versions, memory_order_relaxed);
        atomic_store_explicit(&p->bytes, bytes, memory_order_relaxed);
}

int load_shelve(struct publish *p, struct load *l, struct err *e)
{
        uint64_t now = clock_mono_ns(loop_clock(p->control));
        struct shelf *s = shelf_of(&p->shelves, l->model);
        int r = 0;
        if (l->number > 0) {
                if (!s)
                        return err_set(e, -ENOENT, "the champion of model %s is not served", l->served->spec.name);
                if ((r = shelf_add(&p->shelves, s, l->served, now, e)) == 0)
                        atomic_fetch_add(&p->loads, 1);
        } else if ((r = shelf_set_champion(&p->shelves, l->served, now, &s, e)) == 0) {
                struct err why;
                shelf_pin(s, l->n_pins, l->pins, now);
                for (size_t i = 0; i < l->n_pinned; i++) {
                        if (shelf_add(&p->shelves, s, l->pinned[i], now, &why) < 0)
                                log_warning("model %s: %s", l->served->spec.name, why.msg);
                        shelf_pin(s, l->n_pins, l->pins, now);
                }
        }
        if (s && l->census)
                shelf_set_census(s, l->census);
        publish_count(p);
        return r;
}

/* --- start-up --- */

struct ids {
        model_id *id;
        size_t n, cap;
};

static int collect_id(void *arg, const struct model *m)
{
        struct ids *ids = arg;
        void *id = ids->id;
        if (!mem_grow(&id, &ids->cap, ids->n + 1, sizeof(*ids->id)))
                return -ENOMEM;
        ids->id = id;
        ids->id[ids->n++] = m->id;
        return 0;
}

/* Every table gets the rows of every shelf. */
static int fill_tables(struct publish *p, struct err *e)
{
        for (struct shelf *s = p->shelves.first; s; s = shelf_next(s)) {
                for (size_t l = 0; l < p->n_loops; l++) {
                        struct vrow *row = shelf_row(s);
                        int r = row ? vtable_put(p->tables[l], row, e) : err_oom(e);
                        if (r < 0) {
                                vrow_free(row);
                                return r;
                        }
                }
        }
        return 0;
}

int publish_initial(struct publish *p, struct store *s, size_t *ret_loaded, size_t *ret_failed, struct err *e)
{
        struct ids ids = {0};
        size_t loaded = 0, failed = 0;
        int r = store_model_list(s, collect_id, &ids, e);
        if (r == -ENOMEM)
                err_oom(e);
        for (size_t i = 0; i < ids.n && r == 0; i++) {
                struct load *l = new_zero(struct load);
                if (!l) {
                        r = err_oom(e);
                        break;
                }
                l->model = ids.id[i];
                if (load_run(l, s, e) == 0 && load_shelve(p, l, e) == 0)
                        loaded++;
                else
                        failed++;
                load_deinit(l);
                free(l);
        }
        free(ids.id);
        if (r == 0) {
                struct err own;
                if ((r = fill_tables(p, &own)) < 0)
                        *e = own;
        }
        if (r != 0)
                return r;
        *ret_loaded = loaded;
        *ret_failed = failed;
        return 0;
}
