/* oip.c: inference requests of the Open Inference Protocol v2 in their JSON form, and the answers.
 *
 * A tensor's data is read where it stands when shape and datatype came before it, as every known client writes them;
 * otherwise its text is remembered and read at the end of the tensor. Either way the element count is known first, so
 * memory is taken once, and never more than the text could fill. */
#include "proto/oip.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/num.h"
#include "proto/oip_scan.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const struct oip_datatype {
        const char *name;
        bool integers;
        int64_t lo;
        uint64_t hi;
} datatypes[] = {
    {"FP32", false, 0, 0},
    {"FP64", false, 0, 0},
    {"INT8", true, INT8_MIN, INT8_MAX},
    {"INT16", true, INT16_MIN, INT16_MAX},
    {"INT32", true, INT32_MIN, INT32_MAX},
    {"INT64", true, INT64_MIN, INT64_MAX},
    {"UINT8", true, 0, UINT8_MAX},
    {"UINT16", true, 0, UINT16_MAX},
    {"UINT32", true, 0, UINT32_MAX},
    {"UINT64", true, 0, UINT64_MAX},
};

/* One tensor while its members arrive. */
struct reader {
        struct scan *s;
        const char *at; /* its pointer, e.g. "/inputs/0" */
        struct oip_tensor *t;
        const struct oip_datatype *type;
        struct slice data; /* text of "data" that came too early */
        bool has_data, read;
};

/* "<at>/<key>" in a buffer that lasts for one message. */
static const char *sub(char field[SCAN_FIELD_SIZE], const char *at, const char *key)
{
        int n = snprintf(field, SCAN_FIELD_SIZE, "%s/%s", at, key);
        return n < 0 ? at : field;
}

static int take_shape(struct reader *r)
{
        char field[SCAN_FIELD_SIZE];
        struct scan *s = r->s;
        struct scan_walk walk = {0};
        struct oip_tensor *t = r->t;
        bool more;
        sub(field, r->at, "shape");
        int c = scan_open(s, '[', field);
        if (c != 0)
                return c;
        for (t->n = 1;;) {
                uint64_t dim;
                size_t n;
                if ((c = scan_next(s, &walk, field, NULL, &more)) != 0)
                        return c;
                if (!more)
                        break;
                if (t->rank == OIP_MAX_RANK)
                        return err_field(s->e, PROBLEM_BAD_SHAPE, field, "more than %d dimensions", OIP_MAX_RANK);
                if (scan_peek(s) == '-')
                        return err_field(s->e, PROBLEM_BAD_SHAPE, field, "a dimension must be at least 1");
                if ((c = scan_uint(s, field, UINT64_MAX, &dim)) != 0)
                        return c;
                if (dim == 0)
                        return err_field(s->e, PROBLEM_BAD_SHAPE, field, "a dimension must be at least 1");
                if (!mem_mul(t->n, dim, &n))
                        return err_field(
                            s->e, PROBLEM_BAD_SHAPE, field, "the product of the dimensions is too large");
                t->shape[t->rank++] = dim;
                t->n = n;
        }
        if (t->rank == 0)
                return err_field(s->e, PROBLEM_BAD_SHAPE, field, "shape needs at least one dimension");
        return 0;
}

static int take_datatype(struct reader *r)
{
        char field[SCAN_FIELD_SIZE], known[ARRAY_LEN(datatypes) * 8] = "";
        int c = scan_string(r->s, sub(field, r->at, "datatype"), &r->t->datatype);
        if (c != 0)
                return c;
        for (size_t i = 0; i < ARRAY_LEN(datatypes); i++) {
                if (strcmp(datatypes[i].name, r->t->datatype) == 0)
                        r->type = &datatypes[i];
                size_t n = strlen(known);
                snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? " " : "", datatypes[i].name);
        }
        if (!r->type)
                return err_field(r->s->e, PROBLEM_BAD_VALUE, field,
                    "datatype '%.32s' is not accepted as JSON; known: %s", r->t->datatype, known);
        return 0;
}

static int read_data(struct reader *r)
{
        char field[SCAN_FIELD_SIZE], what[SCAN_FIELD_SIZE];
        struct scan *s = r->s;
        struct oip_tensor *t = r->t;
        size_t room = (size_t)(s->end - s->p) / 2 + 1; /* an element and its comma are two bytes at least */
        struct scan_numbers numbers = {.what = what,
            .field = sub(field, r->at, "data"),
            .max_nesting = OIP_MAX_NESTING,
            .integers = r->type->integers,
            .lo = r->type->lo,
            .hi = r->type->hi,
            .limit = t->n,
            .cap = t->n < room ? t->n : room};
        snprintf(what, sizeof(what), "tensor '%.64s'", t->name ? t->name : "");
        if (!(numbers.data = arena_new_array(s->arena, float, numbers.cap)))
                return err_oom(s->e);
        int c = scan_numbers(s, &numbers);
        if (c != 0)
                return c;
        if (numbers.n != t->n)
                return err_field(s->e, PROBLEM_BAD_SHAPE, field, "%s: shape asks for %zu elements, data has %zu",
                    what, t->n, numbers.n);
        t->data = numbers.data;
        r->read = true;
        return 0;
}

static int take_data(struct reader *r)
{
        char field[SCAN_FIELD_SIZE];
        r->has_data = true;
        if (r->t->rank > 0 && r->type && r->t->name)
                return read_data(r);
        /* Passed over for now; a word such as NaN, which is no JSON, is then called that and not by its element. */
        return scan_skip(r->s, sub(field, r->at, "data"), &r->data);
}

/* Scalars only; one that asks for what we do not do is refused, the others are none of our business. */
static int take_parameters(struct scan *s, const char *at, const char *refused, const char *why)
{
        char field[SCAN_FIELD_SIZE], inner[SCAN_FIELD_SIZE];
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        int c = scan_open(s, '{', sub(field, at, "parameters"));
        while (c == 0 && (c = scan_next(s, &walk, field, &key, &more)) == 0 && more) {
                if (strcmp(key, refused) == 0)
                        return err_field(s->e, PROBLEM_BAD_VALUE, sub(inner, field, key), "%s", why);
                c = scan_skip(s, field, NULL);
        }
        return c;
}

static int take_member(struct reader *r, const char *key)
{
        char field[SCAN_FIELD_SIZE];
        if (strcmp(key, "name") == 0)
                return scan_string(r->s, sub(field, r->at, "name"), &r->t->name);
        if (strcmp(key, "shape") == 0)
                return take_shape(r);
        if (strcmp(key, "datatype") == 0)
                return take_datatype(r);
        if (strcmp(key, "data") == 0)
                return take_data(r);
        if (strcmp(key, "parameters") == 0)
                return take_parameters(r->s, r->at, "binary_data_size",
                    "binary tensors are not accepted; send the elements as \"data\"");
        return scan_skip(r->s, r->at, NULL);
}

int oip_tensor_read(struct scan *s, const char *at, struct oip_tensor *ret)
{
        char field[SCAN_FIELD_SIZE];
        struct scan_walk walk = {0};
        struct oip_tensor t = {0};
        struct reader r = {.s = s, .at = at, .t = &t};
        const char *key;
        bool more;
        int c = scan_open(s, '{', at);
        while (c == 0 && (c = scan_next(s, &walk, at, &key, &more)) == 0 && more)
                c = take_member(&r, key);
        if (c != 0)
                return c;
        const char *missing = !t.name       ? "name"
                              : t.rank == 0 ? "shape"
                              : !t.datatype ? "datatype"
                              : !r.has_data ? "data"
                                            : NULL;
        if (missing)
                return err_field(s->e, PROBLEM_BAD_VALUE, sub(field, at, missing), "the tensor has no %s", missing);
        if (!r.read) {
                struct scan again = {
                    .p = r.data.p, .end = r.data.p + r.data.n, .start = s->start, .arena = s->arena, .e = s->e};
                r.s = &again;
                if ((c = read_data(&r)) != 0)
                        return c;
        }
        *ret = t;
        return 0;
}

/* --- the request --- */

static int take_inputs(struct scan *s, struct oip_request *q)
{
        char at[SCAN_FIELD_SIZE];
        struct scan_walk walk = {0};
        bool more;
        int c = scan_open(s, '[', "/inputs");
        while (c == 0 && (c = scan_next(s, &walk, "/inputs", NULL, &more)) == 0 && more) {
                if (q->n_inputs == OIP_MAX_TENSORS)
                        return err_field(s->e, PROBLEM_BAD_VALUE, "/inputs", "more than %d tensors", OIP_MAX_TENSORS);
                snprintf(at, sizeof(at), "/inputs/%zu", q->n_inputs);
                if ((c = oip_tensor_read(s, at, &q->inputs[q->n_inputs])) != 0)
                        return c;
                for (size_t i = 0; i < q->n_inputs; i++)
                        if (strcmp(q->inputs[i].name, q->inputs[q->n_inputs].name) == 0)
                                return err_field(
                                    s->e, PROBLEM_BAD_VALUE, at, "tensor '%.64s' stands twice", q->inputs[i].name);
                q->n_inputs++;
        }
        return c;
}

static int take_output(struct scan *s, const char *at, const char **name)
{
        char field[SCAN_FIELD_SIZE];
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        int c = scan_open(s, '{', at);
        while (c == 0 && (c = scan_next(s, &walk, at, &key, &more)) == 0 && more) {
                if (strcmp(key, "name") == 0)
                        c = scan_string(s, sub(field, at, "name"), name);
                else if (strcmp(key, "parameters") == 0)
                        c = take_parameters(s, at, "classification",
                            "classification is not supported; ask /predict for \"top_k\", or take the probabilities");
                else
                        c = scan_skip(s, at, NULL);
        }
        if (c == 0 && !*name)
                c = err_field(s->e, PROBLEM_BAD_VALUE, sub(field, at, "name"), "the output has no name");
        return c;
}

static int take_outputs(struct scan *s, struct oip_request *q)
{
        char at[SCAN_FIELD_SIZE];
        struct scan_walk walk = {0};
        bool more;
        int c = scan_open(s, '[', "/outputs");
        while (c == 0 && (c = scan_next(s, &walk, "/outputs", NULL, &more)) == 0 && more) {
                if (q->n_outputs == OIP_MAX_TENSORS)
                        return err_field(
                            s->e, PROBLEM_BAD_VALUE, "/outputs", "more than %d outputs", OIP_MAX_TENSORS);
                snprintf(at, sizeof(at), "/outputs/%zu", q->n_outputs);
                if ((c = take_output(s, at, &q->outputs[q->n_outputs])) == 0)
                        q->n_outputs++;
        }
        return c;
}

static int take_request_parameters(struct scan *s, struct oip_request *q)
{
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        int c = scan_open(s, '{', "/parameters");
        while (c == 0 && (c = scan_next(s, &walk, "/parameters", &key, &more)) == 0 && more)
                c = strcmp(key, "ewcd_task") == 0 ? scan_string(s, "/parameters/ewcd_task", &q->ewcd_task)
                                                  : scan_skip(s, "/parameters", NULL);
        return c;
}

static int take_top(struct scan *s, struct oip_request *q, const char *key)
{
        if (strcmp(key, "id") == 0)
                return scan_string(s, "/id", &q->id);
        if (strcmp(key, "inputs") == 0)
                return take_inputs(s, q);
        if (strcmp(key, "outputs") == 0)
                return take_outputs(s, q);
        if (strcmp(key, "parameters") == 0)
                return take_request_parameters(s, q);
        return scan_skip(s, "", NULL);
}

int oip_request_read(struct slice body, struct arena *a, struct oip_request *ret, struct err *e)
{
        struct scan s;
        struct scan_walk walk = {0};
        struct oip_request *q = arena_new(a, struct oip_request);
        const char *key;
        bool more;
        if (!q)
                return err_oom(e);
        scan_init(&s, body, a, e);
        int c = scan_open(&s, '{', "");
        while (c == 0 && (c = scan_next(&s, &walk, "", &key, &more)) == 0 && more)
                c = take_top(&s, q, key);
        if (c == 0)
                c = scan_end(&s);
        if (c == 0 && q->n_inputs == 0)
                c = err_field(e, PROBLEM_BAD_VALUE, "/inputs", "the request has no input tensors");
        if (c == 0)
                *ret = *q;
        return c;
}

/* --- the answer --- */

static void put_member(struct buf *b, const char *key, const char *value, bool *first)
{
        buf_puts(b, *first ? "\"" : ",\"");
        buf_puts(b, key);
        buf_puts(b, "\":");
        json_put_string(b, value);
        *first = false;
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

static void put_output(struct buf *b, const struct oip_output *o)
{
        bool first = true;
        size_t n = 1;
        buf_putc(b, '{');
        put_member(b, "name", o->name, &first);
        put_member(b, "datatype", o->datatype, &first);
        buf_puts(b, ",\"shape\":[");
        for (size_t i = 0; i < o->rank; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                buf_put_u64(b, o->shape[i]);
                n *= (size_t)o->shape[i];
        }
        buf_puts(b, "],\"data\":[");
        put_floats(b, o->data, n);
        buf_puts(b, "]}");
}

void oip_response_write(struct buf *b, const struct oip_response *r)
{
        bool first = true;
        buf_putc(b, '{');
        put_member(b, "model_name", r->model_name, &first);
        put_member(b, "model_version", r->model_version, &first);
        if (r->id)
                put_member(b, "id", r->id, &first);
        if (r->model_digest || r->task) {
                buf_puts(b, ",\"parameters\":{");
                first = true;
                if (r->model_digest)
                        put_member(b, "ewcd_model_digest", r->model_digest, &first);
                if (r->task)
                        put_member(b, "ewcd_task", r->task, &first);
                buf_putc(b, '}');
        }
        buf_puts(b, ",\"outputs\":[");
        for (size_t i = 0; i < r->n_outputs; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                put_output(b, &r->outputs[i]);
        }
        buf_puts(b, "]}");
}
