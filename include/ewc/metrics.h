/* metrics.h: the accuracy matrix and what is read off it.
 *
 * R (T,T) row-major: R[i][j] = accuracy (0..1) on task j after training on task i; only j <= i is read.
 * forgetting, max rule: Chaudhry et al. 2018 (arXiv:1801.10112), eq. 3; backward transfer: Lopez-Paz and Ranzato 2017
 * (arXiv:1706.08840), eq. 3. */
#pragma once
#include "ewc.h"

EWC_API double ewc_metrics_accuracy(size_t T, const double *R); /* mean of the last row */
EWC_API double ewc_metrics_forgetting(
    size_t T, const double *R); /* mean over j < T-1 of max_{l<T-1} R[l][j] - R[T-1][j] */
EWC_API double ewc_metrics_backward_transfer(
    size_t T, const double *R); /* mean over j < T-1 of R[T-1][j] - R[j][j] */
