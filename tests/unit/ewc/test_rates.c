/* test_rates.c: rates by layer from the shares of the trace. */
#include "oracle.h"

#include <ewc/step.h>

static const struct ewc_spec spec = {.n_inputs = 5,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 4},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}};
enum { P = 24 + 30 + 21 };

static void by_share(void **state)
{
        static const size_t end[] = {24, 54, 75};
        float fisher[P], rate[6];
        double trace[3] = {0}, total = 0;
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 111, 0);
        for (size_t i = 0, l = 0; i < P; i++) {
                l += i == end[l];
                fisher[i] = ewc_rng_unit(&r) * (l == 1 ? 20.0f : 1.0f);
                trace[l] += (double)fisher[i];
                total += (double)fisher[i];
        }
        assert_int_equal(ewc_step_rates(&spec, fisher, 0.01, rate), 0);
        for (size_t l = 0; l < 3; l++) {
                assert_true(rate[2 * l] == rate[2 * l + 1]);
                assert_true(fabs((double)rate[2 * l] - (1 - 0.99 * trace[l] / total)) < 1e-6);
        }
        assert_true(rate[2] < rate[0] && rate[2] < rate[4]);
        memset(fisher, 0, sizeof(fisher));
        assert_int_equal(ewc_step_rates(&spec, fisher, 0.01, rate), 0);
        for (size_t i = 0; i < 6; i++)
                assert_true(rate[i] == 1.0f);
        fisher[30] = 3;
        assert_int_equal(ewc_step_rates(&spec, fisher, 0.25, rate), 0);
        assert_true(rate[0] == 1.0f && rate[2] == 0.25f && rate[3] == 0.25f && rate[5] == 1.0f);
}

static void refusals(void **state)
{
        float fisher[P] = {0}, rate[6];

        (void)state;
        assert_int_equal(ewc_step_rates(&spec, fisher, -0.1, rate), EWC_E_INVAL);
        assert_int_equal(ewc_step_rates(&spec, fisher, 1.1, rate), EWC_E_INVAL);
        assert_int_equal(ewc_step_rates(&spec, fisher, NAN, rate), EWC_E_INVAL);
        fisher[3] = NAN;
        assert_int_equal(ewc_step_rates(&spec, fisher, 0, rate), EWC_E_NONFINITE);
        fisher[3] = -1;
        assert_int_equal(ewc_step_rates(&spec, fisher, 0, rate), EWC_E_NONFINITE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(by_share), cmocka_unit_test(refusals)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
