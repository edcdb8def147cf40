/* learn_plan.h: how a job learns: method, terms, optimiser, schedule, measurement; and the words of each choice.
 *
 * All zero but method, optim, batch, threads and a schedule is the daemon's own way. A plan holds no data; what it is
 * applied to is domain/learn_job.h. Which fields contradict each other is said by the learner's check. */
#pragma once
#include "domain/fisher.h"
#include <ewc/fisher.h>
#include <ewc/train.h>
#include <stdbool.h>
#include <stdint.h>

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

struct learn_plan {
        enum learn_method method;
        struct ewc_optim optim;
        uint32_t epochs; /* passes over train (joint: over the union of all rows); used when steps is 0 */
        uint32_t steps;  /* optimiser steps in all; 0: by epochs */
        uint32_t batch;
        double lambda;                 /* canonical scale; ignored when lambda_auto and for plain and joint */
        bool lambda_auto;              /* search by domain/lambda.h */
        enum learn_start lambda_start; /* of the search */
        /* Of the search, in [0,1]: most of its accuracy (squared loss: share by which its loss may rise) that a
         * closed task may lose in the mean over their holdouts; a try that lost more makes way for a greater lambda.
         * 0: none */
        double brake;
        enum ewc_fisher fisher;
        uint32_t fisher_samples;   /* 0: all rows; else drawn evenly over classes */
        double fisher_fraction;    /* in (0,1]: that share of the rows in place of fisher_samples; 0: not given */
        double fisher_damping;     /* >= 0: share of its mean added to a Fisher (ewc/fisher.h); 0: none */
        uint32_t replay_per_class; /* rows of each closed task's classes mixed in; 0: none. Not for joint */
        uint64_t seed;
        uint32_t threads; /* part of the result's reproducibility */

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
