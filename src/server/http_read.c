/* http_read.c: from the bytes of a connection to a request in its handler's hands.
 *
 * A head is copied into the arena, so that its slices hold still while the body arrives; the body stays in the input
 * buffer until the reply, chunks are decoded there in place. An answer given before the body has been read is the
 * last one of its connection: what follows cannot be told from the body. */
#include "server/http_internal.h"
#include "server/http_peers.h"
#include "server/metrics.h"
#include "server/route.h"
#include "server/server.h"
#include <sys/uio.h>

enum { REQUESTS_MAX = 10000 };

static void begin_request(struct conn *c, uint64_t now_ns)
{
        struct request *r = &c->req;
        r->ref.id = ++c->http->last_id << HTTP_SLOT_BITS | c->slot;
        r->method = METHOD_OTHER;
        r->route = NULL;
        r->path = r->query = r->raw_path = r->body = (struct slice){0};
        r->n_args = r->n_headers = 0;
        r->retry_s = 0;
        r->gone = NULL;
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

/* The body lies in the input; what follows it begins at next. */
static void dispatch(struct conn *c, size_t body, size_t n, size_t next)
{
        struct request *r = &c->req;
        r->body = (struct slice){n > 0 ? c->in + body : "", n};
        c->next = next;
        r->start_ns = http_now(c->http);
        c->state = CONN_BUSY;
        atomic_fetch_add_explicit(&c->http->server->metrics->in_flight, 1, memory_order_relaxed);
        peer_begins(c->peer);
        r->route->handle(r);
}

static void begin_body(struct conn *c, const struct http_head *head, size_t limit)
{
        static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        c->length = (size_t)head->length;
        c->received = 0;
        c->chunked = (struct http_chunked){.limit = limit};
        c->state = head->chunked ? CONN_CHUNKS : CONN_BODY;
        conn_pace(c, http_now(c->http));
        if (head->expect_continue && c->next == c->n)
                conn_send(c, &(struct iovec){go_on, sizeof(go_on) - 1}, 1);
        if (c->out_n > 0)
                c->state = CONN_DEAD; /* not even that fits: it does not read its answers */
}

/* p[0, n) is a whole head, in the arena. */
static void on_head(struct conn *c, const char *p, size_t n)
{
        struct request *r = &c->req;
        struct http_head head;
        size_t limit;
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
        c->keep = may_keep && !body;
        r->raw_path = r->path = head.path;
        r->query = head.query;
        r->n_headers = head.n_headers;
        char *plain = head.escaped ? arena_alloc(&c->arena, head.path.n) : NULL;
        if (plain)
                r->path = (struct slice){plain, http_unescape(head.path, plain)};
        if (!conn_admit(c, &head, &limit))
                return;
        c->keep = may_keep;
        if (body)
                begin_body(c, &head, limit);
        else
                dispatch(c, c->at, 0, c->next);
}

static bool step_head(struct conn *c)
{
        if (c->next == c->n)
                return false;
        if (!c->begun) {
                c->begun = true;
                c->deadline_ns = http_now(c->http) + c->http->server->conf->header_ms * UINT64_C(1000000);
        }
        enum http_step step = http_scan(&c->scan, c->in + c->next, c->n - c->next);
        if (step == HTTP_MORE)
                return false;
        if (step == HTTP_BAD) {
                conn_refuse(c, c->scan.problem, c->scan.why);
                return true;
        }
        size_t size = c->scan.size - c->scan.start;
        const char *head = arena_memdup(&c->arena, c->in + c->next + c->scan.start, size);
        c->at = c->next += c->scan.size;
        if (head)
                on_head(c, head, size);
        else
                conn_refuse(c, PROBLEM_OVERLOADED, "no memory for this request");
        return true;
}

static bool step_body(struct conn *c)
{
        c->received = c->n - c->next;
        if (c->received < c->length)
                return false;
        dispatch(c, c->next, c->length, c->next + c->length);
        return true;
}

static bool step_chunks(struct conn *c)
{
        const char *p = c->in + c->next;
        size_t n = c->n - c->next, left = n;
        enum http_step step = HTTP_MORE;
        while (left > 0 && step == HTTP_MORE) {
                struct slice data;
                step = http_chunked(&c->chunked, &p, &left, &data);
                if (data.n > 0)
                        memmove(c->in + c->at + c->body_n, data.p, data.n);
                c->body_n += data.n;
        }
        c->next = c->n - left;
        c->received += n - left;
        if (step == HTTP_DONE)
                dispatch(c, c->at, c->body_n, c->next);
        else if (step == HTTP_BAD)
                conn_refuse(c, c->chunked.problem, c->chunked.why);
        return step != HTTP_MORE;
}

bool conn_read(struct conn *c)
{
        static bool (*const step[])(struct conn *) = {
            [CONN_HEAD] = step_head, [CONN_BODY] = step_body, [CONN_CHUNKS] = step_chunks};
        return c->state <= CONN_CHUNKS && step[c->state](c);
}
