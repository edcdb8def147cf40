/* rng.h: explicit generator state (xoshiro256**, seeded by splitmix64 over (seed, stream)).
 *
 * Plain data: copied, compared and stored in checkpoints. Streams of one seed are independent; an epoch's shuffle is
 * drawn from stream = epoch number, so it does not depend on how the run got there. */
#pragma once
#include "ewc.h"

struct ewc_rng {
        uint64_t s[4];
};

EWC_API void ewc_rng_seed(struct ewc_rng *r, uint64_t seed, uint64_t stream);
EWC_API uint64_t ewc_rng_u64(struct ewc_rng *r);
EWC_API uint32_t ewc_rng_below(struct ewc_rng *r, uint32_t n); /* uniform in 0..n-1 without bias; n > 0 */
EWC_API float ewc_rng_unit(struct ewc_rng *r);                 /* uniform in [0,1), 24 bits */
EWC_API double ewc_rng_normal(struct ewc_rng *r);              /* mean 0, variance 1; two draws, no hidden state */
EWC_API void ewc_rng_shuffle(struct ewc_rng *r, size_t n, uint32_t *index);
