/* unpack.c: checks a pack, and reads it in blocks: whole, or straight into a penalty.
 *
 * ewc_pack_open compares every byte that steers a read with the layout; what follows trusts it. A tensor is read
 * front to back by a cursor that fills a block of floats on the stack: with the rest, then what is kept over it. */
#include "ewc/pack_code.h"

#include <ewc/penalty.h>

#include "ewc/internal.h"

enum { BLOCK = 1024 };

struct cursor {
        enum ewc_pack_encoding encoding;
        int version;
        struct ewc_pack_shape shape;
        const unsigned char *data;
        size_t n, kept;
        float scale, floor;
        const unsigned char *means; /* of a matrix's rest, rows first; NULL: the rest is the floor */
        size_t at, taken;           /* entries read, kept entries among them */
        uint32_t row;               /* CSR: row of entry `at` */
        float level[256];           /* LOG8: value of every code */
};

static void cursor_init(struct cursor *c, const struct ewc_pack *p, size_t tensor)
{
        const unsigned char *row = p->bytes + PACK_HEAD + PACK_ROW * tensor;

        c->encoding = p->encoding;
        c->version = p->version;
        c->shape = p->layout->shape[tensor];
        c->n = (size_t)c->shape.rows * c->shape.cols;
        c->scale = bits_float(get32(row));
        c->floor = bits_float(get32(row + 4));
        c->kept = get32(row + 8);
        c->at = c->taken = 0;
        c->row = 0;
}

static size_t cursor_payload(const struct cursor *c)
{
        return pack_payload(c->version, c->encoding, &c->shape, c->kept);
}

static void cursor_data(struct cursor *c, const unsigned char *data)
{
        bool means = pack_means_bytes(c->version, c->encoding, &c->shape) > 0;

        c->data = data;
        c->means = means ? data + pack_entry_bytes(c->encoding, &c->shape, c->kept) : NULL;
}

static const unsigned char *halves(const struct cursor *c)
{
        if (c->encoding == EWC_PACK_BITMAP16)
                return c->data + (c->n + 7) / 8;
        return c->data + 4 * (size_t)c->shape.rows + pack_column_bytes(&c->shape) * c->kept;
}

static uint32_t csr_column(const struct cursor *c, size_t k)
{
        const unsigned char *column = c->data + 4 * (size_t)c->shape.rows;

        return pack_column_bytes(&c->shape) == 2 ? get16(column + 2 * k) : get32(column + 4 * k);
}

static bool numbers_fit(const struct cursor *c)
{
        if (!(c->floor >= 0.0f) || !isfinite(c->floor) || c->kept > c->n)
                return false;
        if (c->encoding == EWC_PACK_DENSE32)
                return c->kept == c->n && c->scale == 0.0f && c->floor == 0.0f;
        return c->kept == 0 ? c->scale == 0.0f : c->scale >= PACK_TINY && isfinite(c->scale);
}

static bool half_fits(uint32_t h)
{
        return h >= PACK_HALF_LOW && h <= PACK_HALF_TOP;
}

static bool halves_fit(const struct cursor *c)
{
        const unsigned char *h = halves(c);

        for (size_t k = 0; k < c->kept; k++) {
                if (!half_fits(get16(h + 2 * k)))
                        return false;
        }
        return true;
}

static bool means_fit(const struct cursor *c)
{
        const unsigned char *at = c->means;

        if (!at)
                return true;
        for (uint32_t i = 0; i < c->shape.rows; i++, at += 2) {
                if (get16(at) != 0 && !half_fits(get16(at)))
                        return false;
        }
        for (uint32_t i = 0; i < c->shape.cols; i++, at += 4) {
                float v = bits_float(get32(at));

                if (!(v >= 0.0f) || !isfinite(v))
                        return false;
        }
        return true;
}

static bool bitmap_fits(const struct cursor *c)
{
        size_t n = 0;

        for (size_t i = 0; i < (c->n + 7) / 8; i++) {
                for (uint32_t b = c->data[i]; b != 0; b &= b - 1)
                        n++;
        }
        return n == c->kept && (c->n % 8 == 0 || c->data[c->n / 8] >> c->n % 8 == 0);
}

static bool csr_fits(const struct cursor *c)
{
        size_t from = 0;

        for (uint32_t row = 0; row < c->shape.rows; row++) {
                size_t to = get32(c->data + 4 * (size_t)row);

                if (to < from || to > c->kept)
                        return false;
                for (size_t k = from; k < to; k++) {
                        if (csr_column(c, k) >= c->shape.cols ||
                            (k > from && csr_column(c, k) <= csr_column(c, k - 1)))
                                return false;
                }
                from = to;
        }
        return from == c->kept;
}

static bool payload_fits(const struct cursor *c)
{
        size_t n = 0;

        switch (c->encoding) {
        case EWC_PACK_DENSE32:
                for (size_t i = 0; i < c->n; i++) {
                        float v = bits_float(get32(c->data + 4 * i));

                        if (!(v >= 0.0f) || !isfinite(v))
                                return false;
                }
                return true;
        case EWC_PACK_LOG8:
                for (size_t i = 0; i < c->n; i++)
                        n += c->data[i] != 0;
                return n == c->kept;
        case EWC_PACK_BITMAP16:
                return bitmap_fits(c) && halves_fit(c) && means_fit(c);
        case EWC_PACK_CSR16:
                return csr_fits(c) && halves_fit(c) && means_fit(c);
        }
        return false;
}

int ewc_pack_open(const struct ewc_pack_layout *l, const void *bytes, size_t size, struct ewc_pack *ret)
{
        const unsigned char *b = bytes;
        struct ewc_pack p = {.layout = l, .bytes = b, .n_params = pack_entries(l)};
        size_t at = PACK_HEAD + PACK_ROW * l->n;
        struct cursor c;

        if (p.n_params == 0)
                return EWC_E_DIM;
        if (size < PACK_HEAD || memcmp(b, "EWCP", 4) != 0 || b[4] < PACK_PLAIN || b[4] > PACK_MEANS ||
            !ewc_pack_name((enum ewc_pack_encoding)b[5]) || get32(b + 12) != size)
                return EWC_E_INVAL;
        if (get16(b + 6) != l->n || get32(b + 8) != p.n_params)
                return EWC_E_DIM;
        if (size < at)
                return EWC_E_INVAL;
        p.version = b[4];
        p.encoding = (enum ewc_pack_encoding)b[5];
        for (size_t i = 0; i < l->n; i++) {
                size_t payload;

                cursor_init(&c, &p, i);
                if (!numbers_fit(&c))
                        return EWC_E_INVAL;
                payload = cursor_payload(&c);
                if (payload != get32(b + PACK_HEAD + PACK_ROW * i + 12) || payload > size - at)
                        return EWC_E_INVAL;
                cursor_data(&c, b + at);
                if (!payload_fits(&c))
                        return EWC_E_INVAL;
                at += payload;
                p.n_kept += c.kept;
        }
        if (at != size)
                return EWC_E_INVAL;
        *ret = p;
        return 0;
}

static void read_rest(const struct cursor *c, size_t n, float *ret)
{
        const size_t cols = c->shape.cols, end = c->at + n;
        const unsigned char *columns = c->means ? c->means + 2 * (size_t)c->shape.rows : NULL;

        if (!columns) {
                for (size_t i = 0; i < n; i++)
                        ret[i] = c->floor;
                return;
        }
        for (size_t at = c->at; at < end;) {
                const size_t row = at / cols, stop = (row + 1) * cols < end ? (row + 1) * cols : end;
                const float mean = row_mean_value(get16(c->means + 2 * row));

                for (size_t col = at % cols; at < stop; at++, col++)
                        *ret++ = rest_value(mean, bits_float(get32(columns + 4 * col)), c->floor);
        }
}

static void read_bitmap(struct cursor *c, size_t n, float *ret)
{
        const unsigned char *half = halves(c);

        read_rest(c, n, ret);
        for (size_t i = 0; i < n; i++, c->at++) {
                if (c->data[c->at / 8] >> c->at % 8 & 1)
                        ret[i] = half_value(get16(half + 2 * c->taken++), c->scale);
        }
}

static void read_csr(struct cursor *c, size_t n, float *ret)
{
        const unsigned char *half = halves(c);
        const size_t from = c->at;

        read_rest(c, n, ret);
        for (c->at += n; c->taken < c->kept; c->taken++) {
                size_t i;

                while (c->taken == get32(c->data + 4 * (size_t)c->row)) /* rows that have ended */
                        c->row++;
                i = (size_t)c->row * c->shape.cols + csr_column(c, c->taken);
                if (i >= c->at)
                        return;
                ret[i - from] = half_value(get16(half + 2 * c->taken), c->scale);
        }
}

static void cursor_read(struct cursor *c, size_t n, float *ret)
{
        switch (c->encoding) {
        case EWC_PACK_DENSE32:
                for (size_t i = 0; i < n; i++)
                        ret[i] = bits_float(get32(c->data + 4 * (c->at + i)));
                c->at += n;
                break;
        case EWC_PACK_LOG8:
                for (size_t i = 0; i < n; i++)
                        ret[i] = c->level[c->data[c->at + i]];
                c->at += n;
                break;
        case EWC_PACK_BITMAP16:
                read_bitmap(c, n, ret);
                break;
        case EWC_PACK_CSR16:
                read_csr(c, n, ret);
                break;
        }
}

struct block { /* entries from .. from+n-1 of the decoded vector, all of one tensor */
        size_t tensor, from, n;
        const float *fisher; /* (n) */
};

/* Calls f with every block in order. */
static void walk(const struct ewc_pack *p, void (*f)(const struct block *b, void *arg), void *arg)
{
        size_t at = PACK_HEAD + PACK_ROW * p->layout->n, from = 0;
        float block[BLOCK];
        struct cursor c;

        for (size_t t = 0; t < p->layout->n; t++) {
                cursor_init(&c, p, t);
                cursor_data(&c, p->bytes + at);
                at += cursor_payload(&c);
                for (uint32_t code = 0; p->encoding == EWC_PACK_LOG8 && code < 256; code++)
                        c.level[code] = code == 0 ? c.floor : log_value(code, c.scale);
                while (c.at < c.n) {
                        struct block b = {t, from, c.n - c.at < BLOCK ? c.n - c.at : BLOCK, block};

                        cursor_read(&c, b.n, block);
                        f(&b, arg);
                        from += b.n;
                }
        }
}

static void copy_block(const struct block *b, void *arg)
{
        float *ret = arg;

        memcpy(ret + b->from, b->fisher, b->n * sizeof(*ret));
}

void ewc_pack_decode(const struct ewc_pack *p, float *ret)
{
        walk(p, copy_block, ret);
}

static void trace_block(const struct block *b, void *arg)
{
        double *trace = arg;

        for (size_t i = 0; i < b->n; i++)
                trace[b->tensor] += (double)b->fisher[i];
}

/* What the kept entries of a tensor sum up to, in the order of trace_block. */
static double kept_trace(const struct cursor *c, double trace)
{
        double sum = 0;

        if (!pack_sparse(c->encoding))
                return trace - (double)c->floor * (double)(c->n - c->kept);
        for (size_t k = 0; k < c->kept; k++)
                sum += (double)half_value(get16(halves(c) + 2 * k), c->scale);
        return sum;
}

void ewc_pack_shares(const struct ewc_pack *p, double *ret)
{
        size_t at = PACK_HEAD + PACK_ROW * p->layout->n;

        for (size_t t = 0; t < p->layout->n; t++)
                ret[t] = 0;
        walk(p, trace_block, ret);
        for (size_t t = 0; t < p->layout->n; t++) {
                struct cursor c;

                cursor_init(&c, p, t);
                cursor_data(&c, p->bytes + at);
                at += cursor_payload(&c);
                ret[t] = ret[t] > 0 ? fmin(fmax(0, kept_trace(&c, ret[t]) / ret[t]), 1) : 1;
        }
}

struct run {
        double lambda, sum;
        const float *anchor, *from, *step; /* (P) anchor, theta to read, step */
        float *to;                         /* (P) theta or gradient to write */
        float step0;
};

static struct ewc_penalty penalty_of(const struct run *r, const struct block *b)
{
        return (struct ewc_penalty){r->lambda, b->fisher, r->anchor + b->from};
}

static void value_block(const struct block *b, void *arg)
{
        struct run *r = arg;
        const struct ewc_penalty pen = penalty_of(r, b);

        r->sum += ewc_penalty_value(b->n, r->from + b->from, &pen);
}

static void grad_block(const struct block *b, void *arg)
{
        struct run *r = arg;
        const struct ewc_penalty pen = penalty_of(r, b);

        ewc_penalty_grad(b->n, r->from + b->from, &pen, r->to + b->from);
}

static void prox_block(const struct block *b, void *arg)
{
        struct run *r = arg;
        const struct ewc_penalty pen = penalty_of(r, b);

        ewc_penalty_prox(b->n, r->to + b->from, &pen, r->step ? r->step + b->from : NULL, r->step0);
}

double ewc_pack_penalty_value(const struct ewc_pack *p, double lambda, const float *anchor, const float *theta)
{
        struct run r = {.lambda = lambda, .anchor = anchor, .from = theta};

        walk(p, value_block, &r);
        return r.sum;
}

void ewc_pack_penalty_grad(
    const struct ewc_pack *p, double lambda, const float *anchor, const float *theta, float *grad)
{
        struct run r = {.lambda = lambda, .anchor = anchor, .from = theta, .to = grad};

        walk(p, grad_block, &r);
}

void ewc_pack_penalty_prox(
    const struct ewc_pack *p, double lambda, const float *anchor, float *theta, const float *step, float step0)
{
        struct run r = {.lambda = lambda, .anchor = anchor, .to = theta, .step = step, .step0 = step0};

        walk(p, prox_block, &r);
}
