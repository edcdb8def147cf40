/* source.c: what a loop can wait for: timers, readable descriptors, signals, the exit of a child.
 *
 * Each source is one libevent event and the caller's function. A callback may free its own source, so none is touched
 * after its function has been called. A child is watched through a pidfd, which becomes readable when it exits: no
 * SIGCHLD, no race with the numbers of other processes. */
#include "loop/loop.h"
#include "base/mem.h"
#include "loop/loop_in.h"
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/event.h>

struct loop_source {
        struct loop *loop;
        struct event *event;
        union {
                loop_fn plain;
                loop_fd_fn fd;
                loop_child_fn child;
        } fn;
        void *arg;
        pid_t pid;
        int pidfd; /* -1 unless a child's */
};

static struct loop_source *source_new(struct loop *l, int fd, short what, event_callback_fn on_event, void *arg)
{
        struct loop_source *s = new_zero(struct loop_source);
        if (!s)
                return NULL;
        s->loop = l;
        s->arg = arg;
        s->pidfd = -1;
        s->event = event_new(l->base, fd, what, on_event, s);
        if (!s->event) {
                free(s);
                return NULL;
        }
        return s;
}

static struct loop_source *source_start(struct loop_source *s, const struct timeval *after)
{
        if (event_add(s->event, after) == 0)
                return s;
        loop_source_free(s);
        return NULL;
}

void loop_source_free(struct loop_source *s)
{
        if (!s)
                return;
        event_free(s->event); /* before its descriptor: epoll must still know it */
        mem_close_ptr(&s->pidfd);
        free(s);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        struct loop_source *s = arg;
        atomic_fetch_add_explicit(&s->loop->turns, 1, memory_order_relaxed);
        s->fn.plain(s->arg);
}

struct loop_source *loop_timer(struct loop *l, uint64_t after_ms, bool repeat, loop_fn fn, void *arg)
{
        enum { YEAR_S = 366 * 86400 };
        struct loop_source *s = source_new(l, -1, repeat ? EV_PERSIST : 0, on_timer, arg);
        if (!s)
                return NULL;
        s->fn.plain = fn;
        if (repeat && after_ms == 0)
                after_ms = 1; /* libevent would take a period of 0 for a one-shot */
        uint64_t seconds = after_ms / 1000;
        struct timeval after = {
            .tv_sec = seconds < YEAR_S ? (time_t)seconds : YEAR_S,
            .tv_usec = (suseconds_t)(after_ms % 1000 * 1000),
        };
        return source_start(s, &after);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
        (void)what;
        struct loop_source *s = arg;
        s->fn.fd(s->arg, fd);
}

struct loop_source *loop_fd_read(struct loop *l, int fd, loop_fd_fn fn, void *arg)
{
        struct loop_source *s = source_new(l, fd, EV_READ | EV_PERSIST, on_readable, arg);
        if (!s)
                return NULL;
        s->fn.fd = fn;
        return source_start(s, NULL);
}

static void on_signal(evutil_socket_t signum, short what, void *arg)
{
        (void)signum, (void)what;
        struct loop_source *s = arg;
        s->fn.plain(s->arg);
}

struct loop_source *loop_signal(struct loop *l, int signum, loop_fn fn, void *arg)
{
        struct loop_source *s = source_new(l, signum, EV_SIGNAL | EV_PERSIST, on_signal, arg);
        if (!s)
                return NULL;
        s->fn.plain = fn;
        return source_start(s, NULL);
}

static void on_exit_of_child(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        struct loop_source *s = arg;
        int status = 0;
        pid_t pid;
        do
                pid = waitpid(s->pid, &status, WNOHANG);
        while (pid < 0 && errno == EINTR);
        if (pid == 0)
                return; /* not yet: the pidfd stays armed */
        event_del(s->event);
        if (pid < 0)
                status = W_EXITCODE(255, 0); /* someone else took the status: gone all the same, and not well */
        s->fn.child(s->arg, s->pid, status);
}

struct loop_source *loop_child(struct loop *l, pid_t pid, loop_child_fn fn, void *arg)
{
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return NULL;
        struct loop_source *s = source_new(l, pidfd, EV_READ | EV_PERSIST, on_exit_of_child, arg);
        if (!s) {
                close(pidfd);
                return NULL;
        }
        s->fn.child = fn;
        s->pid = pid;
        s->pidfd = pidfd;
        return source_start(s, NULL);
}
