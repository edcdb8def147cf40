/* oip_answer.c: answers of the Open Inference Protocol v2: JSON, and binary tensors behind it where asked for. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/num.h"
#include "proto/oip.h"
#include <errno.h>
#include <stdio.h>

enum { SCORE_MAX = 64 }; /* "%.6f" of any float32, two colons, an index */

static void put_member(struct buf *b, const char *key, const char *value, bool *first)
{
        buf_puts(b, *first ? "\"" : ",\"");
        buf_puts(b, key);
        buf_puts(b, "\":");
        json_put_string(b, value);
        *first = false;
}

static size_t elements(const struct oip_output *o)
{
        size_t n = 1;
        for (size_t i = 0; i < o->rank; i++)
                n *= (size_t)o->shape[i];
        return n;
}

static void put_floats(struct buf *b, const float *v, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                char *at = buf_reserve(b, NUM_F32_MAX + 1);
                if (!at)
                        return;
                size_t len = 0;
                if (i > 0)
                        at[len++] = ',';
                len += num_print_f32(at + len, v[i]);
                buf_advance(b, len);
        }
}

static uint32_t get_u32(const char *p)
{
        const unsigned char *b = (const unsigned char *)p;
        return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void put_u32(char *p, uint32_t v)
{
        for (int i = 0; i < 4; i++)
                p[i] = (char)(v >> 8 * i);
}

static void put_texts(struct buf *b, struct slice bytes)
{
        for (size_t at = 0; at < bytes.n;) {
                uint32_t n = get_u32(bytes.p + at);
                if (at > 0)
                        buf_putc(b, ',');
                json_put_string_n(b, bytes.p + at + 4, n);
                at += 4 + (size_t)n;
        }
}

static void put_output(struct buf *b, const struct oip_output *o)
{
        bool first = true;
        size_t n = elements(o);
        buf_putc(b, '{');
        put_member(b, "name", o->name, &first);
        put_member(b, "datatype", o->bytes.p ? "BYTES" : "FP32", &first);
        buf_puts(b, ",\"shape\":[");
        for (size_t i = 0; i < o->rank; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                buf_put_u64(b, o->shape[i]);
        }
        if (o->binary) {
                buf_puts(b, "],\"parameters\":{\"binary_data_size\":");
                buf_put_u64(b, o->bytes.p ? o->bytes.n : n * sizeof(float));
                buf_puts(b, "}}");
                return;
        }
        buf_puts(b, "],\"data\":[");
        if (o->bytes.p)
                put_texts(b, o->bytes);
        else
                put_floats(b, o->data, n);
        buf_puts(b, "]}");
}

static void put_binary(struct buf *b, const struct oip_output *o)
{
        if (o->bytes.p) {
                buf_put(b, o->bytes.p, o->bytes.n);
                return;
        }
        size_t n = elements(o);
        char *at = buf_reserve(b, n * sizeof(float));
        if (!at)
                return;
        for (size_t i = 0; i < n; i++) {
                uint32_t bits;
                memcpy(&bits, &o->data[i], sizeof(bits));
                put_u32(at + 4 * i, bits);
        }
        buf_advance(b, n * sizeof(float));
}

void oip_response_write(struct buf *b, const struct oip_response *r, size_t *ret_json)
{
        bool first = true, binary = false;
        size_t start = b->len;
        buf_putc(b, '{');
        put_member(b, "model_name", r->model_name, &first);
        put_member(b, "model_version", r->model_version, &first);
        if (r->id)
                put_member(b, "id", r->id, &first);
        if (r->model_digest || r->task || r->prediction_id) {
                buf_puts(b, ",\"parameters\":{");
                first = true;
                if (r->model_digest)
                        put_member(b, "ewcd_model_digest", r->model_digest, &first);
                if (r->task)
                        put_member(b, "ewcd_task", r->task, &first);
                if (r->prediction_id)
                        put_member(b, "ewcd_prediction_id", r->prediction_id, &first);
                buf_putc(b, '}');
        }
        buf_puts(b, ",\"outputs\":[");
        for (size_t i = 0; i < r->n_outputs; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                put_output(b, &r->outputs[i]);
                binary = binary || r->outputs[i].binary;
        }
        buf_puts(b, "]}");
        *ret_json = binary ? b->len - start : 0;
        for (size_t i = 0; i < r->n_outputs; i++)
                if (r->outputs[i].binary)
                        put_binary(b, &r->outputs[i]);
}

/* --- classification --- */

static bool before(const float *v, uint32_t a, uint32_t b)
{
        return v[a] > v[b] || (v[a] == v[b] && a < b);
}

/* The heap h (n): nothing stands above what comes before it. */
static void sift(uint32_t *h, size_t n, size_t i, const float *v)
{
        for (;;) {
                size_t best = i;
                for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
                        if (before(v, h[child], h[best]))
                                best = child;
                if (best == i)
                        return;
                uint32_t swap = h[i];
                h[i] = h[best];
                h[best] = swap;
                i = best;
        }
}

static size_t longest(const char *const *labels, size_t n)
{
        size_t most = 0;
        for (size_t i = 0; labels && i < n; i++)
                most = strlen(labels[i]) > most ? strlen(labels[i]) : most;
        return most;
}

/* One row's k highest at at; returns the end. */
static char *put_classes(
    char *at, uint32_t *heap, size_t cols, const float *v, const char *const *labels, size_t k, size_t room)
{
        for (size_t i = 0; i < cols; i++)
                heap[i] = (uint32_t)i;
        for (size_t i = cols / 2; i-- > 0;)
                sift(heap, cols, i, v);
        for (size_t n = cols; k > 0; k--) {
                uint32_t best = heap[0];
                heap[0] = heap[--n];
                sift(heap, n, 0, v);
                int len = snprintf(at + 4, room, "%.6f:%u%s%s", (double)v[best], best, labels ? ":" : "",
                    labels ? labels[best] : "");
                put_u32(at, (uint32_t)len);
                at += 4 + len;
        }
        return at;
}

int oip_classify(struct arena *a, size_t rows, size_t cols, const float *values, const char *const *labels,
    uint32_t k, struct oip_output *ret)
{
        size_t kept = k < cols ? k : cols, room = SCORE_MAX + longest(labels, cols), n;
        uint32_t *heap = arena_new_array(a, uint32_t, cols);
        char *text = mem_mul(rows, kept, &n) && mem_mul(n, room + 4, &n) ? arena_alloc(a, n + 1) : NULL, *at = text;
        if (!heap || !text || cols > UINT32_MAX)
                return -ENOMEM;
        for (size_t i = 0; i < rows; i++)
                at = put_classes(at, heap, cols, values + i * cols, labels, kept, room);
        ret->rank = 2;
        ret->shape[0] = rows;
        ret->shape[1] = kept;
        ret->data = NULL;
        ret->bytes = (struct slice){text, (size_t)(at - text)};
        return 0;
}
