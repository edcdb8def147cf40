/* h_jobs.c: jobs: list, one, consolidate, cancel. What a running learner said last is merged in from memory. */
#include "server/h_job.h"
#include "base/err.h"
#include "domain/strategy.h"
#include "proto/json_admin.h"
#include "proto/json_model.h"
#include "server/handlers.h"
#include "store/store.h"
#include "super/jobs.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* --- create --- */

int h_job_create(struct h_work *w, struct store *s, const struct model *m, const struct job_new *new, struct err *e)
{
        struct counters c;
        struct job job;
        job_id id;
        int r = store_feedback_count(s, m->id, &c, e);
        if (r != 0)
                return r;
        bool trains = new->kind == JOB_CONSOLIDATE || new->kind == JOB_ROLLOVER;
        if (trains && !c.job_active && c.n_open_train < H_JOB_MIN_ROWS)
                return h_refuse(w, e, PROBLEM_CONFLICT, "",
                    "the open task of model %s has %" PRIu64
                    " rows to train on, %d are needed: send feedback first (a share of it is held out)",
                    m->name, c.n_open_train, H_JOB_MIN_ROWS);
        r = store_job_create(s, new, &id, e);
        if (r == STORE_CONFLICT)
                return h_refuse(w, e, PROBLEM_BUSY, "", "%s",
                    e && e->msg[0] ? e->msg : "a job of this model is active; wait for it or cancel it");
        if (r == STORE_EXISTS)
                return h_refuse(
                    w, e, PROBLEM_IN_USE, "/task", "model %s has a task %s already", m->name, new->next_task);
        if (r != 0 || (r = store_job_get(s, id, &w->arena, &job, e)) != 0)
                return r;
        json_job_write(&w->body, &job, NULL);
        snprintf(w->location, sizeof(w->location), "/v2/models/%s/jobs/%" PRIu64, m->name, id);
        w->status = 202;
        return 0;
}

void h_job_created(struct h_work *w, struct request *r)
{
        if (w->work.result == 0)
                jobs_post_pump(w->server->jobs); /* a full mailbox: the policy timer pumps too */
        h_finish(w, r);
}

static int run_consolidate(struct h_work *w, struct store *s, struct err *e)
{
        const struct job_request *q = w->arg;
        struct model m;
        struct learning learning;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        if ((r = json_learning_read(m.learning_json, &learning, e)) != 0)
                return err_wrap(e, r < 0 ? r : -EBADMSG, "description of model %s", m.name);
        struct job_new job = {.model = m.id,
            .kind = JOB_CONSOLIDATE,
            .trigger = TRIGGER_MANUAL,
            .strategy = strategy_first(&learning),
            .dry_run = q->dry_run,
            .who = w->who};
        return h_job_create(w, s, &m, &job, e);
}

void h_jobs_post(struct request *r)
{
        struct err e = ERR_NULL;
        struct h_work *w = h_work_new(r, run_consolidate, h_job_created);
        if (!w)
                return;
        struct job_request *q = arena_new(&w->arena, struct job_request);
        int p = q ? json_job_request_read(r->body, &w->arena, q, &e) : err_oom(&e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        w->arg = q;
        h_write(w, sizeof(struct job_new));
}

/* Its tasks without what means nothing. */
static int drop_accuracy(struct arena *a, struct job *job)
{
        struct job_task *all = arena_new_array(a, struct job_task, job->n_tasks);
        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < job->n_tasks; i++) {
                all[i] = job->tasks[i];
                all[i].before.accuracy = all[i].after.accuracy = NAN;
        }
        job->tasks = all;
        return 0;
}

/* What a job looks like from outside: with what its learner said last, and not ended before every loop has switched.
 * Returns live, or NULL if there is nothing live about it. */
static const struct job_live *look(const struct h_work *w, struct job *job, struct job_live *live)
{
        if (!jobs_live(w->server->jobs, job->id, live))
                return NULL;
        if (live->switching && job_has_ended(job->state)) {
                job->state = JOB_JUDGING;
                job->ended_ms = 0;
        }
        return live;
}

/* --- list --- */

struct listing {
        struct h_work *work;
        size_t limit, n;
        bool has_accuracy;
        uint64_t before, last;
};

static int list_row(void *arg, const struct job *j)
{
        struct listing *l = arg;
        struct job_live live;
        struct job job = *j;
        if (!l->has_accuracy && drop_accuracy(&l->work->arena, &job) < 0)
                return -ENOMEM;
        const struct job_live *now = look(l->work, &job, &live);
        json_job_list_row(&l->work->body, &job, now, l->n == 0);
        l->last = j->id;
        l->n++;
        return 0;
}

static int run_list(struct h_work *w, struct store *s, struct err *e)
{
        struct listing *l = w->arg;
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_has_accuracy(w, &m, &l->has_accuracy, e)) != 0)
                return r;
        struct job_filter f = {.model = m.id, .before = l->before, .limit = l->limit};
        json_job_list_begin(&w->body);
        r = store_job_list(s, &f, list_row, l, e);
        json_job_list_end(&w->body, l->n == l->limit ? l->last : 0);
        return r;
}

void h_jobs_list(struct request *r)
{
        struct h_work *w = h_work_new(r, run_list, NULL);
        if (!w)
                return;
        struct listing *l = arena_new(&w->arena, struct listing);
        if (!l) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        l->work = w;
        w->arg = l;
        if (h_paging(r, &l->limit, &l->before))
                h_read(w);
        else
                h_work_free(w);
}

/* --- one --- */

struct one {
        job_id id;
        bool cancel;
};

static int find_job(struct h_work *w, struct store *s, job_id id, struct job *ret, struct err *e)
{
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        r = store_job_get(s, id, &w->arena, ret, e);
        if (r == STORE_NOT_FOUND || (r == 0 && ret->model != m.id))
                return h_refuse(w, e, PROBLEM_UNKNOWN_JOB, "", "model %s has no job %" PRIu64, m.name, id);
        bool has_accuracy = true;
        if (r == 0)
                r = h_has_accuracy(w, &m, &has_accuracy, e);
        if (r == 0 && !has_accuracy && drop_accuracy(&w->arena, ret) < 0)
                r = err_oom(e);
        return r;
}

static int run_one(struct h_work *w, struct store *s, struct err *e)
{
        const struct one *one = w->arg;
        struct job job;
        struct job_live live;
        int r = find_job(w, s, one->id, &job, e);
        if (r != 0)
                return r;
        if (one->cancel && job_has_ended(job.state))
                return h_refuse(
                    w, e, PROBLEM_CONFLICT, "", "job %" PRIu64 " has ended: %s", job.id, job_state_name(job.state));
        const struct job_live *now = look(w, &job, &live);
        json_job_write(&w->body, &job, now);
        return 0;
}

static void cancelled(struct h_work *w, struct request *r)
{
        const struct one *one = w->arg;
        if (w->work.result == 0 && jobs_post_cancel(w->server->jobs, one->id) < 0) {
                if (r)
                        reply_problem(
                            r, PROBLEM_OVERLOADED, "", "the supervisor's mailbox is full; try again in a second");
                h_work_free(w);
                return;
        }
        h_finish(w, r);
}

static void ask_one(struct request *r, bool cancel)
{
        uint64_t id;
        if (!slice_u64(r->arg[1], &id)) {
                reply_problem(r, PROBLEM_UNKNOWN_JOB, "", "the id of a job is a number");
                return;
        }
        struct h_work *w = h_work_new(r, run_one, cancel ? cancelled : NULL);
        if (!w)
                return;
        struct one *one = arena_new(&w->arena, struct one);
        if (!one) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        *one = (struct one){id, cancel};
        w->arg = one;
        w->status = cancel ? 202 : 200;
        h_read(w);
}

void h_job_get(struct request *r)
{
        ask_one(r, false);
}

void h_job_delete(struct request *r)
{
        ask_one(r, true);
}
