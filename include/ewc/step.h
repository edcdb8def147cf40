/* step.h: the optimiser step with a rate of its own per tensor and Huber's penalty, and rates read off the Fisher.
 *
 * A lower rate for layers the old tasks rely on is discriminative fine-tuning (Howard and Ruder 2018,
 * arXiv:1801.06146, section 3.2): it lowers forgetting and plasticity together. */
#pragma once
#include "train.h"

struct ewc_step {          /* all zero: the bits of ewc_optim_step */
        const float *rate; /* (tensors of the spec) factors >= 0 on the optimiser's rate, 0 freezes; NULL: all 1 */
        float knee;        /* Huber's knee (penalty.h) > 0, in units of theta; 0: none */
        struct ewc_team *team; /* shares the pass (team.h), or NULL; no matter for the bits */
};

/* ewc_optim_step over the parameters of s. The penalty's step size is the rate really used, factor included. A factor
 * of 1 leaves the bits as they are. EWC_E_INVAL (also: a negative factor or knee), EWC_E_NONFINITE. */
EWC_API int ewc_optim_step_with(const struct ewc_optim *o, const struct ewc_spec *s, float *theta, const float *grad,
    float *state, uint64_t t, const struct ewc_penalty *pen, const struct ewc_step *how);

/* ret (tensors of the spec) = 1 - (1 - floor) * share, where share is the layer's part of the trace of the Fisher: a
 * layer that carries nothing keeps rate 1, one that carries everything gets floor (0..1). All tensors of a layer get
 * the same factor; an all-zero Fisher gives 1. EWC_E_INVAL, EWC_E_NONFINITE. */
EWC_API int ewc_step_rates(const struct ewc_spec *s, const float *fisher, double floor, float *ret);
