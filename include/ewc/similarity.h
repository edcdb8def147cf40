/* similarity.h: how alike two tasks are, and how far a net has moved, both read off stored Fishers. */
#pragma once
#include "net.h"

/* Cosine of a/(a+b+1e-8) and b/(a+b+1e-8), entry by entry: 1 for equal Fishers, 0 for disjoint ones (Achille et al.
 * 2019, Task2Vec, arXiv:1902.03545, section 3.2; 0 when one is all zero). a, b (P): Fishers of mean 1 at the same
 * layout. It ranks tasks; it sets where a search for lambda starts, not where it ends. */
EWC_API double ewc_similarity(size_t P, const float *a, const float *b);

EWC_API size_t ewc_layers(const struct ewc_spec *s); /* layers that have parameters, output layer included */

/* Predicted KL divergence from the old model, 1/2 sum_i factor F_i (theta_i - anchor_i)^2, to second order; its ratio
 * to the measured change of the loss tells when the quadratic model stopped being valid. EXACT Fishers only.
 * ret_layers (ewc_layers), or NULL: the same layer by layer, summing to the value. */
EWC_API double ewc_predicted_kl(const struct ewc_spec *s, double factor, const float *fisher, const float *anchor,
    const float *theta, double *ret_layers);
