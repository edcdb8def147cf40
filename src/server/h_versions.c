/* h_versions.c: versions with their lineage, evaluations and verdict. */
#include "base/err.h"
#include "proto/json_admin.h"
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
};

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
        *ret = (struct version_view){.version = v, .evaluation_tasks = names, .task = task_name(l, v->task)};
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
        if (w && !l) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return NULL;
        }
        if (w) {
                l->work = w;
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
        json_version_write(&w->body, &view);
        return 0;
}

void h_version_get(struct request *r)
{
        struct h_work *w = h_work_new(r, run_one, NULL);
        if (!w)
                return;
        struct one *one = arena_new(&w->arena, struct one);
        if (one)
                one->version = arena_strndup(&w->arena, r->arg[1].p, r->arg[1].n);
        if (!one || !one->version) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        one->list.work = w;
        w->arg = one;
        h_read(w);
}
