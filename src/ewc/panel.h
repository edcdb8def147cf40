/* panel.h: the product of the prediction path, Y (n,O) = X (n,K) W (O,K)^T + b, from weights packed into panels.
 *
 * A panel holds 16 outputs: their biases, then for every k their 16 weights, so that one step of k reads one line of
 * memory. Places behind the last output hold zeros. Every output is one accumulator that starts at 0 and takes
 * fma(x[k], w[k], sum) with k ascending, then the bias is added: which tile of rows and panels an output is computed
 * in decides only what shares its loads, never its bits. All forms give the same bits. */
#pragma once
#include "ewc/internal.h"

enum { EWC_PANEL = 16 };

enum ewc_panel_form { EWC_PANEL_PLAIN, EWC_PANEL_AVX2, EWC_PANEL_AVX512, EWC_PANEL_FORMS };
enum ewc_panel_end { EWC_PANEL_SUM, EWC_PANEL_BIAS, EWC_PANEL_RELU }; /* what follows the last k */

/* The rows of X are windows: `lines` runs of `run` floats, `line` floats apart; K = lines * run. Windows stand `step`
 * floats apart, `across` of them, then the next line of windows `down` floats below, `high` of them, then the next
 * image. Rows that lie one behind the other are one run of K, one window an image. */
struct ewc_windows {
        const float *x;
        size_t run, lines, line;
        size_t across, step, high, down, image;
};

struct ewc_product {
        size_t n, O, K;      /* windows, outputs, floats of a window */
        const float *panels; /* of these O outputs */
        struct ewc_windows from;
        float *y; /* row r at y + r * stride */
        size_t stride;
        enum ewc_panel_end end;
};

size_t ewc_panel_floats(size_t O, size_t K);
/* ret (ewc_panel_floats), 64-aligned = panels of w (O,K) and bias (O). */
void ewc_panel_pack(size_t O, size_t K, const float *w, const float *bias, float *ret);

bool ewc_panel_has(enum ewc_panel_form f); /* this machine runs it */
enum ewc_panel_form ewc_panel_best(void);
void ewc_panel_product(enum ewc_panel_form f, const struct ewc_product *p);

struct ewc_plan {
        struct ewc_allocator allocator;
        const struct ewc_net *net;
        enum ewc_panel_form form;
        size_t bytes;                            /* of the block */
        const float *panels[EWC_MAX_LAYERS + 1]; /* in the same block as this struct; NULL for a layer without */
};

/* panel_x86.c: forms of one instruction set each */
void ewc_panel_avx2(const struct ewc_product *p);
void ewc_panel_avx512(const struct ewc_product *p);

/* Walks over the windows of a product; starts as {0}. */
struct ewc_window_at {
        size_t offset, column, line; /* floats from x; the window's place in its image */
};

/* The window, and on to the next. */
static inline const float *ewc_window_next(const struct ewc_windows *w, struct ewc_window_at *at)
{
        const float *ret = w->x + at->offset;

        at->offset += w->step;
        if (++at->column == w->across) {
                at->column = 0;
                at->offset += w->down - w->across * w->step; /* differences may wrap, offsets do not */
                if (++at->line == w->high) {
                        at->line = 0;
                        at->offset += w->image - w->high * w->down;
                }
        }
        return ret;
}
