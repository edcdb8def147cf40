/* jobs_create.c: the job that a policy asked for.
 *
 * One work item on the writer. That another job came first is no error. A rollover that drift asked for names its new
 * task there, where the names that are taken can be read in the same transaction. */
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "domain/boundary.h"
#include "store/store.h"
#include "super/jobs_in.h"
#include <inttypes.h>
#include <stdio.h>

#define ARENA_MAX ((size_t)64 << 20)

struct create {
        struct jobs *jobs;
        struct store_work work;
        struct job_new job;
        char model[NAME_SIZE], text[REASON_SIZE], next_task[NAME_SIZE];
        job_id id;
};

static int name_task(struct store *s, model_id m, char ret[NAME_SIZE], struct err *e)
{
        struct arena a;
        struct task *tasks;
        size_t n;
        arena_init(&a, ARENA_MAX);
        int r = store_task_list(s, m, &a, &tasks, &n, e);
        const char **taken = r == 0 ? arena_new_array(&a, const char *, n) : NULL;
        if (r == 0 && !taken)
                r = err_oom(e);
        for (size_t i = 0; r == 0 && i < n; i++)
                taken[i] = tasks[i].name;
        if (r == 0)
                boundary_task_name(n, n, taken, ret);
        arena_deinit(&a);
        return r;
}

static int create_work(struct store *s, struct store_work *w, struct err *e)
{
        struct create *c = w->arg;
        if (c->job.kind == JOB_ROLLOVER) {
                int r = name_task(s, c->job.model, c->next_task, e);
                if (r != 0)
                        return r;
                c->job.next_task = c->next_task;
        }
        return store_job_create(s, &c->job, &c->id, e);
}

static void on_created(struct store_work *w)
{
        struct create *c = w->arg;
        struct jobs *j = c->jobs;
        jobs_returned(j);
        if (w->result == 0) {
                log_info("job %" PRIu64 " of model %s: %s", c->id, c->model, c->text);
                jobs_pump(j);
        } else if (w->result != STORE_CONFLICT) {
                log_warning("automatic job of model %s: %s", c->model, w->err.msg);
        }
        free(c);
        jobs_check_stop(j);
}

void policy_create(struct jobs *j, model_id m, const char *name, const struct due *d)
{
        struct create *c = new_zero(struct create);
        if (!c)
                return; /* the timer asks again */
        c->jobs = j;
        snprintf(c->model, sizeof(c->model), "%s", name);
        snprintf(c->text, sizeof(c->text), "%s", d->reason);
        c->job = (struct job_new){
            .model = m,
            .kind = d->rollover ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = d->trigger,
            .trigger_value = d->value,
            .trigger_text = c->text,
            .strategy = d->strategy,
            .upto_seq = d->rollover ? d->upto_seq : 0,
            .who = "policy",
        };
        c->work = (struct store_work){.run = create_work, .done = on_created, .arg = c};
        if (jobs_submit(j, j->deps.writer, &c->work) < 0)
                free(c);
}
