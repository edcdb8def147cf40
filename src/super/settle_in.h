/* settle_in.h: the parts of settle.c. */
#pragma once
#include "super/settle.h"

/* The evaluations, the verdict with its reason, and what follows from it: promote, candidate, gate of s->outcome, and
 * s->verdict.promote. refusal as in settle_conf. Negative: memory is short. */
int settle_judge(
    struct settlement *s, const struct job *job, const struct learn_job *file, const char *refusal, struct err *e);
