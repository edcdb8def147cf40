/* inspect.h: what a Fisher protects, and how far two versions lie apart, layer by layer. Pure; nothing is allocated.
 *
 * A "layer" is a tensor of the net ("0.w", "0.b", …, "out.w", "out.b"), in vector order. */
#pragma once
#include <ewc/net.h>

enum { INSPECT_BINS = 12 }; /* of log10(F): below 1e-6, ten of one decade each up to 1e4, above */

struct layer_fisher {
        char name[16];
        size_t n, n_zero;    /* entries, and those that protect nothing */
        double trace, share; /* sum of the entries, and its share of the whole */
        double mean, max;
        uint64_t bins[INSPECT_BINS]; /* of the entries above 0 */
};

struct fisher_view {
        double trace;     /* of the stored scale (mean 1 over the protected parameters) */
        double top_share; /* of the trace, in the largest fifth of the entries */
        size_t n_layers;  /* of ret_layers */
};

/* fisher (P of s); ret_layers (ewc_spec_tensors(s)); ws (P) floats. */
void inspect_fisher(const struct ewc_spec *s, const float *fisher, float *ws, struct layer_fisher *ret_layers,
    struct fisher_view *ret);

struct layer_drift {
        char name[16];
        size_t n, n_changed; /* entries, and those whose bits differ */
        double rms, max;     /* of b - a */
        /* sqrt(sum F (b - a)^2): the distance in the Fisher's metric; NaN without a Fisher. */
        double fisher_distance;
};
/* a, b (P of s): two versions of the same layout; fisher (P), or NULL. *ret_total: the whole as one. */
void inspect_drift(const struct ewc_spec *s, const float *a, const float *b, const float *fisher,
    struct layer_drift *ret_layers, struct layer_drift *ret_total);
