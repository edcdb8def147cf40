/* learn_lambda.c: the tries of a job, one or a whole search, and the penalty they share.
 *
 * Every try starts from the champion with a fresh optimiser and is measured at its end. A search (domain/lambda.h)
 * keeps one candidate beside the running try; when it stops, the candidate becomes theta, and where the optimiser is
 * handed over its state comes along. In a rollover the champion
 * stays when training did not improve on it. */
#include "learner/learn_in.h"
#include <math.h>
#include <string.h>

/* Accuracy is the measure of a search; without classes a monotone function of the loss takes its place. */
static double measure(const struct learner *l, const struct evaluation *v)
{
        return l->job->net.loss == EWC_LOSS_SQUARED ? 1.0 / (1.0 + v->loss) : v->accuracy;
}

/* What a closed task must still reach after a kept try, from what it reached before training. */
static double least(const struct learner *l, const struct evaluation *before)
{
        double brake = l->job->plan.brake;
        return l->job->net.loss == EWC_LOSS_SQUARED ? 1.0 / (1.0 + (1.0 + brake) * before->loss)
                                                    : before->accuracy - brake;
}

/* The mean of that, in the search's measure; without a brake or rows of closed tasks there is none. */
static void set_brake(struct learner *l)
{
        const struct learn_job *job = l->job;
        double sum = 0;
        size_t n = 0;
        for (size_t i = 0; i < job->n_holdout; i++)
                if (job->holdout[i].task != job->train.task && job->holdout[i].n > 0) {
                        sum += least(l, &l->before[i]);
                        n++;
                }
        l->lambda_conf.past_floor = job->plan.brake > 0 && n > 0 ? sum / (double)n : (double)NAN;
}

/* Measures the try that just ended and appends it to the list. */
static int record(struct learner *l)
{
        const struct learn_job *job = l->job;
        struct evaluation open = {0};
        double past = 0;
        size_t n_past = 0;
        int r = learn_eval_after(l);
        if (r != 0)
                return r;
        l->after_valid = true;
        for (size_t i = 0; i < job->n_holdout; i++) {
                if (job->holdout[i].n == 0)
                        continue;
                if (job->holdout[i].task == job->train.task) {
                        open = l->after[i];
                } else {
                        past += measure(l, &l->after[i]);
                        n_past++;
                }
        }
        if (open.n == 0)
                r = learn_eval(l, &job->train, &open);
        if (r != 0)
                return r;
        l->st.tries[l->st.n_tries++] = (struct learn_try){
            .lambda = l->st.lambda,
            .accuracy = measure(l, &open),
            .past_accuracy = n_past > 0 ? past / (double)n_past : (double)NAN,
            .penalty = l->st.penalty,
            .loss = l->st.loss,
        };
        return 0;
}

static void keep_best(struct learner *l)
{
        if (!l->search || lambda_best(l->st.tries, l->st.n_tries, &l->lambda_conf) != l->st.n_tries - 1)
                return;
        memcpy(l->best, l->theta, l->n_params * sizeof(float));
        l->st.best = l->best;
        if (l->best_optim)
                memcpy(l->best_optim, l->optim, l->st.n_optim * sizeof(float));
        l->st.best_optim = l->best_optim;
        l->st.best_lambda = l->st.lambda;
}

/* Ends the search with the chosen try's theta, optimiser and numbers. */
static void choose(struct learner *l, uint32_t chosen)
{
        const struct learn_try *t = &l->st.tries[chosen];
        if (chosen != l->st.n_tries - 1) {
                memcpy(l->theta, l->best, l->n_params * sizeof(float));
                if (l->best_optim)
                        memcpy(l->optim, l->best_optim, l->st.n_optim * sizeof(float));
                l->after_valid = false;
        }
        l->st.lambda = t->lambda;
        l->st.loss = t->loss;
        l->st.penalty = t->penalty;
        l->st.phase = LEARN_PHASE_DONE;
        if (l->job->kind == JOB_ROLLOVER) {
                l->st.phase = LEARN_PHASE_FISHER;
                l->st.fisher_sum = l->fisher_sum;
        }
}

/* A rollover protects the best theta known for its task. When the last training left the open task's holdout worse
 * than the champion (as noise does once a task has been learned), the champion itself is the optimum to take the
 * Fisher at. Not so when the champion lacks outputs: the starting theta is then not the one that was measured. */
static int keep_optimum(struct learner *l)
{
        const struct learn_job *job = l->job;
        if (job->kind != JOB_ROLLOVER || job->plan.final_theta || job->n_fresh > 0)
                return 0;
        int r = l->after_valid ? 0 : learn_eval_after(l);
        for (size_t i = 0; r == 0 && i < job->n_holdout; i++)
                if (job->holdout[i].task == job->train.task && job->holdout[i].n > 0 &&
                    measure(l, &l->after[i]) < measure(l, &l->before[i])) {
                        memcpy(l->theta, job->theta, l->n_params * sizeof(float));
                        memcpy(l->after, l->before, job->n_holdout * sizeof(*l->after));
                }
        l->after_valid = r == 0;
        return r;
}

static int next_try(struct learner *l, struct lambda_next *ret)
{
        int r = l->st.start > 0 ? 0 : learn_start(l);
        l->lambda_conf.start = l->st.start;
        if (r == 0)
                *ret = lambda_next(l->st.tries, l->st.n_tries, &l->lambda_conf);
        return r;
}

int learn_tries(struct learner *l)
{
        set_brake(l);
        while (l->st.phase == LEARN_PHASE_TRAIN) {
                int r = learn_epochs(l);
                if (r == 0)
                        r = record(l);
                if (r != 0)
                        return r;
                keep_best(l);
                struct lambda_next next = {.stop = true};
                if (l->search && (r = next_try(l, &next)) != 0)
                        return r;
                double loss = l->st.loss, penalty = l->st.penalty; /* of the try that ended */
                if (next.stop) {
                        choose(l, next.chosen);
                        r = keep_optimum(l);
                } else {
                        learn_try_begin(l, l->st.try + 1, next.lambda);
                }
                if (r == 0)
                        r = learn_report(l, loss, penalty, true);
                if (r != 0)
                        return r;
        }
        return 0;
}
