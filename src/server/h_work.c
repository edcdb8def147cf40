/* h_work.c: a handler's errand to the store and back.
 *
 * The item leaves with its own arena and a req_ref; on the way back request_find says whether anyone still waits
 * for the answer. What was made durable stays either way; what has not begun when its client leaves is not done. A
 * queue whose work waits too long takes no more of it (queue_age.h). An errand that moved a champion waits in
 * server->publishing until every loop has switched. */
#include "server/h.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "infer/publish.h"
#include "loop/loop.h"
#include "server/held.h"
#include "server/metrics.h"
#include "server/queue_age.h"
#include "store/store.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUBLISH_RETRY_MS = 10 };
#define BODY_MAX ((size_t)64 << 20)

static void send_publish(void *arg);

struct h_work *h_work_new(struct request *r, int (*run)(struct h_work *, struct store *, struct err *),
    void (*done)(struct h_work *, struct request *))
{
        struct h_work *w = new_zero(struct h_work);
        if (!w) {
                reply_error(r, -ENOMEM, NULL);
                return NULL;
        }
        w->server = r->server;
        w->ref = r->ref;
        w->status = 200;
        w->run = run;
        w->done = done;
        arena_init(&w->arena, r->server->conf->max_request_memory);
        buf_init(&w->body, BODY_MAX);
        if (r->method != METHOD_GET && r->method != METHOD_HEAD) {
                w->local = request_local(r);
                request_who(r, w->who);
        }
        if (r->n_args > 0)
                str_copy_n(w->model, sizeof(w->model), r->arg[0].p, r->arg[0].n);
        return w;
}

void h_work_free(struct h_work *w)
{
        if (!w)
                return;
        if (w->drop)
                w->drop(w);
        loop_source_free(w->retry);
        held_set(w->server, &w->held, 0);
        arena_deinit(&w->arena);
        buf_deinit(&w->body);
        free(w);
}

static uint64_t now_ns(const struct h_work *w)
{
        return clock_mono_ns(loop_clock(w->server->loop));
}

static uint64_t target_ns(const struct h_work *w)
{
        return w->server->conf->queue_age_ms * UINT64_C(1000000);
}

static int work_run(struct store *s, struct store_work *work, struct err *e)
{
        struct h_work *w = work->arg;
        uint64_t now = now_ns(w);
        if (w->age)
                queue_age_leave(w->age, target_ns(w), now, now - w->submitted_ns);
        if (atomic_load(&w->left))
                return h_refuse(w, e, PROBLEM_TIMEOUT, "", "the client has left");
        return w->run(w, s, e);
}

static void client_left(void *arg)
{
        struct h_work *w = arg;
        atomic_store(&w->left, true);
}

/* One line when the disk is full and one when something could be written again, however many requests there are. */
static void note_full(struct metrics *m, const struct store_work *work)
{
        bool wrote = work->result == 0 && work->cost > 0;
        if (work->result == STORE_FULL && atomic_exchange(&m->store_full, 1) == 0)
                log_warning("the disk is full: nothing can be stored; predictions go on");
        else if (wrote && atomic_load(&m->store_full) != 0 && atomic_exchange(&m->store_full, 0) != 0)
                log_warning("the disk has room again: storing goes on");
}

static void work_done(struct store_work *work)
{
        struct h_work *w = work->arg;
        note_full(w->server->metrics, work);
        if (w->server->stopped) {
                h_work_free(w);
                return;
        }
        struct request *r = request_find(w->server, w->ref);
        if (r)
                r->gone = NULL; /* w may not outlive what follows */
        if (w->done)
                w->done(w, r);
        else
                h_finish(w, r);
}

static void work_release(struct store_work *work)
{
        h_work_free(work->arg);
}

static void refuse_full(struct h_work *w, uint32_t wait_s, const char *why)
{
        struct request *r = request_find(w->server, w->ref);
        h_work_free(w);
        if (!r)
                return;
        r->gone = NULL;
        r->retry_s = wait_s;
        reply_problem(r, PROBLEM_OVERLOADED, "", "%s", why);
}

static void submit(struct h_work *w, struct store_queue *q, struct queue_age *age, size_t cost)
{
        uint32_t wait_s = 0;
        struct request *r = request_find(w->server, w->ref);
        w->work = (struct store_work){
            .run = work_run,
            .done = work_done,
            .release = work_release,
            .reply_to = loop_mailbox(w->server->loop),
            .cost = cost,
            .arg = w,
        };
        w->age = age;
        w->submitted_ns = now_ns(w);
        if (age && !queue_age_enter(age, target_ns(w), w->submitted_ns, &wait_s)) {
                refuse_full(w, wait_s, "the store is behind with its work; try again later");
                return;
        }
        if (!held_room(w->server, w->arena.used)) {
                if (age)
                        queue_age_undo(age);
                refuse_full(w, 0, "too much work waits for the store; try again in a second");
                return;
        }
        held_set(w->server, &w->held, w->arena.used);
        if (r) {
                r->gone = client_left;
                r->gone_arg = w;
        }
        if (store_submit(q, &w->work) == 0)
                return;
        if (age)
                queue_age_undo(age);
        refuse_full(w, 0, "the store's queue is full; try again in a second");
}

void h_read(struct h_work *w)
{
        submit(w, w->server->reader, w->server->reading, 0);
}

void h_write(struct h_work *w, size_t cost)
{
        submit(w, w->server->writer, w->server->writing, cost);
}

int h_refuse(struct h_work *w, struct err *e, enum problem p, const char *field, const char *fmt, ...)
{
        char text[ERR_MSG_MAX];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        w->problem = p;
        return err_field(e, H_REFUSED, field, "%s", text);
}

static void reply_failure(struct h_work *w, struct request *r)
{
        const struct err *e = &w->work.err;
        switch (w->work.result) {
        case H_REFUSED:
                reply_problem(r, w->problem, e->field, "%s", e->msg);
                break;
        case STORE_FULL:
                reply_problem(r, PROBLEM_STORAGE_FULL, "", "the disk is full, nothing was stored; predictions go on");
                break;
        case STORE_READONLY:
                reply_problem(r, PROBLEM_NOT_READY, "",
                    "the store is read-only after a failed write; restart the service to check and reopen it");
                break;
        default:
                if (w->work.result > 0)
                        log_error("%s: unexpected outcome %d of the store: %s", w->model, w->work.result, e->msg);
                reply_error(r, w->work.result < 0 ? w->work.result : -EPROTO, e);
        }
}

void h_finish(struct h_work *w, struct request *r)
{
        if (r && w->work.result != 0) {
                reply_failure(w, r);
        } else if (r) {
                if (w->location[0])
                        reply_header(r, "Location", "%s", w->location);
                if (w->etag[0])
                        reply_header(r, "ETag", "%s", w->etag);
                reply_json(r, w->status, &w->body);
        }
        h_work_free(w);
}

/* --- answers that wait for the loops --- */

void h_publish(struct h_work *w)
{
        struct server *s = w->server;
        w->publish_id = ++s->n_publishing;
        w->next = s->publishing;
        s->publishing = w;
        send_publish(w);
}

static void send_publish(void *arg)
{
        struct h_work *w = arg;
        struct server *s = w->server;
        loop_source_free(w->retry);
        w->retry = NULL;
        if (publish_post_version(
                s->publish, w->publish_model, w->publish_version, loop_mailbox(s->loop), w->publish_id, 0) == 0)
                return;
        w->retry = loop_timer(s->loop, PUBLISH_RETRY_MS, false, send_publish, w);
        if (!w->retry)
                log_error("model %s: its new champion could not be handed to the loops: out of memory", w->model);
}

void h_work_published(struct server *s, const struct msg *m)
{
        struct publish_reply *reply = m->payload;
        struct h_work **at = &s->publishing;
        while (*at && (*at)->publish_id != m->id)
                at = &(*at)->next;
        struct h_work *w = *at;
        if (w) {
                *at = w->next;
                w->work.err = reply->err;
                w->work.result = reply->result;
                if (reply->result != 0 && w->publish_version == 0) {
                        log_error(
                            "model %s: its champion was stored but is not served: %s", w->model, reply->err.msg);
                        w->work.result = reply->result < 0 ? reply->result : -EPROTO;
                }
                struct request *r = request_find(s, w->ref);
                if (w->published)
                        w->published(w, r);
                else
                        h_finish(w, r);
        }
        free(reply);
}

size_t h_publishing_versions(const struct server *s)
{
        size_t n = 0;
        for (const struct h_work *w = s->publishing; w; w = w->next)
                n += w->publish_version > 0;
        return n;
}

void h_work_drop_publishing(struct server *s)
{
        while (s->publishing) {
                struct h_work *w = s->publishing;
                s->publishing = w->next;
                h_work_free(w);
        }
}
