/* jobs.c: start, stop, and which queued job is next.
 *
 * All of it runs on the control thread. A pump asks the reader thread for the active jobs and starts a run for
 * every queued one that has none, as long as fewer learners than allowed are at work; the store sees to it that a
 * model has at most one active job. One question is under way at a time; what comes meanwhile makes it be asked
 * once more. Before the restart rules have been applied nothing is pumped. */
#include "super/jobs.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "store/store.h"
#include "super/backoff.h"
#include "super/jobs_in.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t jobs_backoff(const struct jobs *j, uint32_t tries)
{
        return backoff_next(tries, j->conf.backoff_ms, WAIT_MAX_MS);
}

/* --- work items --- */

static void nobody_hears(struct store_work *w)
{
        (void)w; /* lives in a run or in jobs, freed there */
}

int jobs_submit(struct jobs *j, struct store_queue *q, struct store_work *w)
{
        w->reply_to = loop_mailbox(j->deps.control);
        w->release = nobody_hears;
        int r = store_submit(q, w);
        if (r == 0)
                j->in_flight++;
        return r;
}

static bool all_back(const struct jobs *j)
{
        if (j->in_flight > 0)
                return false;
        for (const struct run *r = j->runs; r; r = r->next)
                if (r->learner)
                        return false;
        return true;
}

void jobs_returned(struct jobs *j)
{
        j->in_flight--;
}

/* Called at the end of whatever may have been the last thing jobs_stop waits for. */
void jobs_check_stop(struct jobs *j)
{
        if (j->stop_waits && all_back(j))
                loop_stop(j->deps.control);
}

/* --- the active jobs of the store --- */

static int add_found(void *arg, const struct job *job)
{
        struct found_list *f = arg;
        void *v = f->v;
        if (!mem_grow(&v, &f->cap, f->n + 1, sizeof(*f->v)))
                return -ENOMEM;
        f->v = v;
        f->v[f->n++] = (struct found){job->id, job->model, job->state};
        return 0;
}

int found_fill(struct store *s, struct found_list *f, struct err *e)
{
        const struct job_filter active = {.active_only = true};
        f->n = 0;
        int r = store_job_list(s, &active, add_found, f, e);
        if (r == -ENOMEM)
                return err_oom(e);
        for (size_t i = 0; r == 0 && i < f->n / 2; i++) { /* listed newest first */
                struct found t = f->v[i];
                f->v[i] = f->v[f->n - 1 - i];
                f->v[f->n - 1 - i] = t;
        }
        return r;
}

/* --- the pump --- */

static void on_nudge(void *arg)
{
        struct jobs *j = arg;
        loop_source_free(j->nudge);
        j->nudge = NULL;
        if (j->recovered)
                jobs_pump(j);
        else
                jobs_recover(j);
}

void jobs_nudge(struct jobs *j, uint64_t ms)
{
        if (!j->nudge && !j->stopping)
                j->nudge = loop_timer(j->deps.control, ms, false, on_nudge, j);
}

static size_t at_work(const struct jobs *j)
{
        size_t n = 0;
        for (const struct run *r = j->runs; r; r = r->next)
                n += r->step <= STEP_LEARN || r->learner;
        return n;
}

static int list_work(struct store *s, struct store_work *w, struct err *e)
{
        struct jobs *j = w->arg;
        return found_fill(s, &j->found, e);
}

static void start_found(struct jobs *j)
{
        for (size_t i = 0; i < j->found.n && at_work(j) < j->conf.max_learners; i++) {
                const struct found *f = &j->found.v[i];
                if (f->state != JOB_QUEUED || run_find(j, f->id))
                        continue;
                struct run *r = run_new(j, f);
                if (!r) {
                        log_error("job %" PRIu64 ": out of memory", f->id);
                        jobs_nudge(j, jobs_backoff(j, 1));
                        return;
                }
                run_go(r, STEP_CLAIM);
        }
}

static void on_listed(struct store_work *w)
{
        struct jobs *j = w->arg;
        jobs_returned(j);
        j->pumping = false;
        if (!j->stopping && w->result == 0) {
                start_found(j);
        } else if (!j->stopping) {
                log_error("list of jobs: %s", w->err.msg);
                jobs_nudge(j, jobs_backoff(j, 1));
        }
        if (j->pump_again && !j->stopping) {
                j->pump_again = false;
                jobs_pump(j);
        }
        jobs_check_stop(j);
}

void jobs_pump(struct jobs *j)
{
        if (j->stopping || !j->recovered)
                return;
        if (j->pumping) {
                j->pump_again = true;
                return;
        }
        j->pump_work = (struct store_work){.run = list_work, .done = on_listed, .arg = j};
        if (jobs_submit(j, j->deps.reader, &j->pump_work) < 0)
                jobs_nudge(j, SUBMIT_AGAIN_MS);
        else
                j->pumping = true;
}

/* --- messages --- */

static int post(struct jobs *j, uint16_t kind, uint64_t id)
{
        return loop_post(j->deps.control, &(struct msg){.kind = kind, .id = id});
}

int jobs_post_pump(struct jobs *j)
{
        return post(j, JOBS_MSG_PUMP, 0);
}

int jobs_post_counters(struct jobs *j, model_id m)
{
        return post(j, JOBS_MSG_COUNTERS, m);
}

int jobs_post_cancel(struct jobs *j, job_id id)
{
        return post(j, JOBS_MSG_CANCEL, id);
}

/* A job without a run is queued or has ended: a run that is cancelled from the start finds out which. */
static void cancel(struct jobs *j, job_id id)
{
        struct run *r = run_find(j, id);
        if (!r) {
                const struct found f = {.id = id, .state = JOB_QUEUED};
                if (!(r = run_new(j, &f)))
                        return;
                r->cancelled = true;
                run_go(r, STEP_LOAD);
                return;
        }
        run_cancel(r);
}

bool jobs_dispatch(struct jobs *j, const struct msg *m)
{
        switch (m->kind) {
        case JOBS_MSG_PUMP:
                jobs_pump(j);
                return true;
        case JOBS_MSG_CANCEL:
                if (!j->stopping)
                        cancel(j, m->id);
                return true;
        case JOBS_MSG_COUNTERS:
                policy_ask(j, m->id);
                return true;
        default:
                return false;
        }
}

/* --- start and stop --- */

static void jobs_free(struct jobs *j)
{
        policy_free(j);
        while (j->runs)
                run_drop(j->runs);
        loop_source_free(j->nudge);
        board_deinit(&j->board);
        free(j->found.v);
        free(j->dir);
        free(j->program);
        free(j);
}

static char *copy(const char *s)
{
        size_t n = strlen(s) + 1;
        char *to = new_array(char, n);
        return to ? memcpy(to, s, n) : NULL;
}

int jobs_start(struct jobs **ret, const struct jobs_conf *c, const struct jobs_deps *d, struct err *e)
{
        struct jobs *j = new_zero(struct jobs);
        if (!j)
                return err_oom(e);
        board_init(&j->board);
        j->conf = *c;
        j->deps = *d;
        if (!d->exporter)
                j->deps.exporter = d->reader;
        j->dir = copy(c->dir);
        j->program = copy(c->program);
        j->conf.dir = j->dir;
        j->conf.program = j->program;
        if (c->max_attempts == 0)
                j->conf.max_attempts = 1;
        if (c->max_learners == 0)
                j->conf.max_learners = 1;
        if (c->backoff_ms == 0)
                j->conf.backoff_ms = 1000;
        int r = j->dir && j->program ? policy_start(j, e) : err_oom(e);
        if (r < 0) {
                jobs_free(j);
                return r;
        }
        jobs_recover(j);
        *ret = j;
        return 0;
}

void jobs_stop(struct jobs *j)
{
        if (!j)
                return;
        struct err e = ERR_NULL;
        j->stopping = true;
        policy_stop(j);
        loop_source_free(j->nudge);
        j->nudge = NULL;
        for (struct run *r = j->runs, *next; r; r = next) {
                next = r->next;
                loop_source_free(r->timer);
                r->timer = NULL;
                if (r->learner)
                        j->deps.learner.cancel(r->learner);
        }
        if (!all_back(j)) {
                j->stop_waits = true;
                if (loop_run(j->deps.control, &e) < 0)
                        log_error("wait for learners: %s", e.msg);
        }
        jobs_free(j);
}
