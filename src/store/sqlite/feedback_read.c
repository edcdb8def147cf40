/* feedback_read.c: walking feedback, and what became of one row.
 *
 * Vectors are copied out of SQLite's memory, which has no alignment, and compared with their digest on the way. */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/fate.h"
#include "store/sqlite/feedback.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SIDE_COLUMNS                                                                                                 \
        "coalesce(o.source, f.source) AS source, p.version AS served_version, p.class AS served_class, "             \
        "p.probability AS served_probability, r.seq IS NOT NULL AS is_trusted "
#define SIDE_TABLES                                                                                                  \
        "LEFT JOIN feedback_former o ON o.seq = f.seq LEFT JOIN feedback_served p ON p.seq = f.seq "                 \
        "LEFT JOIN feedback_trusted r ON r.seq = f.seq "
#define ROW_SQL                                                                                                      \
        "SELECT f.seq AS seq, f.task AS task, f.task_named AS task_named, f.holdout AS holdout, f.class AS class, "  \
        "f.weight AS weight, f.observed_ms AS observed_ms, f.received_ms AS received_ms, f.event_id AS event_id, "   \
        "f.payload AS payload, f.content AS content, f.inputs AS inputs, f.targets AS targets, " SIDE_COLUMNS        \
        "FROM feedback f " SIDE_TABLES
#define LIVE "NOT EXISTS (SELECT 1 FROM feedback_fate x WHERE x.seq = f.seq) "

static const char scan_task_sql[] =
    ROW_SQL "WHERE f.task = :task AND f.model = :model AND f.seq BETWEEN :first AND :last "
            "AND (f.holdout + 1) & :split AND " LIVE "ORDER BY f.seq";
static const char scan_model_sql[] = ROW_SQL "WHERE f.model = :model AND f.seq BETWEEN :first AND :last "
                                             "AND (f.holdout + 1) & :split AND " LIVE "ORDER BY f.seq";
static const char newest_sql[] =
    ROW_SQL "WHERE f.model = :model AND f.seq > :after AND " LIVE "ORDER BY f.seq DESC LIMIT :limit";

struct vectors { /* two growing, aligned buffers of one scan */
        void *p[2];
        size_t cap[2];
};

static int vector_copy(struct query *q, const char *column, void **buf, size_t *cap, size_t *ret_n, struct err *e)
{
        size_t bytes;
        const void *p = query_get_blob(q, column, &bytes);

        if (bytes % sizeof(float) != 0)
                return err_set(e, -EBADMSG, "database: a feedback row is damaged");
        if (!mem_grow(buf, cap, bytes / sizeof(float) + 1, sizeof(float)))
                return err_oom(e);
        if (bytes > 0)
                memcpy(*buf, p, bytes);
        *ret_n = bytes / sizeof(float);
        return 0;
}

static void scalars(struct query *q, struct feedback *f)
{
        f->seq = query_get_u64(q, "seq");
        f->task = query_get_u64(q, "task");
        f->task_named = query_get_int(q, "task_named") != 0;
        f->holdout = query_get_int(q, "holdout") != 0;
        f->class = (int32_t)query_get_int(q, "class");
        f->weight = (float)query_get_real(q, "weight");
        f->observed_ms = query_get_int(q, "observed_ms");
        f->received_ms = query_get_int(q, "received_ms");
        query_get_digest(q, "payload", &f->payload);
        f->trusted = query_get_int(q, "is_trusted") != 0;
        f->served_version = query_get_u64(q, "served_version");
        f->served_class = query_null(q, "served_class") ? -1 : (int32_t)query_get_int(q, "served_class");
        f->served_probability = f->served_version != 0 ? (float)query_get_real(q, "served_probability") : 0;
}

static int row_fill(struct query *q, struct vectors *v, struct feedback *ret, struct err *e)
{
        struct feedback f = {.source = query_get_text(q, "source"),
            .event_id = query_get_text(q, "event_id"),
            .state = ROW_LIVE,
            .why = ""};
        struct digest want, got;
        int r;

        scalars(q, &f);
        query_get_digest(q, "content", &want);
        if (q->rc != 0)
                return query_step(q, e);
        if ((r = vector_copy(q, "inputs", &v->p[0], &v->cap[0], &f.n_inputs, e)) != 0 ||
            (r = vector_copy(q, "targets", &v->p[1], &v->cap[1], &f.n_targets, e)) != 0)
                return r;
        f.inputs = v->p[0];
        f.targets = query_null(q, "targets") ? NULL : v->p[1];
        if ((r = feedback_content(&f, &got, e)) != 0)
                return r;
        if (!digest_eq(&want, &got))
                return err_set(
                    e, -EBADMSG, "database: feedback row %" PRIu64 " does not agree with its digest", f.seq);
        *ret = f;
        return 0;
}

static int walk(struct query *q, store_feedback_fn each, void *arg, struct err *e)
{
        struct vectors v = {0};
        struct feedback f;
        int r;

        while ((r = query_step(q, e)) == QUERY_ROW)
                if ((r = row_fill(q, &v, &f, e)) != 0 || (each && (r = each(arg, &f)) != 0))
                        break;
        free(v.p[0]);
        free(v.p[1]);
        return r;
}

static int scan(
    struct db *db, model_id m, const struct feedback_filter *f, store_feedback_fn each, void *arg, struct err *e)
{
        _query_ struct query q = query_open(db, f->task != 0 ? scan_task_sql : scan_model_sql);

        if (f->task != 0)
                query_seq(&q, ":task", f->task);
        query_seq(&q, ":model", m);
        query_seq(&q, ":first", f->range.first);
        query_seq(&q, ":last", f->range.last);
        query_int(&q, ":split", f->split);
        return walk(&q, each, arg, e);
}

int sqlite_feedback_scan(
    struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each, void *arg, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), scan(db_of(s), m, f, each, arg, e), e);
}

static int newest(
    struct db *db, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each, void *arg, struct err *e)
{
        _query_ struct query q = query_open(db, newest_sql);

        query_seq(&q, ":model", m);
        query_seq(&q, ":after", after_seq);
        query_seq(&q, ":limit", limit != 0 ? limit : UINT64_MAX);
        return walk(&q, each, arg, e);
}

int sqlite_feedback_newest(
    struct store *s, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each, void *arg, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), newest(db_of(s), m, after_seq, limit, each, arg, e), e);
}

int feedback_check(struct db *db, struct err *e)
{
        _query_ struct query q = query_open(db, ROW_SQL "ORDER BY f.seq");
        return walk(&q, NULL, NULL, e);
}

/* --- one row --- */

/* Of the event's rows the one that counts, else a trusted one, else the newest. */
static const char fate_sql[] =
    "SELECT k.*, v.number AS number FROM (SELECT " FATE_COLUMNS
    ", f.task_named AS task_named, f.weight AS weight, f.observed_ms AS observed_ms, f.received_ms AS received_ms, "
    "f.event_id AS event_id, f.payload AS payload, f.targets AS targets, t.name AS task_name, x.reason AS "
    "why, " SIDE_COLUMNS "FROM " FATE_TABLES SIDE_TABLES
    "JOIN task t ON t.id = f.task WHERE f.model = :model AND f.event_id = :event_id "
    "ORDER BY x.seq IS NOT NULL, r.seq IS NOT NULL, f.seq DESC LIMIT 1) k LEFT JOIN job u ON u.id = k.job "
    "LEFT JOIN version v ON v.id = u.version";

static enum feedback_state state_of(const struct fate_row *row)
{
        static const enum feedback_state states[] = {[ROW_QUARANTINED] = FEEDBACK_QUARANTINED,
            [ROW_LATE] = FEEDBACK_LATE,
            [ROW_SUPERSEDED] = FEEDBACK_SUPERSEDED,
            [ROW_ERASED] = FEEDBACK_FEATURES_ERASED,
            [ROW_EXPIRED] = FEEDBACK_EXPIRED};

        if (row->state != ROW_LIVE)
                return states[row->state];
        return row->holdout ? FEEDBACK_HELD_OUT : row->job != 0 ? FEEDBACK_USED : FEEDBACK_QUEUED;
}

static int fate_get(
    struct db *db, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        struct fate_row row;
        size_t bytes;
        _query_ struct query q = query_open(db, fate_sql);

        query_seq(&q, ":model", m);
        query_text(&q, ":event_id", event_id);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no feedback of this id");
        if (r != QUERY_ROW)
                return r;
        fate_fill(&q, &row);
        struct feedback_fate fate = {
            .state = state_of(&row), .job = row.job, .version_number = query_get_u64(&q, "number")};
        scalars(&q, &fate.row);
        query_get_name(&q, "task_name", fate.task_name, sizeof(fate.task_name));
        fate.row.state = row.state;
        fate.row.why = query_get_dup(&q, "why", a);
        fate.row.source = query_get_dup(&q, "source", a);
        fate.row.event_id = query_get_dup(&q, "event_id", a);
        const void *targets = query_get_blob(&q, "targets", &bytes);
        if (targets && bytes > 0) {
                fate.row.n_targets = bytes / sizeof(float);
                fate.row.targets = arena_memdup(a, targets, bytes);
                if (!fate.row.targets)
                        return err_oom(e);
        }
        if (q.rc != 0)
                return query_step(&q, e);
        *ret = fate;
        return 0;
}

int sqlite_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        return fate_get(db_of(s), m, event_id, a, ret, e);
}
