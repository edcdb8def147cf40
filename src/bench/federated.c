/* federated.c: see federated.h.
 *
 * A client's turn is one job of the learner: a consolidation without the penalty, with it a rollover, whose closed
 * task is the other clients together: U stored with mean 1, its factor, and the centre. Draws depend on seed, round
 * and client alone, so both methods see the same batches. Nothing is kept: a run is short. */
#include "bench/federated.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/cut.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "learner/learn.h"
#include <errno.h>
#include <ewc/merge.h>
#include <string.h>

enum { STREAM_INIT = 2, STREAM_TURNS = 3000 }; /* of the seed; round r's turns are drawn from 3000 + r */
enum { SCORE_ROWS = 256 };

struct client {
        struct cut_task t;
        float *theta, *fisher; /* (P) what it sent last; fisher is NULL before the first turn under FedCurv */
        double factor;         /* of fisher */
};

struct walk {
        const struct settings *s;
        struct cutter cutter;
        struct ewc_spec spec;
        struct ewc_head head; /* all clients' outputs */
        struct ewc_net *net;  /* the average */
        void *ws;             /* scoring */
        size_t n_params;
        struct client client[BENCH_MAX_TASKS];
        double *u, *v;     /* (P) sums of the round before, or of the averages under way */
        float *U, *centre; /* (P) the penalty of the client whose turn it is */
        bool summed;       /* u and v hold a round */
        struct err *e;
};

void federated_free(struct federated *f)
{
        free(f->accuracy);
        free(f->theta);
        *f = (struct federated){0};
}

static void close_walk(struct walk *w)
{
        for (size_t k = 0; k < BENCH_MAX_TASKS; k++) {
                cut_task_free(&w->client[k].t);
                free(w->client[k].theta);
                free(w->client[k].fisher);
        }
        ewc_net_free(w->net);
        free(w->ws);
        free(w->u);
        free(w->v);
        free(w->U);
        free(w->centre);
        cutter_close(&w->cutter);
}

static int open_clients(struct walk *w)
{
        for (uint32_t k = 0; k < w->s->tasks; k++) {
                struct client *c = &w->client[k];
                int r = cutter_task(&w->cutter, k, w->s->rows, true, true, &c->t, w->e);
                if (r < 0)
                        return r;
                if (c->t.train.n == 0 || c->t.test.n == 0)
                        return err_field(w->e, -EINVAL, "--data", "client %u has no %s rows", k + 1,
                            c->t.train.n == 0 ? "training" : "test");
                w->head.n += c->t.own.n;
        }
        w->head.out = w->cutter.outputs;
        return 0;
}

static int open_walk(struct walk *w, const struct dataset *d)
{
        struct cut cut = settings_cut(w->s);
        struct ewc_rng rng;
        if (w->s->tasks < 2 || w->s->tasks > cut.tasks || w->s->scenario != SCENARIO_CLASS)
                return err_field(
                    w->e, -EINVAL, "--clients", "from 2 to %u clients, with outputs of their own", cut.tasks);
        int r = cutter_open(&w->cutter, d, &cut, w->s->scenario, w->s->seed, w->e);
        if (r == 0)
                r = open_clients(w);
        if (r < 0)
                return r;
        w->spec = settings_net(w->s, w->cutter.n_inputs, w->cutter.n_outputs);
        r = ewc_net_new(&w->net, &w->spec, NULL);
        if (r < 0)
                return err_set(w->e, -EINVAL, "net: %s", ewc_strerror(r));
        size_t P = w->n_params = ewc_net_params(w->net);
        w->ws = mem_aligned(ewc_train_workspace(w->net, SCORE_ROWS) + 64, 1, 64);
        w->u = new_array(double, P);
        w->v = new_array(double, P);
        w->U = new_array(float, P);
        w->centre = new_array(float, P);
        if (!w->ws || !w->u || !w->v || !w->U || !w->centre)
                return err_oom(w->e);
        ewc_rng_seed(&rng, w->s->seed, STREAM_INIT);
        ewc_net_init(w->net, &rng);
        return 0;
}

/* The other clients as one closed task. None while nothing was sent, or where nothing of theirs matters. */
static int others(struct walk *w, const struct client *c, struct learn_past *ret, size_t *ret_n)
{
        double mean = 0;
        *ret_n = 0;
        if (!w->summed)
                return 0;
        int r = ewc_fedcurv_without(w->n_params, w->u, w->v, c->factor, c->fisher, c->theta, w->U, w->centre);
        if (r < 0)
                return err_set(w->e, -ERANGE, "the sums of the clients: %s", ewc_strerror(r));
        for (size_t i = 0; i < w->n_params; i++)
                mean += (double)w->U[i];
        mean /= (double)w->n_params;
        if (!(mean > 0))
                return 0;
        for (size_t i = 0; i < w->n_params; i++)
                w->U[i] = (float)((double)w->U[i] / mean);
        *ret = (struct learn_past){.task = 1, .alpha = 1, .fisher = w->U, .anchor = w->centre, .factor = mean};
        *ret_n = 1;
        return 0;
}

static void take(struct client *c, struct learn_result *r)
{
        free(c->theta);
        free(c->fisher);
        c->theta = r->theta;
        c->fisher = r->fisher;
        c->factor = r->fisher_info.factor;
        r->theta = r->fisher = NULL;
}

static bool stop(void *arg)
{
        (void)arg;
        return runner_stopped();
}

static int turn(struct walk *w, uint32_t round, uint32_t k)
{
        const struct learn_callbacks cb = {.should_stop = stop};
        struct client *c = &w->client[k];
        const struct table *t = &c->t.train;
        struct learn_result result = {0};
        struct learn_past past;
        struct ewc_rng rng;
        struct learn_job job = {
            .kind = method_has_penalty(w->s->method) ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .net = w->spec,
            .theta = ewc_net_theta_const(w->net),
            .past = &past,
            .train = {.task = 2, .head = w->head, .n = t->n, .x = t->x, .label = t->label},
            .plan = settings_plan(w->s, 0),
        };
        ewc_rng_seed(&rng, w->s->seed, STREAM_TURNS + round);
        for (uint32_t i = 0; i <= k; i++)
                job.plan.seed = ewc_rng_u64(&rng);
        job.plan.keep_optim = false;
        int r = others(w, c, &past, &job.n_past);
        if (r == 0)
                r = learn_run(&job, &cb, &result, w->e);
        if (r == LEARN_STOPPED)
                r = err_set(w->e, RUNNER_STOPPED, "interrupted");
        else if (r == LEARN_DIVERGED)
                r = err_set(w->e, -ERANGE, "client %u diverged in round %u", k + 1, round + 1);
        else if (r == 0)
                take(c, &result);
        learn_result_free(&result);
        return r;
}

/* theta = sum_k n_k theta_k / sum_k n_k; v is scratch. */
static void average(struct walk *w)
{
        float *theta = ewc_net_theta(w->net);
        double rows = 0;
        memset(w->v, 0, w->n_params * sizeof(*w->v));
        for (uint32_t k = 0; k < w->s->tasks; k++) {
                const struct client *c = &w->client[k];
                double n = (double)c->t.train.n;
                for (size_t i = 0; i < w->n_params; i++)
                        w->v[i] += n * (double)c->theta[i];
                rows += n;
        }
        for (size_t i = 0; i < w->n_params; i++)
                theta[i] = (float)(w->v[i] / rows);
}

static int add_up(struct walk *w)
{
        memset(w->u, 0, w->n_params * sizeof(*w->u));
        memset(w->v, 0, w->n_params * sizeof(*w->v));
        for (uint32_t k = 0; k < w->s->tasks; k++) {
                const struct client *c = &w->client[k];
                int r = ewc_fedcurv_add(w->n_params, c->factor, c->fisher, c->theta, w->u, w->v);
                if (r < 0)
                        return err_set(w->e, -ERANGE, "the Fisher of client %u: %s", k + 1, ewc_strerror(r));
        }
        w->summed = true;
        return 0;
}

static int score(struct walk *w, double *ret)
{
        struct ewc_score score = {0};
        for (uint32_t k = 0; k < w->s->tasks; k++) {
                const struct table *t = &w->client[k].t.test;
                for (size_t at = 0; at < t->n; at += SCORE_ROWS) {
                        struct ewc_batch b = {.n = t->n - at < SCORE_ROWS ? t->n - at : SCORE_ROWS,
                            .x = t->x + at * w->spec.n_inputs,
                            .label = t->label + at};
                        int r = ewc_train_score(w->net, &w->head, &b, &score, w->ws);
                        if (r < 0)
                                return err_set(w->e, -ERANGE, "the average: %s", ewc_strerror(r));
                }
        }
        *ret = (double)score.correct / (double)score.n;
        return 0;
}

static int one_round(struct walk *w, uint32_t round, uint32_t rounds, void (*progress)(void *, double), void *arg,
    double *ret_accuracy)
{
        int r = 0;
        for (uint32_t k = 0; r == 0 && k < w->s->tasks; k++) {
                r = turn(w, round, k);
                if (r == 0 && progress)
                        progress(arg, ((double)round + (k + 1.0) / w->s->tasks) / rounds);
        }
        if (r != 0)
                return r;
        average(w);
        r = method_has_penalty(w->s->method) ? add_up(w) : 0;
        return r == 0 ? score(w, ret_accuracy) : r;
}

static int copy_theta(const struct walk *w, struct federated *ret)
{
        ret->n_params = w->n_params;
        ret->theta = new_array(float, w->n_params);
        if (!ret->theta)
                return err_oom(w->e);
        memcpy(ret->theta, ewc_net_theta_const(w->net), w->n_params * sizeof(float));
        return 0;
}

int federated_run(const struct settings *s, uint32_t rounds, const struct dataset *d,
    void (*progress)(void *arg, double fraction), void *arg, struct federated *ret, struct err *e)
{
        struct federated f = {.rounds = rounds};
        if (rounds < 1 || rounds > FEDERATED_MAX_ROUNDS)
                return err_field(e, -EINVAL, "--rounds", "from 1 to %d rounds", FEDERATED_MAX_ROUNDS);
        _free_ struct walk *w = new_zero(struct walk);
        f.accuracy = new_array(double, rounds);
        if (!w || !f.accuracy) {
                federated_free(&f);
                return err_oom(e);
        }
        *w = (struct walk){.s = s, .e = e};
        int r = open_walk(w, d);
        for (uint32_t i = 0; r == 0 && i < rounds; i++)
                r = one_round(w, i, rounds, progress, arg, &f.accuracy[i]);
        if (r == 0)
                r = copy_theta(w, &f);
        close_walk(w);
        if (r == 0)
                *ret = f;
        else
                federated_free(&f);
        return r;
}
