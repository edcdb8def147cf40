/* Records of closed tasks as one penalty, against the formulas written out entry by entry. */
#include "base/err.h"
#include "domain/protection.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { P = 4, N = 3 };

static const float fisher[N][P] = {{2, 1, 0, 1}, {0.5f, 0.5f, 3, 0}, {1, 1, 1, 1}};
static const float anchor[N][P] = {{1, 2, 3, 4}, {-1, 0, 1, 2}, {5, 6, 7, 8}};
static const double alpha[N] = {1, 0.5, 2}, factor[N] = {0.25, 4, 0.5};

static void records(struct learn_past past[N])
{
        for (int k = 0; k < N; k++)
                past[k] = (struct learn_past){
                    .alpha = alpha[k], .fisher = fisher[k], .anchor = anchor[k], .factor = factor[k]};
}

/* Entry i of record k on a scale. */
static double entry(enum learn_scale scale, int k, int i)
{
        double lo = INFINITY, hi = -INFINITY, squares = 0;
        for (int j = 0; j < P; j++) {
                lo = fmin(lo, (double)fisher[k][j]);
                hi = fmax(hi, (double)fisher[k][j]);
                squares += (double)fisher[k][j] * (double)fisher[k][j];
        }
        double f = (double)fisher[k][i];
        switch (scale) {
        case LEARN_SCALE_RAW:
                return f * factor[k];
        case LEARN_SCALE_L2:
                return f / sqrt(squares);
        case LEARN_SCALE_MINMAX:
                return hi > lo ? (f - lo) / (hi - lo) : 0;
        case LEARN_SCALE_UNIT:
                break;
        }
        return f;
}

static double step(const struct learn_plan *plan, int k, double u, double f)
{
        if (plan->merge == LEARN_MERGE_ONLINE)
                return plan->merge_decay * u + f;
        return plan->merge == LEARN_MERGE_EMA && k > 0 ? plan->merge_decay * u + (1 - plan->merge_decay) * f : u + f;
}

static void test_rules_and_scales(void **state)
{
        static const double decays[] = {0, 0, 0.5, 0.75};
        (void)state;
        for (int rule = LEARN_MERGE_SEPARATE; rule <= LEARN_MERGE_EMA; rule++) {
                for (int scale = LEARN_SCALE_UNIT; scale <= LEARN_SCALE_MINMAX; scale++) {
                        const struct learn_plan plan = {.merge = (enum learn_merge_rule)rule,
                            .merge_decay = decays[rule],
                            .scale = (enum learn_scale)scale};
                        struct learn_past past[N];
                        float U[P], centre[P];
                        double got, mean = 0;
                        struct err e = ERR_NULL;
                        records(past);
                        if (protection_merge(&plan, P, N, past, U, centre, &got, &e) != 0)
                                fail_msg("rule %d scale %d: %s", rule, scale, e.msg);
                        for (int i = 0; i < P; i++) {
                                double u = 0, weighted = 0;
                                for (int k = 0; k < N; k++) {
                                        double f = alpha[k] * entry(plan.scale, k, i);
                                        u = step(&plan, k, u, f);
                                        weighted += f * (double)anchor[k][i];
                                }
                                double c =
                                    rule == LEARN_MERGE_SEPARATE && u > 0 ? weighted / u : (double)anchor[N - 1][i];
                                assert_true(fabs((double)U[i] - u) <= 1e-6 * (1 + u));
                                assert_true(fabs((double)centre[i] - c) <= 1e-5);
                                mean += u / P;
                        }
                        assert_true(fabs(got - mean) <= 1e-6 * (1 + mean));
                }
        }
}

static void test_the_daemons_way_is_the_sum_of_alphas(void **state)
{
        const struct learn_plan plan = {0};
        struct learn_past past[N];
        float U[P], centre[P];
        double scale = -1;
        (void)state;
        records(past);
        assert_int_equal(protection_merge(&plan, P, N, past, U, centre, &scale, NULL), 0);
        assert_true(scale == 3.5);
        assert_int_equal(protection_merge(&plan, P, 0, NULL, U, centre, &scale, NULL), 0);
        assert_true(scale == 0 && U[0] == 0 && centre[3] == 0);
}

static void test_a_weight_of_nothing_is_no_record(void **state)
{
        (void)state;
        for (int rule = LEARN_MERGE_SUM; rule <= LEARN_MERGE_EMA; rule++) {
                const struct learn_plan plan = {
                    .merge = (enum learn_merge_rule)rule, .merge_decay = rule == LEARN_MERGE_SUM ? 0 : 0.5};
                struct learn_past past[N];
                float with[P], without[P], c1[P], c2[P];
                double s1, s2;
                records(past);
                assert_int_equal(protection_merge(&plan, P, 2, past + 1, without, c1, &s1, NULL), 0);
                past[0].alpha = 0;
                assert_int_equal(protection_merge(&plan, P, N, past, with, c2, &s2, NULL), 0);
                assert_memory_equal(with, without, sizeof(with));
                assert_memory_equal(c1, c2, sizeof(c1));
                assert_true(s1 == s2);
        }
}

static void test_overflow_is_refused(void **state)
{
        static const float huge[P] = {3e38f, 1, 1, 1};
        const struct learn_plan plan = {.merge = LEARN_MERGE_SUM};
        const struct learn_past past[2] = {{.alpha = 1, .fisher = huge, .anchor = anchor[0], .factor = 1},
            {.alpha = 1, .fisher = huge, .anchor = anchor[1], .factor = 1}};
        float U[P], centre[P];
        double scale;
        struct err e = ERR_NULL;
        (void)state;
        assert_int_equal(protection_merge(&plan, P, 2, past, U, centre, &scale, &e), -EBADMSG);
        const struct learn_plan separate = {0};
        assert_int_equal(protection_merge(&separate, P, 2, past, U, centre, &scale, &e), -EBADMSG);
}

static void test_a_factor_of_nothing(void **state)
{
        (void)state;
        assert_true(protection_factor(&(struct ewc_fisher_info){.factor = 0.25}) == 0.25);
        assert_true(protection_factor(&(struct ewc_fisher_info){.factor = 0}) == 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules_and_scales),
            cmocka_unit_test(test_the_daemons_way_is_the_sum_of_alphas),
            cmocka_unit_test(test_a_weight_of_nothing_is_no_record), cmocka_unit_test(test_overflow_is_refused),
            cmocka_unit_test(test_a_factor_of_nothing)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
