/* http_read.c: from the bytes of a connection to a request in its handler's hands.
 *
 * A head is copied into the arena, so that its slices hold still while the body arrives; a body of known length
 * stays in the input buffer until the reply; chunks are joined in the arena. Route, length and coding are judged
 * before a byte of the body is asked for. An answer given before the body has been read is the last one of its
 * connection: what follows cannot be told from the body. */
#include "base/mem.h"
#include "server/http_internal.h"
#include "server/metrics.h"
#include "server/route.h"
#include "server/server.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>

enum { TOP_UP_MAX = 262144, CHUNK_ROOM = 4096, REQUESTS_MAX = 10000 };

static const uint64_t ns_per_ms = 1000000;

static struct evbuffer *input(struct conn *c)
{
        return bufferevent_get_input(c->bev);
}

static void begin_request(struct conn *c, uint64_t now_ns)
{
        struct request *r = &c->req;
        r->ref.id = ++c->http->last_id << HTTP_SLOT_BITS | c->slot;
        r->method = METHOD_OTHER;
        r->route = NULL;
        r->path = r->query = r->raw_path = r->body = (struct slice){0};
        r->n_args = r->n_headers = 0;
        r->start_ns = now_ns;
        c->keep = false;
        c->http10 = false;
}

void conn_refuse(struct conn *c, enum problem p, const char *why)
{
        if (c->req.ref.id == 0)
                begin_request(c, http_now(c->http));
        c->keep = false;
        reply_problem(&c->req, p, "", "%s", why);
}

static void dispatch(struct conn *c)
{
        struct request *r = &c->req;
        r->start_ns = http_now(c->http);
        c->state = CONN_BUSY;
        atomic_fetch_add_explicit(&c->http->server->metrics->in_flight, 1, memory_order_relaxed);
        r->route->handle(r);
}

static enum problem find_route(struct conn *c)
{
        char allow[64];
        enum problem p = route_find(&c->req, allow, sizeof(allow));
        if (p == PROBLEM_METHOD) {
                reply_header(&c->req, "Allow", "%s", allow);
                reply_problem(&c->req, p, "", "this path has no such method; it has %s", allow);
        } else if (p != PROBLEM_NONE) {
                char near[256];
                route_near(&c->req, near, sizeof(near));
                reply_problem(&c->req, p, "", "no such path%s%s", near[0] ? "; near it: " : "", near);
        }
        return p;
}

/* Whoever sends it counts on it: to ignore it would break a promise without a word. */
static bool no_idempotency_key(struct conn *c)
{
        if (c->req.method == METHOD_GET || c->req.method == METHOD_HEAD ||
            request_header(&c->req, "Idempotency-Key").p == NULL)
                return true;
        conn_refuse(c, PROBLEM_UNSUPPORTED,
            "the header Idempotency-Key is not supported; an event_id in each event makes retries of feedback count "
            "exactly once");
        return false;
}

/* Length and coding are good, or have been answered. */
static bool body_welcome(struct conn *c, const struct http_head *head, size_t limit)
{
        struct slice coding = request_header(&c->req, "Content-Encoding");
        bool plain = coding.n == 0 || slice_eq_nocase(coding, "identity");
        if (head->length > limit)
                reply_problem(&c->req, PROBLEM_TOO_LARGE, "", "a body of %llu bytes; this route takes %zu",
                    (unsigned long long)head->length, limit);
        else if (!plain)
                conn_refuse(c, PROBLEM_MEDIA_TYPE, "a Content-Encoding other than identity");
        return head->length <= limit && plain;
}

static void begin_body(struct conn *c, const struct http_head *head, size_t limit)
{
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        c->since_ns = http_now(c->http);
        c->length = (size_t)head->length;
        c->received = 0;
        c->chunked = (struct http_chunked){.limit = limit};
        c->body = NULL;
        c->body_n = c->body_cap = 0;
        c->state = head->chunked ? CONN_CHUNKS : CONN_BODY;
        if (c->length > HTTP_HIGH_WATER)
                bufferevent_setwatermark(c->bev, EV_READ, 0, c->length);
        if (head->expect_continue && evbuffer_get_length(input(c)) == 0 &&
            (evbuffer_add(bufferevent_get_output(c->bev), go_on, sizeof(go_on) - 1) < 0 || !conn_write(c)))
                c->state = CONN_DEAD;
}

/* p[0, n) is a whole head, in the arena. */
static void on_head(struct conn *c, const char *p, size_t n)
{
        struct request *r = &c->req;
        struct http_head head;
        begin_request(c, http_now(c->http));
        enum problem problem = http_parse_head(p, n, r->headers, &head);
        r->method = head.method;
        if (problem != PROBLEM_NONE) {
                conn_refuse(c, problem, head.why);
                return;
        }
        bool body = head.chunked || head.length > 0;
        bool may_keep = head.keep_alive && !c->http->draining && ++c->n_requests < REQUESTS_MAX;
        c->http10 = head.minor == 0;
        c->keep = may_keep && !body; /* an answer given before the body has been read is the last one */
        r->raw_path = r->path = head.path;
        r->query = head.query;
        r->n_headers = head.n_headers;
        char *plain = head.escaped ? arena_alloc(&c->arena, head.path.n) : NULL;
        if (plain)
                r->path = (struct slice){plain, http_unescape(head.path, plain)};
        if (find_route(c) != PROBLEM_NONE || !no_idempotency_key(c))
                return;
        size_t limit = route_body_limit(r->server, r->route);
        if (body && !body_welcome(c, &head, limit))
                return;
        if (!body) {
                dispatch(c);
                return;
        }
        begin_body(c, &head, limit);
        c->keep = may_keep;
}

static bool step_head(struct conn *c)
{
        struct evbuffer *in = input(c);
        size_t n = evbuffer_get_length(in), first = evbuffer_get_contiguous_space(in);
        if (n == 0)
                return false;
        if (!c->begun) {
                c->begun = true;
                c->deadline_ns = http_now(c->http) + c->http->server->conf->header_ms * ns_per_ms;
        }
        /* Usually all of it lies in one piece; only if not, pay for joining. */
        enum http_step step = http_scan(&c->scan, (const char *)evbuffer_pullup(in, (ev_ssize_t)first), first);
        if (step == HTTP_MORE && first < n) {
                first = n < HTTP_MAX_HEAD ? n : HTTP_MAX_HEAD;
                const char *p = (const char *)evbuffer_pullup(in, (ev_ssize_t)first);
                if (!p) {
                        c->state = CONN_DEAD;
                        return false;
                }
                step = http_scan(&c->scan, p, first);
        }
        if (step == HTTP_MORE)
                return false;
        if (step == HTTP_BAD) {
                conn_refuse(c, c->scan.problem, c->scan.why);
                return true;
        }
        const char *p = (const char *)evbuffer_pullup(in, (ev_ssize_t)c->scan.size);
        size_t size = c->scan.size - c->scan.start;
        const char *copy = arena_memdup(&c->arena, p + c->scan.start, size);
        evbuffer_drain(in, c->scan.size);
        if (copy)
                on_head(c, copy, size);
        else
                conn_refuse(c, PROBLEM_OVERLOADED, "no memory for this request");
        return true;
}

/* A bufferevent reads 4 kB a turn; a body whose length is known can be had in one call. Errors are left to the next
 * read, which meets them again. */
static void top_up(struct conn *c)
{
        struct evbuffer *in = input(c);
        size_t have = evbuffer_get_length(in);
        struct evbuffer_iovec room;
        if (have >= c->length)
                return;
        size_t missing = c->length - have < TOP_UP_MAX ? c->length - have : TOP_UP_MAX;
        evbuffer_unfreeze(in, 0);
        if (evbuffer_reserve_space(in, (ev_ssize_t)missing, &room, 1) == 1) {
                ssize_t n = recv(c->fd, room.iov_base, missing, MSG_DONTWAIT);
                room.iov_len = n > 0 ? (size_t)n : 0;
                evbuffer_commit_space(in, &room, 1);
        }
        evbuffer_freeze(in, 0);
}

static bool step_body(struct conn *c)
{
        top_up(c);
        if (evbuffer_get_length(input(c)) < c->length)
                return false;
        const char *p = (const char *)evbuffer_pullup(input(c), (ev_ssize_t)c->length);
        if (!p) {
                conn_refuse(c, PROBLEM_OVERLOADED, "no memory for this body");
                return true;
        }
        c->req.body = (struct slice){p, c->length};
        dispatch(c);
        return true;
}

/* Room doubles, so the arena holds at most twice the body besides the last piece. */
static bool append(struct conn *c, struct slice s)
{
        if (s.n > c->body_cap - c->body_n) {
                size_t cap = c->body_cap > SIZE_MAX / 2 ? SIZE_MAX : c->body_cap * 2;
                if (cap - c->body_n < s.n && !mem_add(c->body_n, s.n, &cap))
                        return false;
                if (cap < CHUNK_ROOM)
                        cap = CHUNK_ROOM;
                char *more = arena_alloc(&c->arena, cap);
                if (!more)
                        return false;
                if (c->body_n > 0)
                        memcpy(more, c->body, c->body_n);
                c->body = more;
                c->body_cap = cap;
        }
        memcpy(c->body + c->body_n, s.p, s.n);
        c->body_n += s.n;
        return true;
}

static bool step_chunks(struct conn *c)
{
        size_t n = evbuffer_get_contiguous_space(input(c)), left = n;
        const char *p = (const char *)evbuffer_pullup(input(c), (ev_ssize_t)n);
        enum http_step step = HTTP_MORE;
        bool room = true;
        while (left > 0 && step == HTTP_MORE && room) {
                struct slice data;
                step = http_chunked(&c->chunked, &p, &left, &data);
                room = data.n == 0 || append(c, data);
        }
        evbuffer_drain(input(c), n - left);
        c->received += n - left;
        if (!room)
                conn_refuse(c, PROBLEM_OVERLOADED, "no memory for this body");
        else if (step == HTTP_BAD)
                conn_refuse(c, c->chunked.problem, c->chunked.why);
        if (!room || step == HTTP_BAD)
                return true;
        if (step == HTTP_MORE)
                return n > 0;
        c->length = 0;
        c->req.body = (struct slice){c->body ? c->body : "", c->body_n};
        dispatch(c);
        return true;
}

bool conn_read(struct conn *c)
{
        switch (c->state) {
        case CONN_HEAD:
                return step_head(c);
        case CONN_BODY:
                return step_body(c);
        case CONN_CHUNKS:
                return step_chunks(c);
        default:
                return false;
        }
}
