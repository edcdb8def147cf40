/* pack.c: encodes a Fisher, tensor by tensor.
 *
 * The entries to keep are found without scratch memory: floats >= 0 order like their bits, so three histograms over
 * 11, 11 and 10 bits find the smallest kept entry; of equal ones the first are taken. The floor is held below what
 * could be kept as it decodes, hence the same entries are kept when a decoded vector is encoded again. Means are
 * found the same way, a block of columns at a time. */
#include "ewc/pack_code.h"

#include <float.h>

#include "ewc/internal.h"

enum {
        COLUMNS = 256, /* whose means are found at a time */
        PASSES = 16    /* over a block of columns; 2 where nothing is cut, seldom more than 5 */
};

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

static int version_of(enum ewc_pack_encoding e)
{
        return pack_sparse(e) ? PACK_MEANS : PACK_PLAIN;
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

        if (!ewc_pack_name(o->encoding) || (pack_sparse(o->encoding) && !(o->keep > 0 && o->keep <= 1)))
                return EWC_E_INVAL;
        if (pack_entries(l) == 0)
                return EWC_E_DIM;
        for (size_t i = 0; i < l->n; i++) {
                size_t n = (size_t)l->shape[i].rows * l->shape[i].cols;

                n = pack_sparse(o->encoding) ? most_kept(o, n) : n;
                sum += pack_payload(version_of(o->encoding), o->encoding, &l->shape[i], n);
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
        size_t end;     /* of entries equal to the limit, those before this one */
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

static bool keeps(const struct choice *c, const float *f, size_t i)
{
        uint32_t u = float_bits(f[i]);

        return c->kept > 0 && f[i] >= c->low && (u > c->limit || (u == c->limit && i < c->end));
}

static struct choice choose(size_t n, const float *f, size_t most)
{
        struct choice c = {0};
        size_t able = 0, ties = 0;
        float top = 0;

        for (size_t i = 0; i < n; i++)
                top = f[i] > top ? f[i] : top;
        if (top >= PACK_TINY) {
                c.scale = top;
                c.low = top * 0x1p-14f;
                for (size_t i = 0; i < n; i++)
                        able += f[i] >= c.low;
                c.kept = able < most ? able : most;
                c.limit = kth_largest(n, f, c.low, c.kept, &ties);
                for (; ties > 0; c.end++)
                        ties -= float_bits(f[c.end]) == c.limit;
        }
        if (c.kept == 0)
                c.floor = top;
        else if (c.kept < most) /* more would be kept if they were large enough */
                c.floor = nextafterf(c.low, 0.0f);
        else if (c.kept < n)
                c.floor = nextafterf(half_value(half_of(bits_float(c.limit), c.scale), c.scale), 0.0f);
        return c;
}

/* Mean of what is not kept of n entries, 0 when all are. */
static double rest_mean(const struct choice *c, const float *f, size_t from, size_t n)
{
        double sum = 0;
        size_t rest = 0;

        for (size_t i = from; i < from + n; i++) {
                bool kept = keeps(c, f, i);

                sum += kept ? 0 : (double)f[i];
                rest += !kept;
        }
        return rest > 0 ? sum / (double)rest : 0;
}

static void put_row_means(const struct ewc_pack_shape *s, const float *f, const struct choice *c, unsigned char *at)
{
        double top = 0;

        for (size_t row = 0; row < s->rows; row++)
                top = fmax(top, rest_mean(c, f, row * s->cols, s->cols));
        for (size_t row = 0; row < s->rows; row++) {
                double mean = rest_mean(c, f, row * s->cols, s->cols);

                put16(at + 2 * row, mean > 0 ? half_of((float)fmax(mean / top, 0x1p-14), 1.0f) : 0);
        }
}

/* mean (n): of columns from .. from+n-1, by their sum of the rest over the sum of its rows' means. An entry that the
 * floor cuts leaves both sums, which raises the others: means only grow, until no further entry is cut. */
static void find_means(const struct ewc_pack_shape *s, const float *f, const struct choice *c,
    const unsigned char *rows, size_t from, size_t n, float *mean)
{
        bool more = true;

        memset(mean, 0, n * sizeof(*mean));
        for (int pass = 0; more && pass < PASSES; pass++) {
                double sum[COLUMNS] = {0}, weight[COLUMNS] = {0};

                for (size_t row = 0; row < s->rows; row++) {
                        const float r = row_mean_value(get16(rows + 2 * row));
                        const size_t at = row * s->cols + from;

                        for (size_t j = 0; j < n; j++) {
                                if (keeps(c, f, at + j))
                                        continue;
                                sum[j] += (double)f[at + j];
                                if (r * mean[j] < c->floor)
                                        weight[j] += (double)r;
                                else
                                        sum[j] -= (double)c->floor;
                        }
                }
                more = false;
                for (size_t j = 0; j < n; j++) {
                        float m = weight[j] > 0 ? (float)fmin(sum[j] / weight[j], (double)FLT_MAX) : 0.0f;

                        more |= m > mean[j];
                        mean[j] = m > mean[j] ? m : mean[j];
                }
        }
}

static void put_means(const struct ewc_pack_shape *s, const float *f, const struct choice *c, unsigned char *at)
{
        unsigned char *column = at + 2 * (size_t)s->rows;

        put_row_means(s, f, c, at);
        for (size_t from = 0; from < s->cols; from += COLUMNS) {
                size_t n = s->cols - from < COLUMNS ? s->cols - from : COLUMNS;
                float mean[COLUMNS];

                find_means(s, f, c, at, from, n, mean);
                for (size_t j = 0; j < n; j++, column += 4)
                        put32(column, float_bits(mean[j]));
        }
}

static void put_bitmap(size_t n, const float *f, const struct choice *c, unsigned char *at)
{
        unsigned char *half = at + (n + 7) / 8;

        memset(at, 0, (n + 7) / 8);
        for (size_t i = 0; i < n; i++) {
                if (!keeps(c, f, i))
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
        uint32_t end = 0;
        size_t i = 0;

        for (uint32_t row = 0; row < s->rows; row++) {
                for (uint32_t col = 0; col < s->cols; col++, i++) {
                        if (!keeps(c, f, i))
                                continue;
                        if (wide == 2)
                                put16(column, col);
                        else
                                put32(column, col);
                        put16(half, half_of(f[i], c->scale));
                        column += wide;
                        half += 2;
                        end++;
                }
                put32(at + 4 * (size_t)row, end);
        }
}

static struct choice put_sparse(
    const struct ewc_pack_options *o, const struct ewc_pack_shape *s, const float *f, unsigned char *at)
{
        const size_t n = (size_t)s->rows * s->cols;
        struct choice c = choose(n, f, most_kept(o, n));

        if (o->encoding == EWC_PACK_BITMAP16)
                put_bitmap(n, f, &c, at);
        else
                put_csr(s, f, &c, at);
        if (pack_means_bytes(PACK_MEANS, o->encoding, s) > 0)
                put_means(s, f, &c, at + pack_entry_bytes(o->encoding, s, c.kept));
        else
                c.floor = fminf((float)rest_mean(&c, f, 0, n), c.floor);
        return c;
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
        case EWC_PACK_CSR16:
                c = put_sparse(o, s, f, at);
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
                size_t payload = pack_payload(version_of(o->encoding), o->encoding, &l->shape[i], c.kept);

                put32(row, float_bits(c.scale));
                put32(row + 4, float_bits(c.floor));
                put32(row + 8, (uint32_t)c.kept);
                put32(row + 12, (uint32_t)payload);
                at += payload;
                fisher += (size_t)l->shape[i].rows * l->shape[i].cols;
        }
        memcpy(out, "EWCP", 4);
        out[4] = (unsigned char)version_of(o->encoding);
        out[5] = (unsigned char)o->encoding;
        put16(out + 6, (uint32_t)l->n);
        put32(out + 8, (uint32_t)P);
        put32(out + 12, (uint32_t)at);
        *ret_size = at;
        return 0;
}
