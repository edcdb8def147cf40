/* mem_count.c: the counters of a model. */
#include "base/err.h"
#include "base/mem.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include <string.h>

static uint64_t *by_state(struct counters *c, enum row_state s)
{
        switch (s) {
        case ROW_QUARANTINED:
                return &c->n_quarantined;
        case ROW_LATE:
                return &c->n_late;
        case ROW_SUPERSEDED:
                return &c->n_superseded;
        case ROW_ERASED:
                return &c->n_erased;
        case ROW_EXPIRED:
                return &c->n_expired;
        default:
                return &c->n_live;
        }
}

static bool count_rows(struct mem *m, const struct mem_model *model, task_id open, struct counters *c)
{
        bool *seen = new_array(bool, MODEL_MAX_CLASSES);

        if (!seen)
                return false;
        MEM_EACH(m, MEM_ROW, struct mem_row, r)
        {
                if (r->model != c->model)
                        continue;
                c->last_seq = r->f.seq;
                *by_state(c, r->f.state) += 1;
                if (r->f.state != ROW_LIVE)
                        continue;
                const struct mem_task *t = mem_get(m, MEM_TASK, r->f.task);
                c->n_retained += t->t.state == TASK_CLOSED && !r->f.holdout;
                if (r->f.task != open)
                        continue;
                c->n_open_train += !r->f.holdout;
                c->n_open_holdout += r->f.holdout;
                if (r->f.holdout)
                        continue;
                if (r->f.class >= 0)
                        seen[r->f.class] = true;
                else
                        memset(seen, true, model->m.n_classes);
                if (r->f.seq > model->used_seq && c->n_new++ == 0)
                        c->oldest_new_ms = r->f.received_ms;
        }
        for (size_t i = 0; i < MODEL_MAX_CLASSES; i++)
                c->n_open_classes += seen[i];
        free(seen);
        return true;
}

static void see_classes(struct mem *m, const struct mem_task *t, bool *seen)
{
        for (size_t i = 0; i < t->t.n_classes; i++)
                seen[t->t.classes[i]] = true;
        MEM_EACH(m, MEM_ROW, struct mem_row, r)
        if (r->f.task == t->t.id && r->f.state == ROW_LIVE && r->f.class >= 0)
                seen[r->f.class] = true;
}

/* As domain/head.h: scenario task: the task's rows of the champion, and its classes; class: those of all tasks. */
static bool count_head(struct mem *m, const struct mem_model *model, const struct mem_task *open, struct counters *c)
{
        const struct mem_alias *champion = mem_alias_find(m, c->model, "champion", NULL);
        const struct mem_version *v = champion ? mem_get(m, MEM_VERSION, champion->a.version) : NULL;
        bool *seen = new_array(bool, MODEL_MAX_CLASSES);

        if (!seen)
                return false;
        if (model->m.scenario == SCENARIO_DOMAIN)
                memset(seen, true, model->m.n_classes);
        MEM_EACH(m, MEM_TASK, struct mem_task, t)
        if (t == open || (model->m.scenario == SCENARIO_CLASS && t->t.model == c->model))
                see_classes(m, t, seen);
        for (size_t i = 0; model->m.scenario == SCENARIO_TASK && v && i < v->v.n_outputs; i++) {
                const struct output_row *o = &v->v.outputs[i];
                if (o->task == open->t.id || (o->task == 0 && open->t.ordinal == 0))
                        seen[o->class] = true;
        }
        for (size_t i = 0; i < MODEL_MAX_CLASSES; i++)
                c->n_head_classes += seen[i];
        free(seen);
        return true;
}

int mem_feedback_count(struct store *s, model_id id, struct counters *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        const struct mem_model *model = mem_get(m, MEM_MODEL, id);
        const struct mem_task *open = mem_task_open(m, id);

        if (!model || !open)
                return err_set(e, STORE_NOT_FOUND, "no such model");
        struct counters c = {.model = id, .used_seq = model->used_seq};
        if (!count_rows(m, model, open->t.id, &c) || !count_head(m, model, open, &c))
                return err_oom(e);
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        {
                if (j->j.model != id)
                        continue;
                c.job_active = c.job_active || !job_has_ended(j->j.state);
                bool learns = j->j.kind == JOB_CONSOLIDATE || j->j.kind == JOB_ROLLOVER;
                if (!learns || j->j.dry_run || !job_has_ended(j->j.state))
                        continue;
                c.last_job = j->j.id;
                c.last_job_ended_ms = j->j.ended_ms; /* of the newest, not the latest: the clock may be set back */
                c.last_rejected = j->j.state == JOB_REJECTED;
                c.last_rollover = j->j.kind == JOB_ROLLOVER;
                c.last_strategy = j->j.strategy;
        }
        MEM_EACH(m, MEM_TASK, struct mem_task, t)
        c.n_closed += t->t.model == id && t->t.state == TASK_CLOSED;
        *ret = c;
        return 0;
}
