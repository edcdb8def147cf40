/* tx.c: transactions, savepoints, and what an SQLite error means for the store.
 *
 * A group is BEGIN IMMEDIATE .. COMMIT; a verb inside it is a savepoint, outside it a transaction of its own. Some
 * errors (disk full, I/O, memory) may make SQLite roll the whole transaction back by itself: the group is then lost,
 * every later verb and the commit say so. An I/O error while writing marks the store failed: a failed fsync is never
 * retried, because the kernel may have dropped the pages it could not write. */
#include "base/clock.h"
#include "base/err.h"
#include "store/sqlite/db.h"
#include <assert.h>
#include <errno.h>

int db_fail(struct db *db, int rc, const char *doing, struct err *e)
{
        const char *text = db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc);

        if (rc == SQLITE_IOERR_NOMEM)
                return err_oom(e);
        switch (rc & 0xff) {
        case SQLITE_FULL:
                return err_set(e, STORE_FULL, "%s: the disk is full, nothing was written", doing);
        case SQLITE_IOERR:
                if (!db->writing)
                        return err_set(e, -EIO, "%s: %s", doing, text);
                db->base.failed = true;
                return err_set(e, STORE_READONLY,
                    "%s: writing to disk failed (%s): the store is read-only until it is reopened and checked", doing,
                    text);
        case SQLITE_READONLY:
                return err_set(e, STORE_READONLY, "%s: %s", doing, text);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return err_set(e, -EBUSY, "%s: %s", doing, text);
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return err_set(e, -EBADMSG, "%s: the database file is damaged (%s)", doing, text);
        case SQLITE_NOMEM:
                return err_oom(e);
        default:
                return err_set(e, -EPROTO, "%s: %s", doing, text);
        }
}

int db_exec(struct db *db, const char *sql, struct err *e)
{
        int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
        return rc == SQLITE_OK ? 0 : db_fail(db, rc, "database", e);
}

int64_t db_now(const struct db *db)
{
        return clock_wall_ms(db->base.clock);
}

/* --- groups --- */

int tx_begin(struct db *db, struct err *e)
{
        assert(db->depth == 0);
        db->lost = 0;
        db->writing = !db->base.read_only;
        int r = db_exec(db, db->writing ? "BEGIN IMMEDIATE" : "BEGIN", e);
        if (r != 0) {
                db->writing = false;
                return r;
        }
        db->depth = 1;
        return 0;
}

void tx_abort(struct db *db)
{
        if (!sqlite3_get_autocommit(db->h))
                (void)db_exec(db, "ROLLBACK", NULL); /* fails only when it has already happened */
        db->depth = 0;
        db->lost = 0;
        db->writing = false;
}

int tx_commit(struct db *db, struct err *e)
{
        int r = 0;

        assert(db->depth == 1);
        if (db->lost != 0)
                r = err_set(e, db->lost, "the group was rolled back after a write failed");
        else
                r = db_exec(db, "COMMIT", e);
        if (r == 0 && db->writing)
                checkpoint_when_large(db);
        tx_abort(db); /* after a failed commit the transaction may still be open */
        return r;
}

/* --- one verb --- */

int tx_enter(struct db *db, struct err *e)
{
        if (db->depth == 0)
                return tx_begin(db, e);
        if (db->lost != 0)
                return err_set(e, db->lost, "the group was rolled back after a write failed");
        db->writing = !db->base.read_only;
        int r = db_exec(db, "SAVEPOINT verb", e);
        if (r == 0)
                db->depth++;
        return r;
}

int tx_leave(struct db *db, int r, struct err *e)
{
        if (db->depth == 1) {
                if (r == 0)
                        return tx_commit(db, e);
                tx_abort(db);
                return r;
        }
        db->depth--;
        if (r == 0)
                r = db_exec(db, "RELEASE verb", e);
        if (r == 0)
                return 0;
        if (sqlite3_get_autocommit(db->h)) {
                db->lost = r;
        } else if (db_exec(db, "ROLLBACK TO verb", NULL) != 0 || db_exec(db, "RELEASE verb", NULL) != 0) {
                (void)db_exec(db, "ROLLBACK", NULL);
                db->lost = r;
        }
        return r;
}

/* A reading verb sees one state; inside a transaction it already does. */
int tx_read_enter(struct db *db, struct err *e)
{
        if (db->depth == 0) {
                int r = db_exec(db, "BEGIN", e);
                if (r != 0)
                        return r;
        }
        db->depth++;
        return 0;
}

int tx_read_leave(struct db *db, int r, struct err *e)
{
        if (--db->depth > 0)
                return r;
        if (sqlite3_get_autocommit(db->h))
                return r;
        db->writing = false;
        int end = db_exec(db, "COMMIT", r == 0 ? e : NULL);
        if (end != 0)
                (void)db_exec(db, "ROLLBACK", NULL);
        return r != 0 ? r : end;
}
