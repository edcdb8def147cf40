/* test_act.c: each activation and slope against libm in double, over the whole range; NaN passes through. */
#include "oracle.h"

#include "ewc/internal.h"

static const enum ewc_activation all[] = {EWC_ACT_NONE, EWC_ACT_RELU, EWC_ACT_TANH, EWC_ACT_GELU, EWC_ACT_SIGMOID};

enum { N = 4001 };

/* Absolute error 1e-6 (relative beyond 1): a few units in the last place of float. */
static void against_libm(void **state)
{
        static float y[N], slope[N], delta[N], bias[N];

        (void)state;
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
                for (int i = 0; i < N; i++) {
                        y[i] = -20.0f + 0.01f * (float)i - 0.125f;
                        bias[i] = 0.125f;
                        delta[i] = 1.0f;
                }
                ewc_act_forward(all[k], 1, N, bias, y, ewc_act_keeps_slope(all[k]) ? slope : NULL);
                ewc_act_backward(all[k], 1, N, 1, y, slope, delta);
                for (int i = 0; i < N; i++) {
                        double z = (double)(-20.0f + 0.01f * (float)i - 0.125f + 0.125f);
                        double want = oracle_act(all[k], z), dwant = oracle_slope(all[k], z);

                        if (fabs((double)y[i] - want) > 1e-6 * fmax(1, fabs(want)))
                                fail_msg("%s(%g) = %g, not %g", ewc_activation_name(all[k]), z, (double)y[i], want);
                        if (fabs((double)delta[i] - dwant) > 2e-6)
                                fail_msg(
                                    "%s'(%g) = %g, not %g", ewc_activation_name(all[k]), z, (double)delta[i], dwant);
                }
        }
}

/* Small values keep their relative precision: the tails of the sigmoid, tanh and erf near 0. */
static void relative(void **state)
{
        static const float at[] = {-80.0f, -30.0f, -10.0f, -1e-3f, -1e-20f, 1e-30f, 1e-4f, 0.5f, 3.0f};
        static const enum ewc_activation two[] = {EWC_ACT_TANH, EWC_ACT_SIGMOID};

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
                        float y = at[i], zero = 0.0f;
                        double want = oracle_act(two[k], (double)at[i]);

                        ewc_act_forward(two[k], 1, 1, &zero, &y, NULL);
                        if (fabs((double)y / want - 1) > 1e-6)
                                fail_msg("%s(%g) = %g, not %g", ewc_activation_name(two[k]), (double)at[i], (double)y,
                                    want);
                }
        }
}

static void extremes(void **state)
{
        (void)state;
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
                float y[4] = {NAN, 1e30f, -1e30f, 0.0f}, slope[4], zero[4] = {0};

                ewc_act_forward(all[k], 1, 4, zero, y, ewc_act_keeps_slope(all[k]) ? slope : NULL);
                assert_true(isnan(y[0]));
                assert_true(isfinite(y[1]) && isfinite(y[2]));
                assert_true(all[k] == EWC_ACT_SIGMOID ? y[3] == 0.5f : y[3] == 0.0f);
        }
}

/* Row n of the output serves `repeat` rows of delta. */
static void repeated_rows(void **state)
{
        float y[4] = {1, 0, 0, 1}, delta[12];

        (void)state;
        for (int i = 0; i < 12; i++)
                delta[i] = (float)(i + 1);
        ewc_act_backward(EWC_ACT_RELU, 2, 2, 3, y, NULL, delta);
        for (int i = 0; i < 12; i++)
                assert_true(delta[i] == ((i < 6) == (i % 2 == 0) ? (float)(i + 1) : 0.0f));
}

static void same_bits_in_any_length(void **state)
{
        static float whole[67], part[67], slope[67], bias[67];

        (void)state;
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
                for (int i = 0; i < 67; i++)
                        whole[i] = part[i] = 0.37f * (float)(i - 33);
                ewc_act_forward(all[k], 1, 67, bias, whole, slope);
                for (int i = 0; i < 67; i++)
                        ewc_act_forward(all[k], 1, 1, bias, part + i, slope);
                assert_memory_equal(whole, part, sizeof(whole));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(against_libm),
            cmocka_unit_test(relative),
            cmocka_unit_test(extremes),
            cmocka_unit_test(repeated_rows),
            cmocka_unit_test(same_bits_in_any_length),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
