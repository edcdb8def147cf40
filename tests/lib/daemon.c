/* daemon.c: see daemon.h. The daemon's stderr goes to a file, so that it never waits for a reader; inotify tells when
 * there is more of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/daemon.h"
#include "base/clock.h"
#include "lib/tmpdir.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

uint64_t now_ms(void)
{
        return clock_mono_ns(&clock_system) / 1000000;
}

static const char *program(const char *variable)
{
        const char *path = getenv(variable);
        if (!path)
                fail_msg("%s is not set", variable);
        return path;
}

/* $NOTIFY_SOCKET exists until READY=1 has come: later messages would fill it and make the daemon wait. */
static void notify_open(struct daemon *d)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        d->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        tmpdir_path(a.sun_path, sizeof(a.sun_path), d->dir, "notify");
        if (d->notify < 0 || bind(d->notify, (struct sockaddr *)&a, sizeof(a)) < 0)
                fail_msg("bind %s: %s", a.sun_path, strerror(errno));
}

static void notify_close(struct daemon *d)
{
        char path[DAEMON_PATH];
        if (d->notify < 0)
                return;
        close(d->notify);
        unlink(tmpdir_path(path, sizeof(path), d->dir, "notify"));
        d->notify = -1;
}

void daemon_init(struct daemon *d)
{
        *d = (struct daemon){.dir = tmpdir_new(), .pidfd = -1, .notify = -1, .watch = -1};
        tmpdir_path(d->conf, sizeof(d->conf), d->dir, "ewcd.conf");
        tmpdir_path(d->log, sizeof(d->log), d->dir, "log");
        tmpdir_path(d->socket, sizeof(d->socket), d->dir, "ewcd.sock");
        tmpdir_path(d->state, sizeof(d->state), d->dir, "state");
        tmpdir_path(d->database, sizeof(d->database), d->state, "ewcd.db");
        if (mkdir(d->state, 0700) < 0)
                fail_msg("mkdir %s: %s", d->state, strerror(errno));
        http_client_unix(&d->http, d->socket);
        daemon_set(d, "listen.socket", "%s", d->socket);
        daemon_set(d, "listen.tcp", "127.0.0.1:0");
        daemon_set(d, "store.dir", "%s", d->state);
        daemon_set(d, "learner.path", "%s", program("EWCD_LEARNER_BIN"));
        daemon_set(d, "learner.policy_ms", "50");
        daemon_set(d, "learner.grace_ms", "1000");
        daemon_set(d, "learner.checkpoint_ms", "0");
}

void daemon_deinit(struct daemon *d)
{
        if (d->pid > 0) {
                kill(d->pid, SIGKILL);
                waitpid(d->pid, NULL, 0);
        }
        for (size_t i = 0; i < 3; i++) {
                int *fd[] = {&d->pidfd, &d->notify, &d->watch};
                if (d->dir && *fd[i] >= 0)
                        close(*fd[i]);
        }
        if (d->dir) {
                http_client_close(&d->http);
                buf_deinit(&d->http.in);
        }
        tmpdir_remove(d->dir);
        *d = (struct daemon){.pidfd = -1, .notify = -1, .watch = -1};
}

void daemon_set(struct daemon *d, const char *key, const char *fmt, ...)
{
        size_t i = 0;
        va_list ap;
        while (i < d->n_keys && strcmp(d->key[i], key) != 0)
                i++;
        if (i == DAEMON_MAX_KEYS)
                fail_msg("too many keys");
        d->n_keys += i == d->n_keys;
        snprintf(d->key[i], sizeof(d->key[i]), "%s", key);
        va_start(ap, fmt);
        vsnprintf(d->value[i], sizeof(d->value[i]), fmt, ap);
        va_end(ap);
}

static void write_conf(const struct daemon *d)
{
        FILE *f = fopen(d->conf, "we");
        if (!f)
                fail_msg("%s: %s", d->conf, strerror(errno));
        for (size_t i = 0; i < d->n_keys; i++) {
                const char *dot = strchr(d->key[i], '.');
                fprintf(f, "[%.*s]\n%s = %s\n", (int)(dot - d->key[i]), d->key[i], dot + 1, d->value[i]);
        }
        fclose(f);
}

static void become(const struct daemon *d, int log)
{
        char notify[DAEMON_PATH];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("NOTIFY_SOCKET", tmpdir_path(notify, sizeof(notify), d->dir, "notify"), 1);
        unsetenv("STATE_DIRECTORY");
        unsetenv("RUNTIME_DIRECTORY");
        unsetenv("LISTEN_FDS");
        dup2(log, STDERR_FILENO);
        dup2(log, STDOUT_FILENO);
        execl(getenv("EWCD_BIN"), "ewcd", "--config", d->conf, (char *)NULL);
        _exit(127);
}

void daemon_launch(struct daemon *d)
{
        program("EWCD_BIN");
        assert_int_equal(d->pid, 0);
        write_conf(d);
        int log = open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0)
                fail_msg("%s: %s", d->log, strerror(errno));
        d->log_from = (long)lseek(log, 0, SEEK_END);
        d->notified = false;
        notify_open(d);
        d->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (inotify_add_watch(d->watch, d->log, IN_MODIFY) < 0)
                fail_msg("inotify: %s", strerror(errno));
        d->pid = fork();
        if (d->pid == 0)
                become(d, log);
        close(log);
        assert_true(d->pid > 0);
        d->pidfd = (int)syscall(SYS_pidfd_open, d->pid, 0);
        assert_true(d->pidfd >= 0);
}

char *daemon_log(const struct daemon *d)
{
        enum { LOG_MAX = 4 << 20 };
        FILE *f = fopen(d->log, "re");
        char *text = calloc(1, LOG_MAX);
        if (f && text && fseek(f, d->log_from, SEEK_SET) == 0)
                text[fread(text, 1, LOG_MAX - 1, f)] = '\0';
        if (f)
                fclose(f);
        return text;
}

static void take_notifications(struct daemon *d)
{
        char text[1024];
        ssize_t n;
        while ((n = recv(d->notify, text, sizeof(text) - 1, 0)) > 0) {
                text[n] = '\0';
                d->notified = d->notified || strncmp(text, "READY=1", 7) == 0;
        }
}

/* One line per address; the TCP one comes last and tells the port. Where the daemon was built for systemd, READY=1 is
 * waited for as well. */
static bool said_ready(struct daemon *d)
{
        static const char words[] = "ready: http://127.0.0.1:";
        char *log = daemon_log(d), *line = strstr(log, words), *end = line ? strchr(line, '\n') : NULL;
        if (end)
                d->port = (unsigned)atoi(line + strlen(words));
        free(log);
        return end && (d->notified || !getenv("EWCD_NOTIFIES"));
}

static void gone(struct daemon *d)
{
        close(d->pidfd);
        close(d->watch);
        d->pid = 0;
        d->pidfd = d->watch = -1;
        notify_close(d);
        http_client_close(&d->http);
}

void daemon_ready(struct daemon *d)
{
        uint64_t until = now_ms() + DAEMON_READY_MS;
        while (!said_ready(d)) {
                struct pollfd p[] = {{d->watch, POLLIN, 0}, {d->pidfd, POLLIN, 0}, {d->notify, POLLIN, 0}};
                char events[4096];
                uint64_t now = now_ms();
                int n = now >= until ? 0 : poll(p, 3, (int)(until - now));
                if (n == 0 || p[1].revents) {
                        char *log = daemon_log(d);
                        print_error("%s\n", log);
                        free(log);
                        fail_msg("%s", n == 0 ? "ewcd did not become ready" : "ewcd ended instead of becoming ready");
                }
                while (read(d->watch, events, sizeof(events)) > 0)
                        ;
                take_notifications(d);
        }
        notify_close(d);
}

void daemon_start(struct daemon *d)
{
        daemon_launch(d);
        daemon_ready(d);
}

int daemon_wait(struct daemon *d, int within_ms)
{
        struct pollfd p = {d->pidfd, POLLIN, 0};
        int status = 0;
        if (poll(&p, 1, within_ms) != 1)
                fail_msg("ewcd did not end within %d ms", within_ms);
        assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
        gone(d);
        return status;
}

int daemon_stop(struct daemon *d, int signum, int within_ms)
{
        assert_int_equal(kill(d->pid, signum), 0);
        return daemon_wait(d, within_ms);
}
