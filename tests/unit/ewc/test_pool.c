/* test_pool.c: pooling against a naive loop, windows that overlap and rests that are dropped, ties, NaN. */
#include "deep_check.h"

#include "ewc/layers.h"

static void windows(void **state)
{
        static const enum ewc_layer_type types[] = {EWC_LAYER_MAX_POOL, EWC_LAYER_AVG_POOL};

        (void)state;
        for (size_t t = 0; t < 2; t++) {
                for (uint32_t kernel = 1; kernel <= 3; kernel++) {
                        for (uint32_t stride = 1; stride <= 4; stride++) {
                                const struct ewc_spec s = {.n_inputs = 5 * 6 * 2,
                                    .n_outputs = 3,
                                    .loss = EWC_LOSS_SOFTMAX,
                                    .n_layers = 3,
                                    .layers = {DEEP_CONV(3, 1, 1, 0, EWC_ACT_TANH),
                                        DEEP_POOL(types[t], kernel, stride), DEEP_DENSE(4, EWC_ACT_RELU)},
                                    .input = {5, 6, 2}};

                                deep_check_net(&s, NULL, 3, 40 + kernel * 10 + stride);
                        }
                }
        }
}

static void global(void **state)
{
        struct ewc_spec s = {.n_inputs = 3 * 4 * 2,
            .n_outputs = 3,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {DEEP_CONV(5, 2, 1, 1, EWC_ACT_GELU), {.type = EWC_LAYER_GLOBAL_AVG_POOL}},
            .input = {3, 4, 2}};

        (void)state;
        deep_check_net(&s, NULL, 4, 50);
        /* without a layer to train below it */
        s.layers[0] = s.layers[1];
        s.n_layers = 1;
        deep_check_net(&s, NULL, 4, 51);
        s.layers[0] = (struct ewc_layer)DEEP_POOL(EWC_LAYER_MAX_POOL, 2, 1);
        deep_check_net(&s, NULL, 4, 52);
}

/* Among equals the first takes the whole delta; a NaN is not lost. */
static void ties_and_nan(void **state)
{
        const struct ewc_stage s = {.type = EWC_LAYER_MAX_POOL,
            .from = {2, 2, 1},
            .to = {1, 1, 1},
            .in = 4,
            .out = 1,
            .kernel_h = 2,
            .kernel_w = 2,
            .stride = 1};
        const float x[4] = {1, 3, 3, 2}, delta[2] = {5, 7};
        float bad[4] = {1, 2, 3, 4}, y, back[8];
        uint32_t place = 9;

        (void)state;
        ewc_max_pool_forward(&s, 1, x, &y, &place);
        assert_true(y == 3.0f && place == 1);
        ewc_max_pool_back(&s, 1, 2, &place, delta, back); /* two columns of one row */
        for (int i = 0; i < 8; i++)
                assert_true(back[i] == (i == 1 ? 5.0f : i == 5 ? 7.0f : 0.0f));
        for (int i = 0; i < 4; i++) {
                float keep = bad[i];

                bad[i] = NAN;
                ewc_max_pool_forward(&s, 1, bad, &y, NULL);
                assert_true(isnan(y));
                ewc_max_pool_forward(&s, 1, bad, &y, &place);
                assert_true(isnan(y));
                bad[i] = keep;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(windows),
            cmocka_unit_test(global),
            cmocka_unit_test(ties_and_nan),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
