/* test_learn_eval.c: calibration, counts by label and changed sides against a second way of computing them: forward
 * passes over single rows, softmax in long double, plain loops. */
#include "base/err.h"
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

enum { BINS = 15, ROWS_MAX = 1000 };

struct oracle { /* what one theta says of one set of rows */
        bool right[ROWS_MAX];
        double ece, accuracy;
        uint64_t n[MADE_OUTPUTS_MAX], n_right[MADE_OUTPUTS_MAX];
};

static bool sigmoid_right(const struct ewc_spec *net, const struct learn_rows *rows, size_t i, const float *z)
{
        for (uint32_t h = 0; h < rows->head.n; h++) {
                uint32_t o = rows->head.out[h];
                if ((z[o] > 0) != (rows->target[i * net->n_outputs + o] > 0.5f))
                        return false;
        }
        return true;
}

/* The greatest logit over the head, and its probability. */
static uint32_t top_of(const struct ewc_head *head, const float *z, long double *ret_p)
{
        long double sum = 0;
        uint32_t top = head->out[0];
        for (uint32_t h = 1; h < head->n; h++)
                if (z[head->out[h]] > z[top])
                        top = head->out[h];
        for (uint32_t h = 0; h < head->n; h++)
                sum += expl((long double)z[head->out[h]] - (long double)z[top]);
        *ret_p = 1 / sum;
        return top;
}

static struct oracle ask(const struct ewc_spec *net, const float *theta, const struct learn_rows *rows)
{
        struct oracle o = {0};
        struct ewc_net *n;
        long double conf[BINS] = {0}, right[BINS] = {0}, p;
        assert_int_equal(ewc_net_new(&n, net, NULL), 0);
        memcpy(ewc_net_theta(n), theta, ewc_net_params(n) * sizeof(float));
        void *ws = mem_aligned(ewc_net_workspace(n, 1), 1, 64);
        for (size_t i = 0; i < rows->n; i++) {
                float z[MADE_OUTPUTS_MAX];
                assert_int_equal(ewc_net_forward(n, 1, rows->x + i * net->n_inputs, z, ws), 0);
                if (net->loss != EWC_LOSS_SOFTMAX) {
                        o.right[i] = net->loss == EWC_LOSS_SIGMOID && sigmoid_right(net, rows, i, z);
                        o.accuracy += o.right[i] / (double)rows->n;
                        continue;
                }
                o.right[i] = top_of(&rows->head, z, &p) == (uint32_t)rows->label[i];
                o.accuracy += o.right[i] / (double)rows->n;
                o.n[rows->label[i]]++;
                o.n_right[rows->label[i]] += o.right[i];
                for (int b = 0; b < BINS; b++)
                        if (p > (long double)b / BINS && p <= (long double)(b + 1) / BINS) {
                                conf[b] += p;
                                right[b] += o.right[i];
                        }
        }
        for (int b = 0; b < BINS; b++)
                o.ece += (double)(fabsl(conf[b] - right[b]) / (long double)rows->n);
        free(ws);
        ewc_net_free(n);
        return o;
}

static void check_one(
    const struct ewc_spec *net, const struct evaluation *v, const struct learn_rows *rows, const struct oracle *o)
{
        assert_true(v->n == rows->n && fabs(v->accuracy - o->accuracy) < 1e-12 && isnan(v->predicted));
        if (net->loss != EWC_LOSS_SOFTMAX) {
                assert_true(isnan(v->ece) && v->n_outputs == 0);
                return;
        }
        assert_true(fabs(v->ece - o->ece) < 1e-6);
        size_t k = 0;
        for (uint32_t out = 0; out < net->n_outputs; out++) {
                if (o->n[out] == 0)
                        continue;
                assert_true(k < v->n_outputs && v->outputs[k].output == out);
                assert_true(v->outputs[k].n == o->n[out] && v->outputs[k].n_right == o->n_right[out]);
                k++;
        }
        assert_int_equal(v->n_outputs, k);
}

static void check_result(const struct learn_job *job, const float *start, const struct learn_result *r)
{
        for (size_t i = 0; i < job->n_holdout; i++) {
                const struct learn_rows *rows = &job->holdout[i];
                struct oracle before = ask(&job->net, start, rows), after = ask(&job->net, r->theta, rows);
                uint64_t won = 0, lost = 0;
                check_one(&job->net, &r->before[i], rows, &before);
                check_one(&job->net, &r->after[i], rows, &after);
                for (size_t k = 0; k < rows->n; k++) {
                        won += after.right[k] && !before.right[k];
                        lost += !after.right[k] && before.right[k];
                }
                assert_true(r->before[i].n_won == 0 && r->before[i].n_lost == 0);
                assert_true(r->after[i].n_won == won && r->after[i].n_lost == lost);
        }
}

/* Task B learned from A's end, with little protection: rows of both change sides. */
static void against_oracle(enum ewc_loss loss, bool own_heads)
{
        static struct made_pair p;
        struct learn_result r = {0};
        made_pair_open(&p, loss, own_heads, 3);
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 1e-3, 5);
        job.plan.epochs = 4;
        made_run(&job, NULL, LEARN_DONE, &r);
        check_result(&job, job.theta, &r);
        if (loss != EWC_LOSS_SQUARED && !own_heads)
                assert_true(r.after[0].n_lost > 0 && r.after[1].n_won > 0);
        learn_result_free(&r);
        made_pair_close(&p);
}

static void test_softmax(void **state)
{
        (void)state;
        against_oracle(EWC_LOSS_SOFTMAX, true);
        against_oracle(EWC_LOSS_SOFTMAX, false);
}

static void test_other_losses(void **state)
{
        (void)state;
        against_oracle(EWC_LOSS_SIGMOID, true);
        against_oracle(EWC_LOSS_SIGMOID, false);
        against_oracle(EWC_LOSS_SQUARED, false);
}

/* More rows than a tile, an odd number of them, so that marks of different sets share a byte; one set is empty, and
 * one label has no rows. */
static void test_many_rows(void **state)
{
        (void)state;
        enum { MANY = 777, FEW = 3 };
        static struct made_pair p;
        static float x[MANY * MADE_INPUTS];
        static int32_t label[MANY], one[FEW];
        static const uint32_t all[] = {0, 1, 2, 3};
        struct learn_result r = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, true, 4);
        for (size_t i = 0; i < MANY; i++) {
                memcpy(x + i * MADE_INPUTS, p.b.x + i % (MADE_ROWS + MADE_HOLDOUT) * MADE_INPUTS,
                    MADE_INPUTS * sizeof(float));
                x[i * MADE_INPUTS + 1] *= 0.01f * (float)(i % 90);
                label[i] = (int32_t)(2 + i * 7 / 3 % 2);
        }
        for (size_t i = 0; i < FEW; i++)
                one[i] = 3;
        struct learn_rows holdout[] = {{.task = 5, .head = {4, all}, .n = FEW, .x = x, .label = one},
            {.task = 6, .head = {4, all}, .n = 0, .x = x, .label = label},
            {.task = 1, .head = {3, all + 1}, .n = MANY, .x = x, .label = label},
            {.task = 2, .head = {2, all + 2}, .n = FEW, .x = x + 7 * MADE_INPUTS, .label = one}};
        struct learn_job job = made_pair_job(&p, LEARN_EWC, 0.01, 5);
        job.holdout = holdout;
        job.n_holdout = ARRAY_LEN(holdout);
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_true(r.after[2].n_outputs == 2 && r.after[0].n_outputs == 1 && r.after[1].n_outputs == 0);
        assert_true(r.after[2].n_won > 0 && r.after[2].n_lost > 0 && isnan(r.after[1].ece) && r.after[2].ece > 0.01);
        struct learn_rows filled[] = {holdout[0], holdout[2], holdout[3]};
        for (size_t i = 1; i < 3; i++) {
                r.before[i] = r.before[i + 1];
                r.after[i] = r.after[i + 1];
        }
        job.holdout = filled;
        job.n_holdout = 3;
        check_result(&job, job.theta, &r);
        learn_result_free(&r);
        made_pair_close(&p);
}

/* A rollover that keeps the champion has won and lost nothing; its counts are those of before. */
static void test_kept_champion(void **state)
{
        (void)state;
        static struct made_pair p;
        struct learn_result r = {0};
        made_pair_open(&p, EWC_LOSS_SOFTMAX, false, 3);
        struct learn_job job = made_pair_job(&p, LEARN_PLAIN, 0, 5);
        p.holdout[0].task = job.train.task; /* A's holdout as the open task's: training on B spoils it */
        job.n_holdout = 1;
        job.kind = JOB_ROLLOVER;
        job.plan.epochs = 8;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_memory_equal(r.theta, job.theta, r.n_params * sizeof(float));
        made_same_evaluations(r.after, r.before, 1);
        check_result(&job, job.theta, &r);
        learn_result_free(&r);
        made_pair_close(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_softmax), cmocka_unit_test(test_other_losses),
            cmocka_unit_test(test_many_rows), cmocka_unit_test(test_kept_champion)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
