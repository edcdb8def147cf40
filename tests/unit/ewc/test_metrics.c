/* test_metrics.c: a matrix worked out by hand; entries above the diagonal are never read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include <ewc/metrics.h>

static void by_hand(void **state)
{
        const double R[9] = {0.9, NAN, NAN, 0.95, 0.8, NAN, 0.7, 0.85, 0.6};

        (void)state;
        assert_true(fabs(ewc_metrics_accuracy(3, R) - (0.7 + 0.85 + 0.6) / 3) < 1e-15);
        assert_true(fabs(ewc_metrics_forgetting(3, R) - (0.25 - 0.05) / 2) < 1e-15); /* best of task 0 is 0.95 */
        assert_true(fabs(ewc_metrics_backward_transfer(3, R) - (-0.2 + 0.05) / 2) < 1e-15);
}

static void short_runs(void **state)
{
        const double one[1] = {0.5}, two[4] = {0.9, NAN, 0.4, 0.8};

        (void)state;
        assert_true(ewc_metrics_accuracy(1, one) == 0.5);
        assert_true(ewc_metrics_forgetting(1, one) == 0 && ewc_metrics_backward_transfer(1, one) == 0);
        assert_true(fabs(ewc_metrics_forgetting(2, two) - 0.5) < 1e-15);
        assert_true(fabs(ewc_metrics_backward_transfer(2, two) + 0.5) < 1e-15);
        assert_true(ewc_metrics_accuracy(0, NULL) == 0 && ewc_metrics_forgetting(0, NULL) == 0);
}

static void both_rules_of_forgetting(void **state)
{
        const double R[9] = {0.9, NAN, NAN, 0.95, 0.8, NAN, 0.7, 0.85, 0.6};

        (void)state;
        assert_true(fabs(ewc_metrics_forgetting_first(3, R) - (0.2 - 0.05) / 2) < 1e-15);
        assert_true(ewc_metrics_forgetting_first(3, R) < ewc_metrics_forgetting(3, R));
        assert_true(ewc_metrics_forgetting_first(1, R) == 0 && ewc_metrics_forgetting_first(0, NULL) == 0);
}

static void forward_transfer_and_intransigence(void **state)
{
        const double R[9] = {0.9, 0.3, NAN, 0.95, 0.8, 0.25, 0.7, 0.85, 0.6}, b[3] = {NAN, 0.1, 0.2};

        (void)state;
        assert_true(fabs(ewc_metrics_forward_transfer(3, R, b) - (0.2 + 0.05) / 2) < 1e-15);
        assert_true(ewc_metrics_forward_transfer(1, R, b) == 0);
        assert_true(fabs(ewc_metrics_intransigence(3, R, 1, 0.97) - 0.17) < 1e-15);
        assert_true(ewc_metrics_intransigence(3, R, 3, 0.97) == 0);
}

static void summary_by_hand(void **state)
{
        const double x[4] = {0.9, 0.5, 0.7, 0.7};
        struct ewc_summary s = ewc_metrics_summary(4, x);

        (void)state;
        assert_true(s.n == 4 && fabs(s.mean - 0.7) < 1e-15 && s.min == 0.5 && s.max == 0.9);
        assert_true(fabs(s.sem - sqrt(0.08 / 4) / 2) < 1e-15);
        s = ewc_metrics_summary(1, x);
        assert_true(s.mean == 0.9 && s.sem == 0 && s.min == 0.9);
        s = ewc_metrics_summary(0, NULL);
        assert_true(s.n == 0 && s.mean == 0 && s.sem == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(by_hand),
            cmocka_unit_test(short_runs),
            cmocka_unit_test(both_rules_of_forgetting),
            cmocka_unit_test(forward_transfer_and_intransigence),
            cmocka_unit_test(summary_by_hand),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
