/* stmt.c: statements, prepared once and kept for the life of the database.
 *
 * The key of a statement is the address of its text, so texts are string literals beside the verb that uses them. A
 * statement that is still running (a callback of a scan calls the same verb) is left alone: a second one is prepared.
 * Parameters are bound and columns read by name. The first error of a query sticks and comes out of the next step. */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/db.h"
#include "store/sqlite/stmt.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors on disk are little-endian");

struct stmt {
        const char *sql;
        sqlite3_stmt *h;
        bool busy;
        struct stmt *next;
};

static struct stmt *stmt_find(struct db *db, const char *sql, int *rc)
{
        for (struct stmt *s = db->stmts; s; s = s->next)
                if (s->sql == sql && !s->busy)
                        return s;
        struct stmt *s = new_zero(struct stmt);
        if (!s) {
                *rc = SQLITE_NOMEM;
                return NULL;
        }
        *rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->h, NULL);
        if (*rc != SQLITE_OK) {
                free(s);
                return NULL;
        }
        s->sql = sql;
        s->next = db->stmts;
        db->stmts = s;
        return s;
}

void stmt_free_all(struct db *db)
{
        for (struct stmt *s = db->stmts, *next; s; s = next) {
                next = s->next;
                sqlite3_finalize(s->h);
                free(s);
        }
        db->stmts = NULL;
}

struct query query_open(struct db *db, const char *sql)
{
        struct query q = {.db = db};

        q.s = stmt_find(db, sql, &q.rc);
        if (q.s)
                q.s->busy = true;
        return q;
}

void query_close(struct query *q)
{
        if (!q->s)
                return;
        sqlite3_reset(q->s->h);
        sqlite3_clear_bindings(q->s->h);
        q->s->busy = false;
        q->s = NULL;
}

static int query_failed(struct query *q, struct err *e)
{
        if (q->rc < 0)
                return err_set(e, q->rc, "database: a stored value has no meaning here: the file is damaged");
        return db_fail(q->db, q->rc, "database", e);
}

int query_step(struct query *q, struct err *e)
{
        if (q->rc == 0) {
                int rc = sqlite3_step(q->s->h);
                if (rc == SQLITE_ROW)
                        return QUERY_ROW;
                if (rc == SQLITE_DONE)
                        return 0;
                q->rc = rc;
        }
        return query_failed(q, e);
}

int query_run(struct query *q, struct err *e)
{
        int r;

        do
                r = query_step(q, e);
        while (r == QUERY_ROW);
        if (q->s)
                sqlite3_reset(q->s->h);
        return r;
}

int query_one(struct query *q, int missing, struct err *e, const char *fmt, ...)
{
        int r = query_step(q, e);

        if (r == 0) {
                char text[ERR_MSG_MAX];
                va_list ap;

                va_start(ap, fmt);
                vsnprintf(text, sizeof(text), fmt, ap);
                va_end(ap);
                r = err_set(e, missing, "%s", text);
        }
        return r;
}

/* --- binding --- */

static int parameter(struct query *q, const char *name)
{
        if (q->rc != 0)
                return 0;
        int i = sqlite3_bind_parameter_index(q->s->h, name);
        assert(i > 0);
        return i;
}

static void bound(struct query *q, int rc)
{
        if (q->rc == 0 && rc != SQLITE_OK)
                q->rc = rc;
}

void query_int(struct query *q, const char *name, int64_t v)
{
        int i = parameter(q, name);
        if (i > 0)
                bound(q, sqlite3_bind_int64(q->s->h, i, v));
}

void query_u64(struct query *q, const char *name, uint64_t v)
{
        query_int(q, name, (int64_t)v);
}

void query_seq(struct query *q, const char *name, uint64_t v)
{
        query_int(q, name, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static void query_nothing(struct query *q, const char *name)
{
        int i = parameter(q, name);
        if (i > 0)
                bound(q, sqlite3_bind_null(q->s->h, i));
}

void query_id(struct query *q, const char *name, uint64_t v)
{
        if (v == 0)
                query_nothing(q, name);
        else
                query_seq(q, name, v);
}

void query_ms(struct query *q, const char *name, int64_t v)
{
        if (v == 0)
                query_nothing(q, name);
        else
                query_int(q, name, v);
}

void query_real(struct query *q, const char *name, double v)
{
        int i = parameter(q, name);
        if (i > 0)
                bound(q, sqlite3_bind_double(q->s->h, i, v)); /* SQLite stores NaN as NULL */
}

void query_text(struct query *q, const char *name, const char *v)
{
        int i = parameter(q, name);
        if (i > 0)
                bound(q, sqlite3_bind_text(q->s->h, i, v, -1, SQLITE_STATIC));
}

void query_blob(struct query *q, const char *name, const void *p, size_t n)
{
        int i = parameter(q, name);
        if (i > 0)
                bound(q, sqlite3_bind_blob64(q->s->h, i, p, n, SQLITE_STATIC));
}

void query_digest(struct query *q, const char *name, const struct digest *d)
{
        static const struct digest none = {{0}};

        if (digest_eq(d, &none))
                query_nothing(q, name);
        else
                query_blob(q, name, d->b, sizeof(d->b));
}

/* --- reading --- */

/* Columns are mostly read in the order they stand in, so the search goes on where the last one ended. */
static int column(struct query *q, const char *name)
{
        int n = sqlite3_column_count(q->s->h);

        for (int i = 0; i < n; i++) {
                int at = (q->at + i) % n;
                if (strcmp(sqlite3_column_name(q->s->h, at), name) == 0)
                        return q->at = at;
        }
        assert(!"no such column");
        return -1;
}

bool query_null(struct query *q, const char *name)
{
        return sqlite3_column_type(q->s->h, column(q, name)) == SQLITE_NULL;
}

int64_t query_get_int(struct query *q, const char *name)
{
        return sqlite3_column_int64(q->s->h, column(q, name));
}

uint64_t query_get_u64(struct query *q, const char *name)
{
        return (uint64_t)query_get_int(q, name);
}

double query_get_real(struct query *q, const char *name)
{
        int i = column(q, name);
        return sqlite3_column_type(q->s->h, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(q->s->h, i);
}

const char *query_get_text(struct query *q, const char *name)
{
        const unsigned char *t = sqlite3_column_text(q->s->h, column(q, name));
        return t ? (const char *)t : "";
}

void query_get_name(struct query *q, const char *name, char *dst, size_t size)
{
        if (!str_copy(dst, size, query_get_text(q, name)) && q->rc == 0)
                q->rc = -EBADMSG;
}

char *query_get_dup(struct query *q, const char *name, struct arena *a)
{
        char *t = arena_strdup(a, query_get_text(q, name));
        if (!t && q->rc == 0)
                q->rc = SQLITE_NOMEM;
        return t;
}

const void *query_get_blob(struct query *q, const char *name, size_t *ret_n)
{
        int i = column(q, name);
        const void *p = sqlite3_column_blob(q->s->h, i);
        *ret_n = (size_t)sqlite3_column_bytes(q->s->h, i);
        return p;
}

void query_get_digest(struct query *q, const char *name, struct digest *ret)
{
        size_t n;
        const void *p = query_get_blob(q, name, &n);

        memset(ret, 0, sizeof(*ret));
        if (n == sizeof(ret->b))
                memcpy(ret->b, p, n);
        else if (n != 0 && q->rc == 0)
                q->rc = -EBADMSG;
}
