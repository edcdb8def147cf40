/* evidence.c: from the records of closed tasks to the variance of a version's output layer.
 *
 * A record has the layout of the version that closed its task, so its output rows are moved to where this version
 * has the same (task, class); rows no record speaks of keep the prior. Which tasks count, and whether they can, is
 * known from the list of tasks; tensors are read only when no donor has the same sum already. The prior is added to
 * the sum at the end, so a donor need not have the same one. */
#include "infer/evidence.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/head.h"
#include "domain/pack.h"
#include "store/store.h"
#include <ewc/laplace.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NO_EVIDENCE = 1 };
#define SCRATCH_MAX ((size_t)64 << 20)

struct sum { /* being built */
        struct store *s;
        const struct evidence_from *f;
        struct arena *arena;  /* of the version: texts that stay */
        struct arena scratch; /* descriptions of closing versions */
        size_t n;
        struct closed { /* a task that counts */
                const struct task *task;
                size_t n_outputs;
                const struct output_row *outputs; /* of the version that closed it */
        } * closed;
        double prior;
        double *precision; /* (O * (D + 1)) of the evidence being built */
        const char *why;
};

static int say(struct sum *x, const char *why)
{
        x->why = why ? why : "out of memory";
        return NO_EVIDENCE;
}

/* The tasks closed by this version or an earlier one. */
static int collect(struct sum *x, struct err *e)
{
        const struct evidence_from *f = x->f;
        x->closed = arena_new_array(&x->scratch, struct closed, f->n_tasks);
        if (!x->closed)
                return err_oom(e);
        for (size_t i = 0; i < f->n_tasks; i++) {
                const struct task *t = &f->tasks[i];
                struct version v;
                if (t->state != TASK_CLOSED || !t->has_fisher)
                        continue;
                if (store_version_get(x->s, t->closed_by, &x->scratch, &v, e) != 0)
                        return say(
                            x, arena_printf(x->arena, "the version that closed task %s cannot be read", t->name));
                if (v.number > f->number)
                        continue;
                if (t->importance != LEARN_IMPORTANCE_FISHER)
                        return say(x, arena_printf(x->arena,
                                          "task %s was closed with an importance that is no Fisher", t->name));
                if (t->fisher.kind != EWC_FISHER_EXACT)
                        return say(x, arena_printf(x->arena,
                                          "the Fisher of task %s is %s, and only an exact one says "
                                          "how sure an answer is",
                                          t->name, ewc_fisher_name(t->fisher.kind)));
                x->closed[x->n++] = (struct closed){t, v.n_outputs, v.outputs};
        }
        return x->n > 0 ? 0 : say(x, "no task of this version is closed, so there is no stored Fisher");
}

/* The same sum; priors may differ. */
static bool is_same(const struct sum *x, const struct evidence *v)
{
        const struct evidence_from *f = x->f;
        if (!v || v->n_tasks != x->n || v->n_outputs != f->n_outputs)
                return false;
        for (size_t i = 0; i < x->n; i++) {
                if (v->tasks[i] != x->closed[i].task->id)
                        return false;
        }
        for (size_t o = 0; o < f->n_outputs; o++) {
                if (v->outputs[o].task != f->outputs[o].task || v->outputs[o].class != f->outputs[o].class)
                        return false;
        }
        return true;
}

/* Adds the rows of part (layout of c) to where this version has the same outputs. */
static void scatter(struct sum *x, const struct closed *c, size_t D, const double *part, uint32_t *source)
{
        const struct evidence_from *f = x->f;
        size_t O = f->n_outputs;
        head_map(f->scenario, f->tasks[0].id, c->outputs, c->n_outputs, f->outputs, O, source);
        for (size_t o = 0; o < O; o++) {
                if (source[o] == EWC_OUTPUT_NEW)
                        continue;
                for (size_t d = 0; d < D; d++)
                        x->precision[o * D + d] += part[source[o] * D + d];
                x->precision[O * D + o] += part[c->n_outputs * D + source[o]];
        }
}

int evidence_fisher(
    struct store *s, const struct task *t, const struct ewc_spec *net, float *ret, size_t P, struct err *e)
{
        if (t->stored.encoding == FISHER_PLAIN)
                return store_task_tensor(s, t->id, TENSOR_FISHER, ret, P, e);
        _free_ char *bytes = new_array(char, t->stored.n_bytes);
        if (!bytes)
                return err_oom(e);
        int r = store_task_packed(s, t->id, bytes, t->stored.n_bytes, e);
        return r != 0 ? r : fisher_unpack(net, bytes, t->stored.n_bytes, ret, e);
}

static int add_task(struct sum *x, const struct closed *c, struct err *e)
{
        struct ewc_spec net = *x->f->net;
        struct ewc_fisher_info info;
        size_t n_outputs, n_params;
        int r = store_task_record(x->s, c->task->id, &x->scratch, &info, &n_outputs, &n_params, e);
        if (r != 0)
                return say(x, arena_printf(x->arena, "the record of task %s cannot be read", c->task->name));
        net.n_outputs = n_outputs <= EWC_MAX_UNITS ? (uint32_t)n_outputs : 0;
        if (n_outputs != c->n_outputs || ewc_spec_check(&net, NULL, 0) < 0 || ewc_spec_params(&net) != n_params)
                return say(x, arena_printf(x->arena, "the record of task %s does not fit the net", c->task->name));
        _free_ float *fisher = new_array(float, n_params);
        _free_ double *part = new_array(double, ewc_laplace_params(&net));
        _free_ uint32_t *source = new_array(uint32_t, x->f->n_outputs);
        if (!fisher || !part || !source)
                return err_oom(e);
        struct ewc_evidence rec = {(double)info.n_samples, info.factor, fisher};
        if (evidence_fisher(x->s, c->task, &net, fisher, n_params, e) != 0 ||
            ewc_laplace_precision(&net, 1, &rec, part) < 0)
                return say(x, arena_printf(x->arena, "the Fisher of task %s is damaged", c->task->name));
        scatter(x, c, ewc_laplace_inputs(&net), part, source);
        return 0;
}

static struct evidence *evidence_new(const struct sum *x)
{
        size_t L = ewc_laplace_params(x->f->net);
        struct evidence *v = new_zero(struct evidence);
        if (!v)
                return NULL;
        atomic_init(&v->refs, 1);
        v->n_tasks = x->n;
        v->n_outputs = x->f->n_outputs;
        v->prior = x->prior;
        v->tasks = new_array(task_id, x->n);
        v->outputs = new_array(struct output_row, v->n_outputs);
        v->precision = new_array(double, L);
        v->variance = new_array(float, L);
        v->bytes = L * (sizeof(double) + sizeof(float)) + v->n_outputs * sizeof(*v->outputs) +
                   x->n * sizeof(task_id) + sizeof(*v);
        if (!v->tasks || !v->outputs || !v->precision || !v->variance) {
                evidence_unref(v);
                return NULL;
        }
        for (size_t i = 0; i < x->n; i++)
                v->tasks[i] = x->closed[i].task->id;
        memcpy(v->outputs, x->f->outputs, v->n_outputs * sizeof(*v->outputs));
        return v;
}

/* known: the sum, from a donor; NULL: the records are read. */
static int build(struct sum *x, const double *known, struct evidence **ret, struct err *e)
{
        struct evidence *v = evidence_new(x);
        int r = 0;
        if (!v)
                return err_oom(e);
        x->precision = v->precision;
        for (size_t i = 0; !known && r == 0 && i < x->n; i++)
                r = add_task(x, &x->closed[i], e);
        if (r != 0) {
                evidence_unref(v);
                return r;
        }
        if (known)
                memcpy(v->precision, known, ewc_laplace_params(x->f->net) * sizeof(*known));
        ewc_laplace_variance(x->f->net, v->precision, v->prior, v->variance);
        *ret = v;
        return 0;
}

int evidence_load(struct store *s, const struct evidence_from *f, struct arena *a, struct evidence **ret,
    const char **ret_why, struct err *e)
{
        struct sum x = {.s = s, .f = f, .arena = a, .prior = f->prior > 0 ? f->prior : EVIDENCE_PRIOR};
        struct evidence *v = NULL;
        arena_init(&x.scratch, SCRATCH_MAX);
        int r = collect(&x, e);
        bool same = r == 0 && is_same(&x, f->donor);
        if (same && f->donor->prior == x.prior)
                v = evidence_ref(f->donor);
        else if (r == 0)
                r = build(&x, same ? f->donor->precision : NULL, &v, e);
        arena_deinit(&x.scratch);
        if (r == 0)
                *ret = v;
        else if (r == NO_EVIDENCE)
                *ret_why = x.why;
        return r;
}

struct evidence *evidence_ref(struct evidence *v)
{
        atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
        return v;
}

void evidence_unref(struct evidence *v)
{
        if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) > 1)
                return;
        free(v->tasks);
        free(v->outputs);
        free(v->precision);
        free(v->variance);
        free(v);
}

bool evidence_has(const struct evidence *v, task_id t)
{
        for (size_t i = 0; v && i < v->n_tasks; i++) {
                if (v->tasks[i] == t)
                        return true;
        }
        return false;
}
