/* mem_fate.c: the state of rows, and which label of an event counts. */
#include "base/err.h"
#include "base/mem.h"
#include "store/memory/mem_fate.h"
#include "store/words.h"
#include <string.h>

job_id mem_frozen(struct mem *m, model_id model, struct seq_range *ret)
{
        *ret = (struct seq_range){1, 0};
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        {
                if (j->j.model != model || job_has_ended(j->j.state) || j->j.state == JOB_QUEUED)
                        continue;
                *ret = j->j.range;
                if (j->j.state != JOB_JUDGING)
                        ret->first = 1;
                return j->j.id;
        }
        return 0;
}

bool mem_used_then(const struct mem_row *row, const struct mem_job *of)
{
        const struct job *j = &of->j;
        bool own = row->f.task >= j->task && j->range.first <= row->f.seq && row->f.seq <= j->range.last;
        bool replayed = of->replayed && row->f.task < j->task; /* closed before */

        return row->model == j->model && (own || replayed) && !row->f.holdout && j->id > row->since &&
               (row->f.state == ROW_LIVE || (row->job != 0 && row->job <= j->id && j->id <= row->until));
}

bool mem_has_served(struct mem *m, const struct mem_job *j)
{
        const struct mem_alias *champion = mem_alias_find(m, j->j.model, "champion", NULL);

        if (j->j.kind != JOB_CONSOLIDATE && j->j.kind != JOB_ROLLOVER)
                return false;
        if (j->j.state != JOB_CANDIDATE && j->j.state != JOB_REJECTED)
                return j->j.state == JOB_PROMOTED;
        if (champion->a.version == j->j.version)
                return true;
        MEM_EACH(m, MEM_JOB, struct mem_job, k)
        if (k->j.parent == j->j.version)
                return true;
        return false;
}

job_id mem_first_job(struct mem *m, const struct mem_row *row)
{
        if (row->f.state != ROW_LIVE)
                return row->job;
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        if ((j->j.kind == JOB_CONSOLIDATE || j->j.kind == JOB_ROLLOVER) &&
            (j->j.state == JOB_PROMOTED || j->j.state == JOB_REJECTED || j->j.state == JOB_CANDIDATE) &&
            mem_used_then(row, j))
                return j->j.id;
        return 0;
}

static job_id last_ended(struct mem *m, model_id model)
{
        job_id last = 0;

        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        if (j->j.model == model && job_has_ended(j->j.state))
                last = j->j.id;
        return last;
}

int mem_row_move(struct mem *m, struct mem_row *row, enum row_state to, const char *why, bool whole, struct err *e)
{
        if (row->f.state == ROW_LIVE) {
                row->job = mem_first_job(m, row);
                row->until = last_ended(m, row->model);
        } else if (to == ROW_LIVE && row->job == 0) {
                row->since = last_ended(m, row->model);
        }
        row->f.state = to;
        row->f.why = arena_strdup(&m->a, why);
        row->whole = whole;
        return row->f.why && mem_set(m, MEM_ROW, row->f.seq, row, sizeof(*row)) ? 0 : err_oom(e);
}

int mem_row_overwrite(
    struct mem *m, struct mem_row *row, enum row_state to, const char *why, bool whole, struct err *e)
{
        int r = mem_row_move(m, row, to, why, whole, e);

        if (r != 0)
                return r;
        row->f.inputs = row->f.targets = NULL;
        row->f.n_inputs = row->f.n_targets = 0;
        row->f.class = row->f.served_class = -1;
        row->f.weight = row->f.served_probability = 0;
        row->f.served_version = 0;
        if (to == ROW_ERASED)
                memset(&row->f.payload, 0, sizeof(row->f.payload));
        return mem_set(m, MEM_ROW, row->f.seq, row, sizeof(*row)) ? 0 : err_oom(e);
}

/* --- votes --- */

static bool may_count(const struct mem_row *row)
{
        return !row->f.trusted && (row->f.state == ROW_LIVE || row->f.state == ROW_SUPERSEDED);
}

static bool closes(const struct mem_row *row)
{
        return !row->f.trusted && row->f.state == ROW_EXPIRED && row->whole;
}

static bool newest_of_source(struct mem *m, const struct mem_row *row)
{
        for (const struct mem_row *x = row; (x = mem_index_next(m, row->model, row->f.event_id, x)) != NULL;)
                if (may_count(x) && strcmp(x->f.source, row->f.source) == 0)
                        return false;
        return true;
}

/* *ret: sequence number of the row that counts, 0: none does. */
static int winner(
    struct mem *m, model_id model, const char *event_id, enum conflict_policy p, uint64_t *ret, struct err *e)
{
        size_t n = 0, at;

        for (const struct mem_row *x = NULL; (x = mem_index_next(m, model, event_id, x)) != NULL;)
                n++;
        _free_ struct vote *votes = new_array(struct vote, n);
        if (!votes)
                return err_oom(e);
        n = 0;
        for (const struct mem_row *x = NULL; (x = mem_index_next(m, model, event_id, x)) != NULL;)
                votes[n++] = (struct vote){x->f.seq, x->f.class, may_count(x) && newest_of_source(m, x)};
        at = label_winner(votes, n, p);
        *ret = at == SIZE_MAX ? 0 : votes[at].seq;
        for (const struct mem_row *x = NULL; (x = mem_index_next(m, model, event_id, x)) != NULL;)
                if (closes(x) && (p != CONFLICT_LATEST || *ret < x->f.seq))
                        *ret = 0; /* what counted when it expired has been learned */
        return 0;
}

static int later(struct mem *m, model_id model, const char *event_id, enum conflict_policy p, struct err *e)
{
        struct mem_vote v = {model, arena_strdup(&m->a, event_id), p, true};
        uint64_t id = 0;

        MEM_EACH(m, MEM_VOTE, struct mem_vote, old)
        if (old->model == model && strcmp(old->event_id, event_id) == 0)
                id = old_i + 1;
        if (!v.event_id)
                return err_oom(e);
        return (id != 0 ? mem_set(m, MEM_VOTE, id, &v, sizeof(v)) : mem_push(m, MEM_VOTE, &v, sizeof(v), NULL))
                   ? 0
                   : err_oom(e);
}

int mem_vote_settle(struct mem *m, model_id model, const char *event_id, enum conflict_policy p,
    struct receipt *receipt, struct err *e)
{
        struct seq_range frozen;
        uint64_t first = 0;
        bool wait = false;
        int r = winner(m, model, event_id, p, &first, e);

        mem_frozen(m, model, &frozen);
        for (const struct mem_row *x = NULL; r == 0 && (x = mem_index_next(m, model, event_id, x)) != NULL;) {
                struct mem_row row = *x;
                enum row_state to = row.f.seq == first ? ROW_LIVE : ROW_SUPERSEDED;
                if (!may_count(x) || row.f.state == to)
                        continue;
                if (frozen.first <= row.f.seq && row.f.seq <= frozen.last) {
                        wait = true;
                        continue;
                }
                row.policy = p;
                r = mem_row_move(m, &row, to, to == ROW_LIVE ? "" : words_superseded(p).text, false, e);
                if (!receipt || row.f.seq < receipt->first_seq)
                        continue;
                receipt->n_superseded += to == ROW_SUPERSEDED;
                receipt->n_superseded -= to == ROW_LIVE;
        }
        return r != 0 || !wait ? r : later(m, model, event_id, p, e);
}

int mem_vote_again(struct mem *m, const struct mem_row *erased, struct err *e)
{
        const struct mem_row *lost = NULL;

        for (const struct mem_row *x = NULL; (x = mem_index_next(m, erased->model, erased->f.event_id, x)) != NULL;)
                if (x->f.state == ROW_SUPERSEDED)
                        lost = x;
        return lost ? mem_vote_settle(m, erased->model, erased->f.event_id, lost->policy, NULL, e) : 0;
}

int mem_vote_waiting(struct mem *m, model_id model, struct err *e)
{
        for (uint64_t id = 1; id <= m->t[MEM_VOTE].n; id++) {
                struct mem_vote v = *(struct mem_vote *)mem_get(m, MEM_VOTE, id);
                if (v.model != model || !v.waits)
                        continue;
                v.waits = false;
                if (!mem_set(m, MEM_VOTE, id, &v, sizeof(v)))
                        return err_oom(e);
                int r = mem_vote_settle(m, model, v.event_id, v.policy, NULL, e);
                if (r != 0)
                        return r;
        }
        return 0;
}
