/* http_reply.c: an answer on its way to the socket: status line, fields and body in one write.
 *
 * The head is put together on the stack and goes out together with the body, in one call; the Date is the one http.c
 * renews four times a second. Every answer passes http_reply, so this is where requests are counted. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/http_internal.h"
#include "server/http_peers.h"
#include "server/metrics.h"
#include "server/route.h"
#include "server/server.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>

static const struct {
        int status;
        const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {207, "Multi-Status"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_reason(int status)
{
        for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
                if (reasons[i].status == status)
                        return reasons[i].reason;
        }
        return "Unknown";
}

/* A field that does not fit is left out whole: its line would otherwise end in the middle of another. */
static void add_header(struct conn *c, const char *name, const char *value)
{
        size_t room = sizeof(c->extra) - c->n_extra, n_name = strlen(name), n = strlen(value);
        char *at = c->extra + c->n_extra;
        if (n_name + 4 > room || n > room - n_name - 4)
                return;
        memcpy(at, name, n_name);
        memcpy(at + n_name, ": ", 2);
        at += n_name + 2;
        for (size_t i = 0; i < n; i++) {
                bool plain = (unsigned char)value[i] >= 0x20 && value[i] != 0x7f;
                *at++ = plain ? value[i] : ' '; /* nothing from outside may end the line */
        }
        memcpy(at, "\r\n", 2);
        c->n_extra += n_name + n + 4;
}

void reply_header(struct request *r, const char *name, const char *fmt, ...)
{
        struct conn *c = conn_of(r);
        char value[sizeof(c->extra)];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(value, sizeof(value), fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof(value))
                add_header(c, name, value);
}

void reply_header_number(struct request *r, const char *name, size_t value)
{
        char text[STR_U64];
        add_header(conn_of(r), name, str_u64(text, value));
}

/* RFC 9562 version 8: milliseconds since the epoch and the request's number, which no two requests share. */
void http_instance(const struct request *r, char ret[HTTP_UUID])
{
        const struct http *h = r->server->http;
        uint64_t ms = (uint64_t)clock_wall_ms(h->clock), id = r->ref.id;
        snprintf(ret, HTTP_UUID, "urn:uuid:%08" PRIx64 "-%04" PRIx64 "-8%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
            ms >> 16 & 0xffffffff, ms & 0xffff, id >> 60, (id >> 48 & 0xfff) | 0x8000, id & 0xffffffffffff);
}

static void count(const struct request *r, int status, size_t n, uint64_t ns)
{
        struct metrics *m = r->server->metrics;
        struct conn *c = conn_of((struct request *)(uintptr_t)r);
        if (c->state == CONN_BUSY) {
                atomic_fetch_sub_explicit(&m->in_flight, 1, memory_order_relaxed);
                peer_ends(c->peer);
        }
        if (status == 503)
                atomic_fetch_add_explicit(&m->rejected, 1, memory_order_relaxed);
        metrics_request(m, r->route ? (size_t)(r->route - routes) : METRICS_ROUTES - 1, status, ns);
        log_debug("request %" PRIx64 ": %s: %d, %zu bytes, %" PRIu64 " us", r->ref.id,
            r->route ? r->route->pattern : "no route", status, n, ns / 1000);
}

void request_left(struct request *r, uint64_t now_ns)
{
        count(r, 0, 0, now_ns - r->start_ns);
        if (r->gone)
                r->gone(r->gone_arg);
}

static void put(struct iovec *to, const char *text)
{
        size_t n = strlen(text);
        memcpy((char *)to->iov_base + to->iov_len, text, n);
        to->iov_len += n;
}

static void put_number(struct iovec *to, size_t v)
{
        char text[STR_U64];
        put(to, str_u64(text, v));
}

void http_reply(struct request *r, int status, const char *type, const void *data, size_t n)
{
        enum { HEAD_MAX = 512, TYPE_MAX = 100 };
        struct conn *c = conn_of(r);
        struct http *h = c->http;
        char head[HEAD_MAX];
        struct iovec parts[] = {{head, 0}, {c->extra, c->n_extra}, {(char *)(uintptr_t) "\r\n", 2},
            {(void *)(uintptr_t)data, r->method == METHOD_HEAD ? 0 : n}};
        uint64_t now = http_now(h);
        c->keep = c->keep && !h->draining;
        count(r, status, n, now - r->start_ns);
        put(parts, "HTTP/1.1 ");
        put_number(parts, (size_t)status);
        put(parts, " ");
        put(parts, http_reason(status));
        put(parts, "\r\nDate: ");
        put(parts, h->date);
        if (type && strlen(type) <= TYPE_MAX) {
                put(parts, "\r\nContent-Type: ");
                put(parts, type);
        }
        put(parts, "\r\nContent-Length: ");
        put_number(parts, n);
        put(parts, !c->keep ? "\r\nConnection: close\r\n" : c->http10 ? "\r\nConnection: keep-alive\r\n" : "\r\n");
        conn_send(c, parts, ARRAY_LEN(parts));
        conn_replied(c, now);
}
