/* layout.c: model, tasks and outputs of a job.
 *
 * An open task without fixed classes has those of its feedback, which goes on growing while the job runs. Here only
 * the claimed range counts, and that is frozen until the job ends. A closed task has the outputs it was closed with,
 * whatever rows came in for it since: only those have been trained. A job that has ended is laid out as it was
 * when it was claimed. */
#include "super/layout.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "domain/head.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/as_of.h"
#include <errno.h>
#include <inttypes.h>

#define SCRATCH_MAX ((size_t)256 << 20)

static int load_model(struct store *s, const struct job *job, struct arena *a, struct layout *l, struct err *e)
{
        struct model model;
        int r = store_model_by_id(s, job->model, a, &model, e);
        if (r != 0)
                return err_wrap(e, r, "model %" PRIu64, job->model);
        if (job_has_ended(job->state) && (r = classes_as_of(s, job, model.scenario, &model.n_classes, e)) != 0)
                return r;
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

/* Those of the parent's line, whoever has come to serve since the job was claimed. */
static int load_weights(struct store *s, const struct job *job, struct task *tasks, size_t n, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                if (tasks[i].state != TASK_CLOSED)
                        continue;
                int r = store_task_weight(s, tasks[i].id, job->parent, job->id, &tasks[i].alpha, e);
                if (r != 0)
                        return err_wrap(e, r, "weight of task %s", tasks[i].name);
        }
        return 0;
}

static int load_tasks(struct store *s, const struct job *job, struct arena *a, struct layout *l, struct err *e)
{
        struct task *tasks;
        int r = store_task_list(s, job->model, a, &tasks, &l->n_tasks, e);
        if (r != 0)
                return err_wrap(e, r, "tasks of model %s", l->spec.name);
        if (job_has_ended(job->state) && (r = tasks_as_of(job, tasks, &l->n_tasks, e)) != 0)
                return r;
        if ((r = load_weights(s, job, tasks, l->n_tasks, e)) != 0)
                return r;
        struct task *open = NULL;
        for (size_t i = 0; i < l->n_tasks; i++)
                if (tasks[i].id == job->task) {
                        open = &tasks[i];
                } else if (job->kind == JOB_REWEIGHT && tasks[i].id == job->alpha_task) {
                        l->alpha_was = tasks[i].alpha;
                        tasks[i].alpha = job->alpha;
                }
        if (!open || open->state != TASK_OPEN)
                return err_set(e, -ESTALE, "the job's task is not open any more");
        if ((r = open_classes(s, job, a, l, open, e)) < 0)
                return r;
        l->tasks = tasks;
        l->open = open;
        return 0;
}

/* --- outputs --- */

static int load_record(
    struct store *s, const struct task *t, struct arena *a, struct layout_record *ret, struct err *e)
{
        struct arena scratch; /* a version has more to it than its outputs */
        struct version v;
        arena_init(&scratch, SCRATCH_MAX);
        int r = store_version_get(s, t->closed_by, &scratch, &v, e);
        if (r != 0) {
                r = err_wrap(e, r, "version that closed task %s", t->name);
        } else {
                ret->n_outputs = v.n_outputs;
                ret->outputs = arena_memdup(a, v.outputs, v.n_outputs * sizeof(*v.outputs));
                r = ret->outputs ? 0 : err_oom(e);
        }
        arena_deinit(&scratch);
        return r;
}

static int load_records(struct store *s, struct arena *a, struct layout *l, struct err *e)
{
        struct layout_record *records = arena_new_array(a, struct layout_record, l->n_tasks);
        if (!records)
                return err_oom(e);
        for (size_t i = 0; i < l->n_tasks; i++) {
                if (l->tasks[i].state != TASK_CLOSED || !l->tasks[i].has_fisher)
                        continue;
                int r = load_record(s, &l->tasks[i], a, &records[i], e);
                if (r != 0)
                        return r;
        }
        l->records = records;
        return 0;
}

void layout_source(const struct layout *l, size_t task, uint32_t *ret)
{
        const struct layout_record *r = &l->records[task];
        head_map(l->spec.scenario, l->tasks[0].id, r->outputs, r->n_outputs, l->outputs, l->n_outputs, ret);
}

/* Gives t the classes that the record of the task has outputs for. */
static bool recorded_classes(const struct layout_record *r, struct arena *a, struct task *t)
{
        uint32_t *classes = arena_new_array(a, uint32_t, r->n_outputs);
        if (!classes)
                return false;
        t->classes = classes;
        t->n_classes = 0;
        for (size_t i = 0; i < r->n_outputs; i++)
                if (r->outputs[i].task == t->id || (r->outputs[i].task == 0 && t->ordinal == 0))
                        classes[t->n_classes++] = r->outputs[i].class;
        return true;
}

/* The tasks as they add outputs: closed ones with those of their record, the open one last. */
static struct task *growing_tasks(struct arena *a, const struct layout *l)
{
        struct task *tasks = arena_new_array(a, struct task, l->n_tasks);
        size_t n = 0;
        if (!tasks)
                return NULL;
        for (size_t i = 0; i < l->n_tasks; i++) {
                if (&l->tasks[i] == l->open)
                        continue;
                tasks[n] = l->tasks[i];
                if (l->spec.scenario == SCENARIO_TASK && !recorded_classes(&l->records[i], a, &tasks[n]))
                        return NULL;
                n++;
        }
        tasks[n] = *l->open;
        return tasks;
}

static uint32_t count_fresh(const struct layout *l)
{
        uint32_t n = 0;
        for (size_t i = l->parent.n_outputs; i < l->n_outputs; i++)
                if (l->spec.scenario != SCENARIO_TASK || l->outputs[i].task == l->open->id)
                        n++;
        return n;
}

/* The parent's outputs and what its tasks add; a reweight trains nothing, so it adds none. */
static int extend(const struct job *job, struct arena *a, struct layout *l, struct err *e)
{
        struct output_row *rows = NULL;
        size_t n = l->parent.n_outputs;
        if (job->kind == JOB_REWEIGHT) {
                l->outputs = l->parent.outputs;
                l->n_outputs = n;
                return 0;
        }
        const struct task *tasks = growing_tasks(a, l);
        if (!tasks || head_extend(l->spec.scenario, l->parent.outputs, l->parent.n_outputs, l->spec.n_classes, tasks,
                          l->n_tasks, a, &rows, &n) < 0)
                return err_oom(e);
        l->outputs = rows;
        l->n_outputs = n;
        return 0;
}

static int grow(const struct job *job, struct arena *a, struct layout *l, struct err *e)
{
        if (l->parent.n_outputs < 1 || l->parent.n_outputs > EWC_MAX_UNITS)
                return err_set(
                    e, -EBADMSG, "version %" PRIu64 " has %zu outputs", l->parent.number, l->parent.n_outputs);
        int r = extend(job, a, l, e);
        if (r < 0)
                return r;
        if (l->n_outputs > EWC_MAX_UNITS)
                return err_set(
                    e, -E2BIG, "the net would have %zu outputs; %d are the most", l->n_outputs, EWC_MAX_UNITS);
        l->n_fresh = count_fresh(l);
        l->parent_net = l->spec.net;
        l->parent_net.n_outputs = (uint32_t)l->parent.n_outputs;
        l->spec.net.n_outputs = (uint32_t)l->n_outputs;
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
        int r = load_model(s, job, a, &l, e);
        if (r == 0)
                r = load_tasks(s, job, a, &l, e);
        if (r == 0 && (r = store_version_get(s, job->parent, a, &l.parent, e)) != 0)
                r = err_wrap(e, r, "parent version %" PRIu64, job->parent_number);
        if (r == 0)
                r = load_records(s, a, &l, e);
        if (r == 0)
                r = grow(job, a, &l, e);
        if (r < 0)
                return r;
        *ret = l;
        return 0;
}
