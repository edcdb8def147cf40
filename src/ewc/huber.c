/* huber.c: Huber's form of the penalty in value, gradient and proximal form.
 *
 * Huber 1964: quadratic near the anchor, linear far from it, with a continuous slope. The loops mirror penalty.c line
 * by line, so that an infinite knee gives the same bits; the step fused into the optimiser is in prox.h. */
#include <ewc/penalty.h>

#include "ewc/internal.h"
#include "ewc/prox.h"

EWC_INLINE double huber(double d, double knee)
{
        double size = d < 0 ? -d : d;

        return size <= knee ? d * d : knee * (2 * size - knee);
}

/* Eight partial sums in a fixed order, as in penalty.c. */
EWC_CLONES double ewc_penalty_huber_value(size_t P, const float *theta, const struct ewc_penalty *pen, float knee)
{
        const float *restrict f = pen->fisher, *restrict a = pen->anchor;
        double lane[8] = {0}, sum = 0;
        size_t i = 0;

        for (; i + 8 <= P; i += 8) {
                for (size_t k = 0; k < 8; k++)
                        lane[k] += (double)f[i + k] * huber((double)theta[i + k] - (double)a[i + k], (double)knee);
        }
        for (size_t k = 0; i + k < P; k++)
                lane[k] += (double)f[i + k] * huber((double)theta[i + k] - (double)a[i + k], (double)knee);
        for (size_t k = 0; k < 8; k++)
                sum += lane[k];
        return pen->lambda * sum;
}

EWC_CLONES void ewc_penalty_huber_grad(
    size_t P, const float *restrict theta, const struct ewc_penalty *pen, float knee, float *restrict grad)
{
        const float *restrict f = pen->fisher, *restrict a = pen->anchor;
        const float k = (float)(2 * pen->lambda);

        for (size_t i = 0; i < P; i++) {
                float d = theta[i] - a[i];

                d = d > knee ? knee : d;
                d = d < -knee ? -knee : d;
                grad[i] += k * f[i] * d;
        }
}

EWC_CLONES static void prox_one_step(size_t P, float *restrict theta, const float *restrict f,
    const float *restrict a, float lambda2, float step, float knee)
{
        for (size_t i = 0; i < P; i++)
                theta[i] = ewc_prox_huber(theta[i], a[i], step * lambda2 * f[i], knee);
}

EWC_CLONES static void prox_steps(size_t P, float *restrict theta, const float *restrict f, const float *restrict a,
    float lambda2, const float *restrict step, float knee)
{
        for (size_t i = 0; i < P; i++)
                theta[i] = ewc_prox_huber(theta[i], a[i], step[i] * lambda2 * f[i], knee);
}

void ewc_penalty_huber_prox(
    size_t P, float *theta, const struct ewc_penalty *pen, const float *step, float step0, float knee)
{
        if (!(pen->lambda > 0))
                return;
        if (step)
                prox_steps(P, theta, pen->fisher, pen->anchor, (float)(2 * pen->lambda), step, knee);
        else
                prox_one_step(P, theta, pen->fisher, pen->anchor, (float)(2 * pen->lambda), step0, knee);
}
