/* settle_past.c: what a closed task is held against, beside the champion.
 *
 * Every version on the parent's line was measured when it was judged, and the closing one too. The best of these is
 * where the task's budget counts from, so that many small losses add up. Only measures on the same rows compare. Rows
 * of a closed task come and go (erased, released, given by an operator), and what is kept of a measure is how many
 * rows it had: so the walk goes back from the parent as long as that number is the one of now, and ends where trusted
 * rows took the others' place. Behind that the rows were others, and nothing is compared. */
#include "base/err.h"
#include "super/settle_in.h"
#include <math.h>

enum { WALKED_PAST = 1 };

struct back { /* one closed task */
        const struct task *task;
        uint64_t n_now;
        int64_t since_ms; /* its first trusted row came then; 0: it has none */
        struct evaluation best;
        bool broken; /* a version with other rows was met */
};

struct walk {
        const struct layout *layout;
        struct back *backs;
        version_id next; /* on the line */
        version_id oldest_close;
};

static bool better(const struct evaluation *a, const struct evaluation *b, enum ewc_loss loss)
{
        if (b->n == 0)
                return true;
        return loss == EWC_LOSS_SQUARED ? a->loss < b->loss : a->accuracy > b->accuracy;
}

static void take(struct back *b, const struct evaluation *v, int64_t at_ms, enum ewc_loss loss)
{
        bool same = v->n == b->n_now && at_ms >= b->since_ms && !b->broken;
        if (!same)
                b->broken = true;
        else if (better(v, &b->best, loss))
                b->best = (struct evaluation){.task = v->task, .n = v->n, .accuracy = v->accuracy, .loss = v->loss};
}

static void see_task(struct back *b, const struct version *v, enum ewc_loss loss)
{
        struct evaluation found = {.task = b->task->id};
        for (size_t i = 0; i < v->n_evaluations; i++)
                if (v->evaluations[i].task == b->task->id)
                        found = v->evaluations[i];
        take(b, &found, v->created_ms, loss);
}

/* Newest first; those aside of the line are passed over. */
static int see_version(void *arg, const struct version *v)
{
        struct walk *w = arg;
        if (v->id < w->oldest_close || w->next == 0)
                return WALKED_PAST;
        if (v->id != w->next)
                return 0;
        w->next = v->parent;
        for (size_t i = 0; i < w->layout->n_tasks; i++) {
                struct back *b = &w->backs[i];
                if (b->n_now > 0 && v->id > b->task->closed_by) /* the closing one is the task's own record */
                        see_task(b, v, w->layout->spec.net.loss);
        }
        return 0;
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

int settle_since_close(struct store *st, const struct layout *l, const uint64_t *n_now, struct evaluation *ret_best,
    bool *ret_changed, struct err *e)
{
        struct arena scratch;
        arena_init(&scratch, SIZE_MAX);
        struct walk w = {.layout = l, .next = l->parent.id, .oldest_close = UINT64_MAX};
        w.backs = arena_new_array(&scratch, struct back, l->n_tasks);
        int r = w.backs ? 0 : err_oom(e);
        for (size_t i = 0; r == 0 && i < l->n_tasks; i++) {
                const struct task *t = &l->tasks[i];
                bool asked = t->state == TASK_CLOSED && n_now[i] > 0;
                w.backs[i] = (struct back){.task = t, .n_now = asked ? n_now[i] : 0};
                if (asked && t->closed_by < w.oldest_close)
                        w.oldest_close = t->closed_by;
                if (asked)
                        r = find_trusted(st, l->parent.model, &w.backs[i], e);
        }
        if (r == 0 && w.oldest_close != UINT64_MAX)
                r = store_version_list(st, l->parent.model, l->parent.number + 1, 0, see_version, &w, e);
        r = r == WALKED_PAST ? 0 : r;
        for (size_t i = 0; r == 0 && i < l->n_tasks; i++) {
                struct back *b = &w.backs[i];
                const struct task *t = b->task;
                const struct evaluation close = {
                    .task = t->id, .n = t->n_at_close, .accuracy = t->accuracy_at_close, .loss = t->loss_at_close};
                if (b->n_now > 0)
                        take(b, &close, t->closed_ms, l->spec.net.loss);
                ret_best[i] = b->best;
                ret_changed[i] = b->broken;
        }
        arena_deinit(&scratch);
        return r;
}
