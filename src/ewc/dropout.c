/* dropout.c: training drops values at random and scales up the others, so that the mean stays; else they pass.
 *
 * Inverted dropout (Srivastava et al. 2014): y = x o m, m = 0 with probability rate, else 1 / (1 - rate). The mask is
 * kept as the slope of the layer; without a generator it is all ones. One number per value, in row order. */
#include "ewc/layers.h"

#include <string.h>

EWC_CLONES static void apply(size_t n, const float *restrict x, const float *restrict mask, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] = x[i] * mask[i];
}

void ewc_dropout_forward(
    const struct ewc_stage *s, size_t B, const float *x, struct ewc_rng *rng, float *y, float *mask)
{
        const size_t n = B * s->out;
        const float keep = 1.0f / (1.0f - s->rate);

        if (!rng) {
                for (size_t i = 0; i < n; i++)
                        mask[i] = 1.0f;
                memcpy(y, x, n * sizeof(*y));
                return;
        }
        for (size_t i = 0; i < n; i++)
                mask[i] = ewc_rng_unit(rng) < s->rate ? 0.0f : keep;
        apply(n, x, mask, y);
}
