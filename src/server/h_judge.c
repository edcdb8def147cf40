/* h_judge.c: what makes an event a row.
 *
 * An event is judged by the champion: its inputs, its task, its label against that task's classes. One that
 * names its prediction gets what was remembered of it: the inputs if it brought none, the task it was of, and what
 * was predicted, so that served and true labels can be compared (h_named.c). What is not learned from is kept with
 * the reason: an event that happened before the model's window, or one that contradicts a prediction that was sure
 * of itself. */
#include "server/h_named.h"
#include "base/clock.h"
#include "base/err.h"
#include "domain/holdout.h"
#include "domain/validate.h"
#include "infer/served.h"
#include "proto/json_admin.h"
#include "server/event_id.h"
#include "server/h.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char trusted_source[] = "operator"; /* of trusted rows that name none */

/* --- refusals --- */

/* field is relative to the event ("/label"). */
static void __attribute__((format(printf, 6, 0)))
refuse(struct h_events *b, size_t index, struct arena *a, int p, const char *field, const char *fmt, va_list ap)
{
        char text[ERR_MSG_MAX];
        vsnprintf(text, sizeof(text), fmt, ap);
        const char *detail = arena_strdup(a, text);
        const char *pointer = b->ndjson ? arena_strdup(a, field) : arena_printf(a, "/events/%zu%s", index, field);
        b->verdicts[index] = (struct event_verdict){
            .problem = p,
            .slug = problem_slug((enum problem)p),
            .field = pointer ? pointer : "",
            .detail = detail ? detail : "",
        };
}

int h_reject(const struct one *o, int p, const char *field, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        refuse(o->batch, o->index, o->arena, p, field, fmt, ap);
        va_end(ap);
        return p;
}

static void __attribute__((format(printf, 5, 6)))
refuse_row(struct h_events *b, size_t row, struct arena *a, int p, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        refuse(b, b->event_of[row], a, p, p == PROBLEM_TASK_CLOSED ? "/task" : "/event_id", fmt, ap);
        va_end(ap);
}

void h_judge_stored(struct h_events *b, struct arena *a)
{
        for (size_t i = 0; i < b->n_rows; i++) {
                const char *id = b->rows[i].event_id;
                switch (b->row_verdict[i]) {
                case FEEDBACK_CONFLICT:
                        refuse_row(b, i, a, PROBLEM_DUPLICATE_KEY,
                            b->rows[i].trusted
                                ? "trusted row '%s' is known with another payload: erase it before you "
                                  "send another under a new id"
                                : "event '%s' is known with another payload: with "
                                  "feedback.on_conflict earliest its first label counts, and with "
                                  "latest or majority later ones would. If it is wrong, erase the "
                                  "event before you send another under a new id",
                            id);
                        break;
                case FEEDBACK_TASK_CLOSED:
                        refuse_row(b, i, a, PROBLEM_TASK_CLOSED, "the task has just been closed");
                        break;
                case FEEDBACK_ERASED:
                        refuse_row(b, i, a, PROBLEM_ERASED, "event '%s' was erased; it does not come back", id);
                        break;
                case FEEDBACK_ACCEPTED:
                case FEEDBACK_DUPLICATE:
                        b->claimed[i] = false; /* for good */
                        break;
                }
        }
}

/* --- inputs and task --- */

static int judge_inputs(const struct one *o, const struct event *ev)
{
        struct err e = ERR_NULL;
        int r = ev->inputs ? validate_row(&o->served->spec, ev->n_inputs, ev->inputs, &e) : 0;
        if (r == 0)
                return 0;
        return h_reject(o, ev->n_inputs != o->served->spec.n_inputs ? PROBLEM_BAD_SHAPE : PROBLEM_NON_FINITE,
            "/inputs", "%s", e.msg);
}

static const struct served_task *task_by_id(const struct served *s, task_id id)
{
        for (size_t i = 0; i < s->n_tasks; i++) {
                if (s->tasks[i].id == id)
                        return &s->tasks[i];
        }
        return NULL;
}

static int judge_trusted(const struct one *o, const struct event *ev, const struct served_task **ret)
{
        const struct served_task *t = o->judge->trusted;
        if (ev->task && strcmp(ev->task, t->name) != 0)
                return h_reject(
                    o, PROBLEM_BAD_VALUE, "/task", "these rows are of task %s, as the path says", t->name);
        *ret = t;
        return 0;
}

/* The task it names; else, with one head per task, that of its prediction; else the open one. */
static int judge_task(const struct one *o, const struct event *ev, const struct served_task **ret, bool *ret_named)
{
        const struct served *s = o->served;
        const struct served_task *t = s->open;
        *ret_named = true;
        if (o->judge->trusted)
                return judge_trusted(o, ev, ret);
        if (ev->task)
                t = served_task(s, ev->task);
        else if (o->remembered && s->spec.scenario == SCENARIO_TASK)
                t = task_by_id(s, o->served_as.task);
        else
                *ret_named = false;
        if (!t)
                return h_reject(o, PROBLEM_UNKNOWN_TASK, "/task", "model %s has no task '%.64s'; open is %s",
                    s->spec.name, ev->task ? ev->task : "", s->open->name);
        if (t->state != TASK_OPEN && ev->task)
                return h_reject(
                    o, PROBLEM_TASK_CLOSED, "/task", "task %s is closed; open is %s", t->name, s->open->name);
        if (t->state != TASK_OPEN)
                return h_reject(o, PROBLEM_TASK_CLOSED, "/prediction_id",
                    "the prediction was of task %s, which is closed; open is %s", t->name, s->open->name);
        *ret = t;
        return 0;
}

/* --- the label --- */

static int find_class(
    const struct one *o, const struct served_task *t, const char *label, const char *field, int32_t *ret)
{
        const struct model_spec *m = &o->served->spec;
        int c = served_class(o->served, label);
        if (c < 0)
                return h_reject(o, PROBLEM_UNKNOWN_LABEL, field, "model %s has no class '%.64s'; known: %s", m->name,
                    label, h_join(o->arena, m->n_classes, m->classes));
        if (!served_task_has(t, (uint32_t)c))
                return h_reject(
                    o, PROBLEM_UNKNOWN_LABEL, field, "class '%.64s' is not one of task %s", label, t->name);
        *ret = c;
        return 0;
}

static int judge_labels(
    const struct one *o, const struct event *ev, const struct served_task *t, struct feedback *row)
{
        size_t n = o->served->spec.n_classes;
        if (ev->label || ev->n_target > 0 || ev->n_labels == SIZE_MAX)
                return h_reject(o, PROBLEM_BAD_VALUE, "/labels",
                    "this model learns from \"labels\", an array of class names, and nothing else");
        float *targets = arena_new_array(o->arena, float, n);
        if (!targets)
                return -ENOMEM;
        for (size_t i = 0; i < ev->n_labels; i++) {
                char field[48];
                int32_t c = 0;
                snprintf(field, sizeof(field), "/labels/%zu", i);
                int r = find_class(o, t, ev->labels[i], field, &c);
                if (r != 0)
                        return r;
                if (targets[c] > 0)
                        return h_reject(
                            o, PROBLEM_BAD_VALUE, field, "class '%.64s' stands there twice", ev->labels[i]);
                targets[c] = 1.0f;
        }
        row->targets = targets;
        row->n_targets = n;
        return 0;
}

static int judge_target(const struct one *o, const struct event *ev, struct feedback *row)
{
        size_t n = o->served->spec.n_classes;
        if (ev->label || ev->n_labels != SIZE_MAX || ev->n_target != n)
                return h_reject(o, PROBLEM_BAD_VALUE, "/target",
                    "this model learns from \"target\", an array of %zu numbers, and nothing else", n);
        for (size_t i = 0; i < n; i++) {
                if (!isfinite(ev->target[i]))
                        return h_reject(o, PROBLEM_NON_FINITE, "/target", "number %zu is not finite", i);
        }
        row->targets = ev->target;
        row->n_targets = n;
        return 0;
}

static int judge_answer(
    const struct one *o, const struct event *ev, const struct served_task *t, struct feedback *row)
{
        row->class = -1;
        switch (o->served->spec.net.loss) {
        case EWC_LOSS_SIGMOID:
                return judge_labels(o, ev, t, row);
        case EWC_LOSS_SQUARED:
                return judge_target(o, ev, row);
        case EWC_LOSS_SOFTMAX:
                break;
        }
        if (!ev->label || ev->n_target > 0 || ev->n_labels != SIZE_MAX)
                return h_reject(o, PROBLEM_BAD_VALUE, "/label",
                    "this model learns from \"label\", one class name, and nothing else");
        return find_class(o, t, ev->label, "/label", &row->class);
}

/* --- keys --- */

static int judge_keys(const struct one *o, const struct event *ev, struct feedback *row)
{
        struct err e = ERR_NULL;
        if (ev->event_id && validate_key("event_id", ev->event_id, &e) < 0)
                return h_reject(o, PROBLEM_BAD_VALUE, "/event_id", "%s", e.msg);
        if (ev->source && validate_key("source", ev->source, &e) < 0)
                return h_reject(o, PROBLEM_BAD_VALUE, "/source", "%s", e.msg);
        if (!(ev->weight > 0) || !isfinite(ev->weight))
                return h_reject(o, PROBLEM_BAD_VALUE, "/weight", "give a number above 0");
        row->event_id = ev->event_id ? ev->event_id : ev->prediction_id;
        if (!row->event_id) {
                char *id = arena_alloc(o->arena, EVENT_ID_SIZE);
                if (!id)
                        return -ENOMEM;
                event_id(o->judge->server->random, "srv-", id);
                row->event_id = id;
        }
        row->source = ev->source ? ev->source : o->judge->trusted ? trusted_source : "";
        return 0;
}

/* --- what is kept and not learned from --- */

static int set_state(struct feedback *row, enum row_state state, const char *why)
{
        row->state = state;
        row->why = why;
        return why ? 0 : -ENOMEM;
}

static int judge_state(const struct one *o, struct feedback *row)
{
        const struct learning *l = &o->served->learning;
        const struct model_spec *m = &o->served->spec;
        char observed[25];
        if (o->judge->trusted)
                return 0;
        if (label_late(o->happened_ms, o->judge->now_ms, l->feedback_window_s)) {
                clock_format(o->happened_ms, observed);
                return set_state(row, ROW_LATE,
                    arena_printf(o->arena,
                        "%s %s, more than the %" PRIu32 " s before its arrival that feedback.window_s allows",
                        o->happened_ms == row->observed_ms ? "observed" : "predicted", observed,
                        l->feedback_window_s));
        }
        if (!o->remembered || row->class < 0 || row->served_class < 0 || row->class == row->served_class ||
            l->feedback_quarantine_confidence >= 1 ||
            (double)row->served_probability < l->feedback_quarantine_confidence)
                return 0;
        return set_state(row, ROW_QUARANTINED,
            arena_printf(o->arena,
                "says '%s' where version %" PRIu64 " said '%s' with probability %.3f, and "
                "feedback.quarantine_confidence is %g",
                m->classes[row->class], row->served_version, m->classes[row->served_class],
                (double)row->served_probability, l->feedback_quarantine_confidence));
}

/* --- all of it --- */

/* 0: *row is filled; positive: the event has its verdict; negative: broken. */
static int judge(struct one *o, const struct event *ev, struct feedback *row)
{
        const struct served_task *t = NULL;
        bool trusted = o->judge->trusted != NULL;
        if (ev->problem != 0) {
                o->batch->verdicts[o->index] = (struct event_verdict){
                    .problem = ev->problem,
                    .slug = problem_slug((enum problem)ev->problem),
                    .field = ev->why ? ev->why->field : "",
                    .detail = ev->why ? ev->why->msg : "",
                };
                return ev->problem;
        }
        *row = (struct feedback){
            .n_inputs = ev->n_inputs,
            .inputs = ev->inputs,
            .weight = ev->weight,
            .observed_ms = ev->observed_ms,
            .payload = ev->payload,
            .trusted = trusted,
            .served_class = -1,
        };
        int r;
        if ((r = judge_inputs(o, ev)) != 0 || (r = h_named_time(o, ev)) != 0 || (r = h_named(o, ev, row)) != 0 ||
            (r = judge_task(o, ev, &t, &row->task_named)) != 0 || (r = judge_answer(o, ev, t, row)) != 0 ||
            (r = judge_keys(o, ev, row)) != 0)
                return r;
        row->task = t->id;
        row->holdout = trusted || holdout_split(row->event_id, o->served->learning.holdout);
        return (r = judge_state(o, row)) != 0 ? r : h_named_claim(o, ev, row);
}

int h_judge_all(struct h_judge *j, struct h_events *b)
{
        struct arena *a = j->arena;
        b->model = j->served->model;
        b->rules.on_conflict = j->served->learning.feedback_on_conflict;
        b->verdicts = arena_new_array(a, struct event_verdict, b->n);
        b->rows = arena_new_array(a, struct feedback, b->n);
        b->event_of = arena_new_array(a, size_t, b->n);
        b->row_verdict = arena_new_array(a, enum feedback_verdict, b->n);
        b->claimed = arena_new_array(a, bool, b->n);
        if (!b->verdicts || !b->rows || !b->event_of || !b->row_verdict || !b->claimed)
                return -ENOMEM;
        for (size_t i = 0; i < b->n; i++) {
                struct one o = {.judge = j, .served = j->served, .arena = a, .batch = b, .index = i};
                int r = judge(&o, &b->events[i], &b->rows[b->n_rows]);
                if (r < 0)
                        return r;
                if (r == 0)
                        b->event_of[b->n_rows++] = i;
        }
        return 0;
}
