/* test_source.c: timers, descriptors, signals and children, each ended by its own event and never by a pause. */
#include "loop/loop.h"
#include "base/err.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct probe {
        struct loop *l;
        struct loop_source *source;
        int calls, stop_after, status;
        pid_t pid;
        bool free_inside;
};

static int make_probe(void **state)
{
        static struct probe p;
        struct err e = ERR_NULL;
        p = (struct probe){.stop_after = 1};
        *state = &p;
        return loop_new(&p.l, &clock_system, 8, &e);
}

static int free_probe(void **state)
{
        struct probe *p = *state;
        loop_source_free(p->source);
        loop_free(p->l);
        return 0;
}

static void run(struct probe *p)
{
        struct err e = ERR_NULL;
        assert_non_null(p->source);
        assert_int_equal(loop_run(p->l, &e), 0);
}

static void count(void *arg)
{
        struct probe *p = arg;
        if (++p->calls < p->stop_after)
                return;
        loop_stop(p->l);
        if (p->free_inside) {
                loop_source_free(p->source);
                p->source = NULL;
        }
}

static void timers_repeat_until_freed_inside(void **state)
{
        struct probe *p = *state;
        uint64_t before = clock_mono_ns(&clock_system), turns = loop_turns(p->l);
        p->stop_after = 3;
        p->free_inside = true;
        p->source = loop_timer(p->l, 10, true, count, p);
        run(p);
        assert_int_equal(p->calls, 3);
        assert_true(clock_mono_ns(&clock_system) - before >=
                    20000000); /* three periods, less the coarseness of libevent's clock */
        assert_true(loop_turns(p->l) - turns >= 6);
}

static void one_shot_fires_once(void **state)
{
        struct probe *p = *state, other = {.l = p->l, .stop_after = 5};
        p->stop_after = 100;
        p->source = loop_timer(p->l, 1, false, count, p);
        other.source = loop_timer(p->l, 1, true, count, &other);
        run(&other);
        loop_source_free(other.source);
        assert_int_equal(p->calls, 1);
        p->calls = 0, p->stop_after = 3; /* a period of nothing is the shortest there is */
        loop_source_free(p->source);
        p->source = loop_timer(p->l, 0, true, count, p);
        run(p);
        assert_int_equal(p->calls, 3);
        loop_source_free(loop_timer(p->l, UINT64_MAX, false, count, p));
}

static void on_fd(void *arg, int fd)
{
        char c;
        assert_int_equal(read(fd, &c, 1), 1);
        count(arg);
}

static void descriptor_fires_while_readable(void **state)
{
        struct probe *p = *state;
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(write(fds[1], "abc", 3), 3);
        p->stop_after = 3;
        p->free_inside = true;
        p->source = loop_fd_read(p->l, fds[0], on_fd, p);
        run(p);
        assert_int_equal(p->calls, 3);
        close(fds[0]);
        close(fds[1]);
}

static void signals_are_delivered(void **state)
{
        struct probe *p = *state;
        p->source = loop_signal(p->l, SIGUSR1, count, p);
        assert_int_equal(raise(SIGUSR1), 0);
        run(p);
        assert_int_equal(p->calls, 1);
}

static void on_child(void *arg, pid_t pid, int status)
{
        struct probe *p = arg;
        p->pid = pid;
        p->status = status;
        count(p);
}

/* A child that waits for a byte, then ends with the code given, or by signum if that is not 0. */
static pid_t start_child(int wait_fd, int code, int signum)
{
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char c;
                ssize_t n = read(wait_fd, &c, 1);
                if (signum)
                        raise(signum);
                _exit(n == 1 ? code : 99);
        }
        return pid;
}

static void children_are_reaped(void **state)
{
        struct probe *p = *state;
        for (int i = 0; i < 3; i++) {
                int fds[2];
                assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
                pid_t pid = start_child(fds[0], 7, i == 1 ? SIGKILL : 0);
                p->calls = 0;
                p->free_inside = i == 0;
                p->source = loop_child(p->l, pid, on_child, p);
                assert_int_equal(write(fds[1], "x", 1), 1);
                run(p);
                assert_int_equal(p->pid, pid);
                if (i == 1)
                        assert_true(WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGKILL);
                else
                        assert_true(WIFEXITED(p->status) && WEXITSTATUS(p->status) == 7);
                assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
                assert_int_equal(errno, ECHILD);
                loop_source_free(p->source);
                p->source = NULL;
                close(fds[0]);
                close(fds[1]);
        }
}

static void a_stolen_status_is_still_an_exit(void **state)
{
        struct probe *p = *state;
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid_t pid = start_child(fds[0], 0, 0);
        p->source = loop_child(p->l, pid, on_child, p);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        run(p);
        assert_true(WIFEXITED(p->status) && WEXITSTATUS(p->status) == 255);
        assert_null(loop_child(p->l, pid, on_child, p));
        close(fds[0]);
        close(fds[1]);
}

static void memory_short(void **state)
{
        struct probe *p = *state;
        fault_arm(0, 3);
        assert_null(loop_timer(p->l, 1, false, count, p));
        assert_null(loop_fd_read(p->l, 0, on_fd, p));
        assert_null(loop_signal(p->l, SIGUSR1, count, p));
        fault_disarm();
        loop_source_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(timers_repeat_until_freed_inside, make_probe, free_probe),
            cmocka_unit_test_setup_teardown(one_shot_fires_once, make_probe, free_probe),
            cmocka_unit_test_setup_teardown(descriptor_fires_while_readable, make_probe, free_probe),
            cmocka_unit_test_setup_teardown(signals_are_delivered, make_probe, free_probe),
            cmocka_unit_test_setup_teardown(children_are_reaped, make_probe, free_probe),
            cmocka_unit_test_setup_teardown(a_stolen_status_is_still_an_exit, make_probe, free_probe),
            cmocka_unit_test_setup_teardown(memory_short, make_probe, free_probe),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
