/* protection.c: the closed tasks' records as one pair (U, centre), by libewc's rules.
 *
 * What a version stores as its protection is what its learner trained under. separate is the daemon's way: the
 * weighted centre, equal to the sum of the tasks' penalties up to a constant; the other rules keep the last anchor. A
 * stored record has mean 1, so the scale of a plan is a factor on it, and for minmax also a shift. */
#include "domain/protection.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <ewc/merge.h>
#include <math.h>
#include <string.h>

double protection_factor(const struct ewc_fisher_info *info)
{
        return info->factor > 0 ? info->factor : 1.0;
}

static struct ewc_merge_rule rule_of(const struct learn_plan *plan)
{
        switch (plan->merge) {
        case LEARN_MERGE_SEPARATE: /* its sum, with the weighted centre, is ewc_penalty_merge */
        case LEARN_MERGE_SUM:
                break;
        case LEARN_MERGE_ONLINE:
                return (struct ewc_merge_rule){
                    .mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_RAW, .gamma = plan->merge_decay};
        case LEARN_MERGE_EMA:
                return (struct ewc_merge_rule){
                    .mode = EWC_MERGE_EMA, .scale = EWC_SCALE_RAW, .beta = plan->merge_decay};
        }
        return (struct ewc_merge_rule){.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_RAW};
}

/* The record on the plan's scale is *ret_factor times *ret, which is scratch where it had to be brought there.
 * *ret_mean: its mean. */
static int scaled(const struct learn_plan *plan, size_t P, const struct learn_past *p, float *scratch,
    const float **ret, double *ret_factor, double *ret_mean)
{
        bool moved = plan->scale == LEARN_SCALE_L2 || plan->scale == LEARN_SCALE_MINMAX;
        struct ewc_normal normal;
        *ret = p->fisher;
        *ret_factor = *ret_mean = plan->scale == LEARN_SCALE_RAW ? p->factor : 1.0;
        if (!moved)
                return 0;
        enum ewc_normalize kind = plan->scale == LEARN_SCALE_L2 ? EWC_NORMALIZE_L2 : EWC_NORMALIZE_MINMAX;
        *ret = scratch;
        int r = ewc_normalize(kind, P, P, p->fisher, scratch, &normal);
        *ret_mean = r == 0 && normal.factor > 0 ? (1 - normal.offset) / normal.factor : 0;
        return r;
}

/* What the rule makes of the means alone. */
static double weigh(const struct learn_plan *plan, size_t k, double sum, double mean)
{
        if (plan->merge == LEARN_MERGE_ONLINE)
                return plan->merge_decay * sum + mean;
        if (plan->merge == LEARN_MERGE_EMA && k > 0)
                return plan->merge_decay * sum + (1 - plan->merge_decay) * mean;
        return sum + mean;
}

/* *n: records in U so far. Outside separate a record of weight 0 is left out: neither decay nor centre sees it. */
static int add(const struct learn_plan *plan, size_t P, const struct learn_past *p, float *scratch, size_t *n,
    float *U, float *centre, double *sum)
{
        const struct ewc_merge_rule rule = rule_of(plan);
        const float *fisher;
        double factor, mean;
        if (plan->merge != LEARN_MERGE_SEPARATE && p->alpha == 0)
                return 0;
        if (scaled(plan, P, p, scratch, &fisher, &factor, &mean) < 0)
                return -EBADMSG;
        *sum = weigh(plan, *n, *sum, p->alpha * mean);
        if (plan->merge == LEARN_MERGE_SEPARATE) {
                ewc_penalty_merge(P, U, centre, p->alpha * factor, fisher, p->anchor);
                return 0;
        }
        const struct ewc_record record = {1, p->alpha * factor, fisher, p->anchor};
        return ewc_merge_add(&rule, P, (*n)++, &record, U, centre) < 0 ? -EBADMSG : 0;
}

int protection_merge(const struct learn_plan *plan, size_t P, size_t n, const struct learn_past *past, float *U,
    float *centre, double *ret_scale, struct err *e)
{
        _free_ float *scratch = new_array(float, P);
        double sum = 0;
        size_t merged = 0;
        if (!scratch)
                return err_oom(e);
        memset(U, 0, P * sizeof(float));
        memset(centre, 0, P * sizeof(float));
        int r = 0;
        for (size_t k = 0; r == 0 && k < n; k++)
                r = add(plan, P, &past[k], scratch, &merged, U, centre, &sum);
        for (size_t i = 0; r == 0 && i < P; i++)
                if (!isfinite(U[i]) || !isfinite(centre[i]))
                        r = -EBADMSG;
        if (r < 0)
                return err_set(e, r, "the merged protection is not finite");
        *ret_scale = sum;
        return 0;
}
