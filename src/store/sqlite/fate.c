/* fate.c: the state of feedback rows.
 *
 * A live row has nothing in feedback_fate and is counted in task_count; any other has a row there and is counted in
 * fate_count. When a row leaves the live ones, the first job that used it is written down with it, and the last one
 * that may have; when it comes back, the job before which it was not there. So what was trained with a row can be
 * told for ever. */
#include "store/sqlite/fate.h"
#include "base/err.h"
#include "store/sqlite/feedback.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/migrate.h"
#include <string.h>
#include <unistd.h>

void fate_fill(struct query *q, struct fate_row *ret)
{
        *ret = (struct fate_row){
            .seq = query_get_u64(q, "seq"),
            .model = query_get_u64(q, "model"),
            .task = query_get_u64(q, "task"),
            .holdout = query_get_int(q, "holdout") != 0,
            .trusted = query_get_int(q, "trusted") != 0,
            .class = (int32_t)query_get_int(q, "class"),
            .state = row_state_in_db(q, "state"),
            .policy = policy_in_db(q, "policy"),
            .job = query_get_u64(q, "job"),
            .whole = query_get_int(q, "whole") != 0,
        };
}

int fate_frozen(struct db *db, model_id m, struct seq_range *ret, job_id *ret_job, struct err *e)
{
        _query_ struct query q = query_open(db,
            "SELECT id, CASE WHEN state = 4 THEN range_first ELSE 1 END AS range_first, range_last FROM job WHERE "
            "model = :model AND state < 10 AND state <> 1");

        *ret = (struct seq_range){1, 0};
        *ret_job = 0;
        query_seq(&q, ":model", m);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = (struct seq_range){query_get_u64(&q, "range_first"), query_get_u64(&q, "range_last")};
        *ret_job = query_get_u64(&q, "id");
        return 0;
}

/* --- counts --- */

int task_count_add(struct db *db, const struct fate_row *r, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT INTO task_count (task, holdout, class, n) VALUES (:task, :holdout, :class, 1) "
                           "ON CONFLICT (task, holdout, class) DO UPDATE SET n = n + 1");

        query_seq(&q, ":task", r->task);
        query_int(&q, ":holdout", r->holdout);
        query_int(&q, ":class", r->class);
        return query_run(&q, e);
}

static int task_count_take(struct db *db, const struct fate_row *r, struct err *e)
{
        _query_ struct query q = query_open(
            db, "UPDATE task_count SET n = n - 1 WHERE task = :task AND holdout = :holdout AND class = :class");

        query_seq(&q, ":task", r->task);
        query_int(&q, ":holdout", r->holdout);
        query_int(&q, ":class", r->class);
        return query_run(&q, e);
}

static int fate_count(struct db *db, model_id m, enum row_state s, bool more, struct err *e)
{
        _query_ struct query q =
            more ? query_open(db, "INSERT INTO fate_count (model, state, n) VALUES (:model, :state, 1) "
                                  "ON CONFLICT (model, state) DO UPDATE SET n = n + 1")
                 : query_open(db, "UPDATE fate_count SET n = n - 1 WHERE model = :model AND state = :state");

        query_seq(&q, ":model", m);
        query_int(&q, ":state", s);
        return query_run(&q, e);
}

static int count(struct db *db, const struct fate_row *r, enum row_state s, bool more, struct err *e)
{
        if (s != ROW_LIVE)
                return fate_count(db, r->model, s, more, e);
        return more ? task_count_add(db, r, e) : task_count_take(db, r, e);
}

/* --- moves --- */

static int fate_insert(
    struct db *db, const struct fate_row *r, enum row_state s, const char *reason, bool whole, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO feedback_fate (seq, state, at_ms, reason, policy, event, job, until) VALUES (:seq, :state, "
            ":now, :reason, :policy, :event, :job, CASE WHEN :job IS NOT NULL THEN (SELECT max(id) FROM job j WHERE "
            "j.model = :model AND j.state >= 10) END)");

        query_seq(&q, ":seq", r->seq);
        query_int(&q, ":state", s);
        query_int(&q, ":now", db_now(db));
        query_text(&q, ":reason", reason);
        query_int(&q, ":policy", r->policy);
        query_int(&q, ":event", whole);
        query_id(&q, ":job", r->job);
        query_seq(&q, ":model", r->model);
        return query_run(&q, e);
}

static int fate_update(
    struct db *db, const struct fate_row *r, enum row_state s, const char *reason, bool whole, struct err *e)
{
        _query_ struct query q = query_open(db,
            "UPDATE feedback_fate SET state = :state, at_ms = :now, reason = :reason, policy = :policy, "
            "event = :event WHERE seq = :seq");

        query_seq(&q, ":seq", r->seq);
        query_int(&q, ":state", s);
        query_int(&q, ":now", db_now(db));
        query_text(&q, ":reason", reason);
        query_int(&q, ":policy", r->policy);
        query_int(&q, ":event", whole);
        return query_run(&q, e);
}

static int run_for_row(struct db *db, const char *sql, uint64_t seq, struct err *e)
{
        _query_ struct query q = query_open(db, sql);

        query_seq(&q, ":seq", seq);
        return query_run(&q, e);
}

/* Of a row that no job had used: those so far did not see it. */
static int live_again(struct db *db, const struct fate_row *r, struct err *e)
{
        static const char since[] =
            "INSERT OR REPLACE INTO feedback_since (seq, job) SELECT f.seq, max(j.id) FROM feedback f JOIN job j ON "
            "j.model = f.model AND j.state >= 10 WHERE f.seq = :seq GROUP BY f.seq";
        int x = run_for_row(db, "DELETE FROM feedback_fate WHERE seq = :seq", r->seq, e);

        return x != 0 || r->job != 0 ? x : run_for_row(db, since, r->seq, e);
}

int fate_begin(struct db *db, const struct fate_row *r, const char *reason, struct err *e)
{
        int x = fate_insert(db, r, r->state, reason, false, e);
        return x != 0 ? x : fate_count(db, r->model, r->state, true, e);
}

int fate_move(struct db *db, struct fate_row *r, enum row_state to, const char *reason, bool whole, struct err *e)
{
        int x = count(db, r, r->state, false, e);

        if (x != 0 || (x = count(db, r, to, true, e)) != 0)
                return x;
        if (to == ROW_LIVE)
                x = live_again(db, r, e);
        else if (r->state == ROW_LIVE)
                x = fate_insert(db, r, to, reason, whole, e);
        else
                x = fate_update(db, r, to, reason, whole, e);
        if (x == 0) {
                r->state = to;
                r->whole = whole;
        }
        return x;
}

/* --- overwriting --- */

int fate_overwrite(
    struct db *db, struct fate_row *r, enum row_state to, const char *reason, bool whole, struct err *e)
{
        static const float none[1] = {0};
        const struct feedback empty = {.inputs = none, .targets = none};
        struct digest content;
        int x = fate_move(db, r, to, reason, whole, e);

        if (x != 0 || (x = feedback_content(&empty, &content, e)) != 0 ||
            (x = run_for_row(db, "DELETE FROM feedback_served WHERE seq = :seq", r->seq, e)) != 0)
                return x;
        _query_ struct query q = query_open(db,
            "UPDATE feedback SET class = -1, weight = 0, inputs = x'', targets = x'', content = :content, payload = "
            "CASE WHEN :keep THEN payload ELSE zeroblob(32) END WHERE seq = :seq");
        query_seq(&q, ":seq", r->seq);
        query_blob(&q, ":content", content.b, sizeof(content.b));
        query_int(&q, ":keep", to == ROW_EXPIRED); /* a retry is still known as one */
        return query_run(&q, e);
}

void scrub(struct db *db, int r)
{
        if (r == 0)
                db->scrub = true;
}

bool scrub_misses(const struct db *db)
{
        char name[MIGRATE_PATH];
        bool any = false;

        for (int level = 1; level < (int)n_migrations; level++)
                any = any || (migrate_copy(db, level, name) && access(name, F_OK) == 0);
        return any;
}
