/* test_dense.c: one dense layer: its gradients by weights, bias and input against finite differences of the
 * oracle. */
#include "fixture.h"

#include "ewc/layers.h"

enum { B = 6 };

/* The scalar sum_n sum_o c[n,o] logit[n,o] at parameters theta + h u and inputs x + h v. */
static double scalar(const struct fixture *f, const double *c, const double *u, const double *v, double h)
{
        const uint32_t I = f->spec.n_inputs, O = f->spec.n_outputs;
        double *theta = test_alloc(f->P, sizeof(double)), sum = 0;
        struct oracle_trace t;
        float x[ORACLE_UNITS];

        for (size_t i = 0; i < f->P; i++)
                theta[i] = f->theta[i] + h * u[i];
        for (size_t n = 0; n < B; n++) {
                for (uint32_t i = 0; i < I; i++)
                        x[i] = (float)((double)f->x[n * I + i] + h * v[n * I + i]);
                oracle_forward(&f->spec, theta, x, &t);
                for (uint32_t o = 0; o < O; o++)
                        sum += c[n * O + o] * t.z[f->spec.n_layers][o];
        }
        free(theta);
        return sum;
}

/* Relative error of grad . u against the central difference along the direction u. */
static double gradient_error(enum ewc_activation act, uint64_t seed)
{
        const struct ewc_spec s = {.n_inputs = 5,
            .n_outputs = 3,
            .loss = EWC_LOSS_SQUARED,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = act, .units = 8}}};
        struct fixture f;
        struct ewc_tape tape = {0};
        struct ewc_carve carve = {0};
        float delta[B * 8], below[B * 8], *grad;
        double c[B * 3], *u, v[B * 5] = {0}, column[8], got = 0, want, size = 0;
        const double h = 1e-5;
        struct ewc_rng r;
        void *ws;

        ewc_rng_seed(&r, seed, 1);
        fixture_init(&f, &s, NULL, B, 1.5, seed);
        u = test_alloc(f.P, sizeof(double));
        grad = test_alloc(f.P, sizeof(float));
        ewc_tape_carve(f.net, B, &carve, &tape);
        ws = test_alloc(carve.used, 1);
        carve = (struct ewc_carve){.base = ws};
        ewc_tape_carve(f.net, B, &carve, &tape);
        for (size_t i = 0; i < f.P; i++)
                u[i] = ewc_rng_normal(&r);
        for (size_t i = 0; i < B * 3; i++) {
                delta[i] = (float)ewc_rng_normal(&r);
                c[i] = (double)delta[i];
        }
        ewc_tape_forward(f.net, B, f.x, &tape);
        ewc_dense_grad(f.net, 1, B, tape.a[0], delta, 1.0f, 0.0f, grad, column);
        ewc_dense_back(f.net, 1, B, 1, &tape, delta, below);
        ewc_dense_grad(f.net, 0, B, f.x, below, 1.0f, 0.0f, grad, column);
        for (size_t i = 0; i < f.P; i++) {
                got += (double)grad[i] * u[i];
                size += fabs((double)grad[i] * u[i]);
        }
        want = (scalar(&f, c, u, v, h) - scalar(&f, c, u, v, -h)) / (2 * h);
        fixture_deinit(&f);
        free(u);
        free(grad);
        free(ws);
        return fabs(got - want) / size;
}

static void gradients(void **state)
{
        static const enum ewc_activation act[] = {
            EWC_ACT_NONE, EWC_ACT_RELU, EWC_ACT_TANH, EWC_ACT_GELU, EWC_ACT_SIGMOID};

        (void)state;
        for (size_t k = 0; k < 5; k++) {
                for (uint64_t seed = 0; seed < 5; seed++) {
                        double e = gradient_error(act[k], seed);

                        if (!(e < 1e-4))
                                fail_msg("%s, seed %d: error %g", ewc_activation_name(act[k]), (int)seed, e);
                }
        }
}

static void alpha_and_beta(void **state)
{
        const struct ewc_spec s = {.n_inputs = 2,
            .n_outputs = 2,
            .loss = EWC_LOSS_SQUARED,
            .n_layers = 0};
        const float x[4] = {1, 2, 3, 4}, delta[4] = {1, -1, 0.5f, 2};
        float grad[6] = {10, 10, 10, 10, 10, 10};
        const float fresh[6] = {5, 8, 10, 12, 3, 2}, added[6] = {7.5f, 12, 15, 18, 4.5f, 3};
        double column[2];
        struct ewc_net *net;

        (void)state;
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        ewc_dense_grad(net, 0, 2, x, delta, 2.0f, 0.0f, grad, column);
        assert_memory_equal(grad, fresh, sizeof(grad));
        ewc_dense_grad(net, 0, 2, x, delta, 1.0f, 1.0f, grad, column);
        assert_memory_equal(grad, added, sizeof(grad));
        ewc_net_free(net);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(gradients),
            cmocka_unit_test(alpha_and_beta),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
