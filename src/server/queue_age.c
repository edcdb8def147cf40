/* queue_age.c: one number remembers since when nothing young has left the queue. */
#include "server/queue_age.h"

enum { INTERVAL_MS = 100, WAIT_MAX_S = 60 };

static const uint64_t ns_per_ms = 1000000, ns_per_s = 1000000000;

bool queue_age_enter(struct queue_age *q, uint64_t target_ns, uint64_t now_ns, uint32_t *ret_wait_s)
{
        uint64_t since = atomic_load(&q->slow_since_ns);
        if (target_ns > 0 && since > 0 && now_ns >= since && now_ns - since >= INTERVAL_MS * ns_per_ms &&
            atomic_load(&q->waiting) > 0) {
                uint64_t s = atomic_load(&q->age_ns) / ns_per_s + 1;
                *ret_wait_s = s < WAIT_MAX_S ? (uint32_t)s : WAIT_MAX_S;
                return false;
        }
        atomic_fetch_add(&q->waiting, 1);
        return true;
}

void queue_age_leave(struct queue_age *q, uint64_t target_ns, uint64_t now_ns, uint64_t age_ns)
{
        uint64_t fast = 0;
        atomic_store(&q->age_ns, age_ns);
        if (age_ns <= target_ns)
                atomic_store(&q->slow_since_ns, 0);
        else
                atomic_compare_exchange_strong(&q->slow_since_ns, &fast, now_ns);
        atomic_fetch_sub(&q->waiting, 1);
}

void queue_age_undo(struct queue_age *q)
{
        atomic_fetch_sub(&q->waiting, 1);
}
