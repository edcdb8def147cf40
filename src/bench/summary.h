/* summary.h: the figures of a method over its seeds (reference: section 8 of the metrics' papers, libewc
 * metrics.h). */
#pragma once
#include "bench/bench.h"

struct figure {
        double mean, sem; /* sem: population standard deviation / sqrt(n) */
        uint32_t n;       /* seeds behind it; 0: not measured, mean NaN */
};

struct figure summary_figure(const double *v, size_t n); /* of v (n); what is not finite is left out */

struct summary {
        uint32_t seeds, tasks, diverged;
        uint64_t test_rows;
        struct figure accuracy;   /* mean of R's last row */
        struct figure forgetting; /* max rule */
        struct figure first_last; /* forgetting, first-last rule */
        struct figure backward, forward;
        struct figure intransigence; /* of the last task, against joint */
        struct figure anytime_mean, anytime_min;
        struct figure lambda, factor, trace, seconds, fisher_seconds;
        struct figure packed_share;                 /* bytes of the stored Fishers against float32 */
        double R[BENCH_MAX_TASKS][BENCH_MAX_TASKS]; /* mean over seeds */
};

/* units (n) of one method; joint (n) the same seeds' ceiling, or NULL. */
void summary_of(const struct unit_result *units, const struct unit_result *joint, uint32_t n, struct summary *ret);
