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

#define SHIPPED 3

/* The shipped steps and two more. */
static const struct migration *with(const char *next, const char *last, size_t *ret_n)
{
        static struct migration steps[8];

        assert_int_equal(n_migrations, SHIPPED);
        for (size_t i = 0; i < n_migrations; i++)
                steps[i] = migrations[i];
        steps[SHIPPED] = (struct migration){SHIPPED + 1, "0004_more", next};
        steps[SHIPPED + 1] = (struct migration){SHIPPED + 2, "0005_yet_more", last};
        *ret_n = SHIPPED + 2;
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
        assert_int_equal(migrate_run(db, steps, n, SHIPPED, false, &k->e), 0);
        assert_int_equal(level_of(db), SHIPPED + 2);
        assert_true(has_table(db, "SELECT y FROM extra"));
        assert_int_equal(migrate_run(db, steps, n, SHIPPED + 2, false, &k->e), 0); /* nothing more to do */
        snprintf(copy, sizeof(copy), "%s.level-%d", k->path, SHIPPED);
        assert_true(file_exists(copy));

        /* the copy is a whole store of the old level */
        const struct store_open how = {.path = copy, .clock = &k->clock.clock};
        struct store *old;
        struct model m;
        assert_int_equal(store_open(&old, &store_sqlite, &how, &k->e), 0);
        assert_int_equal(store_model_get(old, "m", &k->a, &m, &k->e), 0);
        assert_int_equal(level_of(db_of(old)), SHIPPED);
        store_close(old);
}

static void a_step_that_fails_undoes_all_steps(void **state)
{
        struct kit *k = *state;
        struct db *db = db_of(k->s);
        size_t n;
        const struct migration *steps = with("CREATE TABLE extra (x INTEGER) STRICT;", "CREATE TABLE model (x);", &n);

        assert_true(migrate_run(db, steps, n, SHIPPED, true, &k->e) < 0);
        assert_non_null(strstr(k->e.msg, "0005_yet_more"));
        assert_int_equal(level_of(db), SHIPPED);
        assert_false(has_table(db, "SELECT * FROM extra"));
}

static void another_history_is_refused(void **state)
{
        struct kit *k = *state;
        struct db *db = db_of(k->s);
        size_t n;
        const struct migration *steps = with("CREATE TABLE extra (x INTEGER) STRICT;", "SELECT 1;", &n);
        static struct migration tampered[SHIPPED + 2];

        assert_int_equal(migrate_run(db, steps, n, SHIPPED, true, &k->e), 0);
        memcpy(tampered, steps, sizeof(tampered));
        tampered[SHIPPED].sql = "CREATE TABLE extra (x TEXT) STRICT;";
        assert_int_equal(migrate_run(db, tampered, n, SHIPPED + 2, true, &k->e), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "0004_more"));
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

static void plain(sqlite3 *h, const char *sql)
{
        char *why = NULL;

        if (sqlite3_exec(h, sql, NULL, NULL, &why) != SQLITE_OK)
                fail_msg("%s: %s", sql, why);
}

/* A closed task, its version, and their vectors of three parameters, as the first step's program wrote them. */
static const char old_rows[] =
    "INSERT INTO model (id, name, scenario, spec, learning, created_ms) VALUES (1, 'm', 2, '{}', '{}', 1);"
    "INSERT INTO version (id, model, number, state, n_params, theta, fisher, theta_old, fisher_scale, fisher_kind, "
    "fisher_samples, seed, range_first, range_last, program, reason, created_ms) VALUES (1, 1, 1, 2, 3, :d, :d, :d, "
    "1, 2, 7, 1, 1, 0, 'old', '', 1);"
    "INSERT INTO alias VALUES (1, 'champion', 1, 1, 1);"
    "INSERT INTO task (id, model, name, ordinal, state, classes_fixed, opened_ms, closed_ms, closed_by, fisher, "
    "theta_old, n_outputs, n_params, fisher_kind, fisher_samples, fisher_protected, fisher_factor, fisher_trace) "
    "VALUES (1, 1, 'one', 0, 2, 0, 1, 2, 1, :d, :d, 1, 3, 2, 7, 3, 0.5, 1.5)";

static void make_level_1(const char *path, const float v[3])
{
        struct digest d, step;
        char hex[DIGEST_HEX], number[128], sql[4096];
        sqlite3 *h;

        digest_of(v, 3 * sizeof(float), &d);
        digest_of(migrations[0].sql, strlen(migrations[0].sql), &step);
        assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
        plain(h, migrations[0].sql);
        digest_hex(&step, hex);
        snprintf(sql, sizeof(sql), "INSERT INTO schema_migration VALUES (1, '0001_init', '%s', 'old', 1)", hex);
        plain(h, sql);
        snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = 1", STORE_APPLICATION_ID);
        plain(h, sql);
        digest_hex(&d, hex);
        snprintf(sql, sizeof(sql), "INSERT INTO blob VALUES (x'%s', 12, 1, 1)", hex);
        plain(h, sql);
        number[0] = '\0';
        for (size_t i = 0; i < 3 * sizeof(float); i++)
                snprintf(number + 2 * i, 3, "%02x", ((const unsigned char *)v)[i]);
        snprintf(sql, sizeof(sql), "INSERT INTO blob_chunk VALUES (x'%s', 0, x'%s')", hex, number);
        plain(h, sql);
        size_t n = 0;
        for (const char *p = old_rows; *p && n + DIGEST_HEX + 3 < sizeof(sql); p++) {
                bool digest = strncmp(p, ":d", 2) == 0;
                n += (size_t)snprintf(sql + n, sizeof(sql) - n, digest ? "x'%s'" : "%.1s", digest ? hex : p);
                p += digest;
        }
        plain(h, sql);
        sqlite3_close(h);
}

/* Records written before there were packed ones are plain Fishers, and stay what they are. */
static void a_file_of_level_1_goes_on(void **state)
{
        static const float v[3] = {0.5f, 2.25f, 0.25f};
        struct kit *k = *state;
        char path[300], copy[320];
        struct version version;
        float back[3];

        snprintf(path, sizeof(path), "%s.old", k->path);
        make_level_1(path, v);
        const struct store_open how = {.path = path, .clock = &k->clock.clock};
        store_close(k->s);
        k->s = NULL;
        if (store_open(&k->s, &store_sqlite, &how, &k->e) != 0)
                fail_msg("%s", k->e.msg);
        assert_int_equal(level_of(db_of(k->s)), SHIPPED);
        snprintf(copy, sizeof(copy), "%s.level-1", path);
        assert_true(file_exists(copy));
        struct task t = kit_task(k, 1, "one");
        assert_int_equal(t.importance, LEARN_IMPORTANCE_FISHER);
        assert_int_equal(t.fisher.kind, EWC_FISHER_EMPIRICAL);
        assert_int_equal(t.stored.encoding, FISHER_PLAIN);
        assert_int_equal(t.stored.n_bytes, sizeof(v));
        assert_int_equal(t.stored.n, 3);
        assert_int_equal(t.stored.n_kept, 3);
        assert_int_equal(store_task_tensor(k->s, t.id, TENSOR_FISHER, back, 3, &k->e), 0);
        assert_memory_equal(back, v, sizeof(v));
        assert_int_equal(store_version_get(k->s, 1, &k->a, &version, &k->e), 0);
        assert_int_equal(version.importance, LEARN_IMPORTANCE_FISHER);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(upgrades_with_a_copy_first), T(a_step_that_fails_undoes_all_steps),
            T(another_history_is_refused), T(a_file_of_level_1_goes_on),
            T(a_recorded_hash_that_differs_is_refused_on_open)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
