/* test_summary.c: every figure against matrices worked out by hand. */
#include "bench/summary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void near(double got, double want)
{
        if (!(fabs(got - want) < 1e-12))
                fail_msg("%.15g, not %.15g", got, want);
}

static struct unit_result unit(double last_of_first)
{
        struct unit_result u = {.tasks = 3, .test_rows = 300, .anytime_mean = 0.8, .anytime_min = 0.5};
        const double R[3][3] = {{0.9, 0.3, 0.1}, {0.95, 0.8, 0.2}, {last_of_first, 0.6, 0.7}};
        for (size_t i = 0; i < BENCH_MAX_TASKS; i++)
                for (size_t j = 0; j < BENCH_MAX_TASKS; j++)
                        u.R[i][j] = i < 3 && j < 3 ? R[i][j] : (double)NAN;
        u.start[0] = 0.1;
        u.start[1] = 0.1;
        u.start[2] = 0.05;
        u.factor = u.trace = (double)NAN;
        return u;
}

static void test_one_seed(void **state)
{
        (void)state;
        struct unit_result u = unit(0.5), joint = unit(0.9);
        struct summary s;
        joint.R[2][2] = 0.75;
        summary_of(&u, &joint, 1, &s);
        near(s.accuracy.mean, (0.5 + 0.6 + 0.7) / 3);
        near(s.forgetting.mean, ((0.95 - 0.5) + (0.8 - 0.6)) / 2);
        near(s.first_last.mean, ((0.9 - 0.5) + (0.8 - 0.6)) / 2);
        near(s.backward.mean, -((0.9 - 0.5) + (0.8 - 0.6)) / 2);
        near(s.forward.mean, ((0.3 - 0.1) + (0.2 - 0.05)) / 2);
        near(s.intransigence.mean, 0.75 - 0.7);
        near(s.anytime_min.mean, 0.5);
        assert_int_equal(s.accuracy.n, 1);
        near(s.accuracy.sem, 0);
        assert_int_equal(s.factor.n, 0);
        assert_true(isnan(s.factor.mean));
}

static void test_seeds(void **state)
{
        (void)state;
        struct unit_result u[2] = {unit(0.5), unit(0.8)};
        struct summary s;
        summary_of(u, NULL, 2, &s);
        near(s.R[2][0], 0.65);
        near(s.accuracy.mean, (0.6 + 0.7) / 2);
        near(s.accuracy.sem, 0.05 / sqrt(2)); /* population deviation 0.05 */
        assert_int_equal(s.accuracy.n, 2);
        assert_int_equal(s.intransigence.n, 0);
}

static void test_plain_numbers(void **state)
{
        static const double v[] = {1, (double)NAN, 2, 6};
        (void)state;
        struct figure f = summary_figure(v, 4);
        assert_int_equal(f.n, 3);
        near(f.mean, 3);
        near(f.sem, sqrt((4 + 1 + 9) / 3.0) / sqrt(3));
        f = summary_figure(v, 0);
        assert_true(f.n == 0 && isnan(f.mean) && isnan(f.sem));
}

static void test_what_was_not_measured_is_left_out(void **state)
{
        (void)state;
        struct unit_result u[2] = {unit(0.5), unit(0.5)};
        struct summary s;
        u[1].R[2][1] = (double)NAN; /* diverged in its last task */
        summary_of(u, NULL, 2, &s);
        assert_int_equal(s.diverged, 1);
        assert_int_equal(s.accuracy.n, 1);
        assert_int_equal(s.forgetting.n, 1);
        near(s.accuracy.mean, 0.6);
        for (size_t i = 0; i < 2; i++)
                for (size_t j = 0; j < 3; j++)
                        u[0].R[i][j] = (double)NAN; /* joint has the last row only */
        summary_of(u, NULL, 1, &s);
        assert_int_equal(s.accuracy.n, 1);
        assert_int_equal(s.forgetting.n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_one_seed),
            cmocka_unit_test(test_seeds),
            cmocka_unit_test(test_plain_numbers),
            cmocka_unit_test(test_what_was_not_measured_is_left_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
