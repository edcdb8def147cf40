/* learn_distill.c: learning without forgetting (Li and Hoiem 2016, arXiv:1606.09282).
 *
 * The teacher is the net the job starts from. On every batch of the open task its logits are compared with the
 * student's, over the head of each closed task: one term for every distinct head, weighted by how many closed sets
 * share it, so that every closed task counts once. The terms stand beside the label loss and share its scale. */
#include "base/err.h"
#include "learner/learn_in.h"
#include <string.h>

static bool same(const struct ewc_head *a, const struct ewc_head *b)
{
        return a->n == b->n && memcmp(a->out, b->out, a->n * sizeof(*a->out)) == 0;
}

static void add_term(struct learner *l, const struct learn_rows *rows)
{
        const struct learn_plan *plan = &l->job->plan;
        for (size_t t = 0; t < l->n_terms; t++)
                if (same(l->terms[t].head, &rows->head)) {
                        l->terms[t].weight += plan->distill;
                        return;
                }
        l->terms[l->n_terms++] = (struct ewc_distill){
            .kind = EWC_DISTILL_KD,
            .head = &rows->head,
            .logits = l->teacher_logits,
            .weight = plan->distill,
            .temperature = plan->distill_temperature,
        };
}

int learn_distill_open(struct learner *l)
{
        const struct learn_job *job = l->job;
        if (job->n_replay == 0)
                return 0; /* nothing is old yet */
        int r = ewc_net_new(&l->teacher, &job->net, NULL);
        if (r < 0)
                return learn_ewc(l, r, "teacher");
        memcpy(ewc_net_theta(l->teacher), job->theta, l->n_params * sizeof(float));
        if ((r = ewc_plan_new(&l->teacher_plan, l->teacher, NULL)) < 0)
                return learn_ewc(l, r, "teacher");
        l->teacher_logits = arena_array(&l->arena, job->plan.batch, job->net.n_outputs * sizeof(float));
        l->terms = arena_new_array(&l->arena, struct ewc_distill, job->n_replay);
        if (!l->teacher_logits || !l->terms)
                return err_oom(l->e);
        for (size_t i = 0; i < job->n_replay; i++)
                if (job->replay[i].head.n > 0)
                        add_term(l, &job->replay[i]);
        return 0;
}

int learn_distill_grad(struct learner *l, const struct ewc_batch *b, double scale, double *ret_loss)
{
        int r = ewc_plan_run(l->teacher_plan, b->n, b->x, l->teacher_logits, NULL, l->ws);
        if (r < 0)
                return r;
        return ewc_distill_grad(
            l->net, &l->job->train.head, b, 1.0, l->n_terms, l->terms, scale, false, l->grad, ret_loss, NULL, l->ws);
}
