/* test_scale.c: scales of a Fisher with the factor that undoes them, training that does not see the unit, shards. */
#include "fixture.h"

#include <ewc/merge.h>

enum { P = 700, STEPS = 100 };

static const struct ewc_spec spec = {.n_inputs = 7,
    .n_outputs = 4,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};

static void fill(float *f, uint64_t seed)
{
        struct ewc_rng r;

        ewc_rng_seed(&r, seed, 0);
        for (size_t i = 0; i < P; i++)
                f[i] = i % 7 == 0 ? 0.0f : (float)exp(3 * ewc_rng_normal(&r));
}

static void every_scale_can_be_undone(void **state)
{
        float f[P], got[P];

        (void)state;
        fill(f, 81);
        for (size_t i = 0; i < P; i++)
                f[i] += 0.5f;
        for (int kind = EWC_NORMALIZE_MEAN; kind <= EWC_NORMALIZE_NONE; kind++) {
                struct ewc_normal n;
                double sum = 0, squares = 0, low = INFINITY, high = 0;

                assert_int_equal(ewc_normalize((enum ewc_normalize)kind, P, P - 50, f, got, &n), 0);
                for (size_t i = 0; i < P; i++) {
                        double v = (double)got[i];

                        sum += v;
                        squares += v * v;
                        low = fmin(low, v);
                        high = fmax(high, v);
                        assert_true(fabs(n.factor * v + n.offset - (double)f[i]) <= 1e-6 * (double)f[i]);
                }
                if (kind == EWC_NORMALIZE_MEAN)
                        assert_true(fabs(sum / (P - 50) - 1) < 1e-6);
                if (kind == EWC_NORMALIZE_L2)
                        assert_true(fabs(squares - 1) < 1e-6);
                if (kind == EWC_NORMALIZE_MINMAX)
                        assert_true(low == 0 && high == 1);
                if (kind == EWC_NORMALIZE_NONE)
                        assert_memory_equal(got, f, sizeof(f));
        }
}

static void names_and_refusals(void **state)
{
        float f[P], got[P];
        struct ewc_normal n;
        enum ewc_normalize kind;

        (void)state;
        for (int i = EWC_NORMALIZE_MEAN; i <= EWC_NORMALIZE_NONE; i++) {
                assert_int_equal(ewc_normalize_parse(ewc_normalize_name((enum ewc_normalize)i), &kind), 0);
                assert_int_equal(kind, i);
        }
        assert_int_equal(ewc_normalize_parse("max", &kind), EWC_E_INVAL);
        fill(f, 82);
        assert_int_equal(ewc_normalize((enum ewc_normalize)5, P, P, f, got, &n), EWC_E_INVAL);
        assert_int_equal(ewc_normalize(EWC_NORMALIZE_MEAN, P, 0, f, got, &n), EWC_E_INVAL);
        assert_int_equal(ewc_normalize(EWC_NORMALIZE_MEAN, P, P + 1, f, got, &n), EWC_E_INVAL);
        for (int i = 0; i < 3; i++) {
                f[9] = i == 0 ? -1.0f : i == 1 ? INFINITY : NAN;
                assert_int_equal(ewc_normalize(EWC_NORMALIZE_L2, P, P, f, got, &n), EWC_E_NONFINITE);
        }
        memset(f, 0, sizeof(f));
        for (int i = EWC_NORMALIZE_MEAN; i <= EWC_NORMALIZE_MINMAX; i++) {
                assert_int_equal(ewc_normalize((enum ewc_normalize)i, P, P, f, f, &n), 0);
                assert_true(n.factor == 0 && f[0] == 0.0f && f[P - 1] == 0.0f);
        }
}

/* STEPS protected steps from a fixed start; fisher as given, on its own scale. */
static void train(const float *raw, double *ret_penalty, float *ret_theta)
{
        const struct ewc_optim o = {.type = EWC_OPTIM_SGD, .rate = 0.1f, .momentum = 0.5f};
        struct fixture f;
        float *fisher, *anchor, *grad, *slots;
        struct ewc_normal n;
        double loss;
        void *ws;

        fixture_init(&f, &spec, NULL, 12, 1, 83);
        assert_true(f.P <= P);
        fisher = test_alloc(f.P, sizeof(float));
        anchor = test_alloc(f.P, sizeof(float));
        grad = test_alloc(f.P, sizeof(float));
        slots = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 12), 1);
        assert_int_equal(ewc_normalize(EWC_NORMALIZE_MEAN, f.P, f.P, raw, fisher, &n), 0);
        memcpy(anchor, ewc_net_theta(f.net), f.P * sizeof(float));
        for (uint64_t t = 1; t <= STEPS; t++) {
                const struct ewc_penalty pen = {0.02, fisher, anchor};

                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), 0);
                assert_int_equal(ewc_optim_step(&o, f.P, ewc_net_theta(f.net), grad, slots, t, &pen), 0);
                ret_penalty[t - 1] = ewc_penalty_value(f.P, ewc_net_theta(f.net), &pen);
        }
        memcpy(ret_theta, ewc_net_theta(f.net), f.P * sizeof(float));
        free(fisher);
        free(anchor);
        free(grad);
        free(slots);
        free(ws);
        fixture_deinit(&f);
}

static void training_does_not_see_the_unit(void **state)
{
        static float f[P], scaled[P], a[P], b[P];
        double penalty[STEPS], other[STEPS];

        (void)state;
        fill(f, 84);
        train(f, penalty, a);
        for (size_t i = 0; i < P; i++)
                scaled[i] = f[i] * 0x1p20f;
        train(scaled, other, b);
        assert_memory_equal(a, b, sizeof(a));
        assert_memory_equal(penalty, other, sizeof(penalty));
        for (size_t i = 0; i < P; i++)
                scaled[i] = f[i] * 1e6f;
        train(scaled, other, b);
        for (size_t t = 0; t < STEPS; t++)
                assert_true(penalty[t] > 0 && fabs(other[t] / penalty[t] - 1) < 1e-5);
}

/* Four shards of unequal size at the same parameters against one pass over all rows. */
static void shards_make_the_whole(void **state)
{
        enum { ROWS = 60, SHARDS = 4 };
        static const size_t rows[SHARDS] = {7, 30, 3, 20};
        const enum ewc_fisher kinds[] = {EWC_FISHER_EXACT, EWC_FISHER_EMPIRICAL};
        struct fixture f;
        struct ewc_shard shard[SHARDS];
        struct ewc_fisher_info info;
        float *part[SHARDS], *whole, *got, *again;
        double *sum, factor;
        void *ws;

        (void)state;
        fixture_init(&f, &spec, NULL, ROWS, 2, 85);
        whole = test_alloc(f.P, sizeof(float));
        got = test_alloc(f.P, sizeof(float));
        again = test_alloc(f.P, sizeof(float));
        sum = test_alloc(f.P, sizeof(double));
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, ROWS), 1);
        for (int kind = 0; kind < 2; kind++) {
                size_t at = 0;

                for (size_t k = 0; k < SHARDS; k++) {
                        struct ewc_batch b = {.n = rows[k], .x = f.x + at * 7, .label = f.label + at};

                        part[k] = test_alloc(f.P, sizeof(float));
                        memset(sum, 0, f.P * sizeof(double));
                        assert_int_equal(ewc_fisher_add(f.net, kinds[kind], NULL, &b, NULL, sum, ws), 0);
                        assert_int_equal(
                            ewc_fisher_finish(&spec, kinds[kind], NULL, rows[k], sum, part[k], &info), 0);
                        shard[k] = (struct ewc_shard){rows[k], info.factor, part[k]};
                        at += rows[k];
                }
                memset(sum, 0, f.P * sizeof(double));
                assert_int_equal(ewc_fisher_add(f.net, kinds[kind], NULL, &f.batch, NULL, sum, ws), 0);
                assert_int_equal(ewc_fisher_finish(&spec, kinds[kind], NULL, ROWS, sum, whole, &info), 0);
                assert_int_equal(ewc_merge_shards(f.P, f.P, SHARDS, shard, got, &factor), 0);
                assert_true(fabs(factor / info.factor - 1) < 1e-6);
                for (size_t i = 0; i < f.P; i++)
                        assert_true(fabs((double)got[i] - (double)whole[i]) <= 1e-6 * (double)whole[i]);
                assert_int_equal(ewc_merge_shards(f.P, f.P, SHARDS, shard, again, &factor), 0);
                assert_memory_equal(got, again, f.P * sizeof(float));
                for (size_t k = 0; k < SHARDS; k++)
                        free(part[k]);
        }
        free(whole);
        free(got);
        free(again);
        free(sum);
        free(ws);
        fixture_deinit(&f);
}

static void bad_shards(void **state)
{
        float f[2] = {1, 2}, got[2] = {9, 9};
        struct ewc_shard s[2] = {{0, 1, f}, {0, 1, f}};
        double factor;

        (void)state;
        assert_int_equal(ewc_merge_shards(2, 2, 2, s, got, &factor), EWC_E_INVAL);
        assert_int_equal(ewc_merge_shards(2, 2, 0, NULL, got, &factor), EWC_E_INVAL);
        s[0].n_samples = 3;
        assert_int_equal(ewc_merge_shards(2, 3, 2, s, got, &factor), EWC_E_INVAL);
        s[1].factor = -1;
        assert_int_equal(ewc_merge_shards(2, 2, 2, s, got, &factor), EWC_E_INVAL);
        s[1].factor = 1;
        f[1] = -1;
        assert_int_equal(ewc_merge_shards(2, 2, 2, s, got, &factor), EWC_E_NONFINITE);
        f[1] = NAN;
        assert_int_equal(ewc_merge_shards(2, 2, 2, s, got, &factor), EWC_E_NONFINITE);
        assert_true(got[0] == 9.0f);
        f[0] = f[1] = 0;
        assert_int_equal(ewc_merge_shards(2, 2, 2, s, got, &factor), 0);
        assert_true(factor == 0 && got[0] == 0.0f);
}

/* Raw F' = raw F + share * mean wherever the head protects, by a loop of its own over tensors; the mean stays 1. */
static void damping_holds_every_protected_parameter(void **state)
{
        static const uint32_t some[] = {0, 3};
        const struct ewc_head head = {2, some}, *heads[] = {NULL, &head};
        const double share = 1e-3;

        (void)state;
        for (int h = 0; h < 2; h++) {
                struct fixture f;
                struct ewc_fisher_info info, damped;
                float *before, *after;
                double *sum, mean = 0;
                void *ws;

                fixture_init(&f, &spec, heads[h], 6, 1, 85);
                for (size_t n = 0; n < 6; n++)
                        f.x[n * 7 + 2] = 0; /* an input that no row shows */
                before = test_alloc(f.P, sizeof(float));
                after = test_alloc(f.P, sizeof(float));
                sum = test_alloc(f.P, sizeof(double));
                ws = test_alloc(ewc_fisher_workspace(f.net, heads[h], EWC_FISHER_EXACT, 6), 1);
                assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, heads[h], &f.batch, NULL, sum, ws), 0);
                assert_int_equal(ewc_fisher_finish(&spec, EWC_FISHER_EXACT, heads[h], 6, sum, before, &info), 0);
                memcpy(after, before, f.P * sizeof(float));
                damped = info;
                assert_int_equal(ewc_fisher_damp(&spec, heads[h], 0, after, &damped), 0);
                assert_memory_equal(after, before, f.P * sizeof(float));
                assert_true(damped.factor == info.factor && damped.trace == info.trace);
                assert_int_equal(ewc_fisher_damp(&spec, heads[h], share, after, &damped), 0);
                for (size_t t = 0; t < ewc_spec_tensors(&spec); t++) {
                        struct ewc_tensor at;

                        ewc_spec_tensor(&spec, t, &at);
                        for (size_t i = 0; i < at.rows * at.cols; i++) {
                                size_t row = i / at.cols, p = at.offset + i;
                                bool held = t < 2 || !heads[h] || row == 0 || row == 3;
                                double want = (double)before[p] * info.factor + (held ? share * info.factor : 0);

                                assert_true(
                                    fabs((double)after[p] * damped.factor - want) < 1e-6 * (want + info.factor));
                                assert_true(held == (after[p] > 0));
                                mean += (double)after[p] / (double)info.n_protected;
                        }
                }
                assert_true(before[2] == 0 && fabs(mean - 1) < 1e-5);
                assert_true(fabs(damped.trace / (double)damped.n_protected / damped.factor - 1) < 1e-12);
                assert_int_equal(ewc_fisher_damp(&spec, heads[h], -1, after, &damped), EWC_E_INVAL);
                assert_int_equal(ewc_fisher_damp(&spec, heads[h], (double)NAN, after, &damped), EWC_E_INVAL);
                damped.factor = 0; /* nothing was measured, so there is no mean to add a share of */
                assert_int_equal(ewc_fisher_damp(&spec, heads[h], share, after, &damped), 0);
                assert_true(damped.factor == 0);
                free(before);
                free(after);
                free(sum);
                free(ws);
                fixture_deinit(&f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_scale_can_be_undone),
            cmocka_unit_test(names_and_refusals),
            cmocka_unit_test(training_does_not_see_the_unit),
            cmocka_unit_test(shards_make_the_whole),
            cmocka_unit_test(bad_shards),
            cmocka_unit_test(damping_holds_every_protected_parameter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
