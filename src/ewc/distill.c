/* distill.c: gradient of the label loss and of any number of terms that compare logits with stored ones.
 *
 * Every term is a sum over rows of a function of the logits alone, so all of them add up to one delta per row, and a
 * single backward pass serves them all. Rows of a term run in double; only delta is float. */
#include <ewc/distill.h>

#include <math.h>
#include <string.h>

#include "ewc/internal.h"

struct space {
        struct ewc_tape tape;
        float *delta[2]; /* (rows at a time, widest layer) */
        double *column;  /* (2 * widest layer) */
        double *p, *q;   /* (O) */
};

static size_t at_a_time(const struct ewc_net *net, size_t B)
{
        return B < net->block ? B : net->block;
}

static size_t space_carve(const struct ewc_net *net, size_t B, void *base, struct space *ret)
{
        struct ewc_carve c = {.base = base};
        const size_t rows = at_a_time(net, B);

        ewc_tape_carve(net, rows, &c, &ret->tape);
        ret->delta[0] = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->delta[1] = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->column = ewc_carve(&c, 2 * (size_t)net->max_out, sizeof(double));
        ret->p = ewc_carve(&c, net->spec.n_outputs, sizeof(double));
        ret->q = ewc_carve(&c, net->spec.n_outputs, sizeof(double));
        return c.used;
}

size_t ewc_distill_workspace(const struct ewc_net *net, size_t B)
{
        struct space sp;

        return space_carve(net, B, NULL, &sp);
}

int ewc_distill_weigh(enum ewc_distill_weights rule, uint64_t n, double *ret_label, double *ret_distill)
{
        double label = 1, distill = 1;

        if (n == 0)
                return EWC_E_INVAL;
        switch (rule) {
        case EWC_DISTILL_LWF:
                distill = (double)(n - 1);
                break;
        case EWC_DISTILL_SHARE:
                label = 1 / (double)n;
                distill = 1 - label;
                break;
        case EWC_DISTILL_EQUAL:
                distill = n > 1 ? 1 : 0;
                break;
        default:
                return EWC_E_INVAL;
        }
        *ret_label = label;
        *ret_distill = distill;
        return 0;
}

/* p (H) = softmax(z / T), returns log of the normaliser: log p_h = z_h / T - it. */
static double warm_softmax(uint32_t H, const struct ewc_head *head, const float *z, double T, double *p)
{
        double top = -INFINITY, sum = 0;

        for (uint32_t h = 0; h < H; h++)
                top = fmax(top, (double)z[ewc_head_out(head, h)] / T);
        for (uint32_t h = 0; h < H; h++) {
                p[h] = exp((double)z[ewc_head_out(head, h)] / T - top);
                sum += p[h];
        }
        for (uint32_t h = 0; h < H; h++)
                p[h] /= sum;
        return top + log(sum);
}

/* The three terms of one row: the value, and delta (O) += gain * d term / dz. */
static double softmax_term(uint32_t H, const struct ewc_distill *t, const float *old, const float *z, double gain,
    double *p, double *q, float *delta)
{
        double total = warm_softmax(H, t->head, z, t->temperature, p), sum = 0;

        warm_softmax(H, t->head, old, t->temperature, q);
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(t->head, h);

                sum += q[h] * (total - (double)z[o] / t->temperature);
                delta[o] += (float)(gain * (p[h] - q[h]) / t->temperature);
        }
        return sum;
}

static double sigmoid_term(
    uint32_t H, const struct ewc_distill *t, const float *old, const float *z, double gain, float *delta)
{
        double sum = 0;

        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(t->head, h);
                double v = (double)z[o] / t->temperature, q = ewc_sigmoid((double)old[o] / t->temperature);

                sum += fmax(v, 0) - v * q + log1p(exp(-fabs(v)));
                delta[o] += (float)(gain * (ewc_sigmoid(v) - q) / t->temperature);
        }
        return sum;
}

static double logits_term(
    uint32_t H, const struct ewc_distill *t, const float *old, const float *z, double gain, float *delta)
{
        double sum = 0;

        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(t->head, h);
                double d = (double)z[o] - (double)old[o];

                sum += d * d / H;
                delta[o] += (float)(gain * 2 * d / H);
        }
        return sum;
}

static double term_row(const struct ewc_spec *s, const struct ewc_distill *t, size_t n, const float *z,
    const struct space *sp, float *delta)
{
        const uint32_t H = ewc_head_n(s, t->head);
        const float *old = t->logits + n * s->n_outputs;
        double t2 = t->times_t2 ? t->temperature * t->temperature : 1; /* KD */

        if (t->kind == EWC_DISTILL_LOGITS)
                return logits_term(H, t, old, z, t->weight, delta);
        if (s->loss == EWC_LOSS_SIGMOID)
                return t2 * sigmoid_term(H, t, old, z, t->weight * t2, delta);
        return t2 * softmax_term(H, t, old, z, t->weight * t2, sp->p, sp->q, delta);
}

static double label_row(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b, size_t n,
    const float *z, double label_weight, double *p, float *delta)
{
        double loss = ewc_loss_row(net, head, b, n, z, p, delta);
        float times = (float)label_weight;

        if (b->weight) {
                loss *= (double)b->weight[n];
                times *= b->weight[n];
        }
        for (uint32_t o = 0; times != 1.0f && o < net->spec.n_outputs; o++)
                delta[o] *= times;
        return loss;
}

static int terms_check(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    double label_weight, size_t n_terms, const struct ewc_distill *terms)
{
        int r = ewc_head_check(&net->spec, head);

        if (!(label_weight >= 0) || !isfinite(label_weight))
                return EWC_E_INVAL;
        if (r == 0 && label_weight > 0)
                r = ewc_batch_check(net, head, b);
        if (r == 0 && (b->n == 0 || b->n > EWC_MAX_BATCH))
                r = EWC_E_DIM;
        if (r == 0 && !b->x)
                r = EWC_E_INVAL;
        if (r == 0)
                r = ewc_input_check(net, b->n, b->x);
        for (size_t i = 0; r == 0 && i < n_terms; i++) {
                const struct ewc_distill *t = &terms[i];
                bool kd = t->kind == EWC_DISTILL_KD;

                if ((!kd && t->kind != EWC_DISTILL_LOGITS) || !t->logits || !(t->weight >= 0) ||
                    !isfinite(t->weight) || (kd && (!(t->temperature > 0) || !isfinite(t->temperature))) ||
                    (kd && net->spec.loss == EWC_LOSS_SQUARED))
                        return EWC_E_INVAL;
                r = ewc_head_check(&net->spec, t->head);
        }
        return r;
}

static void backward(
    const struct ewc_net *net, size_t n, const float *x, struct space *sp, float alpha, float beta, float *grad)
{
        for (uint32_t l = net->n_stages; l-- > net->first_params;) {
                float *delta = sp->delta[0];

                ewc_stage_grad(net, l, n, x, &sp->tape, delta, alpha, beta, grad, sp->column);
                if (l > net->first_params) {
                        ewc_stage_back(net, l, n, 1, &sp->tape, delta, sp->delta[1]);
                        sp->delta[0] = sp->delta[1];
                        sp->delta[1] = delta;
                }
        }
}

int ewc_distill_grad(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b,
    double label_weight, size_t n_terms, const struct ewc_distill *terms, double scale, bool add, float *grad,
    double *ret_loss, double *ret_terms, void *ws)
{
        const uint32_t O = net->spec.n_outputs, I = net->spec.n_inputs;
        const float alpha = (float)(scale / (double)b->n);
        const size_t rows = at_a_time(net, b->n);
        double loss = 0;
        struct space sp;
        int r = terms_check(net, head, b, label_weight, n_terms, terms);

        if (r < 0)
                return r;
        space_carve(net, b->n, ws, &sp);
        for (size_t i = 0; ret_terms && i < n_terms; i++)
                ret_terms[i] = 0;
        for (size_t n0 = 0; n0 < b->n; n0 += rows) {
                size_t n = b->n - n0 < rows ? b->n - n0 : rows;
                const float *z = sp.tape.a[net->n_stages - 1];

                ewc_tape_train(net, n, b->x + n0 * I, b->rng, &sp.tape);
                for (size_t i = 0; i < n; i++) {
                        float *delta = sp.delta[0] + i * O;

                        memset(delta, 0, O * sizeof(*delta));
                        if (label_weight > 0)
                                loss += label_weight *
                                        label_row(net, head, b, n0 + i, z + i * O, label_weight, sp.p, delta);
                        for (size_t t = 0; t < n_terms; t++) {
                                double v = term_row(&net->spec, &terms[t], n0 + i, z + i * O, &sp, delta);

                                loss += terms[t].weight * v;
                                if (ret_terms)
                                        ret_terms[t] += v / (double)b->n;
                        }
                }
                backward(net, n, b->x + n0 * I, &sp, alpha, add || n0 > 0 ? 1.0f : 0.0f, grad);
        }
        loss /= (double)b->n;
        if (!isfinite(loss) || !isfinite(scale) || !ewc_finite_all(b->n * I, b->x))
                return EWC_E_NONFINITE;
        *ret_loss = loss;
        return 0;
}
