/* mem_weight.c: the weights of closed tasks, which follow from the version that serves. */
#include "base/err.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <inttypes.h>

/* In what job j makes of version v. */
static double weight(struct mem *m, const struct mem_task *t, version_id v, job_id j)
{
        for (const struct mem_version *x; (x = mem_get(m, MEM_VERSION, v)) != NULL; v = x->v.parent) {
                const struct mem_job *made = mem_get(m, MEM_JOB, x->v.job);
                if (made && made->j.kind == JOB_REWEIGHT && made->j.alpha_task == t->t.id)
                        return made->j.alpha;
        }
        return t->given_up != 0 && t->given_up < j ? 0.0 : t->closed_alpha;
}

int mem_weights_follow(struct mem *m, model_id model, job_id j, const char *who, struct err *e)
{
        const struct alias champion = mem_alias_find(m, model, "champion", NULL)->a;

        MEM_EACH(m, MEM_TASK, struct mem_task, t)
        {
                struct mem_task now = *t;
                now.t.alpha = weight(m, t, champion.version, UINT64_MAX);
                if (t->t.model != model || t->t.state != TASK_CLOSED || now.t.alpha == t->t.alpha)
                        continue;
                const struct words told = words_alpha(j, t->t.name, t->t.alpha, now.t.alpha, champion.number);
                int r = mem_set(m, MEM_TASK, t->t.id, &now, sizeof(now)) ? 0 : err_oom(e);
                if (r != 0 || (r = mem_audit(m, model, who, "task.alpha", told.text, e)) != 0)
                        return r;
        }
        return 0;
}

int mem_task_weight(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e)
{
        const struct mem_task *task = mem_get(mem_of(s), MEM_TASK, t);

        if (!task || task->t.state != TASK_CLOSED)
                return err_set(e, STORE_NOT_FOUND, "no closed task %" PRIu64, t);
        *ret = weight(mem_of(s), task, v, j);
        return 0;
}
