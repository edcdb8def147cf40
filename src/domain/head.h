/* head.h: which outputs of a net belong to which task, and how a net grows. Pure.
 *
 * Scenario domain: output i is class i, all active for every task. Scenario class: output i is class i; active are
 * the classes of all tasks so far. Scenario task: every task has rows of its own, one per class it uses; rows with
 * task 0 there belong to the first task, whose id was not known when they were made. */
#pragma once
#include "domain/types.h"

struct arena;

/* Outputs of the first version: scenario task with classes given for the first task, one each; otherwise one per class
 * of the model. first_task may be 0. -ENOMEM. */
int head_initial(enum scenario s, size_t n_classes, task_id first_task, size_t n_task_classes,
    const uint32_t *task_classes, struct arena *a, struct output_row **ret, size_t *ret_n);

/* old (n_old) followed by the rows that the task needs and old lacks: scenario task: (task, each of its classes);
 * otherwise one per class of the model not there yet. -ENOMEM. */
int head_extend(enum scenario s, const struct output_row *old, size_t n_old, size_t n_classes, const struct task *task,
    struct arena *a, struct output_row **ret, size_t *ret_n);

/* The active outputs of task among rows (n), ascending; in scenario class the union of the classes of all tasks given
 * (all rows when none has any). ret->n may be 0 in scenario task: no trained head yet. -ENOMEM. */
int head_of_task(enum scenario s, const struct output_row *rows, size_t n, const struct task *task,
    const struct task *all, size_t n_all, struct arena *a, struct ewc_head *ret);

/* Output index of a class within a head, or -1. */
int head_output(const struct output_row *rows, const struct ewc_head *head, uint32_t class);
