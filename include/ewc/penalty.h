/* penalty.h: the EWC penalty lambda * sum_i F_i (theta_i - anchor_i)^2, in value, gradient and proximal form.
 *
 * Kirkpatrick et al. 2017 (arXiv:1612.00796), eq. 3 writes lambda/2: their lambda is twice ours. lambda is on the
 * canonical scale: F has mean 1 over the protected parameters, its factor is kept beside it.
 *
 * Several closed tasks are one penalty: with U = sum_k alpha_k F_k and the weighted centre
 * c = sum_k alpha_k F_k anchor_k / U, lambda * sum U (theta - c)^2 equals the sum of the tasks' penalties up to a
 * constant (Kirkpatrick et al. 2017, section 2; Huszar 2018, arXiv:1712.03847). */
#pragma once
#include "ewc.h"

struct ewc_penalty {
        double lambda; /* >= 0 */
        /* U must be finite and >= 0, the centre finite. No step looks: a NaN in U leaves its parameter unprotected
         * without a word. ewc_merge_add and ewc_normalize refuse such entries once for all steps. */
        const float *fisher; /* (P) U */
        const float *anchor; /* (P) centre */
};

EWC_API double ewc_penalty_value(size_t P, const float *theta, const struct ewc_penalty *pen);

/* grad (P) += 2 lambda F (theta - anchor). The explicit form, for comparison and for reproducing papers; under SGD it
 * is stable only while rate * lambda * F_i < 1. */
EWC_API void ewc_penalty_grad(size_t P, const float *theta, const struct ewc_penalty *pen, float *grad);

/* Proximal step: with k_i = 2 * step_i * lambda * F_i,
 *     theta_i = anchor_i + (theta_i - anchor_i) / (1 + k_i)   where k_i > 0; untouched where k_i = 0.
 * The exact minimiser of lambda F (t - anchor)^2 + (t - theta)^2 / (2 step), stable for every lambda >= 0; a k_i that
 * overflows gives the anchor. step (P), or NULL for step0. In place. */
EWC_API void ewc_penalty_prox(size_t P, float *theta, const struct ewc_penalty *pen, const float *step, float step0);

/* Adds one task's record to the running pair: U += alpha F, centre += (alpha F / U) * (anchor - centre), in double
 * per element; where U stays 0 the centre becomes anchor. Start from U = 0. alpha >= 0. */
EWC_API void ewc_penalty_merge(
    size_t P, float *U, float *centre, double alpha, const float *fisher, const float *anchor);

/* Huber's form, for parameters that must be able to leave: d^2 becomes 2 knee |d| - knee^2 where |d| > knee, so the
 * pull on one parameter never exceeds 2 lambda F knee (IncDet: Liu et al. 2020 use it against exploding penalties).
 * knee > 0 in units of theta; INFINITY is the plain penalty, bit for bit. The proximal form is exact for Huber too:
 * theta - k knee sign(d) where |d| > knee (1 + k), else as above. */
EWC_API double ewc_penalty_huber_value(size_t P, const float *theta, const struct ewc_penalty *pen, float knee);
EWC_API void ewc_penalty_huber_grad(
    size_t P, const float *theta, const struct ewc_penalty *pen, float knee, float *grad);
EWC_API void ewc_penalty_huber_prox(
    size_t P, float *theta, const struct ewc_penalty *pen, const float *step, float step0, float knee);
