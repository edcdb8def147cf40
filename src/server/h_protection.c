/* h_protection.c: what protects a closed task: looking into its Fisher, and giving it another weight. */
#include "base/err.h"
#include "base/mem.h"
#include "infer/evidence.h"
#include "proto/json_inspect.h"
#include "proto/json_model.h"
#include "server/h_job.h"
#include "server/h_version.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <ewc/similarity.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct protection {
        const char *task;
        double alpha; /* PUT */
        const char *reason;
};

/* The closed task of the path. */
static int find_closed(struct h_work *w, const struct model *m, const struct h_tasks *all, const char *name,
    const struct task **ret, struct err *e)
{
        for (size_t i = 0; i < all->n; i++) {
                if (strcmp(all->v[i].name, name) != 0)
                        continue;
                if (all->v[i].state != TASK_CLOSED || !all->v[i].has_fisher)
                        return h_refuse(w, e, PROBLEM_CONFLICT, "",
                            "task %s is open: a Fisher and a weight belong to closed tasks", name);
                *ret = &all->v[i];
                return 0;
        }
        return h_refuse(w, e, PROBLEM_NOT_FOUND, "", "model %s has no task '%.64s'", m->name, name);
}

/* --- GET tasks/{t}/fisher --- */

struct record { /* a task's Fisher in the layout it was closed with */
        struct ewc_spec net;
        size_t P;
        float *fisher; /* (P) */
};

static int read_record(struct h_work *w, struct store *s, const struct ewc_spec *net, const struct task *t,
    struct record *ret, struct err *e)
{
        struct ewc_fisher_info info;
        struct record rec = {.net = *net};
        size_t n_outputs;
        int r = store_task_record(s, t->id, &w->arena, &info, &n_outputs, &rec.P, e);
        if (r != 0)
                return err_wrap(e, r, "record of task %s", t->name);
        rec.net.n_outputs = n_outputs <= EWC_MAX_UNITS ? (uint32_t)n_outputs : 0;
        if (ewc_spec_check(&rec.net, NULL, 0) < 0 || ewc_spec_params(&rec.net) != rec.P)
                return err_set(e, -EBADMSG, "record of task %s does not fit the net", t->name);
        rec.fisher = new_array(float, rec.P);
        if (!rec.fisher)
                return err_oom(e);
        if ((r = evidence_fisher(s, t, &rec.net, rec.fisher, rec.P, e)) != 0) {
                free(rec.fisher);
                return err_wrap(e, r, "Fisher of task %s", t->name);
        }
        *ret = rec;
        return 0;
}

/* Two tasks are compared over the tensors in front of the output layer's two, which every version of a net shares. */
static size_t shared_tensors(const struct ewc_spec *net)
{
        return ewc_spec_tensors(net) - 2;
}

static int list_overlaps(struct h_work *w, struct store *s, const struct ewc_spec *net, const struct h_tasks *all,
    const struct task *own, const struct record *rec, struct task_fisher_view *v, struct err *e)
{
        struct fisher_overlap *list = arena_new_array(&w->arena, struct fisher_overlap, all->n);
        size_t shared = shared_tensors(&rec->net);
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < all->n; i++) {
                const struct task *t = &all->v[i];
                struct record other;
                if (t == own || t->state != TASK_CLOSED || !t->has_fisher)
                        continue;
                int r = read_record(w, s, net, t, &other, e);
                if (r != 0)
                        return r;
                double like = shared > 0 ? ewc_similarity(&rec->net, shared, rec->fisher, other.fisher) : NAN;
                list[v->n_overlaps++] = (struct fisher_overlap){t->name, like};
                free(other.fisher);
        }
        v->overlaps = list;
        return 0;
}

static int write_fisher(struct h_work *w, struct store *s, const struct ewc_spec *net, const struct h_tasks *all,
    const struct task *t, const struct record *rec, struct err *e)
{
        struct fisher_view fisher;
        size_t n = ewc_spec_tensors(&rec->net);
        struct layer_fisher *layers = arena_new_array(&w->arena, struct layer_fisher, n);
        _free_ float *ws = new_array(float, rec->P);
        struct task_fisher_view v = {.task = t, .fisher = &fisher, .layers = layers};
        if (!layers || !ws)
                return err_oom(e);
        inspect_fisher(&rec->net, rec->fisher, ws, layers, &fisher);
        int r = list_overlaps(w, s, net, all, t, rec, &v, e);
        if (r == 0)
                json_task_fisher_write(&w->body, &v);
        return r;
}

static int run_fisher(struct h_work *w, struct store *s, struct err *e)
{
        const struct protection *p = w->arg;
        struct model m;
        struct model_spec spec;
        struct h_tasks all;
        const struct task *t = NULL;
        struct record rec;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_load_tasks(w, s, &m, &all, e)) != 0 ||
            (r = find_closed(w, &m, &all, p->task, &t, e)) != 0)
                return r;
        if ((r = json_spec_read(m.spec_json, &w->arena, &spec, e)) != 0)
                return err_wrap(e, r < 0 ? r : -EBADMSG, "description of model %s", m.name);
        if ((r = read_record(w, s, &spec.net, t, &rec, e)) != 0)
                return r;
        r = write_fisher(w, s, &spec.net, &all, t, &rec, e);
        free(rec.fisher);
        return r;
}

static struct h_work *protection_work(struct request *r, int (*run)(struct h_work *, struct store *, struct err *),
    void (*done)(struct h_work *, struct request *))
{
        struct h_work *w = h_work_new(r, run, done);
        struct protection *p = w ? arena_new(&w->arena, struct protection) : NULL;
        if (p && (p->task = arena_strndup(&w->arena, r->arg[1].p, r->arg[1].n))) {
                w->arg = p;
                return w;
        }
        if (w) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
        }
        return NULL;
}

void h_task_fisher(struct request *r)
{
        struct h_work *w = protection_work(r, run_fisher, NULL);
        if (w)
                h_read(w);
}

/* --- PUT tasks/{t}/alpha --- */

static int run_alpha(struct h_work *w, struct store *s, struct err *e)
{
        const struct protection *p = w->arg;
        struct model m;
        struct h_tasks all;
        const struct task *t = NULL;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_load_tasks(w, s, &m, &all, e)) != 0 ||
            (r = find_closed(w, &m, &all, p->task, &t, e)) != 0)
                return r;
        struct job_new job = {.model = m.id,
            .kind = JOB_REWEIGHT,
            .trigger = TRIGGER_MANUAL,
            .trigger_text = p->reason,
            .alpha_task = t->id,
            .alpha = p->alpha,
            .who = w->who};
        return h_job_create(w, s, &m, &job, e);
}

void h_task_alpha(struct request *r)
{
        struct err e = ERR_NULL;
        struct h_work *w = protection_work(r, run_alpha, h_job_created);
        if (!w)
                return;
        struct protection *arg = w->arg;
        int p = json_alpha_read(r->body, &w->arena, &arg->alpha, &arg->reason, &e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        h_write(w, sizeof(struct job_new));
}
