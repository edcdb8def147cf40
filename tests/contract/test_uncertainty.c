/* test_uncertainty.c: the claim about uncertainty, on the bundled digits: with the prior a job chose on its holdouts,
 * probabilities that know doubt are no worse calibrated than plain ones, on rows that neither training nor the choice
 * has seen.
 *
 * Two tasks, digits 0 to 4 and 5 to 9, under one head and under heads of their own; few rows and many epochs, so that
 * the net is surer than it should be; from hardly protected to well protected. What is chosen is the likelihood, and
 * 359 rows give a calibration error to a hundredth or two, so the claim is one about means over weights and seeds: a
 * single run may be the other way round. */
#include "base/err.h"
#include "base/mem.h"
#include "learner/learn.h"
#include "lib/bundled.h"
#include <ewc/laplace.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, BINS = 15, TASKS = 2, UNITS = 48, SEEDS = 5 };

struct part { /* one task's rows for one purpose */
        struct learn_rows rows;
        float *x;
        int32_t *label;
};

struct kit {
        uint64_t seed;
        double lambda;
        struct ewc_spec net;
        uint32_t out[CLASSES];
        struct ewc_head head[TASKS];
        struct part train[TASKS], holdout[TASKS], test[TASKS];
        struct learn_result first, second;
        struct learn_past past;
};

/* Of the rows lo..hi those whose place among them, modulo ten, is in from..to. */
static struct part part_of(
    const struct digits *all, int task, const struct ewc_head *head, size_t from, size_t to, enum digit_side side)
{
        struct digits d;
        digits_pick(all, task * 5, task * 5 + 4, side, false, &d);
        struct part p = {.x = new_array(float, d.n *DIGIT_PIXELS), .label = new_array(int32_t, d.n)};
        size_t n = 0;
        for (size_t i = 0; i < d.n; i++) {
                if (i % 10 < from || i % 10 > to)
                        continue;
                for (size_t k = 0; k < DIGIT_PIXELS; k++)
                        p.x[n * DIGIT_PIXELS + k] = d.x[i][k] / 16;
                p.label[n++] = d.label[i];
        }
        p.rows = (struct learn_rows){(uint64_t)task + 1, *head, n, p.x, p.label, NULL, NULL};
        digits_free(&d);
        return p;
}

static struct learn_job job_of(struct kit *k, int task, const float *theta, struct learn_rows holdout[TASKS])
{
        for (int t = 0; t <= task; t++)
                holdout[t] = k->holdout[t].rows;
        return (struct learn_job){.kind = JOB_ROLLOVER,
            .net = k->net,
            .theta = theta,
            .past = &k->past,
            .n_past = (size_t)task,
            .train = k->train[task].rows,
            .n_holdout = (size_t)task + 1,
            .holdout = holdout,
            .plan = {.method = LEARN_EWC,
                .optim = {.type = EWC_OPTIM_ADAM, .rate = 0.003f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
                .epochs = 60,
                .batch = 16,
                .lambda = k->lambda,
                .fisher = EWC_FISHER_EXACT,
                .seed = k->seed,
                .threads = 1}};
}

static void kit_open(struct kit *k, bool own_heads, double lambda, uint64_t seed)
{
        struct digits all;
        struct ewc_rng rng;
        struct ewc_net *fresh;
        struct learn_rows holdout[TASKS];
        struct err e = ERR_NULL;
        memset(k, 0, sizeof(*k));
        k->seed = seed;
        k->lambda = lambda;
        k->net = (struct ewc_spec){.n_inputs = DIGIT_PIXELS,
            .n_outputs = CLASSES,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = UNITS}}};
        for (uint32_t o = 0; o < CLASSES; o++)
                k->out[o] = o;
        digits_load(&all);
        for (int t = 0; t < TASKS; t++) {
                k->head[t] = own_heads ? (struct ewc_head){5, k->out + 5 * t} : (struct ewc_head){CLASSES, k->out};
                k->train[t] = part_of(&all, t, &k->head[t], 0, 1, DIGITS_SENT);
                k->holdout[t] = part_of(&all, t, &k->head[t], 2, 9, DIGITS_SENT);
                k->test[t] = part_of(&all, t, &k->head[t], 0, 9, DIGITS_UNSEEN);
        }
        digits_free(&all);
        assert_int_equal(ewc_net_new(&fresh, &k->net, NULL), 0);
        ewc_rng_seed(&rng, k->seed, 0);
        ewc_net_init(fresh, &rng);
        struct learn_job job = job_of(k, 0, ewc_net_theta_const(fresh), holdout);
        if (learn_run(&job, NULL, &k->first, &e) != 0)
                fail_msg("%s", e.msg);
        ewc_net_free(fresh);
        k->past = (struct learn_past){.task = 1,
            .alpha = 1,
            .fisher = k->first.fisher,
            .anchor = k->first.theta,
            .factor = k->first.fisher_info.factor,
            .n_samples = k->first.fisher_info.n_samples};
        job = job_of(k, 1, k->first.theta, holdout);
        if (learn_run(&job, NULL, &k->second, &e) != 0)
                fail_msg("%s", e.msg);
}

static void kit_close(struct kit *k)
{
        struct part *parts[] = {k->train, k->holdout, k->test};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                for (int t = 0; t < TASKS; t++) {
                        free(parts[i][t].x);
                        free(parts[i][t].label);
                }
        learn_result_free(&k->first);
        learn_result_free(&k->second);
}

/* --- what a version would answer --- */

struct calibration {
        double n, nll, confidence[BINS], right[BINS];
};

static void count(struct calibration *c, const float *p, uint32_t H, const struct ewc_head *head, int32_t label)
{
        uint32_t top = 0;
        for (uint32_t h = 0; h < H; h++) {
                top = p[h] > p[top] ? h : top;
                c->nll -= (int32_t)head->out[h] == label ? log((double)p[h]) : 0;
        }
        size_t bin = (size_t)fmax(ceil((double)p[top] * BINS) - 1, 0);
        c->confidence[bin] += (double)p[top];
        c->right[bin] += (int32_t)head->out[top] == label;
        c->n++;
}

static double ece(const struct calibration *c)
{
        double sum = 0;
        for (size_t i = 0; i < BINS; i++)
                sum += fabs(c->confidence[i] - c->right[i]);
        return sum / c->n;
}

/* Over the rows of all tasks kept back: with the prior, or plain where it is infinite. */
static struct calibration measure(struct kit *k, const struct learn_result *r, double prior)
{
        size_t D = ewc_laplace_inputs(&k->net), L = ewc_laplace_params(&k->net);
        const struct ewc_evidence records[TASKS] = {{(double)k->past.n_samples, k->past.factor, k->past.fisher},
            {(double)r->fisher_info.n_samples, r->fisher_info.factor, r->fisher}};
        struct calibration c = {0};
        struct ewc_net *net;
        _free_ double *precision = new_array(double, L);
        _free_ float *variance = new_array(float, L), *phi = new_array(float, D);
        assert_int_equal(ewc_net_new(&net, &k->net, NULL), 0);
        memcpy(ewc_net_theta(net), r->theta, r->n_params * sizeof(float));
        assert_int_equal(ewc_laplace_precision(&k->net, TASKS, records, precision), 0);
        assert_int_equal(ewc_laplace_variance(&k->net, precision, prior, variance), 0);
        _free_ void *ws = mem_aligned(ewc_laplace_workspace(net, 1), 1, 64);
        for (int t = 0; t < TASKS; t++)
                for (size_t i = 0; i < k->test[t].rows.n; i++) {
                        float z[CLASSES], f_var[CLASSES], p[CLASSES];
                        const float *x = k->test[t].x + i * DIGIT_PIXELS;
                        assert_int_equal(ewc_laplace_features(net, 1, x, phi, z, ws), 0);
                        ewc_laplace_logit_variance(&k->net, variance, 1, phi, f_var);
                        assert_int_equal(ewc_laplace_probs(&k->net, &k->head[t], 1, z, f_var, p), 0);
                        count(&c, p, k->head[t].n, &k->head[t], k->test[t].label[i]);
                }
        ewc_net_free(net);
        return c;
}

struct means { /* over all runs; plain, with the chosen prior, with the one of versions that chose none */
        double ece[3], nll[3];
        int n, n_plain; /* runs; those that chose to be plain */
};

static void run(bool own_heads, double lambda, uint64_t seed, struct means *m)
{
        struct kit k;
        kit_open(&k, own_heads, lambda, seed);
        const double chosen = k.second.prior, prior[3] = {INFINITY, chosen, 1};
        assert_true(chosen >= LEARN_PRIOR_LOW && chosen <= LEARN_PRIOR_HIGH);
        for (int i = 0; i < 3; i++) {
                struct calibration c = measure(&k, &k.second, prior[i]);
                assert_true(c.n > 300);
                m->ece[i] += ece(&c);
                m->nll[i] += c.nll / c.n;
        }
        m->n++;
        m->n_plain += chosen > 0.9 * LEARN_PRIOR_HIGH;
        kit_close(&k);
}

static struct means run_all(bool own_heads)
{
        static const double lambdas[] = {1e-3, 0.1, 1};
        struct means m = {0};
        for (size_t i = 0; i < ARRAY_LEN(lambdas); i++)
                for (uint64_t seed = 1; seed <= SEEDS; seed++)
                        run(own_heads, lambdas[i], seed, &m);
        for (int i = 0; i < 3; i++) {
                m.ece[i] /= m.n;
                m.nll[i] /= m.n;
        }
        print_message("ECE plain %.4f, chosen %.4f, prior 1 %.4f; NLL %.4f, %.4f, %.4f; %d of %d plain\n", m.ece[0],
            m.ece[1], m.ece[2], m.nll[0], m.nll[1], m.nll[2], m.n_plain, m.n);
        return m;
}

/* Classes of the first task are forgotten with confidence: doubt helps much. */
static void test_one_head(void **state)
{
        (void)state;
        struct means m = run_all(false);
        assert_true(m.ece[1] < m.ece[0] - 0.02 && m.nll[1] < m.nll[0] - 0.05);
        assert_true(m.ece[1] < m.ece[2] && m.nll[1] < m.nll[2]);
        assert_int_equal(m.n_plain, 0);
}

/* Little is forgotten, so there is little to gain; a prior of 1 would cost a lot. */
static void test_heads_of_their_own(void **state)
{
        (void)state;
        const double sampling = 0.005; /* of a mean of fifteen errors over 359 rows each */
        struct means m = run_all(true);
        assert_true(m.ece[1] < m.ece[0] + sampling && m.nll[1] < m.nll[0] + sampling);
        assert_true(m.ece[1] < m.ece[2] - 0.2 && m.nll[1] < m.nll[2] - 0.2);
        assert_true(m.n_plain > m.n / 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_one_head),
            cmocka_unit_test(test_heads_of_their_own),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
