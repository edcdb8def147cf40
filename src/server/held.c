/* held.c: see held.h. What is small is not counted, so that an ordinary request costs no shared memory. */
#include "server/held.h"
#include "server/metrics.h"
#include "server/server.h"

bool held_room(const struct server *s, size_t n)
{
        size_t limit = s->conf->buffer_bytes;
        if (limit == 0 || n <= HELD_FREE)
                return true;
        uint64_t held = atomic_load_explicit(&s->metrics->held_bytes, memory_order_relaxed);
        return held < limit && n <= limit - held;
}

void held_set(const struct server *s, size_t *held, size_t n)
{
        n = n > HELD_FREE ? n : 0;
        if (n == *held)
                return;
        atomic_fetch_add_explicit(&s->metrics->held_bytes, (uint64_t)n - *held, memory_order_relaxed);
        *held = n;
}
