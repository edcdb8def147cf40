/* similarity.c: how alike two tasks are, and the divergence from the old model that the Fisher predicts, layer by
 * layer. Sums run in double in index order. */
#include <ewc/similarity.h>

#include <math.h>

#include "ewc/span.h"

double ewc_similarity(size_t P, const float *a, const float *b)
{
        double ab = 0, aa = 0, bb = 0;

        for (size_t i = 0; i < P; i++) {
                double sum = (double)a[i] + (double)b[i] + 1e-8, x = (double)a[i] / sum, y = (double)b[i] / sum;

                ab += x * y;
                aa += x * x;
                bb += y * y;
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
