/* test_floats.c: the first of any number that is none, wherever it stands and whatever stands beside it. */
#include "base/floats.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>

enum { MOST = 70 };

static void test_none(void **state)
{
        (void)state;
        const float edges[] = {0, -0.0f, FLT_MAX, -FLT_MAX, FLT_MIN, FLT_TRUE_MIN, -FLT_TRUE_MIN};
        float v[MOST];
        for (size_t i = 0; i < MOST; i++)
                v[i] = edges[i % (sizeof(edges) / sizeof(edges[0]))];
        for (size_t n = 0; n <= MOST; n++)
                assert_int_equal(floats_not_finite(v, n), n);
}

static void test_the_first_of_two(void **state)
{
        (void)state;
        const float bad[] = {NAN, INFINITY, -INFINITY};
        for (size_t n = 1; n <= MOST; n++) {
                for (size_t at = 0; at < n; at++) {
                        float v[MOST] = {0};
                        v[at] = bad[at % 3];
                        v[n - 1] = at + 1 < n ? NAN : v[n - 1];
                        assert_int_equal(floats_not_finite(v, n), at);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_none), cmocka_unit_test(test_the_first_of_two)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
