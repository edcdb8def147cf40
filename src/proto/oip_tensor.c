/* oip_tensor.c: one tensor object of the Open Inference Protocol from its JSON.
 *
 * Data is read where it stands when shape and datatype came before it, as every known client writes them; otherwise
 * its text is remembered and read at the end of the tensor. Either way the element count is known first, so memory is
 * taken once, and never more than the text could fill. A datatype that cannot become float32 is refused at the end
 * too, when the tensor's name is known. */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/oip_in.h"
#include <errno.h>

/* One tensor while its members arrive. */
struct reader {
        struct scan *s;
        const char *at; /* its pointer, e.g. "/inputs/0" */
        bool binary;    /* elements may follow the JSON */
        struct oip_tensor *t;
        struct oip_part part;
        struct slice data; /* text of "data" that came too early */
        bool has_data, read;
};

/* By hand, since it runs for every member of every tensor, and mostly for nothing. */
const char *oip_field(char field[SCAN_FIELD_SIZE], const char *at, const char *key)
{
        size_t n = 0;
        while (*at && n < SCAN_FIELD_SIZE - 2)
                field[n++] = *at++;
        field[n++] = '/';
        while (*key && n < SCAN_FIELD_SIZE - 1)
                field[n++] = *key++;
        field[n] = '\0';
        return field;
}

/* Without printf, like the field above: made for every request and read only where one is refused. */
const char *oip_field_at(char field[SCAN_FIELD_SIZE], const char *at, size_t i)
{
        char digits[STR_U64];
        return oip_field(field, at, str_u64(digits, i));
}

static void put_name(char what[SCAN_FIELD_SIZE], const char *name)
{
        static const char before[] = "tensor '";
        size_t n = name ? strnlen(name, 64) : 0, at = sizeof(before) - 1;
        memcpy(what, before, at);
        if (n > 0)
                memcpy(what + at, name, n);
        memcpy(what + at + n, "'", 2);
}

static int take_shape(struct reader *r)
{
        char field[SCAN_FIELD_SIZE];
        struct scan *s = r->s;
        struct scan_walk walk = {0};
        struct oip_tensor *t = r->t;
        bool more;
        oip_field(field, r->at, "shape");
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
        char field[SCAN_FIELD_SIZE];
        int c = scan_string(r->s, oip_field(field, r->at, "datatype"), &r->t->datatype);
        if (c == 0)
                r->part.type = oip_type_find(r->t->datatype);
        return c;
}

static int read_data(struct reader *r)
{
        char field[SCAN_FIELD_SIZE], what[SCAN_FIELD_SIZE];
        const struct oip_type *type = r->part.type;
        struct scan *s = r->s;
        struct oip_tensor *t = r->t;
        size_t room = (size_t)(s->end - s->p) / 2 + 1; /* an element and its comma are two bytes at least */
        struct scan_numbers numbers = {.what = what,
            .field = oip_field(field, r->at, "data"),
            .max_nesting = OIP_MAX_NESTING,
            .integers = type->kind != OIP_FLOAT,
            .words = type->kind == OIP_BOOL,
            .lo = type->lo,
            .hi = type->hi,
            .limit = t->n,
            .cap = t->n < room ? t->n : room};
        put_name(what, t->name);
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
        const struct oip_type *type = r->part.type;
        r->has_data = true;
        if (r->t->rank > 0 && type && !type->binary_only && r->t->name)
                return read_data(r);
        /* Passed over for now; a word such as NaN, which is no JSON, is then called that and not by its element. */
        return scan_skip(r->s, oip_field(field, r->at, "data"), &r->data);
}

/* Only the size of the elements behind the JSON is our business. */
static int take_parameters(struct reader *r)
{
        char field[SCAN_FIELD_SIZE], inner[SCAN_FIELD_SIZE];
        struct scan *s = r->s;
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        int c = scan_open(s, '{', oip_field(field, r->at, "parameters"));
        while (c == 0 && (c = scan_next(s, &walk, field, &key, &more)) == 0 && more) {
                if (strcmp(key, "binary_data_size") != 0) {
                        c = scan_skip(s, field, NULL);
                        continue;
                }
                uint64_t size;
                oip_field(inner, field, key);
                if (!r->binary)
                        return err_field(s->e, PROBLEM_BAD_VALUE, inner,
                            "no binary tensors here: an inference request has them behind its JSON, whose length the "
                            "header Inference-Header-Content-Length tells; send the elements as \"data\" otherwise");
                if ((c = scan_uint(s, inner, SIZE_MAX, &size)) != 0)
                        return c;
                r->part.binary = true;
                r->part.size = (size_t)size;
        }
        return c;
}

static int take_member(struct reader *r, const char *key)
{
        char field[SCAN_FIELD_SIZE];
        if (strcmp(key, "name") == 0)
                return scan_string(r->s, oip_field(field, r->at, "name"), &r->t->name);
        if (strcmp(key, "shape") == 0)
                return take_shape(r);
        if (strcmp(key, "datatype") == 0)
                return take_datatype(r);
        if (strcmp(key, "data") == 0)
                return take_data(r);
        if (strcmp(key, "parameters") == 0)
                return take_parameters(r);
        return scan_skip(r->s, r->at, NULL);
}

static int check_datatype(struct reader *r)
{
        char field[SCAN_FIELD_SIZE], known[OIP_TYPE_NAMES];
        const struct oip_type *type = r->part.type;
        oip_field(field, r->at, "datatype");
        oip_type_names(known, !r->part.binary);
        if (!type)
                return err_field(r->s->e, PROBLEM_BAD_VALUE, field,
                    "tensor '%.64s': datatype '%.32s' is not accepted; known: %s", r->t->name, r->t->datatype, known);
        if (type->binary_only && !r->part.binary)
                return err_field(r->s->e, PROBLEM_BAD_VALUE, field,
                    "tensor '%.64s': datatype %s is accepted as a binary tensor only; in JSON: %s", r->t->name,
                    type->name, known);
        return 0;
}

/* What the members say together. */
static int check(struct reader *r)
{
        char field[SCAN_FIELD_SIZE];
        const struct oip_tensor *t = r->t;
        const char *missing = !t->name                          ? "name"
                              : t->rank == 0                    ? "shape"
                              : !t->datatype                    ? "datatype"
                              : !r->has_data && !r->part.binary ? "data"
                                                                : NULL;
        if (missing)
                return err_field(
                    r->s->e, PROBLEM_BAD_VALUE, oip_field(field, r->at, missing), "the tensor has no %s", missing);
        if (r->has_data && r->part.binary)
                return err_field(r->s->e, PROBLEM_BAD_VALUE, oip_field(field, r->at, "data"),
                    "tensor '%.64s' has both \"data\" and a binary_data_size", t->name);
        int c = check_datatype(r);
        size_t size;
        if (c != 0 || !r->part.binary)
                return c;
        if (!mem_mul(t->n, r->part.type->size, &size) || size != r->part.size)
                return err_field(r->s->e, PROBLEM_BAD_SHAPE, oip_field(field, r->at, "parameters/binary_data_size"),
                    "tensor '%.64s': binary_data_size is %zu; %zu elements of %s have %u bytes each", t->name,
                    r->part.size, t->n, r->part.type->name, r->part.type->size);
        return 0;
}

int oip_tensor_scan(struct scan *s, const char *at, bool binary, struct oip_tensor *ret, struct oip_part *ret_part)
{
        struct scan_walk walk = {0};
        struct oip_tensor t = {0};
        struct reader r = {.s = s, .at = at, .binary = binary, .t = &t};
        const char *key;
        bool more;
        int c = scan_open(s, '{', at);
        while (c == 0 && (c = scan_next(s, &walk, at, &key, &more)) == 0 && more)
                c = take_member(&r, key);
        if (c != 0 || (c = check(&r)) != 0)
                return c;
        if (r.has_data && !r.read) {
                struct scan again = {
                    .p = r.data.p, .end = r.data.p + r.data.n, .start = s->start, .arena = s->arena, .e = s->e};
                r.s = &again;
                if ((c = read_data(&r)) != 0)
                        return c;
        }
        *ret = t;
        *ret_part = r.part;
        return 0;
}

int oip_tensor_read(struct scan *s, const char *at, struct oip_tensor *ret)
{
        struct oip_part unused;
        return oip_tensor_scan(s, at, false, ret, &unused);
}
