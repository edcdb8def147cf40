/* mem_blob.c: tensors by content, in chunks. */
#include "base/err.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include <errno.h>
#include <string.h>

static size_t chunks_of(size_t size)
{
        return size / BLOB_CHUNK + (size % BLOB_CHUNK != 0);
}

static size_t chunk_size(size_t size, size_t i)
{
        return i + 1 < chunks_of(size) ? (size_t)BLOB_CHUNK : size - i * BLOB_CHUNK;
}

static struct mem_blob *find(struct mem *m, const struct digest *d, uint64_t *ret_id)
{
        MEM_EACH(m, MEM_BLOB, struct mem_blob, b)
        if (!b->dropped && digest_eq(&b->d, d)) {
                if (ret_id)
                        *ret_id = b_i + 1;
                return b;
        }
        return NULL;
}

static bool all_there(const struct mem_blob *b)
{
        for (size_t i = 0; i < chunks_of(b->size); i++)
                if (!b->chunks[i])
                        return false;
        return true;
}

static bool agrees(const struct mem_blob *b)
{
        struct digest_ctx *c = digest_new();
        struct digest got;

        if (!c)
                return false;
        for (size_t i = 0; i < chunks_of(b->size); i++)
                digest_add(c, b->chunks[i], chunk_size(b->size, i));
        digest_finish(c, &got);
        return digest_eq(&got, &b->d);
}

static int begin_blob(struct mem *m, const struct digest *d, size_t size, uint64_t *ret_id, struct err *e)
{
        struct mem_blob b = {.d = *d, .size = size, .chunks = arena_new_array(&m->a, const void *, chunks_of(size))};
        return b.chunks && mem_push(m, MEM_BLOB, &b, sizeof(b), ret_id) ? 0 : err_oom(e);
}

static int stage(struct mem *m, const struct digest *d, size_t size, uint32_t number, const void *data, size_t n,
    bool *ret_complete, bool *ret_bad, struct err *e)
{
        uint64_t id = 0;
        int r = find(m, d, &id) ? 0 : begin_blob(m, d, size, &id, e);
        if (r != 0)
                return r;
        struct mem_blob b = *(struct mem_blob *)mem_get(m, MEM_BLOB, id);

        if (b.size != size)
                return err_set(e, STORE_CONFLICT, "a blob of this digest has another size");
        if (!b.complete) {
                b.chunks = arena_memdup(&m->a, b.chunks, chunks_of(size) * sizeof(*b.chunks));
                if (!b.chunks || !(b.chunks[number] = arena_memdup(&m->a, data, n)))
                        return err_oom(e);
                if (all_there(&b)) {
                        b.complete = agrees(&b);
                        b.dropped = *ret_bad = !b.complete;
                }
                if (!mem_set(m, MEM_BLOB, id, &b, sizeof(b)))
                        return err_oom(e);
        }
        *ret_complete = b.complete;
        return 0;
}

int mem_blob_chunk(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data, size_t n,
    bool *ret_complete, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        bool complete = false, bad = false;
        int r = mem_settle(mem_of(s), &k, stage(mem_of(s), d, size, number, data, n, &complete, &bad, e));

        if (r != 0)
                return r;
        if (bad)
                return err_set(e, STORE_CONFLICT, "the hash of a blob does not agree with its digest: send it again");
        *ret_complete = complete;
        return 0;
}

int mem_blob_put(struct mem *m, const void *data, size_t size, struct digest *ret, struct err *e)
{
        bool complete = false, bad = false;
        int r = 0;

        digest_of(data, size, ret);
        for (size_t i = 0; r == 0 && i < chunks_of(size); i++)
                r = stage(m, ret, size, (uint32_t)i, (const char *)data + i * BLOB_CHUNK, chunk_size(size, i),
                    &complete, &bad, e);
        return r;
}

int mem_blob_require(struct mem *m, const struct digest *d, size_t size, struct err *e)
{
        const struct mem_blob *b = find(m, d, NULL);

        if (!b || !b->complete)
                return err_set(e, STORE_NOT_FOUND, "a blob is not there or not complete");
        return b->size == size ? 0 : err_set(e, -EINVAL, "store: a blob has another size than its tensor");
}

int mem_blob_read(struct mem *m, const struct digest *d, void *ret, size_t size, struct err *e)
{
        const struct mem_blob *b = find(m, d, NULL);
        int r = mem_blob_require(m, d, size, e);

        for (size_t i = 0; r == 0 && i < chunks_of(size); i++)
                memcpy((char *)ret + i * BLOB_CHUNK, b->chunks[i], chunk_size(size, i));
        return r;
}
