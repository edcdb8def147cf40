/* as_of.c: going back to what a job saw.
 *
 * Exactly one task of a model is open, and it is the last; so when a job of a task was claimed, every earlier one was
 * closed with the record it has now, and no later one existed. Weights change afterwards; they follow from the job's
 * parent (layout.c). Classes are only ever added, behind the others. */
#include "super/as_of.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>

#define VERSION_MAX ((size_t)256 << 20) /* of its record */

int tasks_as_of(const struct job *job, struct task *tasks, size_t *n, struct err *e)
{
        size_t own = 0;
        while (own < *n && tasks[own].id != job->task)
                own++;
        if (own == *n)
                return err_set(e, -ESTALE, "the job's task is not there any more");
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
