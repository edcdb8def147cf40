/* expire.c: rows whose features are no longer kept, by retention.
 *
 * Of the train rows that the mode lets go and of the holdout rows, those of each task's class with the lowest hashes
 * stay, up to the caps. Rows that are not live follow the mode without a cap: late and superseded ones as train rows
 * do, quarantined ones, about which nobody has decided, only by age. A row is used up when a version that learned it
 * has come to serve: one that was rejected, or waits, leaves it to the next job. The classes of a task are those its
 * feedback had: a class of an open task is written down before its rows go. */
#include "base/err.h"
#include "base/mem.h"
#include "store/event_hash.h"
#include "store/sqlite/fate.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <stdlib.h>

static void hash_in_sql(sqlite3_context *c, int n, sqlite3_value **v)
{
        const char *event_id = (const char *)sqlite3_value_text(v[0]),
                   *source = (const char *)sqlite3_value_text(v[1]);

        (void)n;
        if (!event_id || !source)
                sqlite3_result_error_nomem(c);
        else
                sqlite3_result_int64(c, (sqlite3_int64)event_hash(event_id, source));
}

int expire_register(struct db *db, struct err *e)
{
        int rc = sqlite3_create_function_v2(db->h, "event_hash", 2,
            SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, hash_in_sql, NULL, NULL, NULL);
        return rc == SQLITE_OK ? 0 : db_fail(db, rc, "database", e);
}

#define LIVE "NOT EXISTS (SELECT 1 FROM feedback_fate x WHERE x.seq = f.seq) "
#define FREE                                                                                                         \
        "f.seq NOT BETWEEN :first AND :last AND NOT EXISTS (SELECT 1 FROM feedback_trusted r WHERE r.seq = f.seq) "
#define PLACE                                                                                                        \
        "SELECT seq FROM (SELECT f.seq AS seq, row_number() OVER (PARTITION BY f.task, f.class ORDER BY "            \
        "event_hash(f.event_id, coalesce(o.source, f.source)), f.seq) AS place FROM feedback f LEFT JOIN "           \
        "feedback_former o ON o.seq = f.seq WHERE f.task IN (SELECT c.task FROM task_count c JOIN task t ON t.id = " \
        "c.task WHERE t.model = :model AND c.n > :cap) AND " LIVE "AND " FREE
#define PAST_CAP ") WHERE place > :cap ORDER BY seq LIMIT :limit"
#define CLOSED "(SELECT t.state FROM task t WHERE t.id = f.task) = 2 "
#define PAST "f.seq <= (SELECT m.used_seq FROM model m WHERE m.id = :model) "

static const char *const train_sql[] = {
    [RETAIN_USED] = PLACE "AND f.holdout = 0 AND " PAST "AND EXISTS (SELECT 1 FROM job j LEFT JOIN feedback_since s "
                          "ON s.seq = f.seq WHERE " JOB_OWNS_ROW "AND " JOB_SERVED ") " PAST_CAP,
    [RETAIN_ROLLOVER] = PLACE "AND f.holdout = 0 AND " CLOSED PAST_CAP,
    [RETAIN_DAYS] = PLACE "AND f.holdout = 0 AND f.received_ms < :before " PAST_CAP,
};
static const char holdout_sql[] = PLACE "AND f.holdout = 1 " PAST_CAP;

#define REST                                                                                                         \
        "SELECT f.seq AS seq FROM feedback_fate x CROSS JOIN feedback f ON f.seq = x.seq WHERE x.state < 5 AND "     \
        "f.model = :model AND " FREE "AND "
#define IN_ORDER "ORDER BY f.seq LIMIT :limit"
static const char *const rest_sql[] = {
    [RETAIN_USED] = REST "x.state <> 2 AND " PAST "AND EXISTS (SELECT 1 FROM job j WHERE j.task = f.task AND "
                         "j.range_last >= f.seq AND " JOB_SERVED ") " IN_ORDER,
    [RETAIN_ROLLOVER] = REST "x.state <> 2 AND " CLOSED IN_ORDER,
    [RETAIN_DAYS] = REST "f.received_ms < :before " IN_ORDER,
};

struct expiring {
        struct db *db;
        model_id model;
        const struct retention *how;
        size_t limit;
        struct seq_range frozen;
        uint64_t *seqs;
        size_t n, cap;
};

static int gather(struct expiring *x, const char *sql, const uint32_t *cap, struct err *e)
{
        int r;
        _query_ struct query q = query_open(x->db, sql);

        query_seq(&q, ":model", x->model);
        query_seq(&q, ":first", x->frozen.first);
        query_seq(&q, ":last", x->frozen.last);
        query_seq(&q, ":limit", x->limit);
        if (cap)
                query_int(&q, ":cap", *cap);
        if (x->how->mode == RETAIN_DAYS && sql != holdout_sql)
                query_int(&q, ":before", x->how->before_ms);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                void *p = x->seqs;
                if (!mem_grow(&p, &x->cap, x->n + 1, sizeof(*x->seqs)))
                        return err_oom(e);
                x->seqs = p;
                x->seqs[x->n++] = query_get_u64(&q, "seq");
        }
        return r;
}

static int oldest(const void *a, const void *b)
{
        const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return x < y ? -1 : x > y;
}

static int choose(struct expiring *x, struct err *e)
{
        const struct retention *how = x->how;
        job_id job;
        int r = fate_frozen(x->db, x->model, &x->frozen, &job, e);

        if (r == 0 && how->mode != RETAIN_FOREVER)
                r = gather(x, train_sql[how->mode], &how->replay_per_class, e);
        if (r == 0 && how->holdout_per_class > 0)
                r = gather(x, holdout_sql, &how->holdout_per_class, e);
        if (r == 0 && how->mode != RETAIN_FOREVER)
                r = gather(x, rest_sql[how->mode], NULL, e);
        if (r != 0)
                return r;
        if (x->n > 1)
                qsort(x->seqs, x->n, sizeof(*x->seqs), oldest);
        x->n = x->n < x->limit ? x->n : x->limit;
        return 0;
}

static int keep_class(struct db *db, const struct fate_row *r, struct err *e)
{
        _query_ struct query q = query_open(db, "INSERT OR IGNORE INTO task_class (task, class) SELECT t.id, "
                                                "c.ordinal FROM task t JOIN class c ON c.model = "
                                                "t.model WHERE t.id = :task AND t.state = 1 AND t.classes_fixed = 0 "
                                                "AND (c.ordinal = :class OR :class = -1)");

        query_seq(&q, ":task", r->task);
        query_int(&q, ":class", r->class);
        return query_run(&q, e);
}

static int expire_one(struct expiring *x, uint64_t seq, struct err *e)
{
        struct fate_row row;
        int r;
        {
                _query_ struct query q =
                    query_open(x->db, "SELECT " FATE_COLUMNS "FROM " FATE_TABLES "WHERE f.seq = :seq");
                query_seq(&q, ":seq", seq);
                if ((r = query_one(&q, -EBADMSG, e, "database: a row of feedback is missing")) != QUERY_ROW)
                        return r;
                fate_fill(&q, &row);
                if (q.rc != 0)
                        return query_step(&q, e);
        }
        if (row.state == ROW_LIVE && (r = keep_class(x->db, &row, e)) != 0)
                return r;
        return fate_overwrite(x->db, &row, ROW_EXPIRED, words_expired(x->how->mode).text, row.state == ROW_LIVE, e);
}

static int expire(struct expiring *x, struct err *e)
{
        int r = choose(x, e);

        for (size_t i = 0; r == 0 && i < x->n; i++)
                r = expire_one(x, x->seqs[i], e);
        if (r == 0 && x->n > 0)
                r = audit_add(
                    x->db, x->model, "retention", "feedback.expire", words_expire(x->how->mode, x->n).text, e);
        return r;
}

int sqlite_feedback_expire(
    struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e)
{
        struct expiring x = {.db = db_of(s), .model = m, .how = how, .limit = limit};
        int r = tx_enter(x.db, e);

        if (r == 0)
                r = tx_leave(x.db, expire(&x, e), e);
        scrub(x.db, x.n > 0 ? r : 1);
        free(x.seqs);
        if (r == 0)
                *ret_n = x.n;
        return r;
}
