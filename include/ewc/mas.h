/* mas.h: Memory Aware Synapses, an importance that needs no labels (Aljundi et al. 2018, arXiv:1711.09601, eq. 3).
 *
 * Omega_i = mean_x | d ||f(x)||^2 / d theta_i | with f the logits over the head: served traffic is enough.
 * For a dense layer the gradient of one sample is the product delta_o a_i, hence |delta_o| |a_i|: one product of
 * absolute values per layer is exact. Layers with shared weights go sample by sample.
 *
 * EXACT of fisher.h needs no labels either, since it takes the mean over the model's own y; prefer it where a
 * probability model is at hand, and MAS where the outputs are plain numbers. */
#pragma once
#include "net.h"

EWC_API size_t ewc_mas_workspace(const struct ewc_net *net, size_t B);

/* sum (P, double) += the absolute gradients of every row of x (B,I). EWC_E_DIM, EWC_E_INVAL (head, an id outside an
 * embedding), EWC_E_NONFINITE (an input, a logit or a gradient leaves the range of float); sum is then untouched. */
EWC_API int ewc_mas_add(
    const struct ewc_net *net, const struct ewc_head *head, size_t B, const float *x, double *sum, void *ws);

/* omega (P) = sum / n / factor with mean 1 over the protected parameters, as ewc_fisher_finish stores a Fisher. An
 * all-zero sum gives zeros and factor 0. EWC_E_INVAL, EWC_E_NONFINITE. */
EWC_API int ewc_mas_finish(const struct ewc_spec *s, const struct ewc_head *head, uint64_t n, const double *sum,
    float *omega, double *ret_factor);
