/* settle_past.c: what a closed task is held against, beside the champion.
 *
 * Every version on the parent's line was measured when it was judged, and the closing one too. The best of these is
 * where the task's budget counts from, so that many small losses add up. Only measures on the same rows compare, and
 * rows of a closed task come and go (erased, released, given by an operator); what is kept of a measure is how many
 * rows it had. So the line falls into runs of versions with as many rows, and a run ends where trusted rows took the
 * others' place too. Each version's parent was measured again beside it, on the rows of the new run: these pairs join
 * the runs, and gate_carry adds up what was lost in all but the last. */
#include "base/err.h"
#include "base/mem.h"
#include "super/settle_in.h"
#include <errno.h>
#include <math.h>

enum { WALKED_PAST = 1 };

struct stop { /* a version on the parent's line */
        version_id version;
        job_id job;
        int64_t at_ms;
};

struct line { /* newest first */
        struct stop *v;
        size_t n, cap;
        version_id next, oldest_close;
};

struct back { /* one closed task */
        const struct task *task;
        uint64_t n_now;      /* 0: not asked for */
        int64_t since_ms;    /* its first trusted row came then; 0: it has none */
        struct gate_run run; /* the newest; last.n 0: none */
        bool from_close;     /* it begins with the closing version */
        int64_t at_ms;       /* of its last */
        struct gate_carry carry;
        bool broken; /* a run has ended, or a version was not measured */
};

/* --- the line --- */

/* Newest first; those aside of the line are passed over. */
static int see_version(void *arg, const struct version *v)
{
        struct line *l = arg;
        if (v->id <= l->oldest_close || l->next == 0)
                return WALKED_PAST;
        if (v->id != l->next)
                return 0;
        l->next = v->parent;
        void *stops = l->v;
        if (!mem_grow(&stops, &l->cap, l->n + 1, sizeof(*l->v)))
                return -ENOMEM;
        l->v = stops;
        l->v[l->n++] = (struct stop){v->id, v->job, v->created_ms};
        return 0;
}

static int find_line(struct store *st, const struct layout *layout, struct line *l, struct err *e)
{
        const struct version *parent = &layout->parent;
        int r = store_version_list(st, parent->model, parent->number + 1, 0, see_version, l, e);
        return r == WALKED_PAST ? 0 : r == -ENOMEM ? err_oom(e) : r;
}

static int see_trusted(void *arg, const struct feedback *row)
{
        int64_t *since = arg;
        if (!row->trusted)
                return 0;
        *since = row->received_ms;
        return WALKED_PAST;
}

static int find_trusted(struct store *st, model_id m, struct back *b, struct err *e)
{
        const struct feedback_filter f = {.task = b->task->id, .range = {0, UINT64_MAX}, .split = SPLIT_HOLDOUT};
        int r = store_feedback_scan(st, m, &f, see_trusted, &b->since_ms, e);
        return r == WALKED_PAST ? 0 : r;
}

/* --- the runs, oldest first --- */

static bool better(const struct evaluation *a, const struct evaluation *b, enum ewc_loss loss)
{
        return loss == EWC_LOSS_SQUARED ? a->loss < b->loss : a->accuracy > b->accuracy;
}

static struct evaluation plain(const struct evaluation *v)
{
        return (struct evaluation){.task = v->task, .n = v->n, .accuracy = v->accuracy, .loss = v->loss};
}

static bool goes_on(const struct back *b, uint64_t n, int64_t at_ms)
{
        return b->run.last.n == n && !(b->at_ms < b->since_ms && at_ms >= b->since_ms);
}

static void end_run(struct back *b, enum ewc_loss loss)
{
        if (b->run.last.n > 0)
                b->carry = gate_carry(b->carry, &b->run, loss);
        b->run = (struct gate_run){0};
        b->from_close = false;
        b->broken = true;
}

static void take(struct back *b, const struct job_task *v, int64_t at_ms, enum ewc_loss loss)
{
        if (v->after.n == 0) {
                end_run(b, loss);
                return;
        }
        if (!goes_on(b, v->after.n, at_ms)) {
                end_run(b, loss);
                b->run.first = plain(v->before.n == v->after.n ? &v->before : &v->after);
                b->run.best = b->run.first;
        }
        b->run.last = plain(&v->after);
        if (better(&v->after, &b->run.best, loss))
                b->run.best = b->run.last;
        b->at_ms = at_ms;
}

static void begin(struct back *b)
{
        const struct task *t = b->task;
        const struct evaluation close = {
            .task = t->id, .n = t->n_at_close, .accuracy = t->accuracy_at_close, .loss = t->loss_at_close};
        b->broken = close.n == 0;
        b->from_close = !b->broken;
        b->at_ms = t->closed_ms;
        if (b->from_close)
                b->run = (struct gate_run){close, close, close};
}

static void pass(struct back *backs, size_t n, const struct stop *v, const struct job *job, enum ewc_loss loss)
{
        for (size_t i = 0; i < n; i++) {
                struct back *b = &backs[i];
                struct job_task found = {0};
                if (b->n_now == 0 || v->version <= b->task->closed_by) /* the closing one is the task's own record */
                        continue;
                for (size_t k = 0; k < job->n_tasks; k++)
                        if (job->tasks[k].after.task == b->task->id)
                                found = job->tasks[k];
                take(b, &found, v->at_ms, loss);
        }
}

static int pass_line(
    struct store *st, const struct line *l, struct back *backs, size_t n, enum ewc_loss loss, struct err *e)
{
        struct arena a;
        int r = 0;
        arena_init(&a, SIZE_MAX);
        for (size_t i = l->n; r == 0 && i-- > 0;) {
                struct job job;
                arena_reset(&a);
                r = store_job_get(st, l->v[i].job, &a, &job, e);
                if (r == STORE_NOT_FOUND) {
                        job = (struct job){0}; /* nothing is known of its measures */
                        r = 0;
                }
                if (r == 0)
                        pass(backs, n, &l->v[i], &job, loss);
        }
        arena_deinit(&a);
        return r;
}

/* What the run of the rows of now has come to. */
static void hold_against(struct back *b, enum ewc_loss loss, struct gate_task *ret)
{
        if (b->n_now == 0)
                return;
        if (b->run.last.n == 0 || !goes_on(b, b->n_now, INT64_MAX))
                end_run(b, loss);
        ret->at_close = b->run.best;
        ret->rows_changed = b->broken;
        if (!b->from_close)
                ret->at_change = b->run.first;
        ret->carry = b->carry;
}

int settle_since_close(struct store *st, const struct layout *l, struct gate_task *tasks, struct err *e)
{
        struct arena scratch;
        const enum ewc_loss loss = l->spec.net.loss;
        arena_init(&scratch, SIZE_MAX);
        struct line line = {.next = l->parent.id, .oldest_close = UINT64_MAX};
        struct back *backs = arena_new_array(&scratch, struct back, l->n_tasks);
        int r = backs ? 0 : err_oom(e);
        for (size_t i = 0; r == 0 && i < l->n_tasks; i++) {
                const struct task *t = &l->tasks[i];
                backs[i] = (struct back){.task = t, .n_now = t->state == TASK_CLOSED ? tasks[i].before.n : 0};
                if (backs[i].n_now == 0)
                        continue;
                if (t->closed_by < line.oldest_close)
                        line.oldest_close = t->closed_by;
                begin(&backs[i]);
                r = find_trusted(st, l->parent.model, &backs[i], e);
        }
        if (r == 0 && line.oldest_close != UINT64_MAX)
                r = find_line(st, l, &line, e);
        if (r == 0)
                r = pass_line(st, &line, backs, l->n_tasks, loss, e);
        for (size_t i = 0; r == 0 && i < l->n_tasks; i++)
                hold_against(&backs[i], loss, &tasks[i]);
        free(line.v);
        arena_deinit(&scratch);
        return r;
}
