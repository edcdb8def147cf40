/* safetensors.c: the file format of parameters and bundles, read strictly and written padded.
 *
 * A file is a little-endian length, a JSON header of that length, and the data. The reader takes nothing on trust:
 * after sorting by offset the tensors must cover the data section exactly, each with the size its shape and dtype
 * give. Names, metadata and the table are copied into the arena; tensor data stays where it is. NaN is no business of
 * the format; whoever reads the tensors checks. */
#include "proto/safetensors.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is used in place");

enum { LENGTH_BYTES = 8, DATA_ALIGN = 64 };
#define METADATA "__metadata__"

static const struct {
        const char *name;
        size_t size;
} dtypes[] = {
    [ST_U8] = {"U8", 1},
    [ST_I32] = {"I32", 4},
    [ST_I64] = {"I64", 8},
    [ST_F16] = {"F16", 2},
    [ST_BF16] = {"BF16", 2},
    [ST_F32] = {"F32", 4},
    [ST_F64] = {"F64", 8},
};

__attribute__((format(printf, 2, 3))) static int bad(struct err *e, const char *fmt, ...)
{
        char msg[ERR_MSG_MAX];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(msg, sizeof(msg), fmt, ap);
        va_end(ap);
        return err_set(e, -EBADMSG, "safetensors: %s", msg);
}

static uint64_t le64(const uint8_t *p)
{
        uint64_t v = 0;
        for (size_t i = LENGTH_BYTES; i-- > 0;)
                v = v << 8 | p[i];
        return v;
}

/* Elements and bytes of a shape; false when a product overflows. */
static bool count(size_t rank, const uint64_t *shape, size_t size, size_t *ret_n, size_t *ret_bytes)
{
        size_t n = 1;
        for (size_t i = 0; i < rank; i++)
                if (!mem_mul(n, shape[i], &n))
                        return false;
        *ret_n = n;
        return mem_mul(n, size, ret_bytes);
}

static int read_dtype(const char *name, const json_t *v, enum st_dtype *ret, struct err *e)
{
        const char *s = json_string_value(v);
        if (!s)
                return bad(e, "tensor %.80s: dtype is not a string", name);
        for (size_t i = ST_U8; i < ARRAY_LEN(dtypes); i++)
                if (strcmp(s, dtypes[i].name) == 0) {
                        *ret = (enum st_dtype)i;
                        return 0;
                }
        return bad(e, "tensor %.80s: dtype %.20s is not supported", name, s);
}

static bool read_size(const json_t *v, uint64_t *ret)
{
        if (!json_is_integer(v) || json_integer_value(v) < 0)
                return false;
        *ret = (uint64_t)json_integer_value(v);
        return true;
}

/* One entry of the header; data points to the data section of room bytes. */
static int read_tensor(
    const char *name, const json_t *v, const uint8_t *data, size_t room, struct st_tensor *ret, struct err *e)
{
        const json_t *shape = json_object_get(v, "shape"), *range = json_object_get(v, "data_offsets");
        struct st_tensor t = {.name = name};
        uint64_t begin, end;
        int r;
        if (!json_is_object(v) || json_object_size(v) != 3 || !json_is_array(shape) || !json_is_array(range))
                return bad(e, "tensor %.80s: not exactly dtype, shape and data_offsets", name);
        if ((r = read_dtype(name, json_object_get(v, "dtype"), &t.dtype, e)) < 0)
                return r;
        t.rank = json_array_size(shape);
        if (t.rank > ST_MAX_RANK)
                return bad(e, "tensor %.80s: rank %zu, at most %d", name, t.rank, ST_MAX_RANK);
        for (size_t i = 0; i < t.rank; i++)
                if (!read_size(json_array_get(shape, i), &t.shape[i]))
                        return bad(e, "tensor %.80s: a dimension is not a size", name);
        if (json_array_size(range) != 2 || !read_size(json_array_get(range, 0), &begin) ||
            !read_size(json_array_get(range, 1), &end) || begin > end || end > room)
                return bad(e, "tensor %.80s: data_offsets are not inside the file", name);
        if (!count(t.rank, t.shape, dtypes[t.dtype].size, &t.n, &t.bytes))
                return bad(e, "tensor %.80s: its shape overflows", name);
        if (end - begin != t.bytes)
                return bad(e, "tensor %.80s: shape and dtype need %zu bytes, data_offsets give %zu", name, t.bytes,
                    (size_t)(end - begin));
        t.data = data + begin;
        *ret = t;
        return 0;
}

static int read_meta(const json_t *v, struct arena *a, struct st_file *f, struct err *e)
{
        if (!json_is_object(v))
                return bad(e, METADATA " is not an object");
        struct st_meta *meta = arena_new_array(a, struct st_meta, json_object_size(v));
        const char *key;
        json_t *value;
        if (!meta)
                return err_oom(e);
        json_object_foreach((json_t *)(uintptr_t)v, key, value) /* reads only; the macro wants a mutable pointer */
        {
                if (!json_is_string(value))
                        return bad(e, METADATA ": the value of %.80s is not a string", key);
                struct st_meta *m = &meta[f->n_meta++];
                m->key = arena_strdup(a, key);
                m->value = arena_strdup(a, json_string_value(value));
                if (!m->key || !m->value)
                        return err_oom(e);
        }
        f->meta = meta;
        return 0;
}

static int by_offset(const void *a, const void *b)
{
        const struct st_tensor *x = a, *y = b;
        if (x->data != y->data)
                return (const uint8_t *)x->data < (const uint8_t *)y->data ? -1 : 1;
        return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Every byte of the data section belongs to exactly one tensor. */
static int check_cover(const struct st_tensor *t, size_t n, const uint8_t *data, size_t room, struct err *e)
{
        const uint8_t *at = data;
        for (size_t i = 0; i < n; i++) {
                const uint8_t *begin = t[i].data;
                if (begin != at)
                        return bad(e, "tensor %.80s %s", t[i].name,
                            begin > at ? "follows a hole" : "overlaps its neighbour");
                at = begin + t[i].bytes;
        }
        if (at != data + room)
                return bad(e, "%zu bytes behind the last tensor", (size_t)(data + room - at));
        return 0;
}

static int read_header(
    const json_t *root, const uint8_t *data, size_t room, struct arena *a, struct st_file *ret, struct err *e)
{
        struct st_file f = {0};
        const char *key;
        json_t *value;
        if (!json_is_object(root))
                return bad(e, "the header is not an object");
        if (json_object_size(root) > ST_MAX_TENSORS + 1)
                return bad(e, "%zu tensors, at most %d", json_object_size(root), ST_MAX_TENSORS);
        struct st_tensor *tensors = arena_new_array(a, struct st_tensor, json_object_size(root));
        if (!tensors)
                return err_oom(e);
        json_object_foreach((json_t *)(uintptr_t)root, key, value)
        {
                int r;
                if (strcmp(key, METADATA) == 0) {
                        r = read_meta(value, a, &f, e);
                } else {
                        const char *name = arena_strdup(a, key);
                        r = name ? read_tensor(name, value, data, room, &tensors[f.n_tensors++], e) : err_oom(e);
                }
                if (r < 0)
                        return r;
        }
        if (f.n_tensors > ST_MAX_TENSORS)
                return bad(e, "%zu tensors, at most %d", f.n_tensors, ST_MAX_TENSORS);
        qsort(tensors, f.n_tensors, sizeof(*tensors), by_offset);
        int r = check_cover(tensors, f.n_tensors, data, room, e);
        if (r < 0)
                return r;
        f.tensors = tensors;
        *ret = f;
        return 0;
}

int st_read(const void *data, size_t size, struct arena *a, struct st_file *ret, struct err *e)
{
        const uint8_t *p = data;
        if (size < LENGTH_BYTES)
                return bad(e, "%zu bytes are too few for a header", size);
        uint64_t n = le64(p);
        if (n > ST_MAX_HEADER)
                return bad(e, "a header of %llu bytes, at most %d", (unsigned long long)n, ST_MAX_HEADER);
        if (n > size - LENGTH_BYTES)
                return bad(e, "the header ends behind the file");
        const char *text = (const char *)p + LENGTH_BYTES;
        size_t len = (size_t)n;
        while (len > 0 && text[len - 1] == ' ')
                len--;
        if (len < 2 || text[0] != '{' || text[len - 1] != '}')
                return bad(e, "the header is not an object padded with spaces");
        json_error_t why;
        json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
        if (!root)
                return bad(e, "header: %s", why.text);
        int r = read_header(root, p + LENGTH_BYTES + n, size - LENGTH_BYTES - (size_t)n, a, ret, e);
        json_decref(root);
        return r;
}

const char *st_meta(const struct st_file *f, const char *key)
{
        for (size_t i = 0; i < f->n_meta; i++)
                if (strcmp(f->meta[i].key, key) == 0)
                        return f->meta[i].value;
        return NULL;
}

int st_find(const struct st_file *f, const char *name, enum st_dtype dtype, size_t n, const struct st_tensor **ret,
    struct err *e)
{
        const struct st_tensor *t = NULL;
        for (size_t i = 0; i < f->n_tensors && !t; i++)
                if (strcmp(f->tensors[i].name, name) == 0)
                        t = &f->tensors[i];
        if (!t)
                return bad(e, "no tensor %.80s", name);
        if (t->dtype != dtype)
                return bad(e, "tensor %.80s is %s, not %s", name, dtypes[t->dtype].name, dtypes[dtype].name);
        if (n != SIZE_MAX && t->n != n)
                return bad(e, "tensor %.80s has %zu elements, not %zu", name, t->n, n);
        if ((uintptr_t)t->data % dtypes[dtype].size != 0)
                return bad(e, "tensor %.80s is not aligned for %s", name, dtypes[dtype].name);
        *ret = t;
        return 0;
}

static json_t *write_shape(const struct st_part *part)
{
        json_t *shape = json_array();
        for (size_t i = 0; i < part->rank; i++)
                json_array_append_new(shape, json_integer((json_int_t)part->shape[i]));
        return shape;
}

/* Adds the tensor and moves *at behind it. */
static int write_entry(json_t *root, const struct st_part *part, size_t *at, size_t *ret_bytes, struct err *e)
{
        size_t n, bytes, end;
        if (part->dtype < ST_U8 || part->dtype > ST_F64 || part->rank > ST_MAX_RANK ||
            !count(part->rank, part->shape, dtypes[part->dtype].size, &n, &bytes) || !mem_add(*at, bytes, &end) ||
            end > INT64_MAX)
                return err_set(e, -EINVAL, "tensor %.80s: dtype, rank or size out of range", part->name);
        if (strcmp(part->name, METADATA) == 0 || json_object_get(root, part->name))
                return err_set(e, -EINVAL, "tensor %.80s: the name is taken", part->name);
        json_t *v = json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtypes[part->dtype].name, "shape", write_shape(part),
            "data_offsets", (json_int_t)*at, (json_int_t)end);
        if (!v || json_object_set_new(root, part->name, v) < 0)
                return err_set(e, -ENOMEM, "tensor %.80s: no memory, or its name is not UTF-8", part->name);
        *at = end;
        *ret_bytes = bytes;
        return 0;
}

/* The header's text, or NULL; bytes (n_parts) receives the size of each part. */
static char *write_header(const struct st_part *parts, size_t n_parts, const struct st_meta *meta, size_t n_meta,
    size_t *bytes, struct err *e)
{
        char *text = NULL;
        json_t *root = json_object(), *m = json_object();
        size_t at = 0;
        int r = root && m ? 0 : err_oom(e);
        for (size_t i = 0; i < n_meta && r == 0; i++)
                if (json_object_set_new(m, meta[i].key, json_string(meta[i].value)) < 0)
                        r = err_set(e, -EINVAL, "metadata %.80s: no memory, or not UTF-8", meta[i].key);
        if (r == 0 && n_meta > 0 && json_object_set(root, METADATA, m) < 0)
                r = err_oom(e);
        for (size_t i = 0; i < n_parts && r == 0; i++)
                r = i < ST_MAX_TENSORS ? write_entry(root, &parts[i], &at, &bytes[i], e)
                                       : err_set(e, -E2BIG, "%zu tensors, at most %d", n_parts, ST_MAX_TENSORS);
        if (r == 0) {
                text = json_dumps(root, JSON_COMPACT);
                if (!text)
                        err_oom(e);
        }
        json_decref(m);
        json_decref(root);
        return text;
}

static int put_all(struct file_writer *w, const char *text, size_t pad, const struct st_part *parts, size_t n_parts,
    const size_t *bytes, struct err *e)
{
        static const char spaces[DATA_ALIGN + 1] = "                                                                ";
        uint64_t n = strlen(text) + pad;
        int r = file_writer_put(w, &n, sizeof(n), e); /* little-endian, as asserted above */
        if (r == 0)
                r = file_writer_put(w, text, strlen(text), e);
        if (r == 0)
                r = file_writer_put(w, spaces, pad, e);
        for (size_t i = 0; i < n_parts && r == 0; i++)
                if (bytes[i] > 0)
                        r = file_writer_put(w, parts[i].data, bytes[i], e);
        return r;
}

int st_write(const char *path, const struct st_part *parts, size_t n_parts, const struct st_meta *meta, size_t n_meta,
    struct err *e)
{
        _free_ size_t *bytes = new_array(size_t, n_parts);
        if (!bytes)
                return err_oom(e);
        struct err why = ERR_NULL;
        _free_ char *text = write_header(parts, n_parts, meta, n_meta, bytes, &why);
        if (!text)
                return err_set(e, why.code, "%s", why.msg);
        size_t len = strlen(text), pad = (DATA_ALIGN - (LENGTH_BYTES + len) % DATA_ALIGN) % DATA_ALIGN;
        if (len + pad > ST_MAX_HEADER)
                return err_set(e, -E2BIG, "a header of %zu bytes, at most %d", len + pad, ST_MAX_HEADER);
        struct file_writer w = {0};
        int r = file_writer_open(&w, path, e);
        if (r == 0)
                r = put_all(&w, text, pad, parts, n_parts, bytes, e);
        if (r == 0)
                r = file_writer_commit(&w, e);
        file_writer_abort(&w);
        return r;
}
