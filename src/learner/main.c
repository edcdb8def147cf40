/* main.c: ewcd-learner, the process around learn_run.
 *
 *   ewcd-learner --job FILE --result FILE --checkpoint FILE [--checkpoint-ms N]
 *
 * Reads a job, resumes from the checkpoint if it belongs to the job, trains, writes the result. stdout carries one
 * JSON line per event (proto/progress.h) for the parent, stderr text for people. SIGTERM ends the run at the next
 * mini-batch and leaves the last checkpoint; the death of the parent does the same. Exit status: see enum
 * exit_status. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "learner/checkpoint.h"
#include "learner/learn.h"
#include "proto/bundle.h"
#include "proto/progress.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum exit_status {
        EXIT_RESULT = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_REFUSED = 3,
        EXIT_CANCELLED = 10,
        EXIT_BUSY = 11
};

enum { CHECKPOINT_MS_MAX = 86400000, JOB_ARENA_MAX = 256 << 20 };
#define NS_PER_MS 1000000ull
#define LINE_EVERY_NS 1000000000ull /* where there is nothing new to say; the parent takes silence for a stall */

struct options {
        const char *job, *result, *checkpoint;
        uint64_t checkpoint_ms; /* work that a death may cost; 0: every epoch and slice is kept */
};

struct worker {
        struct options opt;
        struct arena arena;
        struct file_map map;
        struct learn_job job;
        struct learn_state resume;
        struct checkpoint checkpoint;
        struct buf line;
        bool started;  /* the first report has come */
        bool measured; /* training is over, its last measurement has begun */
        uint32_t n_tries;
        uint64_t last_line_ns, last_checkpoint_ns, try_began_ns;
        double seconds[LEARN_MAX_TRIES];
        struct progress_line last;
};

static volatile sig_atomic_t stop_requested;

static void on_signal(int sig)
{
        (void)sig;
        stop_requested = 1;
}

static int write_all(int fd, const char *p, size_t n)
{
        while (n > 0) {
                ssize_t put = write(fd, p, n);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -errno;
                p += put;
                n -= (size_t)put;
        }
        return 0;
}

/* Prints the last known numbers under an event's name. */
static int say(struct worker *w, enum progress_event event, const char *message)
{
        w->last.event = event;
        w->last_line_ns = clock_mono_ns(&clock_system);
        if (!str_copy_n(w->last.message, sizeof(w->last.message), message,
                str_utf8_cut(message, strnlen(message, sizeof(w->last.message) - 1))))
                w->last.message[0] = '\0';
        buf_reset(&w->line);
        progress_write(&w->line, &w->last);
        return buf_ok(&w->line) ? write_all(STDOUT_FILENO, w->line.data, w->line.len) : -ENOMEM;
}

/* A report without a checkpoint, in words: measuring is what is done before the first step, after the last epoch of a
 * try, and at the end. */
static enum progress_event sign_of_life(const struct learn_progress *p)
{
        if (p->phase == LEARN_PHASE_FISHER)
                return PROGRESS_FISHER;
        bool measuring = p->phase == LEARN_PHASE_DONE || p->step == 0 || p->epoch == p->epochs;
        return measuring ? PROGRESS_EVAL : PROGRESS_EPOCH;
}

/* What a report means: 0 if it is not worth a line. */
static int event_of(struct worker *w, const struct learn_progress *p)
{
        bool first = !w->started;
        w->started = true;
        if (p->state && p->state->n_tries > w->n_tries) {
                uint64_t now = clock_mono_ns(&clock_system);
                w->seconds[w->n_tries] = (double)(now - w->try_began_ns) / 1e9;
                w->try_began_ns = now;
                w->n_tries = p->state->n_tries;
                return PROGRESS_TRY;
        }
        bool last = p->phase == LEARN_PHASE_DONE && !w->measured;
        w->measured |= last;
        if (last || (first && !w->job.resume))
                return PROGRESS_EVAL;
        if (p->state)
                return p->phase == LEARN_PHASE_FISHER ? PROGRESS_FISHER : PROGRESS_EPOCH;
        return clock_mono_ns(&clock_system) - w->last_line_ns >= LINE_EVERY_NS ? (int)sign_of_life(p) : 0;
}

/* A try's end is kept whatever it costs, for its numbers are asked for. Of epochs and slices, which may end a hundred
 * times a second, only what a death should not cost: to sync a file so often is felt by whoever serves beside. */
static bool worth_keeping(const struct worker *w, const struct learn_progress *p)
{
        return p->state->n_tries > w->n_tries ||
               clock_mono_ns(&clock_system) - w->last_checkpoint_ns >= w->opt.checkpoint_ms * NS_PER_MS;
}

static int on_progress(void *arg, const struct learn_progress *report)
{
        struct worker *w = arg;
        struct learn_progress p = *report;
        if (p.state && !worth_keeping(w, &p))
                p.state = NULL;
        int event = event_of(w, &p);
        w->last = (struct progress_line){
            .fraction = p.fraction,
            .try = p.try,
            .epoch = p.epoch,
            .epochs = p.epochs,
            .step = p.step,
            .lambda = p.lambda,
            .loss = p.loss,
            .penalty = p.penalty,
            .penalty_ratio = p.penalty_ratio,
        };
        /* The checkpoint comes first: whoever saw the line may rely on it. */
        if (p.state) {
                struct err why = ERR_NULL;
                int r = checkpoint_write(&w->checkpoint, p.state, &why);
                if (r < 0) {
                        fprintf(stderr, "%s\n", why.msg);
                        return r;
                }
                w->last_checkpoint_ns = clock_mono_ns(&clock_system);
        }
        return event ? say(w, (enum progress_event)event, "") : 0;
}

static bool should_stop(void *arg)
{
        (void)arg;
        return stop_requested;
}

static int usage(const char *what)
{
        fprintf(stderr,
            "ewcd-learner: %s\n"
            "usage: ewcd-learner --job FILE --result FILE --checkpoint FILE [--checkpoint-ms N]\n",
            what);
        return -1;
}

static int parse(int argc, char **argv, struct options *ret)
{
        static const struct option longs[] = {
            {"job", required_argument, NULL, 'j'},
            {"result", required_argument, NULL, 'r'},
            {"checkpoint", required_argument, NULL, 'c'},
            {"checkpoint-ms", required_argument, NULL, 'm'},
            {NULL, 0, NULL, 0},
        };
        struct options o = {0};
        int c;
        opterr = 0;
        while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
                switch (c) {
                case 'j':
                        o.job = optarg;
                        break;
                case 'r':
                        o.result = optarg;
                        break;
                case 'c':
                        o.checkpoint = optarg;
                        break;
                case 'm':
                        if (!slice_u64(slice_of(optarg), &o.checkpoint_ms) || o.checkpoint_ms > CHECKPOINT_MS_MAX)
                                return usage("--checkpoint-ms takes a number up to 86400000");
                        break;
                default:
                        return usage("unknown option, or one without its value");
                }
        if (optind < argc)
                return usage("too many arguments");
        if (!o.job || !o.result || !o.checkpoint)
                return usage("--job, --result and --checkpoint are needed");
        *ret = o;
        return 0;
}

/* Job, lock and checkpoint; 0 or negative. */
static int prepare(struct worker *w, struct err *e)
{
        struct digest digest;
        int r = bundle_read_job(w->opt.job, &w->arena, &w->map, &w->job, &digest, e);
        if (r < 0)
                return r;
        r = checkpoint_open(&w->checkpoint, w->opt.checkpoint, &digest, &w->job.net, e);
        if (r < 0)
                return r;
        struct err why = ERR_NULL;
        r = checkpoint_load(&w->checkpoint, &w->arena, &w->resume, &why);
        if (r < 0)
                return err_wrap(e, err_set(e, r, "%s", why.msg), "resume");
        if (r == CHECKPOINT_NONE && why.msg[0])
                fprintf(stderr, "%s: starting over\n", why.msg);
        if (r == 0) {
                w->job.resume = &w->resume;
                w->n_tries = w->resume.n_tries;
                for (uint32_t i = 0; i < w->n_tries; i++)
                        w->seconds[i] = w->resume.tries[i].seconds;
        }
        return 0;
}

/* Trains, from the checkpoint if there is one. A checkpoint that does not fit (another version of this program wrote
 * it) is worth no more than none: the job starts over. */
static int train(struct worker *w, struct learn_result *ret, struct err *e)
{
        const struct learn_callbacks cb = {on_progress, should_stop, w};
        w->try_began_ns = clock_mono_ns(&clock_system);
        int r = learn_run(&w->job, &cb, ret, e);
        if (r != -EINVAL || !w->job.resume)
                return r;
        fprintf(stderr, "%s: starting over\n", e->msg);
        w->job.resume = NULL;
        w->n_tries = 0;
        w->started = w->measured = false;
        return learn_run(&w->job, &cb, ret, e);
}

static int work(struct worker *w, struct err *e)
{
        struct learn_result result = {0};
        int r = say(w, PROGRESS_START, w->job.resume ? "resumed" : "");
        if (r < 0)
                return err_errno(e, -r, "write a line");
        r = train(w, &result, e);
        if (r == LEARN_DONE || r == LEARN_DIVERGED) {
                for (uint32_t i = 0; i < result.n_tries; i++)
                        result.tries[i].seconds = w->seconds[i];
                int put = bundle_write_result(w->opt.result, &w->checkpoint.job, &w->job.net, &result, e);
                if (put == 0) {
                        w->last.fraction = 1;
                        put = say(w, PROGRESS_DONE, r == LEARN_DONE ? "done" : "diverged");
                        if (put < 0)
                                err_errno(e, -put, "write a line");
                }
                r = put < 0 ? put : r;
        }
        learn_result_free(&result);
        return r;
}

static enum exit_status finish(struct worker *w, int r, const struct err *e)
{
        if (r == LEARN_DONE || r == LEARN_DIVERGED)
                return EXIT_RESULT;
        if (r == LEARN_STOPPED) {
                fprintf(stderr, "%s\n", e->msg);
                return EXIT_CANCELLED;
        }
        fprintf(stderr, "%s\n", e->msg);
        say(w, PROGRESS_ERROR, e->msg);
        if (r == -EBUSY)
                return EXIT_BUSY; /* one of the parent's last life is still ending: worth another start */
        return r == -EBADMSG || r == -EINVAL ? EXIT_REFUSED : EXIT_FAILED;
}

static void install_signals(void)
{
        struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
        sigaction(SIGTERM, &stop, NULL);
        sigaction(SIGINT, &stop, NULL);
        sigaction(SIGPIPE, &ignore, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
}

int main(int argc, char **argv)
{
        struct worker w = {.checkpoint = {.lock = -1}};
        struct err e = ERR_NULL;
        if (parse(argc, argv, &w.opt) < 0)
                return EXIT_USAGE;
        install_signals();
        w.last_checkpoint_ns = clock_mono_ns(&clock_system);
        arena_init(&w.arena, JOB_ARENA_MAX);
        buf_init(&w.line, PROGRESS_LINE_MAX);
        int r = prepare(&w, &e);
        if (r == 0)
                r = work(&w, &e);
        enum exit_status status = finish(&w, r, &e);
        checkpoint_close(&w.checkpoint);
        file_unmap(&w.map);
        buf_deinit(&w.line);
        arena_deinit(&w.arena);
        return (int)status;
}
