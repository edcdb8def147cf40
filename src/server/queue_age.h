/* queue_age.h: whether a queue is so slow that more work would only wait: by the age of what leaves it, not by its
 * length, which says nothing about time (after CoDel, RFC 8289).
 *
 * Any thread. Nothing is refused while the queue is empty, or as soon as one item has left young enough: recovery
 * needs no timer. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct queue_age { /* all-zero: empty and fast */
        _Atomic uint64_t waiting;
        _Atomic uint64_t slow_since_ns; /* everything that has left since then was too old; 0: not so */
        _Atomic uint64_t age_ns;        /* of the last to leave */
};

/* false: refuse; ret_wait_s: when to try again. target_ns: the age that is still good; 0: any. */
bool queue_age_enter(struct queue_age *q, uint64_t target_ns, uint64_t now_ns, uint32_t *ret_wait_s);
void queue_age_leave(struct queue_age *q, uint64_t target_ns, uint64_t now_ns, uint64_t age_ns); /* it is run now */
void queue_age_undo(struct queue_age *q); /* it was let in but the queue did not take it */
