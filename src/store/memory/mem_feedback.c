/* mem_feedback.c: labelled rows. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include <errno.h>
#include <string.h>

static int row_push(
    struct mem *m, model_id model, task_id open, const struct feedback *f, uint64_t *ret_seq, struct err *e)
{
        struct mem_row r = {.f = *f, .model = model};

        r.f.seq = m->t[MEM_ROW].n + 1;
        r.f.task = open;
        r.f.received_ms = mem_now(m);
        r.f.class = f->targets ? -1 : f->class;
        r.f.event_id = arena_strdup(&m->a, f->event_id);
        r.f.source = arena_strdup(&m->a, f->source);
        r.f.inputs = arena_memdup(&m->a, f->inputs, f->n_inputs * sizeof(float));
        r.f.targets = f->targets ? arena_memdup(&m->a, f->targets, f->n_targets * sizeof(float)) : NULL;
        if (!r.f.event_id || !r.f.source || !r.f.inputs || (f->targets && !r.f.targets) ||
            !mem_push(m, MEM_ROW, &r, sizeof(r), ret_seq) || !mem_index_add(m, *ret_seq))
                return err_oom(e);
        return 0;
}

static int add_one(struct mem *m, model_id model, task_id open, const struct feedback *f, enum feedback_verdict *ret,
    struct receipt *receipt, struct err *e)
{
        const struct mem_row *old = mem_index_find(m, model, f->event_id, f->source);
        uint64_t seq = 0;

        if (old) {
                bool same = digest_eq(&old->f.payload, &f->payload);
                *ret = same ? FEEDBACK_DUPLICATE : FEEDBACK_CONFLICT;
                receipt->n_duplicate += same;
                receipt->n_conflict += !same;
                return 0;
        }
        if (f->task_named && f->task != open) {
                *ret = FEEDBACK_TASK_CLOSED;
                return 0;
        }
        int r = row_push(m, model, open, f, &seq, e);
        *ret = FEEDBACK_ACCEPTED;
        receipt->n_accepted++;
        if (receipt->first_seq == 0)
                receipt->first_seq = seq;
        receipt->last_seq = seq;
        return r;
}

int mem_feedback_add(struct store *s, model_id model, const struct feedback *rows, size_t n,
    enum feedback_verdict *verdicts, struct receipt *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        const struct mem_task *open = mem_task_open(m, model);
        struct mem_mark k = mem_mark(m);
        struct receipt receipt = {0};
        int r = open ? 0 : err_set(e, STORE_NOT_FOUND, "no such model");

        for (size_t i = 0; r == 0 && i < n; i++) {
                enum feedback_verdict v = FEEDBACK_ACCEPTED;
                r = add_one(m, model, open->t.id, &rows[i], &v, &receipt, e);
                if (verdicts)
                        verdicts[i] = v;
        }
        r = mem_settle(m, &k, r);
        if (r == 0)
                *ret = receipt;
        return r;
}

static const struct mem_job *used_by(struct mem *m, const struct mem_row *row)
{
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        if (j->j.task == row->f.task && (j->j.state == JOB_PROMOTED || j->j.state == JOB_REJECTED) &&
            j->j.range.first <= row->f.seq && row->f.seq <= j->j.range.last)
                return j;
        return NULL;
}

int mem_feedback_get(
    struct store *s, model_id model, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        const struct mem_row *row = NULL;

        MEM_EACH(m, MEM_ROW, struct mem_row, r)
        if (r->model == model && strcmp(r->f.event_id, event_id) == 0)
                row = r;
        if (!row)
                return err_set(e, STORE_NOT_FOUND, "no feedback of this id");
        const struct mem_job *j = used_by(m, row);
        const struct mem_task *t = mem_get(m, MEM_TASK, row->f.task);
        struct feedback_fate fate = {.row = row->f, .state = FEEDBACK_QUEUED};
        fate.row.inputs = NULL;
        fate.row.n_inputs = 0;
        fate.row.event_id = arena_strdup(a, row->f.event_id);
        fate.row.source = arena_strdup(a, row->f.source);
        if (row->f.targets)
                fate.row.targets = arena_memdup(a, row->f.targets, row->f.n_targets * sizeof(float));
        if (!fate.row.event_id || !fate.row.source || (row->f.targets && !fate.row.targets))
                return err_oom(e);
        str_copy(fate.task_name, sizeof(fate.task_name), t->t.name);
        if (row->f.holdout) {
                fate.state = FEEDBACK_HELD_OUT;
        } else if (j) {
                fate.state = FEEDBACK_USED;
                fate.job = j->j.id;
                fate.version_number = j->j.version_number;
        }
        *ret = fate;
        return 0;
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
        if (r->f.task == t->t.id && r->f.class >= 0)
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
                if (j->j.ended_ms > 0) /* of the newest, not the latest: the clock may have been set back */
                        c.last_job_ended_ms = j->j.ended_ms;
        }
        *ret = c;
        return 0;
}

int mem_feedback_scan(struct store *s, model_id model, const struct feedback_filter *f, store_feedback_fn each,
    void *arg, struct err *e)
{
        (void)e;
        MEM_EACH(mem_of(s), MEM_ROW, struct mem_row, r)
        {
                unsigned split = r->f.holdout ? SPLIT_HOLDOUT : SPLIT_TRAIN;
                if (r->model != model || (f->task != 0 && r->f.task != f->task) || r->f.seq < f->range.first ||
                    r->f.seq > f->range.last || !((unsigned)f->split & split))
                        continue;
                int x = each(arg, &r->f);
                if (x != 0)
                        return x;
        }
        return 0;
}
