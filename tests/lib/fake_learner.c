/* fake_learner.c: see fake_learner.h. The work is done in one go when the loop comes round, so a test steps from
 * event to event; files and lines are those of the real learner. */
#include "lib/fake_learner.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "learner/learn.h"
#include "loop/loop.h"
#include "proto/bundle.h"
#include "proto/progress.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DIED = -12345 };

struct learner_run {
        struct fake_learner *fake;
        struct learner_events ev;
        char job_path[4096], result_path[4096], checkpoint_path[4096];
        struct loop_source *timer;
        bool cancelled;
        struct digest digest;
        const struct learn_job *job;
        bool dies;
};

static void line(struct learner_run *r, enum progress_event event, const struct learn_progress *p)
{
        struct progress_line l = {.event = event};
        if (p) {
                l.fraction = p->fraction;
                l.try = p->try;
                l.epoch = p->epoch;
                l.epochs = p->epochs;
                l.step = p->step;
                l.lambda = p->lambda;
                l.loss = p->loss;
                l.penalty = p->penalty;
                l.penalty_ratio = p->penalty_ratio;
        }
        r->ev.line(r->ev.arg, &l);
}

static int on_progress(void *arg, const struct learn_progress *p)
{
        struct learner_run *r = arg;
        if (!p->state)
                return 0;
        struct err e = ERR_NULL;
        int code = bundle_write_checkpoint(r->checkpoint_path, &r->digest, &r->job->net, p->state, &e);
        if (code < 0)
                return code;
        line(r, p->phase == LEARN_PHASE_FISHER ? PROGRESS_FISHER : PROGRESS_EPOCH, p);
        return r->dies && p->state->epoch >= r->fake->die_at_epoch ? DIED : 0;
}

static bool should_stop(void *arg)
{
        struct learner_run *r = arg;
        return r->cancelled;
}

static enum learner_exit finish(struct learner_run *r, int code, struct learn_result *result, struct err *e)
{
        if (code == DIED) {
                err_set(e, DIED, "killed by signal 9 (Killed)");
                return LEARNER_DIED;
        }
        if (code == LEARN_STOPPED)
                return LEARNER_CANCELLED;
        if (code < 0)
                return LEARNER_FAILED;
        if (r->fake->twist)
                r->fake->twist(r->fake->arg, result);
        return bundle_write_result(r->result_path, &r->digest, &r->job->net, result, e) < 0 ? LEARNER_FAILED
                                                                                            : LEARNER_COMPLETE;
}

static enum learner_exit work(struct learner_run *r, struct err *e)
{
        struct arena a;
        struct file_map job_map = {0}, checkpoint_map = {0};
        struct learn_job job;
        struct learn_state state;
        struct learn_result result = {0};
        arena_init(&a, (size_t)1 << 30);
        enum learner_exit how = LEARNER_REFUSED;
        if (bundle_read_job(r->job_path, &a, &job_map, &job, &r->digest, e) == 0) {
                r->job = &job;
                if (bundle_read_checkpoint(
                        r->checkpoint_path, &r->digest, &job.net, &a, &checkpoint_map, &state, NULL) == 0) {
                        job.resume = &state;
                        r->fake->resumes++;
                }
                line(r, PROGRESS_START, NULL);
                const struct learn_callbacks cb = {on_progress, should_stop, r};
                int code = learn_run(&job, &cb, &result, e);
                how = finish(r, code, &result, e);
        }
        learn_result_free(&result);
        file_unmap(&checkpoint_map);
        file_unmap(&job_map);
        arena_deinit(&a);
        return how;
}

static void end(struct learner_run *r, enum learner_exit how, const char *why)
{
        struct learner_events ev = r->ev;
        loop_source_free(r->timer);
        free(r);
        ev.ended(ev.arg, how, why);
}

static void on_turn(void *arg)
{
        struct learner_run *r = arg;
        struct fake_learner *f = r->fake;
        struct err e = ERR_NULL;
        if (f->answer) {
                end(r, f->answer, "as scripted");
                return;
        }
        if (r->cancelled) {
                end(r, LEARNER_CANCELLED, "stopped on request");
                return;
        }
        if (f->hang) {
                line(r, PROGRESS_START, NULL);
                return;
        }
        enum learner_exit how = work(r, &e);
        if (how == LEARNER_COMPLETE && f->before_exit)
                f->before_exit(f->arg);
        end(r, how, e.msg);
}

static void turn(struct learner_run *r, uint64_t after_ms)
{
        loop_source_free(r->timer);
        r->timer = loop_timer(r->fake->loop, after_ms, false, on_turn, r);
}

static int start(void *impl, const struct learner_start *s, const struct learner_events *ev, struct learner_run **ret,
    struct err *e)
{
        struct fake_learner *f = impl;
        struct learner_run *r = new_zero(struct learner_run);
        if (!r)
                return err_oom(e);
        r->fake = f;
        r->ev = *ev;
        snprintf(r->job_path, sizeof(r->job_path), "%s", s->job_path);
        snprintf(r->result_path, sizeof(r->result_path), "%s", s->result_path);
        snprintf(r->checkpoint_path, sizeof(r->checkpoint_path), "%s", s->checkpoint_path);
        f->starts++;
        r->dies = f->die_at_epoch > 0 && f->n_deaths > 0;
        if (r->dies)
                f->n_deaths--;
        turn(r, f->takes_ms);
        *ret = r;
        return 0;
}

static void cancel(struct learner_run *r)
{
        r->cancelled = true;
        turn(r, 0);
}

struct learner_port fake_learner_port(struct fake_learner *f)
{
        return (struct learner_port){.start = start, .cancel = cancel, .impl = f};
}
