/* test_migrate.c: steps up from an older level, with a copy first; all or nothing; a history that is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "lib/tmpdir.h"
#include "store/sqlite/db.h"
#include "store/sqlite/migrate.h"
#include "unit/store/sqlite_case.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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

#define SHIPPED 9

/* The shipped steps and two more. */
static const struct migration *with(const char *next, const char *last, size_t *ret_n)
{
        static struct migration steps[SHIPPED + 2];

        assert_int_equal(n_migrations, SHIPPED);
        for (size_t i = 0; i < n_migrations; i++)
                steps[i] = migrations[i];
        steps[SHIPPED] = (struct migration){SHIPPED + 1, "0010_more", next};
        steps[SHIPPED + 1] = (struct migration){SHIPPED + 2, "0011_yet_more", last};
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
        assert_non_null(strstr(k->e.msg, "0011_yet_more"));
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
        assert_non_null(strstr(k->e.msg, "0010_more"));
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

/* A model that has lived a while, as the first step's program wrote it: task one closed by version 2, rejected
 * version 3, a cancelled job and one that waits. All vectors are the same three parameters, :d. */
static const char old_rows[] =
    "INSERT INTO model (id, name, scenario, spec, learning, used_seq, created_ms) VALUES (1, 'm', 2, '{}', '{}', 8, "
    "1);"
    "INSERT INTO version (id, model, number, state, parent, job, task, n_params, theta, fisher, theta_old, "
    "fisher_scale, fisher_kind, fisher_samples, lambda, seed, range_first, range_last, program, reason, created_ms) "
    "VALUES (1, 1, 1, 1, NULL, NULL, NULL, 3, :d, NULL, NULL, 0, 0, 0, 0, 1, 1, 0, 'old', 'initial', 1),"
    "(2, 1, 2, 2, 1, 1, 1, 3, :d, :d, :d, 1, 2, 7, 0.5, -4, 1, 5, 'old', 'promoted: x', 2),"
    "(3, 1, 3, 3, 2, 2, 2, 3, :d, :d, :d, 1, 2, 7, 0.5, 9, 6, 8, 'old', 'rejected: y', 3);"
    "INSERT INTO version_output VALUES (1, 0, NULL, 0), (2, 0, NULL, 0), (3, 0, NULL, 0);"
    "INSERT INTO alias VALUES (1, 'champion', 2, 4, 1), (1, 'canary', 3, 1, 1);"
    "INSERT INTO task (id, model, name, ordinal, state, classes_fixed, opened_ms, closed_ms, closed_by, fisher, "
    "theta_old, n_outputs, n_params, fisher_kind, fisher_samples, fisher_protected, fisher_factor, fisher_trace) "
    "VALUES (1, 1, 'one', 0, 2, 0, 1, 2, 2, :d, :d, 1, 3, 2, 7, 3, 0.5, 1.5);"
    "INSERT INTO task (id, model, name, ordinal, state, classes_fixed, opened_ms) VALUES (2, 1, 'two', 1, 1, 0, 2);"
    "INSERT INTO job (id, model, kind, state, trigger_kind, trigger_value, next_task, next_classes_given, who, "
    "parent, "
    "task, range_first, range_last, seed, attempts, version, reason, created_ms, started_ms, ended_ms) VALUES "
    "(1, 1, 2, 10, 1, 0, 'two', 0, 'op', 1, 1, 1, 5, -4, 1, 2, 'promoted: x', 2, 3, 4),"
    "(2, 1, 1, 11, 2, 50, NULL, 0, 'policy', 2, 2, 6, 8, 9, 2, 3, 'rejected: y', 5, 6, 7),"
    "(3, 1, 1, 12, 3, 60, NULL, 0, 'policy', NULL, NULL, NULL, NULL, NULL, 0, NULL, '', 8, NULL, 9),"
    "(5, 1, 2, 1, 1, 0, 'three', 1, 'op', NULL, NULL, NULL, NULL, NULL, 0, NULL, '', 10, NULL, NULL);"
    "INSERT INTO job_class VALUES (5, 0, 'd');"
    "INSERT INTO evaluation (version, task, ordinal, n, accuracy, loss, parent_n, parent_accuracy, parent_loss) "
    "VALUES "
    "(2, 1, 0, 10, 0.75, 0.5, 10, 0.5, 0.75), (3, 2, 0, 0, NULL, NULL, 0, NULL, NULL);"
    "INSERT INTO audit VALUES (1, 1, 1, 'op', 'model.create', 'x')";

/* What later steps' programs could say besides. */
static const char *const later_rows[SHIPPED] = {NULL,
    "UPDATE task SET importance = 1 WHERE id = 1; UPDATE version SET importance = 1 WHERE id = 2",
    "UPDATE job SET tries = '[1]' WHERE id = 2", NULL, NULL};

static void with_digest(const char *text, const struct digest *d, char *ret, size_t size)
{
        char hex[DIGEST_HEX];
        size_t n = 0;

        digest_hex(d, hex);
        for (const char *p = text; *p && n + DIGEST_HEX + 3 < size; p++) {
                bool digest = strncmp(p, ":d", 2) == 0;
                n += (size_t)snprintf(ret + n, size - n, digest ? "x'%s'" : "%.1s", digest ? hex : p);
                p += digest;
        }
}

static void old_tensor(sqlite3 *h, const float v[3], const struct digest *d)
{
        char number[64] = "", text[256], sql[512];

        for (size_t i = 0; i < 3 * sizeof(float); i++)
                snprintf(number + 2 * i, 3, "%02x", ((const unsigned char *)v)[i]);
        snprintf(text, sizeof(text),
            "INSERT INTO blob VALUES (:d, 12, 1, 1); INSERT INTO blob_chunk VALUES (:d, 0, x'%s')", number);
        with_digest(text, d, sql, sizeof(sql));
        plain(h, sql);
}

static void make_old(const char *path, int level, const float v[3])
{
        char sql[8192], hex[DIGEST_HEX];
        struct digest d;
        sqlite3 *h;

        assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
        for (int i = 0; i < level; i++) {
                plain(h, migrations[i].sql);
                digest_of(migrations[i].sql, strlen(migrations[i].sql), &d);
                digest_hex(&d, hex);
                snprintf(sql, sizeof(sql), "INSERT INTO schema_migration VALUES (%d, '%s', '%s', 'old', 1)", i + 1,
                    migrations[i].name, hex);
                plain(h, sql);
        }
        snprintf(
            sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d", STORE_APPLICATION_ID, level);
        plain(h, sql);
        digest_of(v, 3 * sizeof(float), &d);
        old_tensor(h, v, &d);
        with_digest(old_rows, &d, sql, sizeof(sql));
        plain(h, sql);
        for (int i = 1; i < level; i++)
                plain(h, later_rows[i]);
        sqlite3_close(h);
}

/* Closes the kit's store and opens a file of an older level in its place; returns what opening said. */
static int open_old(struct kit *k, int level, const float v[3], const char *damage, char path[300])
{
        snprintf(path, 300, "%s.old-%d", k->path, level);
        make_old(path, level, v);
        if (damage) {
                sqlite3 *h;
                assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
                plain(h, damage);
                sqlite3_close(h);
        }
        const struct store_open how = {.path = path, .clock = &k->clock.clock};
        store_close(k->s);
        k->s = NULL;
        return store_open(&k->s, &store_sqlite, &how, &k->e);
}

static struct job old_job(struct kit *k, job_id id)
{
        struct job j;

        assert_int_equal(store_job_get(k->s, id, &k->a, &j, &k->e), 0);
        assert_true(j.strategy == STRATEGY_FIXED && !j.dry_run && j.upto_seq == 0 && j.alpha_task == 0);
        assert_true(j.alpha == 0 && j.rebuild_of == 0);
        assert_string_equal(j.trigger_text, "");
        return j;
}

static void assert_old_jobs(struct kit *k, int level)
{
        struct job j = old_job(k, 1);

        assert_int_equal(j.kind, JOB_ROLLOVER);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_string_equal(j.next_task, "two");
        assert_int_equal(j.parent_number, 1);
        assert_int_equal(j.version_number, 2);
        assert_true(j.seed == UINT64_MAX - 3);
        assert_int_equal(j.n_tasks, 1);
        const struct job_task *t = &j.tasks[0];
        assert_true(t->after.accuracy == 0.75 && t->before.loss == 0.75);
        assert_true(isnan(t->after.ece) && isnan(t->before.ece) && isnan(t->after.predicted));
        assert_int_equal(t->after.n_won + t->after.n_lost, 0);
        j = old_job(k, 2);
        assert_int_equal(j.trigger_value, 50);
        assert_int_equal(j.range.first, 6);
        assert_int_equal(j.range.last, 8);
        assert_int_equal(j.attempts, 2);
        assert_int_equal(j.ended_ms, 7);
        assert_string_equal(j.reason, "rejected: y");
        if (level >= 3)
                assert_string_equal(j.tries, "[1]");
        else
                assert_null(j.tries);
        assert_int_equal(old_job(k, 3).state, JOB_CANCELLED);
        j = old_job(k, 5);
        assert_int_equal(j.state, JOB_QUEUED);
        assert_int_equal(j.n_next_classes, 1);
        assert_string_equal(j.next_classes[0], "d");
}

static void assert_old_versions(struct kit *k, int level, const float v[3])
{
        struct version first, second, third;
        struct alias a;
        float back[3];

        assert_int_equal(store_version_get(k->s, 1, &k->a, &first, &k->e), 0);
        assert_int_equal(first.state, VERSION_INITIAL);
        assert_true(!first.has_fisher && !first.pruned && first.parent == 0);
        assert_int_equal(store_version_get(k->s, 2, &k->a, &second, &k->e), 0);
        assert_int_equal(second.state, VERSION_PROMOTED);
        assert_int_equal(second.parent_number, 1);
        assert_int_equal(second.job, 1);
        assert_true(second.has_fisher && second.lambda == 0.5 && second.seed == UINT64_MAX - 3);
        assert_int_equal(second.importance, level >= 2 ? LEARN_IMPORTANCE_SI : LEARN_IMPORTANCE_FISHER);
        assert_true(!second.gate && second.threads == 0 && second.n_train == 0 && second.prior == 0);
        assert_int_equal(second.n_outputs, 1);
        assert_int_equal(second.n_evaluations, 1);
        assert_string_equal(second.aliases[0], "champion");
        assert_int_equal(store_version_get(k->s, 3, &k->a, &third, &k->e), 0);
        assert_int_equal(third.state, VERSION_REJECTED);
        assert_int_equal(third.range.last, 8);
        for (enum tensor_role r = TENSOR_THETA; r <= TENSOR_ANCHOR; r++) {
                assert_int_equal(store_version_tensor(k->s, 3, r, back, 3, &k->e), 0);
                assert_memory_equal(back, v, sizeof(back));
        }
        assert_int_equal(store_alias_get(k->s, 1, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, 2);
        assert_int_equal(a.epoch, 4);
}

/* Records written before there were packed ones are plain Fishers, and stay what they are. */
static void assert_old_task(struct kit *k, int level, const float v[3])
{
        struct task t = kit_task(k, 1, "one");
        float back[3];

        assert_int_equal(t.importance, level >= 2 ? LEARN_IMPORTANCE_SI : LEARN_IMPORTANCE_FISHER);
        assert_int_equal(t.closed_by, 2);
        assert_true(t.accuracy_at_close == 0.75);
        assert_int_equal(t.fisher.kind, EWC_FISHER_EMPIRICAL);
        assert_int_equal(t.stored.encoding, FISHER_PLAIN);
        assert_int_equal(t.stored.n_bytes, 3 * sizeof(float));
        assert_int_equal(t.stored.n, 3);
        assert_int_equal(t.stored.n_kept, 3);
        assert_int_equal(store_task_tensor(k->s, t.id, TENSOR_FISHER, back, 3, &k->e), 0);
        assert_memory_equal(back, v, sizeof(back));
}

static int64_t count(struct kit *k, const char *sql)
{
        sqlite3_stmt *q;
        int64_t n = -1;

        assert_int_equal(sqlite3_prepare_v2(db_of(k->s)->h, sql, -1, &q, NULL), SQLITE_OK);
        if (sqlite3_step(q) == SQLITE_ROW)
                n = sqlite3_column_int64(q, 0);
        sqlite3_finalize(q);
        return n;
}

/* The rebuilt tables are what a new file has: same text, indexes, references; foreign keys are enforced again. */
static void assert_like_new(struct kit *k)
{
        sqlite3 *h = db_of(k->s)->h;
        char sql[600];

        snprintf(sql, sizeof(sql), "ATTACH '%s' AS new", k->path);
        plain(h, sql);
        assert_int_equal(
            count(k, "SELECT count(*) FROM (SELECT type, name, tbl_name, sql FROM main.sqlite_schema EXCEPT "
                     "SELECT type, name, tbl_name, sql FROM new.sqlite_schema)"),
            0);
        assert_int_equal(
            count(k, "SELECT count(*) FROM main.sqlite_schema"), count(k, "SELECT count(*) FROM new.sqlite_schema"));
        assert_true(count(k, "SELECT count(*) FROM main.sqlite_schema WHERE name IN ('job_active', 'job_task', "
                             "'job_model', 'version_theta', 'version_fisher', 'version_theta_old')") == 6);
        plain(h, "DETACH new");
        assert_int_equal(count(k, "PRAGMA foreign_keys"), 1);
        assert_int_equal(count(k, "SELECT count(*) FROM pragma_foreign_key_list('job')"), 6);
        assert_int_equal(sqlite3_exec(h, "INSERT INTO alias VALUES (1, 'x', 99, 1, 1)", NULL, NULL, NULL),
            SQLITE_CONSTRAINT_FOREIGNKEY);
        assert_int_equal(sqlite3_exec(h, "UPDATE job SET state = 4 WHERE id = 3", NULL, NULL, NULL),
            SQLITE_CONSTRAINT_UNIQUE); /* job 5 is active */
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

static void assert_history(struct kit *k)
{
        for (int i = 0; i < SHIPPED; i++) {
                char hex[DIGEST_HEX], sql[300];
                struct digest d;

                digest_of(migrations[i].sql, strlen(migrations[i].sql), &d);
                digest_hex(&d, hex);
                snprintf(sql, sizeof(sql),
                    "SELECT count(*) FROM schema_migration WHERE version = %d AND name = '%s' AND sha256 = '%s'",
                    i + 1, migrations[i].name, hex);
                assert_int_equal(count(k, sql), 1);
        }
        assert_int_equal(count(k, "SELECT count(*) FROM schema_migration"), SHIPPED);
}

static void files_of_every_older_level_go_on(void **state)
{
        static const float v[3] = {0.5f, 2.25f, 0.25f};
        struct kit *k = *state;
        char path[300], copy[320];

        for (int level = 1; level < SHIPPED; level++) {
                if (open_old(k, level, v, NULL, path) != 0)
                        fail_msg("level %d: %s", level, k->e.msg);
                assert_int_equal(level_of(db_of(k->s)), SHIPPED);
                snprintf(copy, sizeof(copy), "%s.level-%d", path, level);
                assert_true(file_exists(copy));
                assert_history(k);
                assert_old_jobs(k, level);
                assert_old_versions(k, level, v);
                assert_old_task(k, level, v);
                assert_like_new(k);
        }
        /* and life goes on: ids are not used again, the waiting job is taken */
        assert_int_equal(store_job_claim(k->s, 5, 1, &k->e), 0);
        assert_int_equal(store_job_move(k->s, 5, JOB_EXPORTING, JOB_FAILED, "x", &k->e), 0);
        assert_int_equal(kit_job(k, 1, NULL, false, 0, NULL), 6);
}

static void a_reference_to_nothing_stops_the_steps(void **state)
{
        static const float v[3] = {1, 2, 3};
        struct kit *k = *state;
        char path[300];
        sqlite3 *h;

        assert_int_equal(open_old(k, 3, v, "UPDATE alias SET version = 99 WHERE name = 'canary'", path), -EBADMSG);
        assert_non_null(strstr(k->e.msg, "alias"));
        assert_int_equal(sqlite3_open(path, &h), SQLITE_OK); /* nothing has changed */
        plain(h, "SELECT 1 FROM job WHERE id = 5");
        assert_int_not_equal(sqlite3_exec(h, "SELECT dry_run FROM job", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(h);
}

/* Before level 7 a rollback left a reweighted task's alpha as it was. Version 4 is a reweight of task one. */
static void weights_follow_the_champion_from_now_on(void **state)
{
        static const float v[3] = {1, 2, 3};
        static const struct {
                int champion;
                double was, now;
        } cases[] = {{4, 0.25, 0.25}, {2, 0.25, 1}, {2, 0, 1}, {1, 0.25, 1}, {1, 0, 0}};
        struct kit *k = *state;
        char path[300], sql[1200], told[100];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                snprintf(sql, sizeof(sql),
                    "INSERT INTO version (id, model, number, state, parent, job, task, n_params, theta, seed, "
                    "range_first, range_last, program, reason, created_ms) SELECT 4, 1, 4, 2, 2, 6, 2, 3, theta, 1, "
                    "1, 5, 'old', 'promoted: z', 5 FROM version WHERE id = 1;"
                    "INSERT INTO job (id, model, kind, state, trigger_kind, trigger_value, alpha_task, alpha, "
                    "next_classes_given, who, parent, task, range_first, range_last, seed, version, created_ms) "
                    "VALUES (6, 1, 3, 10, 1, 0, 1, 0.25, 0, 'op', 2, 2, 6, 8, 1, 4, 5);"
                    "UPDATE alias SET version = %d WHERE name = 'champion';"
                    "UPDATE task SET alpha = %g WHERE id = 1",
                    cases[i].champion, cases[i].was);
                assert_int_equal(open_old(k, 6, v, sql, path), 0);
                assert_true(kit_task(k, 1, "one").alpha == cases[i].now);
                assert_true(kit_task(k, 1, "two").alpha == 1);
                snprintf(told, sizeof(told),
                    "alpha of task one from %g to %g: the champion's line of parents says so", cases[i].was,
                    cases[i].now);
                if (cases[i].was != cases[i].now)
                        kit_told(k, 1, 0, "task.alpha", told);
                else
                        kit_told(k, 1, 0, "model.create", "x");
                assert_int_equal(count(k, "SELECT count(*) FROM task WHERE given_up IS NOT NULL"), i == 4);
                store_close(k->s);
                k->s = NULL;
                snprintf(sql, sizeof(sql), "%s.level-6", path);
                assert_int_equal(remove(path), 0);
                assert_int_equal(remove(sql), 0);
        }
        const struct store_open how = {.path = k->path, .clock = &k->clock.clock};
        assert_int_equal(store_open(&k->s, &store_sqlite, &how, &k->e), 0);
}

/* Before level 8 nothing said which versions had learned from a source that was unlearned, but its rows. */
static void what_was_unlearned_is_known(void **state)
{
        /* the last row is not of that source: nobody's */
        static const char rows[] =
            "INSERT INTO version (id, model, number, state, parent, task, n_params, theta, seed, range_first, "
            "range_last, program, reason, created_ms) SELECT 4, 1, 4, 2, 3, 2, 3, theta, 1, 6, 8, 'old', 'x', 5 FROM "
            "version WHERE id = 1;"
            "INSERT INTO feedback (seq, model, task, task_named, holdout, class, weight, received_ms, source, "
            "event_id, "
            "payload, content, inputs, targets) VALUES (3, 1, 1, 0, 0, -1, 0, 1, 'al', 'e', zeroblob(32), "
            "zeroblob(32), x'', x''), (7, 1, 2, 0, 0, -1, 0, 1, 'bob', 'e', zeroblob(32), zeroblob(32), x'', x''), "
            "(2, 1, 1, 0, 0, -1, 0, 1, 'bo', 'e', zeroblob(32), zeroblob(32), x'', x'');"
            "INSERT INTO feedback_fate (seq, state, at_ms, reason, policy, event, job, until) VALUES "
            "(3, 5, 1, 'erased by op', 0, 0, 1, 2), (7, 5, 1, 'source bob unlearned by op: bad', 0, 0, 2, 2), "
            "(2, 5, 1, 'source bob unlearned by op', 0, 0, 1, 2)";
        static const float v[3] = {1, 2, 3};
        struct kit *k = *state;
        char path[300];

        assert_int_equal(open_old(k, 7, v, rows, path), 0);
        assert_int_equal(count(k, "SELECT count(*) FROM version WHERE unlearned IS NOT NULL"), 2);
        assert_int_equal(count(k, "SELECT count(*) FROM version WHERE unlearned = 'bob' AND id IN (3, 4)"), 2);
        assert_int_equal(store_alias_set(k->s, 1, "champion", 4, 4, "op", NULL, NULL, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "source bob"));
        assert_int_equal(store_alias_set(k->s, 1, "champion", 1, 4, "op", NULL, NULL, &k->e), 0);
}

/* Before level 9 no version had a prior; one that has is above 0. */
static void versions_have_no_prior_until_one_is_chosen(void **state)
{
        static const float v[3] = {1, 2, 3};
        struct kit *k = *state;
        char path[300];

        assert_int_equal(open_old(k, 8, v, NULL, path), 0);
        assert_true(kit_version(k, 1, 3).prior == 0);
        plain(db_of(k->s)->h, "UPDATE version SET prior = 0.125 WHERE number = 3");
        assert_true(kit_version(k, 1, 3).prior == 0.125 && kit_version(k, 1, 2).prior == 0);
        assert_int_equal(count(k, "UPDATE version SET prior = 0"), -1);
        assert_true(kit_version(k, 1, 3).prior == 0.125);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(upgrades_with_a_copy_first), T(a_step_that_fails_undoes_all_steps),
            T(another_history_is_refused), T(files_of_every_older_level_go_on),
            T(weights_follow_the_champion_from_now_on), T(a_reference_to_nothing_stops_the_steps),
            T(what_was_unlearned_is_known), T(versions_have_no_prior_until_one_is_chosen),
            T(a_recorded_hash_that_differs_is_refused_on_open)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
