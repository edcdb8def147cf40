/* protection.h: the records of closed tasks as one penalty, and what becomes of a plan's words on the way. Pure. */
#pragma once
#include "domain/learn_job.h"

struct err;

/* learn_past.factor of a record. An all-zero Fisher has factor 0, and is the same at any other. */
double protection_factor(const struct ewc_fisher_info *info);

/* U, centre (P): the records of past (n) in their order, by the plan's merge rule and scale; n 0 gives zeros. A
 * record's weight is its alpha. *ret_scale: the mean of U over its tasks' protected parameters, by default the sum of
 * alphas. -ENOMEM; -EBADMSG: not finite. */
int protection_merge(const struct learn_plan *plan, size_t P, size_t n, const struct learn_past *past, float *U,
    float *centre, double *ret_scale, struct err *e);
