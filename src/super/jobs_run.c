/* jobs_run.c: one job's life, as a walk over the steps of jobs_step.c.
 *
 *   CLAIM ─► EXPORT ─► ATTEMPT ─► LEARN ─► JUDGE ─► SETTLE ─► STAGE… ─► COMMIT ─► CLEAN
 *                        ▲__________│ died: again from its checkpoint, after a wait
 *   anything ─► END (failed, cancelled) ─► CLEAN
 *
 * A run has one thing under way: a work item, a learner, or a timer before the step is tried again. A cancel is a
 * mark that the next move looks at; at the commit it comes too late. When the daemon stops, runs are dropped as
 * soon as their work item is back: the state in the store says where to go on. */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "infer/publish.h"
#include "loop/loop.h"
#include "super/jobs_in.h"
#include "super/jobs_notes.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX ((size_t)16 << 20)

struct run *run_find(struct jobs *j, job_id id)
{
        struct run *r = j->runs;
        while (r && r->id != id)
                r = r->next;
        return r;
}

static bool join(char ret[PATH_CAP], const char *dir, const char *name)
{
        int n = snprintf(ret, PATH_CAP, "%s/%s", dir, name);
        return n > 0 && n < PATH_CAP;
}

static bool set_paths(struct run *r)
{
        char id[24];
        snprintf(id, sizeof(id), "%" PRIu64, r->id);
        return join(r->dir, r->jobs->dir, id) && join(r->job_path, r->dir, "job.safetensors") &&
               join(r->result_path, r->dir, "result.safetensors") &&
               join(r->checkpoint_path, r->dir, "checkpoint.safetensors") && join(r->notes_path, r->dir, "notes");
}

struct run *run_new(struct jobs *j, const struct found *f)
{
        struct run *r = new_zero(struct run);
        if (!r)
                return NULL;
        r->jobs = j;
        r->id = f->id;
        r->job = (struct job){.id = f->id, .model = f->model, .state = f->state};
        if (!set_paths(r)) {
                free(r);
                return NULL;
        }
        arena_init(&r->arena, ARENA_MAX);
        r->start_ns = clock_mono_ns(loop_clock(j->deps.control));
        r->live.now = (struct job_live){.id = f->id};
        r->next = j->runs;
        j->runs = r;
        board_add(&j->board, &r->live);
        return r;
}

void run_drop(struct run *r)
{
        struct jobs *j = r->jobs;
        for (struct run **at = &j->runs; *at; at = &(*at)->next) {
                if (*at == r) {
                        *at = r->next;
                        break;
                }
        }
        board_remove(&j->board, &r->live);
        if (j->deps.publish)
                publish_forget(j->deps.publish, r);
        loop_source_free(r->timer);
        settlement_free(r->settlement);
        arena_deinit(&r->arena);
        free(r);
}

/* --- steps --- */

static int on_thread(struct store *s, struct store_work *w, struct err *e)
{
        struct run *r = w->arg;
        return step_rows[r->step].work(s, r, e);
}

static void on_done(struct store_work *w)
{
        struct run *r = w->arg;
        struct jobs *j = r->jobs;
        jobs_returned(j);
        if (j->stopping) {
                if (r->step == STEP_ATTEMPT && w->result == 0)
                        notes_take_back(r); /* counted, and will not be made */
                run_drop(r);
        } else {
                step_rows[r->step].done(r, w->result, &w->err);
        }
        jobs_check_stop(j);
}

static void on_timer(void *arg);

static void wait(struct run *r, uint64_t ms)
{
        struct loop_source *before = r->timer;
        r->timer = loop_timer(r->jobs->deps.control, ms, false, on_timer, r);
        loop_source_free(before);
        if (!r->timer) { /* no memory for a timer: the job stays where it is until the next pump or restart */
                log_error("job %" PRIu64 ": out of memory", r->id);
                run_drop(r);
        }
}

static struct store_queue *queue_of(const struct jobs_deps *d, enum step_thread t)
{
        return t == ON_WRITER ? d->writer : t == ON_READER ? d->reader : d->exporter;
}

static void submit(struct run *r)
{
        struct jobs *j = r->jobs;
        if (r->step == STEP_LEARN) {
                run_learn(r);
                return;
        }
        r->work = (struct store_work){.run = on_thread, .done = on_done, .arg = r};
        if (r->step == STEP_STAGE)
                r->work.cost = BLOB_CHUNK;
        if (jobs_submit(j, queue_of(&j->deps, step_rows[r->step].thread), &r->work) < 0)
                wait(r, SUBMIT_AGAIN_MS);
}

static void on_timer(void *arg)
{
        struct run *r = arg;
        loop_source_free(r->timer);
        r->timer = NULL;
        submit(r);
}

void run_go(struct run *r, enum step step)
{
        if (r->jobs->stopping) {
                run_drop(r);
                return;
        }
        if (r->cancelled && step < STEP_COMMIT && step > STEP_LOAD) {
                run_end(r, JOB_CANCELLED, "cancelled on request");
                return;
        }
        if (step != r->step)
                r->tries = 0;
        r->step = step;
        board_step(&r->jobs->board, &r->live, step);
        submit(r);
}

/* The step's name stands before the text once, also when the text begins with it. */
static void log_again(const struct run *r, const char *why)
{
        const char *name = step_rows[r->step].name;
        size_t n = strlen(name);
        bool named = strncmp(why, name, n) == 0 && why[n] == ':';
        log_warning("job %" PRIu64 ": %s%s%s; trying again", r->id, named ? "" : name, named ? "" : ": ", why);
}

void run_again(struct run *r, const struct err *why, uint32_t max_tries)
{
        if (r->cancelled && r->step < STEP_COMMIT) {
                run_end(r, JOB_CANCELLED, "cancelled on request");
                return;
        }
        r->tries++;
        if (max_tries > 0 && r->tries >= max_tries) {
                run_fail(r, why->msg);
                return;
        }
        log_again(r, why->msg);
        wait(r, jobs_backoff(r->jobs, r->tries));
}

/* --- ends --- */

void run_end(struct run *r, enum job_state end, const char *why)
{
        r->end = end;
        snprintf(r->reason, sizeof(r->reason), "%s", why);
        r->tries = 0;
        r->step = STEP_END;
        board_step(&r->jobs->board, &r->live, STEP_END);
        submit(r);
}

void run_fail(struct run *r, const char *why)
{
        if (r->cancelled)
                run_end(r, JOB_CANCELLED, "cancelled on request");
        else
                run_end(r, JOB_FAILED, why);
}

void run_cancel(struct run *r)
{
        if (r->cancelled || r->step >= STEP_COMMIT)
                return;
        r->cancelled = true;
        if (r->learner) {
                r->jobs->deps.learner.cancel(r->learner);
        } else if (r->timer) {
                loop_source_free(r->timer);
                r->timer = NULL;
                if (r->job.state == JOB_QUEUED)
                        run_go(r, STEP_LOAD); /* the claim may have failed in any way: see first where the job is */
                else
                        run_end(r, JOB_CANCELLED, "cancelled on request");
        }
}

/* Every loop serves what the job left behind: only now has it ended for those who ask (job_live.switching). */
static void on_published(void *arg, int result, const struct err *e)
{
        struct run *r = arg;
        if (result != 0)
                log_error("model %s: its new version is served after a restart: %s", r->job.model_name, e->msg);
        run_go(r, STEP_CLEAN);
}

void run_finished(struct run *r, enum job_state end)
{
        struct jobs *j = r->jobs;
        uint64_t took = clock_mono_ns(loop_clock(j->deps.control)) - r->start_ns;
        assert(job_has_ended(end));
        r->job.state = end;
        board_count(&j->board, end, (double)took * 1e-9);
        if (r->job.kind == JOB_CONSOLIDATE || r->job.kind == JOB_ROLLOVER)
                policy_ended(j, r->job.model, end);
        else
                policy_ask(j, r->job.model); /* it says nothing about learning from the rows */
        if (end == JOB_FAILED)
                log_warning("job %" PRIu64 " of model %s failed: %s", r->id, r->job.model_name, r->reason);
        else
                log_info("job %" PRIu64 " of model %s %s: %s", r->id, r->job.model_name, job_state_name(end),
                    job_reason_rest(job_state_name(end), r->reason));
        bool tasks_changed = r->job.kind == JOB_ROLLOVER && end == JOB_REJECTED;
        if (!j->deps.publish || !(end == JOB_PROMOTED || tasks_changed)) {
                run_go(r, STEP_CLEAN);
                return;
        }
        struct err e = ERR_NULL;
        if (publish_model(j->deps.publish, r->job.model, on_published, r) < 0)
                on_published(r, err_oom(&e), &e);
}

/* --- the learner --- */

static void on_line(void *arg, const struct progress_line *l)
{
        struct run *r = arg;
        board_line(&r->jobs->board, &r->live, l);
}

static void on_stuck(void *arg)
{
        struct run *r = arg;
        log_error("job %" PRIu64 ": the learner was killed and does not end", r->id);
        board_stuck(&r->jobs->board, &r->live);
        if (r->jobs->stopping) { /* not even that keeps the daemon from ending */
                r->learner = NULL;
                jobs_check_stop(r->jobs);
        }
}

static void start_again(struct run *r, const char *why)
{
        bool last = r->fruitless >= r->jobs->conf.max_attempts; /* unless it got further: then it goes on at once */
        notes_ended(r);
        log_warning("job %" PRIu64 ": the learner ended: %s; starting it again%s", r->id, why,
            last ? " if it got any further" : "");
        snprintf(r->why, sizeof(r->why), "%s", why);
        r->step = STEP_ATTEMPT;
        board_step(&r->jobs->board, &r->live, STEP_ATTEMPT);
        wait(r, last ? 0 : jobs_backoff(r->jobs, r->fruitless));
}

static void on_exit_of_learner(void *arg, enum learner_exit how, const char *why)
{
        struct run *r = arg;
        struct jobs *j = r->jobs;
        r->learner = NULL;
        board_learning(&j->board, &r->live, false);
        if (j->stopping) {
                notes_take_back(r); /* not a death */
                run_drop(r);
        } else if (r->cancelled) {
                run_end(r, JOB_CANCELLED, "cancelled on request");
        } else if (how == LEARNER_COMPLETE) {
                run_go(r, r->job.state == JOB_RUNNING ? STEP_JUDGE : STEP_SETTLE);
        } else if (how == LEARNER_REFUSED || how == LEARNER_FAILED) {
                run_fail(r, why);
        } else {
                start_again(r, why); /* died, or someone else stopped it */
        }
        jobs_check_stop(j);
}

void run_learn(struct run *r)
{
        struct jobs *j = r->jobs;
        struct err e = ERR_NULL;
        const struct learner_start start = {
            .job = r->id,
            .job_path = r->job_path,
            .result_path = r->result_path,
            .checkpoint_path = r->checkpoint_path,
        };
        const struct learner_events ev = {.line = on_line, .ended = on_exit_of_learner, .stuck = on_stuck, .arg = r};
        board_learning(&j->board, &r->live, true);
        if (j->deps.learner.start(j->deps.learner.impl, &start, &ev, &r->learner, &e) == 0)
                return;
        board_learning(&j->board, &r->live, false);
        start_again(r, e.msg);
}
