/* learn_setup.c: all memory of a run, and the state it begins or goes on with.
 *
 * Whatever a run needs is allocated here, in one arena, so that training never waits for memory and a failure costs
 * no work. Results live on the heap, since they outlive the run. */
#include "base/err.h"
#include "base/mem.h"
#include "learner/learn_in.h"
#include "domain/protection.h"
#include <errno.h>
#include <ewc/distill.h>
#include <ewc/mas.h>
#include <math.h>
#include <string.h>

static size_t max_size(size_t a, size_t b)
{
        return a > b ? a : b;
}

/* The schedule of one try, in l->per_epoch, steps, epochs. */
static int schedule(struct learner *l)
{
        const struct learn_plan *p = &l->job->plan;
        l->per_epoch = (l->n_order + p->batch - 1) / p->batch; /* the last batch may be smaller */
        if (p->drop_last)
                l->per_epoch = l->n_order / p->batch;
        if (l->per_epoch == 0)
                return err_field(l->e, -EINVAL, "drop_last", "fewer rows (%zu) than a batch has", l->n_order);
        l->steps = p->steps > 0 ? p->steps : p->epochs * l->per_epoch;
        uint64_t epochs = (l->steps + l->per_epoch - 1) / l->per_epoch;
        if (epochs > UINT32_MAX)
                return err_set(l->e, -EINVAL, "%llu epochs are too many", (unsigned long long)epochs);
        l->epochs = (uint32_t)epochs;
        l->max_tries = l->search ? l->lambda_conf.max_tries : 1;
        return 0;
}

static bool same_head(const struct ewc_head *a, const struct ewc_head *b)
{
        return a->n == b->n && (a->n == 0 || memcmp(a->out, b->out, a->n * sizeof(*a->out)) == 0);
}

static void group_sets(struct learner *l)
{
        for (size_t s = 0; s < l->n_sets; s++) {
                const struct learn_rows *rows = learn_set(l, s);
                size_t g = 0;
                l->first[s + 1] = l->first[s] + (uint32_t)rows->n;
                l->weighted |= rows->weight != NULL;
                while (g < l->n_groups && !same_head(l->heads[g], &rows->head))
                        g++;
                if (g == l->n_groups)
                        l->heads[l->n_groups++] = &rows->head;
                l->group[s] = (uint32_t)g;
        }
}

/* The retained rows of a set go to retained[kept_first[s]] and on. At most replay_per_class of each class of each
 * set, chosen once per job. */
static void retain(struct learner *l)
{
        size_t used = 1 + l->job->n_past, seen = 1;
        for (size_t s = 1; s < l->n_sets; s++) {
                const struct learn_rows *rows = learn_set(l, s);
                bool softmax = l->job->net.loss == EWC_LOSS_SOFTMAX;
                uint64_t keep = (uint64_t)l->job->plan.replay_per_class * (softmax ? 1 : rows->head.n);
                struct ewc_rng r;
                learn_rng(l, STREAM_RETAIN, (uint32_t)s, &r);
                learn_rank(l, rows, &r, l->order, l->rank);
                for (size_t i = 0; i < rows->n; i++)
                        if (l->rank[i] < keep)
                                l->retained[l->n_retained++] = l->first[s] + l->order[i];
                l->kept_first[s + 1] = l->n_retained;
                seen += rows->n > 0;
        }
        l->n_tasks = (double)(seen > used ? seen : used);
}

static int open_rows(struct learner *l)
{
        const struct learn_job *job = l->job;
        bool joint = job->plan.method == LEARN_JOINT, replay = !joint && job->plan.replay_per_class > 0;
        size_t total = job->train.n, most = job->train.n, measured = job->train.n;
        l->n_sets = joint || replay ? 1 + job->n_replay : 1;
        for (size_t s = 1; s < l->n_sets; s++) {
                total += job->replay[s - 1].n;
                most = job->replay[s - 1].n > most ? job->replay[s - 1].n : most;
        }
        l->n_order = joint ? total : job->train.n;
        l->first = arena_new_array(&l->arena, uint32_t, l->n_sets + 1);
        l->group = arena_new_array(&l->arena, uint32_t, l->n_sets);
        l->heads = arena_new_array(&l->arena, const struct ewc_head *, l->n_sets);
        if (job->kind == JOB_ROLLOVER)
                measured += job->seen.n;
        l->order = arena_new_array(&l->arena, uint32_t, max_size(max_size(l->n_order, most), measured));
        l->rank = arena_new_array(&l->arena, uint32_t, most);
        l->count = arena_new_array(&l->arena, uint32_t, job->net.n_outputs);
        l->retained = arena_new_array(&l->arena, uint32_t, replay ? total : 1);
        l->draw = arena_new_array(&l->arena, uint32_t, job->plan.batch);
        l->kept_first = arena_new_array(&l->arena, size_t, l->n_sets + 1);
        if (!l->kept_first || !l->first || !l->group || !l->heads || !l->order || !l->rank || !l->count ||
            !l->retained || !l->draw)
                return err_oom(l->e);
        group_sets(l);
        if (replay)
                retain(l);
        if (!job->plan.replay_even || l->n_retained == 0)
                return 0;
        size_t each = (job->plan.batch + job->n_replay - 1) / job->n_replay;
        l->draw = arena_array(&l->arena, each * job->n_replay, sizeof(*l->draw));
        return l->draw ? 0 : err_oom(l->e);
}

static int open_net(struct learner *l)
{
        const struct learn_job *job = l->job;
        unsigned threads = job->plan.threads ? job->plan.threads : 1;
        int r = ewc_team_new(&l->team, threads, NULL);
        if (r == EWC_E_INVAL)
                return err_field(l->e, -EINVAL, "threads", "%u, must be at most %d", threads, EWC_MAX_TEAM);
        if (r < 0)
                return err_set(l->e, -EAGAIN, "cannot start %u threads; set learner.threads lower", threads);
        r = ewc_net_new(&l->net, &job->net, NULL);
        if (r < 0)
                return learn_ewc(l, r, "net");
        ewc_net_team(l->net, l->team);
        l->n_params = ewc_net_params(l->net);
        l->theta = ewc_net_theta(l->net);
        l->st.n_optim = ewc_optim_state(&job->plan.optim, l->n_params);
        l->grad = arena_aligned(&l->arena, l->n_params * sizeof(float), 64);
        l->optim = arena_aligned(&l->arena, (l->st.n_optim ? l->st.n_optim : 1) * sizeof(float), 64);
        if (!l->grad || !l->optim)
                return err_oom(l->e);
        return 0;
}

static int open_penalty(struct learner *l)
{
        const struct learn_job *job = l->job;
        size_t P = l->n_params;
        if (job->plan.method != LEARN_EWC || job->n_past == 0)
                return 0;
        l->search = job->plan.lambda_auto;
        l->lambda_conf = lambda_conf_of(job->n_past);
        l->U = arena_new_array(&l->arena, float, P);
        l->centre = arena_new_array(&l->arena, float, P);
        l->best = l->search ? arena_new_array(&l->arena, float, P) : NULL;
        bool both = l->search && job->plan.keep_optim && l->st.n_optim > 0;
        l->best_optim = both ? arena_new_array(&l->arena, float, l->st.n_optim) : NULL;
        if (!l->U || !l->centre || (l->search && !l->best) || (both && !l->best_optim))
                return err_oom(l->e);
        int r = protection_merge(&job->plan, P, job->n_past, job->past, l->U, l->centre, &l->U_mean, l->e);
        return r == -EBADMSG ? err_set(l->e, -EINVAL, "the closed tasks' records do not merge into finite numbers")
                             : r;
}

static int open_batch(struct learner *l)
{
        const struct learn_job *job = l->job;
        size_t I = job->net.n_inputs, O = job->net.n_outputs, bytes;
        bool rollover = job->kind == JOB_ROLLOVER, softmax = job->net.loss == EWC_LOSS_SOFTMAX;
        size_t fisher_rows = learn_fisher_rows(job), start_rows = learn_start_rows(job), n = job->plan.batch;
        if (l->n_retained == 0 && n > l->n_order)
                n = l->n_order;
        if (l->n_retained > 0 && job->plan.replay_even)
                n += job->n_replay; /* every set's share is rounded up */
        l->batch_rows = max_size(rollover ? max_size(n, fisher_rows) : n, start_rows);
        bytes = ewc_train_workspace(l->net, max_size(l->batch_rows, LEARN_EVAL_ROWS));
        bytes = max_size(bytes, ewc_laplace_workspace(l->net, LEARN_EVAL_ROWS));
        if (rollover)
                bytes =
                    max_size(bytes, ewc_fisher_workspace(l->net, &job->train.head, job->plan.fisher, fisher_rows));
        if (start_rows > 0)
                bytes = max_size(bytes, ewc_fisher_workspace(l->net, &job->train.head, EWC_FISHER_EXACT, start_rows));
        if (rollover && job->plan.importance == LEARN_IMPORTANCE_MAS)
                bytes = max_size(bytes, ewc_mas_workspace(l->net, fisher_rows));
        if (l->teacher || job->plan.derpp > 0)
                bytes = max_size(bytes, ewc_distill_workspace(l->net, l->batch_rows));
        if (l->teacher)
                bytes = max_size(bytes, ewc_plan_workspace(l->teacher_plan, l->batch_rows));
        if (job->plan.derpp > 0)
                bytes = max_size(bytes, ewc_net_workspace(l->net, l->batch_rows));
        l->x = arena_aligned(&l->arena, l->batch_rows * I * sizeof(float), 64); /* 2^16 * 2^16 * 4: fits size_t */
        l->weight = arena_new_array(&l->arena, float, l->batch_rows);
        l->label = softmax ? arena_new_array(&l->arena, int32_t, l->batch_rows) : NULL;
        l->target = softmax ? NULL : arena_new_array(&l->arena, float, l->batch_rows *O);
        l->ws = arena_aligned(&l->arena, max_size(bytes, 64), 64);
        if (!l->x || !l->weight || (softmax ? !l->label : !l->target) || !l->ws)
                return err_oom(l->e);
        return 0;
}

static int open_results(struct learner *l)
{
        l->ret_theta = new_array(float, l->n_params);
        if (!l->ret_theta)
                return err_oom(l->e);
        int r = learn_eval_open(l);
        if (r < 0)
                return r;
        if (l->job->plan.keep_optim && !(l->ret_optim = new_array(float, l->st.n_optim)))
                return err_oom(l->e);
        bool rollover = l->job->kind == JOB_ROLLOVER;
        if (rollover || learn_start_rows(l->job) > 0) {
                l->fisher_sum = arena_new_array(&l->arena, double, l->n_params);
                if (!l->fisher_sum)
                        return err_oom(l->e);
        }
        if (!rollover)
                return 0;
        if (l->job->plan.importance == LEARN_IMPORTANCE_SI) {
                l->path = arena_new_array(&l->arena, double, l->n_params);
                l->before_step = arena_aligned(&l->arena, l->n_params * sizeof(float), 64);
                l->loss_grad = arena_aligned(&l->arena, l->n_params * sizeof(float), 64);
                if (!l->path || !l->before_step || !l->loss_grad)
                        return err_oom(l->e);
        }
        l->ret_fisher = new_array(float, l->n_params);
        return l->ret_fisher ? 0 : err_oom(l->e);
}

/* Where the state says it is: a place that this job's run stops at. */
static bool right_place(const struct learner *l, const struct learn_state *s)
{
        bool rollover = l->job->kind == JOB_ROLLOVER, done = s->phase != LEARN_PHASE_TRAIN;
        uint64_t step = s->epoch * l->per_epoch;
        if (s->phase == LEARN_PHASE_FISHER && (!s->fisher_sum || s->fisher_done > l->fisher_total))
                return false;
        return (!done || s->phase == (rollover ? LEARN_PHASE_FISHER : LEARN_PHASE_DONE)) && s->epoch <= l->epochs &&
               (!done || s->epoch == l->epochs) && s->step == (step < l->steps ? step : l->steps) &&
               s->try < l->max_tries && s->n_tries == s->try + done;
}

/* Known from the end of the first try on, and only in a search. */
static bool right_start(const struct learner *l, const struct learn_state *s)
{
        return l->search && s->n_tries > 0 ? s->start >= l->lambda_conf.low && s->start <= l->lambda_conf.high
                                           : s->start == 0;
}

/* The state must be one that this job's run writes; anything else would train on nonsense. */
static bool resumable(const struct learner *l, const struct learn_state *s)
{
        return right_place(l, s) && s->n_params == l->n_params && s->theta && s->n_optim == l->st.n_optim &&
               (s->n_optim == 0 || s->optim) && s->n_before == l->job->n_holdout && s->lambda >= 0 &&
               (l->U || !(s->lambda > 0)) && right_start(l, s) && !l->path == !s->path &&
               (!l->best || s->n_tries == 0 || s->best) && (!l->best_optim || !s->best == !s->best_optim);
}

static int resume(struct learner *l, const struct learn_state *s)
{
        size_t bytes = l->n_params * sizeof(float);
        if (!resumable(l, s))
                return err_set(l->e, -EINVAL, "the checkpoint does not fit the job");
        learn_try_begin(l, s->try, s->lambda);
        memcpy(l->theta, s->theta, bytes);
        if (s->n_optim > 0)
                memcpy(l->optim, s->optim, s->n_optim * sizeof(float));
        if (l->best && s->best)
                memcpy(l->best, s->best, bytes);
        if (l->best_optim && s->best_optim)
                memcpy(l->best_optim, s->best_optim, s->n_optim * sizeof(float));
        if (l->path)
                memcpy(l->path, s->path, l->n_params * sizeof(double));
        if (s->phase == LEARN_PHASE_FISHER)
                memcpy(l->fisher_sum, s->fisher_sum, l->n_params * sizeof(double));
        struct learn_state st = *s;
        st.n_params = l->n_params;
        st.theta = l->theta;
        st.optim = s->n_optim > 0 ? l->optim : NULL;
        st.best = l->best && s->best ? l->best : NULL;
        st.best_optim = st.best && s->best_optim ? l->best_optim : NULL;
        st.before = NULL; /* measured again: which rows were right is not in the state */
        st.n_before = 0;
        st.path = l->path;
        st.fisher_sum = s->phase == LEARN_PHASE_FISHER ? l->fisher_sum : NULL;
        l->st = st;
        return 0;
}

void learn_try_begin(struct learner *l, uint32_t try, double lambda)
{
        memcpy(l->theta, l->job->theta, l->n_params * sizeof(float));
        if (l->job->optim_in && l->st.n_optim > 0)
                memcpy(l->optim, l->job->optim_in, l->st.n_optim * sizeof(float));
        else if (l->st.n_optim > 0)
                memset(l->optim, 0, l->st.n_optim * sizeof(float));
        if (l->path)
                memset(l->path, 0, l->n_params * sizeof(double));
        l->st.path = l->path;
        l->st.phase = LEARN_PHASE_TRAIN;
        l->st.try = try;
        l->st.epoch = 0;
        l->st.step = 0;
        l->st.lambda = lambda;
        l->st.loss = l->st.penalty = 0;
        l->st.n_params = l->n_params;
        l->st.theta = l->theta;
        l->st.optim = l->st.n_optim > 0 ? l->optim : NULL;
        l->pen = (struct ewc_penalty){lambda, l->U, l->centre};
        l->after_valid = false;
}

int learn_open(struct learner *l)
{
        const struct learn_job *job = l->job;
        arena_init(&l->arena, SIZE_MAX);
        int r = open_net(l);
        if (r == 0)
                r = open_rows(l);
        if (r == 0)
                r = open_penalty(l);
        if (r == 0)
                r = learn_rate_open(l);
        if (r == 0)
                r = schedule(l);
        if (r == 0 && job->plan.distill > 0)
                r = learn_distill_open(l);
        if (r == 0)
                r = open_batch(l);
        if (r == 0)
                r = open_results(l);
        if (r == 0)
                r = learn_prior_open(l);
        if (r == 0 && job->plan.derpp > 0)
                r = learn_derpp_open(l);
        if (r != 0)
                return r;
        l->fisher_total = learn_fisher_total(job);
        if (job->resume)
                return resume(l, job->resume);
        learn_try_begin(l, 0, l->U && !l->search ? job->plan.lambda : 0.0);
        return 0;
}

void learn_close(struct learner *l)
{
        free(l->before);
        free(l->after);
        free(l->outputs);
        free(l->ret_theta);
        free(l->ret_fisher);
        free(l->ret_optim);
        ewc_net_free(l->net);
        ewc_plan_free(l->teacher_plan);
        ewc_net_free(l->teacher);
        ewc_team_free(l->team);
        arena_deinit(&l->arena);
}
