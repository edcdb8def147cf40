/* test_inspect.c: shares and distances of a net small enough to sum by hand. */
#include "domain/inspect.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct ewc_spec net = {
    .n_inputs = 2, .n_outputs = 2, .loss = EWC_LOSS_SOFTMAX}; /* out.w (2,2), out.b (2) */

static void test_fisher(void **state)
{
        (void)state;
        const float f[6] = {8, 0, 1e-7f, 1, 0.5f, 2e5f - 0};
        float ws[6];
        struct layer_fisher l[2];
        struct fisher_view v;
        inspect_fisher(&net, f, ws, l, &v);
        assert_int_equal(v.n_layers, 2);
        assert_string_equal(l[0].name, "out.w");
        assert_string_equal(l[1].name, "out.b");
        assert_int_equal(l[0].n, 4);
        assert_int_equal(l[0].n_zero, 1);
        double trace = 8 + (double)1e-7f + 1, all = trace + 0.5 + 2e5;
        assert_true(fabs(l[0].trace - trace) < 1e-12);
        assert_true(fabs(l[0].share - trace / all) < 1e-12);
        assert_true(fabs(l[0].mean - trace / 4) < 1e-12);
        assert_true(fabs(l[0].max - 8) < 1e-12);
        assert_int_equal(l[0].bins[0], 1);  /* 1e-7 */
        assert_int_equal(l[0].bins[7], 2);  /* 1 to 10 */
        assert_int_equal(l[1].bins[6], 1);  /* 0.1 to 1 */
        assert_int_equal(l[1].bins[11], 1); /* above 1e4 */
        assert_true(fabs(v.trace - all) < 1e-9);
        assert_true(fabs(v.top_share - (2e5 + 8) / all) < 1e-12); /* two of six */
}

static void test_nothing_protected(void **state)
{
        (void)state;
        const float f[6] = {0};
        float ws[6];
        struct layer_fisher l[2];
        struct fisher_view v;
        inspect_fisher(&net, f, ws, l, &v);
        assert_int_equal(l[0].n_zero + l[1].n_zero, 6);
        assert_true(v.trace == 0 && v.top_share == 0 && l[0].share == 0); /* and not NaN */
}

static void test_drift(void **state)
{
        (void)state;
        const float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 2, 3, 2, 5, 9}, f[6] = {1, 1, 1, 0.25f, 1, 4};
        struct layer_drift l[2], all;
        inspect_drift(&net, a, b, f, l, &all);
        assert_int_equal(l[0].n_changed, 1);
        assert_true(fabs(l[0].rms - 1) < 1e-12); /* sqrt(4 / 4) */
        assert_true(fabs(l[0].max - 2) < 1e-12);
        assert_true(fabs(l[0].fisher_distance - 1) < 1e-12); /* sqrt(4 / 4) */
        assert_true(fabs(l[1].fisher_distance - 6) < 1e-12);
        assert_int_equal(all.n, 6);
        assert_int_equal(all.n_changed, 2);
        assert_true(fabs(all.fisher_distance - sqrt(37)) < 1e-12);
        assert_true(fabs(all.rms - sqrt(13.0 / 6)) < 1e-12);

        inspect_drift(&net, a, a, NULL, l, &all);
        assert_true(all.n_changed == 0 && all.rms == 0);
        assert_true(isnan(all.fisher_distance)); /* not known, not 0 */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fisher),
            cmocka_unit_test(test_nothing_protected),
            cmocka_unit_test(test_drift),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
