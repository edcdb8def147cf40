/* learner_port.h: what the supervisor needs of a learner: start, cancel, and two callbacks.
 *
 * learner_proc.c implements it with a process, tests with a direct call of learn_run. All on the control thread. */
#pragma once
#include <stdint.h>

struct err;
struct learner_port;
struct learner_run; /* one learner under way */
struct progress_line;

enum learner_exit {
        LEARNER_COMPLETE = 1, /* result file is complete */
        LEARNER_CANCELLED,    /* stopped on request, checkpoint stays */
        LEARNER_REFUSED,      /* the job itself was refused: do not try again */
        LEARNER_FAILED,       /* said why; do not try again */
        LEARNER_DIED,         /* signal, stall, broken protocol: may be restarted from its checkpoint */
};

struct learner_events {
        void (*line)(void *arg, const struct progress_line *l);
        void (*ended)(void *arg, enum learner_exit how, const char *why); /* last call; run is gone after it */
        void (*stuck)(void *arg); /* killed, and would not die; ended may still follow. May be NULL */
        void *arg;
};

struct learner_start {
        uint64_t job;
        const char *job_path, *result_path, *checkpoint_path;
};

struct learner_port {
        int (*start)(void *impl, const struct learner_start *s, const struct learner_events *ev,
            struct learner_run **ret, struct err *e);
        void (*cancel)(struct learner_run *r); /* ended follows, with SIGKILL after the grace time */
        void *impl;
};
