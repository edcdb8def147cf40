/* gate.h: whether a trained candidate may serve, as a list of checks. Pure.
 *
 * Promote only if every check passed. Both sides of a task were measured in the same run on the same rows. What a
 * closed task lost counts from the best it was since its close, so that many small losses cannot add up to more than
 * the budget; where rows it is judged by came or went since, what was lost on the others is carried over
 * (gate_carry). A task the candidate does not make worse than the champion never blocks, so that a champion chosen by
 * hand can be learned on. A task whose protection was given up is shown and not checked. Where
 * every check passed and too little was measured to say so, nothing is decided: that is an operator's. Comparisons
 * allow 1e-9. */
#pragma once
#include "domain/types.h"

struct learning;

struct gate_run { /* versions one after another, measured on the same rows */
        struct evaluation first, best, last;
};

struct gate_carry {      /* from run to run; {0} at the close */
        double lost;     /* since the best it was; never below 0. Share of accuracy; squared loss: relative */
        uint64_t n_rows; /* most rows of a run so far */
};

/* What was lost by the end of r. first: of the version that the run before ended with, on the rows of this one. What
 * is lost in r adds to what was lost before; what is gained pays it back, row for row: where few rows are left, each
 * is a great share, and few right answers must not pay for many that were lost. Rows that went take no loss with
 * them and give no gain: each step is measured on the same rows. A number that is not finite changes nothing. */
struct gate_carry gate_carry(struct gate_carry before, const struct gate_run *r, enum ewc_loss loss);

struct gate_task {
        const char *name;
        bool open;
        bool given_up;                   /* closed, alpha 0: an operator gave up its protection */
        struct evaluation before, after; /* after.predicted is read with n 0 too */
        /* Closed tasks: the best measure since the close on the rows of `before`. n 0: not known; another n than that
         * of `before`: of other rows, and not compared. */
        struct evaluation at_close;
        bool rows_changed;           /* since the close, so that at_close does not reach back to it */
        struct evaluation at_change; /* the first measure on the rows of `before`; n 0: `before` is it */
        struct gate_carry carry;     /* of the rows before those */
        uint64_t n_at_close;         /* rows it was judged by at its close; 0: it never had any */
        uint64_t n_holdout;          /* rows the store keeps to judge it by, whether or not they were measured */
        size_t n_classes;
        const char *const *classes; /* (n_classes) names by output of the net; an output beyond them is numbered */
};

struct gate_conf {
        double max_forgetting; /* share of accuracy a closed task may lose, e.g. 0.02 */
        double min_gain;       /* least change of the open task's accuracy, e.g. 0: not worse than the champion */
        double floor;          /* least accuracy of a measured task; 0: off. Not for squared loss */
        double class_floor;    /* least share of a label's rows that are answered rightly; 0: off. Softmax */
        double max_ece_rise;   /* of a measured task; 1 or more: off. Softmax */
        double confidence;     /* of the interval around a difference of accuracies; 0: none */
        double max_predicted;  /* nats a row, of closed tasks without holdout rows */
        double holdout;        /* share of rows held out; 0: nobody asks for more than can be measured */
        bool first;            /* the champion is the initial version: it holds nothing that could be lost */
        bool unmoved;          /* the candidate's parameters are the champion's: no answer changes */
};
struct gate_conf gate_conf_of(const struct learning *l); /* first and unmoved: the caller's */

enum gate_kind {
        GATE_FORGETTING = 1, /* closed, measured: value lost, at most limit */
        GATE_GAIN,           /* open, measured: value gained, at least limit */
        GATE_FLOOR,          /* measured: accuracy, at least limit */
        GATE_CLASS_FLOOR,    /* measured, of one label */
        GATE_CALIBRATION,    /* measured: rise of the calibration error, at most limit */
        GATE_PREDICTED,      /* closed, no holdout rows: loss change the Fisher predicts, at most limit */
        GATE_UNMEASURED      /* closed, holdout rows that were not measured: never passes, value is NaN */
};
const char *gate_kind_name(enum gate_kind k); /* "forgetting" "gain" "floor" "class_floor" …; NULL if unknown */

enum { GATE_WORDS = 400 };

struct gate_check {
        enum gate_kind kind;
        size_t task;         /* index */
        int64_t output;      /* CLASS_FLOOR: of the net; else -1 */
        bool passed;         /* a value that is not finite never does */
        double value, limit; /* both operands; the value as it counts: a gain inside the noise is 0 */
        double noise;        /* half the width of the interval around value; 0: none */
        char words[GATE_WORDS];
};

struct verdict {
        bool promote;
        bool undecided;      /* no check failed, and too little was measured to promote it */
        size_t deciding;     /* index of the task that decided */
        double value, limit; /* both operands of the deciding comparison */
        size_t n_checks;
        char reason[REASON_SIZE]; /* "promoted: task low lost 0.3 pt (budget 2.0), task high gained 4.1 pt" */
};

/* The reason of a version that is kept because the gate left it open begins so: nobody but an operator promotes
 * it. */
#define GATE_LEFT_OPEN "candidate: an operator must decide"
bool gate_left_open(const char *reason);

/* Half the width of the interval around the difference of two accuracies measured on the same n rows, of which n_won
 * turned right and n_lost wrong: z sqrt(won + lost - (won - lost)^2 / n) / n + 1/n, the normal approximation for
 * paired proportions with its correction for continuity (Fleiss, Levin and Paik 2003, section 13.1). 0 without rows
 * or with confidence 0. */
double gate_noise(uint64_t n, uint64_t n_won, uint64_t n_lost, double confidence);

size_t gate_checks_max(const struct gate_task *tasks, size_t n, const struct gate_conf *conf);

/* A task with n 0 cannot be judged by rows. A closed one that has holdout rows then blocks: something keeps it
 * from being measured, and what the candidate did to it is not known. One that has none is judged by what the
 * Fisher predicts where that is known (after.predicted), else only named in the reason, as an open one is. Undecided:
 * a closed task that was closed with rows to judge it by has none now, or there is no check at all; unless holdout is
 * 0, the champion the initial version (the latter only), or no answer changes. Squared loss: loss decides instead
 * of accuracy, relative to the champion's, and nothing is said of noise. tasks (n >= 1); ret_checks
 * (gate_checks_max) gets v.n_checks, task by task. */
struct verdict gate_judge(const struct gate_task *tasks, size_t n, const struct gate_conf *conf, enum ewc_loss loss,
    struct gate_check *ret_checks);
