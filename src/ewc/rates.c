/* rates.c: rates of the optimiser by layer, read off the Fisher: the more of its trace a layer holds, the slower. */
#include <ewc/step.h>

#include <math.h>

#include "ewc/span.h"

static double range_sum(size_t n, const float *x)
{
        double sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += (double)x[i];
        return sum;
}

int ewc_step_rates(const struct ewc_spec *s, const float *fisher, double floor, float *ret)
{
        const double trace = range_sum(ewc_spec_params(s), fisher);
        struct ewc_span g = {0};

        if (!(floor >= 0) || floor > 1)
                return EWC_E_INVAL;
        if (!isfinite(trace) || trace < 0)
                return EWC_E_NONFINITE;
        while (ewc_span_next(s, &g)) {
                double share = trace > 0 ? range_sum(g.n, fisher + g.offset) / trace : 0;

                for (size_t i = 0; i < g.n_tensors; i++)
                        ret[g.tensor + i] = (float)(1 - (1 - floor) * share);
        }
        return 0;
}
