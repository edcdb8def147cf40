/* gate_words.c: what the gate found, in words: a sentence for each check, and the reason of the verdict.
 *
 * The reason names the closed task nearest to its budget and the open one, then what else failed, then what could not
 * be judged by rows. Numbers that are compared are shown with as many decimals as tell them apart. */
#include "base/str.h"
#include "domain/gate_in.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAMED = 3, CLASS_SHOWN = 2 * NAME_SIZE };
#define FAR_RATIO 10  /* a loss that rose so many times what the Fisher predicted ... */
#define FAR_NATS 0.05 /* ... and by so much a row refutes it */

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

/* Decimals at which a and b read differently, 1 to 7; 1 when they are equal within the tolerance. */
static int decimals(double a, double b)
{
        int d = 1;
        if (!(fabs(a - b) > 100 * GATE_TOLERANCE))
                return d;
        for (double unit = 10; d < 7 && round(a * unit) == round(b * unit); unit *= 10)
                d++;
        return d;
}

/* "task low lost 0.3 pt", "task low lost 0.3 ±1.1 pt", "loss of task low rose 0.3 %" */
static void say_change(struct text *t, const struct gate_view *v, size_t task, int digits)
{
        const struct gate_task *g = &v->tasks[task];
        double loss = gate_loss(g, v->loss), noise = gate_task_noise(g, v->conf, v->loss);
        double shown = fabs(loss) * 100;
        if (!isfinite(loss)) {
                say(t, "task %s has no finite measure", g->name);
        } else if (v->loss == EWC_LOSS_SQUARED) {
                say(t, "loss of task %s %s %.*f %%", g->name, loss > 0 ? "rose" : "fell", digits, shown);
        } else {
                say(t, "task %s %s %.*f", g->name, loss > 0 ? "lost" : "gained", digits, shown);
                if (noise > 0)
                        say(t, " ±%.*f", digits, noise * 100);
                say(t, " pt");
        }
}

static void say_closed(struct text *t, const struct gate_view *v, size_t task)
{
        double budget = v->conf->max_forgetting * 100;
        int digits = decimals(gate_loss(&v->tasks[task], v->loss) * 100, budget);
        say_change(t, v, task, digits);
        const struct gate_task *g = &v->tasks[task];
        const char *unit = v->loss == EWC_LOSS_SQUARED ? " %" : "";
        double carried = gate_carried(g, v->loss);
        bool changed = gate_rows_changed(g) && !(carried > 0);
        say(t, "%s (budget %.*f%s%s)", gate_since_close(g, v->loss) ? " since its close" : "", digits, budget, unit,
            changed ? "; rows of its holdout were erased or added since its close" : "");
        if (carried > 0)
                say(t, ", of which %.*f %s before rows of its holdout were erased or added", digits, carried * 100,
                    v->loss == EWC_LOSS_SQUARED ? "%" : "pt");
}

static void say_open(struct text *t, const struct gate_view *v, size_t task, bool blocks)
{
        double gain = 0 - gate_loss(&v->tasks[task], v->loss), least = v->conf->min_gain * 100;
        int digits = blocks ? decimals(gain * 100, least) : 1;
        say_change(t, v, task, digits);
        if (gain > 0 && gain <= gate_task_noise(&v->tasks[task], v->conf, v->loss))
                say(t, ", inside the noise: no gain");
        if (blocks)
                say(t, " (must gain at least %.*f)", digits, least);
}

/* Of a closed task that was measured: did its loss rise far more than the Fisher predicted? */
static bool refuted(const struct gate_task *t)
{
        double rose = t->after.loss - t->before.loss, predicted = t->after.predicted;
        return !t->open && isfinite(predicted) && rose > FAR_NATS && rose > FAR_RATIO * predicted;
}

static void say_refuted(struct text *t, const struct gate_task *g)
{
        say(t,
            "; the loss of task %s rose %.3g nats a row where the Fisher predicted %.2g: the quadratic model does "
            "not hold here",
            g->name, g->after.loss - g->before.loss, g->after.predicted);
}

static void say_class(struct text *t, const struct gate_task *g, int64_t output)
{
        if ((uint64_t)output < g->n_classes)
                say(t, "class %.*s", CLASS_SHOWN, g->classes[output]);
        else
                say(t, "output %" PRId64, output);
}

static uint64_t rows_of(const struct gate_task *g, int64_t output)
{
        for (size_t i = 0; i < g->after.n_outputs; i++)
                if ((int64_t)g->after.outputs[i].output == output)
                        return g->after.outputs[i].n;
        return 0;
}

static void say_check(struct text *t, const struct gate_view *v, const struct gate_check *c)
{
        const struct gate_task *g = &v->tasks[c->task];
        double value = c->value * 100, limit = c->limit * 100;
        switch (c->kind) {
        case GATE_FORGETTING:
                say_closed(t, v, c->task);
                if (refuted(g))
                        say_refuted(t, g);
                break;
        case GATE_GAIN:
                say_open(t, v, c->task, !c->passed);
                break;
        case GATE_FLOOR:
                say(t, "task %s is right on %.*f %% (floor %.*f)", g->name, decimals(value, limit), value,
                    decimals(value, limit), limit);
                break;
        case GATE_CLASS_FLOOR:
                say_class(t, g, c->output);
                say(t, " of task %s is right on %.*f %% of %" PRIu64 " rows (floor %.*f)", g->name,
                    decimals(value, limit), value, rows_of(g, c->output), decimals(value, limit), limit);
                break;
        case GATE_CALIBRATION:
                say(t, "the calibration error of task %s %s %.*f pt (at most %.*f)", g->name,
                    c->value > 0 ? "rose" : "fell", decimals(value, limit), fabs(value), decimals(value, limit),
                    limit);
                break;
        case GATE_PREDICTED:
                say(t,
                    "the Fisher's prediction is the only guard of task %s: its rows were erased or never held "
                    "out; it expects the loss to change by %.*f nats a row (at most %.*f)",
                    g->name, decimals(c->value, c->limit) + 1, c->value, decimals(c->value, c->limit) + 1, c->limit);
                break;
        case GATE_UNMEASURED:
                say(t, "task %s has %" PRIu64 " holdout rows but could not be measured", g->name, g->n_holdout);
                break;
        }
}

void gate_check_words(const struct gate_view *v, struct gate_check *c)
{
        struct text t = {c->words, sizeof(c->words)};
        say_check(&t, v, c);
}

/* --- the reason --- */

static bool blind(const struct gate_task *t)
{
        bool given_up = t->given_up && !t->open;
        return !given_up && !gate_judged(t) && !gate_lost(t) && !gate_guarded(t);
}

/* "; task a, b and 3 more without holdout rows: not judged" */
static void say_rest(struct text *t, const struct gate_view *v, bool (*which)(const struct gate_task *), size_t n,
    bool first, const char *what)
{
        size_t named = 0;
        if (n == 0)
                return;
        say(t, "%s", first ? "" : ";");
        for (size_t i = 0; i < v->n && named < NAMED; i++)
                if (which(&v->tasks[i]))
                        say(t, "%s %s", named++ ? "," : " task", v->tasks[i].name);
        if (n > named)
                say(t, " and %zu more", n - named);
        say(t, " without holdout rows: %s", what);
}

/* "; task a is given up (alpha 0): lost 3.1 pt, not checked" */
static void say_given_up(struct text *t, const struct gate_view *v, size_t n, bool first)
{
        size_t named = 0;
        for (size_t i = 0; i < v->n && named < NAMED; i++) {
                const struct gate_task *g = &v->tasks[i];
                if (!g->given_up || g->open)
                        continue;
                say(t, "%s task %s is given up (alpha 0): ", first && named == 0 ? "" : ";", g->name);
                if (gate_judged(g)) {
                        say_change(t, v, i, 1);
                        say(t, ", ");
                }
                say(t, "not checked");
                named++;
        }
        if (n > named)
                say(t, "; and %zu more", n - named);
}

/* Why nothing is decided. */
static void say_undecided(struct text *t, const struct gate_view *v, const struct gate_scan *s)
{
        if (s->n_unseen > 0) {
                const struct gate_task *g = &v->tasks[s->unseen];
                say(t, " task %s was closed with %" PRIu64 " holdout rows and has none now", g->name, g->n_at_close);
                if (s->n_unseen > 1)
                        say(t, ", and so %zu more closed tasks", s->n_unseen - 1);
                say(t, "; the Fisher's prediction alone does not promote");
        } else {
                say(t, " nothing could be measured");
        }
}

/* Those that neither the closed nor the open task's words tell. */
static void say_failed(struct text *t, const struct gate_view *v, bool first)
{
        size_t n = 0;
        for (size_t i = 0; i < v->n_checks; i++) {
                const struct gate_check *c = &v->checks[i];
                bool told = c->kind == GATE_FORGETTING || c->kind == GATE_GAIN || c->kind == GATE_UNMEASURED;
                if (c->passed || told)
                        continue;
                if (n < NAMED)
                        say(t, "%s %s", first && n == 0 ? "" : ";", c->words);
                n++;
        }
        if (n > NAMED)
                say(t, "; and %zu more checks failed", n - NAMED);
}

static void say_tasks(struct text *t, const struct gate_view *v, const struct gate_scan *s)
{
        const char *join = s->n_unseen > 0 || s->nothing ? ";" : "";
        if (s->n_lost > 0) {
                const struct gate_task *g = &v->tasks[s->lost];
                say(t, "%s task %s has %" PRIu64 " holdout rows but could not be measured", join, g->name,
                    g->n_holdout);
                if (s->n_lost > 1)
                        say(t, ", and %zu more closed tasks", s->n_lost - 1);
                join = ",";
        }
        if (s->worst != SIZE_MAX) {
                say(t, "%s ", join);
                say_closed(t, v, s->worst);
                if (s->n_closed > 1)
                        say(t, ", the most of %zu closed tasks", s->n_closed);
                join = ",";
        }
        if (s->open != SIZE_MAX && gate_judged(&v->tasks[s->open])) {
                say(t, "%s ", join);
                say_open(t, v, s->open, s->open_blocks);
        }
}

void gate_reason(const struct gate_view *v, const struct gate_scan *s, struct verdict *ret)
{
        struct text t = {ret->reason, sizeof(ret->reason)};
        say(&t, "%s:", ret->promote ? "promoted" : ret->undecided ? "undecided" : "rejected");
        const char *empty = t.at;
        if (s->n_unseen > 0 || s->nothing)
                say_undecided(&t, v, s);
        say_tasks(&t, v, s);
        say_failed(&t, v, t.at == empty);
        if (s->worst != SIZE_MAX && refuted(&v->tasks[s->worst]))
                say_refuted(&t, &v->tasks[s->worst]);
        say_given_up(&t, v, s->n_given_up, t.at == empty);
        say_rest(&t, v, gate_guarded, s->n_guarded, t.at == empty, "judged by the Fisher's prediction alone");
        say_rest(&t, v, blind, s->n_blind, t.at == empty, "not judged");
        if (v->conf->holdout <= 0 && s->n_guarded + s->n_blind > 0)
                say(&t, "; the model holds no rows out, by its own settings");
        ret->reason[str_utf8_cut(ret->reason, strlen(ret->reason))] = '\0';
}
