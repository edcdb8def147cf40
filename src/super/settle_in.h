/* settle_in.h: the parts of settle.c. */
#pragma once
#include "super/settle.h"

/* What closed tasks were along the parent's line of versions, since their close: at_close, rows_changed, at_change
 * and carry of tasks (l->n_tasks), whose before.n says how many rows they have now. Those that are open or have no
 * rows are left as they are. */
int settle_since_close(struct store *st, const struct layout *l, struct gate_task *tasks, struct err *e);

/* The evaluations, the verdict with its reason, and what follows from it: promote, candidate, gate of s->outcome, and
 * s->verdict.promote. refusal as in settle_conf. Negative: memory is short or the store is broken. */
int settle_judge(struct store *st, struct settlement *s, const struct job *job, const struct learn_job *file,
    const char *refusal, struct err *e);
