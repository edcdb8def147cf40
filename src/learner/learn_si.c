/* learn_si.c: synaptic intelligence (libewc si.h), importance measured along the way.
 *
 * Omega takes the place of the Fisher: stored with mean 1 and its factor, merged and penalised by the same code. */
#include "learner/learn_in.h"
#include <ewc/si.h>
#include <string.h>

void learn_si_before(struct learner *l)
{
        memcpy(l->before_step, l->theta, l->n_params * sizeof(float));
        memcpy(l->loss_grad, l->grad, l->n_params * sizeof(float));
}

void learn_si_after(struct learner *l)
{
        ewc_si_step(l->n_params, l->loss_grad, l->before_step, l->theta, l->path);
}

int learn_si_finish(struct learner *l)
{
        const struct learn_job *job = l->job;
        float *omega = l->loss_grad; /* no step follows: its memory is free */
        int r = ewc_si_finish(l->n_params, l->path, job->theta, l->theta, job->plan.si_damping, omega);
        for (size_t i = 0; r == 0 && i < l->n_params; i++)
                l->fisher_sum[i] = (double)omega[i];
        if (r == 0)
                r = ewc_fisher_finish(
                    &job->net, job->plan.fisher, &job->train.head, 1, l->fisher_sum, l->ret_fisher, &l->fisher_info);
        if (r < 0)
                return learn_ewc(l, r, "importance");
        l->fisher_info.n_samples = l->st.step;
        l->st.phase = LEARN_PHASE_DONE;
        return 0;
}
