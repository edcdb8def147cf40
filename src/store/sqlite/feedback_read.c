/* feedback_read.c: counting and walking feedback, and what became of one row.
 *
 * Vectors are copied out of SQLite's memory, which has no alignment, and compared with their digest on the way. */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/db.h"
#include "store/sqlite/feedback.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FEEDBACK_COLUMNS                                                                                             \
        "seq, task, task_named, holdout, class, weight, observed_ms, received_ms, source, event_id, payload, "       \
        "content, "                                                                                                  \
        "inputs, targets "

static const char scan_task_sql[] =
    "SELECT " FEEDBACK_COLUMNS "FROM feedback WHERE task = :task AND model = :model AND seq BETWEEN :first AND :last "
    "AND (holdout + 1) & :split ORDER BY seq";
static const char scan_model_sql[] =
    "SELECT " FEEDBACK_COLUMNS "FROM feedback WHERE model = :model AND seq BETWEEN :first AND :last "
    "AND (holdout + 1) & :split ORDER BY seq";

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
}

static int row_fill(struct query *q, struct vectors *v, struct feedback *ret, struct err *e)
{
        struct feedback f = {.source = query_get_text(q, "source"), .event_id = query_get_text(q, "event_id")};
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

int feedback_check(struct db *db, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT " FEEDBACK_COLUMNS "FROM feedback ORDER BY seq");
        return walk(&q, NULL, NULL, e);
}

/* --- one row --- */

static const char fate_sql[] =
    "SELECT f.seq AS seq, f.task AS task, f.task_named AS task_named, f.holdout AS holdout, f.class AS class, "
    "f.weight AS weight, f.observed_ms AS observed_ms, f.received_ms AS received_ms, f.source AS source, "
    "f.event_id AS event_id, f.payload AS payload, f.targets AS targets, t.name AS task_name, j.id AS job, v.number "
    "AS number FROM feedback f JOIN task t ON t.id = f.task "
    "LEFT JOIN job j ON j.id = (SELECT min(u.id) FROM job u WHERE u.task = f.task AND u.state IN (10, 11) "
    "AND u.range_first <= f.seq AND u.range_last >= f.seq) LEFT JOIN version v ON v.id = j.version "
    "WHERE f.model = :model AND f.event_id = :event_id ORDER BY f.seq DESC LIMIT 1";

int sqlite_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        struct feedback_fate fate = {.state = FEEDBACK_QUEUED};
        size_t bytes;
        _query_ struct query q = query_open(db_of(s), fate_sql);

        query_seq(&q, ":model", m);
        query_text(&q, ":event_id", event_id);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no feedback of this id");
        if (r != QUERY_ROW)
                return r;
        scalars(&q, &fate.row);
        query_get_name(&q, "task_name", fate.task_name, sizeof(fate.task_name));
        fate.row.source = query_get_dup(&q, "source", a);
        fate.row.event_id = query_get_dup(&q, "event_id", a);
        const void *targets = query_get_blob(&q, "targets", &bytes);
        if (targets && bytes > 0) {
                fate.row.n_targets = bytes / sizeof(float);
                fate.row.targets = arena_memdup(a, targets, bytes);
                if (!fate.row.targets)
                        return err_oom(e);
        }
        if (fate.row.holdout) {
                fate.state = FEEDBACK_HELD_OUT;
        } else if (!query_null(&q, "job")) {
                fate.state = FEEDBACK_USED;
                fate.job = query_get_u64(&q, "job");
                fate.version_number = query_get_u64(&q, "number");
        }
        if (q.rc != 0)
                return query_step(&q, e);
        *ret = fate;
        return 0;
}

/* --- counters --- */

static const char count_sql[] =
    "SELECT m.used_seq AS used_seq, "
    "(SELECT count(*) FROM feedback f WHERE f.task = t.id AND f.seq > m.used_seq AND f.holdout = 0) AS n_new, "
    "(SELECT coalesce(sum(n), 0) FROM task_count c WHERE c.task = t.id AND c.holdout = 0) AS n_train, "
    "(SELECT coalesce(sum(n), 0) FROM task_count c WHERE c.task = t.id AND c.holdout = 1) AS n_holdout, "
    "(SELECT count(*) FROM task_count c WHERE c.task = t.id AND c.holdout = 0 AND c.class >= 0 AND c.n > 0) AS "
    "n_labels, "
    "EXISTS (SELECT 1 FROM task_count c WHERE c.task = t.id AND c.holdout = 0 AND c.class = -1 AND c.n > 0) AS "
    "targets, "
    "(SELECT count(*) FROM class c WHERE c.model = m.id) AS n_classes, "
    /* as domain/head.h: task: its own rows of the champion and its own classes; class: those of all tasks; domain:
     * all */
    "(SELECT count(*) FROM (SELECT k.class FROM task_class k JOIN task u ON u.id = k.task WHERE u.model = m.id AND "
    "(m.scenario = 3 OR u.id = t.id) UNION SELECT k.class FROM task_count k JOIN task u ON u.id = k.task WHERE "
    "u.model = m.id AND k.class >= 0 AND k.n > 0 AND (m.scenario = 3 OR u.id = t.id) UNION SELECT c.ordinal FROM "
    "class c WHERE c.model = m.id AND m.scenario = 2 UNION SELECT o.class FROM version_output o JOIN alias a ON "
    "a.model = m.id "
    "AND a.name = 'champion' AND o.version = a.version WHERE m.scenario = 1 AND (o.task = t.id OR (o.task IS NULL "
    "AND "
    "t.ordinal = 0)))) AS n_head, "
    "(SELECT coalesce(max(seq), 0) FROM feedback f WHERE f.model = m.id) AS last_seq, "
    "(SELECT received_ms FROM feedback f WHERE f.seq = (SELECT min(seq) FROM feedback g WHERE g.task = t.id "
    "AND g.seq > m.used_seq AND g.holdout = 0)) AS oldest_new_ms, "
    /* by id, not by time: a clock that was set back must not leave the latest stamp standing */
    "(SELECT ended_ms FROM job l WHERE l.id = (SELECT max(j.id) FROM job j WHERE j.model = m.id AND j.ended_ms IS "
    "NOT "
    "NULL)) AS last_job_ended_ms, "
    "EXISTS (SELECT 1 FROM job j WHERE j.model = m.id AND j.state < 10) AS job_active "
    "FROM model m JOIN task t ON t.model = m.id AND t.state = 1 WHERE m.id = :model";

int sqlite_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e)
{
        _query_ struct query q = query_open(db_of(s), count_sql);

        query_seq(&q, ":model", m);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no such model");
        if (r != QUERY_ROW)
                return r;
        *ret = (struct counters){
            .model = m,
            .n_new = query_get_u64(&q, "n_new"),
            .n_open_train = query_get_u64(&q, "n_train"),
            .n_open_holdout = query_get_u64(&q, "n_holdout"),
            .n_open_classes = query_get_u64(&q, query_get_int(&q, "targets") ? "n_classes" : "n_labels"),
            .n_head_classes = query_get_u64(&q, "n_head"),
            .last_seq = query_get_u64(&q, "last_seq"),
            .used_seq = query_get_u64(&q, "used_seq"),
            .oldest_new_ms = query_get_int(&q, "oldest_new_ms"),
            .last_job_ended_ms = query_get_int(&q, "last_job_ended_ms"),
            .job_active = query_get_int(&q, "job_active") != 0,
        };
        return 0;
}
