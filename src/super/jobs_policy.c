/* jobs_policy.c: from counters to jobs nobody asked for.
 *
 * A question goes to the reader thread: for one model, several or all, read the counters and ask policy_due. For
 * each model that is due a work item creates the job; that another job came first is no error. Questions come from
 * committed feedback, from the end of a job, and from a timer that is set to the earliest time a policy asked for,
 * at most policy_ms away. One question is under way at a time.
 *
 * A job that failed or was cancelled has consumed nothing, so the policy would want it again at once. A hold keeps
 * it back: after a failure for a time that doubles, after a cancel until newer feedback has come. */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/backoff.h"
#include "super/jobs_in.h"
#include <errno.h>
#include <inttypes.h>

enum { HOLD_MS = 60000, HOLD_MAX_MS = 3600000 };
#define ARENA_MAX ((size_t)64 << 20)

struct asked { /* one model of a question */
        model_id model;
        struct learning learning;
        enum ewc_loss loss;
        struct due due;
        uint64_t last_seq;
};

struct ask {
        struct jobs *jobs;
        int64_t now_ms;
        bool all;
        size_t n_models;
        model_id models[ASK_MAX];
        struct asked *v; /* models found */
        size_t n, cap;
};

/* --- on the reader thread --- */

static int add_model(void *arg, const struct model *m)
{
        struct ask *a = arg;
        struct arena arena;
        struct model_spec spec;
        struct asked one = {.model = m->id};
        arena_init(&arena, ARENA_MAX);
        bool ok = json_spec_read(m->spec_json, &arena, &spec, NULL) == 0 &&
                  json_learning_read(m->learning_json, &one.learning, NULL) == 0;
        if (ok)
                one.loss = spec.net.loss;
        arena_deinit(&arena);
        if (!ok)
                return 0; /* whoever serves it reports it */
        void *v = a->v;
        if (!mem_grow(&v, &a->cap, a->n + 1, sizeof(*a->v)))
                return -ENOMEM;
        a->v = v;
        a->v[a->n++] = one;
        return 0;
}

static int find_models(struct store *s, struct ask *a, struct err *e)
{
        if (a->all)
                return store_model_list(s, add_model, a, e);
        for (size_t i = 0; i < a->n_models; i++) {
                struct arena arena;
                struct model m;
                arena_init(&arena, ARENA_MAX);
                int r = store_model_by_id(s, a->models[i], &arena, &m, e);
                if (r == 0)
                        r = add_model(a, &m);
                arena_deinit(&arena);
                if (r != 0 && r != STORE_NOT_FOUND)
                        return r;
        }
        return 0;
}

static int ask_work(struct store *s, struct store_work *w, struct err *e)
{
        struct ask *a = w->arg;
        a->n = 0;
        int r = find_models(s, a, e);
        for (size_t i = 0; r == 0 && i < a->n; i++) {
                struct asked *one = &a->v[i];
                struct counters c;
                r = store_feedback_count(s, one->model, &c, e);
                if (r != 0)
                        break;
                one->due = policy_due(a->now_ms, &c, &one->learning, one->loss);
                one->last_seq = c.last_seq;
        }
        return r == -ENOMEM ? err_oom(e) : r;
}

/* --- holds --- */

static struct hold *find_hold(struct policy *p, model_id m)
{
        struct hold *h = p->holds;
        while (h && h->model != m)
                h = h->next;
        return h;
}

static void drop_hold(struct policy *p, model_id m)
{
        for (struct hold **at = &p->holds; *at; at = &(*at)->next) {
                if ((*at)->model == m) {
                        struct hold *h = *at;
                        *at = h->next;
                        free(h);
                        return;
                }
        }
}

void policy_ended(struct jobs *j, model_id m, enum job_state end)
{
        struct policy *p = &j->policy;
        if (end == JOB_PROMOTED || end == JOB_REJECTED) {
                drop_hold(p, m);
                policy_ask(j, m);
                return;
        }
        struct hold *h = find_hold(p, m);
        if (!h) {
                if (!(h = new_zero(struct hold)))
                        return;
                h->model = m;
                h->next = p->holds;
                p->holds = h;
        }
        if (end == JOB_CANCELLED) {
                h->for_feedback = true;
                h->seq_known = false;
        } else {
                uint64_t ms = backoff_next(++h->failures, HOLD_MS, HOLD_MAX_MS);
                h->until_ns = clock_mono_ns(loop_clock(j->deps.control)) + ms * 1000000u;
        }
        policy_ask(j, m);
}

static bool held(struct jobs *j, const struct asked *one)
{
        struct hold *h = find_hold(&j->policy, one->model);
        if (!h)
                return false;
        if (h->for_feedback && !h->seq_known) {
                h->seq = one->last_seq;
                h->seq_known = true;
        }
        if (h->for_feedback && one->last_seq <= h->seq)
                return true;
        h->for_feedback = false;
        return clock_mono_ns(loop_clock(j->deps.control)) < h->until_ns;
}

/* --- creating --- */

struct create {
        struct jobs *jobs;
        struct store_work work;
        struct job_new job;
        job_id id;
};

static int create_work(struct store *s, struct store_work *w, struct err *e)
{
        struct create *c = w->arg;
        return store_job_create(s, &c->job, &c->id, e);
}

static void on_created(struct store_work *w)
{
        struct create *c = w->arg;
        struct jobs *j = c->jobs;
        jobs_returned(j);
        if (w->result == 0)
                jobs_pump(j);
        else if (w->result != STORE_CONFLICT)
                log_warning("automatic job of model %" PRIu64 ": %s", c->job.model, w->err.msg);
        free(c);
        jobs_check_stop(j);
}

static void create(struct jobs *j, const struct asked *one)
{
        struct create *c = new_zero(struct create);
        if (!c)
                return; /* the timer asks again */
        c->jobs = j;
        c->job = (struct job_new){
            .model = one->model,
            .kind = JOB_CONSOLIDATE,
            .trigger = one->due.trigger,
            .trigger_value = one->due.value,
            .who = "policy",
        };
        c->work = (struct store_work){.run = create_work, .done = on_created, .arg = c};
        if (jobs_submit(j, j->deps.writer, &c->work) < 0)
                free(c);
}

/* --- asking --- */

static void ask_now(struct jobs *j);

static void on_timer(void *arg)
{
        struct jobs *j = arg;
        policy_ask(j, 0);
}

static void set_timer(struct jobs *j, uint64_t ms)
{
        struct policy *p = &j->policy;
        p->timer_ns = clock_mono_ns(loop_clock(j->deps.control)) + ms * 1000000u;
        struct loop_source *before = p->timer;
        p->timer = loop_timer(j->deps.control, ms > 0 ? ms : 1, false, on_timer, j);
        loop_source_free(before);
}

/* Until the timer that is set. A question about some models must not put off one that another model asked for. */
static uint64_t left_ms(const struct jobs *j)
{
        uint64_t now = clock_mono_ns(loop_clock(j->deps.control));
        return j->policy.timer_ns > now ? (j->policy.timer_ns - now) / 1000000u : 0;
}

static void ask_free(struct ask *a)
{
        if (!a)
                return;
        free(a->v);
        free(a);
}

static void on_answered(struct store_work *w)
{
        struct ask *a = w->arg;
        struct jobs *j = a->jobs;
        struct policy *p = &j->policy;
        uint64_t next_ms = j->conf.policy_ms;
        jobs_returned(j);
        p->busy = false;
        const bool all = a->all;
        if (w->result != 0 && !j->stopping)
                log_warning("counters: %s", w->err.msg);
        for (size_t i = 0; w->result == 0 && i < a->n && !j->stopping; i++) {
                const struct asked *one = &a->v[i];
                int64_t in_ms = (int64_t)one->due.ask_again_ms - a->now_ms;
                bool keep = held(j, one);
                if (one->due.train && !keep)
                        create(j, one);
                if (one->due.ask_again_ms > 0 && in_ms < (int64_t)next_ms)
                        next_ms = in_ms > 0 ? (uint64_t)in_ms : 1;
        }
        ask_free(a);
        if (!j->stopping) {
                set_timer(j, all || next_ms < left_ms(j) ? next_ms : left_ms(j));
                if (p->all || p->n_models > 0)
                        ask_now(j);
        }
        jobs_check_stop(j);
}

static void ask_now(struct jobs *j)
{
        struct policy *p = &j->policy;
        struct ask *a = new_zero(struct ask);
        if (!a)
                return;
        a->jobs = j;
        a->now_ms = clock_wall_ms(loop_clock(j->deps.control));
        a->all = p->all;
        a->n_models = p->n_models;
        for (size_t i = 0; i < p->n_models; i++)
                a->models[i] = p->models[i];
        p->work = (struct store_work){.run = ask_work, .done = on_answered, .arg = a};
        if (jobs_submit(j, j->deps.reader, &p->work) < 0) {
                ask_free(a);
                set_timer(j, SUBMIT_AGAIN_MS);
                return;
        }
        p->busy = true;
        p->all = false;
        p->n_models = 0;
}

void policy_ask(struct jobs *j, model_id m)
{
        struct policy *p = &j->policy;
        if (j->stopping)
                return;
        size_t i = 0;
        while (i < p->n_models && p->models[i] != m)
                i++;
        if (m == 0 || (i == p->n_models && i == ASK_MAX))
                p->all = true;
        else if (i == p->n_models)
                p->models[p->n_models++] = m;
        if (!p->busy && j->recovered)
                ask_now(j);
}

int policy_start(struct jobs *j, struct err *e)
{
        if (j->conf.policy_ms == 0)
                j->conf.policy_ms = 10000;
        set_timer(j, j->conf.policy_ms);
        return j->policy.timer ? 0 : err_oom(e);
}

void policy_stop(struct jobs *j)
{
        loop_source_free(j->policy.timer);
        j->policy.timer = NULL;
}

void policy_free(struct jobs *j)
{
        policy_stop(j);
        while (j->policy.holds)
                drop_hold(&j->policy, j->policy.holds->model);
}
