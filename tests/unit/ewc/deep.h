/* deep.h: an independent forward pass in double for nets of any layers, one sample at a time, for small shapes.
 *
 * Written from the definitions of net.h, place by place; it shares no code with libewc. Gradients by parameters are
 * central differences of it: so the oracle has no backward pass that could be wrong in the same way. Around a kink
 * (relu, max_pool) a difference is wrong only if it straddles the kink, which the fixed seeds do not. */
#pragma once
#include "fixture.h"

enum { DEEP_VALUES = 8192 };

struct deep_image {
        uint32_t h, w, c;
        double v[DEEP_VALUES];
};

/* Value of channel c at (y,x), 0 in the padding. */
static inline double deep_at(const struct deep_image *i, int y, int x, uint32_t c)
{
        if (y < 0 || x < 0 || y >= (int)i->h || x >= (int)i->w)
                return 0;
        return i->v[((uint32_t)y * i->w + (uint32_t)x) * i->c + c];
}

static inline const double *deep_dense(
    const struct deep_image *in, uint32_t units, enum ewc_activation f, const double *theta, struct deep_image *out)
{
        const uint32_t n = in->h * in->w * in->c;

        *out = (struct deep_image){1, 1, units, {0}};
        for (uint32_t u = 0; u < units; u++) {
                double z = theta[(size_t)n * units + u];

                for (uint32_t i = 0; i < n; i++)
                        z += theta[(size_t)u * n + i] * in->v[i];
                out->v[u] = oracle_act(f, z);
        }
        return theta + (size_t)n * units + units;
}

static inline const double *deep_conv(
    const struct deep_image *in, const struct ewc_layer *l, const double *theta, struct deep_image *out)
{
        const int K = (int)l->kernel, S = (int)l->stride, Q = (int)l->padding;
        const double *bias = theta + (size_t)l->units * l->kernel * l->kernel * in->c;
        size_t at = 0;

        *out = (struct deep_image){
            (in->h + 2 * l->padding - l->kernel) / l->stride + 1,
            (in->w + 2 * l->padding - l->kernel) / l->stride + 1,
            l->units,
            {0},
        };
        for (int y = 0; y < (int)out->h; y++) {
                for (int x = 0; x < (int)out->w; x++) {
                        const double *w = theta;

                        for (uint32_t u = 0; u < l->units; u++) {
                                double z = bias[u];

                                for (int i = 0; i < K; i++) {
                                        for (int j = 0; j < K; j++) {
                                                for (uint32_t c = 0; c < in->c; c++)
                                                        z += *w++ * deep_at(in, y * S + i - Q, x * S + j - Q, c);
                                        }
                                }
                                out->v[at++] = oracle_act(l->activation, z);
                        }
                }
        }
        return bias + l->units;
}

static inline void deep_pool(const struct deep_image *in, const struct ewc_layer *l, struct deep_image *out)
{
        const bool global = l->type == EWC_LAYER_GLOBAL_AVG_POOL;
        const uint32_t H = global ? in->h : l->kernel, W = global ? in->w : l->kernel, S = global ? 1 : l->stride;

        *out = (struct deep_image){(in->h - H) / S + 1, (in->w - W) / S + 1, in->c, {0}};
        for (uint32_t o = 0; o < out->h * out->w * out->c; o++) {
                const uint32_t c = o % out->c, x = o / out->c % out->w, y = o / out->c / out->w;
                double sum = 0, top = -INFINITY;

                for (uint32_t i = 0; i < H; i++) {
                        for (uint32_t j = 0; j < W; j++) {
                                double v = deep_at(in, (int)(y * S + i), (int)(x * S + j), c);

                                sum += v;
                                top = fmax(top, v);
                        }
                }
                out->v[o] = l->type == EWC_LAYER_MAX_POOL ? top : sum / (H * W);
        }
}

/* Value o belongs to the set of values with the same key. */
static inline uint32_t deep_set(const struct deep_image *in, const struct ewc_layer *l, uint32_t o)
{
        return l->type == EWC_LAYER_LAYER_NORM ? o / in->c : o % in->c / (in->c / l->groups);
}

static inline const double *deep_norm(
    const struct deep_image *in, const struct ewc_layer *l, const double *theta, struct deep_image *out)
{
        const uint32_t n = in->h * in->w * in->c;

        *out = *in;
        for (uint32_t o = 0; o < n; o++) {
                double sum = 0, squares = 0, count = 0, mean;

                for (uint32_t i = 0; i < n; i++) {
                        if (deep_set(in, l, i) != deep_set(in, l, o))
                                continue;
                        sum += in->v[i];
                        squares += in->v[i] * in->v[i];
                        count++;
                }
                mean = sum / count;
                out->v[o] = oracle_act(
                    l->activation, (in->v[o] - mean) / sqrt(squares / count - mean * mean + 1e-5) * theta[o % in->c] +
                                       theta[in->c + o % in->c]);
        }
        return theta + 2 * in->c;
}

static inline const double *deep_embed(
    const struct deep_image *in, const struct ewc_layer *l, const double *theta, struct deep_image *out)
{
        const uint32_t n = in->h * in->w * in->c;

        *out = (struct deep_image){1, n, l->units, {0}};
        for (uint32_t p = 0; p < n; p++) {
                for (uint32_t u = 0; u < l->units; u++)
                        out->v[p * l->units + u] = theta[(size_t)in->v[p] * l->units + u];
        }
        return theta + (size_t)l->count * l->units;
}

/* z (O) = logits */
static inline void deep_forward(const struct ewc_spec *s, const double *theta, const float *x, double *z)
{
        struct deep_image in = {s->input.h, s->input.w, s->input.c, {0}}, out;

        if (in.h == 0)
                in = (struct deep_image){1, 1, s->n_inputs, {0}};
        for (uint32_t i = 0; i < s->n_inputs; i++)
                in.v[i] = (double)x[i];
        for (uint32_t l = 0; l < s->n_layers; l++) {
                const struct ewc_layer *layer = &s->layers[l];

                switch (layer->type) {
                case EWC_LAYER_DENSE:
                        theta = deep_dense(&in, layer->units, layer->activation, theta, &out);
                        break;
                case EWC_LAYER_CONV:
                        theta = deep_conv(&in, layer, theta, &out);
                        break;
                case EWC_LAYER_MAX_POOL:
                case EWC_LAYER_AVG_POOL:
                case EWC_LAYER_GLOBAL_AVG_POOL:
                        deep_pool(&in, layer, &out);
                        break;
                case EWC_LAYER_GROUP_NORM:
                case EWC_LAYER_LAYER_NORM:
                        theta = deep_norm(&in, layer, theta, &out);
                        break;
                case EWC_LAYER_EMBEDDING:
                        theta = deep_embed(&in, layer, theta, &out);
                        break;
                case EWC_LAYER_FLATTEN:
                        out = in;
                        out.c *= out.h * out.w;
                        out.h = out.w = 1;
                        break;
                case EWC_LAYER_DROPOUT:
                        out = in;
                        break;
                }
                in = out;
        }
        deep_dense(&in, s->n_outputs, EWC_ACT_NONE, theta, &out);
        memcpy(z, out.v, s->n_outputs * sizeof(*z));
}

/* J (P,O) = d logit / d theta of one sample */
static inline void deep_jacobian(const struct fixture *f, const float *x, double *J)
{
        const uint32_t O = f->spec.n_outputs;
        const double h = 1e-5;
        double up[ORACLE_UNITS], down[ORACLE_UNITS];

        for (size_t i = 0; i < f->P; i++) {
                const double keep = f->theta[i];

                f->theta[i] = keep + h;
                deep_forward(&f->spec, f->theta, x, up);
                f->theta[i] = keep - h;
                deep_forward(&f->spec, f->theta, x, down);
                f->theta[i] = keep;
                for (uint32_t o = 0; o < O; o++)
                        J[i * O + o] = (up[o] - down[o]) / (2 * h);
        }
}
