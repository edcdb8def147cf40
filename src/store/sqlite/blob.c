/* blob.c: tensors by content, in chunk rows.
 *
 * Chunks are staged in small transactions, in any order, before the commit that refers to the blob. When the last
 * one arrives all of them are hashed; only a blob that agrees with its digest becomes complete, and only a complete
 * one can be referred to. What nothing refers to is swept when idle, but never under a job that may be about to use
 * it. */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <string.h>

enum { SWEEP_CHUNKS = 8 };

static size_t chunks_of(size_t size)
{
        return size / BLOB_CHUNK + (size % BLOB_CHUNK != 0);
}

static int chunk_put(
    struct db *db, const struct digest *d, uint32_t number, const void *data, size_t n, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT INTO blob_chunk (digest, number, data) VALUES (:digest, :number, :data) "
                           "ON CONFLICT (digest, number) DO UPDATE SET data = excluded.data");

        query_digest(&q, ":digest", d);
        query_int(&q, ":number", number);
        query_blob(&q, ":data", data, n);
        return query_run(&q, e);
}

/* Walks the chunks in order: each(arg, data, n). Returns the bytes seen in *ret_size. */
typedef void (*chunk_fn)(void *arg, const void *data, size_t n);
static int chunk_walk(
    struct db *db, const struct digest *d, chunk_fn each, void *arg, size_t *ret_size, struct err *e)
{
        _query_ struct query q =
            query_open(db, "SELECT number, data FROM blob_chunk WHERE digest = :digest ORDER BY number");
        size_t size = 0, n;
        int64_t next = 0;
        int r;

        query_digest(&q, ":digest", d);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                const void *p = query_get_blob(&q, "data", &n);
                if (query_get_int(&q, "number") != next++)
                        return err_set(e, -EBADMSG, "database: a tensor lacks a piece");
                each(arg, p, n);
                size += n;
        }
        *ret_size = size;
        return r;
}

static void hash_chunk(void *arg, const void *data, size_t n)
{
        digest_add(arg, data, n);
}

static int hash_blob(struct db *db, const struct digest *d, size_t size, bool *ret_agrees, struct err *e)
{
        struct digest got;
        size_t seen = 0;
        struct digest_ctx *c = digest_new();

        if (!c)
                return err_oom(e);
        int r = chunk_walk(db, d, hash_chunk, c, &seen, e);
        digest_finish(c, &got);
        *ret_agrees = seen == size && digest_eq(&got, d);
        return r;
}

static int blob_row(struct db *db, const struct digest *d, size_t size, bool begun, bool *ret_complete, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO blob (digest, size, complete, staged_ms) VALUES (:digest, :size, 0, :now) "
            "ON CONFLICT (digest) DO UPDATE SET staged_ms = CASE WHEN :begun THEN :now ELSE staged_ms END "
            "RETURNING size, complete");

        query_digest(&q, ":digest", d);
        query_seq(&q, ":size", size);
        query_int(&q, ":begun", begun);
        query_int(&q, ":now", db_now(db));
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r != 0 ? r : err_set(e, -EPROTO, "database: blob row without an answer");
        bool same = query_get_u64(&q, "size") == size;
        *ret_complete = query_get_int(&q, "complete") != 0;
        while (r == QUERY_ROW)
                r = query_step(&q, e);
        if (r == 0 && !same)
                r = err_set(e, STORE_CONFLICT, "a blob of this digest has another size");
        return r;
}

static int blob_flag(struct db *db, const struct digest *d, struct err *e)
{
        _query_ struct query q = query_open(db, "UPDATE blob SET complete = 1 WHERE digest = :digest");

        query_digest(&q, ":digest", d);
        return query_run(&q, e);
}

static int blob_drop(struct db *db, const struct digest *d, struct err *e)
{
        _query_ struct query q = query_open(db, "DELETE FROM blob WHERE digest = :digest");

        query_digest(&q, ":digest", d);
        return query_run(&q, e);
}

static int chunk_count(struct db *db, const struct digest *d, uint64_t *ret, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT count(*) AS n FROM blob_chunk WHERE digest = :digest");

        query_digest(&q, ":digest", d);
        int r = query_step(&q, e);
        if (r == QUERY_ROW) {
                *ret = query_get_u64(&q, "n");
                r = 0;
        }
        return r;
}

/* *ret_bad: all chunks were there and their hash does not agree; they are gone then. */
static int stage(struct db *db, const struct digest *d, size_t size, uint32_t number, const void *data, size_t n,
    bool *ret_complete, bool *ret_bad, struct err *e)
{
        uint64_t have = 0;
        bool agrees = false;
        int r = blob_row(db, d, size, number == 0, ret_complete, e);

        if (r != 0 || *ret_complete)
                return r;
        if ((r = chunk_put(db, d, number, data, n, e)) != 0 || (r = chunk_count(db, d, &have, e)) != 0 ||
            have < chunks_of(size) || (r = hash_blob(db, d, size, &agrees, e)) != 0)
                return r;
        *ret_complete = agrees;
        *ret_bad = !agrees;
        return agrees ? blob_flag(db, d, e) : blob_drop(db, d, e);
}

int sqlite_blob_chunk(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data,
    size_t n, bool *ret_complete, struct err *e)
{
        bool complete = false, bad = false;
        struct db *db = db_of(s);
        int r = tx_enter(db, e);

        if (r != 0)
                return r;
        r = tx_leave(db, stage(db, d, size, number, data, n, &complete, &bad, e), e);
        if (r != 0)
                return r;
        if (bad)
                return err_set(e, STORE_CONFLICT, "the hash of a blob does not agree with its digest: send it again");
        *ret_complete = complete;
        return 0;
}

int blob_put(struct db *db, const void *data, size_t size, struct digest *ret, struct err *e)
{
        bool complete = false, bad = false;
        const char *p = data;
        int r = 0;

        digest_of(data, size, ret);
        for (size_t i = 0; r == 0 && !complete && i < chunks_of(size); i++) {
                size_t at = i * BLOB_CHUNK, left = size - at;
                r = stage(
                    db, ret, size, (uint32_t)i, p + at, left < BLOB_CHUNK ? left : BLOB_CHUNK, &complete, &bad, e);
        }
        return r == 0 && bad ? err_set(e, -EBADMSG, "database: a blob changed while it was written") : r;
}

int blob_require(struct db *db, const struct digest *d, size_t size, struct err *e)
{
        char hex[DIGEST_HEX];
        _query_ struct query q = query_open(db, "SELECT size FROM blob WHERE digest = :digest AND complete = 1");

        digest_hex(d, hex);
        query_digest(&q, ":digest", d);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no complete blob %.16s…", hex);
        if (r != QUERY_ROW)
                return r;
        if (query_get_u64(&q, "size") != size)
                return err_set(e, -EINVAL, "store: blob %.16s… has another size than its tensor", hex);
        return 0;
}

struct copy {
        char *to;
        size_t at, size;
        struct digest_ctx *hash;
};

static void copy_chunk(void *arg, const void *data, size_t n)
{
        struct copy *c = arg;

        digest_add(c->hash, data, n);
        if (n <= c->size - c->at) {
                memcpy(c->to + c->at, data, n);
                c->at += n;
        }
}

int blob_read(struct db *db, const struct digest *d, void *ret, size_t size, struct err *e)
{
        struct copy c = {.to = ret, .size = size, .hash = digest_new()};
        struct digest got;
        size_t seen = 0;

        if (!c.hash)
                return err_oom(e);
        int r = chunk_walk(db, d, copy_chunk, &c, &seen, e);
        digest_finish(c.hash, &got);
        if (r != 0)
                return r;
        if (!digest_eq(&got, d))
                return err_set(e, -EBADMSG, "database: a stored tensor does not agree with its digest");
        return seen == size ? 0
                            : err_set(e, -EINVAL, "store: the tensor has %zu bytes, %zu were asked for", seen, size);
}

/* --- sweeping --- */

/* A blob is kept while anything refers to it, and while a job is active that is older than its last staging. */
static const char garbage_sql[] =
    "SELECT b.digest AS digest, (SELECT max(c.rowid) FROM blob_chunk c WHERE c.digest = b.digest) AS chunk "
    "FROM blob b WHERE NOT EXISTS (SELECT 1 FROM version v WHERE v.theta = b.digest) "
    "AND NOT EXISTS (SELECT 1 FROM version v WHERE v.fisher = b.digest) "
    "AND NOT EXISTS (SELECT 1 FROM version v WHERE v.theta_old = b.digest) "
    "AND NOT EXISTS (SELECT 1 FROM task t WHERE t.fisher = b.digest) "
    "AND NOT EXISTS (SELECT 1 FROM task t WHERE t.theta_old = b.digest) "
    "AND NOT EXISTS (SELECT 1 FROM job j WHERE j.state < 10 AND j.created_ms <= b.staged_ms) LIMIT 1";

static int sweep_one(struct db *db, bool *ret_more, struct err *e)
{
        struct digest d;
        int64_t chunk = 0;
        bool last = true;
        {
                _query_ struct query q = query_open(db, garbage_sql);
                int r = query_step(&q, e);
                *ret_more = r == QUERY_ROW;
                if (r != QUERY_ROW)
                        return r;
                query_get_digest(&q, "digest", &d);
                last = query_null(&q, "chunk");
                chunk = query_get_int(&q, "chunk");
        }
        if (last)
                return blob_drop(db, &d, e);
        _query_ struct query q = query_open(db, "DELETE FROM blob_chunk WHERE rowid = :chunk");
        query_int(&q, ":chunk", chunk);
        int r = query_run(&q, e);
        if (r != 0)
                return r;
        _query_ struct query u = query_open(db, "UPDATE blob SET complete = 0 WHERE digest = :digest");
        query_digest(&u, ":digest", &d);
        return query_run(&u, e);
}

int blob_sweep(struct db *db, struct err *e)
{
        bool more = true;
        int r = tx_enter(db, e);

        if (r != 0)
                return r;
        for (int i = 0; r == 0 && more && i < SWEEP_CHUNKS; i++)
                r = sweep_one(db, &more, e);
        return tx_leave(db, r, e);
}

/* Every complete blob against its digest. */
int blob_check(struct db *db, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT digest, size FROM blob WHERE complete = 1");
        int r;

        while ((r = query_step(&q, e)) == QUERY_ROW) {
                char hex[DIGEST_HEX];
                struct digest d;
                bool agrees = false;

                query_get_digest(&q, "digest", &d);
                int h = hash_blob(db, &d, query_get_u64(&q, "size"), &agrees, e);
                if (h != 0)
                        return h;
                digest_hex(&d, hex);
                if (!agrees)
                        return err_set(e, -EBADMSG, "database: tensor %s does not agree with its digest", hex);
        }
        return r;
}
