/* embed.c: a table of rows looked up by integer ids.
 *
 * Forward    y_p = W[id_p]
 * Backward   dW[id] = sum of delta_p over the places p that hold id
 * with ids (B,n) as floats, W (count,units), y and delta (B,n,units). Per-sample squares take that sum before the
 * square: the places of one id in a row are chained. Ids are checked by the callers, before anything is looked up. */
#include "ewc/layers.h"

#include <math.h>
#include <string.h>

int ewc_embed_check(const struct ewc_stage *s, size_t n, const float *ids)
{
        if (!ewc_finite_all(n, ids))
                return EWC_E_NONFINITE;
        for (size_t i = 0; i < n; i++) {
                if (!(ids[i] >= 0.0f && ids[i] < (float)s->rows) || ids[i] != truncf(ids[i]))
                        return EWC_E_INVAL;
        }
        return 0;
}

void ewc_embed_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *ids, float *y)
{
        const struct ewc_stage *s = &net->stage[l];
        const float *table = net->theta + s->w;

        for (size_t i = 0; i < B * s->in; i++)
                memcpy(y + i * s->cols, table + (size_t)ids[i] * s->cols, s->cols * sizeof(*y));
}

EWC_CLONES static void add_scaled(size_t n, float alpha, const float *restrict x, float *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += alpha * x[i];
}

void ewc_embed_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *ids, const float *delta,
    float alpha, float beta, float *grad)
{
        const struct ewc_stage *s = &net->stage[l];

        if (!(beta > 0.0f))
                memset(grad + s->w, 0, (s->b - s->w) * sizeof(*grad));
        for (size_t i = 0; i < B * s->in; i++)
                add_scaled(s->cols, alpha, delta + i * s->cols, grad + s->w + (size_t)ids[i] * s->cols);
}

/* One sample, one column: each id once, at its first place. */
static void add_row(
    const struct ewc_stage *s, const float *ids, const float *delta, const struct ewc_squares *sq, double *sum)
{
        const size_t U = s->cols;

        for (uint32_t p = 0; p < s->in; p++) {
                const uint32_t id = (uint32_t)ids[p];

                if (sq->first[id] != p + 1) /* counted at its first place */
                        continue;
                memset(sq->column, 0, U * sizeof(*sq->column));
                for (uint32_t q = p + 1; q > 0; q = sq->next[q - 1]) {
                        for (size_t u = 0; u < U; u++)
                                sq->column[u] += (double)delta[(q - 1) * U + u];
                }
                ewc_add_squares_of(U, sq->column, sum + s->w + (size_t)id * U);
        }
}

void ewc_embed_squares(const struct ewc_net *net, uint32_t l, size_t n, size_t repeat, const float *ids,
    const float *delta, const struct ewc_squares *sq, double *sum)
{
        const struct ewc_stage *s = &net->stage[l];

        for (size_t r = 0; r < n; r++, ids += s->in) {
                for (uint32_t p = 0; p < s->in; p++)
                        sq->first[(uint32_t)ids[p]] = 0;
                for (uint32_t p = s->in; p > 0; p--) { /* from the end, so that the table ends at first places */
                        uint32_t *first = &sq->first[(uint32_t)ids[p - 1]];

                        sq->next[p - 1] = *first;
                        *first = p;
                }
                for (size_t k = 0; k < repeat; k++, delta += s->out)
                        add_row(s, ids, delta, sq, sum);
        }
}
