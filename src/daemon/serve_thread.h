/* serve_thread.h: the serving threads: a loop, a table of versions and an HTTP front end each. */
#pragma once
#include "daemon/conf.h"
#include "server/metrics.h"
#include "server/queue_age.h"
#include "server/server.h"
#include <pthread.h>
#include <stdatomic.h>

struct clock;
struct err;
struct jobs;
struct listen;
struct loop_source;
struct peers;
struct publish;
struct recall;

struct serve_thread {
        struct serve *serve;
        struct server server;
        pthread_t thread;
        bool running, failed;
        int order_fd; /* eventfd: orders has changed */
        atomic_int order;
        struct loop_source *on_order, *tick, *drain;
        uint64_t drain_until_ns;
        uint64_t turns_seen; /* the watchdog's */
};

struct serve {
        size_t n;
        struct serve_thread *threads;
        struct server_conf conf;
        char engine[64];
        struct metrics metrics;
        struct queue_age writing, reading;
        struct peers *peers;
        struct recall *recall;
        atomic_bool ready;
        uint64_t drain_ms;
        struct loop *control;
        atomic_uint running;
};

enum { SERVE_MSG_ENDED = 0x5301 }; /* to the control loop, when the last thread has drained */

/* Loops and tables, nothing runs. */
int serve_new(struct serve **ret, const struct conf *c, const char *program, const struct clock *clock,
    struct loop *control, struct err *e);
/* What the handlers talk to, before serve_run. */
void serve_wire(
    struct serve *s, struct publish *p, struct jobs *j, struct store_queue *writer, struct store_queue *reader);
/* The key that ids of predictions are made and known by, before serve_run. */
int serve_keys(struct serve *s, const uint8_t prediction[32], struct err *e);
int serve_listen(struct serve *s, const struct listen *l, struct err *e); /* before serve_run */
int serve_run(struct serve *s, struct err *e);
void serve_drain(struct serve *s); /* control thread: no new requests; open ones finish or meet the deadline */
void serve_stop(struct serve *s);  /* ends and joins what still runs; accepts NULL */
void serve_free(
    struct serve *s); /* after the store's queues have stopped: nothing posts to the loops any more; accepts NULL */
bool serve_progressed(struct serve *s); /* every loop has turned since the last call */
