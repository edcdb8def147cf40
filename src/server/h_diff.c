/* h_diff.c: how two versions of a model differ: each layer's way in the Fisher's metric, and accuracy by task.
 *
 * Versions may have different outputs; what both have is compared, moved by task and class into the layout of the
 * second. The metric is the Fisher of the second, else of the first where it has that layout; without one only plain
 * distances are said. */
#include "base/err.h"
#include "base/mem.h"
#include "domain/head.h"
#include "proto/json_inspect.h"
#include "proto/json_model.h"
#include "server/h_version.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>

struct diff {
        const char *from_text, *to_text;
        struct model model;
        struct version from, to;
        struct ewc_spec net_from, net_to;
        struct h_tasks tasks;
        float *a, *b, *fisher; /* in the layout of `to`; fisher NULL without one */
};

static void diff_drop(struct h_work *w)
{
        struct diff *d = w->arg;
        free(d->a);
        free(d->b);
        free(d->fisher);
}

static int net_of(
    struct h_work *w, const struct model *m, const struct version *v, struct ewc_spec *ret, struct err *e)
{
        struct model_spec spec;
        int r = json_spec_read(m->spec_json, &w->arena, &spec, e);
        if (r != 0)
                return err_wrap(e, r < 0 ? r : -EBADMSG, "description of model %s", m->name);
        *ret = spec.net;
        ret->n_outputs = v->n_outputs <= EWC_MAX_UNITS ? (uint32_t)v->n_outputs : 0;
        if (ewc_spec_check(ret, NULL, 0) < 0 || ewc_spec_params(ret) != v->n_params)
                return err_set(e, -EBADMSG, "version %" PRIu64 " does not fit the net of its model", v->number);
        return 0;
}

static int read_tensor(
    struct h_work *w, struct store *s, const struct version *v, enum tensor_role role, float **ret, struct err *e)
{
        *ret = new_array(float, v->n_params);
        if (!*ret)
                return err_oom(e);
        int r = store_version_tensor(s, v->id, role, *ret, v->n_params, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_CONFLICT, "", "version %" PRIu64 " has no %s any more: it was pruned",
                    v->number, tensor_role_name(role));
        return r;
}

/* theta of `from` in the layout of `to`; outputs it lacks stand as in `to`, so that they count as unchanged. */
static int read_thetas(struct h_work *w, struct store *s, struct diff *d, uint32_t *source, struct err *e)
{
        _free_ float *old = NULL;
        int r = read_tensor(w, s, &d->from, TENSOR_THETA, &old, e);
        if (r == 0)
                r = read_tensor(w, s, &d->to, TENSOR_THETA, &d->b, e);
        if (r != 0)
                return r;
        d->a = new_array(float, d->to.n_params);
        if (!d->a)
                return err_oom(e);
        if (ewc_spec_map(&d->net_from, &d->net_to, source, old, d->b, d->a) < 0)
                return err_set(e, -EBADMSG, "the versions do not fit the net of their model");
        return 0;
}

static bool same_layout(const struct version *a, const struct version *b, const uint32_t *source)
{
        bool same = a->n_outputs == b->n_outputs;
        for (size_t i = 0; same && i < b->n_outputs; i++)
                same = source[i] == i;
        return same;
}

static int read_metric(
    struct h_work *w, struct store *s, struct diff *d, const uint32_t *source, uint64_t *ret_of, struct err *e)
{
        const struct version *v = d->to.has_fisher                                              ? &d->to
                                  : d->from.has_fisher && same_layout(&d->from, &d->to, source) ? &d->from
                                                                                                : NULL;
        *ret_of = v ? v->number : 0;
        return v ? read_tensor(w, s, v, TENSOR_FISHER, &d->fisher, e) : 0;
}

static struct evaluation find(const struct version *v, task_id t)
{
        for (size_t i = 0; i < v->n_evaluations; i++)
                if (v->evaluations[i].task == t)
                        return v->evaluations[i];
        return (struct evaluation){.task = t, .accuracy = NAN, .loss = NAN};
}

static struct diff_task *list_tasks(struct arena *a, const struct diff *d)
{
        struct diff_task *all = arena_new_array(a, struct diff_task, d->tasks.n);
        for (size_t i = 0; all && i < d->tasks.n; i++) {
                const struct task *t = &d->tasks.v[i];
                all[i] = (struct diff_task){t->name, find(&d->from, t->id), find(&d->to, t->id)};
                if (!d->tasks.has_accuracy)
                        all[i].from.accuracy = all[i].to.accuracy = NAN;
        }
        return all;
}

static int write_diff(struct h_work *w, struct store *s, struct diff *d, struct err *e)
{
        size_t n_layers = ewc_spec_tensors(&d->net_to), kept = 0;
        struct diff_view v = {.from = &d->from, .to = &d->to, .n_layers = n_layers, .n_tasks = d->tasks.n};
        uint32_t *source = arena_new_array(&w->arena, uint32_t, d->to.n_outputs);
        struct layer_drift *layers = arena_new_array(&w->arena, struct layer_drift, n_layers), total;
        v.tasks = list_tasks(&w->arena, d);
        if (!source || !layers || !v.tasks)
                return err_oom(e);
        head_map(d->model.scenario, d->tasks.v[0].id, d->from.outputs, d->from.n_outputs, d->to.outputs,
            d->to.n_outputs, source);
        for (size_t i = 0; i < d->to.n_outputs; i++)
                kept += source[i] != EWC_OUTPUT_NEW;
        v.n_added = d->to.n_outputs - kept;
        v.n_removed = d->from.n_outputs - kept;
        int r = read_thetas(w, s, d, source, e);
        if (r == 0)
                r = read_metric(w, s, d, source, &v.fisher_of, e);
        if (r != 0)
                return r;
        inspect_drift(&d->net_to, d->a, d->b, d->fisher, layers, &total);
        v.layers = layers;
        v.total = &total;
        json_diff_write(&w->body, &v);
        return 0;
}

static int run_diff(struct h_work *w, struct store *s, struct err *e)
{
        struct diff *d = w->arg;
        int r = h_find_model(w, s, &d->model, e);
        if (r != 0 || (r = h_find_version(w, s, &d->model, d->from_text, &d->from, e)) != 0 ||
            (r = h_find_version(w, s, &d->model, d->to_text, &d->to, e)) != 0 ||
            (r = h_load_tasks(w, s, &d->model, &d->tasks, e)) != 0 ||
            (r = net_of(w, &d->model, &d->from, &d->net_from, e)) != 0 ||
            (r = net_of(w, &d->model, &d->to, &d->net_to, e)) != 0)
                return r;
        return write_diff(w, s, d, e);
}

void h_version_diff(struct request *r)
{
        struct h_work *w = h_work_new(r, run_diff, NULL);
        if (!w)
                return;
        struct diff *d = arena_new(&w->arena, struct diff);
        if (d) {
                d->from_text = arena_strndup(&w->arena, r->arg[1].p, r->arg[1].n);
                d->to_text = arena_strndup(&w->arena, r->arg[2].p, r->arg[2].n);
        }
        if (!d || !d->from_text || !d->to_text) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        w->arg = d;
        w->drop = diff_drop;
        h_read(w);
}
