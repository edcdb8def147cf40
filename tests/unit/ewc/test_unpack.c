/* test_unpack.c: penalties straight from the compact form, and bytes nobody vouches for. */
#include "pack_case.h"

#include <ewc/penalty.h>

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
                double kept = 0, all = 0, low = INFINITY;

                for (size_t i = 0; i < pack_n(t); i++)
                        low = fmin(low, (double)dense[at + i]);
                for (size_t i = 0; i < pack_n(t); i++) {
                        all += (double)dense[at + i];
                        kept += (double)dense[at + i] > low ? (double)dense[at + i] : 0;
                }
                if (pack_n(t) > 1 && all > 0)
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
            {1, 4, 2, EWC_E_INVAL},                                   /* version */
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
        assert_int_equal(size, HALVES + 2 * KEPT);
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
            cmocka_unit_test(damaged_bytes),
            cmocka_unit_test(lies),
            cmocka_unit_test(consistent_lies),
            cmocka_unit_test(honest_about_being_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
