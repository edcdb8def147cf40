/* similarity.h: how alike two tasks are, and how far a net has moved, both read off stored Fishers. */
#pragma once
#include "net.h"

/* Cosine of A/(A+B+1e-8) and B/(A+B+1e-8), where A and B are the means of a and b over each row of each tensor: a
 * unit's, a filter's or an id's weights are one entry, a bias, gamma or beta one each (Achille et al. 2019, Task2Vec,
 * arXiv:1902.03545, sections 2 and 3.2, which averages over a filter's weights too). 1 for equal Fishers, 0 for
 * disjoint ones, 0 when one is all zero.
 *
 * Each entry weighs the same here, however small its Fisher, so sampling noise counts in full where it is greatest:
 * weight by weight, two samples of 1000 rows of one task come to no more than 0.69. The mean over a row takes that
 * noise out: the same two come to 0.98, and tasks that share nothing with the first to 0.58 to 0.83, as the net goes.
 *
 * Over the first n_tensors tensors of s, at most ewc_spec_tensors. a, b: as much of two Fishers of mean 1 at this
 * layout; 1e-8 is far below such a mean. It ranks tasks; it sets where a search for lambda starts, not where it
 * ends. */
EWC_API double ewc_similarity(const struct ewc_spec *s, size_t n_tensors, const float *a, const float *b);

EWC_API size_t ewc_layers(const struct ewc_spec *s); /* layers that have parameters, output layer included */

/* Predicted KL divergence from the old model, 1/2 sum_i factor F_i (theta_i - anchor_i)^2, to second order; its ratio
 * to the measured change of the loss tells when the quadratic model stopped being valid. EXACT Fishers only.
 * ret_layers (ewc_layers), or NULL: the same layer by layer, summing to the value. */
EWC_API double ewc_predicted_kl(const struct ewc_spec *s, double factor, const float *fisher, const float *anchor,
    const float *theta, double *ret_layers);
