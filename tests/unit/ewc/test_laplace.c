/* test_laplace.c: posterior variance, the variance of logits against J var J^T, the probit link, the prior. */
#include "fixture.h"

#include <ewc/laplace.h>

enum { B = 24, O = 4, D = 9, I = 6, L = O * (D + 1), AT = I * D + D };

static struct ewc_spec spec_of(enum ewc_loss loss)
{
        struct ewc_spec s = {.n_inputs = I, .n_outputs = O, .loss = loss, .n_layers = 1};

        s.layers[0] = (struct ewc_layer){.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = D};
        return s;
}

struct kit {
        struct fixture f;
        float *fisher;
        double factor, precision[L];
        float variance[L], phi[B * D], z[B * O], f_var[B * O], probs[B * O];
        void *ws;
};

/* A net with its EXACT Fisher over its own rows, twice: as two records of 1000 and 50 samples. */
static void kit_init(struct kit *k, enum ewc_loss loss, double gain)
{
        const struct ewc_spec s = spec_of(loss);
        struct ewc_fisher_info info;
        double *sum;
        void *ws;

        fixture_init(&k->f, &s, NULL, B, gain, 181);
        sum = test_alloc(k->f.P, sizeof(double));
        k->fisher = test_alloc(k->f.P, sizeof(float));
        ws = test_alloc(ewc_fisher_workspace(k->f.net, NULL, EWC_FISHER_EXACT, B), 1);
        assert_int_equal(ewc_fisher_add(k->f.net, EWC_FISHER_EXACT, NULL, &k->f.batch, NULL, sum, ws), 0);
        assert_int_equal(ewc_fisher_finish(&s, EWC_FISHER_EXACT, NULL, B, sum, k->fisher, &info), 0);
        k->factor = info.factor;
        assert_int_equal(ewc_laplace_inputs(&s), D);
        assert_int_equal(ewc_laplace_params(&s), L);
        assert_int_equal(
            ewc_laplace_precision(&s, 2,
                (struct ewc_evidence[]){{1000, k->factor, k->fisher}, {50, k->factor, k->fisher}}, k->precision),
            0);
        k->ws = test_alloc(ewc_laplace_workspace(k->f.net, B), 1);
        assert_int_equal(ewc_laplace_features(k->f.net, B, k->f.x, k->phi, k->z, k->ws), 0);
        free(sum);
        free(ws);
}

static void kit_deinit(struct kit *k)
{
        free(k->fisher);
        free(k->ws);
        fixture_deinit(&k->f);
}

static void features_are_the_nets(void **state)
{
        static struct kit k;

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, 1);
        for (size_t n = 0; n < B; n++) {
                struct oracle_trace t;

                oracle_forward(&k.f.spec, k.f.theta, k.f.x + n * I, &t);
                for (size_t d = 0; d < D; d++)
                        assert_true(fabs((double)k.phi[n * D + d] - t.a[0][d]) < 1e-6);
                for (size_t o = 0; o < O; o++)
                        assert_true(fabs((double)k.z[n * O + o] - t.z[1][o]) < 1e-5);
        }
        kit_deinit(&k);
}

static void variance_of_logits(void **state)
{
        static struct kit k;
        double *jacobian;

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, 1);
        jacobian = test_alloc(k.f.P, sizeof(double));
        assert_int_equal(ewc_laplace_variance(&k.f.spec, k.precision, 0.3, k.variance), 0);
        ewc_laplace_logit_variance(&k.f.spec, k.variance, B, k.phi, k.f_var);
        for (size_t n = 0; n < B; n++) {
                struct oracle_trace t;

                oracle_forward(&k.f.spec, k.f.theta, k.f.x + n * I, &t);
                for (size_t o = 0; o < O; o++) {
                        double delta[O] = {0}, want = 0;

                        delta[o] = 1;
                        oracle_backward(&k.f.spec, k.f.theta, k.f.x + n * I, &t, delta, jacobian);
                        for (size_t i = AT; i < k.f.P; i++)
                                want += jacobian[i] * jacobian[i] / (1050 * k.factor * (double)k.fisher[i] + 0.3);
                        assert_true(fabs((double)k.f_var[n * O + o] - want) < 1e-5 * want);
                }
        }
        free(jacobian);
        kit_deinit(&k);
}

static void probit_by_definition(void **state)
{
        static const uint32_t outs[] = {0, 2, 3};
        const struct ewc_head head = {3, outs};

        (void)state;
        for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                static struct kit k;

                kit_init(&k, (enum ewc_loss)loss, 2);
                assert_int_equal(ewc_laplace_variance(&k.f.spec, k.precision, 0.01, k.variance), 0);
                ewc_laplace_logit_variance(&k.f.spec, k.variance, B, k.phi, k.f_var);
                assert_int_equal(ewc_laplace_probs(&k.f.spec, &head, B, k.z, k.f_var, k.probs), 0);
                for (size_t n = 0; n < B; n++) {
                        double v[3], sum = 0;

                        for (size_t h = 0; h < 3; h++) {
                                size_t at = n * O + outs[h];

                                v[h] = (double)k.z[at] / sqrt(1 + M_PI / 8 * (double)k.f_var[at]);
                                sum += exp(v[h]);
                        }
                        for (size_t h = 0; h < 3; h++) {
                                double want = loss == EWC_LOSS_SOFTMAX   ? exp(v[h]) / sum
                                              : loss == EWC_LOSS_SIGMOID ? 1 / (1 + exp(-v[h]))
                                                                         : (double)k.z[n * O + outs[h]];

                                assert_true(fabs((double)k.probs[n * 3 + h] - want) < 1e-6 * (1 + fabs(want)));
                        }
                }
                kit_deinit(&k);
        }
}

static void certain_prior_is_plain_softmax(void **state)
{
        static const double prior[] = {1e12, INFINITY};

        (void)state;
        for (int p = 0; p < 2; p++) {
                static struct kit k;
                float plain[B * O];

                kit_init(&k, EWC_LOSS_SOFTMAX, 3);
                assert_int_equal(ewc_laplace_variance(&k.f.spec, k.precision, prior[p], k.variance), 0);
                ewc_laplace_logit_variance(&k.f.spec, k.variance, B, k.phi, k.f_var);
                assert_int_equal(ewc_laplace_probs(&k.f.spec, NULL, B, k.z, k.f_var, k.probs), 0);
                assert_int_equal(ewc_net_probs(k.f.net, NULL, B, k.z, plain), 0);
                for (size_t i = 0; i < B * O; i++)
                        assert_true(fabsf(k.probs[i] - plain[i]) < 1e-6f);
                kit_deinit(&k);
        }
}

static double nll(struct kit *k, double prior)
{
        double sum = 0;

        assert_int_equal(ewc_laplace_variance(&k->f.spec, k->precision, prior, k->variance), 0);
        ewc_laplace_logit_variance(&k->f.spec, k->variance, B, k->phi, k->f_var);
        for (size_t n = 0; n < B; n++) {
                double total = 0;

                for (size_t o = 0; o < O; o++)
                        total += exp((double)k->z[n * O + o] / sqrt(1 + M_PI / 8 * (double)k->f_var[n * O + o]));
                sum += log(total) - (double)k->z[n * O + (size_t)k->f.label[n]] /
                                        sqrt(1 + M_PI / 8 * (double)k->f_var[n * O + (size_t)k->f.label[n]]);
        }
        return sum / B;
}

/* Overconfident net, labels partly its own answers: some doubt is best, neither none nor all. A fine grid agrees. */
static void choice_of_the_prior(void **state)
{
        static struct kit k;
        struct ewc_laplace_choice c;
        double best = INFINITY, got;
        float variance[L], f_var[B * O];

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, 8);
        memset(k.precision, 0, sizeof(k.precision));
        for (size_t n = 0; n < B; n++) {
                int32_t top = 0;

                for (int32_t o = 1; o < O; o++)
                        top = k.z[n * O + (size_t)o] > k.z[n * O + (size_t)top] ? o : top;
                k.f.label[n] = n % 4 == 0 ? (top + 1) % O : top;
        }
        for (double at = -4; at <= 6; at += 0.02)
                best = fmin(best, nll(&k, pow(10, at)));
        assert_int_equal(ewc_laplace_choose(
                             &k.f.spec, NULL, k.precision, B, k.phi, k.z, k.f.label, 1e-4, 1e6, variance, f_var, &c),
            0);
        got = nll(&k, c.prior);
        assert_true(fabs(got - c.nll) < 1e-9 && c.nll < best + 1e-4);
        assert_memory_equal(variance, k.variance, sizeof(variance));
        assert_memory_equal(f_var, k.f_var, sizeof(f_var));
        assert_true(fabs(c.nll_plain - nll(&k, INFINITY)) < 1e-9);
        assert_true(c.nll < c.nll_plain - 0.05);
        assert_true(c.prior > 1e-3 && c.prior < 1e4);
        assert_int_equal(
            ewc_laplace_choose(&k.f.spec, NULL, k.precision, B, k.phi, k.z, k.f.label, 2, 2, variance, f_var, &c), 0);
        assert_true(fabs(c.prior - 2) < 1e-12);
        kit_deinit(&k);
}

static void refusals(void **state)
{
        static struct kit k;
        struct ewc_laplace_choice c;
        struct ewc_evidence bad[3];
        double p[L];
        int32_t label[B] = {0};

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, 1);
        for (int i = 0; i < 3; i++)
                bad[i] = (struct ewc_evidence){i == 0 ? -1 : 10, i == 1 ? -1 : 1, k.fisher};
        assert_int_equal(ewc_laplace_precision(&k.f.spec, 1, &bad[0], p), EWC_E_INVAL);
        assert_int_equal(ewc_laplace_precision(&k.f.spec, 1, &bad[1], p), EWC_E_INVAL);
        assert_int_equal(ewc_laplace_precision(&k.f.spec, 0, NULL, p), 0);
        assert_true(p[0] == 0 && p[L - 1] == 0);
        k.fisher[k.f.P - 1] = NAN;
        assert_int_equal(ewc_laplace_precision(&k.f.spec, 1, &bad[2], p), EWC_E_NONFINITE);
        k.fisher[k.f.P - 1] = -1;
        assert_int_equal(ewc_laplace_precision(&k.f.spec, 1, &bad[2], p), EWC_E_NONFINITE);
        assert_int_equal(ewc_laplace_variance(&k.f.spec, p, 0, k.variance), EWC_E_INVAL);
        assert_int_equal(ewc_laplace_variance(&k.f.spec, p, NAN, k.variance), EWC_E_INVAL);
        assert_int_equal(ewc_laplace_features(k.f.net, 0, k.f.x, k.phi, k.z, k.ws), EWC_E_DIM);
        assert_int_equal(
            ewc_laplace_choose(&k.f.spec, NULL, k.precision, B, k.phi, k.z, label, 0, 1, k.variance, k.f_var, &c),
            EWC_E_INVAL);
        assert_int_equal(
            ewc_laplace_choose(&k.f.spec, NULL, k.precision, B, k.phi, k.z, label, 2, 1, k.variance, k.f_var, &c),
            EWC_E_INVAL);
        label[5] = O;
        assert_int_equal(
            ewc_laplace_choose(&k.f.spec, NULL, k.precision, B, k.phi, k.z, label, 1, 2, k.variance, k.f_var, &c),
            EWC_E_LABEL);
        label[5] = -1;
        assert_int_equal(
            ewc_laplace_choose(&k.f.spec, NULL, k.precision, B, k.phi, k.z, label, 1, 2, k.variance, k.f_var, &c),
            EWC_E_LABEL);
        memset(k.f_var, 0, sizeof(k.f_var));
        k.z[3] = INFINITY;
        assert_int_equal(ewc_laplace_probs(&k.f.spec, NULL, B, k.z, k.f_var, k.probs), EWC_E_NONFINITE);
        k.f.x[0] = NAN;
        assert_int_equal(ewc_laplace_features(k.f.net, B, k.f.x, k.phi, k.z, k.ws), EWC_E_NONFINITE);
        kit_deinit(&k);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(features_are_the_nets),
            cmocka_unit_test(variance_of_logits),
            cmocka_unit_test(probit_by_definition),
            cmocka_unit_test(certain_prior_is_plain_softmax),
            cmocka_unit_test(choice_of_the_prior),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
