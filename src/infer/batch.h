/* batch.h: one loop's queue of predictions: what has arrived in one turn of the loop is run together.
 *
 * Requests of the same version become one run of the net, at most as many rows as are worth gathering; heads may
 * differ. Order: by level of priority, then by arrival; a request of more rows than a batch goes to the end of its
 * level after each batch's worth. A request that is past its timeout is ended, not computed. Bounded by the rows and
 * by the age of what waits. All of it belongs to the loop's thread. */
#pragma once
#include "infer/answer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct clock;
struct err;
struct served;

enum { BATCH_MAX_ROWS = 64 };
enum { BATCH_LEVELS = 8, BATCH_DEFAULT_LEVEL = 2 }; /* 1 is served first; what asks for more than 8 is in 8 */
enum { BATCH_LATE = 1, BATCH_FULL = 2 };

struct batch_job {                       /* the caller's memory; stays where it is until done, or batch_drop */
        struct served *version;          /* borrowed from the loop's table */
        const struct served_task *task;  /* NULL: inferred */
        size_t rows;                     /* >= 1 */
        const float *raw;                /* (rows, I) */
        struct served_answer answer;     /* arrays for all rows */
        uint64_t priority;               /* 1 is the highest, 2 the next; 0: the default level, which is 2 */
        uint64_t arrived_ns, timeout_us; /* timeout 0: none */
        /* 0, BATCH_LATE, or EWC_E_* of its own rows. The job is no longer touched; never called from batch_add. */
        void (*done)(struct batch_job *j, int outcome);
        /* for done */
        uint64_t start_ns; /* when the batch of its first row was begun; 0: none was */
        uint64_t run_ns;   /* what the batches it was in have taken */
        size_t batch;      /* rows of the last of them */
        /* the queue's own */
        struct batch_job *prev, *next;
        unsigned level;
        size_t at, turn; /* rows done; rows it may still have before it goes to the end */
        bool held;
};

struct batch_conf {
        size_t rows;       /* at a time, 1 to BATCH_MAX_ROWS; 1: every row by itself */
        size_t queue_rows; /* waiting; a request of more is taken when nothing waits */
        uint64_t age_ns;   /* the first of a level may wait before its level takes no more; 0: any */
        void (*ran)(void *arg, const struct served *s, size_t rows, uint64_t ns); /* a batch; NULL: nobody counts */
        void *arg;
};

int batch_new(struct batch **ret, const struct batch_conf *c, const struct clock *clock, struct err *e);
void batch_free(struct batch *b); /* accepts NULL; what still waits is forgotten, without done */

int batch_add(struct batch *b, struct batch_job *j);   /* 0 or BATCH_FULL */
void batch_drop(struct batch *b, struct batch_job *j); /* one that waits: its client has gone */
/* Before the loop's table of versions changes: what waits keeps the versions it was given. */
void batch_hold(struct batch *b);
/* At the end of a turn: about one batch, so that the loop gets back to its sockets. true: more waits. */
bool batch_turn(struct batch *b);
