/* test_norm.c: group and layer normalisation: against the definition, gradients, Fishers, constant inputs. */
#include "deep_check.h"

#include "ewc/layers.h"

static void groups(void **state)
{
        (void)state;
        for (uint32_t g = 1; g <= 6; g++) {
                const struct ewc_spec s = {.n_inputs = 4 * 3 * 2,
                    .n_outputs = 3,
                    .loss = EWC_LOSS_SOFTMAX,
                    .n_layers = 2,
                    .layers = {DEEP_CONV(6, 2, 1, 0, EWC_ACT_NONE),
                        {.type = EWC_LAYER_GROUP_NORM, .groups = g, .activation = EWC_ACT_RELU}},
                    .input = {4, 3, 2}};

                if (6 % g == 0)
                        deep_check_net(&s, NULL, 4, 60 + g);
        }
}

/* On images, on vectors, as the first layer and twice in a row; every activation. */
static void layers(void **state)
{
        (void)state;
        for (int act = EWC_ACT_NONE; act <= EWC_ACT_SIGMOID; act++) {
                const struct ewc_layer norm = {.type = EWC_LAYER_LAYER_NORM, .activation = (enum ewc_activation)act};
                struct ewc_spec s = {.n_inputs = 3 * 3 * 2,
                    .n_outputs = 3,
                    .loss = EWC_LOSS_SOFTMAX,
                    .n_layers = 3,
                    .layers = {DEEP_CONV(4, 2, 1, 0, EWC_ACT_TANH), norm, norm},
                    .input = {3, 3, 2}};

                deep_check_net(&s, NULL, 4, 70 + (uint64_t)act);
                s.layers[0] = (struct ewc_layer)DEEP_DENSE(7, EWC_ACT_TANH);
                deep_check_net(&s, NULL, 4, 80 + (uint64_t)act);
                s.input = (struct ewc_shape){0};
                s.layers[0] = norm;
                s.layers[1] = (struct ewc_layer)DEEP_DENSE(5, EWC_ACT_TANH);
                s.n_layers = 2;
                deep_check_net(&s, NULL, 4, 90 + (uint64_t)act);
        }
}

static void initial_values(void **state)
{
        const struct ewc_spec s = {.n_inputs = 6,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_LAYER_NORM}}};
        struct ewc_tensor gamma, beta;
        struct ewc_net *net;
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 1, 0);
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        ewc_net_init(net, &r);
        assert_int_equal(ewc_spec_tensor(&s, 0, &gamma), 0);
        assert_int_equal(ewc_spec_tensor(&s, 1, &beta), 0);
        assert_string_equal(gamma.name, "0.gamma");
        assert_string_equal(beta.name, "0.beta");
        for (size_t i = 0; i < 6; i++) {
                assert_true(ewc_net_theta(net)[gamma.offset + i] == 1.0f);
                assert_true(ewc_net_theta(net)[beta.offset + i] == 0.0f);
        }
        ewc_net_free(net);
}

/* A constant group has no deviation: eps keeps it finite, and it becomes beta. */
static void constant_input(void **state)
{
        const struct ewc_spec s = {.n_inputs = 8,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_GROUP_NORM, .groups = 1}},
            .input = {2, 2, 2}};
        struct fixture f;

        (void)state;
        deep_init(&f, &s, NULL, 2, 100);
        for (size_t i = 0; i < 8; i++)
                f.x[i] = 1e6f;
        deep_check_forward(&f);
        fixture_deinit(&f);
}

/* Two passes: a large mean does not eat the variance. */
static void large_mean(void **state)
{
        const struct ewc_spec s = {.n_inputs = 4,
            .n_outputs = 1,
            .loss = EWC_LOSS_SQUARED,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_LAYER_NORM}}};
        const float x[4] = {8000001, 8000002, 8000003, 8000004};
        struct ewc_net *net;
        double column[8];
        float y[4];

        (void)state;
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        for (int i = 0; i < 4; i++)
                ewc_net_theta(net)[i] = 1;
        ewc_norm_forward(net, 0, 1, x, column, y, NULL, NULL);
        for (int i = 0; i < 4; i++)
                assert_true(fabs((double)y[i] - (i - 1.5) / sqrt(1.25 + 1e-5)) < 1e-6);
        ewc_net_free(net);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(groups),
            cmocka_unit_test(layers),
            cmocka_unit_test(initial_values),
            cmocka_unit_test(constant_input),
            cmocka_unit_test(large_mean),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
