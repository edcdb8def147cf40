/* learn_job.h: everything a learner needs to know, as plain data; the contract between daemon, learner and tests.
 *
 * Pointers are borrowed from the bundle's mapping or the caller. Inputs are already scaled (model's scale and offset
 * applied), labels are absolute output indices of `net`. */
#pragma once
#include "domain/types.h"
#include <ewc/fisher.h>
#include <ewc/net.h>
#include <ewc/rng.h>
#include <ewc/train.h>

enum learn_method { LEARN_EWC = 1, LEARN_PLAIN = 2, LEARN_JOINT = 3 }; /* in bundles: never renumber */
const char *learn_method_name(enum learn_method m);                    /* "ewc" "plain" "joint" */
bool learn_method_parse(const char *name, enum learn_method *ret);

/* Where papers' protocols depart from the daemon's way of learning. Zero is the daemon's way; in bundles by name. */
enum learn_form {            /* how the penalty acts */
        LEARN_FORM_PROX = 0, /* "prox": proximal step after the loss step */
        LEARN_FORM_GRAD = 1  /* "grad": its gradient goes through the optimiser with the loss's */
};
enum learn_merge_rule {           /* U and centre from the closed tasks (F_k, anchor_k), in their order */
        LEARN_MERGE_SEPARATE = 0, /* "separate": sum alpha_k F_k about the weighted centre */
        LEARN_MERGE_SUM = 1,      /* "sum": sum alpha_k F_k about the last anchor (Huszar 2018) */
        LEARN_MERGE_ONLINE = 2,   /* "online": U <- decay U + alpha_k F_k, last anchor (Schwarz et al. 2018) */
        LEARN_MERGE_EMA = 3       /* "ema": U <- decay U + (1 - decay) alpha_k F_k, the first as it is; last anchor */
};
enum learn_scale {             /* what lambda multiplies */
        LEARN_SCALE_UNIT = 0,  /* "unit": every F_k of mean 1 */
        LEARN_SCALE_RAW = 1,   /* "raw": factor_k F_k, the Fisher as computed */
        LEARN_SCALE_L2 = 2,    /* "l2": every F_k of Euclidean norm 1 */
        LEARN_SCALE_MINMAX = 3 /* "minmax": every F_k moved and scaled to [0,1] */
};
enum learn_start { /* where a search for lambda begins; within lambda_conf's band on the canonical scale */
        LEARN_START_SIMILARITY = 0, /* "similarity": high when the open task's Fisher differs from the closed ones' */
        LEARN_START_TASKS = 1,      /* "tasks": 500 / N units of 1e-4, N the number of closed tasks */
        LEARN_START_TOP = 2         /* "top": the top of the band */
};
const char *learn_form_name(enum learn_form v); /* NULL if unknown, as all of these */
const char *learn_merge_rule_name(enum learn_merge_rule v);
const char *learn_scale_name(enum learn_scale v);
const char *learn_importance_name(enum learn_importance v);
const char *learn_start_name(enum learn_start v);
bool learn_form_parse(const char *name, enum learn_form *ret);
bool learn_merge_rule_parse(const char *name, enum learn_merge_rule *ret);
bool learn_scale_parse(const char *name, enum learn_scale *ret);
bool learn_importance_parse(const char *name, enum learn_importance *ret);
bool learn_start_parse(const char *name, enum learn_start *ret);

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
        double factor;       /* of its ewc_fisher_info: raw F = factor * fisher; read in scale "raw" only */
};

struct learn_plan {
        enum learn_method method;
        struct ewc_optim optim;
        uint32_t epochs; /* passes over train (joint: over the union of all rows); used when steps is 0 */
        uint32_t steps;  /* optimiser steps in all; 0: by epochs */
        uint32_t batch;
        double lambda;                 /* canonical scale; ignored when lambda_auto and for plain and joint */
        bool lambda_auto;              /* search by domain/lambda.h */
        enum learn_start lambda_start; /* of the search */
        enum ewc_fisher fisher;
        uint32_t fisher_samples;   /* 0: all rows; else drawn evenly over classes */
        double fisher_fraction;    /* in (0,1]: that share of the rows in place of fisher_samples; 0: not given */
        uint32_t replay_per_class; /* rows of each closed task's classes mixed in; 0: none. Not for joint */
        uint64_t seed;
        uint32_t threads; /* BLAS threads; part of the result's reproducibility */

        enum learn_form form;
        enum learn_merge_rule merge;
        double merge_decay; /* online: (0, 1]; ema: (0, 1); else 0 */
        enum learn_scale scale;
        enum learn_importance importance;
        double si_damping; /* xi > 0 of si, else 0 */
        bool drop_last;    /* an epoch's last incomplete batch is not trained on */
        bool replay_even; /* a step replays ceil(batch / sets) rows of every closed set, not batch rows of them all */
        bool final_theta; /* rollover: theta as training left it, though the champion was better on the holdout */
        /* Distillation from the starting theta on the current rows (Li and Hoiem 2016, arXiv:1606.09282): weight of
         * one term per closed set of job.replay, over its head; sets may be empty. 0: none. */
        double distill, distill_temperature;
        /* DER++ (Buzzega et al. 2020, arXiv:2004.07211, eq. 6) over the replayed rows of closed tasks: weight of the
         * mean squared distance of the head's logits to those that the task's own anchor gives. Their labels weigh
         * what replay weighs them. 0: none. Needs replay. */
        double derpp;
        double huber; /* knee of the penalty in units of theta (ewc/penalty.h): linear beyond; 0: square everywhere */
        double rate_new;    /* factor > 0 on the rate of a job that has closed tasks; 0: not given, 1 */
        double rate_floor;  /* in (0,1): rate factor of a layer that carries the whole merged Fisher, 1 for one that
                              carries none (ewc/step.h); 0: off. Not with rates */
        uint32_t n_rates;   /* 0, or layers of the net and one for the output layer */
        const float *rates; /* (n_rates) rate factors >= 0, one a layer, output layer last; or NULL */
        bool keep_optim;    /* hand the optimiser's state over in the result */
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
        const float *optim; /* (n_optim) optimiser state */
        const float *best;  /* (P) best theta so far among finished tries, or NULL */
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
        uint64_t steps;
        size_t n_evaluations;
        struct evaluation *before, *after; /* (n_evaluations) owned, in the order of job->holdout, of one run */
        uint32_t n_tries;
        struct learn_try tries[LEARN_MAX_TRIES];
};

void learn_result_free(struct learn_result *r); /* accepts an all-zero result */
