/* queue.h: the store thread. Work items are run in order on the one writing store, many per transaction (group
 * commit); a second queue in read mode runs them on a read-only store.
 *
 * Whoever submits owns the item again when done() runs on the thread of the loop it named; the commit is on disk by
 * then. Items of one group that fail alone are rolled back alone (each runs in its own savepoint through the
 * verbs). When the commit itself fails every item of the group is answered with that error. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;
struct mailbox;
struct store;
struct store_queue;

struct store_work {
        /* on the store thread; returns an outcome */
        int (*run)(struct store *s, struct store_work *w, struct err *e);
        void (*done)(struct store_work *w); /* on the receiver's thread, by STORE_MSG_DONE */
        /* gets a msg of kind STORE_MSG_DONE with this item as its payload; NULL: nobody, see release */
        struct mailbox *reply_to;
        void (*release)(struct store_work *w); /* reply_to NULL or its mailbox full at shutdown: frees the item */
        size_t cost;                           /* bytes it will write, for the size of a group */
        uint64_t generation;                   /* the submitter's own use */
        void *arg;                             /* the submitter's own use */
        /* filled by the queue */
        int result; /* what run returned, or the commit's failure */
        struct err err;
        struct store_work *next;
};

enum { STORE_MSG_DONE = 0x5354 };

/* The one line a loop's message handler needs: true when m was an answer of a queue, and done() has run. */
struct msg;
bool store_work_dispatch(const struct msg *m);

struct store_queue_conf {
        size_t max_items;       /* waiting; past it submit answers -EAGAIN */
        size_t max_group_items; /* per transaction */
        size_t max_group_bytes;
        bool read; /* no transaction around groups; items see one consistent state each */
        /* Idle time before store_maintain; under load it has its turn when 10 times as long has passed. 0: never */
        uint64_t maintain_ms;
        const struct clock *clock; /* of care under load and of the sizes; NULL: the system's */
};

/* Takes s: its thread closes it at the stop. On failure s stays the caller's. */
int store_queue_start(struct store_queue **ret, struct store *s, const struct store_queue_conf *c, struct err *e);
void store_queue_stop(struct store_queue *q);                  /* drains, closes the store, joins; accepts NULL */
int store_submit(struct store_queue *q, struct store_work *w); /* any thread; 0, or -EAGAIN when full or stopping */

struct store_queue_stats {
        uint64_t items, groups, commit_ns_last, waiting, turns; /* turns: proof of progress for the watchdog */
        bool busy, read_only;
        bool full;                    /* the last write found the disk full */
        uint64_t wal_bytes, db_bytes; /* looked at when it starts, and at most each second while it works */
};
void store_queue_stats(struct store_queue *q, struct store_queue_stats *ret); /* any thread */
