/* laplace.h: uncertainty of a prediction from stored Fishers: last-layer diagonal Laplace with the probit link.
 *
 *   precision_i = sum_k N_k m_k F_hat_k,i + prior      F_k = m_k F_hat_k is a mean over N_k samples
 *   f_var[o]    = sum_d phi_d^2 / precision_W[o][d] + 1 / precision_b[o]      phi: input of the output layer
 *   p           = softmax(z / sqrt(1 + pi/8 f_var))    element by element
 *
 * Daxberger et al. 2021 (Laplace Redux, arXiv:2106.14806), section 3 and appendix B; the probit link is MacKay 1992.
 * Valid with EXACT Fishers only (= generalised Gauss-Newton). D: inputs of the output layer. */
#pragma once
#include "net.h"

EWC_API size_t ewc_laplace_inputs(const struct ewc_spec *s); /* D */
EWC_API size_t ewc_laplace_params(const struct ewc_spec *s); /* L = O * (D + 1): W (O,D), then b (O) */

struct ewc_evidence {        /* of one record */
        double n_samples;    /* N_k >= 0 */
        double factor;       /* m_k >= 0 */
        const float *fisher; /* (P) F_hat_k of the whole net */
};

/* ret (L) = sum of the records' precisions, without a prior; in double, since records differ by orders. n may be 0.
 * EWC_E_INVAL, EWC_E_NONFINITE (an entry is negative or not finite). */
EWC_API int ewc_laplace_precision(const struct ewc_spec *s, size_t n, const struct ewc_evidence *recs, double *ret);

/* ret (L) = 1 / (precision + prior), prior > 0; 0 for an infinite one, which gives the plain probabilities. */
EWC_API int ewc_laplace_variance(const struct ewc_spec *s, const double *precision, double prior, float *ret);

/* phi (B,D) and logits z (B,O) of x (B,I), without dropout. EWC_E_DIM, EWC_E_INVAL, EWC_E_NONFINITE. */
EWC_API size_t ewc_laplace_workspace(const struct ewc_net *net, size_t B);
EWC_API int ewc_laplace_features(const struct ewc_net *net, size_t B, const float *x, float *phi, float *z, void *ws);

/* f_var (B,O) of the logits, in double sums. */
EWC_API void ewc_laplace_logit_variance(
    const struct ewc_spec *s, const float *variance, size_t B, const float *phi, float *f_var);

/* probs (B,H) over the head: probit softmax or sigmoid of z (B,O) with f_var (B,O); squared loss: z itself.
 * EWC_E_DIM, EWC_E_INVAL (head), EWC_E_NONFINITE (a logit). */
EWC_API int ewc_laplace_probs(const struct ewc_spec *s, const struct ewc_head *head, size_t B, const float *z,
    const float *f_var, float *probs);

struct ewc_laplace_choice {
        double prior;
        double nll;       /* mean negative log-likelihood of the holdout with this prior */
        double nll_plain; /* without uncertainty; where it is the lower one, the prior's upper end is the answer */
};

/* The prior precision in low..high (at least 1e-30) with the lowest mean negative log-likelihood on a holdout of B
 * rows given as phi, z and label (B): a grid of half decades, then a golden-section search around its best point.
 * Softmax loss. variance (L) and f_var (B,O) are scratch and hold those of the choice afterwards. EWC_E_INVAL,
 * EWC_E_LABEL, EWC_E_NONFINITE. */
EWC_API int ewc_laplace_choose(const struct ewc_spec *s, const struct ewc_head *head, const double *precision,
    size_t B, const float *phi, const float *z, const int32_t *label, double low, double high, float *variance,
    float *f_var, struct ewc_laplace_choice *ret);
