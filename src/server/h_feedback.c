/* h_feedback.c: labelled events in.
 *
 * Each event is judged on the loop against the served version (h_judge.c) and gets a verdict of its own; the
 * good ones become rows of one work item, which owns the arena they were parsed into. The answer goes out after
 * the commit is on disk. Rows are told from retries by (source, event_id); an event without an id is known by that
 * of its prediction, or gets a random one. A prediction is of one event: who names it first claims it, and gives it
 * back if the event does not come into the store. */
#include "server/h_feedback.h"
#include "base/clock.h"
#include "base/err.h"
#include "infer/served.h"
#include "loop/loop.h"
#include "proto/json_admin.h"
#include "server/h.h"
#include "server/h_judge.h"
#include "server/handlers.h"
#include "server/metrics.h"
#include "super/jobs.h"
#include <errno.h>

enum { ROW_OVERHEAD = 256 }; /* bytes of a row beside its inputs, for the size of a group */
enum { ERRORS_SHOWN = 8 };   /* when all events are rejected */

static int run_add(struct h_work *w, struct store *s, struct err *e)
{
        struct h_events *b = w->arg;
        return store_feedback_add(s, b->model, b->rows, b->n_rows, &b->rules, b->row_verdict, &b->receipt, e);
}

static void reply_receipt(struct h_events *b, struct request *r)
{
        if (b->receipt.n_accepted + b->receipt.n_duplicate == 0) {
                const char *why = b->verdicts[0].detail ? b->verdicts[0].detail : "";
                struct buf *errors = server_body(r->server);
                json_rejected_write(errors, b->events, b->verdicts, b->n, ERRORS_SHOWN);
                if (b->n == 1)
                        reply_problem_list(r, PROBLEM_ALL_REJECTED, errors, "the event was rejected: %s", why);
                else
                        reply_problem_list(r, PROBLEM_ALL_REJECTED, errors,
                            "all %zu events were rejected; the first: %s", b->n, why);
                return;
        }
        struct buf *body = server_body(r->server);
        json_receipt_write(body, &b->receipt, b->events, b->verdicts, b->n);
        struct server *server = r->server;
        reply_json(r, 200, body);
        server_body_sent(server);
}

static void count(struct metrics *m, const struct h_events *b)
{
        uint64_t good = b->receipt.n_accepted + b->receipt.n_duplicate;
        atomic_fetch_add_explicit(&m->feedback_accepted, b->receipt.n_accepted, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->feedback_duplicate, b->receipt.n_duplicate, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->feedback_rejected, b->n - good, memory_order_relaxed);
}

static void added(struct h_work *w, struct request *r)
{
        struct h_events *b = w->arg;
        if (w->work.result != 0) {
                h_finish(w, r);
                return;
        }
        h_judge_stored(b, &w->arena);
        count(w->server->metrics, b);
        if (b->receipt.n_accepted > 0)
                jobs_post_counters(w->server->jobs, b->model); /* a full mailbox is asked again by the policy timer */
        if (r)
                reply_receipt(b, r);
        h_work_free(w);
}

static void unclaim(struct h_work *w)
{
        if (w->arg)
                h_judge_release(w->server, w->arg);
}

static bool is_ndjson(const struct request *r)
{
        static const char want[] = "application/x-ndjson";
        struct slice type = request_header(r, "Content-Type");
        type.n = type.n < sizeof(want) - 1 ? type.n : sizeof(want) - 1;
        return slice_eq_nocase(type, want);
}

/* Reads and judges into b. 0, a PROBLEM_*, or negative. */
static int read_events(struct request *r, struct h_judge *j, struct h_events *b, struct err *e)
{
        b->ndjson = is_ndjson(r);
        int p = json_feedback_read(r->body, b->ndjson, j->arena, &b->events, &b->n, e);
        if (p == 0 && b->n == 0)
                p = err_field(e, PROBLEM_BAD_VALUE, "/events", "no events; give at least one");
        if (p == 0 && h_judge_all(j, b) < 0)
                p = err_set(e, -ENOMEM, "the events take more memory than one request may have");
        return p;
}

void h_feedback_take(struct request *r, const char *task)
{
        struct err e = ERR_NULL;
        struct served *s = h_champion(r);
        if (!s)
                return;
        struct h_judge j = {.server = r->server, .served = s, .now_ms = clock_wall_ms(loop_clock(r->server->loop))};
        if (task && !(j.trusted = h_task(r, s, task, "")))
                return;
        struct h_work *w = h_work_new(r, run_add, added);
        if (!w)
                return;
        struct h_events *b = arena_new(&w->arena, struct h_events);
        j.arena = &w->arena;
        w->arg = b;
        w->drop = unclaim;
        int p = b ? read_events(r, &j, b, &e) : err_oom(&e);
        if (p != 0) {
                bool full = p == -ENOMEM && w->arena.full;
                h_work_free(w);
                if (full)
                        reply_too_much(r, "the events");
                else
                        reply_error(r, p, &e);
                return;
        }
        if (b->n_rows > 0) {
                h_write(w, b->n_rows * (s->spec.n_inputs * sizeof(float) + ROW_OVERHEAD));
                return;
        }
        count(r->server->metrics, b);
        reply_receipt(b, r);
        h_work_free(w);
}

void h_feedback_post(struct request *r)
{
        h_feedback_take(r, NULL);
}
