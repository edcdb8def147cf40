/* publish_internal.h: the publisher's own structs, shared by its files. */
#pragma once
#include "infer/publish.h"
#include "infer/shelf.h"
#include "store/queue.h"
#include <stdatomic.h>

struct census;
struct msg;
struct post;
struct served;
struct vrow;

enum { MAX_LOOPS = 64 };

struct waiter {
        struct waiter *next;
        uint64_t number; /* of the version wanted; 0: what the aliases name */
        publish_fn fn;
        void *arg;
};

struct slot { /* payload of SERVE: one loop's row */
        struct hand *hand;
        struct vrow *row; /* NULL once the loop has taken it */
        bool posted;
        int result; /* of vtable_put */
};

struct load { /* what the reader thread builds for a round */
        model_id model;
        uint64_t number;   /* 0: champion and aliases */
        struct vrow *have; /* what is loaded already, or NULL */
        struct served *served;
        struct census *census;     /* of all versions; NULL: it could not be read */
        size_t n_pins;             /* versions that other aliases name */
        uint64_t pins[SHELF_ROWS]; /* their numbers */
        size_t n_pinned;
        struct served *pinned[SHELF_ROWS]; /* those of them that were not loaded yet, or under other tasks */
};

struct hand {
        struct hand *next;
        struct publish *publish;
        model_id model;
        struct waiter *now, *later; /* of this round, of rounds to come */
        struct store_work work;
        struct load load;
        bool loading, submitted;
        bool again; /* its shelf has changed, and the loops do not know */
        uint64_t start_ns;
        atomic_uint pending;
        struct slot slots[MAX_LOOPS];
};

struct publish {
        struct loop *control;
        struct store_queue *reader;
        size_t n_loops;
        struct loop *loops[MAX_LOOPS];
        struct vtable *tables[MAX_LOOPS];
        struct shelves shelves;
        uint64_t idle_ns;
        struct hand *hands;
        struct post *undelivered;
        struct loop_source *nudge, *look;
        _Atomic uint64_t swaps, last_swap_ns, versions, bytes, loads, drops;
};

/* Reader thread, or start-up. As served_load. */
int load_run(struct load *l, struct store *s, struct err *e);
void load_deinit(struct load *l);
/* Control thread: what a load brought, to the shelf. */
int load_shelve(struct publish *p, struct load *l, struct err *e);
void publish_count(struct publish *p); /* the gauges, after a change of the shelves */
void publish_need_nudge(struct publish *p);
void publish_deliver_posts(struct publish *p);
void publish_request(struct publish *p, const struct msg *m); /* a REQUEST has come */
void publish_free_posts(struct publish *p);
