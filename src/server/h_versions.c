/* h_versions.c: versions with their lineage, evaluations and verdict, and whether the loops hold them. */
#include "base/err.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "proto/json_admin.h"
#include "proto/json_model.h"
#include "proto/json_oip.h"
#include "server/h.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <math.h>

struct listing {
        struct h_work *work;
        const struct task *tasks;
        size_t n_tasks, limit, n;
        bool has_accuracy;
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

static const char *task_name(const struct listing *l, task_id id)
{
        for (size_t i = 0; i < l->n_tasks; i++) {
                if (l->tasks[i].id == id)
                        return l->tasks[i].name;
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

/* v is the caller's own, and lives as long as the view. */
static int fill_view(const struct listing *l, struct version *v, struct version_view *ret)
{
        if (!l->has_accuracy && drop_accuracy(&l->work->arena, v) < 0)
                return -ENOMEM;
        const char **names = arena_new_array(&l->work->arena, const char *, v->n_evaluations);
        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < v->n_evaluations; i++) {
                const char *name = task_name(l, v->evaluations[i].task);
                names[i] = name ? name : "";
        }
        *ret = (struct version_view){
            .version = v,
            .evaluation_tasks = names,
            .task = task_name(l, v->task),
            .loaded = is_loaded(l, v->number) ? LOADED_YES : LOADED_NO,
        };
        return 0;
}

static int load_tasks(struct listing *l, struct store *s, const struct model *m, struct err *e)
{
        struct task *tasks;
        int r = store_task_list(s, m->id, &l->work->arena, &tasks, &l->n_tasks, e);
        if (r != 0)
                return r;
        l->tasks = tasks;
        return h_has_accuracy(l->work, m, &l->has_accuracy, e);
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
        if (r != 0 || (r = load_tasks(l, s, &m, e)) != 0)
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
            (r = load_tasks(&one->list, s, &m, e)) != 0)
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
