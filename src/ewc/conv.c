/* conv.c: convolutions as dense products over windows.
 *
 * A window (kernel x kernel pixels of c channels) copied out as one line makes the layer a dense one over all places
 * of all rows (im2col; Chellapilla et al. 2006):
 * Forward    Z = X W^T + b with X (places, kernel*kernel*c), Z (places, units), which is the output row as it lies
 * Backward   dW = Delta^T X, db = column sums of Delta, and Delta W is added back to the pixels it came from
 * Squares    per sample and column G = Delta_k^T X summed over the places, then squared (continual-learning, 3.5);
 *            the columns stand side by side in one product, since X does not depend on them
 * Windows are copied a bounded number of places at a time. A 1x1 kernel at stride 1 needs no copy: x is X. */
#include "ewc/layers.h"

#include <string.h>

enum {
        WINDOWS = 1 << 17, /* floats of windows at a time: they stay in the cache until they are used */
        ALONE = 1 << 18,   /* multiply-adds of a product of a narrow layer */
        FEW = 32,          /* places a product is worth while with */
        GRAM = 1 << 18,    /* floats of gradients of one sample at a time */
};

static bool plain(const struct ewc_stage *s)
{
        return s->kernel_h == 1 && s->stride == 1 && s->padding == 0;
}

static size_t places_of(const struct ewc_stage *s)
{
        return (size_t)s->to.h * s->to.w;
}

/* Places whose windows are copied at a time. */
static size_t block_of(const struct ewc_stage *s)
{
        return s->cols < WINDOWS ? WINDOWS / s->cols : 1;
}

/* The same in passes over a whole batch. Narrow layers take so few that windows are used while they are in the
 * nearest cache; products that small are not worth a second thread. */
static size_t batch_block(const struct ewc_stage *s)
{
        const size_t most = block_of(s), alone = ALONE / ((size_t)s->rows * s->cols);

        return alone < FEW || alone > most ? most : alone;
}

size_t ewc_conv_scratch(const struct ewc_stage *s)
{
        return plain(s) ? 0 : block_of(s) * s->cols;
}

/* A window clipped to the image: lines top .. of it that exist, and pixels skip .. stop of each line. */
struct clip {
        int64_t top, left;
        size_t skip, stop;
};

static struct clip clip_at(const struct ewc_stage *s, size_t place)
{
        struct clip c = {.top = (int64_t)(place / s->to.w * s->stride) - s->padding,
            .left = (int64_t)(place % s->to.w * s->stride) - s->padding,
            .skip = 0,
            .stop = s->kernel_w};

        if (c.left < 0)
                c.skip = (size_t)-c.left; /* padding < kernel: a window always meets the image */
        if (c.left + s->kernel_w > s->from.w)
                c.stop = (size_t)((int64_t)s->from.w - c.left);
        return c;
}

/* Pixel `skip` of line y of the window, NULL outside the image. */
static size_t line_offset(const struct ewc_stage *s, const struct clip *c, uint32_t y)
{
        return ((size_t)(c->top + y) * s->from.w + (size_t)(c->left + (int64_t)c->skip)) * s->from.c;
}

static bool has_line(const struct ewc_stage *s, const struct clip *c, uint32_t y)
{
        return c->top + y >= 0 && c->top + y < s->from.h;
}

static void copy_window(const struct ewc_stage *s, size_t place, const float *image, float *ret)
{
        const size_t C = s->from.c, run = s->kernel_w * C;
        const struct clip c = clip_at(s, place);

        for (uint32_t y = 0; y < s->kernel_h; y++, ret += run) {
                if (!has_line(s, &c, y)) {
                        memset(ret, 0, run * sizeof(*ret));
                        continue;
                }
                if (c.skip > 0)
                        memset(ret, 0, c.skip * C * sizeof(*ret));
                memcpy(ret + c.skip * C, image + line_offset(s, &c, y), (c.stop - c.skip) * C * sizeof(*ret));
                if (c.stop < s->kernel_w)
                        memset(ret + c.stop * C, 0, (s->kernel_w - c.stop) * C * sizeof(*ret));
        }
}

/* ret (n,cols) = windows p0 .. p0+n-1, counted over all rows of x. */
static void copy_windows(const struct ewc_stage *s, const float *x, size_t p0, size_t n, float *ret)
{
        const size_t L = places_of(s);

        for (size_t p = p0; p < p0 + n; p++)
                copy_window(s, p % L, x + p / L * s->in, ret + (p - p0) * s->cols);
}

EWC_CLONES static void add_to(size_t n, const float *restrict x, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] += x[i];
}

static void add_windows(const struct ewc_stage *s, const float *windows, size_t p0, size_t n, float *ret)
{
        const size_t C = s->from.c, L = places_of(s);

        for (size_t p = p0; p < p0 + n; p++) {
                const struct clip c = clip_at(s, p % L);
                float *image = ret + p / L * s->in;

                for (uint32_t y = 0; y < s->kernel_h; y++, windows += s->kernel_w * C) {
                        if (has_line(s, &c, y))
                                add_to((c.stop - c.skip) * C, windows + c.skip * C, image + line_offset(s, &c, y));
                }
        }
}

/* The windows of a block: copied, or where they already lie. */
static const float *windows_at(const struct ewc_stage *s, const float *x, size_t p0, size_t n, float *scratch)
{
        if (plain(s))
                return x + p0 * s->cols;
        copy_windows(s, x, p0, n, scratch);
        return scratch;
}

void ewc_conv_forward(
    const struct ewc_net *net, uint32_t l, size_t B, const float *x, float *scratch, float *y, float *slope)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t total = B * places_of(s), block = batch_block(s);

        for (size_t p = 0; p < total; p += block) {
                const size_t n = total - p < block ? total - p : block;
                float *out = y + p * s->rows;

                ewc_gemm_nt(net->team, n, s->rows, s->cols, windows_at(s, x, p, n, scratch), net->theta + s->w, out);
                ewc_act_forward(
                    s->activation, n, s->rows, net->theta + s->b, out, slope ? slope + p * s->rows : NULL);
        }
}

void ewc_conv_grad(const struct ewc_net *net, uint32_t l, size_t B, const float *x, const float *delta, float alpha,
    float beta, float *grad, double *column, float *scratch)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t total = B * places_of(s), block = batch_block(s);
        float *bias = grad + s->b;

        for (size_t p = 0; p < total; p += block) {
                const size_t n = total - p < block ? total - p : block;

                ewc_gemm_tn(net->team, s->rows, s->cols, n, alpha, delta + p * s->rows,
                    windows_at(s, x, p, n, scratch), p == 0 ? beta : 1.0f, grad + s->w);
        }
        ewc_column_sums(total, s->rows, delta, column);
        for (size_t u = 0; u < s->rows; u++)
                bias[u] = (float)((double)alpha * column[u]) + (beta != 0.0f ? bias[u] : 0.0f);
}

void ewc_conv_back(const struct ewc_net *net, uint32_t l, size_t R, const float *delta, float *scratch, float *ret)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t total = R * places_of(s), block = batch_block(s);

        if (plain(s)) {
                ewc_gemm_nn(net->team, total, s->cols, s->rows, delta, net->theta + s->w, ret);
                return;
        }
        memset(ret, 0, R * s->in * sizeof(*ret));
        for (size_t p = 0; p < total; p += block) {
                const size_t n = total - p < block ? total - p : block;

                ewc_gemm_nn(net->team, n, s->cols, s->rows, delta + p * s->rows, net->theta + s->w, scratch);
                add_windows(s, scratch, p, n, ret);
        }
}

/* Columns of a sample taken at a time. */
static size_t columns_of(const struct ewc_stage *s, size_t repeat)
{
        const size_t w = (size_t)s->rows * s->cols, most = w < GRAM ? GRAM / w : 1;

        return repeat < most ? repeat : most;
}

size_t ewc_conv_stack(const struct ewc_stage *s, size_t repeat, size_t *ret_gram)
{
        const size_t k = columns_of(s, repeat), L = places_of(s), block = block_of(s);

        *ret_gram = k * s->rows * s->cols;
        return k > 1 ? (L < block ? L : block) * k * s->rows : 0;
}

/* ret (n, k*units): the deltas of places p .. p+n-1 of k columns side by side. One column lies that way already. */
static const float *side_by_side(
    const struct ewc_stage *s, size_t k, size_t p, size_t n, const float *delta, float *ret)
{
        const size_t U = s->rows;

        if (k == 1)
                return delta + p * U;
        for (size_t j = 0; j < k; j++, delta += s->out) {
                for (size_t i = 0; i < n; i++)
                        memcpy(ret + (i * k + j) * U, delta + (p + i) * U, U * sizeof(*ret));
        }
        return ret;
}

/* One sample, columns delta (k,out): their gradients, summed over the places, into sq->gram (k*units,cols). fresh:
 * the windows of the sample are not in scratch yet. */
static void gradients(const struct ewc_net *net, const struct ewc_stage *s, size_t k, const float *x,
    const float *delta, bool fresh, float *scratch, const struct ewc_squares *sq)
{
        const size_t L = places_of(s), block = block_of(s);
        const float *windows = plain(s) ? x : scratch;

        for (size_t p = 0; p < L; p += block) {
                const size_t n = L - p < block ? L - p : block;

                if (fresh || L > block)
                        windows = windows_at(s, x, p, n, scratch);
                ewc_gemm_tn(net->team, k * s->rows, s->cols, n, 1.0f, side_by_side(s, k, p, n, delta, sq->stack),
                    windows, p == 0 ? 0.0f : 1.0f, sq->gram);
        }
}

void ewc_conv_squares(const struct ewc_net *net, uint32_t l, size_t n, size_t repeat, const float *x,
    const float *delta, float *scratch, const struct ewc_squares *sq, double *sum)
{
        const struct ewc_stage *s = &net->stage[l];
        const size_t most = columns_of(s, repeat), w = (size_t)s->rows * s->cols;

        for (size_t r = 0; r < n; r++, x += s->in) {
                for (size_t k0 = 0; k0 < repeat; k0 += most) {
                        const size_t k = repeat - k0 < most ? repeat - k0 : most;

                        gradients(net, s, k, x, delta, k0 == 0, scratch, sq);
                        for (size_t j = 0; j < k; j++, delta += s->out) {
                                ewc_add_squares(w, sq->gram + j * w, sum + s->w);
                                ewc_column_sums(places_of(s), s->rows, delta, sq->column);
                                ewc_add_squares_of(s->rows, sq->column, sum + s->b);
                        }
                }
        }
}
