/* http_internal.h: what the http*.c and reply.c share; nobody else includes it. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "server/http.h"
#include "server/http_parse.h"
#include "server/request.h"

struct clock;
struct event;
struct event_base;
struct iovec;
struct loop_source;
struct peer;

enum { HTTP_MAX_LISTENERS = 8, HTTP_SLOT_BITS = 20, HTTP_EXTRA = 1024, HTTP_UUID = 46, HTTP_SWEEP_MS = 250 };
enum { HTTP_KEEP = 262144 }; /* memory a connection keeps for its next request */
enum { HTTP_INPUT = 32768 }; /* input a connection may hold beside the body it reads; a whole head fits */

struct http {
        struct server *server;
        struct event_base *base;
        const struct clock *clock;
        struct loop_source *sweep;
        struct event *listeners[HTTP_MAX_LISTENERS]; /* each owns its descriptor */
        size_t n_listeners;
        bool starved;          /* no connection could be accepted, since then none was: the log says so once */
        bool paused, draining; /* paused: no descriptors left; the next sweep tries again */
        struct conn **conns;   /* (max_connections) by slot; NULL if free */
        uint32_t *free_slots;  /* (n_free) */
        size_t n_free, n_max;
        struct event *ending; /* a timer of a millisecond: goes on with the sweep */
        struct event *again;  /* a timer of nothing: the next turn; pending while any of these wait */
        struct conn *later_first, *later_last; /* connections that go on then */
        size_t sweep_at;                       /* the slot the sweep goes on with; n_max: it is over */
        uint64_t last_id;                      /* of a request, without its slot */
        struct buf scratch;                    /* a problem body while it is written */
        char date[32];
};

enum conn_state {
        CONN_HEAD,   /* reading a head, or idle between two */
        CONN_BODY,   /* waiting until length bytes are in the input */
        CONN_CHUNKS, /* decoding chunks, in place */
        CONN_BUSY,   /* a handler has it; nothing is read */
        CONN_FLUSH,  /* its answer does not fit into the socket yet; nothing is read */
        CONN_LINGER, /* answered for the last time; input is thrown away until the peer closes */
        CONN_DEAD,   /* closed by whoever unwinds to it */
};

struct conn {
        struct http *http;
        struct peer *peer;                 /* whose it is; NULL: nobody counts */
        struct event *readable, *writable; /* edge-triggered; the second is pending only in FLUSH */
        int fd;
        uint32_t slot;
        enum conn_state state;
        bool running;  /* inside conn_run: do not free */
        bool ready;    /* the socket may have more to read */
        bool ended;    /* the peer has ended its side */
        bool begun;    /* HEAD: the first byte is here */
        bool keep;     /* another request may follow this one */
        bool answered; /* in this conn_run; the next request is another turn's */
        bool later;    /* in the list of http */
        struct conn *later_prev, *later_next;
        bool http10;
        uint32_t n_requests;
        uint64_t deadline_ns; /* HEAD, LINGER: absolute */
        uint64_t due_ns;      /* BODY, CHUNKS, FLUSH: when more bytes must have gone, as of the last sweep */
        size_t paced;         /* bytes that due_ns counts in */
        uint64_t progress_ns; /* FLUSH: when output last went */
        struct arena arena;
        struct http_scan scan;
        struct http_chunked chunked;
        /* Input: in[at, at + body_n) is what chunks have been decoded to, in[next, n) has not been looked at. */
        char *in; /* (in_cap) or NULL */
        size_t in_cap, at, body_n, next, n;
        size_t held;     /* of in, out and the arena, as counted for the process */
        size_t length;   /* BODY: of the body, which begins at next */
        size_t received; /* of the body, as it came */
        char *out;       /* (out_n) FLUSH: what the socket did not take; gone up to out_at */
        size_t out_at, out_n;
        size_t n_extra; /* header lines the handler added */
        char extra[HTTP_EXTRA];
        struct request req;
};

/* http_conn.c */
bool conn_open(struct http *h, int fd, struct peer *p); /* takes both if true; false when memory is short */
void conn_close(struct conn *c);                        /* at once, or when it unwinds if running */
void conn_run(struct conn *c);                          /* as far as the input goes; may close it */
void conn_replied(struct conn *c, uint64_t now_ns);     /* its answer has been given to conn_send */
struct conn *conn_of(struct request *r);

/* http_deadline.c */
void conn_pace(struct conn *c, uint64_t now_ns);  /* a body or an answer begins: its clock */
bool conn_sweep(struct conn *c, uint64_t now_ns); /* true: it was late, and may be closed by now */

/* http_io.c */
void conn_drop_input(struct conn *c); /* all of it has been looked at */
void conn_free_input(struct conn *c); /* whatever it is: the connection ends */
void conn_held(struct conn *c);       /* after what it holds has changed */
int conn_fill(struct conn *c); /* reads once: bytes, 0 if there are none now; -ENOMEM, or -EPIPE: nothing will come */
/* One call of the system; n parts that together are all there is to say. What the socket does not take waits. */
void conn_send(struct conn *c, struct iovec *parts, size_t n);
int conn_flush(struct conn *c); /* goes on with what waits: 1 all gone, 0 not yet, negative: the peer has gone */

/* http_read.c */
bool conn_read(struct conn *c); /* one step; false: more input is needed, or another state has the word */
void conn_refuse(struct conn *c, enum problem p, const char *why); /* answers without a handler, for the last time */

/* http_admit.c: route, quota, header and length are good; false: it has been answered. */
bool conn_admit(struct conn *c, const struct http_head *head, size_t *ret_limit);

/* http.c */
uint64_t http_now(const struct http *h);
void http_renew(struct http *h); /* the date; and listeners that rest try again */

/* http_turn.c */
int http_turn_new(struct http *h, struct err *e);
void http_turn_free(struct http *h);
void http_sweep(struct http *h); /* checks every deadline by the loop's clock; begun each HTTP_SWEEP_MS */
void http_later(struct conn *c); /* conn_run, in the next turn that has time for it */
void http_not_later(struct conn *c);

/* http_reply.c: r's one answer. type NULL: none. */
void http_reply(struct request *r, int status, const char *type, const void *data, size_t n);
void request_left(struct request *r, uint64_t now_ns); /* counts one whose client has gone before its answer */
const char *http_reason(int status);
void http_instance(const struct request *r, char ret[HTTP_UUID]); /* "urn:uuid:…" of this request */

/* reply.c */
int problem_status(enum problem p);
