/* test_learn_rate.c: how fast each part learns and how the penalty pulls, single steps against libewc's own calls
 * and formulas; the scales of a Fisher; and training that must not break: every lambda ends in finite numbers, every
 * break is named by its step. */
#include "base/err.h"
#include "base/mem.h"
#include "made.h"
#include <errno.h>
#include <ewc/merge.h>
#include <ewc/step.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct made_pair pair;
static const struct ewc_optim sgd = {.type = EWC_OPTIM_SGD, .rate = 0.1f};

static int setup(void **state)
{
        (void)state;
        made_pair_open(&pair, EWC_LOSS_SOFTMAX, false, 1);
        pair.past.factor = 0.25;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        made_pair_close(&pair);
        return 0;
}

/* Steps of SGD over all of task B, from a theta away from A's anchor. */
static struct learn_job whole_steps(float *theta, uint32_t steps)
{
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.4, 1);
        for (size_t i = 0; i < pair.closed.n_params; i++)
                theta[i] = pair.closed.theta[i] + (i % 2 ? 0.3f : -0.05f);
        job.theta = theta;
        job.plan.optim = sgd;
        job.plan.steps = steps;
        job.plan.batch = MADE_ROWS;
        job.plan.drop_last = true;
        return job;
}

/* grad (P) of B's mean loss at theta, rows in their own order. */
static void gradient(const float *theta, float *grad)
{
        struct ewc_net *n;
        double loss;
        assert_int_equal(ewc_net_new(&n, &pair.net, NULL), 0);
        memcpy(ewc_net_theta(n), theta, ewc_net_params(n) * sizeof(float));
        void *ws = mem_aligned(ewc_train_workspace(n, MADE_ROWS), 1, 64);
        struct ewc_batch b = {.n = MADE_ROWS, .x = pair.b.train.x, .label = pair.b.train.label};
        assert_int_equal(ewc_train_grad(n, &pair.b.train.head, &b, 1, false, grad, &loss, ws), 0);
        free(ws);
        ewc_net_free(n);
}

/* The step the job should have made. knee 0: none; factor: of the rate by layer. */
static void check_step(const struct learn_job *job, double rate, double knee, const double factor[2])
{
        struct learn_result r = {0};
        float grad[MADE_PARAMS_MAX];
        struct ewc_tensor out;
        double d = 0, penalty = 0;
        made_run(job, NULL, LEARN_DONE, &r);
        gradient(job->theta, grad);
        assert_int_equal(ewc_spec_tensor(&pair.net, 2, &out), 0); /* the output layer's weights */
        for (size_t i = 0; i < r.n_params; i++) {
                double eta = rate * factor[i >= out.offset], F = (double)pair.closed.fisher[i];
                double c = (double)pair.closed.theta[i], t = (double)job->theta[i] - eta * (double)grad[i], size;
                if (job->plan.form == LEARN_FORM_GRAD) {
                        d = (double)job->theta[i] - c;
                        d = knee > 0 && fabs(d) > knee ? copysign(knee, d) : d;
                        t -= eta * 2 * 0.4 * F * d;
                } else {
                        double k = 2 * eta * 0.4 * F;
                        d = t - c;
                        t = knee > 0 && fabs(d) > knee * (1 + k) ? t - k * copysign(knee, d) : c + d / (1 + k);
                }
                size = fabs((double)r.theta[i] - c);
                penalty += 0.4 * F * (knee > 0 && size > knee ? 2 * knee * size - knee * knee : size * size);
                assert_true(fabs((double)r.theta[i] - t) < 1e-6); /* the order of rows: float rounding */
        }
        assert_true(fabs(r.penalty / penalty - 1) < 1e-5);
        learn_result_free(&r);
}

static void test_steps(void **state)
{
        (void)state;
        float theta[MADE_PARAMS_MAX];
        const float rates[2] = {0.25f, 3};
        const double ones[2] = {1, 1};
        for (int form = 0; form < 2; form++) {
                struct learn_job job = whole_steps(theta, 1);
                job.plan.form = (enum learn_form)form;
                check_step(&job, 0.1, 0, ones);
                job.plan.huber = 0.1;
                check_step(&job, 0.1, 0.1, ones);
                job.plan.rates = rates;
                job.plan.n_rates = 2;
                check_step(&job, 0.1, 0.1, (const double[2]){0.25, 3});
                job.plan.rate_new = 0.5;
                check_step(&job, 0.05, 0.1, (const double[2]){0.25, 3});
                job.plan.huber = 0;
                check_step(&job, 0.05, 0, (const double[2]){0.25, 3});
        }
}

/* A job without closed tasks keeps its rate, and none of the two leaves a trace there. */
static void test_first_task(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.4, 1);
        struct learn_result a = {0}, b = {0};
        job.n_past = 0;
        made_run(&job, NULL, LEARN_DONE, &a);
        job.plan.rate_new = 0.5;
        job.plan.rate_floor = 0.5;
        job.plan.huber = 0.1;
        made_run(&job, NULL, LEARN_DONE, &b);
        made_same(&a, &b);
        learn_result_free(&a);
        learn_result_free(&b);
}

static void test_rate_floor(void **state)
{
        (void)state;
        float theta[MADE_PARAMS_MAX], rate[4];
        struct learn_job job = whole_steps(theta, 1);
        job.plan.rate_floor = 0.2;
        assert_int_equal(ewc_step_rates(&pair.net, pair.closed.fisher, 0.2, rate), 0);
        assert_true(rate[0] == rate[1] && rate[2] == rate[3] && rate[0] != rate[2]);
        check_step(&job, 0.1, 0, (const double[2]){(double)rate[0], (double)rate[2]});
}

/* Rates go to layers by their place, those without parameters counted; 0 freezes, 1 is what there is without. */
static void test_layers(void **state)
{
        (void)state;
        struct ewc_spec net = {.n_inputs = 4,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 4,
            .layers = {{.type = EWC_LAYER_DENSE, .units = 6, .activation = EWC_ACT_TANH},
                {.type = EWC_LAYER_DROPOUT, .rate = 0.1f}, {.type = EWC_LAYER_LAYER_NORM, .activation = EWC_ACT_NONE},
                {.type = EWC_LAYER_DENSE, .units = 5, .activation = EWC_ACT_TANH}}};
        float theta[MADE_PARAMS_MAX], rates[5] = {1, 1, 1, 1, 1};
        struct learn_result plain = {0}, r = {0};
        char why[128];
        if (ewc_spec_check(&net, why, sizeof(why)) < 0)
                fail_msg("%s", why);
        made_theta(&net, 3, theta);
        struct learn_job job = made_job(&net, theta, &pair.b, LEARN_PLAIN, 1);
        made_run(&job, NULL, LEARN_DONE, &plain);
        job.plan.rates = rates;
        job.plan.n_rates = 5;
        made_run(&job, NULL, LEARN_DONE, &r);
        made_same(&plain, &r);
        learn_result_free(&r);
        static const int first[5] = {0, -1, 2, 4, 6}; /* tensors; dropout has none */
        for (int frozen = 0; frozen < 5; frozen++) {
                struct ewc_tensor t, next;
                rates[frozen] = 0;
                made_run(&job, NULL, LEARN_DONE, &r);
                for (int i = 0; i < 8; i++) {
                        assert_int_equal(ewc_spec_tensor(&net, (size_t)i, &t), 0);
                        next.offset = r.n_params;
                        if (i < 7)
                                assert_int_equal(ewc_spec_tensor(&net, (size_t)i + 1, &next), 0);
                        bool same = memcmp(r.theta + t.offset, theta + t.offset,
                                        (next.offset - t.offset) * sizeof(float)) == 0;
                        assert_int_equal(same, first[frozen] >= 0 && i / 2 == first[frozen] / 2);
                }
                learn_result_free(&r);
                rates[frozen] = 1;
        }
        learn_result_free(&plain);
}

/* U of the scales l2 and minmax against their definition, with two records of unequal weight. */
static void test_scales(void **state)
{
        (void)state;
        float other[MADE_PARAMS_MAX], U[MADE_PARAMS_MAX], c[MADE_PARAMS_MAX];
        struct learn_past past[2] = {pair.past, pair.past};
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.1, 1);
        size_t P = pair.closed.n_params;
        for (size_t i = 0; i < P; i++)
                other[i] = 0.5f + (float)(i % 5); /* no zero: minmax moves it */
        past[1].fisher = other;
        past[1].alpha = 3;
        job.past = past;
        job.n_past = 2;
        for (int k = 0; k < 2; k++) {
                double norm[2] = {0}, low[2] = {INFINITY, INFINITY}, high[2] = {0};
                for (size_t i = 0; i < P; i++)
                        for (int j = 0; j < 2; j++) {
                                double f = (double)past[j].fisher[i];
                                norm[j] += f * f;
                                low[j] = fmin(low[j], f);
                                high[j] = fmax(high[j], f);
                        }
                job.plan.scale = k ? LEARN_SCALE_MINMAX : LEARN_SCALE_L2;
                assert_true(made_merge(&job, U, c) > 0);
                for (size_t i = 0; i < P; i++) {
                        double want = 0;
                        for (int j = 0; j < 2; j++) {
                                double f = (double)past[j].fisher[i];
                                want += past[j].alpha * (k ? (f - low[j]) / (high[j] - low[j]) : f / sqrt(norm[j]));
                        }
                        assert_true(fabs((double)U[i] - want) <= 1e-6 * (want + 1e-3));
                }
        }
        other[3] = -1;
        assert_true(isnan(made_merge(&job, U, c)));
}

/* All Fishers times 2^20 leave training as it was, bit for bit, on a scale of their own; and times 1e6 nearly so. */
static void test_normalised_training_knows_no_units(void **state)
{
        (void)state;
        float scaled[MADE_PARAMS_MAX];
        struct learn_past past = pair.past;
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 5, 1);
        job.plan.scale = LEARN_SCALE_L2;
        for (int k = 0; k < 2; k++) {
                struct learn_result a = {0}, b = {0}, c = {0};
                job.plan.scale = k ? LEARN_SCALE_MINMAX : LEARN_SCALE_L2;
                job.plan.steps = 100;
                job.past = &pair.past;
                made_run(&job, NULL, LEARN_DONE, &a);
                job.past = &past;
                past.fisher = scaled;
                for (size_t i = 0; i < a.n_params; i++)
                        scaled[i] = ldexpf(pair.closed.fisher[i], 20);
                made_run(&job, NULL, LEARN_DONE, &b);
                made_same(&a, &b);
                for (size_t i = 0; i < a.n_params; i++)
                        scaled[i] = 1e6f * pair.closed.fisher[i];
                made_run(&job, NULL, LEARN_DONE, &c);
                assert_true(a.penalty > 0 && fabs(c.penalty / a.penalty - 1) < 1e-5);
                learn_result_free(&a);
                learn_result_free(&b);
                learn_result_free(&c);
        }
}

/* A weight of 0 is the record's absence, bit for bit, under every rule, wherever it stands. */
static void test_weight_zero_is_absence(void **state)
{
        (void)state;
        static const enum learn_merge_rule rules[] = {
            LEARN_MERGE_SEPARATE, LEARN_MERGE_SUM, LEARN_MERGE_ONLINE, LEARN_MERGE_EMA};
        float f[3][MADE_PARAMS_MAX], U[2][MADE_PARAMS_MAX], c[2][MADE_PARAMS_MAX];
        size_t P = pair.closed.n_params;
        for (size_t k = 0; k < 3; k++)
                for (size_t i = 0; i < P; i++)
                        f[k][i] = 0.1f + (float)((i + k) % 7);
        for (size_t rule = 0; rule < ARRAY_LEN(rules); rule++)
                for (size_t out = 0; out < 3; out++) {
                        struct learn_past past[3], rest[2];
                        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.1, 1);
                        job.plan.merge = rules[rule];
                        job.plan.merge_decay = rules[rule] >= LEARN_MERGE_ONLINE ? 0.7 : 0;
                        for (size_t k = 0, n = 0; k < 3; k++) {
                                past[k] = (struct learn_past){k + 1, k == out ? 0 : 1.5, f[k], f[2 - k], 1, 0};
                                if (k != out)
                                        rest[n++] = past[k];
                        }
                        job.past = past;
                        job.n_past = 3;
                        double with = made_merge(&job, U[0], c[0]);
                        job.past = rest;
                        job.n_past = 2;
                        assert_true(made_merge(&job, U[1], c[1]) == with);
                        assert_memory_equal(U[0], U[1], P * sizeof(float));
                        assert_memory_equal(c[0], c[1], P * sizeof(float));
                }
}

/* alpha 1 is sum and alpha decay^(T-k) is online, in the importance they give. */
static void test_weights_make_the_rules(void **state)
{
        (void)state;
        float f[3][MADE_PARAMS_MAX], U[2][MADE_PARAMS_MAX], c[MADE_PARAMS_MAX];
        size_t P = pair.closed.n_params;
        struct learn_past past[3];
        for (size_t k = 0; k < 3; k++) {
                for (size_t i = 0; i < P; i++)
                        f[k][i] = 0.1f + (float)((i * (k + 2)) % 7);
                past[k] = (struct learn_past){k + 1, 1, f[k], f[k], 1, 0};
        }
        for (int online = 0; online < 2; online++) {
                struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.1, 1);
                job.past = past;
                job.n_past = 3;
                for (size_t k = 0; k < 3; k++)
                        past[k].alpha = 1;
                job.plan.merge = online ? LEARN_MERGE_ONLINE : LEARN_MERGE_SUM;
                job.plan.merge_decay = online ? 0.8 : 0;
                made_merge(&job, U[0], c);
                for (size_t k = 0; k < 3; k++)
                        past[k].alpha = online ? pow(0.8, (double)(2 - k)) : 1;
                job.plan.merge = LEARN_MERGE_SEPARATE;
                job.plan.merge_decay = 0;
                made_merge(&job, U[1], c);
                for (size_t i = 0; i < P; i++)
                        assert_true(fabsf(U[0][i] - U[1][i]) <= 1e-6f * U[0][i]);
        }
}

/* No lambda breaks training, by SGD nor by Adam; a large one holds what matters where it is. */
static void test_every_lambda_is_finite(void **state)
{
        (void)state;
        static const double lambdas[] = {1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e5, 1e7, 1e9, 1e11, 1e12, 1e13};
        for (size_t k = 0; k < 2 * ARRAY_LEN(lambdas); k++) {
                struct learn_job job = made_pair_job(&pair, LEARN_EWC, lambdas[k / 2], 1);
                struct learn_result r = {0};
                if (k % 2)
                        job.plan.optim = sgd;
                else
                        job.plan.optim.rate = 1e-3f;
                made_run(&job, NULL, LEARN_DONE, &r);
                assert_true(isfinite(r.loss) && isfinite(r.penalty));
                for (size_t i = 0; i < r.n_params; i++) {
                        assert_true(isfinite(r.theta[i]));
                        if (lambdas[k / 2] >= 1e12 && pair.closed.fisher[i] >= 1e-3f)
                                assert_true(fabsf(r.theta[i] - pair.closed.theta[i]) < 1e-6f);
                }
                learn_result_free(&r);
        }
}

static void diverges(const struct learn_job *job, const char *words)
{
        struct learn_result r = {0};
        struct err e = ERR_NULL;
        assert_int_equal(learn_run(job, NULL, &r, &e), LEARN_DIVERGED);
        if (!strstr(e.msg, words))
                fail_msg("%s", e.msg);
        assert_string_equal(r.reason, e.msg);
        assert_null(r.theta);
        learn_result_free(&r);
}

/* The gradient form has no such promise: it breaks, and says where. So does a row that is no number. */
static void test_divergence_names_the_step(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 1e13, 1);
        job.plan.form = LEARN_FORM_GRAD;
        job.plan.optim = sgd;
        float theta[MADE_PARAMS_MAX], x[MADE_ROWS * MADE_INPUTS];
        for (size_t i = 0; i < pair.closed.n_params; i++)
                theta[i] = pair.closed.theta[i] + 0.1f;
        job.theta = theta;
        diverges(&job, "step 3, lambda 1e+13: gradient"); /* 1e11, 1e23, 1e35 */
        job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        memcpy(x, pair.b.train.x, sizeof(x));
        x[5] = NAN;
        job.train.x = x;
        job.plan.batch = MADE_ROWS;
        job.plan.drop_last = true;
        diverges(&job, "step 1, lambda 0: gradient");
}

static void refused(const struct learn_job *job, const char *field)
{
        struct learn_result r;
        struct err e = ERR_NULL;
        assert_int_equal(learn_run(job, NULL, &r, &e), -EINVAL);
        assert_string_equal(e.field, field);
}

static void test_contradictions(void **state)
{
        (void)state;
        const struct learn_job ewc = made_pair_job(&pair, LEARN_EWC, 0.01, 1);
        static const double bad[] = {-1, (double)NAN, (double)INFINITY, 1e-60};
        float rates[2] = {1, -1};
        struct learn_job j;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                j = ewc;
                j.plan.huber = bad[i];
                refused(&j, "huber");
                j = ewc;
                j.plan.rate_new = bad[i];
                refused(&j, "rate_new");
                j = ewc;
                j.plan.rate_floor = i < 3 ? bad[i] : 1;
                refused(&j, "rate_floor");
        }
        j = ewc;
        j.plan.method = LEARN_PLAIN;
        j.plan.huber = 1;
        refused(&j, "huber");
        j.plan.huber = 0;
        j.plan.rate_floor = 0.5;
        refused(&j, "rate_floor");
        j = ewc;
        j.plan.rates = rates;
        refused(&j, "rates"); /* of no number */
        j.plan.n_rates = 1;
        refused(&j, "rates");
        j.plan.n_rates = 2;
        refused(&j, "rates"); /* a negative one */
        rates[1] = 1;
        j.plan.rate_floor = 0.5;
        refused(&j, "rates");
        j.plan.rate_floor = 0;
        j.plan.rates = NULL;
        refused(&j, "rates");
        for (int k = LEARN_SCALE_L2; k <= LEARN_SCALE_MINMAX + 1; k++) {
                j = ewc;
                j.plan.scale = (enum learn_scale)k;
                j.plan.lambda_auto = true;
                refused(&j, "scale");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_steps),
            cmocka_unit_test(test_first_task),
            cmocka_unit_test(test_rate_floor),
            cmocka_unit_test(test_layers),
            cmocka_unit_test(test_scales),
            cmocka_unit_test(test_normalised_training_knows_no_units),
            cmocka_unit_test(test_weight_zero_is_absence),
            cmocka_unit_test(test_weights_make_the_rules),
            cmocka_unit_test(test_every_lambda_is_finite),
            cmocka_unit_test(test_divergence_names_the_step),
            cmocka_unit_test(test_contradictions),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
