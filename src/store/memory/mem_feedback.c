/* mem_feedback.c: labelled rows. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/memory/mem_fate.h"
#include "store/memory/verbs.h"
#include <errno.h>
#include <string.h>

static int row_push(struct mem *m, model_id model, task_id t, const struct feedback *f, enum conflict_policy p,
    uint64_t *ret_seq, struct err *e)
{
        struct mem_row r = {.f = *f, .model = model, .policy = p};

        r.f.seq = m->t[MEM_ROW].n + 1;
        r.f.task = t;
        r.f.received_ms = mem_now(m);
        r.f.class = f->targets ? -1 : f->class;
        r.f.state = f->state != 0 ? f->state : ROW_LIVE;
        r.f.why = r.f.state != ROW_LIVE && f->why ? arena_strdup(&m->a, f->why) : "";
        r.f.served_class = f->served_version != 0 ? f->served_class : -1;
        r.f.served_probability = f->served_version != 0 ? f->served_probability : 0;
        r.f.event_id = arena_strdup(&m->a, f->event_id);
        r.f.source = arena_strdup(&m->a, f->source);
        r.f.inputs = arena_memdup(&m->a, f->inputs, f->n_inputs * sizeof(float));
        r.f.targets = f->targets ? arena_memdup(&m->a, f->targets, f->n_targets * sizeof(float)) : NULL;
        if (!r.f.event_id || !r.f.source || !r.f.why || !r.f.inputs || (f->targets && !r.f.targets) ||
            !mem_push(m, MEM_ROW, &r, sizeof(r), ret_seq) || !mem_index_add(m, *ret_seq))
                return err_oom(e);
        return 0;
}

struct adding {
        struct mem *m;
        model_id model;
        task_id open;
        enum conflict_policy policy;
        struct receipt receipt;
};

/* 0: nothing that says no. */
static enum feedback_verdict known(const struct adding *a, const struct feedback *f)
{
        bool holder = false, erased = false, same = false;

        for (const struct mem_row *x = NULL; (x = mem_index_next(a->m, a->model, f->event_id, x)) != NULL;) {
                bool alike = x->f.trusted == f->trusted, mine = alike && strcmp(x->f.source, f->source) == 0;
                if (mine && x->f.state != ROW_ERASED) /* the newest one decides */
                        same = digest_eq(&x->f.payload, &f->payload);
                erased = erased || (x->f.state == ROW_ERASED && (mine || (x->whole && (alike || x->f.trusted))));
                holder = holder || mine;
        }
        if (same || erased)
                return same ? FEEDBACK_DUPLICATE : FEEDBACK_ERASED;
        return holder && (f->trusted || a->policy == CONFLICT_EARLIEST) ? FEEDBACK_CONFLICT : 0;
}

/* 0: it names a task that takes no more rows. */
static task_id task_for(const struct adding *a, const struct feedback *f)
{
        const struct mem_task *t = f->trusted ? mem_get(a->m, MEM_TASK, f->task) : NULL;

        if (!f->task_named || f->task == a->open)
                return a->open;
        return t && t->t.model == a->model ? f->task : 0;
}

static int add_one(struct adding *a, const struct feedback *f, enum feedback_verdict *ret, struct err *e)
{
        struct receipt *got = &a->receipt;
        bool first = mem_index_next(a->m, a->model, f->event_id, NULL) == NULL;
        task_id t = task_for(a, f);
        uint64_t seq = 0;

        *ret = known(a, f);
        got->n_duplicate += *ret == FEEDBACK_DUPLICATE;
        got->n_conflict += *ret == FEEDBACK_CONFLICT;
        if (*ret != 0)
                return 0;
        *ret = t != 0 ? FEEDBACK_ACCEPTED : FEEDBACK_TASK_CLOSED;
        if (t == 0)
                return 0;
        int r = row_push(a->m, a->model, t, f, a->policy, &seq, e);
        if (r != 0)
                return r;
        got->n_accepted++;
        got->n_quarantined += f->state == ROW_QUARANTINED;
        got->n_late += f->state == ROW_LATE;
        if (got->first_seq == 0)
                got->first_seq = seq;
        got->last_seq = seq;
        if (first || f->trusted || f->state == ROW_QUARANTINED || f->state == ROW_LATE)
                return 0;
        return mem_vote_settle(a->m, a->model, f->event_id, a->policy, got, e);
}

int mem_feedback_add(struct store *s, model_id model, const struct feedback *rows, size_t n,
    const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e)
{
        struct adding a = {.m = mem_of(s), .model = model, .policy = rules ? rules->on_conflict : CONFLICT_EARLIEST};
        const struct mem_task *open = mem_task_open(a.m, model);
        struct mem_mark k = mem_mark(a.m);
        int r = open ? 0 : err_set(e, STORE_NOT_FOUND, "no such model");

        a.open = open ? open->t.id : 0;
        for (size_t i = 0; r == 0 && i < n; i++) {
                enum feedback_verdict v = FEEDBACK_ACCEPTED;
                r = add_one(&a, &rows[i], &v, e);
                if (verdicts)
                        verdicts[i] = v;
        }
        r = mem_settle(a.m, &k, r);
        if (r == 0)
                *ret = a.receipt;
        return r;
}

static int rank(const struct mem_row *x)
{
        return x->f.state != ROW_LIVE ? !x->f.trusted : x->f.trusted ? 2 : 3;
}

/* Of the rows of an event the one that counts, else a trusted one, else the newest. */
static const struct mem_row *row_of(struct mem *m, model_id model, const char *event_id)
{
        const struct mem_row *best = NULL;

        for (const struct mem_row *x = NULL; (x = mem_index_next(m, model, event_id, x)) != NULL;)
                if (!best || rank(x) >= rank(best))
                        best = x;
        return best;
}

static enum feedback_state state_of(const struct mem_row *row, job_id job)
{
        static const enum feedback_state states[] = {[ROW_QUARANTINED] = FEEDBACK_QUARANTINED,
            [ROW_LATE] = FEEDBACK_LATE,
            [ROW_SUPERSEDED] = FEEDBACK_SUPERSEDED,
            [ROW_ERASED] = FEEDBACK_FEATURES_ERASED,
            [ROW_EXPIRED] = FEEDBACK_EXPIRED};

        if (row->f.state != ROW_LIVE)
                return states[row->f.state];
        return row->f.holdout ? FEEDBACK_HELD_OUT : job != 0 ? FEEDBACK_USED : FEEDBACK_QUEUED;
}

int mem_feedback_get(
    struct store *s, model_id model, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        const struct mem_row *row = row_of(m, model, event_id);

        if (!row)
                return err_set(e, STORE_NOT_FOUND, "no feedback of this id");
        job_id job = mem_first_job(m, row);
        const struct mem_job *j = mem_get(m, MEM_JOB, job);
        const struct mem_task *t = mem_get(m, MEM_TASK, row->f.task);
        struct feedback_fate fate = {.row = row->f, .state = state_of(row, job), .job = job};
        fate.version_number = j ? j->j.version_number : 0;
        fate.row.inputs = NULL;
        fate.row.n_inputs = 0;
        fate.row.event_id = arena_strdup(a, row->f.event_id);
        fate.row.source = arena_strdup(a, row->f.source);
        fate.row.why = arena_strdup(a, row->f.why);
        if (row->f.targets)
                fate.row.targets = arena_memdup(a, row->f.targets, row->f.n_targets * sizeof(float));
        if (!fate.row.event_id || !fate.row.source || !fate.row.why || (row->f.targets && !fate.row.targets))
                return err_oom(e);
        str_copy(fate.task_name, sizeof(fate.task_name), t->t.name);
        *ret = fate;
        return 0;
}

int mem_feedback_scan(struct store *s, model_id model, const struct feedback_filter *f, store_feedback_fn each,
    void *arg, struct err *e)
{
        (void)e;
        MEM_EACH(mem_of(s), MEM_ROW, struct mem_row, r)
        {
                unsigned split = r->f.holdout ? SPLIT_HOLDOUT : SPLIT_TRAIN;
                if (r->f.state != ROW_LIVE || r->model != model || (f->task != 0 && r->f.task != f->task) ||
                    r->f.seq < f->range.first || r->f.seq > f->range.last || !((unsigned)f->split & split))
                        continue;
                int x = each(arg, &r->f);
                if (x != 0)
                        return x;
        }
        return 0;
}

int mem_feedback_newest(struct store *s, model_id model, uint64_t after_seq, size_t limit, store_feedback_fn each,
    void *arg, struct err *e)
{
        struct mem *m = mem_of(s);
        size_t n = 0;

        (void)e;
        for (uint64_t id = m->t[MEM_ROW].n; id > after_seq && (limit == 0 || n < limit); id--) {
                const struct mem_row *r = mem_get(m, MEM_ROW, id);
                if (r->f.state != ROW_LIVE || r->model != model)
                        continue;
                n++;
                int x = each(arg, &r->f);
                if (x != 0)
                        return x;
        }
        return 0;
}
