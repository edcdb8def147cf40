/* predict.c: the short JSON of predictions for people (serving reference 3.1), request and answer. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/oip.h"
#include "proto/oip_scan.h"

static int take_rows(struct scan *s, struct predict_request *q)
{
        struct scan_numbers t = {.what = "inputs", .field = "/inputs", .max_nesting = 2};
        int r = scan_numbers(s, &t);
        if (r != 0)
                return r;
        if (t.n == 0)
                return err_field(s->e, PROBLEM_BAD_SHAPE, "/inputs", "inputs has no numbers");
        q->rows = t.nesting == 2 ? t.dims[0] : 1;
        q->cols = t.nesting == 2 ? t.dims[1] : t.dims[0];
        size_t n;
        if (!mem_mul(q->rows, q->cols, &n) || n != t.n) /* whoever reads rows relies on it */
                return err_field(s->e, PROBLEM_BAD_SHAPE, "/inputs", "inputs are not rows of one length");
        q->inputs = t.data;
        return 0;
}

static int take_member(struct scan *s, const char *key, struct predict_request *q)
{
        uint64_t top_k;
        int r;
        if (strcmp(key, "inputs") == 0)
                return take_rows(s, q);
        if (strcmp(key, "task") == 0)
                return scan_string(s, "/task", &q->task);
        if (strcmp(key, "uncertainty") == 0)
                return scan_bool(s, "/uncertainty", &q->uncertainty);
        if (strcmp(key, "top_k") != 0)
                return err_field(s->e, PROBLEM_UNKNOWN_KEY, "",
                    "unknown key '%.64s'; known: inputs, task, top_k, uncertainty", key);
        if ((r = scan_uint(s, "/top_k", UINT32_MAX, &top_k)) == 0)
                q->top_k = (uint32_t)top_k;
        return r;
}

int predict_request_read(struct slice body, struct arena *a, struct predict_request *ret, struct err *e)
{
        struct scan s;
        struct scan_walk walk = {0};
        struct predict_request q = {0};
        const char *key;
        bool more;
        scan_init(&s, body, a, e);
        int r = scan_open(&s, '{', "");
        while (r == 0 && (r = scan_next(&s, &walk, "", &key, &more)) == 0 && more)
                r = take_member(&s, key, &q);
        if (r == 0)
                r = scan_end(&s);
        if (r == 0 && !q.inputs)
                r = err_field(
                    e, PROBLEM_BAD_VALUE, "/inputs", "inputs is missing: give rows of numbers, e.g. [[0.1,0.2]]");
        if (r == 0)
                *ret = q;
        return r;
}

void predict_response_begin(struct buf *b, const char *model_name, const char *model_version, const char *task)
{
        buf_puts(b, "{\"model_name\":");
        json_put_string(b, model_name);
        buf_puts(b, ",\"model_version\":");
        json_put_string(b, model_version);
        if (task) {
                buf_puts(b, ",\"task\":");
                json_put_string(b, task);
        }
        buf_puts(b, ",\"predictions\":[");
}

void predict_response_row(struct buf *b, const struct predict_row *r, bool first)
{
        buf_puts(b, first ? "{" : ",{");
        if (r->id) {
                buf_puts(b, "\"id\":");
                json_put_string(b, r->id);
                buf_putc(b, ',');
        }
        if (r->label) {
                buf_puts(b, "\"label\":");
                json_put_string(b, r->label);
                buf_puts(b, ",\"probability\":");
                json_put_float(b, r->probability);
                buf_puts(b, ",\"probabilities\":{");
        } else {
                buf_puts(b, "\"values\":{");
        }
        for (size_t i = 0; i < r->n; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_string(b, r->classes[i]);
                buf_putc(b, ':');
                json_put_float(b, r->probs[i]);
        }
        buf_putc(b, '}');
        if (r->uncertainty) {
                buf_puts(b, ",\"uncertainty\":");
                json_put_float(b, *r->uncertainty);
        }
        if (r->task) {
                buf_puts(b, ",\"task\":");
                json_put_string(b, r->task);
                buf_puts(b, ",\"task_inferred\":true");
        }
        buf_putc(b, '}');
}

void predict_response_end(struct buf *b, const char *why)
{
        buf_putc(b, ']');
        if (why) {
                buf_puts(b, ",\"uncertainty_reason\":");
                json_put_string(b, why);
        }
        buf_putc(b, '}');
}
