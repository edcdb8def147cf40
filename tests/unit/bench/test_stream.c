/* test_stream.c: a stream predicted before it is learned, and the same figures after an interruption. */
#include "bench/stream.h"
#include "base/err.h"
#include "base/file.h"
#include "bench/runner.h"
#include "bench/stream_in.h"
#include "lib/tmpdir.h"
#include "unit/bench/kit.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROWS = 6000, WARM = 1024 };

static void line_of(char *out, size_t size, const char *dir, const char *more)
{
        snprintf(out, size, "run electricity --data %s --state %s/state --json %s", dir, dir, more);
}

static struct json_doc *figures(const char *dir, const char *more)
{
        char line[512];
        struct json_doc *d;
        line_of(line, sizeof(line), dir, more);
        assert_int_equal(kit_run(line, NULL, &d), 0);
        assert_non_null(d);
        return d;
}

static char *made_dir(void)
{
        char path[256], *dir = tmpdir_new();
        kit_stream(tmpdir_path(path, sizeof(path), dir, "stream.csv.gz"), ROWS);
        return dir;
}

static void test_figures(void **state)
{
        (void)state;
        char *dir = made_dir();
        struct json_doc *d = figures(dir, "--seeds 2");
        assert_string_equal(json_text(d, "/protocol"), "electricity");
        assert_string_equal(json_text(d, "/method"), "ewc");
        assert_string_equal(json_text(d, "/fisher"), "exact");
        assert_true(kit_number(d, "/rows") == ROWS - WARM);
        assert_true(kit_number(d, "/seeds") == 2);
        assert_true(kit_number(d, "/accuracy_mean") > 0.7 && kit_number(d, "/accuracy_mean") < 1);
        assert_true(kit_number(d, "/none_accuracy_mean") > 0.7);
        unsigned repeat = 0, last = 0;
        for (unsigned i = 0; i < ROWS; i++) { /* by the kit's own rule */
                int x = (int)(i * 37 % 101) - 50, y = (int)(i * 61 % 103) - 51;
                unsigned label = (i < ROWS / 2 ? x : y) > 0;
                repeat += i >= WARM && label == last;
                last = label;
        }
        assert_true(kit_number(d, "/repeat_last_accuracy") == (double)repeat / (ROWS - WARM));
        json_free(d);
        tmpdir_remove(dir);
}

/* A process is killed as soon as its first block is kept; the same command goes on and ends with the same figures. */
static void test_killed_and_gone_on(void **state)
{
        (void)state;
        char *whole = made_dir(), *parts = made_dir();
        struct json_doc *a = figures(whole, ""), *b;
        char line[512], path[256];
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct options o;
                struct err e = ERR_NULL;
                if (!freopen("/dev/null", "w", stdout))
                        _exit(3);
                line_of(line, sizeof(line), parts, "");
                kit_options(&o, line);
                stream_run(&o, protocol_find("electricity"), &e);
                _exit(4);
        }
        tmpdir_path(path, sizeof(path), parts, "state");
        while (!file_exists(path) && waitpid(pid, NULL, WNOHANG) == 0)
                continue;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        b = figures(parts, "");
        assert_true(kit_number(a, "/accuracy_mean") == kit_number(b, "/accuracy_mean"));
        assert_true(kit_number(a, "/none_accuracy_mean") == kit_number(b, "/none_accuracy_mean"));
        json_free(b);
        b = figures(parts, ""); /* kept to its end: read, not followed again */
        assert_true(kit_number(a, "/accuracy_mean") == kit_number(b, "/accuracy_mean"));
        json_free(a);
        json_free(b);
        tmpdir_remove(whole);
        tmpdir_remove(parts);
}

static void test_state(void **state)
{
        (void)state;
        float theta[] = {1, 2}, fisher[] = {3, 4}, anchor[] = {5, 6}, t[2] = {0}, f[2] = {0}, c[2] = {0};
        const struct stream_state s = {.at = 512,
            .correct = 7,
            .scored = 9,
            .closed = 2,
            .seconds = 1.5,
            .n_params = 2,
            .theta = theta,
            .fisher = fisher,
            .anchor = anchor};
        struct stream_state got = {.n_params = 2, .theta = t, .fisher = f, .anchor = c};
        struct digest key, other;
        struct err e = ERR_NULL;
        char *dir = tmpdir_new();
        digest_of("a", 1, &key);
        digest_of("b", 1, &other);
        assert_int_equal(stream_state_read(dir, &key, &got, &e), 0);
        assert_int_equal(got.at, 0);
        assert_int_equal(stream_state_write(dir, &key, &s, &e), 0);
        assert_int_equal(stream_state_read(dir, &other, &got, &e), 0);
        assert_int_equal(got.at, 0);
        got.n_params = 1; /* of another net */
        assert_int_equal(stream_state_read(dir, &key, &got, &e), 0);
        assert_int_equal(got.at, 0);
        got.n_params = 2;
        assert_int_equal(stream_state_read(dir, &key, &got, &e), 0);
        assert_true(got.at == 512 && got.correct == 7 && got.scored == 9 && got.closed == 2 && got.seconds == 1.5);
        assert_true(t[1] == 2 && f[1] == 4 && c[1] == 6);
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_figures),
            cmocka_unit_test(test_killed_and_gone_on),
            cmocka_unit_test(test_state),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
