/* dense.c: dense layers, forward and backward side by side.
 *
 * Forward    Z = X W^T + b, Y = act(Z)
 * Backward   dW = Delta^T X, db = column sums of Delta, Delta_below = (Delta W) o act'
 * with X (B,in), W (out,in), Z and Delta (B,out). The gradient by the input of layer 0 is never formed. */
#include "ewc/layers.h"

#include <string.h>

void ewc_dense_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *x, float *y, float *slope)
{
        const struct ewc_stage *d = &net->stage[l];

        ewc_gemm_nt(net->team, B, d->out, d->in, x, net->theta + d->w, y);
        ewc_act_forward(d->activation, B, d->out, net->theta + d->b, y, slope);
}

EWC_CLONES static void column_add(size_t n, const float *restrict row, double *restrict column)
{
        for (size_t i = 0; i < n; i++)
                column[i] += (double)row[i];
}

void ewc_column_sums(size_t n_rows, size_t n, const float *rows, double *ret)
{
        memset(ret, 0, n * sizeof(*ret));
        for (size_t r = 0; r < n_rows; r++)
                column_add(n, rows + r * n, ret);
}

void ewc_dense_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const float *delta, float alpha,
    float beta, float *grad, double *column)
{
        const struct ewc_stage *d = &net->stage[l];
        float *bias = grad + d->b;

        ewc_gemm_tn(net->team, d->out, d->in, B, alpha, delta, x, beta, grad + d->w);
        ewc_column_sums(B, d->out, delta, column);
        for (size_t o = 0; o < d->out; o++)
                bias[o] = (float)((double)alpha * column[o]) + (beta != 0.0f ? bias[o] : 0.0f);
}

void ewc_dense_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const struct ewc_tape *tape,
    const float *delta, float *ret)
{
        const struct ewc_stage *d = &net->stage[l], *below = &net->stage[l - 1];

        ewc_gemm_nn(net->team, B * repeat, d->in, d->out, delta, net->theta + d->w, ret);
        ewc_act_backward(below->activation, B, d->in, repeat, tape->a[l - 1], tape->slope[l - 1], ret);
}
