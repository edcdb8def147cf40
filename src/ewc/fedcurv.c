/* fedcurv.c: the sums a server keeps of its clients' Fishers, and a client's penalty out of them.
 *
 * In double, since one client may outweigh all others and is subtracted again. */
#include <ewc/merge.h>

#include <math.h>

#define ROUNDING 1e-12 /* of u: below it a difference is what the sums' rounding left */

int ewc_fedcurv_add(size_t P, double factor, const float *fisher, const float *theta, double *u, double *v)
{
        if (!(factor >= 0) || isinf(factor))
                return EWC_E_INVAL;
        for (size_t i = 0; i < P; i++) {
                double f = factor * (double)fisher[i];

                u[i] += f;
                v[i] += f * (double)theta[i];
                if (!(f >= 0) || !isfinite(u[i]) || !isfinite(v[i]))
                        return EWC_E_NONFINITE;
        }
        return 0;
}

int ewc_fedcurv_without(size_t P, const double *u, const double *v, double factor, const float *fisher,
    const float *theta, float *U, float *centre)
{
        if (!(factor >= 0) || isinf(factor))
                return EWC_E_INVAL;
        for (size_t i = 0; i < P; i++) {
                double f = factor * (double)fisher[i], left = u[i] - f;
                bool any = left > ROUNDING * u[i];

                U[i] = any ? (float)left : 0.0f;
                centre[i] = any ? (float)((v[i] - f * (double)theta[i]) / left) : theta[i];
                if (!isfinite(left) || !isfinite(U[i]) || !isfinite(centre[i]))
                        return EWC_E_NONFINITE;
        }
        return 0;
}
