/* loss.c: softmax cross-entropy, sigmoid cross-entropy and squared error over the active outputs of a head.
 *
 * Row by row in double; only the logits and the resulting delta are float. Where 1 - p would cancel, the sum of the
 * other probabilities is used instead: the gradient of a confident net keeps its relative precision, and with it the
 * Fisher. Delta carries neither 1/B nor the sample's weight. */
#include "ewc/internal.h"

#include <math.h>
#include <string.h>

double ewc_sigmoid(double z)
{
        double e = exp(-fabs(z));

        return z >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static bool head_has(const struct ewc_head *head, uint32_t O, int32_t label)
{
        uint32_t lo = 0, hi, want = (uint32_t)label;

        if (label < 0 || want >= O)
                return false;
        if (!head)
                return true;
        for (hi = head->n; lo < hi;) {
                uint32_t mid = lo + (hi - lo) / 2;

                if (head->out[mid] < want)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo < head->n && head->out[lo] == want;
}

/* NaN passes: the loss it gives is what is refused. */
static bool targets_fit(const struct ewc_spec *s, const struct ewc_head *head, const struct ewc_batch *b)
{
        const uint32_t H = ewc_head_n(s, head);

        for (size_t n = 0; n < b->n; n++) {
                for (uint32_t h = 0; h < H; h++) {
                        const float t = b->target[n * s->n_outputs + ewc_head_out(head, h)];

                        if (t < 0.0f || t > 1.0f)
                                return false;
                }
        }
        return true;
}

int ewc_batch_check(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b)
{
        const struct ewc_spec *s = &net->spec;
        int r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (b->n == 0 || b->n > EWC_MAX_BATCH)
                return EWC_E_DIM;
        if (!b->x || (s->loss == EWC_LOSS_SOFTMAX ? !b->label : !b->target))
                return EWC_E_INVAL;
        for (size_t n = 0; s->loss == EWC_LOSS_SOFTMAX && n < b->n; n++) {
                if (!head_has(head, s->n_outputs, b->label[n]))
                        return EWC_E_LABEL;
        }
        for (size_t n = 0; b->weight && n < b->n; n++) {
                if (b->weight[n] < 0 || isinf(b->weight[n]))
                        return EWC_E_INVAL;
        }
        return s->loss != EWC_LOSS_SIGMOID || targets_fit(s, head, b) ? 0 : EWC_E_INVAL;
}

double ewc_softmax_row(uint32_t H, const struct ewc_head *head, const float *z, double *p, uint32_t *ret_top)
{
        uint32_t top = 0;
        double rest = 0, zmax, scale;

        for (uint32_t h = 1; h < H; h++) {
                if (z[ewc_head_out(head, h)] > z[ewc_head_out(head, top)])
                        top = h;
        }
        zmax = (double)z[ewc_head_out(head, top)];
        for (uint32_t h = 0; h < H; h++) {
                p[h] = exp((double)z[ewc_head_out(head, h)] - zmax);
                rest += h == top ? 0 : p[h];
        }
        scale = 1 / (1 + rest);
        for (uint32_t h = 0; h < H; h++)
                p[h] *= scale;
        *ret_top = top;
        return rest;
}

static double softmax_loss(
    uint32_t H, const struct ewc_head *head, const float *z, int32_t label, double *p, float *delta)
{
        uint32_t top, y = (uint32_t)label;
        double rest = ewc_softmax_row(H, head, z, p, &top);
        double gap = (double)z[y] - (double)z[ewc_head_out(head, top)];

        if (delta) {
                for (uint32_t h = 0; h < H; h++)
                        delta[ewc_head_out(head, h)] = (float)p[h];
                if (y == ewc_head_out(head, top))
                        delta[y] = (float)(-rest / (1 + rest));
                else
                        delta[y] -= 1.0f;
        }
        return log1p(rest) - gap;
}

static double sigmoid_loss(double z, double t, float *delta)
{
        if (delta) {
                /* p - t without cancellation when t is 1 */
                *delta = (float)(t == 1 ? -ewc_sigmoid(-z) : ewc_sigmoid(z) - t);
        }
        return fmax(z, 0) - z * t + log1p(exp(-fabs(z)));
}

double ewc_loss_row(const struct ewc_net *net, const struct ewc_head *head, const struct ewc_batch *b, size_t n,
    const float *z, double *p, float *delta)
{
        const struct ewc_spec *s = &net->spec;
        uint32_t H = ewc_head_n(s, head);
        double sum = 0;

        if (delta)
                memset(delta, 0, s->n_outputs * sizeof(*delta));
        if (s->loss == EWC_LOSS_SOFTMAX)
                return softmax_loss(H, head, z, b->label[n], p, delta);
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(head, h);
                double v = (double)z[o], t = (double)b->target[n * s->n_outputs + o];

                if (s->loss == EWC_LOSS_SIGMOID) {
                        sum += sigmoid_loss(v, t, delta ? &delta[o] : NULL);
                } else {
                        sum += 0.5 * (v - t) * (v - t);
                        if (delta)
                                delta[o] = (float)(v - t);
                }
        }
        return sum;
}
