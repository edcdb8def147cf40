/* test_unpack.c: penalties straight from the compact form, packs of version 1, and bytes nobody vouches for. */
#include "pack_case.h"

#include <ewc/penalty.h>
#include <float.h>

struct arrays {
        float theta[PACK_P], anchor[PACK_P], step[PACK_P];
};

static void fill(struct arrays *a)
{
        struct ewc_rng r;

        ewc_rng_seed(&r, 151, 0);
        for (size_t i = 0; i < PACK_P; i++) {
                a->theta[i] = (float)ewc_rng_normal(&r);
                a->anchor[i] = (float)ewc_rng_normal(&r);
                a->step[i] = 0.001f + 0.1f * ewc_rng_unit(&r);
        }
}

static void penalties_without_decoding(void **state)
{
        static float f[PACK_P], dense[PACK_P], t[PACK_P], u[PACK_P];
        static struct arrays a;

        (void)state;
        pack_fill(f, 152);
        fill(&a);
        for (size_t k = 0; k < PACK_OPTIONS; k++) {
                const struct ewc_penalty pen = {0.3, dense, a.anchor};
                struct ewc_pack p;
                size_t size;
                unsigned char *bytes = pack_new(&pack_layout, &pack_options[k], f, &size);
                double want, sum = 0;

                assert_int_equal(ewc_pack_open(&pack_layout, bytes, size, &p), 0);
                assert_int_equal(p.encoding, pack_options[k].encoding);
                ewc_pack_decode(&p, dense);
                for (size_t i = 0; i < PACK_P; i++)
                        sum += (double)dense[i] * pow((double)a.theta[i] - (double)a.anchor[i], 2);
                want = 0.3 * sum;
                assert_true(fabs(ewc_pack_penalty_value(&p, 0.3, a.anchor, a.theta) - want) <= 1e-10 * want);
                for (int with = 0; with < 2; with++) {
                        memcpy(t, a.theta, sizeof(t));
                        memcpy(u, a.theta, sizeof(u));
                        ewc_penalty_prox(PACK_P, t, &pen, with ? a.step : NULL, 0.05f);
                        ewc_pack_penalty_prox(&p, 0.3, a.anchor, u, with ? a.step : NULL, 0.05f);
                        assert_memory_equal(t, u, sizeof(t));
                        assert_memory_not_equal(t, a.theta, sizeof(t));
                }
                memset(t, 0, sizeof(t));
                memset(u, 0, sizeof(u));
                ewc_penalty_grad(PACK_P, a.theta, &pen, t);
                ewc_pack_penalty_grad(&p, 0.3, a.anchor, a.theta, u);
                assert_memory_equal(t, u, sizeof(t));
                free(bytes);
        }
}

static void shares_of_the_trace(void **state)
{
        static float f[PACK_P], dense[PACK_P];
        double share[PACK_TENSORS];
        struct ewc_pack p;
        size_t size, at = 0;
        unsigned char *bytes;

        (void)state;
        pack_fill(f, 153);
        bytes = pack_new(&pack_layout, &pack_options[1], f, &size);
        assert_int_equal(ewc_pack_open(&pack_layout, bytes, size, &p), 0);
        ewc_pack_decode(&p, dense);
        ewc_pack_shares(&p, share);
        for (size_t t = 0; t < PACK_TENSORS; at += pack_n(t++)) {
                const float least = pack_least_kept(&pack_layout, bytes, t, dense + at);
                double kept = 0, all = 0;

                for (size_t i = 0; i < pack_n(t); i++) {
                        all += (double)dense[at + i];
                        kept += dense[at + i] >= least ? (double)dense[at + i] : 0;
                }
                if (all > 0)
                        assert_true(fabs(share[t] - kept / all) < 1e-9);
        }
        assert_true(share[0] > 0.9 && fabs(share[2] - 0.2) < 1e-6 && share[3] == 1 && share[4] == 1);
        free(bytes);
        bytes = pack_new(&pack_layout, &pack_options[0], f, &size);
        assert_int_equal(ewc_pack_open(&pack_layout, bytes, size, &p), 0);
        ewc_pack_shares(&p, share);
        for (size_t t = 0; t < PACK_TENSORS; t++)
                assert_true(share[t] == 1);
        free(bytes);
}

/* Written before matrices had means, as they lie in databases: a quarter of 3x4 and of a vector of 5. Their rest is
 * one number per tensor, as it was. */
static const unsigned char old_bitmap[] = {0x45, 0x57, 0x43, 0x50, 0x01, 0x02, 0x02, 0x00, 0x11, 0x00, 0x00, 0x00,
    0x3d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x40, 0x1c, 0xc7, 0xb1, 0x3e, 0x03, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x80, 0x3f, 0xab, 0xaa, 0x2a, 0x3e, 0x02, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x11, 0x04,
    0x00, 0x3c, 0x00, 0x3a, 0x00, 0x38, 0x09, 0x00, 0x3c, 0x00, 0x38};
static const unsigned char old_log[] = {0x45, 0x57, 0x43, 0x50, 0x01, 0x03, 0x02, 0x00, 0x11, 0x00, 0x00, 0x00, 0x41,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x40, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0xff, 0xe7, 0x00,
    0xdf, 0xfc, 0xef, 0xec, 0x00, 0xd7, 0x00, 0xf7, 0xe7, 0xff, 0xef, 0x00, 0xf7, 0xef};
static const unsigned char old_csr[] = {0x45, 0x57, 0x43, 0x50, 0x01, 0x04, 0x02, 0x00, 0x11, 0x00, 0x00, 0x00, 0x54,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x40, 0x1c, 0xc7, 0xb1, 0x3e, 0x03, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x80, 0x3f, 0xab, 0xaa, 0x2a, 0x3e, 0x02, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
    0x00, 0x02, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x3c, 0x00, 0x3a,
    0x00, 0x38, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x3c, 0x00, 0x38};

static void packs_of_version_1(void **state)
{
        enum { P = 12 + 5 };
        static const struct ewc_pack_shape shape[2] = {{3, 4}, {1, 5}};
        static const struct ewc_pack_layout l = {2, shape};
        static const float f[P] = {4, .5f, 0, .25f, 3, 1, .75f, 0, .125f, 0, 2, .5f, 1, .25f, 0, .5f, .25f},
                           anchor[P];
        static const float a = 0x1.638e38p-2f, b = 0x1.555556p-3f; /* 25/72, 1/6 */
        static const float sparse[P] = {4, a, a, a, 3, a, a, a, a, a, 2, a, 1, b, b, .5f, b};
        static const float logs[P] = {
            4, .5f, 0, .25f, 0x1.8ace54p+1f, 1, 0x1.8ace54p-1f, 0, .125f, 0, 2, .5f, 1, .25f, 0, .5f, .25f};
        static const struct {
                const unsigned char *bytes;
                size_t size;
                const float *want;
        } old[] = {{old_bitmap, sizeof(old_bitmap), sparse}, {old_log, sizeof(old_log), logs},
            {old_csr, sizeof(old_csr), sparse}};

        (void)state;
        for (size_t k = 0; k < 3; k++) {
                struct ewc_pack p;
                float got[P], t[P], u[P];
                double share[2];

                assert_int_equal(ewc_pack_open(&l, old[k].bytes, old[k].size, &p), 0);
                ewc_pack_decode(&p, got);
                assert_memory_equal(got, old[k].want, sizeof(got));
                memcpy(t, f, sizeof(t));
                memcpy(u, f, sizeof(u));
                ewc_penalty_prox(P, t, &(struct ewc_penalty){0.3, got, anchor}, NULL, 0.05f);
                ewc_pack_penalty_prox(&p, 0.3, anchor, u, NULL, 0.05f);
                assert_memory_equal(t, u, sizeof(t));
                ewc_pack_shares(&p, share);
                if (k != 1)
                        assert_true(
                            fabs(share[0] - 9.0 / (9 + 9 * 25.0 / 72)) < 1e-6 && fabs(share[1] - 0.75) < 1e-6);
        }
        {
                size_t size; /* log8 is as it was, to the byte */
                unsigned char *bytes = pack_new(&l, &pack_options[2], f, &size);

                assert_int_equal(size, sizeof(old_log));
                assert_memory_equal(bytes, old_log, size);
                free(bytes);
        }
}

/* Whatever the bytes, opening either refuses or everything that follows stays inside its arrays and is finite. The
 * copy is as long as the pack, so that a sanitizer sees every step beyond it. */
static void try_bytes(const unsigned char *bytes, size_t size)
{
        static float dense[PACK_P];
        unsigned char *copy = malloc(size + (size == 0));
        struct ewc_pack p;

        assert_non_null(copy);
        memcpy(copy, bytes, size);
        if (ewc_pack_open(&pack_layout, copy, size, &p) == 0) {
                ewc_pack_decode(&p, dense);
                for (size_t i = 0; i < PACK_P; i++)
                        assert_true(dense[i] >= 0.0f && isfinite(dense[i]));
        }
        free(copy);
}

static void damaged_bytes(void **state)
{
        static float f[PACK_P];
        struct ewc_rng r;

        (void)state;
        pack_fill(f, 154);
        ewc_rng_seed(&r, 155, 0);
        for (size_t k = 0; k < PACK_OPTIONS; k++) {
                size_t size;
                unsigned char *bytes = pack_new(&pack_layout, &pack_options[k], f, &size);
                struct ewc_pack p;

                for (size_t n = 0; n < size; n += n < 200 ? 1 : 37) {
                        assert_true(ewc_pack_open(&pack_layout, bytes, n, &p) < 0);
                        try_bytes(bytes, n);
                }
                for (int i = 0; i < 3000; i++) {
                        size_t at = ewc_rng_below(&r, i % 2 ? (uint32_t)size : 16 + 16 * PACK_TENSORS);
                        unsigned char was = bytes[at];

                        bytes[at] ^= (unsigned char)(1U << ewc_rng_below(&r, 8));
                        try_bytes(bytes, size);
                        bytes[at] = was;
                }
                free(bytes);
        }
}

/* One lie at a time, each refused. */
static void lies(void **state)
{
        static float f[PACK_P];
        static const struct {
                size_t option, at;
                unsigned char mask;
                int error;
        } cases[] = {
            {1, 0, 1, EWC_E_INVAL},                                   /* magic */
            {1, 4, 2, EWC_E_INVAL},                                   /* version 0 */
            {1, 4, 1, EWC_E_INVAL},                                   /* version 3 */
            {1, 4, 3, EWC_E_INVAL},                                   /* version 1, which has no means */
            {1, 5, 0x40, EWC_E_INVAL},                                /* encoding */
            {1, 6, 1, EWC_E_DIM},                                     /* tensors */
            {1, 8, 1, EWC_E_DIM},                                     /* P */
            {1, 12, 1, EWC_E_INVAL},                                  /* size */
            {1, 16 + 3, 0x80, EWC_E_INVAL},                           /* scale below 0 */
            {1, 16 + 7, 0x80, EWC_E_INVAL},                           /* floor below 0 */
            {1, 16 + 8, 1, EWC_E_INVAL},                              /* kept */
            {1, 16 + 11, 0x80, EWC_E_INVAL},                          /* kept, absurd */
            {1, 16 + 12, 1, EWC_E_INVAL},                             /* payload */
            {1, 16 + 16 * PACK_TENSORS, 0xff, EWC_E_INVAL},           /* a bit more or less in the bitmap */
            {1, 16 + 16 * PACK_TENSORS + 165 + 1, 0x80, EWC_E_INVAL}, /* a negative half */
            {3, 16 + 16 * PACK_TENSORS + 1, 0x80, EWC_E_INVAL},       /* a row that ends behind the next */
            {3, 16 + 16 * PACK_TENSORS + 160 + 1, 0x80, EWC_E_INVAL}, /* a column outside */
            {0, 16 + 16 * PACK_TENSORS + 3, 0x80, EWC_E_INVAL},       /* an entry below 0 */
            {0, 16 + 3, 0x3f, EWC_E_INVAL},                           /* a scale where there is none */
            {2, 16 + 16 * PACK_TENSORS + 3, 1, EWC_E_INVAL},          /* a zero code too few */
        };

        (void)state;
        pack_fill(f, 156);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct ewc_pack p;
                size_t size;
                unsigned char *bytes = pack_new(&pack_layout, &pack_options[cases[i].option], f, &size);

                bytes[cases[i].at] ^= cases[i].mask;
                if (ewc_pack_open(&pack_layout, bytes, size, &p) != cases[i].error)
                        fail_msg("case %zu was not refused as expected", i);
                free(bytes);
        }
}

/* Lies that agree with each other, on one small tensor. */
static void consistent_lies(void **state)
{
        enum { CSR_DATA = 16 + 16, KEPT = 5, ROWS = 3, COLUMNS = CSR_DATA + 4 * ROWS, HALVES = COLUMNS + 2 * KEPT };
        const struct ewc_pack_shape shape[1] = {{ROWS, 8}};
        const struct ewc_pack_layout l = {1, shape};
        const struct ewc_pack_options o = {EWC_PACK_CSR16, 0.2};
        const float f[24] = {[0] = 9, [2] = 8, [9] = 7, [11] = 6, [17] = 5, [19] = 1};
        unsigned char *bytes;
        struct ewc_pack p;
        size_t size;

        (void)state;
        bytes = pack_new(&l, &o, f, &size);
        assert_int_equal(size, HALVES + 2 * KEPT + 2 * ROWS + 4 * 8);
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
        assert_true(bytes[CSR_DATA] == 2 && bytes[CSR_DATA + 4] == 4 && bytes[CSR_DATA + 8] == 5);
        assert_true(bytes[COLUMNS] == 0 && bytes[COLUMNS + 2] == 2 && bytes[COLUMNS + 4] == 1);
        bytes[COLUMNS + 2] = 8; /* in order, but outside the row */
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), EWC_E_INVAL);
        bytes[COLUMNS + 2] = 0; /* twice the same */
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), EWC_E_INVAL);
        bytes[COLUMNS + 2] = 2;
        bytes[CSR_DATA] = 3; /* a row that ends before it begins; all columns in order */
        bytes[CSR_DATA + 4] = 2;
        for (unsigned char i = 0; i < KEPT; i++)
                bytes[COLUMNS + 2 * i] = i;
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), EWC_E_INVAL);
        free(bytes);
        bytes = pack_new(&l, &o, f, &size);
        bytes[HALVES + 3] = 0; /* a subnormal half */
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), EWC_E_INVAL);
        bytes[HALVES + 3] = 0x3c; /* a half above 1 */
        bytes[HALVES + 2] = 1;
        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), EWC_E_INVAL);
        free(bytes);
}

/* A row's mean is 0 or a half from 2^-14 to 1, a column's a float >= 0, and whatever they are, nothing of the rest is
 * above the floor. */
static void means_nobody_vouches_for(void **state)
{
        enum { ROWS = 3, COLS = 8, N = ROWS * COLS, DATA = 16 + 16, FLOOR = 16 + 4 };
        static const uint32_t row_ok[] = {0, 0x0400, 0x3c00, 0x3bff}, row_bad[] = {1, 0x03ff, 0x3c01, 0x7c00, 0x8000};
        static const float column_ok[] = {0, 1e-45f, 1, FLT_MAX}, column_bad[] = {-1e-45f, -1, INFINITY, NAN};
        const struct ewc_pack_shape shape[1] = {{ROWS, COLS}};
        const struct ewc_pack_layout l = {1, shape};
        static const float f[N] = {[0] = 9, [2] = 8, [9] = 7, [11] = 6, [17] = 5, [18] = 2, [19] = 1};

        (void)state;
        for (size_t k = 1; k < 4; k += 2) {
                struct ewc_pack p;
                size_t size;
                unsigned char *bytes = pack_new(&l, &pack_options[k], f, &size), *rows, *columns;
                float got[N], floor;

                rows = bytes + size - 2 * ROWS - 4 * COLS;
                columns = rows + 2 * ROWS;
                memcpy(&floor, bytes + FLOOR, 4);
                assert_true(rows > bytes + DATA);
                for (size_t i = 0; i < 9; i++) {
                        const bool ok = i < 4;
                        const uint32_t h = ok ? row_ok[i] : row_bad[i - 4];

                        rows[2] = (unsigned char)(h & 0xff);
                        rows[3] = (unsigned char)(h >> 8);
                        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), ok ? 0 : EWC_E_INVAL);
                }
                memset(rows, 0, 2 * ROWS);
                for (size_t i = 0; i < ROWS; i++)
                        rows[2 * i + 1] = 0x3c;
                for (size_t i = 0; i < 8; i++) {
                        const bool ok = i < 4;
                        float v = ok ? column_ok[i] : column_bad[i - 4];

                        memcpy(columns + 4 * (COLS - 1), &v, 4); /* little-endian, as all that run this */
                        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), ok ? 0 : EWC_E_INVAL);
                        if (!ok)
                                continue;
                        ewc_pack_decode(&p, got);
                        assert_true(got[7] == fminf(v, floor) && floor > 4.9f && floor < 5.1f);
                }
                for (size_t i = 0; i < COLS; i++)
                        memcpy(columns + 4 * i, &(float){FLT_MAX}, 4);
                for (int big = 0; big < 2; big++) { /* the largest floor, and none: the rest is nothing */
                        memcpy(bytes + FLOOR, &(float){big ? FLT_MAX : 0}, 4);
                        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), 0);
                        ewc_pack_decode(&p, got);
                        for (size_t i = 0; i < N; i++)
                                assert_true(f[i] >= 5 ? got[i] < 10 : got[i] == (big ? FLT_MAX : 0));
                }
                for (size_t i = 0; i < 3; i++) {
                        memcpy(bytes + FLOOR, &column_bad[1 + i], 4);
                        assert_int_equal(ewc_pack_open(&l, bytes, size, &p), EWC_E_INVAL);
                }
                free(bytes);
        }
}

/* Cut short, with a size that says so. */
static void honest_about_being_cut(void **state)
{
        static float f[PACK_P];

        (void)state;
        pack_fill(f, 157);
        for (size_t k = 0; k < PACK_OPTIONS; k++) {
                size_t size;
                unsigned char *bytes = pack_new(&pack_layout, &pack_options[k], f, &size);

                for (size_t n = 16; n < size; n += n < 200 ? 1 : 37) {
                        unsigned char *copy = malloc(n);
                        struct ewc_pack p;

                        assert_non_null(copy);
                        memcpy(copy, bytes, n);
                        for (int i = 0; i < 4; i++)
                                copy[12 + i] = (unsigned char)(n >> 8 * i & 0xff);
                        assert_int_equal(ewc_pack_open(&pack_layout, copy, n, &p), EWC_E_INVAL);
                        free(copy);
                }
                free(bytes);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(penalties_without_decoding),
            cmocka_unit_test(shares_of_the_trace),
            cmocka_unit_test(packs_of_version_1),
            cmocka_unit_test(damaged_bytes),
            cmocka_unit_test(lies),
            cmocka_unit_test(consistent_lies),
            cmocka_unit_test(means_nobody_vouches_for),
            cmocka_unit_test(honest_about_being_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
