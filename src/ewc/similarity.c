/* similarity.c: how alike two tasks are, and the divergence from the old model that the Fisher predicts, layer by
 * layer. Sums run in double in index order. */
#include <ewc/similarity.h>

#include <math.h>

#include "ewc/span.h"

static double mean(const float *v, size_t n)
{
        double sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += (double)v[i];
        return sum / (double)n;
}

double ewc_similarity(const struct ewc_spec *s, size_t n_tensors, const float *a, const float *b)
{
        struct ewc_tensor t;
        double ab = 0, aa = 0, bb = 0;

        for (size_t k = 0; k < n_tensors && ewc_spec_tensor(s, k, &t) == 0; k++) {
                for (size_t row = 0; row < t.rows; row++) {
                        size_t at = t.offset + row * t.cols;
                        double x = mean(a + at, t.cols), y = mean(b + at, t.cols), sum = x + y + 1e-8;

                        x /= sum;
                        y /= sum;
                        ab += x * y;
                        aa += x * x;
                        bb += y * y;
                }
        }
        return aa > 0 && bb > 0 ? ab / (sqrt(aa) * sqrt(bb)) : 0;
}

size_t ewc_layers(const struct ewc_spec *s)
{
        struct ewc_span g = {0};
        size_t n = 0;

        while (ewc_span_next(s, &g))
                n++;
        return n;
}

double ewc_predicted_kl(const struct ewc_spec *s, double factor, const float *fisher, const float *anchor,
    const float *theta, double *ret_layers)
{
        struct ewc_span g = {0};
        double sum = 0;

        for (size_t l = 0; ewc_span_next(s, &g); l++) {
                double layer = 0;

                for (size_t i = g.offset; i < g.offset + g.n; i++) {
                        double d = (double)theta[i] - (double)anchor[i];

                        layer += (double)fisher[i] * d * d;
                }
                layer *= factor / 2;
                if (ret_layers)
                        ret_layers[l] = layer;
                sum += layer;
        }
        return sum;
}
