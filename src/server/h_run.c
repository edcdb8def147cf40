/* h_run.c: a prediction on its way through the loop's queue (infer/batch.h) and back.
 *
 * A handler has read the request into its arena; there it waits for the end of the loop's turn, together with what
 * else has arrived in it. The request's connection answers nothing else meanwhile, and should its client leave, the
 * rows leave the queue.
 *
 * What each stage took is counted per version, and told in Server-Timing to a client that asks for it with the field
 * Ewcd-Timing; nobody else pays for printing it. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/batch.h"
#include "infer/served.h"
#include "loop/loop.h"
#include "server/h.h"
#include "server/metrics.h"
#include <errno.h>
#include <inttypes.h>

static uint64_t now_ns(const struct server *server)
{
        return clock_mono_ns(loop_clock(server->loop));
}

static uint64_t since(uint64_t from, uint64_t to)
{
        return to > from ? to - from : 0;
}

static void count(_Atomic uint64_t *what, uint64_t n)
{
        atomic_fetch_add_explicit(what, n, memory_order_relaxed);
}

/* --- the loop's queue --- */

static bool on_turn(void *arg)
{
        return batch_turn(arg);
}

static void ran(void *arg, const struct served *s, size_t rows, uint64_t ns)
{
        struct server *server = arg;
        count(&server->metrics->compute_ns, ns);
        stats_batch(&server->metrics->stats, &server->stats, s, rows, ns);
}

int h_run_init(struct server *s, struct err *e)
{
        struct batch_conf c = {.rows = s->conf->batch_rows,
            .queue_rows = s->conf->batch_queue_rows,
            .age_ns = s->conf->batch_age_ms * UINT64_C(1000000),
            .ran = ran,
            .arg = s};
        int r = batch_new(&s->batch, &c, loop_clock(s->loop), e);
        if (r == 0)
                loop_on_turn(s->loop, on_turn, s->batch);
        return r;
}

/* --- the way back --- */

void h_run_refused(struct server *server, const struct served *s, uint64_t start_ns)
{
        stats_fail(&server->metrics->stats, &server->stats, s, since(start_ns, now_ns(server)));
}

static void refuse(struct h_run *run, struct request *r, int outcome)
{
        if (outcome == BATCH_LATE) {
                count(&r->server->metrics->ended_late, 1);
                reply_problem(r, PROBLEM_NOT_IN_TIME, "/parameters/timeout",
                    "not computed within %" PRIu64 " us; give it more time, or try again when there is less to do",
                    run->job.timeout_us);
        } else if (outcome == EWC_E_NONFINITE) {
                reply_problem(
                    r, PROBLEM_NON_FINITE, "/inputs", "the inputs are so large that an output is not finite");
        } else if (outcome == EWC_E_NOMEM) {
                reply_error(r, -ENOMEM, NULL);
        } else {
                reply_problem(r, PROBLEM_INTERNAL, "", "the net refused the input: %s", ewc_strerror(outcome));
        }
}

static void add_timing(struct request *r, const struct stats_times *t)
{
        if (request_header(r, "Ewcd-Timing").p)
                reply_header(r, "Server-Timing", "queue;dur=%.3f, input;dur=%.3f, infer;dur=%.3f, output;dur=%.3f",
                    (double)t->queue / 1e6, (double)t->input / 1e6, (double)t->infer / 1e6, (double)t->output / 1e6);
}

static void too_large(struct request *r)
{
        reply_problem(r, PROBLEM_TOO_LARGE, "/inputs",
            "the answer would have more than %zu bytes (server.max_answer); send fewer rows",
            r->server->conf->max_answer);
}

static void send(struct request *r, const struct buf *b, size_t n_json)
{
        if (!buf_ok(b) && b->len >= b->max / 2) {
                too_large(r);
                return;
        }
        if (n_json == 0 || !buf_ok(b)) {
                reply_json(r, 200, b);
                return;
        }
        reply_header_number(r, "Inference-Header-Content-Length", n_json);
        reply_bytes(r, 200, "application/octet-stream", b->data, b->len);
}

/* The run ends with the request's arena: what is counted after the reply is taken out before. */
static void done(struct batch_job *j, int outcome)
{
        struct h_run *run = (struct h_run *)(void *)j;
        struct request *r = run->r;
        struct server *server = r->server;
        const struct served *s = j->version;
        uint64_t start = r->start_ns, begun = now_ns(server);
        r->gone = NULL;
        if (outcome != BATCH_LATE) {
                count(&server->metrics->inferences, 1);
                count(&server->metrics->inference_rows, j->rows);
        }
        struct buf *b = server_body(server);
        size_t n_json = 0, rows = j->rows, batch = j->batch;
        if (outcome != 0)
                refuse(run, r, outcome);
        if (outcome != 0 || !run->write(run, r, b, &n_json)) {
                h_run_refused(server, s, start);
                return;
        }
        run->t.queue += since(run->mark_ns, j->start_ns);
        run->t.infer = j->run_ns;
        run->t.output = since(begun, now_ns(server));
        struct stats_times t = run->t;
        bool good = buf_ok(b);
        add_timing(r, &t);
        send(r, b, n_json);
        server_body_sent(server);
        if (good)
                stats_success(&server->metrics->stats, &server->stats, s, rows, batch,
                    clock_wall_ms(loop_clock(server->loop)), &t);
        else
                h_run_refused(server, s, start);
}

/* --- the way in --- */

static void client_left(void *arg)
{
        struct h_run *run = arg;
        struct server *server = run->r->server;
        count(&server->metrics->ended_gone, 1);
        batch_drop(server->batch, &run->job);
}

/* Refused before anything is computed or taken: a few bytes of rows may ask for any amount of answer. */
static bool answer_fits(struct request *r, const struct h_ask *ask)
{
        size_t n, most = r->server->conf->max_answer;
        if (most == 0 || (mem_mul(ask->rows, ask->row_bytes, &n) && n <= most))
                return true;
        too_large(r);
        return false;
}

static bool take_room(struct request *r, const struct served *s, const struct h_ask *ask, struct served_answer *a)
{
        size_t n;
        *a = (struct served_answer){.stride = ask->task ? ask->task->head.n : served_widest(s)};
        a->probs = mem_mul(ask->rows, a->stride, &n) ? arena_new_array(r->arena, float, n) : NULL;
        if (!a->probs) {
                reply_problem(
                    r, PROBLEM_TOO_LARGE, "/inputs", "%zu rows are too many for one request; send fewer", ask->rows);
                return false;
        }
        if (ask->uncertainty)
                a->uncertainty = arena_new_array(r->arena, float, ask->rows);
        if (!ask->task)
                a->chosen = arena_new_array(r->arena, const struct served_task *, ask->rows);
        if ((!ask->uncertainty || a->uncertainty) && (ask->task || a->chosen))
                return true;
        reply_error(r, -ENOMEM, NULL);
        return false;
}

void h_run_begin(struct h_run *run, struct request *r)
{
        run->r = r;
        run->mark_ns = now_ns(r->server);
        run->t.queue = since(r->start_ns, run->mark_ns);
}

bool h_run(struct h_run *run, struct request *r, struct served *s, const struct h_ask *ask)
{
        struct batch_job *j = &run->job;
        uint64_t begun = run->mark_ns;
        *j = (struct batch_job){.version = s,
            .task = ask->task,
            .rows = ask->rows,
            .raw = ask->raw,
            .priority = ask->priority,
            .arrived_ns = r->start_ns,
            .timeout_us = ask->timeout_us,
            .done = done};
        if (!answer_fits(r, ask) || !take_room(r, s, ask, &j->answer))
                return false;
        if (!request_holds(r)) {
                reply_problem(r, PROBLEM_OVERLOADED, "", "too much is in work at once; try again in a second");
                return false;
        }
        run->mark_ns = now_ns(r->server);
        run->t.input = since(begun, run->mark_ns);
        if (batch_add(r->server->batch, j) == 0) {
                r->gone = client_left;
                r->gone_arg = run;
                return true;
        }
        count(&r->server->metrics->ended_full, 1);
        reply_problem(r, PROBLEM_OVERLOADED, "", "too many predictions wait; try again in a second");
        return false;
}
