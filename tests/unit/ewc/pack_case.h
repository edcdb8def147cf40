/* pack_case.h: a Fisher with a long tail over tensors of awkward shapes, for the tests of packs. */
#pragma once
#include "fixture.h"

#include <ewc/pack.h>

#include <stdlib.h>

enum { PACK_TENSORS = 6, PACK_P = 40 * 33 + 40 + 5 * 5 + 1 + 3 + 3000 };
static const struct ewc_pack_shape pack_shape[PACK_TENSORS] = {{40, 33}, {1, 40}, {5, 5}, {1, 1}, {1, 3}, {1, 3000}};
static const struct ewc_pack_layout pack_layout = {PACK_TENSORS, pack_shape};
static const struct ewc_pack_options pack_options[] = {
    {EWC_PACK_DENSE32, 0},
    {EWC_PACK_BITMAP16, 0.2},
    {EWC_PACK_LOG8, 0},
    {EWC_PACK_CSR16, 0.2},
    {EWC_PACK_BITMAP16, 1},
    {EWC_PACK_CSR16, 0.05},
};
enum { PACK_OPTIONS = 6 };

static inline size_t pack_n(size_t t)
{
        return (size_t)pack_shape[t].rows * pack_shape[t].cols;
}

/* Tensor 2 is constant, tensor 4 all zero; the others spread over many orders, with zeros and ties. */
static inline void pack_fill(float *f, uint64_t seed)
{
        struct ewc_rng r;
        size_t at = 0;

        ewc_rng_seed(&r, seed, 0);
        for (size_t t = 0; t < PACK_TENSORS; at += pack_n(t++)) {
                for (size_t i = 0; i < pack_n(t); i++) {
                        float v = (float)exp(3 * ewc_rng_normal(&r));

                        v = i % 11 == 3 ? 0.0f : i % 13 == 5 ? 1.0f : v;
                        f[at + i] = t == 2 ? 0.3f : t == 4 ? 0.0f : v;
                }
        }
        f[7] = 3e6f; /* above the largest half */
}

static inline uint32_t pack_number(const unsigned char *bytes, size_t at)
{
        return (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 |
               (uint32_t)bytes[at + 3] << 24;
}

static inline int pack_falling(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x < y) - (x > y);
}

/* Smallest of the k largest of n entries; above all of them for k 0. */
static inline float pack_least(const float *f, size_t n, size_t k)
{
        float *sorted = test_alloc(n, sizeof(float)), least = INFINITY;

        memcpy(sorted, f, n * sizeof(float));
        qsort(sorted, n, sizeof(float), pack_falling);
        if (k > 0)
                least = sorted[k - 1];
        free(sorted);
        return least;
}

/* Smallest kept entry of tensor t of a pack that decodes to got (of that tensor); all others lie below it. */
static inline float pack_least_kept(
    const struct ewc_pack_layout *l, const unsigned char *bytes, size_t t, const float *got)
{
        const size_t n = (size_t)l->shape[t].rows * l->shape[t].cols, kept = pack_number(bytes, 16 + 16 * t + 8);
        const float least = pack_least(got, n, kept);
        size_t above = 0;

        for (size_t i = 0; i < n; i++)
                above += got[i] >= least;
        assert_int_equal(above, kept);
        return least;
}

/* Encodes into a block of its own; *ret_size is what was used. */
static inline unsigned char *pack_new(
    const struct ewc_pack_layout *l, const struct ewc_pack_options *o, const float *f, size_t *ret_size)
{
        unsigned char *bytes;
        size_t bound;

        assert_int_equal(ewc_pack_bound(l, o, &bound), 0);
        bytes = test_alloc(bound, 1);
        assert_int_equal(ewc_pack_encode(l, o, f, bound, bytes, ret_size), 0);
        assert_true(*ret_size <= bound);
        return bytes;
}
