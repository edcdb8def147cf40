/* test_loss.c: loss and delta of one row against the oracle, precision of a confident net, argument checks. */
#include "fixture.h"

#include "ewc/internal.h"

static const uint32_t some[] = {1, 2, 5};
static const struct ewc_head head = {3, some};

static void rows_equal_oracle(void **state)
{
        enum { B = 12, O = 6 };

        (void)state;
        for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                for (int sub = 0; sub < 2; sub++) {
                        const struct ewc_spec s = {.n_inputs = 4, .n_outputs = O, .loss = (enum ewc_loss)loss};
                        struct fixture f;
                        struct ewc_rng r;

                        fixture_init(&f, &s, sub ? &head : NULL, B, 1, (uint64_t)loss);
                        ewc_rng_seed(&r, 3, 0);
                        for (size_t n = 0; n < B; n++) {
                                float z[O], delta[O];
                                double zd[O], want[O], p[O], got;

                                for (size_t o = 0; o < O; o++)
                                        zd[o] = (double)(z[o] = 3.0f * (float)ewc_rng_normal(&r));
                                got = ewc_loss_row(f.net, f.head, &f.batch, n, z, p, delta);
                                assert_true(
                                    fabs(got - oracle_loss(&s, f.head, zd, f.label[n], f.target + n * O)) < 1e-10);
                                assert_true(got == ewc_loss_row(f.net, f.head, &f.batch, n, z, p, NULL));
                                oracle_delta(&s, f.head, zd, f.label[n], f.target + n * O, want);
                                for (size_t o = 0; o < O; o++) {
                                        assert_true(fabs((double)delta[o] - want[o]) < 1e-6 * fmax(1, fabs(want[o])));
                                        if (sub && o != 1 && o != 2 && o != 5)
                                                assert_true(delta[o] == 0.0f);
                                }
                        }
                        fixture_deinit(&f);
                }
        }
}

/* At a gap of 30 the probability of the label is 1 in float; loss and delta still have their small values. */
static void confident_rows_keep_precision(void **state)
{
        const struct ewc_spec s = {.n_inputs = 1, .n_outputs = 2, .loss = EWC_LOSS_SOFTMAX, .n_layers = 0};
        const double small = exp(-30.0) / (1 + exp(-30.0));
        const float z[2] = {30, 0}, x = 0, one[2] = {1, 0};
        const int32_t label = 0;
        struct ewc_batch b = {.n = 1, .x = &x, .label = &label};
        struct ewc_spec sigmoid = s;
        struct ewc_net *net;
        float delta[2];
        double p[2], loss;

        (void)state;
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        loss = ewc_loss_row(net, NULL, &b, 0, z, p, delta);
        assert_true(fabs(loss / log1p(exp(-30.0)) - 1) < 1e-12);
        assert_true(fabs((double)delta[0] / -small - 1) < 1e-6);
        assert_true(fabs((double)delta[1] / small - 1) < 1e-6);
        ewc_net_free(net);
        sigmoid.loss = EWC_LOSS_SIGMOID;
        b.target = one;
        assert_int_equal(ewc_net_new(&net, &sigmoid, NULL), 0);
        ewc_loss_row(net, NULL, &b, 0, z, p, delta);
        assert_true(fabs((double)delta[0] / -small - 1) < 1e-6);
        ewc_net_free(net);
}

static void huge_logits(void **state)
{
        const struct ewc_spec s = {.n_inputs = 1, .n_outputs = 3, .loss = EWC_LOSS_SOFTMAX, .n_layers = 0};
        const float z[3] = {3e38f, -3e38f, 0}, x = 0;
        const int32_t label = 1;
        const struct ewc_batch b = {.n = 1, .x = &x, .label = &label};
        struct ewc_net *net;
        float delta[3];
        double p[3];

        (void)state;
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        assert_true(isfinite(ewc_loss_row(net, NULL, &b, 0, z, p, delta)));
        assert_true(delta[0] == 1.0f && delta[1] == -1.0f && delta[2] == 0.0f);
        ewc_net_free(net);
}

static void arguments(void **state)
{
        const struct ewc_spec s = {.n_inputs = 1, .n_outputs = 6, .loss = EWC_LOSS_SOFTMAX, .n_layers = 0};
        const float x[2] = {0, 0}, weight[2] = {1, -1};
        int32_t label[2] = {1, 5};
        struct ewc_batch b = {.n = 2, .x = x, .label = label};
        struct ewc_net *net;

        (void)state;
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        assert_int_equal(ewc_batch_check(net, NULL, &b), 0);
        assert_int_equal(ewc_batch_check(net, &head, &b), 0);
        for (int32_t y = -2; y < 8; y++) {
                label[1] = y;
                assert_int_equal(ewc_batch_check(net, NULL, &b), y >= 0 && y < 6 ? 0 : EWC_E_LABEL);
                assert_int_equal(ewc_batch_check(net, &head, &b), y == 1 || y == 2 || y == 5 ? 0 : EWC_E_LABEL);
        }
        label[1] = 1;
        b.weight = weight;
        assert_int_equal(ewc_batch_check(net, NULL, &b), EWC_E_INVAL);
        b.weight = NULL;
        b.label = NULL;
        assert_int_equal(ewc_batch_check(net, NULL, &b), EWC_E_INVAL);
        b.label = label;
        b.n = 0;
        assert_int_equal(ewc_batch_check(net, NULL, &b), EWC_E_DIM);
        b.n = EWC_MAX_BATCH + 1;
        assert_int_equal(ewc_batch_check(net, NULL, &b), EWC_E_DIM);
        ewc_net_free(net);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(rows_equal_oracle),
            cmocka_unit_test(confident_rows_keep_precision),
            cmocka_unit_test(huge_logits),
            cmocka_unit_test(arguments),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
