/* as_of.c: going back to what a job saw.
 *
 * Exactly one task of a model is open, and it is the last; so when a job of a task was claimed, every earlier one was
 * closed with the record it has now, and no later one existed. Only weights change afterwards, each by a reweight job
 * that was promoted; the jobs tell their history. Classes are only ever added, behind the others. */
#include "super/as_of.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>

#define VERSION_MAX ((size_t)256 << 20) /* of its record */

struct history {
        const struct job *job;
        struct task *task; /* whose weight is looked for */
        bool changed;      /* since the job */
        bool found;        /* what stood before */
};

/* Newest first. */
static int look_back(void *arg, const struct job *j)
{
        struct history *h = arg;
        if (j->kind != JOB_REWEIGHT || j->state != JOB_PROMOTED || j->alpha_task != h->task->id || h->found)
                return 0;
        if (j->id > h->job->id) {
                h->changed = true;
        } else if (h->changed) {
                h->task->alpha = j->alpha;
                h->found = true;
        }
        return 0;
}

static int weight_as_of(struct store *s, const struct job *job, struct task *t, struct err *e)
{
        struct history h = {.job = job, .task = t};
        const struct job_filter f = {.model = job->model};
        int r = store_job_list(s, &f, look_back, &h, e);
        if (r == 0 && h.changed && !h.found)
                t->alpha = 1.0; /* the weight every task is closed with */
        return r;
}

int tasks_as_of(struct store *s, const struct job *job, struct task *tasks, size_t *n, struct err *e)
{
        size_t own = 0;
        while (own < *n && tasks[own].id != job->task)
                own++;
        if (own == *n)
                return err_set(e, -ESTALE, "the job's task is not there any more");
        for (size_t i = 0; i < own; i++) {
                int r = weight_as_of(s, job, &tasks[i], e);
                if (r != 0)
                        return err_wrap(e, r, "weight of task %s", tasks[i].name);
        }
        struct task *t = &tasks[own];
        t->state = TASK_OPEN;
        t->alpha = 1.0;
        t->closed_ms = 0;
        t->closed_by = 0;
        t->has_fisher = false;
        t->n_at_close = 0;
        *n = own + 1;
        return 0;
}

int classes_as_of(struct store *s, const struct job *job, enum scenario scenario, size_t *n, struct err *e)
{
        struct arena a;
        struct version v;
        size_t most = 0;
        if (scenario != SCENARIO_CLASS || job->version == 0)
                return 0;
        arena_init(&a, VERSION_MAX);
        int r = store_version_get(s, job->version, &a, &v, e);
        for (size_t i = 0; r == 0 && i < v.n_outputs; i++)
                if (v.outputs[i].class >= most)
                        most = (size_t)v.outputs[i].class + 1;
        if (r == 0 && most > 0 && most < *n)
                *n = most;
        arena_deinit(&a);
        return r == 0 ? 0 : err_wrap(e, r, "version that job %" PRIu64 " trained", job->id);
}
