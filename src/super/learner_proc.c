/* learner_proc.c: a learner as a child process.
 *
 * A run has one pidfd, two pipes and one timer. Lines from stdout are the protocol: a line that is not on the
 * closed list ends the child. Lines from stderr are for people and go to the log with the job's number. The timer
 * means one thing at a time: no line for too long (SIGTERM), SIGTERM ignored (SIGKILL), SIGKILL without effect (the
 * caller hears it is stuck). Ending is one way, finish(): after the child's exit has been seen and its last lines
 * were read. What a grandchild keeps open is not waited for. */
#include "super/learner_proc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "proto/progress.h"
#include "super/line.h"
#include "super/spawn.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WHY_SIZE = 512, LOGGED_LINES = 200 };
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3, EXIT_CANCELLED = 10, EXIT_BUSY = 11 };

struct learner_proc {
        struct loop *loop;
        char *path;
        uint32_t stall_ms, grace_ms, checkpoint_ms;
};

struct learner_run {
        struct learner_proc *proc;
        struct learner_events ev;
        uint64_t job;
        struct spawned child;
        struct loop_source *exit, *out_ready, *err_ready, *timer;
        struct line_reader out, err;
        unsigned logged;
        bool stopping;       /* SIGTERM was sent: the timer watches its end */
        bool ended_by_us;    /* stalled or broke the protocol: why says it */
        char why[WHY_SIZE];  /* of ended_by_us */
        char said[WHY_SIZE]; /* its own last error event */
};

int learner_proc_new(
    struct learner_proc **ret, struct loop *control, const struct learner_proc_conf *c, struct err *e)
{
        struct learner_proc *p = new_zero(struct learner_proc);
        size_t n = strlen(c->path) + 1;
        char *path = new_array(char, n);
        if (!p || !path) {
                free(p);
                free(path);
                return err_oom(e);
        }
        memcpy(path, c->path, n);
        *p = (struct learner_proc){.loop = control,
            .path = path,
            .stall_ms = c->stall_ms,
            .grace_ms = c->grace_ms,
            .checkpoint_ms = c->checkpoint_ms};
        *ret = p;
        return 0;
}

void learner_proc_free(struct learner_proc *p)
{
        if (!p)
                return;
        free(p->path);
        free(p);
}

static void run_free(struct learner_run *r)
{
        loop_source_free(r->exit);
        loop_source_free(r->out_ready);
        loop_source_free(r->err_ready);
        loop_source_free(r->timer);
        close(r->child.out);
        close(r->child.err);
        free(r);
}

static void arm(struct learner_run *r, uint64_t ms, loop_fn fn)
{
        loop_source_free(r->timer);
        r->timer = ms > 0 ? loop_timer(r->proc->loop, ms, false, fn, r) : NULL;
}

static void on_stuck(void *arg)
{
        struct learner_run *r = arg;
        if (r->ev.stuck)
                r->ev.stuck(r->ev.arg);
}

static void on_grace_over(void *arg)
{
        struct learner_run *r = arg;
        spawn_kill(r->child.pid, SIGKILL);
        arm(r, (uint64_t)r->proc->grace_ms + 1000, on_stuck);
}

static void ask_to_stop(struct learner_run *r)
{
        if (r->stopping)
                return;
        r->stopping = true;
        spawn_kill(r->child.pid, SIGTERM);
        arm(r, r->proc->grace_ms ? r->proc->grace_ms : 1, on_grace_over);
}

static void end_child(struct learner_run *r, const char *why)
{
        if (r->ended_by_us)
                return;
        r->ended_by_us = true;
        snprintf(r->why, sizeof(r->why), "%s", why);
        ask_to_stop(r);
}

static void on_stall(void *arg)
{
        struct learner_run *r = arg;
        char why[96];
        snprintf(why, sizeof(why), "no progress line for %" PRIu32 " ms", r->proc->stall_ms);
        end_child(r, why);
}

/* --- its output --- */

static void on_out_line(void *arg, struct slice line)
{
        struct learner_run *r = arg;
        struct progress_line l;
        struct err e = ERR_NULL;
        if (r->ended_by_us)
                return;
        if (progress_parse(line, &l, &e) < 0) {
                char why[WHY_SIZE];
                snprintf(why, sizeof(why), "broke the protocol: %s", e.msg);
                end_child(r, why);
                return;
        }
        if (l.event == PROGRESS_ERROR)
                str_copy_n(r->said, sizeof(r->said), l.message, strnlen(l.message, sizeof(l.message) - 1));
        if (!r->stopping)
                arm(r, r->proc->stall_ms, on_stall);
        r->ev.line(r->ev.arg, &l);
}

static void on_out_too_long(void *arg)
{
        end_child(arg, "broke the protocol: a line is too long");
}

static void on_err_line(void *arg, struct slice line)
{
        struct learner_run *r = arg;
        char text[512];
        if (r->logged >= LOGGED_LINES || line.n == 0)
                return;
        size_t n = line.n < sizeof(text) - 1 ? line.n : str_utf8_cut(line.p, sizeof(text) - 1);
        for (size_t i = 0; i < n; i++)
                text[i] = (unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f ? ' ' : line.p[i];
        text[n] = '\0';
        log_info("job %" PRIu64 ": learner: %s", r->job, text);
        if (++r->logged == LOGGED_LINES)
                log_warning("job %" PRIu64 ": learner: further lines are not logged", r->job);
}

static void on_out(void *arg, int fd)
{
        struct learner_run *r = arg;
        if (line_read(&r->out, fd, on_out_line, on_out_too_long, r))
                return;
        loop_source_free(r->out_ready);
        r->out_ready = NULL;
}

static void on_err(void *arg, int fd)
{
        struct learner_run *r = arg;
        if (line_read(&r->err, fd, on_err_line, NULL, r))
                return;
        loop_source_free(r->err_ready);
        r->err_ready = NULL;
}

/* --- its end --- */

static enum learner_exit translate(const struct learner_run *r, int status, char why[WHY_SIZE])
{
        static const struct {
                int code;
                enum learner_exit how;
                const char *word;
        } rows[] = {
            {EXIT_DONE, LEARNER_COMPLETE, "done"},
            {EXIT_FAILED, LEARNER_FAILED, "failed"},
            {EXIT_USAGE, LEARNER_REFUSED, "refused its arguments"},
            {EXIT_REFUSED, LEARNER_REFUSED, "refused the job"},
            {EXIT_CANCELLED, LEARNER_CANCELLED, "stopped on request"},
            {EXIT_BUSY, LEARNER_DIED, "another learner has the checkpoint"},
        };
        if (r->ended_by_us) {
                snprintf(why, WHY_SIZE, "%s", r->why);
                return LEARNER_DIED;
        }
        if (r->stopping && !(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE)) {
                snprintf(why, WHY_SIZE, "stopped on request");
                return LEARNER_CANCELLED;
        }
        if (WIFSIGNALED(status)) {
                snprintf(why, WHY_SIZE, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
                return LEARNER_DIED;
        }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (WEXITSTATUS(status) != rows[i].code)
                        continue;
                if (r->said[0])
                        snprintf(why, WHY_SIZE, "%s", r->said);
                else
                        snprintf(why, WHY_SIZE, "%s", rows[i].word);
                return rows[i].how;
        }
        snprintf(why, WHY_SIZE, "exit status %d", WEXITSTATUS(status));
        return LEARNER_DIED;
}

static void finish(struct learner_run *r, enum learner_exit how, const char *why)
{
        void (*tell)(void *, enum learner_exit, const char *) = r->ev.ended;
        void *arg = r->ev.arg;
        run_free(r);
        tell(arg, how, why);
}

/* The child is reaped by now, but its group lives while a member does, and its number with it. */
static void on_exit_of_learner(void *arg, pid_t pid, int status)
{
        (void)pid;
        struct learner_run *r = arg;
        if (r->out_ready)
                line_read(&r->out, r->child.out, on_out_line, on_out_too_long, r);
        if (r->err_ready)
                line_read(&r->err, r->child.err, on_err_line, NULL, r);
        spawn_kill_group(r->child.pid, SIGKILL);
        char why[WHY_SIZE];
        enum learner_exit how = translate(r, status, why);
        finish(r, how, why);
}

/* --- the port --- */

static int watch(struct learner_run *r, struct err *e)
{
        struct loop *l = r->proc->loop;
        r->exit = loop_child(l, r->child.pid, on_exit_of_learner, r);
        r->out_ready = loop_fd_read(l, r->child.out, on_out, r);
        r->err_ready = loop_fd_read(l, r->child.err, on_err, r);
        if (!r->exit || !r->out_ready || !r->err_ready)
                return err_oom(e);
        arm(r, r->proc->stall_ms, on_stall);
        return 0;
}

static int start(void *impl, const struct learner_start *s, const struct learner_events *ev, struct learner_run **ret,
    struct err *e)
{
        struct learner_proc *p = impl;
        struct learner_run *r = new_zero(struct learner_run);
        if (!r)
                return err_oom(e);
        char checkpoint_ms[16];
        snprintf(checkpoint_ms, sizeof(checkpoint_ms), "%" PRIu32, p->checkpoint_ms);
        const char *const words[] = {p->path, "--job", s->job_path, "--result", s->result_path, "--checkpoint",
            s->checkpoint_path, "--checkpoint-ms", checkpoint_ms, NULL};
        char *argv[ARRAY_LEN(words)];
        memcpy(argv, words, sizeof(argv)); /* exec takes them without const and leaves them as they are */
        int code = spawn_exec(argv, &r->child, e);
        if (code < 0) {
                free(r);
                return code;
        }
        r->proc = p;
        r->ev = *ev;
        r->job = s->job;
        if ((code = watch(r, e)) < 0) {
                spawn_kill(r->child.pid, SIGKILL);
                while (waitpid(r->child.pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                run_free(r);
                return code;
        }
        *ret = r;
        return 0;
}

static void cancel(struct learner_run *r)
{
        ask_to_stop(r);
}

struct learner_port learner_proc_port(struct learner_proc *p)
{
        return (struct learner_port){.start = start, .cancel = cancel, .impl = p};
}
