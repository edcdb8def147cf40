/* metrics.c: counting one request. Relaxed atomics: each number is exact by itself, no two belong to one moment. */
#include "server/metrics.h"

enum { FIRST_BUCKET_NS = 50000 }; /* then factor 2 */

static size_t bucket_of(uint64_t ns)
{
        size_t i = 0;
        for (uint64_t le = FIRST_BUCKET_NS; i < METRICS_BUCKETS && ns > le; le *= 2)
                i++;
        return i; /* METRICS_BUCKETS: above them all */
}

void metrics_request(struct metrics *m, size_t route_index, int status, uint64_t duration_ns)
{
        struct metrics_route *r = &m->route[route_index < METRICS_ROUTES ? route_index : METRICS_ROUTES - 1];
        size_t class = status >= 0 && status < METRICS_CODES ? (size_t)status / 100 : 5;
        atomic_fetch_add_explicit(&r->by_class[class], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->bucket[bucket_of(duration_ns)], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->sum_ns, duration_ns, memory_order_relaxed);
}
