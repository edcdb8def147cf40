/* feedback_count.c: the counters of a model.
 *
 * Rows are not walked: task_count and fate_count say how many there are, live and not; only what came after the last
 * judged job is counted in an index, and what of it is not live is taken off. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"

#define OF_STATE(state) "(SELECT n FROM fate_count c WHERE c.model = m.id AND c.state = " state ")"

static const char count_sql[] =
    "SELECT m.used_seq AS used_seq, "
    "(SELECT count(*) FROM feedback f WHERE f.task = t.id AND f.seq > m.used_seq AND f.holdout = 0) - "
    "(SELECT count(*) FROM feedback_fate x CROSS JOIN feedback f ON f.seq = x.seq WHERE x.seq > m.used_seq AND "
    "f.task = "
    "t.id AND f.holdout = 0) AS n_new, "
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
    "(SELECT received_ms FROM feedback f WHERE f.seq = (SELECT g.seq FROM feedback g WHERE g.task = t.id "
    "AND g.seq > m.used_seq AND g.holdout = 0 AND NOT EXISTS (SELECT 1 FROM feedback_fate x WHERE x.seq = g.seq) "
    "ORDER BY g.seq LIMIT 1)) AS oldest_new_ms, "
    /* by id, not by time: a clock that was set back must not leave the latest stamp standing */
    "l.ended_ms AS last_job_ended_ms, l.id AS last_job, coalesce(l.state = 11, 0) AS last_rejected, "
    "coalesce(l.strategy, 0) AS last_strategy, "
    "coalesce(l.kind = 2, 0) AS last_rollover, "
    "(SELECT count(*) FROM task u WHERE u.model = m.id AND u.state = 2) AS n_closed, "
    "(SELECT coalesce(sum(c.n), 0) FROM task_count c JOIN task u ON u.id = c.task WHERE u.model = m.id AND u.state = "
    "2 "
    "AND c.holdout = 0) AS n_retained, "
    "(SELECT coalesce(sum(c.n), 0) FROM task_count c JOIN task u ON u.id = c.task WHERE u.model = m.id) AS "
    "n_live, " OF_STATE("2") " AS n_quarantined, " OF_STATE("3") " AS n_late, " OF_STATE(
        "4") " AS n_superseded, " OF_STATE("5") " AS n_erased, " OF_STATE("6") " AS n_expired, "
                                                                               "EXISTS (SELECT 1 FROM job j WHERE "
                                                                               "j.model = m.id AND j.state < 10) AS "
                                                                               "job_active "
                                                                               "FROM model m JOIN task t ON t.model "
                                                                               "= m.id AND t.state = 1 LEFT JOIN job "
                                                                               "l ON l.id = (SELECT max(j.id) FROM "
                                                                               "job j "
                                                                               "WHERE j.model = m.id AND j.kind < 3 "
                                                                               "AND j.state >= 10 AND j.dry_run = 0) "
                                                                               "WHERE m.id = :model";

int sqlite_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e)
{
        _query_ struct query q = query_open(db_of(s), count_sql);

        query_seq(&q, ":model", m);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no such model");
        if (r != QUERY_ROW)
                return r;
        const struct counters c = {
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
            .last_job = query_get_u64(&q, "last_job"),
            .last_rejected = query_get_int(&q, "last_rejected") != 0,
            .last_rollover = query_get_int(&q, "last_rollover") != 0,
            .last_strategy = strategy_in_db(&q, "last_strategy"),
            .n_closed = query_get_u64(&q, "n_closed"),
            .n_retained = query_get_u64(&q, "n_retained"),
            .n_live = query_get_u64(&q, "n_live"),
            .n_quarantined = query_get_u64(&q, "n_quarantined"),
            .n_late = query_get_u64(&q, "n_late"),
            .n_superseded = query_get_u64(&q, "n_superseded"),
            .n_erased = query_get_u64(&q, "n_erased"),
            .n_expired = query_get_u64(&q, "n_expired"),
            .job_active = query_get_int(&q, "job_active") != 0,
        };
        if (q.rc != 0)
                return query_step(&q, e);
        *ret = c;
        return 0;
}
