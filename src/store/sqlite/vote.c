/* vote.c: which label of an event counts.
 *
 * The rows of an event vote, each source with its newest; trusted ones stand aside. What counted when it expired has
 * been learned and cannot be taken back: only LATEST lets a label that came after it count. Rows inside the range of
 * an active job stay as they are; the event is then noted, and settled when the job ends. */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/fate.h"
#include "store/sqlite/frozen.h"
#include "store/words.h"
#include <stdlib.h>
#include <string.h>

void event_rows_free(struct event *v)
{
        free(v->rows);
        *v = (struct event){0};
}

static int by_seq(const void *a, const void *b)
{
        const struct event_row *x = a, *y = b;
        return x->r.seq < y->r.seq ? -1 : x->r.seq > y->r.seq;
}

int event_rows_load(struct db *db, model_id m, const char *event_id, struct event *ret, struct err *e)
{
        int r;
        _query_ struct query q =
            query_open(db, "SELECT " FATE_COLUMNS
                           ", f.payload AS payload, coalesce(o.source, f.source) AS source, o.seq IS NOT NULL AS "
                           "former FROM " FATE_TABLES "LEFT JOIN feedback_former o ON o.seq = f.seq "
                           "WHERE f.model = :model AND f.event_id = :event_id");

        ret->n = 0;
        query_seq(&q, ":model", m);
        query_text(&q, ":event_id", event_id);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                void *p = ret->rows;
                if (!mem_grow(&p, &ret->cap, ret->n + 1, sizeof(*ret->rows)))
                        return err_oom(e);
                ret->rows = p;
                struct event_row *row = &ret->rows[ret->n++];
                fate_fill(&q, &row->r);
                row->former = query_get_int(&q, "former") != 0;
                query_get_name(&q, "source", row->source, sizeof(row->source));
                query_get_digest(&q, "payload", &row->payload);
        }
        if (ret->n > 1)
                qsort(ret->rows, ret->n, sizeof(*ret->rows), by_seq);
        return r;
}

static bool may_count(const struct event_row *row)
{
        return !row->r.trusted && (row->r.state == ROW_LIVE || row->r.state == ROW_SUPERSEDED);
}

static bool closes(const struct fate_row *r)
{
        return !r->trusted && r->state == ROW_EXPIRED && r->whole;
}

/* A source that changed its mind votes with its newest row. */
static bool newest_of_source(const struct event *v, size_t i)
{
        for (size_t k = i + 1; k < v->n; k++)
                if (may_count(&v->rows[k]) && strcmp(v->rows[k].source, v->rows[i].source) == 0)
                        return false;
        return true;
}

static int winner(const struct event *v, enum conflict_policy p, size_t *ret, struct err *e)
{
        _free_ struct vote *votes = new_array(struct vote, v->n);

        if (!votes)
                return err_oom(e);
        for (size_t i = 0; i < v->n; i++)
                votes[i] = (struct vote){.seq = v->rows[i].r.seq,
                    .class = v->rows[i].r.class,
                    .live = may_count(&v->rows[i]) && newest_of_source(v, i)};
        size_t first = label_winner(votes, v->n, p);
        for (size_t i = 0; i < v->n; i++)
                if (closes(&v->rows[i].r) && (p != CONFLICT_LATEST || first < i))
                        first = SIZE_MAX;
        *ret = first;
        return 0;
}

static int later(struct db *db, model_id m, const char *event_id, enum conflict_policy p, struct err *e)
{
        _query_ struct query q = query_open(
            db, "INSERT OR REPLACE INTO feedback_vote (model, event_id, policy) VALUES (:model, :event_id, :policy)");

        query_seq(&q, ":model", m);
        query_text(&q, ":event_id", event_id);
        query_int(&q, ":policy", p);
        return query_run(&q, e);
}

int vote_settle(struct db *db, model_id m, const char *event_id, enum conflict_policy p, struct event *scratch,
    struct receipt *receipt, struct err *e)
{
        struct seq_range frozen;
        job_id job;
        size_t first = SIZE_MAX;
        bool wait = false;
        int r;

        if ((r = event_rows_load(db, m, event_id, scratch, e)) != 0 || (r = winner(scratch, p, &first, e)) != 0 ||
            (r = fate_frozen(db, m, &frozen, &job, e)) != 0)
                return r;
        for (size_t i = 0; i < scratch->n; i++) {
                struct fate_row *row = &scratch->rows[i].r;
                enum row_state to = i == first ? ROW_LIVE : ROW_SUPERSEDED;
                if (!may_count(&scratch->rows[i]) || row->state == to)
                        continue;
                if (in_range(&frozen, row->seq)) {
                        wait = true;
                        continue;
                }
                row->policy = p;
                if ((r = fate_move(db, row, to, words_superseded(p).text, false, e)) != 0)
                        return r;
                if (!receipt || row->seq < receipt->first_seq)
                        continue;
                if (to == ROW_SUPERSEDED)
                        receipt->n_superseded++;
                else
                        receipt->n_superseded--;
        }
        return wait ? later(db, m, event_id, p, e) : 0;
}

int vote_again(struct db *db, const struct fate_row *erased, struct event *scratch, struct err *e)
{
        char event_id[KEY_SIZE];
        enum conflict_policy p;
        int r;
        {
                _query_ struct query q = query_open(db,
                    "SELECT g.event_id AS event_id, x.policy AS policy FROM feedback f CROSS JOIN feedback g ON "
                    "g.model = "
                    "f.model AND g.event_id = f.event_id CROSS JOIN feedback_fate x ON x.seq = g.seq AND x.state = 4 "
                    "WHERE f.seq = :seq ORDER BY +g.seq DESC LIMIT 1");
                query_seq(&q, ":seq", erased->seq);
                if ((r = query_step(&q, e)) != QUERY_ROW)
                        return r;
                query_get_name(&q, "event_id", event_id, sizeof(event_id));
                p = policy_in_db(&q, "policy");
                if (q.rc != 0)
                        return query_step(&q, e);
        }
        return vote_settle(db, erased->model, event_id, p, scratch, NULL, e);
}

/* --- those that waited --- */

static int waiting(struct db *db, model_id m, char event_id[KEY_SIZE], enum conflict_policy *ret, struct err *e)
{
        _query_ struct query q =
            query_open(db, "DELETE FROM feedback_vote WHERE model = :model AND event_id = (SELECT min(event_id) FROM "
                           "feedback_vote WHERE model = :model) RETURNING event_id, policy");

        query_seq(&q, ":model", m);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        query_get_name(&q, "event_id", event_id, KEY_SIZE);
        *ret = policy_in_db(&q, "policy");
        return q.rc != 0 ? query_step(&q, e) : QUERY_ROW;
}

/* Called while no job of the model has a range, so that nothing waits once more. */
int vote_waiting(struct db *db, model_id m, struct err *e)
{
        struct event scratch = {0};
        char event_id[KEY_SIZE];
        enum conflict_policy p = CONFLICT_EARLIEST;
        int r;

        while ((r = waiting(db, m, event_id, &p, e)) == QUERY_ROW)
                if ((r = vote_settle(db, m, event_id, p, &scratch, NULL, e)) != 0)
                        break;
        event_rows_free(&scratch);
        return r;
}
