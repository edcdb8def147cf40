/* net.c: a net object, its forward pass for predictions, probabilities.
 *
 * The object and theta are one block. Forward needs no more than two buffers as wide as the widest hidden layer,
 * used in turn; logits go straight to the caller. Reads the net only. It runs on rows.c, on the caller's thread: a
 * row gets the same bits alone and in any batch. */
#include "ewc/internal.h"

#include <math.h>
#include <string.h>

static void net_fill(struct ewc_net *net, const struct ewc_spec *s)
{
        net->spec = *s;
        net->n_params = ewc_spec_params(s);
        net->n_dense = s->n_layers + 1;
        net->max_hidden = 0;
        for (uint32_t l = 0; l < net->n_dense; l++) {
                ewc_spec_dense(s, l, &net->dense[l]);
                if (l < s->n_layers && net->dense[l].out > net->max_hidden)
                        net->max_hidden = net->dense[l].out;
        }
        net->max_out = net->max_hidden > s->n_outputs ? net->max_hidden : s->n_outputs;
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
        for (uint32_t l = 0; l < net->n_dense; l++) {
                const struct ewc_dense *d = &net->dense[l];
                float bound = 1.0f / sqrtf((float)d->in);

                for (size_t i = d->w; i < d->b + d->out; i++)
                        net->theta[i] = bound * (2.0f * ewc_rng_unit(r) - 1.0f);
        }
}

static void forward_carve(const struct ewc_net *net, size_t B, struct ewc_carve *c, float *ret[2])
{
        ret[0] = ewc_carve(c, B * net->max_hidden, sizeof(float));
        ret[1] = ewc_carve(c, B * net->max_hidden, sizeof(float));
}

size_t ewc_net_workspace(const struct ewc_net *net, size_t B)
{
        struct ewc_carve c = {0};
        float *buffer[2];

        forward_carve(net, B, &c, buffer);
        return c.used;
}

int ewc_net_forward(const struct ewc_net *net, size_t B, const float *x, float *y, void *ws)
{
        struct ewc_carve c = {.base = ws};
        const float *in = x;
        float *buffer[2];

        if (B == 0 || B > EWC_MAX_BATCH)
                return EWC_E_DIM;
        forward_carve(net, B, &c, buffer);
        for (uint32_t l = 0; l < net->n_dense; l++) {
                const struct ewc_dense *d = &net->dense[l];
                float *out = l + 1 == net->n_dense ? y : buffer[l % 2];

                ewc_rows_product(B, d->out, d->in, in, net->theta + d->w, out);
                ewc_act_forward(d->activation, B, d->out, net->theta + d->b, out, NULL);
                in = out;
        }
        /* The input is looked at too: tanh and sigmoid turn an infinity into a plain 1. */
        if (!ewc_finite_all(B * net->spec.n_outputs, y) || !ewc_finite_all(B * net->spec.n_inputs, x))
                return EWC_E_NONFINITE;
        return 0;
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
