/* test_spec.c: names, limits and their messages, layout of theta, growth of the output layer, heads. */
#include "oracle.h"

#include "ewc/internal.h"

static const struct ewc_spec base = {.n_inputs = 3,
    .n_outputs = 2,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 4},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 5}}};

static void names_round_trip(void **state)
{
        (void)state;
        for (int v = -1; v < 8; v++) {
                enum ewc_activation a = EWC_ACT_NONE;
                enum ewc_loss l = EWC_LOSS_SOFTMAX;
                enum ewc_layer_type t = EWC_LAYER_DENSE;

                if (ewc_activation_name((enum ewc_activation)v)) {
                        assert_int_equal(ewc_activation_parse(ewc_activation_name((enum ewc_activation)v), &a), 0);
                        assert_int_equal(a, v);
                }
                if (ewc_loss_name((enum ewc_loss)v)) {
                        assert_int_equal(ewc_loss_parse(ewc_loss_name((enum ewc_loss)v), &l), 0);
                        assert_int_equal(l, v);
                }
                if (ewc_layer_type_name((enum ewc_layer_type)v)) {
                        assert_int_equal(ewc_layer_type_parse(ewc_layer_type_name((enum ewc_layer_type)v), &t), 0);
                        assert_int_equal(t, v);
                }
        }
        assert_string_equal(ewc_activation_name(EWC_ACT_GELU), "gelu");
        assert_string_equal(ewc_loss_name(EWC_LOSS_SQUARED), "squared");
        assert_null(ewc_activation_name((enum ewc_activation)5));
        assert_null(ewc_loss_name((enum ewc_loss)0));
}

static void unknown_names(void **state)
{
        enum ewc_activation a = EWC_ACT_TANH;

        (void)state;
        assert_int_equal(ewc_activation_parse("swish", &a), EWC_E_INVAL);
        assert_int_equal(ewc_activation_parse("", &a), EWC_E_INVAL);
        assert_int_equal(ewc_activation_parse(NULL, &a), EWC_E_INVAL);
        assert_int_equal(a, EWC_ACT_TANH);
}

static void refused(const struct ewc_spec *s, int error, const char *text)
{
        char why[128] = "";

        assert_int_equal(ewc_spec_check(s, why, sizeof(why)), error);
        if (!strstr(why, text))
                fail_msg("\"%s\" does not contain \"%s\"", why, text);
        assert_int_equal(ewc_spec_check(s, NULL, 0), error);
}

static void messages_name_the_layer(void **state)
{
        struct ewc_spec s;
        char small[4];

        (void)state;
        assert_int_equal(ewc_spec_check(&base, NULL, 0), 0);
        s = base;
        s.layers[1].units = 0;
        refused(&s, EWC_E_DIM, "layer 1: units 0");
        assert_int_equal(ewc_spec_check(&s, small, sizeof(small)), EWC_E_DIM);
        assert_string_equal(small, "lay");
        s = base;
        s.layers[0].units = EWC_MAX_UNITS + 1;
        refused(&s, EWC_E_DIM, "layer 0: units 65537");
        s = base;
        s.layers[1].activation = (enum ewc_activation)9;
        refused(&s, EWC_E_INVAL, "layer 1: unknown activation 9");
        s = base;
        s.layers[0].type = (enum ewc_layer_type)77;
        refused(&s, EWC_E_INVAL, "layer 0: unknown type 77");
        s = base;
        s.n_inputs = 0;
        refused(&s, EWC_E_DIM, "inputs 0");
        s = base;
        s.n_outputs = EWC_MAX_UNITS + 1;
        refused(&s, EWC_E_DIM, "outputs 65537");
        s = base;
        s.loss = (enum ewc_loss)4;
        refused(&s, EWC_E_INVAL, "loss 4");
        s = base;
        s.n_layers = EWC_MAX_LAYERS + 1;
        refused(&s, EWC_E_DIM, "33 layers");
        s = base;
        s.layers[0].units = s.layers[1].units = EWC_MAX_UNITS;
        refused(&s, EWC_E_DIM, "layer 1: more than 268435456 parameters");
        s.n_layers = 1;
        s.n_outputs = EWC_MAX_UNITS;
        refused(&s, EWC_E_DIM, "outputs 65536: more than");
}

static void tensors_have_no_gaps(void **state)
{
        static const char *const names[] = {"0.w", "0.b", "1.w", "1.b", "out.w", "out.b"};
        struct ewc_tensor t;
        size_t at = 0;

        (void)state;
        assert_int_equal(ewc_spec_tensors(&base), 6);
        for (size_t i = 0; i < 6; i++) {
                assert_int_equal(ewc_spec_tensor(&base, i, &t), 0);
                assert_string_equal(t.name, names[i]);
                assert_int_equal(t.offset, at);
                at += (size_t)t.rows * t.cols;
        }
        assert_int_equal(at, ewc_spec_params(&base));
        assert_int_equal(at, 3 * 4 + 4 + 4 * 5 + 5 + 5 * 2 + 2);
        assert_int_equal(ewc_spec_tensor(&base, 6, &t), EWC_E_INVAL);
        assert_string_equal(t.name, "out.b");
}

static void growth_moves_no_bit(void **state)
{
        enum { OLD = 53, NEW = 65 };
        struct ewc_spec to = base;
        float old[OLD], fresh[NEW], grown[NEW];

        (void)state;
        to.n_outputs = 4;
        assert_int_equal(ewc_spec_params(&base), OLD);
        assert_int_equal(ewc_spec_params(&to), NEW);
        for (int i = 0; i < OLD; i++)
                old[i] = (float)i + 0.5f;
        old[0] = -0.0f;
        for (int i = 0; i < NEW; i++)
                fresh[i] = -(float)i;
        assert_int_equal(ewc_spec_grow(&base, &to, old, fresh, grown), 0);
        assert_memory_equal(grown, old, 51 * sizeof(float));             /* hidden layers, out.w rows 0 and 1 */
        assert_memory_equal(grown + 51, fresh + 51, 10 * sizeof(float)); /* out.w rows 2 and 3 */
        assert_memory_equal(grown + 61, old + 51, 2 * sizeof(float));
        assert_memory_equal(grown + 63, fresh + 63, 2 * sizeof(float));
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), 0);
        for (int i = 51; i < NEW; i++)
                assert_true((i == 61 || i == 62) ? grown[i] == old[i - 10] : grown[i] == 0.0f);
        assert_int_equal(ewc_spec_grow(&base, &base, old, NULL, grown), 0);
        assert_memory_equal(grown, old, sizeof(old));
}

/* Outputs named by source in any order; the places are counted by hand: out.w begins at 41, out.b behind its rows. */
static void mapping_moves_outputs(void **state)
{
        enum { OLD = 53, NEW = 59, W = 41, IN = 5 };
        static const uint32_t source[3] = {1, EWC_OUTPUT_NEW, 0}, one[1] = {1}, bad[3] = {0, 2, 1};
        struct ewc_spec to = base, less = base, other = base;
        float old[OLD], fresh[NEW], got[NEW], keep[NEW];

        (void)state;
        to.n_outputs = 3;
        less.n_outputs = 1;
        other.layers[0].units = 5;
        for (int i = 0; i < OLD; i++)
                old[i] = (float)i + 0.5f;
        for (int i = 0; i < NEW; i++)
                fresh[i] = -(float)i;
        assert_int_equal(ewc_spec_map(&base, &to, source, old, fresh, got), 0);
        assert_memory_equal(got, old, W * sizeof(float));
        assert_memory_equal(got + W, old + W + IN, IN * sizeof(float));
        assert_memory_equal(got + W + IN, fresh + W + IN, IN * sizeof(float));
        assert_memory_equal(got + W + 2 * IN, old + W, IN * sizeof(float));
        assert_true(got[56] == old[52] && got[57] == fresh[57] && got[58] == old[51]);
        assert_int_equal(ewc_spec_map(&base, &to, source, old, NULL, got), 0);
        for (int i = W + IN; i < W + 2 * IN; i++)
                assert_true(got[i] == 0.0f);
        assert_true(got[57] == 0.0f);
        assert_int_equal(ewc_spec_map(&base, &less, one, old, NULL, got), 0); /* output 0 stays behind */
        assert_memory_equal(got + W, old + W + IN, IN * sizeof(float));
        assert_true(got[W + IN] == old[52]);
        memcpy(keep, got, sizeof(keep));
        assert_int_equal(ewc_spec_map(&base, &to, bad, old, NULL, got), EWC_E_INVAL);
        assert_int_equal(ewc_spec_map(&other, &to, source, old, NULL, got), EWC_E_DIM);
        assert_memory_equal(got, keep, sizeof(keep));
}

static void growth_changes_only_outputs(void **state)
{
        struct ewc_spec to = base;
        float old[53] = {0}, grown[80] = {0};

        (void)state;
        to.n_outputs = 1;
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), EWC_E_DIM);
        to = base;
        to.layers[0].units = 5;
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), EWC_E_DIM);
        to = base;
        to.layers[1].activation = EWC_ACT_GELU;
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), EWC_E_DIM);
        to = base;
        to.loss = EWC_LOSS_SIGMOID;
        assert_int_equal(ewc_spec_grow(&base, &to, old, NULL, grown), EWC_E_DIM);
}

static void heads(void **state)
{
        struct ewc_spec s = base;
        const uint32_t good[] = {0, 3}, twice[] = {3, 3}, down[] = {3, 0}, far[] = {0, 5};

        (void)state;
        s.n_outputs = 5;
        assert_int_equal(ewc_head_check(&s, NULL), 0);
        assert_int_equal(ewc_head_check(&s, &(struct ewc_head){2, good}), 0);
        assert_int_equal(ewc_head_check(&s, &(struct ewc_head){2, twice}), EWC_E_INVAL);
        assert_int_equal(ewc_head_check(&s, &(struct ewc_head){2, down}), EWC_E_INVAL);
        assert_int_equal(ewc_head_check(&s, &(struct ewc_head){2, far}), EWC_E_INVAL);
        assert_int_equal(ewc_head_check(&s, &(struct ewc_head){0, good}), EWC_E_DIM);
        assert_int_equal(ewc_head_check(&s, &(struct ewc_head){6, good}), EWC_E_DIM);
        assert_int_equal(ewc_spec_protected(&s, NULL), ewc_spec_params(&s));
        assert_int_equal(ewc_spec_protected(&s, &(struct ewc_head){2, good}), ewc_spec_params(&s) - 3 * 6);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names_round_trip),
            cmocka_unit_test(unknown_names),
            cmocka_unit_test(messages_name_the_layer),
            cmocka_unit_test(tensors_have_no_gaps),
            cmocka_unit_test(growth_moves_no_bit),
            cmocka_unit_test(mapping_moves_outputs),
            cmocka_unit_test(growth_changes_only_outputs),
            cmocka_unit_test(heads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
