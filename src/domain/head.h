/* head.h: which outputs of a net belong to which task, and how a net grows. Pure.
 *
 * Scenario domain: output i is class i, all active for every task. Scenario class: output i is class i; active are
 * the classes of all tasks so far. Scenario task: every task has rows of its own, one per class it uses; rows with
 * task 0 there belong to the first task, whose id was not known when they were made.
 *
 * An output is known by its task and class, not by its index: along one line of versions outputs are only appended,
 * but after a return to an older version the next ones append others, so that two versions of a model may have
 * different outputs at one index. What moves between versions is moved by head_map. */
#pragma once
#include "domain/types.h"
#include <ewc/net.h>

struct arena;

/* Outputs of the first version: scenario task with classes given for the first task, one each; otherwise one per
 * class of the model. first_task may be 0. -ENOMEM. */
int head_initial(enum scenario s, size_t n_classes, task_id first_task, size_t n_task_classes,
    const uint32_t *task_classes, struct arena *a, struct output_row **ret, size_t *ret_n);

/* old (n_old) followed by the rows that old lacks: scenario task: (task, each of its classes) for each of tasks
 * (n_tasks) in their order; otherwise one per class of the model. -ENOMEM. */
int head_extend(enum scenario s, const struct output_row *old, size_t n_old, size_t n_classes,
    const struct task *tasks, size_t n_tasks, struct arena *a, struct output_row **ret, size_t *ret_n);

/* For each row of to (n_to) the index of the same one in from (n_from), or EWC_OUTPUT_NEW: the source of
 * ewc_spec_map. first: the model's first task, to which rows with task 0 belong in scenario task. */
void head_map(enum scenario s, task_id first, const struct output_row *from, size_t n_from,
    const struct output_row *to, size_t n_to, uint32_t *ret);

/* The active outputs of task among rows (n), ascending; in scenario class the union of the classes of all tasks given
 * (all rows when none has any). ret->n may be 0 in scenario task: no trained head yet. -ENOMEM. */
int head_of_task(enum scenario s, const struct output_row *rows, size_t n, const struct task *task,
    const struct task *all, size_t n_all, struct arena *a, struct ewc_head *ret);

/* Output index of a class within a head, or -1. */
int head_output(const struct output_row *rows, const struct ewc_head *head, uint32_t class);
