/* job_read.c: jobs as the reports show them. */
#include "base/arena.h"
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <inttypes.h>

#define JOB_SQL                                                                                                      \
        "SELECT j.id AS id, j.model AS model, m.name AS model_name, j.kind AS kind, j.state AS state, "              \
        "j.parent AS parent, p.number AS parent_number, j.version AS version, v.number AS version_number, "          \
        "v.lambda AS lambda, j.task AS task, j.trigger_kind AS trigger_kind, j.trigger_value AS trigger_value, "     \
        "j.trigger_text AS trigger_text, j.strategy AS strategy, j.dry_run AS dry_run, j.upto_seq AS upto_seq, "     \
        "j.alpha_task AS alpha_task, coalesce(j.alpha, 0.0) AS alpha, j.rebuild_of AS rebuild_of, "                  \
        "j.range_first AS range_first, j.range_last AS range_last, j.seed AS seed, j.next_task AS next_task, "       \
        "j.next_classes_given AS next_classes_given, j.attempts AS attempts, j.reason AS reason, "                   \
        "j.tries AS tries, j.created_ms AS created_ms, j.started_ms AS started_ms, j.ended_ms AS ended_ms "          \
        "FROM job j JOIN model m ON m.id = j.model LEFT JOIN version p ON p.id = j.parent "                          \
        "LEFT JOIN version v ON v.id = j.version "

static int next_classes(struct db *db, struct job *j, struct arena *a, struct err *e)
{
        const char **names;
        size_t n = 0;
        int r;
        _query_ struct query q =
            query_open(db, "SELECT name, (SELECT count(*) FROM job_class k WHERE k.job = :job) AS n "
                           "FROM job_class WHERE job = :job ORDER BY ordinal");

        query_seq(&q, ":job", j->id);
        if ((r = query_step(&q, e)) != QUERY_ROW)
                return r;
        size_t want = (size_t)query_get_u64(&q, "n");
        if (!(names = arena_new_array(a, const char *, want)))
                return err_oom(e);
        for (; r == QUERY_ROW && n < want; r = query_step(&q, e))
                names[n++] = query_get_dup(&q, "name", a);
        j->n_next_classes = n;
        j->next_classes = names;
        return r;
}

static int job_fill(struct query *q, struct arena *a, struct job *ret, struct err *e)
{
        struct job_task *tasks = NULL;
        struct job j = {
            .id = query_get_u64(q, "id"),
            .model = query_get_u64(q, "model"),
            .kind = job_kind_in_db(q, "kind"),
            .state = job_state_in_db(q, "state"),
            .parent = query_get_u64(q, "parent"),
            .parent_number = query_get_u64(q, "parent_number"),
            .version = query_get_u64(q, "version"),
            .version_number = query_get_u64(q, "version_number"),
            .task = query_get_u64(q, "task"),
            .trigger = trigger_in_db(q, "trigger_kind"),
            .trigger_value = query_get_u64(q, "trigger_value"),
            .trigger_text = query_get_dup(q, "trigger_text", a),
            .strategy = strategy_in_db(q, "strategy"),
            .dry_run = query_get_int(q, "dry_run") != 0,
            .upto_seq = query_get_u64(q, "upto_seq"),
            .alpha_task = query_get_u64(q, "alpha_task"),
            .alpha = query_get_real(q, "alpha"),
            .rebuild_of = query_get_u64(q, "rebuild_of"),
            .range = {query_get_u64(q, "range_first"), query_get_u64(q, "range_last")},
            .seed = query_get_u64(q, "seed"),
            .lambda = query_get_real(q, "lambda"),
            .next_classes_given = query_get_int(q, "next_classes_given") != 0,
            .attempts = (uint32_t)query_get_int(q, "attempts"),
            .created_ms = query_get_int(q, "created_ms"),
            .started_ms = query_get_int(q, "started_ms"),
            .ended_ms = query_get_int(q, "ended_ms"),
        };
        int r;

        if (query_null(q, "range_first")) /* not claimed yet: empty */
                j.range = (struct seq_range){1, 0};
        query_get_name(q, "model_name", j.model_name, sizeof(j.model_name));
        query_get_name(q, "next_task", j.next_task, sizeof(j.next_task));
        query_get_name(q, "reason", j.reason, sizeof(j.reason));
        j.tries = query_null(q, "tries") ? NULL : query_get_dup(q, "tries", a);
        if (q->rc != 0)
                return query_step(q, e);
        if ((r = next_classes(q->db, &j, a, e)) != 0)
                return r;
        if (j.version != 0 && (r = evaluation_list(q->db, j.version, a, &j.n_tasks, &tasks, e)) != 0)
                return r;
        j.tasks = tasks;
        *ret = j;
        return 0;
}

static int get(struct db *db, job_id j, struct arena *a, struct job *ret, struct err *e)
{
        _query_ struct query q = query_open(db, JOB_SQL "WHERE j.id = :id");

        query_seq(&q, ":id", j);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no job %" PRIu64, j);
        return r == QUERY_ROW ? job_fill(&q, a, ret, e) : r;
}

int sqlite_job_get(struct store *s, job_id j, struct arena *a, struct job *ret, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), get(db_of(s), j, a, ret, e), e);
}

static const char list_sql[] = JOB_SQL "WHERE (:model IS NULL OR j.model = :model) AND (NOT :active OR j.state < 10) "
                                       "AND (:before IS NULL OR j.id < :before) ORDER BY j.id DESC LIMIT :limit";

static int list(struct db *db, const struct job_filter *f, store_job_fn each, void *arg, struct err *e)
{
        struct arena a;
        int r;
        _query_ struct query q = query_open(db, list_sql);

        query_id(&q, ":model", f->model);
        query_int(&q, ":active", f->active_only);
        query_id(&q, ":before", f->before);
        query_seq(&q, ":limit", f->limit != 0 ? f->limit : UINT64_MAX);
        arena_init(&a, SIZE_MAX);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                struct job j;
                if ((r = job_fill(&q, &a, &j, e)) != 0 || (r = each(arg, &j)) != 0)
                        break;
                arena_reset(&a);
        }
        arena_deinit(&a);
        return r;
}

int sqlite_job_list(struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), list(db_of(s), f, each, arg, e), e);
}
