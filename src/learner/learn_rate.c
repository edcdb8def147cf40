/* learn_rate.c: the optimiser's step of a job: its rate, the layers' own rates, and the knee of the penalty.
 *
 * A plan names layers, libewc tensors: a layer's factor goes to all of its tensors. rate_floor reads the factors off
 * the merged Fisher once, before the first step; without closed tasks there is nothing to be slow for. */
#include "base/err.h"
#include "learner/learn_in.h"
#include <errno.h>
#include <math.h>

int learn_rate_check(const struct learn_job *job, struct err *e)
{
        const struct learn_plan *p = &job->plan;
        bool ewc = p->method == LEARN_EWC;
        float knee = (float)p->huber, rate = (float)((double)p->optim.rate * p->rate_new);
        if (p->huber != 0 && !(ewc && knee > 0 && isfinite(knee)))
                return err_field(e, -EINVAL, "huber", "huber is at least 0, finite, and needs method ewc");
        if (p->rate_new != 0 && !(p->rate_new > 0 && rate > 0 && isfinite(rate)))
                return err_field(
                    e, -EINVAL, "rate_new", "rate_new times the learning rate must be above 0 and finite");
        if (p->rate_floor != 0 && !(ewc && p->rate_floor > 0 && p->rate_floor < 1))
                return err_field(
                    e, -EINVAL, "rate_floor", "rate_floor is in (0, 1), 0 for off, and needs method ewc");
        if (p->rate_floor != 0 && p->n_rates > 0)
                return err_field(e, -EINVAL, "rates", "either rates or rate_floor sets the layers' rates, not both");
        if (!p->rates != (p->n_rates == 0) || (p->n_rates > 0 && p->n_rates != job->net.n_layers + 1))
                return err_field(e, -EINVAL, "rates", "%u rates%s for %u layers and the output layer", p->n_rates,
                    p->rates ? "" : " (absent)", job->net.n_layers);
        for (uint32_t i = 0; i < p->n_rates; i++)
                if (!(p->rates[i] >= 0) || isinf(p->rates[i]))
                        return err_field(e, -EINVAL, "rates", "rate %u must be at least 0 and finite", i);
        return 0;
}

/* Tensors that a layer has: embedding 1, other layers with parameters 2. */
static size_t tensors_of(enum ewc_layer_type type)
{
        switch (type) {
        case EWC_LAYER_EMBEDDING:
                return 1;
        case EWC_LAYER_DENSE:
        case EWC_LAYER_CONV:
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                return 2;
        case EWC_LAYER_MAX_POOL:
        case EWC_LAYER_AVG_POOL:
        case EWC_LAYER_GLOBAL_AVG_POOL:
        case EWC_LAYER_FLATTEN:
        case EWC_LAYER_DROPOUT:
                return 0;
        }
        return 0;
}

static void spread(const struct learn_job *job, float *ret)
{
        for (uint32_t i = 0; i <= job->net.n_layers; i++) {
                size_t n = i < job->net.n_layers ? tensors_of(job->net.layers[i].type) : 2;
                for (size_t k = 0; k < n; k++)
                        *ret++ = job->plan.rates[i];
        }
}

int learn_rate_open(struct learner *l)
{
        const struct learn_job *job = l->job;
        const struct learn_plan *p = &job->plan;
        bool floor = p->rate_floor > 0 && l->U;
        l->conf = p->optim;
        if (p->rate_new > 0 && job->n_past > 0)
                l->conf.rate = (float)((double)p->optim.rate * p->rate_new);
        l->how = (struct ewc_step){.knee = (float)p->huber, .team = l->team};
        if (p->n_rates == 0 && !floor)
                return 0;
        float *rate = arena_new_array(&l->arena, float, ewc_spec_tensors(&job->net));
        if (!rate)
                return err_oom(l->e);
        l->how.rate = rate;
        if (floor)
                return learn_ewc(l, ewc_step_rates(&job->net, l->U, p->rate_floor, rate), "rates of the layers");
        spread(job, rate);
        return 0;
}

double learn_penalty(const struct learner *l)
{
        if (!(l->pen.lambda > 0))
                return 0.0;
        if (l->how.knee > 0)
                return ewc_penalty_huber_value(l->n_params, l->theta, &l->pen, l->how.knee);
        return ewc_penalty_value(l->n_params, l->theta, &l->pen);
}
