/* export_rows.h: feedback rows of one task gathered as a learner's rows, within a budget of bytes. */
#pragma once
#include "domain/learn_job.h"
#include "super/layout.h"

struct err;
struct store;

struct budget { /* of all an export holds at once */
        size_t left;
};

void *budget_take(
    struct budget *b, size_t n, size_t size, const char *what, struct err *e); /* zeroed; free() it. NULL: e */

struct row_set {
        size_t n, cap;
        float *x;            /* (n,I) scaled */
        int32_t *label;      /* (n) output indices, softmax */
        float *target;       /* (n,O) otherwise */
        float *weight;       /* (n) */
        bool weighted;       /* a weight is not 1 */
        uint64_t n_unusable; /* rows left out: class without an output, wrong size, not finite once scaled */
};

void row_set_free(struct row_set *r); /* accepts an all-zero one */

struct row_choice {
        const struct task *task;
        const struct ewc_head *head;
        struct seq_range range;
        int split;          /* SPLIT_TRAIN or SPLIT_HOLDOUT */
        bool trusted_only;  /* rows that came from an operator */
        uint32_t per_class; /* 0: all rows; else this many of each class, chosen by a hash of the row */
};

/* Whether any of the rows is trusted. */
int rows_trusted(struct store *s, const struct layout *l, const struct row_choice *c, bool *ret, struct err *e);

/* Fills ret (all-zero before). Equal arguments on equal rows give equal bytes. */
int rows_gather(struct store *s, const struct layout *l, const struct row_choice *c, struct budget *b,
    struct row_set *ret, struct err *e);

/* The set as a learner's rows; weights are left out of holdouts and where all are 1. */
struct learn_rows rows_view(const struct row_set *r, const struct row_choice *c);
