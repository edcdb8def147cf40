/* train.c: gradient of the mean loss of a batch, and scoring.
 *
 * One forward pass onto a tape, one backward pass with two delta buffers used in turn. The factor scale/B enters as
 * alpha of the weight products, so delta stays free of it. Nets with more than dense layers take the batch in blocks
 * of rows (net->block), which bounds the tape; a dense net's batch is one block. */
#include "ewc/internal.h"

#include <math.h>

struct space {
        struct ewc_tape tape;
        float *delta[2]; /* (B, widest layer) */
        double *column;  /* (widest layer) */
        double *p;       /* (O) */
};

struct ewc_batch ewc_batch_rows(const struct ewc_net *net, const struct ewc_batch *b, size_t n0, size_t n)
{
        struct ewc_batch part = *b;

        part.n = n;
        part.x += n0 * net->spec.n_inputs;
        part.label = b->label ? b->label + n0 : NULL;
        part.target = b->target ? b->target + n0 * net->spec.n_outputs : NULL;
        part.weight = b->weight ? b->weight + n0 : NULL;
        return part;
}

static size_t block_rows(const struct ewc_net *net, size_t B)
{
        return B < net->block ? B : net->block;
}

static size_t space_carve(const struct ewc_net *net, size_t B, void *base, struct space *ret)
{
        struct ewc_carve c = {.base = base};
        const size_t n = block_rows(net, B);

        ewc_tape_carve(net, n, &c, &ret->tape);
        ret->delta[0] = ewc_carve(&c, n * net->max_out, sizeof(float));
        ret->delta[1] = ewc_carve(&c, n * net->max_out, sizeof(float));
        ret->column = ewc_carve(&c, 2 * (size_t)net->max_out, sizeof(double));
        ret->p = ewc_carve(&c, net->spec.n_outputs, sizeof(double));
        return c.used;
}

size_t ewc_train_workspace(const struct ewc_net *net, size_t B)
{
        struct space sp;

        return space_carve(net, B, NULL, &sp);
}

/* Sum of the weighted losses of a block; its deltas into sp->delta[0]. */
static double loss_and_delta(
    const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b, const struct space *sp)
{
        const uint32_t O = net->spec.n_outputs;
        const float *z = sp->tape.a[net->n_stages - 1];
        double sum = 0;

        for (size_t n = 0; n < b->n; n++) {
                float *delta = sp->delta[0] + n * O;
                double loss = ewc_loss_row(net, head, b, n, z + n * O, sp->p, delta);

                if (b->weight) {
                        loss *= (double)b->weight[n];
                        for (uint32_t o = 0; o < O; o++)
                                delta[o] *= b->weight[n];
                }
                sum += loss;
        }
        return sum;
}

/* grad = beta grad + alpha * gradient of a block whose deltas are in sp->delta[0]. */
static void backward(
    const struct ewc_net *net, const struct ewc_batch *b, struct space *sp, float alpha, float beta, float *grad)
{
        for (uint32_t l = net->n_stages; l-- > net->first_params;) {
                float *swap = sp->delta[0];

                ewc_stage_grad(net, l, b->n, b->x, &sp->tape, sp->delta[0], alpha, beta, grad, sp->column);
                if (l == net->first_params)
                        break;
                ewc_stage_back(net, l, b->n, 1, &sp->tape, sp->delta[0], sp->delta[1]);
                sp->delta[0] = sp->delta[1];
                sp->delta[1] = swap;
        }
}

static int check_input(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b)
{
        int r = ewc_batch_check(net, head, b);

        return r < 0 ? r : ewc_input_check(net, b->n, b->x);
}

int ewc_train_grad(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b, double scale,
    bool add, float *grad, double *ret_loss, void *ws)
{
        struct space sp;
        float alpha;
        double loss = 0;
        int r = check_input(net, head, b);

        if (r < 0)
                return r;
        space_carve(net, b->n, ws, &sp);
        if (!isfinite(scale) || !ewc_finite_all(b->n * net->spec.n_inputs, b->x))
                return EWC_E_NONFINITE;
        alpha = (float)(scale / (double)b->n);
        for (size_t n = 0; n < b->n; n += net->block) {
                const struct ewc_batch part = ewc_batch_rows(net, b, n, block_rows(net, b->n - n));

                ewc_tape_train(net, part.n, part.x, part.rng, &sp.tape);
                loss += loss_and_delta(net, head, &part, &sp);
                if (!isfinite(loss))
                        return EWC_E_NONFINITE;
                backward(net, &part, &sp, alpha, add || n > 0 ? 1.0f : 0.0f, grad);
        }
        *ret_loss = loss / (double)b->n;
        return 0;
}

/* p: the row's probabilities over the head, as ewc_loss_row left them; softmax only. */
static struct ewc_answer row_answer(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    size_t n, const float *z, const double *p)
{
        const struct ewc_spec *s = &net->spec;
        const bool softmax = s->loss == EWC_LOSS_SOFTMAX;
        uint32_t H = ewc_head_n(s, head), top = 0;
        bool right = s->loss == EWC_LOSS_SIGMOID;

        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(head, h);

                if (s->loss == EWC_LOSS_SIGMOID && (b->target[n * s->n_outputs + o] > 0.5f) != (z[o] > 0.0f))
                        right = false;
                top = z[o] > z[ewc_head_out(head, top)] ? h : top;
        }
        if (!softmax)
                return (struct ewc_answer){.right = right, .probability = (double)NAN};
        return (struct ewc_answer){.top = ewc_head_out(head, top),
            .right = ewc_head_out(head, top) == (uint32_t)b->label[n],
            .probability = p[top]};
}

static int score_rows(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    struct ewc_score *score, struct ewc_answer *ret, void *ws)
{
        const uint32_t O = net->spec.n_outputs;
        struct ewc_score got = {.n = b->n};
        struct space sp;
        int r = check_input(net, head, b);

        if (r < 0)
                return r;
        space_carve(net, b->n, ws, &sp);
        for (size_t n0 = 0; n0 < b->n; n0 += net->block) {
                const struct ewc_batch part = ewc_batch_rows(net, b, n0, block_rows(net, b->n - n0));

                ewc_tape_forward(net, part.n, part.x, &sp.tape);
                for (size_t n = 0; n < part.n; n++) {
                        const float *z = sp.tape.a[net->n_stages - 1] + n * O;
                        struct ewc_answer answer;

                        got.loss_sum += ewc_loss_row(net, head, &part, n, z, sp.p, NULL);
                        answer = row_answer(net, head, &part, n, z, sp.p);
                        got.correct += answer.right;
                        if (ret)
                                ret[n0 + n] = answer;
                }
        }
        if (!isfinite(got.loss_sum) || !ewc_finite_all(b->n * net->spec.n_inputs, b->x))
                return EWC_E_NONFINITE;
        score->n += got.n;
        score->correct += got.correct;
        score->loss_sum += got.loss_sum;
        return 0;
}

int ewc_train_score(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    struct ewc_score *score, void *ws)
{
        return score_rows(net, head, b, score, NULL, ws);
}

int ewc_train_answers(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    struct ewc_score *score, struct ewc_answer *ret, void *ws)
{
        return score_rows(net, head, b, score, ret, ws);
}
