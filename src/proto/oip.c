/* oip.c: inference requests of the Open Inference Protocol v2: JSON, JSON with binary tensors behind it, and the raw
 * form that is one tensor's bytes and nothing else.
 *
 * The JSON goes first and says for each tensor how many bytes it has; then the rest of the body is cut in the order
 * of the tensors, and must come out even. */
#include "proto/oip.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/oip_in.h"

enum choice { UNSAID, NO, YES };

/* The request while its members arrive. */
struct reader {
        struct scan s;
        bool binary;
        struct oip_request *q;
        struct oip_part part[OIP_MAX_TENSORS];
        enum choice output_binary[OIP_MAX_TENSORS], all_binary;
};

static int take_choice(struct scan *s, const char *field, enum choice *ret)
{
        bool yes;
        int c = scan_bool(s, field, &yes);
        if (c == 0)
                *ret = yes ? YES : NO;
        return c;
}

static int take_inputs(struct reader *r)
{
        char at[SCAN_FIELD_SIZE];
        struct scan *s = &r->s;
        struct oip_request *q = r->q;
        struct scan_walk walk = {0};
        bool more;
        int c = scan_open(s, '[', "/inputs");
        while (c == 0 && (c = scan_next(s, &walk, "/inputs", NULL, &more)) == 0 && more) {
                struct oip_tensor *t = &q->inputs[q->n_inputs];
                if (q->n_inputs == OIP_MAX_TENSORS)
                        return err_field(s->e, PROBLEM_BAD_VALUE, "/inputs", "more than %d tensors", OIP_MAX_TENSORS);
                oip_field_at(at, "/inputs", q->n_inputs);
                if ((c = oip_tensor_scan(s, at, r->binary, t, &r->part[q->n_inputs])) != 0)
                        return c;
                for (size_t i = 0; i < q->n_inputs; i++)
                        if (strcmp(q->inputs[i].name, t->name) == 0)
                                return err_field(s->e, PROBLEM_BAD_VALUE, at, "tensor '%.64s' stands twice", t->name);
                q->n_inputs++;
        }
        return c;
}

static int take_output_parameters(struct reader *r, const char *at, size_t i)
{
        char field[SCAN_FIELD_SIZE], inner[SCAN_FIELD_SIZE];
        struct scan *s = &r->s;
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        int c = scan_open(s, '{', oip_field(field, at, "parameters"));
        while (c == 0 && (c = scan_next(s, &walk, field, &key, &more)) == 0 && more) {
                oip_field(inner, field, key);
                uint64_t k = 0;
                if (strcmp(key, "classification") == 0 && (c = scan_uint(s, inner, UINT32_MAX, &k)) == 0)
                        r->q->outputs[i].classification = (uint32_t)k;
                else if (c == 0 && strcmp(key, "binary_data") == 0)
                        c = take_choice(s, inner, &r->output_binary[i]);
                else if (c == 0 && strcmp(key, "classification") != 0)
                        c = scan_skip(s, field, NULL);
        }
        return c;
}

static int take_output(struct reader *r, const char *at, size_t i)
{
        char field[SCAN_FIELD_SIZE];
        struct scan *s = &r->s;
        struct scan_walk walk = {0};
        const char *key, **name = &r->q->outputs[i].name;
        bool more;
        int c = scan_open(s, '{', at);
        while (c == 0 && (c = scan_next(s, &walk, at, &key, &more)) == 0 && more) {
                if (strcmp(key, "name") == 0)
                        c = scan_string(s, oip_field(field, at, "name"), name);
                else if (strcmp(key, "parameters") == 0)
                        c = take_output_parameters(r, at, i);
                else
                        c = scan_skip(s, at, NULL);
        }
        if (c == 0 && !*name)
                c = err_field(s->e, PROBLEM_BAD_VALUE, oip_field(field, at, "name"), "the output has no name");
        for (size_t k = 0; c == 0 && k < i; k++)
                if (strcmp(r->q->outputs[k].name, *name) == 0)
                        c = err_field(s->e, PROBLEM_BAD_VALUE, at, "output '%.64s' stands twice", *name);
        return c;
}

static int take_outputs(struct reader *r)
{
        char at[SCAN_FIELD_SIZE];
        struct scan *s = &r->s;
        struct oip_request *q = r->q;
        struct scan_walk walk = {0};
        bool more;
        int c = scan_open(s, '[', "/outputs");
        while (c == 0 && (c = scan_next(s, &walk, "/outputs", NULL, &more)) == 0 && more) {
                if (q->n_outputs == OIP_MAX_TENSORS)
                        return err_field(
                            s->e, PROBLEM_BAD_VALUE, "/outputs", "more than %d outputs", OIP_MAX_TENSORS);
                oip_field_at(at, "/outputs", q->n_outputs);
                if ((c = take_output(r, at, q->n_outputs)) == 0)
                        q->n_outputs++;
        }
        return c;
}

static int take_parameters(struct reader *r)
{
        char field[SCAN_FIELD_SIZE];
        struct scan *s = &r->s;
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        int c = scan_open(s, '{', "/parameters");
        while (c == 0 && (c = scan_next(s, &walk, "/parameters", &key, &more)) == 0 && more) {
                oip_field(field, "/parameters", key);
                if (strcmp(key, "ewcd_task") == 0)
                        c = scan_string(s, field, &r->q->ewcd_task);
                else if (strcmp(key, "ewcd_prediction_id") == 0)
                        c = scan_bool(s, field, &r->q->prediction_id);
                else if (strcmp(key, "priority") == 0)
                        c = scan_uint(s, field, UINT32_MAX, &r->q->priority);
                else if (strcmp(key, "timeout") == 0)
                        c = scan_uint(s, field, INT64_MAX / 1000, &r->q->timeout_us);
                else if (strcmp(key, "binary_data_output") == 0)
                        c = take_choice(s, field, &r->all_binary);
                else
                        c = scan_skip(s, "/parameters", NULL);
        }
        return c;
}

static int take_top(struct reader *r, const char *key)
{
        if (strcmp(key, "id") == 0)
                return scan_string(&r->s, "/id", &r->q->id);
        if (strcmp(key, "inputs") == 0)
                return take_inputs(r);
        if (strcmp(key, "outputs") == 0)
                return take_outputs(r);
        if (strcmp(key, "parameters") == 0)
                return take_parameters(r);
        return scan_skip(&r->s, "", NULL);
}

static int read_json(struct reader *r)
{
        struct scan_walk walk = {0};
        struct oip_request *q = r->q;
        const char *key;
        bool more;
        int c = scan_open(&r->s, '{', "");
        while (c == 0 && (c = scan_next(&r->s, &walk, "", &key, &more)) == 0 && more)
                c = take_top(r, key);
        if (c == 0)
                c = scan_end(&r->s);
        if (c == 0 && q->n_inputs == 0)
                c = err_field(r->s.e, PROBLEM_BAD_VALUE, "/inputs", "the request has no input tensors");
        q->binary_output = r->all_binary == YES;
        for (size_t i = 0; i < q->n_outputs; i++)
                q->outputs[i].binary = r->output_binary[i] == UNSAID ? q->binary_output : r->output_binary[i] == YES;
        return c;
}

/* rest: what follows the JSON. */
static int read_parts(struct reader *r, struct slice rest)
{
        char at[SCAN_FIELD_SIZE];
        for (size_t i = 0; i < r->q->n_inputs; i++) {
                struct oip_tensor *t = &r->q->inputs[i];
                const struct oip_part *part = &r->part[i];
                if (!part->binary)
                        continue;
                oip_field_at(at, "/inputs", i);
                if (part->size > rest.n)
                        return err_field(r->s.e, PROBLEM_MALFORMED, at,
                            "tensor '%.64s' has %zu bytes by its binary_data_size, the body has %zu left for it",
                            t->name, part->size, rest.n);
                int c = oip_tensor_bytes(r->s.arena, part->type, at, (struct slice){rest.p, part->size}, t, r->s.e);
                if (c != 0)
                        return c;
                rest = (struct slice){rest.p + part->size, rest.n - part->size};
        }
        if (rest.n > 0)
                return err_field(r->s.e, PROBLEM_MALFORMED, "",
                    "unexpected additional input data: %zu bytes behind the last tensor", rest.n);
        return 0;
}

static int read_request(
    struct slice json, struct slice rest, bool binary, struct arena *a, struct oip_request *ret, struct err *e)
{
        struct oip_request q = {0};
        struct reader r = {.binary = binary, .q = &q};
        scan_init(&r.s, json, a, e);
        int c = read_json(&r);
        if (c == 0)
                c = read_parts(&r, rest);
        if (c == 0)
                *ret = q;
        return c;
}

int oip_request_read(struct slice body, struct arena *a, struct oip_request *ret, struct err *e)
{
        return read_request(body, (struct slice){NULL, 0}, false, a, ret, e);
}

int oip_request_read_binary(struct slice body, uint64_t json, struct arena *a, struct oip_request *ret, struct err *e)
{
        if (json > body.n)
                return err_field(e, PROBLEM_MALFORMED, "",
                    "Inference-Header-Content-Length is %llu, the body has %zu bytes", (unsigned long long)json,
                    body.n);
        size_t n = (size_t)json;
        return read_request((struct slice){body.p, n}, (struct slice){body.p + n, body.n - n}, true, a, ret, e);
}

int oip_request_read_raw(struct slice body, const char *name, size_t rank, const uint32_t *shape, struct arena *a,
    struct oip_request *ret, struct err *e)
{
        struct oip_request q = {.n_inputs = 1, .binary_output = true};
        struct oip_tensor *t = &q.inputs[0];
        const struct oip_type *type = oip_type_find("FP32");
        size_t size;
        if (rank >= OIP_MAX_RANK)
                return err_field(e, PROBLEM_BAD_SHAPE, "", "more than %d dimensions", OIP_MAX_RANK);
        *t = (struct oip_tensor){.name = name, .datatype = type->name, .rank = rank + 1, .shape = {1}, .n = 1};
        for (size_t i = 0; i < rank; i++) {
                t->shape[i + 1] = shape[i];
                if (!mem_mul(t->n, shape[i], &t->n))
                        return err_field(e, PROBLEM_BAD_SHAPE, "", "the product of the dimensions is too large");
        }
        if (!mem_mul(t->n, type->size, &size) || size != body.n)
                return err_field(e, PROBLEM_BAD_SHAPE, "",
                    "a raw body is one row of tensor '%.64s': %zu elements of FP32, 4 bytes each; this one has %zu "
                    "bytes",
                    name, t->n, body.n);
        int c = oip_tensor_bytes(a, type, "", body, t, e);
        if (c == 0)
                *ret = q;
        return c;
}
