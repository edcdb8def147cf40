/* records.c: records of closed tasks, as a job's layout has them.
 *
 * The anchor is read before the Fisher, because it may give theta outputs that the parent lacks; anchors read earlier
 * then follow, so that an output no record has is held where training starts. */
#include "super/records.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/pack.h"
#include "domain/protection.h"
#include "store/store.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

struct load { /* one call of records_load */
        struct arena arena;
        const struct layout *l;
        struct budget *budget;
        size_t P;
        float *theta;
        uint32_t *source; /* (n_outputs) of the record being read */
        bool *restored;   /* (n_outputs) theta has the row of a record */
        struct records *past;
};

void records_free(struct records *r)
{
        for (size_t i = 0; i < r->n; i++) {
                free((float *)r->v[i].fisher);
                free((float *)r->v[i].anchor);
        }
        free(r->v);
        *r = (struct records){0};
}

struct record { /* of a closed task, as it is read */
        const struct task *task;
        struct ewc_spec net; /* with the outputs it was closed with */
        uint32_t *source;    /* (n_outputs) where the job's outputs stand in it */
        bool same;           /* all at their own place */
};

int record_fisher(
    struct store *s, const struct task *t, const struct ewc_spec *net, struct budget *b, float *ret, struct err *e)
{
        if (t->stored.encoding == FISHER_PLAIN)
                return store_task_tensor(s, t->id, TENSOR_FISHER, ret, ewc_spec_params(net), e);
        size_t size = (size_t)t->stored.n_bytes;
        void *bytes = budget_take(b, size, 1, "records of closed tasks", e);
        if (!bytes)
                return e->code;
        int r = store_task_packed(s, t->id, bytes, size, e);
        if (r == 0)
                r = fisher_unpack(net, bytes, size, ret, e);
        free(bytes);
        b->left += size;
        return r;
}

/* One vector of a record in the layout of the job; what the record lacks comes from fresh (P), or is 0. */
static int load_vector(struct store *s, const struct record *rec, enum tensor_role role, const float *fresh,
    struct load *x, const float **ret, struct err *e)
{
        size_t n_old = ewc_spec_params(&rec->net);
        float *old = budget_take(x->budget, n_old, sizeof(float), "records of closed tasks", e);
        if (!old)
                return e->code;
        int r = role == TENSOR_FISHER ? record_fisher(s, rec->task, &rec->net, x->budget, old, e)
                                      : store_task_tensor(s, rec->task->id, role, old, n_old, e);
        if (r != 0) {
                free(old);
                return err_wrap(e, r, "%s of task %s", tensor_role_name(role), rec->task->name);
        }
        if (rec->same) {
                *ret = old;
                return 0;
        }
        float *mapped = budget_take(x->budget, x->P, sizeof(float), "records of closed tasks", e);
        r = mapped ? 0 : e->code;
        if (r == 0 && (r = ewc_spec_map(&rec->net, &x->l->spec.net, rec->source, old, fresh, mapped)) < 0)
                r = err_set(e, -EBADMSG, "%s of task %s does not fit the net: %s", tensor_role_name(role),
                    rec->task->name, ewc_strerror(r));
        free(old);
        x->budget->left += n_old * sizeof(float);
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
static void restore_outputs(struct load *x, const struct record *rec, const float *anchor)
{
        for (size_t o = x->l->parent.n_outputs; o < x->l->n_outputs; o++) {
                if (x->restored[o] || rec->source[o] == EWC_OUTPUT_NEW)
                        continue;
                copy_output(&x->l->spec.net, o, anchor, x->theta);
                x->restored[o] = true;
        }
}

/* Anchors read before a later record gave theta an output follow it. */
static void follow_restored(struct load *x)
{
        for (size_t i = 0, k = 0; i < x->l->n_tasks && k < x->past->n; i++) {
                if (x->l->tasks[i].id != x->past->v[k].task)
                        continue;
                layout_source(x->l, i, x->source);
                for (size_t o = x->l->parent.n_outputs; o < x->l->n_outputs; o++)
                        if (x->restored[o] && x->source[o] == EWC_OUTPUT_NEW)
                                copy_output(&x->l->spec.net, o, x->theta, (float *)x->past->v[k].anchor);
                k++;
        }
}

static int open_record(struct store *s, size_t task, struct load *x, struct record *ret, struct err *e)
{
        const struct task *t = &x->l->tasks[task];
        struct ewc_fisher_info info;
        size_t n_outputs, n_params;
        int r = store_task_record(s, t->id, &x->arena, &info, &n_outputs, &n_params, e);
        if (r != 0)
                return err_wrap(e, r, "record of task %s", t->name);
        struct record rec = {.task = t, .net = x->l->spec.net, .source = x->source};
        rec.net.n_outputs = n_outputs <= EWC_MAX_UNITS ? (uint32_t)n_outputs : 0;
        if (n_outputs != x->l->records[task].n_outputs || ewc_spec_check(&rec.net, NULL, 0) < 0 ||
            ewc_spec_params(&rec.net) != n_params)
                return err_set(e, -EBADMSG, "record of task %s: %zu outputs and %zu parameters do not fit the net",
                    t->name, n_outputs, n_params);
        layout_source(x->l, task, rec.source);
        rec.same = n_outputs == x->l->n_outputs;
        for (size_t o = 0; rec.same && o < n_outputs; o++)
                rec.same = rec.source[o] == o;
        *ret = rec;
        return 0;
}

/* Samples of a curvature, which alone the learner can choose a prior beside. */
static uint64_t samples_of(const struct task *t)
{
        bool curved = t->importance == LEARN_IMPORTANCE_FISHER && t->fisher.kind == EWC_FISHER_EXACT;
        return curved ? t->fisher.n_samples : 0;
}

/* The anchor first: it may give theta outputs that the parent lacks. */
static int load_past_one(struct store *s, size_t task, struct load *x, struct err *e)
{
        struct record rec;
        int r = open_record(s, task, x, &rec, e);
        if (r < 0)
                return r;
        struct learn_past *p = &x->past->v[x->past->n];
        *p = (struct learn_past){.task = rec.task->id,
            .alpha = rec.task->alpha,
            .factor = protection_factor(&rec.task->fisher),
            .n_samples = samples_of(rec.task)};
        x->past->n++; /* from here on records_free has its vectors */
        r = load_vector(s, &rec, TENSOR_ANCHOR, x->theta, x, &p->anchor, e);
        if (r == 0)
                restore_outputs(x, &rec, p->anchor);
        return r == 0 ? load_vector(s, &rec, TENSOR_FISHER, NULL, x, &p->fisher, e) : r;
}

static int load(struct store *s, struct load *x, struct err *e)
{
        const struct layout *l = x->l;
        x->past->v = new_array(struct learn_past, l->n_tasks);
        x->source = arena_new_array(&x->arena, uint32_t, l->n_outputs);
        x->restored = arena_new_array(&x->arena, bool, l->n_outputs);
        if (!x->past->v || !x->source || !x->restored)
                return err_oom(e);
        for (size_t i = 0; i < l->n_tasks; i++) {
                if (l->tasks[i].state != TASK_CLOSED || !l->tasks[i].has_fisher)
                        continue;
                int r = load_past_one(s, i, x, e);
                if (r < 0)
                        return r;
        }
        follow_restored(x);
        return 0;
}

int records_load(
    struct store *s, const struct layout *l, struct budget *b, float *theta, struct records *ret, struct err *e)
{
        struct load x = {.l = l, .budget = b, .P = ewc_spec_params(&l->spec.net), .theta = theta, .past = ret};
        arena_init(&x.arena, ARENA_MAX);
        int r = load(s, &x, e);
        arena_deinit(&x.arena);
        return r;
}
