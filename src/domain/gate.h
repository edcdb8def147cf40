/* gate.h: whether a trained candidate may serve. Pure.
 *
 * Promote only if no closed task lost more than max_forgetting and the open task gained at least min_gain. Both sides
 * were measured in the same run on the same rows. What a closed task lost counts from its close, so that many small
 * losses cannot add up to more than the budget; a task the candidate does not make worse than the champion never
 * blocks, so that a champion chosen by hand can be learned on. Comparisons allow 1e-9. */
#pragma once
#include "domain/types.h"

struct gate_task {
        const char *name;
        bool open;
        struct evaluation before, after;
        struct evaluation at_close; /* closed tasks, the same rows under the version that closed it; n 0: not known */
        uint64_t n_holdout;         /* rows the store keeps to judge it by, whether or not they were measured */
};

struct gate_conf {
        double max_forgetting; /* share of accuracy a closed task may lose, e.g. 0.02 */
        double min_gain;       /* least change of the open task's accuracy, e.g. 0: not worse than the champion */
};

struct verdict {
        bool promote;
        size_t deciding;          /* index of the task that decided */
        double value, limit;      /* both operands of the deciding comparison */
        char reason[REASON_SIZE]; /* "promoted: task low lost 0.3 pt (budget 2.0), task high gained 4.1 pt" */
};

/* A task with n 0 cannot be judged and is named in the reason. It does not block, unless it is closed and has holdout
 * rows: then something keeps it from being measured, and what the candidate did to it is not known. Squared loss:
 * loss decides instead of accuracy, relative to the champion's. tasks (n >= 1). */
struct verdict gate_judge(const struct gate_task *tasks, size_t n, const struct gate_conf *conf, enum ewc_loss loss);
