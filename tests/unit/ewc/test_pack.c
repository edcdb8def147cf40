/* test_pack.c: what is kept, how exactly, how small it gets, and that a decoded vector encodes to the same bytes. */
#include "pack_case.h"

static int falling(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x < y) - (x > y);
}

static void decode(const unsigned char *bytes, size_t size, float *ret)
{
        struct ewc_pack p;

        assert_int_equal(ewc_pack_open(&pack_layout, bytes, size, &p), 0);
        assert_int_equal(p.n_params, PACK_P);
        ewc_pack_decode(&p, ret);
}

static void names(void **state)
{
        enum ewc_pack_encoding e;

        (void)state;
        for (int i = EWC_PACK_DENSE32; i <= EWC_PACK_CSR16; i++) {
                assert_int_equal(ewc_pack_parse(ewc_pack_name((enum ewc_pack_encoding)i), &e), 0);
                assert_int_equal(e, i);
        }
        assert_null(ewc_pack_name((enum ewc_pack_encoding)0));
        assert_int_equal(ewc_pack_parse("coo", &e), EWC_E_INVAL);
}

static void encoding_again_gives_the_same_bytes(void **state)
{
        static float f[PACK_P], got[PACK_P], again[PACK_P];

        (void)state;
        for (uint64_t seed = 0; seed < 20; seed++) {
                for (size_t k = 0; k < PACK_OPTIONS; k++) {
                        unsigned char *a, *b;
                        size_t na, nb;

                        pack_fill(f, seed);
                        a = pack_new(&pack_layout, &pack_options[k], f, &na);
                        decode(a, na, got);
                        b = pack_new(&pack_layout, &pack_options[k], got, &nb);
                        assert_int_equal(na, nb);
                        assert_memory_equal(a, b, na);
                        decode(b, nb, again);
                        assert_memory_equal(got, again, sizeof(got));
                        if (k == 0)
                                assert_memory_equal(got, f, sizeof(f));
                        free(a);
                        free(b);
                }
        }
}

/* A kept entry that its half rounds below the others' mean must stay the larger one. */
static void near_ties(void **state)
{
        const struct ewc_pack_shape shape[1] = {{1, 10}};
        const struct ewc_pack_layout l = {1, shape};

        (void)state;
        for (int i = 0; i < 200; i++) {
                float f[10] = {1}, got[10];
                unsigned char *a, *b;
                struct ewc_pack p;
                size_t na, nb;

                for (int j = 1; j < 10; j++)
                        f[j] = 0.3f + 1e-5f * (float)i;
                a = pack_new(&l, &pack_options[1], f, &na);
                assert_int_equal(ewc_pack_open(&l, a, na, &p), 0);
                assert_int_equal(p.n_kept, 2);
                ewc_pack_decode(&p, got);
                assert_true(got[1] > got[2]);
                b = pack_new(&l, &pack_options[1], got, &nb);
                assert_int_equal(na, nb);
                assert_memory_equal(a, b, na);
                free(a);
                free(b);
        }
}

/* The largest entries of every tensor by a sort; they keep 11 bits, the others become their mean. */
static void keeps_the_largest(void **state)
{
        static float f[PACK_P], got[PACK_P], sorted[PACK_P];
        static const size_t which[] = {1, 3, 5};

        (void)state;
        pack_fill(f, 141);
        for (size_t k = 0; k < 3; k++) {
                const struct ewc_pack_options *o = &pack_options[which[k]];
                size_t size, at = 0;
                unsigned char *bytes = pack_new(&pack_layout, o, f, &size);

                decode(bytes, size, got);
                for (size_t t = 0; t < PACK_TENSORS; at += pack_n(t++)) {
                        size_t n = pack_n(t), most = (size_t)ceil(o->keep * (double)n - 1e-9), kept = 0;
                        double rest = 0, trace = 0, kept_trace = 0;
                        float floor = 0;

                        memcpy(sorted, f + at, n * sizeof(float));
                        qsort(sorted, n, sizeof(float), falling);
                        for (size_t i = most; i < n; i++)
                                rest += (double)sorted[i] / (double)(n - most);
                        for (size_t i = 0; i < n; i++) {
                                double v = (double)f[at + i], w = (double)got[at + i];

                                trace += v;
                                kept_trace += w;
                                if (f[at + i] > sorted[most - 1] && v > (double)sorted[0] * 0x1p-14)
                                        assert_true(fabs(w / v - 1) <= 0x1p-11 * 1.0001);
                                if (f[at + i] < sorted[most - 1])
                                        floor = got[at + i];
                                kept += f[at + i] >= sorted[most - 1] && fabs(w - v) <= 0x1p-11 * 1.0001 * v;
                        }
                        if (sorted[0] > 0.0f && sorted[most - 1] > sorted[0] * 0x1p-14f) {
                                assert_true(kept >= most);
                                if (floor > 0.0f)
                                        assert_true(fabs((double)floor - rest) <= 1e-6 * rest);
                        }
                        assert_true(fabs(kept_trace - trace) <= 0x1p-11 * trace);
                }
                free(bytes);
        }
}

static void log_steps(void **state)
{
        static float f[PACK_P], got[PACK_P];
        size_t size, at = 0;
        unsigned char *bytes;

        (void)state;
        pack_fill(f, 142);
        bytes = pack_new(&pack_layout, &pack_options[2], f, &size);
        assert_int_equal(size, 16 + 16 * PACK_TENSORS + PACK_P);
        decode(bytes, size, got);
        for (size_t t = 0; t < PACK_TENSORS; at += pack_n(t++)) {
                float top = 0;

                for (size_t i = 0; i < pack_n(t); i++)
                        top = fmaxf(top, f[at + i]);
                for (size_t i = 0; i < pack_n(t); i++) {
                        double v = (double)f[at + i], w = (double)got[at + i];

                        if (v > (double)top * 0x1p-31)
                                assert_true(fabs(w / v - 1) <= exp2(1.0 / 16) - 1 + 1e-6);
                        else
                                assert_true(w <= (double)top * 0x1p-31);
                }
        }
        free(bytes);
}

/* The net of the permuted MNIST protocol: a quarter of the dense size or less at 20 %. */
static void sizes(void **state)
{
        const struct ewc_spec spec = {.n_inputs = 784,
            .n_outputs = 10,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 400},
                {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 400}}};
        static const double most[] = {1.001, 0.14, 0.251, 0.25};
        struct ewc_pack_shape shape[6];
        const struct ewc_pack_layout l = {6, shape};
        const size_t P = ewc_spec_params(&spec);
        float *f = test_alloc(P, sizeof(float));
        struct ewc_rng r;

        (void)state;
        assert_int_equal(ewc_spec_tensors(&spec), 6);
        assert_int_equal(ewc_pack_shapes(&spec, shape), 0);
        assert_true(shape[0].rows == 400 && shape[0].cols == 784 && shape[5].rows == 1 && shape[5].cols == 10);
        ewc_rng_seed(&r, 143, 0);
        for (size_t i = 0; i < P; i++)
                f[i] = i % 3 == 0 ? 0.0f : (float)exp(2 * ewc_rng_normal(&r));
        for (size_t k = 0; k < 4; k++) {
                size_t size;

                free(pack_new(&l, &pack_options[k], f, &size));
                assert_true((double)size <= most[k] * 4 * (double)P);
        }
        free(f);
}

/* More columns than 16 bits count take 32. */
static void wide_columns(void **state)
{
        const struct ewc_pack_shape shape[2] = {{2, 70000}, {2, 65536}};
        const struct ewc_pack_layout l = {2, shape};
        const struct ewc_pack_options o = {EWC_PACK_CSR16, 0.0001};
        const size_t n = 2 * 70000 + 2 * 65536;
        float *f = test_alloc(n, sizeof(float)), *got = test_alloc(n, sizeof(float));
        struct ewc_pack p;
        unsigned char *bytes;
        size_t size;

        (void)state;
        f[69999] = f[139999] = f[140000 + 65535] = 2.0f;
        f[5] = 1.0f;
        bytes = pack_new(&l, &o, f, &size);
        assert_int_equal(size, 16 + 32 + 8 + 3 * 6 + 8 + 1 * 4);
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
        assert_int_equal(p.n_kept, 4);
        ewc_pack_decode(&p, got);
        assert_memory_equal(f, got, n * sizeof(float));
        free(bytes);
        free(f);
        free(got);
}

/* Fishers so small that relative codes would leave the normal floats keep their mean only. */
static void tiny_entries(void **state)
{
        const struct ewc_pack_shape shape[1] = {{1, 4}};
        const struct ewc_pack_layout l = {1, shape};
        const float f[4] = {1e-40f, 3e-40f, 0, 4e-40f};

        (void)state;
        for (size_t k = 1; k < 4; k++) {
                struct ewc_pack p;
                float got[4];
                size_t size;
                unsigned char *bytes = pack_new(&l, &pack_options[k], f, &size);

                assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
                assert_int_equal(p.n_kept, 0);
                ewc_pack_decode(&p, got);
                for (size_t i = 0; i < 4; i++)
                        assert_true(fabsf(got[i] - 2e-40f) < 1e-44f);
                free(bytes);
        }
}

/* However small the share, one entry of a tensor stays. */
static void one_entry_at_least(void **state)
{
        static const enum ewc_pack_encoding sparse[] = {EWC_PACK_BITMAP16, EWC_PACK_CSR16};
        static float f[PACK_P], got[PACK_P];

        (void)state;
        pack_fill(f, 145);
        for (size_t k = 0; k < 2; k++) {
                const struct ewc_pack_options o = {sparse[k], 1e-12};
                size_t size;
                unsigned char *bytes = pack_new(&pack_layout, &o, f, &size);
                struct ewc_pack p;

                assert_int_equal(ewc_pack_open(&pack_layout, bytes, size, &p), 0);
                assert_int_equal(p.n_kept, PACK_TENSORS - 1); /* one tensor is all zero */
                ewc_pack_decode(&p, got);
                assert_true(got[7] == f[7]);
                free(bytes);
        }
}

static void refusals(void **state)
{
        static float f[PACK_P];
        const struct ewc_pack_shape zero[1] = {{0, 4}}, huge[1] = {{UINT32_MAX, UINT32_MAX}};
        const struct ewc_pack_layout none = {0, zero}, empty = {1, zero}, large = {1, huge};
        struct ewc_pack_options o = {EWC_PACK_BITMAP16, 0.2};
        unsigned char bytes[64] = {0}, before[64] = {0};
        size_t size = 99;

        (void)state;
        pack_fill(f, 144);
        assert_int_equal(ewc_pack_bound(&none, &o, &size), EWC_E_DIM);
        assert_int_equal(ewc_pack_bound(&empty, &o, &size), EWC_E_DIM);
        assert_int_equal(ewc_pack_bound(&large, &o, &size), EWC_E_DIM);
        assert_int_equal(ewc_pack_encode(&pack_layout, &o, f, 64, bytes, &size), EWC_E_DIM);
        for (int i = 0; i < 4; i++) {
                o.keep = i == 0 ? 0 : i == 1 ? -1 : i == 2 ? 1.01 : NAN;
                assert_int_equal(ewc_pack_bound(&pack_layout, &o, &size), EWC_E_INVAL);
        }
        o = (struct ewc_pack_options){(enum ewc_pack_encoding)5, 0.2};
        assert_int_equal(ewc_pack_bound(&pack_layout, &o, &size), EWC_E_INVAL);
        for (int i = 0; i < 3; i++) {
                const struct ewc_pack_shape one[1] = {{1, 4}};
                const struct ewc_pack_layout l = {1, one};
                float bad[4] = {1, 2, i == 0 ? -1.0f : i == 1 ? NAN : INFINITY, 4};

                assert_int_equal(ewc_pack_encode(&l, &pack_options[1], bad, 64, bytes, &size), EWC_E_NONFINITE);
        }
        assert_memory_equal(bytes, before, sizeof(bytes));
        assert_int_equal(size, 99);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names),
            cmocka_unit_test(encoding_again_gives_the_same_bytes),
            cmocka_unit_test(near_ties),
            cmocka_unit_test(keeps_the_largest),
            cmocka_unit_test(log_steps),
            cmocka_unit_test(sizes),
            cmocka_unit_test(wide_columns),
            cmocka_unit_test(tiny_entries),
            cmocka_unit_test(one_entry_at_least),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
