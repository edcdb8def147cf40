/* erase.c: rows that somebody takes out, and quarantined ones that somebody decides about.
 *
 * An erased row stays with its key, its sequence number and its times; inputs, label, weight and payload are
 * overwritten in the file. The WAL keeps older pages until care empties it (maintain.c). */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/fate.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <inttypes.h>
#include <stdlib.h>

void rows_free(struct rows *l)
{
        free(l->v);
        *l = (struct rows){0};
}

static int rows_fill(struct query *q, bool trusted, struct rows *l, struct err *e)
{
        int r;

        while ((r = query_step(q, e)) == QUERY_ROW) {
                void *p = l->v;
                if (!mem_grow(&p, &l->cap, l->n + 1, sizeof(*l->v)))
                        return err_oom(e);
                l->v = p;
                fate_fill(q, &l->v[l->n]);
                bool spare = l->v[l->n].trusted && !trusted;
                l->spared = l->spared || spare;
                l->n += !spare;
        }
        return r;
}

int rows_select(struct db *db, model_id m, const struct feedback_selection *sel, struct rows *ret, struct err *e)
{
        static const char of_event[] =
            "SELECT " FATE_COLUMNS "FROM " FATE_TABLES "WHERE f.model = :model AND f.event_id = :event_id "
            "ORDER BY +f.seq";
        static const char of_source[] =
            "SELECT " FATE_COLUMNS "FROM " FATE_TABLES "WHERE f.model = :model AND f.source = :source UNION ALL "
            "SELECT " FATE_COLUMNS "FROM feedback_former o CROSS JOIN " FATE_TABLES
            "WHERE f.seq = o.seq AND o.source = :source AND f.model = :model";
        _query_ struct query q = query_open(db, sel->event_id ? of_event : of_source);

        query_seq(&q, ":model", m);
        if (sel->event_id)
                query_text(&q, ":event_id", sel->event_id);
        else
                query_text(&q, ":source", sel->source);
        return rows_fill(&q, sel->trusted, ret, e);
}

static int none_frozen(struct db *db, model_id m, const struct rows *l, struct err *e)
{
        struct seq_range frozen;
        job_id job;
        int r = fate_frozen(db, m, &frozen, &job, e);

        for (size_t i = 0; r == 0 && i < l->n; i++)
                if (l->v[i].state != ROW_ERASED && in_range(&frozen, l->v[i].seq))
                        r = err_set(e, STORE_CONFLICT,
                            "feedback row %" PRIu64 " is in the range of job %" PRIu64
                            ": try again when it has ended, or cancel it",
                            l->v[i].seq, job);
        return r;
}

static int version_of(struct db *db, job_id j, uint64_t *ret, struct err *e)
{
        _query_ struct query q = query_open(
            db, "SELECT v.number AS number FROM job j JOIN version v ON v.id = j.version WHERE j.id = :job");

        query_seq(&q, ":job", j);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = query_get_u64(&q, "number");
        return 0;
}

int rows_erase(
    struct db *db, model_id m, struct rows *l, const char *reason, bool event, struct erased *ret, struct err *e)
{
        struct erased done = {0};
        struct event scratch = {0};
        job_id first = 0;
        size_t n_voters = 0; /* they come to stand first in the list */
        int r = none_frozen(db, m, l, e);

        for (size_t i = 0; r == 0 && i < l->n; i++) {
                struct fate_row *row = &l->v[i];
                if (row->state == ROW_ERASED)
                        continue;
                done.n++;
                done.n_used += row->job != 0;
                if (row->job != 0 && (first == 0 || row->job < first))
                        first = row->job;
                bool voted = row->state == ROW_LIVE || row->state == ROW_SUPERSEDED;
                r = fate_overwrite(db, row, ROW_ERASED, reason, event, e);
                if (!voted)
                        continue;
                const struct fate_row other = l->v[n_voters];
                l->v[n_voters++] = *row;
                *row = other;
        }
        for (size_t i = 0; r == 0 && !event && i < n_voters; i++)
                r = vote_again(db, &l->v[i], &scratch, e);
        event_rows_free(&scratch);
        if (r == 0 && first != 0)
                r = version_of(db, first, &done.first_version_number, e);
        if (r == 0)
                *ret = done;
        return r;
}

static int erase(struct db *db, model_id m, const struct feedback_selection *sel, const char *who, const char *reason,
    struct erased *ret, struct err *e)
{
        struct rows l = {0};
        int r = rows_select(db, m, sel, &l, e);

        if (r == 0 && l.n == 0)
                r = err_set(e, STORE_NOT_FOUND, l.spared ? WORDS_TRUSTED : "no feedback of this %s",
                    sel->event_id ? "id" : "source");
        if (r == 0)
                r = rows_erase(db, m, &l, words_erased(who, reason).text, sel->event_id != NULL, ret, e);
        if (r == 0)
                r = audit_add(db, m, who, "feedback.erase", words_erase(sel, ret, reason).text, e);
        rows_free(&l);
        return r;
}

int sqlite_feedback_erase(struct store *s, model_id m, const struct feedback_selection *sel, const char *who,
    const char *reason, struct erased *ret, struct err *e)
{
        struct db *db = db_of(s);
        struct erased done = {0};
        int r = tx_enter(db, e);

        if (r == 0)
                r = tx_leave(db, erase(db, m, sel, who, reason, &done, e), e);
        scrub(db, r);
        if (r != 0)
                return r;
        done.backups = scrub_misses(db);
        *ret = done;
        return 0;
}

/* --- release --- */

static int quarantined(struct db *db, model_id m, const char *event_id, struct rows *ret, struct err *e)
{
        const struct feedback_selection sel = {.event_id = event_id, .trusted = true};
        int r = rows_select(db, m, &sel, ret, e);
        size_t n = 0;

        for (size_t i = 0; r == 0 && i < ret->n; i++)
                if (ret->v[i].state == ROW_QUARANTINED)
                        ret->v[n++] = ret->v[i];
        ret->n = n;
        if (r == 0 && n == 0)
                r = err_set(e, STORE_NOT_FOUND, "no quarantined feedback of this id");
        return r != 0 ? r : none_frozen(db, m, ret, e);
}

static int accept(struct db *db, model_id m, const char *event_id, struct rows *l, struct err *e)
{
        struct event scratch = {0};
        enum conflict_policy p = l->v[l->n - 1].policy;
        int r = 0;

        for (size_t i = 0; r == 0 && i < l->n; i++)
                r = fate_move(db, &l->v[i], ROW_LIVE, "", false, e);
        if (r == 0)
                r = vote_settle(db, m, event_id, p, &scratch, NULL, e);
        event_rows_free(&scratch);
        return r;
}

static int release(struct db *db, model_id m, const char *event_id, bool ok, const char *who, const char *reason,
    uint64_t *ret_n, struct err *e)
{
        struct rows l = {0};
        struct erased done;
        int r = quarantined(db, m, event_id, &l, e);

        if (r == 0)
                r = ok ? accept(db, m, event_id, &l, e)
                       : rows_erase(db, m, &l, words_refused(who, reason).text, false, &done, e);
        if (r == 0)
                r = audit_add(db, m, who, ok ? "feedback.accept" : "feedback.refuse",
                    words_release(event_id, ok, l.n, reason).text, e);
        *ret_n = l.n;
        rows_free(&l);
        return r;
}

int sqlite_feedback_release(struct store *s, model_id m, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e)
{
        struct db *db = db_of(s);
        uint64_t n = 0;
        int r = tx_enter(db, e);

        if (r == 0)
                r = tx_leave(db, release(db, m, event_id, accept, who, reason, &n, e), e);
        scrub(db, accept ? 1 : r);
        if (r == 0)
                *ret_n = n;
        return r;
}
