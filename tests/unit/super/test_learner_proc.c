/* A learner as a process, played by small shell scripts: how each way of ending is reported, and what is not waited
 * for. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "lib/tmpdir.h"
#include "loop/loop.h"
#include "proto/progress.h"
#include "super/learner_proc.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

struct seen {
        char *dir;
        struct loop *loop;
        struct learner_proc *proc;
        struct learner_run *run;
        int n_lines;
        bool cancel_on_line;
        enum progress_event last;
        int ended;
        enum learner_exit how;
        char why[512];
        struct learner_port port;
};

static void on_line(void *arg, const struct progress_line *l)
{
        struct seen *s = arg;
        assert_int_equal(s->ended, 0);
        s->n_lines++;
        s->last = l->event;
        if (s->cancel_on_line)
                s->port.cancel(s->run);
}

static void on_exit_of_learner(void *arg, enum learner_exit how, const char *why)
{
        struct seen *s = arg;
        s->ended++;
        s->how = how;
        snprintf(s->why, sizeof(s->why), "%s", why);
        loop_stop(s->loop);
}

static char *start_line(void)
{
        static char text[1024];
        struct progress_line l = {.event = PROGRESS_START};
        struct buf b;
        buf_init(&b, sizeof(text) - 64);
        progress_write(&b, &l);
        snprintf(text, sizeof(text), "echo '%.*s'\n", (int)(b.len - 1), b.data);
        buf_deinit(&b);
        return text;
}

static char *error_line(const char *message)
{
        static char text[2048];
        struct progress_line l = {.event = PROGRESS_ERROR};
        struct buf b;
        snprintf(l.message, sizeof(l.message), "%s", message);
        buf_init(&b, sizeof(text) - 64);
        progress_write(&b, &l);
        snprintf(text, sizeof(text), "echo '%.*s'\n", (int)(b.len - 1), b.data);
        buf_deinit(&b);
        return text;
}

/* Runs a script as learner until its exit is reported. */
static void play(struct seen *s, const char *script, uint32_t stall_ms, uint32_t grace_ms, bool cancel_on_line)
{
        char path[256], text[8192];
        struct err e = ERR_NULL;
        memset(s, 0, sizeof(*s));
        s->dir = tmpdir_new();
        tmpdir_path(path, sizeof(path), s->dir, "learner");
        int n = snprintf(text, sizeof(text), "#!/bin/sh\n%s", script);
        assert_int_equal(file_replace(path, text, (size_t)n, &e), 0);
        assert_int_equal(chmod(path, 0700), 0);
        assert_int_equal(loop_new(&s->loop, &clock_system, 8, &e), 0);
        const struct learner_proc_conf c = {
            .path = path, .stall_ms = stall_ms, .grace_ms = grace_ms, .checkpoint_ms = 250};
        assert_int_equal(learner_proc_new(&s->proc, s->loop, &c, &e), 0);
        s->port = learner_proc_port(s->proc);
        s->cancel_on_line = cancel_on_line;
        char job[256], result[256], checkpoint[256];
        const struct learner_start start = {
            .job = 7,
            .job_path = tmpdir_path(job, sizeof(job), s->dir, "job"),
            .result_path = tmpdir_path(result, sizeof(result), s->dir, "result"),
            .checkpoint_path = tmpdir_path(checkpoint, sizeof(checkpoint), s->dir, "checkpoint"),
        };
        const struct learner_events ev = {.line = on_line, .ended = on_exit_of_learner, .arg = s};
        assert_int_equal(s->port.start(s->port.impl, &start, &ev, &s->run, &e), 0);
        assert_int_equal(loop_run(s->loop, &e), 0);
        assert_int_equal(s->ended, 1);
}

static void done(struct seen *s)
{
        learner_proc_free(s->proc);
        loop_free(s->loop);
        tmpdir_remove(s->dir);
}

static void test_exit_codes(void **state)
{
        (void)state;
        static const struct {
                const char *script;
                enum learner_exit how;
                const char *why;
        } rows[] = {
            {"exit 0", LEARNER_COMPLETE, "done"},
            {"exit 1", LEARNER_FAILED, "failed"},
            {"exit 2", LEARNER_REFUSED, "refused its arguments"},
            {"exit 3", LEARNER_REFUSED, "refused the job"},
            {"exit 10", LEARNER_CANCELLED, "stopped on request"},
            {"exit 9", LEARNER_DIED, "exit status 9"},
            {"kill -9 $$", LEARNER_DIED, "killed by signal 9 (Killed)"},
            {"kill -11 $$", LEARNER_DIED, "killed by signal 11 (Segmentation fault)"},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct seen s;
                play(&s, rows[i].script, 10000, 100, false);
                assert_int_equal(s.how, rows[i].how);
                assert_string_equal(s.why, rows[i].why);
                done(&s);
        }
}

static void test_lines_and_message(void **state)
{
        (void)state;
        struct seen s;
        char script[4096];
        snprintf(script, sizeof(script), "%secho 'for people' >&2\n", start_line());
        size_t n = strlen(script);
        snprintf(script + n, sizeof(script) - n, "%sexit 1\n", error_line("disk full"));
        play(&s, script, 10000, 100, false);
        assert_int_equal(s.n_lines, 2);
        assert_int_equal(s.last, PROGRESS_ERROR);
        assert_int_equal(s.how, LEARNER_FAILED);
        assert_string_equal(s.why, "disk full");
        done(&s);
}

static void test_last_line_without_newline(void **state)
{
        (void)state;
        struct seen s;
        char script[4096];
        snprintf(script, sizeof(script), "printf '%%s' \"$(%s)\"\nexit 0\n", start_line());
        play(&s, script, 10000, 100, false);
        assert_int_equal(s.n_lines, 1);
        assert_int_equal(s.how, LEARNER_COMPLETE);
        done(&s);
}

static void test_garbage_ends_it(void **state)
{
        (void)state;
        static const char *const scripts[] = {
            "echo garbage\nsleep 20\n",
            "echo '{\"event\":\"surprise\"}'\nsleep 20\n",
            "head -c 20000 /dev/zero | tr '\\0' x\necho\nsleep 20\n",
            "echo garbage\nexit 0\n",
        };
        for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
                struct seen s;
                play(&s, scripts[i], 10000, 100, false);
                assert_int_equal(s.n_lines, 0);
                assert_int_equal(s.how, LEARNER_DIED);
                assert_non_null(strstr(s.why, "broke the protocol"));
                done(&s);
        }
}

static void test_stall(void **state)
{
        (void)state;
        struct seen s;
        play(&s, "sleep 20\n", 30, 1000, false);
        assert_int_equal(s.how, LEARNER_DIED);
        assert_string_equal(s.why, "no progress line for 30 ms");
        done(&s);
}

static void test_deaf_to_sigterm(void **state)
{
        (void)state;
        struct seen s;
        play(&s, "trap '' TERM\nsleep 20 & wait\nsleep 20\n", 30, 30, false);
        assert_int_equal(s.how, LEARNER_DIED);
        assert_string_equal(s.why, "no progress line for 30 ms");
        done(&s);
}

static void test_cancel(void **state)
{
        (void)state;
        struct seen s;
        char script[4096];
        snprintf(script, sizeof(script), "trap 'exit 10' TERM\n%ssleep 20 & wait\n", start_line());
        play(&s, script, 10000, 2000, true);
        assert_int_equal(s.how, LEARNER_CANCELLED);
        done(&s);
        snprintf(script, sizeof(script), "%ssleep 20\n", start_line()); /* dies of the signal */
        play(&s, script, 10000, 2000, true);
        assert_int_equal(s.how, LEARNER_CANCELLED);
        done(&s);
        snprintf(script, sizeof(script), "trap '' TERM\n%ssleep 20\n", start_line()); /* ignores it */
        play(&s, script, 10000, 20, true);
        assert_int_equal(s.how, LEARNER_CANCELLED);
        done(&s);
}

/* Someone still holding the pipe open does not keep the run alive, and is ended too. */
static void test_leftover_child(void **state)
{
        (void)state;
        struct seen s;
        char path[256];
        play(&s, "sleep 30 &\necho $! > \"${2%job}pid\"\nexit 0\n", 10000, 100, false);
        assert_int_equal(s.how, LEARNER_COMPLETE);
        struct buf b;
        struct err e = ERR_NULL;
        buf_init(&b, 64);
        assert_int_equal(file_read(tmpdir_path(path, sizeof(path), s.dir, "pid"), 63, &b, &e), 0);
        pid_t pid = (pid_t)strtol(b.data, NULL, 10);
        assert_true(pid > 1);
        struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
        bool gone = ended.fd < 0 ? errno == ESRCH : poll(&ended, 1, 2000) == 1;
        if (ended.fd >= 0)
                close(ended.fd);
        assert_true(gone);
        buf_deinit(&b);
        done(&s);
}

/* Arguments, environment, descriptors, priority, as the child sees them. */
static void test_surroundings(void **state)
{
        (void)state;
        struct seen s;
        setenv("SECRET_OF_THE_DAEMON", "1", 1);
        int leak = dup2(2, 57); /* without close-on-exec */
        assert_int_equal(leak, 57);
        play(&s,
            "d=\"${2%job}\"\n"
            "echo \"$*\" | sed \"s|$d||g\" > \"${d}args\"\n"
            "env | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=' | sort > \"${d}env\"\n"
            "[ -e /proc/$$/fd/57 ] && echo open > \"${d}fd\" || echo closed > \"${d}fd\"\n"
            "cut -d' ' -f41 /proc/$$/stat > \"${d}policy\"\n"
            "exit 0\n",
            10000, 100, false);
        close(leak);
        assert_int_equal(s.how, LEARNER_COMPLETE);
        static const struct {
                const char *file, *want;
        } rows[] = {
            {"args", "--job job --result result --checkpoint checkpoint --checkpoint-ms 250\n"},
            {"env", "LC_ALL=C\nOMP_NUM_THREADS=1\nOPENBLAS_NUM_THREADS=1\nPATH=/usr/local/bin:/usr/bin:/bin\n"},
            {"fd", "closed\n"}, {"policy", "5\n"}, /* SCHED_IDLE */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char path[256];
                struct buf b;
                struct err e = ERR_NULL;
                buf_init(&b, 4096);
                assert_int_equal(file_read(tmpdir_path(path, sizeof(path), s.dir, rows[i].file), 4095, &b, &e), 0);
                assert_string_equal(b.data, rows[i].want);
                buf_deinit(&b);
        }
        done(&s);
}

static void test_not_there(void **state)
{
        (void)state;
        struct loop *loop;
        struct learner_proc *p;
        struct learner_run *run = NULL;
        struct err e = ERR_NULL;
        assert_int_equal(loop_new(&loop, &clock_system, 8, &e), 0);
        const struct learner_proc_conf c = {.path = "/nowhere/learner", .stall_ms = 100, .grace_ms = 100};
        assert_int_equal(learner_proc_new(&p, loop, &c, &e), 0);
        struct learner_port port = learner_proc_port(p);
        const struct learner_start start = {1, "j", "r", "c"};
        const struct learner_events ev = {on_line, on_exit_of_learner, NULL, NULL};
        assert_true(port.start(port.impl, &start, &ev, &run, &e) < 0);
        assert_non_null(strstr(e.msg, "/nowhere/learner"));
        assert_null(run);
        learner_proc_free(p);
        loop_free(loop);
}

int main(void)
{
        log_init(LOG_LEVEL_ERROR, false);
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_exit_codes),
            cmocka_unit_test(test_lines_and_message), cmocka_unit_test(test_last_line_without_newline),
            cmocka_unit_test(test_garbage_ends_it), cmocka_unit_test(test_stall),
            cmocka_unit_test(test_deaf_to_sigterm), cmocka_unit_test(test_cancel),
            cmocka_unit_test(test_leftover_child), cmocka_unit_test(test_surroundings),
            cmocka_unit_test(test_not_there)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
