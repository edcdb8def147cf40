/* unit_in.h: the parts of a unit, for unit*.c only. */
#pragma once
#include "bench/cut.h"
#include "bench/settings.h"
#include "bench/unit.h"
#include "bench/unit_state.h"

enum {
        TEST_ID = 1000,     /* holdouts that a search must not see have ids of their own */
        SENTINEL_ID = 2000, /* and so have the rows that its brake sees */
        ANYTIME_ROWS = 256, /* test rows of each task scored at an epoch's end */
        UNIT_DIVERGED = 3,  /* inside a unit only */
};

struct unit {
        const struct settings *s;
        const struct unit_callbacks *cb;
        struct err *e;
        struct digest key;
        struct cutter cutter;
        struct ewc_spec net;
        struct ewc_net *probe; /* anytime accuracy of a theta that is in training */
        void *probe_ws;
        uint32_t tasks, k;                      /* k: the task under way */
        struct cut_task test[BENCH_MAX_TASKS];  /* test rows and head of every task */
        struct table kept[BENCH_MAX_TASKS];     /* exemplars of earlier tasks, joint: their training rows */
        struct table sentinel[BENCH_MAX_TASKS]; /* rows of earlier tasks that were held back from their training */
        struct unit_state st;
        uint64_t fisher_began_ns;
        uint32_t anytime_epoch, anytime_try; /* last one scored */
        uint32_t try;                        /* of a search: the one under way, and when it began */
        uint64_t try_began_ns;
        double try_seconds[LEARN_MAX_TRIES];
};

/* unit_job.c: trains task k (joint: all of them) and takes its figures and records into u->st. 0, UNIT_STOPPED,
 * UNIT_DIVERGED or negative. */
int unit_task(struct unit *u);
/* How many of a task's training rows, the last of them, are held back for the brake of later searches. */
size_t unit_held_back(const struct unit *u, size_t n);
/* unit_pack.c: fisher (P) as it comes back from the settings' encoding, in place. 0 or negative. */
int unit_pack(struct unit *u, float *fisher);
/* unit_probe.c */
int unit_probe_open(struct unit *u);
void unit_probe_close(struct unit *u);
void unit_probe(struct unit *u, const float *theta);                  /* adds to the anytime figures */
double unit_accuracy(struct unit *u, const float *theta, uint32_t j); /* on all test rows of task j; NaN if none */
