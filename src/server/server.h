/* server.h: one serving thread's world, shared by its handlers: loop, table of served versions, the queues, memory.
 *
 * One struct server per serving loop; nothing in it is shared between threads but the things behind pointers that say
 * so in their own headers. */
#pragma once
#include "base/buf.h"
#include "server/request.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct clock;
struct err;
struct event_source;
struct h_work;
struct http;
struct jobs;
struct loop;
struct metrics;
struct msg;
struct peers;
struct prediction_ids;
struct publish;
struct recall;
struct stats_shard;
struct queue_age;
struct store_queue;
struct vtable;

struct server_conf {
        size_t max_body_infer, max_body_feedback, max_body_admin; /* bytes per route class */
        size_t max_connections;                                   /* of all loops */
        size_t max_request_memory;                                /* arena limit of one request */
        size_t max_answer;                                        /* bytes of one answer; 0: BODY_MAX of server.c */
        size_t buffer_bytes;                                      /* of all requests together; 0: no limit */
        uint32_t header_ms, idle_ms, write_ms;                    /* absolute deadlines */
        uint32_t queue_age_ms;                                    /* work may wait; 0: as long as it takes */
        size_t batch_rows, batch_queue_rows;                      /* predicted at once; waiting to be */
        uint32_t batch_age_ms;                                    /* predictions may wait; 0: as long as it takes */
        uint32_t body_rate;                                       /* bytes/s a body must keep; http_deadline.c */
        uint8_t seed[32];                                         /* of the process, for every loop's random names */
        const char *program;                                      /* "ewcd 0.1.0" */
        uint64_t start_ns;                                        /* monotonic, when the program started */
        const char *engine;                                       /* of the store, "sqlite 3.40.1" */
        int schema;                                               /* of the database file */
};

struct server {
        const struct server_conf *conf;
        struct loop *loop;
        struct http *http;
        struct vtable *versions;
        struct store_queue *writer, *reader; /* shared, thread-safe */
        struct publish *publish;             /* shared, thread-safe posts */
        struct jobs *jobs;                   /* shared, thread-safe posts */
        struct metrics *metrics;             /* shared atomics */
        struct stats_shard *stats;           /* this loop's counters per version; server/stats.h */
        struct queue_age *writing, *reading; /* shared, of the queues above; NULL: no limit but their length */
        struct peers *peers;                 /* shared, thread-safe; NULL: clients have no limits */
        atomic_bool *ready;                  /* shared: READY has been said and nothing is stopping */
        struct recall *recall;               /* shared, thread-safe: predictions that labels can name */
        struct batch *batch;                 /* predictions that wait for the end of this turn */
        struct event_source *random;         /* this loop's */
        struct prediction_ids *predictions;  /* this loop's; NULL until server_keys: predictions have no ids */
        struct buf body;                     /* answers that are written on the loop itself; server_body */
        bool stopped;              /* its loop has ended for good: what comes back from the store is dropped */
        struct h_work *publishing; /* answers that wait for every loop to have switched */
        uint64_t n_publishing;     /* ids given to them so far */
};

struct buf *server_body(struct server *s);                   /* emptied; good until the next call */
void server_body_sent(struct server *s);                     /* it is not needed any more: large memory goes back */
void server_dispatch(struct server *s, const struct msg *m); /* the loop's message handler: answers, new versions */
/* When loop, conf and metrics are set; loop: its number among all. */
int server_init(struct server *s, unsigned loop, struct err *e);
/* Before the loop runs: the key that ids of predictions are made and known by. */
int server_keys(struct server *s, const uint8_t prediction[32], struct err *e);
void server_deinit(struct server *s); /* what the fields above hold; after its loop has stopped */
