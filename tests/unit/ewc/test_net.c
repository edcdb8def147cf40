/* test_net.c: construction, initial values, forward against the oracle, one row alone and among others,
 * probabilities, growth of the head. */
#include "fixture.h"

static const struct ewc_spec base = {.n_inputs = 19,
    .n_outputs = 4,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 3,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 33},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_GELU, .units = 16},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 7}}};

static void construction(void **state)
{
        struct ewc_spec bad = base;
        struct ewc_net *net = NULL;

        (void)state;
        bad.layers[1].units = 0;
        assert_int_equal(ewc_net_new(&net, &bad, NULL), EWC_E_DIM);
        assert_null(net);
        assert_int_equal(ewc_net_new(&net, &base, NULL), 0);
        assert_memory_equal(ewc_net_spec(net), &base, sizeof(base));
        assert_int_equal(ewc_net_params(net), ewc_spec_params(&base));
        assert_ptr_equal(ewc_net_theta(net), ewc_net_theta_const(net));
        for (size_t i = 0; i < ewc_net_params(net); i++)
                assert_true(ewc_net_theta(net)[i] == 0.0f);
        ewc_net_free(net);
}

static void initial_values(void **state)
{
        struct ewc_net *net = NULL;
        struct ewc_tensor t;
        struct ewc_rng r, q;

        (void)state;
        assert_int_equal(ewc_net_new(&net, &base, NULL), 0);
        ewc_rng_seed(&r, 5, 0);
        q = r;
        ewc_net_init(net, &r);
        for (size_t i = 0; i < ewc_spec_tensors(&base); i++) {
                uint32_t fan_in = i / 2 == 0 ? 19 : base.layers[i / 2 - 1].units;
                float low = 1, high = -1, bound = 1.0f / sqrtf((float)fan_in);

                assert_int_equal(ewc_spec_tensor(&base, i, &t), 0);
                for (size_t k = 0; k < (size_t)t.rows * t.cols; k++) {
                        float v = ewc_net_theta(net)[t.offset + k];

                        assert_true(v == bound * (2.0f * ewc_rng_unit(&q) - 1.0f)); /* drawn in vector order */
                        low = fminf(low, v);
                        high = fmaxf(high, v);
                }
                assert_true(low >= -bound && high <= bound);
                if (t.rows * t.cols > 100) /* enough draws to come near both ends */
                        assert_true(low < -0.9f * bound && high > 0.9f * bound);
        }
        ewc_net_free(net);
}

static void forward_equals_oracle(void **state)
{
        enum { B = 37 };
        struct oracle_trace t;
        struct fixture f;
        float y[B * 4];
        void *ws;

        (void)state;
        fixture_init(&f, &base, NULL, B, 2, 6);
        ws = test_alloc(ewc_net_workspace(f.net, B), 1);
        assert_int_equal(ewc_net_forward(f.net, B, f.x, y, ws), 0);
        for (size_t n = 0; n < B; n++) {
                oracle_forward(&base, f.theta, f.x + n * 19, &t);
                for (size_t o = 0; o < 4; o++)
                        assert_true(fabs((double)y[n * 4 + o] - t.z[3][o]) < 1e-5);
        }
        assert_int_equal(ewc_net_forward(f.net, 0, f.x, y, ws), EWC_E_DIM);
        assert_int_equal(ewc_net_forward(f.net, EWC_MAX_BATCH + 1, f.x, y, ws), EWC_E_DIM);
        fixture_deinit(&f);
        free(ws);
}

static void one_row_alone_and_among_others(void **state)
{
        enum { B = 128 };
        static const uint32_t units[] = {400, 37, 5, 1};
        struct ewc_spec s = base;

        (void)state;
        for (size_t k = 0; k < 4; k++) {
                struct fixture f;
                float *alone, *among;
                void *ws;

                s.n_inputs = k == 0 ? 784 : 19 + (uint32_t)k;
                s.layers[0].units = units[k];
                fixture_init(&f, &s, NULL, B, 1, 7 + k);
                alone = test_alloc(B * 4, sizeof(float));
                among = test_alloc(B * 4, sizeof(float));
                ws = test_alloc(ewc_net_workspace(f.net, B), 1);
                for (size_t n = 0; n < B; n++)
                        assert_int_equal(ewc_net_forward(f.net, 1, f.x + n * s.n_inputs, alone + n * 4, ws), 0);
                for (size_t n = 1; n <= B; n++) {
                        assert_int_equal(ewc_net_forward(f.net, n, f.x, among, ws), 0);
                        assert_memory_equal(alone, among, n * 4 * sizeof(float));
                }
                fixture_deinit(&f);
                free(alone);
                free(among);
                free(ws);
        }
}

static void non_finite(void **state)
{
        static const float bad[] = {NAN, INFINITY, -INFINITY};
        static const enum ewc_activation act[] = {EWC_ACT_RELU, EWC_ACT_TANH, EWC_ACT_GELU, EWC_ACT_SIGMOID};

        (void)state;
        for (size_t k = 0; k < 4; k++) {
                struct ewc_spec s = base;
                struct fixture f;
                float y[12], keep;
                void *ws;

                s.layers[0].activation = act[k];
                fixture_init(&f, &s, NULL, 3, 1, 8);
                ws = test_alloc(ewc_net_workspace(f.net, 3), 1);
                assert_int_equal(ewc_net_forward(f.net, 3, f.x, y, ws), 0);
                for (size_t b = 0; b < 3; b++) {
                        keep = f.x[19 * 2 + 18];
                        f.x[19 * 2 + 18] = bad[b];
                        assert_int_equal(ewc_net_forward(f.net, 3, f.x, y, ws), EWC_E_NONFINITE);
                        assert_int_equal(ewc_net_forward(f.net, 2, f.x, y, ws), 0);
                        f.x[19 * 2 + 18] = keep;
                }
                ewc_net_theta(f.net)[f.P - 1] = NAN;
                assert_int_equal(ewc_net_forward(f.net, 3, f.x, y, ws), EWC_E_NONFINITE);
                fixture_deinit(&f);
                free(ws);
        }
}

static void probabilities(void **state)
{
        static const enum ewc_loss loss[] = {EWC_LOSS_SOFTMAX, EWC_LOSS_SIGMOID, EWC_LOSS_SQUARED};
        static const uint32_t out[] = {1, 3};
        const struct ewc_head head = {2, out};
        const float y[8] = {1, 2, 3, 400, -1, -500, 0.25f, 0};

        (void)state;
        for (size_t k = 0; k < 3; k++) {
                struct ewc_spec s = base;
                struct ewc_net *net;
                float probs[8];

                s.loss = loss[k];
                assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
                for (int sub = 0; sub < 2; sub++) {
                        size_t H = sub ? 2 : 4;

                        assert_int_equal(ewc_net_probs(net, sub ? &head : NULL, 2, y, probs), 0);
                        for (size_t n = 0; n < 2; n++) {
                                double z[4], p[4];

                                for (size_t o = 0; o < 4; o++)
                                        z[o] = (double)y[n * 4 + o];
                                oracle_probs(&s, sub ? &head : NULL, z, p);
                                for (size_t h = 0; h < H; h++)
                                        assert_true(fabs((double)probs[n * H + h] - p[sub ? out[h] : h]) < 1e-6);
                        }
                }
                ewc_net_free(net);
        }
}

/* Two outputs become five: old logits stay, a Fisher padded with zeros leaves the penalty and its gradient alone. */
static void growing_head(void **state)
{
        enum { B = 9 };
        static const uint32_t known[] = {0, 1, 2, 3};
        const struct ewc_head head = {4, known};
        struct ewc_spec to = base;
        struct fixture small, big;
        struct ewc_penalty pen = {.lambda = 3}, grown = {.lambda = 3};
        float y[B * 4], z[B * 7], *fisher, *anchor, *F, *A, *g, *G;
        double before;
        void *ws;

        (void)state;
        to.n_outputs = 7;
        fixture_init(&small, &base, NULL, B, 1, 9);
        fixture_init(&big, &to, &head, B, 1, 10);
        pen.fisher = fisher = test_alloc(small.P, sizeof(float));
        pen.anchor = anchor = test_alloc(small.P, sizeof(float));
        grown.fisher = F = test_alloc(big.P, sizeof(float));
        grown.anchor = A = test_alloc(big.P, sizeof(float));
        g = test_alloc(small.P, sizeof(float));
        G = test_alloc(big.P, sizeof(float));
        for (size_t i = 0; i < small.P; i++) {
                fisher[i] = (float)(i % 5);
                anchor[i] = ewc_net_theta(small.net)[i] + 0.01f * (float)(i % 3);
        }
        /* fresh values may be the grown net's own: only the new rows are read */
        assert_int_equal(ewc_spec_grow(&base, &to, ewc_net_theta(small.net), ewc_net_theta(big.net), G), 0);
        memcpy(ewc_net_theta(big.net), G, big.P * sizeof(float));
        assert_int_equal(ewc_spec_grow(&base, &to, fisher, NULL, F), 0);
        assert_int_equal(ewc_spec_grow(&base, &to, anchor, G, A), 0);
        ws = test_alloc(ewc_net_workspace(big.net, B), 1);
        assert_int_equal(ewc_net_forward(small.net, B, small.x, y, ws), 0);
        assert_int_equal(ewc_net_forward(big.net, B, small.x, z, ws), 0);
        for (size_t n = 0; n < B; n++) {
                for (size_t o = 0; o < 4; o++)
                        assert_true(fabsf(y[n * 4 + o] - z[n * 7 + o]) < 1e-6f);
        }
        before = ewc_penalty_value(small.P, ewc_net_theta(small.net), &pen);
        assert_true(before > 0);
        assert_true(fabs(ewc_penalty_value(big.P, ewc_net_theta(big.net), &grown) - before) < 1e-12 * before);
        memset(G, 0, big.P * sizeof(float));
        ewc_penalty_grad(small.P, ewc_net_theta(small.net), &pen, g);
        ewc_penalty_grad(big.P, ewc_net_theta(big.net), &grown, G);
        assert_int_equal(ewc_spec_grow(&base, &to, g, NULL, F), 0); /* F is free now: the expected gradient */
        assert_memory_equal(F, G, big.P * sizeof(float));
        fixture_deinit(&small);
        fixture_deinit(&big);
        free(fisher);
        free(anchor);
        free(F);
        free(A);
        free(g);
        free(G);
        free(ws);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(construction),
            cmocka_unit_test(initial_values),
            cmocka_unit_test(forward_equals_oracle),
            cmocka_unit_test(one_row_alone_and_among_others),
            cmocka_unit_test(non_finite),
            cmocka_unit_test(probabilities),
            cmocka_unit_test(growing_head),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
