/* settle_in.h: the parts of settle.c. */
#pragma once
#include "super/settle.h"

struct settle_past {             /* a closed task along the parent's line of versions, since its close */
        struct evaluation best;  /* as far back as versions were measured on the rows of now; n 0: none was */
        struct evaluation first; /* the first on these rows; n 0: none was, or best reaches back to the close */
        struct gate_carry carry; /* what was lost on the rows before these */
        bool changed;            /* best does not reach back to the close */
};

/* n_now: rows measured now, by task; 0: none. ret (n_tasks): all 0 for those that are not closed or have none. */
int settle_since_close(
    struct store *st, const struct layout *l, const uint64_t *n_now, struct settle_past *ret, struct err *e);

/* The evaluations, the verdict with its reason, and what follows from it: promote, candidate, gate of s->outcome, and
 * s->verdict.promote. refusal as in settle_conf. Negative: memory is short or the store is broken. */
int settle_judge(struct store *st, struct settlement *s, const struct job *job, const struct learn_job *file,
    const char *refusal, struct err *e);
