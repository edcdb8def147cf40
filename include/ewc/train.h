/* train.h: losses, gradients and the optimiser step with the proximal EWC penalty fused in. */
#pragma once
#include "net.h"
#include "penalty.h"

struct ewc_batch {
        size_t n;             /* B */
        const float *x;       /* (B,I) */
        const int32_t *label; /* (B) absolute output index, softmax loss; else NULL */
        const float
            *target; /* (B,O) sigmoid (0..1) and squared loss; else NULL. Columns outside the head are ignored */
        const float *weight; /* (B) sample weights >= 0, or NULL for 1 */
        struct ewc_rng *rng; /* of dropout, ewc_train_grad only: one number per value, in layer order, then row order
                                (of the library's blocks of rows); NULL trains without dropout */
};

EWC_API size_t ewc_train_workspace(const struct ewc_net *net, size_t B); /* bytes */

/* grad (P) = (add ? grad : 0) + scale * d/dtheta of L, where L = (1/B) sum_b weight_b * loss_b over the head's
 * outputs. *ret_loss = L (not scaled), in double. Sigmoid and squared losses sum over the head's outputs.
 * EWC_E_DIM, EWC_E_INVAL (no label or target, a sigmoid target of the head outside 0..1, a weight that is negative or
 * infinite, outputs of the head not ascending, an id outside the embedding), EWC_E_LABEL, EWC_E_NONFINITE (input or
 * loss not finite; grad is then undefined). */
EWC_API int ewc_train_grad(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    double scale, bool add, float *grad, double *ret_loss, void *ws);

struct ewc_score {
        size_t n;        /* rows */
        size_t correct;  /* softmax: argmax over the head equals the label; sigmoid: all outputs on the right side of
                            0.5; squared: 0 */
        double loss_sum; /* unweighted */
};

/* Adds the batch to *score. Same workspace as ewc_train_grad. */
EWC_API int ewc_train_score(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    struct ewc_score *score, void *ws);

struct ewc_answer {         /* what the net says of one row */
        uint32_t top;       /* softmax: output of the head with the greatest logit, the first of equal ones; else 0 */
        bool right;         /* as correct of ewc_score counts it */
        double probability; /* softmax: of top, over the head; else NaN */
};

/* As ewc_train_score, same bits in *score, and every row's answer into ret (B). */
EWC_API int ewc_train_answers(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    struct ewc_score *score, struct ewc_answer *ret, void *ws);

enum ewc_optimizer { EWC_OPTIM_SGD = 1, EWC_OPTIM_ADAM = 2 }; /* on disk: never renumber. Names "sgd", "adam" */
EWC_API const char *ewc_optimizer_name(enum ewc_optimizer o);
EWC_API int ewc_optimizer_parse(const char *name, enum ewc_optimizer *ret);

struct ewc_optim {
        enum ewc_optimizer type;
        float rate;         /* eta > 0 */
        float momentum;     /* SGD: v = momentum * v + g, theta -= rate * v; 0 <= momentum < 1 */
        float beta1, beta2; /* Adam (Kingma and Ba 2015, algorithm 1, bias-corrected) */
        float eps;
};

EWC_API size_t ewc_optim_state(
    const struct ewc_optim *o, size_t P); /* floats of state: 0, P (velocity) or 2P (m, v) */

/* One step on theta (P) from grad (P); t is the 1-based step number (Adam's bias correction). When pen is not NULL
 * and pen->lambda > 0, the proximal step of penalty.h follows in the same pass with the step size the optimiser
 * really made: eta for SGD, eta/(1-momentum) with momentum, eta_i = eta/(sqrt(v_hat_i)+eps) for Adam (reference
 * 4.2). U must be finite and >= 0 (penalty.h): no step looks at it. pen NULL or lambda 0 gives the bits of plain
 * training. EWC_E_NONFINITE when a parameter leaves the finite range (theta and state are then undefined). */
EWC_API int ewc_optim_step(const struct ewc_optim *o, size_t P, float *theta, const float *grad, float *state,
    uint64_t t, const struct ewc_penalty *pen);
