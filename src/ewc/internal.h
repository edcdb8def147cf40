/* internal.h: what the files of libewc share and nobody else sees.
 *
 * The stack of a net is a list of stages, layers with their shapes, the output layer last. A tape holds what one
 * forward pass leaves for the backward pass. Workspaces are carved twice by the same layout function: once with no
 * base to learn the size, once over the caller's block. Letters for shapes as in ewc.h; R rows of back-propagated
 * columns. */
#pragma once
#include <ewc/ewc.h>
#include <ewc/net.h>
#include <ewc/train.h>

/* One loop, several instruction sets, chosen by the loader. The build forbids fused multiply-add in these files, so
 * every variant gives the same bits. Sanitizers that instrument before relocation cannot run the choice. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_THREAD__) &&              \
    !defined(__SANITIZE_ADDRESS__)
#define EWC_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define EWC_CLONES
#endif
/* Before a loop over arrays that do not overlap, where restrict is lost on the way through a struct. */
#if defined(__GNUC__) && !defined(__clang__)
#define EWC_APART _Pragma("GCC ivdep")
#else
#define EWC_APART
#endif
#define EWC_INLINE static inline __attribute__((always_inline))

struct ewc_stage { /* a layer with its shapes and its place in theta */
        enum ewc_layer_type type;
        enum ewc_activation activation; /* NONE for the output layer */
        struct ewc_shape from, to;
        uint32_t in, out; /* values of a row: from.h * from.w * from.c, and of to */
        uint32_t kernel_h, kernel_w, stride, padding, groups;
        float rate;
        uint32_t rows, cols, n_bias; /* W (rows,cols), or gamma (rows); then bias or beta (n_bias). 0: none */
        size_t w, b;                 /* offsets in theta of the two */
        uint32_t aux;                /* 4-byte numbers of a row that forward leaves for backward */
};

struct ewc_net {
        struct ewc_spec spec;
        struct ewc_allocator allocator;
        struct ewc_team *team; /* borrowed, or NULL */
        float *theta;          /* (P), in the same block as this struct */
        size_t n_params;
        uint32_t n_stages;     /* spec.n_layers + 1 */
        uint32_t first_params; /* the lowest stage with parameters: nothing goes back below it */
        uint32_t max_hidden;   /* widest hidden layer, 0 without one */
        uint32_t max_out;      /* widest layer, outputs included */
        size_t scratch;        /* floats some stage needs besides */
        size_t block;          /* rows run at a time; dense nets take a batch as it comes */
        struct ewc_stage stage[EWC_MAX_LAYERS + 1];
};

/* mem.c */
struct ewc_carve {
        char *base; /* NULL: only count */
        size_t used;
};
void *ewc_carve(struct ewc_carve *c, size_t n, size_t size); /* 64-aligned piece of n elements */
struct ewc_allocator ewc_allocator_or_default(const struct ewc_allocator *a);

/* ewc.c */
struct ewc_name {
        int value;
        char name[16];
};
const char *ewc_name_find(const struct ewc_name *table, size_t n, int value); /* NULL if unknown */
int ewc_name_parse(const struct ewc_name *table, size_t n, const char *name, int *ret);
bool ewc_finite_all(size_t n, const float *x);
bool ewc_weights_all(size_t n, const float *x); /* finite and not negative */
bool ewc_finite_sums(size_t n, const double *x);

/* stage.c: layer l as it stands on the one below, NULL for the first. l == n_layers is the output layer. */
int ewc_stage_place(const struct ewc_spec *s, uint32_t l, const struct ewc_stage *below, struct ewc_stage *ret,
    char *why, size_t why_size);
__attribute__((format(printf, 4, 5))) int ewc_refuse(
    int error, char *why, size_t size, const char *format, ...); /* returns error */
static inline size_t ewc_stage_end(const struct ewc_stage *s)
{
        return s->b + s->n_bias;
}
static inline bool ewc_stage_norm(const struct ewc_stage *s)
{
        return s->type == EWC_LAYER_GROUP_NORM || s->type == EWC_LAYER_LAYER_NORM;
}

/* spec.c */
void ewc_spec_stage(const struct ewc_spec *s, uint32_t l, struct ewc_stage *ret); /* of a checked spec */
int ewc_head_check(const struct ewc_spec *s, const struct ewc_head *head);
static inline uint32_t ewc_head_n(const struct ewc_spec *s, const struct ewc_head *head)
{
        return head ? head->n : s->n_outputs;
}
static inline uint32_t ewc_head_out(const struct ewc_head *head, uint32_t h)
{
        return head ? head->out[h] : h;
}

/* blas.c: row-major products. beta is 0 or 1; with 0 the old content of C is not read. */
/* C (M,N) = A (M,K) B (N,K)^T */
void ewc_gemm_nt(struct ewc_team *team, size_t M, size_t N, size_t K, const float *A, const float *B, float *C);
/* C (M,N) = A (M,K) B (K,N) */
void ewc_gemm_nn(struct ewc_team *team, size_t M, size_t N, size_t K, const float *A, const float *B, float *C);
/* C (M,N) = alpha A (K,M)^T B (K,N) + beta C */
void ewc_gemm_tn(struct ewc_team *team, size_t M, size_t N, size_t K, float alpha, const float *A, const float *B,
    float beta, float *C);

/* act.c */
bool ewc_act_keeps_slope(enum ewc_activation a); /* its slope cannot be read off its output: forward stores it */
/* y (B,U) = act(y + bias); slope (B,U) = act' where it is kept and slope is not NULL. */
void ewc_act_forward(enum ewc_activation a, size_t B, size_t U, const float *bias, float *y, float *slope);
/* delta (B*repeat,U) *= act' of row n / repeat, read off the output y or from the kept slope. */
void ewc_act_backward(
    enum ewc_activation a, size_t B, size_t U, size_t repeat, const float *y, const float *slope, float *delta);
/* delta (B*repeat,U) *= slope of row n / repeat. */
void ewc_slope_backward(size_t B, size_t U, size_t repeat, const float *slope, float *delta);

/* tape.c: the stack of any net, forward and backward. */
struct ewc_tape {
        float *a[EWC_MAX_LAYERS + 1];     /* (B,out) output of layer l, NULL for flatten; the last are the logits */
        float *slope[EWC_MAX_LAYERS + 1]; /* (B,out) where the activation keeps it, and of dropout; else NULL */
        void *aux[EWC_MAX_LAYERS + 1];    /* (B,aux) 4-byte numbers, or NULL */
        float *scratch;                   /* (net->scratch) */
};
void ewc_tape_carve(const struct ewc_net *net, size_t B, struct ewc_carve *c, struct ewc_tape *ret);
/* Input of layer l: the output of the nearest layer below that has one of its own, else the net's input. */
const float *ewc_tape_input(const struct ewc_tape *tape, uint32_t l, const float *x);
void ewc_tape_rows(
    const struct ewc_net *net, const struct ewc_tape *tape, size_t n, struct ewc_tape *ret); /* from n */
void ewc_tape_forward(const struct ewc_net *net, size_t B, const float *x, const struct ewc_tape *tape);
/* As ewc_tape_forward, with dropout unless rng is NULL. */
void ewc_tape_train(
    const struct ewc_net *net, size_t B, const float *x, struct ewc_rng *rng, const struct ewc_tape *tape);
int ewc_input_check(const struct ewc_net *net, size_t B, const float *x); /* ids of an embedding: 0 or EWC_E_* */
/* delta (B,out): gradient by the pre-activation. grad (P) = beta grad + alpha * gradient of layer l. column: scratch
 * of 2 * max_out. */
void ewc_stage_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const struct ewc_tape *tape,
    const float *delta, float alpha, float beta, float *grad, double *column);
/* ret (R,in) = gradient by the input of layer l, then times act' of layer l-1: R = B * repeat rows, row r belongs to
 * sample r/repeat. l > first_params. */
void ewc_stage_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const struct ewc_tape *tape,
    const float *delta, float *ret);

/* train.c: rows n0 .. n0+n-1 of a batch */
struct ewc_batch ewc_batch_rows(const struct ewc_net *net, const struct ewc_batch *b, size_t n0, size_t n);

/* loss.c */
int ewc_batch_check(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b);
/* p (H) = softmax of the active logits; *ret_top the most probable, the return value (1 - p_top) / p_top. */
double ewc_softmax_row(uint32_t H, const struct ewc_head *head, const float *z, double *p, uint32_t *ret_top);
/* Loss of row n of the batch with logits z (O); delta (O), if not NULL, = d loss / dz, 0 outside the head. p (H) is
 * scratch, softmax only. */
double ewc_loss_row(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b, size_t n,
    const float *z, double *p, float *delta);
double ewc_sigmoid(double z);
