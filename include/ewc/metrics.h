/* metrics.h: the accuracy matrix and what is read off it.
 *
 * R (T,T) row-major: R[i][j] = accuracy (0..1) on task j after training on task i; only j <= i is read,
 * except by forward transfer. Forgetting by the max rule and intransigence: Chaudhry et al. 2018 (arXiv:1801.10112),
 * eq. 3 and 4; transfers: Lopez-Paz and Ranzato 2017 (arXiv:1706.08840), eq. 3 and 4. Report both rules of
 * forgetting: they differ when a task improves later. With fewer than two tasks all but the accuracy are 0. */
#pragma once
#include "ewc.h"

EWC_API double ewc_metrics_accuracy(size_t T, const double *R); /* mean of the last row */
EWC_API double ewc_metrics_forgetting(
    size_t T, const double *R); /* mean over j < T-1 of max_{l<T-1} R[l][j] - R[T-1][j] */
EWC_API double ewc_metrics_backward_transfer(
    size_t T, const double *R); /* mean over j < T-1 of R[T-1][j] - R[j][j] */

/* First-last rule: mean over j < T-1 of R[j][j] - R[T-1][j]; the negative of the backward transfer. */
EWC_API double ewc_metrics_forgetting_first(size_t T, const double *R);

/* Mean over j >= 1 of R[j-1][j] - b[j]: what a task gains before it is learned. b (T): accuracy at initialisation. */
EWC_API double ewc_metrics_forward_transfer(size_t T, const double *R, const double *b);

/* joint - R[k][k]: what task k lost against a net trained on tasks 0..k together. */
EWC_API double ewc_metrics_intransigence(size_t T, const double *R, size_t k, double joint);

struct ewc_summary {
        size_t n;
        double mean, min, max;
        double sem; /* standard error of the mean: population standard deviation / sqrt(n) */
};

/* Of n values: one figure over seeds, or the accuracies seen inside a task, whose min is the anytime minimum that a
 * served model shows. n 0 gives zeros. */
EWC_API struct ewc_summary ewc_metrics_summary(size_t n, const double *x);
