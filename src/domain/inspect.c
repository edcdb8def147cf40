/* inspect.c: sums over the tensors of a net, each in double and in vector order. */
#include "domain/inspect.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOWEST_DECADE = -6 };

static size_t bin_of(float f)
{
        double decade = floor(log10((double)f)) - LOWEST_DECADE;
        if (decade < 0)
                return 0;
        return decade >= INSPECT_BINS - 2 ? INSPECT_BINS - 1 : (size_t)decade + 1;
}

static void layer_fisher(const struct ewc_tensor *t, const float *fisher, struct layer_fisher *ret)
{
        struct layer_fisher l = {.n = (size_t)t->rows * t->cols};
        snprintf(l.name, sizeof(l.name), "%s", t->name);
        for (size_t i = 0; i < l.n; i++) {
                float f = fisher[t->offset + i];
                if (!(f > 0)) {
                        l.n_zero++;
                        continue;
                }
                l.trace += (double)f;
                l.max = fmax(l.max, (double)f);
                l.bins[bin_of(f)]++;
        }
        l.mean = l.n > 0 ? l.trace / (double)l.n : 0;
        *ret = l;
}

static int descending(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;
        return (x < y) - (x > y);
}

static double top_share(size_t P, const float *fisher, double trace, float *ws)
{
        double sum = 0;
        memcpy(ws, fisher, P * sizeof(*ws));
        qsort(ws, P, sizeof(*ws), descending);
        for (size_t i = 0; i < (P + 4) / 5; i++)
                sum += (double)ws[i];
        return trace > 0 ? sum / trace : 0;
}

void inspect_fisher(const struct ewc_spec *s, const float *fisher, float *ws, struct layer_fisher *ret_layers,
    struct fisher_view *ret)
{
        struct fisher_view v = {.n_layers = ewc_spec_tensors(s)};
        for (size_t i = 0; i < v.n_layers; i++) {
                struct ewc_tensor t;
                ewc_spec_tensor(s, i, &t);
                layer_fisher(&t, fisher, &ret_layers[i]);
                v.trace += ret_layers[i].trace;
        }
        for (size_t i = 0; i < v.n_layers; i++)
                ret_layers[i].share = v.trace > 0 ? ret_layers[i].trace / v.trace : 0;
        v.top_share = top_share(ewc_spec_params(s), fisher, v.trace, ws);
        *ret = v;
}

/* --- drift --- */

struct sums {
        double square, fisher;
};

static void add(struct layer_drift *l, struct sums *s, float a, float b, const float *fisher)
{
        double d = (double)b - (double)a;
        l->n++;
        l->n_changed += memcmp(&a, &b, sizeof(a)) != 0;
        l->max = fmax(l->max, fabs(d));
        s->square += d * d;
        s->fisher += fisher ? (double)*fisher * d * d : NAN;
}

static void finish(struct layer_drift *l, const struct sums *s)
{
        l->rms = l->n > 0 ? sqrt(s->square / (double)l->n) : 0;
        l->fisher_distance = sqrt(s->fisher);
}

void inspect_drift(const struct ewc_spec *s, const float *a, const float *b, const float *fisher,
    struct layer_drift *ret_layers, struct layer_drift *ret_total)
{
        struct layer_drift total = {.name = "all"};
        struct sums whole = {0};
        size_t n = ewc_spec_tensors(s);
        for (size_t k = 0; k < n; k++) {
                struct ewc_tensor t;
                struct layer_drift l = {0};
                struct sums sums = {0};
                ewc_spec_tensor(s, k, &t);
                snprintf(l.name, sizeof(l.name), "%s", t.name);
                for (size_t i = t.offset; i < t.offset + (size_t)t.rows * t.cols; i++)
                        add(&l, &sums, a[i], b[i], fisher ? &fisher[i] : NULL);
                finish(&l, &sums);
                ret_layers[k] = l;
                total.n += l.n;
                total.n_changed += l.n_changed;
                total.max = fmax(total.max, l.max);
                whole.square += sums.square;
                whole.fisher += sums.fisher;
        }
        finish(&total, &whole);
        *ret_total = total;
}
