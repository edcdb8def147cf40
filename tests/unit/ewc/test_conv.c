/* test_conv.c: convolutions against a naive loop: kernels, strides, paddings, depths; gradients and Fishers. */
#include "deep_check.h"

#include "ewc/internal.h"

static void kernel_stride_padding(void **state)
{
        static const struct ewc_shape shapes[] = {{5, 7, 3}, {6, 6, 1}, {1, 9, 2}};

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                for (uint32_t k = 1; k <= 4; k++) {
                        for (uint32_t stride = 1; stride <= 3; stride++) {
                                for (uint32_t padding = 0; padding < k; padding++) {
                                        const struct ewc_shape in = shapes[i];
                                        const struct ewc_spec s = {.n_inputs = in.h * in.w * in.c,
                                            .n_outputs = 2,
                                            .loss = EWC_LOSS_SOFTMAX,
                                            .n_layers = 1,
                                            .layers = {DEEP_CONV(3, k, stride, padding, EWC_ACT_TANH)},
                                            .input = in};
                                        struct fixture f;

                                        if (in.h + 2 * padding < k)
                                                continue;
                                        deep_init(&f, &s, NULL, 3, k * 100 + stride * 10 + padding);
                                        deep_check_forward(&f);
                                        deep_check(&f);
                                        fixture_deinit(&f);
                                }
                        }
                }
        }
}

static void activations(void **state)
{
        (void)state;
        for (int act = EWC_ACT_NONE; act <= EWC_ACT_SIGMOID; act++) {
                const struct ewc_spec s = {.n_inputs = 50,
                    .n_outputs = 4,
                    .loss = EWC_LOSS_SOFTMAX,
                    .n_layers = 2,
                    .layers = {DEEP_CONV(4, 3, 1, 1, (enum ewc_activation)act),
                        DEEP_CONV(3, 2, 1, 0, (enum ewc_activation)act)},
                    .input = {5, 5, 2}};

                deep_check_net(&s, NULL, 4, 20 + (uint64_t)act);
        }
}

/* A head of its own, and a third convolution whose window is the whole image. */
static void head_and_depth(void **state)
{
        static const uint32_t some[] = {1, 2, 4};
        const struct ewc_head head = {3, some};
        const struct ewc_spec s = {.n_inputs = 36,
            .n_outputs = 5,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 3,
            .layers = {DEEP_CONV(3, 3, 2, 1, EWC_ACT_GELU), DEEP_CONV(4, 1, 1, 0, EWC_ACT_TANH),
                DEEP_CONV(5, 3, 1, 0, EWC_ACT_SIGMOID)},
            .input = {6, 6, 1}};

        (void)state;
        deep_check_net(&s, &head, 5, 30);
}

/* Mean loss of the batch, by the oracle, at theta + h u. */
static double loss_at(const struct fixture *f, const double *u, double h)
{
        double *theta = test_alloc(f->P, sizeof(double)), sum = 0;

        for (size_t i = 0; i < f->P; i++)
                theta[i] = f->theta[i] + h * u[i];
        for (size_t n = 0; n < f->batch.n; n++) {
                double z[ORACLE_UNITS];

                deep_forward(&f->spec, theta, f->x + n * f->spec.n_inputs, z);
                sum += oracle_loss(&f->spec, f->head, z, f->label[n], NULL);
        }
        free(theta);
        return sum / (double)f->batch.n;
}

/* The gradient along a random direction is the slope of the oracle's loss. */
static void check_direction(const struct fixture *f, const float *grad, uint64_t seed)
{
        double *u = test_alloc(f->P, sizeof(double)), got = 0, size = 0;
        const double h = 1e-5;
        struct ewc_rng r;

        ewc_rng_seed(&r, seed, 0);
        for (size_t i = 0; i < f->P; i++) {
                u[i] = ewc_rng_normal(&r);
                got += u[i] * (double)grad[i];
                size += fabs(u[i] * (double)grad[i]);
        }
        assert_true(fabs(got - (loss_at(f, u, h) - loss_at(f, u, -h)) / (2 * h)) < 1e-4 * size);
        free(u);
}

/* More windows than are copied at a time, and more columns than stand side by side: gradients along a
 * direction, and EXACT as the mean over labels of the square of a gradient. */
static void blocks(void **state)
{
        enum { B = 3, O = 40 };
        const struct ewc_spec s = {.n_inputs = 32 * 32 * 4,
            .n_outputs = O,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 3,
            .layers = {DEEP_CONV(4, 7, 1, 3, EWC_ACT_GELU), DEEP_CONV(24, 9, 2, 4, EWC_ACT_TANH),
                {.type = EWC_LAYER_GLOBAL_AVG_POOL}},
            .input = {32, 32, 4}};
        float *grad, *one;
        double *whole, *parts, *mean, loss;
        struct fixture f;
        void *ws, *train, *forward;

        (void)state;
        deep_init(&f, &s, NULL, B, 31);
        assert_true(f.net->stage[0].cols * 1024 > 1 << 17);                 /* windows of one row */
        assert_true((size_t)f.net->stage[1].cols * 24 * (O - 1) > 1 << 18); /* gradients of one row */
        grad = test_alloc(f.P, sizeof(float));
        one = test_alloc(f.P, sizeof(float));
        whole = test_alloc(f.P, sizeof(double));
        parts = test_alloc(f.P, sizeof(double));
        mean = test_alloc(f.P, sizeof(double));
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, B), 1);
        train = test_alloc(ewc_train_workspace(f.net, B), 1);
        forward = test_alloc(ewc_net_workspace(f.net, 1), 1);
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, whole, ws), 0);
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, train), 0);
        check_direction(&f, grad, 32);
        for (int32_t n = 0; n < B; n++) {
                double z[O], p[O];
                float y[O];

                assert_int_equal(ewc_net_forward(f.net, 1, f.x + (size_t)n * s.n_inputs, y, forward), 0);
                for (size_t o = 0; o < O; o++)
                        z[o] = (double)y[o];
                oracle_probs(&s, NULL, z, p);
                /* EXACT as the mean over labels of the square of the gradient, one gradient call per label */
                for (int32_t c = 0; c < O; c++) {
                        struct ewc_batch b = {.n = 1, .x = f.x + (size_t)n * s.n_inputs, .label = &c};

                        assert_int_equal(ewc_train_grad(f.net, NULL, &b, 1, false, one, &loss, train), 0);
                        for (size_t i = 0; i < f.P; i++) {
                                parts[i] += p[c] * (double)one[i] * (double)one[i];
                                mean[i] += c == f.label[n] ? (double)one[i] / B : 0;
                        }
                }
        }
        assert_true(deep_error(f.P, whole, parts, parts) < 1e-3);
        for (size_t i = 0; i < f.P; i++)
                assert_true(fabs((double)grad[i] - mean[i]) < 1e-5);
        fixture_deinit(&f);
        free(grad);
        free(one);
        free(whole);
        free(parts);
        free(mean);
        free(ws);
        free(train);
        free(forward);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(kernel_stride_padding),
            cmocka_unit_test(activations),
            cmocka_unit_test(head_and_depth),
            cmocka_unit_test(blocks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
