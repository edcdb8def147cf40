/* layers.h: the layers one type at a time, for tape.c, net.c, fisher.c and the files of the types themselves.
 *
 * Nobody else calls them: the stack functions of internal.h choose by type. */
#pragma once
#include "ewc/internal.h"

/* dense.c */
void ewc_dense_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *x, float *y, float *slope);
void ewc_dense_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const float *delta, float alpha,
    float beta, float *grad, double *column);
void ewc_dense_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const struct ewc_tape *tape,
    const float *delta, float *ret);
/* ret (n) = column sums of n_rows rows, in double. */
void ewc_column_sums(size_t n_rows, size_t n, const float *rows, double *ret);

/* Squares for the Fisher: sum (P) += the squares of the gradients of every (sample, column) of layer l. delta (n *
 * repeat,out). Room for the work: */
struct ewc_squares {
        float *stack, *gram; /* conv: deltas of some columns side by side; their gradients */
        uint32_t *first;     /* embedding: (count) 1 + the first place of an id in the row */
        uint32_t *next;      /* (in) 1 + the next place of the same id, 0 at the end */
        double *column;      /* (2 * max_out) */
};
void ewc_add_squares(size_t n, const float *x, double *sum); /* fisher.c: sum += x^2 */
void ewc_add_squares_of(size_t n, const double *x, double *sum);

/* conv.c */
size_t ewc_conv_scratch(const struct ewc_stage *s); /* floats */
size_t ewc_conv_stack(const struct ewc_stage *s, size_t repeat, size_t *ret_gram);
void ewc_conv_forward(
    const struct ewc_net *net, uint32_t l, size_t B, const float *x, float *scratch, float *y, float *slope);
void ewc_conv_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const float *delta, float alpha,
    float beta, float *grad, double *column, float *scratch);
void ewc_conv_back(const struct ewc_net *net, uint32_t l, size_t R, const float *delta, float *scratch, float *ret);
void ewc_conv_squares(const struct ewc_net *net, uint32_t l, size_t n, size_t repeat, const float *x,
    const float *delta, float *scratch, const struct ewc_squares *sq, double *sum);

/* pool.c. place (B,out): which value of its window is the largest, or NULL. */
void ewc_max_pool_forward(const struct ewc_stage *s, size_t B, const float *x, float *y, uint32_t *place);
void ewc_max_pool_back(
    const struct ewc_stage *s, size_t B, size_t repeat, const uint32_t *place, const float *delta, float *ret);
void ewc_avg_pool_forward(const struct ewc_stage *s, size_t B, const float *x, float *y);
void ewc_avg_pool_back(const struct ewc_stage *s, size_t R, const float *delta, float *ret);

/* norm.c. aux (B,aux): the normalised values of a row, then 1/deviation of each of its cells, or NULL. */
uint32_t ewc_norm_aux(const struct ewc_stage *s);
void ewc_norm_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *x, double *column, float *y,
    float *slope, float *aux);
void ewc_norm_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *aux, const float *delta, float alpha,
    float beta, float *grad, double *column);
void ewc_norm_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const float *aux,
    const float *delta, double *column, float *ret);
void ewc_norm_squares(const struct ewc_net *net, uint32_t l, size_t n, size_t repeat, const float *aux,
    const float *delta, const struct ewc_squares *sq, double *sum);

/* dropout.c */
void ewc_dropout_forward(
    const struct ewc_stage *s, size_t B, const float *x, struct ewc_rng *rng, float *y, float *mask);

/* embed.c */
int ewc_embed_check(const struct ewc_stage *s, size_t n, const float *ids);
void ewc_embed_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *ids, float *y);
void ewc_embed_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *ids, const float *delta,
    float alpha, float beta, float *grad);
void ewc_embed_squares(const struct ewc_net *net, uint32_t l, size_t n, size_t repeat, const float *ids,
    const float *delta, const struct ewc_squares *sq, double *sum);
