/* fake_learner.h: a learner without a process: learn_run called from the loop, with the same files as the real one.
 *
 * A script makes it misbehave. All on the loop's thread; one learner may have several runs, one after the other. */
#pragma once
#include "domain/learn_job.h"
#include "super/learner_port.h"
#include <stdbool.h>

struct loop;

struct fake_learner {
        struct loop *loop;
        /* script, all-zero: behaves */
        unsigned die_at_epoch;    /* not 0: ends as if killed after this many epochs, the checkpoint being written */
        unsigned n_deaths;        /* how many starts die so; later ones go on */
        bool hang;                /* says it has started, then nothing until it is cancelled */
        enum learner_exit answer; /* not 0: ends so at once, without a result */
        uint64_t takes_ms;        /* of the loop's time, before its work is done */
        void (*twist)(void *arg, struct learn_result *r); /* changes the result before it is written */
        void (*before_exit)(void *arg); /* called when the result is there, before exit is reported */
        void *arg;
        /* what happened */
        unsigned starts, resumes;
};

struct learner_port fake_learner_port(struct fake_learner *f);
