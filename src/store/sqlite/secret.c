/* secret.c: bytes kept under a name. They are in every copy of the file. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <string.h>

enum { SECRET_SIZE = 32 };

static int get(struct db *db, const char *name, uint8_t ret[SECRET_SIZE], struct err *e)
{
        size_t n;
        _query_ struct query q = query_open(db, "SELECT value FROM secret WHERE name = :name");

        query_text(&q, ":name", name);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no secret %.64s", name);
        if (r != QUERY_ROW)
                return r;
        const void *p = query_get_blob(&q, "value", &n);
        if (n != SECRET_SIZE)
                return err_set(e, -EBADMSG, "database: a secret is damaged");
        memcpy(ret, p, SECRET_SIZE);
        return 0;
}

static int put(struct db *db, const char *name, const uint8_t fresh[SECRET_SIZE], struct err *e)
{
        _query_ struct query q = query_open(db, "INSERT INTO secret (name, value) VALUES (:name, :value)");

        query_text(&q, ":name", name);
        query_blob(&q, ":value", fresh, SECRET_SIZE);
        return query_run(&q, e);
}

int sqlite_secret(
    struct store *s, const char *name, const uint8_t fresh[SECRET_SIZE], uint8_t ret[SECRET_SIZE], struct err *e)
{
        if (!fresh)
                return get(db_of(s), name, ret, e);
        int r = tx_enter(db_of(s), e);
        if (r == 0)
                r = tx_leave(db_of(s), put(db_of(s), name, fresh, e), e);
        if (r == 0)
                memcpy(ret, fresh, SECRET_SIZE);
        return r;
}
