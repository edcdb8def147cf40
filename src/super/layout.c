/* layout.c: model, tasks and outputs of a job.
 *
 * An open task without fixed classes has those of its feedback, which goes on growing while the job runs. Here only
 * the claimed range counts, and that is frozen until the job ends. */
#include "super/layout.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "domain/head.h"
#include "proto/json_model.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>

static int load_model(struct store *s, model_id m, struct arena *a, struct layout *l, struct err *e)
{
        struct model model;
        int r = store_model_by_id(s, m, a, &model, e);
        if (r != 0)
                return err_wrap(e, r, "model %" PRIu64, m);
        if ((r = json_spec_read(model.spec_json, a, &l->spec, e)) != 0 ||
            (r = json_learning_read(model.learning_json, &l->learning, e)) != 0)
                return err_wrap(e, r, "description of model %s", model.name);
        str_copy(l->spec.name, sizeof(l->spec.name), model.name);
        l->spec.scenario = model.scenario;
        l->spec.n_classes = model.n_classes;
        l->spec.classes = model.classes;
        return 0;
}

struct seen { /* classes of the rows walked so far */
        bool *class;
        size_t n_classes;
};

static int see(void *arg, const struct feedback *row)
{
        struct seen *s = arg;
        if (row->class >= 0 && (size_t)row->class < s->n_classes)
                s->class[row->class] = true;
        return 0;
}

/* The classes of the open task: those fixed, else those of the range, else (no labels: other losses) all. */
static int open_classes(
    struct store *s, const struct job *job, struct arena *a, const struct layout *l, struct task *open, struct err *e)
{
        if (open->classes_fixed || l->spec.scenario == SCENARIO_DOMAIN)
                return 0;
        struct seen seen = {arena_new_array(a, bool, l->spec.n_classes), l->spec.n_classes};
        uint32_t *classes = arena_new_array(a, uint32_t, l->spec.n_classes);
        if (!seen.class || !classes)
                return err_oom(e);
        bool labelled = l->spec.net.loss == EWC_LOSS_SOFTMAX;
        if (labelled) {
                struct feedback_filter f = {.task = open->id, .range = job->range, .split = SPLIT_BOTH};
                int r = store_feedback_scan(s, job->model, &f, see, &seen, e);
                if (r != 0)
                        return err_wrap(e, r, "classes of task %s", open->name);
        }
        open->classes = classes;
        open->n_classes = 0;
        for (uint32_t c = 0; c < l->spec.n_classes; c++)
                if (seen.class[c] || !labelled)
                        classes[open->n_classes++] = c;
        return 0;
}

static int load_tasks(struct store *s, const struct job *job, struct arena *a, struct layout *l, struct err *e)
{
        struct task *tasks;
        int r = store_task_list(s, job->model, a, &tasks, &l->n_tasks, e);
        if (r != 0)
                return err_wrap(e, r, "tasks of model %s", l->spec.name);
        struct task *open = NULL;
        for (size_t i = 0; i < l->n_tasks; i++)
                if (tasks[i].id == job->task)
                        open = &tasks[i];
        if (!open || open->state != TASK_OPEN)
                return err_set(e, -ESTALE, "the job's task is not open any more");
        if ((r = open_classes(s, job, a, l, open, e)) < 0)
                return r;
        l->tasks = tasks;
        l->open = open;
        return 0;
}

static int grow(struct arena *a, struct layout *l, struct err *e)
{
        struct output_row *rows;
        size_t n;
        if (l->parent.n_outputs < 1 || l->parent.n_outputs > EWC_MAX_UNITS)
                return err_set(
                    e, -EBADMSG, "version %" PRIu64 " has %zu outputs", l->parent.number, l->parent.n_outputs);
        if (head_extend(l->spec.scenario, l->parent.outputs, l->parent.n_outputs, l->spec.n_classes, l->open, a,
                &rows, &n) < 0)
                return err_oom(e);
        if (n > EWC_MAX_UNITS)
                return err_set(e, -E2BIG, "the net would have %zu outputs; %d are the most", n, EWC_MAX_UNITS);
        l->outputs = rows;
        l->n_outputs = n;
        l->parent_net = l->spec.net;
        l->parent_net.n_outputs = (uint32_t)l->parent.n_outputs;
        l->spec.net.n_outputs = (uint32_t)n;
        char why[160] = "";
        if (ewc_spec_check(&l->parent_net, why, sizeof(why)) < 0 ||
            ewc_spec_check(&l->spec.net, why, sizeof(why)) < 0)
                return err_set(e, -EBADMSG, "net of model %s: %s", l->spec.name, why);
        if (l->parent.n_params != ewc_spec_params(&l->parent_net))
                return err_set(e, -EBADMSG, "version %" PRIu64 " has %zu parameters, its net %zu", l->parent.number,
                    l->parent.n_params, ewc_spec_params(&l->parent_net));
        return 0;
}

int layout_load(struct store *s, const struct job *job, struct arena *a, struct layout *ret, struct err *e)
{
        struct layout l = {0};
        int r = load_model(s, job->model, a, &l, e);
        if (r == 0)
                r = load_tasks(s, job, a, &l, e);
        if (r == 0 && (r = store_version_get(s, job->parent, a, &l.parent, e)) != 0)
                r = err_wrap(e, r, "parent version %" PRIu64, job->parent_number);
        if (r == 0)
                r = grow(a, &l, e);
        if (r < 0)
                return r;
        *ret = l;
        return 0;
}
