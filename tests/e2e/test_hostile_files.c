/* test_hostile_files.c: databases, job files, results and learners that are not what they should be.
 *
 * A database that is newer, foreign, damaged or in use stops the start with status 3 and is left as it was. A learner
 * given a hostile job refuses it. A learner that itself is hostile costs its job, never the champion. */
#include "e2e.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "lib/tmpdir.h"
#include "run.h"
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct daemon d;
static struct digits all, few;
static char *champion;
static char script[DAEMON_PATH];

static const struct description model = {
    .name = "digits",
    .scenario = "domain",
    .classes = TEN_CLASSES,
    .task = "first",
    .layers = "[{\"type\":\"dense\",\"units\":16,\"activation\":\"relu\"}]",
    .learning = "{" ADAM "," BY_HAND ",\"epochs\":5,\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}}",
};

/* The learner is a script that the tests rewrite. */
static void learner_is(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void learner_is(const char *fmt, ...)
{
        char next[DAEMON_PATH + 8];
        va_list ap;
        snprintf(next, sizeof(next), "%s.new", script);
        FILE *f = fopen(next, "we");
        assert_non_null(f);
        fputs("#!/bin/sh\n", f);
        va_start(ap, fmt);
        vfprintf(f, fmt, ap);
        va_end(ap);
        fputc('\n', f);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(chmod(next, 0755), 0);
        assert_int_equal(rename(next, script), 0);
}

#define REAL                                                                                                         \
        "\""                                                                                                         \
        "%s"                                                                                                         \
        "\" \"$@\""

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 9, DIGITS_UNSEEN, false, &few);
        daemon_init(&d);
        tmpdir_path(script, sizeof(script), d.dir, "learner.sh");
        learner_is("exec " REAL, getenv("EWCD_LEARNER_BIN"));
        daemon_set(&d, "learner.path", "%s", script);
        daemon_set(&d, "learner.stall_ms", "1000");
        daemon_set(&d, "learner.grace_ms", "100");
        daemon_set(&d, "learner.max_attempts", "1");
        daemon_set(&d, "learner.keep_files", "true");
        daemon_start(&d);
        model_create(&d, &model);
        feedback_all(&d, "digits", "e", &few);
        consolidate(&d, "digits", "promoted");
        champion = predict_text(&d, "digits", NULL, &few);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        daemon_deinit(&d);
        free(champion);
        digits_free(&all);
        digits_free(&few);
        return 0;
}

static void check_unharmed(void)
{
        char *now = predict_text(&d, "digits", NULL, &few);
        struct http_answer a;
        assert_string_equal(champion, now);
        free(now);
        expect(&d, 200, "GET", "/v2/models/digits/tasks", NULL, &a);
        assert_true(number_at(a.doc, "/tasks/0/feedback/train") + number_at(a.doc, "/tasks/0/feedback/holdout") ==
                    (double)few.n);
        http_answer_deinit(&a);
}

/* --- learners --- */

static void test_hostile_learners_cost_only_their_job(void **state)
{
        static const struct {
                const char *what, *reason; /* a part of the job's reason */
        } fakes[] = {
            {"exit 1", "failed"},
            {"exit 3", "refused"},
            {"exit 77", "77"},
            {"kill -9 $$", "signal 9"},
            {"kill -11 $$", "signal 11"},
            {"echo hello", "protocol"},
            {"echo '{\"event\":\"dance\"}'", "protocol"},
            {"echo '{\"event\":\"epoch\",\"loss\":\"low\"}'", "protocol"},
            {"head -c 100000 /dev/zero", "protocol"},
            {"head -c 100000 /dev/zero | tr '\\0' 'x'; exit 0", "protocol"},
            {"exec sleep 1000", "no progress"},
            {"trap '' TERM; while :; do sleep 1; done", "no progress"},
            {"exit 0", "result"},
            {"echo garbage > \"$4\"", "result"},
            {": > \"$4\"", "result"},
            {"printf '\\377\\377\\377\\377\\377\\377\\377\\177' > \"$4\"", "result"},
            {"cp \"$2\" \"$4\"", "result"},
            {"mkdir \"$4\"", "result"},
            {"mkfifo \"$4\"", "result"},
            {"ln -s /dev/zero \"$4\"", "result"},
            {"cp \"$(dirname \"$2\")/../1/result.safetensors\" \"$4\"", "another job"},
            {"\"$EWCD_REAL\" \"$@\" && truncate -s -100 \"$4\"", "result"},
            {"\"$EWCD_REAL\" \"$@\" && truncate -s +1 \"$4\"", "result"},
            {"\"$EWCD_REAL\" \"$@\" && printf '\\377\\377\\377\\377' | dd of=\"$4\" bs=1 seek=$(($(stat -c %s "
             "\"$4\") - 4)) conv=notrunc 2>/dev/null",
                "finite"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {
                struct http_answer a;
                char text[DAEMON_PATH + 400];
                snprintf(text, sizeof(text), "EWCD_REAL='%s'\n%s", getenv("EWCD_LEARNER_BIN"), fakes[i].what);
                learner_is("%s", text);
                uint64_t id = job_start(&d, "digits", "jobs", "{\"kind\":\"consolidate\"}");
                job_end(&d, "digits", id, NULL, &a);
                if (strcmp(text_at(a.doc, "/state"), "failed") != 0 ||
                    !strstr(text_at(a.doc, "/reason"), fakes[i].reason))
                        fail_msg("learner '%s': %s", fakes[i].what, a.body.data);
                assert_null(json_text(a.doc, "/version"));
                http_answer_deinit(&a);
                check_unharmed();
        }
}

static void test_a_learner_that_is_not_there(void **state)
{
        struct http_answer a;
        (void)state;
        assert_int_equal(unlink(script), 0);
        uint64_t id = job_start(&d, "digits", "jobs", "{\"kind\":\"consolidate\"}");
        job_end(&d, "digits", id, "failed", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), "No such file"));
        http_answer_deinit(&a);
        check_unharmed();
}

static void test_the_right_learner_goes_on(void **state)
{
        struct http_answer a;
        (void)state;
        learner_is("exec " REAL, getenv("EWCD_LEARNER_BIN"));
        consolidate(&d, "digits", "promoted");
        expect(&d, 200, "GET", "/v2/models/digits/versions", NULL, &a);
        assert_int_equal(json_length(a.doc, "/versions"), 3);
        http_answer_deinit(&a);
        free(champion);
        champion = predict_text(&d, "digits", NULL, &few);
}

/* --- job files given to the learner --- */

static struct buf job; /* the first job's file */
static char job_path[DAEMON_PATH], result_path[DAEMON_PATH], checkpoint_path[DAEMON_PATH];

static int learn(const void *p, size_t n, const char *path)
{
        const char *argv[] = {getenv("EWCD_LEARNER_BIN"), "--job", path ? path : job_path, "--result", result_path,
            "--checkpoint", checkpoint_path, NULL};
        struct ran r;
        if (p) {
                FILE *f = fopen(job_path, "we");
                assert_non_null(f);
                assert_int_equal(fwrite(p, 1, n, f), n);
                assert_int_equal(fclose(f), 0);
        }
        unlink(result_path);
        unlink(checkpoint_path);
        run_program(argv, NULL, NULL, 20000, &r);
        int code = r.code;
        bool result = access(result_path, F_OK) == 0;
        if (code != 0) {
                assert_true(r.err.len > 10); /* says why */
                assert_false(result);
        } else {
                assert_true(result);
        }
        ran_deinit(&r);
        return code;
}

static void test_hostile_jobs_are_refused(void **state)
{
        struct err e = ERR_NULL;
        char path[DAEMON_PATH];
        size_t header;
        (void)state;
        snprintf(path, sizeof(path), "%.200s/jobs/1/job.safetensors", d.state);
        tmpdir_path(job_path, sizeof(job_path), d.dir, "job");
        tmpdir_path(result_path, sizeof(result_path), d.dir, "result");
        tmpdir_path(checkpoint_path, sizeof(checkpoint_path), d.dir, "checkpoint");
        buf_init(&job, 64 << 20);
        assert_int_equal(file_read(path, 64 << 20, &job, &e), 0);
        header = 8 + (size_t)(unsigned char)job.data[0] + 256 * (size_t)(unsigned char)job.data[1];
        assert_true(header > 500 && header < job.len);
        char *copy = malloc(job.len + 1);
        assert_non_null(copy);
        memcpy(copy, job.data, job.len);

        assert_int_equal(learn(job.data, job.len, NULL), 0); /* itself it is good */
        const size_t cuts[] = {0, 1, 7, 8, 9, 100, header - 1, header, header + 1, job.len / 2, job.len - 1};
        for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
                assert_int_equal(learn(job.data, cuts[i], NULL), 3);
        copy[job.len] = 'x';
        assert_int_equal(learn(copy, job.len + 1, NULL), 3);
        for (int i = 0; i < 8; i++) { /* the header's length */
                memcpy(copy, job.data, job.len);
                copy[i] = (char)(copy[i] ^ 0x7f);
                assert_int_equal(learn(copy, job.len, NULL), 3);
        }
        memcpy(copy, job.data, job.len);
        memset(copy + job.len - 4, 0xff, 4); /* a NaN */
        assert_int_equal(learn(copy, job.len, NULL), 3);
        memset(copy, '[', job.len);
        assert_int_equal(learn(copy, job.len, NULL), 3);
        /* One byte of the header changed: refused, or harmless, never worse. */
        for (size_t at = 8; at < header; at += header / 60) {
                memcpy(copy, job.data, job.len);
                copy[at] = copy[at] == '9' ? '8' : (char)(copy[at] ^ 1);
                int code = learn(copy, job.len, NULL);
                if (code != 0 && code != 1 && code != 3)
                        fail_msg("byte %zu of the job changed: exit status %d", at, code);
        }
        assert_int_equal(learn(NULL, 0, "/nonexistent/job"), 1);
        assert_int_not_equal(learn(NULL, 0, d.dir), 0);
        free(copy);
        buf_deinit(&job);
}

static void test_learner_flags(void **state)
{
        const char *learner = getenv("EWCD_LEARNER_BIN");
        const char *argvs[][6] = {{learner, NULL}, {learner, "--job", "x", NULL}, {learner, "--speed", NULL},
            {learner, "--job", "a", "--checkpoint-ms", "many", NULL}};
        (void)state;
        for (size_t i = 0; i < 4; i++) {
                struct ran r;
                run_program(argvs[i], NULL, NULL, 10000, &r);
                assert_int_equal(r.code, 2);
                assert_non_null(strstr(r.err.data, "usage:"));
                ran_deinit(&r);
        }
}

/* --- databases --- */

static void sql(const char *path, const char *text)
{
        sqlite3 *h = NULL;
        char *why = NULL;
        assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
        if (sqlite3_exec(h, text, NULL, NULL, &why) != SQLITE_OK)
                fail_msg("%s: %s", text, why);
        assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

static void put_file(const char *path, const void *p, size_t n)
{
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(p, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

/* The start ends with the status and a word, and the file is what it was. */
static void check_refused(struct daemon *which, int status, const char *word)
{
        struct digest before, after;
        struct buf b;
        struct err e = ERR_NULL;
        buf_init(&b, 64 << 20);
        assert_int_equal(file_read(which->database, 64 << 20, &b, &e), 0);
        digest_of(b.data, b.len, &before);
        daemon_launch(which);
        int got = daemon_wait(which, DAEMON_READY_MS);
        char *log = daemon_log(which);
        if (!WIFEXITED(got) || WEXITSTATUS(got) != status || !strstr(log, word))
                fail_msg("wait status %x instead of exit %d with '%s': %s", (unsigned)got, status, word, log);
        free(log);
        buf_reset(&b);
        assert_int_equal(file_read(which->database, 64 << 20, &b, &e), 0);
        digest_of(b.data, b.len, &after);
        assert_true(digest_eq(&before, &after));
        buf_deinit(&b);
}

static void test_a_running_daemon_keeps_its_files(void **state)
{
        struct daemon other;
        char mine[DAEMON_PATH];
        (void)state;
        daemon_init(&other);
        daemon_set(&other, "store.dir", "%s", d.state);
        snprintf(mine, sizeof(mine), "%s", other.database);
        snprintf(other.database, sizeof(other.database), "%s", d.database);
        check_refused(&other, 3, "another process");
        check_unharmed();
        snprintf(other.database, sizeof(other.database), "%s", mine);
        daemon_set(&other, "store.dir", "%s", other.state);
        daemon_set(&other, "listen.socket", "%s", d.socket);
        daemon_launch(&other);
        assert_int_equal(daemon_wait(&other, DAEMON_READY_MS), 4 << 8);
        check_unharmed();
        http_client_close(&d.http);
        check_unharmed(); /* over a new connection: the socket is still there */
        daemon_deinit(&other);
}

static void test_newer_and_foreign_databases(void **state)
{
        (void)state;
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        sql(d.database, "PRAGMA user_version = 99");
        check_refused(&d, 3, "newer");
        sql(d.database, "PRAGMA user_version = -1");
        check_refused(&d, 3, "-1");
        sql(d.database, "PRAGMA user_version = 9; PRAGMA application_id = 1234567");
        check_refused(&d, 3, "another program");
        sql(d.database, "PRAGMA application_id = 0");
        check_refused(&d, 3, "another program");
        sql(d.database, "PRAGMA application_id = 0x45574344");
        daemon_start(&d);
        check_unharmed();
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
}

static void test_files_that_are_no_database(void **state)
{
        struct daemon o;
        unsigned char noise[16384];
        uint32_t x = 1;
        (void)state;
        for (size_t i = 0; i < sizeof(noise); i++)
                noise[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
        daemon_init(&o);
        put_file(o.database, noise, sizeof(noise));
        check_refused(&o, 3, "not an SQLite database");
        put_file(o.database, "dear diary\n", 11);
        check_refused(&o, 3, "ewcd.db");
        memcpy(noise, "SQLite format 3", 16); /* only the first words are right */
        put_file(o.database, noise, sizeof(noise));
        check_refused(&o, 3, "ewcd.db");
        unlink(o.database);
        sql(o.database, "CREATE TABLE recipe (name TEXT)");
        check_refused(&o, 3, "another program");
        unlink(o.database);
        daemon_start(&o); /* an empty directory is a new store */
        daemon_deinit(&o);
}

static void overwrite(const char *path, long at, size_t n)
{
        char zero[4096] = {0};
        FILE *f = fopen(path, "r+be");
        assert_non_null(f);
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite(zero, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

/* After an unclean stop the file is checked; a page of zeros in its middle is found. */
static void test_a_damaged_database_is_found(void **state)
{
        struct buf good;
        struct err e = ERR_NULL;
        struct stat st;
        char wal[DAEMON_PATH + 8];
        (void)state;
        daemon_start(&d);
        check_unharmed();
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        buf_init(&good, 64 << 20);
        assert_int_equal(file_read(d.database, 64 << 20, &good, &e), 0);
        sql(d.database, "UPDATE store_state SET clean = 0");
        assert_int_equal(stat(d.database, &st), 0);
        overwrite(d.database, (long)(st.st_size / 2 / 4096 * 4096), 4096);
        check_refused(&d, 3, "damaged");
        put_file(d.database, good.data, good.len / 2 / 4096 * 4096);
        check_refused(&d, 3, "ewcd.db");
        put_file(d.database, good.data, good.len);
        snprintf(wal, sizeof(wal), "%s-wal", d.database);
        put_file(wal, "this is no write-ahead log", 26); /* not of this database: ignored */
        daemon_start(&d);
        check_unharmed();
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        buf_deinit(&good);
}

static void test_bad_configuration(void **state)
{
        static const struct {
                const char *key, *value, *word;
                int status;
        } rows[] = {
            {"server.treads", "2", "treads", 2},
            {"servers.threads", "2", "servers", 2},
            {"server.threads", "none", "server.threads", 2},
            {"server.threads", "0", "server.threads", 2},
            {"listen.tcp", "localhost", "host:port", 2},
            {"listen.tcp", "0.0.0.0:0", "credentials", 2},
            {"listen.tcp", "127.0.0.1:99999", "host:port", 2},
            {"log.level", "loud", "loud", 2},
            {"store.dir", "/proc/nowhere", "/proc/nowhere", 1},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct daemon o;
                daemon_init(&o);
                daemon_set(&o, rows[i].key, "%s", rows[i].value);
                daemon_launch(&o);
                int got = daemon_wait(&o, DAEMON_READY_MS);
                char *log = daemon_log(&o);
                if (!WIFEXITED(got) || WEXITSTATUS(got) != rows[i].status || !strstr(log, rows[i].word))
                        fail_msg("%s = %s: wait status %x: %s", rows[i].key, rows[i].value, (unsigned)got, log);
                free(log);
                daemon_deinit(&o);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_hostile_learners_cost_only_their_job),
            cmocka_unit_test(test_a_learner_that_is_not_there),
            cmocka_unit_test(test_the_right_learner_goes_on),
            cmocka_unit_test(test_hostile_jobs_are_refused),
            cmocka_unit_test(test_learner_flags),
            cmocka_unit_test(test_a_running_daemon_keeps_its_files),
            cmocka_unit_test(test_newer_and_foreign_databases),
            cmocka_unit_test(test_files_that_are_no_database),
            cmocka_unit_test(test_a_damaged_database_is_found),
            cmocka_unit_test(test_bad_configuration),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
