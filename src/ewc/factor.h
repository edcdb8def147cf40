/* factor.h: the columns back-propagated for a Fisher, one sample at a time. */
#pragma once
#include <ewc/fisher.h>

#include "ewc/internal.h"

struct ewc_factor {
        enum ewc_fisher kind; /* any but BATCHED */
        const struct ewc_spec *spec;
        const struct ewc_head *head;
        double *p, *tail; /* (H) scratch each */
};

/* K: columns of one sample. 0 for EXACT softmax over a single output, whose Fisher is 0. */
uint32_t ewc_factor_columns(const struct ewc_spec *s, const struct ewc_head *head, enum ewc_fisher kind);

/* ret (n,O) = columns k0 .. k0+n-1 of sample `row` with logits z (O). rng is used by SAMPLE and MIXED. */
void ewc_factor_fill(const struct ewc_factor *f, const struct ewc_net *net, const struct ewc_batch *b, size_t row,
    const float *z, uint32_t k0, uint32_t n, struct ewc_rng *rng, float *ret);
