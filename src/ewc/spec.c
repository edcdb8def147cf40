/* spec.c: the description of a net: limits, layout of theta, growth, heads.
 *
 * Layers stand in theta one after the other (stage.c). The output layer has no activation and stands last, so a net
 * that gains outputs keeps the offsets of all hidden layers. */
#include "ewc/internal.h"

#include <stdio.h>
#include <string.h>

static const struct ewc_name layer_names[] = {
    {EWC_LAYER_DENSE, "dense"},
    {EWC_LAYER_CONV, "conv"},
    {EWC_LAYER_MAX_POOL, "max_pool"},
    {EWC_LAYER_AVG_POOL, "avg_pool"},
    {EWC_LAYER_GLOBAL_AVG_POOL, "global_avg_pool"},
    {EWC_LAYER_FLATTEN, "flatten"},
    {EWC_LAYER_GROUP_NORM, "group_norm"},
    {EWC_LAYER_LAYER_NORM, "layer_norm"},
    {EWC_LAYER_DROPOUT, "dropout"},
    {EWC_LAYER_EMBEDDING, "embedding"},
};
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

static int check_units(const char *what, uint32_t n, char *why, size_t size)
{
        if (n == 0 || n > EWC_MAX_UNITS)
                return ewc_refuse(
                    EWC_E_DIM, why, size, "%s %u: must be 1 to %d", what, (unsigned)n, (int)EWC_MAX_UNITS);
        return 0;
}

static int check_input(const struct ewc_spec *s, char *why, size_t size)
{
        const struct ewc_shape i = s->input;
        uint64_t n = (uint64_t)i.h * i.w;
        int r = check_units("inputs", s->n_inputs, why, size);

        if (r < 0 || (i.h == 0 && i.w == 0 && i.c == 0))
                return r;
        n = n > s->n_inputs ? n : n * i.c; /* below 2^16 * 2^32 */
        if (n != s->n_inputs)
                return ewc_refuse(EWC_E_DIM, why, size, "input shape %ux%ux%u does not have %u values", (unsigned)i.h,
                    (unsigned)i.w, (unsigned)i.c, (unsigned)s->n_inputs);
        return 0;
}

int ewc_spec_check(const struct ewc_spec *s, char *why, size_t why_size)
{
        struct ewc_stage stage;
        int r;

        if ((r = check_input(s, why, why_size)) < 0 || (r = check_units("outputs", s->n_outputs, why, why_size)) < 0)
                return r;
        if (!ewc_loss_name(s->loss))
                return ewc_refuse(EWC_E_INVAL, why, why_size, "unknown loss %d", (int)s->loss);
        if (s->n_layers > EWC_MAX_LAYERS)
                return ewc_refuse(
                    EWC_E_DIM, why, why_size, "%u layers, at most %d", (unsigned)s->n_layers, (int)EWC_MAX_LAYERS);
        for (uint32_t l = 0; l <= s->n_layers; l++) {
                if ((r = ewc_stage_place(s, l, l > 0 ? &stage : NULL, &stage, why, why_size)) < 0)
                        return r;
                if (ewc_stage_end(&stage) > EWC_MAX_PARAMS)
                        return ewc_refuse(EWC_E_DIM, why, why_size, "%s %u: more than %zu parameters in total",
                            l < s->n_layers ? "layer" : "outputs", (unsigned)(l < s->n_layers ? l : s->n_outputs),
                            EWC_MAX_PARAMS);
        }
        return 0;
}

void ewc_spec_stage(const struct ewc_spec *s, uint32_t l, struct ewc_stage *ret)
{
        for (uint32_t k = 0; k <= l; k++)
                ewc_stage_place(s, k, k > 0 ? ret : NULL, ret, NULL, 0);
}

struct ewc_shape ewc_spec_shape(const struct ewc_spec *s, uint32_t l)
{
        struct ewc_stage stage;

        ewc_spec_stage(s, l, &stage);
        return stage.to;
}

size_t ewc_spec_params(const struct ewc_spec *s)
{
        struct ewc_stage stage;

        ewc_spec_stage(s, s->n_layers, &stage);
        return ewc_stage_end(&stage);
}

static uint32_t n_tensors(const struct ewc_stage *s)
{
        return (s->rows > 0 ? 1U : 0U) + (s->n_bias > 0 ? 1U : 0U);
}

size_t ewc_spec_tensors(const struct ewc_spec *s)
{
        struct ewc_stage stage;
        size_t n = 0;

        for (uint32_t l = 0; l <= s->n_layers; l++) {
                ewc_stage_place(s, l, l > 0 ? &stage : NULL, &stage, NULL, 0);
                n += n_tensors(&stage);
        }
        return n;
}

int ewc_spec_tensor(const struct ewc_spec *s, size_t i, struct ewc_tensor *ret)
{
        struct ewc_tensor t = {0};
        struct ewc_stage stage;
        const char *name;
        uint32_t l = 0;

        ewc_stage_place(s, 0, NULL, &stage, NULL, 0);
        for (; i >= n_tensors(&stage); l++) {
                i -= n_tensors(&stage);
                if (l == s->n_layers)
                        return EWC_E_INVAL;
                ewc_stage_place(s, l + 1, &stage, &stage, NULL, 0);
        }
        name = ewc_stage_norm(&stage) ? (i == 0 ? "gamma" : "beta") : (i == 0 ? "w" : "b");
        if (l < s->n_layers)
                snprintf(t.name, sizeof(t.name), "%u.%s", (unsigned)(l % 100), name); /* at most EWC_MAX_LAYERS */
        else
                snprintf(t.name, sizeof(t.name), "out.%s", name);
        t.offset = i == 0 ? stage.w : stage.b;
        t.rows = i == 0 ? stage.rows : stage.n_bias;
        t.cols = i == 0 ? stage.cols : 1;
        *ret = t;
        return 0;
}

static bool same_layer(const struct ewc_layer *a, const struct ewc_layer *b)
{
        return a->type == b->type && a->activation == b->activation && a->units == b->units &&
               a->kernel == b->kernel && a->stride == b->stride && a->padding == b->padding &&
               a->groups == b->groups && a->count == b->count && !(a->rate < b->rate) && !(a->rate > b->rate);
}

static bool same_hidden(const struct ewc_spec *a, const struct ewc_spec *b)
{
        const struct ewc_shape p = a->input, q = b->input;

        if (a->n_inputs != b->n_inputs || a->n_layers != b->n_layers || a->loss != b->loss || p.h != q.h ||
            p.w != q.w || p.c != q.c)
                return false;
        for (uint32_t l = 0; l < a->n_layers; l++) {
                if (!same_layer(&a->layers[l], &b->layers[l]))
                        return false;
        }
        return true;
}

bool ewc_spec_equal(const struct ewc_spec *a, const struct ewc_spec *b)
{
        return a->n_outputs == b->n_outputs && same_hidden(a, b);
}

static void copy_or_zero(float *to, const float *from, size_t n)
{
        if (from)
                memcpy(to, from, n * sizeof(*to));
        else
                memset(to, 0, n * sizeof(*to));
}

/* Where output o of the new layout stands in the old one; no source: growth, the old outputs come first. */
static uint32_t output_source(const struct ewc_spec *from, const uint32_t *source, uint32_t o)
{
        if (source)
                return source[o];
        return o < from->n_outputs ? o : EWC_OUTPUT_NEW;
}

int ewc_spec_map(const struct ewc_spec *from, const struct ewc_spec *to, const uint32_t *source, const float *old,
    const float *fresh, float *ret)
{
        struct ewc_stage a, b;

        if (!same_hidden(from, to))
                return EWC_E_DIM;
        for (uint32_t o = 0; source && o < to->n_outputs; o++) {
                if (source[o] != EWC_OUTPUT_NEW && source[o] >= from->n_outputs)
                        return EWC_E_INVAL;
        }
        ewc_spec_stage(from, from->n_layers, &a);
        ewc_spec_stage(to, to->n_layers, &b);
        memcpy(ret, old, a.w * sizeof(*ret)); /* hidden layers */
        for (uint32_t o = 0; o < to->n_outputs; o++) {
                size_t w = b.w + (size_t)o * b.in, bias = b.b + o;
                uint32_t at = output_source(from, source, o);
                bool is_new = at == EWC_OUTPUT_NEW;

                copy_or_zero(ret + w, !is_new ? old + a.w + (size_t)at * a.in : fresh ? fresh + w : NULL, b.in);
                copy_or_zero(ret + bias, !is_new ? old + a.b + at : fresh ? fresh + bias : NULL, 1);
        }
        return 0;
}

int ewc_spec_grow(
    const struct ewc_spec *from, const struct ewc_spec *to, const float *old, const float *fresh, float *ret)
{
        if (from->n_outputs > to->n_outputs)
                return EWC_E_DIM;
        return ewc_spec_map(from, to, NULL, old, fresh, ret);
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
        struct ewc_stage d;

        ewc_spec_stage(s, s->n_layers, &d);
        return d.w + (size_t)ewc_head_n(s, head) * ((size_t)d.in + 1);
}
