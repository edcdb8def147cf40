/* learn.c: learn_run from start to end: measure, train, Fisher, measure again, choose the prior.
 *
 * The run is a walk through phases kept in a learn_state; at epoch ends and Fisher slices the state is complete, and
 * starting over from it gives the same bits, because nothing else carries over: every random draw comes from a stream
 * named by try and epoch, and the optimiser's step number counts from the try's start. A stop inside an epoch loses
 * that epoch only. */
#include "learner/learn_in.h"
#include "base/err.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_STEPS_MAX = 64 };
#define SLICE_WORK 1e10  /* parameters times rows between two reports inside an epoch: well under a minute anywhere */
#define FISHER_SHARE 0.1 /* of the reported progress, in a rollover */

int learn_ewc(struct learner *l, int r, const char *what)
{
        switch (r) {
        case EWC_OK:
                return 0;
        case EWC_E_NONFINITE:
                return err_set(l->e, LEARN_DIVERGED, "%s: %s", what, ewc_strerror(r));
        case EWC_E_NOMEM:
                return err_oom(l->e);
        default:
                return err_set(l->e, -EINVAL, "%s: %s", what, ewc_strerror(r));
        }
}

int learn_diverged(struct learner *l, int r, uint64_t step, const char *what)
{
        if (r != EWC_E_NONFINITE)
                return learn_ewc(l, r, what);
        return err_set(l->e, LEARN_DIVERGED, "step %llu, lambda %g: %s: %s", (unsigned long long)step, l->st.lambda,
            what, ewc_strerror(r));
}

int learn_poll(struct learner *l)
{
        if (l->cb && l->cb->should_stop && l->cb->should_stop(l->cb->arg))
                return err_set(l->e, LEARN_STOPPED, "stopped on request");
        return 0;
}

/* Share of the whole job that is done; a search that ends early jumps forward. */
static double fraction(const struct learner *l)
{
        double train = l->job->kind == JOB_ROLLOVER ? 1.0 - FISHER_SHARE : 1.0;
        if (l->st.phase == LEARN_PHASE_DONE)
                return 1.0;
        if (l->st.phase == LEARN_PHASE_FISHER)
                return train + FISHER_SHARE * (double)l->st.fisher_done / (double)l->fisher_total;
        double try = l->steps > 0 ? (double)l->st.step / (double)l->steps : 0.0;
        return train * ((double)l->st.try + try) / (double)l->max_tries;
}

int learn_report(struct learner *l, double loss, double penalty, bool checkpoint)
{
        double f = fraction(l), sum = loss + penalty;
        l->fraction = f > l->fraction ? f : l->fraction;
        if (!l->cb || !l->cb->progress)
                return 0;
        struct learn_progress p = {
            .phase = l->st.phase,
            .try = l->st.try,
            .epoch = l->st.epoch,
            .epochs = l->epochs,
            .step = l->st.step,
            .steps = l->steps,
            .fraction = l->fraction,
            .lambda = l->st.lambda,
            .loss = loss,
            .penalty = penalty,
            .penalty_ratio = sum > 0 ? penalty / sum : 0.0,
            .state = checkpoint ? &l->st : NULL,
        };
        int r = l->cb->progress(l->cb->arg, &p);
        return r < 0 ? err_set(l->e, r, "the progress callback ended the run") : 0;
}

/* This epoch's rows: the open task's, in joint training those of all sets. */
static void shuffle_epoch(struct learner *l)
{
        struct ewc_rng r;
        for (size_t i = 0; i < l->n_order; i++)
                l->order[i] = (uint32_t)i;
        learn_rng(l, STREAM_SHUFFLE, l->st.epoch, &r);
        ewc_rng_shuffle(&r, l->n_order, l->order);
        learn_rng(l, STREAM_REPLAY, l->st.epoch, &l->replay_rng);
}

/* Steps between two reports: a large net or batch reports more often, since silence is taken for a stall. */
static uint64_t slice_steps(const struct learner *l)
{
        double steps = SLICE_WORK / ((double)l->n_params * l->job->plan.batch);
        return steps < 1 ? 1 : steps > SLICE_STEPS_MAX ? SLICE_STEPS_MAX : (uint64_t)steps;
}

static int train_epoch(struct learner *l)
{
        uint64_t begin = l->st.epoch * l->per_epoch, left = l->steps - begin;
        uint64_t n = left < l->per_epoch ? left : l->per_epoch;
        size_t batch = l->job->plan.batch;
        uint64_t per_slice = slice_steps(l);
        double sum = 0, slice = 0;
        shuffle_epoch(l);
        for (uint64_t i = 0; i < n; i++) {
                size_t at = (size_t)i * batch, rows = l->n_order - at < batch ? l->n_order - at : batch;
                double loss;
                int r = learn_poll(l);
                if (r == 0)
                        r = learn_step(l, l->order + at, rows, &loss);
                if (r != 0)
                        return r;
                l->st.step++;
                sum += loss;
                slice += loss;
                if ((i + 1) % per_slice == 0 && i + 1 < n) {
                        r = learn_report(l, slice / (double)per_slice, learn_penalty(l), false);
                        if (r != 0)
                                return r;
                        slice = 0;
                }
        }
        l->st.epoch++;
        l->st.loss = sum / (double)n;
        l->st.penalty = learn_penalty(l);
        return learn_report(l, l->st.loss, l->st.penalty, true);
}

int learn_epochs(struct learner *l)
{
        int r = 0;
        while (r == 0 && l->st.epoch < l->epochs) {
                l->after_valid = false;
                r = train_epoch(l);
        }
        return r;
}

/* Gives the outputs the champion lacks the values that leave its answers as they are: never the greatest logit of a
 * softmax, no label of a sigmoid, 0 for a value. */
static void silence_fresh(struct learner *l)
{
        const float silent = l->job->net.loss == EWC_LOSS_SQUARED ? 0.0f : -1e4f;
        struct ewc_tensor w, b;
        size_t n = ewc_spec_tensors(&l->job->net), fresh = l->job->n_fresh;
        ewc_spec_tensor(&l->job->net, n - 2, &w);
        ewc_spec_tensor(&l->job->net, n - 1, &b);
        for (size_t o = b.rows - fresh; o < b.rows; o++) {
                memset(l->theta + w.offset + o * w.cols, 0, w.cols * sizeof(float));
                l->theta[b.offset + o] = silent;
        }
}

/* Measures the starting theta, in a resumed run too: the same bits again, and with them which rows were right. */
static int measure_before(struct learner *l)
{
        size_t bytes = l->n_params * sizeof(float);
        memcpy(l->grad, l->theta, bytes); /* the next step writes it anew */
        memcpy(l->theta, l->job->theta, bytes);
        silence_fresh(l);
        int r = learn_eval_before(l);
        memcpy(l->theta, l->grad, bytes);
        if (r != 0)
                return r;
        l->st.n_before = l->job->n_holdout;
        l->st.before = l->before;
        return learn_report(l, l->st.loss, l->st.penalty, false);
}

static int run(struct learner *l)
{
        int r = measure_before(l);
        if (r == 0 && l->st.phase == LEARN_PHASE_TRAIN)
                r = learn_tries(l);
        if (r == 0 && l->st.phase == LEARN_PHASE_FISHER)
                r = l->path ? learn_si_finish(l) : learn_fisher(l);
        if (r == 0)
                r = learn_report(l, l->st.loss, l->st.penalty, false);
        if (r == 0 && !l->after_valid)
                r = learn_eval_after(l);
        return r == 0 ? learn_prior(l) : r;
}

/* Moves what the outcome promises into the result. */
static void hand_over(struct learner *l, int outcome, struct learn_result *ret)
{
        struct learn_result res = {
            .outcome = (enum learn_outcome)outcome,
            .n_params = l->n_params,
            .lambda = l->st.lambda,
            .loss = l->st.loss,
            .penalty = l->st.penalty,
            .steps = l->st.step,
            .n_tries = l->st.n_tries,
        };
        memcpy(res.tries, l->st.tries, sizeof(res.tries));
        if (outcome == LEARN_DIVERGED)
                snprintf(res.reason, sizeof(res.reason), "%s", l->e->msg);
        if (l->st.before) {
                res.n_evaluations = l->job->n_holdout;
                res.before = l->before;
                res.outputs = l->outputs;
                l->before = NULL;
                l->outputs = NULL;
        }
        if (outcome == LEARN_DONE) {
                memcpy(l->ret_theta, l->theta, l->n_params * sizeof(float));
                res.theta = l->ret_theta;
                res.fisher = l->ret_fisher;
                res.fisher_info = l->fisher_info;
                res.prior = l->prior.chosen;
                res.after = l->after;
                if (l->ret_optim && l->st.n_optim > 0)
                        memcpy(l->ret_optim, l->optim, l->st.n_optim * sizeof(float));
                if (l->ret_optim)
                        res.optim_steps = l->job->optim_steps + l->st.step;
                res.n_optim = l->ret_optim ? l->st.n_optim : 0;
                res.optim = l->ret_optim;
                l->ret_optim = NULL;
                l->ret_theta = l->ret_fisher = NULL;
                l->after = NULL;
        }
        *ret = res;
}

int learn_run(const struct learn_job *job, const struct learn_callbacks *cb, struct learn_result *ret, struct err *e)
{
        struct err own = ERR_NULL;
        struct learner l = {.job = job, .cb = cb, .e = e ? e : &own};
        int r = learn_check(job, e);
        if (r < 0)
                return r;
        r = learn_open(&l);
        if (r == 0)
                r = run(&l);
        if (r >= 0)
                hand_over(&l, r, ret);
        learn_close(&l);
        return r;
}
