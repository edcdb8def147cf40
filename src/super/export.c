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
#include "domain/protection.h"
#include "proto/bundle.h"
#include "store/store.h"
#include "super/export_rows.h"
#include "super/layout.h"
#include "super/pack.h"
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
        uint32_t *source; /* (n_outputs) of the record being read */
        bool *restored;   /* (n_outputs) theta has the row of a record */
        struct learn_past *past;
        size_t n_past;
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
        for (size_t i = 0; i < x->n_past; i++) {
                free((float *)x->past[i].fisher);
                free((float *)x->past[i].anchor);
        }
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

struct record { /* of a closed task, as it is read */
        const struct task *task;
        struct ewc_spec net; /* with the outputs it was closed with */
        uint32_t *source;    /* (n_outputs) where the job's outputs stand in it */
        bool same;           /* all at their own place */
};

/* Packed bytes of a record's Fisher, decoded: a learner reads plain floats. */
static int read_packed(struct store *s, const struct record *rec, struct budget *budget, float *ret, struct err *e)
{
        size_t size = (size_t)rec->task->stored.n_bytes;
        void *bytes = budget_take(budget, size, 1, "records of closed tasks", e);
        if (!bytes)
                return e->code;
        int r = store_task_packed(s, rec->task->id, bytes, size, e);
        if (r == 0)
                r = fisher_unpack(&rec->net, bytes, size, ret, e);
        free(bytes);
        budget->left += size;
        return r;
}

/* One vector of a record in the layout of the job; what the record lacks comes from fresh (P), or is 0. */
static int load_vector(struct store *s, const struct record *rec, enum tensor_role role, const float *fresh,
    struct export *x, const float **ret, struct err *e)
{
        size_t n_old = ewc_spec_params(&rec->net);
        float *old = budget_take(&x->budget, n_old, sizeof(float), "records of closed tasks", e);
        if (!old)
                return e->code;
        bool packed = role == TENSOR_FISHER && rec->task->stored.encoding != FISHER_PLAIN;
        int r = packed ? read_packed(s, rec, &x->budget, old, e)
                       : store_task_tensor(s, rec->task->id, role, old, n_old, e);
        if (r != 0) {
                free(old);
                return err_wrap(e, r, "%s of task %s", tensor_role_name(role), rec->task->name);
        }
        if (rec->same) {
                *ret = old;
                return 0;
        }
        float *mapped = budget_take(&x->budget, x->P, sizeof(float), "records of closed tasks", e);
        r = mapped ? 0 : e->code;
        if (r == 0 && (r = ewc_spec_map(&rec->net, &x->l.spec.net, rec->source, old, fresh, mapped)) < 0)
                r = err_set(e, -EBADMSG, "%s of task %s does not fit the net: %s", tensor_role_name(role),
                    rec->task->name, ewc_strerror(r));
        free(old);
        x->budget.left += n_old * sizeof(float);
        if (r < 0) {
                free(mapped);
                return r;
        }
        *ret = mapped;
        return 0;
}

/* Copies row and bias of one output; both vectors are in the job's layout. */
static void copy_output(const struct ewc_spec *net, size_t o, const float *from, float *to)
{
        struct ewc_tensor w, b;
        size_t n = ewc_spec_tensors(net);
        ewc_spec_tensor(net, n - 2, &w);
        ewc_spec_tensor(net, n - 1, &b);
        size_t row = w.offset + o * w.cols;
        memcpy(to + row, from + row, w.cols * sizeof(float));
        to[b.offset + o] = from[b.offset + o];
}

/* Outputs the parent lacks and this record has start as this record has them, unless an earlier one did so. */
static void restore_outputs(struct export *x, const struct record *rec, const float *anchor)
{
        for (size_t o = x->l.parent.n_outputs; o < x->l.n_outputs; o++) {
                if (x->restored[o] || rec->source[o] == EWC_OUTPUT_NEW)
                        continue;
                copy_output(&x->l.spec.net, o, anchor, x->theta);
                x->restored[o] = true;
        }
}

/* Anchors read before a later record gave theta an output follow it. */
static void follow_restored(struct export *x)
{
        for (size_t i = 0, k = 0; i < x->l.n_tasks && k < x->n_past; i++) {
                if (x->l.tasks[i].id != x->past[k].task)
                        continue;
                layout_source(&x->l, i, x->source);
                for (size_t o = x->l.parent.n_outputs; o < x->l.n_outputs; o++)
                        if (x->restored[o] && x->source[o] == EWC_OUTPUT_NEW)
                                copy_output(&x->l.spec.net, o, x->theta, (float *)x->past[k].anchor);
                k++;
        }
}

static int open_record(struct store *s, size_t task, struct export *x, struct record *ret, struct err *e)
{
        const struct task *t = &x->l.tasks[task];
        struct ewc_fisher_info info;
        size_t n_outputs, n_params;
        int r = store_task_record(s, t->id, &x->arena, &info, &n_outputs, &n_params, e);
        if (r != 0)
                return err_wrap(e, r, "record of task %s", t->name);
        struct record rec = {.task = t, .net = x->l.spec.net, .source = x->source};
        rec.net.n_outputs = n_outputs <= EWC_MAX_UNITS ? (uint32_t)n_outputs : 0;
        if (n_outputs != x->l.records[task].n_outputs || ewc_spec_check(&rec.net, NULL, 0) < 0 ||
            ewc_spec_params(&rec.net) != n_params)
                return err_set(e, -EBADMSG, "record of task %s: %zu outputs and %zu parameters do not fit the net",
                    t->name, n_outputs, n_params);
        layout_source(&x->l, task, rec.source);
        rec.same = n_outputs == x->l.n_outputs;
        for (size_t o = 0; rec.same && o < n_outputs; o++)
                rec.same = rec.source[o] == o;
        *ret = rec;
        return 0;
}

/* The anchor first: it may give theta outputs that the parent lacks. */
static int load_past_one(struct store *s, size_t task, struct export *x, struct err *e)
{
        struct record rec;
        int r = open_record(s, task, x, &rec, e);
        if (r < 0)
                return r;
        struct learn_past *p = &x->past[x->n_past];
        *p = (struct learn_past){
            .task = rec.task->id, .alpha = rec.task->alpha, .factor = protection_factor(&rec.task->fisher)};
        x->n_past++; /* from here on export_deinit has its vectors */
        r = load_vector(s, &rec, TENSOR_ANCHOR, x->theta, x, &p->anchor, e);
        if (r == 0)
                restore_outputs(x, &rec, p->anchor);
        return r == 0 ? load_vector(s, &rec, TENSOR_FISHER, NULL, x, &p->fisher, e) : r;
}

static int load_past(struct store *s, struct export *x, struct err *e)
{
        x->past = arena_new_array(&x->arena, struct learn_past, x->l.n_tasks);
        x->source = arena_new_array(&x->arena, uint32_t, x->l.n_outputs);
        x->restored = arena_new_array(&x->arena, bool, x->l.n_outputs);
        if (!x->past || !x->source || !x->restored)
                return err_oom(e);
        for (size_t i = 0; i < x->l.n_tasks; i++) {
                const struct task *t = &x->l.tasks[i];
                if (t->state != TASK_CLOSED || !t->has_fisher)
                        continue;
                int r = load_past_one(s, i, x, e);
                if (r < 0)
                        return r;
        }
        follow_restored(x);
        return 0;
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
        bool joint = x->l.learning.method == LEARN_JOINT, heads = x->l.learning.distill_weight > 0;
        uint32_t per_class = joint ? 0 : x->l.learning.replay_per_class;
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

/* Tasks in order of opening, so the open one comes last. */
static int load_holdouts(struct store *s, const struct job *job, struct export *x, struct err *e)
{
        for (size_t i = 0; i < x->l.n_tasks; i++) {
                struct row_choice c = choice(x, job, i, SPLIT_HOLDOUT);
                int r = gather(s, x, &c, &x->holdout[x->n_holdout], e);
                if (r < 0)
                        return r;
                x->n_holdout++;
        }
        return 0;
}

static int fill(struct store *s, const struct job *job, struct export *x, struct err *e)
{
        int r = layout_load(s, job, &x->arena, &x->l, e);
        if (r < 0)
                return r;
        x->P = ewc_spec_params(&x->l.spec.net);
        if ((r = load_heads(x, e)) == 0 && (r = load_train(s, job, x, e)) == 0 &&
            (r = load_theta(s, job, x, e)) == 0 && (r = load_past(s, x, e)) == 0 &&
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
        int r = fill(s, job, &x, e);
        if (r == 0) {
                struct learn_job out = {
                    .kind = job->kind,
                    .id = job->id,
                    .net = x.l.spec.net,
                    .theta = x.theta,
                    .n_fresh = x.l.n_fresh,
                    .n_past = x.n_past,
                    .past = x.past,
                    .train = x.train,
                    .n_replay = x.n_replay,
                    .replay = x.replay,
                    .n_holdout = x.n_holdout,
                    .holdout = x.holdout,
                };
                learning_plan(&x.l.learning, job->seed, c->threads, &out.plan);
                r = bundle_write_job(c->path, &out, e);
        }
        if (r == 0 && ret_unusable)
                *ret_unusable = x.n_unusable;
        export_deinit(&x);
        return r == EXPORT_EMPTY || r == 0 ? r : err_wrap(e, r, "export");
}
