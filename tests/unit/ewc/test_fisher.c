/* test_fisher.c: every Fisher against an explicit loop over samples and classes in double, and its properties.
 *
 * Errors are relative to max(|value|, 1e-6 * mean), the measure of the reference; float products stay below 1e-4. A
 * batch mean may cancel: the square v of BATCHED is measured by the geometric mean of v and the mean square of the
 * gradients it averages. */
#include "fixture.h"

static const uint32_t some[] = {1, 4, 6};
static const struct ewc_head sub_head = {3, some};

/* sum (P) = explicit per-sample sums, the labels of SAMPLE drawn by the documented order from *r; size (P) what
 * errors are measured by. */
static void explicit_sum(const struct fixture *f, enum ewc_fisher kind, struct ewc_rng *r, double *sum, double *size)
{
        const struct ewc_spec *s = &f->spec;
        const uint32_t O = s->n_outputs, H = f->head ? f->head->n : O;
        double *g = test_alloc(f->P, sizeof(double)), *mean = test_alloc(f->P, sizeof(double));
        struct oracle_trace t;

        memset(sum, 0, f->P * sizeof(*sum));
        for (size_t n = 0; n < f->batch.n; n++) {
                double p[ORACLE_UNITS], delta[ORACLE_UNITS], *z;
                uint32_t passes = kind == EWC_FISHER_EXACT ? H : 1;

                oracle_forward(s, f->theta, f->x + n * s->n_inputs, &t);
                z = t.z[s->n_layers];
                oracle_probs(s, f->head, z, p);
                for (uint32_t c = 0; c < passes; c++) {
                        uint32_t o = f->head ? f->head->out[c] : c;
                        double weight = 1;

                        memset(delta, 0, sizeof(delta));
                        if (kind == EWC_FISHER_EXACT && s->loss == EWC_LOSS_SOFTMAX) {
                                oracle_delta(s, f->head, z, (int32_t)o, NULL, delta);
                                weight = p[o];
                        } else if (kind == EWC_FISHER_EXACT) {
                                /* independent outputs: the mean over y of the square is Var(y) (dz_o/dtheta)^2 */
                                delta[o] = 1;
                                weight = s->loss == EWC_LOSS_SIGMOID ? p[o] * (1 - p[o]) : 1;
                        } else if (kind == EWC_FISHER_SAMPLE) {
                                double u = s->loss == EWC_LOSS_SOFTMAX ? (double)(ewc_rng_u64(r) >> 11) * 0x1p-53 : 0;
                                int32_t label = -1;

                                for (uint32_t h = 0; h < H; h++) {
                                        uint32_t k = f->head ? f->head->out[h] : h;

                                        if (s->loss == EWC_LOSS_SIGMOID)
                                                delta[k] = p[k] - ((double)(ewc_rng_u64(r) >> 11) * 0x1p-53 < p[k]);
                                        else if (s->loss == EWC_LOSS_SQUARED)
                                                delta[k] = -ewc_rng_normal(r);
                                        else if (label < 0 && (u -= p[k]) < 0)
                                                label = (int32_t)k;
                                }
                                if (s->loss == EWC_LOSS_SOFTMAX)
                                        oracle_delta(s, f->head, z, label, NULL, delta);
                        } else {
                                oracle_delta(s, f->head, z, f->label[n], f->target + n * O, delta);
                        }
                        oracle_backward(s, f->theta, f->x + n * s->n_inputs, &t, delta, g);
                        for (size_t i = 0; i < f->P; i++) {
                                sum[i] += weight * g[i] * g[i];
                                mean[i] += g[i] / (double)f->batch.n;
                        }
                }
        }
        for (size_t i = 0; i < f->P; i++) {
                size[i] = kind == EWC_FISHER_BATCHED ? fabs(mean[i]) * sqrt(sum[i] / (double)f->batch.n) : sum[i];
                sum[i] = kind == EWC_FISHER_BATCHED ? mean[i] * mean[i] : sum[i];
        }
        free(g);
        free(mean);
}

static double worst_error(size_t P, const double *got, const double *want, const double *size)
{
        double mean = 0, worst = 0;

        for (size_t i = 0; i < P; i++)
                mean += want[i] / (double)P;
        for (size_t i = 0; i < P; i++)
                worst = fmax(worst, fabs(got[i] - want[i]) / fmax(size[i], 1e-6 * mean));
        return worst;
}

/* got (P) += the library's sum over rows n0 .. n0+n-1 of the fixture. */
static void add(const struct fixture *f, enum ewc_fisher kind, size_t n0, size_t n, struct ewc_rng *r, double *got)
{
        struct ewc_batch part = f->batch;
        void *ws = test_alloc(ewc_fisher_workspace(f->net, f->head, kind, n), 1);

        part.n = n;
        part.x += n0 * f->spec.n_inputs;
        part.label = part.label ? part.label + n0 : NULL;
        part.target = part.target ? part.target + n0 * f->spec.n_outputs : NULL;
        assert_int_equal(ewc_fisher_add(f->net, kind, f->head, &part, r, got, ws), 0);
        free(ws);
}

static const struct ewc_spec specs[] = {
    {.n_inputs = 6,
        .n_outputs = 2,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 1,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 9}}},
    {.n_inputs = 8,
        .n_outputs = 10,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 1,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 7}}},
    {.n_inputs = 7,
        .n_outputs = 10,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 3,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 12},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_GELU, .units = 11},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_SIGMOID, .units = 9}}},
    {.n_inputs = 5,
        .n_outputs = 7,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 0},
};

static void against_explicit_loop(void **state)
{
        enum { B = 64 };

        (void)state;
        for (size_t k = 0; k < sizeof(specs) / sizeof(specs[0]); k++) {
                for (int variant = 0; variant < 16; variant++) {
                        struct ewc_spec s = specs[k];
                        enum ewc_fisher kind = (enum ewc_fisher)(1 + variant % 4);
                        int how = variant / 4; /* shared head, own head, sigmoid, squared */
                        double *got, *want, *size, e;
                        struct ewc_rng a, b;
                        struct fixture f;

                        if (how >= 2)
                                s.loss = how == 2 ? EWC_LOSS_SIGMOID : EWC_LOSS_SQUARED;
                        fixture_init(&f, &s, how == 1 && s.n_outputs > 6 ? &sub_head : NULL, B, 2.5, 60 + k);
                        got = test_alloc(f.P, sizeof(double));
                        want = test_alloc(f.P, sizeof(double));
                        size = test_alloc(f.P, sizeof(double));
                        ewc_rng_seed(&a, 61, 0);
                        b = a;
                        add(&f, kind, 0, B, &a, got);
                        explicit_sum(&f, kind, &b, want, size);
                        assert_memory_equal(&a, &b, sizeof(a)); /* both drew the same numbers */
                        e = worst_error(f.P, got, want, size);
                        if (!(e < 1e-4))
                                fail_msg("net %d, %s, how %d: error %g", (int)k, ewc_fisher_name(kind), how, e);
                        for (size_t i = 0; i < f.P; i++)
                                assert_true(got[i] >= 0);
                        fixture_deinit(&f);
                        free(got);
                        free(want);
                        free(size);
                }
        }
}

/* Blocks of rows and of columns: more of both than one block holds. */
static void many_rows_and_columns(void **state)
{
        struct ewc_spec s = {.n_inputs = 3,
            .n_outputs = 300,
            .loss = EWC_LOSS_SIGMOID,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 4}}};
        double *whole, *single;
        struct fixture f;

        (void)state;
        fixture_init(&f, &s, NULL, 11, 1, 70);
        whole = test_alloc(f.P, sizeof(double));
        single = test_alloc(f.P, sizeof(double));
        add(&f, EWC_FISHER_EXACT, 0, 11, NULL, whole);
        for (size_t n = 0; n < 11; n++)
                add(&f, EWC_FISHER_EXACT, n, 1, NULL, single);
        assert_true(worst_error(f.P, whole, single, single) < 1e-5);
        /* d logit_o / d out.b_o = 1: the bias of output o has the sum of p (1 - p) */
        for (uint32_t o = 0; o < 300; o++) {
                double want = 0;

                for (size_t n = 0; n < 11; n++) {
                        struct oracle_trace t;
                        double z;

                        s.n_outputs = 300;
                        z = f.theta[16 + 1200 + o];
                        for (uint32_t i = 0; i < 4; i++) {
                                double a = f.theta[12 + i];

                                for (uint32_t x = 0; x < 3; x++)
                                        a += f.theta[i * 3 + x] * (double)f.x[n * 3 + x];
                                t.a[0][i] = tanh(a);
                                z += f.theta[16 + o * 4 + i] * t.a[0][i];
                        }
                        want += 1 / ((1 + exp(-z)) * (1 + exp(z)));
                }
                assert_true(fabs(whole[16 + 1200 + o] / want - 1) < 1e-5);
        }
        fixture_deinit(&f);
        free(whole);
        free(single);
}

/* More columns than one block holds cost no more room than one block. */
static void workspace_is_bounded(void **state)
{
        const struct ewc_spec s = {.n_inputs = 3,
            .n_outputs = 3000,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 4}}};
        struct ewc_net *net;
        size_t one, all;

        (void)state;
        assert_int_equal(ewc_net_new(&net, &s, NULL), 0);
        one = ewc_fisher_workspace(net, NULL, EWC_FISHER_EMPIRICAL, 1);
        all = ewc_fisher_workspace(net, NULL, EWC_FISHER_EXACT, 1);
        assert_true(all > one && all - one <= 2 * 1024 * 3000 * sizeof(float));
        ewc_net_free(net);
}

/* A sample's weight belongs to training, not to the Fisher. */
static void weights_are_ignored(void **state)
{
        const float weight[8] = {0, 1, 2, 3, 4, 5, 6, 7};

        (void)state;
        for (int kind = EWC_FISHER_EXACT; kind <= EWC_FISHER_BATCHED; kind++) {
                struct ewc_rng a, b;
                struct fixture f;
                double *plain, *weighted;

                ewc_rng_seed(&a, 1, 1);
                b = a;
                fixture_init(&f, &specs[1], NULL, 8, 1, 76);
                plain = test_alloc(f.P, sizeof(double));
                weighted = test_alloc(f.P, sizeof(double));
                add(&f, (enum ewc_fisher)kind, 0, 8, &a, plain);
                f.batch.weight = weight;
                add(&f, (enum ewc_fisher)kind, 0, 8, &b, weighted);
                assert_memory_equal(plain, weighted, f.P * sizeof(double));
                fixture_deinit(&f);
                free(plain);
                free(weighted);
        }
}

static void order_and_shards(void **state)
{
        enum { B = 64 };
        static const enum ewc_fisher kinds[] = {EWC_FISHER_EXACT, EWC_FISHER_EMPIRICAL};

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                struct fixture f;
                double *whole, *shards, *turned;

                fixture_init(&f, &specs[2], NULL, B, 2, 71);
                whole = test_alloc(f.P, sizeof(double));
                shards = test_alloc(f.P, sizeof(double));
                turned = test_alloc(f.P, sizeof(double));
                add(&f, kinds[k], 0, B, NULL, whole);
                for (size_t q = 0; q < 4; q++)
                        add(&f, kinds[k], q * B / 4, B / 4, NULL, shards);
                assert_true(worst_error(f.P, shards, whole, whole) < 1e-5);
                for (size_t n = 0; n < B / 2; n++) {
                        int32_t label = f.label[n];

                        f.label[n] = f.label[B - 1 - n];
                        f.label[B - 1 - n] = label;
                        for (size_t i = 0; i < 7; i++) {
                                float x = f.x[n * 7 + i];

                                f.x[n * 7 + i] = f.x[(B - 1 - n) * 7 + i];
                                f.x[(B - 1 - n) * 7 + i] = x;
                        }
                }
                add(&f, kinds[k], 0, B, NULL, turned);
                assert_true(worst_error(f.P, turned, whole, whole) < 1e-5);
                fixture_deinit(&f);
                free(whole);
                free(shards);
                free(turned);
        }
}

/* Two classes: EXACT = p (1 - p) (d (z_1 - z_0) / d theta)^2. */
static void two_classes(void **state)
{
        enum { B = 20 };
        const double gap[2] = {-1, 1};
        double *got, *want, *g;
        struct oracle_trace t;
        struct fixture f;

        (void)state;
        fixture_init(&f, &specs[0], NULL, B, 2, 72);
        got = test_alloc(f.P, sizeof(double));
        want = test_alloc(f.P, sizeof(double));
        g = test_alloc(f.P, sizeof(double));
        add(&f, EWC_FISHER_EXACT, 0, B, NULL, got);
        for (size_t n = 0; n < B; n++) {
                double p[2];

                oracle_forward(&f.spec, f.theta, f.x + n * 6, &t);
                oracle_probs(&f.spec, NULL, t.z[1], p);
                oracle_backward(&f.spec, f.theta, f.x + n * 6, &t, gap, g);
                for (size_t i = 0; i < f.P; i++)
                        want[i] += p[0] * p[1] * g[i] * g[i];
        }
        assert_true(worst_error(f.P, got, want, want) < 1e-5);
        fixture_deinit(&f);
        free(got);
        free(want);
        free(g);
}

/* Last layer: bias c has sum_n p_c (1 - p_c), weight (c,i) sum_n p_c (1 - p_c) a_i^2. Trace: sum over samples,
 * classes and layers of |delta|^2 (|a|^2 + 1), without a single square of a weight's gradient. */
static void identities(void **state)
{
        enum { B = 32 };
        double *got, *g, trace = 0, got_trace = 0;
        struct ewc_tensor w, b;
        struct oracle_trace t;
        struct fixture f;
        double last_w[10][9] = {{0}}, last_b[10] = {0};

        (void)state;
        fixture_init(&f, &specs[2], NULL, B, 2, 73);
        got = test_alloc(f.P, sizeof(double));
        g = test_alloc(f.P, sizeof(double));
        add(&f, EWC_FISHER_EXACT, 0, B, NULL, got);
        for (size_t n = 0; n < B; n++) {
                double p[10], delta[10];

                oracle_forward(&f.spec, f.theta, f.x + n * 7, &t);
                oracle_probs(&f.spec, NULL, t.z[3], p);
                for (int32_t c = 0; c < 10; c++) {
                        last_b[c] += p[c] * (1 - p[c]);
                        for (int i = 0; i < 9; i++)
                                last_w[c][i] += p[c] * (1 - p[c]) * t.a[2][i] * t.a[2][i];
                        oracle_delta(&f.spec, NULL, t.z[3], c, NULL, delta);
                        oracle_backward(&f.spec, f.theta, f.x + n * 7, &t, delta, g);
                        for (uint32_t l = 0; l <= 3; l++) {
                                double d2 = 0, a2 = 1;

                                assert_int_equal(ewc_spec_tensor(&f.spec, 2 * l, &w), 0);
                                assert_int_equal(ewc_spec_tensor(&f.spec, 2 * l + 1, &b), 0);
                                for (uint32_t o = 0; o < b.rows; o++)
                                        d2 += g[b.offset + o] * g[b.offset + o]; /* a bias gradient is delta */
                                for (uint32_t i = 0; i < w.cols; i++)
                                        a2 += l == 0 ? pow((double)f.x[n * 7 + i], 2) : pow(t.a[l - 1][i], 2);
                                trace += p[c] * d2 * a2;
                        }
                }
        }
        for (size_t i = 0; i < f.P; i++)
                got_trace += got[i];
        assert_true(fabs(got_trace / trace - 1) < 1e-5);
        for (uint32_t c = 0; c < 10; c++) {
                assert_true(fabs(got[b.offset + c] / last_b[c] - 1) < 1e-5);
                for (uint32_t i = 0; i < 9; i++)
                        assert_true(fabs(got[w.offset + c * 9 + i] - last_w[c][i]) < 1e-5 * (last_w[c][i] + 1e-6));
        }
        fixture_deinit(&f);
        free(got);
        free(g);
}

static void canonical_scale(void **state)
{
        struct ewc_fisher_info info = {.factor = -1};
        double *sum, mean = 0, trace = 0;
        struct ewc_tensor w;
        struct fixture f;
        size_t protected;
        float *F;

        (void)state;
        fixture_init(&f, &specs[1], &sub_head, 40, 1, 74);
        sum = test_alloc(f.P, sizeof(double));
        F = test_alloc(f.P, sizeof(float));
        add(&f, EWC_FISHER_EXACT, 0, 40, NULL, sum);
        assert_int_equal(ewc_fisher_finish(&f.spec, EWC_FISHER_EXACT, f.head, 40, sum, F, &info), 0);
        protected = f.P - 7 * (7 + 1);
        assert_int_equal(info.kind, EWC_FISHER_EXACT);
        assert_int_equal(info.n_samples, 40);
        assert_int_equal(info.n_protected, protected);
        for (size_t i = 0; i < f.P; i++) {
                mean += (double)F[i] / (double)protected;
                trace += sum[i] / 40;
                assert_true(fabs((double)F[i] * info.factor - sum[i] / 40) <= 1e-6 * sum[i] / 40);
        }
        assert_true(fabs(mean - 1) < 1e-6);
        assert_true(fabs(info.trace / trace - 1) < 1e-12);
        assert_true(fabs(info.factor * (double)protected / trace - 1) < 1e-12);
        assert_int_equal(ewc_spec_tensor(&f.spec, 2, &w), 0);
        for (uint32_t i = 0; i < w.cols; i++) /* an inactive output */
                assert_true(F[w.offset + i] == 0.0f);
        memset(sum, 0, f.P * sizeof(double));
        assert_int_equal(ewc_fisher_finish(&f.spec, EWC_FISHER_SAMPLE, f.head, 40, sum, F, &info), 0);
        assert_true(info.factor == 0 && info.trace == 0);
        for (size_t i = 0; i < f.P; i++)
                assert_true(F[i] == 0.0f);
        fixture_deinit(&f);
        free(sum);
        free(F);
}

static void refusals(void **state)
{
        struct ewc_fisher_info info = {.factor = -1};
        enum ewc_fisher kind = EWC_FISHER_EXACT;
        struct fixture f;
        struct ewc_rng r;
        double *sum;
        float *F;
        void *ws;

        (void)state;
        ewc_rng_seed(&r, 1, 1);
        fixture_init(&f, &specs[1], &sub_head, 4, 1, 75);
        sum = test_alloc(f.P, sizeof(double));
        F = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, 4) + f.P * 4 + 4096, 1);
        f.label[2] = 0;
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EMPIRICAL, f.head, &f.batch, &r, sum, ws), EWC_E_LABEL);
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_BATCHED, f.head, &f.batch, &r, sum, ws), EWC_E_LABEL);
        f.batch.label = NULL;
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EMPIRICAL, f.head, &f.batch, &r, sum, ws), EWC_E_INVAL);
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_SAMPLE, f.head, &f.batch, NULL, sum, ws), EWC_E_INVAL);
        assert_int_equal(ewc_fisher_add(f.net, (enum ewc_fisher)9, f.head, &f.batch, &r, sum, ws), EWC_E_INVAL);
        f.x[3] = NAN;
        for (int k = EWC_FISHER_EXACT; k <= EWC_FISHER_SAMPLE; k += 2)
                assert_int_equal(
                    ewc_fisher_add(f.net, (enum ewc_fisher)k, f.head, &f.batch, &r, sum, ws), EWC_E_NONFINITE);
        f.batch.n = 0;
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, f.head, &f.batch, &r, sum, ws), EWC_E_DIM);
        for (size_t i = 0; i < f.P; i++)
                assert_true(sum[i] == 0);
        F[0] = 7.0f;
        sum[f.P - 1] = INFINITY;
        assert_int_equal(ewc_fisher_finish(&f.spec, EWC_FISHER_EXACT, NULL, 4, sum, F, &info), EWC_E_NONFINITE);
        sum[f.P - 1] = NAN;
        assert_int_equal(ewc_fisher_finish(&f.spec, EWC_FISHER_EXACT, NULL, 4, sum, F, &info), EWC_E_NONFINITE);
        sum[f.P - 1] = 0;
        assert_int_equal(ewc_fisher_finish(&f.spec, EWC_FISHER_EXACT, NULL, 0, sum, F, &info), EWC_E_INVAL);
        assert_true(F[0] == 7.0f && info.factor == -1);
        assert_int_equal(ewc_fisher_parse("batched", &kind), 0);
        assert_int_equal(kind, EWC_FISHER_BATCHED);
        assert_int_equal(ewc_fisher_parse("fancy", &kind), EWC_E_INVAL);
        fixture_deinit(&f);
        free(sum);
        free(F);
        free(ws);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(against_explicit_loop),
            cmocka_unit_test(many_rows_and_columns),
            cmocka_unit_test(workspace_is_bounded),
            cmocka_unit_test(weights_are_ignored),
            cmocka_unit_test(order_and_shards),
            cmocka_unit_test(two_classes),
            cmocka_unit_test(identities),
            cmocka_unit_test(canonical_scale),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
