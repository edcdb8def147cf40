/* reply.c: from a domain outcome to an answer: the one place that knows which problem has which HTTP status.
 *
 * Problem bodies are RFC 9457 and written by proto. What went wrong inside is told to the log under the request's
 * instance, and to the client only by that instance. */
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "proto/json_admin.h"
#include "server/held.h"
#include "server/http_internal.h"
#include "server/server.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int problem_status(enum problem p)
{
        static const short status[PROBLEM_COUNT] = {
#define STATUS(id, code) [PROBLEM_##id] = (code),
#include "server/status.def"
#undef STATUS
        };
        return p > PROBLEM_NONE && p < PROBLEM_COUNT && status[p] ? status[p] : 500;
}

/* The weight RFC 9110 12.4.2 gives to the media type, in thousandths; -1 if it is not named. ret_at: where it
 * stands. */
static int weight_of(struct slice accept, const char *type, size_t *ret_at)
{
        size_t n_type = strlen(type);
        for (size_t i = 0, end; i < accept.n; i = end + 1) {
                const char *comma = memchr(accept.p + i, ',', accept.n - i);
                end = comma ? (size_t)(comma - accept.p) : accept.n;
                while (i < end && (accept.p[i] == ' ' || accept.p[i] == '\t'))
                        i++;
                size_t n = end - i;
                if (n < n_type || !slice_eq_nocase((struct slice){accept.p + i, n_type}, type) ||
                    (n > n_type && !memchr("; \t", accept.p[i + n_type], 3)))
                        continue;
                *ret_at = i;
                for (size_t q = i + n_type; q + 2 < end; q++) {
                        if ((accept.p[q] | 0x20) != 'q' || accept.p[q + 1] != '=')
                                continue;
                        if (accept.p[q + 2] == '1')
                                return 1000;
                        int w = 0, unit = 100;
                        for (size_t d = q + 4; d < end && unit > 0 && accept.p[d] >= '0' && accept.p[d] <= '9';
                             d++, unit /= 10)
                                w += (accept.p[d] - '0') * unit;
                        return w;
                }
                return 1000;
        }
        return -1;
}

static const char *problem_type(const struct request *r)
{
        struct slice accept = request_header(r, "Accept");
        size_t at_problem = 0, at_json = 0;
        int problem = weight_of(accept, "application/problem+json", &at_problem);
        int json = weight_of(accept, "application/json", &at_json);
        bool preferred = problem > 0 && (problem > json || (problem == json && at_problem < at_json));
        return preferred ? "application/problem+json" : "application/json";
}

/* errors: NULL, or the array to write instead of the one field. */
static void send_errors(
    struct request *r, enum problem p, const char *field, const struct buf *errors, const char *detail)
{
        static const char plain[] = "{\"title\":\"Server full\",\"status\":503,\"error\":\"overloaded: no memory\"}";
        struct buf *body = &conn_of(r)->http->scratch;
        int status = problem_status(p);
        char instance[HTTP_UUID];
        http_instance(r, instance);
        if (status == 503 || status == 429)
                reply_header(r, "Retry-After", "%u", r->retry_s ? (unsigned)r->retry_s : 1u);
        if (status == 401)
                reply_header(r, "WWW-Authenticate", "Bearer");
        buf_reset(body);
        if (errors)
                json_error_list_write(body, p, status, detail, errors, instance);
        else
                json_error_write(body, p, status, detail, field ? field : "", instance);
        if (buf_ok(body) && (!errors || buf_ok(errors)))
                http_reply(r, status, problem_type(r), body->data, body->len);
        else
                http_reply(r, 503, "application/json", plain, sizeof(plain) - 1);
}

static void send_problem(struct request *r, enum problem p, const char *field, const char *detail)
{
        send_errors(r, p, field, NULL, detail);
}

void reply_problem_list(struct request *r, enum problem p, const struct buf *errors, const char *fmt, ...)
{
        char detail[ERR_MSG_MAX];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(detail, sizeof(detail), fmt, ap);
        va_end(ap);
        if (n >= (int)sizeof(detail))
                detail[str_utf8_cut(detail, sizeof(detail) - 1)] = '\0';
        send_errors(r, p, "", errors, n < 0 ? "" : detail);
}

void reply_problem(struct request *r, enum problem p, const char *field, const char *fmt, ...)
{
        char detail[ERR_MSG_MAX];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(detail, sizeof(detail), fmt, ap);
        va_end(ap);
        if (n >= (int)sizeof(detail))
                detail[str_utf8_cut(detail, sizeof(detail) - 1)] = '\0';
        send_problem(r, p, field, n < 0 ? "" : detail);
}

static void send_internal(struct request *r, int outcome, const struct err *e)
{
        char instance[HTTP_UUID];
        http_instance(r, instance);
        log_error("request %s: %s (%d)", instance, e && e->msg[0] ? e->msg : "no details", outcome);
        send_problem(
            r, PROBLEM_INTERNAL, "", "the request failed inside the server; its log tells why under this instance");
}

void reply_too_much(struct request *r, const char *what)
{
        reply_problem(r, PROBLEM_TOO_LARGE, "",
            "more than the %zu bytes of memory that one request may have (server.max_request_memory) are needed for "
            "%s; "
            "send fewer rows at once",
            r->server->conf->max_request_memory, what);
}

void reply_error(struct request *r, int outcome, const struct err *e)
{
        if (outcome == -ENOMEM && r->arena->full)
                reply_too_much(r, "the request");
        else if (outcome > PROBLEM_NONE && outcome < PROBLEM_COUNT)
                send_problem(r, (enum problem)outcome, e ? e->field : "", e ? e->msg : "");
        else if (outcome == -ENOMEM)
                send_problem(r, PROBLEM_OVERLOADED, "", "not enough memory for this request");
        else
                send_internal(r, outcome, e);
}

void reply_bytes(struct request *r, int status, const char *content_type, const void *data, size_t n)
{
        if (held_room(r->server, n))
                http_reply(r, status, content_type, data, n);
        else /* it may have to wait for its client */
                send_problem(r, PROBLEM_OVERLOADED, "", "too much is being answered at once; try again in a second");
}

void reply_json(struct request *r, int status, const struct buf *body)
{
        if (body && !buf_ok(body))
                send_internal(r, -E2BIG, &(struct err){.msg = "an answer that did not fit into its buffer"});
        else
                reply_bytes(r, status, "application/json", body ? body->data : NULL, body ? body->len : 0);
}
