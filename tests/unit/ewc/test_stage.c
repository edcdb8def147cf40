/* test_stage.c: shapes that follow from layer to layer, and refusals that name the layer and what is wrong. */
#include "deep_check.h"

static const struct ewc_spec base = {.n_inputs = 8 * 8 * 3,
    .n_outputs = 4,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 8,
    .layers = {DEEP_CONV(16, 3, 1, 1, EWC_ACT_RELU), DEEP_POOL(EWC_LAYER_MAX_POOL, 2, 2),
        {.type = EWC_LAYER_GROUP_NORM, .groups = 4}, DEEP_CONV(8, 2, 2, 0, EWC_ACT_NONE),
        DEEP_POOL(EWC_LAYER_AVG_POOL, 2, 1), {.type = EWC_LAYER_DROPOUT, .rate = 0.5f}, {.type = EWC_LAYER_FLATTEN},
        DEEP_DENSE(10, EWC_ACT_TANH)},
    .input = {8, 8, 3}};

static void shapes_follow(void **state)
{
        static const struct ewc_shape want[] = {
            {8, 8, 16}, {4, 4, 16}, {4, 4, 16}, {2, 2, 8}, {1, 1, 8}, {1, 1, 8}, {1, 1, 8}, {1, 1, 10}, {1, 1, 4}};
        static const char *const names[] = {
            "0.w", "0.b", "2.gamma", "2.beta", "3.w", "3.b", "7.w", "7.b", "out.w", "out.b"};
        static const uint32_t sizes[][2] = {
            {16, 27}, {16, 1}, {16, 1}, {16, 1}, {8, 64}, {8, 1}, {10, 8}, {10, 1}, {4, 10}, {4, 1}};
        struct ewc_tensor t;
        size_t at = 0;

        (void)state;
        assert_int_equal(ewc_spec_check(&base, NULL, 0), 0);
        for (uint32_t l = 0; l <= 8; l++) {
                const struct ewc_shape got = ewc_spec_shape(&base, l);

                assert_memory_equal(&got, &want[l], sizeof(got));
        }
        assert_int_equal(ewc_spec_tensors(&base), 10);
        for (size_t i = 0; i < 10; i++) {
                assert_int_equal(ewc_spec_tensor(&base, i, &t), 0);
                assert_string_equal(t.name, names[i]);
                assert_int_equal(t.rows, sizes[i][0]);
                assert_int_equal(t.cols, sizes[i][1]);
                assert_int_equal(t.offset, at);
                at += (size_t)t.rows * t.cols;
        }
        assert_int_equal(at, ewc_spec_params(&base));
        assert_int_equal(ewc_spec_tensor(&base, 10, &t), EWC_E_INVAL);
}

static void numbers_are_frozen(void **state)
{
        static const char *const names[] = {"dense", "conv", "max_pool", "avg_pool", "global_avg_pool", "flatten",
            "group_norm", "layer_norm", "dropout", "embedding"};

        (void)state;
        for (int i = 0; i < 10; i++) {
                enum ewc_layer_type t = EWC_LAYER_DENSE;

                assert_int_equal(ewc_layer_type_parse(names[i], &t), 0);
                assert_int_equal(t, i + 1);
                assert_string_equal(ewc_layer_type_name(t), names[i]);
        }
        assert_null(ewc_layer_type_name((enum ewc_layer_type)11));
        assert_null(ewc_layer_type_name((enum ewc_layer_type)0));
}

static const struct {
        uint32_t l;
        struct ewc_layer layer;
        int error;
        const char *text;
} refusals[] = {
    {1, DEEP_CONV(4, 9, 1, 0, EWC_ACT_NONE), EWC_E_DIM, "layer 1 (conv): kernel 9 does not fit its input 8x8x16"},
    {2, DEEP_POOL(EWC_LAYER_MAX_POOL, 5, 1), EWC_E_DIM, "layer 2 (max_pool): kernel 5 does not fit its input 4x4x16"},
    {7, DEEP_CONV(4, 3, 1, 0, EWC_ACT_NONE), EWC_E_DIM, "layer 7 (conv): kernel 3 does not fit its input 1x1x8"},
    {0, DEEP_CONV(4, 0, 1, 0, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): kernel 0"},
    {0, DEEP_CONV(4, UINT32_MAX, 1, UINT32_MAX - 1, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): kernel 4294967295"},
    {0, DEEP_CONV(4, 3, 0, 0, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): stride 0"},
    {0, DEEP_CONV(4, 3, 1, 3, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): padding 3, must be below the kernel 3"},
    {0, DEEP_CONV(0, 3, 1, 0, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): units 0"},
    {0, DEEP_CONV(4, 3, 1, 0, (enum ewc_activation)9), EWC_E_INVAL, "layer 0 (conv): unknown activation 9"},
    {0, DEEP_CONV(1, 60000, 1, 59999, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): "},
    {0, DEEP_CONV(65536, 3, 1, 2, EWC_ACT_NONE), EWC_E_DIM, "layer 0 (conv): its output 10x10x65536 has more than"},
    {1, DEEP_POOL(EWC_LAYER_AVG_POOL, 2, 0), EWC_E_DIM, "layer 1 (avg_pool): stride 0"},
    {2, {.type = EWC_LAYER_GROUP_NORM, .groups = 3}, EWC_E_DIM,
        "layer 2 (group_norm): groups 3 do not divide the 16 channels"},
    {2, {.type = EWC_LAYER_GROUP_NORM}, EWC_E_DIM, "layer 2 (group_norm): groups 0"},
    {5, {.type = EWC_LAYER_DROPOUT, .rate = 1.0f}, EWC_E_INVAL, "layer 5 (dropout): rate 1"},
    {5, {.type = EWC_LAYER_DROPOUT, .rate = -0.1f}, EWC_E_INVAL, "layer 5 (dropout): rate -0.1"},
    {5, {.type = EWC_LAYER_DROPOUT, .rate = NAN}, EWC_E_INVAL, "layer 5 (dropout): rate"},
    {5, {.type = EWC_LAYER_EMBEDDING, .units = 2, .count = 3}, EWC_E_INVAL,
        "layer 5 (embedding): an embedding comes"},
    {0, {.type = EWC_LAYER_EMBEDDING, .units = 2}, EWC_E_DIM, "layer 0 (embedding): count 0"},
    {0, {.type = EWC_LAYER_EMBEDDING, .units = 2, .count = EWC_MAX_IDS + 1}, EWC_E_DIM,
        "(embedding): count 16777217"},
    {0, {.type = EWC_LAYER_EMBEDDING, .units = 17, .count = EWC_MAX_IDS}, EWC_E_DIM, "layer 0: more than 268435456"},
    {6, {.type = EWC_LAYER_FLATTEN, .units = 3}, EWC_E_INVAL, "layer 6 (flatten): takes no units"},
    {1, {.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2, .activation = EWC_ACT_RELU}, EWC_E_INVAL,
        "layer 1 (max_pool): takes no activation"},
    {1, {.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2, .padding = 1}, EWC_E_INVAL, "takes no padding"},
    {7, {.type = EWC_LAYER_DENSE, .units = 3, .kernel = 3}, EWC_E_INVAL, "layer 7: takes no kernel"},
    {7, {.type = EWC_LAYER_DENSE, .units = 3, .stride = 3}, EWC_E_INVAL, "layer 7: takes no stride"},
    {7, {.type = EWC_LAYER_DENSE, .units = 3, .groups = 3}, EWC_E_INVAL, "layer 7: takes no groups"},
    {7, {.type = EWC_LAYER_DENSE, .units = 3, .count = 3}, EWC_E_INVAL, "layer 7: takes no count"},
    {7, {.type = EWC_LAYER_DENSE, .units = 3, .rate = 0.5f}, EWC_E_INVAL, "layer 7: takes no rate"},
};

static void refused(const struct ewc_spec *s, int error, const char *text)
{
        char why[128] = "";
        int r = ewc_spec_check(s, why, sizeof(why));

        if (r != error || !strstr(why, text))
                fail_msg("%d \"%s\" is not %d \"%s\"", r, why, error, text);
        assert_int_equal(ewc_spec_check(s, NULL, 0), error);
}

static void refusals_name_the_layer(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                struct ewc_spec s = base;

                s.layers[refusals[i].l] = refusals[i].layer;
                refused(&s, refusals[i].error, refusals[i].text);
        }
}

static void input_shape(void **state)
{
        struct ewc_spec s = base;

        (void)state;
        s.input.w = 7;
        refused(&s, EWC_E_DIM, "input shape 8x7x3 does not have 192 values");
        s.input = (struct ewc_shape){1, 192, 0};
        refused(&s, EWC_E_DIM, "input shape 1x192x0");
        s.input = (struct ewc_shape){UINT32_MAX, UINT32_MAX, UINT32_MAX};
        refused(&s, EWC_E_DIM, "input shape 4294967295x");
        s.input = (struct ewc_shape){32, 2, 3}; /* high enough, but not wide enough */
        refused(&s, EWC_E_DIM, "layer 3 (conv): kernel 2 does not fit its input 16x1x16");
        s.input = (struct ewc_shape){2, 32, 3};
        refused(&s, EWC_E_DIM, "layer 3 (conv): kernel 2 does not fit its input 1x16x16");
        s.input = (struct ewc_shape){0};
        refused(&s, EWC_E_DIM, "layer 1 (max_pool): kernel 2 does not fit its input 1x1x16");
}

static void equality(void **state)
{
        struct ewc_spec s = base, grown = base;

        (void)state;
        assert_true(ewc_spec_equal(&base, &s));
        s.layers[0].padding = 0;
        assert_false(ewc_spec_equal(&base, &s));
        s = base;
        s.layers[5].rate = 0.25f;
        assert_false(ewc_spec_equal(&base, &s));
        s = base;
        s.input = (struct ewc_shape){64, 1, 3};
        assert_false(ewc_spec_equal(&base, &s));
        grown.n_outputs = 5;
        assert_false(ewc_spec_equal(&base, &grown));
}

/* The head of a convolutional net grows like any other. */
static void growth(void **state)
{
        struct ewc_spec to = base;
        size_t P = ewc_spec_params(&base), Q;
        float *old = test_alloc(P, sizeof(float)), *grown;

        (void)state;
        to.n_outputs = 6;
        Q = ewc_spec_params(&to);
        assert_int_equal(Q, P + 2 * 11);
        grown = test_alloc(Q, sizeof(float));
        for (size_t i = 0; i < P; i++)
                old[i] = (float)i + 1;
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), 0);
        assert_memory_equal(grown, old, (P - 4) * sizeof(float));
        assert_memory_equal(grown + Q - 6, old + P - 4, 4 * sizeof(float));
        for (size_t i = P - 4; i < P - 4 + 20; i++)
                assert_true(grown[i] == 0.0f);
        to.layers[3].stride = 1;
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), EWC_E_DIM);
        assert_int_equal(ewc_spec_protected(&base, &(struct ewc_head){2, (const uint32_t[]){0, 3}}), P - 2 * 11);
        free(old);
        free(grown);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(shapes_follow),
            cmocka_unit_test(numbers_are_frozen),
            cmocka_unit_test(refusals_name_the_layer),
            cmocka_unit_test(input_shape),
            cmocka_unit_test(equality),
            cmocka_unit_test(growth),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
