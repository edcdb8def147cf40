/* panel.c: packing, the choice of a form, and the form in plain C.
 *
 * The plain form runs where nothing better does, and is what the others are tested against. Where the machine has a
 * fused multiply-add the compiler uses it; elsewhere it is computed from doubles: the product of two floats is exact
 * in double, the sum is rounded to odd by its exact error, and a sum rounded to odd with more than twice the digits
 * and two more rounds to the same float as the exact one (Boldo and Melquiond 2008, Emulation of FMA). */
#include "ewc/panel.h"

#include <math.h>
#include <string.h>

size_t ewc_panel_floats(size_t O, size_t K)
{
        return (O + EWC_PANEL - 1) / EWC_PANEL * EWC_PANEL * (K + 1);
}

typedef float four __attribute__((vector_size(4 * sizeof(float))));

/* Four weights of four outputs, turned over. */
static void turn(const float *w, size_t K, float *to)
{
        four r[4], low[2], high[2], c[4];

        for (size_t i = 0; i < 4; i++)
                memcpy(&r[i], w + i * K, sizeof(r[i]));
        for (size_t i = 0; i < 2; i++) {
                low[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
                high[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
        }
        c[0] = __builtin_shufflevector(low[0], low[1], 0, 1, 4, 5);
        c[1] = __builtin_shufflevector(low[0], low[1], 2, 3, 6, 7);
        c[2] = __builtin_shufflevector(high[0], high[1], 0, 1, 4, 5);
        c[3] = __builtin_shufflevector(high[0], high[1], 2, 3, 6, 7);
        for (size_t i = 0; i < 4; i++)
                memcpy(to + i * EWC_PANEL, &c[i], sizeof(c[i]));
}

void ewc_panel_pack(size_t O, size_t K, const float *w, const float *bias, float *ret)
{
        for (size_t o = 0; o < O; o += EWC_PANEL, w += EWC_PANEL * K, ret += EWC_PANEL * (K + 1)) {
                const size_t columns = O - o < EWC_PANEL ? O - o : EWC_PANEL, whole = columns / 4 * 4;
                float *to = ret + EWC_PANEL;

                if (columns < EWC_PANEL)
                        memset(ret, 0, EWC_PANEL * (K + 1) * sizeof(*ret));
                memcpy(ret, bias + o, columns * sizeof(*ret));
                for (size_t k = 0; k < K; k += 4) {
                        const size_t n = K - k < 4 ? K - k : 4;

                        for (size_t c = 0; c < whole && n == 4; c += 4)
                                turn(w + c * K + k, K, to + k * EWC_PANEL + c);
                        for (size_t c = n == 4 ? whole : 0; c < columns; c++) {
                                for (size_t i = 0; i < n; i++)
                                        to[(k + i) * EWC_PANEL + c] = w[c * K + k + i];
                        }
                }
        }
}

EWC_INLINE float fused(float a, float b, float c)
{
#ifdef FP_FAST_FMAF
        return fmaf(a, b, c);
#else
        const double p = (double)a * (double)b, s = p + (double)c, t = s - p;
        const double e = (p - (s - t)) + ((double)c - t); /* p + c = s + e */
        double odd;
        uint64_t bits;

        memcpy(&bits, &s, sizeof(bits));
        if ((e < 0 || e > 0) && (bits & 1) == 0) /* a NaN is left alone */
                bits += (e > 0) == (s > 0) ? 1U : UINT64_MAX;
        memcpy(&odd, &bits, sizeof(odd));
        return (float)odd;
#endif
}

static void plain_window(const struct ewc_product *p, const float *x, const float *panel, float sum[EWC_PANEL])
{
        const float *w = panel + EWC_PANEL;

        memset(sum, 0, EWC_PANEL * sizeof(*sum));
        for (size_t i = 0; i < p->from.lines; i++, x += p->from.line) {
                for (size_t k = 0; k < p->from.run; k++, w += EWC_PANEL) {
                        for (int c = 0; c < EWC_PANEL; c++)
                                sum[c] = fused(x[k], w[c], sum[c]);
                }
        }
        if (p->end == EWC_PANEL_SUM)
                return;
        for (int c = 0; c < EWC_PANEL; c++)
                sum[c] += panel[c];
        for (int c = 0; c < EWC_PANEL && p->end == EWC_PANEL_RELU; c++)
                sum[c] = sum[c] < 0.0f ? 0.0f : sum[c];
}

static void plain(const struct ewc_product *p)
{
        struct ewc_window_at at = {0};

        for (size_t n = 0; n < p->n; n++) {
                const float *x = ewc_window_next(&p->from, &at), *panel = p->panels;

                for (size_t o = 0; o < p->O; o += EWC_PANEL, panel += EWC_PANEL * (p->K + 1)) {
                        const size_t columns = p->O - o < EWC_PANEL ? p->O - o : EWC_PANEL;
                        float sum[EWC_PANEL];

                        plain_window(p, x, panel, sum);
                        memcpy(p->y + n * p->stride + o, sum, columns * sizeof(*sum));
                }
        }
}

bool ewc_panel_has(enum ewc_panel_form f)
{
#if defined(__x86_64__)
        if (f == EWC_PANEL_AVX512)
                return __builtin_cpu_supports("avx512f");
        if (f == EWC_PANEL_AVX2)
                return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
        return f == EWC_PANEL_PLAIN;
}

enum ewc_panel_form ewc_panel_best(void)
{
        if (ewc_panel_has(EWC_PANEL_AVX512))
                return EWC_PANEL_AVX512;
        return ewc_panel_has(EWC_PANEL_AVX2) ? EWC_PANEL_AVX2 : EWC_PANEL_PLAIN;
}

void ewc_panel_product(enum ewc_panel_form f, const struct ewc_product *p)
{
#if defined(__x86_64__)
        if (f == EWC_PANEL_AVX512) {
                ewc_panel_avx512(p);
                return;
        }
        if (f == EWC_PANEL_AVX2) {
                ewc_panel_avx2(p);
                return;
        }
#endif
        (void)f;
        plain(p);
}
