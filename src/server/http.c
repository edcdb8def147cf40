/* http.c: the front end of one loop: its listeners, its table of connections.
 *
 * A connection lives in a slot; a request's id is a counter with the slot in its low bits, so finding a request again
 * is one look and an id that has been answered never comes back. When all connections of the process are taken a new
 * one gets a short 503 and is closed, a 429 when its client has too many. When descriptors run out the listeners rest
 * until the next sweep instead of spinning.
 *
 * A turn of the loop takes a few new connections only, however many have come: the listeners are level-triggered, so
 * the next turn finds the others. libevent's own listener would take them all before an open connection is served. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "proto/json_admin.h"
#include "server/http_internal.h"
#include "server/http_peers.h"
#include "server/metrics.h"
#include "server/server.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SCRATCH_MAX = 16384, ACCEPT_TURN = 4 };

uint64_t http_now(const struct http *h)
{
        return clock_mono_ns(h->clock);
}

/* IMF-fixdate, RFC 9110 5.6.7; without strftime, whose names follow the locale. */
static void set_date(struct http *h)
{
        static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t s = (time_t)(clock_wall_ms(h->clock) / 1000);
        struct tm t;
        if (!gmtime_r(&s, &t))
                return;
        unsigned day = (unsigned)t.tm_mday % 100, year = (unsigned)(t.tm_year + 1900) % 10000;
        snprintf(h->date, sizeof(h->date), "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * t.tm_wday, day,
            months + 3 * t.tm_mon, year, (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100,
            (unsigned)t.tm_sec % 100);
}

void http_renew(struct http *h)
{
        set_date(h);
        for (size_t i = 0; h->paused && i < h->n_listeners; i++)
                event_add(h->listeners[i], NULL);
        h->paused = false;
}

int http_new(struct http **ret, struct server *s, struct err *e)
{
        size_t n = s->conf->max_connections;
        if (n == 0 || n > (size_t)1 << HTTP_SLOT_BITS)
                return err_set(e, -EINVAL, "%zu connections; a loop takes 1 to %u", n, 1u << HTTP_SLOT_BITS);
        struct http *h = new_zero(struct http);
        if (!h)
                return err_oom(e);
        h->server = s;
        h->base = loop_base(s->loop);
        h->clock = loop_clock(s->loop);
        buf_init(&h->scratch, SCRATCH_MAX);
        h->conns = new_array(struct conn *, n);
        h->free_slots = new_array(uint32_t, n);
        if (!h->conns || !h->free_slots || http_turn_new(h, e) < 0) {
                http_free(h);
                return err_oom(e);
        }
        h->n_max = h->n_free = h->sweep_at = n;
        for (size_t i = 0; i < n; i++)
                h->free_slots[i] = (uint32_t)(n - 1 - i); /* low slots first */
        set_date(h);
        *ret = h;
        return 0;
}

static void free_listeners(struct http *h)
{
        while (h->n_listeners > 0) {
                struct event *l = h->listeners[--h->n_listeners];
                int fd = event_get_fd(l);
                event_free(l);
                close(fd);
        }
}

void http_free(struct http *h)
{
        if (!h)
                return;
        free_listeners(h);
        for (size_t i = 0; i < h->n_max; i++) {
                if (h->conns[i])
                        conn_close(h->conns[i]);
        }
        http_turn_free(h);
        buf_deinit(&h->scratch);
        free(h->conns);
        free(h->free_slots);
        free(h);
}

void http_drain(struct http *h)
{
        free_listeners(h);
        h->draining = true; /* the next sweep closes what is idle */
}

struct request *request_find(struct server *s, struct req_ref ref)
{
        const struct http *h = s->http;
        size_t slot = ref.id & ((1u << HTTP_SLOT_BITS) - 1);
        struct conn *c = slot < h->n_max ? h->conns[slot] : NULL;
        return c && c->state == CONN_BUSY && c->req.ref.id == ref.id ? &c->req : NULL;
}

size_t http_connections(const struct http *h)
{
        return h->n_max - h->n_free;
}

/* What is not read yet would turn the close into a reset; the answer is a courtesy then. */
static void turn_away(struct http *h, int fd, enum problem p, const char *why)
{
        char head[256];
        struct buf *body = &h->scratch;
        int status = problem_status(p);
        atomic_fetch_add_explicit(&h->server->metrics->rejected, 1, memory_order_relaxed);
        buf_reset(body);
        json_error_write(body, p, status, why, "", NULL);
        int n = snprintf(head, sizeof(head),
            "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
            "Retry-After: 1\r\nConnection: close\r\n\r\n",
            status, http_reason(status), h->date, buf_ok(body) ? body->len : 0);
        struct iovec parts[2] = {{head, (size_t)n}, {body->data, buf_ok(body) ? body->len : 0}};
        struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent;
        shutdown(fd, SHUT_WR);
        close(fd);
}

static void take(struct http *h, int fd, const struct sockaddr *sa)
{
        struct server *s = h->server;
        struct peer *who = NULL;
        int on = 1;
        if (atomic_fetch_add(&s->metrics->connections, 1) >= h->n_max) {
                turn_away(h, fd, PROBLEM_OVERLOADED, "all connections are in use; try again soon");
        } else if (s->peers && !(who = peers_enter(s->peers, fd, sa, http_now(h)))) {
                turn_away(h, fd, PROBLEM_QUOTA, "too many connections from this client; try again soon");
        } else {
                if (sa->sa_family != AF_UNIX)
                        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
                if (conn_open(h, fd, who))
                        return;
                close(fd);
                if (who)
                        peers_leave(s->peers, who, http_now(h));
        }
        atomic_fetch_sub(&s->metrics->connections, 1);
}

static void rest(struct http *h, int errnum)
{
        if (!h->starved)
                log_warning("no connection can be accepted: %s", strerror(errnum));
        for (size_t i = 0; i < h->n_listeners; i++)
                event_del(h->listeners[i]);
        h->paused = h->starved = true;
}

static void on_accept(evutil_socket_t listening, short what, void *arg)
{
        (void)what;
        for (int i = 0; i < ACCEPT_TURN; i++) {
                union {
                        struct sockaddr any;
                        struct sockaddr_storage all;
                } a;
                socklen_t n = sizeof(a);
                int fd = accept4(listening, &a.any, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0) {
                        ((struct http *)arg)->starved = false;
                        take(arg, fd, &a.any);
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        if (errno != EAGAIN)
                                rest(arg, errno);
                        return;
                }
        }
}

int http_accept_from(struct http *h, int fd, struct err *e)
{
        if (h->n_listeners == HTTP_MAX_LISTENERS)
                return err_set(e, -ENOSPC, "more than %d listening sockets", HTTP_MAX_LISTENERS);
        _close_ int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (own < 0)
                return err_errno(e, errno, "duplicate a listening socket");
        if (evutil_make_socket_nonblocking(own) < 0)
                return err_errno(e, errno, "a listening socket that does not block");
        struct event *l = event_new(h->base, own, EV_READ | EV_PERSIST, on_accept, h);
        if (!l || event_add(l, NULL) < 0) {
                if (l)
                        event_free(l);
                return err_set(e, -ENOMEM, "libevent gives no listener");
        }
        own = -1;
        h->listeners[h->n_listeners++] = l;
        return 0;
}
