/* gate.c: the verdict on a candidate, and the sentence that explains it.
 *
 * Every task becomes one number, its loss: for classifiers the accuracy given up, for squared loss the relative
 * increase of the mean loss; against the champion, or since the task's close where that is more. A closed task's loss
 * is held against the budget, the open task's gain (minus its loss) against min_gain, both with a tolerance of 1e-9.
 * A number that is not finite never passes. The deciding task is the one that blocks by the greatest excess; when
 * nothing blocks, the closed task nearest to its budget, or the open one when no closed task could be judged. A
 * closed task that has rows to be judged by and was not measured blocks before all others. */
#include "domain/gate.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TOLERANCE 1e-9

struct scale {         /* how numbers are shown */
        double factor; /* share -> points or per cent */
        bool loss;
        bool since; /* the deciding closed task's loss counts from its close */
};

struct scan {         /* what the walk over the tasks found; SIZE_MAX: none */
        size_t worst; /* closed task with the greatest loss */
        size_t open;  /* open task, judged or not */
        size_t lost;  /* first closed task with holdout rows that was not measured */
        size_t n_closed, n_blind, n_lost;
        double worst_loss, open_loss;
};

static bool judged(const struct gate_task *t)
{
        return t->before.n > 0 && t->after.n > 0;
}

/* A closed task that should have been measured and was not. */
static bool lost(const struct gate_task *t)
{
        return !judged(t) && !t->open && t->n_holdout > 0;
}

static double loss_from(const struct evaluation *base, const struct evaluation *after, enum ewc_loss loss)
{
        if (loss != EWC_LOSS_SQUARED)
                return base->accuracy - after->accuracy;
        return (after->loss - base->loss) / (base->loss > 1e-12 ? base->loss : 1e-12);
}

/* Whether a task's loss counts from its close: it got worse now, and it was better then. */
static bool since_close(const struct gate_task *t, enum ewc_loss loss)
{
        double now = loss_from(&t->before, &t->after, loss);
        return !t->open && t->at_close.n > 0 && now > TOLERANCE && loss_from(&t->at_close, &t->after, loss) > now;
}

static double loss_of(const struct gate_task *t, enum ewc_loss loss)
{
        return loss_from(since_close(t, loss) ? &t->at_close : &t->before, &t->after, loss);
}

/* A task that cannot be compared is worse than any that can. */
static double comparable(double loss)
{
        return isfinite(loss) ? loss : INFINITY;
}

static struct scan scan_tasks(const struct gate_task *tasks, size_t n, enum ewc_loss loss)
{
        struct scan s = {.worst = SIZE_MAX, .open = SIZE_MAX, .lost = SIZE_MAX};
        for (size_t i = 0; i < n; i++) {
                if (tasks[i].open)
                        s.open = i;
                if (lost(&tasks[i])) {
                        s.lost = s.n_lost++ == 0 ? i : s.lost;
                        continue;
                }
                if (!judged(&tasks[i])) {
                        s.n_blind++;
                        continue;
                }
                double l = comparable(loss_of(&tasks[i], loss));
                if (tasks[i].open) {
                        s.open_loss = l;
                } else {
                        if (s.worst == SIZE_MAX || l > s.worst_loss)
                                s.worst = i, s.worst_loss = l;
                        s.n_closed++;
                }
        }
        return s;
}

/* Decimals at which a and b read differently, 1 to 7; 1 when they are equal within the tolerance. */
static int decimals(double a, double b)
{
        int d = 1;
        if (!(fabs(a - b) > 100 * TOLERANCE))
                return d;
        for (double unit = 10; d < 7 && round(a * unit) == round(b * unit); unit *= 10)
                d++;
        return d;
}

struct text {
        char *at;
        size_t left;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(t->at, t->left, fmt, ap);
        va_end(ap);
        size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
        t->at += used;
        t->left -= used;
}

/* "task low lost 0.3 pt", "loss of task low rose 0.3 %" */
static void say_change(struct text *t, const char *name, double loss, const struct scale *s, int digits)
{
        double shown = fabs(loss) * s->factor;
        if (!isfinite(loss))
                say(t, "task %s has no finite measure", name);
        else if (s->loss)
                say(t, "loss of task %s %s %.*f %%", name, loss > 0 ? "rose" : "fell", digits, shown);
        else
                say(t, "task %s %s %.*f pt", name, loss > 0 ? "lost" : "gained", digits, shown);
}

static void say_closed(
    struct text *t, const struct gate_task *tasks, const struct scan *s, double budget, const struct scale *sc)
{
        int digits = decimals(s->worst_loss * sc->factor, budget * sc->factor);
        say_change(t, tasks[s->worst].name, s->worst_loss, sc, digits);
        say(t, "%s (budget %.*f%s)", sc->since ? " since its close" : "", digits, budget * sc->factor,
            sc->loss ? " %" : "");
        if (s->n_closed > 1)
                say(t, ", the most of %zu closed tasks", s->n_closed);
}

static void say_open(struct text *t, const struct gate_task *tasks, const struct scan *s, double min_gain,
    bool blocks, const struct scale *sc)
{
        int digits = blocks ? decimals(-s->open_loss * sc->factor, min_gain * sc->factor) : 1;
        say_change(t, tasks[s->open].name, s->open_loss, sc, digits);
        if (blocks)
                say(t, " (must gain at least %.*f)", digits, min_gain * sc->factor);
}

static void say_lost(struct text *t, const struct gate_task *tasks, const struct scan *s)
{
        say(t, " task %s has %" PRIu64 " holdout rows but could not be measured", tasks[s->lost].name,
            tasks[s->lost].n_holdout);
        if (s->n_lost > 1)
                say(t, ", and %zu more closed tasks", s->n_lost - 1);
}

static void say_blind(struct text *t, const struct gate_task *tasks, size_t n, size_t n_blind)
{
        enum { NAMED = 3 };
        size_t named = 0;
        for (size_t i = 0; i < n && named < NAMED; i++)
                if (!judged(&tasks[i]) && !lost(&tasks[i]))
                        say(t, "%s %s", named++ ? "," : " task", tasks[i].name);
        if (n_blind > named)
                say(t, " and %zu more", n_blind - named);
        say(t, " without holdout rows: not judged");
}

static void explain(struct text *t, const struct gate_task *tasks, size_t n, const struct scan *s,
    const struct gate_conf *conf, bool open_blocks, enum ewc_loss loss)
{
        const struct scale sc = {
            100, loss == EWC_LOSS_SQUARED, s->worst != SIZE_MAX && since_close(&tasks[s->worst], loss)};
        bool open_seen = s->open != SIZE_MAX && judged(&tasks[s->open]);
        if (s->n_lost > 0)
                say_lost(t, tasks, s);
        if (s->worst != SIZE_MAX) {
                say(t, "%s ", s->n_lost > 0 ? "," : "");
                say_closed(t, tasks, s, conf->max_forgetting, &sc);
        }
        if (open_seen) {
                say(t, "%s ", s->n_lost > 0 || s->worst != SIZE_MAX ? "," : "");
                say_open(t, tasks, s, conf->min_gain, open_blocks, &sc);
        }
        if (s->n_blind > 0) {
                say(t, "%s", s->n_blind < n ? ";" : "");
                say_blind(t, tasks, n, s->n_blind);
        }
}

struct verdict gate_judge(const struct gate_task *tasks, size_t n, const struct gate_conf *conf, enum ewc_loss loss)
{
        struct scan s = scan_tasks(tasks, n, loss);
        bool open_seen = s.open != SIZE_MAX && judged(&tasks[s.open]);
        double over = s.worst != SIZE_MAX ? s.worst_loss - conf->max_forgetting : -INFINITY;
        double under = open_seen ? s.open_loss + conf->min_gain : -INFINITY;
        bool closed_blocks = !(over <= TOLERANCE), open_blocks = !(under <= TOLERANCE);
        bool by_open = open_blocks ? !closed_blocks || under > over : s.worst == SIZE_MAX && !closed_blocks;

        struct verdict v = {.promote = !closed_blocks && !open_blocks && s.n_lost == 0};
        v.deciding = by_open ? (s.open != SIZE_MAX ? s.open : 0) : s.worst;
        v.value = by_open ? (open_seen ? -s.open_loss : NAN) : s.worst_loss;
        v.limit = by_open ? conf->min_gain : conf->max_forgetting;
        if (s.n_lost > 0) {
                v.deciding = s.lost;
                v.value = NAN;
                v.limit = conf->max_forgetting;
        }
        struct text t = {v.reason, sizeof(v.reason)};
        say(&t, "%s:", v.promote ? "promoted" : "rejected");
        explain(&t, tasks, n, &s, conf, open_blocks, loss);
        return v;
}
