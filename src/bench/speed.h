/* speed.h: what the files of `ewc-bench speed` share: the nets, the parts that are timed, and the figures made of the
 * times. Times are milliseconds. */
#pragma once
#include "base/err.h"
#include <ewc/net.h>
#include <stdbool.h>
#include <stdio.h>

enum { SPEED_BATCH = 128, SPEED_CEILING = 1024, SPEED_MAX_ROUNDS = 32 };

enum speed_part {
        PART_STEP_PLAIN,
        PART_STEP_EWC,
        PART_CEILING,
        PART_EXACT,
        PART_EXACT_TENTH,
        PART_SAMPLE,
        PART_EMPIRICAL,
        PART_BATCHED,
        PART_INFER_ONE,
        PART_INFER_BATCH,
        N_PARTS
};

struct speed_net {
        const char *name, *peer; /* name in the output; as torch_learn.py calls it */
        struct ewc_spec spec;
        unsigned rounds, steps, rows; /* rounds; steps of one round; rows of a Fisher pass */
        bool dense;                   /* only then the Fisher passes are timed */
};
extern const struct speed_net speed_nets[]; /* the largest dense net last */
extern const size_t speed_n_nets;

struct speed_times {
        size_t rounds;
        bool has[N_PARTS];
        double ms[N_PARTS][SPEED_MAX_ROUNDS]; /* of one unit of work: a step, a row, a pass, a product */
        double rows;                          /* of a Fisher pass */
        double flops;                         /* of a step's products */
        double allocations;                   /* of a step; NaN if they cannot be counted */
};

/* speed_work.c: the parts of one net, in turns. RUNNER_STOPPED; -ENOMEM; -EIO: a step failed. */
int speed_measure(const struct speed_net *net, unsigned threads, struct speed_times *ret, struct err *e);
const char *speed_part_name(enum speed_part part);
double speed_flops(const struct speed_net *net); /* of the products of one training step, additions counted */

/* speed_count.c, in the program only: calls of malloc and its kin so far. Absent where a sanitizer owns malloc. */
__attribute__((weak)) unsigned long speed_allocations(void);

struct speed_torch {                             /* medians; NaN where the peer did not say */
        double step_plain, step_ewc, fisher_row; /* the better of one and two threads */
};
/* speed_torch.c: runs file with the net's name and 1 and 2 threads. -EIO: it failed. */
int speed_torch_run(const char *file, const struct speed_net *net, struct speed_torch *ret, struct err *e);
/* What to run: the file asked for, else tests/bench/peers/torch_learn.py from here if python3 has torch, else NULL,
 * said on stderr. */
const char *speed_torch_find(const char *asked);
/* Reads "name value unit" lines until the end; a smaller figure replaces a larger one. */
void speed_torch_read(FILE *in, struct speed_torch *into);

/* speed_figures.c */
struct speed_figure {
        const char *name, *unit;
        double value;
};
enum { SPEED_MAX_FIGURES = 40 };
double speed_median(size_t n, const double *v); /* n odd: the middle one; even: the mean of the middle two */
/* All figures that can be formed, in their order. Returns how many. */
size_t speed_figures(
    const struct speed_times *t, const struct speed_torch *torch, struct speed_figure ret[SPEED_MAX_FIGURES]);
/* One line: a JSON object, or text. net NULL: the figure belongs to none. */
void speed_print(FILE *to, bool json, const char *net, const struct speed_figure *f);
