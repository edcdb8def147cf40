/* pool.c: windows of every channel reduced to their largest value or their mean.
 *
 * Forward    y = max or mean over the window
 * Backward   the delta goes to the place of the maximum, the first among equals, or is spread over the window
 * Rows are images with channels innermost, so every step is a loop over the channels of two pixels. */
#include "ewc/layers.h"

#include <string.h>

EWC_CLONES static void larger(size_t n, const float *restrict x, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] = ((x[i] > y[i]) | (x[i] != x[i])) ? x[i] : y[i]; /* a NaN wins and stays */
}

EWC_CLONES static void larger_at(
    size_t n, uint32_t at, const float *restrict x, float *restrict y, uint32_t *restrict place)
{
        for (size_t i = 0; i < n; i++) {
                const int take = (x[i] > y[i]) | (x[i] != x[i]);

                y[i] = take ? x[i] : y[i];
                place[i] = take ? at : place[i];
        }
}

EWC_CLONES static void add_where(
    size_t n, uint32_t at, const uint32_t *restrict place, const float *restrict delta, float *restrict ret)
{
        for (size_t i = 0; i < n; i++)
                ret[i] += place[i] == at ? delta[i] : 0.0f;
}

EWC_CLONES static void add_to(size_t n, const float *restrict x, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] += x[i];
}

EWC_CLONES static void add_scaled(size_t n, float scale, const float *restrict x, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] += scale * x[i];
}

EWC_CLONES static void scale_by(size_t n, float scale, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] *= scale;
}

/* Floats from the start of an image to value 0 of the window of place p, and from there to pixel `at` of it. */
static size_t window(const struct ewc_stage *s, size_t p)
{
        return (p / s->to.w * s->from.w + p % s->to.w) * s->stride * s->from.c;
}

static size_t pixel(const struct ewc_stage *s, uint32_t at)
{
        return ((size_t)(at / s->kernel_w) * s->from.w + at % s->kernel_w) * s->from.c;
}

void ewc_max_pool_forward(const struct ewc_stage *s, size_t B, const float *x, float *y, uint32_t *place)
{
        const size_t C = s->from.c, places = (size_t)s->to.h * s->to.w;
        const uint32_t area = s->kernel_h * s->kernel_w;

        if (place)
                memset(place, 0, B * s->out * sizeof(*place));
        for (size_t n = 0; n < B; n++, x += s->in) {
                for (size_t p = 0; p < places; p++, y += C) {
                        const float *from = x + window(s, p);

                        memcpy(y, from, C * sizeof(*y));
                        for (uint32_t at = 1; at < area; at++) {
                                if (place)
                                        larger_at(C, at, from + pixel(s, at), y, place);
                                else
                                        larger(C, from + pixel(s, at), y);
                        }
                        place = place ? place + C : NULL;
                }
        }
}

void ewc_max_pool_back(
    const struct ewc_stage *s, size_t B, size_t repeat, const uint32_t *place, const float *delta, float *ret)
{
        const size_t C = s->from.c, places = (size_t)s->to.h * s->to.w;
        const uint32_t area = s->kernel_h * s->kernel_w;

        memset(ret, 0, B * repeat * s->in * sizeof(*ret));
        for (size_t r = 0; r < B * repeat; r++, ret += s->in) {
                const uint32_t *of_row = place + r / repeat * s->out;

                for (size_t p = 0; p < places; p++, delta += C) {
                        for (uint32_t at = 0; at < area; at++)
                                add_where(C, at, of_row + p * C, delta, ret + window(s, p) + pixel(s, at));
                }
        }
}

void ewc_avg_pool_forward(const struct ewc_stage *s, size_t B, const float *x, float *y)
{
        const size_t C = s->from.c, places = (size_t)s->to.h * s->to.w;
        const uint32_t area = s->kernel_h * s->kernel_w;

        for (size_t n = 0; n < B; n++, x += s->in) {
                for (size_t p = 0; p < places; p++, y += C) {
                        const float *from = x + window(s, p);

                        memcpy(y, from, C * sizeof(*y));
                        for (uint32_t at = 1; at < area; at++)
                                add_to(C, from + pixel(s, at), y);
                        scale_by(C, 1.0f / (float)area, y);
                }
        }
}

void ewc_avg_pool_back(const struct ewc_stage *s, size_t R, const float *delta, float *ret)
{
        const size_t C = s->from.c, places = (size_t)s->to.h * s->to.w;
        const uint32_t area = s->kernel_h * s->kernel_w;

        memset(ret, 0, R * s->in * sizeof(*ret));
        for (size_t r = 0; r < R; r++, ret += s->in) {
                for (size_t p = 0; p < places; p++, delta += C) {
                        for (uint32_t at = 0; at < area; at++)
                                add_scaled(C, 1.0f / (float)area, delta, ret + window(s, p) + pixel(s, at));
                }
        }
}
