/* h_feedback.c: labelled events in, and what became of one.
 *
 * Each event is judged on the loop against the served version and gets a verdict of its own; the good ones become
 * rows of one work item, which owns the arena they were parsed into. The answer goes out after the commit is on
 * disk. Rows are told from retries by (source, event_id); an event without an id gets a random one. */
#include "base/err.h"
#include "domain/holdout.h"
#include "domain/validate.h"
#include "infer/served.h"
#include "proto/json_admin.h"
#include "proto/json_feedback.h"
#include "server/event_id.h"
#include "server/h.h"
#include "server/handlers.h"
#include "server/metrics.h"
#include "store/store.h"
#include "super/jobs.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROW_OVERHEAD = 256 }; /* bytes of a row beside its inputs, for the size of a group */
enum { ERRORS_SHOWN = 8 };   /* when all events are rejected */

struct batch {
        model_id model;
        size_t n_events, n_rows;
        struct event *events;
        struct event_verdict *verdicts;     /* (n_events) */
        struct feedback *rows;              /* (n_rows) */
        size_t *event_of;                   /* (n_rows) index of a row's event */
        enum feedback_verdict *row_verdict; /* (n_rows) by the store */
        struct receipt receipt;
        bool ndjson;
};

/* --- one event --- */

struct judge {
        const struct served *served;
        struct arena *arena;
        struct batch *batch;
        size_t index;
};

/* field is relative to the event ("/label"). Always returns p. */
static int __attribute__((format(printf, 4, 5)))
reject(const struct judge *j, int p, const char *field, const char *fmt, ...)
{
        char text[ERR_MSG_MAX];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        const char *detail = arena_strdup(j->arena, text);
        const char *pointer = j->batch->ndjson ? arena_strdup(j->arena, field)
                                               : arena_printf(j->arena, "/events/%zu%s", j->index, field);
        j->batch->verdicts[j->index] = (struct event_verdict){
            .problem = p,
            .slug = problem_slug((enum problem)p),
            .field = pointer ? pointer : "",
            .detail = detail ? detail : "",
        };
        return p;
}

static int judge_inputs(const struct judge *j, const struct event *ev)
{
        struct err e = ERR_NULL;
        int r = validate_row(&j->served->spec, ev->n_inputs, ev->inputs, &e);
        if (r == 0)
                return 0;
        return reject(j, ev->n_inputs != j->served->spec.n_inputs ? PROBLEM_BAD_SHAPE : PROBLEM_NON_FINITE, "/inputs",
            "%s", e.msg);
}

static int judge_task(const struct judge *j, const struct event *ev, const struct served_task **ret)
{
        const struct served *s = j->served;
        const struct served_task *t = ev->task ? served_task(s, ev->task) : s->open;
        if (!t)
                return reject(j, PROBLEM_UNKNOWN_TASK, "/task", "model %s has no task '%.64s'; open is %s",
                    s->spec.name, ev->task, s->open->name);
        if (t->state != TASK_OPEN)
                return reject(
                    j, PROBLEM_TASK_CLOSED, "/task", "task %s is closed; open is %s", t->name, s->open->name);
        *ret = t;
        return 0;
}

static int find_class(
    const struct judge *j, const struct served_task *t, const char *label, const char *field, int32_t *ret)
{
        const struct model_spec *m = &j->served->spec;
        int c = model_class_find(m, label);
        if (c < 0)
                return reject(j, PROBLEM_UNKNOWN_LABEL, field, "model %s has no class '%.64s'; known: %s", m->name,
                    label, h_join(j->arena, m->n_classes, m->classes));
        bool known = !t->classes_fixed;
        for (size_t i = 0; i < t->n_classes && !known; i++)
                known = t->classes[i] == (uint32_t)c;
        if (!known)
                return reject(j, PROBLEM_UNKNOWN_LABEL, field, "class '%.64s' is not one of task %s", label, t->name);
        *ret = c;
        return 0;
}

static int judge_labels(
    const struct judge *j, const struct event *ev, const struct served_task *t, struct feedback *row)
{
        size_t n = j->served->spec.n_classes;
        if (ev->label || ev->n_target > 0 || ev->n_labels == SIZE_MAX)
                return reject(j, PROBLEM_BAD_VALUE, "/labels",
                    "this model learns from \"labels\", an array of class names, and nothing else");
        float *targets = arena_new_array(j->arena, float, n);
        if (!targets)
                return -ENOMEM;
        for (size_t i = 0; i < ev->n_labels; i++) {
                char field[48];
                int32_t c = 0;
                snprintf(field, sizeof(field), "/labels/%zu", i);
                int r = find_class(j, t, ev->labels[i], field, &c);
                if (r != 0)
                        return r;
                targets[c] = 1.0f;
        }
        row->targets = targets;
        row->n_targets = n;
        return 0;
}

static int judge_target(const struct judge *j, const struct event *ev, struct feedback *row)
{
        size_t n = j->served->spec.n_classes;
        if (ev->label || ev->n_labels != SIZE_MAX || ev->n_target != n)
                return reject(j, PROBLEM_BAD_VALUE, "/target",
                    "this model learns from \"target\", an array of %zu numbers, and nothing else", n);
        for (size_t i = 0; i < n; i++) {
                if (!isfinite(ev->target[i]))
                        return reject(j, PROBLEM_NON_FINITE, "/target", "number %zu is not finite", i);
        }
        row->targets = ev->target;
        row->n_targets = n;
        return 0;
}

static int judge_answer(
    const struct judge *j, const struct event *ev, const struct served_task *t, struct feedback *row)
{
        row->class = -1;
        switch (j->served->spec.net.loss) {
        case EWC_LOSS_SIGMOID:
                return judge_labels(j, ev, t, row);
        case EWC_LOSS_SQUARED:
                return judge_target(j, ev, row);
        case EWC_LOSS_SOFTMAX:
                break;
        }
        if (!ev->label || ev->n_target > 0 || ev->n_labels != SIZE_MAX)
                return reject(j, PROBLEM_BAD_VALUE, "/label",
                    "this model learns from \"label\", one class name, and nothing else");
        return find_class(j, t, ev->label, "/label", &row->class);
}

static int judge_keys(const struct judge *j, const struct event *ev, struct feedback *row)
{
        struct err e = ERR_NULL;
        if (ev->event_id && validate_key("event_id", ev->event_id, &e) < 0)
                return reject(j, PROBLEM_BAD_VALUE, "/event_id", "%s", e.msg);
        if (ev->source && validate_key("source", ev->source, &e) < 0)
                return reject(j, PROBLEM_BAD_VALUE, "/source", "%s", e.msg);
        if (!(ev->weight > 0) || !isfinite(ev->weight))
                return reject(j, PROBLEM_BAD_VALUE, "/weight", "give a number above 0");
        row->event_id = ev->event_id;
        if (!row->event_id) {
                char *id = arena_alloc(j->arena, EVENT_ID_SIZE);
                if (!id)
                        return -ENOMEM;
                if (event_id("srv-", id) < 0)
                        return -EIO;
                row->event_id = id;
        }
        row->source = ev->source ? ev->source : "";
        return 0;
}

/* 0: *row is filled; positive: the event has its verdict; negative: broken. */
static int judge(const struct judge *j, const struct event *ev, struct feedback *row)
{
        const struct served_task *t = NULL;
        if (ev->problem != 0) {
                j->batch->verdicts[j->index] = (struct event_verdict){
                    .problem = ev->problem,
                    .slug = problem_slug((enum problem)ev->problem),
                    .field = ev->why ? ev->why->field : "",
                    .detail = ev->why ? ev->why->msg : "",
                };
                return ev->problem;
        }
        *row = (struct feedback){
            .task_named = ev->task != NULL,
            .n_inputs = ev->n_inputs,
            .inputs = ev->inputs,
            .weight = ev->weight,
            .observed_ms = ev->observed_ms,
            .payload = ev->payload,
        };
        int r;
        if ((r = judge_inputs(j, ev)) != 0 || (r = judge_task(j, ev, &t)) != 0 ||
            (r = judge_answer(j, ev, t, row)) != 0 || (r = judge_keys(j, ev, row)) != 0)
                return r;
        row->task = t->id;
        row->holdout = holdout_split(row->source, row->event_id, j->served->learning.holdout);
        return 0;
}

static int judge_all(struct batch *b, const struct served *s, struct arena *a)
{
        b->verdicts = arena_new_array(a, struct event_verdict, b->n_events);
        b->rows = arena_new_array(a, struct feedback, b->n_events);
        b->event_of = arena_new_array(a, size_t, b->n_events);
        b->row_verdict = arena_new_array(a, enum feedback_verdict, b->n_events);
        if (!b->verdicts || !b->rows || !b->event_of || !b->row_verdict)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_events; i++) {
                struct judge j = {s, a, b, i};
                int r = judge(&j, &b->events[i], &b->rows[b->n_rows]);
                if (r < 0)
                        return r;
                if (r == 0)
                        b->event_of[b->n_rows++] = i;
        }
        return 0;
}

/* --- the batch --- */

static int run_add(struct h_work *w, struct store *s, struct err *e)
{
        struct batch *b = w->arg;
        return store_feedback_add(s, b->model, b->rows, b->n_rows, b->row_verdict, &b->receipt, e);
}

static void store_verdicts(struct batch *b, struct arena *a)
{
        for (size_t i = 0; i < b->n_rows; i++) {
                struct judge j = {NULL, a, b, b->event_of[i]};
                if (b->row_verdict[i] == FEEDBACK_CONFLICT)
                        reject(&j, PROBLEM_DUPLICATE_KEY, "/event_id",
                            "event '%s' is known with another payload; give a new id", b->rows[i].event_id);
                else if (b->row_verdict[i] == FEEDBACK_TASK_CLOSED)
                        reject(&j, PROBLEM_TASK_CLOSED, "/task", "the task has just been closed");
        }
}

static void reply_receipt(struct batch *b, struct request *r)
{
        if (b->receipt.n_accepted + b->receipt.n_duplicate == 0) {
                const char *why = b->verdicts[0].detail ? b->verdicts[0].detail : "";
                struct buf *errors = server_body(r->server);
                json_rejected_write(errors, b->events, b->verdicts, b->n_events, ERRORS_SHOWN);
                if (b->n_events == 1)
                        reply_problem_list(r, PROBLEM_ALL_REJECTED, errors, "the event was rejected: %s", why);
                else
                        reply_problem_list(r, PROBLEM_ALL_REJECTED, errors,
                            "all %zu events were rejected; the first: %s", b->n_events, why);
                return;
        }
        struct buf *body = server_body(r->server);
        json_receipt_write(body, &b->receipt, b->events, b->verdicts, b->n_events);
        reply_json(r, 200, body);
}

static void count(struct metrics *m, const struct batch *b)
{
        uint64_t good = b->receipt.n_accepted + b->receipt.n_duplicate;
        atomic_fetch_add_explicit(&m->feedback_accepted, b->receipt.n_accepted, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->feedback_duplicate, b->receipt.n_duplicate, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->feedback_rejected, b->n_events - good, memory_order_relaxed);
}

static void added(struct h_work *w, struct request *r)
{
        struct batch *b = w->arg;
        if (w->work.result != 0) {
                h_finish(w, r);
                return;
        }
        store_verdicts(b, &w->arena);
        count(w->server->metrics, b);
        if (b->receipt.n_accepted > 0)
                jobs_post_counters(w->server->jobs, b->model); /* a full mailbox is asked again by the policy timer */
        if (r)
                reply_receipt(b, r);
        h_work_free(w);
}

static bool is_ndjson(const struct request *r)
{
        static const char want[] = "application/x-ndjson";
        struct slice type = request_header(r, "Content-Type");
        type.n = type.n < sizeof(want) - 1 ? type.n : sizeof(want) - 1;
        return slice_eq_nocase(type, want);
}

void h_feedback_post(struct request *r)
{
        struct served *s = h_served(r);
        struct h_work *w = s ? h_work_new(r, run_add, added) : NULL;
        if (!w)
                return;
        struct err e = ERR_NULL;
        struct batch *b = arena_new(&w->arena, struct batch);
        int p = b ? 0 : err_oom(&e);
        if (p == 0) {
                b->model = s->model;
                b->ndjson = is_ndjson(r);
                p = json_feedback_read(r->body, b->ndjson, &w->arena, &b->events, &b->n_events, &e);
        }
        if (p == 0 && b->n_events == 0)
                p = err_field(&e, PROBLEM_BAD_VALUE, "/events", "no events; give at least one");
        if (p == 0 && (p = judge_all(b, s, &w->arena)) < 0)
                err_set(&e, p, "%s",
                    p == -ENOMEM ? "the events take more memory than one request may have"
                                 : "no random bytes for an event id");
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        w->arg = b;
        if (b->n_rows > 0) {
                h_write(w, b->n_rows * (s->spec.n_inputs * sizeof(float) + ROW_OVERHEAD));
                return;
        }
        count(r->server->metrics, b);
        reply_receipt(b, r);
        h_work_free(w);
}

/* --- the fate of one event --- */

static int run_fate(struct h_work *w, struct store *s, struct err *e)
{
        static const char *const states[] = {
            [FEEDBACK_QUEUED] = "queued", [FEEDBACK_HELD_OUT] = "held_out", [FEEDBACK_USED] = "used"};
        struct model m;
        struct feedback_fate f;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        r = store_feedback_get(s, m.id, w->arg, &w->arena, &f, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(
                    w, e, PROBLEM_NOT_FOUND, "", "model %s has no event '%s'", m.name, (const char *)w->arg);
        if (r != 0)
                return r;
        struct fate_view v = {
            .id = f.row.event_id,
            .state = states[f.state],
            .label = f.row.class >= 0 && (size_t)f.row.class < m.n_classes ? m.classes[f.row.class] : NULL,
            .task = f.task_name,
            .source = f.row.source[0] ? f.row.source : NULL,
            .seq = f.row.seq,
            .holdout = f.row.holdout,
            .received_ms = f.row.received_ms,
            .job = f.job,
            .version = f.version_number,
        };
        json_fate_write(&w->body, &v);
        return 0;
}

void h_feedback_get(struct request *r)
{
        const char *id = h_arg(r, 1);
        if (!id)
                return;
        if (validate_key("id", id, NULL) < 0) {
                reply_problem(r, PROBLEM_NOT_FOUND, "", "'%.40s' cannot be the id of an event", id);
                return;
        }
        struct h_work *w = h_work_new(r, run_fate, NULL);
        if (!w)
                return;
        w->arg = arena_strdup(&w->arena, id);
        if (!w->arg) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        h_read(w);
}
