/* stage.c: one layer of a spec on top of the one below: its shape, its parameters, and why it cannot be.
 *
 * Numbers come from outside: every product is formed in 64 bits from factors whose bounds stand beside it, and
 * compared with its limit before it is narrowed. */
#include "ewc/layers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { UNITS = 1, ACTIVATION = 2, KERNEL = 4, PADDING = 8, GROUPS = 16, COUNT = 32, RATE = 64 };

/* Fields a type uses; KERNEL stands for the stride too. */
static const unsigned char fields[] = {
    [EWC_LAYER_DENSE] = UNITS | ACTIVATION,
    [EWC_LAYER_CONV] = UNITS | ACTIVATION | KERNEL | PADDING,
    [EWC_LAYER_MAX_POOL] = KERNEL,
    [EWC_LAYER_AVG_POOL] = KERNEL,
    [EWC_LAYER_GLOBAL_AVG_POOL] = 0,
    [EWC_LAYER_FLATTEN] = 0,
    [EWC_LAYER_GROUP_NORM] = ACTIVATION | GROUPS,
    [EWC_LAYER_LAYER_NORM] = ACTIVATION,
    [EWC_LAYER_DROPOUT] = RATE,
    [EWC_LAYER_EMBEDDING] = UNITS | COUNT,
};

int ewc_refuse(int error, char *why, size_t size, const char *format, ...)
{
        va_list ap;

        if (!why || size == 0)
                return error;
        va_start(ap, format);
        vsnprintf(why, size, format, ap);
        va_end(ap);
        return error;
}

struct place { /* a layer being placed, and where a refusal goes */
        const struct ewc_layer *layer;
        uint32_t l;
        struct ewc_stage *s;
        char *why;
        size_t why_size;
};

/* "layer 3 (conv): " in front; a dense layer goes without its type. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct place *p, int error, const char *format, ...)
{
        bool dense = p->layer->type == EWC_LAYER_DENSE;
        char text[96];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return ewc_refuse(error, p->why, p->why_size, "layer %u%s%s%s: %s", (unsigned)p->l, dense ? "" : " (",
            dense ? "" : ewc_layer_type_name(p->layer->type), dense ? "" : ")", text);
}

static int check_fields(const struct place *p)
{
        const struct ewc_layer *x = p->layer;
        const unsigned has = fields[x->type];
        const char *stray = NULL;

        if (!ewc_activation_name(x->activation))
                return refuse(p, EWC_E_INVAL, "unknown activation %d", (int)x->activation);
        stray = !(has & ACTIVATION) && x->activation != EWC_ACT_NONE ? "activation" : stray;
        stray = !(has & UNITS) && x->units ? "units" : stray;
        stray = !(has & KERNEL) && x->kernel ? "kernel" : stray;
        stray = !(has & KERNEL) && x->stride ? "stride" : stray;
        stray = !(has & PADDING) && x->padding ? "padding" : stray;
        stray = !(has & GROUPS) && x->groups ? "groups" : stray;
        stray = !(has & COUNT) && x->count ? "count" : stray;
        stray = !(has & RATE) && x->rate != 0.0f ? "rate" : stray;
        if (stray)
                return refuse(p, EWC_E_INVAL, "takes no %s", stray);
        if ((has & UNITS) && (x->units == 0 || x->units > EWC_MAX_UNITS))
                return refuse(p, EWC_E_DIM, "units %u, must be 1 to %d", (unsigned)x->units, (int)EWC_MAX_UNITS);
        if ((has & COUNT) && (x->count == 0 || x->count > EWC_MAX_IDS))
                return refuse(p, EWC_E_DIM, "count %u, must be 1 to %d", (unsigned)x->count, (int)EWC_MAX_IDS);
        if ((has & RATE) && !(x->rate >= 0.0f && x->rate < 1.0f))
                return refuse(p, EWC_E_INVAL, "rate %g, must be at least 0 and below 1", (double)x->rate);
        return 0;
}

/* A window of kernel x kernel moved by stride over the padded input. */
static int slide(const struct place *p)
{
        const struct ewc_layer *x = p->layer;
        struct ewc_stage *s = p->s;
        const uint64_t pad = 2 * (uint64_t)x->padding, h = s->from.h + pad, w = s->from.w + pad;

        if (x->kernel == 0 || x->kernel > EWC_MAX_UNITS)
                return refuse(p, EWC_E_DIM, "kernel %u, must be 1 to %d", (unsigned)x->kernel, (int)EWC_MAX_UNITS);
        if (x->stride == 0)
                return refuse(p, EWC_E_DIM, "stride 0, must be at least 1");
        if (x->padding >= x->kernel)
                return refuse(p, EWC_E_DIM, "padding %u, must be below the kernel %u", (unsigned)x->padding,
                    (unsigned)x->kernel);
        if (x->kernel > h || x->kernel > w)
                return refuse(p, EWC_E_DIM, "kernel %u does not fit its input %ux%ux%u", (unsigned)x->kernel,
                    (unsigned)s->from.h, (unsigned)s->from.w, (unsigned)s->from.c);
        s->kernel_h = s->kernel_w = x->kernel;
        s->stride = x->stride;
        s->padding = x->padding;
        s->to = (struct ewc_shape){
            (uint32_t)((h - x->kernel) / x->stride + 1), (uint32_t)((w - x->kernel) / x->stride + 1), s->from.c};
        return 0;
}

static int place_conv(const struct place *p)
{
        struct ewc_stage *s = p->s;
        uint64_t area, cols;
        int r = slide(p);

        if (r < 0)
                return r;
        area = (uint64_t)s->kernel_h * s->kernel_w; /* kernel at most 2^16 */
        cols = area > EWC_MAX_PARAMS ? area : area * s->from.c;
        if (cols > EWC_MAX_PARAMS)
                return refuse(p, EWC_E_DIM, "more than %zu parameters in total", EWC_MAX_PARAMS);
        s->rows = s->n_bias = s->to.c = p->layer->units;
        s->cols = (uint32_t)cols;
        return 0;
}

static int place_norm(const struct place *p)
{
        struct ewc_stage *s = p->s;

        s->groups = p->layer->type == EWC_LAYER_GROUP_NORM ? p->layer->groups : 1;
        if (s->groups == 0 || s->from.c % s->groups != 0)
                return refuse(p, EWC_E_DIM, "groups %u do not divide the %u channels of its input",
                    (unsigned)s->groups, (unsigned)s->from.c);
        s->rows = s->n_bias = s->from.c;
        s->cols = 1;
        return 0;
}

static int place_embedding(const struct place *p)
{
        struct ewc_stage *s = p->s;

        if (p->l > 0)
                return refuse(p, EWC_E_INVAL, "an embedding comes first");
        s->rows = p->layer->count;
        s->cols = p->layer->units;
        s->to = (struct ewc_shape){1, s->in, s->cols};
        return 0;
}

static int place_by_type(const struct place *p)
{
        struct ewc_stage *s = p->s;

        switch (p->layer->type) {
        case EWC_LAYER_DENSE:
                s->to = (struct ewc_shape){1, 1, p->layer->units};
                s->rows = s->n_bias = p->layer->units;
                s->cols = s->in;
                return 0;
        case EWC_LAYER_CONV:
                return place_conv(p);
        case EWC_LAYER_MAX_POOL:
        case EWC_LAYER_AVG_POOL:
                return slide(p);
        case EWC_LAYER_GLOBAL_AVG_POOL:
                s->kernel_h = s->from.h;
                s->kernel_w = s->from.w;
                s->stride = 1;
                s->to = (struct ewc_shape){1, 1, s->from.c};
                return 0;
        case EWC_LAYER_FLATTEN:
                s->to = (struct ewc_shape){1, 1, s->in};
                return 0;
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                return place_norm(p);
        case EWC_LAYER_DROPOUT:
                s->rate = p->layer->rate;
                return 0;
        case EWC_LAYER_EMBEDDING:
                return place_embedding(p);
        }
        return EWC_E_INVAL;
}

static struct ewc_shape input_shape(const struct ewc_spec *s)
{
        const struct ewc_shape flat = {1, 1, s->n_inputs};

        return s->input.h || s->input.w || s->input.c ? s->input : flat;
}

/* The output layer is a dense one without activation. */
static struct ewc_layer layer_of(const struct ewc_spec *s, uint32_t l)
{
        const struct ewc_layer output = {.type = EWC_LAYER_DENSE, .units = s->n_outputs};

        return l < s->n_layers ? s->layers[l] : output;
}

int ewc_stage_place(const struct ewc_spec *s, uint32_t l, const struct ewc_stage *below, struct ewc_stage *ret,
    char *why, size_t why_size)
{
        const struct ewc_layer layer = layer_of(s, l);
        struct ewc_stage stage = {.type = layer.type, .activation = layer.activation};
        const struct place p = {.layer = &layer, .l = l, .s = &stage, .why = why, .why_size = why_size};
        uint64_t values;
        int r;

        if (!ewc_layer_type_name(layer.type))
                return ewc_refuse(
                    EWC_E_INVAL, why, why_size, "layer %u: unknown type %d", (unsigned)l, (int)layer.type);
        stage.from = stage.to = below ? below->to : input_shape(s);
        stage.in = stage.from.h * stage.from.w * stage.from.c; /* at most EWC_MAX_VALUES: checked below */
        if ((r = check_fields(&p)) < 0 || (r = place_by_type(&p)) < 0)
                return r;
        values = (uint64_t)stage.to.h * stage.to.w * stage.to.c; /* below 2^18, 2^18 and 2^22 */
        if (values > EWC_MAX_VALUES)
                return refuse(&p, EWC_E_DIM, "its output %ux%ux%u has more than %d values", (unsigned)stage.to.h,
                    (unsigned)stage.to.w, (unsigned)stage.to.c, (int)EWC_MAX_VALUES);
        stage.out = (uint32_t)values;
        stage.w = below ? ewc_stage_end(below) : 0;
        stage.b = stage.w + (size_t)stage.rows * stage.cols; /* cols <= 2^28, rows <= 2^24, w <= 2^28 */
        if (ewc_stage_norm(&stage))
                stage.aux = ewc_norm_aux(&stage);
        else if (stage.type == EWC_LAYER_MAX_POOL)
                stage.aux = stage.out;
        *ret = stage;
        return 0;
}
