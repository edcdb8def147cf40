/* settle_check.c: what a learner says is checked like any input from outside.
 *
 * The reader of bundles has seen to sizes and finite numbers in tensors. Here: does the result answer this job,
 * task by task and row by row; are the measures possible, and do the counts beside them add up; does the Fisher have
 * the form on which the scale of lambda rests. */
#include "base/err.h"
#include "base/floats.h"
#include "base/mem.h"
#include "domain/learn_job.h"
#include "super/settle.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MEAN_TOLERANCE 1e-3 /* of the Fisher's mean of 1: float rounding over up to 2^28 parameters */

static int bad(struct err *e, const char *what)
{
        return err_set(e, -EBADMSG, "result refused: %s", what);
}

static int check_evaluation(
    const struct evaluation *v, const struct learn_rows *rows, const char *when, struct err *e)
{
        if (v->task != rows->task || v->n != rows->n)
                return err_set(e, -EBADMSG,
                    "result refused: evaluation %s of task %" PRIu64 " over %" PRIu64
                    " rows; the job has task %" PRIu64 " with %zu",
                    when, v->task, v->n, rows->task, rows->n);
        if (v->n == 0)
                return 0;
        if (!(v->accuracy >= 0 && v->accuracy <= 1) || !(v->loss >= 0) || isinf(v->loss))
                return err_set(e, -EBADMSG, "result refused: evaluation %s of task %" PRIu64 ": accuracy %g, loss %g",
                    when, v->task, v->accuracy, v->loss);
        return 0;
}

static bool in_head(const struct ewc_head *h, uint32_t output)
{
        for (uint32_t i = 0; i < h->n; i++)
                if (h->out[i] == output)
                        return true;
        return false;
}

/* Whole rows that a share of n stands for, or that it does not. */
static bool is_count(double share, uint64_t n, double count)
{
        return fabs(share * (double)n - count) < 0.5;
}

/* The counts by label say the same as the accuracy. */
static int check_outputs(const struct evaluation *v, const struct learn_rows *rows, struct err *e)
{
        uint64_t n = 0, n_right = 0;
        for (size_t i = 0; i < v->n_outputs; i++) {
                const struct output_score *o = &v->outputs[i];
                if (!in_head(&rows->head, o->output) || o->n_right > o->n || o->n > v->n - n)
                        return bad(e, "counts of a label its task does not have, or of more rows than there are");
                n += o->n;
                n_right += o->n_right;
        }
        bool softmax = rows->label != NULL && v->n > 0;
        if (softmax ? n != v->n || !is_count(v->accuracy, n, (double)n_right) : v->n_outputs > 0)
                return bad(e, "counts by label that do not add up to the task's accuracy");
        if (softmax && !(v->ece >= 0 && v->ece <= 1))
                return bad(e, "a calibration error outside 0 to 1");
        return 0;
}

static int check_paired(const struct evaluation *before, const struct evaluation *after, struct err *e)
{
        if (before->n_won != 0 || before->n_lost != 0 || after->n_won > after->n ||
            after->n_lost > after->n - after->n_won)
                return bad(e, "more rows won or lost than there are");
        double won = (double)after->n_won - (double)after->n_lost;
        if (after->n > 0 && !is_count(after->accuracy - before->accuracy, after->n, won))
                return bad(e, "rows won and lost that do not add up to the change of accuracy");
        return 0;
}

static int check_evaluations(const struct learn_job *job, const struct learn_result *r, struct err *e)
{
        if (r->n_evaluations != job->n_holdout || (job->n_holdout > 0 && (!r->before || !r->after)))
                return bad(e, "not one evaluation before and after for every holdout");
        for (size_t i = 0; i < job->n_holdout; i++) {
                int code = check_evaluation(&r->before[i], &job->holdout[i], "before", e);
                if (code == 0)
                        code = check_evaluation(&r->after[i], &job->holdout[i], "after", e);
                if (code == 0)
                        code = check_outputs(&r->before[i], &job->holdout[i], e);
                if (code == 0)
                        code = check_outputs(&r->after[i], &job->holdout[i], e);
                if (code == 0)
                        code = check_paired(&r->before[i], &r->after[i], e);
                if (code < 0)
                        return code;
        }
        return 0;
}

static int check_theta(const struct learn_job *job, const struct learn_result *r, struct err *e)
{
        if (!r->theta || r->n_params != ewc_spec_params(&job->net))
                return bad(e, "parameters are missing or have another number");
        if (floats_not_finite(r->theta, r->n_params) < r->n_params)
                return bad(e, "a parameter is not finite");
        return 0;
}

static int check_fisher(const struct learn_job *job, const struct learn_result *r, struct err *e)
{
        const struct ewc_fisher_info *f = &r->fisher_info;
        size_t n_protected = ewc_spec_protected(&job->net, &job->train.head);
        if (!r->fisher)
                return bad(e, "a rollover without Fisher");
        bool measured = job->plan.importance != LEARN_IMPORTANCE_FISHER || f->kind == job->plan.fisher;
        if (!measured || f->n_samples == 0 || f->n_protected != n_protected)
                return bad(e, "the Fisher is of another kind, or of no samples, or protects other parameters");
        if (!(f->factor >= 0) || isinf(f->factor) || !(f->trace >= 0) || isinf(f->trace))
                return bad(e, "factor or trace of the Fisher is not a number");
        double sum = 0;
        for (size_t i = 0; i < r->n_params; i++) {
                if (!(r->fisher[i] >= 0) || isinf(r->fisher[i]))
                        return bad(e, "the Fisher has a value that is negative or not finite");
                sum += r->fisher[i];
        }
        double mean = sum / (double)n_protected;
        if (f->factor == 0 ? sum != 0 : fabs(mean - 1) > MEAN_TOLERANCE)
                return err_set(e, -EBADMSG, "result refused: the Fisher's mean is %g, not 1", mean);
        return 0;
}

/* The learner's own words, and the advice that fits them: only a step depends on the rate. */
static int diverged(const struct learn_result *r, struct err *e)
{
        static const char step[] = "step";
        if (!r->reason[0])
                return err_set(e, -EBADMSG, "training diverged: a loss, a gradient or the Fisher was not finite");
        if (strncmp(r->reason, step, sizeof(step) - 1) == 0)
                return err_set(e, -EBADMSG, "training diverged: %s; lower optimizer.rate", r->reason);
        return err_set(e, -EBADMSG, "not finite: %s", r->reason);
}

int settle_check(const struct learn_job *job, const struct learn_result *r, struct err *e)
{
        if (r->outcome == LEARN_DIVERGED)
                return diverged(r, e);
        if (r->outcome != LEARN_DONE)
                return bad(e, "the learner did not finish");
        if (!(r->lambda >= 0) || isinf(r->lambda))
                return bad(e, "lambda is not a number");
        int code = check_theta(job, r, e);
        if (code == 0)
                code = check_evaluations(job, r, e);
        if (code == 0 && job->kind == JOB_ROLLOVER)
                code = check_fisher(job, r, e);
        else if (code == 0 && r->fisher)
                code = bad(e, "a Fisher nobody asked for");
        return code;
}
