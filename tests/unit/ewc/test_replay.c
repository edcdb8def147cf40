/* test_replay.c: ten recorded losses of a fixed net and data under Adam and the penalty, from
 * tests/golden/ewc_replay.py.
 *
 * The numbers behind it are an implementation in double precision that shares nothing with libewc. Tolerance: 1e-6
 * relative, thirty times what float training was seen to differ. */
#include "fixture.h"

static const double golden[] = {
#include "ewc_replay.inc"
};
enum { ROWS = 12, STEPS = 10 };

static float wave(size_t i, double a, double b)
{
        return (float)(round(sin(a * (double)i + b) * 4096) / 4096);
}

static void recorded_losses(void **state)
{
        const struct ewc_spec s = {.n_inputs = 5,
            .n_outputs = 4,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_GELU, .units = 7},
                {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}};
        const struct ewc_optim adam = {EWC_OPTIM_ADAM, 0.05f, 0.0f, 0.9f, 0.999f, 1e-8f};
        struct ewc_penalty pen = {.lambda = 0.3};
        float *fisher, *anchor, *grad, *slots;
        struct fixture f;
        double loss;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, ROWS, 1, 0);
        pen.fisher = fisher = test_alloc(f.P, sizeof(float));
        pen.anchor = anchor = test_alloc(f.P, sizeof(float));
        grad = test_alloc(f.P, sizeof(float));
        slots = test_alloc(2 * f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, ROWS), 1);
        for (size_t k = 0; k < f.P; k++) {
                ewc_net_theta(f.net)[k] = wave(k, 1.7, 0.3) / 2.0f;
                anchor[k] = wave(k, 0.9, 1.1) / 2.0f;
                fisher[k] = k % 3 ? fabsf(wave(k, 2.3, 0.7)) : 0.0f;
        }
        for (size_t i = 0; i < ROWS * 5; i++)
                f.x[i] = wave(i, 0.61, 0.2);
        for (size_t n = 0; n < ROWS; n++)
                f.label[n] = (int32_t)((7 * n + n * n) % 4);
        assert_int_equal(sizeof(golden) / sizeof(golden[0]), STEPS);
        for (uint64_t t = 1; t <= STEPS; t++) {
                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), 0);
                if (fabs(loss / golden[t - 1] - 1) > 1e-6)
                        fail_msg("step %d: %.9g, recorded %.9g", (int)t, loss, golden[t - 1]);
                assert_int_equal(ewc_optim_step(&adam, f.P, ewc_net_theta(f.net), grad, slots, t, &pen), 0);
        }
        fixture_deinit(&f);
        free(fisher);
        free(anchor);
        free(grad);
        free(slots);
        free(ws);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_losses)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
