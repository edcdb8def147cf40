/* test_similarity.c: cosine of two tasks, and the predicted divergence against the measured one. */
#include "claim.h"

#include <ewc/similarity.h>

static const struct ewc_spec spec = {.n_inputs = 7,
    .n_outputs = 4,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};

static const struct ewc_spec image = {.n_inputs = 50,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 3,
    .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 6, .kernel = 3, .stride = 1},
        {.type = EWC_LAYER_GROUP_NORM, .activation = EWC_ACT_RELU, .groups = 2},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 5}},
    .input = {5, 5, 2}};

static const struct ewc_spec ids = {.n_inputs = 3,
    .n_outputs = 2,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 4, .count = 11}}};

/* Rows and columns of the tensors in vector order, written out by hand. */
static const struct shapes {
        const struct ewc_spec *spec;
        size_t n;
        size_t of[8][2];
} shapes[] = {{&spec, 4, {{9, 7}, {9, 1}, {4, 9}, {4, 1}}},
    {&image, 8, {{6, 18}, {6, 1}, {6, 1}, {6, 1}, {5, 54}, {5, 1}, {3, 5}, {3, 1}}},
    {&ids, 3, {{11, 4}, {2, 12}, {2, 1}}}};

/* The cosine from how far the two directions lie apart: half the square of the chord, off 1. */
static double oracle_similarity(const struct shapes *s, size_t n, const float *a, const float *b)
{
        double len[2] = {0}, apart = 0, x[2];

        for (int pass = 0; pass < 2; pass++) {
                const float *at[2] = {a, b};

                for (size_t k = 0; k < n; k++) {
                        for (size_t row = 0; row < s->of[k][0]; row++) {
                                double mean[2] = {0};

                                for (int v = 0; v < 2; v++)
                                        for (size_t col = 0; col < s->of[k][1]; col++)
                                                mean[v] += (double)*at[v]++ / (double)s->of[k][1];
                                for (int v = 0; v < 2; v++) {
                                        x[v] = mean[v] / (mean[0] + mean[1] + 1e-8);
                                        if (pass == 0)
                                                len[v] += x[v] * x[v];
                                }
                                if (pass == 1) {
                                        double d = x[0] / sqrt(len[0]) - x[1] / sqrt(len[1]);

                                        apart += d * d;
                                }
                        }
                }
        }
        return 1 - apart / 2;
}

static void cosine(void **state)
{
        enum { P_MAX = 600 };
        float a[P_MAX], b[P_MAX], c[P_MAX];
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 121, 0);
        for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
                const struct shapes *s = &shapes[k];
                size_t P = ewc_spec_params(s->spec);

                assert_int_equal(ewc_spec_check(s->spec, NULL, 0), 0);
                assert_int_equal(ewc_spec_tensors(s->spec), s->n);
                assert_in_range(P, 1, P_MAX);
                for (size_t i = 0; i < P; i++) {
                        a[i] = i % 9 ? (float)exp(2 * ewc_rng_normal(&r)) : 0.0f;
                        b[i] = i % 7 ? (float)exp(2 * ewc_rng_normal(&r)) : 0.0f;
                }
                for (size_t n = 1; n <= s->n; n++) {
                        double got = ewc_similarity(s->spec, n, a, b);

                        assert_true(fabs(got - oracle_similarity(s, n, a, b)) < 1e-12);
                        assert_true(got == ewc_similarity(s->spec, n, b, a));
                        assert_true(got > 0.2 && got < 0.99);
                        assert_true(fabs(ewc_similarity(s->spec, n, a, a) - 1) < 1e-7); /* 1e-8 beside small means */
                }
                assert_true(ewc_similarity(s->spec, s->n, a, b) == ewc_similarity(s->spec, s->n + 5, a, b));
                assert_true(ewc_similarity(s->spec, 0, a, b) == 0);
                memset(c, 0, sizeof(c));
                assert_true(ewc_similarity(s->spec, s->n, a, c) == 0 && ewc_similarity(s->spec, s->n, c, c) == 0);
        }
}

/* Each the importance of every other unit, weights and bias. */
static void disjoint_units(void **state)
{
        float a[112] = {0}, b[112] = {0};
        size_t at = 0;

        (void)state;
        for (size_t k = 0; k < shapes[0].n; k++) {
                for (size_t i = 0; i < shapes[0].of[k][0] * shapes[0].of[k][1]; i++, at++)
                        (i / shapes[0].of[k][1] % 2 ? a : b)[at] = 1 + (float)(i % 5);
        }
        assert_int_equal(at, ewc_spec_params(&spec));
        assert_true(ewc_similarity(&spec, 4, a, b) == 0);
}

/* Far below 1e-8 a mean is nothing: units that no row reached do not make two tasks strange to each other. */
static void unreached_units(void **state)
{
        float a[112], b[112];
        double without;

        (void)state;
        for (size_t i = 0; i < 112; i++) {
                bool reached = i >= 63 || i / 7 < 6;

                a[i] = reached ? 1 + (float)(i % 3) : 0;
                b[i] = reached ? 1 + (float)(i % 4) : 0;
        }
        without = ewc_similarity(&spec, 4, a, b);
        for (size_t i = 42; i < 63; i++)
                a[i] = 1e-14f;
        assert_true(without > 0.8 && fabs(ewc_similarity(&spec, 4, a, b) - without) < 1e-9);
}

/* What a few hundred rows make of one Fisher: every weight is off by a factor of its own. Weight by weight two such
 * samples look as strange as other tasks do; over a unit's weights the factors cancel. */
static void noise_within_a_unit(void **state)
{
        static const struct ewc_spec wide = {.n_inputs = 300,
            .n_outputs = 4,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 40}}};
        size_t P = ewc_spec_params(&wide);
        float *a = test_alloc(P, sizeof(float)), *b = test_alloc(P, sizeof(float)), *c = test_alloc(P, sizeof(float));
        double ab = 0, aa = 0, bb = 0, same, other, by_weight;
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 124, 0);
        for (size_t unit = 0; unit < 40; unit++) {
                double own = exp(ewc_rng_normal(&r)), strange = exp(ewc_rng_normal(&r));

                for (size_t i = unit * 300; i < (unit + 1) * 300; i++) {
                        a[i] = (float)(own * exp(1.2 * ewc_rng_normal(&r)));
                        b[i] = (float)(own * exp(1.2 * ewc_rng_normal(&r)));
                        c[i] = (float)(strange * exp(1.2 * ewc_rng_normal(&r)));
                        double x = (double)a[i] / ((double)a[i] + (double)b[i]), y = 1 - x;

                        ab += x * y;
                        aa += x * x;
                        bb += y * y;
                }
        }
        by_weight = ab / sqrt(aa * bb);
        same = ewc_similarity(&wide, 1, a, b);
        other = ewc_similarity(&wide, 1, a, c);
        assert_true(by_weight < 0.65);
        assert_true(same > 0.98 && other < same - 0.2);
        free(a);
        free(b);
        free(c);
}

/* Mean over the rows of KL(p_old || p_new). One parameter moves at a time, so that the diagonal is all there is of
 * the Fisher; both then agree up to the third order of the move. */
static void predicts_the_divergence(void **state)
{
        struct fixture f;
        struct ewc_fisher_info info;
        double *sum, layer[2];
        float *fisher, *moved;
        void *ws;

        (void)state;
        fixture_init(&f, &spec, NULL, 32, 1.5, 122);
        sum = test_alloc(f.P, sizeof(double));
        fisher = test_alloc(f.P, sizeof(float));
        moved = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, 32), 1);
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, sum, ws), 0);
        assert_int_equal(ewc_fisher_finish(&spec, EWC_FISHER_EXACT, NULL, 32, sum, fisher, &info), 0);
        assert_int_equal(ewc_layers(&spec), 2);
        for (size_t i = 0; i < f.P; i += 7) {
                double kl = 0, got, *theta = test_alloc(f.P, sizeof(double));

                memcpy(moved, ewc_net_theta(f.net), f.P * sizeof(float));
                moved[i] += 0.01f;
                for (size_t j = 0; j < f.P; j++)
                        theta[j] = (double)moved[j];
                for (size_t n = 0; n < 32; n++) {
                        struct oracle_trace t;
                        double p[4], q[4];

                        oracle_forward(&spec, f.theta, f.x + n * 7, &t);
                        oracle_probs(&spec, NULL, t.z[1], p);
                        oracle_forward(&spec, theta, f.x + n * 7, &t);
                        oracle_probs(&spec, NULL, t.z[1], q);
                        for (size_t c = 0; c < 4; c++)
                                kl += p[c] * log(p[c] / q[c]) / 32;
                }
                got = ewc_predicted_kl(&spec, info.factor, fisher, ewc_net_theta(f.net), moved, layer);
                assert_true(kl > 0 && fabs(got / kl - 1) < 0.03);
                assert_true(fabs(layer[i < 72 ? 0 : 1] - got) < 1e-15 && layer[i < 72 ? 1 : 0] == 0);
                assert_true(got == ewc_predicted_kl(&spec, info.factor, fisher, ewc_net_theta(f.net), moved, NULL));
                free(theta);
        }
        free(sum);
        free(fisher);
        free(moved);
        free(ws);
        fixture_deinit(&f);
}

static void layers_add_up(void **state)
{
        struct fixture f;
        float *fisher, *moved;
        double want[2] = {0}, got[2], sum;

        (void)state;
        fixture_init(&f, &spec, NULL, 4, 1, 123);
        fisher = test_alloc(f.P, sizeof(float));
        moved = test_alloc(f.P, sizeof(float));
        for (size_t i = 0; i < f.P; i++) {
                double d;

                fisher[i] = (float)(i % 5);
                moved[i] = ewc_net_theta(f.net)[i] + 0.1f * (float)(i % 3);
                d = (double)moved[i] - (double)ewc_net_theta(f.net)[i];
                want[i >= 72] += 0.5 * 2e-3 * (double)fisher[i] * d * d;
        }
        sum = ewc_predicted_kl(&spec, 2e-3, fisher, ewc_net_theta(f.net), moved, got);
        assert_true(fabs(got[0] - want[0]) < 1e-12 && fabs(got[1] - want[1]) < 1e-12);
        assert_true(fabs(sum - want[0] - want[1]) < 1e-12 && want[0] > 1e-4 && want[1] > 1e-4);
        free(fisher);
        free(moved);
        fixture_deinit(&f);
}

/* One net that knows a task, and the Fishers that two others have in it: one whose inputs are turned a little (15
 * degrees in the plane of every two), one whose inputs are shuffled. The first is the more like, seed by seed. */
static void like_tasks_rank_higher(void **state)
{
        static struct claim_task own, turned, shuffled;
        int right = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                const float cosine15 = 0.9659f, sine15 = 0.2588f;
                struct ewc_fisher_info info;
                struct claim c;
                float *F[3];
                double near, far;

                claim_task_make(&own, seed, 1);
                for (int n = 0; n < CLAIM_ROWS; n++) {
                        const float *x = own.x + n * CLAIM_DIM;

                        for (int i = 0; i < CLAIM_DIM; i += 2) {
                                turned.x[n * CLAIM_DIM + i] = cosine15 * x[i] - sine15 * x[i + 1];
                                turned.x[n * CLAIM_DIM + i + 1] = sine15 * x[i] + cosine15 * x[i + 1];
                        }
                        for (int i = 0; i < CLAIM_DIM; i++) /* none stays where it was */
                                shuffled.x[n * CLAIM_DIM + i] = x[(3 * i + 1) % CLAIM_DIM];
                        turned.label[n] = shuffled.label[n] = own.label[n];
                }
                claim_open(&c, 32, seed);
                claim_train(&c, &own, 0, CLAIM_ROWS, CLAIM_EPOCHS, NULL);
                for (int k = 0; k < 3; k++) {
                        F[k] = test_alloc(c.P, sizeof(float));
                        claim_fisher(&c, EWC_FISHER_EXACT,
                            k == 0   ? &own
                            : k == 1 ? &turned
                                     : &shuffled,
                            0, CLAIM_ROWS, F[k], &info);
                }
                near = ewc_similarity(&c.spec, ewc_spec_tensors(&c.spec), F[0], F[1]);
                far = ewc_similarity(&c.spec, ewc_spec_tensors(&c.spec), F[0], F[2]);
                print_message("seed %d: turned %.3f, shuffled %.3f\n", (int)seed, near, far);
                right += near > far;
                for (int k = 0; k < 3; k++)
                        free(F[k]);
                claim_close(&c);
        }
        assert_true(right >= 9);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(cosine),
            cmocka_unit_test(disjoint_units),
            cmocka_unit_test(unreached_units),
            cmocka_unit_test(noise_within_a_unit),
            cmocka_unit_test(predicts_the_divergence),
            cmocka_unit_test(layers_add_up),
            cmocka_unit_test(like_tasks_rank_higher),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
