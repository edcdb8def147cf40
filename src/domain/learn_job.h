/* learn_job.h: everything a learner needs to know, as plain data; the contract between daemon, learner and tests.
 *
 * Pointers are borrowed from the bundle's mapping or the caller. Inputs are already scaled (model's scale and offset
 * applied), labels are absolute output indices of `net`. */
#pragma once
#include "domain/learn_plan.h"
#include "domain/types.h"
#include <ewc/net.h>
#include <ewc/rng.h>

struct learn_rows {           /* labelled rows of one task */
        uint64_t task;        /* task_id */
        struct ewc_head head; /* its active outputs */
        size_t n;
        const float *x;       /* (n,I) */
        const int32_t *label; /* (n) softmax; else NULL */
        const float *target;  /* (n,O) sigmoid, squared; else NULL */
        const float *weight;  /* (n), or NULL for 1; holdouts have none */
};

struct learn_past { /* a closed task's protection */
        uint64_t task;
        double alpha;
        const float *fisher; /* (P) mean 1 over its protected parameters; 0 for outputs that came later */
        const float *anchor; /* (P) theta at its close; the job's theta for outputs that came later */
        double factor;       /* of its ewc_fisher_info: raw F = factor * fisher; for scale "raw" and the prior */
        uint64_t n_samples;  /* the same; 0 where it is no EXACT Fisher, or not known: then no prior is chosen */
};

struct learn_state; /* below: all a later run needs to go on bit for bit */

struct learn_job {
        enum job_kind kind; /* JOB_CONSOLIDATE, or JOB_ROLLOVER: adds the Fisher pass */
        uint64_t id;        /* job_id; 0 outside the daemon */
        struct ewc_spec net;
        const float *theta; /* (P) the champion, grown to the present outputs; training starts here */
        /* Trailing outputs that the champion does not answer with: measured as silent before training, so that
         * "before" is what the champion does and not what untrained rows make of it. At most the net's outputs. */
        uint32_t n_fresh;
        size_t n_past;
        const struct learn_past *past;
        struct learn_rows train; /* the open task */
        /* n 0, or unlabelled rows of the open task: a rollover measures importance on them beside train. Only where
         * no labels are needed: MAS, and the Fishers that ewc_fisher_labels denies. head: empty, or train's. */
        struct learn_rows seen;
        size_t n_replay;
        const struct learn_rows *replay; /* retained rows of closed tasks (replay, joint) */
        size_t n_holdout;
        const struct learn_rows *holdout; /* every task's, never trained on; the open task's last */
        struct learn_plan plan;
        size_t n_optim_in;
        const float *optim_in;            /* (n_optim_in) optimiser state to begin with, or NULL for a fresh one */
        uint64_t optim_steps;             /* steps behind optim_in: the optimiser goes on counting from there */
        const struct learn_state *resume; /* NULL, or the last checkpoint of this very job */
};

enum learn_outcome { LEARN_DONE = 0, LEARN_STOPPED = 1, LEARN_DIVERGED = 2 };

enum { LEARN_MAX_TRIES = 8, LEARN_REASON_MAX = 400 };

struct learn_try { /* one lambda tried */
        double lambda;
        double accuracy; /* open task's holdout (train rows when there is no holdout); squared loss: 1/(1+loss) */
        double past_accuracy; /* mean over closed tasks' holdouts; NaN if none */
        double penalty, loss; /* at the end of the try */
        double seconds;       /* filled by the process, 0 in pure runs */
};

enum learn_phase { LEARN_PHASE_TRAIN = 1, LEARN_PHASE_FISHER = 2, LEARN_PHASE_DONE = 3 }; /* in checkpoints */

struct learn_state {
        enum learn_phase phase;
        uint32_t try;   /* 0-based index of the lambda try under way */
        uint32_t epoch; /* finished epochs of this try */
        uint64_t step;  /* optimiser steps of this try */
        double lambda;  /* of this try */
        double start;   /* first lambda above 0 of a search; 0 until its first try has ended */
        uint32_t n_tries;
        struct learn_try tries[LEARN_MAX_TRIES];
        double loss, penalty; /* of the last epoch */
        size_t n_params;
        const float *theta; /* (P) */
        size_t n_optim;
        const float *optim;      /* (n_optim) optimiser state */
        const float *best;       /* (P) best theta so far among finished tries, or NULL */
        const float *best_optim; /* (n_optim) its optimiser state; with keep_optim only, else NULL */
        double best_lambda;
        size_t n_before; /* evaluations measured before the first step */
        const struct evaluation *before;
        uint64_t fisher_done;     /* rows already in fisher_sum */
        const double *fisher_sum; /* (P), phase FISHER only */
        const double *path;       /* (P) importance "si" in a rollover: the path integral so far, else NULL */
};

struct learn_progress { /* lives during the call */
        enum learn_phase phase;
        uint32_t try, epoch, epochs;     /* epoch: finished ones */
        uint64_t step, steps;            /* in all epochs of this try */
        double fraction;                 /* 0..1 of the whole job, never falls */
        double lambda, loss, penalty;    /* means over the last slice */
        double penalty_ratio;            /* penalty / (loss + penalty) */
        const struct learn_state *state; /* not NULL where a checkpoint may be taken (epoch ends, Fisher slices) */
};

/* Where a prior is looked for. At its upper end an answer is what it is without uncertainty, to six digits. */
#define LEARN_PRIOR_LOW 1e-6
#define LEARN_PRIOR_HIGH 1e9

struct learn_result {
        enum learn_outcome outcome;
        /* LEARN_DIVERGED: which pass, where, and what left the range, in one line. Training begins with "step N", the
         * pass behind it with "Fisher:" or "importance:", what comes before the first step with its name. Else "". */
        char reason[LEARN_REASON_MAX];
        size_t n_params;
        float *theta;  /* (P) owned; NULL unless LEARN_DONE */
        float *fisher; /* (P) owned; rollover only: the closed task's Fisher (or other importance), mean 1 */
        struct ewc_fisher_info fisher_info; /* other importances: kind means nothing, n_samples counts steps */
        size_t n_optim;
        float *optim;                 /* (n_optim) owned; with keep_optim only, else NULL */
        uint64_t optim_steps;         /* behind optim, those of optim_in included */
        double lambda, loss, penalty; /* as trained */
        /* Prior precision of the output layer (ewc/laplace.h) that the holdouts bear out at theta, beside all records
         * the job leaves behind; 0: none chosen. LEARN_PRIOR_HIGH: they are likelier without uncertainty. */
        double prior;
        uint64_t steps;
        size_t n_evaluations;
        struct evaluation *before, *after; /* (n_evaluations) owned, in the order of job->holdout, of one run */
        struct output_score *outputs;      /* owned: what outputs of before and after point into; may be NULL */
        uint32_t n_tries;
        struct learn_try tries[LEARN_MAX_TRIES];
};

void learn_result_free(struct learn_result *r); /* accepts an all-zero result */
