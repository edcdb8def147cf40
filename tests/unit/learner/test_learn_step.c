/* test_learn_step.c: the methods: what is kept and what is lost, and single steps against their formula. */
#include "base/mem.h"
#include "made.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 5 };

/* Accuracy on A and B after the job. */
static void scores(const struct learn_job *job, double *ret_a, double *ret_b)
{
        struct learn_result r = {0};
        made_run(job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.n_evaluations, 2);
        assert_int_equal(r.after[0].task, 1);
        assert_true(r.before[0].accuracy > 0.95); /* A was learned */
        *ret_a = r.after[0].accuracy;
        *ret_b = r.after[1].accuracy;
        learn_result_free(&r);
}

/* The claim: at least 0.9 of A kept with a penalty, at most 0.6 without, B above 0.9 either way. */
static void check_claim(enum ewc_loss loss, bool own_heads, double lambda, double lost_below)
{
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct made_pair p;
                double a, b;
                made_pair_open(&p, loss, own_heads, seed);
                struct learn_job job = made_pair_job(&p, LEARN_EWC, lambda, seed);
                scores(&job, &a, &b);
                if (a < 0.9 || b < 0.9)
                        fail_msg("seed %d: with EWC A %.3f B %.3f", (int)seed, a, b);
                job = made_pair_job(&p, LEARN_PLAIN, 0, seed);
                scores(&job, &a, &b);
                if (a > lost_below || b < 0.9)
                        fail_msg("seed %d: plain A %.3f B %.3f", (int)seed, a, b);
                made_pair_close(&p);
        }
}

static void test_ewc_keeps_what_plain_loses(void **state)
{
        (void)state;
        check_claim(EWC_LOSS_SOFTMAX, false, 0.2, 0.6);
}

static void test_own_heads(void **state)
{
        (void)state;
        /* A separate head protects by itself; here only the protected run is held to a figure. */
        check_claim(EWC_LOSS_SOFTMAX, true, 0.2, 1.0);
}

static void test_multi_label(void **state)
{
        (void)state;
        check_claim(EWC_LOSS_SIGMOID, false, 0.2, 0.6);
}

static void test_squared_loss(void **state)
{
        (void)state;
        struct made_pair p;
        struct learn_result ewc = {0}, plain = {0};
        made_pair_open(&p, EWC_LOSS_SQUARED, false, 3);
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 0.2, 3);
        made_run(&job, NULL, LEARN_DONE, &ewc);
        job.plan.method = LEARN_PLAIN;
        made_run(&job, NULL, LEARN_DONE, &plain);
        assert_true(ewc.after[0].loss < 0.5 * plain.after[0].loss); /* A */
        assert_true(ewc.after[1].loss < 0.5 * ewc.before[1].loss);  /* B is learned all the same */
        learn_result_free(&ewc);
        learn_result_free(&plain);
        made_pair_close(&p);
}

static void test_lambda_zero_is_plain(void **state)
{
        (void)state;
        struct made_pair p;
        struct learn_result plain = {0}, zero = {0}, alone = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 1);
        struct learn_job job = made_pair_job(&p, LEARN_PLAIN, 7, 1);
        made_run(&job, NULL, LEARN_DONE, &plain);
        job.plan.method = LEARN_EWC;
        job.plan.lambda = 0;
        made_run(&job, NULL, LEARN_DONE, &zero);
        made_same(&plain, &zero);
        job.plan.lambda = 5;
        job.n_past = 0; /* nothing to protect */
        made_run(&job, NULL, LEARN_DONE, &alone);
        made_same(&plain, &alone);
        learn_result_free(&plain);
        learn_result_free(&zero);
        learn_result_free(&alone);
        made_pair_close(&p);
}

static void test_huge_lambda_does_not_move(void **state)
{
        (void)state;
        struct made_pair p;
        struct learn_result r = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 1);
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 1e13, 1);
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 0.1f};
        made_run(&job, NULL, LEARN_DONE, &r);
        for (size_t i = 0; i < r.n_params; i++) {
                assert_true(isfinite(r.theta[i]));
                if (p.closed.fisher[i] > 1e-3f)
                        assert_true(r.theta[i] == p.closed.theta[i]);
        }
        learn_result_free(&r);
        made_pair_close(&p);
}

static void check_rows_keep(enum learn_method m, uint32_t per_class, bool own_heads)
{
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct made_pair p;
                double a, b;
                made_pair_open(&p, EWC_LOSS_SOFTMAX, own_heads, seed);
                struct learn_job job = made_pair_job(&p, m, 0, seed);
                job.n_past = 0;
                job.replay = &p.a.train;
                job.n_replay = 1;
                job.plan.replay_per_class = per_class;
                scores(&job, &a, &b);
                if (a < 0.95 || b < 0.95)
                        fail_msg("seed %d: A %.3f B %.3f", (int)seed, a, b);
                made_pair_close(&p);
        }
}

static void test_replay_keeps(void **state)
{
        (void)state;
        check_rows_keep(LEARN_PLAIN, 8, false);
        check_rows_keep(LEARN_PLAIN, 8, true);
}

static void test_joint_keeps(void **state)
{
        (void)state;
        check_rows_keep(LEARN_JOINT, 0, false);
        check_rows_keep(LEARN_JOINT, 0, true);
}

/* Replay off means that retained rows change nothing. */
static void test_no_replay_ignores_rows(void **state)
{
        (void)state;
        struct made_pair p;
        struct learn_result with = {0}, without = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 2);
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 0.05, 2);
        made_run(&job, NULL, LEARN_DONE, &without);
        job.replay = &p.a.train;
        job.n_replay = 1;
        made_run(&job, NULL, LEARN_DONE, &with);
        made_same(&with, &without);
        learn_result_free(&with);
        learn_result_free(&without);
        made_pair_close(&p);
}

/* A net that has grown from 2 to 4 outputs: the old head's rows stay where they are while the new ones train. */
static void test_growing_outputs(void **state)
{
        (void)state;
        struct made_pair p;
        struct made_task b;
        struct learn_result r = {0};
        float fresh[MADE_PARAMS_MAX], theta[MADE_PARAMS_MAX], fisher[MADE_PARAMS_MAX], anchor[MADE_PARAMS_MAX];
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 4);
        struct ewc_spec wide = made_net(EWC_LOSS_SOFTMAX, 4);
        made_theta(&wide, 5, fresh);
        assert_int_equal(ewc_spec_grow(&p.net, &wide, p.closed.theta, fresh, theta), 0);
        assert_int_equal(ewc_spec_grow(&p.net, &wide, p.closed.theta, NULL, anchor), 0);
        assert_int_equal(ewc_spec_grow(&p.net, &wide, p.closed.fisher, NULL, fisher), 0);
        made_task(&b, 'B', 2, &wide, 2, 4);
        struct learn_rows holdout[2] = {p.a.holdout, b.holdout};
        struct learn_past past = {.task = 1, .alpha = 1, .fisher = fisher, .anchor = anchor};
        struct learn_job job = made_job(&wide, theta, &b, LEARN_EWC, 4);
        job.past = &past;
        job.n_past = 1;
        job.holdout = holdout;
        job.n_holdout = 2;
        job.plan.lambda = 0.05;
        job.plan.epochs = 30;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_true(r.after[0].accuracy > 0.9);
        assert_true(r.after[1].accuracy > 0.9);
        struct ewc_tensor out;
        assert_int_equal(ewc_spec_tensor(&wide, 2, &out), 0);
        assert_memory_equal(r.theta + out.offset, theta + out.offset, 2 * out.cols * sizeof(float));
        learn_result_free(&r);
        made_pair_close(&p);
}

/* One SGD step of joint training over two heads against the gradients of the two sets, weighted by their rows. */
static void test_joint_step_is_the_union(void **state)
{
        (void)state;
        struct made_pair p;
        struct learn_result r = {0};
        struct ewc_net *n;
        float grad[MADE_PARAMS_MAX];
        double loss;
        made_pair_open(&p, EWC_LOSS_SOFTMAX, true, 1);
        struct learn_rows old = p.a.train;
        old.n = MADE_ROWS / 3;
        struct learn_job job = made_pair_job(&p, LEARN_JOINT, 0, 1);
        job.replay = &old;
        job.n_replay = 1;
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 0.5f};
        job.plan.steps = 1;
        job.plan.batch = 1000; /* more than there are: the whole union in one batch */
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(ewc_net_new(&n, &p.net, NULL), 0);
        memcpy(ewc_net_theta(n), p.closed.theta, r.n_params * sizeof(float));
        void *ws = mem_aligned(ewc_train_workspace(n, MADE_ROWS), 1, 64);
        struct ewc_batch b = {.n = MADE_ROWS, .x = p.b.train.x, .label = p.b.train.label};
        assert_int_equal(ewc_train_grad(n, &p.b.train.head, &b, 0.75, false, grad, &loss, ws), 0);
        b = (struct ewc_batch){.n = old.n, .x = old.x, .label = old.label};
        assert_int_equal(ewc_train_grad(n, &old.head, &b, 0.25, true, grad, &loss, ws), 0);
        for (size_t i = 0; i < r.n_params; i++) /* the order of summation differs: float rounding */
                assert_true(fabsf(r.theta[i] - (p.closed.theta[i] - 0.5f * grad[i])) < 1e-5f);
        free(ws);
        ewc_net_free(n);
        learn_result_free(&r);
        made_pair_close(&p);
}

static void test_weights_count(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX], weight[MADE_ROWS];
        struct learn_result ones = {0}, plain = {0}, zeros = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        made_run(&job, NULL, LEARN_DONE, &plain);
        for (size_t i = 0; i < MADE_ROWS; i++)
                weight[i] = 1;
        job.train.weight = weight;
        made_run(&job, NULL, LEARN_DONE, &ones);
        made_same(&plain, &ones);
        memset(weight, 0, sizeof(weight));
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 0.1f};
        made_run(&job, NULL, LEARN_DONE, &zeros);
        assert_memory_equal(zeros.theta, theta, zeros.n_params * sizeof(float));
        learn_result_free(&ones);
        learn_result_free(&plain);
        learn_result_free(&zeros);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_ewc_keeps_what_plain_loses),
            cmocka_unit_test(test_own_heads),
            cmocka_unit_test(test_multi_label),
            cmocka_unit_test(test_squared_loss),
            cmocka_unit_test(test_lambda_zero_is_plain),
            cmocka_unit_test(test_huge_lambda_does_not_move),
            cmocka_unit_test(test_replay_keeps),
            cmocka_unit_test(test_joint_keeps),
            cmocka_unit_test(test_no_replay_ignores_rows),
            cmocka_unit_test(test_growing_outputs),
            cmocka_unit_test(test_weights_count),
            cmocka_unit_test(test_joint_step_is_the_union),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
