/* h_repository.c: the repository as Triton's clients know it: which versions there are, load, unload.
 *
 * The store is the repository and every champion is loaded, so loading means to have the loops serve what the aliases
 * name now, and succeeds at once when they do. What was asked for by number leaves by itself when idle; a champion
 * does not leave at all. */
#include "base/err.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "proto/json.h"
#include "proto/json_oip.h"
#include "server/h.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <string.h>

/* --- index --- */

struct known { /* a version the store has */
        const char *model;
        uint64_t number;
        enum version_state state;
        struct known *next;
};

struct index {
        bool ready_only;
        struct h_work *work;
        const char *model;
        struct known *first, **end,
            **model_end; /* model_end: where this model's rows go, newest first in the store */
};

static int add_version(void *arg, const struct version *v)
{
        struct index *x = arg;
        struct known *k = arena_new(&x->work->arena, struct known);
        if (!k)
                return -ENOMEM;
        *k = (struct known){.model = x->model, .number = v->number, .state = v->state, .next = *x->model_end};
        if (x->end == x->model_end)
                x->end = &k->next;
        *x->model_end = k;
        return 0;
}

struct model_names {
        struct arena *arena;
        struct name {
                const char *text;
                model_id id;
                struct name *next;
        } * first, **end;
};

static int add_model(void *arg, const struct model *m)
{
        struct model_names *l = arg;
        struct name *n = arena_new(l->arena, struct name);
        if (!n || !(n->text = arena_strdup(l->arena, m->name)))
                return -ENOMEM;
        n->id = m->id;
        *l->end = n;
        l->end = &n->next;
        return 0;
}

static int run_index(struct h_work *w, struct store *s, struct err *e)
{
        struct index *x = w->arg;
        struct model_names models = {.arena = &w->arena, .end = &models.first};
        int r = store_model_list(s, add_model, &models, e);
        for (const struct name *n = models.first; n && r == 0; n = n->next) {
                x->model = n->text;
                x->model_end = x->end;
                r = store_version_list(s, n->id, 0, 0, add_version, x, e);
        }
        return r;
}

static void indexed(struct h_work *w, struct request *r)
{
        const struct index *x = w->arg;
        if (w->work.result != 0 || !r) {
                h_finish(w, r);
                return;
        }
        bool first = true;
        buf_putc(&w->body, '[');
        for (const struct known *k = x->first; k; k = k->next) {
                bool ready = vtable_find(r->server->versions, slice_of(k->model), k->number) != NULL;
                if (x->ready_only && !ready)
                        continue;
                const char *why = ready                          ? ""
                                  : k->state == VERSION_REJECTED ? "not loaded; the gate rejected it"
                                                                 : "not loaded";
                json_index_row(&w->body, k->model, k->number, ready, why, first);
                first = false;
        }
        buf_putc(&w->body, ']');
        h_finish(w, r);
}

void h_repository_index(struct request *r)
{
        struct err e = ERR_NULL;
        bool ready_only = false;
        int p = json_index_request_read(r->body, &ready_only, &e);
        if (p != 0) {
                reply_error(r, p, &e);
                return;
        }
        struct h_work *w = h_work_new(r, run_index, indexed);
        struct index *x = w ? arena_new(&w->arena, struct index) : NULL;
        if (w && !x) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
        }
        if (!x)
                return;
        *x = (struct index){.ready_only = ready_only, .work = w, .end = &x->first};
        w->arg = x;
        h_read(w);
}

/* --- load, unload --- */

static int run_load(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        w->publish_model = m.id;
        buf_puts(&w->body, "{\"name\":");
        json_put_string(&w->body, m.name);
        buf_puts(&w->body, ",\"load\":true}");
        return 0;
}

static void load_found(struct h_work *w, struct request *r)
{
        if (w->work.result == 0)
                h_publish(w);
        else
                h_finish(w, r);
}

static int run_unload(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        return h_refuse(w, e, PROBLEM_CONFLICT, "",
            "the champion of model %s is always loaded, so that it can be served; versions asked for by number are "
            "unloaded by themselves when nobody uses them",
            m.name);
}

static void read_then(struct request *r, int (*run)(struct h_work *, struct store *, struct err *),
    void (*done)(struct h_work *, struct request *))
{
        struct err e = ERR_NULL;
        int p = json_load_request_read(r->body, &e);
        if (p != 0) {
                reply_error(r, p, &e);
                return;
        }
        struct h_work *w = h_work_new(r, run, done);
        if (w)
                h_read(w);
}

void h_repository_load(struct request *r)
{
        read_then(r, run_load, load_found);
}

void h_repository_unload(struct request *r)
{
        read_then(r, run_unload, NULL);
}
