/* mas.c: mean absolute gradients of the squared norm of the outputs, sample by sample.
 *
 * delta at the logits is 2 z over the head. Dense layers take one product of absolute values for all rows at once;
 * layers whose weights serve many positions sum before the absolute value, hence row by row through the ordinary
 * gradient. Products are float, the running sum is double. */
#include <ewc/mas.h>

#include <math.h>
#include <string.h>

#include "ewc/internal.h"

struct space {
        struct ewc_tape tape;
        float *delta[2];      /* (rows at a time, widest layer) */
        float *abs_delta;     /* (rows at a time, widest layer) */
        float *abs_in;        /* (rows at a time, widest input of a dense layer) */
        float *product;       /* largest W of a dense layer */
        float *grad;          /* (P) when a layer goes row by row */
        double *column, *mas; /* (2 * widest layer); (P) this call's sum */
};

static size_t at_a_time(const struct ewc_net *net, size_t B)
{
        return B < net->block ? B : net->block;
}

static size_t space_carve(const struct ewc_net *net, size_t B, void *base, struct space *ret)
{
        struct ewc_carve c = {.base = base};
        const size_t rows = at_a_time(net, B);
        size_t max_in = 0, max_w = 0, P = 0;

        for (uint32_t l = 0; l < net->n_stages; l++) {
                const struct ewc_stage *s = &net->stage[l];

                if (s->type == EWC_LAYER_DENSE) {
                        max_in = s->in > max_in ? s->in : max_in;
                        max_w = (size_t)s->in * s->out > max_w ? (size_t)s->in * s->out : max_w;
                } else if (s->rows > 0) {
                        P = net->n_params;
                }
        }
        ewc_tape_carve(net, rows, &c, &ret->tape);
        ret->delta[0] = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->delta[1] = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->abs_delta = ewc_carve(&c, rows * net->max_out, sizeof(float));
        ret->abs_in = ewc_carve(&c, rows * max_in, sizeof(float));
        ret->product = ewc_carve(&c, max_w, sizeof(float));
        ret->grad = ewc_carve(&c, P, sizeof(float));
        ret->column = ewc_carve(&c, 2 * (size_t)net->max_out, sizeof(double));
        ret->mas = ewc_carve(&c, net->n_params, sizeof(double));
        return c.used;
}

size_t ewc_mas_workspace(const struct ewc_net *net, size_t B)
{
        struct space sp;

        return space_carve(net, B, NULL, &sp);
}

EWC_CLONES static void abs_to(size_t n, const float *restrict x, float *restrict ret)
{
        for (size_t i = 0; i < n; i++)
                ret[i] = x[i] < 0.0f ? -x[i] : x[i];
}

EWC_CLONES static void abs_add(size_t n, const float *restrict x, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += x[i] < 0.0f ? -(double)x[i] : (double)x[i];
}

static void dense_add(const struct ewc_net *net, uint32_t l, size_t n, const float *in, const struct space *sp)
{
        const struct ewc_stage *s = &net->stage[l];

        abs_to(n * s->out, sp->delta[0], sp->abs_delta);
        abs_to(n * s->in, in, sp->abs_in);
        ewc_gemm_tn(net->team, s->out, s->in, n, 1.0f, sp->abs_delta, sp->abs_in, 0.0f, sp->product);
        abs_add((size_t)s->out * s->in, sp->product, sp->mas + s->w);
        for (size_t i = 0; i < n; i++)
                abs_add(s->out, sp->abs_delta + i * s->out, sp->mas + s->b);
}

static void shared_add(const struct ewc_net *net, uint32_t l, size_t n, const float *x, const struct space *sp)
{
        const struct ewc_stage *s = &net->stage[l];

        for (size_t i = 0; i < n; i++) {
                struct ewc_tape row;

                ewc_tape_rows(net, &sp->tape, i, &row);
                ewc_stage_grad(net, l, 1, x + i * net->spec.n_inputs, &row, sp->delta[0] + i * s->out, 1.0f, 0.0f,
                    sp->grad, sp->column);
                abs_add(ewc_stage_end(s) - s->w, sp->grad + s->w, sp->mas + s->w);
        }
}

static void rows_add(
    const struct ewc_net *net, const struct ewc_head *head, size_t n, const float *x, struct space *sp)
{
        const uint32_t O = net->spec.n_outputs, H = ewc_head_n(&net->spec, head);
        const float *z = sp->tape.a[net->n_stages - 1];

        memset(sp->delta[0], 0, n * O * sizeof(float));
        for (size_t i = 0; i < n; i++) {
                for (uint32_t h = 0; h < H; h++) {
                        size_t at = i * O + ewc_head_out(head, h);

                        sp->delta[0][at] = 2.0f * z[at];
                }
        }
        for (uint32_t l = net->n_stages; l-- > net->first_params;) {
                float *delta = sp->delta[0];

                if (net->stage[l].type == EWC_LAYER_DENSE)
                        dense_add(net, l, n, ewc_tape_input(&sp->tape, l, x), sp);
                else if (net->stage[l].rows > 0)
                        shared_add(net, l, n, x, sp);
                if (l > net->first_params) {
                        ewc_stage_back(net, l, n, 1, &sp->tape, delta, sp->delta[1]);
                        sp->delta[0] = sp->delta[1];
                        sp->delta[1] = delta;
                }
        }
}

int ewc_mas_add(
    const struct ewc_net *net, const struct ewc_head *head, size_t B, const float *x, double *sum, void *ws)
{
        const uint32_t O = net->spec.n_outputs, I = net->spec.n_inputs;
        const size_t rows = at_a_time(net, B);
        struct space sp;
        int r = ewc_head_check(&net->spec, head);

        if (r < 0)
                return r;
        if (B == 0 || B > EWC_MAX_BATCH)
                return EWC_E_DIM;
        r = ewc_input_check(net, B, x);
        if (r < 0)
                return r;
        if (!ewc_finite_all(B * I, x))
                return EWC_E_NONFINITE;
        space_carve(net, B, ws, &sp);
        memset(sp.mas, 0, net->n_params * sizeof(*sp.mas));
        for (size_t n0 = 0; n0 < B; n0 += rows) {
                size_t n = B - n0 < rows ? B - n0 : rows;

                ewc_tape_forward(net, n, x + n0 * I, &sp.tape);
                if (!ewc_finite_all(n * O, sp.tape.a[net->n_stages - 1]))
                        return EWC_E_NONFINITE;
                rows_add(net, head, n, x + n0 * I, &sp);
        }
        if (!ewc_finite_sums(net->n_params, sp.mas))
                return EWC_E_NONFINITE;
        for (size_t i = 0; i < net->n_params; i++)
                sum[i] += sp.mas[i];
        return 0;
}

int ewc_mas_finish(const struct ewc_spec *s, const struct ewc_head *head, uint64_t n, const double *sum, float *omega,
    double *ret_factor)
{
        const size_t P = ewc_spec_params(s);
        double trace = 0, factor;
        int r = ewc_head_check(s, head);

        if (r < 0)
                return r;
        if (n == 0)
                return EWC_E_INVAL;
        for (size_t i = 0; i < P; i++) {
                if (!(sum[i] >= 0) || !isfinite(sum[i]))
                        return EWC_E_NONFINITE;
                trace += sum[i];
        }
        factor = trace / (double)n / (double)ewc_spec_protected(s, head);
        if (!isfinite(factor))
                return EWC_E_NONFINITE;
        for (size_t i = 0; i < P; i++)
                omega[i] = factor > 0 ? (float)(sum[i] / (double)n / factor) : 0.0f;
        *ret_factor = factor;
        return 0;
}
