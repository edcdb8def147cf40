/* laplace.c: posterior variance of the output layer's parameters, of the logits, and the probit link.
 *
 * Plain loops in double: O * D multiply-adds a row, next to the net itself nothing. The features of a row are the
 * last input on the tape of an ordinary forward pass. */
#include <ewc/laplace.h>

#include <math.h>
#include <string.h>

#include "ewc/internal.h"

#define PROBIT 0.39269908169872415481 /* pi / 8 */
#define LEAST_PRIOR 1e-30             /* its variance is still a float */

struct last { /* the output layer in theta */
        size_t w, b;
        uint32_t O, D;
};

static struct last last_of(const struct ewc_spec *s)
{
        const size_t n = ewc_spec_tensors(s);
        struct last ret = {.O = s->n_outputs};
        struct ewc_tensor w, b;

        if (n >= 2 && ewc_spec_tensor(s, n - 2, &w) == 0 && ewc_spec_tensor(s, n - 1, &b) == 0)
                ret = (struct last){w.offset, b.offset, w.rows, w.cols};
        return ret;
}

size_t ewc_laplace_inputs(const struct ewc_spec *s)
{
        return last_of(s).D;
}

size_t ewc_laplace_params(const struct ewc_spec *s)
{
        return (size_t)s->n_outputs * (ewc_laplace_inputs(s) + 1);
}

static bool all_fit(size_t n, const float *fisher)
{
        for (size_t i = 0; i < n; i++) {
                if (!(fisher[i] >= 0.0f) || !isfinite(fisher[i]))
                        return false;
        }
        return true;
}

int ewc_laplace_precision(const struct ewc_spec *s, size_t n, const struct ewc_evidence *recs, double *ret)
{
        const struct last at = last_of(s);
        const size_t W = (size_t)at.O * at.D;

        for (size_t k = 0; k < n; k++) {
                if (!(recs[k].n_samples >= 0) || !(recs[k].factor >= 0))
                        return EWC_E_INVAL;
                if (!isfinite(recs[k].n_samples * recs[k].factor) || !all_fit(W, recs[k].fisher + at.w) ||
                    !all_fit(at.O, recs[k].fisher + at.b))
                        return EWC_E_NONFINITE;
        }
        for (size_t i = 0; i < W + at.O; i++) {
                size_t from = i < W ? at.w + i : at.b + (i - W);

                ret[i] = 0;
                for (size_t k = 0; k < n; k++)
                        ret[i] += recs[k].n_samples * recs[k].factor * (double)recs[k].fisher[from];
        }
        return 0;
}

int ewc_laplace_variance(const struct ewc_spec *s, const double *precision, double prior, float *ret)
{
        const size_t L = ewc_laplace_params(s);

        if (!(prior > 0))
                return EWC_E_INVAL;
        for (size_t i = 0; i < L; i++)
                ret[i] = (float)(1 / (precision[i] + prior));
        return 0;
}

static void carve(const struct ewc_net *net, size_t B, void *base, struct ewc_tape *ret, size_t *ret_used)
{
        struct ewc_carve c = {.base = base};

        ewc_tape_carve(net, B, &c, ret);
        *ret_used = c.used;
}

size_t ewc_laplace_workspace(const struct ewc_net *net, size_t B)
{
        struct ewc_tape tape;
        size_t used;

        carve(net, B < net->block ? B : net->block, NULL, &tape, &used);
        return used;
}

int ewc_laplace_features(const struct ewc_net *net, size_t B, const float *x, float *phi, float *z, void *ws)
{
        const uint32_t last = net->n_stages - 1, I = net->spec.n_inputs;
        const size_t D = net->stage[last].in, O = net->stage[last].out;
        struct ewc_tape tape;
        size_t used;
        int r;

        if (B == 0 || B > EWC_MAX_BATCH)
                return EWC_E_DIM;
        r = ewc_input_check(net, B, x);
        if (r < 0)
                return r;
        carve(net, B < net->block ? B : net->block, ws, &tape, &used);
        for (size_t at = 0; at < B; at += net->block) {
                size_t n = B - at < net->block ? B - at : net->block;

                ewc_tape_forward(net, n, x + at * I, &tape);
                memcpy(phi + at * D, ewc_tape_input(&tape, last, x + at * I), n * D * sizeof(*phi));
                memcpy(z + at * O, tape.a[last], n * O * sizeof(*z));
        }
        return ewc_finite_all(B * I, x) && ewc_finite_all(B * O, z) ? 0 : EWC_E_NONFINITE;
}

void ewc_laplace_logit_variance(
    const struct ewc_spec *s, const float *variance, size_t B, const float *phi, float *f_var)
{
        const struct last at = last_of(s);
        const float *bias = variance + (size_t)at.O * at.D;

        for (size_t n = 0; n < B; n++) {
                for (uint32_t o = 0; o < at.O; o++) {
                        double sum = (double)bias[o];

                        for (size_t d = 0; d < at.D; d++) {
                                double a = (double)phi[n * at.D + d];

                                sum += a * a * (double)variance[(size_t)o * at.D + d];
                        }
                        f_var[n * at.O + o] = (float)sum;
                }
        }
}

static double damped(double z, double variance)
{
        return z / sqrt(1 + PROBIT * variance);
}

/* log sum exp of a row's damped logits over the head; f_var NULL: undamped. */
static double log_total(uint32_t H, const struct ewc_head *head, const float *z, const float *f_var)
{
        double top = -INFINITY, sum = 0;

        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(head, h);

                top = fmax(top, damped((double)z[o], f_var ? (double)f_var[o] : 0));
        }
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(head, h);

                sum += exp(damped((double)z[o], f_var ? (double)f_var[o] : 0) - top);
        }
        return top + log(sum);
}

int ewc_laplace_probs(
    const struct ewc_spec *s, const struct ewc_head *head, size_t B, const float *z, const float *f_var, float *probs)
{
        const uint32_t O = s->n_outputs, H = ewc_head_n(s, head);
        int r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (B == 0 || B > EWC_MAX_BATCH)
                return EWC_E_DIM;
        if (!ewc_finite_all(B * O, z) || !ewc_finite_all(B * O, f_var))
                return EWC_E_NONFINITE;
        for (size_t n = 0; n < B; n++, z += O, f_var += O) {
                double total = s->loss == EWC_LOSS_SOFTMAX ? log_total(H, head, z, f_var) : 0;

                for (uint32_t h = 0; h < H; h++) {
                        uint32_t o = ewc_head_out(head, h);
                        double v = damped((double)z[o], (double)f_var[o]);

                        if (s->loss == EWC_LOSS_SOFTMAX)
                                probs[n * H + h] = (float)exp(v - total);
                        else
                                probs[n * H + h] = s->loss == EWC_LOSS_SIGMOID ? (float)ewc_sigmoid(v) : z[o];
                }
        }
        return 0;
}

struct holdout {
        const struct ewc_spec *s;
        const struct ewc_head *head;
        const double *precision;
        size_t B;
        const float *phi, *z;
        const int32_t *label;
        float *variance, *f_var;
};

static double mean_nll(const struct holdout *h, const float *f_var)
{
        const uint32_t O = h->s->n_outputs, H = ewc_head_n(h->s, h->head);
        double sum = 0;

        for (size_t n = 0; n < h->B; n++) {
                const float *z = h->z + n * O, *v = f_var ? f_var + n * O : NULL;
                int32_t y = h->label[n];

                sum += log_total(H, h->head, z, v) - damped((double)z[y], v ? (double)v[y] : 0);
        }
        return sum / (double)h->B;
}

static double nll_at(const struct holdout *h, double log_prior)
{
        ewc_laplace_variance(h->s, h->precision, pow(10, log_prior), h->variance);
        ewc_laplace_logit_variance(h->s, h->variance, h->B, h->phi, h->f_var);
        return mean_nll(h, h->f_var);
}

static double golden(const struct holdout *h, double low, double high)
{
        const double ratio = 0.61803398874989484820;
        double a = high - ratio * (high - low), b = low + ratio * (high - low);
        double at_a = nll_at(h, a), at_b = nll_at(h, b);

        while (high - low > 0.01) {
                if (at_a <= at_b) {
                        high = b;
                        b = a;
                        at_b = at_a;
                        a = high - ratio * (high - low);
                        at_a = nll_at(h, a);
                } else {
                        low = a;
                        a = b;
                        at_a = at_b;
                        b = low + ratio * (high - low);
                        at_b = nll_at(h, b);
                }
        }
        return (low + high) / 2;
}

static bool label_fits(const struct holdout *h, int32_t label)
{
        const uint32_t H = ewc_head_n(h->s, h->head);

        for (uint32_t i = 0; i < H; i++) {
                if (label >= 0 && ewc_head_out(h->head, i) == (uint32_t)label)
                        return true;
        }
        return false;
}

int ewc_laplace_choose(const struct ewc_spec *s, const struct ewc_head *head, const double *precision, size_t B,
    const float *phi, const float *z, const int32_t *label, double low, double high, float *variance, float *f_var,
    struct ewc_laplace_choice *ret)
{
        const struct holdout h = {s, head, precision, B, phi, z, label, variance, f_var};
        double bottom = log10(low), top = log10(high), best = bottom, best_nll = INFINITY, fine;
        int steps, r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (s->loss != EWC_LOSS_SOFTMAX || B == 0 || !(low >= LEAST_PRIOR) || !(high >= low) || !isfinite(top))
                return EWC_E_INVAL;
        for (size_t n = 0; n < B; n++) {
                if (!label_fits(&h, label[n]))
                        return EWC_E_LABEL;
        }
        if (!ewc_finite_all(B * s->n_outputs, z) || !ewc_finite_all(B * ewc_laplace_inputs(s), phi))
                return EWC_E_NONFINITE;
        steps = (int)ceil((top - bottom) / 0.5);
        for (int i = 0; i <= steps; i++) {
                double at = i < steps ? bottom + 0.5 * i : top, nll = nll_at(&h, at);

                if (nll < best_nll) {
                        best = at;
                        best_nll = nll;
                }
        }
        if (high > low) {
                fine = golden(&h, fmax(bottom, best - 0.5), fmin(top, best + 0.5));
                best = nll_at(&h, fine) < best_nll ? fine : best;
        }
        ret->nll = nll_at(&h, best);
        ret->prior = pow(10, best);
        ret->nll_plain = mean_nll(&h, NULL);
        return 0;
}
