/* learn.h: the heart of the learner, one pure function. */
#pragma once
#include "domain/learn_job.h"

struct err;

struct learn_callbacks { /* NULL members are skipped */
        /* Once per slice and per epoch. p lives during the call; p->state is non-NULL where a later run may go on bit
         * for bit. Negative ends the run with that code. */
        int (*progress)(void *arg, const struct learn_progress *p);
        bool (*should_stop)(void *arg); /* asked before every mini-batch */
        void *arg;
};

/* Trains job->theta on the open task under the penalty of all closed ones, measures every holdout before the first
 * step and after the last, and for a rollover computes the Fisher at the optimum.
 *
 * Pure but for memory: same job, same thread count => same bits in *ret, whether or not it was interrupted and
 * resumed. Allocates at the start only.
 * 0: done, *ret filled. LEARN_STOPPED, LEARN_DIVERGED: outcomes, *ret holds metrics (and the
 * reason of LEARN_DIVERGED, which is in e too) only. Negative: broken, message
 * in e; -EINVAL: the job, or a resume that does not fit it, is not acceptable. */
int learn_run(const struct learn_job *job, const struct learn_callbacks *cb, struct learn_result *ret, struct err *e);
