/* bundle_part.c: files of named tensors with one JSON document beside them, put together and taken apart.
 *
 * Everything a reader hands out has the shape it asked for and finite values. Tensors it did not ask for make the
 * file invalid: a bundle has exactly one meaning. */
#include "proto/bundle_in.h"
#include "base/err.h"
#include "base/floats.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TENSOR_NAME_MAX = 96 };

int bundle_bad(struct err *e, const char *fmt, ...)
{
        char msg[ERR_MSG_MAX];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(msg, sizeof(msg), fmt, ap);
        va_end(ap);
        return err_set(e, -EBADMSG, "%s", msg);
}

void parts_init(struct parts *p)
{
        *p = (struct parts){0};
        arena_init(&p->arena, BUNDLE_ARENA_MAX);
}

void parts_deinit(struct parts *p)
{
        free(p->v);
        arena_deinit(&p->arena);
        *p = (struct parts){0};
}

void parts_add(
    struct parts *p, enum st_dtype dtype, size_t rank, size_t d0, size_t d1, const void *data, const char *fmt, ...)
{
        char name[TENSOR_NAME_MAX];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(name, sizeof(name), fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof(name) || !mem_grow((void **)&p->v, &p->cap, p->n + 1, sizeof(*p->v))) {
                p->failed = true;
                return;
        }
        char *kept = arena_strdup(&p->arena, name);
        p->failed |= !kept;
        p->v[p->n++] = (struct st_part){
            .name = kept, .dtype = dtype, .rank = rank, .shape = {d0, rank > 1 ? d1 : 0}, .data = data};
}

/* Weights are matrices, even of one column; biases are not. */
static size_t tensor_rank(const struct ewc_tensor *t)
{
        return strstr(t->name, ".w") ? 2 : 1;
}

void parts_add_vector(struct parts *p, const char *prefix, const struct ewc_spec *net, const float *v)
{
        for (size_t i = 0; i < ewc_spec_tensors(net); i++) {
                struct ewc_tensor t;
                if (ewc_spec_tensor(net, i, &t) < 0)
                        p->failed = true;
                else
                        parts_add(p, ST_F32, tensor_rank(&t), t.rows, t.cols, v + t.offset, "%s/%s", prefix, t.name);
        }
}

int parts_write(struct parts *p, const char *path, const char *format, const struct digest *job, const char *key,
    struct json_t *json, struct err *e)
{
        char hex[DIGEST_HEX] = "";
        char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
        json_decref(json);
        if (!text || p->failed) {
                free(text);
                return err_set(e, -ENOMEM, "write %s: no memory, or %s holds a value without a name", path, key);
        }
        struct st_meta meta[] = {{"ewcd.format", format}, {key, text}, {"ewcd.job_sha256", hex}};
        if (job)
                digest_hex(job, hex);
        int r = st_write(path, p->v, p->n, meta, job ? 3 : 2, e);
        free(text);
        return r < 0 ? err_wrap(e, r, "write %s", path) : 0;
}

static int open_mapped(struct bundle *b, const char *format, const char *key, struct arena *a, struct err *e)
{
        int r = st_read(b->map.data, b->map.size, a, &b->st, e);
        if (r < 0)
                return r;
        const char *have = st_meta(&b->st, "ewcd.format"), *text = st_meta(&b->st, key);
        if (!have || strcmp(have, format) != 0)
                return bundle_bad(e, "ewcd.format is %.40s, not %s", have ? have : "absent", format);
        if (!text)
                return bundle_bad(e, "no %s", key);
        json_error_t why;
        b->json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
        return b->json ? 0 : bundle_bad(e, "%s: %s", key, why.text);
}

int bundle_open(
    struct bundle *b, const char *path, const char *format, const char *key, struct arena *a, struct err *e)
{
        *b = (struct bundle){0};
        int r = file_map(path, BUNDLE_MAX_BYTES, &b->map, e);
        if (r < 0)
                return r;
        r = open_mapped(b, format, key, a, e);
        if (r < 0) {
                bundle_close_json(b);
                file_unmap(&b->map);
        }
        return r;
}

void bundle_close_json(struct bundle *b)
{
        json_decref(b->json);
        b->json = NULL;
}

int bundle_check_job(const struct bundle *b, const struct digest *job, struct err *e)
{
        const char *text = st_meta(&b->st, "ewcd.job_sha256");
        struct digest have;
        if (!text || !digest_parse(text, &have))
                return bundle_bad(e, "ewcd.job_sha256 is absent or no digest");
        if (!digest_eq(&have, job))
                return err_set(e, BUNDLE_OTHER_JOB, "the file belongs to another job");
        return 0;
}

int bundle_check_strangers(const struct bundle *b, struct err *e)
{
        if (b->st.n_tensors != b->n_found)
                return bundle_bad(e, "%zu tensors, expected %zu", b->st.n_tensors, b->n_found);
        return 0;
}

int bundle_tensor(struct bundle *b, const char *name, enum st_dtype dtype, size_t rank, size_t d0, size_t d1,
    const void **ret, struct err *e)
{
        const struct st_tensor *t;
        int r = st_find(&b->st, name, dtype, SIZE_MAX, &t, e);
        if (r < 0)
                return r;
        if (t->rank != rank || t->shape[0] != d0 || (rank > 1 && t->shape[1] != d1))
                return rank > 1 ? bundle_bad(e, "tensor %s has the wrong shape, expected (%zu,%zu)", name, d0, d1)
                                : bundle_bad(e, "tensor %s has the wrong shape, expected (%zu)", name, d0);
        b->n_found++;
        *ret = t->data;
        return 0;
}

int bundle_floats(
    struct bundle *b, const char *name, size_t rank, size_t d0, size_t d1, const float **ret, struct err *e)
{
        const void *data = NULL;
        int r = bundle_tensor(b, name, ST_F32, rank, d0, d1, &data, e);
        if (r < 0)
                return r;
        size_t n = rank > 1 ? d0 * d1 : d0; /* no overflow: the tensor has that many elements */
        if (floats_not_finite(data, n) < n)
                return bundle_bad(e, "tensor %s has a value that is not finite", name);
        *ret = data;
        return 0;
}

int bundle_vector(struct bundle *b, const char *prefix, const struct ewc_spec *net, const float **ret, struct err *e)
{
        const float *first = NULL;
        for (size_t i = 0; i < ewc_spec_tensors(net); i++) {
                char name[TENSOR_NAME_MAX];
                struct ewc_tensor t;
                const float *v = NULL;
                if (ewc_spec_tensor(net, i, &t) < 0)
                        return bundle_bad(e, "%s: the net has no tensor %zu", prefix, i);
                snprintf(name, sizeof(name), "%s/%s", prefix, t.name);
                int r = bundle_floats(b, name, tensor_rank(&t), t.rows, t.cols, &v, e);
                if (r < 0)
                        return r;
                if (i == 0)
                        first = v;
                if (v != first + t.offset)
                        return bundle_bad(e, "tensor %s does not follow its neighbour", name);
        }
        *ret = first;
        return 0;
}
