/* test_step.c: the step with a rate per tensor and with Huber's penalty; no NaN over twelve orders of lambda. */
#include "fixture.h"

#include <ewc/step.h>

static const struct ewc_optim optims[] = {
    {.type = EWC_OPTIM_SGD, .rate = 0.1f},
    {.type = EWC_OPTIM_SGD, .rate = 0.02f, .momentum = 0.9f},
    {.type = EWC_OPTIM_ADAM, .rate = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
};
enum { N_OPTIMS = 3, TENSORS = 4, P = 9 * 6 + 9 + 3 * 9 + 3 };

static const struct ewc_spec spec = {.n_inputs = 6,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};

struct arrays {
        float theta[P], grad[P], slots[2 * P], fisher[P], anchor[P];
        struct ewc_rng rng;
};

static void fill(struct arrays *a, uint64_t seed)
{
        memset(a, 0, sizeof(*a));
        ewc_rng_seed(&a->rng, seed, 0);
        for (size_t i = 0; i < P; i++) {
                a->theta[i] = (float)ewc_rng_normal(&a->rng);
                a->anchor[i] = (float)ewc_rng_normal(&a->rng);
                a->fisher[i] = i % 5 ? 2.0f * ewc_rng_unit(&a->rng) : 0.0f;
        }
}

static void draw(struct arrays *a)
{
        for (size_t i = 0; i < P; i++)
                a->grad[i] = (float)ewc_rng_normal(&a->rng);
}

static void ones_are_todays_bits(void **state)
{
        static const float one[TENSORS] = {1, 1, 1, 1};
        static const struct ewc_step how[] = {
            {.knee = 0}, {.rate = one}, {.rate = one, .knee = INFINITY}, {.knee = INFINITY}};

        (void)state;
        assert_int_equal(ewc_spec_params(&spec), P);
        assert_int_equal(ewc_spec_tensors(&spec), TENSORS);
        for (int k = 0; k < N_OPTIMS * 4 * 2; k++) {
                const struct ewc_optim *o = &optims[k / 8];
                struct arrays a, b;
                const struct ewc_penalty pa = {2.5, a.fisher, a.anchor}, pb = {2.5, b.fisher, b.anchor};

                fill(&a, 101);
                fill(&b, 101);
                for (uint64_t t = 1; t <= 20; t++) {
                        draw(&a);
                        draw(&b);
                        assert_int_equal(ewc_optim_step(o, P, a.theta, a.grad, a.slots, t, k % 2 ? &pa : NULL), 0);
                        assert_int_equal(ewc_optim_step_with(o, &spec, b.theta, b.grad, b.slots, t,
                                             k % 2 ? &pb : NULL, &how[k / 2 % 4]),
                            0);
                        assert_memory_equal(a.theta, b.theta, sizeof(a.theta));
                        assert_memory_equal(a.slots, b.slots, sizeof(a.slots));
                }
        }
}

/* Each tensor moves as if its optimiser's own rate had been multiplied, penalty included. */
static void factors_are_honoured(void **state)
{
        static const float factor[TENSORS] = {0.1f, 0.01f, 1.0f, 0.0f};
        const struct ewc_step how = {.rate = factor};

        (void)state;
        for (int k = 0; k < N_OPTIMS; k++) {
                struct arrays a, b[TENSORS];
                const struct ewc_penalty pa = {2.5, a.fisher, a.anchor};

                fill(&a, 102);
                for (size_t i = 0; i < TENSORS; i++)
                        fill(&b[i], 102);
                for (uint64_t t = 1; t <= 20; t++) {
                        draw(&a);
                        assert_int_equal(
                            ewc_optim_step_with(&optims[k], &spec, a.theta, a.grad, a.slots, t, &pa, &how), 0);
                        for (size_t i = 0; i < TENSORS; i++) {
                                const struct ewc_penalty pb = {2.5, b[i].fisher, b[i].anchor};
                                struct ewc_optim slow = optims[k];

                                slow.rate *= factor[i];
                                if (slow.rate > 0)
                                        assert_int_equal(
                                            ewc_optim_step(&slow, P, b[i].theta, a.grad, b[i].slots, t, &pb), 0);
                        }
                }
                for (size_t i = 0; i < TENSORS; i++) {
                        struct ewc_tensor tensor;

                        assert_int_equal(ewc_spec_tensor(&spec, i, &tensor), 0);
                        for (size_t j = tensor.offset; j < tensor.offset + (size_t)tensor.rows * tensor.cols; j++)
                                assert_true(fabs((double)a.theta[j] - (double)b[i].theta[j]) <=
                                            1e-6 * fmax(1, fabs((double)b[i].theta[j])));
                }
        }
}

static void huber_fused_equals_separate(void **state)
{
        const struct ewc_step how = {.knee = 0.2f};

        (void)state;
        for (int k = 0; k < N_OPTIMS; k++) {
                const struct ewc_optim *o = &optims[k];
                struct arrays a, b, plain;
                const struct ewc_penalty pa = {2.5, a.fisher, a.anchor}, pb = {2.5, b.fisher, b.anchor};
                float step[P];

                fill(&a, 103);
                fill(&b, 103);
                fill(&plain, 103);
                for (uint64_t t = 1; t <= 20; t++) {
                        draw(&a);
                        assert_int_equal(ewc_optim_step_with(o, &spec, a.theta, a.grad, a.slots, t, &pa, &how), 0);
                        assert_int_equal(ewc_optim_step(o, P, plain.theta, a.grad, plain.slots, t, &pa), 0);
                        assert_int_equal(ewc_optim_step(o, P, b.theta, a.grad, b.slots, t, NULL), 0);
                        for (int i = 0; o->type == EWC_OPTIM_ADAM && i < P; i++) {
                                float unbias = (float)(1 / (1 - pow((double)o->beta2, (double)t)));

                                step[i] = o->rate / (sqrtf(b.slots[P + i] * unbias) + o->eps);
                        }
                        ewc_penalty_huber_prox(P, b.theta, &pb, o->type == EWC_OPTIM_ADAM ? step : NULL,
                            o->rate / (1.0f - o->momentum), 0.2f);
                        assert_memory_equal(a.theta, b.theta, sizeof(a.theta));
                }
                assert_memory_not_equal(a.theta, plain.theta, sizeof(a.theta));
        }
}

/* Twelve values of lambda, SGD and Adam, square and Huber, a real net and a Fisher with a long tail. */
static void never_nan(void **state)
{
        static const double lambda[] = {1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e5, 1e7, 1e9, 1e11, 1e12, 1e13};
        static const struct ewc_optim plain[] = {{.type = EWC_OPTIM_SGD, .rate = 0.1f},
            {.type = EWC_OPTIM_ADAM, .rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f}};

        (void)state;
        for (int k = 0; k < 12 * 2 * 2; k++) {
                const struct ewc_step how = {.knee = k % 2 ? 0.05f : 0};
                struct fixture f;
                struct arrays a;
                const struct ewc_penalty pen = {lambda[k / 4], a.fisher, a.anchor};
                double loss, sum = 0;
                void *ws;

                fill(&a, 104);
                fixture_init(&f, &spec, NULL, 16, 1, 105);
                ws = test_alloc(ewc_train_workspace(f.net, 16), 1);
                for (size_t i = 0; i < P; i++) {
                        a.fisher[i] = i % 9 ? (float)exp(4 * ewc_rng_normal(&a.rng)) : 0.0f;
                        sum += (double)a.fisher[i];
                }
                for (size_t i = 0; i < P; i++)
                        a.fisher[i] *= (float)(P / sum);
                memcpy(a.anchor, ewc_net_theta(f.net), sizeof(a.anchor));
                for (uint64_t t = 1; t <= 200; t++) {
                        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, a.grad, &loss, ws), 0);
                        assert_int_equal(ewc_optim_step_with(&plain[k / 2 % 2], &spec, ewc_net_theta(f.net), a.grad,
                                             a.slots, t, &pen, &how),
                            0);
                }
                for (size_t i = 0; i < P; i++) {
                        float moved = fabsf(ewc_net_theta(f.net)[i] - a.anchor[i]);

                        assert_true(isfinite(moved));
                        if (lambda[k / 4] == 1e13 && a.fisher[i] >= 1e-3f)
                                assert_true(moved < 1e-6f);
                }
                free(ws);
                fixture_deinit(&f);
        }
}

static void refusals(void **state)
{
        static const float negative[TENSORS] = {1, 1, -1, 1}, nan[TENSORS] = {1, NAN, 1, 1};
        static const struct ewc_step bad[] = {{.rate = negative}, {.rate = nan}, {.knee = -1}, {.knee = NAN}};
        static const float one[TENSORS] = {1, 1, 1, 1};
        const struct ewc_step each = {.rate = one};
        struct arrays a, before;

        (void)state;
        fill(&a, 106);
        before = a;
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(
                    ewc_optim_step_with(&optims[1], &spec, a.theta, a.grad, a.slots, 1, NULL, &bad[i]), EWC_E_INVAL);
        assert_int_equal(
            ewc_optim_step_with(&optims[1], &spec, a.theta, a.grad, a.slots, 0, NULL, &each), EWC_E_INVAL);
        assert_memory_equal(&a, &before, sizeof(a));
        for (size_t at = 0; at < P; at += 13) {
                a = before;
                a.grad[at] = INFINITY;
                assert_int_equal(ewc_optim_step_with(&optims[1], &spec, a.theta, a.grad, a.slots, 1, NULL, &each),
                    EWC_E_NONFINITE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(ones_are_todays_bits),
            cmocka_unit_test(factors_are_honoured),
            cmocka_unit_test(huber_fused_equals_separate),
            cmocka_unit_test(never_nan),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
