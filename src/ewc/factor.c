/* factor.c: the kinds of Fisher, and the columns that each back-propagates at the logits of one sample.
 *
 * EXACT needs any S with S S^T = the Fisher of the output distribution. For softmax that is diag(p) - p p^T, and its
 * Cholesky factor in tail form has H-1 columns (reference continual-learning, 3.3 (b)): with the most probable output
 * last and t_k = sum_{j>=k} p_j,
 *     r_k = sqrt(p_k t_{k+1} / t_k),  S[k][k] = r_k,  S[j][k] = -(p_j / t_{k+1}) r_k for j > k,  0 above.
 * Most probable last keeps t_{k+1} >= 1/H, so no column underflows. Sigmoid: sqrt(p (1-p)) e_k. Squared loss, a
 * Gaussian of variance 1: e_k. All other kinds are one column: MIXED the sum of these with random signs, the rest the
 * delta of a label that is given, drawn or the most probable. */
#include "ewc/factor.h"

#include <math.h>
#include <string.h>

static const struct ewc_name names[] = {
    {EWC_FISHER_EXACT, "exact"},
    {EWC_FISHER_EMPIRICAL, "empirical"},
    {EWC_FISHER_SAMPLE, "sample"},
    {EWC_FISHER_BATCHED, "batched"},
    {EWC_FISHER_ARGMAX, "argmax"},
    {EWC_FISHER_TRUNCATED, "truncated"},
    {EWC_FISHER_MIXED, "mixed"},
    {EWC_FISHER_REVERSED, "reversed"},
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

const char *ewc_fisher_name(enum ewc_fisher f)
{
        return ewc_name_find(names, N_NAMES, (int)f);
}

int ewc_fisher_parse(const char *name, enum ewc_fisher *ret)
{
        int v, r = ewc_name_parse(names, N_NAMES, name, &v);

        if (r == 0)
                *ret = (enum ewc_fisher)v;
        return r;
}

bool ewc_fisher_labels(enum ewc_fisher f)
{
        return f == EWC_FISHER_EMPIRICAL || f == EWC_FISHER_BATCHED || f == EWC_FISHER_TRUNCATED ||
               f == EWC_FISHER_REVERSED;
}

bool ewc_fisher_defined(enum ewc_fisher f, enum ewc_loss loss)
{
        bool squared = f != EWC_FISHER_ARGMAX && f != EWC_FISHER_TRUNCATED && f != EWC_FISHER_REVERSED;

        return ewc_fisher_name(f) && (loss != EWC_LOSS_SQUARED || squared);
}

uint32_t ewc_factor_columns(const struct ewc_spec *s, const struct ewc_head *head, enum ewc_fisher kind)
{
        uint32_t H = ewc_head_n(s, head);

        if (kind != EWC_FISHER_EXACT)
                return 1;
        return s->loss == EWC_LOSS_SOFTMAX ? H - 1 : H;
}

/* Output index of position k when the most probable one stands last. */
static uint32_t at(const struct ewc_head *head, uint32_t H, uint32_t top, uint32_t k)
{
        uint32_t h = k + 1 == H ? top : k < top ? k : k + 1;

        return ewc_head_out(head, h);
}

/* p (H) with the most probable output last, and its tail sums. */
static void softmax_tails(const struct ewc_factor *f, const float *z, uint32_t *ret_top)
{
        const uint32_t H = ewc_head_n(f->spec, f->head);
        double *p = f->p, *tail = f->tail, top_p;

        ewc_softmax_row(H, f->head, z, p, ret_top);
        top_p = p[*ret_top];
        memmove(p + *ret_top, p + *ret_top + 1, (H - 1 - *ret_top) * sizeof(*p));
        p[H - 1] = top_p;
        tail[H - 1] = top_p;
        for (uint32_t k = H - 1; k-- > 0;)
                tail[k] = tail[k + 1] + p[k];
}

static void softmax_columns(const struct ewc_factor *f, const float *z, uint32_t k0, uint32_t n, float *ret)
{
        const struct ewc_head *head = f->head;
        const uint32_t H = ewc_head_n(f->spec, head), O = f->spec->n_outputs;
        const double *p = f->p, *tail = f->tail;
        uint32_t top;

        softmax_tails(f, z, &top);
        for (uint32_t k = k0; k < k0 + n; k++, ret += O) {
                double r = sqrt(p[k] * tail[k + 1] / tail[k]), scale = -r / tail[k + 1];

                memset(ret, 0, O * sizeof(*ret));
                ret[at(head, H, top, k)] = (float)r;
                for (uint32_t j = k + 1; j < H; j++)
                        ret[at(head, H, top, j)] = (float)(p[j] * scale);
        }
}

static void unit_columns(const struct ewc_factor *f, const float *z, uint32_t k0, uint32_t n, float *ret)
{
        const uint32_t O = f->spec->n_outputs;

        for (uint32_t k = k0; k < k0 + n; k++, ret += O) {
                uint32_t o = ewc_head_out(f->head, k);
                double v = (double)z[o];

                memset(ret, 0, O * sizeof(*ret));
                ret[o] = f->spec->loss == EWC_LOSS_SQUARED ? 1.0f : (float)sqrt(ewc_sigmoid(v) * ewc_sigmoid(-v));
        }
}

static double draw_unit(struct ewc_rng *rng)
{
        return (double)(ewc_rng_u64(rng) >> 11) * 0x1p-53;
}

/* ret = p - e_y over the head, y an output, where ewc_softmax_row has left p, rest and top. */
static void label_column(const struct ewc_factor *f, uint32_t y, uint32_t top, double rest, float *ret)
{
        const uint32_t H = ewc_head_n(f->spec, f->head);
        double p_y = 0;

        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(f->head, h);

                ret[o] = (float)f->p[h];
                p_y = o == y ? f->p[h] : p_y;
        }
        ret[y] = (float)(y == ewc_head_out(f->head, top) ? -rest / (1 + rest) : p_y - 1);
}

static void sample_softmax(const struct ewc_factor *f, const float *z, struct ewc_rng *rng, float *ret)
{
        const uint32_t H = ewc_head_n(f->spec, f->head);
        double u = draw_unit(rng), sum = 0, rest;
        uint32_t top, y = 0;

        rest = ewc_softmax_row(H, f->head, z, f->p, &top);
        for (uint32_t h = 0; h < H; h++) {
                if (f->p[h] > 0)
                        y = h; /* the last possible one, should rounding leave the sum below u */
                sum += f->p[h];
                if (u < sum)
                        break;
        }
        label_column(f, ewc_head_out(f->head, y), top, rest, ret);
}

static void sample_column(const struct ewc_factor *f, const float *z, struct ewc_rng *rng, float *ret)
{
        if (f->spec->loss == EWC_LOSS_SOFTMAX) {
                sample_softmax(f, z, rng, ret);
                return;
        }
        for (uint32_t h = 0; h < ewc_head_n(f->spec, f->head); h++) {
                uint32_t o = ewc_head_out(f->head, h);
                double p = ewc_sigmoid((double)z[o]);

                if (f->spec->loss == EWC_LOSS_SQUARED)
                        ret[o] = (float)-ewc_rng_normal(rng);
                else
                        ret[o] = (float)(draw_unit(rng) < p ? -ewc_sigmoid(-(double)z[o]) : p);
        }
}

static void argmax_column(const struct ewc_factor *f, const float *z, float *ret)
{
        const uint32_t H = ewc_head_n(f->spec, f->head);

        if (f->spec->loss == EWC_LOSS_SOFTMAX) {
                uint32_t top;
                double rest = ewc_softmax_row(H, f->head, z, f->p, &top);

                label_column(f, ewc_head_out(f->head, top), top, rest, ret);
                return;
        }
        for (uint32_t h = 0; h < H; h++) { /* the less probable value's probability, signed */
                double v = (double)z[ewc_head_out(f->head, h)], p = ewc_sigmoid(-fabs(v));

                ret[ewc_head_out(f->head, h)] = (float)(v >= 0 ? -p : p);
        }
}

static double draw_sign(struct ewc_rng *rng, uint32_t k, uint64_t *bits)
{
        if (k % 64 == 0)
                *bits = ewc_rng_u64(rng);
        return *bits >> k % 64 & 1 ? -1 : 1;
}

/* Entry j of S r is r_j S[j][j] - p_j sum_{k<j} r_k S[k][k] / t_{k+1}: a running sum, no column is written out. */
static void mixed_softmax(const struct ewc_factor *f, const float *z, struct ewc_rng *rng, float *ret)
{
        const uint32_t H = ewc_head_n(f->spec, f->head);
        const double *p = f->p, *tail = f->tail;
        double before = 0;
        uint64_t bits = 0;
        uint32_t top;

        softmax_tails(f, z, &top);
        for (uint32_t k = 0; k < H; k++) {
                double own = k + 1 < H ? draw_sign(rng, k, &bits) * sqrt(p[k] * tail[k + 1] / tail[k]) : 0;

                ret[at(f->head, H, top, k)] = (float)(own - p[k] * before);
                before += k + 1 < H ? own / tail[k + 1] : 0;
        }
}

static void mixed_column(const struct ewc_factor *f, const float *z, struct ewc_rng *rng, float *ret)
{
        uint64_t bits = 0;

        if (f->spec->loss == EWC_LOSS_SOFTMAX) {
                mixed_softmax(f, z, rng, ret);
                return;
        }
        for (uint32_t h = 0; h < ewc_head_n(f->spec, f->head); h++) {
                uint32_t o = ewc_head_out(f->head, h);
                double v = (double)z[o], sign = draw_sign(rng, h, &bits);
                bool squared = f->spec->loss == EWC_LOSS_SQUARED;

                ret[o] = (float)(sign * (squared ? 1 : sqrt(ewc_sigmoid(v) * ewc_sigmoid(-v))));
        }
}

/* The sign of the whole column falls out of the square. */
static void reversed_column(
    const struct ewc_factor *f, const struct ewc_batch *b, size_t row, const float *z, float *ret)
{
        const uint32_t H = ewc_head_n(f->spec, f->head), O = f->spec->n_outputs;

        for (uint32_t h = 0; h < H; h++)
                ret[ewc_head_out(f->head, h)] = -z[ewc_head_out(f->head, h)];
        if (f->spec->loss == EWC_LOSS_SOFTMAX) {
                uint32_t top;
                double rest = ewc_softmax_row(H, f->head, ret, f->p, &top);

                label_column(f, (uint32_t)b->label[row], top, rest, ret);
                return;
        }
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = ewc_head_out(f->head, h);
                double v = (double)ret[o], t = (double)b->target[row * O + o];

                ret[o] = (float)(t == 1 ? -ewc_sigmoid(-v) : ewc_sigmoid(v) - t);
        }
}

static void truncated_column(const struct ewc_factor *f, const struct ewc_net *net, const struct ewc_batch *b,
    size_t row, const float *z, float *ret)
{
        double root = exp(-ewc_loss_row(net, f->head, b, row, z, f->p, ret) / 2);

        for (uint32_t o = 0; o < f->spec->n_outputs; o++)
                ret[o] = (float)(root * (double)ret[o]);
}

void ewc_factor_fill(const struct ewc_factor *f, const struct ewc_net *net, const struct ewc_batch *b, size_t row,
    const float *z, uint32_t k0, uint32_t n, struct ewc_rng *rng, float *ret)
{
        if (f->kind != EWC_FISHER_EXACT)
                memset(ret, 0, f->spec->n_outputs * sizeof(*ret));
        switch (f->kind) {
        case EWC_FISHER_EXACT:
                if (f->spec->loss == EWC_LOSS_SOFTMAX)
                        softmax_columns(f, z, k0, n, ret);
                else
                        unit_columns(f, z, k0, n, ret);
                break;
        case EWC_FISHER_EMPIRICAL:
                ewc_loss_row(net, f->head, b, row, z, f->p, ret);
                break;
        case EWC_FISHER_SAMPLE:
                sample_column(f, z, rng, ret);
                break;
        case EWC_FISHER_ARGMAX:
                argmax_column(f, z, ret);
                break;
        case EWC_FISHER_TRUNCATED:
                truncated_column(f, net, b, row, z, ret);
                break;
        case EWC_FISHER_MIXED:
                mixed_column(f, z, rng, ret);
                break;
        case EWC_FISHER_REVERSED:
                reversed_column(f, b, row, z, ret);
                break;
        case EWC_FISHER_BATCHED:
                break; /* the square of an ordinary gradient: fisher.c */
        }
}
