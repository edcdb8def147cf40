/* What a child is started with that only the kernel can tell: its classes of processor and of I/O, its group. */
#include "base/err.h"
#include "lib/tmpdir.h"
#include "super/spawn.h"
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { WHO_PROCESS = 1, CLASS_IDLE = 3, CLASS_SHIFT = 13 };

static long io_class(pid_t pid)
{
        return syscall(SYS_ioprio_get, WHO_PROCESS, pid) >> CLASS_SHIFT;
}

static struct spawned start(const char *script, char *arg)
{
        char shell[] = "/bin/sh", c[] = "-c", text[256];
        char *argv[] = {shell, c, text, shell, arg, NULL};
        struct spawned s;
        struct err e = ERR_NULL;
        snprintf(text, sizeof(text), "%s", script);
        assert_int_equal(spawn_exec(argv, &s, &e), 0);
        return s;
}

static void end(struct spawned *s)
{
        int status;
        spawn_kill(s->pid, SIGKILL);
        assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
        close(s->out);
        close(s->err);
}

static void test_idle_from_the_start(void **state)
{
        (void)state;
        int own = sched_getscheduler(0);
        long own_io = io_class(0);
        struct spawned s = start("exec sleep 1000", NULL);
        assert_int_equal(sched_getscheduler(s.pid), SCHED_IDLE);
        assert_int_equal(io_class(s.pid), CLASS_IDLE);
        assert_int_equal(getpgid(s.pid), s.pid);
        assert_int_equal(sched_getscheduler(0), own); /* ours is as it was */
        assert_int_equal(io_class(0), own_io);
        end(&s);
}

/* What it starts itself inherits both, as its threads do. */
static void test_idle_is_inherited(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), fifo[256], line[32] = "";
        assert_int_equal(mkfifo(tmpdir_path(fifo, sizeof(fifo), dir, "go"), 0600), 0);
        struct spawned s = start("read x < \"$1\"; sleep 1000 & echo $!; wait", fifo);
        int go = open(fifo, O_WRONLY | O_CLOEXEC); /* until it reads */
        assert_int_equal(write(go, "\n", 1), 1);
        close(go);
        struct pollfd said = {.fd = s.out, .events = POLLIN};
        assert_int_equal(poll(&said, 1, 10000), 1);
        assert_true(read(s.out, line, sizeof(line) - 1) > 1);
        pid_t child = (pid_t)strtol(line, NULL, 10);
        assert_true(child > 1 && child != s.pid);
        assert_int_equal(sched_getscheduler(child), SCHED_IDLE);
        assert_int_equal(io_class(child), CLASS_IDLE);
        end(&s);
        tmpdir_remove(dir);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_idle_from_the_start),
            cmocka_unit_test(test_idle_is_inherited),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
