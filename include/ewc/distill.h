/* distill.h: terms at the logits beside the label loss: knowledge distillation (LwF) and stored logits (DER).
 *
 *   L = label_weight * (1/B) sum_b weight_b loss_b + sum_t weight_t * (1/B) sum_b term_t(z_b)
 *
 *   KD      -sum_h q_h log p_h, q = softmax(z_old / T), p = softmax(z / T) over a head (Hinton et al. 2015,
 *           arXiv:1503.02531; Li and Hoiem 2016, LwF, arXiv:1606.09282: z_old are the old model's logits on the NEW
 *           inputs, T = 2). Sigmoid loss: the binary form, summed over the head. Not for squared loss.
 *   LOGITS  (1/H) sum_h (z_h - z_old_h)^2: DER (Buzzega et al. 2020, arXiv:2004.07211), z_old stored with the row
 *           when it was learned. DER++ is LOGITS plus label_weight > 0 on the replayed rows.
 *
 * The gradient of KD carries 1/T, and 1/T^2 of it is lost against the label loss as T grows; times_t2 multiplies the
 * term by T^2. Published code differs on it, so it is an option, off by default. Distillation on inputs the old model
 * never saw can hurt (permuted MNIST); with replayed inputs it helps. */
#pragma once
#include "train.h"

enum ewc_distill_kind { EWC_DISTILL_KD = 1, EWC_DISTILL_LOGITS = 2 };

struct ewc_distill {
        enum ewc_distill_kind kind;
        const struct ewc_head *head; /* outputs compared, e.g. one old task's; NULL: all */
        const float *logits;         /* (B,O) z_old; columns outside the head are not read */
        double weight;               /* >= 0 */
        double temperature;          /* KD: T > 0 */
        bool times_t2;               /* KD */
};

/* Weights of (label loss, distillation) when n tasks are known, this one included (reference runs of van de Ven):
 * LWF 1 and n-1 (mean over old heads, or one term per old head with weight 1), SHARE 1/n and 1-1/n, the published
 * weights of replay and hybrids, EQUAL 1 and 1. With n = 1 nothing is old: 1 and 0. */
enum ewc_distill_weights { EWC_DISTILL_LWF = 1, EWC_DISTILL_SHARE = 2, EWC_DISTILL_EQUAL = 3 };
EWC_API int ewc_distill_weigh(enum ewc_distill_weights rule, uint64_t n, double *ret_label, double *ret_distill);

EWC_API size_t ewc_distill_workspace(const struct ewc_net *net, size_t B);

/* grad (P) = (add ? grad : 0) + scale * dL/dtheta; *ret_loss = L and ret_terms (n_terms, or NULL) the unweighted
 * terms, not scaled. head is the label loss's; with label_weight 0 no labels are read. Sample weights of b act on the
 * label loss only: they say how far a label is trusted. With label_weight 1 and no terms the bits of ewc_train_grad.
 * EWC_E_INVAL, EWC_E_DIM, EWC_E_LABEL, EWC_E_NONFINITE (grad is then undefined). */
EWC_API int ewc_distill_grad(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    double label_weight, size_t n_terms, const struct ewc_distill *terms, double scale, bool add, float *grad,
    double *ret_loss, double *ret_terms, void *ws);
