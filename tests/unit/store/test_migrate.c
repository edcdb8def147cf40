/* test_migrate.c: steps up from an older level, with a copy first; all or nothing; a history that is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "lib/store_kit.h"
#include "lib/tmpdir.h"
#include "store/sqlite/db.h"
#include "store/sqlite/migrate.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
        struct kit *k = malloc(sizeof(*k));

        if (!k)
                return -1;
        kit_open(k, &store_sqlite);
        *state = k;
        return 0;
}

static int teardown(void **state)
{
        kit_close(*state);
        free(*state);
        return 0;
}

static int level_of(struct db *db)
{
        sqlite3_stmt *q;
        int level = -1;

        assert_int_equal(sqlite3_prepare_v2(db->h, "PRAGMA user_version", -1, &q, NULL), SQLITE_OK);
        if (sqlite3_step(q) == SQLITE_ROW)
                level = sqlite3_column_int(q, 0);
        sqlite3_finalize(q);
        return level;
}

static bool has_table(struct db *db, const char *sql)
{
        return sqlite3_exec(db->h, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* The shipped steps and two more. */
static const struct migration *with(const char *second, const char *third, size_t *ret_n)
{
        static struct migration steps[8];

        assert_int_equal(n_migrations, 1);
        steps[0] = migrations[0];
        steps[1] = (struct migration){2, "0002_more", second};
        steps[2] = (struct migration){3, "0003_yet_more", third};
        *ret_n = 3;
        return steps;
}

static void upgrades_with_a_copy_first(void **state)
{
        struct kit *k = *state;
        struct db *db = db_of(k->s);
        char copy[300];
        size_t n;
        const struct migration *steps = with("CREATE TABLE extra (x INTEGER) STRICT;",
            "ALTER TABLE extra ADD COLUMN y INTEGER; INSERT INTO extra VALUES (1, 2);", &n);

        kit_model(k, "m", SCENARIO_DOMAIN);
        assert_int_equal(migrate_run(db, steps, n, 1, false, &k->e), 0);
        assert_int_equal(level_of(db), 3);
        assert_true(has_table(db, "SELECT y FROM extra"));
        assert_int_equal(migrate_run(db, steps, n, 3, false, &k->e), 0); /* nothing more to do */
        snprintf(copy, sizeof(copy), "%s.level-1", k->path);
        assert_true(file_exists(copy));

        /* the copy is a whole store of the old level */
        const struct store_open how = {.path = copy, .clock = &k->clock.clock};
        struct store *old;
        struct model m;
        assert_int_equal(store_open(&old, &store_sqlite, &how, &k->e), 0);
        assert_int_equal(store_model_get(old, "m", &k->a, &m, &k->e), 0);
        assert_int_equal(level_of(db_of(old)), 1);
        store_close(old);
}

static void a_step_that_fails_undoes_all_steps(void **state)
{
        struct kit *k = *state;
        struct db *db = db_of(k->s);
        size_t n;
        const struct migration *steps = with("CREATE TABLE extra (x INTEGER) STRICT;", "CREATE TABLE model (x);", &n);

        assert_true(migrate_run(db, steps, n, 1, true, &k->e) < 0);
        assert_non_null(strstr(k->e.msg, "0003_yet_more"));
        assert_int_equal(level_of(db), 1);
        assert_false(has_table(db, "SELECT * FROM extra"));
}

static void another_history_is_refused(void **state)
{
        struct kit *k = *state;
        struct db *db = db_of(k->s);
        size_t n;
        const struct migration *steps = with("CREATE TABLE extra (x INTEGER) STRICT;", "SELECT 1;", &n);
        static struct migration tampered[3];

        assert_int_equal(migrate_run(db, steps, n, 1, true, &k->e), 0);
        memcpy(tampered, steps, sizeof(tampered));
        tampered[1].sql = "CREATE TABLE extra (x TEXT) STRICT;";
        assert_int_equal(migrate_run(db, tampered, n, 3, true, &k->e), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "0002_more"));
}

static void a_recorded_hash_that_differs_is_refused_on_open(void **state)
{
        struct kit *k = *state;
        const struct store_open how = {.path = k->path, .clock = &k->clock.clock};

        assert_int_equal(
            sqlite3_exec(db_of(k->s)->h, "UPDATE schema_migration SET sha256 = 'beef'", NULL, NULL, NULL), SQLITE_OK);
        store_close(k->s);
        k->s = NULL;
        assert_int_equal(store_open(&k->s, &store_sqlite, &how, &k->e), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "0001_init"));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(upgrades_with_a_copy_first), T(a_step_that_fails_undoes_all_steps),
            T(another_history_is_refused), T(a_recorded_hash_that_differs_is_refused_on_open)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
