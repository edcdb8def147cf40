/* maintain.c: care of the file: checkpoints of the WAL, checks, sizes, backup.
 *
 * Checkpoints run on the writing connection alone: PASSIVE when care is taken (by the queue: when idle, and now and
 * then under load) and after a commit when the WAL has grown past its limit; TRUNCATE when care finds the WAL's
 * file that large, or when something was erased: until then the WAL holds pages from before. What the file system
 * does with the blocks it gets back is not ours to say, and a backup made earlier has the rows it had. Sizes come
 * from stat: opening and closing the file a second time in this process would drop the locks SQLite holds on it. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/migrate.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, CHECKPOINT_WAIT_MS = 100, OPEN_WAIT_MS = 5000, BACKUP_PAGES = 256 };

static uint64_t size_of(const char *path, const char *suffix)
{
        char name[4096];
        struct stat st;

        if (snprintf(name, sizeof(name), "%s%s", path, suffix) >= (int)sizeof(name) || stat(name, &st) != 0)
                return 0;
        return (uint64_t)st.st_size;
}

void sqlite_sizes(struct store *s, struct store_health *ret)
{
        ret->db_bytes = size_of(db_of(s)->path, "");
        ret->wal_bytes = size_of(db_of(s)->path, "-wal");
}

static int rows(struct db *db, uint64_t *ret, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT (SELECT coalesce(sum(n), 0) FROM task_count) + "
                                                "(SELECT coalesce(sum(n), 0) FROM fate_count) AS n");
        int r = query_step(&q, e);

        if (r != QUERY_ROW)
                return r;
        *ret = query_get_u64(&q, "n");
        return 0;
}

static int health(struct db *db, struct store_health *ret, struct err *e)
{
        struct store_health h = {.schema = (int)n_migrations, .read_only = db->base.read_only || db->base.failed};
        int r;

        if (!ret)
                return 0;
        if ((r = rows(db, &h.n_feedback, e)) != 0)
                return r;
        sqlite_sizes(&db->base, &h);
        snprintf(h.engine, sizeof(h.engine), "sqlite %s", sqlite3_libversion());
        *ret = h;
        return 0;
}

static int checkpoint(struct db *db, struct err *e)
{
        int length = 0, done = 0;
        bool big = db->scrub || size_of(db->path, "-wal") > (uint64_t)WAL_LIMIT_PAGES * PAGE;

        if (db->wal_pages == 0 && !big)
                return 0;
        sqlite3_busy_timeout(db->h, CHECKPOINT_WAIT_MS);
        db->writing = true;
        int rc = sqlite3_wal_checkpoint_v2(
            db->h, NULL, big ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &length, &done);
        int r = rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY ? 0 : db_fail(db, rc, "checkpoint", e);
        db->writing = false;
        sqlite3_busy_timeout(db->h, OPEN_WAIT_MS);
        if (rc == SQLITE_OK && length == done)
                db->wal_pages = 0;
        db->scrub = db->scrub && rc != SQLITE_OK;
        return r;
}

/* PASSIVE waits for nobody: readers keep what they see, the rest is copied, and once nobody looks at it the WAL
 * starts anew. If some reader holds it up, the next attempt is a quarter of the limit later. A failure shows as a
 * failed store; what was committed is safe in the WAL. */
void checkpoint_when_large(struct db *db)
{
        if (db->wal_pages < db->wal_limit)
                return;
        int rc = sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (rc != SQLITE_OK)
                (void)db_fail(db, rc, "checkpoint", NULL);
        db->wal_limit = db->wal_pages + WAL_LIMIT_PAGES / 4;
}

int sqlite_maintain(struct store *s, struct store_health *ret, struct err *e)
{
        struct db *db = db_of(s);
        int r = blob_sweep(db, e);

        if (r == 0)
                r = checkpoint(db, e);
        return r != 0 ? r : health(db, ret, e);
}

/* A check pragma answers "ok", or a list of what is wrong; the first line is told. */
static int run_check(struct db *db, const char *sql, const char *column, struct err *e)
{
        _query_ struct query q = query_open(db, sql);
        int r = query_step(&q, e);

        if (r != QUERY_ROW)
                return r;
        const char *said = query_get_text(&q, column);
        return strcmp(said, "ok") == 0 ? 0 : err_set(e, -EBADMSG, "database: %.300s", said);
}

static int check(struct db *db, bool full, struct err *e)
{
        int r;

        if (!full)
                return run_check(db, "PRAGMA quick_check", "quick_check", e);
        if ((r = run_check(db, "PRAGMA integrity_check", "integrity_check", e)) != 0 ||
            (r = run_check(db,
                 "SELECT 'a reference of table ' || \"table\" || ' leads nowhere' AS said FROM "
                 "pragma_foreign_key_check",
                 "said", e)) != 0 ||
            (r = blob_check(db, e)) != 0)
                return r;
        return feedback_check(db, e);
}

int sqlite_check(struct store *s, bool full, struct store_health *ret, struct err *e)
{
        struct db *db = db_of(s);
        int r = tx_read_enter(db, e);

        if (r == 0)
                r = tx_read_leave(db, check(db, full, e), e);
        return r != 0 ? r : health(db, ret, e);
}

/* --- backup --- */

static int copy_pages(struct db *db, sqlite3 *to, struct err *e)
{
        sqlite3_backup *b = sqlite3_backup_init(to, "main", db->h, "main");
        int rc;

        if (!b)
                return err_set(e, -EIO, "backup: %s", sqlite3_errmsg(to));
        do
                rc = sqlite3_backup_step(b, BACKUP_PAGES);
        while (rc == SQLITE_OK);
        sqlite3_backup_finish(b);
        if (rc != SQLITE_DONE)
                return (rc & 0xff) == SQLITE_FULL ? err_set(e, STORE_FULL, "backup: the disk is full")
                                                  : err_set(e, -EIO, "backup: %s", sqlite3_errstr(rc));
        /* One plain file, without a WAL beside it, which any SQLite tool can open. */
        rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        return rc == SQLITE_OK ? 0 : err_set(e, -EIO, "backup: %s", sqlite3_errmsg(to));
}

static int sync_path(const char *path, int flags, struct err *e)
{
        int fd = open(path, flags | O_CLOEXEC);
        if (fd < 0)
                return err_errno(e, errno, "backup: open %s", path);
        int r = fsync(fd) == 0 ? 0 : err_errno(e, errno, "backup: fsync %s", path);
        close(fd);
        return r;
}

static int publish(const char *tmp, const char *path, struct err *e)
{
        char dir[4096];
        int r = sync_path(tmp, O_RDONLY, e);

        if (r != 0)
                return r;
        if (rename(tmp, path) != 0)
                return err_errno(e, errno, "backup: rename to %s", path);
        snprintf(dir, sizeof(dir), "%s", path);
        return sync_path(dirname(dir), O_RDONLY | O_DIRECTORY, e);
}

int sqlite_backup(struct store *s, const char *path, struct err *e)
{
        char tmp[4096];
        sqlite3 *to = NULL;

        if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
                return err_set(e, -ENAMETOOLONG, "backup: the path is too long");
        unlink(tmp); /* left by a run that was cut off */
        int rc = sqlite3_open_v2(tmp, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, "unix");
        int r = rc == SQLITE_OK ? copy_pages(db_of(s), to, e)
                                : err_set(e, -EIO, "backup: %s: %s", tmp, to ? sqlite3_errmsg(to) : "no memory");
        if (sqlite3_close(to) != SQLITE_OK && r == 0)
                r = err_set(e, -EIO, "backup: the copy could not be closed");
        if (r == 0)
                r = publish(tmp, path, e);
        if (r != 0)
                unlink(tmp);
        return r;
}
