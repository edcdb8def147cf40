/* test_mas.c: mean absolute gradients of the squared output norm, sample by sample, against the oracle net. */
#include "fixture.h"

#include <ewc/mas.h>

enum { B = 37 };
static const uint32_t outs[] = {1, 2, 4};
static const struct ewc_head some = {3, outs};

static struct ewc_spec dense_spec(enum ewc_activation a, enum ewc_loss loss)
{
        struct ewc_spec s = {.n_inputs = 6, .n_outputs = 5, .loss = loss, .n_layers = 2};

        s.layers[0] = (struct ewc_layer){.type = EWC_LAYER_DENSE, .activation = a, .units = 9};
        s.layers[1] = (struct ewc_layer){.type = EWC_LAYER_DENSE, .activation = a, .units = 7};
        return s;
}

static double *sum_of(const struct fixture *f, size_t n0, size_t n, double *sum)
{
        void *ws = test_alloc(ewc_mas_workspace(f->net, n), 1);

        assert_int_equal(ewc_mas_add(f->net, f->head, n, f->x + n0 * f->spec.n_inputs, sum, ws), 0);
        free(ws);
        return sum;
}

static void against_the_oracle(void **state)
{
        static const enum ewc_activation act[] = {EWC_ACT_RELU, EWC_ACT_TANH, EWC_ACT_GELU, EWC_ACT_SIGMOID};

        (void)state;
        for (int k = 0; k < 8; k++) {
                const struct ewc_spec s = dense_spec(act[k / 2], k % 3 ? EWC_LOSS_SOFTMAX : EWC_LOSS_SQUARED);
                struct fixture f;
                double *want, *got, *grad, top = 0;

                fixture_init(&f, &s, k % 2 ? &some : NULL, B, 1.5, 161 + (uint64_t)k);
                want = test_alloc(f.P, sizeof(double));
                got = test_alloc(f.P, sizeof(double));
                grad = test_alloc(f.P, sizeof(double));
                for (size_t n = 0; n < B; n++) {
                        struct oracle_trace t;
                        double delta[5] = {0};

                        oracle_forward(&s, f.theta, f.x + n * 6, &t);
                        for (uint32_t h = 0; h < (k % 2 ? 3 : 5); h++)
                                delta[k % 2 ? outs[h] : h] = 2 * t.z[2][k % 2 ? outs[h] : h];
                        oracle_backward(&s, f.theta, f.x + n * 6, &t, delta, grad);
                        for (size_t i = 0; i < f.P; i++)
                                want[i] += fabs(grad[i]);
                }
                sum_of(&f, 0, 20, got);
                sum_of(&f, 20, B - 20, got); /* adds */
                for (size_t i = 0; i < f.P; i++)
                        top = fmax(top, want[i]);
                for (size_t i = 0; i < f.P; i++)
                        assert_true(fabs(got[i] - want[i]) <= 1e-5 * fmax(want[i], 1e-3 * top));
                free(want);
                free(got);
                free(grad);
                fixture_deinit(&f);
        }
}

/* Layers with shared weights: one row at a time, the gradient of 1/2 |z|^2 by ewc_train_grad. */
static void shared_weights(void **state)
{
        const struct ewc_spec s = {.n_inputs = 50,
            .n_outputs = 3,
            .loss = EWC_LOSS_SQUARED,
            .n_layers = 5,
            .layers = {{.type = EWC_LAYER_CONV,
                           .activation = EWC_ACT_TANH,
                           .units = 4,
                           .kernel = 3,
                           .stride = 1,
                           .padding = 1},
                {.type = EWC_LAYER_LAYER_NORM, .activation = EWC_ACT_GELU},
                {.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2}, {.type = EWC_LAYER_FLATTEN},
                {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}},
            .input = {5, 5, 2}};
        struct fixture f;
        float *grad, zero[3] = {0};
        double *want, *got, loss, top = 0;
        void *ws;

        (void)state;
        assert_int_equal(ewc_spec_check(&s, NULL, 0), 0);
        fixture_init(&f, &s, NULL, B, 1.5, 162);
        grad = test_alloc(f.P, sizeof(float));
        want = test_alloc(f.P, sizeof(double));
        got = test_alloc(f.P, sizeof(double));
        ws = test_alloc(ewc_train_workspace(f.net, 1), 1);
        for (size_t n = 0; n < B; n++) {
                struct ewc_batch one = {.n = 1, .x = f.x + n * 50, .target = zero};

                assert_int_equal(ewc_train_grad(f.net, NULL, &one, 2, false, grad, &loss, ws), 0);
                for (size_t i = 0; i < f.P; i++)
                        want[i] += fabs((double)grad[i]);
        }
        sum_of(&f, 0, B, got);
        for (size_t i = 0; i < f.P; i++)
                top = fmax(top, want[i]);
        assert_true(top > 0);
        for (size_t i = 0; i < f.P; i++)
                assert_true(fabs(got[i] - want[i]) <= 1e-5 * fmax(want[i], 1e-3 * top));
        free(grad);
        free(want);
        free(got);
        free(ws);
        fixture_deinit(&f);
}

static void finish(void **state)
{
        const struct ewc_spec s = dense_spec(EWC_ACT_TANH, EWC_LOSS_SOFTMAX);
        struct fixture f;
        double *sum, factor, mean = 0;
        float *omega;

        (void)state;
        fixture_init(&f, &s, &some, B, 1, 163);
        sum = test_alloc(f.P, sizeof(double));
        omega = test_alloc(f.P, sizeof(float));
        sum_of(&f, 0, B, sum);
        assert_int_equal(ewc_mas_finish(&s, &some, B, sum, omega, &factor), 0);
        for (size_t i = 0; i < f.P; i++) {
                mean += (double)omega[i] / (double)ewc_spec_protected(&s, &some);
                assert_true(fabs((double)omega[i] * factor - sum[i] / B) <= 1e-6 * sum[i] / B);
        }
        assert_true(fabs(mean - 1) < 1e-6);
        assert_true(omega[f.P - 5] == 0.0f && omega[f.P - 4] > 0.0f); /* biases of outputs 0 and 1 */
        assert_int_equal(ewc_mas_finish(&s, &some, 0, sum, omega, &factor), EWC_E_INVAL);
        sum[3] = NAN;
        assert_int_equal(ewc_mas_finish(&s, &some, B, sum, omega, &factor), EWC_E_NONFINITE);
        memset(sum, 0, f.P * sizeof(double));
        assert_int_equal(ewc_mas_finish(&s, &some, B, sum, omega, &factor), 0);
        assert_true(factor == 0 && omega[7] == 0.0f);
        free(sum);
        free(omega);
        fixture_deinit(&f);
}

static void refusals(void **state)
{
        static const uint32_t unordered[] = {2, 1};
        const struct ewc_head bad = {2, unordered};
        const struct ewc_spec s = dense_spec(EWC_ACT_SIGMOID, EWC_LOSS_SOFTMAX);
        struct fixture f;
        double *sum;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, 4, 1, 164);
        sum = test_alloc(f.P, sizeof(double));
        ws = test_alloc(ewc_mas_workspace(f.net, 4), 1);
        assert_int_equal(ewc_mas_add(f.net, &bad, 4, f.x, sum, ws), EWC_E_INVAL);
        assert_int_equal(ewc_mas_add(f.net, NULL, 0, f.x, sum, ws), EWC_E_DIM);
        assert_int_equal(ewc_mas_add(f.net, NULL, EWC_MAX_BATCH + 1, f.x, sum, ws), EWC_E_DIM);
        f.x[23] = INFINITY;
        assert_int_equal(ewc_mas_add(f.net, NULL, 4, f.x, sum, ws), EWC_E_NONFINITE);
        for (size_t i = 0; i < f.P; i++)
                assert_true(sum[i] == 0);
        free(sum);
        free(ws);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(against_the_oracle),
            cmocka_unit_test(shared_weights),
            cmocka_unit_test(finish),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
