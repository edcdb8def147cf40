/* export.c: a claimed job becomes a bundle.
 *
 * The champion is grown to the outputs that all tasks need: old parameters keep every bit. A row that the champion
 * lacks and a closed task has, as after a return to an older version, starts as that task was closed with it (the
 * first task to have it); any other starts as in a fresh net drawn from the job's seed. The Fisher and the anchor of
 * every closed task are moved to the job's outputs by task and class: a row that came later is protected by nothing,
 * and its anchor is theta. Holdouts of all tasks go along, the open task's last, so that the learner measures before
 * and after in one run. Everything held in memory is charged to one budget and released at the end. */
#include "super/export.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/head.h"
#include "domain/strategy.h"
#include "proto/bundle.h"
#include "store/store.h"
#include "super/export_rows.h"
#include "super/layout.h"
#include "super/records.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)256 << 20)
#define GROW_STREAM ((uint64_t)1 << 40) /* of the seed; epochs use the small numbers */

struct export
{
        struct arena arena; /* small things and lists */
        struct budget budget;
        struct layout l;
        size_t P;
        float *theta;
        struct records past;
        struct learn_plan plan;
        struct ewc_head *heads; /* (n_tasks) */
        struct row_set *sets;   /* train, then replay, then holdouts */
        size_t n_sets;
        struct learn_rows train, *replay, *holdout;
        size_t n_replay, n_holdout;
        uint64_t n_unusable;
};

static void export_deinit(struct export *x)
{
        for (size_t i = 0; i < x->n_sets; i++)
                row_set_free(&x->sets[i]);
        records_free(&x->past);
        free(x->theta);
        arena_deinit(&x->arena);
}

/* --- parameters --- */

static int fresh_theta(const struct ewc_spec *net, uint64_t seed, float *ret, struct err *e)
{
        struct ewc_net *fresh;
        int r = ewc_net_new(&fresh, net, NULL);
        if (r < 0)
                return r == EWC_E_NOMEM ? err_oom(e) : err_set(e, -EBADMSG, "fresh net: %s", ewc_strerror(r));
        struct ewc_rng rng;
        ewc_rng_seed(&rng, seed, GROW_STREAM);
        ewc_net_init(fresh, &rng);
        memcpy(ret, ewc_net_theta_const(fresh), ewc_net_params(fresh) * sizeof(float));
        ewc_net_free(fresh);
        return 0;
}

/* The parent's theta in the layout of the job; outputs it lacks are drawn, as in a fresh net. */
static int load_theta(struct store *s, const struct job *job, struct export *x, struct err *e)
{
        size_t n_old = x->l.parent.n_params;
        float *old = budget_take(&x->budget, n_old, sizeof(float), "parameters", e);
        if (!old)
                return e->code;
        int r = store_version_tensor(s, job->parent, TENSOR_THETA, old, n_old, e);
        if (r != 0)
                r = err_wrap(e, r, "theta of version %" PRIu64, x->l.parent.number);
        if (r == 0 && x->P == n_old) {
                x->theta = old;
                return 0;
        }
        float *fresh = r == 0 ? budget_take(&x->budget, x->P, sizeof(float), "parameters", e) : NULL;
        x->theta = fresh ? budget_take(&x->budget, x->P, sizeof(float), "parameters", e) : NULL;
        if (r == 0 && !x->theta)
                r = e->code;
        if (r == 0)
                r = fresh_theta(&x->l.spec.net, job->seed, fresh, e);
        if (r == 0 && (r = ewc_spec_grow(&x->l.parent_net, &x->l.spec.net, old, fresh, x->theta)) < 0)
                r = err_set(e, -EBADMSG, "grow the net: %s", ewc_strerror(r));
        free(fresh);
        free(old);
        return r;
}

/* --- rows --- */

static int gather(
    struct store *s, struct export *x, const struct row_choice *c, struct learn_rows *ret, struct err *e)
{
        struct row_set *set = &x->sets[x->n_sets];
        int r = rows_gather(s, &x->l, c, &x->budget, set, e);
        if (r < 0)
                return r;
        x->n_sets++;
        x->n_unusable += set->n_unusable;
        *ret = rows_view(set, c);
        return 0;
}

static struct row_choice choice(const struct export *x, const struct job *job, size_t task, int split)
{
        const struct task *t = &x->l.tasks[task];
        return (struct row_choice){
            .task = t,
            .head = &x->heads[task],
            .range = t == x->l.open ? job->range : (struct seq_range){0, UINT64_MAX},
            .split = split,
        };
}

static int load_heads(struct export *x, struct err *e)
{
        const struct layout *l = &x->l;
        size_t n = l->n_tasks;
        x->heads = arena_new_array(&x->arena, struct ewc_head, n);
        x->sets = arena_new_array(&x->arena, struct row_set, 1 + 2 * n);
        x->replay = arena_new_array(&x->arena, struct learn_rows, n);
        x->holdout = arena_new_array(&x->arena, struct learn_rows, n);
        if (!x->heads || !x->sets || !x->replay || !x->holdout)
                return err_oom(e);
        for (size_t i = 0; i < n; i++)
                if (head_of_task(l->spec.scenario, l->outputs, l->n_outputs, &l->tasks[i], l->tasks, n, &x->arena,
                        &x->heads[i]) < 0)
                        return err_oom(e);
        return 0;
}

static int load_train(struct store *s, const struct job *job, struct export *x, struct err *e)
{
        struct row_choice c = choice(x, job, (size_t)(x->l.open - x->l.tasks), SPLIT_TRAIN);
        int r = gather(s, x, &c, &x->train, e);
        if (r == 0 && x->train.n == 0)
                return err_set(e, EXPORT_EMPTY, "task %s has no feedback to train on", x->l.open->name);
        return r;
}

/* The rows of a closed task that a plan trains on again; with distillation the task's outputs alone are something to
 * hold on to, so a set may be without rows. */
static int load_replay(struct store *s, const struct job *job, struct export *x, struct err *e)
{
        bool joint = x->plan.method == LEARN_JOINT, heads = x->plan.distill > 0;
        uint32_t per_class = joint ? 0 : x->plan.replay_per_class;
        bool rows = joint || per_class > 0;
        for (size_t i = 0; (rows || heads) && i < x->l.n_tasks; i++) {
                if (&x->l.tasks[i] == x->l.open)
                        continue;
                struct learn_rows *set = &x->replay[x->n_replay];
                struct row_choice c = choice(x, job, i, SPLIT_TRAIN);
                c.per_class = per_class;
                *set = (struct learn_rows){.task = x->l.tasks[i].id, .head = x->heads[i]};
                int r = rows ? gather(s, x, &c, set, e) : 0;
                if (r < 0)
                        return r;
                x->n_replay += set->n > 0 || heads;
        }
        return 0;
}

/* Tasks in order of opening, so the open one comes last. Where an operator gave rows to judge a task by, these alone
 * do: what came through the feedback API has no say then. */
static int load_holdouts(struct store *s, const struct job *job, struct export *x, struct err *e)
{
        for (size_t i = 0; i < x->l.n_tasks; i++) {
                struct row_choice c = choice(x, job, i, SPLIT_HOLDOUT);
                int r = rows_trusted(s, &x->l, &c, &c.trusted_only, e);
                if (r == 0)
                        r = gather(s, x, &c, &x->holdout[x->n_holdout], e);
                if (r < 0)
                        return r;
                x->n_holdout++;
        }
        return 0;
}

static int fill(struct store *s, const struct job *job, const struct export_conf *c, struct export *x, struct err *e)
{
        int r = layout_load(s, job, &x->arena, &x->l, e);
        if (r < 0)
                return r;
        learning_plan(&x->l.learning, job->seed, c->threads, &x->plan);
        strategy_apply(job->strategy, &x->l.learning, &x->plan);
        x->P = ewc_spec_params(&x->l.spec.net);
        if ((r = load_heads(x, e)) == 0 && (r = load_train(s, job, x, e)) == 0 &&
            (r = load_theta(s, job, x, e)) == 0 &&
            (r = records_load(s, &x->l, &x->budget, x->theta, &x->past, e)) == 0 &&
            (r = load_replay(s, job, x, e)) == 0)
                r = load_holdouts(s, job, x, e);
        return r;
}

int export_job(
    struct store *s, const struct job *job, const struct export_conf *c, uint64_t *ret_unusable, struct err *e)
{
        struct err local = ERR_NULL;
        struct export x = {.budget = {c->max_bytes ? c->max_bytes : EXPORT_MAX_BYTES}};
        if (!e)
                e = &local;
        arena_init(&x.arena, ARENA_MAX);
        int r = fill(s, job, c, &x, e);
        if (r == 0) {
                struct learn_job out = {
                    .kind = job->kind,
                    .id = job->id,
                    .net = x.l.spec.net,
                    .theta = x.theta,
                    .n_fresh = x.l.n_fresh,
                    .n_past = x.past.n,
                    .past = x.past.v,
                    .train = x.train,
                    .n_replay = x.n_replay,
                    .replay = x.replay,
                    .n_holdout = x.n_holdout,
                    .holdout = x.holdout,
                    .plan = x.plan,
                };
                r = bundle_write_job(c->path, &out, e);
        }
        if (r == 0 && ret_unusable)
                *ret_unusable = x.n_unusable;
        export_deinit(&x);
        return r == EXPORT_EMPTY || r == 0 ? r : err_wrap(e, r, "export");
}
