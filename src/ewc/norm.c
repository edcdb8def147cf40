/* norm.c: group and layer normalisation, forward and backward side by side.
 *
 * A row is one cell of all its positions (group_norm) or one cell per position (layer_norm); a cell's channels fall
 * into groups, and each group of a cell is normalised by itself:
 * Forward    xhat = (x - mean) r, r = 1 / sqrt(var + eps);  y = act(gamma o xhat + beta)
 * Backward   g = delta o gamma;  dx = r (g - mean(g) - xhat mean(g o xhat))
 *            dgamma = sum of delta o xhat, dbeta = sum of delta, over the positions of a row and the rows
 * Per-sample squares take the sum over the positions first (continual-learning, 3.5). Nothing is shared between rows,
 * so training and serving agree. Sums run in double, channel by channel, then over the channels of a group. */
#include "ewc/layers.h"

#include <math.h>
#include <string.h>

static const double EPS = 1e-5;

static size_t cells_of(const struct ewc_stage *s)
{
        return s->type == EWC_LAYER_LAYER_NORM ? (size_t)s->from.h * s->from.w : 1;
}

static size_t positions_of(const struct ewc_stage *s)
{
        return s->type == EWC_LAYER_LAYER_NORM ? 1 : (size_t)s->from.h * s->from.w;
}

uint32_t ewc_norm_aux(const struct ewc_stage *s)
{
        return s->out + (uint32_t)cells_of(s) * s->groups;
}

EWC_CLONES static void add_to(size_t n, const float *restrict x, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += (double)x[i];
}

EWC_CLONES static void add_deviations(
    size_t n, const float *restrict x, const double *restrict mean, double *restrict sum)
{
        for (size_t i = 0; i < n; i++) {
                const double d = (double)x[i] - mean[i];

                sum[i] += d * d;
        }
}

EWC_CLONES static void normalise(
    size_t n, const float *restrict x, const double *restrict mean, const double *restrict r, float *restrict xhat)
{
        for (size_t i = 0; i < n; i++)
                xhat[i] = (float)(((double)x[i] - mean[i]) * r[i]);
}

EWC_CLONES static void multiply_by(size_t n, const float *restrict by, float *restrict x)
{
        for (size_t i = 0; i < n; i++)
                x[i] *= by[i];
}

EWC_CLONES static void add_products(size_t n, const float *restrict x, const float *restrict by, double *restrict sum)
{
        for (size_t i = 0; i < n; i++)
                sum[i] += (double)x[i] * (double)by[i];
}

/* g = delta o gamma: sum += g, with += g o xhat */
EWC_CLONES static void add_back(size_t n, const float *restrict delta, const float *restrict gamma,
    const float *restrict xhat, double *restrict sum, double *restrict with)
{
        for (size_t i = 0; i < n; i++) {
                const double g = (double)delta[i] * (double)gamma[i];

                sum[i] += g;
                with[i] += g * (double)xhat[i];
        }
}

EWC_CLONES static void spread_back(size_t n, const float *restrict delta, const float *restrict gamma,
    const float *restrict xhat, const double *restrict mean, const double *restrict with, double r,
    float *restrict ret)
{
        for (size_t i = 0; i < n; i++)
                ret[i] = (float)(r * ((double)delta[i] * (double)gamma[i] - mean[i] - (double)xhat[i] * with[i]));
}

/* Replaces the channel sums of a group by their sum / n, in every channel. */
static double share(size_t channels, double n, double *sum)
{
        double total = 0;

        for (size_t c = 0; c < channels; c++)
                total += sum[c];
        total /= n;
        for (size_t c = 0; c < channels; c++)
                sum[c] = total;
        return total;
}

/* One cell: xhat (L,C) of x (L,C), r (groups). column: 2 C. */
static void normalise_cell(const struct ewc_stage *s, const float *x, double *column, float *xhat, float *r)
{
        const size_t L = positions_of(s), C = s->from.c, G = C / s->groups;
        const double n = (double)L * (double)G;
        double *mean = column, *scale = column + C;

        memset(column, 0, 2 * C * sizeof(*column));
        for (size_t p = 0; p < L; p++)
                add_to(C, x + p * C, mean);
        for (size_t c = 0; c < C; c += G)
                share(G, n, mean + c);
        for (size_t p = 0; p < L; p++)
                add_deviations(C, x + p * C, mean, scale);
        for (size_t c = 0; c < C; c += G) {
                const double deviation = sqrt(share(G, n, scale + c) + EPS);

                for (size_t i = 0; i < G; i++)
                        scale[c + i] = 1 / deviation;
                if (r)
                        r[c / G] = (float)(1 / deviation);
        }
        for (size_t p = 0; p < L; p++)
                normalise(C, x + p * C, mean, scale, xhat + p * C);
}

void ewc_norm_forward(const struct ewc_net *net, uint32_t l, size_t B, const float *x, double *column, float *y,
    float *slope, float *aux)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t cells = cells_of(s), size = s->out / cells, C = s->from.c;

        for (size_t n = 0; n < B; n++) {
                float *row = y + n * s->out, *xhat = aux ? aux + n * s->aux : row;

                for (size_t i = 0; i < cells; i++)
                        normalise_cell(s, x + n * s->in + i * size, column, xhat + i * size,
                            aux ? xhat + s->out + i * s->groups : NULL);
                if (aux)
                        memcpy(row, xhat, s->out * sizeof(*row));
                for (size_t p = 0; p < s->out; p += C)
                        multiply_by(C, net->theta + s->w, row + p);
        }
        ewc_act_forward(s->activation, B * s->out / C, C, net->theta + s->b, y, slope);
}

void ewc_norm_back(const struct ewc_net *net, uint32_t l, size_t B, size_t repeat, const float *aux,
    const float *delta, double *column, float *ret)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t cells = cells_of(s), L = positions_of(s), C = s->from.c, G = C / s->groups;
        const float *gamma = net->theta + s->w;
        double *mean = column, *with = column + C;

        for (size_t i = 0; i < B * repeat * cells; i++, delta += L * C, ret += L * C) {
                const float *row = aux + i / cells / repeat * s->aux, *xhat = row + i % cells * L * C;
                const float *r = row + s->out + i % cells * s->groups;

                memset(column, 0, 2 * C * sizeof(*column));
                for (size_t p = 0; p < L; p++)
                        add_back(C, delta + p * C, gamma, xhat + p * C, mean, with);
                for (size_t c = 0; c < C; c += G) {
                        share(G, (double)L * (double)G, mean + c);
                        share(G, (double)L * (double)G, with + c);
                        for (size_t p = 0; p < L; p++)
                                spread_back(G, delta + p * C + c, gamma + c, xhat + p * C + c, mean + c, with + c,
                                    (double)r[c / G], ret + p * C + c);
                }
        }
}

/* column (2 C) += dgamma, dbeta of one row. */
static void add_row(const struct ewc_stage *s, const float *xhat, const float *delta, double *column)
{
        const size_t C = s->from.c;

        for (size_t p = 0; p < s->out; p += C) {
                add_products(C, delta + p, xhat + p, column);
                add_to(C, delta + p, column + C);
        }
}

void ewc_norm_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *aux, const float *delta, float alpha,
    float beta, float *grad, double *column)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t C = s->from.c;
        float *to = grad + s->w; /* gamma, then beta */

        memset(column, 0, 2 * C * sizeof(*column));
        for (size_t n = 0; n < B; n++)
                add_row(s, aux + n * s->aux, delta + n * s->out, column);
        for (size_t i = 0; i < 2 * C; i++)
                to[i] = (float)((double)alpha * column[i]) + (beta != 0.0f ? to[i] : 0.0f);
}

void ewc_norm_squares(const struct ewc_net *net, uint32_t l, size_t n, size_t repeat, const float *aux,
    const float *delta, const struct ewc_squares *sq, double *sum)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t C = s->from.c;

        for (size_t r = 0; r < n * repeat; r++) {
                memset(sq->column, 0, 2 * C * sizeof(*sq->column));
                add_row(s, aux + r / repeat * s->aux, delta + r * s->out, sq->column);
                ewc_add_squares_of(2 * C, sq->column, sum + s->w);
        }
}
