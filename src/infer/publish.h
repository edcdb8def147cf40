/* publish.h: from a committed champion to every loop's table.
 *
 * publish runs on the control thread: the reader thread builds the version, each serving loop gets one reference by
 * message, swaps its pointer between two turns and acknowledges; when all have, the caller hears. Commit comes first,
 * swap second: after a crash in between, start-up loads the champion from the store and arrives at the same place. */
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

/* Start-up, before the loops run: builds every champion and fills every table. A model whose champion cannot be built
 * is left out, logged by the caller through *ret_failed. */
int publish_initial(struct publish *p, struct store *s, size_t *ret_loaded, size_t *ret_failed, struct err *e);

/* Control thread. done may be NULL. Requests for one model are served in order; the last state wins. */
int publish_model(struct publish *p, model_id m, publish_fn done, void *arg);
/* Control thread: whoever asked with arg will not be called. */
void publish_forget(struct publish *p, const void *arg);

/* Any thread: the same by message; when all loops have switched, reply_to gets kind PUBLISH_MSG_DONE with id and
 * generation as given and payload a struct publish_reply to be freed with free(). 0 or -EAGAIN. */
struct publish_reply {
        int result;
        struct err err;
};
int publish_post(struct publish *p, model_id m, struct mailbox *reply_to, uint64_t id, uint32_t generation);

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
        uint64_t swaps, last_swap_ns; /* last: from SERVE posted to the last acknowledgement */
};
void publish_stats(const struct publish *p, struct publish_stats *ret); /* any thread */
