/* learn_start.c: where a search for lambda begins (domain/lambda.h).
 *
 * By similarity: the open task's EXACT Fisher on a thousand of its rows, beside the merged Fisher of the closed
 * tasks. Both have to speak of one net, so it is measured at the job's theta, where the closed tasks were left, and
 * not where the first try ended: away from there even equal tasks look strange to each other. It is measured between
 * two tries, so it is no phase of its own; a checkpoint before it measures again and one after it holds its
 * outcome. */
#include "learner/learn_in.h"
#include <ewc/similarity.h>
#include <string.h>

enum { START_ROWS = 1000, COLUMNS_MAX = 2048, ROWS_MAX = 256 };

static size_t start_total(const struct learn_job *job)
{
        return job->train.n < START_ROWS ? job->train.n : START_ROWS;
}

size_t learn_start_rows(const struct learn_job *job)
{
        const struct learn_plan *p = &job->plan;
        if (p->method != LEARN_EWC || !p->lambda_auto || job->n_past == 0 ||
            p->lambda_start != LEARN_START_SIMILARITY)
                return 0;
        size_t rows = COLUMNS_MAX / job->train.head.n, total = start_total(job);
        rows = rows > ROWS_MAX ? ROWS_MAX : rows < 1 ? 1 : rows;
        return rows < total ? rows : total;
}

/* The open task's Fisher at the present theta into ret (P), of the mean that a unit of U stands for: similarity
 * compares equal scales. */
static int open_fisher(struct learner *l, float *ret)
{
        const struct learn_job *job = l->job;
        size_t total = start_total(job), rows = learn_start_rows(job);
        struct ewc_fisher_info info;
        int r = 0;
        memset(l->fisher_sum, 0, l->n_params * sizeof(double));
        learn_fisher_pick(l, STREAM_START, total, false);
        for (size_t at = 0; r == 0 && at < total; at += rows) {
                r = learn_fisher_batch(l, EWC_FISHER_EXACT, false, at, total - at < rows ? total - at : rows);
                if (r == 0)
                        r = learn_report(l, l->st.loss, l->st.penalty, false);
        }
        if (r == 0)
                r = learn_ewc(l,
                    ewc_fisher_finish(
                        &job->net, EWC_FISHER_EXACT, &job->train.head, total, l->fisher_sum, ret, &info),
                    "Fisher");
        memset(l->fisher_sum, 0, l->n_params * sizeof(double));
        for (size_t i = 0; r == 0 && i < l->n_params; i++)
                ret[i] = (float)(l->U_mean * (double)ret[i]);
        return r;
}

int learn_start(struct learner *l)
{
        const struct lambda_conf *conf = &l->lambda_conf;
        switch (l->job->plan.lambda_start) {
        case LEARN_START_TOP:
                l->st.start = conf->high;
                break;
        case LEARN_START_TASKS:
                l->st.start = lambda_start_tasks(l->job->n_past, conf);
                break;
        case LEARN_START_SIMILARITY: {
                memcpy(l->theta, l->job->theta, l->n_params * sizeof(float));
                int r = open_fisher(l, l->grad); /* the next step writes it anew */
                memcpy(l->theta, l->best, l->n_params * sizeof(float));
                if (r != 0)
                        return r;
                const struct ewc_spec *net = &l->job->net;
                double alike = ewc_similarity(net, ewc_spec_tensors(net), l->grad, l->U);
                l->st.start = lambda_start_similarity(alike, conf);
                break;
        }
        }
        return 0;
}
