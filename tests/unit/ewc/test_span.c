/* test_span.c: the layers of a net as ranges of theta: in order, without gaps, whatever their tensors. */
#include "oracle.h"

#include "ewc/span.h"

static const struct ewc_spec specs[] = {
    {.n_inputs = 5, .n_outputs = 3, .loss = EWC_LOSS_SOFTMAX},
    {.n_inputs = 5,
        .n_outputs = 3,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 2,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 4},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}},
    {.n_inputs = 32,
        .n_outputs = 3,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 5,
        .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 4, .kernel = 3, .stride = 1},
            {.type = EWC_LAYER_LAYER_NORM}, {.type = EWC_LAYER_FLATTEN}, {.type = EWC_LAYER_DROPOUT, .rate = 0.5f},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}},
        .input = {4, 4, 2}},
    {.n_inputs = 4,
        .n_outputs = 2,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 1,
        .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 3, .count = 10}}},
};
static const size_t layers[] = {1, 3, 4, 2};
static const size_t sizes[][4] = {{18}, {24, 30, 21}, {4 * 18 + 4, 4 + 4, 6 * 16 + 6, 3 * 7}, {30, 2 * 12 + 2}};

static void covers_the_vector(void **state)
{
        (void)state;
        for (size_t k = 0; k < 4; k++) {
                struct ewc_span g = {0};
                size_t n = 0, end = 0, tensors = 0;

                assert_int_equal(ewc_spec_check(&specs[k], NULL, 0), 0);
                for (; ewc_span_next(&specs[k], &g); n++) {
                        assert_int_equal(g.offset, end);
                        assert_int_equal(g.tensor, tensors);
                        assert_int_equal(g.n, sizes[k][n]);
                        end += g.n;
                        tensors += g.n_tensors;
                }
                assert_int_equal(n, layers[k]);
                assert_int_equal(end, ewc_spec_params(&specs[k]));
                assert_int_equal(tensors, ewc_spec_tensors(&specs[k]));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(covers_the_vector)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
