/* learn_step.c: one optimiser step of each method.
 *
 *   plain   gradient of the batch
 *   ewc     the same, with the penalty as proximal step inside the optimiser's
 *   joint   a batch of the union of all tasks' rows, each under its own head
 *   replay  (with plain or ewc) 1/n of the current batch's gradient and 1 - 1/n of a batch of retained rows, for n
 *           tasks seen: every task has the same weight (van de Ven et al. 2022, arXiv:2204.05462, section 4) */
#include "learner/learn_in.h"

/* grad (+)= scale * gradient of the mean loss over the picks, group by group; adds scale * loss to *loss. */
static int add_grad(struct learner *l, const uint32_t *pick, size_t n, double scale, bool add, double *loss)
{
        for (size_t g = 0; g < l->n_groups; g++) {
                struct ewc_batch b;
                double part = 0;
                learn_gather(l, pick, n, g, &b);
                if (b.n == 0)
                        continue;
                double share = scale * (double)b.n / (double)n;
                int r = ewc_train_grad(l->net, l->heads[g], &b, share, add, l->grad, &part, l->ws);
                if (r < 0)
                        return learn_ewc(l, r, "gradient");
                *loss += share * part;
                add = true;
        }
        return 0;
}

int learn_step(struct learner *l, const uint32_t *pick, size_t n, double *ret_loss)
{
        const struct learn_plan *plan = &l->job->plan;
        double now = l->n_retained > 0 ? 1.0 / l->n_tasks : 1.0, loss = 0;
        int r = add_grad(l, pick, n, now, false, &loss);
        if (r == 0 && l->n_retained > 0) {
                for (size_t i = 0; i < plan->batch; i++)
                        l->draw[i] = l->retained[ewc_rng_below(&l->replay_rng, (uint32_t)l->n_retained)];
                r = add_grad(l, l->draw, plan->batch, 1.0 - now, true, &loss);
        }
        if (r != 0)
                return r;
        r = ewc_optim_step(&plan->optim, l->n_params, l->theta, l->grad, l->optim, l->st.step + 1,
            l->pen.lambda > 0 ? &l->pen : NULL);
        if (r < 0)
                return learn_ewc(l, r, "optimiser step");
        *ret_loss = loss;
        return 0;
}
