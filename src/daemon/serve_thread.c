/* serve_thread.c: one thread per serving loop, from its making to its end.
 *
 * Orders to a thread are a number and an eventfd, not a message: they must get through when its mailbox is full. A
 * drain closes listeners, lets open requests finish up to a deadline, then ends the loop; the last thread to end
 * tells the control loop. The loops outlive their threads, because the store's threads may still send answers to
 * them; serve_free takes those when the queues have stopped. */
#include "daemon/serve_thread.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/listen.h"
#include "daemon/notify.h"
#include "infer/publish.h"
#include "infer/recall.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "server/event_id.h"
#include "server/http.h"
#include "server/http_peers.h"
#include "store/queue.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ORDER_NONE = 0, ORDER_DRAIN, ORDER_STOP };
enum { TICK_MS = 1000, DRAIN_LOOK_MS = 20, OTHER_DESCRIPTORS = 256 };

static void server_conf(struct server_conf *ret, const struct conf *c, const char *program, uint64_t start_ns)
{
        *ret = (struct server_conf){
            .max_body_infer = c->server_max_body_infer,
            .max_body_feedback = c->server_max_body_feedback,
            .max_body_admin = c->server_max_body_admin,
            .max_connections = c->server_max_connections,
            .max_request_memory = c->server_max_request_memory,
            .max_answer = c->server_max_answer,
            .buffer_bytes = c->server_buffer_bytes,
            .header_ms = (uint32_t)c->server_header_ms,
            .idle_ms = (uint32_t)c->server_idle_ms,
            .write_ms = (uint32_t)c->server_write_ms,
            .queue_age_ms = (uint32_t)c->server_queue_age_ms,
            .batch_rows = c->server_batch_rows,
            .batch_queue_rows = c->server_batch_queue_rows,
            .batch_age_ms = (uint32_t)c->server_batch_age_ms,
            .body_rate = (uint32_t)c->server_body_rate,
            .program = program,
            .start_ns = start_ns,
        };
}

/* Often enough that an idle loop has turned between two looks of the watchdog, which come at half its time. */
static uint64_t tick_ms(void)
{
        uint64_t quarter = notify_watchdog_ms() / 4;
        return quarter > 0 && quarter < TICK_MS ? quarter : TICK_MS;
}

static void on_tick(void *arg)
{
        (void)arg; /* the loop counts the turn, which is what the watchdog reads */
}

static void look_drained(void *arg)
{
        struct serve_thread *t = arg;
        if (http_connections(t->server.http) == 0 || clock_mono_ns(loop_clock(t->server.loop)) >= t->drain_until_ns)
                loop_stop(t->server.loop);
}

static void on_order(void *arg, int fd)
{
        struct serve_thread *t = arg;
        eventfd_t n;
        eventfd_read(fd, &n);
        if (atomic_load(&t->order) == ORDER_STOP) {
                loop_stop(t->server.loop);
        } else if (atomic_load(&t->order) == ORDER_DRAIN && !t->drain) {
                http_drain(t->server.http);
                t->drain_until_ns = clock_mono_ns(loop_clock(t->server.loop)) + t->serve->drain_ms * 1000000u;
                t->drain = loop_timer(t->server.loop, DRAIN_LOOK_MS, true, look_drained, t);
                if (!t->drain)
                        loop_stop(t->server.loop);
                else
                        look_drained(t);
        }
}

static void on_msg(void *arg, const struct msg *m)
{
        struct serve_thread *t = arg;
        server_dispatch(&t->server, m);
}

static int thread_init(
    struct serve_thread *t, struct serve *s, const struct conf *c, const struct clock *clock, struct err *e)
{
        size_t mailbox = 2 * (size_t)c->store_queue_items + 256;
        t->serve = s;
        t->order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (t->order_fd < 0)
                return err_errno(e, errno, "eventfd");
        t->server.conf = &s->conf;
        t->server.metrics = &s->metrics;
        t->server.ready = &s->ready;
        t->server.peers = s->peers;
        t->server.recall = s->recall;
        t->server.writing = &s->writing;
        t->server.reading = &s->reading;
        int r = loop_new(&t->server.loop, clock, mailbox, e);
        if (r < 0 || (r = vtable_new(&t->server.versions, e)) < 0 ||
            (r = server_init(&t->server, (unsigned)(t - s->threads), e)) < 0 ||
            (r = http_new(&t->server.http, &t->server, e)) < 0)
                return r;
        t->on_order = loop_fd_read(t->server.loop, t->order_fd, on_order, t);
        t->tick = loop_timer(t->server.loop, tick_ms(), true, on_tick, t);
        if (!t->on_order || !t->tick)
                return err_oom(e);
        loop_on_msg(t->server.loop, on_msg, t);
        return 0;
}

/* A soft limit of 1,024, as many systems set it, is less than the connections allowed. As far as it goes: what is
 * missing then makes the listeners rest. */
static void more_descriptors(uint64_t n_connections)
{
        struct rlimit r;
        uint64_t want = n_connections + OTHER_DESCRIPTORS;
        if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
                return;
        r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
        if (r.rlim_cur < want || setrlimit(RLIMIT_NOFILE, &r) < 0)
                log_warning("%" PRIu64 " connections are allowed, descriptors only for %" PRIu64, n_connections,
                    (uint64_t)r.rlim_cur);
}

int serve_new(struct serve **ret, const struct conf *c, const char *program, const struct clock *clock,
    struct loop *control, struct err *e)
{
        struct serve *s = new_zero(struct serve);
        struct peers_conf clients = {.max = c->server_max_connections,
            .connections = c->server_client_connections,
            .requests = c->server_client_requests,
            .rate = c->server_client_rate};
        if (!s)
                return err_oom(e);
        server_conf(&s->conf, c, program, clock_mono_ns(clock));
        s->drain_ms = c->server_drain_ms;
        s->control = control;
        more_descriptors(c->server_max_connections);
        s->threads = new_array(struct serve_thread, (size_t)c->server_threads);
        int r = s->threads ? event_seed(s->conf.seed, e) : err_oom(e);
        if (r == 0 && (r = recall_new(&s->recall, (size_t)c->server_threads, RECALL_MAX_BYTES, e)) == 0)
                r = peers_new(&s->peers, &clients, e);
        while (r == 0 && s->n < c->server_threads) {
                s->threads[s->n].order_fd = -1;
                s->n++;
                r = thread_init(&s->threads[s->n - 1], s, c, clock, e);
        }
        if (r < 0) {
                serve_free(s);
                return err_wrap(e, r, "serving threads");
        }
        *ret = s;
        return 0;
}

void serve_wire(
    struct serve *s, struct publish *p, struct jobs *j, struct store_queue *writer, struct store_queue *reader)
{
        for (size_t i = 0; i < s->n; i++) {
                struct server *v = &s->threads[i].server;
                v->publish = p;
                v->jobs = j;
                v->writer = writer;
                v->reader = reader;
        }
}

int serve_keys(struct serve *s, const uint8_t prediction[32], struct err *e)
{
        int r = 0;
        for (size_t i = 0; i < s->n && r == 0; i++)
                r = server_keys(&s->threads[i].server, prediction, e);
        return r;
}

int serve_listen(struct serve *s, const struct listen *l, struct err *e)
{
        int r = 0;
        for (size_t i = 0; i < s->n && r == 0; i++) {
                for (size_t k = 0; k < l->n && r == 0; k++)
                        r = http_accept_from(s->threads[i].server.http, listen_fd(l, k, i), e);
        }
        return r;
}

static void *thread_main(void *arg)
{
        struct serve_thread *t = arg;
        struct err e = ERR_NULL;
        if (loop_run(t->server.loop, &e) < 0) {
                log_error("serving loop: %s", e.msg);
                t->failed = true;
        }
        if (atomic_fetch_sub(&t->serve->running, 1) == 1)
                loop_post(t->serve->control, &(struct msg){.kind = SERVE_MSG_ENDED});
        return NULL;
}

int serve_run(struct serve *s, struct err *e)
{
        sigset_t all, before;
        int r = 0;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        for (size_t i = 0; i < s->n && r == 0; i++) {
                atomic_fetch_add(&s->running, 1);
                r = pthread_create(&s->threads[i].thread, NULL, thread_main, &s->threads[i]);
                s->threads[i].running = r == 0;
                if (r != 0)
                        atomic_fetch_sub(&s->running, 1);
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r == 0 ? 0 : err_errno(e, r, "start a serving thread");
}

static void give_order(struct serve_thread *t, int order)
{
        atomic_store(&t->order, order);
        eventfd_write(t->order_fd, 1);
}

void serve_drain(struct serve *s)
{
        for (size_t i = 0; i < s->n; i++)
                give_order(&s->threads[i], ORDER_DRAIN);
}

void serve_stop(struct serve *s)
{
        for (size_t i = 0; s && i < s->n; i++) {
                if (!s->threads[i].running)
                        continue;
                give_order(&s->threads[i], ORDER_STOP);
                pthread_join(s->threads[i].thread, NULL);
                s->threads[i].running = false;
        }
}

static void thread_deinit(struct serve_thread *t)
{
        struct server *v = &t->server;
        struct msg m;
        v->stopped = true;
        while (v->loop && loop_take_msg(v->loop, &m)) {
                if (!store_work_dispatch(&m) && m.kind == PUBLISH_MSG_DONE)
                        free(m.payload);
        }
        loop_source_free(t->drain);
        loop_source_free(t->tick);
        loop_source_free(t->on_order);
        http_free(v->http);
        server_deinit(v);
        vtable_free(v->versions);
        loop_free(v->loop);
        mem_close_ptr(&t->order_fd);
}

void serve_free(struct serve *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < s->n; i++)
                thread_deinit(&s->threads[i]);
        free(s->threads);
        recall_free(s->recall);
        peers_free(s->peers);
        free(s);
}

bool serve_progressed(struct serve *s)
{
        bool all = true;
        for (size_t i = 0; i < s->n; i++) {
                struct serve_thread *t = &s->threads[i];
                uint64_t turns = loop_turns(t->server.loop);
                all = all && turns != t->turns_seen;
                t->turns_seen = turns;
        }
        return all;
}
