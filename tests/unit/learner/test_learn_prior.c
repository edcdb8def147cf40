/* test_learn_prior.c: the prior a job chooses, against a fine grid over an oracle of its own: the net, the precision
 * and the likelihood in plain loops and double; and when none is chosen. */
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

enum { D = 16 }; /* units of made_net's one layer */

struct world {
        struct made_pair pair;
        struct learn_past past;
        int32_t label[2][MADE_HOLDOUT]; /* of both holdouts, every fifth one wrong: a sure answer is often punished */
        struct learn_rows holdout[2];
        struct learn_job job;
};

static void world_open(struct world *w, bool own_heads, enum job_kind kind)
{
        memset(w, 0, sizeof(*w));
        made_pair_open(&w->pair, EWC_LOSS_SOFTMAX, own_heads, 3);
        w->past = w->pair.past;
        w->past.factor = w->pair.closed.fisher_info.factor;
        w->past.n_samples = w->pair.closed.fisher_info.n_samples;
        for (int k = 0; k < 2; k++) {
                w->holdout[k] = w->pair.holdout[k];
                for (size_t i = 0; i < MADE_HOLDOUT; i++) {
                        uint32_t out = (uint32_t)w->holdout[k].label[i];
                        const uint32_t *head = w->holdout[k].head.out;
                        w->label[k][i] = (int32_t)(i % 5 > 0 ? out : out == head[0] ? head[1] : head[0]);
                }
                w->holdout[k].label = w->label[k];
        }
        w->job = made_pair_job(&w->pair, LEARN_EWC, 0.1, 3);
        w->job.kind = kind;
        w->job.past = &w->past;
        w->job.holdout = w->holdout;
        w->job.plan.final_theta = kind == JOB_ROLLOVER;
}

static void world_close(struct world *w)
{
        made_pair_close(&w->pair);
}

/* --- the oracle --- */

static void add_record(const struct ewc_spec *net, double weight, const float *fisher, double *precision)
{
        struct ewc_tensor t[4];
        for (size_t i = 0; i < 4; i++)
                ewc_spec_tensor(net, i, &t[i]);
        for (size_t o = 0; o < net->n_outputs; o++) {
                for (size_t d = 0; d < D; d++)
                        precision[o * (D + 1) + d] += weight * (double)fisher[t[2].offset + o * D + d];
                precision[o * (D + 1) + D] += weight * (double)fisher[t[3].offset + o];
        }
}

/* -log of the label's probability, where its outputs' precision is `precision` (O, D + 1) and the prior. */
static double row_nll(const struct ewc_spec *net, const float *theta, const float *x, const struct ewc_head *head,
    int32_t label, const double *precision, double prior)
{
        double phi[D + 1], sum = 0, of_label = 0;
        struct ewc_tensor t[4];
        for (size_t i = 0; i < 4; i++)
                ewc_spec_tensor(net, i, &t[i]);
        for (size_t d = 0; d < D; d++) {
                phi[d] = (double)theta[t[1].offset + d];
                for (size_t i = 0; i < MADE_INPUTS; i++)
                        phi[d] += (double)theta[t[0].offset + d * MADE_INPUTS + i] * (double)x[i];
                phi[d] = fmax(phi[d], 0);
        }
        phi[D] = 1;
        for (uint32_t h = 0; h < head->n; h++) {
                size_t o = head->out[h];
                double z = (double)theta[t[3].offset + o], var = 0;
                for (size_t d = 0; d < D; d++)
                        z += (double)theta[t[2].offset + o * D + d] * phi[d];
                for (size_t d = 0; d <= D; d++)
                        var += phi[d] * phi[d] / (precision[o * (D + 1) + d] + prior);
                double p = exp(z / sqrt(1 + M_PI / 8 * var));
                sum += p;
                of_label = (int32_t)o == label ? p : of_label;
        }
        return log(sum) - log(of_label);
}

/* The mean over the holdouts first..last of the job, at the result's theta. */
static double nll(const struct world *w, const struct learn_result *r, int first, int last, double prior)
{
        double precision[MADE_OUTPUTS_MAX * (D + 1)] = {0}, sum = 0, n = 0;
        const struct ewc_fisher_info *own = &r->fisher_info;
        add_record(&w->job.net, (double)w->past.n_samples * w->past.factor, w->past.fisher, precision);
        if (w->job.kind == JOB_ROLLOVER)
                add_record(&w->job.net, (double)own->n_samples * own->factor, r->fisher, precision);
        for (int k = first; k <= last; k++) {
                const struct learn_rows *rows = &w->job.holdout[k];
                for (size_t i = 0; i < rows->n; i++)
                        sum += row_nll(&w->job.net, r->theta, rows->x + i * MADE_INPUTS, &rows->head, rows->label[i],
                            precision, prior);
                n += (double)rows->n;
        }
        return sum / n;
}

static void check_best(const struct world *w, const struct learn_result *r, int first, int last)
{
        double best = INFINITY, at = 0;
        for (double p = -6; p <= 9.001; p += 0.02) {
                double v = nll(w, r, first, last, pow(10, p));
                at = v < best ? p : at;
                best = fmin(v, best);
        }
        if (!(nll(w, r, first, last, r->prior) < best + 1e-5) || !(fabs(log10(r->prior) - at) < 0.1))
                fail_msg("prior %g, the grid's is %g", r->prior, pow(10, at));
        assert_true(at > -5 && at < 6 && nll(w, r, first, last, INFINITY) > best + 0.01); /* a choice was needed */
}

/* --- tests --- */

static void test_against_a_grid(void **state)
{
        (void)state;
        for (int rollover = 0; rollover < 2; rollover++) {
                struct world w;
                struct learn_result r = {0};
                world_open(&w, false, rollover ? JOB_ROLLOVER : JOB_CONSOLIDATE);
                made_run(&w.job, NULL, LEARN_DONE, &r);
                check_best(&w, &r, 0, 1);
                learn_result_free(&r);
                world_close(&w);
        }
}

/* An open task's own head has no uncertainty yet, and no say; once the job closes it, both heads have, pooled. */
static void test_heads_of_their_own(void **state)
{
        (void)state;
        for (int rollover = 0; rollover < 2; rollover++) {
                struct world w;
                struct learn_result r = {0};
                world_open(&w, true, rollover ? JOB_ROLLOVER : JOB_CONSOLIDATE);
                made_run(&w.job, NULL, LEARN_DONE, &r);
                check_best(&w, &r, 0, rollover);
                learn_result_free(&r);
                world_close(&w);
        }
}

/* The holdouts' true labels: nothing is wrong with a sure answer. */
static void test_the_upper_end_is_plain(void **state)
{
        (void)state;
        struct world w;
        struct learn_result r = {0};
        world_open(&w, false, JOB_CONSOLIDATE);
        w.job.holdout = w.pair.holdout;
        w.job.n_holdout = 1;
        w.job.plan.epochs = 0;
        made_run(&w.job, NULL, LEARN_DONE, &r);
        assert_true(r.after[0].accuracy == 1);
        assert_true(r.prior > 0.99 * LEARN_PRIOR_HIGH && r.prior <= LEARN_PRIOR_HIGH);
        assert_true(fabs(nll(&w, &r, 0, 0, r.prior) - nll(&w, &r, 0, 0, INFINITY)) < 1e-6);
        learn_result_free(&r);
        world_close(&w);
}

static void without(void (*change)(struct world *w), bool own_heads, enum job_kind kind)
{
        struct world w;
        struct learn_result r = {0};
        world_open(&w, own_heads, kind);
        w.job.plan.epochs = 2;
        if (change)
                change(&w);
        made_run(&w.job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.prior > 0, !change);
        assert_true(r.prior == 0 || (r.prior >= LEARN_PRIOR_LOW && r.prior <= LEARN_PRIOR_HIGH));
        learn_result_free(&r);
        world_close(&w);
}

#define CHANGE(name, code)                                                                                           \
        static void name(struct world *w)                                                                            \
        {                                                                                                            \
                code;                                                                                                \
        }
CHANGE(no_closed_task, w->job.n_past = 0)
CHANGE(no_curvature, w->past.n_samples = 0)
CHANGE(infinite_curvature, w->past.factor = 1e308)
CHANGE(few_rows, w->holdout[0].n = w->holdout[1].n = 15)
CHANGE(few_that_count, w->holdout[0].n = 31)
CHANGE(no_rows, w->job.n_holdout = 0)
CHANGE(empirical, w->job.plan.fisher = EWC_FISHER_EMPIRICAL)
CHANGE(mas, w->job.plan.importance = LEARN_IMPORTANCE_MAS)
CHANGE(only_the_open_head, (w->job.holdout++, w->job.n_holdout--))

static void test_none(void **state)
{
        (void)state;
        without(NULL, false, JOB_CONSOLIDATE);
        without(NULL, false, JOB_ROLLOVER);
        without(NULL, true, JOB_CONSOLIDATE);
        without(no_closed_task, false, JOB_CONSOLIDATE);
        without(no_curvature, false, JOB_CONSOLIDATE);
        without(no_curvature, false, JOB_ROLLOVER);
        without(infinite_curvature, false, JOB_CONSOLIDATE);
        without(few_rows, false, JOB_CONSOLIDATE);
        without(few_that_count, true, JOB_CONSOLIDATE);
        without(no_rows, false, JOB_CONSOLIDATE);
        without(empirical, false, JOB_ROLLOVER);
        without(mas, false, JOB_ROLLOVER);
        without(only_the_open_head, true, JOB_CONSOLIDATE);
}

static void test_not_for_other_losses(void **state)
{
        (void)state;
        for (int k = 0; k < 2; k++) {
                struct made_pair pair;
                struct learn_result r = {0};
                made_pair_open(&pair, k ? EWC_LOSS_SQUARED : EWC_LOSS_SIGMOID, false, 3);
                pair.past.factor = 1;
                pair.past.n_samples = 100;
                struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.1, 3);
                job.plan.epochs = 1;
                made_run(&job, NULL, LEARN_DONE, &r);
                assert_true(r.prior == 0);
                learn_result_free(&r);
                made_pair_close(&pair);
        }
}

/* Of more rows than a search takes, every other one here: those between them are nonsense that nobody sees. */
static void test_rows_are_spread(void **state)
{
        (void)state;
        enum { KEPT = 4096 };
        struct world w;
        struct learn_result all = {0}, half = {0};
        world_open(&w, false, JOB_CONSOLIDATE);
        float *x = new_array(float, 2 * KEPT * MADE_INPUTS), *few_x = new_array(float, KEPT *MADE_INPUTS);
        int32_t *label = new_array(int32_t, 2 * KEPT), *few_label = new_array(int32_t, KEPT);
        for (size_t i = 0; i < 2 * KEPT; i++) {
                size_t from = i / 2 % MADE_HOLDOUT;
                const float *row = w.holdout[0].x + from * MADE_INPUTS;
                memcpy(x + i * MADE_INPUTS, row, MADE_INPUTS * sizeof(float));
                memcpy(few_x + i / 2 * MADE_INPUTS, row, MADE_INPUTS * sizeof(float));
                few_label[i / 2] = w.label[0][from];
                label[i] = i % 2 ? 1 - few_label[i / 2] : few_label[i / 2];
        }
        w.holdout[0].x = few_x;
        w.holdout[0].label = few_label;
        w.holdout[0].n = KEPT;
        w.job.n_holdout = 1;
        made_run(&w.job, NULL, LEARN_DONE, &half);
        w.holdout[0].x = x;
        w.holdout[0].label = label;
        w.holdout[0].n = 2 * KEPT;
        made_run(&w.job, NULL, LEARN_DONE, &all);
        assert_true(half.prior > 0 && half.prior < 1e6);
        assert_memory_equal(&half.prior, &all.prior, sizeof(double));
        learn_result_free(&half);
        learn_result_free(&all);
        free(x);
        free(few_x);
        free(label);
        free(few_label);
        world_close(&w);
}

static bool stop(void *arg)
{
        return --*(int *)arg < 0;
}

/* How often a run asks, with a choice at its end or without. */
static int asked(struct world *w, uint64_t n_samples)
{
        enum { MANY = 1 << 20 };
        struct learn_result r = {0};
        int left = MANY;
        struct learn_callbacks cb = {.should_stop = stop, .arg = &left};
        w->past.n_samples = n_samples;
        made_run(&w->job, &cb, LEARN_DONE, &r);
        learn_result_free(&r);
        return MANY - left;
}

/* A stop while rows go through is a stop, wherever it falls. */
static void test_stops(void **state)
{
        (void)state;
        struct world w;
        struct learn_result r = {0};
        world_open(&w, false, JOB_CONSOLIDATE);
        w.job.plan.epochs = 1;
        int without = asked(&w, 0), with = asked(&w, 100);
        assert_true(with > without + 1);
        for (int left = without; left < with; left++) {
                int n = left;
                struct learn_callbacks cb = {.should_stop = stop, .arg = &n};
                made_run(&w.job, &cb, LEARN_STOPPED, &r);
                assert_true(r.prior == 0 && !r.theta);
                learn_result_free(&r);
        }
        world_close(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_against_a_grid),
            cmocka_unit_test(test_heads_of_their_own),
            cmocka_unit_test(test_the_upper_end_is_plain),
            cmocka_unit_test(test_none),
            cmocka_unit_test(test_not_for_other_losses),
            cmocka_unit_test(test_rows_are_spread),
            cmocka_unit_test(test_stops),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
