/* oracle.h: an independent net in double precision, one sample at a time, for small shapes.
 *
 * Written from the equations, with libm's tanh, erf and exp; it shares no code with libewc. Used as the reference of
 * gradients, losses and Fishers. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <ewc/fisher.h>

enum { ORACLE_UNITS = 64, ORACLE_LAYERS = 6 };

struct oracle_trace {
        double z[ORACLE_LAYERS][ORACLE_UNITS], a[ORACLE_LAYERS][ORACLE_UNITS];
};

static inline double oracle_act(enum ewc_activation f, double z)
{
        switch (f) {
        case EWC_ACT_NONE:
                return z;
        case EWC_ACT_RELU:
                return z > 0 ? z : 0;
        case EWC_ACT_TANH:
                return tanh(z);
        case EWC_ACT_GELU:
                return 0.5 * z * erfc(-z / sqrt(2));
        case EWC_ACT_SIGMOID:
                return 1 / (1 + exp(-z));
        }
        return NAN;
}

static inline double oracle_slope(enum ewc_activation f, double z)
{
        double s;

        switch (f) {
        case EWC_ACT_NONE:
                return 1;
        case EWC_ACT_RELU:
                return z > 0;
        case EWC_ACT_TANH:
                return 1 - tanh(z) * tanh(z);
        case EWC_ACT_GELU:
                return 0.5 * erfc(-z / sqrt(2)) + z * exp(-z * z / 2) / sqrt(2 * M_PI);
        case EWC_ACT_SIGMOID:
                s = 1 / (1 + exp(-z));
                return s * (1 - s);
        }
        return NAN;
}

/* Logits are t->z[n_layers]. */
static inline void oracle_forward(
    const struct ewc_spec *s, const double *theta, const float *x, struct oracle_trace *t)
{
        uint32_t in = s->n_inputs;

        for (uint32_t l = 0; l <= s->n_layers; l++) {
                uint32_t out = l < s->n_layers ? s->layers[l].units : s->n_outputs;

                for (uint32_t o = 0; o < out; o++) {
                        double z = theta[(size_t)in * out + o];

                        for (uint32_t i = 0; i < in; i++)
                                z += theta[(size_t)o * in + i] * (l == 0 ? (double)x[i] : t->a[l - 1][i]);
                        t->z[l][o] = z;
                        t->a[l][o] = l < s->n_layers ? oracle_act(s->layers[l].activation, z) : z;
                }
                theta += (size_t)in * out + out;
                in = out;
        }
}

/* grad (P) = d/dtheta of sum_o delta[o] * logit[o] */
static inline void oracle_backward(const struct ewc_spec *s, const double *theta, const float *x,
    const struct oracle_trace *t, const double *delta, double *grad)
{
        size_t at = ewc_spec_params(s);
        double d[ORACLE_UNITS], below[ORACLE_UNITS];

        memcpy(d, delta, s->n_outputs * sizeof(*d));
        for (uint32_t l = s->n_layers + 1; l-- > 0;) {
                uint32_t out = l < s->n_layers ? s->layers[l].units : s->n_outputs;
                uint32_t in = l > 0 ? s->layers[l - 1].units : s->n_inputs;

                at -= (size_t)in * out + out;
                for (uint32_t i = 0; i < in; i++)
                        below[i] = 0;
                for (uint32_t o = 0; o < out; o++) {
                        grad[at + (size_t)in * out + o] = d[o];
                        for (uint32_t i = 0; i < in; i++) {
                                grad[at + (size_t)o * in + i] = d[o] * (l == 0 ? (double)x[i] : t->a[l - 1][i]);
                                below[i] += d[o] * theta[at + (size_t)o * in + i];
                        }
                }
                for (uint32_t i = 0; l > 0 && i < in; i++)
                        d[i] = below[i] * oracle_slope(s->layers[l - 1].activation, t->z[l - 1][i]);
        }
}

/* p (O): softmax or sigmoid over the head, 0 outside; squared: the logit. */
static inline void oracle_probs(const struct ewc_spec *s, const struct ewc_head *head, const double *z, double *p)
{
        uint32_t H = head ? head->n : s->n_outputs;
        double sum = 0, top = -INFINITY;

        for (uint32_t o = 0; o < s->n_outputs; o++)
                p[o] = 0;
        for (uint32_t h = 0; h < H; h++)
                top = fmax(top, z[head ? head->out[h] : h]);
        for (uint32_t h = 0; h < H; h++)
                sum += exp(z[head ? head->out[h] : h] - top);
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = head ? head->out[h] : h;

                if (s->loss == EWC_LOSS_SOFTMAX)
                        p[o] = exp(z[o] - top) / sum;
                else
                        p[o] = s->loss == EWC_LOSS_SIGMOID ? 1 / (1 + exp(-z[o])) : z[o];
        }
}

static inline double oracle_loss(
    const struct ewc_spec *s, const struct ewc_head *head, const double *z, int32_t label, const float *target)
{
        uint32_t H = head ? head->n : s->n_outputs;
        double p[ORACLE_UNITS], sum = 0;

        oracle_probs(s, head, z, p);
        if (s->loss == EWC_LOSS_SOFTMAX)
                return -log(p[label]);
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = head ? head->out[h] : h;
                double t = (double)target[o];

                if (s->loss == EWC_LOSS_SIGMOID)
                        sum -= (t > 0 ? t * log(p[o]) : 0) + (t < 1 ? (1 - t) * log(1 - p[o]) : 0);
                else
                        sum += (z[o] - t) * (z[o] - t) / 2;
        }
        return sum;
}

/* delta (O) = d loss / d logit */
static inline void oracle_delta(const struct ewc_spec *s, const struct ewc_head *head, const double *z, int32_t label,
    const float *target, double *delta)
{
        uint32_t H = head ? head->n : s->n_outputs;

        oracle_probs(s, head, z, delta);
        if (s->loss == EWC_LOSS_SOFTMAX) {
                delta[label] -= 1;
                return;
        }
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = head ? head->out[h] : h;

                delta[o] -= (double)target[o];
        }
}
