/* request.h: all a handler sees of HTTP.
 *
 * A request lives until exactly one reply; its arena is reset after it. Work that goes to another thread keeps the
 * req_ref and asks request_find() when it comes back: a client that has left bumped the generation, the answer is
 * then dropped (whatever was made durable stays). Everything here belongs to the serving loop's thread. */
#pragma once
#include "base/str.h"
#include "domain/problem.h"
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;
struct route;
struct server;

enum method { METHOD_GET = 1, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_OTHER };

struct req_ref {
        uint64_t id; /* never reused within a loop */
};

struct http_header { /* name as sent; compare without case */
        struct slice name, value;
};

enum { REQUEST_WHO = 24, REQUEST_MAX_ARGS = 4, REQUEST_MAX_HEADERS = 64 };

struct request {
        struct req_ref ref;
        struct server *server;
        enum method method;
        const struct route *route;
        struct slice path, query; /* path percent-decoded; query as sent */
        struct slice raw_path;    /* as sent, escapes valid: what route_find splits, so %2F is no separator */
        struct slice arg[REQUEST_MAX_ARGS]; /* the {…} parts of the route, percent-decoded, in order */
        size_t n_args;
        size_t n_headers;
        struct http_header headers[REQUEST_MAX_HEADERS];
        struct slice body;
        struct arena *arena;
        uint32_t retry_s;        /* Retry-After of a 429 or 503; 0: a second */
        void (*gone)(void *arg); /* NULL, or called when the client leaves before its answer */
        void *gone_arg;
        uint64_t start_ns; /* monotonic, when its last byte had been read */
};

struct request *request_find(struct server *s, struct req_ref ref); /* NULL: the client has gone */
void request_who(struct request *r, char ret[REQUEST_WHO]); /* "uid 1000" of a UNIX socket's user, else "http" */
bool request_holds(struct request *r); /* counts what its arena has taken; false: all together hold too much */
bool request_local(struct request *r); /* it came over a UNIX socket */
struct slice request_header(const struct request *r, const char *name);          /* n 0 if absent */
size_t request_headers(const struct request *r, const char *name);               /* how many there are */
bool request_query_u64(const struct request *r, const char *key, uint64_t *ret); /* false: absent or not a number */
bool request_query(const struct request *r, const char *key, struct slice *ret); /* decoded, in the arena */

/* Exactly one of the reply functions per request; r is gone afterwards. */
void reply_header(struct request *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));                               /* before the reply */
void reply_header_number(struct request *r, const char *name, size_t v); /* the same, fit for the hot path */
void reply_json(struct request *r, int status, const struct buf *body);  /* a failed buf becomes a 500 */
void reply_bytes(struct request *r, int status, const char *content_type, const void *data, size_t n);
void reply_problem(struct request *r, enum problem p, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* errors: the JSON array for "errors"; fmt: all of it in one sentence. */
void reply_problem_list(struct request *r, enum problem p, const struct buf *errors, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What the request asked for does not fit into one request's memory: that does not pass with time. */
void reply_too_much(struct request *r, const char *what);
/* outcome: an enum problem from proto, or negative: -ENOMEM -> overloaded, or too large when r's arena was
 * asked for more than its limit; others -> internal (logged). */
void reply_error(struct request *r, int outcome, const struct err *e);
