/* spec.c: the description of a net: limits, layout of theta, growth, heads.
 *
 * Layer l of the stack is dense: W_l (units, inputs) row-major, then b_l. The output layer has no activation and
 * stands last, so a net that gains outputs keeps the offsets of all hidden layers. */
#include "ewc/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct ewc_name layer_names[] = {{EWC_LAYER_DENSE, "dense"}};
static const struct ewc_name activation_names[] = {
    {EWC_ACT_NONE, "none"},
    {EWC_ACT_RELU, "relu"},
    {EWC_ACT_TANH, "tanh"},
    {EWC_ACT_GELU, "gelu"},
    {EWC_ACT_SIGMOID, "sigmoid"},
};
static const struct ewc_name loss_names[] = {
    {EWC_LOSS_SOFTMAX, "softmax"},
    {EWC_LOSS_SIGMOID, "sigmoid"},
    {EWC_LOSS_SQUARED, "squared"},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *ewc_layer_type_name(enum ewc_layer_type t)
{
        return ewc_name_find(layer_names, COUNT(layer_names), (int)t);
}

const char *ewc_activation_name(enum ewc_activation a)
{
        return ewc_name_find(activation_names, COUNT(activation_names), (int)a);
}

const char *ewc_loss_name(enum ewc_loss l)
{
        return ewc_name_find(loss_names, COUNT(loss_names), (int)l);
}

int ewc_layer_type_parse(const char *name, enum ewc_layer_type *ret)
{
        int v, r = ewc_name_parse(layer_names, COUNT(layer_names), name, &v);

        if (r == 0)
                *ret = (enum ewc_layer_type)v;
        return r;
}

int ewc_activation_parse(const char *name, enum ewc_activation *ret)
{
        int v, r = ewc_name_parse(activation_names, COUNT(activation_names), name, &v);

        if (r == 0)
                *ret = (enum ewc_activation)v;
        return r;
}

int ewc_loss_parse(const char *name, enum ewc_loss *ret)
{
        int v, r = ewc_name_parse(loss_names, COUNT(loss_names), name, &v);

        if (r == 0)
                *ret = (enum ewc_loss)v;
        return r;
}

__attribute__((format(printf, 4, 5))) static int refuse(int error, char *why, size_t size, const char *format, ...)
{
        va_list ap;

        if (!why || size == 0)
                return error;
        va_start(ap, format);
        vsnprintf(why, size, format, ap);
        va_end(ap);
        return error;
}

static int check_units(const char *what, uint32_t n, char *why, size_t size)
{
        if (n == 0 || n > EWC_MAX_UNITS)
                return refuse(EWC_E_DIM, why, size, "%s %u: must be 1 to %d", what, (unsigned)n, (int)EWC_MAX_UNITS);
        return 0;
}

static int check_layer(const struct ewc_layer *layer, unsigned l, char *why, size_t size)
{
        if (!ewc_layer_type_name(layer->type))
                return refuse(EWC_E_INVAL, why, size, "layer %u: unknown type %d", l, (int)layer->type);
        if (!ewc_activation_name(layer->activation))
                return refuse(EWC_E_INVAL, why, size, "layer %u: unknown activation %d", l, (int)layer->activation);
        if (layer->units == 0 || layer->units > EWC_MAX_UNITS)
                return refuse(EWC_E_DIM, why, size, "layer %u: units %u, must be 1 to %d", l, (unsigned)layer->units,
                    (int)EWC_MAX_UNITS);
        return 0;
}

int ewc_spec_check(const struct ewc_spec *s, char *why, size_t why_size)
{
        size_t n = 0; /* at most 33 * 2^32: no overflow in 64 bits */
        int r;

        if ((r = check_units("inputs", s->n_inputs, why, why_size)) < 0 ||
            (r = check_units("outputs", s->n_outputs, why, why_size)) < 0)
                return r;
        if (!ewc_loss_name(s->loss))
                return refuse(EWC_E_INVAL, why, why_size, "unknown loss %d", (int)s->loss);
        if (s->n_layers > EWC_MAX_LAYERS)
                return refuse(
                    EWC_E_DIM, why, why_size, "%u layers, at most %d", (unsigned)s->n_layers, (int)EWC_MAX_LAYERS);
        for (uint32_t l = 0; l < s->n_layers; l++) {
                if ((r = check_layer(&s->layers[l], (unsigned)l, why, why_size)) < 0)
                        return r;
        }
        for (uint32_t l = 0; l <= s->n_layers; l++) {
                struct ewc_dense d;

                ewc_spec_dense(s, l, &d);
                n = d.b + d.out;
                if (n > EWC_MAX_PARAMS)
                        return refuse(EWC_E_DIM, why, why_size, "%s %u: more than %zu parameters in total",
                            l < s->n_layers ? "layer" : "outputs", l < s->n_layers ? (unsigned)l : (unsigned)d.out,
                            EWC_MAX_PARAMS);
        }
        return 0;
}

/* Layer l of the stack with its place in theta; l == n_layers is the output layer. */
void ewc_spec_dense(const struct ewc_spec *s, uint32_t l, struct ewc_dense *ret)
{
        size_t at = 0;
        uint32_t in = s->n_inputs;

        for (uint32_t k = 0; k < l; k++) {
                at += (size_t)in * s->layers[k].units + s->layers[k].units;
                in = s->layers[k].units;
        }
        ret->in = in;
        ret->out = l < s->n_layers ? s->layers[l].units : s->n_outputs;
        ret->activation = l < s->n_layers ? s->layers[l].activation : EWC_ACT_NONE;
        ret->w = at;
        ret->b = at + (size_t)in * ret->out;
}

size_t ewc_spec_params(const struct ewc_spec *s)
{
        struct ewc_dense d;

        ewc_spec_dense(s, s->n_layers, &d);
        return d.b + d.out;
}

size_t ewc_spec_tensors(const struct ewc_spec *s)
{
        return 2 * ((size_t)s->n_layers + 1);
}

int ewc_spec_tensor(const struct ewc_spec *s, size_t i, struct ewc_tensor *ret)
{
        struct ewc_tensor t = {0};
        struct ewc_dense d;
        uint32_t l = (uint32_t)(i / 2);
        bool bias = i % 2 == 1;

        if (i >= ewc_spec_tensors(s))
                return EWC_E_INVAL;
        ewc_spec_dense(s, l, &d);
        if (l < s->n_layers)
                snprintf(t.name, sizeof(t.name), "%u.%c", (unsigned)l, bias ? 'b' : 'w');
        else
                snprintf(t.name, sizeof(t.name), "out.%c", bias ? 'b' : 'w');
        t.offset = bias ? d.b : d.w;
        t.rows = d.out;
        t.cols = bias ? 1 : d.in;
        *ret = t;
        return 0;
}

static bool spec_grows(const struct ewc_spec *from, const struct ewc_spec *to)
{
        if (from->n_inputs != to->n_inputs || from->n_layers != to->n_layers || from->loss != to->loss ||
            from->n_outputs > to->n_outputs)
                return false;
        for (uint32_t l = 0; l < from->n_layers; l++) {
                if (from->layers[l].type != to->layers[l].type || from->layers[l].units != to->layers[l].units ||
                    from->layers[l].activation != to->layers[l].activation)
                        return false;
        }
        return true;
}

static void copy_or_zero(float *to, const float *from, size_t n)
{
        if (from)
                memcpy(to, from, n * sizeof(*to));
        else
                memset(to, 0, n * sizeof(*to));
}

int ewc_spec_grow(
    const struct ewc_spec *from, const struct ewc_spec *to, const float *old, const float *fresh, float *ret)
{
        struct ewc_dense a, b;
        size_t old_w, all_w;

        if (!spec_grows(from, to))
                return EWC_E_DIM;
        ewc_spec_dense(from, from->n_layers, &a);
        ewc_spec_dense(to, to->n_layers, &b);
        old_w = (size_t)a.in * a.out;
        all_w = (size_t)b.in * b.out;
        memcpy(ret, old, (a.w + old_w) * sizeof(*ret)); /* hidden layers and the old output rows */
        copy_or_zero(ret + b.w + old_w, fresh ? fresh + b.w + old_w : NULL, all_w - old_w);
        memcpy(ret + b.b, old + a.b, a.out * sizeof(*ret));
        copy_or_zero(ret + b.b + a.out, fresh ? fresh + b.b + a.out : NULL, (size_t)b.out - a.out);
        return 0;
}

int ewc_head_check(const struct ewc_spec *s, const struct ewc_head *head)
{
        if (!head)
                return 0;
        if (head->n == 0 || head->n > s->n_outputs || !head->out)
                return EWC_E_DIM;
        for (uint32_t h = 0; h < head->n; h++) {
                if (head->out[h] >= s->n_outputs || (h > 0 && head->out[h] <= head->out[h - 1]))
                        return EWC_E_INVAL;
        }
        return 0;
}

size_t ewc_spec_protected(const struct ewc_spec *s, const struct ewc_head *head)
{
        struct ewc_dense d;

        ewc_spec_dense(s, s->n_layers, &d);
        return d.w + (size_t)ewc_head_n(s, head) * ((size_t)d.in + 1);
}
