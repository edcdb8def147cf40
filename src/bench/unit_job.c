/* unit_job.c: one task as one job of the learner, and what is taken from its result.
 *
 * A task that a later one must be protected from is a rollover (it ends with the Fisher or the path integral); the
 * last task, and all tasks of methods without penalty, are consolidations. Holdouts are the test sets of the tasks
 * seen and of the next one, so that one run gives a row of R and the figure forward transfer needs. A search for
 * lambda gets a tenth of the training rows in place of the open task's, and for its brake some of the tenth that
 * every earlier task held back: test rows decide nothing. Without a brake the accuracy it reports of closed tasks is
 * that on their test rows. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/unit_in.h"
#include "learner/learn.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEARCH_SHARE = 10 };

struct parts { /* what a job points to */
        struct learn_past past[BENCH_MAX_TASKS];
        struct learn_rows replay[BENCH_MAX_TASKS], holdout[BENCH_MAX_TASKS + 1];
};

static bool searches(const struct learn_job *job)
{
        return job->plan.lambda_auto && job->n_past > 0;
}

size_t unit_held_back(const struct unit *u, size_t n)
{
        return u->s->brake > 0 ? n / SEARCH_SHARE : 0; /* of the first task too, though it searches nothing */
}

static bool joint(const struct unit *u)
{
        return u->s->method == METHOD_JOINT;
}

static struct learn_rows rows_of(
    const struct table *t, const struct ewc_head *head, uint64_t id, size_t from, size_t n, uint32_t n_inputs)
{
        struct learn_rows rows = {.task = id, .head = *head, .n = n};
        if (n > 0) {
                rows.x = t->x + from * n_inputs;
                rows.label = t->label + from;
        }
        return rows;
}

static void add_past(struct unit *u, struct parts *p, struct learn_job *job)
{
        for (uint32_t i = 0; i < u->st.n_past; i++) {
                if (!(u->st.factor[i] > 0))
                        continue; /* an importance that vanished altogether protects nothing */
                p->past[job->n_past++] = (struct learn_past){
                    .task = u->st.past_task[i] + 1,
                    .alpha = 1,
                    .fisher = u->st.fisher[i],
                    .anchor = u->st.anchor[i],
                    .factor = u->st.factor[i],
                };
        }
        job->past = p->past;
}

static void add_replay(struct unit *u, struct parts *p, struct learn_job *job)
{
        bool heads = u->s->distill > 0; /* which outputs are old, not their rows */
        for (uint32_t i = 0; i < u->tasks; i++)
                if (u->kept[i].n > 0 || (heads && i < u->k))
                        p->replay[job->n_replay++] =
                            rows_of(&u->kept[i], &u->test[i].head, i + 1, 0, u->kept[i].n, u->net.n_inputs);
        job->replay = p->replay;
}

static void add_holdouts(struct unit *u, struct parts *p, struct learn_job *job, const struct table *train)
{
        uint32_t last = u->k + 2 < u->tasks ? u->k + 2 : u->tasks;
        bool search = searches(job);
        if (search)
                last = u->k;
        if (u->k == 0)
                last = u->tasks; /* the random start is measured on all of them */
        for (uint32_t j = 0; j < last; j++) {
                bool braked = search && u->s->brake > 0;
                uint64_t id = j == u->k ? u->k + 1 : braked ? SENTINEL_ID + j : TEST_ID + j;
                const struct table *t = braked ? &u->sentinel[j] : &u->test[j].test;
                p->holdout[job->n_holdout++] = rows_of(t, &u->test[j].head, id, 0, t->n, u->net.n_inputs);
        }
        size_t n = search ? train->n / SEARCH_SHARE : unit_held_back(u, train->n);
        job->train.n = train->n - n;
        if (search) {
                p->holdout[job->n_holdout++] =
                    rows_of(train, &u->test[u->k].head, u->k + 1, job->train.n, n, u->net.n_inputs);
        }
        job->holdout = p->holdout;
}

static void time_tries(struct unit *u, const struct learn_progress *p, uint64_t now)
{
        if (p->try == u->try && p->phase == LEARN_PHASE_TRAIN)
                return;
        if (u->try < LEARN_MAX_TRIES)
                u->try_seconds[u->try] = (double)(now - u->try_began_ns) / 1e9;
        u->try = p->phase == LEARN_PHASE_TRAIN ? p->
        try : LEARN_MAX_TRIES
                ; /* none any more */
        u->try_began_ns = now;
}

static int on_progress(void *arg, const struct learn_progress *p)
{
        struct unit *u = arg;
        uint64_t now = clock_mono_ns(&clock_system);
        char text[96];
        double share = joint(u) ? p->fraction : ((double)u->k + p->fraction) / u->tasks;
        if (p->phase == LEARN_PHASE_FISHER && u->fisher_began_ns == 0)
                u->fisher_began_ns = now;
        time_tries(u, p, now);
        bool fresh = p->epoch != u->anytime_epoch || p->try != u->anytime_try;
        if (p->state && p->phase == LEARN_PHASE_TRAIN && fresh && p->epoch > 0 && !joint(u)) {
                u->anytime_epoch = p->epoch;
                u->anytime_try = p->try;
                unit_probe(u, p->state->theta);
        }
        snprintf(text, sizeof(text), "task %u/%u loss %.4f", u->k + 1, u->tasks, p->loss);
        if (u->cb && u->cb->progress)
                u->cb->progress(u->cb->arg, share, text);
        return 0;
}

static bool on_stop(void *arg)
{
        struct unit *u = arg;
        return u->cb && u->cb->should_stop && u->cb->should_stop(u->cb->arg);
}

/* The search's own rows are no test: what they stand in for is measured here, and the next task. */
static void take_search(struct unit *u, const struct learn_result *r)
{
        struct unit_result *out = &u->st.result;
        for (uint32_t j = u->s->brake > 0 ? 0 : u->k; j < u->k + 2 && j < u->tasks; j++)
                out->R[u->k][j] = unit_accuracy(u, r->theta, j);
        for (uint32_t i = 0; i < r->n_tries && out->n_tries < ARRAY_LEN(out->tries); i++) {
                struct bench_try *t = &out->tries[out->n_tries++];
                *t = (struct bench_try){u->k, r->tries[i]};
                t->t.seconds = u->try_seconds[i];
        }
}

static void take_figures(struct unit *u, const struct learn_job *job, const struct learn_result *r)
{
        struct unit_result *out = &u->st.result;
        uint32_t row = joint(u) ? u->tasks - 1 : u->k;
        for (size_t i = 0; i < job->n_holdout; i++) {
                uint64_t id = job->holdout[i].task;
                if ((searches(job) && id == u->k + 1u) || id >= SENTINEL_ID)
                        continue;
                uint32_t j = id >= TEST_ID ? (uint32_t)(id - TEST_ID) : u->k;
                out->R[row][j] = r->after[i].accuracy;
                if (u->k == 0)
                        out->start[j] = r->before[i].accuracy;
        }
        if (searches(job))
                take_search(u, r);
        if (method_has_penalty(u->s->method))
                out->lambda = u->s->lambda_auto || job->n_past > 0 ? r->lambda : out->lambda;
}

/* DER++ remembers each task's theta for the logits it gave, and protects nothing. */
static bool anchor_only(const struct unit *u)
{
        return u->s->method == METHOD_DERPP && u->k + 1 < u->tasks;
}

static int take_record(struct unit *u, struct learn_result *r)
{
        struct unit_state *st = &u->st;
        if (!r->fisher && anchor_only(u)) {
                r->fisher = new_array(float, r->n_params); /* zero */
                r->fisher_info.factor = 1;
                if (!r->fisher)
                        return err_oom(u->e);
        }
        if (!r->fisher)
                return 0;
        int c = unit_pack(u, r->fisher);
        if (c < 0)
                return c;
        uint32_t i = st->n_past;
        st->anchor[i] = new_array(float, r->n_params);
        if (!st->anchor[i])
                return err_oom(u->e);
        memcpy(st->anchor[i], r->theta, r->n_params * sizeof(float));
        st->fisher[i] = r->fisher;
        r->fisher = NULL;
        st->factor[i] = r->fisher_info.factor;
        st->trace[i] = r->fisher_info.trace;
        st->past_task[i] = u->k;
        st->n_past++;
        return 0;
}

static int take(struct unit *u, const struct learn_job *job, struct learn_result *r)
{
        struct unit_state *st = &u->st;
        take_figures(u, job, r);
        int c = take_record(u, r);
        if (c < 0)
                return c;
        free(st->theta);
        st->theta = r->theta;
        r->theta = NULL;
        free(st->optim);
        st->optim = r->optim;
        st->n_optim = r->n_optim;
        st->optim_steps = r->optim_steps;
        r->optim = NULL;
        return 0;
}

static int run_job(struct unit *u, const struct learn_job *job)
{
        const struct learn_callbacks cb = {on_progress, on_stop, u};
        struct learn_result r = {0};
        uint64_t began = clock_mono_ns(&clock_system);
        u->fisher_began_ns = 0;
        u->anytime_epoch = u->anytime_try = u->try = 0;
        u->try_began_ns = began;
        int c = learn_run(job, &cb, &r, u->e);
        uint64_t ended = clock_mono_ns(&clock_system);
        u->st.result.seconds += (double)(ended - began) / 1e9;
        if (u->fisher_began_ns > 0)
                u->st.result.fisher_seconds += (double)(ended - u->fisher_began_ns) / 1e9;
        if (c == LEARN_STOPPED)
                c = UNIT_STOPPED;
        else if (c == LEARN_DIVERGED)
                c = UNIT_DIVERGED;
        else if (c == 0)
                c = take(u, job, &r);
        learn_result_free(&r);
        if (c == -EINVAL && u->e && strcmp(u->e->field, "drop_last") == 0) /* the learner's word; here it is a flag */
                err_field(u->e, c, u->s->rows > 0 ? "--rows" : "--data",
                    "task %u trains on %zu rows, fewer than a batch has (%u)", u->k + 1, job->train.n,
                    job->plan.batch);
        return c;
}

int unit_task(struct unit *u)
{
        _free_ struct parts *p = new_zero(struct parts);
        struct cut_task open = {0};
        if (!p)
                return err_oom(u->e);
        int r = cutter_task(&u->cutter, u->k, u->s->rows, true, false, &open, u->e);
        if (r < 0)
                return r;
        bool record = method_has_penalty(u->s->method) && u->k + 1 < u->tasks;
        const struct ewc_head *head = u->s->active == ACTIVE_TASK ? &open.own : &open.head;
        struct learn_job job = {
            .kind = record ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .net = u->net,
            .theta = u->st.theta,
            .train = rows_of(&open.train, head, u->k + 1, 0, open.train.n, u->net.n_inputs),
            .plan = settings_plan(u->s, u->k),
            .optim_in = u->st.optim,
            .n_optim_in = u->st.optim ? u->st.n_optim : 0,
            .optim_steps = u->st.optim ? u->st.optim_steps : 0,
        };
        add_past(u, p, &job);
        add_replay(u, p, &job);
        add_holdouts(u, p, &job, &open.train);
        r = run_job(u, &job);
        cut_task_free(&open);
        return r;
}
