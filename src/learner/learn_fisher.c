/* learn_fisher.c: the Fisher of the open task at its optimum, in slices that can be resumed.
 *
 * Rows are the task's own, all of them or a sample drawn evenly over classes. The sum grows batch by batch in a fixed
 * order in double; labels that SAMPLE draws come from a stream named by the batch. */
#include "learner/learn_in.h"
#include <ewc/mas.h>

enum {
        COLUMNS_MAX = 2048, /* back-propagated rows of a batch: rows times columns per row */
        ROWS_MAX = 256,
        SLICES = 8, /* checkpoints of a pass, about; every batch is reported, for whoever takes silence for a stall */
};

size_t learn_fisher_rows(const struct learn_job *job)
{
        bool mas = job->plan.importance == LEARN_IMPORTANCE_MAS;
        size_t columns = !mas && job->plan.fisher == EWC_FISHER_EXACT ? job->train.head.n : 1;
        size_t rows = COLUMNS_MAX / (columns > 0 ? columns : 1);
        rows = rows > ROWS_MAX ? ROWS_MAX : rows < 1 ? 1 : rows;
        if (!mas && job->plan.fisher == EWC_FISHER_BATCHED)
                rows = job->plan.batch; /* the batch is part of the definition */
        return rows < job->train.n ? rows : job->train.n;
}

uint64_t learn_fisher_total(const struct learn_job *job)
{
        uint64_t want = job->plan.fisher_samples;
        return want > 0 && want < job->train.n ? want : job->train.n;
}

static void choose_rows(struct learner *l)
{
        const struct learn_rows *rows = &l->job->train;
        struct ewc_rng r;
        if (l->fisher_total == rows->n) {
                for (size_t i = 0; i < rows->n; i++)
                        l->order[i] = (uint32_t)i;
                return;
        }
        learn_rng(l, STREAM_FISHER, 0, &r);
        learn_rank(l, rows, &r, l->order, l->rank);
        learn_even(l->order, l->rank, rows->n, (size_t)l->fisher_total);
}

static int add_batch(struct learner *l, size_t at, size_t rows)
{
        struct ewc_batch b;
        struct ewc_rng labels;
        int r = learn_poll(l);
        if (r != 0)
                return r;
        learn_gather(l, l->order + at, rows, l->group[0], &b);
        if (l->job->plan.importance == LEARN_IMPORTANCE_MAS) {
                r = ewc_mas_add(l->net, &l->job->train.head, b.n, b.x, l->fisher_sum, l->ws);
                return learn_ewc(l, r, "importance");
        }
        learn_rng(l, STREAM_LABELS, (uint32_t)at, &labels);
        r = ewc_fisher_add(l->net, l->job->plan.fisher, &l->job->train.head, &b, &labels, l->fisher_sum, l->ws);
        return learn_ewc(l, r, "Fisher");
}

/* MAS in the place of a Fisher: the same record, mean 1 and factor. */
static int finish_mas(struct learner *l, uint64_t n)
{
        const struct learn_rows *rows = &l->job->train;
        struct ewc_fisher_info *info = &l->fisher_info;
        int r = ewc_mas_finish(&l->job->net, &rows->head, n, l->fisher_sum, l->ret_fisher, &info->factor);
        if (r < 0)
                return learn_ewc(l, r, "importance");
        info->kind = l->job->plan.fisher;
        info->n_samples = n;
        info->n_protected = ewc_spec_protected(&l->job->net, &rows->head);
        info->trace = info->factor * (double)info->n_protected;
        l->st.phase = LEARN_PHASE_DONE;
        return 0;
}

int learn_fisher(struct learner *l)
{
        const struct learn_plan *plan = &l->job->plan;
        size_t total = (size_t)l->fisher_total, rows = learn_fisher_rows(l->job);
        size_t n_batches = (total + rows - 1) / rows, slice = (n_batches + SLICES - 1) / SLICES * rows;
        choose_rows(l);
        for (size_t at = (size_t)l->st.fisher_done; at < total;) {
                size_t n = total - at < rows ? total - at : rows;
                int r = add_batch(l, at, n);
                if (r != 0)
                        return r;
                at += n;
                l->st.fisher_done = at;
                r = learn_report(l, l->st.loss, l->st.penalty, at % slice == 0 || at == total);
                if (r != 0)
                        return r;
        }
        if (plan->importance == LEARN_IMPORTANCE_MAS)
                return finish_mas(l, total);
        uint64_t n = plan->fisher == EWC_FISHER_BATCHED ? n_batches : total;
        int r = ewc_fisher_finish(
            &l->job->net, plan->fisher, &l->job->train.head, n, l->fisher_sum, l->ret_fisher, &l->fisher_info);
        if (r < 0)
                return learn_ewc(l, r, "Fisher");
        l->st.phase = LEARN_PHASE_DONE;
        return 0;
}
