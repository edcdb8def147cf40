/* pack.c: encodes a Fisher, tensor by tensor.
 *
 * The entries to keep are found without scratch memory: floats >= 0 order like their bits, so three histograms over
 * 11, 11 and 10 bits find the smallest kept entry; of equal ones the first are taken. The floor is held below the
 * smallest kept entry as it decodes, hence the same entries are kept when a decoded vector is encoded again. */
#include "ewc/pack_code.h"

#include "ewc/internal.h"

static const struct ewc_name names[] = {
    {EWC_PACK_DENSE32, "dense32"},
    {EWC_PACK_BITMAP16, "bitmap16"},
    {EWC_PACK_LOG8, "log8"},
    {EWC_PACK_CSR16, "csr16"},
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

const char *ewc_pack_name(enum ewc_pack_encoding e)
{
        return ewc_name_find(names, N_NAMES, (int)e);
}

int ewc_pack_parse(const char *name, enum ewc_pack_encoding *ret)
{
        int v, r = ewc_name_parse(names, N_NAMES, name, &v);

        if (r == 0)
                *ret = (enum ewc_pack_encoding)v;
        return r;
}

int ewc_pack_shapes(const struct ewc_spec *s, struct ewc_pack_shape *ret)
{
        const size_t n = ewc_spec_tensors(s);
        size_t end = ewc_spec_params(s);

        for (size_t i = n; i-- > 0;) {
                struct ewc_tensor t;
                int r = ewc_spec_tensor(s, i, &t);
                size_t size = end - t.offset;

                if (r < 0)
                        return r;
                ret[i].rows = t.cols > 1 && t.rows > 0 && size % t.rows == 0 ? t.rows : 1;
                ret[i].cols = (uint32_t)(size / ret[i].rows);
                end = t.offset;
        }
        return 0;
}

static bool sparse(enum ewc_pack_encoding e)
{
        return e == EWC_PACK_BITMAP16 || e == EWC_PACK_CSR16;
}

static size_t most_kept(const struct ewc_pack_options *o, size_t n)
{
        size_t k = (size_t)ceil(o->keep * (double)n - 1e-9);

        k = k < 1 ? 1 : k;
        return k < n ? k : n;
}

int ewc_pack_bound(const struct ewc_pack_layout *l, const struct ewc_pack_options *o, size_t *ret)
{
        size_t sum = PACK_HEAD + PACK_ROW * l->n;

        if (!ewc_pack_name(o->encoding) || (sparse(o->encoding) && !(o->keep > 0 && o->keep <= 1)))
                return EWC_E_INVAL;
        if (pack_entries(l) == 0)
                return EWC_E_DIM;
        for (size_t i = 0; i < l->n; i++) {
                size_t n = (size_t)l->shape[i].rows * l->shape[i].cols;

                sum += pack_payload(o->encoding, &l->shape[i], sparse(o->encoding) ? most_kept(o, n) : n);
        }
        if (sum > UINT32_MAX)
                return EWC_E_DIM;
        *ret = sum;
        return 0;
}

struct choice { /* the entries of a tensor that are kept */
        float scale, low, floor;
        uint32_t limit; /* bits of the smallest kept entry */
        size_t kept;    /* in all */
        size_t ties;    /* of those equal to the limit */
};

/* Bits of the k-th largest entry >= low, and how many entries equal to it are among the k largest. */
static uint32_t kth_largest(size_t n, const float *f, float low, size_t k, size_t *ret_ties)
{
        static const int shift[3] = {21, 10, 0}, width[3] = {11, 11, 10};
        uint32_t prefix = 0, mask = 0;

        for (int pass = 0; pass < 3; pass++) {
                size_t count[2048] = {0};
                uint32_t digits = ((uint32_t)1 << width[pass]) - 1, d = digits;

                for (size_t i = 0; i < n; i++) {
                        uint32_t u = float_bits(f[i]);

                        if (f[i] >= low && (u & mask) == prefix)
                                count[u >> shift[pass] & digits]++;
                }
                for (; count[d] < k; d--)
                        k -= count[d];
                prefix |= d << shift[pass];
                mask |= digits << shift[pass];
        }
        *ret_ties = k;
        return prefix;
}

static bool keeps(const struct choice *c, float v, size_t *ties)
{
        uint32_t u = float_bits(v);

        if (c->kept == 0 || !(v >= c->low) || u < c->limit)
                return false;
        if (u > c->limit)
                return true;
        return *ties > 0 && (*ties)--;
}

static struct choice choose(size_t n, const float *f, size_t most)
{
        struct choice c = {0};
        size_t able = 0, ties;
        double rest = 0;
        float top = 0;

        for (size_t i = 0; i < n; i++)
                top = f[i] > top ? f[i] : top;
        if (top >= PACK_TINY) {
                c.scale = top;
                c.low = top * 0x1p-14f;
                for (size_t i = 0; i < n; i++)
                        able += f[i] >= c.low;
                c.kept = able < most ? able : most;
                c.limit = kth_largest(n, f, c.low, c.kept, &c.ties);
        }
        ties = c.ties;
        for (size_t i = 0; i < n; i++)
                rest += keeps(&c, f[i], &ties) ? 0 : (double)f[i];
        c.floor = c.kept < n ? (float)(rest / (double)(n - c.kept)) : 0.0f;
        if (c.kept > 0) {
                float least = half_value(half_of(bits_float(c.limit), c.scale), c.scale);

                c.floor = c.floor < least ? c.floor : nextafterf(least, 0.0f);
        }
        return c;
}

static void put_bitmap(size_t n, const float *f, const struct choice *c, unsigned char *at)
{
        unsigned char *half = at + (n + 7) / 8;
        size_t ties = c->ties;

        memset(at, 0, (n + 7) / 8);
        for (size_t i = 0; i < n; i++) {
                if (!keeps(c, f[i], &ties))
                        continue;
                at[i / 8] = (unsigned char)(at[i / 8] | 1U << i % 8);
                put16(half, half_of(f[i], c->scale));
                half += 2;
        }
}

static void put_csr(const struct ewc_pack_shape *s, const float *f, const struct choice *c, unsigned char *at)
{
        const size_t wide = pack_column_bytes(s);
        unsigned char *column = at + 4 * (size_t)s->rows, *half = column + wide * c->kept;
        size_t ties = c->ties;
        uint32_t end = 0;

        for (uint32_t row = 0; row < s->rows; row++, f += s->cols) {
                for (uint32_t col = 0; col < s->cols; col++) {
                        if (!keeps(c, f[col], &ties))
                                continue;
                        if (wide == 2)
                                put16(column, col);
                        else
                                put32(column, col);
                        put16(half, half_of(f[col], c->scale));
                        column += wide;
                        half += 2;
                        end++;
                }
                put32(at + 4 * (size_t)row, end);
        }
}

static struct choice put_log(size_t n, const float *f, unsigned char *at)
{
        struct choice c = {0};
        double rest = 0;

        for (size_t i = 0; i < n; i++)
                c.scale = f[i] > c.scale ? f[i] : c.scale;
        c.scale = c.scale < PACK_TINY ? 0.0f : c.scale;
        for (size_t i = 0; i < n; i++) {
                at[i] = (unsigned char)log_of(f[i], c.scale);
                c.kept += at[i] != 0;
                rest += at[i] != 0 ? 0 : (double)f[i];
        }
        c.floor = c.kept < n ? (float)(rest / (double)(n - c.kept)) : 0.0f;
        return c;
}

static struct choice put_tensor(
    const struct ewc_pack_options *o, const struct ewc_pack_shape *s, const float *f, unsigned char *at)
{
        const size_t n = (size_t)s->rows * s->cols;
        struct choice c = {0};

        switch (o->encoding) {
        case EWC_PACK_DENSE32:
                for (size_t i = 0; i < n; i++)
                        put32(at + 4 * i, float_bits(f[i]));
                c.kept = n;
                break;
        case EWC_PACK_LOG8:
                c = put_log(n, f, at);
                break;
        case EWC_PACK_BITMAP16:
                c = choose(n, f, most_kept(o, n));
                put_bitmap(n, f, &c, at);
                break;
        case EWC_PACK_CSR16:
                c = choose(n, f, most_kept(o, n));
                put_csr(s, f, &c, at);
                break;
        }
        return c;
}

int ewc_pack_encode(const struct ewc_pack_layout *l, const struct ewc_pack_options *o, const float *fisher,
    size_t size, void *bytes, size_t *ret_size)
{
        unsigned char *out = bytes;
        size_t P, bound, at = PACK_HEAD + PACK_ROW * l->n;
        int r = ewc_pack_bound(l, o, &bound);

        if (r < 0)
                return r;
        if (size < bound)
                return EWC_E_DIM;
        P = pack_entries(l);
        for (size_t i = 0; i < P; i++) {
                if (!(fisher[i] >= 0.0f) || !isfinite(fisher[i]))
                        return EWC_E_NONFINITE;
        }
        for (size_t i = 0; i < l->n; i++) {
                unsigned char *row = out + PACK_HEAD + PACK_ROW * i;
                struct choice c = put_tensor(o, &l->shape[i], fisher, out + at);
                size_t payload = pack_payload(o->encoding, &l->shape[i], c.kept);

                put32(row, float_bits(c.scale));
                put32(row + 4, float_bits(c.floor));
                put32(row + 8, (uint32_t)c.kept);
                put32(row + 12, (uint32_t)payload);
                at += payload;
                fisher += (size_t)l->shape[i].rows * l->shape[i].cols;
        }
        memcpy(out, "EWCP\1", 5);
        out[5] = (unsigned char)o->encoding;
        put16(out + 6, (uint32_t)l->n);
        put32(out + 8, (uint32_t)P);
        put32(out + 12, (uint32_t)at);
        *ret_size = at;
        return 0;
}
