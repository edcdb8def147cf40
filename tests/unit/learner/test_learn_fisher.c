/* test_learn_fisher.c: the Fisher of a rollover against one call over all rows, and the choice of rows. */
#include "learner/learn_in.h"
#include "base/err.h"
#include "base/mem.h"
#include "made.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Independent of learn_fisher: one ewc_fisher_add over the whole set at the trained theta. */
static void check_against_whole(enum ewc_fisher kind, uint32_t batch)
{
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX], want[MADE_PARAMS_MAX];
        double sum[MADE_PARAMS_MAX] = {0};
        struct learn_result r = {0};
        struct ewc_fisher_info info;
        struct ewc_net *n;
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.kind = JOB_ROLLOVER;
        job.plan.fisher = kind;
        job.plan.batch = batch;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(ewc_net_new(&n, &net, NULL), 0);
        memcpy(ewc_net_theta(n), r.theta, r.n_params * sizeof(float));
        struct ewc_batch b = {.n = MADE_ROWS, .x = t.train.x, .label = t.train.label};
        void *ws = mem_aligned(ewc_fisher_workspace(n, &t.train.head, kind, MADE_ROWS), 1, 64);
        assert_int_equal(ewc_fisher_add(n, kind, &t.train.head, &b, NULL, sum, ws), 0);
        uint64_t count = kind == EWC_FISHER_BATCHED ? 1 : MADE_ROWS;
        assert_int_equal(ewc_fisher_finish(&net, kind, &t.train.head, count, sum, want, &info), 0);
        assert_int_equal(r.fisher_info.n_samples, count);
        assert_true(fabs(r.fisher_info.factor - info.factor) <= 1e-6 * info.factor);
        for (size_t i = 0; i < r.n_params; i++)
                assert_true(fabsf(r.fisher[i] - want[i]) <= 1e-5f * (want[i] + 1.0f));
        free(ws);
        ewc_net_free(n);
        learn_result_free(&r);
}

static void test_against_one_call(void **state)
{
        (void)state;
        check_against_whole(EWC_FISHER_EXACT, 20);
        check_against_whole(EWC_FISHER_EMPIRICAL, 20);
        check_against_whole(EWC_FISHER_BATCHED, MADE_ROWS);
}

/* Only what a plan asks for; the rest of the run is the same. */
static void test_damping(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        struct err e = ERR_NULL;
        float theta[MADE_PARAMS_MAX];
        struct learn_result plain = {0}, damped = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.kind = JOB_ROLLOVER;
        made_run(&job, NULL, LEARN_DONE, &plain);
        job.plan.fisher_damping = 0.01;
        made_run(&job, NULL, LEARN_DONE, &damped);
        assert_memory_equal(plain.theta, damped.theta, plain.n_params * sizeof(float));
        assert_true(fabs(damped.fisher_info.factor / (1.01 * plain.fisher_info.factor) - 1) < 1e-12);
        for (size_t i = 0; i < plain.n_params; i++)
                assert_true(fabs(1.01 * (double)damped.fisher[i] - (double)plain.fisher[i] - 0.01) < 1e-5);
        learn_result_free(&damped);
        job.plan.importance = LEARN_IMPORTANCE_MAS;
        assert_int_equal(learn_run(&job, NULL, &damped, &e), -EINVAL);
        assert_string_equal(e.field, "fisher_damping");
        job.plan.importance = LEARN_IMPORTANCE_FISHER;
        job.plan.fisher_damping = -1;
        assert_int_equal(learn_run(&job, NULL, &damped, &e), -EINVAL);
        learn_result_free(&plain);
}

static void test_sample_and_batches(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.kind = JOB_ROLLOVER;
        job.plan.fisher_samples = 31;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.fisher_info.n_samples, 31);
        learn_result_free(&r);
        job.plan.fisher_samples = 10000; /* more than there are: all */
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.fisher_info.n_samples, MADE_ROWS);
        learn_result_free(&r);
        job.plan.fisher_samples = 0;
        job.plan.fisher = EWC_FISHER_BATCHED; /* 96 rows in batches of 20 */
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.fisher_info.n_samples, 5);
        learn_result_free(&r);
}

struct slices {
        size_t n, at; /* one parameter is watched */
        double sum[16];
};

static int watch(void *arg, const struct learn_progress *p)
{
        struct slices *s = arg;
        if (p->state && p->phase == LEARN_PHASE_FISHER && s->n < 16)
                s->sum[s->n++] = p->state->fisher_sum[s->at];
        return 0;
}

/* Equal batches must still draw labels of their own: their contributions differ. */
static void test_sampled_labels_differ_by_batch(void **state)
{
        (void)state;
        enum { N = 2048 }; /* eight batches of one and the same row */
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        static float x[N * MADE_INPUTS];
        static int32_t label[N];
        struct slices s = {.at = ewc_spec_params(&net) - 1}; /* the last output's bias */
        struct learn_callbacks cb = {.progress = watch, .arg = &s};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        for (size_t i = 0; i < N; i++)
                memcpy(x + i * MADE_INPUTS, t.train.x, MADE_INPUTS * sizeof(float));
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.kind = JOB_ROLLOVER;
        job.train.x = x;
        job.train.label = label;
        job.train.n = N;
        job.plan.epochs = 0;
        job.plan.fisher = EWC_FISHER_SAMPLE;
        made_run(&job, &cb, LEARN_DONE, &r);
        assert_int_equal(s.n, 9); /* the empty start and eight slices */
        bool differ = false;
        for (size_t i = 2; i < s.n; i++)
                differ |= fabs((s.sum[i] - s.sum[i - 1]) - (s.sum[1] - s.sum[0])) > 1e-6 * s.sum[1];
        assert_true(differ);
        learn_result_free(&r);
}

struct life {
        double fraction, fisher_fraction;
        size_t fisher, slices, measuring;
};

static int count_life(void *arg, const struct learn_progress *p)
{
        struct life *s = arg;
        assert_true(p->fraction >= s->fraction && p->fraction <= 1.0);
        s->fraction = p->fraction;
        if (p->phase == LEARN_PHASE_FISHER && p->fraction > s->fisher_fraction) {
                s->fisher_fraction = p->fraction;
                s->fisher++;
                s->slices += p->state != NULL;
        }
        s->measuring += !p->state && p->phase != LEARN_PHASE_FISHER;
        return 0;
}

/* Where a pass or a measurement is long, every batch and every tile is a sign of life; checkpoints stay few. */
static void test_many_classes_and_rows_report_often(void **state)
{
        (void)state;
        enum { N = 2048, O = 24 };
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, O), narrow = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_result r = {0};
        static float x[N * MADE_INPUTS];
        static int32_t label[N];
        uint32_t out[O];
        struct life s = {0};
        struct learn_callbacks cb = {.progress = count_life, .arg = &s};
        made_task(&t, 'A', 1, &narrow, 0, 1);
        made_theta(&net, 1, theta);
        for (uint32_t i = 0; i < O; i++)
                out[i] = i;
        for (size_t i = 0; i < N; i++) {
                memcpy(x + i * MADE_INPUTS, t.train.x + i % MADE_ROWS * MADE_INPUTS, MADE_INPUTS * sizeof(float));
                label[i] = (int32_t)(i % O);
        }
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.kind = JOB_ROLLOVER;
        job.train = (struct learn_rows){.task = 1, .head = {O, out}, .n = N, .x = x, .label = label};
        job.holdout = &job.train;
        job.plan.epochs = 0;
        made_run(&job, &cb, LEARN_DONE, &r);
        size_t rows = learn_fisher_rows(&job), n_batches = (N + rows - 1) / rows;
        assert_true(n_batches > 2 * 8);
        assert_true(s.fisher >= n_batches);
        assert_in_range(s.slices, 6, 10);
        assert_true(s.measuring >= 2 * N / LEARN_EVAL_ROWS); /* before and after */
        assert_true(s.fraction == 1.0);
        learn_result_free(&r);
}

static void test_even_draw(void **state)
{
        (void)state;
        enum { N = 60 };
        int32_t label[N]; /* 40 of class 0, 15 of class 1, 5 of class 2 */
        uint32_t order[N], rank[N], count[3] = {0}, out[3] = {0, 1, 2};
        for (int i = 0; i < N; i++)
                label[i] = i < 40 ? 0 : i < 55 ? 1 : 2;
        struct learn_rows rows = {.head = {3, out}, .n = N, .label = label};
        struct learn_job job = {.net = {.n_outputs = 3}, .train = rows};
        struct learner l = {.job = &job, .count = count};
        for (size_t want = 0; want <= N + 3; want++) {
                size_t got[3] = {0}, most = 0, n;
                bool seen[N] = {false};
                struct ewc_rng r;
                ewc_rng_seed(&r, want, 0);
                learn_rank(&l, &rows, &r, order, rank);
                n = learn_even(order, rank, N, want);
                assert_int_equal(n, want < N ? want : N);
                for (size_t i = 0; i < n; i++) {
                        assert_false(seen[order[i]]);
                        seen[order[i]] = true;
                        got[label[order[i]]]++;
                }
                for (int c = 0; c < 3; c++)
                        most = got[c] > most ? got[c] : most;
                static const size_t have[3] = {40, 15, 5};
                for (int c = 0; c < 3; c++) /* a class is short only if it has no more rows */
                        assert_true(got[c] + 1 >= most || got[c] == have[c]);
        }
}

static void out_of_range(const struct learn_job *job, const char *words)
{
        struct learn_result r = {0};
        struct err e = ERR_NULL;
        made_run(job, NULL, LEARN_DIVERGED, &r);
        if (strcmp(r.reason, words) != 0)
                fail_msg("%s", r.reason);
        assert_true(!r.theta && !r.fisher);
        learn_result_free(&r);
        assert_int_equal(learn_run(job, NULL, &r, &e), LEARN_DIVERGED);
        assert_string_equal(e.msg, words);
        learn_result_free(&r);
        assert_int_equal(learn_run(job, NULL, &r, NULL), LEARN_DIVERGED); /* the reason needs no one's e */
        assert_string_equal(r.reason, words);
        learn_result_free(&r);
}

/* A net learns beside an extreme input, but the Fisher has no number for it: the row is named, and it is not called a
 * divergence of training. */
static void test_extreme_inputs_are_named(void **state)
{
        (void)state;
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct made_task t;
        float theta[MADE_PARAMS_MAX], seen[8 * MADE_INPUTS] = {0};
        made_task(&t, 'A', 1, &net, 0, 1);
        made_theta(&net, 1, theta);
        struct learn_job job = made_job(&net, theta, &t, LEARN_PLAIN, 1);
        job.kind = JOB_ROLLOVER;
        job.seen = (struct learn_rows){.task = 1, .n = 8, .x = seen};
        seen[5 * MADE_INPUTS + 1] = -1e20f;
        out_of_range(&job,
            "Fisher: the squares of its gradients leave the range of float; seen row 5 of the open task has an input "
            "of -1e+20");
        job.seen.n = 0;
        t.x[41 * MADE_INPUTS + 2] = 1e20f;
        static const enum ewc_fisher kinds[] = {EWC_FISHER_EXACT, EWC_FISHER_EMPIRICAL, EWC_FISHER_SAMPLE};
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                job.plan.fisher = kinds[i];
                out_of_range(&job,
                    "Fisher: the squares of its gradients leave the range of float; row 41 of the open task has an "
                    "input of 1e+20");
        }
        t.x[41 * MADE_INPUTS + 2] = 1e25f;
        job.plan.importance = LEARN_IMPORTANCE_MAS;
        out_of_range(&job,
            "importance: its gradients leave the range of float; row 41 of the open task has an input of 1e+25");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_against_one_call),
            cmocka_unit_test(test_damping),
            cmocka_unit_test(test_sample_and_batches),
            cmocka_unit_test(test_sampled_labels_differ_by_batch),
            cmocka_unit_test(test_many_classes_and_rows_report_often),
            cmocka_unit_test(test_even_draw),
            cmocka_unit_test(test_extreme_inputs_are_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
