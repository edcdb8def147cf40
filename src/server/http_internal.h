/* http_internal.h: what http.c, http_conn.c, http_read.c, http_reply.c and reply.c share; nobody else includes it. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "server/http.h"
#include "server/http_parse.h"
#include "server/request.h"

struct bufferevent;
struct clock;
struct event;
struct event_base;
struct evconnlistener;
struct loop_source;

enum { HTTP_MAX_LISTENERS = 8, HTTP_SLOT_BITS = 20, HTTP_EXTRA = 1024, HTTP_UUID = 46, HTTP_SWEEP_MS = 250 };
enum { HTTP_HIGH_WATER = 65536 }; /* input a connection may hold, unless its body is longer */

struct http {
        struct server *server;
        struct event_base *base;
        const struct clock *clock;
        struct loop_source *sweep;
        struct evconnlistener *listeners[HTTP_MAX_LISTENERS];
        size_t n_listeners;
        bool paused, draining; /* paused: no descriptors left; the next sweep tries again */
        struct conn **conns;   /* (max_connections) by slot; NULL if free */
        uint32_t *free_slots;  /* (n_free) */
        size_t n_free, n_max;
        uint64_t last_id;   /* of a request, without its slot */
        struct buf scratch; /* a problem body while it is written */
        char date[32];
};

enum conn_state {
        CONN_HEAD,   /* reading a head, or idle between two */
        CONN_BODY,   /* waiting until length bytes are in the input */
        CONN_CHUNKS, /* decoding chunks into the arena */
        CONN_BUSY,   /* a handler has it; nothing is read */
        CONN_FLUSH,  /* its answer does not fit into the socket yet; nothing is read */
        CONN_LINGER, /* answered for the last time; input is thrown away until the peer closes */
        CONN_DEAD,   /* closed by whoever unwinds to it */
};

struct conn {
        struct http *http;
        struct bufferevent *bev;
        struct event *watch; /* pending only while BUSY: tells that the client has gone */
        int fd;
        uint32_t slot;
        enum conn_state state;
        unsigned armed; /* what settle() has asked of libevent */
        bool running;   /* inside conn_run: do not free */
        bool begun;     /* HEAD: the first byte is here */
        bool keep;      /* another request may follow this one */
        bool http10;
        uint32_t n_requests;
        uint64_t deadline_ns; /* HEAD, LINGER: absolute */
        uint64_t since_ns;    /* BODY, CHUNKS, FLUSH: when it began */
        uint64_t progress_ns; /* FLUSH: when output last went */
        size_t out_total, out_left;
        struct arena arena;
        struct http_scan scan;
        struct http_chunked chunked;
        size_t length;   /* BODY: how much of the input is the body; it stays there until the reply */
        size_t received; /* CHUNKS: bytes taken from the input */
        char *body;      /* CHUNKS: (body_cap) in the arena */
        size_t body_n, body_cap;
        size_t n_extra; /* header lines the handler added */
        char extra[HTTP_EXTRA];
        struct request req;
};

/* http_conn.c */
bool conn_open(struct http *h, int fd);             /* takes fd if true; false when memory is short */
void conn_close(struct conn *c);                    /* at once, or when it unwinds if running */
void conn_sweep(struct conn *c, uint64_t now_ns);   /* may close it */
void conn_replied(struct conn *c, uint64_t now_ns); /* its answer is in the output */
bool conn_write(struct conn *c);                    /* as much output as the socket takes; false: the peer has gone */
struct conn *conn_of(struct request *r);

/* http_read.c */
bool conn_read(struct conn *c); /* one step; false: more input is needed, or another state has the word */
void conn_refuse(struct conn *c, enum problem p, const char *why); /* answers without a handler, for the last time */

/* http.c */
void http_sweep(struct http *h); /* checks every deadline by the loop's clock; runs each HTTP_SWEEP_MS */
uint64_t http_now(const struct http *h);

/* http_reply.c: r's one answer. type NULL: none. */
void http_reply(struct request *r, int status, const char *type, const void *data, size_t n);
const char *http_reason(int status);
void http_instance(const struct request *r, char ret[HTTP_UUID]); /* "urn:uuid:…" of this request */

/* reply.c */
int problem_status(enum problem p);
