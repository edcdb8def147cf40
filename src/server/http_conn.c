/* http_conn.c: one connection, from accept to close; how it comes by a request is http_read.c.
 *
 * Owns the bufferevent, the arena and one request at a time: the next is not looked at before the answer of the
 * one before has left for the socket, so pipelined requests are answered in order and a client that does not read
 * is not read from. All of it belongs to one loop. conn_run moves through the states of http_internal.h as far as
 * the input goes; settle then asks libevent for just the events of the state reached, and frees what has died
 * meanwhile.
 *
 * Deadlines are absolute and never re-armed by a byte; conn_sweep compares them with the clock. While a handler
 * has the request nothing is read but the socket is watched: a client that resets or closes it whole takes its
 * request's id with it, and request_find() then answers NULL. One that only ends its own side (a half-close, which
 * over TCP a close looks like) still gets its answer; if nobody is there to take it, the write says so. A handler may
 * reply before it returns (conn_run goes on) or later (the next request starts from the loop, never from the stack
 * of whoever replied).
 *
 * The last answer is followed by a half-close and a short wait for the peer's end (RFC 9112 9.6), because
 * closing over unread input would destroy the answer on its way. */
#include "base/mem.h"
#include "server/http_internal.h"
#include "server/metrics.h"
#include "server/route.h"
#include "server/server.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <sys/socket.h>

enum { ARENA_KEEP = 262144, BODY_GRACE_S = 5, LINGER_MS = 2000 };
enum { WATCH = 1 << 14 }; /* beside EV_READ and EV_WRITE in armed */

static const uint64_t ns_per_ms = 1000000, ns_per_s = 1000000000;

struct conn *conn_of(struct request *r)
{
        return (struct conn *)((char *)r - offsetof(struct conn, req));
}

static struct evbuffer *output(struct conn *c)
{
        return bufferevent_get_output(c->bev);
}

/* --- open and close --------------------------------------------------------------------------------------------- */

static void conn_free(struct conn *c)
{
        struct http *h = c->http;
        if (c->state == CONN_BUSY) {
                uint64_t waited = http_now(h) - c->req.start_ns;
                atomic_fetch_sub_explicit(&h->server->metrics->in_flight, 1, memory_order_relaxed);
                metrics_request(h->server->metrics, (size_t)(c->req.route - routes), 0, waited);
        }
        h->conns[c->slot] = NULL;
        h->free_slots[h->n_free++] = c->slot;
        atomic_fetch_sub_explicit(&h->server->metrics->connections, 1, memory_order_relaxed);
        if (c->watch)
                event_free(c->watch);
        bufferevent_free(c->bev); /* closes the socket */
        arena_deinit(&c->arena);
        free(c);
}

void conn_close(struct conn *c)
{
        if (c->running)
                c->state = CONN_DEAD;
        else
                conn_free(c);
}

static void on_read(struct bufferevent *bev, void *arg);
static void on_write(struct bufferevent *bev, void *arg);
static void on_event(struct bufferevent *bev, short what, void *arg);
static void on_watch(evutil_socket_t fd, short what, void *arg);
static void settle(struct conn *c);

static void await_request(struct conn *c, uint64_t now_ns)
{
        c->state = CONN_HEAD;
        c->begun = false;
        c->scan = (struct http_scan){0};
        c->deadline_ns = now_ns + c->http->server->conf->idle_ms * ns_per_ms;
}

bool conn_open(struct http *h, int fd)
{
        struct conn *c = new_zero(struct conn);
        /* Edge-triggered: a reset is reported as readable and would wake the loop again and again until the reply. */
        struct event *watch =
            c ? event_new(h->base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_watch, c) : NULL;
        struct bufferevent *bev = watch ? bufferevent_socket_new(h->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
        if (!bev) {
                if (watch)
                        event_free(watch);
                free(c);
                return false;
        }
        bufferevent_setcb(bev, on_read, on_write, on_event, c);
        bufferevent_setwatermark(bev, EV_READ, 0, HTTP_HIGH_WATER);
        bufferevent_disable(bev, EV_WRITE); /* answers are written at once; the event is for what does not fit */
        *c = (struct conn){.http = h, .bev = bev, .watch = watch, .fd = fd, .slot = h->free_slots[--h->n_free]};
        h->conns[c->slot] = c;
        arena_init(&c->arena, h->server->conf->max_request_memory);
        c->req.server = h->server;
        c->req.arena = &c->arena;
        atomic_fetch_add_explicit(&h->server->metrics->connections, 1, memory_order_relaxed);
        await_request(c, http_now(h));
        settle(c);
        return true;
}

/* Asks libevent for the events of the state reached. Watch and read events never stand side by side on one
 * descriptor: libevent refuses to mix edge and level. */
static void settle(struct conn *c)
{
        static const short reads[] = {[CONN_HEAD] = EV_READ,
            [CONN_BODY] = EV_READ,
            [CONN_CHUNKS] = EV_READ,
            [CONN_LINGER] = EV_READ,
            [CONN_DEAD] = 0};
        if (c->state == CONN_DEAD) {
                conn_free(c);
                return;
        }
        bool unsent = evbuffer_get_length(output(c)) > 0;
        unsigned want = (unsigned)reads[c->state] | (unsigned)(unsent ? EV_WRITE : 0) |
                        (unsigned)(c->state == CONN_BUSY && !unsent ? WATCH : 0);
        unsigned off = c->armed & ~want, on = want & ~c->armed;
        if (off & (EV_READ | EV_WRITE))
                bufferevent_disable(c->bev, (short)(off & (EV_READ | EV_WRITE)));
        if (off & WATCH)
                event_del(c->watch);
        if (on & WATCH)
                event_add(c->watch, NULL);
        if (on & (EV_READ | EV_WRITE))
                bufferevent_enable(c->bev, (short)(on & (EV_READ | EV_WRITE)));
        c->armed = want;
}

static void conn_run(struct conn *c)
{
        bool more = true;
        c->running = true;
        while (more)
                more = conn_read(c);
        if (c->state == CONN_LINGER)
                evbuffer_drain(bufferevent_get_input(c->bev), evbuffer_get_length(bufferevent_get_input(c->bev)));
        c->running = false;
        settle(c);
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

bool conn_write(struct conn *c)
{
        struct evbuffer *out = output(c);
        int n = 1;
        evbuffer_unfreeze(out, 1); /* bufferevents keep their output's front to themselves */
        while (evbuffer_get_length(out) > 0 && n > 0)
                n = evbuffer_write(out, c->fd);
        int error = errno;
        evbuffer_freeze(out, 1);
        return n > 0 || error == EAGAIN || error == EINTR;
}

static void answer_sent(struct conn *c, uint64_t now_ns)
{
        await_request(c, now_ns);
        if (c->keep && !c->http->draining)
                return;
        shutdown(c->fd, SHUT_WR);
        c->state = CONN_LINGER;
        c->deadline_ns = now_ns + LINGER_MS * ns_per_ms;
}

void conn_replied(struct conn *c, uint64_t now_ns)
{
        size_t used = c->arena.used;
        if (c->req.body.n > 0 && c->length > 0)
                evbuffer_drain(bufferevent_get_input(c->bev), c->length);
        if (c->length > HTTP_HIGH_WATER)
                bufferevent_setwatermark(c->bev, EV_READ, 0, HTTP_HIGH_WATER);
        c->length = 0;
        c->req.ref.id = 0;
        c->n_extra = 0;
        if (used > ARENA_KEEP)
                arena_deinit(&c->arena); /* one large request must not be paid for while the connection idles */
        else
                arena_reset(&c->arena);
        c->out_total = evbuffer_get_length(output(c));
        if (c->state == CONN_DEAD || !conn_write(c)) {
                c->state = CONN_DEAD;
        } else if ((c->out_left = evbuffer_get_length(output(c))) > 0) {
                c->state = CONN_FLUSH;
                c->since_ns = c->progress_ns = now_ns;
        } else {
                answer_sent(c, now_ns);
        }
        if (c->running)
                return;
        if (c->state == CONN_HEAD && evbuffer_get_length(bufferevent_get_input(c->bev)) > 0)
                bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
        settle(c);
}

struct request *request_find(struct server *s, struct req_ref ref)
{
        const struct http *h = s->http;
        size_t slot = ref.id & ((1u << HTTP_SLOT_BITS) - 1);
        struct conn *c = slot < h->n_max ? h->conns[slot] : NULL;
        return c && c->state == CONN_BUSY && c->req.ref.id == ref.id ? &c->req : NULL;
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static void on_read(struct bufferevent *bev, void *arg)
{
        (void)bev;
        struct conn *c = arg;
        conn_run(c);
}

static void on_write(struct bufferevent *bev, void *arg)
{
        (void)bev;
        struct conn *c = arg;
        if (c->state == CONN_FLUSH)
                answer_sent(c, http_now(c->http));
        conn_run(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
        (void)bev;
        if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
                conn_close(arg);
}

/* Pipelined input and a half-close wake this too; only the socket's state tells whether the client has gone. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
        (void)what;
        struct pollfd p = {.fd = fd};
        if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
                conn_close(arg);
}

/* --- deadlines -------------------------------------------------------------------------------------------------- */

static void timed_out(struct conn *c, const char *why)
{
        c->running = true;
        conn_refuse(c, PROBLEM_TIMEOUT, why);
        c->running = false;
        settle(c);
}

/* When n bytes have to be there: a rate, after a start of grace_ns. */
static uint64_t due(const struct conn *c, uint64_t grace_ns, size_t n)
{
        uint32_t rate = c->http->server->conf->body_rate;
        return c->since_ns + grace_ns + (rate ? (uint64_t)n * ns_per_s / rate : UINT64_MAX / 4);
}

static bool write_stalled(struct conn *c, uint64_t now_ns)
{
        uint64_t patience = c->http->server->conf->write_ms * ns_per_ms;
        size_t left = evbuffer_get_length(output(c));
        if (left < c->out_left) {
                c->out_left = left;
                c->progress_ns = now_ns;
        }
        return now_ns - c->progress_ns >= patience || now_ns >= due(c, patience, c->out_total - left);
}

void conn_sweep(struct conn *c, uint64_t now_ns)
{
        size_t received = c->state == CONN_BODY ? evbuffer_get_length(bufferevent_get_input(c->bev)) : c->received;
        switch (c->state) {
        case CONN_HEAD:
                if (now_ns >= c->deadline_ns && c->begun)
                        timed_out(c, "the head of the request was not complete in time");
                else if (now_ns >= c->deadline_ns || (c->http->draining && !c->begun))
                        conn_free(c);
                break;
        case CONN_BODY:
        case CONN_CHUNKS:
                if (now_ns >= due(c, BODY_GRACE_S * ns_per_s, received))
                        timed_out(c, "the body came too slowly");
                break;
        case CONN_FLUSH:
                if (write_stalled(c, now_ns))
                        conn_free(c);
                break;
        case CONN_LINGER:
                if (now_ns >= c->deadline_ns)
                        conn_free(c);
                break;
        case CONN_BUSY:
        case CONN_DEAD:
                break;
        }
}
