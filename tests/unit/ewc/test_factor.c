/* test_factor.c: S S^T equals the Fisher of the output distribution, however confident; drawn columns are
 * unbiased. */
#include "oracle.h"

#include "ewc/factor.h"

enum { O = 12 };
static const uint32_t some[] = {0, 2, 3, 7, 11};
static const struct ewc_head head = {5, some};

static struct ewc_factor factor(
    const struct ewc_spec *s, const struct ewc_head *h, enum ewc_fisher kind, double *p, double *tail)
{
        return (struct ewc_factor){.kind = kind, .spec = s, .head = h, .p = p, .tail = tail};
}

/* want (O,O): covariance of the gradient of log p(y|z) by z. */
static void output_fisher(const struct ewc_spec *s, const struct ewc_head *h, const double *z, double want[O][O])
{
        double p[ORACLE_UNITS];

        oracle_probs(s, h, z, p);
        for (uint32_t i = 0; i < O; i++) {
                for (uint32_t j = 0; j < O; j++) {
                        bool active = !h || i == 0 || i == 2 || i == 3 || i == 7 || i == 11;

                        if (s->loss == EWC_LOSS_SOFTMAX)
                                want[i][j] = (i == j ? p[i] : 0) - p[i] * p[j];
                        else if (i != j || !active)
                                want[i][j] = 0;
                        else
                                want[i][j] = s->loss == EWC_LOSS_SIGMOID ? p[i] * (1 - p[i]) : 1;
                }
        }
}

static void exact_columns(void **state)
{
        static const double gains[] = {0.1, 1, 5, 20};
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 41, 0);
        for (int k = 0; k < 200; k++) {
                const struct ewc_spec s = {
                    .n_inputs = 1, .n_outputs = O, .loss = (enum ewc_loss)(1 + k % 3), .n_layers = 0};
                const struct ewc_head *h = k % 2 ? &head : NULL;
                double p[O], tail[O], z[O], want[O][O];
                struct ewc_factor f = factor(&s, h, EWC_FISHER_EXACT, p, tail);
                uint32_t K = ewc_factor_columns(&s, h, EWC_FISHER_EXACT);
                float S[O * O], half[O * O], logits[O];

                assert_int_equal(K, (h ? 5 : O) - (s.loss == EWC_LOSS_SOFTMAX));
                for (int o = 0; o < O; o++)
                        z[o] = (double)(logits[o] = (float)(gains[k / 50] * ewc_rng_normal(&r)));
                ewc_factor_fill(&f, NULL, NULL, 0, logits, 0, K, NULL, S);
                ewc_factor_fill(&f, NULL, NULL, 0, logits, 0, 2, NULL, half); /* in two goes: the same columns */
                ewc_factor_fill(&f, NULL, NULL, 0, logits, 2, K - 2, NULL, half + 2 * O);
                assert_memory_equal(S, half, K * O * sizeof(float));
                output_fisher(&s, h, z, want);
                for (int i = 0; i < O; i++) {
                        for (int j = 0; j < O; j++) {
                                double got = 0;

                                for (uint32_t c = 0; c < K; c++)
                                        got += (double)S[c * O + (uint32_t)i] * (double)S[c * O + (uint32_t)j];
                                assert_true(fabs(got - want[i][j]) < 2e-7);
                        }
                }
        }
}

/* A gap of 60: p (1 - p) is 1e-26, far below the rounding of p itself. */
static void confident(void **state)
{
        const struct ewc_spec s = {.n_inputs = 1, .n_outputs = 2, .loss = EWC_LOSS_SOFTMAX, .n_layers = 0};
        double p[2], tail[2], want = exp(-30.0);
        struct ewc_factor f = factor(&s, NULL, EWC_FISHER_EXACT, p, tail);
        const float z[2] = {-20, 40};
        float S[2];

        (void)state;
        ewc_factor_fill(&f, NULL, NULL, 0, z, 0, 1, NULL, S);
        assert_true(fabs(fabs((double)S[0]) / want - 1) < 1e-6);
        assert_true(S[1] == -S[0]);
}

static void single_output(void **state)
{
        struct ewc_spec s = {.n_inputs = 1, .n_outputs = 1, .loss = EWC_LOSS_SOFTMAX, .n_layers = 0};

        (void)state;
        assert_int_equal(ewc_factor_columns(&s, NULL, EWC_FISHER_EXACT), 0);
        s.loss = EWC_LOSS_SIGMOID;
        assert_int_equal(ewc_factor_columns(&s, NULL, EWC_FISHER_EXACT), 1);
        assert_int_equal(ewc_factor_columns(&s, NULL, EWC_FISHER_EMPIRICAL), 1);
}

/* Mean of 40000 drawn outer products: standard deviation of an entry is at most 0.01 (softmax, sigmoid). */
static void drawn_columns(void **state)
{
        enum { DRAWS = 40000 };

        (void)state;
        for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                const struct ewc_spec s = {.n_inputs = 1, .n_outputs = O, .loss = (enum ewc_loss)loss, .n_layers = 0};
                double p[O], tail[O], z[O], want[O][O], got[O][O] = {{0}};
                struct ewc_factor f = factor(&s, &head, EWC_FISHER_SAMPLE, p, tail);
                float logits[O], column[O];
                struct ewc_rng r;

                ewc_rng_seed(&r, 42, 0);
                for (int o = 0; o < O; o++)
                        z[o] = (double)(logits[o] = (float)ewc_rng_normal(&r));
                output_fisher(&s, &head, z, want);
                for (int n = 0; n < DRAWS; n++) {
                        ewc_factor_fill(&f, NULL, NULL, 0, logits, 0, 1, &r, column);
                        for (int i = 0; i < O; i++) {
                                for (int j = 0; j < O; j++)
                                        got[i][j] += (double)column[i] * (double)column[j] / DRAWS;
                        }
                }
                for (int i = 0; i < O; i++) {
                        for (int j = 0; j < O; j++)
                                assert_true(fabs(got[i][j] - want[i][j]) < 0.04);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(exact_columns),
            cmocka_unit_test(confident),
            cmocka_unit_test(single_output),
            cmocka_unit_test(drawn_columns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
