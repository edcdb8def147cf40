/* runner.c: see runner.h.
 *
 * A child reports on its standard output, one line "progress FRACTION TEXT" at most a few times a second; what it
 * finished is read from the state directory once it has ended well. */
#include "bench/runner.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/bar.h"
#include "bench/settings.h"
#include "bench/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MAX_JOBS = 64, MAX_ARGS = 64, ARG_SIZE = 48, FLAGS_SIZE = 512, LINE_SIZE = 256, POLL_MS = 500 };

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
        stopped = sig;
}

void runner_signals(void)
{
        struct sigaction stop = {.sa_handler = on_signal};
        sigaction(SIGINT, &stop, NULL);
        sigaction(SIGTERM, &stop, NULL);
}

bool runner_stopped(void)
{
        return stopped != 0;
}

struct child {
        pid_t pid; /* 0: free */
        int out;
        size_t unit, n_line;
        char line[LINE_SIZE];
        double fraction;
};

struct run {
        struct work *work;
        size_t n, done, next;
        bool *kept;
        const struct options *o;
        struct bar bar;
        struct child child[MAX_JOBS];
        struct err *e;
};

static void show(struct run *r, double running, size_t unit, const char *text)
{
        const struct settings *s = &r->work[unit].s;
        char line[200];
        snprintf(line, sizeof(line), "%s seed %" PRIu64 " %s", method_name(s->method), s->seed, text);
        bar_show(&r->bar, ((double)r->done + running) / (double)r->n, line);
}

struct here {
        struct run *r;
        size_t unit;
};

static void on_progress(void *arg, double fraction, const char *text)
{
        struct here *h = arg;
        show(h->r, fraction, h->unit, text);
}

static bool on_stop(void *arg)
{
        (void)arg;
        return stopped != 0;
}

static int run_here(struct run *r, const struct dataset *d)
{
        for (size_t i = 0; i < r->n; i++) {
                struct here h = {r, i};
                const struct unit_callbacks cb = {on_progress, on_stop, &h};
                if (r->kept[i])
                        continue;
                int c = unit_run(&r->work[i].s, d, r->o->state, &cb, &r->work[i].result, r->e);
                if (c != 0)
                        return c == UNIT_STOPPED ? RUNNER_STOPPED : c;
                r->done++;
        }
        return 0;
}

struct args {
        char *v[MAX_ARGS + 1], text[MAX_ARGS][ARG_SIZE], flags[FLAGS_SIZE];
        size_t n;
};

static void arg_text(struct args *a, const char *flag, const char *value)
{
        if (a->n + 2 > MAX_ARGS)
                return;
        if (flag)
                memcpy(&a->v[a->n++], &flag, sizeof(flag));
        memcpy(&a->v[a->n++], &value, sizeof(value));
}

static void arg_number(struct args *a, const char *flag, uint64_t v)
{
        char *text = a->text[a->n < MAX_ARGS ? a->n : 0];
        snprintf(text, ARG_SIZE, "%" PRIu64, v);
        arg_text(a, flag, text);
}

/* The settings' own flags, cut at their blanks. */
static int arg_flags(struct args *a, const struct settings *s, struct err *e)
{
        struct buf b;
        char *save = NULL;
        buf_init(&b, FLAGS_SIZE - 1);
        settings_flags(s, &b);
        bool ok = buf_ok(&b);
        if (ok && b.len > 0)
                memcpy(a->flags, b.data, b.len + 1);
        buf_deinit(&b);
        for (char *at = ok ? strtok_r(a->flags, " ", &save) : NULL; at; at = strtok_r(NULL, " ", &save))
                arg_text(a, NULL, at);
        return ok ? 0 : err_oom(e);
}

static int unit_args(const struct options *o, const struct settings *s, struct args *a, struct err *e)
{
        arg_text(a, NULL, "ewc-bench");
        arg_text(a, NULL, "unit");
        arg_text(a, NULL, s->protocol->name);
        arg_text(a, "--method", method_name(s->method));
        arg_number(a, "--seed", s->seed);
        if (method_has_fisher(s->method)) {
                arg_text(a, "--fisher", ewc_fisher_name(s->fisher));
                if (!(s->fisher_percent > 0))
                        arg_number(a, "--fisher-samples", s->fisher_samples);
        }
        if (method_has_penalty(s->method)) {
                char *text = a->text[a->n];
                snprintf(text, ARG_SIZE, "%a", s->lambda); /* every bit */
                arg_text(a, "--lambda", s->lambda_auto ? "auto" : text);
        }
        arg_text(a, "--data", o->data);
        if (o->labels)
                arg_text(a, "--labels", o->labels);
        if (o->scenario)
                arg_text(a, "--scenario", scenario_name(o->scenario));
        if (!s->protocol->stream)
                arg_number(a, "--tasks", s->tasks);
        if (s->steps)
                arg_number(a, "--steps", s->steps);
        if (s->rows)
                arg_number(a, "--rows", s->rows);
        arg_number(a, "--threads", s->threads);
        arg_text(a, "--state", o->state);
        return arg_flags(a, s, e);
}

static int spawn(struct run *r, struct child *c, size_t unit)
{
        int pipes[2];
        _free_ struct args *a = new_zero(struct args);
        if (!a)
                return err_oom(r->e);
        int code = unit_args(r->o, &r->work[unit].s, a, r->e);
        if (code < 0)
                return code;
        posix_spawn_file_actions_t actions;
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return err_errno(r->e, errno, "pipe");
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        code = posix_spawn(&c->pid, "/proc/self/exe", &actions, NULL, a->v, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(pipes[1]);
        if (code != 0) {
                close(pipes[0]);
                c->pid = 0;
                return err_errno(r->e, code, "start a process");
        }
        c->out = pipes[0];
        c->unit = unit;
        c->n_line = 0;
        c->fraction = 0;
        return 0;
}

static double running(const struct run *r)
{
        double sum = 0;
        for (size_t i = 0; i < MAX_JOBS; i++)
                sum += r->child[i].pid ? r->child[i].fraction : 0;
        return sum;
}

static void on_line(struct run *r, struct child *c)
{
        double fraction;
        int at = 0;
        c->line[c->n_line] = '\0';
        if (sscanf(c->line, "progress %lf %n", &fraction, &at) == 1 && fraction >= 0 && fraction <= 1) {
                c->fraction = fraction;
                show(r, running(r), c->unit, c->line + at);
        }
        c->n_line = 0;
}

static int reap(struct run *r, struct child *c)
{
        int status;
        struct work *w = &r->work[c->unit];
        close(c->out);
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
                continue;
        c->pid = 0;
        if (stopped)
                return RUNNER_STOPPED;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return err_set(r->e, -EIO, "%s with seed %" PRIu64 " failed", method_name(w->s.method), w->s.seed);
        int k = unit_kept(&w->s, r->o->state, &w->result, r->e);
        if (k == UNIT_NONE)
                return err_set(r->e, -EIO, "no result of %s with seed %" PRIu64 " in %s", method_name(w->s.method),
                    w->s.seed, r->o->state);
        r->done += k == 0;
        return k;
}

/* Reads what a child says; at the end of its output takes its result. */
static int listen_to(struct run *r, struct child *c)
{
        char text[512];
        ssize_t n = read(c->out, text, sizeof(text));
        if (n < 0 && errno == EINTR)
                return 0;
        if (n <= 0)
                return reap(r, c);
        for (ssize_t i = 0; i < n; i++) {
                if (text[i] == '\n')
                        on_line(r, c);
                else if (c->n_line + 1 < sizeof(c->line))
                        c->line[c->n_line++] = text[i];
        }
        return 0;
}

static int start_some(struct run *r, size_t jobs)
{
        for (size_t i = 0; i < jobs; i++) {
                while (r->next < r->n && r->kept[r->next])
                        r->next++;
                if (r->child[i].pid || r->next == r->n)
                        continue;
                int c = spawn(r, &r->child[i], r->next);
                if (c < 0)
                        return c;
                r->next++;
        }
        return 0;
}

static int wait_some(struct run *r, size_t jobs, bool *ret_any)
{
        struct pollfd fds[MAX_JOBS];
        size_t who[MAX_JOBS], n = 0;
        for (size_t i = 0; i < jobs; i++)
                if (r->child[i].pid) {
                        fds[n] = (struct pollfd){.fd = r->child[i].out, .events = POLLIN};
                        who[n++] = i;
                }
        *ret_any = n > 0;
        if (n == 0 || poll(fds, (nfds_t)n, POLL_MS) <= 0)
                return stopped ? RUNNER_STOPPED : 0;
        for (size_t i = 0; i < n; i++) {
                int c = fds[i].revents ? listen_to(r, &r->child[who[i]]) : 0;
                if (c != 0)
                        return c;
        }
        return 0;
}

static int run_children(struct run *r)
{
        size_t jobs = r->o->jobs < MAX_JOBS ? r->o->jobs : MAX_JOBS;
        bool any = true;
        int c = 0;
        while (c == 0 && any) {
                c = start_some(r, jobs);
                if (c == 0)
                        c = wait_some(r, jobs, &any);
        }
        for (size_t i = 0; i < jobs; i++) /* after a failure: end what is still running; its state stays */
                if (r->child[i].pid) {
                        kill(r->child[i].pid, SIGTERM);
                        close(r->child[i].out);
                        while (waitpid(r->child[i].pid, NULL, 0) < 0 && errno == EINTR)
                                continue;
                        r->child[i].pid = 0;
                }
        return c;
}

int runner_run(struct work *work, size_t n, const struct options *o, const struct dataset *d, struct err *e)
{
        _free_ struct run *r = new_zero(struct run);
        _free_ bool *kept = new_array(bool, n);
        if (!r || !kept)
                return err_oom(e);
        *r = (struct run){.work = work, .n = n, .kept = kept, .o = o, .e = e};
        for (size_t i = 0; i < n; i++) {
                int c = unit_kept(&work[i].s, o->state, &work[i].result, e);
                if (c < 0)
                        return c;
                kept[i] = c == 0;
                r->done += kept[i];
        }
        bar_start(&r->bar, n > 0 ? (double)r->done / (double)n : 0);
        int c = o->jobs > 1 ? run_children(r) : run_here(r, d);
        bar_end(&r->bar);
        if (c == RUNNER_STOPPED)
                err_set(e, c, "interrupted; the same command goes on from %s", o->state);
        return c;
}
