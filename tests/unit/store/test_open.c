/* test_open.c: which files are opened, which are refused and with what words; locks; the unclean stop; readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "lib/tmpdir.h"
#include "store/sqlite/migrate.h"
#include "unit/store/sqlite_case.h"
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Closes the kit's store and runs SQL on its file with a plain connection. */
static void edit(struct kit *k, const char *sql)
{
        sqlite3 *h;

        store_close(k->s);
        k->s = NULL;
        assert_int_equal(sqlite3_open(k->path, &h), SQLITE_OK);
        assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(h);
}

static int open_at(struct kit *k, const char *path, bool read_only)
{
        const struct store_open how = {.path = path, .read_only = read_only, .clock = &k->clock.clock};
        return store_open(&k->s, &store_sqlite, &how, &k->e);
}

static void a_new_file_has_its_identity(void **state)
{
        struct kit *k = *state;
        sqlite3_stmt *q;
        sqlite3 *h;

        store_close(k->s);
        k->s = NULL;
        assert_int_equal(sqlite3_open(k->path, &h), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(h,
                             "SELECT a.application_id, u.user_version, j.journal_mode FROM "
                             "pragma_application_id a, pragma_user_version u, pragma_journal_mode j",
                             -1, &q, NULL),
            SQLITE_OK);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(q, 0), STORE_APPLICATION_ID);
        assert_int_equal(sqlite3_column_int(q, 1), n_migrations);
        assert_string_equal((const char *)sqlite3_column_text(q, 2), "wal");
        sqlite3_finalize(q);
        sqlite3_close(h);
}

static void a_newer_file_is_refused(void **state)
{
        struct kit *k = *state;

        edit(k, "PRAGMA user_version = 99");
        assert_int_equal(open_at(k, k->path, false), STORE_NEWER);
        assert_non_null(strstr(k->e.msg, "level 99"));
}

static void a_foreign_database_is_refused(void **state)
{
        struct kit *k = *state;
        char path[256];
        sqlite3 *h;

        store_close(k->s);
        k->s = NULL;
        tmpdir_path(path, sizeof(path), k->dir, "foreign.db");
        assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
        assert_int_equal(sqlite3_exec(h, "CREATE TABLE mine (x)", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(h);
        assert_int_equal(open_at(k, path, false), STORE_FOREIGN);
        edit(k, "PRAGMA application_id = 77");
        assert_int_equal(open_at(k, k->path, false), STORE_FOREIGN);
}

static void a_text_file_is_refused_and_left_alone(void **state)
{
        static const char text[] =
            "this is my diary, it is long enough to be no header, and nobody shall write to it\n";
        struct kit *k = *state;
        char path[256], back[sizeof(text)];

        store_close(k->s);
        k->s = NULL;
        tmpdir_path(path, sizeof(path), k->dir, "diary.txt");
        assert_int_equal(file_replace(path, text, sizeof(text), &k->e), 0);
        assert_int_equal(open_at(k, path, false), STORE_FOREIGN);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fread(back, 1, sizeof(back), f), sizeof(back));
        fclose(f);
        assert_memory_equal(back, text, sizeof(text));
        assert_int_equal(open_at(k, "/nonexistent/dir/x.db", false), -ENOENT);
        assert_int_equal(open_at(k, "", false), -EINVAL);
}

static void another_process_holds_the_lock(void **state)
{
        struct kit *k = *state;
        int up[2], down[2], status;
        char c;

        store_close(k->s);
        k->s = NULL;
        assert_int_equal(pipe(up) | pipe(down), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                c = open_at(k, k->path, false) == 0 ? 'y' : 'n';
                if (write(up[1], &c, 1) != 1 || read(down[0], &c, 1) != 1)
                        _exit(2);
                store_close(k->s);
                _exit(0);
        }
        assert_int_equal(read(up[0], &c, 1), 1);
        assert_int_equal(c, 'y');
        assert_int_equal(open_at(k, k->path, false), STORE_LOCKED);
        assert_non_null(strstr(k->e.msg, "another process"));
        assert_null(k->s);
        assert_int_equal(write(down[1], "x", 1), 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(open_at(k, k->path, false), 0);
        for (int i = 0; i < 2; i++) {
                close(up[i]);
                close(down[i]);
        }
}

static void a_damaged_file_is_found_after_an_unclean_stop(void **state)
{
        struct kit *k = *state;
        uint8_t garbage[2048];

        kit_model(k, "m", SCENARIO_DOMAIN);
        edit(k, "UPDATE store_state SET clean = 0");
        FILE *f = fopen(k->path, "r+");
        assert_non_null(f);
        memset(garbage, 0xa5, sizeof(garbage));
        for (long page = 8; page < 12; page++) { /* pages of tables that opening alone does not read */
                assert_int_equal(fseek(f, page * 4096, SEEK_SET), 0);
                assert_int_equal(fwrite(garbage, 1, sizeof(garbage), f), sizeof(garbage));
        }
        fclose(f);
        assert_true(open_at(k, k->path, false) < 0);
        assert_non_null(strstr(k->e.msg, "damaged"));
}

static void an_unclean_stop_of_a_sound_file_is_fine(void **state)
{
        struct kit *k = *state;
        struct model m;

        kit_model(k, "m", SCENARIO_DOMAIN);
        edit(k, "UPDATE store_state SET clean = 0");
        assert_int_equal(open_at(k, k->path, false), 0);
        assert_int_equal(store_model_get(k->s, "m", &k->a, &m, &k->e), 0);
}

static void a_reader_sees_commits_and_may_not_write(void **state)
{
        struct kit *k = *state;
        const struct store_open how = {.path = k->path, .read_only = true, .clock = &k->clock.clock};
        const struct model_new none = {.name = "x"};
        struct store_health h;
        struct kit reader;
        model_id id;

        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        memcpy(&reader, k, sizeof(reader));
        assert_int_equal(store_open(&reader.s, &store_sqlite, &how, &k->e), 0);
        kit_fill(k, m, 0, 3);
        assert_int_equal(kit_rows(&reader, m), 3);
        assert_int_equal(store_begin(reader.s, &k->e), 0); /* a group of a reader is one state */
        assert_int_equal(kit_rows(&reader, m), 3);
        kit_fill(k, m, 3, 5);
        assert_int_equal(kit_rows(&reader, m), 3);
        assert_int_equal(store_commit(reader.s, &k->e), 0);
        assert_int_equal(kit_rows(&reader, m), 5);
        assert_int_equal(store_model_create(reader.s, &none, &id, &k->e), STORE_READONLY);
        assert_int_equal(store_maintain(reader.s, NULL, &k->e), STORE_READONLY);
        assert_int_equal(store_check(reader.s, false, &h, &k->e), 0);
        assert_true(h.read_only);
        store_close(reader.s);
        kit_fill(k, m, 5, 6); /* the writer has not lost its lock or its place */
        assert_int_equal(kit_rows(k, m), 6);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(a_new_file_has_its_identity), T(a_newer_file_is_refused),
            T(a_foreign_database_is_refused), T(a_text_file_is_refused_and_left_alone),
            T(another_process_holds_the_lock), T(a_damaged_file_is_found_after_an_unclean_stop),
            T(an_unclean_stop_of_a_sound_file_is_fine), T(a_reader_sees_commits_and_may_not_write)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
