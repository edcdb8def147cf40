/* net.h: a net described by data, its flat parameter vector, forward pass and heads.
 *
 * A spec lists the hidden layers; the output layer is a dense layer of n_outputs units without activation (logits),
 * appended by the library. All parameters are one vector theta (P); layer l has W_l (units, inputs) row-major, then
 * b_l (units), in layer order, the output layer last; a convolution's inputs are those of one window, line by line,
 * pixel by pixel, channels innermost. Tensors are named views into it.
 *
 * A head is the set of outputs that are active for a task: all of them (shared head), a task's own rows (one head per
 * task), or those known so far (growing head). Softmax and loss run over the active outputs only, so inactive rows
 * have gradient and Fisher exactly 0 (van de Ven and Tolias 2019, section 4: multi-headed output layer). */
#pragma once
#include "ewc.h"
#include "rng.h"

enum ewc_layer_type {
        EWC_LAYER_DENSE = 1,
        EWC_LAYER_CONV = 2,
        EWC_LAYER_MAX_POOL = 3,
        EWC_LAYER_AVG_POOL = 4,
        EWC_LAYER_GLOBAL_AVG_POOL = 5,
        EWC_LAYER_FLATTEN = 6,
        EWC_LAYER_GROUP_NORM = 7,
        EWC_LAYER_LAYER_NORM = 8,
        EWC_LAYER_DROPOUT = 9,
        EWC_LAYER_EMBEDDING = 10,
}; /* on disk: never renumber */
enum ewc_activation { EWC_ACT_NONE = 0, EWC_ACT_RELU = 1, EWC_ACT_TANH = 2, EWC_ACT_GELU = 3, EWC_ACT_SIGMOID = 4 };
enum ewc_loss { EWC_LOSS_SOFTMAX = 1, EWC_LOSS_SIGMOID = 2, EWC_LOSS_SQUARED = 3 }; /* cross-entropies; 1/2 (z-t)^2 */

/* Names used in JSON, SQL and messages: "dense" "conv" "max_pool" …; "none" "relu" …; "softmax" "sigmoid" "squared".
 * NULL / 0 if unknown. */
EWC_API const char *ewc_layer_type_name(enum ewc_layer_type t);
EWC_API const char *ewc_activation_name(enum ewc_activation a);
EWC_API const char *ewc_loss_name(enum ewc_loss l);
EWC_API int ewc_layer_type_parse(const char *name, enum ewc_layer_type *ret);
EWC_API int ewc_activation_parse(const char *name, enum ewc_activation *ret);
EWC_API int ewc_loss_parse(const char *name, enum ewc_loss *ret);

/* Rows of a layer are images of h lines of w pixels of c channels, channels innermost; a plain vector is 1x1xn. */
struct ewc_shape {
        uint32_t h, w, c;
};

/* Fields a type does not use are 0.
 *   dense            units, activation; takes any shape as a vector, gives 1x1xunits
 *   conv             units (channels out), kernel (square), stride, padding (zeros on every side), activation
 *   max_pool         kernel, stride; no padding, a rest that fits no window is dropped
 *   avg_pool         kernel, stride
 *   global_avg_pool  the mean of every channel: 1x1xc
 *   flatten          1x1x(h*w*c)
 *   group_norm       groups; mean 0 and variance 1 (eps 1e-5) over each group's channels and all positions, then
 *                    gamma (c), beta (c); activation (Wu and He 2018, arXiv:1803.08494)
 *   layer_norm       the same over the channels of each position by itself (Ba et al. 2016, arXiv:1607.06450)
 *   dropout          rate: each value is dropped with this probability and kept ones are divided by 1 - rate, in
 *                    training only (Srivastava et al. 2014)
 *   embedding        units, count: first layer only; each of the n inputs is an integer 0..count-1 and becomes row id
 *                    of a table: 1 x n x units */
struct ewc_layer {
        enum ewc_layer_type type;
        enum ewc_activation activation; /* GELU is the exact form x * Phi(x) */
        uint32_t units;
        uint32_t kernel, stride, padding;
        uint32_t groups;
        uint32_t count; /* at most EWC_MAX_IDS */
        float rate;     /* 0 <= rate < 1 */
};

struct ewc_spec {
        uint32_t n_inputs;  /* I */
        uint32_t n_outputs; /* O; at least 1 */
        enum ewc_loss loss;
        uint32_t n_layers; /* hidden layers, 0 is a linear model */
        struct ewc_layer layers[EWC_MAX_LAYERS];
        struct ewc_shape input; /* of n_inputs values; all 0 means 1x1xI */
};

struct ewc_tensor { /* a named view of theta: "0.w", "0.b", "1.gamma", "1.beta", …, "out.w", "out.b" */
        char name[16];
        size_t offset;       /* floats from the start of theta */
        uint32_t rows, cols; /* a bias, gamma or beta has cols 1; conv (units, kernel*kernel*c); embedding (count,
                                units) */
};

/* Checks every limit and that shapes follow; on failure why (if not NULL) names the layer, e.g. "layer 1: units
 * 0, must be 1 to 65536" or "layer 2 (conv): kernel 5 does not fit its input 3x3x16"; hidden layers count from 0. */
EWC_API int ewc_spec_check(const struct ewc_spec *s, char *why, size_t why_size);
EWC_API size_t ewc_spec_params(const struct ewc_spec *s);  /* P of a checked spec */
EWC_API size_t ewc_spec_tensors(const struct ewc_spec *s); /* of layers with parameters; embedding 1, others 2 */
EWC_API int ewc_spec_tensor(
    const struct ewc_spec *s, size_t i, struct ewc_tensor *ret); /* in vector order, no gaps */

/* Shape of the rows that hidden layer l of a checked spec gives; l = n_layers is the output layer. */
EWC_API struct ewc_shape ewc_spec_shape(const struct ewc_spec *s, uint32_t l);
EWC_API bool ewc_spec_equal(const struct ewc_spec *a, const struct ewc_spec *b); /* the same net, field by field */

#define EWC_OUTPUT_NEW UINT32_MAX

/* Moves a vector of `from` (old) into the layout of `to` (ret, not old), which may differ only in its outputs. source
 * (O of to) says where each output stands in `from`, or EWC_OUTPUT_NEW; NULL: the outputs of `from` stand first, in
 * their order. Values move bit for bit; rows and biases of new outputs come from fresh (P of to), or are 0 when fresh
 * is NULL (Fisher, centre). Outputs that source does not name are left behind. EWC_E_DIM (more than the outputs
 * differs), EWC_E_INVAL (a source is not an output of `from`); ret is untouched then. */
EWC_API int ewc_spec_map(const struct ewc_spec *from, const struct ewc_spec *to, const uint32_t *source,
    const float *old, const float *fresh, float *ret);

/* The same for a net that only gains outputs behind the old ones: source NULL. EWC_E_DIM also for fewer outputs. */
EWC_API int ewc_spec_grow(
    const struct ewc_spec *from, const struct ewc_spec *to, const float *old, const float *fresh, float *ret);

struct ewc_head {            /* NULL where a head is asked for means all outputs */
        uint32_t n;          /* H */
        const uint32_t *out; /* (H) ascending output indices */
};

/* Parameters that take part in the loss of a head: all but the inactive output rows (P_prot of the Fisher's mean). */
EWC_API size_t ewc_spec_protected(const struct ewc_spec *s, const struct ewc_head *head);

struct ewc_net; /* spec + theta */
struct ewc_team;

EWC_API int ewc_net_new(struct ewc_net **ret, const struct ewc_spec *s, const struct ewc_allocator *a);
EWC_API void ewc_net_free(struct ewc_net *net); /* accepts NULL */
/* Lends the net a team (team.h) for training, scores and Fishers; NULL: the caller's thread alone, as at first. A net
 * with a team is for one caller at a time. */
EWC_API void ewc_net_team(struct ewc_net *net, struct ewc_team *team);
EWC_API const struct ewc_spec *ewc_net_spec(const struct ewc_net *net);
EWC_API size_t ewc_net_params(const struct ewc_net *net); /* P */
EWC_API float *ewc_net_theta(struct ewc_net *net);        /* (P) borrowed; writable by its owner only */
EWC_API const float *ewc_net_theta_const(const struct ewc_net *net);

/* Weights and biases uniform in +-1/sqrt(fan_in), embeddings normal, drawn in vector order; gamma 1, beta 0. */
EWC_API void ewc_net_init(struct ewc_net *net, struct ewc_rng *r);

/* Bytes for forward; 64-aligned by the caller. Among them is room for the packed weights of one layer. */
EWC_API size_t ewc_net_workspace(const struct ewc_net *net, size_t B);

/* y (B,O) = logits of x (B,I), without dropout. A row's logits are the same bits alone and in any batch. It packs the
 * weights in every call: for a net whose theta stays, a plan (forward.h) gives the same bits faster. EWC_E_DIM,
 * EWC_E_NONFINITE (an output is not finite; y is then written), EWC_E_INVAL (an embedding's id is not an integer in
 * 0..count-1; y is untouched). */
EWC_API int ewc_net_forward(const struct ewc_net *net, size_t B, const float *x, float *y, void *ws);

/* Turns logits y (B,O) into probs (B,H) over the head: softmax, element-wise sigmoid, or the plain value.
 * EWC_E_DIM, EWC_E_INVAL (head), EWC_E_NONFINITE (a logit is not finite). */
EWC_API int ewc_net_probs(
    const struct ewc_net *net, const struct ewc_head *head, size_t B, const float *y, float *probs);
