/* cut.h: one dataset cut into tasks, separate from all training.
 *
 *   classes  task k has the k-th group of classes, in the order of the numbers or in one drawn per seed; where they
 *            do not come out even, the first tasks have one class more
 *   permute  task k has all rows, their inputs permuted by a permutation of its own (drawn from seed and k)
 *   rotate   task k has all rows, turned by an angle about the image's centre (bilinear, zero fill)
 *
 * Labels are outputs of the net: with the task known every task has rows of its own, in the domain scenario all tasks
 * share the same outputs, in the class scenario every class has its own and all of them are always active. Everything
 * follows from the arguments alone. */
#pragma once
#include "bench/dataset.h"

struct cutter {
        const struct dataset *data; /* borrowed */
        struct cut cut;
        enum scenario scenario;
        uint64_t seed;
        uint32_t n_inputs, n_outputs; /* of the net */
        uint32_t side;                /* of the square image, 0 if it is none */
        uint32_t *classes;            /* (n_classes) CUT_CLASSES: their order */
        uint32_t *outputs;            /* (n_outputs) 0, 1, 2 …: heads point into it */
};

struct cut_task {
        struct ewc_head head;     /* active outputs; points into the cutter */
        struct ewc_head own;      /* those of the task's classes; the same but in the class scenario */
        struct table train, test; /* owned */
};

/* -EINVAL: the data cannot be cut this way, the field names the option. */
int cutter_open(struct cutter *ret, const struct dataset *data, const struct cut *cut, enum scenario scenario,
    uint64_t seed, struct err *e);
void cutter_close(struct cutter *c); /* accepts an all-zero cutter */
/* Task k; max_train > 0 keeps its first rows only. Either split is left out when its flag is false. */
int cutter_task(
    const struct cutter *c, uint32_t k, size_t max_train, bool train, bool test, struct cut_task *ret, struct err *e);
void cut_task_free(struct cut_task *t);
