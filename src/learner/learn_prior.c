/* learn_prior.c: how much doubt the holdouts bear out: the prior precision of the output layer.
 *
 * What is unknown of the output layer is the inverse of a precision: the closed tasks' Fishers, and a prior
 * (ewc/laplace.h). At the end of a job all of it is at hand: theta, the records and, in a rollover, the Fisher of the
 * task that ends. The prior is the one with the lowest mean negative log-likelihood over all holdout rows that will
 * get an uncertainty, pooled, so that a task counts by its rows; beyond ROWS_MAX or WORK_MAX, rows evenly spaced.
 *
 * None is chosen (0) without a closed task, with any record that is no EXACT Fisher, with another loss than softmax,
 * on fewer rows than ROWS_MIN, and where the numbers give none: no job ends badly for it.
 *
 * A search is over one head. Rows of several tasks go through one search because outputs outside a row's head get a
 * logit that no doubt brings back among the others. */
#include "learner/learn_in.h"
#include "base/err.h"
#include <math.h>
#include <string.h>

enum { ROWS_MIN = 32, ROWS_MAX = 4096 };
#define WORK_MAX 5e7 /* multiply-adds of a pass over the rows; the search makes some forty, and is silent meanwhile */
#define FLOATS_MAX ((size_t)16 << 20) /* of features, logits and their variances */
#define OUTSIDE -1e30f                /* however much doubt divides it, far below the others */

static bool is_curved(const struct learn_job *job)
{
        bool rollover = job->kind == JOB_ROLLOVER;
        if (job->net.loss != EWC_LOSS_SOFTMAX || (job->n_past == 0 && !rollover))
                return false;
        for (size_t k = 0; k < job->n_past; k++)
                if (job->past[k].n_samples == 0)
                        return false;
        return !rollover || (job->plan.importance == LEARN_IMPORTANCE_FISHER && job->plan.fisher == EWC_FISHER_EXACT);
}

static size_t capacity(const struct learn_job *job)
{
        size_t O = job->net.n_outputs, D = ewc_laplace_inputs(&job->net), n = 0;
        double work = WORK_MAX / ((double)O * (double)D);
        for (size_t i = 0; i < job->n_holdout; i++)
                n += job->holdout[i].n;
        n = n < ROWS_MAX ? n : ROWS_MAX;
        n = (double)n < work ? n : (size_t)work;
        return n < FLOATS_MAX / (D + 2 * O) ? n : FLOATS_MAX / (D + 2 * O);
}

int learn_prior_open(struct learner *l)
{
        const struct ewc_spec *net = &l->job->net;
        size_t n = capacity(l->job), O = net->n_outputs, L = ewc_laplace_params(net);
        struct learn_prior *p = &l->prior;
        if (!is_curved(l->job) || n < ROWS_MIN)
                return 0;
        p->records = arena_new_array(&l->arena, struct ewc_evidence, l->job->n_past + 1);
        p->precision = arena_new_array(&l->arena, double, L);
        p->variance = arena_new_array(&l->arena, float, L);
        p->phi = arena_new_array(&l->arena, float, n *ewc_laplace_inputs(net));
        p->z = arena_new_array(&l->arena, float, n *O);
        p->f_var = arena_new_array(&l->arena, float, n *O);
        p->label = arena_new_array(&l->arena, int32_t, n);
        if (!p->records || !p->precision || !p->variance || !p->phi || !p->z || !p->f_var || !p->label)
                return err_oom(l->e);
        p->capacity = n;
        return 0;
}

/* What the daemon will have of the closed tasks. */
static int sum_records(struct learner *l)
{
        const struct learn_job *job = l->job;
        size_t n = job->n_past;
        for (size_t k = 0; k < n; k++)
                l->prior.records[k] =
                    (struct ewc_evidence){(double)job->past[k].n_samples, job->past[k].factor, job->past[k].fisher};
        if (job->kind == JOB_ROLLOVER)
                l->prior.records[n++] =
                    (struct ewc_evidence){(double)l->fisher_info.n_samples, l->fisher_info.factor, l->ret_fisher};
        return ewc_laplace_precision(&job->net, n, l->prior.records, l->prior.precision);
}

/* Its rows will get an uncertainty: there is a choice, and a record speaks of it. */
static bool counts(const struct learner *l, const struct learn_rows *rows)
{
        const double *bias = l->prior.precision + (size_t)l->job->net.n_outputs * ewc_laplace_inputs(&l->job->net);
        bool known = false;
        for (uint32_t h = 0; h < rows->head.n; h++)
                known |= bias[rows->head.out[h]] > 0;
        return known && rows->head.n > 1;
}

/* Features and logits of the first n rows of l->x, to place `at`. */
static int tile(struct learner *l, const struct ewc_head *head, size_t at, size_t n)
{
        size_t O = l->job->net.n_outputs;
        float *z = l->prior.z + at * O;
        int r = learn_poll(l);
        if (r != 0)
                return r;
        r = ewc_laplace_features(l->net, n, l->x, l->prior.phi + at * ewc_laplace_inputs(&l->job->net), z, l->ws);
        if (r < 0)
                return learn_ewc(l, r, "prior");
        memset(l->count, 0, O * sizeof(*l->count));
        for (uint32_t h = 0; h < head->n; h++)
                l->count[head->out[h]] = 1;
        for (size_t i = 0; i < n * O; i++)
                if (!l->count[i % O])
                        z[i] = OUTSIDE;
        return learn_report(l, l->st.loss, l->st.penalty, false);
}

/* The i-th of n rows is row i total / n of all that count. */
static int gather(struct learner *l, size_t total, size_t n)
{
        size_t I = l->job->net.n_inputs, most = l->batch_rows < LEARN_EVAL_ROWS ? l->batch_rows : LEARN_EVAL_ROWS;
        size_t first = 0, at = 0; /* row of the set among all; rows that are done */
        int r = 0;
        for (size_t i = 0; r == 0 && i < l->job->n_holdout; i++) {
                const struct learn_rows *rows = &l->job->holdout[i];
                if (!counts(l, rows))
                        continue;
                while (r == 0 && at < n && at * total / n < first + rows->n) {
                        size_t k = 0, row;
                        for (; k < most && at + k < n && (row = (at + k) * total / n) < first + rows->n; k++) {
                                memcpy(l->x + k * I, rows->x + (row - first) * I, I * sizeof(float));
                                l->prior.label[at + k] = rows->label[row - first];
                        }
                        r = tile(l, &rows->head, at, k);
                        at += k;
                }
                first += rows->n;
        }
        return r;
}

int learn_prior(struct learner *l)
{
        struct learn_prior *p = &l->prior;
        struct ewc_laplace_choice c;
        size_t total = 0;
        if (p->capacity == 0 || sum_records(l) < 0)
                return 0;
        for (size_t i = 0; i < l->job->n_holdout; i++)
                total += counts(l, &l->job->holdout[i]) ? l->job->holdout[i].n : 0;
        size_t n = total < p->capacity ? total : p->capacity;
        if (n < ROWS_MIN)
                return 0;
        int r = gather(l, total, n);
        if (r != 0)
                return r;
        if (ewc_laplace_choose(&l->job->net, NULL, p->precision, n, p->phi, p->z, p->label, LEARN_PRIOR_LOW,
                LEARN_PRIOR_HIGH, p->variance, p->f_var, &c) == 0)
                p->chosen = fmin(fmax(c.prior, LEARN_PRIOR_LOW), LEARN_PRIOR_HIGH);
        return 0;
}
