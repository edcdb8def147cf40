/* test_learn_resume.c: a run that is stopped at any checkpoint and resumed ends with the bits of an unbroken one.
 *
 * Checkpoints pass through a file each time, so what is tested is what a restarted process sees. */
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "domain/lambda.h"
#include "lib/tmpdir.h"
#include "made.h"
#include "proto/bundle.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY_ROWS = 1500, CHECKPOINTS_MAX = 200 };

struct fixture {
        char *dir, path[256];
        struct digest digest;
        struct ewc_spec net;
        struct made_task a, b;
        float theta[MADE_PARAMS_MAX];
        struct learn_result closed;
        struct learn_past past;
        struct learn_rows holdout[2];
        float *x; /* task B over and over: enough rows for several Fisher slices */
        int32_t *label;
        struct learn_job job;
};

static int setup(void **state)
{
        struct fixture *f = new_zero(struct fixture);
        f->dir = tmpdir_new();
        tmpdir_path(f->path, sizeof(f->path), f->dir, "checkpoint");
        digest_of("job", 3, &f->digest);
        f->net = made_net(EWC_LOSS_SOFTMAX, 2);
        made_task(&f->a, 'A', 1, &f->net, 0, 1);
        made_task(&f->b, 'B', 2, &f->net, 0, 1);
        made_theta(&f->net, 1, f->theta);
        struct learn_job first = made_job(&f->net, f->theta, &f->a, LEARN_PLAIN, 1);
        first.kind = JOB_ROLLOVER;
        made_run(&first, NULL, LEARN_DONE, &f->closed);
        f->past = (struct learn_past){.task = 1, .alpha = 1, .fisher = f->closed.fisher, .anchor = f->closed.theta};
        f->holdout[0] = f->a.holdout;
        f->holdout[1] = f->b.holdout;
        f->x = new_array(float, MANY_ROWS *MADE_INPUTS);
        f->label = new_array(int32_t, MANY_ROWS);
        for (size_t i = 0; i < MANY_ROWS; i++) {
                memcpy(f->x + i * MADE_INPUTS, f->b.x + i % MADE_ROWS * MADE_INPUTS, MADE_INPUTS * sizeof(float));
                f->label[i] = f->b.label[i % MADE_ROWS];
        }
        f->job = made_job(&f->net, f->closed.theta, &f->b, LEARN_EWC, 9);
        f->job.past = &f->past;
        f->job.n_past = 1;
        f->job.holdout = f->holdout;
        f->job.n_holdout = 2;
        f->job.plan.lambda = 0.2;
        f->job.plan.epochs = 4;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        tmpdir_remove(f->dir);
        learn_result_free(&f->closed);
        free(f->x);
        free(f->label);
        free(f);
        return 0;
}

struct breaker { /* counts checkpoints; writes the n-th (left = n) and asks for a stop */
        struct fixture *f;
        int left;
        bool stop;
        int seen;
};

static int keep(void *arg, const struct learn_progress *p)
{
        struct breaker *b = arg;
        struct err e = ERR_NULL;
        if (!p->state || b->stop)
                return 0;
        const struct learn_state *st = p->state;
        if (st->phase == LEARN_PHASE_TRAIN &&
            st->epoch == 0) { /* a try starts from the champion, with nothing behind it */
                assert_memory_equal(st->theta, b->f->job.theta, st->n_params * sizeof(float));
                for (size_t i = 0; i < st->n_optim; i++)
                        assert_true(st->optim[i] == 0.0f);
        }
        b->seen++;
        b->stop = b->left > 0 && --b->left == 0;
        if (b->stop && bundle_write_checkpoint(b->f->path, &b->f->digest, &b->f->net, p->state, &e) < 0)
                fail_msg("%s", e.msg);
        return 0;
}

static bool stop(void *arg)
{
        return ((struct breaker *)arg)->stop;
}

/* Runs the job, from the file when it exists. */
static int run_from_file(struct fixture *f, struct breaker *b, struct learn_result *ret)
{
        const struct learn_callbacks cb = {keep, stop, b};
        struct arena a;
        struct file_map map = {0};
        struct learn_state s;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        struct learn_job job = f->job;
        if (file_exists(f->path)) {
                if (bundle_read_checkpoint(f->path, &f->digest, &f->net, &a, &map, &s, &e) != 0)
                        fail_msg("%s", e.msg);
                job.resume = &s;
        }
        int r = learn_run(&job, &cb, ret, &e);
        if (r < 0)
                fail_msg("%s", e.msg);
        file_unmap(&map);
        arena_deinit(&a);
        return r;
}

/* Breaks once after each checkpoint, and once after every single one. */
static void check_resume(struct fixture *f)
{
        struct learn_result whole = {0}, again = {0};
        struct breaker count = {.f = f};
        assert_int_equal(run_from_file(f, &count, &whole), LEARN_DONE);
        assert_in_range(count.seen, 2, CHECKPOINTS_MAX);
        for (int at = 1; at <= count.seen; at++) {
                struct breaker once = {.f = f, .left = at};
                remove(f->path);
                int r = run_from_file(f, &once, &again);
                if (r == LEARN_STOPPED) {
                        struct breaker rest = {.f = f};
                        assert_null(again.theta);
                        learn_result_free(&again);
                        assert_int_equal(run_from_file(f, &rest, &again), LEARN_DONE);
                        assert_int_equal(rest.seen, count.seen - at);
                }
                made_same(&whole, &again);
                learn_result_free(&again);
        }
        remove(f->path);
        for (int runs = 0;; runs++) {
                struct breaker each = {.f = f, .left = 1};
                assert_true(runs <= count.seen);
                if (run_from_file(f, &each, &again) == LEARN_DONE)
                        break;
                learn_result_free(&again);
        }
        made_same(&whole, &again);
        learn_result_free(&again);
        learn_result_free(&whole);
}

static void test_each_epoch(void **state)
{
        struct fixture *f = *state;
        check_resume(f);
}

/* Masks are drawn from a stream of the seed named by the step. */
static void test_dropout(void **state)
{
        struct fixture *f = *state;
        struct learn_result with = {0}, again = {0}, without = {0};
        made_run(&f->job, NULL, LEARN_DONE, &without);
        f->net.layers[f->net.n_layers++] = (struct ewc_layer){.type = EWC_LAYER_DROPOUT, .rate = 0.25f};
        f->job.net = f->net;
        f->job.replay = &f->a.train;
        f->job.n_replay = 1;
        f->job.plan.replay_per_class = 5;
        check_resume(f);
        f->job.n_replay = 0;
        made_run(&f->job, NULL, LEARN_DONE, &with);
        made_run(&f->job, NULL, LEARN_DONE, &again);
        made_same(&with, &again);
        assert_memory_not_equal(with.theta, without.theta, with.n_params * sizeof(float));
        learn_result_free(&with);
        learn_result_free(&again);
        learn_result_free(&without);
}

static void test_sgd_with_and_without_state(void **state)
{
        struct fixture *f = *state;
        f->job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 0.05f};
        check_resume(f);
        remove(f->path);
        f->job.plan.optim.momentum = 0.9f;
        check_resume(f);
}

static void test_inside_the_fisher_pass(void **state)
{
        struct fixture *f = *state;
        static const enum ewc_fisher kinds[] = {
            EWC_FISHER_EXACT, EWC_FISHER_EMPIRICAL, EWC_FISHER_SAMPLE, EWC_FISHER_BATCHED};
        f->job.kind = JOB_ROLLOVER;
        f->job.train.x = f->x;
        f->job.train.label = f->label;
        f->job.train.n = MANY_ROWS;
        f->job.plan.epochs = 1;
        f->job.plan.batch = 100;
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                f->job.plan.fisher = kinds[i];
                f->job.plan.fisher_samples = i % 2 ? 1000 : 0;
                remove(f->path);
                check_resume(f);
        }
}

static void test_inside_a_search(void **state)
{
        struct fixture *f = *state;
        f->job.plan.lambda_auto = true;
        f->job.plan.keep_optim = true;
        f->job.plan.brake = 0.01;
        f->job.plan.epochs = 2;
        check_resume(f);
        remove(f->path);
        f->job.kind = JOB_ROLLOVER;
        check_resume(f);
        remove(f->path);
        f->job.plan.brake = 0;
        struct learn_result r = {0}; /* no try reaches the target: an early one is brought back at the end */
        f->past.alpha = 1e13;
        f->job.plan.epochs = 4;
        f->job.plan.optim.rate = 0.1f;
        made_run(&f->job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.n_tries, lambda_conf_default.max_tries);
        assert_in_range(lambda_best(r.tries, r.n_tries, &lambda_conf_default), 1, r.n_tries - 2);
        learn_result_free(&r);
        check_resume(f);
}

static void test_with_replay_and_joint(void **state)
{
        struct fixture *f = *state;
        f->job.replay = &f->a.train;
        f->job.n_replay = 1;
        f->job.plan.replay_per_class = 5;
        check_resume(f);
        remove(f->path);
        f->job.plan.method = LEARN_JOINT;
        check_resume(f);
}

/* Rates, knee and the closed tasks' logits are made anew from the job; unlabelled rows are measured beside the rest.
 */
static void test_with_everything_else(void **state)
{
        struct fixture *f = *state;
        const float rates[2] = {0.5f, 2};
        f->job.kind = JOB_ROLLOVER;
        f->job.replay = &f->a.train;
        f->job.n_replay = 1;
        f->job.plan.replay_per_class = 5;
        f->job.plan.derpp = 0.5;
        f->job.plan.huber = 0.05;
        f->job.plan.rate_new = 0.7;
        f->job.plan.rate_floor = 0.3;
        f->job.plan.scale = LEARN_SCALE_L2;
        f->job.plan.fisher_fraction = 0.7;
        f->job.plan.fisher = EWC_FISHER_MIXED;
        f->job.seen = (struct learn_rows){.task = 2, .n = MANY_ROWS, .x = f->x};
        check_resume(f);
        remove(f->path);
        f->job.plan.rate_floor = 0;
        f->job.plan.rates = rates;
        f->job.plan.n_rates = 2;
        f->job.plan.scale = LEARN_SCALE_UNIT;
        f->job.plan.lambda_auto = true;
        f->job.plan.epochs = 2;
        check_resume(f);
}

static void test_each_start(void **state)
{
        struct fixture *f = *state;
        for (int start = LEARN_START_SIMILARITY; start <= LEARN_START_TOP; start++) {
                remove(f->path);
                f->job.plan.lambda_auto = true;
                f->job.plan.lambda_start = (enum learn_start)start;
                f->job.plan.epochs = 2;
                check_resume(f);
        }
}

static void test_foreign_states_are_refused(void **state)
{
        struct fixture *f = *state;
        struct breaker b = {.f = f, .left = 2};
        struct learn_result r = {0};
        assert_int_equal(run_from_file(f, &b, &r), LEARN_STOPPED);
        learn_result_free(&r);
        struct arena a;
        struct file_map map;
        struct learn_state s, good;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(bundle_read_checkpoint(f->path, &f->digest, &f->net, &a, &map, &good, &e), 0);
        struct learn_job job = f->job;
        job.resume = &s;
        for (int i = 0; i < 10; i++) {
                s = good;
                switch (i) {
                case 0:
                        s.n_optim--;
                        break;
                case 1:
                        s.epoch = 99;
                        break;
                case 2:
                        s.step++;
                        break;
                case 3:
                        s.try = 1;
                        break;
                case 4:
                        s.phase = LEARN_PHASE_FISHER;
                        break;
                case 5:
                        s.n_before = 1;
                        break;
                case 6:
                        s.theta = NULL;
                        break;
                case 7:
                        s.n_params--;
                        break;
                case 8:
                        s.start = 0.01; /* no search */
                        break;
                case 9: /* a candidate whose optimiser was not kept */
                        f->job.plan.lambda_auto = true;
                        f->job.plan.keep_optim = true;
                        job = f->job;
                        job.resume = &s;
                        s.best = s.theta;
                        break;
                }
                assert_int_equal(learn_run(&job, NULL, &r, &e), -EINVAL);
        }
        file_unmap(&map);
        arena_deinit(&a);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(test_each_epoch),
            TEST(test_dropout),
            TEST(test_sgd_with_and_without_state),
            TEST(test_inside_the_fisher_pass),
            TEST(test_inside_a_search),
            TEST(test_with_replay_and_joint),
            TEST(test_with_everything_else),
            TEST(test_each_start),
            TEST(test_foreign_states_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
