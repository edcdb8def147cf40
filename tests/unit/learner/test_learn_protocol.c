/* test_learn_protocol.c: what papers' protocols ask of a plan, each against a calculation of its own or against plain
 * training, and every contradiction by the name of its field. */
#include "base/err.h"
#include "made.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct made_pair pair;

static int setup(void **state)
{
        (void)state;
        made_pair_open(&pair, EWC_LOSS_SOFTMAX, false, 3);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        made_pair_close(&pair);
        return 0;
}

static void near(double got, double want, double tolerance)
{
        if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
                fail_msg("%.9g, not %.9g", got, want);
}

/* U and centre of three records under a rule, by the definitions. */
static void test_merge_rules(void **state)
{
        (void)state;
        float F[3][MADE_PARAMS_MAX], a[3][MADE_PARAMS_MAX], U[MADE_PARAMS_MAX], centre[MADE_PARAMS_MAX];
        struct learn_past past[3];
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 1, 1);
        size_t P = ewc_spec_params(&job.net);
        struct ewc_rng r;
        ewc_rng_seed(&r, 1, 1);
        for (size_t k = 0; k < 3; k++) {
                for (size_t i = 0; i < P; i++) {
                        F[k][i] = i == 0 ? 0 : ewc_rng_unit(&r);
                        a[k][i] = ewc_rng_unit(&r) - 0.5f;
                }
                past[k] = (struct learn_past){
                    .task = k + 1, .alpha = 1, .fisher = F[k], .anchor = a[k], .factor = 0.5 * (double)(k + 1)};
        }
        job.past = past;
        job.n_past = 3;
        static const struct {
                enum learn_merge_rule rule;
                double decay, w[3];
        } want[] = {
            {LEARN_MERGE_SUM, 0, {1, 1, 1}},
            {LEARN_MERGE_ONLINE, 0.9, {0.81, 0.9, 1}},
            {LEARN_MERGE_EMA, 0.8, {0.64, 0.16, 0.2}},
            {LEARN_MERGE_SEPARATE, 0, {1, 1, 1}},
        };
        for (size_t m = 0; m < 4; m++)
                for (int raw = 0; raw < 2; raw++) {
                        job.plan.merge = want[m].rule;
                        job.plan.merge_decay = want[m].decay;
                        job.plan.scale = raw ? LEARN_SCALE_RAW : LEARN_SCALE_UNIT;
                        double total = made_merge(&job, U, centre), sum = 0;
                        for (size_t k = 0; k < 3; k++)
                                sum += want[m].w[k] * (raw ? past[k].factor : 1);
                        near(total, sum, 1e-12);
                        for (size_t i = 0; i < P; i++) {
                                double u = 0, c = 0;
                                for (size_t k = 0; k < 3; k++) {
                                        double w = want[m].w[k] * (raw ? past[k].factor : 1) * (double)F[k][i];
                                        u += w;
                                        c += w * (double)a[k][i];
                                }
                                near((double)U[i], u, 1e-6);
                                if (want[m].rule != LEARN_MERGE_SEPARATE)
                                        assert_true(centre[i] == a[2][i]);
                                else if (u > 0)
                                        near((double)centre[i], c / u, 1e-5);
                        }
                }
}

/* Steps with the penalty's gradient through Adam, by a loop of its own. */
static void test_form_grad(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.05, 1);
        struct learn_result got;
        struct ewc_net *net;
        size_t P = ewc_spec_params(&job.net);
        float m[MADE_PARAMS_MAX] = {0}, v[MADE_PARAMS_MAX] = {0}, g[MADE_PARAMS_MAX];
        double loss;
        job.plan.form = LEARN_FORM_GRAD;
        job.plan.batch = MADE_ROWS; /* one batch holds all rows: the order matters in the last bits only */
        job.plan.epochs = 7;
        made_run(&job, NULL, 0, &got);
        assert_int_equal(ewc_net_new(&net, &job.net, NULL), 0);
        float *theta = ewc_net_theta(net);
        memcpy(theta, job.theta, P * sizeof(float));
        void *ws = aligned_alloc(64, (ewc_train_workspace(net, MADE_ROWS) + 63) / 64 * 64);
        struct ewc_batch b = {.n = MADE_ROWS, .x = job.train.x, .label = job.train.label};
        for (int t = 1; t <= 7; t++) {
                assert_int_equal(ewc_train_grad(net, &job.train.head, &b, 1, false, g, &loss, ws), 0);
                for (size_t i = 0; i < P; i++) {
                        double d = (double)theta[i] - (double)job.past[0].anchor[i];
                        double full = (double)g[i] + 2 * 0.05 * (double)job.past[0].fisher[i] * d;
                        m[i] = (float)(0.9 * (double)m[i] + 0.1 * full);
                        v[i] = (float)(0.999 * (double)v[i] + 0.001 * full * full);
                        double step = 0.02 * ((double)m[i] / (1 - pow(0.9, t))) /
                                      (sqrt((double)v[i] / (1 - pow(0.999, t))) + 1e-8);
                        theta[i] = (float)((double)theta[i] - step);
                }
        }
        for (size_t i = 0; i < P; i++)
                near((double)got.theta[i], (double)theta[i], 2e-3);
        learn_result_free(&got);
        free(ws);
        ewc_net_free(net);
}

/* Two halves with the optimiser handed over are one run. */
static void test_optimiser_goes_on(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_result whole, first, second, fresh;
        job.plan.batch = MADE_ROWS;
        job.plan.keep_optim = true;
        job.plan.epochs = 10;
        made_run(&job, NULL, 0, &whole);
        assert_int_equal(whole.optim_steps, 10);
        job.plan.epochs = 5;
        made_run(&job, NULL, 0, &first);
        job.theta = first.theta;
        made_run(&job, NULL, 0, &fresh);
        job.optim_in = first.optim;
        job.n_optim_in = first.n_optim;
        job.optim_steps = first.optim_steps;
        made_run(&job, NULL, 0, &second);
        assert_int_equal(second.optim_steps, 10);
        double on = 0, off = 0;
        for (size_t i = 0; i < whole.n_params; i++) {
                on = fmax(on, fabs((double)whole.theta[i] - (double)second.theta[i]));
                off = fmax(off, fabs((double)whole.theta[i] - (double)fresh.theta[i]));
        }
        assert_true(on < 1e-4); /* another order of rows in the sums */
        assert_true(off > 10 * on + 1e-3);
        learn_result_free(&whole);
        learn_result_free(&first);
        learn_result_free(&second);
        learn_result_free(&fresh);
}

static void test_drop_last(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_result r;
        struct err e = ERR_NULL;
        job.plan.epochs = 3;
        job.plan.batch = 20; /* 96 rows: four batches and a rest */
        made_run(&job, NULL, 0, &r);
        assert_int_equal(r.steps, 15);
        learn_result_free(&r);
        job.plan.drop_last = true;
        made_run(&job, NULL, 0, &r);
        assert_int_equal(r.steps, 12);
        learn_result_free(&r);
        job.plan.batch = MADE_ROWS + 1;
        assert_int_equal(learn_run(&job, NULL, &r, &e), -EINVAL);
        assert_string_equal(e.field, "drop_last");
}

/* The path integral of one full-batch SGD step: theta moves by -rate g, so Omega = rate g^2 / (rate^2 g^2 + xi). */
static void test_si(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_result r;
        const double rate = 0.25, xi = 0.125;
        job.kind = JOB_ROLLOVER;
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 0.25f};
        job.plan.batch = MADE_ROWS;
        job.plan.epochs = 1;
        job.plan.importance = LEARN_IMPORTANCE_SI;
        job.plan.si_damping = xi;
        job.plan.final_theta = true;
        made_run(&job, NULL, 0, &r);
        assert_non_null(r.fisher);
        assert_int_equal(r.fisher_info.n_samples, 1);
        double trace = 0;
        for (size_t i = 0; i < r.n_params; i++) {
                double delta = (double)r.theta[i] - (double)job.theta[i], g = -delta / rate;
                double omega = rate * g * g / (delta * delta + xi);
                near(r.fisher_info.factor * (double)r.fisher[i], omega, 1e-4);
                trace += omega;
        }
        near(r.fisher_info.trace, trace, 1e-4);
        assert_true(trace > 0);
        learn_result_free(&r);
}

/* MAS asks the model alone: other labels, the same importance; and it is no Fisher. */
static void test_mas(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_result mas, flipped, fisher;
        int32_t labels[MADE_ROWS];
        double sum = 0;
        job.kind = JOB_ROLLOVER;
        job.plan.epochs = 0; /* at the starting theta */
        made_run(&job, NULL, 0, &fisher);
        job.plan.importance = LEARN_IMPORTANCE_MAS;
        made_run(&job, NULL, 0, &mas);
        for (size_t i = 0; i < MADE_ROWS; i++)
                labels[i] = 1 - job.train.label[i];
        job.train.label = labels;
        made_run(&job, NULL, 0, &flipped);
        assert_memory_equal(mas.fisher, flipped.fisher, mas.n_params * sizeof(float));
        assert_memory_not_equal(mas.fisher, fisher.fisher, mas.n_params * sizeof(float));
        for (size_t i = 0; i < mas.n_params; i++)
                sum += (double)mas.fisher[i];
        near(sum / (double)mas.fisher_info.n_protected, 1, 1e-4);
        near(mas.fisher_info.trace, mas.fisher_info.factor * (double)mas.fisher_info.n_protected, 1e-12);
        assert_int_equal(mas.fisher_info.n_samples, MADE_ROWS);
        learn_result_free(&mas);
        learn_result_free(&flipped);
        learn_result_free(&fisher);
}

/* Mean distance between the probabilities that two parameter vectors give a head on some rows. */
static double distance(const struct learn_job *job, const struct ewc_head *head, const float *a, const float *b)
{
        const float *theta[2] = {a, b};
        float y[MADE_ROWS * MADE_OUTPUTS_MAX], probs[2][MADE_ROWS * MADE_OUTPUTS_MAX];
        struct ewc_net *net;
        double sum = 0;
        assert_int_equal(ewc_net_new(&net, &job->net, NULL), 0);
        void *ws = aligned_alloc(64, (ewc_net_workspace(net, MADE_ROWS) + 63) / 64 * 64 + 64);
        for (int k = 0; k < 2; k++) {
                memcpy(ewc_net_theta(net), theta[k], ewc_net_params(net) * sizeof(float));
                assert_int_equal(ewc_net_forward(net, MADE_ROWS, job->train.x, y, ws), 0);
                assert_int_equal(ewc_net_probs(net, head, MADE_ROWS, y, probs[k]), 0);
        }
        for (size_t i = 0; i < (size_t)MADE_ROWS * head->n; i++)
                sum += fabs((double)probs[0][i] - (double)probs[1][i]);
        free(ws);
        ewc_net_free(net);
        return sum / (MADE_ROWS * head->n);
}

/* The first distilled step, a full batch of SGD, is the label's gradient alone: student and teacher still agree, and
 * the gradient of the divergence is 0 there. Later steps keep the old head's outputs closer to the teacher's. */
static void test_distillation(void **state)
{
        (void)state;
        struct made_pair own;
        struct learn_result plain, distilled;
        made_pair_open(&own, EWC_LOSS_SOFTMAX, true, 5);
        struct learn_job job = made_pair_job(&own, LEARN_PLAIN, 0, 1);
        struct learn_rows old = {.task = own.a.train.task, .head = own.a.train.head}; /* a head without rows */
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 0.2f};
        job.plan.batch = MADE_ROWS;
        for (uint32_t epochs = 1; epochs < 60; epochs += 58) {
                job.plan.epochs = epochs;
                job.replay = NULL;
                job.n_replay = 0;
                job.plan.distill = job.plan.distill_temperature = 0;
                made_run(&job, NULL, 0, &plain);
                job.replay = &old;
                job.n_replay = 1;
                job.plan.distill = 3;
                job.plan.distill_temperature = 2;
                made_run(&job, NULL, 0, &distilled);
                double apart = 0;
                for (size_t i = 0; i < plain.n_params; i++)
                        apart = fmax(apart, fabs((double)plain.theta[i] - (double)distilled.theta[i]));
                if (epochs == 1)
                        assert_true(apart < 1e-5);
                else
                        assert_true(distance(&job, &old.head, job.theta, distilled.theta) <
                                    0.7 * distance(&job, &old.head, job.theta, plain.theta));
                learn_result_free(&plain);
                learn_result_free(&distilled);
        }
        made_pair_close(&own);
}

struct stop_at {
        uint32_t epoch;
        struct learn_state state;
        float theta[MADE_PARAMS_MAX], optim[2 * MADE_PARAMS_MAX];
        double path[MADE_PARAMS_MAX];
        struct evaluation before[2];
        bool stop;
};

static int keep(void *arg, const struct learn_progress *p)
{
        struct stop_at *s = arg;
        if (!p->state || p->epoch != s->epoch || p->phase != LEARN_PHASE_TRAIN || s->stop)
                return 0;
        s->state = *p->state;
        memcpy(s->theta, p->state->theta, p->state->n_params * sizeof(float));
        memcpy(s->optim, p->state->optim, p->state->n_optim * sizeof(float));
        memcpy(s->path, p->state->path, p->state->n_params * sizeof(double));
        memcpy(s->before, p->state->before, p->state->n_before * sizeof(s->before[0]));
        s->state.theta = s->theta;
        s->state.optim = s->optim;
        s->state.path = s->path;
        s->state.before = s->before;
        s->stop = true;
        return 0;
}

static bool stop(void *arg)
{
        return ((struct stop_at *)arg)->stop;
}

static void test_si_resumes(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.01, 1);
        struct learn_result whole, none, resumed;
        struct stop_at at = {.epoch = 11};
        const struct learn_callbacks cb = {keep, stop, &at};
        struct err e = ERR_NULL;
        job.kind = JOB_ROLLOVER;
        job.plan.importance = LEARN_IMPORTANCE_SI;
        job.plan.merge = LEARN_MERGE_SUM;
        job.plan.si_damping = 0.1;
        job.plan.final_theta = job.plan.keep_optim = true;
        made_run(&job, NULL, 0, &whole);
        made_run(&job, &cb, LEARN_STOPPED, &none);
        learn_result_free(&none);
        job.resume = &at.state;
        made_run(&job, NULL, 0, &resumed);
        made_same(&whole, &resumed);
        assert_memory_equal(whole.optim, resumed.optim, whole.n_optim * sizeof(float));
        at.state.path = NULL; /* without its path the state is of no use */
        assert_int_equal(learn_run(&job, NULL, &none, &e), -EINVAL);
        learn_result_free(&whole);
        learn_result_free(&resumed);
}

/* The old task comes back through a few of its rows, in a batch of its own per set. */
static void test_replay_even(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_rows old[2] = {pair.a.train, pair.a.train};
        struct learn_result with, without;
        made_run(&job, NULL, 0, &without);
        job.replay = old;
        job.n_replay = 2;
        job.plan.replay_per_class = 10;
        job.plan.replay_even = true;
        job.plan.batch = 15; /* two sets: eight rows of each */
        made_run(&job, NULL, 0, &with);
        assert_true(with.after[0].accuracy > without.after[0].accuracy + 0.1);
        learn_result_free(&with);
        learn_result_free(&without);
}

/* A rollover keeps what it trained, even when the holdout was better before. */
static void test_final_theta(void **state)
{
        (void)state;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_result r;
        job.kind = JOB_ROLLOVER;
        job.train = pair.b.train;
        job.train.task = pair.a.holdout.task; /* the holdout of A stands for the open task: training B hurts it */
        made_run(&job, NULL, 0, &r);
        assert_memory_equal(r.theta, job.theta, r.n_params * sizeof(float));
        learn_result_free(&r);
        job.plan.final_theta = true;
        made_run(&job, NULL, 0, &r);
        assert_memory_not_equal(r.theta, job.theta, r.n_params * sizeof(float));
        learn_result_free(&r);
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
        const struct learn_job plain = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        struct learn_job j = plain;
        float numbers[4] = {0};
        j.plan.form = LEARN_FORM_GRAD;
        refused(&j, "form");
        j = plain;
        j.plan.merge = LEARN_MERGE_SUM;
        refused(&j, "merge");
        j = ewc;
        j.plan.merge_decay = 0.5;
        refused(&j, "merge_decay");
        j.plan.merge_decay = 0;
        j.plan.merge = LEARN_MERGE_ONLINE;
        refused(&j, "merge_decay");
        j = ewc;
        j.plan.scale = LEARN_SCALE_RAW; /* the record has no factor */
        refused(&j, "scale");
        j.plan.lambda_auto = true;
        refused(&j, "scale");
        j = ewc;
        j.plan.importance = LEARN_IMPORTANCE_SI;
        j.plan.si_damping = 0.1;
        refused(&j, "importance"); /* without final_theta */
        j.plan.final_theta = true;
        j.plan.si_damping = 0;
        refused(&j, "si_damping");
        j.plan.si_damping = 0.1;
        j.plan.fisher_samples = 5;
        refused(&j, "fisher_samples");
        j = ewc;
        j.plan.si_damping = 0.1;
        refused(&j, "si_damping");
        j = ewc;
        j.plan.distill = 1;
        refused(&j, "distill_temperature");
        j.plan.distill = -1;
        refused(&j, "distill");
        j = ewc;
        j.plan.replay_even = true;
        refused(&j, "replay_even");
        j = ewc;
        j.optim_in = numbers;
        j.n_optim_in = 4;
        refused(&j, "optim_in");
        j = ewc;
        j.optim_steps = 4;
        refused(&j, "optim_in");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_merge_rules),
            cmocka_unit_test(test_form_grad),
            cmocka_unit_test(test_optimiser_goes_on),
            cmocka_unit_test(test_drop_last),
            cmocka_unit_test(test_si),
            cmocka_unit_test(test_mas),
            cmocka_unit_test(test_distillation),
            cmocka_unit_test(test_si_resumes),
            cmocka_unit_test(test_replay_even),
            cmocka_unit_test(test_final_theta),
            cmocka_unit_test(test_contradictions),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
