/* made.c: the made-up tasks; see made.h. */
#include "made.h"
#include "base/err.h"
#include "domain/protection.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

struct ewc_spec made_net(enum ewc_loss loss, uint32_t n_outputs)
{
        return (struct ewc_spec){.n_inputs = MADE_INPUTS,
            .n_outputs = n_outputs,
            .loss = loss,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 16}}};
}

static void made_row(float *x, char kind, float side, struct ewc_rng *r)
{
        for (size_t i = 0; i < MADE_INPUTS; i++)
                x[i] = (float)(0.15 * ewc_rng_normal(r));
        if (kind == 'A') {
                x[0] += side;
        } else {
                x[0] -= 1.2f * side;
                x[1] += side;
        }
}

void made_task(
    struct made_task *t, char kind, uint64_t task, const struct ewc_spec *net, uint32_t first_output, uint64_t seed)
{
        struct ewc_rng r;
        bool softmax = net->loss == EWC_LOSS_SOFTMAX;
        uint32_t O = net->n_outputs;
        memset(t, 0, sizeof(*t));
        ewc_rng_seed(&r, seed, 1000 + task);
        t->out[0] = first_output;
        t->out[1] = first_output + 1;
        for (size_t i = 0; i < MADE_ROWS + MADE_HOLDOUT; i++) {
                uint32_t class = (uint32_t)(i % 2);
                made_row(t->x + i * MADE_INPUTS, kind, class ? 1.0f : -1.0f, &r);
                t->label[i] = (int32_t)(first_output + class);
                t->target[i * O + first_output + class] = 1.0f;
        }
        struct learn_rows rows = {.task = task, .head = {2, t->out}, .n = MADE_ROWS, .x = t->x};
        t->train = t->holdout = rows;
        t->holdout.n = MADE_HOLDOUT;
        t->holdout.x = t->x + MADE_ROWS * MADE_INPUTS;
        t->train.label = softmax ? t->label : NULL;
        t->holdout.label = softmax ? t->label + MADE_ROWS : NULL;
        t->train.target = softmax ? NULL : t->target;
        t->holdout.target = softmax ? NULL : t->target + MADE_ROWS * O;
}

struct learn_plan made_plan(enum learn_method m, uint64_t seed)
{
        return (struct learn_plan){
            .method = m,
            .optim = {.type = EWC_OPTIM_ADAM, .rate = 0.02f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
            .epochs = 12,
            .batch = 20, /* the last batch of an epoch has 16 rows */
            .fisher = EWC_FISHER_EXACT,
            .seed = seed,
            .threads = 1,
        };
}

void made_theta(const struct ewc_spec *net, uint64_t seed, float *ret)
{
        struct ewc_net *n;
        struct ewc_rng r;
        assert_true(ewc_spec_params(net) <= MADE_PARAMS_MAX);
        assert_int_equal(ewc_net_new(&n, net, NULL), 0);
        ewc_rng_seed(&r, seed, 77);
        ewc_net_init(n, &r);
        memcpy(ret, ewc_net_theta_const(n), ewc_net_params(n) * sizeof(float));
        ewc_net_free(n);
}

struct learn_job made_job(
    const struct ewc_spec *net, const float *theta, const struct made_task *open, enum learn_method m, uint64_t seed)
{
        return (struct learn_job){
            .kind = JOB_CONSOLIDATE,
            .net = *net,
            .theta = theta,
            .train = open->train,
            .n_holdout = 1,
            .holdout = &open->holdout,
            .plan = made_plan(m, seed),
        };
}

void made_run(const struct learn_job *job, const struct learn_callbacks *cb, int outcome, struct learn_result *ret)
{
        struct err e = ERR_NULL;
        int r = learn_run(job, cb, ret, &e);
        if (r != outcome)
                fail_msg("learn_run gave %d, not %d: %s", r, outcome, e.msg);
        assert_int_equal(ret->outcome, outcome);
}

static void same_bits(const void *a, const void *b, size_t n)
{
        assert_int_equal(a == NULL, b == NULL);
        if (a)
                assert_memory_equal(a, b, n);
}

void made_same_evaluations(const struct evaluation *a, const struct evaluation *b, size_t n)
{
        assert_int_equal(a == NULL, b == NULL);
        for (size_t i = 0; a && i < n; i++) {
                struct evaluation x = a[i], y = b[i];
                assert_int_equal(x.n_outputs, y.n_outputs);
                same_bits(x.outputs, y.outputs, x.n_outputs * sizeof(*x.outputs));
                x.outputs = y.outputs = NULL;
                same_bits(&x, &y, sizeof(x));
        }
}

void made_same(const struct learn_result *a, const struct learn_result *b)
{
        assert_int_equal(a->outcome, b->outcome);
        assert_int_equal(a->n_params, b->n_params);
        same_bits(a->theta, b->theta, a->n_params * sizeof(float));
        same_bits(a->fisher, b->fisher, a->n_params * sizeof(float));
        if (a->fisher) {
                assert_int_equal(a->fisher_info.n_samples, b->fisher_info.n_samples);
                same_bits(&a->fisher_info.factor, &b->fisher_info.factor, sizeof(double));
                same_bits(&a->fisher_info.trace, &b->fisher_info.trace, sizeof(double));
        }
        same_bits(&a->lambda, &b->lambda, sizeof(double));
        same_bits(&a->prior, &b->prior, sizeof(double));
        same_bits(&a->loss, &b->loss, sizeof(double));
        same_bits(&a->penalty, &b->penalty, sizeof(double));
        assert_int_equal(a->steps, b->steps);
        assert_int_equal(a->n_optim, b->n_optim);
        assert_int_equal(a->optim_steps, b->optim_steps);
        same_bits(a->optim, b->optim, a->n_optim * sizeof(float));
        assert_int_equal(a->n_evaluations, b->n_evaluations);
        made_same_evaluations(a->before, b->before, a->n_evaluations);
        made_same_evaluations(a->after, b->after, a->n_evaluations);
        assert_int_equal(a->n_tries, b->n_tries);
        for (uint32_t i = 0; i < a->n_tries; i++) {
                same_bits(&a->tries[i].lambda, &b->tries[i].lambda, sizeof(double));
                same_bits(&a->tries[i].accuracy, &b->tries[i].accuracy, sizeof(double));
                same_bits(&a->tries[i].past_accuracy, &b->tries[i].past_accuracy, sizeof(double));
                same_bits(&a->tries[i].penalty, &b->tries[i].penalty, sizeof(double));
                same_bits(&a->tries[i].loss, &b->tries[i].loss, sizeof(double));
        }
}

void made_pair_open(struct made_pair *p, enum ewc_loss loss, bool own_heads, uint64_t seed)
{
        memset(p, 0, sizeof(*p));
        p->net = made_net(loss, own_heads ? 4 : 2);
        made_task(&p->a, 'A', 1, &p->net, 0, seed);
        made_task(&p->b, 'B', 2, &p->net, own_heads ? 2 : 0, seed);
        made_theta(&p->net, seed, p->theta);
        struct learn_job job = made_job(&p->net, p->theta, &p->a, LEARN_PLAIN, seed);
        job.kind = JOB_ROLLOVER;
        made_run(&job, NULL, LEARN_DONE, &p->closed);
        assert_non_null(p->closed.fisher);
        p->past = (struct learn_past){.task = 1, .alpha = 1, .fisher = p->closed.fisher, .anchor = p->closed.theta};
        p->holdout[0] = p->a.holdout;
        p->holdout[1] = p->b.holdout;
}

struct learn_job made_pair_job(const struct made_pair *p, enum learn_method m, double lambda, uint64_t seed)
{
        struct learn_job job = made_job(&p->net, p->closed.theta, &p->b, m, seed);
        job.past = &p->past;
        job.n_past = 1;
        job.holdout = p->holdout;
        job.n_holdout = 2;
        job.plan.lambda = lambda;
        job.plan.epochs = 30;
        return job;
}

void made_pair_close(struct made_pair *p)
{
        learn_result_free(&p->closed);
}

double made_merge(const struct learn_job *job, float *U, float *centre)
{
        struct err e = ERR_NULL;
        double mean;
        int r =
            protection_merge(&job->plan, ewc_spec_params(&job->net), job->n_past, job->past, U, centre, &mean, &e);
        return r < 0 ? (double)NAN : mean;
}
