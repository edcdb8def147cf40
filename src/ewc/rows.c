/* rows.c: the product of the prediction path, Y (B,O) = X (B,I) W (O,I)^T, with results that do not depend on B.
 *
 * A BLAS picks another kernel, and other bits, for another number of rows, and packs W again on every call. Here
 * each output is one dot product in a fixed order: 16 lanes over k, then a fixed tree over the lanes. Tiles of
 * rows and columns only decide which dot products share their loads, so a row alone and the same row among others
 * give the same bits. W is read as it lies. Which instruction set runs (and with it the last bits) is a property
 * of the machine. This file alone is compiled with fused multiply-add allowed. */
#include "ewc/internal.h"

#include <string.h>

#if defined(__clang__)
#define EWC_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define EWC_UNROLL _Pragma("GCC unroll 16")
#else
#define EWC_UNROLL
#endif

enum { LANES = 16, WIDE = 4 }; /* lanes of a dot product; columns of a tile */

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef float lanes8 __attribute__((vector_size(8 * sizeof(float))));
typedef float lanes4 __attribute__((vector_size(4 * sizeof(float))));

struct product {
        size_t B, O, I;
        const float *x, *w;
        float *y;
};

EWC_INLINE void load(lanes *ret, const float *from, size_t n)
{
        if (n == LANES) {
                memcpy(ret, from, sizeof(*ret));
        } else {
                memset(ret, 0, sizeof(*ret));
                memcpy(ret, from, n * sizeof(*from));
        }
}

/* ret[c] = sum of the lanes of acc[c], for four columns at once; the order is the same for every column. */
EWC_INLINE void reduce(const lanes acc[WIDE], float ret[WIDE])
{
        lanes4 t[WIDE], u, v, sum;

        EWC_UNROLL
        for (int c = 0; c < WIDE; c++) {
                lanes8 half[2], s;
                lanes4 quarter[2];

                memcpy(half, &acc[c], sizeof(half));
                s = half[0] + half[1];
                memcpy(quarter, &s, sizeof(quarter));
                t[c] = quarter[0] + quarter[1];
        }
        u = (lanes4){t[0][0], t[1][0], t[2][0], t[3][0]} + (lanes4){t[0][2], t[1][2], t[2][2], t[3][2]};
        v = (lanes4){t[0][1], t[1][1], t[2][1], t[3][1]} + (lanes4){t[0][3], t[1][3], t[2][3], t[3][3]};
        sum = u + v;
        memcpy(ret, &sum, sizeof(sum));
}

EWC_INLINE void step(lanes *acc, const float *const *x, const float *const *w, int rows, size_t k, size_t n)
{
        lanes a[4], b;

        EWC_UNROLL
        for (int r = 0; r < rows; r++)
                load(&a[r], x[r] + k, n);
        EWC_UNROLL
        for (int c = 0; c < WIDE; c++) {
                load(&b, w[c] + k, n);
                EWC_UNROLL
                for (int r = 0; r < rows; r++)
                        acc[r * WIDE + c] += a[r] * b;
        }
}

/* Rows n .. n+rows-1, columns o .. o+3; beyond the last column the last one is computed again and dropped. */
EWC_INLINE void tile(const struct product *p, size_t n, size_t o, int rows)
{
        const size_t columns = p->O - o < WIDE ? p->O - o : WIDE, whole = p->I - p->I % LANES;
        const float *x[4], *w[WIDE];
        lanes acc[4 * WIDE];

        EWC_UNROLL
        for (int r = 0; r < rows; r++)
                x[r] = p->x + (n + (size_t)r) * p->I;
        EWC_UNROLL
        for (size_t c = 0; c < WIDE; c++)
                w[c] = p->w + (o + (c < columns ? c : columns - 1)) * p->I;
        EWC_UNROLL
        for (int i = 0; i < rows * WIDE; i++)
                acc[i] = (lanes){0};
        for (size_t k = 0; k < whole; k += LANES)
                step(acc, x, w, rows, k, LANES);
        if (whole < p->I)
                step(acc, x, w, rows, whole, p->I - whole);
        EWC_UNROLL
        for (int r = 0; r < rows; r++) {
                float out[WIDE];

                reduce(acc + r * WIDE, out);
                memcpy(p->y + (n + (size_t)r) * p->O + o, out, columns * sizeof(*out));
        }
}

EWC_INLINE void tiles(const struct product *p, int rows)
{
        for (size_t o = 0; o < p->O; o += WIDE) {
                size_t n = 0;

                for (; n + (size_t)rows <= p->B; n += (size_t)rows)
                        tile(p, n, o, rows);
                for (; rows > 2 && n + 2 <= p->B; n += 2)
                        tile(p, n, o, 2);
                for (; n < p->B; n++)
                        tile(p, n, o, 1);
        }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void tiles_avx512(const struct product *p)
{
        tiles(p, 4);
}

__attribute__((target("avx2,fma"))) static void tiles_fma(const struct product *p)
{
        tiles(p, 1);
}
#endif

static void tiles_plain(const struct product *p)
{
        tiles(p, 1);
}

void ewc_rows_product(size_t B, size_t O, size_t I, const float *x, const float *w, float *y)
{
        const struct product p = {.B = B, .O = O, .I = I, .x = x, .w = w, .y = y};

#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx512f")) {
                tiles_avx512(&p);
                return;
        }
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
                tiles_fma(&p);
                return;
        }
#endif
        tiles_plain(&p);
}
