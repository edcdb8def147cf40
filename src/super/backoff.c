/* backoff.c: doubling waits with a ceiling.
 *
 * No jitter: one daemon waits for its own disk and its own learner, there is no herd to spread out. */
#include "super/backoff.h"

uint64_t backoff_next(uint32_t attempt, uint64_t base_ms, uint64_t max_ms)
{
        uint64_t wait = base_ms;
        for (uint32_t i = 1; i < attempt && wait < max_ms && wait > 0; i++)
                wait = wait > max_ms / 2 ? max_ms : wait * 2;
        return wait < max_ms ? wait : max_ms;
}
