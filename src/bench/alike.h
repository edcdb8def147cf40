/* alike.h: how alike the tasks of a protocol are to a net that has learned the first one (ewc/similarity.h). */
#pragma once
#include "bench/dataset.h"

struct alike {
        double same; /* two disjoint samples of the first task */
        uint32_t n;
        double task[BENCH_MAX_TASKS]; /* (n) the first task and each of the others, in their order */
};

/* Trains the settings' net on the first task, then measures EXACT Fishers of fisher_samples rows of it and of every
 * other task at that theta. The rows of the others are the ones that the second sample of the first has, as their
 * cut shows them; with classes cut apart they are their own. -EINVAL: a task has fewer than twice these rows;
 * -ERANGE: training diverged. RUNNER_STOPPED (runner.h): interrupted. */
int alike_measure(const struct settings *s, const struct dataset *d, struct alike *ret, struct err *e);
