/* test_panel.c: the product over panels, to the bit: every form against a chain of fmaf, in every remainder of its
 * tiles, over rows and over windows, on ordinary numbers and on those where rounding twice would show. */
#include "oracle.h"

#include "ewc/panel.h"

enum { MAX_K = 40, ROWS = 35, OUTPUTS = 131 };

static float x[ROWS * MAX_K], w[OUTPUTS * MAX_K], bias[OUTPUTS], panels[(OUTPUTS + 16) * (MAX_K + 1)];
static float want[ROWS * OUTPUTS], y[ROWS * (OUTPUTS + 3) + 1];

static struct ewc_product rows_of(size_t B, size_t O, size_t K)
{
        return (struct ewc_product){.n = B,
            .O = O,
            .K = K,
            .panels = panels,
            .from = {.x = x, .run = K, .lines = 1, .across = 1, .high = 1, .image = K},
            .y = y,
            .stride = O + 3,
            .end = EWC_PANEL_BIAS};
}

/* The definition: one output after the other. */
static void chain(size_t B, size_t O, size_t K)
{
        for (size_t n = 0; n < B; n++) {
                for (size_t o = 0; o < O; o++) {
                        float sum = 0.0f;

                        for (size_t k = 0; k < K; k++)
                                sum = fmaf(x[n * K + k], w[o * K + k], sum);
                        want[n * O + o] = sum + bias[o];
                }
        }
}

static void expect_equal(const struct ewc_product *p, enum ewc_panel_form f)
{
        for (size_t i = 0; i < sizeof(y) / sizeof(*y); i++)
                y[i] = -77.0f;
        ewc_panel_product(f, p);
        for (size_t n = 0; n < p->n; n++) {
                assert_memory_equal(y + n * p->stride, want + n * p->O, p->O * sizeof(float));
                for (size_t i = p->O; i < p->stride; i++)
                        assert_true(y[n * p->stride + i] == -77.0f);
        }
        assert_true(y[p->n * p->stride] == -77.0f);
}

static void fill(struct ewc_rng *r, size_t n, float *a)
{
        for (size_t i = 0; i < n; i++)
                a[i] = (float)ewc_rng_normal(r);
}

static void every_remainder(void **state)
{
        static const size_t O[] = {1, 2, 10, 15, 16, 17, 31, 32, 33, 48, 50, 64, 70, 80, 96, 112, 131};
        static const size_t K[] = {1, 2, 3, 9, MAX_K};
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 91, 0);
        fill(&r, ROWS * MAX_K, x);
        fill(&r, OUTPUTS * MAX_K, w);
        fill(&r, OUTPUTS, bias);
        for (size_t i = 0; i < sizeof(O) / sizeof(*O); i++) {
                for (size_t k = 0; k < sizeof(K) / sizeof(*K); k++) {
                        ewc_panel_pack(O[i], K[k], w, bias, panels);
                        chain(ROWS, O[i], K[k]);
                        for (size_t B = 0; B <= ROWS; B++) {
                                struct ewc_product p = rows_of(B, O[i], K[k]);

                                for (enum ewc_panel_form f = 0; f < EWC_PANEL_FORMS; f++) {
                                        if (ewc_panel_has(f))
                                                expect_equal(&p, f);
                                }
                        }
                }
        }
}

/* Any bits of a finite float whose exponent lies within `spread` of that of `middle`. */
static float wild(struct ewc_rng *r, float middle, uint32_t spread)
{
        uint32_t bits, at;
        float ret;

        memcpy(&at, &middle, sizeof(at));
        bits = (at >> 23) + ewc_rng_below(r, 2 * spread + 1) - spread;
        bits = bits << 23 | ewc_rng_below(r, 1U << 23) | ewc_rng_below(r, 2) << 31;
        memcpy(&ret, &bits, sizeof(ret));
        return ret;
}

static void expect_forms(size_t B, size_t O, size_t K)
{
        struct ewc_product p = rows_of(B, O, K);

        ewc_panel_pack(O, K, w, bias, panels);
        chain(B, O, K);
        for (enum ewc_panel_form f = 0; f < EWC_PANEL_FORMS; f++) {
                if (ewc_panel_has(f))
                        expect_equal(&p, f);
        }
}

/* Sums that cancel, exponents far apart, subnormal results. */
static void hard_numbers(void **state)
{
        static const float middle[] = {1.0f, 1e-18f, 3e-21f, 1e15f};
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 92, 0);
        for (size_t round = 0; round < 400; round++) {
                const float m = middle[round % 4];
                const uint32_t spread = round % 3 == 0 ? 2 : 14;

                for (size_t i = 0; i < 8 * 4; i++)
                        x[i] = wild(&r, m, spread);
                for (size_t i = 0; i < 16 * 4; i++)
                        w[i] = wild(&r, m, spread);
                for (size_t i = 0; i < 16; i++)
                        bias[i] = wild(&r, m * m > 0.0f ? m * m : m, 1);
                expect_forms(8, 16, 4);
        }
}

/* Sums that lie next to a tie of two floats, nearer to it than a double can tell: rounding to double on the way would
 * make them ties. 1 + 2^-23 plus or minus 2^-24 (1 - 2^-46), and the same with the tail on the other side. */
static void ties(void **state)
{
        const float u = ldexpf(1.0f, -23);

        (void)state;
        x[0] = x[2] = 1.0f;
        x[1] = 1.0f + u;
        x[3] = 1.0f - u;
        for (size_t i = 0; i < 16; i++) {
                const float sign = i & 1 ? -1.0f : 1.0f, first = i & 2 ? 1.0f + u : 1.0f;

                bias[i] = 0.0f;
                w[2 * i] = i & 4 ? -first : first;
                w[2 * i + 1] = sign * ldexpf(i & 8 ? 1.0f + u : 1.0f - u, -24);
        }
        expect_forms(2, 16, 2);
        assert_true(want[2] > 1.0f + 0.5f * u && want[2] < 1.0f + 1.5f * u); /* a tie would go to 1 + 2u */
        assert_true(want[3] > 1.0f + 0.5f * u && want[3] < 1.0f + 1.5f * u); /* and this one to 1 */
}

/* Every weight at its place and zeros behind the last output, for depths and widths with and without a rest. */
static void packing(void **state)
{
        (void)state;
        for (size_t i = 0; i < OUTPUTS * MAX_K; i++)
                w[i] = (float)(i + 1);
        for (size_t i = 0; i < OUTPUTS; i++)
                bias[i] = -(float)(i + 1);
        for (size_t O = 1; O <= 35; O++) {
                for (size_t K = 1; K <= 13; K++) {
                        const size_t total = (O + 15) / 16 * 16 * (K + 1), panel = 16 * (K + 1);

                        for (size_t i = 0; i < sizeof(panels) / sizeof(*panels); i++)
                                panels[i] = NAN;
                        assert_int_equal(ewc_panel_floats(O, K), total);
                        ewc_panel_pack(O, K, w, bias, panels);
                        for (size_t i = 0; i < total; i++) {
                                const size_t o = i / panel * 16 + i % 16, k = i % panel / 16;

                                assert_true(panels[i] == (o >= O ? 0.0f : k == 0 ? bias[o] : w[o * K + k - 1]));
                        }
                        assert_true(isnan(panels[total]));
                }
        }
}

/* A window of a strided walk over two images gives what the same window gives as a row. */
static void windows(void **state)
{
        enum { W = 7, H = 6, C = 3, KERNEL = 2, O = 20 };
        static float image[2 * H * W * C];
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 93, 0);
        fill(&r, 2 * H * W * C, image);
        fill(&r, O * KERNEL * KERNEL * C, w);
        fill(&r, O, bias);
        ewc_panel_pack(O, KERNEL * KERNEL * C, w, bias, panels);
        for (size_t stride = 1; stride <= 5; stride++) {
                const size_t across = (W - KERNEL) / stride + 1, high = (H - KERNEL) / stride + 1;
                const size_t K = KERNEL * KERNEL * C;

                for (size_t n = 0; n < 2; n++) {
                        struct ewc_product p = rows_of(across * high, O, K);

                        for (size_t i = 0; i < across * high * K; i++) {
                                const size_t place = i / K, k = i % K;
                                const size_t top = place / across * stride + k / (KERNEL * C);
                                const size_t left = place % across * stride * C + k % (KERNEL * C);

                                x[i] = image[n * H * W * C + top * W * C + left];
                        }
                        chain(across * high, O, K);
                        p.from = (struct ewc_windows){image + n * H * W * C, KERNEL * C, KERNEL, W * C, across,
                            stride * C, high, stride * W * C, H * W * C};
                        for (enum ewc_panel_form f = 0; f < EWC_PANEL_FORMS; f++) {
                                if (!ewc_panel_has(f))
                                        continue;
                                expect_equal(&p, f);
                                if (n == 0)
                                        continue;
                                /* the second image of a walk over both */
                                p.from.x = image;
                                p.n = 2 * across * high;
                                p.stride = O;
                                ewc_panel_product(f, &p);
                                assert_memory_equal(y + across * high * O, want, across * high * O * sizeof(float));
                                p.from.x = image + H * W * C;
                                p.n = across * high;
                                p.stride = O + 3;
                        }
                }
        }
}

static void ends(void **state)
{
        struct ewc_product p = rows_of(3, 2, 1);

        (void)state;
        x[0] = 1.0f;
        x[1] = -2.0f;
        x[2] = NAN;
        w[0] = 1.0f;
        w[1] = INFINITY;
        bias[0] = 0.5f;
        bias[1] = 1.0f;
        ewc_panel_pack(2, 1, w, bias, panels);
        for (enum ewc_panel_form f = 0; f < EWC_PANEL_FORMS; f++) {
                if (!ewc_panel_has(f))
                        continue;
                p.end = EWC_PANEL_SUM;
                ewc_panel_product(f, &p);
                assert_true(y[0] == 1.0f && y[5] == -2.0f && isnan(y[10]) && y[1] > 1e38f && y[6] < -1e38f);
                p.end = EWC_PANEL_RELU;
                ewc_panel_product(f, &p);
                assert_true(y[0] == 1.5f && y[5] == 0.0f && isnan(y[10]) && y[1] > 1e38f && y[6] == 0.0f);
        }
        x[0] = -1.0f; /* 0 times -1, less 0: a zero with its sign */
        w[0] = 0.0f;
        bias[0] = -0.0f;
        ewc_panel_pack(1, 1, w, bias, panels);
        p = rows_of(1, 1, 1);
        p.end = EWC_PANEL_RELU;
        for (enum ewc_panel_form f = 0; f < EWC_PANEL_FORMS; f++) {
                if (!ewc_panel_has(f))
                        continue;
                ewc_panel_product(f, &p);
                assert_true(y[0] == 0.0f && !signbit(y[0]));
        }
}

static void best_is_there(void **state)
{
        (void)state;
        assert_true(ewc_panel_has(EWC_PANEL_PLAIN));
        assert_true(ewc_panel_has(ewc_panel_best()));
        assert_false(ewc_panel_has(EWC_PANEL_FORMS));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_remainder),
            cmocka_unit_test(hard_numbers),
            cmocka_unit_test(ties),
            cmocka_unit_test(packing),
            cmocka_unit_test(windows),
            cmocka_unit_test(ends),
            cmocka_unit_test(best_is_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
