/* learn_check.c: a job looked over before anything is allocated for it.
 *
 * Every refusal is -EINVAL and names the field, or the row set and its place. What a bundle's reader has checked
 * before is checked again: learn_run is called without files too. */
#include "base/err.h"
#include "base/mem.h"
#include "learner/learn_in.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static int check_optim(const struct ewc_optim *o, struct err *e)
{
        bool adam = o->type == EWC_OPTIM_ADAM;
        if (o->type != EWC_OPTIM_SGD && !adam)
                return err_field(e, -EINVAL, "optimizer", "the optimiser is neither sgd nor adam");
        if (!(o->rate > 0) || !isfinite(o->rate))
                return err_field(e, -EINVAL, "rate", "the learning rate must be above 0");
        if (!adam && !(o->momentum >= 0 && o->momentum < 1))
                return err_field(e, -EINVAL, "momentum", "momentum must be in [0, 1)");
        if (adam && !(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1 && o->eps > 0))
                return err_field(e, -EINVAL, "beta1", "Adam needs beta1 and beta2 in [0, 1) and eps above 0");
        return 0;
}

/* Settings that cancel each other would give numbers that mean something else than their owner thinks. */
static int check_protocol(const struct learn_plan *p, struct err *e)
{
        bool ewc = p->method == LEARN_EWC, si = p->importance == LEARN_IMPORTANCE_SI;
        bool decays = p->merge == LEARN_MERGE_ONLINE || p->merge == LEARN_MERGE_EMA;
        if (!learn_form_name(p->form) || (p->form != LEARN_FORM_PROX && !ewc))
                return err_field(e, -EINVAL, "form", "form is prox or grad, and grad only with method ewc");
        if (!learn_merge_rule_name(p->merge) || (p->merge != LEARN_MERGE_SEPARATE && !ewc))
                return err_field(e, -EINVAL, "merge", "merge needs method ewc");
        bool one = p->merge == LEARN_MERGE_EMA && p->merge_decay == 1;
        if (decays ? !(p->merge_decay > 0 && p->merge_decay <= 1) || one : p->merge_decay != 0)
                return err_field(e, -EINVAL, "merge_decay",
                    "merge_decay is in (0, 1] for online, in (0, 1) for ema, and goes with no other merge");
        if (!learn_scale_name(p->scale) || (p->scale != LEARN_SCALE_UNIT && (!ewc || p->lambda_auto)))
                return err_field(e, -EINVAL, "scale",
                    "scale %s needs method ewc and a lambda of its own: the search runs on the unit scale",
                    learn_scale_name(p->scale) ? learn_scale_name(p->scale) : "(unknown)");
        if (!learn_importance_name(p->importance) || (si && (p->lambda_auto || !p->final_theta)))
                return err_field(e, -EINVAL, "importance",
                    "importance si follows one path: it needs final_theta and goes with no search");
        if (si ? !(p->si_damping > 0 && isfinite(p->si_damping)) : p->si_damping != 0)
                return err_field(
                    e, -EINVAL, "si_damping", "si_damping is above 0 for importance si, and goes with no other");
        if (si && (p->fisher_samples > 0 || p->fisher_fraction != 0))
                return err_field(e, -EINVAL, p->fisher_samples > 0 ? "fisher_samples" : "fisher_fraction",
                    "importance si draws no samples");
        if (p->fisher_fraction != 0 && !(p->fisher_fraction > 0 && p->fisher_fraction <= 1))
                return err_field(e, -EINVAL, "fisher_fraction", "fisher_fraction is in (0, 1], or 0 for not given");
        if (p->fisher_fraction > 0 && p->fisher_samples > 0)
                return err_field(e, -EINVAL, "fisher_fraction",
                    "either fisher_samples or fisher_fraction says how many rows a Fisher takes, not both");
        if (!(p->fisher_damping >= 0) || isinf(p->fisher_damping) ||
            (p->fisher_damping > 0 && p->importance != LEARN_IMPORTANCE_FISHER))
                return err_field(e, -EINVAL, "fisher_damping",
                    "fisher_damping is at least 0, finite, and needs importance fisher");
        if (!(p->brake >= 0 && p->brake <= 1) || (p->brake > 0 && !(ewc && p->lambda_auto)))
                return err_field(e, -EINVAL, "brake", "brake is in [0, 1], and needs method ewc and a search");
        if (!learn_start_name(p->lambda_start))
                return err_field(e, -EINVAL, "lambda_start", "lambda_start %d is unknown", (int)p->lambda_start);
        if (p->distill != 0 && (!(p->distill > 0) || isinf(p->distill) || p->method == LEARN_JOINT))
                return err_field(e, -EINVAL, "distill", "distill is at least 0, finite, and not for method joint");
        if (p->distill > 0 ? !(p->distill_temperature > 0 && isfinite(p->distill_temperature))
                           : p->distill_temperature != 0)
                return err_field(e, -EINVAL, "distill_temperature",
                    "distill_temperature is above 0 with distill, and goes with nothing else");
        if (p->replay_even && (p->replay_per_class == 0 || p->method == LEARN_JOINT))
                return err_field(e, -EINVAL, "replay_even", "replay_even needs replay_per_class");
        if (p->derpp != 0 && (!(p->derpp > 0) || isinf(p->derpp)))
                return err_field(e, -EINVAL, "derpp", "derpp is at least 0 and finite");
        if (p->derpp > 0 && (p->replay_per_class == 0 || p->method == LEARN_JOINT))
                return err_field(e, -EINVAL, "derpp", "derpp needs replay_per_class, and is not for method joint");
        return 0;
}

static int check_optim_in(const struct learn_job *job, struct err *e)
{
        size_t want = ewc_optim_state(&job->plan.optim, ewc_spec_params(&job->net));
        if (!job->optim_in && (job->n_optim_in > 0 || job->optim_steps > 0))
                return err_field(e, -EINVAL, "optim_in", "steps of an optimiser whose state is missing");
        if (job->optim_in && job->n_optim_in != want)
                return err_field(
                    e, -EINVAL, "optim_in", "the optimiser's state has %zu numbers, not %zu", job->n_optim_in, want);
        return 0;
}

/* What merging would refuse without a name, and no step would notice. */
static int check_record(const struct learn_job *job, size_t k, struct err *e)
{
        const struct learn_past *p = &job->past[k];
        const size_t P = ewc_spec_params(&job->net);
        const unsigned long long task = (unsigned long long)p->task;
        if (!p->fisher || !p->anchor)
                return err_set(
                    e, -EINVAL, "past task %zu (task %llu): no %s", k, task, p->fisher ? "anchor" : "Fisher");
        for (size_t i = 0; i < P; i++)
                if (!(p->fisher[i] >= 0) || isinf(p->fisher[i]))
                        return err_set(e, -EINVAL, "past task %zu (task %llu): its Fisher has %g at parameter %zu", k,
                            task, (double)p->fisher[i], i);
        for (size_t i = 0; i < P; i++)
                if (!isfinite(p->anchor[i]))
                        return err_set(e, -EINVAL, "past task %zu (task %llu): its anchor has %g at parameter %zu", k,
                            task, (double)p->anchor[i], i);
        return 0;
}

static int check_past(const struct learn_job *job, struct err *e)
{
        for (size_t i = 0; i < job->n_past; i++) {
                const struct learn_past *p = &job->past[i];
                if (!(p->alpha >= 0) || isinf(p->alpha))
                        return err_set(e, -EINVAL, "past task %zu: alpha must be at least 0 and finite", i);
                if (job->plan.scale == LEARN_SCALE_RAW && (!(p->factor > 0) || isinf(p->factor)))
                        return err_field(
                            e, -EINVAL, "scale", "past task %zu: scale raw needs its factor, above 0 and finite", i);
                int r = check_record(job, i, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_plan(const struct learn_plan *p, struct err *e)
{
        if (!learn_method_name(p->method))
                return err_field(e, -EINVAL, "method", "method %d is unknown", (int)p->method);
        if (p->batch < 1 || p->batch > EWC_MAX_BATCH)
                return err_field(e, -EINVAL, "batch", "batch must be in 1..%d", EWC_MAX_BATCH);
        if (!(p->lambda >= 0) || isinf(p->lambda))
                return err_field(e, -EINVAL, "lambda", "lambda must be at least 0 and finite");
        if (!ewc_fisher_name(p->fisher))
                return err_field(e, -EINVAL, "fisher", "Fisher variant %d is unknown", (int)p->fisher);
        int r = check_optim(&p->optim, e);
        return r == 0 ? check_protocol(p, e) : r;
}

static bool in_head(const struct ewc_head *h, int32_t label)
{
        uint32_t lo = 0, hi = h->n, want = (uint32_t)label;
        while (lo < hi) {
                uint32_t mid = lo + (hi - lo) / 2;
                if (h->out[mid] < want)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return label >= 0 && lo < h->n && h->out[lo] == want;
}

/* Weights, and the targets of a sigmoid, which are probabilities. What is not a number is left to the loss. */
static int check_values(
    const struct learn_job *job, const struct learn_rows *rows, const char *what, size_t index, struct err *e)
{
        bool sigmoid = job->net.loss == EWC_LOSS_SIGMOID;
        for (size_t i = 0; rows->weight && i < rows->n; i++)
                if (rows->weight[i] < 0 || isinf(rows->weight[i]))
                        return err_set(e, -EINVAL, "%s %zu: row %zu: weight %g is negative or infinite", what, index,
                            i, (double)rows->weight[i]);
        for (size_t i = 0; sigmoid && i < rows->n; i++)
                for (uint32_t h = 0; h < rows->head.n; h++) {
                        float t = rows->target[i * job->net.n_outputs + rows->head.out[h]];
                        if (t < 0 || t > 1)
                                return err_set(e, -EINVAL, "%s %zu: row %zu: target %g of output %u is not in 0..1",
                                    what, index, i, (double)t, rows->head.out[h]);
                }
        return 0;
}

static int check_rows(
    const struct learn_job *job, const struct learn_rows *rows, const char *what, size_t index, struct err *e)
{
        bool softmax = job->net.loss == EWC_LOSS_SOFTMAX;
        for (uint32_t i = 0; i < rows->head.n; i++)
                if (rows->head.out[i] >= job->net.n_outputs || (i > 0 && rows->head.out[i] <= rows->head.out[i - 1]))
                        return err_set(e, -EINVAL, "%s %zu: head outputs are not ascending and below %u", what, index,
                            job->net.n_outputs);
        if (rows->n == 0)
                return 0;
        if (rows->head.n == 0)
                return err_set(e, -EINVAL, "%s %zu: rows without active outputs", what, index);
        if (!rows->x || (softmax ? !rows->label : !rows->target))
                return err_set(e, -EINVAL, "%s %zu: rows without %s", what, index,
                    !rows->x  ? "inputs"
                    : softmax ? "labels"
                              : "targets");
        for (size_t i = 0; softmax && i < rows->n; i++)
                if (!in_head(&rows->head, rows->label[i]))
                        return err_set(e, -EINVAL, "%s %zu: row %zu: label %d is not an output of the head", what,
                            index, i, (int)rows->label[i]);
        return check_values(job, rows, what, index, e);
}

static int check_sets(const struct learn_job *job, struct err *e)
{
        size_t total = job->train.n;
        int r = check_rows(job, &job->train, "train set", 0, e);
        for (size_t i = 0; r == 0 && i < job->n_replay; i++) {
                r = check_rows(job, &job->replay[i], "replay set", i, e);
                if (r == 0 && !mem_add(total, job->replay[i].n, &total))
                        r = err_set(e, -EINVAL, "too many rows");
        }
        for (size_t i = 0; r == 0 && i < job->n_holdout; i++)
                r = check_rows(job, &job->holdout[i], "holdout", i, e);
        if (r == 0 && total > INT32_MAX)
                r = err_set(e, -EINVAL, "%zu rows, at most %d", total, INT32_MAX);
        return r;
}

/* A replayed row's logits are those of its own task's anchor. */
static int check_derpp(const struct learn_job *job, struct err *e)
{
        for (size_t i = 0; job->plan.derpp > 0 && i < job->n_replay; i++) {
                size_t k = 0;
                while (k < job->n_past && job->past[k].task != job->replay[i].task)
                        k++;
                if (k == job->n_past && job->replay[i].n > 0)
                        return err_field(e, -EINVAL, "derpp", "replay set %zu: no closed task has its anchor", i);
        }
        return 0;
}

static int check_seen(const struct learn_job *job, struct err *e)
{
        const struct learn_plan *p = &job->plan;
        const struct learn_rows *seen = &job->seen;
        const struct ewc_head *a = &seen->head, *b = &job->train.head;
        if (seen->n == 0)
                return 0;
        if (p->importance == LEARN_IMPORTANCE_SI)
                return err_field(e, -EINVAL, "seen", "importance si measures on the rows that are trained on");
        if (p->importance == LEARN_IMPORTANCE_FISHER && ewc_fisher_labels(p->fisher))
                return err_field(e, -EINVAL, "seen", "seen rows have no labels, and the %s Fisher needs them",
                    ewc_fisher_name(p->fisher));
        if (!seen->x || seen->label || seen->target || seen->weight || seen->n > INT32_MAX - job->train.n)
                return err_field(e, -EINVAL, "seen", "seen rows are inputs and nothing else, not too many");
        if (a->n > 0 && (a->n != b->n || memcmp(a->out, b->out, b->n * sizeof(*b->out)) != 0))
                return err_field(e, -EINVAL, "seen", "seen rows belong to the open task and share its head");
        return 0;
}

int learn_check(const struct learn_job *job, struct err *e)
{
        char why[128] = "";
        if (ewc_spec_check(&job->net, why, sizeof(why)) < 0)
                return err_field(e, -EINVAL, "net", "net: %s", why);
        if (job->n_fresh > job->net.n_outputs)
                return err_field(e, -EINVAL, "fresh", "more fresh outputs than the net has");
        if (job->kind != JOB_CONSOLIDATE && job->kind != JOB_ROLLOVER)
                return err_field(e, -EINVAL, "kind", "job kind %d is unknown", (int)job->kind);
        int r = check_plan(&job->plan, e);
        if (r == 0)
                r = check_sets(job, e);
        if (r == 0)
                r = check_past(job, e);
        if (r == 0)
                r = check_optim_in(job, e);
        if (r == 0)
                r = learn_rate_check(job, e);
        if (r == 0)
                r = check_derpp(job, e);
        if (r == 0)
                r = check_seen(job, e);
        if (r == 0 && !ewc_fisher_defined(job->plan.fisher, job->net.loss))
                r = err_field(
                    e, -EINVAL, "fisher", "a squared loss has no %s Fisher", ewc_fisher_name(job->plan.fisher));
        if (r == 0 && job->plan.distill > 0 && job->net.loss == EWC_LOSS_SQUARED)
                r = err_field(e, -EINVAL, "distill", "distillation compares probabilities; a squared loss has none");
        if (r == 0 && job->train.n == 0)
                r = err_field(e, -EINVAL, "train", "there is no row to train on");
        return r;
}
