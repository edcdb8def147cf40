/* test_learn.c: learn_run as its caller sees it: outcomes, progress, memory, and what is refused. */
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "made.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_no_holdout_and_single_row(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        struct learn_rows empty = t.holdout;
        empty.n = 0;
        job.holdout = &empty;
        job.train.n = 1;
        job.kind = JOB_ROLLOVER;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.steps, job.plan.epochs);
        assert_int_equal(r.after[0].n, 0);
        assert_true(isnan(r.after[0].accuracy));
        assert_true(r.tries[0].accuracy == 1.0); /* the row itself stands in for the holdout */
        assert_int_equal(r.fisher_info.n_samples, 1);
        learn_result_free(&r);
        job.n_holdout = 0;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.n_evaluations, 0);
        learn_result_free(&r);
}

static void test_steps_instead_of_epochs(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result steps = {0}, epochs = {0}, none = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.plan.epochs = 4; /* of 5 batches */
        made_run(&job, NULL, LEARN_DONE, &epochs);
        assert_int_equal(epochs.steps, 20);
        job.plan.steps = 20;
        job.plan.epochs = 999;
        made_run(&job, NULL, LEARN_DONE, &steps);
        made_same(&epochs, &steps);
        learn_result_free(&steps);
        job.plan.steps = 7;
        made_run(&job, NULL, LEARN_DONE, &steps);
        assert_int_equal(steps.steps, 7);
        job.plan.steps = job.plan.epochs = 0; /* measures, and trains nothing */
        made_run(&job, NULL, LEARN_DONE, &none);
        assert_memory_equal(none.theta, theta, none.n_params * sizeof(float));
        learn_result_free(&steps);
        learn_result_free(&epochs);
        learn_result_free(&none);
}

static bool stop_at_fourth(void *arg)
{
        return ++*(int *)arg == 4;
}

static void test_stop_inside_an_epoch(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        int asked = 0;
        struct learn_callbacks cb = {.should_stop = stop_at_fourth, .arg = &asked};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        made_run(&job, &cb, LEARN_STOPPED, &r);
        assert_int_equal(asked, 4); /* once for the holdout, then before every mini-batch */
        assert_int_equal(r.steps, 2);
        learn_result_free(&r);
}

static bool stop_always(void *arg)
{
        (void)arg;
        return true;
}

static void test_stop_at_once(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        struct learn_callbacks cb = {.should_stop = stop_always};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        made_run(&job, &cb, LEARN_STOPPED, &r);
        assert_null(r.theta);
        assert_null(r.after);
        assert_int_equal(r.steps, 0);
        learn_result_free(&r);
}

static void test_diverged(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 3e38f};
        made_run(&job, NULL, LEARN_DIVERGED, &r);
        assert_null(r.theta);
        assert_int_equal(r.n_evaluations, 1);
        assert_non_null(r.before); /* metrics stay */
        assert_true(r.before[0].n == MADE_HOLDOUT);
        learn_result_free(&r);
        job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        t.x[5] = NAN;
        made_run(&job, NULL, LEARN_DIVERGED, &r);
        learn_result_free(&r);
}

static int end_run(void *arg, const struct learn_progress *p)
{
        (void)arg;
        return p->state ? -EPIPE : 0;
}

static void test_progress_may_end_the_run(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        struct err e = ERR_NULL;
        struct learn_callbacks cb = {.progress = end_run};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        assert_int_equal(learn_run(&job, &cb, &r, &e), -EPIPE);
        assert_null(r.before);
}

struct seen {
        double fraction;
        unsigned checkpoints, reports;
};

static int watch(void *arg, const struct learn_progress *p)
{
        struct seen *s = arg;
        assert_true(p->fraction >= s->fraction && p->fraction <= 1.0);
        assert_true(p->penalty_ratio >= 0 && p->penalty_ratio <= 1);
        assert_true(p->epoch <= p->epochs && p->step <= p->steps);
        s->fraction = p->fraction;
        s->checkpoints += p->state != NULL;
        s->reports++;
        return 0;
}

static void test_progress_never_falls(void **state)
{
        (void)state;
        struct made_pair p;
        struct seen s = {0};
        struct learn_callbacks cb = {.progress = watch, .arg = &s};
        struct learn_result r = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 1);
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 0.05, 1);
        job.kind = JOB_ROLLOVER;
        job.plan.batch = 1; /* 96 steps: slices inside an epoch */
        job.plan.epochs = 3;
        made_run(&job, &cb, LEARN_DONE, &r);
        assert_true(s.fraction == 1.0);
        assert_int_equal(s.checkpoints, 3 + 1 + 1); /* epochs, the try's end, one Fisher slice */
        /* one inside each epoch, one after each measurement, one for each of the two holdouts' tiles, measured
         * twice */
        assert_int_equal(s.reports, s.checkpoints + 3 + 2 + 4);
        learn_result_free(&r);
        made_pair_close(&p);
}

static void refused(const struct learn_job *job, const char *field)
{
        struct learn_result r = {0};
        struct err e = ERR_NULL;
        assert_int_equal(learn_run(job, NULL, &r, &e), -EINVAL);
        assert_string_equal(e.field, field);
        assert_true(strlen(e.msg) > 0);
}

static void test_refused_jobs(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        const struct learn_job good = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        struct learn_job job = good;
        job.plan.batch = 0;
        refused(&job, "batch");
        job = good;
        job.plan.optim.rate = -1;
        refused(&job, "rate");
        job = good;
        job.plan.optim.beta2 = 1;
        refused(&job, "beta1");
        job = good;
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 1, .momentum = 1};
        refused(&job, "momentum");
        job = good;
        job.plan.optim.type = 0;
        refused(&job, "optimizer");
        job = good;
        job.plan.method = 9;
        refused(&job, "method");
        job = good;
        job.plan.lambda = (double)NAN;
        refused(&job, "lambda");
        job = good;
        job.plan.fisher = 9;
        refused(&job, "fisher");
        job = good;
        job.train.n = 0;
        refused(&job, "train");
        job = good;
        job.net.n_outputs = 0;
        refused(&job, "net");
        job = good;
        job.kind = 0;
        refused(&job, "kind");
        job = good;
        job.train.head.n = 0;
        refused(&job, "");
        job = good;
        job.train.head.n = 1; /* label 1 is no output of it */
        refused(&job, "");
        uint32_t twice[2] = {1, 1}, far[1] = {2};
        job = good;
        job.train.head.out = twice;
        refused(&job, "");
        job.train.head = (struct ewc_head){1, far};
        refused(&job, "");
}

/* A rollover with a search, replay and two tasks: everything that needs memory. */
static struct learn_job hungry_job(struct made_pair *p)
{
        struct learn_job job = made_pair_job(p, LEARN_EWC, 0, 1);
        job.kind = JOB_ROLLOVER;
        job.replay = &p->a.train;
        job.n_replay = 1;
        job.plan.replay_per_class = 4;
        job.plan.lambda_auto = true;
        job.plan.epochs = 2;
        job.plan.fisher_samples = 50;
        return job;
}

static void test_every_allocation_may_fail(void **state)
{
        (void)state;
        struct made_pair p;
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 1);
        struct learn_job job = hungry_job(&p);
        for (int n = 0;; n++) {
                struct learn_result r = {0};
                struct err e = ERR_NULL;
                fault_arm(n, 1);
                int got = learn_run(&job, NULL, &r, &e);
                bool fired = fault_fired();
                fault_disarm();
                assert_int_equal(got, fired ? -ENOMEM : LEARN_DONE);
                assert_int_equal(r.theta == NULL, fired);
                learn_result_free(&r);
                if (!fired)
                        break;
        }
        made_pair_close(&p);
}

static int no_more_memory(void *arg, const struct learn_progress *p)
{
        (void)p;
        if (!*(bool *)arg)
                fault_arm(0, -1); /* from the first report on, every allocation fails */
        *(bool *)arg = true;
        return 0;
}

static void test_allocates_at_the_start_only(void **state)
{
        (void)state;
        struct made_pair p;
        bool armed = false;
        struct learn_result r = {0};
        struct learn_callbacks cb = {.progress = no_more_memory, .arg = &armed};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 1);
        struct learn_job job = hungry_job(&p);
        made_run(&job, &cb, LEARN_DONE, &r);
        assert_true(armed);
        assert_false(fault_fired());
        fault_disarm();
        learn_result_free(&r);
        made_pair_close(&p);
}

/* The open task's holdout is made of task A's rows, which learning B makes worse: the champion is the optimum. */
static void test_rollover_keeps_the_better_theta(void **state)
{
        (void)state;
        struct made_pair p;
        struct learn_result r = {0}, kept = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 1);
        struct learn_job job = made_pair_job(&p, LEARN_PLAIN, 0, 1);
        p.holdout[0].task = job.train.task;
        job.n_holdout = 1;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_true(r.after[0].accuracy < r.before[0].accuracy);
        job.kind = JOB_ROLLOVER;
        made_run(&job, NULL, LEARN_DONE, &kept);
        assert_memory_equal(kept.theta, job.theta, kept.n_params * sizeof(float));
        assert_memory_equal(kept.after, kept.before, sizeof(*kept.after));
        assert_non_null(kept.fisher);
        learn_result_free(&r);
        learn_result_free(&kept);
        made_pair_close(&p);
}

static void refused_saying(const struct learn_job *job, const char *words)
{
        struct learn_result r = {0};
        struct err e = ERR_NULL;
        assert_int_equal(learn_run(job, NULL, &r, &e), -EINVAL);
        if (!strstr(e.msg, words))
                fail_msg("%s", e.msg);
}

static void evaluation_diverges(const struct learn_job *job, const char *words)
{
        struct learn_result r = {0};
        made_run(job, NULL, LEARN_DIVERGED, &r);
        assert_string_equal(r.reason, words);
        learn_result_free(&r);
}

/* A loss that is no number before the first step is not the training's; one behind it is. */
static void test_evaluation_out_of_range(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        static struct made_task t;
        float theta[MADE_PARAMS_MAX];
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        for (size_t i = 0; i < MADE_INPUTS; i++)
                t.x[(MADE_ROWS + 3) * MADE_INPUTS + i] = 3e38f;
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 1e20f};
        job.plan.steps = 1;
        for (size_t i = 0; i < ewc_spec_params(&net); i++)
                theta[i] *= 1e-10f;
        evaluation_diverges(&job, "step 1, lambda 0: evaluation after it: value is not finite");
        for (size_t i = 0; i < ewc_spec_params(&net); i++)
                theta[i] *= 1e20f;
        evaluation_diverges(&job, "evaluation before training: value is not finite");
}

/* A record that would protect nothing, or push away, is found before it does. */
static void test_bad_records(void **state)
{
        (void)state;
        static struct made_pair p;
        static float fisher[MADE_PARAMS_MAX], anchor[MADE_PARAMS_MAX];
        made_pair_open(&p, EWC_LOSS_SOFTMAX, true, 3);
        memcpy(fisher, p.closed.fisher, p.closed.n_params * sizeof(float));
        memcpy(anchor, p.closed.theta, p.closed.n_params * sizeof(float));
        p.past.fisher = fisher;
        p.past.anchor = anchor;
        p.past.task = 77;
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 0.1, 3);
        static const float bad[] = {-5, NAN, INFINITY};
        static const char *const words[] = {"-5", "nan", "inf"};
        for (size_t i = 0; i < 3; i++) {
                char want[96];
                snprintf(want, sizeof(want), "(task 77): its Fisher has %s at parameter 9", words[i]);
                fisher[9] = bad[i];
                refused_saying(&job, want);
        }
        fisher[9] = 0;
        anchor[4] = NAN;
        refused_saying(&job, "(task 77): its anchor has nan at parameter 4");
        p.past.anchor = NULL;
        refused_saying(&job, "(task 77): no anchor");
        made_pair_close(&p);
}

static void test_bad_values(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SIGMOID, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX], weight[MADE_ROWS];
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        for (size_t i = 0; i < MADE_ROWS; i++)
                weight[i] = 1;
        weight[3] = -1;
        job.train.weight = weight;
        refused_saying(&job, "row 3: weight -1");
        weight[3] = INFINITY;
        refused_saying(&job, "row 3: weight inf");
        weight[3] = 1;
        t.target[2 * 7 + 1] = 1.5f;
        refused_saying(&job, "row 7: target 1.5 of output 1");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_every_allocation_may_fail),
            cmocka_unit_test(test_allocates_at_the_start_only),
            cmocka_unit_test(test_no_holdout_and_single_row),
            cmocka_unit_test(test_rollover_keeps_the_better_theta),
            cmocka_unit_test(test_steps_instead_of_epochs),
            cmocka_unit_test(test_stop_inside_an_epoch),
            cmocka_unit_test(test_stop_at_once),
            cmocka_unit_test(test_diverged),
            cmocka_unit_test(test_progress_may_end_the_run),
            cmocka_unit_test(test_progress_never_falls),
            cmocka_unit_test(test_refused_jobs),
            cmocka_unit_test(test_evaluation_out_of_range),
            cmocka_unit_test(test_bad_records),
            cmocka_unit_test(test_bad_values),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
