/* dense.c: dense layers, forward and backward side by side.
 *
 * Forward    Z = X W^T + b, Y = act(Z)
 * Backward   dW = Delta^T X, db = column sums of Delta, Delta_below = (Delta W) o act'
 * with X (B,in), W (out,in), Z and Delta (B,out). The gradient by the input of layer 0 is never formed. */
#include "ewc/internal.h"

#include <string.h>

void ewc_dense_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *x, float *y, float *slope)
{
        const struct ewc_dense *d = &net->dense[l];

        ewc_gemm_nt(B, d->out, d->in, x, net->theta + d->w, y);
        ewc_act_forward(d->activation, B, d->out, net->theta + d->b, y, slope);
}

EWC_CLONES static void column_add(size_t n, const float *restrict row, double *restrict column)
{
        for (size_t i = 0; i < n; i++)
                column[i] += (double)row[i];
}

void ewc_dense_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const float *delta, float alpha,
    float beta, float *grad, double *column)
{
        const struct ewc_dense *d = &net->dense[l];
        float *bias = grad + d->b;

        ewc_gemm_tn(d->out, d->in, B, alpha, delta, x, beta, grad + d->w);
        memset(column, 0, d->out * sizeof(*column));
        for (size_t n = 0; n < B; n++)
                column_add(d->out, delta + n * d->out, column);
        for (size_t o = 0; o < d->out; o++)
                bias[o] = (float)((double)alpha * column[o]) + (beta != 0.0f ? bias[o] : 0.0f);
}

void ewc_dense_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const struct ewc_tape *tape,
    const float *delta, float *ret)
{
        const struct ewc_dense *d = &net->dense[l], *below = &net->dense[l - 1];

        ewc_gemm_nn(B * repeat, d->in, d->out, delta, net->theta + d->w, ret);
        ewc_act_backward(below->activation, B, d->in, repeat, tape->a[l - 1], tape->slope[l - 1], ret);
}

void ewc_tape_carve(const struct ewc_net *net, size_t B, struct ewc_carve *c, struct ewc_tape *ret)
{
        for (uint32_t l = 0; l < net->n_dense; l++) {
                const struct ewc_dense *d = &net->dense[l];

                ret->a[l] = ewc_carve(c, B * d->out, sizeof(float));
                ret->slope[l] = NULL;
                if (ewc_act_keeps_slope(d->activation))
                        ret->slope[l] = ewc_carve(c, B * d->out, sizeof(float));
        }
}

void ewc_tape_forward(const struct ewc_net *net, size_t B, const float *x, const struct ewc_tape *tape)
{
        for (uint32_t l = 0; l < net->n_dense; l++)
                ewc_dense_forward(net, l, B, l == 0 ? x : tape->a[l - 1], tape->a[l], tape->slope[l]);
}
