/* reweight.c: the result of a job that trains nothing. */
#include "super/reweight.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"
#include "super/export.h"
#include <string.h>

void reweighting_free(struct reweighting *w)
{
        records_free(&w->past);
        *w = (struct reweighting){0};
}

static struct evaluation *copy_evaluations(const struct version *v)
{
        struct evaluation *e = new_array(struct evaluation, v->n_evaluations);
        for (size_t i = 0; e && i < v->n_evaluations; i++) {
                e[i] = v->evaluations[i];
                e[i].n_won = e[i].n_lost = 0;
                e[i].n_outputs = 0;
                e[i].outputs = NULL;
        }
        return e;
}

static int fill_result(
    struct store *s, const struct job *job, const struct layout *l, struct learn_result *ret, struct err *e)
{
        *ret = (struct learn_result){
            .outcome = LEARN_DONE,
            .n_params = l->parent.n_params,
            .theta = new_array(float, l->parent.n_params),
            .lambda = l->parent.lambda,
            .prior = l->parent.prior,
        };
        if (!ret->theta)
                return err_oom(e);
        int r = store_version_tensor(s, job->parent, TENSOR_THETA, ret->theta, ret->n_params, e);
        if (r != 0)
                return err_wrap(e, r, "theta of the champion");
        if (l->parent.n_evaluations == 0)
                return 0;
        ret->before = copy_evaluations(&l->parent);
        ret->after = copy_evaluations(&l->parent);
        if (!ret->before || !ret->after)
                return err_oom(e);
        ret->n_evaluations = l->parent.n_evaluations;
        return 0;
}

int reweight_load(struct store *s, const struct job *job, const struct layout *l, struct reweighting *ret,
    struct learn_result *ret_result, struct err *e)
{
        *ret = (struct reweighting){.budget = {EXPORT_MAX_BYTES}};
        int r = fill_result(s, job, l, ret_result, e);
        if (r == 0)
                r = records_load(s, l, &ret->budget, ret_result->theta, &ret->past, e);
        if (r != 0)
                return r;
        ret->file = (struct learn_job){
            .kind = job->kind,
            .id = job->id,
            .net = l->spec.net,
            .theta = ret_result->theta,
            .n_past = ret->past.n,
            .past = ret->past.v,
        };
        learning_plan(&l->learning, job->seed, 1, &ret->file.plan);
        return 0;
}
