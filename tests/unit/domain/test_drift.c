/* Drift of answers and inputs: sums and distances against naive ones, p values against a long series, false alarms
 * and delay on rows of known error rate. */
#include "domain/drift.h"
#include <ewc/rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- Page-Hinkley --- */

static void test_sum_by_definition(void **state)
{
        (void)state;
        enum { N = 400 };
        static double m[N + 1];
        const struct page_hinkley_conf c = {.delta = 0.01, .threshold = 1e9};
        struct page_hinkley p = {0};
        struct ewc_rng r;
        ewc_rng_seed(&r, 3, 0);
        double sum = 0, errors = 0;
        for (int t = 1; t <= N; t++) {
                bool wrong = ewc_rng_below(&r, 10) < 3;
                errors += wrong;
                sum += wrong - errors / t - c.delta;
                m[t] = sum;
                page_hinkley_add(&p, &c, (uint64_t)(1000 + t), wrong);
                double low = 0;
                int at = 0;
                for (int s = 1; s <= t; s++)
                        if (m[s] <= low)
                                low = m[s], at = s;
                assert_true(fabs(p.m - sum) < 1e-9 && fabs(p.low - low) < 1e-9 && fabs(p.mean - errors / t) < 1e-12);
                assert_int_equal(p.low_seq, at ? 1000 + at : 0);
        }
        assert_int_equal(p.n, N);
        assert_false(p.fired);
}

/* Right answers first, then wrong ones: m rises by about 1 a row, so threshold and least rows are met exactly. */
static void test_fires(void **state)
{
        (void)state;
        static const struct {
                double threshold;
                uint64_t min_rows;
                int n_right, fires_at; /* wrong row, from 1; 0: never within 100 */
        } rows[] = {
            {0, 30, 100, 0},     /* off */
            {5.5, 30, 100, 6},   /* 1 - k/(100+k): 5.85 after six, 4.9 after five */
            {5.5, 120, 100, 20}, /* too few rows until the 120th */
            {0.985, 0, 100, 1},  /* above: 100/101 - 0.005 = 0.98510 */
            {0.9852, 0, 100, 2}, /* below it */
            {1e9, 0, 100, 0},
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                const struct page_hinkley_conf c = {0.005, rows[i].threshold, rows[i].min_rows};
                struct page_hinkley p = {0};
                uint64_t seq = 0;
                for (int k = 0; k < rows[i].n_right; k++)
                        page_hinkley_add(&p, &c, ++seq, false);
                assert_false(p.fired);
                for (int k = 0; k < 100; k++)
                        page_hinkley_add(&p, &c, ++seq, true);
                assert_int_equal(p.fired, rows[i].fires_at > 0);
                assert_int_equal(p.fired_seq, rows[i].fires_at ? 100 + rows[i].fires_at : 0);
                assert_int_equal(p.low_seq, 100); /* the change came behind it */
                for (int k = 0; k < 1000; k++)
                        page_hinkley_add(&p, &c, ++seq, false);
                assert_int_equal(p.fired, rows[i].fires_at > 0); /* stays */
                if (p.fired)
                        assert_int_equal(p.low_seq, 100);
                assert_int_equal(p.n, 1200);
        }
}

/* Without a tolerated rise a run of right answers stays at the minimum: the change came behind its last row. */
static void test_minimum_moves_along(void **state)
{
        (void)state;
        const struct page_hinkley_conf c = {.threshold = 5};
        struct page_hinkley p = {0};
        for (uint64_t seq = 1; seq <= 50; seq++)
                page_hinkley_add(&p, &c, seq, false);
        assert_true(p.m == 0 && p.low == 0);
        assert_int_equal(p.low_seq, 50);
}

/* 10 % wrong for 10^5 rows: quiet. Then 30 %: seen after about 100 / (0.2 - 0.005) = 513 rows. */
static void test_quiet_then_step(void **state)
{
        (void)state;
        const struct page_hinkley_conf c = {.delta = 0.005, .threshold = 100, .min_rows = 30};
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct page_hinkley p = {0};
                struct ewc_rng r;
                uint64_t seq = 0;
                ewc_rng_seed(&r, seed, 0);
                while (seq < 100000)
                        page_hinkley_add(&p, &c, ++seq, ewc_rng_below(&r, 1000) < 100);
                assert_false(p.fired);
                while (!p.fired && seq < 102000)
                        page_hinkley_add(&p, &c, ++seq, ewc_rng_below(&r, 1000) < 300);
                assert_true(p.fired);
                assert_in_range(p.fired_seq, 100350, 100700);
                assert_in_range(p.low_seq, 80000, 100050);
        }
}

/* --- Kolmogorov-Smirnov --- */

/* 40-digit sums of 2 (-1)^(k-1) exp(-2 k^2 x^2), x = (r + 0.12 + 0.11/r) d, r^2 = nm/(n+m), in Python's decimal. */
static void test_p_values(void **state)
{
        (void)state;
        static const struct {
                double d;
                size_t n, m;
                double p;
        } gold[] = {
            {0.1, 500, 500, 0.01243214172852139},
            {0.2, 100, 50, 0.12199871817094163},
            {0.5, 30, 30, 0.00061577902792212588},
            {0.05, 1000, 4000, 0.035366995745090356},
            {0.05, 500, 500, 0.54916616147350594},
            {0.9, 30, 40, 2.3498205836898556e-13},
            {0.3, 30, 30, 0.10883839498780422},
            {0.07, 400, 300, 0.35849412928233293},
            {0.04, 500, 500, 0.8110410183808886},
        };
        for (size_t i = 0; i < LEN(gold); i++)
                assert_true(fabs(drift_ks_p(gold[i].d, gold[i].n, gold[i].m) / gold[i].p - 1) < 1e-9);
        assert_true(drift_ks_p(0, 100, 100) == 1 && drift_ks_p(0.5, 0, 9) == 1 && drift_ks_p(0.5, 9, 0) == 1);
        for (double d = 0.001, last = 1; d <= 1; d += 0.001) { /* one function, also where two series meet */
                double p = drift_ks_p(d, 200, 300);
                assert_true(p <= last + 1e-15 && p >= 0);
                last = p;
        }
}

/* The distance by its definition: the greatest gap over all values. */
static double naive(size_t F, size_t f, size_t n, const float *a, size_t m, const float *b)
{
        double d = 0;
        for (size_t k = 0; k < n + m; k++) {
                float x = k < n ? a[k * F + f] : b[(k - n) * F + f];
                size_t below_a = 0, below_b = 0;
                for (size_t i = 0; i < n; i++)
                        below_a += a[i * F + f] <= x;
                for (size_t i = 0; i < m; i++)
                        below_b += b[i * F + f] <= x;
                double gap = fabs((double)below_a / (double)n - (double)below_b / (double)m);
                d = gap > d ? gap : d;
        }
        return d;
}

enum { F = 5, MAX_ROWS = 200 };
static float reference[MAX_ROWS * F], current[MAX_ROWS * F], ws[2 * MAX_ROWS];

/* Columns: coarse values with many ties, fine ones, a shifted one from `shifted` on, one that is always the same. */
static void fill(struct ewc_rng *r, float *rows, size_t n, float shift)
{
        for (size_t i = 0; i < n; i++) {
                rows[i * F] = (float)ewc_rng_below(r, 4);
                rows[i * F + 1] = ewc_rng_unit(r);
                rows[i * F + 2] = ewc_rng_unit(r) + shift;
                rows[i * F + 3] = -7;
                rows[i * F + 4] = (float)ewc_rng_below(r, 2) * 1e-30f;
        }
}

static void test_distances(void **state)
{
        (void)state;
        struct ewc_rng r;
        ewc_rng_seed(&r, 11, 0);
        for (int round = 0; round < 60; round++) {
                size_t n = 30 + ewc_rng_below(&r, MAX_ROWS - 29), m = 30 + ewc_rng_below(&r, MAX_ROWS - 29);
                fill(&r, reference, n, 0);
                fill(&r, current, m, round % 3 == 0 ? 0.5f : 0);
                struct input_drift got;
                drift_inputs(F, n, reference, m, current, 0.01, ws, &got);
                double d = -1;
                size_t at = 0, changed = 0;
                for (size_t f = 0; f < F; f++) {
                        double one = naive(F, f, n, reference, m, current);
                        changed += f != 3 && 4 * drift_ks_p(one, n, m) < 0.01;
                        if (f != 3 && one > d)
                                d = one, at = f;
                }
                assert_int_equal(got.n_reference, n);
                assert_int_equal(got.n_current, m);
                assert_int_equal(got.n_features, 4); /* the constant one does not count */
                assert_int_equal(got.feature, at);
                assert_true(fabs(got.statistic - d) < 1e-12);
                assert_true(fabs(got.p - fmin(1, 4 * drift_ks_p(d, n, m))) < 1e-12);
                assert_int_equal(got.n_changed, changed);
                assert_int_equal(got.fired, changed > 0);
                if (round % 3 == 0)
                        assert_true(got.fired && got.feature == 2);
        }
}

/* Bonferroni: what is significant alone is not among many. */
static void test_correction(void **state)
{
        (void)state;
        struct ewc_rng r;
        struct input_drift one, all;
        ewc_rng_seed(&r, 5, 0);
        fill(&r, reference, 100, 0);
        fill(&r, current, 100, 0.22f);
        static float a[100], b[100];
        for (size_t i = 0; i < 100; i++)
                a[i] = reference[i * F + 2], b[i] = current[i * F + 2];
        drift_inputs(1, 100, a, 100, b, 0.5, ws, &one);
        assert_true(one.p < 0.2 && one.p > 1e-9 && one.fired);
        double between = 2 * one.p; /* above it alone, below four times it */
        drift_inputs(1, 100, a, 100, b, between, ws, &one);
        drift_inputs(F, 100, reference, 100, current, between, ws, &all);
        assert_true(one.fired && !all.fired && all.feature == 2);
        assert_true(fabs(all.p / one.p - 4) < 1e-9);
        drift_inputs(1, 100, a, 100, b, one.p, ws, &one); /* p itself is not below it */
        assert_false(one.fired);
}

static void test_said_nothing(void **state)
{
        (void)state;
        struct ewc_rng r;
        ewc_rng_seed(&r, 7, 0);
        fill(&r, reference, 100, 0);
        fill(&r, current, 100, 9);
        static const struct {
                size_t F, n, m;
                bool compared;
        } rows[] = {
            {F, 29, 100, false}, {F, 100, 29, false}, {F, 0, 0, false}, {0, 100, 100, false}, {F, 30, 30, true}};
        for (size_t i = 0; i < LEN(rows); i++) {
                struct input_drift got;
                memset(&got, 0xff, sizeof(got));
                drift_inputs(rows[i].F, rows[i].n, reference, rows[i].m, current, 0.05, ws, &got);
                assert_int_equal(got.fired, rows[i].compared);
                assert_int_equal(got.n_reference, rows[i].compared ? rows[i].n : 0);
                assert_int_equal(got.n_current, rows[i].compared ? rows[i].m : 0);
                assert_true(rows[i].compared || (got.p == 1 && got.statistic == 0 && got.n_features == 0));
        }
        struct input_drift got;
        for (size_t i = 0; i < 100; i++) /* constants: equal on both sides, then not */
                reference[i] = current[i] = 4;
        drift_inputs(1, 100, reference, 100, current, 0.05, ws, &got);
        assert_true(got.n_current == 100 && got.n_features == 0 && !got.fired && got.p == 1);
        for (size_t i = 0; i < 100; i++)
                current[i] = 5;
        drift_inputs(1, 100, reference, 100, current, 0.05, ws, &got);
        assert_true(got.n_features == 1 && got.fired && got.statistic == 1);
}

/* Samples of one distribution: corrected, a level of 5 % errs in at most about one of twenty. */
static void test_level(void **state)
{
        (void)state;
        struct ewc_rng r;
        ewc_rng_seed(&r, 23, 0);
        int fired = 0;
        for (int round = 0; round < 1000; round++) {
                struct input_drift got;
                fill(&r, reference, 60, 0);
                fill(&r, current, 60, 0);
                drift_inputs(F, 60, reference, 60, current, 0.05, ws, &got);
                fired += got.fired;
        }
        assert_in_range(fired, 5, 75);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_sum_by_definition),
            cmocka_unit_test(test_fires),
            cmocka_unit_test(test_minimum_moves_along),
            cmocka_unit_test(test_quiet_then_step),
            cmocka_unit_test(test_p_values),
            cmocka_unit_test(test_distances),
            cmocka_unit_test(test_correction),
            cmocka_unit_test(test_said_nothing),
            cmocka_unit_test(test_level),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
