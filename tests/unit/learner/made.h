/* made.h: tiny made-up tasks and jobs for the learner's tests; every number follows from the seed. */
#pragma once
#include "learner/learn.h"
#include <ewc/net.h>

enum { MADE_INPUTS = 4, MADE_ROWS = 96, MADE_HOLDOUT = 200, MADE_OUTPUTS_MAX = 8, MADE_PARAMS_MAX = 512 };

/* A task: two classes told apart by one input. In kind A that is input 0; in kind B it is input 1, while input 0
 * points the other way, so that learning B without protection turns A around although both can be had. */
struct made_task {
        struct learn_rows train, holdout;
        uint32_t out[2]; /* the head */
        float x[(MADE_ROWS + MADE_HOLDOUT) * MADE_INPUTS];
        int32_t label[MADE_ROWS + MADE_HOLDOUT];
        float target[(MADE_ROWS + MADE_HOLDOUT) * MADE_OUTPUTS_MAX];
};

struct ewc_spec made_net(enum ewc_loss loss, uint32_t n_outputs);

/* The labels are first_output and the one after it. For other losses than softmax targets say the same. */
void made_task(
    struct made_task *t, char kind, uint64_t task, const struct ewc_spec *net, uint32_t first_output, uint64_t seed);
struct learn_plan made_plan(enum learn_method m, uint64_t seed);
void made_theta(const struct ewc_spec *net, uint64_t seed, float *ret); /* the net's random start */

/* A consolidation of `open` starting at theta; its holdout is the job's only one until the caller says otherwise. */
struct learn_job made_job(
    const struct ewc_spec *net, const float *theta, const struct made_task *open, enum learn_method m, uint64_t seed);

/* Fails the test unless learn_run gives `outcome`. */
void made_run(const struct learn_job *job, const struct learn_callbacks *cb, int outcome, struct learn_result *ret);

/* The same bits, in the counts by label too. */
void made_same_evaluations(const struct evaluation *a, const struct evaluation *b, size_t n);
/* Both results hold the same bits, seconds aside. */
void made_same(const struct learn_result *a, const struct learn_result *b);

/* The merged penalty a job trains under, and the mean of U over its tasks' protected parameters; NaN if none. */
double made_merge(const struct learn_job *job, float *U, float *centre);

struct made_pair { /* task A closed by a rollover, task B open */
        struct ewc_spec net;
        struct made_task a, b;
        float theta[MADE_PARAMS_MAX];
        struct learn_result closed;
        struct learn_past past;
        struct learn_rows holdout[2];
};

/* own_heads: task B has the outputs 2 and 3, else both share 0 and 1. */
void made_pair_open(struct made_pair *p, enum ewc_loss loss, bool own_heads, uint64_t seed);
void made_pair_close(struct made_pair *p);

/* Training of B from A's end, thirty epochs, both holdouts measured. */
struct learn_job made_pair_job(const struct made_pair *p, enum learn_method m, double lambda, uint64_t seed);
