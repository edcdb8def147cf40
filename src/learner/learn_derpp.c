/* learn_derpp.c: dark experience replay with labels (DER++, Buzzega et al. 2020, arXiv:2004.07211, eq. 6).
 *
 * The paper stores a row's logits when the row is learned. Here they come from the anchor of the row's task, the net
 * as it was when the task closed: computed once per job for every retained row, so that a job is whole without them
 * and a resumed one has the same bits. On replayed rows the squared distance to them stands beside the label loss. */
#include "base/err.h"
#include "learner/learn_in.h"
#include <string.h>

static const struct learn_past *past_of(const struct learn_job *job, uint64_t task)
{
        for (size_t k = 0; k < job->n_past; k++)
                if (job->past[k].task == task)
                        return &job->past[k];
        return NULL;
}

/* Logits of the rows retained[from .. to-1], all of one set, at the theta the net has now. */
static int run_rows(struct learner *l, size_t set, size_t from, size_t to, float *logits)
{
        size_t O = l->job->net.n_outputs;
        for (size_t at = from; at < to;) {
                struct ewc_batch b;
                size_t n = to - at < l->batch_rows ? to - at : l->batch_rows;
                learn_gather(l, l->retained + at, n, l->group[set], &b);
                int r = ewc_net_forward(l->net, n, b.x, logits + at * O, l->ws);
                if (r < 0)
                        return learn_ewc(l, r, "logits of the closed tasks");
                for (size_t i = 0; i < n; i++)
                        l->kept_at[l->retained[at + i] - l->first[1]] = (uint32_t)(at + i);
                at += n;
        }
        return 0;
}

int learn_derpp_open(struct learner *l)
{
        const struct learn_job *job = l->job;
        size_t O = job->net.n_outputs;
        if (l->n_retained == 0)
                return 0; /* nothing is old yet */
        float *logits = arena_array(&l->arena, l->n_retained, O * sizeof(float));
        l->kept_at = arena_new_array(&l->arena, uint32_t, l->first[l->n_sets] - l->first[1]);
        l->taught = arena_array(&l->arena, l->batch_rows, O * sizeof(float));
        if (!logits || !l->kept_at || !l->taught)
                return err_oom(l->e);
        for (size_t s = 1; s < l->n_sets; s++) {
                if (l->kept_first[s] == l->kept_first[s + 1])
                        continue;
                memcpy(l->theta, past_of(job, learn_set(l, s)->task)->anchor, l->n_params * sizeof(float));
                int r = run_rows(l, s, l->kept_first[s], l->kept_first[s + 1], logits);
                if (r != 0)
                        return r;
        }
        l->kept_logits = logits;
        return 0;
}

int learn_derpp_grad(struct learner *l, size_t group, const struct ewc_batch *b, double label_weight, double scale,
    bool add, double *ret_loss)
{
        const struct ewc_distill term = {
            .kind = EWC_DISTILL_LOGITS, .head = l->heads[group], .logits = l->taught, .weight = l->job->plan.derpp};
        return ewc_distill_grad(
            l->net, l->heads[group], b, label_weight, 1, &term, scale, add, l->grad, ret_loss, NULL, l->ws);
}
