/* test_similarity.c: cosine of two tasks, and the predicted divergence against the measured one. */
#include "claim.h"

#include <ewc/similarity.h>

static const struct ewc_spec spec = {.n_inputs = 7,
    .n_outputs = 4,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};

static void cosine(void **state)
{
        enum { P = 300 };
        float a[P], b[P], c[P] = {0};
        double ab = 0, aa = 0, bb = 0;
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 121, 0);
        for (size_t i = 0; i < P; i++) {
                double x, y;

                a[i] = i % 9 ? (float)exp(2 * ewc_rng_normal(&r)) : 0.0f;
                b[i] = i % 7 ? (float)exp(2 * ewc_rng_normal(&r)) : 0.0f;
                c[i] = a[i] > 0.0f ? 0.0f : 1.0f;
                x = (double)a[i] / ((double)a[i] + (double)b[i] + 1e-8);
                y = (double)b[i] / ((double)a[i] + (double)b[i] + 1e-8);
                ab += x * y;
                aa += x * x;
                bb += y * y;
        }
        assert_true(fabs(ewc_similarity(P, a, b) - ab / sqrt(aa * bb)) < 1e-12);
        assert_true(ewc_similarity(P, a, b) == ewc_similarity(P, b, a));
        assert_true(fabs(ewc_similarity(P, a, a) - 1) < 1e-12);
        assert_true(ewc_similarity(P, a, c) == 0);
        memset(c, 0, sizeof(c));
        assert_true(ewc_similarity(P, a, c) == 0);
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
                near = ewc_similarity(c.P, F[0], F[1]);
                far = ewc_similarity(c.P, F[0], F[2]);
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
            cmocka_unit_test(predicts_the_divergence),
            cmocka_unit_test(layers_add_up),
            cmocka_unit_test(like_tasks_rank_higher),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
