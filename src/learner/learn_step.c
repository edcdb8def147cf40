/* learn_step.c: one optimiser step of each method.
 *
 *   plain   gradient of the batch
 *   ewc     the same, with the penalty as proximal step inside the optimiser's, or (form grad) its gradient added
 *           to the loss's, so that it passes through the optimiser's moments as in the papers
 *   distill (with plain or ewc) the teacher's terms beside the labels of the current batch
 *   joint   a batch of the union of all tasks' rows, each under its own head
 *   replay  (with plain or ewc) 1/n of the current batch's gradient and 1 - 1/n of a batch of retained rows, for n
 *           tasks seen: every task has the same weight (van de Ven et al. 2022, arXiv:2204.05462, section 4)
 *   derpp   (with replay) the distance of the retained rows' logits to their own tasks' beside their labels */
#include "base/err.h"
#include "learner/learn_in.h"

/* grad (+)= scale * gradient of the mean loss over the picks, group by group; adds scale * loss to *loss. */
static int add_grad(
    struct learner *l, const uint32_t *pick, size_t n, double scale, bool add, struct ewc_rng *dropout, double *loss)
{
        for (size_t g = 0; g < l->n_groups; g++) {
                struct ewc_batch b;
                double part = 0;
                learn_gather(l, pick, n, g, &b);
                if (b.n == 0)
                        continue;
                b.rng = dropout;
                double share = scale * (double)b.n / (double)n;
                int r = ewc_train_grad(l->net, l->heads[g], &b, share, add, l->grad, &part, l->ws);
                if (r < 0)
                        return learn_diverged(l, r, l->st.step + 1, "gradient");
                *loss += share * part;
                add = true;
        }
        return 0;
}

/* The same for replayed rows: their labels weigh `label`, the distance to their tasks' logits what the plan says. */
static int add_taught(
    struct learner *l, const uint32_t *pick, size_t n, double label, struct ewc_rng *dropout, double *loss)
{
        for (size_t g = 0; g < l->n_groups; g++) {
                struct ewc_batch b;
                double part = 0;
                learn_gather(l, pick, n, g, &b);
                if (b.n == 0)
                        continue;
                b.rng = dropout;
                double share = (double)b.n / (double)n;
                int r = learn_derpp_grad(l, g, &b, label, share, true, &part);
                if (r < 0)
                        return learn_diverged(l, r, l->st.step + 1, "gradient");
                *loss += share * part;
        }
        return 0;
}

/* The same for rows of the open task, beside what the teacher says of them. */
static int add_distilled(struct learner *l, const uint32_t *pick, size_t n, double scale, double *loss)
{
        struct ewc_batch b;
        double part = 0;
        learn_gather(l, pick, n, l->group[0], &b);
        int r = learn_distill_grad(l, &b, scale, &part);
        if (r < 0)
                return learn_diverged(l, r, l->st.step + 1, "distillation");
        *loss += scale * part;
        return 0;
}

/* Which rows are replayed in this step, into l->draw; returns how many. */
static size_t draw_replay(struct learner *l)
{
        const struct learn_plan *plan = &l->job->plan;
        size_t n = 0;
        if (!plan->replay_even) {
                for (; n < plan->batch; n++)
                        l->draw[n] = l->retained[ewc_rng_below(&l->replay_rng, (uint32_t)l->n_retained)];
                return n;
        }
        size_t each = (plan->batch + l->n_sets - 2) / (l->n_sets - 1);
        for (size_t s = 1; s < l->n_sets; s++) {
                size_t from = l->kept_first[s], rows = l->kept_first[s + 1] - from;
                for (size_t i = 0; rows > 0 && i < each; i++)
                        l->draw[n++] = l->retained[from + ewc_rng_below(&l->replay_rng, (uint32_t)rows)];
        }
        return n;
}

/* The optimiser's step with the penalty in the form the plan asks for, and the path integral beside it. */
static int optim_step(struct learner *l)
{
        const struct learn_plan *plan = &l->job->plan;
        const struct ewc_penalty *pen = l->pen.lambda > 0 ? &l->pen : NULL;
        if (l->path)
                learn_si_before(l);
        if (pen && plan->form == LEARN_FORM_GRAD) {
                if (l->how.knee > 0)
                        ewc_penalty_huber_grad(l->n_params, l->theta, pen, l->how.knee, l->grad);
                else
                        ewc_penalty_grad(l->n_params, l->theta, pen, l->grad);
                pen = NULL;
        }
        uint64_t t = l->job->optim_steps + l->st.step + 1;
        int r = ewc_optim_step_with(&l->conf, &l->job->net, l->theta, l->grad, l->optim, t, pen, &l->how);
        if (r < 0)
                return learn_diverged(l, r, l->st.step + 1, "parameters");
        if (l->path)
                learn_si_after(l);
        return 0;
}

int learn_step(struct learner *l, const uint32_t *pick, size_t n, double *ret_loss)
{
        double now = l->n_retained > 0 ? 1.0 / l->n_tasks : 1.0, loss = 0;
        struct ewc_rng dropout; /* named by the step: a resumed run draws the same masks */
        learn_rng(l, STREAM_DROPOUT, (uint32_t)l->st.step, &dropout);
        int r = l->n_terms > 0 ? add_distilled(l, pick, n, now, &loss)
                               : add_grad(l, pick, n, now, false, &dropout, &loss);
        if (r == 0 && l->n_retained > 0) {
                size_t replayed = draw_replay(l);
                r = l->kept_logits ? add_taught(l, l->draw, replayed, 1.0 - now, &dropout, &loss)
                                   : add_grad(l, l->draw, replayed, 1.0 - now, true, &dropout, &loss);
        }
        if (r == 0)
                r = optim_step(l);
        if (r != 0)
                return r;
        *ret_loss = loss;
        return 0;
}
