/* metrics.h: counters and gauges of the whole process, as one table; updated with relaxed atomics from any thread. */
#pragma once
#include "server/stats.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct server;

enum { METRICS_ROUTES = 64, METRICS_CODES = 600, METRICS_BUCKETS = 15 }; /* buckets: 50 us to 0.8 s, factor 2 */

struct metrics_route {
        _Atomic uint64_t by_class[6]; /* status / 100; 0: the client left before its answer */
        _Atomic uint64_t bucket[METRICS_BUCKETS + 1];
        _Atomic uint64_t sum_ns;
};

struct metrics {
        struct metrics_route route[METRICS_ROUTES]; /* index into routes[]; the last is "unmatched" */
        _Atomic uint64_t in_flight, connections;
        _Atomic uint64_t rejected;   /* 503s */
        _Atomic uint64_t held_bytes; /* server/held.h */
        _Atomic uint64_t inferences, inference_rows, compute_ns;
        _Atomic uint64_t ended_gone, ended_late, ended_full; /* predictions not computed, by why */
        _Atomic uint64_t open_files, files_counted_ns;       /* descriptors, and when they were last counted */
        _Atomic uint64_t store_full; /* 1: the log says that the disk is full, not yet that it is over */
        struct stats stats;          /* per version */
        _Atomic uint64_t feedback_accepted, feedback_duplicate, feedback_rejected;
};

/* Prometheus text 0.0.4 of everything countable: these counters, the queues, the jobs, the versions served by this
 * loop. */
void metrics_write(struct buf *b, struct server *s);

void metrics_request(struct metrics *m, size_t route_index, int status, uint64_t duration_ns);
