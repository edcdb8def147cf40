/* si.c: the path integral of Synaptic Intelligence and the importance it ends in. The many small terms of a path are
 * summed in double; everything else is one pass over the parameters. */
#include <ewc/si.h>

#include <math.h>

#include "ewc/internal.h"

EWC_CLONES static void path_add(size_t P, const float *restrict grad, const float *restrict before,
    const float *restrict after, double *restrict path)
{
        for (size_t i = 0; i < P; i++)
                path[i] -= (double)grad[i] * ((double)after[i] - (double)before[i]);
}

void ewc_si_step(size_t P, const float *grad, const float *before, const float *after, double *path)
{
        path_add(P, grad, before, after, path);
}

int ewc_si_finish(size_t P, const double *path, const float *start, const float *end, double xi, float *ret)
{
        bool finite = true;

        if (!(xi > 0) || !isfinite(xi))
                return EWC_E_INVAL;
        for (size_t i = 0; i < P; i++) {
                double change = (double)end[i] - (double)start[i], omega = path[i] / (change * change + xi);

                ret[i] = omega < 0 ? 0.0f : (float)omega;
                finite = finite && isfinite(ret[i]);
        }
        return finite ? 0 : EWC_E_NONFINITE;
}
