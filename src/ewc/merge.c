/* merge.c: one importance and one centre out of several tasks' records.
 *
 * Every mode is U <- keep U + weight F with its own keep and weight; they differ in the centre. Per element in
 * double, stored as float. The rule is checked by a table: each option has one mode it belongs to. */
#include <ewc/merge.h>
#include <ewc/penalty.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ewc/internal.h"

static const struct ewc_name modes[] = {
    {EWC_MERGE_SEPARATE, "separate"},
    {EWC_MERGE_ONLINE, "online"},
    {EWC_MERGE_SUM, "sum"},
    {EWC_MERGE_EMA, "ema"},
    {EWC_MERGE_CUMULATIVE, "cumulative"},
    {EWC_MERGE_BATCH_EMA, "batch_ema"},
};
static const struct ewc_name scales[] = {{EWC_SCALE_UNIT, "unit"}, {EWC_SCALE_RAW, "raw"}};
#define N(table) (sizeof(table) / sizeof((table)[0]))

const char *ewc_merge_name(enum ewc_merge m)
{
        return ewc_name_find(modes, N(modes), (int)m);
}

int ewc_merge_parse(const char *name, enum ewc_merge *ret)
{
        int v, r = ewc_name_parse(modes, N(modes), name, &v);

        if (r == 0)
                *ret = (enum ewc_merge)v;
        return r;
}

const char *ewc_scale_name(enum ewc_scale s)
{
        return ewc_name_find(scales, N(scales), (int)s);
}

int ewc_scale_parse(const char *name, enum ewc_scale *ret)
{
        int v, r = ewc_name_parse(scales, N(scales), name, &v);

        if (r == 0)
                *ret = (enum ewc_scale)v;
        return r;
}

struct option {
        char name[8];
        enum ewc_merge owner;
        double value, top;
};

static int option_check(const struct option *o, const struct ewc_merge_rule *rule, char *why, size_t why_size)
{
        if (o->owner != rule->mode && o->value == 0)
                return 0;
        if (o->owner != rule->mode)
                snprintf(why, why_size, "%s belongs to %s, not to %s", o->name, ewc_merge_name(o->owner),
                    ewc_merge_name(rule->mode));
        else if (o->value == 0)
                snprintf(why, why_size, "%s is missing: %s needs it", o->name, ewc_merge_name(rule->mode));
        else if (!(o->value > 0) || o->value > o->top)
                snprintf(why, why_size, "%s %g, must be above 0 and %s 1", o->name, o->value,
                    o->top < 1 ? "below" : "at most");
        else
                return 0;
        return EWC_E_INVAL;
}

static bool weighs_tasks(enum ewc_merge m)
{
        return m == EWC_MERGE_SEPARATE || m == EWC_MERGE_CUMULATIVE;
}

int ewc_merge_check(const struct ewc_merge_rule *rule, char *why, size_t why_size)
{
        const double below_one = 1 - DBL_EPSILON;
        const struct option options[] = {
            {"gamma", EWC_MERGE_ONLINE, rule->gamma, 1},
            {"beta", EWC_MERGE_EMA, rule->beta, below_one},
            {"rate", EWC_MERGE_BATCH_EMA, rule->rate, below_one},
        };
        const char *mode = ewc_merge_name(rule->mode);
        int r = 0;

        why_size = why ? why_size : 0;
        if (!mode)
                snprintf(why, why_size, "unknown merge %d", (int)rule->mode);
        else if (!ewc_scale_name(rule->scale))
                snprintf(why, why_size, "scale is missing: unit or raw");
        else if (rule->alphas && !weighs_tasks(rule->mode))
                snprintf(why, why_size, "alpha belongs to separate and cumulative, not to %s", mode);
        else if (rule->mode == EWC_MERGE_SEPARATE && rule->centre == EWC_CENTRE_LATEST)
                snprintf(why, why_size, "centre latest belongs to the other modes, not to separate");
        else if (!weighs_tasks(rule->mode) && rule->centre == EWC_CENTRE_WEIGHTED)
                snprintf(why, why_size, "centre weighted belongs to separate and cumulative, not to %s", mode);
        else if (rule->centre > EWC_CENTRE_WEIGHTED)
                snprintf(why, why_size, "unknown centre %d", (int)rule->centre);
        else {
                for (size_t i = 0; r == 0 && i < N(options); i++)
                        r = option_check(&options[i], rule, why, why_size);
                return r;
        }
        return EWC_E_INVAL;
}

/* U = keep U + weight F; true when every entry is finite. */
EWC_CLONES static bool blend(size_t P, float *restrict U, double keep, double weight, const float *restrict fisher)
{
        int bad = 0;

        for (size_t i = 0; i < P; i++) {
                float u = (float)(keep * (double)U[i] + weight * (double)fisher[i]);

                bad |= !(u <= FLT_MAX);
                U[i] = u;
        }
        return !bad;
}

/* How much of the old U stays, and what the new record counts beside its own weight. */
static void shares(const struct ewc_merge_rule *rule, bool first, double *ret_keep, double *ret_fresh)
{
        *ret_keep = *ret_fresh = 1;
        switch (rule->mode) {
        case EWC_MERGE_ONLINE:
                *ret_keep = rule->gamma;
                break;
        case EWC_MERGE_EMA:
                *ret_keep = rule->beta;
                *ret_fresh = first ? 1 : 1 - rule->beta;
                break;
        case EWC_MERGE_BATCH_EMA: /* the record is the running mean itself */
                *ret_keep = 0;
                break;
        case EWC_MERGE_SEPARATE:
        case EWC_MERGE_SUM:
        case EWC_MERGE_CUMULATIVE:
                break;
        }
}

int ewc_merge_add(const struct ewc_merge_rule *rule, size_t P, uint64_t n_before, const struct ewc_record *rec,
    float *U, float *centre)
{
        bool weighted = rule->mode == EWC_MERGE_SEPARATE || rule->centre == EWC_CENTRE_WEIGHTED;
        double weight = rec->alpha, keep, fresh;
        int r = ewc_merge_check(rule, NULL, 0);

        if (r < 0)
                return r;
        if (!(weight >= 0) || (!rule->alphas && weight != 1))
                return EWC_E_INVAL;
        if (rule->scale == EWC_SCALE_RAW) {
                if (!(rec->factor >= 0))
                        return EWC_E_INVAL;
                weight *= rec->factor;
        }
        if (!isfinite(weight))
                return EWC_E_NONFINITE;
        if (n_before == 0) {
                memset(U, 0, P * sizeof(*U));
                memset(centre, 0, P * sizeof(*centre));
        }
        if (rec->alpha == 0)
                return 0;
        if (!ewc_weights_all(P, rec->fisher) || !ewc_finite_all(P, rec->anchor))
                return EWC_E_NONFINITE;
        if (weighted) {
                ewc_penalty_merge(P, U, centre, weight, rec->fisher, rec->anchor);
                return ewc_finite_all(P, U) ? 0 : EWC_E_NONFINITE;
        }
        shares(rule, n_before == 0, &keep, &fresh);
        memcpy(centre, rec->anchor, P * sizeof(*centre));
        return blend(P, U, keep, fresh * weight, rec->fisher) ? 0 : EWC_E_NONFINITE;
}

int ewc_merge_all(
    const struct ewc_merge_rule *rule, size_t P, size_t n, const struct ewc_record *recs, float *U, float *centre)
{
        int r = ewc_merge_check(rule, NULL, 0);

        if (r == 0 && n == 0) {
                memset(U, 0, P * sizeof(*U));
                memset(centre, 0, P * sizeof(*centre));
        }
        for (size_t k = 0; r == 0 && k < n; k++)
                r = ewc_merge_add(rule, P, k, &recs[k], U, centre);
        return r;
}

EWC_CLONES static void batch_update(size_t P, double rate, const float *restrict grad, float *restrict F)
{
        for (size_t i = 0; i < P; i++) {
                double g = (double)grad[i];

                F[i] = (float)(rate * g * g + (1 - rate) * (double)F[i]);
        }
}

void ewc_merge_batch(size_t P, double rate, const float *grad, float *F)
{
        batch_update(P, rate, grad, F);
}
