/* learn_merge.c: the closed tasks' records as one penalty (U, centre), by libewc's rules.
 *
 * A record's weight is its alpha, in scale raw times its factor; in the scales l2 and minmax its Fisher is brought to
 * that scale first. separate is the daemon's way: the weighted centre, equal to the sum of the tasks' penalties up to
 * a constant. In the other rules the last anchor is the centre. */
#include "learner/learn_in.h"
#include "base/mem.h"
#include <ewc/merge.h>
#include <math.h>
#include <string.h>

static struct ewc_merge_rule rule_of(const struct learn_plan *plan)
{
        struct ewc_merge_rule rule = {.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_RAW};
        if (plan->merge == LEARN_MERGE_ONLINE) {
                rule.mode = EWC_MERGE_ONLINE;
                rule.gamma = plan->merge_decay;
        } else if (plan->merge == LEARN_MERGE_EMA) {
                rule.mode = EWC_MERGE_EMA;
                rule.beta = plan->merge_decay;
        }
        return rule;
}

/* What the rule makes of the weights alone: the sum a unit of U stands for. */
static double weigh(const struct ewc_merge_rule *rule, size_t k, double sum, double weight)
{
        if (rule->mode == EWC_MERGE_ONLINE)
                return rule->gamma * sum + weight;
        if (rule->mode == EWC_MERGE_EMA && k > 0)
                return rule->beta * sum + (1 - rule->beta) * weight;
        return sum + weight;
}

/* The Fisher of p on the plan's scale and the weight beside it; false if it has no such scale. */
static bool on_scale(const struct learn_job *job, const struct learn_past *p, float *scratch, struct ewc_record *ret)
{
        bool l2 = job->plan.scale == LEARN_SCALE_L2, minmax = job->plan.scale == LEARN_SCALE_MINMAX;
        size_t P = ewc_spec_params(&job->net);
        struct ewc_normal normal;
        *ret = (struct ewc_record){1, p->alpha, p->fisher, p->anchor};
        if (job->plan.scale == LEARN_SCALE_RAW)
                ret->factor *= p->factor;
        if (!l2 && !minmax)
                return true;
        ret->fisher = scratch;
        return ewc_normalize(l2 ? EWC_NORMALIZE_L2 : EWC_NORMALIZE_MINMAX, P, P, p->fisher, scratch, &normal) ==
               EWC_OK;
}

double learn_merge_with(const struct learn_job *job, float *scratch, float *U, float *centre)
{
        size_t P = ewc_spec_params(&job->net);
        const struct ewc_merge_rule rule = rule_of(&job->plan);
        double sum = 0;
        size_t n = 0; /* records merged */
        memset(U, 0, P * sizeof(float));
        memset(centre, 0, P * sizeof(float));
        for (size_t k = 0; k < job->n_past; k++) {
                struct ewc_record record;
                if (!on_scale(job, &job->past[k], scratch, &record))
                        return (double)NAN;
                if (job->plan.merge == LEARN_MERGE_SEPARATE) {
                        ewc_penalty_merge(P, U, centre, record.factor, record.fisher, record.anchor);
                        sum += record.factor;
                        continue;
                }
                if (job->past[k].alpha == 0)
                        continue; /* as if it were not there: neither decay nor centre */
                if (ewc_merge_add(&rule, P, n, &record, U, centre) < 0)
                        return (double)NAN;
                sum = weigh(&rule, n++, sum, record.factor);
        }
        return sum;
}

double learn_merge(const struct learn_job *job, float *U, float *centre)
{
        bool scaled = job->plan.scale == LEARN_SCALE_L2 || job->plan.scale == LEARN_SCALE_MINMAX;
        _free_ float *scratch = scaled ? new_array(float, ewc_spec_params(&job->net)) : NULL;
        return scaled && !scratch ? (double)NAN : learn_merge_with(job, scratch, U, centre);
}
