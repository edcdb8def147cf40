/* pack_code.h: the codes of a pack, shared by pack.c and unpack.c: bytes, halves relative to a scale, means of the
 * rest, log steps. */
#pragma once
#include <ewc/pack.h>

#include <math.h>
#include <string.h>

enum {
        PACK_PLAIN = 1,         /* version whose rest is one number per tensor */
        PACK_MEANS = 2,         /* version whose matrices' rest is a product of means */
        PACK_HEAD = 16,         /* bytes before the table */
        PACK_ROW = 16,          /* bytes of a tensor's row in the table */
        PACK_HALF_LOW = 0x0400, /* 2^-14, the smallest half that keeps 11 bits */
        PACK_HALF_TOP = 0x3c00, /* 1 */
        PACK_LOG_TOP = 255,     /* code of the largest entry */
        PACK_LOG_STEPS = 8,     /* per octave */
};
/* Below this every entry counts as rest: relative codes would run into subnormal floats. */
#define PACK_TINY 0x1p-90f

static inline void put16(unsigned char *at, uint32_t v)
{
        at[0] = (unsigned char)(v & 0xff);
        at[1] = (unsigned char)(v >> 8 & 0xff);
}

static inline void put32(unsigned char *at, uint32_t v)
{
        put16(at, v & 0xffff);
        put16(at + 2, v >> 16);
}

static inline uint32_t get16(const unsigned char *at)
{
        return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t get32(const unsigned char *at)
{
        return get16(at) | get16(at + 2) << 16;
}

static inline uint32_t float_bits(float v)
{
        uint32_t u;

        memcpy(&u, &v, sizeof(u));
        return u;
}

static inline float bits_float(uint32_t u)
{
        float v;

        memcpy(&v, &u, sizeof(v));
        return v;
}

/* 2^e of a double by its bits, -1022 <= e <= 1023 */
static inline double power_of_two(int e)
{
        uint64_t u = (uint64_t)(e + 1023) << 52;
        double v;

        memcpy(&v, &u, sizeof(v));
        return v;
}

/* v / scale in [2^-14, 1], rounded to 11 bits; ties go up */
static inline uint32_t half_of(float v, float scale)
{
        double q = (double)v / (double)scale;
        int e = ilogb(q);
        uint32_t m = (uint32_t)(q * power_of_two(10 - e) + 0.5); /* 1024 to 2048 */

        return ((uint32_t)(e + 15) << 10) + (m - 1024);
}

static inline float half_value(uint32_t h, float scale)
{
        double m = (double)(1024 + (h & 1023)) * power_of_two((int)(h >> 10) - 25);

        return (float)(m * (double)scale);
}

/* A row's mean as stored: a half relative to 1, or 0. */
static inline float row_mean_value(uint32_t h)
{
        return h == 0 ? 0.0f : half_value(h, 1.0f);
}

/* An entry of a matrix's rest. Row means are at most 1: finite where the column's is. */
static inline float rest_value(float row, float column, float floor)
{
        float v = row * column;

        return v < floor ? v : floor;
}

static inline uint32_t log_of(float v, float scale)
{
        double c;

        if (!(v > 0.0f) || !(scale > 0.0f))
                return 0;
        c = floor(PACK_LOG_TOP + PACK_LOG_STEPS * log2((double)v / (double)scale) + 0.5);
        return c < 1 ? 0 : (uint32_t)c;
}

static inline float log_value(uint32_t code, float scale)
{
        static const double step[PACK_LOG_STEPS] = {1, 0.917004043204671232, 0.840896415253714543,
            0.771105412703970412, 0.707106781186547524, 0.648419777325504833, 0.594603557501360533,
            0.545253866332628830}; /* 2^(-r/8) */
        uint32_t down = PACK_LOG_TOP - code;

        return (float)((double)scale * step[down % PACK_LOG_STEPS] * power_of_two(-(int)(down / PACK_LOG_STEPS)));
}

static inline size_t pack_column_bytes(const struct ewc_pack_shape *s)
{
        return s->cols <= 65536 ? 2 : 4;
}

static inline bool pack_sparse(enum ewc_pack_encoding e)
{
        return e == EWC_PACK_BITMAP16 || e == EWC_PACK_CSR16;
}

static inline size_t pack_means_bytes(int version, enum ewc_pack_encoding e, const struct ewc_pack_shape *s)
{
        if (version < PACK_MEANS || !pack_sparse(e) || s->rows == 1 || s->cols == 1)
                return 0;
        return 2 * (size_t)s->rows + 4 * (size_t)s->cols;
}

/* Payload of a tensor with `kept` entries kept, without means. Cannot overflow: rows * cols <= EWC_MAX_PARAMS. */
static inline size_t pack_entry_bytes(enum ewc_pack_encoding e, const struct ewc_pack_shape *s, size_t kept)
{
        const size_t n = (size_t)s->rows * s->cols;

        switch (e) {
        case EWC_PACK_DENSE32:
                return 4 * n;
        case EWC_PACK_BITMAP16:
                return (n + 7) / 8 + 2 * kept;
        case EWC_PACK_LOG8:
                return n;
        case EWC_PACK_CSR16:
                return 4 * (size_t)s->rows + (pack_column_bytes(s) + 2) * kept;
        }
        return 0;
}

static inline size_t pack_payload(int version, enum ewc_pack_encoding e, const struct ewc_pack_shape *s, size_t kept)
{
        return pack_entry_bytes(e, s, kept) + pack_means_bytes(version, e, s);
}

/* Entries of the layout, 0 when it is not one. */
static inline size_t pack_entries(const struct ewc_pack_layout *l)
{
        size_t sum = 0;

        if (l->n == 0 || l->n > 65535)
                return 0;
        for (size_t i = 0; i < l->n; i++) {
                uint64_t n = (uint64_t)l->shape[i].rows * l->shape[i].cols;

                if (n == 0 || n > EWC_MAX_PARAMS - sum)
                        return 0;
                sum += (size_t)n;
        }
        return sum;
}
