/* fisher.h: diagonal Fisher information, per sample, by one GEMM of squares per layer.
 *
 * EXACT      mean_x sum_y p(y|x) (d log p(y|x)/dtheta)^2 over the head's outputs, in H-1 back-propagated columns of a
 *            factor S with S S^T = diag(p) - p p^T (reference 3.3). For sigmoid outputs: columns sqrt(p(1-p)) e_k;
 *            for squared loss (unit-variance Gaussian): columns e_k.
 * EMPIRICAL  mean_x (d log p(y_true|x)/dtheta)^2.
 * SAMPLE     as EMPIRICAL with y drawn from the model.
 * BATCHED    mean over batches of (mean-gradient of the batch)^2; only to reproduce peers.
 * ARGMAX     as EMPIRICAL with y the most probable output (sigmoid: each output's more probable value).
 * TRUNCATED  mean_x p(y_true|x) (d log p(y_true|x)/dtheta)^2, p the likelihood of the row's label or targets
 *            (sigmoid: the product over the head), as Mammoth weighs them.
 * MIXED      EXACT's columns in one, S r with random signs r: unbiased at the cost of EMPIRICAL; for two classes it
 *            is EXACT.
 * REVERSED   mean_x of the squared gradient of the loss at the negated logits, -log p(y_true) under softmax(-z): does
 *            not vanish as the net grows confident (EWC-DR).
 * A squared loss has no most probable output, likelihood or reversal: ARGMAX, TRUNCATED and REVERSED refuse it.
 *
 * Squares of per-sample gradients of a dense layer: sum_n (delta_n a_n^T)^2 = (Delta o Delta)^T (A o A)
 * (Dangel et al. 2020, arXiv:1912.10985). Weights of samples are ignored: all rows count equally. */
#pragma once
#include "net.h"
#include "train.h"

enum ewc_fisher {
        EWC_FISHER_EXACT = 1,
        EWC_FISHER_EMPIRICAL = 2,
        EWC_FISHER_SAMPLE = 3,
        EWC_FISHER_BATCHED = 4,
        EWC_FISHER_ARGMAX = 5,
        EWC_FISHER_TRUNCATED = 6,
        EWC_FISHER_MIXED = 7,
        EWC_FISHER_REVERSED = 8
}; /* on disk */
/* "exact" "empirical" "sample" "batched" "argmax" "truncated" "mixed" "reversed" */
EWC_API const char *ewc_fisher_name(enum ewc_fisher f);
EWC_API int ewc_fisher_parse(const char *name, enum ewc_fisher *ret);
EWC_API bool ewc_fisher_labels(enum ewc_fisher f); /* reads labels or targets; the others do with inputs alone */
EWC_API bool ewc_fisher_defined(enum ewc_fisher f, enum ewc_loss loss); /* false too for an unknown kind */

EWC_API size_t ewc_fisher_workspace(
    const struct ewc_net *net, const struct ewc_head *head, enum ewc_fisher kind, size_t B);

/* sum (P, double) += squared gradients of the batch (BATCHED: the square of the batch mean, once). rng: SAMPLE and
 * MIXED only. Labels and targets of b are read by the kinds that ewc_fisher_labels names. SAMPLE draws in row order,
 * outputs of the head in ascending order: softmax one u64 per row (its upper 53 bits against the cumulative
 * probabilities), sigmoid one per output, squared one normal per output. MIXED draws in row order one u64 for every
 * 64 of EXACT's columns, the lowest bit first, a set bit a minus; the columns of softmax follow the outputs in
 * ascending order, the most probable one left out. EWC_E_INVAL (also: a kind that the loss does not define),
 * EWC_E_DIM, EWC_E_LABEL, EWC_E_NONFINITE (an input or a logit is not finite; or the range of float is left by the
 * square of an input of a dense layer, by the squares summed over the batch or, with shared weights and BATCHED, by a
 * gradient); sum is then untouched. */
EWC_API int ewc_fisher_add(const struct ewc_net *net, enum ewc_fisher kind, const struct ewc_head *head,
    const struct ewc_batch *b, struct ewc_rng *rng, double *sum, void *ws);

struct ewc_fisher_info {
        enum ewc_fisher kind;
        uint64_t n_samples;   /* rows behind the mean (BATCHED: batches) */
        uint64_t n_protected; /* P_prot */
        double factor;        /* m = trace / P_prot: raw F = factor * stored F */
        double trace;         /* sum of the raw F */
};

/* fisher (P) = sum / n / m, so that its mean over the protected parameters is 1, and the numbers beside it in *ret.
 * An all-zero sum gives an all-zero Fisher with factor 0. EWC_E_NONFINITE. */
EWC_API int ewc_fisher_finish(const struct ewc_spec *s, enum ewc_fisher kind, const struct ewc_head *head, uint64_t n,
    const double *sum, float *fisher, struct ewc_fisher_info *ret);

/* Damping: every protected parameter's raw F plus share times their mean, again stored with mean 1, and the numbers
 * beside it. A sampled Fisher is exactly 0 where no sampled row was active, which leaves free what other rows need. A
 * share of 0 or a factor of 0 changes nothing. EWC_E_INVAL (share, head), EWC_E_DIM (head). */
EWC_API int ewc_fisher_damp(
    const struct ewc_spec *s, const struct ewc_head *head, double share, float *fisher, struct ewc_fisher_info *info);
