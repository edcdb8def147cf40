/* migrate.c: forward-only migrations.
 *
 * The file's level is PRAGMA user_version; table schema_migration is its history with the SHA-256 of each step's
 * text. A hash that differs means that the file's history is not this program's: nothing is touched. Steps never
 * change once released, so a level says exactly what the tables look like.
 *
 * A step may write a table anew under its old name, which SQLite cannot do while it enforces foreign keys. So they
 * are off around the transaction of the steps (inside one the switch does nothing), and checked before its commit. */
#include "store/sqlite/migrate.h"

#include "base/digest.h"
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "migrations.inc"

static void hash_of(const struct migration *m, char ret[DIGEST_HEX])
{
        struct digest d;

        digest_of(m->sql, strlen(m->sql), &d);
        digest_hex(&d, ret);
}

static int check_history(struct db *db, const struct migration *steps, int level, struct err *e)
{
        for (int i = 0; i < level; i++) {
                char hash[DIGEST_HEX];
                _query_ struct query q =
                    query_open(db, "SELECT sha256 FROM schema_migration WHERE version = :version");

                query_int(&q, ":version", steps[i].version);
                int r =
                    query_one(&q, -EBADMSG, e, "database: schema level %d is not in its history", steps[i].version);
                if (r != QUERY_ROW)
                        return r;
                hash_of(&steps[i], hash);
                if (strcmp(hash, query_get_text(&q, "sha256")) != 0)
                        return err_set(e, -EBADMSG,
                            "database: schema step %s was applied with another text (sha256 %.16s…, expected "
                            "%.16s…): use the program that made this file",
                            steps[i].name, query_get_text(&q, "sha256"), hash);
        }
        return 0;
}

static int record(struct db *db, const struct migration *m, struct err *e)
{
        char hash[DIGEST_HEX];
        _query_ struct query q =
            query_open(db, "INSERT INTO schema_migration (version, name, sha256, app_version, applied_at) "
                           "VALUES (:version, :name, :sha256, :app_version, :applied_at)");

        hash_of(m, hash);
        query_int(&q, ":version", m->version);
        query_text(&q, ":name", m->name);
        query_text(&q, ":sha256", hash);
        query_text(&q, ":app_version", EWCD_PROGRAM);
        query_int(&q, ":applied_at", db_now(db));
        return query_run(&q, e);
}

static int check_references(struct db *db, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT \"table\" AS name FROM pragma_foreign_key_check LIMIT 1");
        int r = query_step(&q, e);

        if (r != QUERY_ROW)
                return r;
        return err_set(e, -EBADMSG, "database: with the schema steps a reference of table %.64s leads nowhere",
            query_get_text(&q, "name"));
}

static int apply(struct db *db, const struct migration *steps, size_t n, int level, struct err *e)
{
        char pragma[96];
        int r;

        for (size_t i = (size_t)level; i < n; i++) {
                if ((r = db_exec(db, steps[i].sql, e)) != 0 || (r = record(db, &steps[i], e)) != 0)
                        return err_wrap(e, r, "schema step %s", steps[i].name);
        }
        if ((r = check_references(db, e)) != 0)
                return r;
        /* Pragmas take no parameters; both values are this program's own integers. */
        snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d; PRAGMA user_version = %d", STORE_APPLICATION_ID,
            (int)n);
        return db_exec(db, pragma, e);
}

bool migrate_copy(const struct db *db, int level, char ret[MIGRATE_PATH])
{
        return snprintf(ret, MIGRATE_PATH, "%s.level-%d", db->path, level) < MIGRATE_PATH;
}

int migrate_run(struct db *db, const struct migration *steps, size_t n, int level, bool no_backup, struct err *e)
{
        char copy[MIGRATE_PATH];
        int r = check_history(db, steps, level, e);

        if (r != 0 || (size_t)level == n)
                return r;
        if (level > 0 && !no_backup) {
                if (!migrate_copy(db, level, copy))
                        return err_set(e, -ENAMETOOLONG, "database: no room for the name of its copy");
                if ((r = sqlite_backup(&db->base, copy, e)) != 0)
                        return err_wrap(e, r, "copy before the migration");
        }
        if ((r = db_exec(db, "PRAGMA foreign_keys = OFF", e)) != 0)
                return r;
        if ((r = tx_enter(db, e)) == 0)
                r = tx_leave(db, apply(db, steps, n, level, e), e);
        int on = db_exec(db, "PRAGMA foreign_keys = ON", r == 0 ? e : NULL);
        return r != 0 ? r : on;
}
