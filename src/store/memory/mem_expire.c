/* mem_expire.c: rows whose features are no longer kept, by retention. */
#include "base/err.h"
#include "base/mem.h"
#include "store/event_hash.h"
#include "store/memory/mem_fate.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <stdlib.h>

struct expiring {
        struct mem *m;
        model_id model;
        const struct retention *how;
        struct seq_range frozen;
};

/* Learned for its own task. Rows that are not live: a job whose version came to serve has passed over them. */
static bool used_up(struct mem *m, const struct mem_row *row)
{
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        if (mem_has_served(m, j) && j->j.task >= row->f.task &&
            (row->f.state == ROW_LIVE ? mem_used_then(row, j)
                                      : j->j.task == row->f.task && j->j.range.last >= row->f.seq))
                return true;
        return false;
}

static bool let_go(const struct expiring *x, const struct mem_row *row)
{
        const struct mem_task *t = mem_get(x->m, MEM_TASK, row->f.task);
        const struct mem_model *model = mem_get(x->m, MEM_MODEL, x->model);

        switch (x->how->mode) {
        case RETAIN_USED:
                return row->f.seq <= model->used_seq && used_up(x->m, row);
        case RETAIN_ROLLOVER:
                return t->t.state == TASK_CLOSED;
        case RETAIN_DAYS:
                return row->f.received_ms < x->how->before_ms;
        default:
                return false;
        }
}

/* The rows that caps are about: train rows that the mode lets go, holdout rows if they have a cap. */
static bool capped(const struct expiring *x, const struct mem_row *row)
{
        if (row->model != x->model || row->f.state != ROW_LIVE || row->f.trusted ||
            (x->frozen.first <= row->f.seq && row->f.seq <= x->frozen.last))
                return false;
        return row->f.holdout ? x->how->holdout_per_class > 0 : let_go(x, row);
}

struct ranked { /* a row that a cap is about */
        task_id task;
        bool holdout;
        int32_t class;
        uint64_t hash, seq;
};

/* By what a cap counts, then in the order in which rows are kept. */
static int by_rank(const void *a, const void *b)
{
        const struct ranked *x = a, *y = b;

        if (x->task != y->task)
                return x->task < y->task ? -1 : 1;
        if (x->holdout != y->holdout)
                return x->holdout ? 1 : -1;
        if (x->class != y->class)
                return x->class < y->class ? -1 : 1;
        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static bool same_cap(const struct ranked *x, const struct ranked *y)
{
        return x->task == y->task && x->holdout == y->holdout && x->class == y->class;
}

/* Sorts v (n); those past their cap go. */
static void past_caps(const struct expiring *x, struct ranked *v, size_t n, bool *goes)
{
        size_t first = 0;

        if (n > 0)
                qsort(v, n, sizeof(*v), by_rank);
        for (size_t i = 0; i < n; i++) {
                if (!same_cap(&v[i], &v[first]))
                        first = i;
                goes[v[i].seq - 1] =
                    i - first >= (v[i].holdout ? x->how->holdout_per_class : x->how->replay_per_class);
        }
}

static bool not_live_goes(const struct expiring *x, const struct mem_row *row)
{
        if (row->model != x->model || row->f.trusted ||
            (x->frozen.first <= row->f.seq && row->f.seq <= x->frozen.last))
                return false;
        return row->f.state == ROW_LATE || row->f.state == ROW_SUPERSEDED
                   ? let_go(x, row)
                   : row->f.state == ROW_QUARANTINED && x->how->mode == RETAIN_DAYS && let_go(x, row);
}

static int keep_class(struct mem *m, const struct mem_row *row, struct err *e)
{
        struct mem_task t = *(struct mem_task *)mem_get(m, MEM_TASK, row->f.task);

        if (t.t.state != TASK_OPEN || t.t.classes_fixed)
                return 0;
        const struct mem_model *model = mem_get(m, MEM_MODEL, row->model);
        uint32_t *classes = arena_new_array(&m->a, uint32_t, model->m.n_classes);
        size_t n = 0;
        if (!classes)
                return err_oom(e);
        for (uint32_t c = 0; c < model->m.n_classes; c++) {
                bool has = row->f.class < 0 || row->f.class == (int32_t)c;
                for (size_t i = 0; i < t.t.n_classes; i++)
                        has = has || t.t.classes[i] == c;
                if (has)
                        classes[n++] = c;
        }
        t.t.classes = classes;
        t.t.n_classes = n;
        return mem_set(m, MEM_TASK, t.t.id, &t, sizeof(t)) ? 0 : err_oom(e);
}

static int expire_one(struct mem *m, const struct mem_row *from, enum retention_mode mode, struct err *e)
{
        struct mem_row row = *from;
        int r = row.f.state == ROW_LIVE ? keep_class(m, &row, e) : 0;

        return r != 0 ? r
                      : mem_row_overwrite(m, &row, ROW_EXPIRED, words_expired(mode).text, row.f.state == ROW_LIVE, e);
}

/* ranked: room for all rows. */
static void choose(const struct expiring *x, struct ranked *ranked, bool *goes)
{
        size_t n = 0;

        MEM_EACH(x->m, MEM_ROW, struct mem_row, row)
        {
                if (!capped(x, row)) {
                        goes[row_i] = not_live_goes(x, row);
                        continue;
                }
                ranked[n++] = (struct ranked){row->f.task, row->f.holdout, row->f.class,
                    event_hash(row->f.event_id, row->f.source), row->f.seq};
        }
        past_caps(x, ranked, n, goes);
}

/* All are chosen before one goes: what goes does not make room. */
static int expire(const struct expiring *x, size_t limit, uint64_t *ret_n, struct err *e)
{
        size_t n_rows = x->m->t[MEM_ROW].n, n = 0;
        _free_ bool *goes = new_array(bool, n_rows);
        _free_ struct ranked *ranked = new_array(struct ranked, n_rows);
        int r = 0;

        if (!goes || !ranked)
                return err_oom(e);
        choose(x, ranked, goes);
        for (size_t i = 0; r == 0 && i < n_rows && n < limit; i++) {
                if (!goes[i])
                        continue;
                n++;
                r = expire_one(x->m, mem_get(x->m, MEM_ROW, i + 1), x->how->mode, e);
        }
        *ret_n = n;
        return r != 0 || n == 0
                   ? r
                   : mem_audit(x->m, x->model, "retention", "feedback.expire", words_expire(x->how->mode, n).text, e);
}

int mem_feedback_expire(
    struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e)
{
        struct expiring x = {.m = mem_of(s), .model = m, .how = how};
        struct mem_mark k = mem_mark(x.m);
        uint64_t n = 0;

        mem_frozen(x.m, m, &x.frozen);
        int r = mem_settle(x.m, &k, expire(&x, limit, &n, e));
        if (r == 0)
                *ret_n = n;
        return r;
}
