/* test_fates.c: what only the file can show of a label's later life: that nothing of an erased row is left in it,
 * that rows of older files go on, that rows of many events do not make the frequent statements walk them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/sqlite/db.h"
#include "store/sqlite/migrate.h"
#include "unit/store/sqlite_case.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE = 3000 }; /* inputs of a row, more than a page */

static bool file_has(const char *path, const char *suffix, const void *what, size_t n)
{
        char name[300];
        bool found = false;

        snprintf(name, sizeof(name), "%s%s", path, suffix);
        FILE *f = fopen(name, "rb");
        if (!f)
                return false;
        assert_int_equal(fseek(f, 0, SEEK_END), 0);
        size_t size = (size_t)ftell(f);
        rewind(f);
        char *all = malloc(size + 1);
        assert_non_null(all);
        assert_int_equal(fread(all, 1, size, f), size);
        fclose(f);
        for (size_t i = 0; !found && i + n <= size; i++)
                found = memcmp(all + i, what, n) == 0;
        free(all);
        return found;
}

/* A row of many inputs that nobody else has, and a small one. */
static void add_marked(struct kit *k, model_id m, const char *id, float mark, size_t n)
{
        static float x[WIDE];
        struct feedback f = kit_row(id, 1, false);

        for (size_t i = 0; i < n; i++)
                x[i] = mark + (float)(i % 7);
        f.source = "bad";
        f.n_inputs = n;
        f.inputs = x;
        f.served_version = 1;
        kit_add(k, m, f);
}

static bool in_files(struct kit *k, float mark)
{
        const float part[4] = {mark + 1, mark + 2, mark + 3, mark + 4};

        return file_has(k->path, "", part, sizeof(part)) || file_has(k->path, "-wal", part, sizeof(part));
}

static void nothing_is_left_in_the_file(void **state)
{
        static const float marks[4] = {1234.5f, 4321.25f, 777.125f, 999.75f};
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection one = {.event_id = "wide"};
        struct feedback held = kit_row("held", 1, false);
        struct erased done;
        struct unlearned u;
        uint64_t n;

        kit_fill(k, m, 0, 20);
        add_marked(k, m, "wide", marks[0], WIDE);
        add_marked(k, m, "small", marks[1], 9);
        kit_fill(k, m, 20, 40);
        add_marked(k, m, "old", marks[2], 60);
        float x[12];
        for (size_t i = 0; i < 12; i++)
                x[i] = marks[3] + (float)(i % 7);
        held.state = ROW_QUARANTINED;
        held.inputs = x;
        held.n_inputs = 12;
        kit_add(k, m, held);
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        for (int i = 0; i < 4; i++)
                assert_true(in_files(k, marks[i]));

        assert_int_equal(store_feedback_erase(k->s, m, &one, "op", NULL, &done, &k->e), 0);
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_false(in_files(k, marks[0]));
        assert_int_equal(store_feedback_release(k->s, m, "held", false, "op", NULL, &n, &k->e), 0);
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_false(in_files(k, marks[3]));
        assert_true(in_files(k, marks[1]) && in_files(k, marks[2]));
        const struct retention how = {.mode = RETAIN_DAYS, .before_ms = INT64_MAX};
        assert_int_equal(store_feedback_expire(k->s, m, &how, 32, &n, &k->e), 0); /* "old" stays: oldest first */
        assert_int_equal(n, 32);
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_false(in_files(k, marks[1]));
        assert_int_equal(store_source_unlearn(k->s, m, "bad", "op", NULL, &u, &k->e), 0);
        assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_false(in_files(k, marks[2]));
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

/* Rows that came in many commits moved about as their pages were split: where they once were is clean too. */
static void places_they_left_are_clean(void **state)
{
        static const size_t wide[] = {9, 32, 784};
        static const int many[] = {400, 150, 60};
        struct kit *k = *state;

        for (int w = 0; w < 3; w++) {
                const char name[2] = {(char)('a' + w)};
                model_id m = kit_model(k, name, SCENARIO_DOMAIN);
                const struct feedback_selection all = {.source = "bad"};
                struct erased done;
                for (int i = 0; i < many[w]; i++) {
                        char id[16];
                        snprintf(id, sizeof(id), "e%d", i);
                        add_marked(k, m, id, 100.5f + (float)(1000 * w + i) * 8, wide[w]);
                }
                assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
                assert_int_equal(store_feedback_erase(k->s, m, &all, "op", NULL, &done, &k->e), 0);
                assert_int_equal(done.n, many[w]);
                assert_false(done.backups);
                assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
                for (int i = 0; i < many[w]; i++)
                        if (in_files(k, 100.5f + (float)(1000 * w + i) * 8))
                                fail_msg("row %d of %d, %zu inputs: still in the file", i, many[w], wide[w]);
        }
}

static void copies_beside_the_file_are_named(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection one = {.event_id = "e0"};
        struct unlearned u;
        struct erased done;
        char name[300];

        add_marked(k, m, "e0", 5, 9);
        snprintf(name, sizeof(name), "%s.level-2", k->path);
        FILE *f = fopen(name, "wb");
        assert_non_null(f);
        fclose(f);
        assert_int_equal(store_feedback_erase(k->s, m, &one, "op", NULL, &done, &k->e), 0);
        assert_true(done.backups);
        assert_int_equal(store_source_unlearn(k->s, m, "bad", "op", NULL, &u, &k->e), 0);
        assert_true(u.backups);
        assert_int_equal(remove(name), 0);
        assert_int_equal(store_feedback_erase(k->s, m, &one, "op", NULL, &done, &k->e), 0);
        assert_false(done.backups);
}

/* The WAL is emptied by care, when no reader is in the way; by the next program if this one was killed. */
static void care_empties_the_wal(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct store_open reading = {.path = k->path, .read_only = true, .clock = &k->clock.clock};
        const struct feedback_selection one = {.event_id = "small"};
        struct kit reader = *k;
        struct store_health h;
        struct erased done;

        add_marked(k, m, "small", 1234.5f, 9);
        assert_int_equal(store_open(&reader.s, &store_sqlite, &reading, &k->e), 0);
        assert_int_equal(store_begin(reader.s, &k->e), 0);
        assert_int_equal(kit_rows(&reader, m), 1);
        assert_int_equal(store_feedback_erase(k->s, m, &one, "op", NULL, &done, &k->e), 0);
        assert_int_equal(store_maintain(k->s, &h, &k->e), 0);
        assert_true(h.wal_bytes > 0);
        assert_true(in_files(k, 1234.5f));
        assert_int_equal(store_commit(reader.s, &k->e), 0);
        store_close(reader.s);
        assert_int_equal(store_maintain(k->s, &h, &k->e), 0);
        assert_int_equal(h.wal_bytes, 0);
        assert_false(in_files(k, 1234.5f));
        kit_fill(k, m, 0, 1); /* and goes on as before */
        assert_int_equal(store_maintain(k->s, &h, &k->e), 0);
        assert_true(h.wal_bytes > 0);
}

/* --- rows of older files --- */

static void plain(sqlite3 *h, const char *sql)
{
        char *why = NULL;

        if (sqlite3_exec(h, sql, NULL, NULL, &why) != SQLITE_OK)
                fail_msg("%s: %s", sql, why);
}

static void make_old(const char *path, int level)
{
        char sql[2048], hex[DIGEST_HEX], inputs[DIGEST_HEX];
        const float x[2] = {0.5f, -1.25f};
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
        digest_of(x, sizeof(x), &d);
        digest_hex(&d, hex);
        for (size_t i = 0; i < sizeof(x); i++)
                snprintf(inputs + 2 * i, 3, "%02x", ((const unsigned char *)x)[i]);
        snprintf(sql, sizeof(sql),
            "INSERT INTO model (id, name, scenario, spec, learning, used_seq, created_ms) VALUES (1, 'm', 2, '{}', "
            "'{}', "
            "0, 1); INSERT INTO class VALUES (1, 0, 'a'), (1, 1, 'b');"
            "INSERT INTO blob VALUES (x'%s', 8, 1, 1); INSERT INTO blob_chunk VALUES (x'%s', 0, x'%s');"
            "INSERT INTO version (id, model, number, state, n_params, theta, seed, range_first, range_last, program, "
            "reason, created_ms) VALUES (1, 1, 1, 1, 2, x'%s', 1, 1, 0, 'old', 'initial', 1);"
            "INSERT INTO alias VALUES (1, 'champion', 1, 1, 1);"
            "INSERT INTO task (id, model, name, ordinal, state, classes_fixed, opened_ms) VALUES (1, 1, 'one', 0, 1, "
            "0, 1);"
            "INSERT INTO task_count VALUES (1, 0, 0, 2), (1, 1, 1, 1);",
            hex, hex, inputs, hex);
        plain(h, sql);
        for (int i = 0; i < 3; i++) {
                static const char *const keys[] = {"'e', 'x'", "'e', 'y'", "'f', 'x'"};
                snprintf(sql, sizeof(sql),
                    "INSERT INTO feedback (model, task, task_named, holdout, class, weight, received_ms, event_id, "
                    "source, "
                    "payload, content, inputs) VALUES (1, 1, 0, %d, %d, 1, 5, %s, zeroblob(32), x'%s', x'%s')",
                    i == 2, i == 2, keys[i], hex, inputs);
                plain(h, sql);
        }
        if (level >= 4)
                plain(h, "INSERT INTO feedback_trusted VALUES (3)");
        if (level >= 6) /* trusted rows hold no key */
                plain(h, "INSERT INTO feedback_former SELECT seq, source FROM feedback WHERE seq = 3;"
                         "UPDATE feedback SET source = printf('%0130d', seq) WHERE seq = 3");
        sqlite3_close(h);
}

static int count_source(void *arg, const struct source *s)
{
        *(uint64_t *)arg = *(uint64_t *)arg * 10 + s->n_live;
        return 0;
}

/* Labels that met before there were votes stay as they are, until there is a new one. */
static void rows_of_older_files_are_live(void **state)
{
        struct kit *k = *state;

        for (int level = 1; level < (int)n_migrations; level++) {
                char path[300];
                struct counters c;
                struct receipt got;
                uint64_t live = 0;

                snprintf(path, sizeof(path), "%s.old-%d", k->path, level);
                make_old(path, level);
                const struct store_open how = {.path = path, .no_backup = true, .clock = &k->clock.clock};
                store_close(k->s);
                k->s = NULL;
                if (store_open(&k->s, &store_sqlite, &how, &k->e) != 0)
                        fail_msg("level %d: %s", level, k->e.msg);
                assert_int_equal(store_feedback_count(k->s, 1, &c, &k->e), 0);
                assert_int_equal(c.n_live, 3);
                assert_int_equal(c.n_new, 2);
                assert_int_equal(c.n_superseded, 0);
                assert_int_equal(kit_rows(k, 1), 3);
                assert_int_equal(store_source_list(k->s, 1, count_source, &live, &k->e), 0);
                assert_int_equal(live, 21);
                struct feedback f = kit_row("e", 1, false);
                f.source = "z";
                assert_int_equal(store_feedback_add(k->s, 1, &f, 1, NULL, NULL, &got, &k->e), 0);
                assert_int_equal(got.n_superseded, 1); /* of its rows */
                assert_int_equal(store_feedback_count(k->s, 1, &c, &k->e), 0);
                assert_int_equal(c.n_live, 2);
                assert_int_equal(c.n_superseded, 2);
                f = kit_row("f", 0, false); /* once the key of a trusted row, which has none any more */
                f.source = "x";
                assert_int_equal(store_feedback_add(k->s, 1, &f, 1, NULL, NULL, &got, &k->e), 0);
                assert_int_equal(got.n_accepted, level >= 4);
                assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
        }
}

/* --- cost --- */

static int64_t steps(struct kit *k, model_id m)
{
        struct counters c;
        int64_t n = 0;

        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        for (sqlite3_stmt *s = sqlite3_next_stmt(db_of(k->s)->h, NULL); s; s = sqlite3_next_stmt(db_of(k->s)->h, s))
                if (strstr(sqlite3_sql(s), "AS n_new"))
                        n = sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 1);
        return n;
}

/* Rows that are not live any more cost the counters nothing: 20 times as many, and it takes no more steps. */
static void counting_does_not_walk_the_fates(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct retention how = {.mode = RETAIN_USED};
        uint64_t n;

        kit_fill(k, m, 0, 20);
        kit_consolidate(k, m, 1, true);
        assert_int_equal(store_feedback_expire(k->s, m, &how, 1000, &n, &k->e), 0);
        kit_fill(k, m, 1000, 1008);
        steps(k, m);
        int64_t few = steps(k, m);
        kit_fill(k, m, 20, 400);
        kit_consolidate(k, m, 2, true);
        assert_int_equal(store_feedback_expire(k->s, m, &how, 1000, &n, &k->e), 0);
        assert_true(n > 280);
        kit_fill(k, m, 1008, 1016);
        int64_t many = steps(k, m);
        assert_true(few > 0 && many < few + few / 4);
}

static int64_t all_steps(struct kit *k)
{
        int64_t n = 0;

        for (sqlite3_stmt *s = sqlite3_next_stmt(db_of(k->s)->h, NULL); s; s = sqlite3_next_stmt(db_of(k->s)->h, s))
                n += sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 1);
        return n;
}

/* n rows of a source, each with a label of another one against it: added, taken out, the rest expired. */
static int64_t life(struct kit *k, const char *model, int n)
{
        model_id m = kit_model(k, model, SCENARIO_DOMAIN);
        const struct retention how = {.mode = RETAIN_DAYS, .before_ms = INT64_MAX, .replay_per_class = 3};
        struct unlearned u;
        uint64_t expired;

        all_steps(k);
        for (int i = 0; i < n; i++) {
                char id[16];
                snprintf(id, sizeof(id), "e%d", i);
                struct feedback bad = kit_row(id, 0, false), good = kit_row(id, 1, false);
                bad.source = "bad";
                good.source = "good";
                kit_add(k, m, bad);
                kit_add(k, m, good);
        }
        assert_int_equal(store_source_unlearn(k->s, m, "bad", "op", NULL, &u, &k->e), 0);
        assert_int_equal(u.n_erased, n);
        assert_int_equal(store_feedback_expire(k->s, m, &how, 100000, &expired, &k->e), 0);
        assert_int_equal(expired, n - 3);
        return all_steps(k);
}

/* Eight times the rows take about eight times the steps: each finds its event and its fate by an index. */
static void the_cost_is_that_of_the_rows(void **state)
{
        struct kit *k = *state;

        int64_t few = life(k, "few", 100), many = life(k, "many", 800);
        assert_true(few > 0 && many < 12 * few);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(nothing_is_left_in_the_file), T(places_they_left_are_clean),
            T(copies_beside_the_file_are_named), T(care_empties_the_wal), T(rows_of_older_files_are_live),
            T(counting_does_not_walk_the_fates), T(the_cost_is_that_of_the_rows)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
