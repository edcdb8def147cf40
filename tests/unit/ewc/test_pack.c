/* test_pack.c: what is kept, how exactly, what becomes of the rest, how small it gets, and that a decoded vector
 * keeps the same entries when it is encoded again. */
#include "pack_case.h"

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

/* The means at the end of every matrix's payload become 0. */
static void wipe_means(const struct ewc_pack_layout *l, unsigned char *bytes)
{
        size_t at = 16 + 16 * l->n;

        if (bytes[5] != EWC_PACK_BITMAP16 && bytes[5] != EWC_PACK_CSR16)
                return;
        for (size_t t = 0; t < l->n; t++) {
                const struct ewc_pack_shape *s = &l->shape[t];
                const size_t means = s->rows > 1 && s->cols > 1 ? 2 * (size_t)s->rows + 4 * (size_t)s->cols : 0;

                at += pack_number(bytes, 16 + 16 * t + 12);
                memset(bytes + at - means, 0, means);
        }
}

/* All but the means: the same entries, with the same bits, and the same floors. */
static void encoding_again_keeps_the_same(void **state)
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
                        decode(b, nb, again);
                        for (size_t t = 0, at = 0; t < PACK_TENSORS; at += pack_n(t++)) {
                                float least = pack_least_kept(&pack_layout, a, t, got + at);

                                for (size_t i = at; i < at + pack_n(t); i++)
                                        assert_true(got[i] < least ? again[i] < least : got[i] == again[i]);
                        }
                        wipe_means(&pack_layout, a);
                        wipe_means(&pack_layout, b);
                        assert_memory_equal(a, b, na);
                        if (k == 0)
                                assert_memory_equal(got, f, sizeof(f));
                        free(a);
                        free(b);
                }
        }
}

/* A kept entry that its half rounds below the others' mean must stay the larger one, in a vector as in a matrix. */
static void near_ties(void **state)
{
        (void)state;
        for (int i = 0; i < 400; i++) {
                const struct ewc_pack_shape shape[1] = {{i % 2 ? 2 : 1, i % 2 ? 5 : 10}};
                const struct ewc_pack_layout l = {1, shape};
                float f[10] = {1}, got[10];
                unsigned char *a, *b;
                struct ewc_pack p;
                size_t na, nb;

                for (int j = 1; j < 10; j++)
                        f[j] = 0.3f + 1e-5f * (float)(i / 2);
                a = pack_new(&l, &pack_options[1], f, &na);
                assert_int_equal(ewc_pack_open(&l, a, na, &p), 0);
                assert_int_equal(p.n_kept, 2);
                ewc_pack_decode(&p, got);
                for (int j = 2; j < 10; j++)
                        assert_true(got[1] > got[j]);
                b = pack_new(&l, &pack_options[1], got, &nb);
                assert_int_equal(na, nb);
                wipe_means(&l, a);
                wipe_means(&l, b);
                assert_memory_equal(a, b, na);
                free(a);
                free(b);
        }
}

/* The largest entries of every tensor by a sort; they keep 11 bits, a vector's others become their mean. */
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
                        qsort(sorted, n, sizeof(float), pack_falling);
                        for (size_t i = most; i < n; i++)
                                rest += (double)sorted[i] / (double)(n - most);
                        for (size_t i = 0; i < n; i++) {
                                double v = (double)f[at + i], w = (double)got[at + i];

                                trace += v;
                                kept_trace += w;
                                if (f[at + i] > sorted[most - 1] && v > (double)sorted[0] * 0x1p-14)
                                        assert_true(fabs(w / v - 1) <= 0x1p-11 * 1.0001);
                                if (f[at + i] < sorted[most - 1] && pack_shape[t].rows == 1)
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

static const enum ewc_pack_encoding sparse[] = {EWC_PACK_BITMAP16, EWC_PACK_CSR16};

/* ret: one matrix through a pack; the number of entries kept. */
static size_t through(uint32_t rows, uint32_t cols, enum ewc_pack_encoding e, double keep, const float *f, float *ret)
{
        const struct ewc_pack_shape shape[1] = {{rows, cols}};
        const struct ewc_pack_layout l = {1, shape};
        const struct ewc_pack_options o = {e, keep};
        struct ewc_pack p;
        size_t size;
        unsigned char *bytes = pack_new(&l, &o, f, &size);

        assert_int_equal(bytes[4], 2);
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
        ewc_pack_decode(&p, ret);
        pack_least_kept(&l, bytes, 0, ret);
        free(bytes);
        return p.n_kept;
}

enum { ROWS = 40, COLS = 600 };

/* A mean relative to the largest to 11 bits, at least 2^-14. */
static double relative(double mean, double top)
{
        int e;
        double m;

        if (mean == 0)
                return 0;
        m = frexp(fmax(mean / top, 0x1p-14), &e);
        return ldexp(floor(m * 2048 + 0.5), e - 11);
}

/* Nearly an outer product, and a fifth far above, not as many in every row: the floor cuts nothing. Every mean by the
 * words of pack.h. */
static void means_by_loops(void **state)
{
        enum { N = ROWS * COLS };
        static const int high[] = {0, 1, 2, 1}; /* of five columns */
        static float f[N], got[N];
        double r[ROWS], c, top;
        struct ewc_rng rng;

        (void)state;
        for (uint64_t seed = 0; seed < 8; seed++) {
                float least;

                ewc_rng_seed(&rng, 147, seed);
                for (int i = 0; i < N; i++) {
                        double row = exp2(-(i / COLS % 20)), col = 0.1 + (i % COLS) % 7;

                        f[i] = (float)(row * col * (0.5 + (double)ewc_rng_unit(&rng)));
                        f[i] = i % 5 < high[i / COLS % 4] ? 30 + f[i] : i % COLS == 44 ? 0.0f : f[i];
                }
                through(ROWS, COLS, sparse[seed % 2], 0.2, f, got);
                least = pack_least(f, N, (N + 4) / 5);
                top = 0;
                for (int i = 0; i < ROWS; i++) {
                        double sum = 0, n = 0;

                        for (int j = 0; j < COLS; j++) {
                                sum += f[i * COLS + j] < least ? (double)f[i * COLS + j] : 0;
                                n += f[i * COLS + j] < least;
                        }
                        r[i] = sum / n;
                        top = fmax(top, r[i]);
                }
                for (int i = 0; i < ROWS; i++)
                        r[i] = relative(r[i], top);
                for (int j = 0; j < COLS; j++) {
                        double sum = 0, n = 0;

                        for (int i = 0; i < ROWS; i++) {
                                sum += f[i * COLS + j] < least ? (double)f[i * COLS + j] : 0;
                                n += f[i * COLS + j] < least ? r[i] : 0;
                        }
                        c = sum / n;
                        for (int i = 0; i < ROWS; i++) {
                                double v = (double)got[i * COLS + j], w = r[i] * c;

                                if (f[i * COLS + j] < least)
                                        assert_true(fabs(v - w) <= 1e-6 * w);
                                else
                                        assert_true(fabs(v / (double)f[i * COLS + j] - 1) <= 0x1p-11 * 1.0001);
                        }
                }
        }
}

/* Odd seeds: heavy tails. Even seeds: the upper rows' odd columns and the lower rows' even ones are just below 1,
 * which the upper rows' even ones mostly exceed: those that do not are far below the product of their means. */
static void fill_matrix(uint64_t seed, float *f)
{
        struct ewc_rng rng;

        ewc_rng_seed(&rng, 148, seed);
        for (int i = 0; i < ROWS * COLS; i++) {
                const bool low = i / COLS >= ROWS / 2, odd = i % 2;
                const float u = ewc_rng_unit(&rng), tail = (float)exp(3 * ewc_rng_normal(&rng));

                if (seed % 2)
                        f[i] = i % 11 == 3 ? 0.0f : tail;
                else if (low == odd)
                        f[i] = low ? 0.01f * u : u < 0.9f ? 1 + u : 0.8f;
                else
                        f[i] = 0.7f + 0.2f * u;
        }
}

/* Whatever the floor cuts, and more columns than are summed at a time: the sum of every column's rest stays, so does
 * the tensor's. Only where all of it lies at the floor may a half's rounding be missing. */
static void columns_keep_their_sums(void **state)
{
        static const double keeps[] = {0.5, 0.2, 0.1, 0.02};
        static float f[ROWS * COLS], got[ROWS * COLS];
        size_t n_cut = 0;

        (void)state;
        for (uint64_t seed = 0; seed < 32; seed++) {
                double all = 0, all_got = 0, missing = 0;
                float least, floor = 0;
                size_t kept;

                fill_matrix(seed, f);
                f[7] = seed % 3 == 0 ? 0x1p14f : f[7]; /* then what is below 1 could not be a half */
                kept = through(ROWS, COLS, sparse[seed / 2 % 2], keeps[seed / 4 % 4], f, got);
                least = pack_least(got, ROWS * COLS, kept);
                for (int i = 0; i < ROWS * COLS; i++)
                        floor = got[i] < least ? fmaxf(floor, got[i]) : floor;
                for (int j = 0; j < COLS; j++) {
                        double sum = 0, sum_got = 0;
                        bool open = false, cut = false;

                        for (int i = j; i < ROWS * COLS; i += COLS) {
                                bool rest = got[i] < least;

                                sum += rest ? (double)f[i] : 0;
                                sum_got += rest ? (double)got[i] : 0;
                                open |= rest && got[i] < floor && got[i] > 0.0f;
                                cut |= rest && got[i] == floor;
                        }
                        n_cut += open && cut;
                        assert_true(fabs(sum_got - sum) <= (open ? 1e-6 : 0x1p-11) * sum);
                        missing += open ? 0 : fabs(sum_got - sum);
                        all += sum;
                        all_got += sum_got;
                }
                assert_true(fabs(all_got - all) <= 1e-6 * all + missing);
        }
        assert_true(n_cut > 100); /* cut, and made up for by the others */
}

/* A row and a column of which all is kept have no rest and no mean; the others are exact where one row has it all. */
static void rows_without_a_rest(void **state)
{
        static const float f[20] = {50, 60, 70, 80, 90, 0, 0, 0, 0, 91, 1, 2, 3, 4, 92, 0, 0, 0, 0, 93};
        float got[20];

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                assert_int_equal(through(4, 5, sparse[k], 0.4, f, got), 8);
                for (size_t i = 0; i < 20; i++)
                        assert_true(f[i] < 50 ? got[i] == f[i] : fabsf(got[i] / f[i] - 1) <= 0x1p-11f);
        }
}

/* An embedding's rows that no sample had stay unprotected, whatever its columns' means. */
static void rows_never_seen(void **state)
{
        enum { IDS = 100, DIMS = 6 };
        static float f[IDS * DIMS], got[IDS * DIMS];
        const struct ewc_spec spec = {.n_inputs = 3,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_EMBEDDING, .units = DIMS, .count = IDS}}};
        struct ewc_pack_shape shape[3];
        struct ewc_rng rng;

        (void)state;
        assert_int_equal(ewc_spec_tensors(&spec), 3);
        assert_int_equal(ewc_pack_shapes(&spec, shape), 0);
        assert_true(shape[0].rows == IDS && shape[0].cols == DIMS);
        ewc_rng_seed(&rng, 149, 0);
        for (int i = 0; i < IDS * DIMS; i++)
                f[i] = i / DIMS % 3 == 0 ? (float)exp(ewc_rng_normal(&rng)) : 0.0f;
        through(IDS, DIMS, EWC_PACK_BITMAP16, 0.05, f, got);
        for (int i = 0; i < IDS * DIMS; i++)
                assert_true((got[i] > 0.0f) == (f[i] > 0.0f));
}

static void nothing_at_all(void **state)
{
        static const float f[12] = {0};
        float got[12];

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                assert_int_equal(through(3, 4, sparse[k], 0.2, f, got), 0);
                assert_memory_equal(got, f, sizeof(f));
        }
}

static void all_of_it(void **state)
{
        static const float f[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
        float got[12];

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                assert_int_equal(through(3, 4, sparse[k], 1, f, got), 12);
                for (size_t i = 0; i < 12; i++)
                        assert_true(fabsf(got[i] / f[i] - 1) <= 0x1p-11f);
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
        assert_int_equal(size, 16 + 32 + 8 + 3 * 6 + 4 + 4 * 70000 + 8 + 1 * 4 + 4 + 4 * 65536);
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
        assert_int_equal(p.n_kept, 4);
        ewc_pack_decode(&p, got);
        assert_memory_equal(f, got, n * sizeof(float));
        free(bytes);
        free(f);
        free(got);
}

/* Fishers so small that relative codes would leave the normal floats keep their mean or means only. */
static void tiny_entries(void **state)
{
        const float f[4] = {1e-40f, 3e-40f, 0, 4e-40f};

        (void)state;
        for (size_t k = 1; k < 7; k++) {
                const bool matrix = k > 3;
                const struct ewc_pack_shape shape[1] = {{matrix ? 2 : 1, matrix ? 2 : 4}};
                const struct ewc_pack_layout l = {1, shape};
                struct ewc_pack p;
                float got[4];
                size_t size;
                unsigned char *bytes = pack_new(&l, &pack_options[matrix ? k - 3 : k], f, &size);

                assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
                assert_int_equal(p.n_kept, 0);
                ewc_pack_decode(&p, got);
                for (size_t i = 0; i < 4; i++)
                        assert_true(fabsf(got[i] - (!matrix || p.encoding == EWC_PACK_LOG8 ? 2e-40f
                                                       : i % 2                             ? 3.5e-40f
                                                                                           : 0.5e-40f)) < 1e-44f);
                free(bytes);
        }
}

/* However small the share, one entry of a tensor stays. */
static void one_entry_at_least(void **state)
{
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
            cmocka_unit_test(encoding_again_keeps_the_same),
            cmocka_unit_test(near_ties),
            cmocka_unit_test(keeps_the_largest),
            cmocka_unit_test(means_by_loops),
            cmocka_unit_test(columns_keep_their_sums),
            cmocka_unit_test(rows_without_a_rest),
            cmocka_unit_test(rows_never_seen),
            cmocka_unit_test(nothing_at_all),
            cmocka_unit_test(all_of_it),
            cmocka_unit_test(log_steps),
            cmocka_unit_test(sizes),
            cmocka_unit_test(wide_columns),
            cmocka_unit_test(tiny_entries),
            cmocka_unit_test(one_entry_at_least),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
