/* test_optim.c: SGD, momentum and Adam against double precision, the fused penalty against the separate one, lambda 0
 * and a huge lambda, the minimiser of a quadratic toy problem, refusals. */
#include "fixture.h"

static const struct ewc_optim optims[] = {
    {.type = EWC_OPTIM_SGD, .rate = 0.1f},
    {.type = EWC_OPTIM_SGD, .rate = 0.02f, .momentum = 0.9f},
    {.type = EWC_OPTIM_ADAM, .rate = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
};
enum { N_OPTIMS = 3, P = 203 };

static void names(void **state)
{
        enum ewc_optimizer o = EWC_OPTIM_SGD;

        (void)state;
        assert_string_equal(ewc_optimizer_name(EWC_OPTIM_SGD), "sgd");
        assert_int_equal(ewc_optimizer_parse("adam", &o), 0);
        assert_int_equal(o, EWC_OPTIM_ADAM);
        assert_int_equal(ewc_optimizer_parse("lion", &o), EWC_E_INVAL);
        assert_null(ewc_optimizer_name((enum ewc_optimizer)3));
        assert_int_equal(ewc_optim_state(&optims[0], P), 0);
        assert_int_equal(ewc_optim_state(&optims[1], P), P);
        assert_int_equal(ewc_optim_state(&optims[2], P), 2 * P);
}

struct reference { /* one parameter in double */
        double theta, m, v;
};

static void reference_step(
    const struct ewc_optim *o, struct reference *r, double g, double t, double lambda, double f, double a)
{
        double rate = (double)o->rate, mu = (double)o->momentum, b1 = (double)o->beta1, b2 = (double)o->beta2, step;

        if (o->type == EWC_OPTIM_ADAM) {
                r->m = b1 * r->m + (1 - b1) * g;
                r->v = b2 * r->v + (1 - b2) * g * g;
                step = rate / (sqrt(r->v / (1 - pow(b2, t))) + (double)o->eps);
                r->theta -= step * r->m / (1 - pow(b1, t));
        } else {
                r->m = mu * r->m + g;
                r->theta -= rate * r->m;
                step = rate / (1 - mu);
        }
        r->theta = (r->theta + 2 * step * lambda * f * a) / (1 + 2 * step * lambda * f);
}

static void equals_reference(void **state)
{
        (void)state;
        for (int k = 0; k < 2 * N_OPTIMS; k++) {
                const struct ewc_optim *o = &optims[k / 2];
                float theta[P], grad[P], slots[2 * P] = {0}, fisher[P], anchor[P];
                const struct ewc_penalty pen = {k % 2 ? 0.8 : 0, fisher, anchor};
                struct reference ref[P];
                struct ewc_rng r;

                ewc_rng_seed(&r, 31, (uint64_t)k);
                for (int i = 0; i < P; i++) {
                        theta[i] = (float)ewc_rng_normal(&r);
                        anchor[i] = (float)ewc_rng_normal(&r);
                        fisher[i] = i % 5 ? ewc_rng_unit(&r) * 3.0f : 0.0f;
                        ref[i] = (struct reference){.theta = (double)theta[i]};
                }
                for (uint64_t t = 1; t <= 50; t++) {
                        for (int i = 0; i < P; i++)
                                grad[i] = (float)ewc_rng_normal(&r);
                        assert_int_equal(ewc_optim_step(o, P, theta, grad, slots, t, &pen), 0);
                        for (int i = 0; i < P; i++) {
                                reference_step(o, &ref[i], (double)grad[i], (double)t, pen.lambda, (double)fisher[i],
                                    (double)anchor[i]);
                                assert_true(fabs((double)theta[i] - ref[i].theta) < 2e-5);
                        }
                }
        }
}

/* Trains a small net for 100 steps; fills theta (P of the net). */
static void train(const struct ewc_optim *o, const struct ewc_penalty *pen, struct fixture *f)
{
        const struct ewc_spec s = {.n_inputs = 6,
            .n_outputs = 3,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};
        float *grad, *slots;
        double loss;
        void *ws;

        fixture_init(f, &s, NULL, 16, 1, 32);
        grad = test_alloc(f->P, sizeof(float));
        slots = test_alloc(2 * f->P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f->net, 16), 1);
        for (uint64_t t = 1; t <= 100; t++) {
                assert_int_equal(ewc_train_grad(f->net, NULL, &f->batch, 1, false, grad, &loss, ws), 0);
                assert_int_equal(ewc_optim_step(o, f->P, ewc_net_theta(f->net), grad, slots, t, pen), 0);
        }
        free(grad);
        free(slots);
        free(ws);
}

static void lambda_zero_is_plain_training(void **state)
{
        float fisher[200], anchor[200] = {0};
        const struct ewc_penalty none = {0, fisher, anchor};

        (void)state;
        for (int i = 0; i < 200; i++)
                fisher[i] = 1.0f;
        for (int k = 0; k < N_OPTIMS; k++) {
                struct fixture plain, zero, one;
                const struct ewc_penalty some = {1, fisher, anchor};

                train(&optims[k], NULL, &plain);
                train(&optims[k], &none, &zero);
                train(&optims[k], &some, &one);
                assert_true(plain.P < 200);
                assert_memory_equal(ewc_net_theta(plain.net), ewc_net_theta(zero.net), plain.P * sizeof(float));
                assert_memory_not_equal(ewc_net_theta(plain.net), ewc_net_theta(one.net), plain.P * sizeof(float));
                fixture_deinit(&plain);
                fixture_deinit(&zero);
                fixture_deinit(&one);
        }
}

/* Protected parameters start on their anchor and stay there to the bit, the others train. */
static void huge_lambda(void **state)
{
        static const double lambda[] = {1e13, 1e39, 1e300};

        (void)state;
        for (size_t l = 0; l < 3; l++) {
                for (int k = 0; k < N_OPTIMS; k++) {
                        float fisher[200], anchor[200];
                        const struct ewc_penalty pen = {lambda[l], fisher, anchor};
                        struct ewc_net *start;
                        struct ewc_rng r;
                        struct fixture f;
                        const struct ewc_spec s = {.n_inputs = 6,
                            .n_outputs = 3,
                            .loss = EWC_LOSS_SOFTMAX,
                            .n_layers = 1,
                            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};

                        assert_int_equal(ewc_net_new(&start, &s, NULL), 0);
                        ewc_rng_seed(&r, 32, 0);
                        ewc_net_init(start, &r);
                        for (size_t i = 0; i < ewc_net_params(start); i++) {
                                fisher[i] = i % 2 ? 1.5f : 0.0f;
                                anchor[i] = ewc_net_theta(start)[i];
                        }
                        train(&optims[k], &pen, &f);
                        for (size_t i = 0; i < f.P; i++) {
                                assert_true(isfinite(ewc_net_theta(f.net)[i]));
                                assert_true((ewc_net_theta(f.net)[i] == anchor[i]) == (i % 2 == 1));
                        }
                        ewc_net_free(start);
                        fixture_deinit(&f);
                }
        }
}

/* The fused step gives the bits of the plain step followed by ewc_penalty_prox. */
static void fused_equals_separate(void **state)
{
        (void)state;
        for (int k = 0; k < N_OPTIMS; k++) {
                const struct ewc_optim *o = &optims[k];
                float a[P], b[P], grad[P], sa[2 * P] = {0}, sb[2 * P] = {0}, fisher[P], anchor[P], step[P];
                const struct ewc_penalty pen = {2.5, fisher, anchor};
                struct ewc_rng r;

                ewc_rng_seed(&r, 33, (uint64_t)k);
                for (int i = 0; i < P; i++) {
                        a[i] = b[i] = (float)ewc_rng_normal(&r);
                        anchor[i] = (float)ewc_rng_normal(&r);
                        fisher[i] = i % 5 ? ewc_rng_unit(&r) : 0.0f;
                }
                for (uint64_t t = 1; t <= 20; t++) {
                        for (int i = 0; i < P; i++)
                                grad[i] = (float)ewc_rng_normal(&r);
                        assert_int_equal(ewc_optim_step(o, P, a, grad, sa, t, &pen), 0);
                        assert_int_equal(ewc_optim_step(o, P, b, grad, sb, t, NULL), 0);
                        for (int i = 0; o->type == EWC_OPTIM_ADAM && i < P; i++) {
                                float unbias = (float)(1 / (1 - pow((double)o->beta2, (double)t)));

                                step[i] = o->rate / (sqrtf(sb[P + i] * unbias) + o->eps);
                        }
                        ewc_penalty_prox(
                            P, b, &pen, o->type == EWC_OPTIM_ADAM ? step : NULL, o->rate / (1.0f - o->momentum));
                        assert_memory_equal(a, b, sizeof(a));
                }
        }
}

/* Loss 1/2 h (theta - b)^2 + lambda F (theta - a)^2: minimiser (h b + 2 lambda F a) / (h + 2 lambda F). The rate is
 * lowered in stages, since Adam keeps moving by about its rate. */
static void reaches_the_minimiser(void **state)
{
        const double lambda = 0.7;

        (void)state;
        for (int k = 0; k < N_OPTIMS; k++) {
                struct ewc_optim o = optims[k];
                float theta[P], grad[P], slots[2 * P] = {0}, fisher[P], anchor[P];
                const struct ewc_penalty pen = {lambda, fisher, anchor};
                double h[P], b[P];
                struct ewc_rng r;

                ewc_rng_seed(&r, 34, 0);
                for (int i = 0; i < P; i++) {
                        theta[i] = (float)ewc_rng_normal(&r);
                        anchor[i] = (float)ewc_rng_normal(&r);
                        fisher[i] = i % 5 ? 3.0f * ewc_rng_unit(&r) : 0.0f;
                        h[i] = 0.2 + (double)ewc_rng_unit(&r);
                        b[i] = ewc_rng_normal(&r);
                }
                for (uint64_t t = 1; t <= 6000; t++) {
                        if (t % 1500 == 0)
                                o.rate *= 0.2f;
                        for (int i = 0; i < P; i++)
                                grad[i] = (float)(h[i] * ((double)theta[i] - b[i]));
                        assert_int_equal(ewc_optim_step(&o, P, theta, grad, slots, t, &pen), 0);
                }
                for (int i = 0; i < P; i++) {
                        double f = 2 * lambda * (double)fisher[i];
                        double want = (h[i] * b[i] + f * (double)anchor[i]) / (h[i] + f);

                        if (fabs((double)theta[i] - want) > 1e-3)
                                fail_msg("optimiser %d, parameter %d: %g, not %g", k, i, (double)theta[i], want);
                }
        }
}

static void refusals(void **state)
{
        float theta[2] = {1, 2}, grad[2] = {1, 1}, slots[4] = {0}, f[2] = {1, 1}, a[2] = {0, 0};
        struct ewc_penalty pen = {-1, f, a};
        struct ewc_optim o;

        (void)state;
        for (int k = 0; k < N_OPTIMS; k++) {
                o = optims[k];
                assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 0, NULL), EWC_E_INVAL);
                assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, &pen), EWC_E_INVAL);
                pen.lambda = NAN;
                assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, &pen), EWC_E_INVAL);
                pen.lambda = -1;
                o.rate = 0.0f;
                assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, NULL), EWC_E_INVAL);
                o.rate = NAN;
                assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, NULL), EWC_E_INVAL);
        }
        o = optims[0];
        o.momentum = 1.0f;
        assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, NULL), EWC_E_INVAL);
        o = optims[2];
        o.beta2 = 1.0f;
        assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, NULL), EWC_E_INVAL);
        o.type = (enum ewc_optimizer)3;
        assert_int_equal(ewc_optim_step(&o, 2, theta, grad, slots, 1, NULL), EWC_E_INVAL);
        assert_true(theta[0] == 1.0f && theta[1] == 2.0f);
}

static void non_finite(void **state)
{
        static const float bad[] = {NAN, INFINITY, -INFINITY};

        (void)state;
        for (int k = 0; k < N_OPTIMS; k++) {
                for (int b = 0; b < 3; b++) {
                        float theta[P] = {0}, grad[P] = {0}, slots[2 * P] = {0}, f[P], a[P] = {0};
                        const struct ewc_penalty pen = {1, f, a};

                        for (int i = 0; i < P; i++)
                                f[i] = 1.0f;
                        grad[P - 1] = bad[b];
                        assert_int_equal(ewc_optim_step(&optims[k], P, theta, grad, slots, 1, NULL), EWC_E_NONFINITE);
                        memset(theta, 0, sizeof(theta));
                        memset(slots, 0, sizeof(slots));
                        assert_int_equal(ewc_optim_step(&optims[k], P, theta, grad, slots, 1, &pen), EWC_E_NONFINITE);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names),
            cmocka_unit_test(equals_reference),
            cmocka_unit_test(lambda_zero_is_plain_training),
            cmocka_unit_test(huge_lambda),
            cmocka_unit_test(fused_equals_separate),
            cmocka_unit_test(reaches_the_minimiser),
            cmocka_unit_test(refusals),
            cmocka_unit_test(non_finite),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
