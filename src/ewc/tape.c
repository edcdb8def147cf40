/* tape.c: one pass of any net, stage by stage: forward onto a tape, gradients and deltas back down.
 *
 * The tape keeps every stage's output and whatever its backward needs besides. A flatten has no output of its own:
 * the layer above reads through it. Which function serves which type is decided here and nowhere else. */
#include "ewc/layers.h"

#include <string.h>

void ewc_tape_carve(const struct ewc_net *net, size_t B, struct ewc_carve *c, struct ewc_tape *ret)
{
        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *s = &net->stage[l];

                ret->a[l] = ret->slope[l] = NULL;
                ret->aux[l] = NULL;
                if (s->type == EWC_LAYER_FLATTEN)
                        continue;
                ret->a[l] = ewc_carve(c, B * s->out, sizeof(float));
                if (ewc_act_keeps_slope(s->activation) || s->type == EWC_LAYER_DROPOUT)
                        ret->slope[l] = ewc_carve(c, B * s->out, sizeof(float));
                if (s->aux > 0)
                        ret->aux[l] = ewc_carve(c, B * s->aux, sizeof(uint32_t));
        }
        ret->scratch = ewc_carve(c, net->scratch, sizeof(float));
}

const float *ewc_tape_input(const struct ewc_tape *tape, uint32_t l, const float *x)
{
        for (; l > 0; l--) {
                if (tape->a[l - 1])
                        return tape->a[l - 1];
        }
        return x;
}

void ewc_tape_rows(const struct ewc_net *net, const struct ewc_tape *tape, size_t n, struct ewc_tape *ret)
{
        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *s = &net->stage[l];

                ret->a[l] = tape->a[l] ? tape->a[l] + n * s->out : NULL;
                ret->slope[l] = tape->slope[l] ? tape->slope[l] + n * s->out : NULL;
                ret->aux[l] = tape->aux[l] ? (uint32_t *)tape->aux[l] + n * s->aux : NULL;
        }
        ret->scratch = tape->scratch;
}

int ewc_input_check(const struct ewc_net *net, size_t B, const float *x)
{
        const struct ewc_stage *s = &net->stage[0];

        return s->type == EWC_LAYER_EMBEDDING ? ewc_embed_check(s, B * s->in, x) : 0;
}

static void stage_forward(
    const struct ewc_net *net, uint32_t l, size_t B, const float *x, struct ewc_rng *rng, const struct ewc_tape *t)
{
        const struct ewc_stage *s = &net->stage[l];

        switch (s->type) {
        case EWC_LAYER_DENSE:
                ewc_dense_forward(net, l, B, x, t->a[l], t->slope[l]);
                break;
        case EWC_LAYER_CONV:
                ewc_conv_forward(net, l, B, x, t->scratch, t->a[l], t->slope[l]);
                break;
        case EWC_LAYER_MAX_POOL:
                ewc_max_pool_forward(s, B, x, t->a[l], t->aux[l]);
                break;
        case EWC_LAYER_AVG_POOL:
        case EWC_LAYER_GLOBAL_AVG_POOL:
                ewc_avg_pool_forward(s, B, x, t->a[l]);
                break;
        case EWC_LAYER_FLATTEN:
                break;
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                ewc_norm_forward(net, l, B, x, (void *)t->scratch, t->a[l], t->slope[l], t->aux[l]);
                break;
        case EWC_LAYER_DROPOUT:
                ewc_dropout_forward(s, B, x, rng, t->a[l], t->slope[l]);
                break;
        case EWC_LAYER_EMBEDDING:
                ewc_embed_forward(net, l, B, x, t->a[l]);
                break;
        }
}

void ewc_tape_train(
    const struct ewc_net *net, size_t B, const float *x, struct ewc_rng *rng, const struct ewc_tape *tape)
{
        for (uint32_t l = 0; l < net->n_stages; l++)
                stage_forward(net, l, B, ewc_tape_input(tape, l, x), rng, tape);
}

void ewc_tape_forward(const struct ewc_net *net, size_t B, const float *x, const struct ewc_tape *tape)
{
        ewc_tape_train(net, B, x, NULL, tape);
}

void ewc_stage_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const struct ewc_tape *tape,
    const float *delta, float alpha, float beta, float *grad, double *column)
{
        const float *in = ewc_tape_input(tape, l, x);

        switch (net->stage[l].type) {
        case EWC_LAYER_DENSE:
                ewc_dense_grad(net, l, B, in, delta, alpha, beta, grad, column);
                break;
        case EWC_LAYER_CONV:
                ewc_conv_grad(net, l, B, in, delta, alpha, beta, grad, column, tape->scratch);
                break;
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                ewc_norm_grad(net, l, B, tape->aux[l], delta, alpha, beta, grad, column);
                break;
        case EWC_LAYER_EMBEDDING:
                ewc_embed_grad(net, l, B, in, delta, alpha, beta, grad);
                break;
        case EWC_LAYER_MAX_POOL:
        case EWC_LAYER_AVG_POOL:
        case EWC_LAYER_GLOBAL_AVG_POOL:
        case EWC_LAYER_FLATTEN:
        case EWC_LAYER_DROPOUT:
                break; /* no parameters */
        }
}

static void back_by_type(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const struct ewc_tape *t,
    const float *delta, float *ret)
{
        const struct ewc_stage *s = &net->stage[l];

        switch (s->type) {
        case EWC_LAYER_CONV:
                ewc_conv_back(net, l, B * repeat, delta, t->scratch, ret);
                break;
        case EWC_LAYER_MAX_POOL:
                ewc_max_pool_back(s, B, repeat, t->aux[l], delta, ret);
                break;
        case EWC_LAYER_AVG_POOL:
        case EWC_LAYER_GLOBAL_AVG_POOL:
                ewc_avg_pool_back(s, B * repeat, delta, ret);
                break;
        case EWC_LAYER_GROUP_NORM:
        case EWC_LAYER_LAYER_NORM:
                ewc_norm_back(net, l, B, repeat, t->aux[l], delta, (void *)t->scratch, ret);
                break;
        case EWC_LAYER_FLATTEN:
        case EWC_LAYER_DROPOUT:
                memcpy(ret, delta, B * repeat * s->out * sizeof(*ret));
                if (t->slope[l])
                        ewc_slope_backward(B, s->out, repeat, t->slope[l], ret);
                break;
        case EWC_LAYER_DENSE:     /* with its own function */
        case EWC_LAYER_EMBEDDING: /* nothing below it */
                break;
        }
}

void ewc_stage_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const struct ewc_tape *tape,
    const float *delta, float *ret)
{
        const struct ewc_stage *below = &net->stage[l - 1];

        if (net->stage[l].type == EWC_LAYER_DENSE) {
                ewc_dense_back(net, l, B, repeat, tape, delta, ret);
                return;
        }
        back_by_type(net, l, B, repeat, tape, delta, ret);
        if (below->activation != EWC_ACT_NONE)
                ewc_act_backward(below->activation, B, below->out, repeat, tape->a[l - 1], tape->slope[l - 1], ret);
}
