/* learn_merge.c: the closed tasks' records as one penalty (U, centre), by libewc's rules.
 *
 * A record's weight is its alpha, in scale raw times its factor. separate is the daemon's way: the weighted centre,
 * equal to the sum of the tasks' penalties up to a constant. In the other rules the last anchor is the centre. */
#include "learner/learn_in.h"
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

double learn_merge(const struct learn_job *job, float *U, float *centre)
{
        size_t P = ewc_spec_params(&job->net);
        const struct ewc_merge_rule rule = rule_of(&job->plan);
        double sum = 0;
        memset(U, 0, P * sizeof(float));
        memset(centre, 0, P * sizeof(float));
        for (size_t k = 0; k < job->n_past; k++) {
                const struct learn_past *p = &job->past[k];
                double weight = p->alpha * (job->plan.scale == LEARN_SCALE_RAW ? p->factor : 1.0);
                if (job->plan.merge == LEARN_MERGE_SEPARATE) {
                        ewc_penalty_merge(P, U, centre, weight, p->fisher, p->anchor);
                        sum += weight;
                        continue;
                }
                const struct ewc_record record = {1, weight, p->fisher, p->anchor};
                if (ewc_merge_add(&rule, P, k, &record, U, centre) < 0)
                        return (double)NAN;
                sum = weigh(&rule, k, sum, weight);
        }
        return sum;
}
