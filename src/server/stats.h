/* stats.h: what each version has answered, and how long each stage took (serving reference 2.6).
 *
 * Every serving thread writes counters of its own, plainly and without a lock; whoever reads sums over all
 * threads. Relaxed atomics: each number is exact by itself, no two belong to one moment. Counters of a version stay
 * for the life of the process. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct oip_stats;
struct served;
struct stats_shard;

struct stats { /* of the process; all-zero at its start */
        _Atomic(struct stats_shard *) shards;
};

struct stats_times { /* ns of one request */
        uint64_t queue, input, infer, output;
};

/* *own: the thread's counters, NULL until it first counts. When memory is short, nothing is counted. */
/* A request of `rows` has been answered; batch: rows of the batch it was in, the last if there were several. */
void stats_success(struct stats *s, struct stats_shard **own, const struct served *v, uint64_t rows, uint64_t batch,
    int64_t wall_ms, const struct stats_times *t);
/* A batch of `rows` has been run, of whatever requests. */
void stats_batch(struct stats *s, struct stats_shard **own, const struct served *v, uint64_t rows, uint64_t ns);
void stats_fail(struct stats *s, struct stats_shard **own, const struct served *v, uint64_t ns);
/* After all threads that may read have stopped. */
void stats_release(struct stats *s, struct stats_shard **own);

/* Sums of every version that has counted anything, by name and number, in the arena. model NULL: of all models;
 * number 0: all versions of it. 0 or -ENOMEM. */
int stats_sum(
    struct stats *s, const char *model, uint64_t number, struct arena *a, struct oip_stats ***ret, size_t *ret_n);
