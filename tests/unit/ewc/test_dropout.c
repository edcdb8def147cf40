/* test_dropout.c: the mask's mean and share, its seed, its gradient, and that it is off outside training. */
#include "deep_check.h"

#include "ewc/layers.h"

static const struct ewc_spec with = {.n_inputs = 8,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 3,
    .layers = {
        DEEP_DENSE(16, EWC_ACT_GELU), {.type = EWC_LAYER_DROPOUT, .rate = 0.25f}, DEEP_DENSE(6, EWC_ACT_TANH)}};
static const struct ewc_spec without = {.n_inputs = 8,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {DEEP_DENSE(16, EWC_ACT_GELU), DEEP_DENSE(6, EWC_ACT_TANH)}};

static void mask_statistics(void **state)
{
        enum { N = 200000 };
        static const float rates[] = {0.0f, 0.1f, 0.5f, 0.9f};

        (void)state;
        for (size_t k = 0; k < 4; k++) {
                const struct ewc_stage s = {.type = EWC_LAYER_DROPOUT, .in = N, .out = N, .rate = rates[k]};
                float *x = test_alloc(N, sizeof(float)), *y = test_alloc(N, sizeof(float));
                float *mask = test_alloc(N, sizeof(float));
                double mean = 0, dropped = 0, q = (double)rates[k];
                struct ewc_rng r;

                ewc_rng_seed(&r, 7, k);
                for (int i = 0; i < N; i++)
                        x[i] = 2;
                ewc_dropout_forward(&s, 1, x, &r, y, mask);
                for (int i = 0; i < N; i++) {
                        assert_true(mask[i] == 0.0f || fabs((double)mask[i] - 1 / (1 - q)) < 1e-5);
                        assert_true(y[i] == x[i] * mask[i]);
                        mean += (double)y[i] / N;
                        dropped += (mask[i] == 0.0f) / (double)N;
                }
                /* five standard deviations of N draws */
                assert_true(fabs(dropped - q) <= 5 * sqrt(q * (1 - q) / N));
                assert_true(fabs(mean - 2) <= 10 * sqrt(q / (1 - q) / N) + 1e-5);
                free(x);
                free(y);
                free(mask);
        }
}

static void grad_of(struct fixture *f, struct ewc_rng *r, float *grad, double *loss)
{
        void *ws = test_alloc(ewc_train_workspace(f->net, f->batch.n), 1);

        f->batch.rng = r;
        assert_int_equal(ewc_train_grad(f->net, NULL, &f->batch, 1, false, grad, loss, ws), 0);
        free(ws);
}

static void seed_decides(void **state)
{
        struct fixture f;
        float *a, *b;
        double x, y;
        struct ewc_rng r, q;

        (void)state;
        deep_init(&f, &with, NULL, 9, 120);
        a = test_alloc(f.P, sizeof(float));
        b = test_alloc(f.P, sizeof(float));
        ewc_rng_seed(&r, 1, 5);
        q = r;
        grad_of(&f, &r, a, &x);
        for (int i = 0; i < 9 * 16; i++) /* one number per value */
                ewc_rng_unit(&q);
        assert_memory_equal(&r, &q, sizeof(r));
        ewc_rng_seed(&r, 1, 5);
        grad_of(&f, &r, b, &y);
        assert_true(memcmp(&x, &y, sizeof(x)) == 0);
        assert_memory_equal(a, b, f.P * sizeof(float));
        ewc_rng_seed(&r, 1, 6);
        grad_of(&f, &r, b, &y);
        assert_true(fabs(x - y) > 1e-6);
        fixture_deinit(&f);
        free(a);
        free(b);
}

/* Off in forward, score, Fisher, and in training without a generator: the bits of the net without the layer. */
static void off_outside_training(void **state)
{
        struct fixture f, g;
        struct ewc_score s = {0}, t = {0};
        float *a, *b, y[27], z[27];
        double x, v, *sum_a, *sum_b;
        struct ewc_rng r, q;
        void *ws;

        (void)state;
        deep_init(&f, &with, NULL, 9, 121);
        deep_init(&g, &without, NULL, 9, 121);
        assert_int_equal(f.P, g.P);
        a = test_alloc(f.P, sizeof(float));
        b = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 9) + 65536 * 64, 1);
        grad_of(&f, NULL, a, &x);
        grad_of(&g, NULL, b, &v);
        assert_true(x == v);
        assert_memory_equal(a, b, f.P * sizeof(float));
        assert_int_equal(ewc_net_forward(f.net, 9, f.x, y, ws), 0);
        assert_int_equal(ewc_net_forward(g.net, 9, f.x, z, ws), 0);
        assert_memory_equal(y, z, sizeof(y));
        ewc_rng_seed(&r, 1, 1);
        f.batch.rng = &r; /* of no concern to the score or a Fisher */
        assert_int_equal(ewc_train_score(f.net, NULL, &f.batch, &s, ws), 0);
        assert_int_equal(ewc_train_score(g.net, NULL, &g.batch, &t, ws), 0);
        assert_true(s.loss_sum == t.loss_sum && s.correct == t.correct);
        for (int kind = EWC_FISHER_EXACT; kind <= EWC_FISHER_BATCHED; kind++) {
                void *fisher_ws = test_alloc(ewc_fisher_workspace(f.net, NULL, (enum ewc_fisher)kind, 9), 1);

                sum_a = test_alloc(f.P, sizeof(double));
                sum_b = test_alloc(f.P, sizeof(double));
                ewc_rng_seed(&q, 2, 2);
                assert_int_equal(
                    ewc_fisher_add(f.net, (enum ewc_fisher)kind, NULL, &f.batch, &q, sum_a, fisher_ws), 0);
                ewc_rng_seed(&q, 2, 2);
                assert_int_equal(
                    ewc_fisher_add(g.net, (enum ewc_fisher)kind, NULL, &g.batch, &q, sum_b, fisher_ws), 0);
                assert_memory_equal(sum_a, sum_b, f.P * sizeof(double));
                free(sum_a);
                free(sum_b);
                free(fisher_ws);
        }
        fixture_deinit(&f);
        fixture_deinit(&g);
        free(a);
        free(b);
        free(ws);
}

/* With the same masks the gradient is the slope of the loss: central differences by the library's own loss. */
static void gradient_under_a_mask(void **state)
{
        struct fixture f;
        float *grad, *other, *theta;
        double loss, up, down, got = 0, size = 0;
        const double h = 5e-3;
        struct ewc_rng r, u;

        (void)state;
        deep_init(&f, &with, NULL, 7, 122);
        grad = test_alloc(f.P, sizeof(float));
        other = test_alloc(f.P, sizeof(float));
        theta = ewc_net_theta(f.net);
        ewc_rng_seed(&r, 4, 4);
        grad_of(&f, &r, grad, &loss);
        for (int sign = 1; sign >= -1; sign -= 2) {
                ewc_rng_seed(&u, 5, 5);
                for (size_t i = 0; i < f.P; i++) {
                        double d = ewc_rng_normal(&u);

                        theta[i] = (float)(f.theta[i] + sign * h * d);
                        got += sign > 0 ? (double)grad[i] * d : 0;
                        size += sign > 0 ? fabs((double)grad[i] * d) : 0;
                }
                ewc_rng_seed(&r, 4, 4);
                grad_of(&f, &r, other, sign > 0 ? &up : &down);
        }
        assert_true(fabs(got - (up - down) / (2 * h)) < 1e-3 * size);
        fixture_deinit(&f);
        free(grad);
        free(other);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(mask_statistics),
            cmocka_unit_test(seed_decides),
            cmocka_unit_test(off_outside_training),
            cmocka_unit_test(gradient_under_a_mask),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
