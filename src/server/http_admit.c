/* http_admit.c: whether a request is let in, judged by its head alone, before a byte of its body is asked for. */
#include "server/http_internal.h"
#include "server/http_peers.h"
#include "server/route.h"
#include "server/server.h"

static bool within_quota(struct conn *c)
{
        uint32_t wait_s;
        if (peer_may_ask(c->http->server->peers, c->peer, http_now(c->http), &wait_s))
                return true;
        c->req.retry_s = wait_s;
        reply_problem(
            &c->req, PROBLEM_QUOTA, "", "too many requests from this client; try again in %u s", (unsigned)wait_s);
        return false;
}

static bool find_route(struct conn *c)
{
        char text[256];
        enum problem p = route_find(&c->req, text, sizeof(text));
        if (p == PROBLEM_METHOD) {
                reply_header(&c->req, "Allow", "%s", text);
                reply_problem(&c->req, p, "", "this path has no such method; it has %s", text);
        } else if (p != PROBLEM_NONE) {
                route_near(&c->req, text, sizeof(text));
                reply_problem(&c->req, p, "", "no such path%s%s", text[0] ? "; near it: " : "", text);
        }
        return p == PROBLEM_NONE;
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

bool conn_admit(struct conn *c, const struct http_head *head, size_t *ret_limit)
{
        if (!within_quota(c) || !find_route(c) || !no_idempotency_key(c))
                return false;
        *ret_limit = route_body_limit(c->req.server, c->req.route);
        return (head->length == 0 && !head->chunked) || body_welcome(c, head, *ret_limit);
}
