/* open.c: opening and closing a database file.
 *
 * One file, one process, one writing connection. The unix-excl VFS holds the file for the process from the first
 * read on, so another process meets a lock, and the WAL index lives in memory shared by the connections of this
 * process. Nothing is written before the file is known to be ours. The flag in store_state tells whether the last
 * writer closed the file; if not, it is checked before use. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/db.h"
#include "store/sqlite/migrate.h"
#include "store/sqlite/stmt.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <string.h>

enum { BUSY_MS = 5000 };

static const char pragmas[] = "PRAGMA foreign_keys = ON;"
                              "PRAGMA trusted_schema = OFF;"
                              "PRAGMA cell_size_check = ON;"
                              "PRAGMA secure_delete = ON;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA wal_autocheckpoint = 0;";

static int on_commit(void *arg, sqlite3 *h, const char *name, int pages)
{
        (void)h, (void)name;
        struct db *db = arg;

        if ((uint64_t)pages < db->wal_length) /* it has started anew */
                db->wal_limit = WAL_LIMIT_PAGES;
        db->wal_length = db->wal_pages = (uint64_t)pages;
        return SQLITE_OK;
}

static int pragma_int(struct db *db, const char *sql, int64_t *ret, struct err *e)
{
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(db->h, sql, -1, &s, NULL);

        if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                *ret = sqlite3_column_int64(s, 0);
                rc = SQLITE_OK;
        }
        sqlite3_finalize(s);
        switch (rc & 0xff) {
        case SQLITE_OK:
                return 0;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return err_set(e, STORE_LOCKED, "%s: another process has this database open", db->path);
        case SQLITE_NOTADB:
                return err_set(e, STORE_FOREIGN, "%s: this is not an SQLite database", db->path);
        default:
                return db_fail(db, rc, db->path, e);
        }
}

/* The file's level; 0 for a new one. */
static int identify(struct db *db, int *ret_level, struct err *e)
{
        int64_t tables = 0, id = 0, level = 0;
        int r;

        if ((r = pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables, e)) != 0 ||
            (r = pragma_int(db, "PRAGMA application_id", &id, e)) != 0 ||
            (r = pragma_int(db, "PRAGMA user_version", &level, e)) != 0)
                return r;
        if (id != STORE_APPLICATION_ID && (id != 0 || tables != 0 || level != 0))
                return err_set(e, STORE_FOREIGN, "%s: this SQLite database belongs to another program", db->path);
        if (level > (int64_t)n_migrations)
                return err_set(e, STORE_NEWER, "%s: written by a newer program (schema level %d, this one knows %zu)",
                    db->path, (int)level, n_migrations);
        if (level < 0 || (id != 0 && level == 0))
                return err_set(e, -EBADMSG, "%s: schema level %d makes no sense", db->path, (int)level);
        *ret_level = (int)level;
        return 0;
}

static int mark(struct db *db, bool clean, struct err *e)
{
        int r = tx_enter(db, e);
        if (r != 0)
                return r;
        return tx_leave(
            db, db_exec(db, clean ? "UPDATE store_state SET clean = 1" : "UPDATE store_state SET clean = 0", e), e);
}

static int open_writer(struct db *db, const struct store_open *how, int level, struct err *e)
{
        int64_t clean = 1;
        int r;

        if ((r = db_exec(db, "PRAGMA journal_mode = WAL", e)) != 0)
                return r;
        sqlite3_wal_hook(db->h, on_commit, db);
        if (level > 0 && (r = pragma_int(db, "SELECT clean FROM store_state", &clean, e)) != 0)
                return r;
        db->scrub = !clean; /* what the last one erased may still be in its WAL */
        if (!clean && (r = sqlite_check(&db->base, false, NULL, e)) != 0)
                return err_wrap(e, r, "%s was not closed properly and is damaged", db->path);
        if ((r = migrate_run(db, migrations, n_migrations, level, how->no_backup, e)) != 0)
                return r;
        return mark(db, false, e);
}

static int open_reader(struct db *db, int level, struct err *e)
{
        if (level != (int)n_migrations)
                return err_set(
                    e, -EINVAL, "%s: open it for writing first, its schema is of level %d", db->path, level);
        return db_exec(db, "PRAGMA query_only = ON", e);
}

static int open_file(struct db *db, const struct store_open *how, struct err *e)
{
        int flags = how->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
        int level = 0, r;

        int rc = sqlite3_open_v2(how->path, &db->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, "unix-excl");
        if (rc != SQLITE_OK)
                return err_set(e, (rc & 0xff) == SQLITE_CANTOPEN ? -ENOENT : -EIO, "%s: %s", how->path,
                    db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc));
        sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        if ((r = identify(db, &level, e)) != 0)
                return r;
        sqlite3_busy_timeout(db->h, BUSY_MS); /* only for the moments of a checkpoint: no other process comes in */
        if ((r = db_exec(db, pragmas, e)) != 0 || (r = expire_register(db, e)) != 0)
                return r;
        return how->read_only ? open_reader(db, level, e) : open_writer(db, how, level, e);
}

static void db_free(struct db *db)
{
        stmt_free_all(db);
        sqlite3_close(db->h);
        free(db->path);
        free(db);
}

int sqlite_open(struct store **ret, const struct store_open *how, struct err *e)
{
        if (!how->path || !how->path[0])
                return err_set(e, -EINVAL, "no path of a database");
        struct db *db = new_zero(struct db);
        if (!db || !(db->path = strdup(how->path))) {
                free(db);
                return err_oom(e);
        }
        db->base.clock = how->clock ? how->clock : &clock_system;
        db->base.read_only = how->read_only;
        db->wal_limit = WAL_LIMIT_PAGES;
        int r = open_file(db, how, e);
        if (r != 0) {
                db_free(db);
                return r;
        }
        *ret = &db->base;
        return 0;
}

void sqlite_close(struct store *s)
{
        struct db *db = db_of(s);

        if (!s->read_only && !s->failed && mark(db, true, NULL) == 0) {
                stmt_free_all(db);
                sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        }
        db_free(db);
}
