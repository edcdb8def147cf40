/* h_versions.c: versions with their lineage, evaluations and verdict, and whether the loops hold them. */
#include "base/err.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "proto/json_admin.h"
#include "proto/json_model.h"
#include "proto/json_oip.h"
#include "server/h_version.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <math.h>

struct listing {
        struct h_work *work;
        struct h_tasks tasks;
        size_t limit, n;
        uint64_t before, last;
        size_t n_loaded; /* when the request came */
        uint64_t *loaded;
};

/* Copies what this loop holds of the model; false when memory is short. */
static bool note_loaded(struct listing *l, struct request *r)
{
        const struct vrow *row = vtable_row(r->server->versions, r->arg[0]);
        l->loaded = arena_new_array(&l->work->arena, uint64_t, row ? row->n + 1 : 0);
        if (!l->loaded)
                return false;
        if (row)
                l->loaded[l->n_loaded++] = row->champion->number;
        for (size_t i = 0; row && i < row->n; i++)
                l->loaded[l->n_loaded++] = row->others[i]->number;
        return true;
}

static bool is_loaded(const struct listing *l, uint64_t number)
{
        for (size_t i = 0; i < l->n_loaded; i++) {
                if (l->loaded[i] == number)
                        return true;
        }
        return false;
}

int h_load_tasks(struct h_work *w, struct store *s, const struct model *m, struct h_tasks *ret, struct err *e)
{
        struct task *tasks;
        struct h_tasks t = {0};
        int r = store_task_list(s, m->id, &w->arena, &tasks, &t.n, e);
        if (r != 0 || (r = h_has_accuracy(w, m, &t.has_accuracy, e)) != 0)
                return r;
        t.v = tasks;
        *ret = t;
        return 0;
}

const char *h_task_name(const struct h_tasks *t, task_id id)
{
        for (size_t i = 0; i < t->n; i++) {
                if (t->v[i].id == id)
                        return t->v[i].name;
        }
        return NULL;
}

/* A copy of the version's evaluations without what means nothing. */
static int drop_accuracy(struct arena *a, struct version *v)
{
        struct evaluation *all = arena_new_array(a, struct evaluation, v->n_evaluations);
        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < v->n_evaluations; i++) {
                all[i] = v->evaluations[i];
                all[i].accuracy = NAN;
        }
        v->evaluations = all;
        return 0;
}

int h_version_view(struct arena *a, const struct h_tasks *t, struct version *v, struct version_view *ret)
{
        if (!t->has_accuracy && drop_accuracy(a, v) < 0)
                return -ENOMEM;
        const char **names = arena_new_array(a, const char *, v->n_evaluations);
        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < v->n_evaluations; i++) {
                const char *name = h_task_name(t, v->evaluations[i].task);
                names[i] = name ? name : "";
        }
        *ret = (struct version_view){
            .version = v, .evaluation_tasks = names, .task = h_task_name(t, v->task), .loaded = LOADED_UNSAID};
        return 0;
}

static int fill_view(const struct listing *l, struct version *v, struct version_view *ret)
{
        int r = h_version_view(&l->work->arena, &l->tasks, v, ret);
        if (r == 0)
                ret->loaded = is_loaded(l, v->number) ? LOADED_YES : LOADED_NO;
        return r;
}

static int list_row(void *arg, const struct version *v)
{
        struct listing *l = arg;
        struct version_view view;
        struct version own = *v;
        int r = fill_view(l, &own, &view);
        if (r < 0)
                return r;
        json_version_list_row(&l->work->body, &view, l->n == 0);
        l->last = v->number;
        l->n++;
        return 0;
}

static int run_list(struct h_work *w, struct store *s, struct err *e)
{
        struct listing *l = w->arg;
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_load_tasks(w, s, &m, &l->tasks, e)) != 0)
                return r;
        json_version_list_begin(&w->body);
        r = store_version_list(s, m.id, l->before, l->limit, list_row, l, e);
        json_version_list_end(&w->body, l->n == l->limit && l->last > 1 ? l->last : 0);
        return r;
}

static struct h_work *listing_work(
    struct request *r, int (*run)(struct h_work *, struct store *, struct err *), struct listing **ret)
{
        struct h_work *w = h_work_new(r, run, NULL);
        struct listing *l = w ? arena_new(&w->arena, struct listing) : NULL;
        if (l)
                l->work = w;
        if (w && (!l || !note_loaded(l, r))) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return NULL;
        }
        if (w) {
                w->arg = l;
                *ret = l;
        }
        return w;
}

void h_versions_list(struct request *r)
{
        struct listing *l;
        struct h_work *w = listing_work(r, run_list, &l);
        if (!w)
                return;
        if (h_paging(r, &l->limit, &l->before))
                h_read(w);
        else
                h_work_free(w);
}

struct one {
        struct listing list;
        const char *version;
};

/* The protocol's metadata and what is known of the version, as one object. */
static int write_one(struct h_work *w, const struct model *m, const struct version_view *view, struct err *e)
{
        struct model_spec spec;
        int r = json_spec_read(m->spec_json, &w->arena, &spec, e);
        if (r != 0)
                return err_wrap(e, r < 0 ? r : -EBADMSG, "description of model %s", m->name);
        spec.n_classes = m->n_classes;
        json_metadata_begin(&w->body, &spec, 1, &view->version->number);
        size_t at = w->body.len;
        json_version_write(&w->body, view);
        if (buf_ok(&w->body))
                w->body.data[at] = ','; /* in place of its bracket */
        return 0;
}

static int run_one(struct h_work *w, struct store *s, struct err *e)
{
        struct one *one = w->arg;
        struct model m;
        struct version v;
        struct version_view view;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_find_version(w, s, &m, one->version, &v, e)) != 0 ||
            (r = h_load_tasks(w, s, &m, &one->list.tasks, e)) != 0)
                return r;
        if (fill_view(&one->list, &v, &view) < 0)
                return err_oom(e);
        return write_one(w, &m, &view, e);
}

void h_version_get(struct request *r)
{
        struct h_work *w = h_work_new(r, run_one, NULL);
        if (!w)
                return;
        struct one *one = arena_new(&w->arena, struct one);
        if (one)
                one->version = arena_strndup(&w->arena, r->arg[1].p, r->arg[1].n);
        if (one)
                one->list.work = w;
        if (!one || !one->version || !note_loaded(&one->list, r)) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        w->arg = one;
        h_read(w);
}
