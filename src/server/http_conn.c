/* http_conn.c: one connection, from accept to close; how it comes by a request is http_read.c.
 *
 * Owns the socket, its input, the arena and one request at a time: the next is not looked at before the answer of the
 * one before has left for the socket, so pipelined requests are answered in order and a client that does not read
 * is not read from. conn_run moves through the states of http_internal.h as far as the input goes.
 *
 * The socket is watched edge-triggered from accept to close, so no state costs a call of the system: an edge says
 * that there may be something to read, and it is read when the state wants it. Plain events rather than bufferevents,
 * because those allocate a piece of buffer for every read; here a request after the first allocates nothing.
 *
 * A client that resets or closes its socket whole while a handler has the request takes its request's id with it. One
 * that only ends its own side (a half-close, which over TCP a close looks like) still gets its answer. A handler may
 * reply before it returns (conn_run goes on) or later (the next request starts from the loop, never from the stack of
 * whoever replied). The last answer is followed by a half-close and a short wait for the peer's end (RFC 9112 9.6),
 * because closing over unread input would destroy the answer on its way. */
#include "base/mem.h"
#include "server/http_internal.h"
#include "server/http_peers.h"
#include "server/metrics.h"
#include "server/server.h"
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN = 1 << 20, LINGER_MS = 2000 };

static const uint64_t ns_per_ms = 1000000;

struct conn *conn_of(struct request *r)
{
        return (struct conn *)((char *)r - offsetof(struct conn, req));
}

/* --- open and close --------------------------------------------------------------------------------------------- */

static void conn_free(struct conn *c)
{
        struct http *h = c->http;
        struct server *s = h->server;
        if (c->state == CONN_BUSY)
                request_left(&c->req, http_now(h));
        h->conns[c->slot] = NULL;
        h->free_slots[h->n_free++] = c->slot;
        atomic_fetch_sub_explicit(&s->metrics->connections, 1, memory_order_relaxed);
        if (c->peer)
                peers_leave(s->peers, c->peer, http_now(h));
        http_not_later(c);
        event_free(c->readable);
        event_free(c->writable);
        close(c->fd);
        free(c->out);
        c->out_n = 0;
        arena_deinit(&c->arena);
        conn_free_input(c);
        free(c);
}

void conn_close(struct conn *c)
{
        if (c->running)
                c->state = CONN_DEAD;
        else
                conn_free(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

static void await_request(struct conn *c, uint64_t now_ns)
{
        c->state = CONN_HEAD;
        c->begun = false;
        c->scan = (struct http_scan){0};
        c->deadline_ns = now_ns + c->http->server->conf->idle_ms * ns_per_ms;
}

bool conn_open(struct http *h, int fd, struct peer *p)
{
        struct conn *c = new_zero(struct conn);
        struct event *in = event_new(h->base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_readable, c);
        struct event *out = event_new(h->base, fd, EV_WRITE | EV_ET | EV_PERSIST, on_writable, c);
        if (!c || !in || !out || event_add(in, NULL) < 0) {
                if (in)
                        event_free(in);
                if (out)
                        event_free(out);
                free(c);
                return false;
        }
        *c = (struct conn){.http = h, .peer = p, .readable = in, .writable = out, .fd = fd};
        c->slot = h->free_slots[--h->n_free];
        h->conns[c->slot] = c;
        arena_init(&c->arena, h->server->conf->max_request_memory);
        c->req.server = h->server;
        c->req.arena = &c->arena;
        await_request(c, http_now(h));
        return true;
}

/* Reads once if the state wants it and the socket may have something; false: it is the loop's turn. */
static bool read_more(struct conn *c, size_t *left)
{
        bool reads = c->state <= CONN_CHUNKS || c->state == CONN_LINGER;
        if (reads && c->ready && *left == 0)
                http_later(c); /* others first */
        if (!reads || !c->ready || *left == 0)
                return false;
        if (c->state == CONN_LINGER)
                c->at = c->next = c->n = 0;
        int got = conn_fill(c);
        if (got == -ENOMEM && c->state != CONN_LINGER)
                conn_refuse(c, PROBLEM_OVERLOADED, "no memory for this request; try again in a second");
        else if (got < 0)
                c->state = CONN_DEAD;
        else
                *left -= (size_t)got < *left ? (size_t)got : *left;
        return true;
}

void conn_run(struct conn *c)
{
        size_t left = TURN;
        c->running = true;
        c->answered = false;
        while (!c->answered && (conn_read(c) || read_more(c, &left)))
                ;
        c->running = false;
        if (c->state == CONN_DEAD)
                conn_free(c);
        else if (c->answered && c->state != CONN_FLUSH && (c->ready || c->n > 0))
                http_later(c); /* a client that sends many requests at once gets one answer a turn, as others do */
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

static void answer_sent(struct conn *c, uint64_t now_ns)
{
        await_request(c, now_ns);
        if (c->keep && !c->http->draining)
                return;
        shutdown(c->fd, SHUT_WR);
        c->state = CONN_LINGER;
        if (c->in_cap > HTTP_INPUT)
                conn_drop_input(c);
        c->deadline_ns = now_ns + LINGER_MS * ns_per_ms;
}

void conn_replied(struct conn *c, uint64_t now_ns)
{
        size_t used = c->arena.used;
        c->req.ref.id = 0;
        c->answered = true;
        c->n_extra = 0;
        c->body_n = 0;
        c->at = c->next;
        if (c->at == c->n)
                c->at = c->next = c->n = 0;
        if (c->n == 0 && c->in_cap > HTTP_KEEP)
                conn_drop_input(c); /* one large request must not be paid for while the connection idles */
        if (used > HTTP_KEEP)
                arena_deinit(&c->arena);
        else
                arena_reset(&c->arena);
        conn_held(c);
        if (c->state != CONN_DEAD && c->out_n == 0) {
                answer_sent(c, now_ns);
        } else if (c->state != CONN_DEAD) {
                c->state = CONN_FLUSH;
                c->progress_ns = now_ns;
                conn_pace(c, now_ns);
                if (event_add(c->writable, NULL) < 0)
                        c->state = CONN_DEAD;
        }
        if (c->running)
                return;
        if (c->state == CONN_DEAD)
                conn_free(c);
        else if (c->ready || c->n > 0)
                http_later(c);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

/* Pipelined input and a half-close make an edge too; only the socket's state tells whether the client has gone. */
static bool gone(int fd)
{
        struct pollfd p = {.fd = fd};
        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
        struct conn *c = arg;
        bool edge = what & (EV_READ | EV_CLOSED);
        c->ready |= edge;
        c->ended |= (what & EV_CLOSED) != 0;
        if (edge && c->state == CONN_BUSY && gone(fd))
                conn_free(c);
        else
                conn_run(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        struct conn *c = arg;
        size_t before = c->out_at;
        int done = conn_flush(c);
        if (c->out_at != before)
                c->progress_ns = http_now(c->http);
        if (done < 0) {
                conn_free(c);
        } else if (done > 0) {
                event_del(c->writable);
                answer_sent(c, http_now(c->http));
                conn_run(c);
        }
}
