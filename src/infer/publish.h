/* publish.h: which versions the loops hold: every champion, what other aliases name, and what is asked for by number.
 *
 * All of it runs on the control thread: the reader thread builds a version, each serving loop gets its model's new
 * row by message, swaps its pointer between two turns and acknowledges; when all have, the caller hears. Commit comes
 * first, swap second: after a crash in between, start-up loads the champion from the store and arrives at the same
 * place. What was asked for by number is dropped again when it is idle or when memory is short (infer/shelf.h). */
#pragma once
#include "base/err.h"
#include "base/mailbox.h"
#include "domain/types.h"
#include <stdbool.h>

struct loop;
struct publish;
struct store;
struct store_queue;
struct vtable;

typedef void (*publish_fn)(void *arg, int result, const struct err *e); /* on the control thread */

int publish_new(struct publish **ret, struct loop *control, struct store_queue *reader, struct err *e);
void publish_free(struct publish *p); /* accepts NULL; after the loops have stopped */

/* Registers a serving loop with its table, before it runs. */
int publish_add_loop(struct publish *p, struct loop *l, struct vtable *t, struct err *e);

struct publish_limits {
        size_t max_bytes; /* of all loaded versions; champions are held beyond it if they must be */
        uint64_t
            idle_ms; /* a version nobody asks for is dropped after this; not champions, nor what an alias names */
};
/* Until then: no limit, and nothing is idle. Control thread, or before the loops run. */
int publish_limit(struct publish *p, const struct publish_limits *l, struct err *e);

/* Start-up, before the loops run: builds every champion and what other aliases name, and fills every table. A model
 * of which no version can be served is left out, logged by the caller through *ret_failed. */
int publish_initial(struct publish *p, struct store *s, size_t *ret_loaded, size_t *ret_failed, struct err *e);

/* Control thread. Brings the loops to what the aliases of m name now. done may be NULL. Requests for one model are
 * served in order; the last state wins. */
int publish_model(struct publish *p, model_id m, publish_fn done, void *arg);
/* Control thread. Has every loop hold this version too. STORE_NOT_FOUND: there is none of that number; -ENOBUFS: no
 * room for it; other negative results: it cannot be served, the text says why. */
int publish_version(struct publish *p, model_id m, uint64_t number, publish_fn done, void *arg);
/* Control thread: whoever asked with arg will not be called. */
void publish_forget(struct publish *p, const void *arg);

/* Any thread: the same by message; when all loops have switched, reply_to gets kind PUBLISH_MSG_DONE with id and
 * generation as given and payload a struct publish_reply to be freed with free(). 0 or -EAGAIN. */
struct publish_reply {
        int result;
        struct err err;
};
int publish_post(struct publish *p, model_id m, struct mailbox *reply_to, uint64_t id, uint32_t generation);
int publish_post_version(
    struct publish *p, model_id m, uint64_t number, struct mailbox *reply_to, uint64_t id, uint32_t generation);

enum {
        PUBLISH_MSG_REQUEST = 0x5001,
        PUBLISH_MSG_SERVE = 0x5002,
        PUBLISH_MSG_ACK = 0x5003,
        PUBLISH_MSG_DONE = 0x5004
};
bool publish_dispatch_control(struct publish *p, const struct msg *m);                /* true if m was its own */
bool publish_dispatch_loop(struct publish *p, struct vtable *t, const struct msg *m); /* on a serving loop: SERVE */

void publish_drop(const struct msg *m); /* a REQUEST left in the control mailbox when its loop has ended */

struct publish_stats {
        uint64_t swaps, last_swap_ns; /* of champions; last: from SERVE posted to the last acknowledgement */
        uint64_t versions, bytes;     /* loaded, champions included */
        uint64_t loads, drops;        /* of versions that are no champion */
};
void publish_stats(const struct publish *p, struct publish_stats *ret); /* any thread */
