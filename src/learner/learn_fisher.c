/* learn_fisher.c: the Fisher of the open task at its optimum, in slices that can be resumed.
 *
 * Rows are the task's own, labelled ones and those that were only seen, all of them or a sample. The sum grows batch
 * by batch in a fixed order in double; what SAMPLE and MIXED draw comes from a stream named by the batch. */
#include "base/err.h"
#include "learner/learn_in.h"
#include <ewc/mas.h>
#include <math.h>
#include <string.h>

enum {
        COLUMNS_MAX = 2048, /* back-propagated rows of a batch: rows times columns per row */
        ROWS_MAX = 256,
        SLICES = 8, /* checkpoints of a pass, about; every batch is reported, for whoever takes silence for a stall */
};

size_t learn_fisher_rows(const struct learn_job *job)
{
        bool mas = job->plan.importance == LEARN_IMPORTANCE_MAS;
        size_t columns = !mas && job->plan.fisher == EWC_FISHER_EXACT ? job->train.head.n : 1;
        size_t rows = COLUMNS_MAX / (columns > 0 ? columns : 1), all = job->train.n + job->seen.n;
        rows = rows > ROWS_MAX ? ROWS_MAX : rows < 1 ? 1 : rows;
        if (!mas && job->plan.fisher == EWC_FISHER_BATCHED)
                rows = job->plan.batch; /* the batch is part of the definition */
        return rows < all ? rows : all;
}

uint64_t learn_fisher_total(const struct learn_job *job)
{
        uint64_t all = (uint64_t)job->train.n + job->seen.n, want = job->plan.fisher_samples;
        /* the product of a decimal fraction may lie a rounding above a whole number */
        if (job->plan.fisher_fraction > 0)
                want = (uint64_t)ceil(job->plan.fisher_fraction * (double)all * (1 - 1e-12));
        return want > 0 && want < all ? want : all;
}

void learn_fisher_pick(struct learner *l, enum learn_stream stream, size_t want, bool seen)
{
        const struct learn_rows *rows = &l->job->train;
        size_t more = seen ? l->job->seen.n : 0, all = rows->n + more;
        struct ewc_rng r;
        if (want >= all) {
                for (size_t i = 0; i < all; i++)
                        l->order[i] = (uint32_t)i;
                return;
        }
        size_t labelled = (size_t)((uint64_t)want * rows->n / all);
        learn_rng(l, stream, 0, &r);
        learn_rank(l, rows, &r, l->order, l->rank);
        labelled = learn_even(l->order, l->rank, rows->n, labelled);
        uint32_t *rest = l->order + rows->n; /* shuffled where they are, then moved to the others */
        for (size_t i = 0; i < more; i++)
                rest[i] = (uint32_t)(rows->n + i);
        ewc_rng_shuffle(&r, more, rest);
        memmove(l->order + labelled, rest, (want - labelled) * sizeof(*rest));
}

/* As learn_gather, over train and seen: there is one head, and no weights. Rows of seen have no labels. */
static void gather(struct learner *l, const uint32_t *pick, size_t n, struct ewc_batch *ret)
{
        const struct learn_job *job = l->job;
        size_t I = job->net.n_inputs;
        if (job->seen.n == 0) {
                learn_gather(l, pick, n, l->group[0], ret);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                bool seen = pick[i] >= job->train.n;
                const float *x = seen ? job->seen.x + (pick[i] - job->train.n) * I : job->train.x + pick[i] * I;
                memcpy(l->x + i * I, x, I * sizeof(float));
        }
        *ret = (struct ewc_batch){.n = n, .x = l->x};
}

/* One batch at the rows in order[at] and on, as libewc's code. */
static int add_rows(struct learner *l, enum ewc_fisher kind, bool mas, size_t at, size_t n)
{
        const struct ewc_head *head = &l->job->train.head;
        struct ewc_batch b;
        struct ewc_rng labels;
        gather(l, l->order + at, n, &b);
        if (mas)
                return ewc_mas_add(l->net, head, b.n, b.x, l->fisher_sum, l->ws);
        learn_rng(l, STREAM_LABELS, (uint32_t)at, &labels);
        return ewc_fisher_add(l->net, kind, head, &b, &labels, l->fisher_sum, l->ws);
}

/* Says which pass left the range of float and at which row, with what is likeliest to blame, its largest input. A
 * row that fails alone is the one; the sum the others are added to has had its day. */
static int out_of_range(struct learner *l, enum ewc_fisher kind, bool mas, size_t at, size_t n)
{
        const char *what = mas ? "importance: its gradients" : "Fisher: the squares of its gradients";
        const size_t I = l->job->net.n_inputs, labelled = l->job->train.n;
        for (size_t i = at; i < at + n; i++) {
                if (add_rows(l, kind, mas, i, 1) != EWC_E_NONFINITE)
                        continue;
                const size_t row = l->order[i] < labelled ? l->order[i] : l->order[i] - labelled;
                size_t top = 0;
                for (size_t k = 1; k < I; k++)
                        top = fabsf(l->x[k]) > fabsf(l->x[top]) ? k : top;
                return err_set(l->e, LEARN_DIVERGED,
                    "%s leave the range of float; %s %zu of the open task has an input of %g", what,
                    l->order[i] < labelled ? "row" : "seen row", row, (double)l->x[top]);
        }
        return err_set(
            l->e, LEARN_DIVERGED, "%s leave the range of float, in a sum of %zu rows of the open task", what, n);
}

int learn_fisher_batch(struct learner *l, enum ewc_fisher kind, bool mas, size_t at, size_t n)
{
        int r = learn_poll(l);
        if (r != 0)
                return r;
        r = add_rows(l, kind, mas, at, n);
        return r == EWC_E_NONFINITE ? out_of_range(l, kind, mas, at, n)
                                    : learn_ewc(l, r, mas ? "importance" : "Fisher");
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
        learn_fisher_pick(l, STREAM_FISHER, total, true);
        for (size_t at = (size_t)l->st.fisher_done; at < total;) {
                size_t n = total - at < rows ? total - at : rows;
                int r = learn_fisher_batch(l, plan->fisher, plan->importance == LEARN_IMPORTANCE_MAS, at, n);
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
        if (r == 0)
                r = ewc_fisher_damp(
                    &l->job->net, &l->job->train.head, plan->fisher_damping, l->ret_fisher, &l->fisher_info);
        if (r < 0)
                return learn_ewc(l, r, "Fisher");
        l->st.phase = LEARN_PHASE_DONE;
        return 0;
}
