/* net.c: a net object, what its stages need in training, its first parameters, probabilities.
 *
 * The object and theta are one block. */
#include "ewc/layers.h"

#include <math.h>
#include <string.h>

enum {
        TAPE_FLOATS = 1 << 22, /* of what a training pass keeps */
        BLOCK_MIN = 4,         /* rows; below this even wide layers lose too much speed */
};

/* Floats of the scratch a stage needs. */
static size_t scratch_of(const struct ewc_stage *s)
{
        if (s->type == EWC_LAYER_CONV)
                return ewc_conv_scratch(s);
        return ewc_stage_norm(s) ? 4 * (size_t)s->from.c : 0; /* two doubles per channel */
}

static void net_fill(struct ewc_net *net, const struct ewc_spec *s)
{
        size_t kept = 0;
        bool dense = true;

        net->spec = *s;
        net->n_params = ewc_spec_params(s);
        net->n_stages = s->n_layers + 1;
        net->first_params = s->n_layers;
        for (uint32_t l = 0; l < net->n_stages; l++) {
                struct ewc_stage *d = &net->stage[l];

                ewc_stage_place(s, l, l > 0 ? &net->stage[l - 1] : NULL, d, NULL, 0);
                if (l < s->n_layers && d->out > net->max_hidden)
                        net->max_hidden = d->out;
                if (d->rows > 0 && l < net->first_params)
                        net->first_params = l;
                if (scratch_of(d) > net->scratch)
                        net->scratch = scratch_of(d);
                kept += 2 * (size_t)d->out + d->aux;
                dense = dense && d->type == EWC_LAYER_DENSE;
        }
        net->max_out = net->max_hidden > s->n_outputs ? net->max_hidden : s->n_outputs;
        kept += 2 * (size_t)net->max_out;
        net->block = dense ? EWC_MAX_BATCH : TAPE_FLOATS / kept < BLOCK_MIN ? BLOCK_MIN : TAPE_FLOATS / kept;
}

int ewc_net_new(struct ewc_net **ret, const struct ewc_spec *s, const struct ewc_allocator *a)
{
        struct ewc_allocator allocator = ewc_allocator_or_default(a);
        struct ewc_carve c = {0};
        struct ewc_net *net;
        size_t P;
        int r = ewc_spec_check(s, NULL, 0);

        if (r < 0)
                return r;
        P = ewc_spec_params(s);
        ewc_carve(&c, 1, sizeof(*net));
        ewc_carve(&c, P, sizeof(float));
        c.base = allocator.alloc(allocator.arg, c.used);
        if (!c.base)
                return EWC_E_NOMEM;
        c.used = 0;
        net = ewc_carve(&c, 1, sizeof(*net));
        memset(net, 0, sizeof(*net));
        net->theta = ewc_carve(&c, P, sizeof(float));
        memset(net->theta, 0, P * sizeof(float));
        net->allocator = allocator;
        net_fill(net, s);
        *ret = net;
        return 0;
}

void ewc_net_free(struct ewc_net *net)
{
        if (net)
                net->allocator.free(net->allocator.arg, net);
}

void ewc_net_team(struct ewc_net *net, struct ewc_team *team)
{
        net->team = team;
}

const struct ewc_spec *ewc_net_spec(const struct ewc_net *net)
{
        return &net->spec;
}

size_t ewc_net_params(const struct ewc_net *net)
{
        return net->n_params;
}

float *ewc_net_theta(struct ewc_net *net)
{
        return net->theta;
}

const float *ewc_net_theta_const(const struct ewc_net *net)
{
        return net->theta;
}

void ewc_net_init(struct ewc_net *net, struct ewc_rng *r)
{
        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *d = &net->stage[l];
                float bound = 1.0f / sqrtf((float)d->cols);

                if (ewc_stage_norm(d)) {
                        for (size_t i = d->w; i < ewc_stage_end(d); i++)
                                net->theta[i] = i < d->b ? 1.0f : 0.0f;
                        continue;
                }
                for (size_t i = d->w; i < ewc_stage_end(d); i++)
                        net->theta[i] = d->type == EWC_LAYER_EMBEDDING ? (float)ewc_rng_normal(r)
                                                                       : bound * (2.0f * ewc_rng_unit(r) - 1.0f);
        }
}

/* Softmax in place of its own output: no scratch, sums in double. */
static void softmax_probs(uint32_t H, const struct ewc_head *head, const float *z, float *probs)
{
        double sum = 0, top = (double)z[ewc_head_out(head, 0)];

        for (uint32_t h = 1; h < H; h++)
                top = fmax(top, (double)z[ewc_head_out(head, h)]);
        for (uint32_t h = 0; h < H; h++)
                sum += exp((double)z[ewc_head_out(head, h)] - top);
        for (uint32_t h = 0; h < H; h++)
                probs[h] = (float)(exp((double)z[ewc_head_out(head, h)] - top) / sum);
}

int ewc_net_probs(const struct ewc_net *net, const struct ewc_head *head, size_t B, const float *y, float *probs)
{
        const struct ewc_spec *s = &net->spec;
        uint32_t H = ewc_head_n(s, head);
        int r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (B == 0 || B > EWC_MAX_BATCH)
                return EWC_E_DIM;
        if (!ewc_finite_all(B * s->n_outputs, y))
                return EWC_E_NONFINITE;
        for (size_t n = 0; n < B; n++) {
                const float *z = y + n * s->n_outputs;
                float *p = probs + n * H;

                if (s->loss == EWC_LOSS_SOFTMAX) {
                        softmax_probs(H, head, z, p);
                        continue;
                }
                for (uint32_t h = 0; h < H; h++) {
                        float v = z[ewc_head_out(head, h)];

                        p[h] = s->loss == EWC_LOSS_SIGMOID ? (float)ewc_sigmoid((double)v) : v;
                }
        }
        return 0;
}
