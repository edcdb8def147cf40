/* settle_in.h: the parts of settle.c. */
#pragma once
#include "super/settle.h"

/* Of each closed task the best measure since its close along the parent's line of versions, as far back as they were
 * measured on the rows of n_now (rows measured now, by task; 0: none). ret_best (n_tasks): n 0 where there is none;
 * ret_changed (n_tasks): the run of such versions does not reach back to the close. */
int settle_since_close(struct store *st, const struct layout *l, const uint64_t *n_now, struct evaluation *ret_best,
    bool *ret_changed, struct err *e);

/* The evaluations, the verdict with its reason, and what follows from it: promote, candidate, gate of s->outcome, and
 * s->verdict.promote. refusal as in settle_conf. Negative: memory is short or the store is broken. */
int settle_judge(struct store *st, struct settlement *s, const struct job *job, const struct learn_job *file,
    const char *refusal, struct err *e);
