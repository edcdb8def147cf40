/* penalty.c: the EWC penalty in value, gradient and proximal form, and the merge of several tasks into one.
 *
 * The proximal form is written anchor + (theta - anchor) / (1 + k): a huge or infinite k lands exactly on the anchor,
 * where (theta + k anchor) / (1 + k) would give NaN. The step fused into the optimiser is in prox.h. */
#include "ewc/internal.h"
#include "ewc/prox.h"

/* Eight partial sums, added in a fixed order: the loop vectorises and the result does not depend on how. */
EWC_CLONES double ewc_penalty_value(size_t P, const float *theta, const struct ewc_penalty *pen)
{
        const float *restrict f = pen->fisher, *restrict a = pen->anchor;
        double lane[8] = {0}, sum = 0;
        size_t i = 0;

        for (; i + 8 <= P; i += 8) {
                for (size_t k = 0; k < 8; k++) {
                        double d = (double)theta[i + k] - (double)a[i + k];

                        lane[k] += (double)f[i + k] * d * d;
                }
        }
        for (size_t k = 0; i + k < P; k++) {
                double d = (double)theta[i + k] - (double)a[i + k];

                lane[k] += (double)f[i + k] * d * d;
        }
        for (size_t k = 0; k < 8; k++)
                sum += lane[k];
        return pen->lambda * sum;
}

EWC_CLONES void ewc_penalty_grad(
    size_t P, const float *restrict theta, const struct ewc_penalty *pen, float *restrict grad)
{
        const float *restrict f = pen->fisher, *restrict a = pen->anchor;
        const float k = (float)(2 * pen->lambda);

        for (size_t i = 0; i < P; i++)
                grad[i] += k * f[i] * (theta[i] - a[i]);
}

EWC_CLONES static void prox_one_step(
    size_t P, float *restrict theta, const float *restrict f, const float *restrict a, float lambda2, float step)
{
        for (size_t i = 0; i < P; i++)
                theta[i] = ewc_prox(theta[i], a[i], step * lambda2 * f[i]);
}

EWC_CLONES static void prox_steps(size_t P, float *restrict theta, const float *restrict f, const float *restrict a,
    float lambda2, const float *restrict step)
{
        for (size_t i = 0; i < P; i++)
                theta[i] = ewc_prox(theta[i], a[i], step[i] * lambda2 * f[i]);
}

void ewc_penalty_prox(size_t P, float *theta, const struct ewc_penalty *pen, const float *step, float step0)
{
        if (!(pen->lambda > 0))
                return;
        if (step)
                prox_steps(P, theta, pen->fisher, pen->anchor, (float)(2 * pen->lambda), step);
        else
                prox_one_step(P, theta, pen->fisher, pen->anchor, (float)(2 * pen->lambda), step0);
}

void ewc_penalty_merge(size_t P, float *U, float *centre, double alpha, const float *fisher, const float *anchor)
{
        for (size_t i = 0; i < P; i++) {
                double f = alpha * (double)fisher[i], u = (double)U[i] + f, c = (double)centre[i];

                centre[i] = u > 0 ? (float)(c + f / u * ((double)anchor[i] - c)) : anchor[i];
                U[i] = (float)u;
        }
}
