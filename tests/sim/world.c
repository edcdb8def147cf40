/* world.c: see world.h. Means of one concept lie at least two and at most three and a half standard deviations of a
 * cloud apart, so that the best answer is right for eight or nine rows of ten; places of the concepts lie on a
 * circle. */
#include "world.h"
#include <math.h>
#include <string.h>

enum { SHAPE = 4 }; /* inputs that tell the classes; the others tell the concept */
#define NEAR 2.0
#define FAR 3.5
#define SPREAD 1.2
#define PLACE 2.0
#define PLACE_NOISE 0.3
#define HALF_PI 1.5707963267948966

static double distance(const float *a, const float *b)
{
        double sum = 0;
        for (int i = 0; i < SHAPE; i++)
                sum += pow((double)a[i] - (double)b[i], 2);
        return sqrt(sum);
}

static void draw_means(struct world *w, int k, struct ewc_rng *rng)
{
        bool again = true;
        while (again) {
                again = false;
                for (int c = 0; c < WORLD_CLASSES; c++) {
                        for (int i = 0; i < SHAPE; i++)
                                w->mean[k][c][i] = (float)(SPREAD * ewc_rng_normal(rng));
                        for (int d = 0; d < c; d++) {
                                double apart = distance(w->mean[k][c], w->mean[k][d]);
                                again = again || apart < NEAR || apart > FAR;
                        }
                }
        }
        for (int c = 0; c < WORLD_CLASSES; c++) {
                w->mean[k][c][SHAPE] = (float)(PLACE * cos(k * HALF_PI));
                w->mean[k][c][SHAPE + 1] = (float)(PLACE * sin(k * HALF_PI));
        }
}

void world_init(struct world *w, uint64_t seed)
{
        memset(w, 0, sizeof(*w));
        for (int k = 0; k < WORLD_CONCEPTS; k++) {
                struct ewc_rng rng;
                ewc_rng_seed(&rng, seed, (uint64_t)k);
                draw_means(w, k, &rng);
        }
}

const struct phase *stream_at(const struct stream *s, double day)
{
        size_t i = 0;
        while (i + 1 < WORLD_MAX_PHASES && s->phase[i + 1].day > 0 && s->phase[i + 1].day <= day)
                i++;
        return &s->phase[i];
}

struct sky phase_sky(const struct phase *p, double day)
{
        return (struct sky){p->concept, p->turn * (day - p->day), p->swapped, p->only};
}

void world_draw(const struct world *w, const struct sky *sky, struct ewc_rng *rng, struct drawn *ret)
{
        int32_t any = (int32_t)ewc_rng_below(rng, WORLD_CLASSES), c = sky->only > 0 ? sky->only - 1 : any;
        *ret = (struct drawn){.sky = *sky};
        for (int i = 0; i < WORLD_INPUTS; i++)
                ret->x[i] =
                    w->mean[sky->concept][c][i] + (float)((i < SHAPE ? 1.0 : PLACE_NOISE) * ewc_rng_normal(rng));
        float a = ret->x[0], b = ret->x[1], cs = (float)cos(sky->angle), sn = (float)sin(sky->angle);
        ret->x[0] = cs * a - sn * b;
        ret->x[1] = sn * a + cs * b;
        ret->truth = sky->swapped && c < 2 ? 1 - c : c;
        ret->label = ret->truth;
}

void world_label(const struct phase *p, struct ewc_rng *rng, struct drawn *d)
{
        double bad = (double)ewc_rng_unit(rng), wrong = (double)ewc_rng_unit(rng);
        int32_t other = 1 + (int32_t)ewc_rng_below(rng, WORLD_CLASSES - 1);
        d->bad = bad < p->poison;
        if (d->bad)
                d->label = (d->truth + 1) % WORLD_CLASSES;
        else if (wrong < p->noise)
                d->label = (d->truth + other) % WORLD_CLASSES;
}
