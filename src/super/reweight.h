/* reweight.h: another weight for a closed task, without data and without training: theta stays, the protection is
 * merged anew. Any thread that owns a store. */
#pragma once
#include "domain/learn_job.h"
#include "super/layout.h"
#include "super/records.h"

struct reweighting {
        struct budget budget;
        struct records past;
        struct learn_job file; /* what a job file would say: kind, id, net, plan, past */
};

/* *result is what a learner would hand back: the parent's theta, and its evaluations before and after alike, since no
 * answer changes. Both are freed by the caller, even after a failure. */
int reweight_load(struct store *s, const struct job *job, const struct layout *l, struct reweighting *ret,
    struct learn_result *ret_result, struct err *e);
void reweighting_free(struct reweighting *w);
