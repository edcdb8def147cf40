/* forward.c: the forward pass of predictions, from a plan's panels or, for a net alone, packed on the way.
 *
 * Two buffers as wide as the widest hidden layer are used in turn; logits go straight to the caller. Dense layers and
 * convolutions are products over panels (panel.h) that take in the bias, and relu where that is the activation,
 * before a tile is stored. A convolution reads its windows where they lie in the image; with padding, in a copy of
 * one image with its frame of zeros. All other layers go row by row. So a row's bits do not depend on the batch, and
 * wide nets may take one in blocks of rows, whose buffers stay in the cache. It runs on the caller's thread. */
#include <ewc/forward.h>

#include "ewc/layers.h"
#include "ewc/panel.h"

#include <string.h>

enum { FORWARD_FLOATS = 1 << 18 }; /* of a buffer between two layers */

static bool has_panels(const struct ewc_stage *s)
{
        return s->type == EWC_LAYER_DENSE || s->type == EWC_LAYER_CONV;
}

static size_t framed(const struct ewc_stage *s)
{
        const size_t pad = 2 * (size_t)s->padding;

        return s->padding > 0 ? (s->from.h + pad) * (s->from.w + pad) * s->from.c : 0;
}

/* Floats of the scratch a stage needs. */
static size_t scratch_of(const struct ewc_stage *s)
{
        if (s->type == EWC_LAYER_CONV)
                return framed(s);
        return ewc_stage_norm(s) ? 4 * (size_t)s->from.c : 0; /* two doubles per channel */
}

struct pass {
        const struct ewc_net *net;
        const struct ewc_plan *plan; /* NULL: no panels yet */
        enum ewc_panel_form form;
        float *buffer[2], *scratch, *panels; /* panels: room for those of one layer, without a plan */
        size_t block;                        /* rows at a time */
};

static void carve(struct pass *f, size_t B, struct ewc_carve *c)
{
        const struct ewc_net *net = f->net;
        size_t scratch = 0, panels = 0;

        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *s = &net->stage[l];
                const size_t n = !f->plan && has_panels(s) ? ewc_panel_floats(s->rows, s->cols) : 0;

                scratch = scratch_of(s) > scratch ? scratch_of(s) : scratch;
                panels = n > panels ? n : panels;
        }
        f->block = B;
        if (net->block < EWC_MAX_BATCH && net->max_hidden > 0 && B > FORWARD_FLOATS / net->max_hidden)
                f->block = FORWARD_FLOATS / net->max_hidden + 1;
        f->buffer[0] = ewc_carve(c, f->block * net->max_hidden, sizeof(float));
        f->buffer[1] = ewc_carve(c, f->block * net->max_hidden, sizeof(float));
        f->scratch = ewc_carve(c, scratch, sizeof(float));
        f->panels = ewc_carve(c, panels, sizeof(float));
}

static const float *panels_of(const struct pass *f, uint32_t l)
{
        const struct ewc_stage *s = &f->net->stage[l];

        if (f->plan)
                return f->plan->panels[l];
        ewc_panel_pack(s->rows, s->cols, f->net->theta + s->w, f->net->theta + s->b, f->panels);
        return f->panels;
}

/* relu is the panels' own; the other activations add the bias themselves. */
static enum ewc_panel_end end_of(const struct ewc_stage *s)
{
        if (s->activation == EWC_ACT_RELU)
                return EWC_PANEL_RELU;
        return s->activation == EWC_ACT_NONE ? EWC_PANEL_BIAS : EWC_PANEL_SUM;
}

static void activate(const struct pass *f, const struct ewc_stage *s, size_t n, float *y)
{
        if (end_of(s) == EWC_PANEL_SUM)
                ewc_act_forward(s->activation, n, s->rows, f->net->theta + s->b, y, NULL);
}

static void dense(const struct pass *f, uint32_t l, size_t B, const float *x, float *y)
{
        const struct ewc_stage *s = &f->net->stage[l];
        const struct ewc_product p = {
            .n = B,
            .O = s->rows,
            .K = s->cols,
            .panels = panels_of(f, l),
            .from = {.x = x, .run = s->cols, .lines = 1, .across = 1, .high = 1, .image = s->cols},
            .y = y,
            .stride = s->rows,
            .end = end_of(s),
        };

        ewc_panel_product(f->form, &p);
        activate(f, s, B, y);
}

/* The image inside its frame, which is zero already. */
static const float *frame(const struct ewc_stage *s, const float *x, float *ret)
{
        const size_t line = (size_t)s->from.w * s->from.c, edge = (size_t)s->padding * s->from.c;

        for (size_t h = 0; h < s->from.h; h++)
                memcpy(ret + (h + s->padding) * (line + 2 * edge) + edge, x + h * line, line * sizeof(*ret));
        return ret;
}

static void conv(const struct pass *f, uint32_t l, size_t B, const float *x, float *y)
{
        const struct ewc_stage *s = &f->net->stage[l];
        const size_t C = s->from.c, line = (s->from.w + 2 * (size_t)s->padding) * C;
        const size_t images = s->padding > 0 ? 1 : B; /* at a time */
        struct ewc_product p = {
            .n = images * s->to.h * s->to.w,
            .O = s->rows,
            .K = s->cols,
            .panels = panels_of(f, l),
            .from = {.run = s->kernel_w * C,
                .lines = s->kernel_h,
                .line = line,
                .across = s->to.w,
                .step = s->stride * C,
                .high = s->to.h,
                .down = s->stride * line,
                .image = s->in},
            .y = y,
            .stride = s->rows,
            .end = end_of(s),
        };

        memset(f->scratch, 0, framed(s) * sizeof(*f->scratch));
        for (size_t n = 0; n < B; n += images, x += images * s->in, p.y += images * s->out) {
                p.from.x = s->padding > 0 ? frame(s, x, f->scratch) : x;
                ewc_panel_product(f->form, &p);
        }
        activate(f, s, B * s->to.h * s->to.w, y);
}

/* y (B,out) of x (B,in), or x itself where the layer changes nothing. */
static const float *layer(const struct pass *f, uint32_t l, size_t B, const float *x, float *y)
{
        const struct ewc_stage *s = &f->net->stage[l];

        switch (s->type) {
        case EWC_LAYER_DENSE:
                dense(f, l, B, x, y);
                break;
        case EWC_LAYER_CONV:
                conv(f, l, B, x, y);
                break;
        case EWC_LAYER_MAX_POOL:
                ewc_max_pool_forward(s, B, x, y, NULL);
                break;
        case EWC_LAYER_AVG_POOL:
        case EWC_LAYER_GLOBAL_AVG_POOL:
                ewc_avg_pool_forward(s, B, x, y);
                break;
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                ewc_norm_forward(f->net, l, B, x, (void *)f->scratch, y, NULL, NULL);
                break;
        case EWC_LAYER_EMBEDDING:
                ewc_embed_forward(f->net, l, B, x, y);
                break;
        case EWC_LAYER_FLATTEN:
        case EWC_LAYER_DROPOUT:
                return x;
        }
        return y;
}

static void stack(const struct pass *f, size_t B, const float *x, float *y, float *phi)
{
        uint32_t last = f->net->n_stages - 1, used = 0;

        for (uint32_t l = 0; l < last; l++) {
                const float *in = x;

                x = layer(f, l, B, in, f->buffer[used]);
                used = x == in ? used : 1 - used;
        }
        if (phi)
                memcpy(phi, x, B * f->net->stage[last].in * sizeof(*phi));
        layer(f, last, B, x, y);
}

static int run(struct pass *f, size_t B, const float *x, float *y, float *phi, void *ws)
{
        const size_t I = f->net->spec.n_inputs, O = f->net->spec.n_outputs,
                     D = f->net->stage[f->net->n_stages - 1].in;
        struct ewc_carve c = {.base = ws};
        int r;

        if (B == 0 || B > EWC_MAX_BATCH)
                return EWC_E_DIM;
        if ((r = ewc_input_check(f->net, B, x)) < 0)
                return r;
        carve(f, B, &c);
        for (size_t n = 0; n < B; n += f->block)
                stack(f, B - n < f->block ? B - n : f->block, x + n * I, y + n * O, phi ? phi + n * D : NULL);
        /* The input is looked at too: tanh and sigmoid turn an infinity into a plain 1. */
        return ewc_finite_all(B * O, y) && ewc_finite_all(B * I, x) ? 0 : EWC_E_NONFINITE;
}

size_t ewc_net_workspace(const struct ewc_net *net, size_t B)
{
        struct pass f = {.net = net};
        struct ewc_carve c = {0};

        carve(&f, B, &c);
        return c.used;
}

int ewc_net_forward(const struct ewc_net *net, size_t B, const float *x, float *y, void *ws)
{
        struct pass f = {.net = net, .form = ewc_panel_best()};

        return run(&f, B, x, y, NULL, ws);
}

/* The plan and its panels are one block. */
static struct ewc_plan *place(const struct ewc_net *net, struct ewc_carve *c)
{
        struct ewc_plan *plan = ewc_carve(c, 1, sizeof(*plan));

        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *s = &net->stage[l];
                float *panels =
                    has_panels(s) ? ewc_carve(c, ewc_panel_floats(s->rows, s->cols), sizeof(float)) : NULL;

                if (!plan)
                        continue;
                if (panels)
                        ewc_panel_pack(s->rows, s->cols, net->theta + s->w, net->theta + s->b, panels);
                plan->panels[l] = panels;
        }
        return plan;
}

int ewc_plan_new(struct ewc_plan **ret, const struct ewc_net *net, const struct ewc_allocator *a)
{
        const struct ewc_allocator allocator = ewc_allocator_or_default(a);
        struct ewc_carve c = {0};
        struct ewc_plan *plan;

        place(net, &c);
        c.base = allocator.alloc(allocator.arg, c.used);
        if (!c.base)
                return EWC_E_NOMEM;
        c.used = 0;
        plan = place(net, &c);
        plan->allocator = allocator;
        plan->net = net;
        plan->form = ewc_panel_best();
        plan->bytes = c.used;
        *ret = plan;
        return 0;
}

void ewc_plan_free(struct ewc_plan *plan)
{
        if (plan) {
                const struct ewc_allocator a = plan->allocator; /* lies in the block itself */

                a.free(a.arg, plan);
        }
}

size_t ewc_plan_bytes(const struct ewc_plan *plan)
{
        return plan->bytes;
}

size_t ewc_plan_workspace(const struct ewc_plan *plan, size_t B)
{
        struct pass f = {.net = plan->net, .plan = plan};
        struct ewc_carve c = {0};

        carve(&f, B, &c);
        return c.used;
}

int ewc_plan_run(const struct ewc_plan *plan, size_t B, const float *x, float *y, float *phi, void *ws)
{
        struct pass f = {.net = plan->net, .plan = plan, .form = plan->form};

        return run(&f, B, x, y, phi, ws);
}
