/* job.c: jobs from creation to judgement; their ends with a version are in outcome.c.
 *
 * That at most one job of a model is active is also an index of the schema; it is asked first for a clear answer. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --- create --- */

static int none_active(struct db *db, model_id m, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT id FROM job WHERE model = :model AND state < 10");

        query_seq(&q, ":model", m);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        return err_set(e, STORE_CONFLICT, "job %" PRIu64 " of this model is still active", query_get_u64(&q, "id"));
}

static int task_name_free(struct db *db, model_id m, const char *name, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT 1 AS taken FROM task WHERE model = :model AND name = :name");

        query_seq(&q, ":model", m);
        query_text(&q, ":name", name);
        int r = query_step(&q, e);
        return r == QUERY_ROW ? err_set(e, STORE_EXISTS, "task %s exists already", name) : r;
}

static int class_known(struct db *db, model_id m, const char *name, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT ordinal FROM class WHERE model = :model AND name = :name");

        query_seq(&q, ":model", m);
        query_text(&q, ":name", name);
        int r = query_one(&q, STORE_NOT_FOUND, e, "the model has no class %s, and its classes are fixed", name);
        return r == QUERY_ROW ? 0 : r;
}

static int classes_fit(struct db *db, const struct job_new *j, struct err *e)
{
        int r;
        _query_ struct query q =
            query_open(db, "SELECT scenario, (SELECT count(*) FROM class c WHERE c.model = m.id) AS n "
                           "FROM model m WHERE id = :model");

        query_seq(&q, ":model", j->model);
        if ((r = query_one(&q, STORE_NOT_FOUND, e, "no such model")) != QUERY_ROW)
                return r;
        if (scenario_in_db(&q, "scenario") == SCENARIO_CLASS)
                return query_get_u64(&q, "n") + j->n_next_classes <= MODEL_MAX_CLASSES
                           ? 0
                           : err_set(e, -EINVAL, "store: a model has at most %d classes", MODEL_MAX_CLASSES);
        for (size_t i = 0; i < j->n_next_classes; i++)
                if ((r = class_known(db, j->model, j->next_classes[i], e)) != 0)
                        return r;
        return 0;
}

struct about { /* what a job is about beside its model, for the audit */
        char task[NAME_SIZE];
        uint64_t rebuilt;
};

static int closed_task(struct db *db, const struct job_new *j, struct about *ret, struct err *e)
{
        _query_ struct query q =
            query_open(db, "SELECT name FROM task WHERE id = :task AND model = :model AND state = 2");

        query_seq(&q, ":task", j->alpha_task);
        query_seq(&q, ":model", j->model);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no closed task to reweight");
        if (r != QUERY_ROW)
                return r;
        query_get_name(&q, "name", ret->task, sizeof(ret->task));
        return q.rc != 0 ? query_step(&q, e) : 0;
}

static int trained_version(struct db *db, const struct job_new *j, struct about *ret, struct err *e)
{
        _query_ struct query q =
            query_open(db, "SELECT number FROM version WHERE id = :version AND model = :model AND job IS NOT NULL");

        query_seq(&q, ":version", j->rebuild_of);
        query_seq(&q, ":model", j->model);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no version to rebuild that a job has trained");
        if (r != QUERY_ROW)
                return r;
        ret->rebuilt = query_get_u64(&q, "number");
        return 0;
}

static int about(struct db *db, const struct job_new *j, struct about *ret, struct err *e)
{
        switch (j->kind) {
        case JOB_ROLLOVER:
                return task_name_free(db, j->model, j->next_task, e);
        case JOB_REWEIGHT:
                return closed_task(db, j, ret, e);
        case JOB_REBUILD:
                return trained_version(db, j, ret, e);
        default:
                return 0;
        }
}

static int job_row(struct db *db, const struct job_new *j, job_id *ret, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO job (model, kind, state, trigger_kind, trigger_value, trigger_text, strategy, dry_run, "
            "upto_seq, next_task, next_classes_given, alpha_task, alpha, rebuild_of, who, created_ms) VALUES "
            "(:model, "
            ":kind, :state, :trigger_kind, :trigger_value, :trigger_text, :strategy, :dry_run, :upto_seq, "
            ":next_task, "
            ":given, :alpha_task, :alpha, :rebuild_of, :who, :now)");

        query_seq(&q, ":model", j->model);
        query_int(&q, ":kind", j->kind);
        query_int(&q, ":state", JOB_QUEUED);
        query_int(&q, ":trigger_kind", j->trigger);
        query_seq(&q, ":trigger_value", j->trigger_value);
        query_text(&q, ":trigger_text", j->trigger_text ? j->trigger_text : "");
        query_int(&q, ":strategy", j->strategy);
        query_int(&q, ":dry_run", j->dry_run);
        query_id(&q, ":upto_seq", j->upto_seq);
        query_text(&q, ":next_task", j->next_task);
        query_int(&q, ":given", j->next_classes_given);
        query_id(&q, ":alpha_task", j->alpha_task);
        if (j->alpha_task != 0) /* else NULL */
                query_real(&q, ":alpha", j->alpha);
        query_id(&q, ":rebuild_of", j->rebuild_of);
        query_text(&q, ":who", j->who);
        query_int(&q, ":now", db_now(db));
        int r = query_run(&q, e);
        *ret = (job_id)sqlite3_last_insert_rowid(db->h);
        return r;
}

static int job_class_add(struct db *db, job_id j, size_t i, const char *name, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT INTO job_class (job, ordinal, name) VALUES (:job, :ordinal, :name)");

        query_seq(&q, ":job", j);
        query_seq(&q, ":ordinal", i);
        query_text(&q, ":name", name);
        return query_run(&q, e);
}

static int create(struct db *db, const struct job_new *j, job_id *ret, struct err *e)
{
        struct about w = {0};
        int r;

        if ((r = classes_fit(db, j, e)) != 0 || (r = none_active(db, j->model, e)) != 0 ||
            (r = about(db, j, &w, e)) != 0 || (r = job_row(db, j, ret, e)) != 0)
                return r;
        for (size_t i = 0; i < j->n_next_classes; i++)
                if ((r = job_class_add(db, *ret, i, j->next_classes[i], e)) != 0)
                        return r;
        return audit_add(
            db, j->model, j->who, "job.create", words_job(*ret, j, w.task[0] ? w.task : NULL, w.rebuilt).text, e);
}

int sqlite_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e)
{
        struct db *db = db_of(s);
        job_id id = 0;
        int r = tx_enter(db, e);

        if (r == 0)
                r = tx_leave(db, create(db, j, &id, e), e);
        if (r == 0)
                *ret = id;
        return r;
}

/* --- claim --- */

struct claim {
        model_id model;
        enum job_kind kind;
        version_id parent;
        uint64_t parent_number, seed;
        task_id task;
        char task_name[NAME_SIZE], who[KEY_SIZE];
        struct seq_range range;
};

static int queued(struct db *db, job_id j, struct claim *c, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT model, kind, state, who FROM job WHERE id = :job");

        query_seq(&q, ":job", j);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no job %" PRIu64, j);
        if (r != QUERY_ROW)
                return r;
        enum job_state state = job_state_in_db(&q, "state");
        c->model = query_get_u64(&q, "model");
        c->kind = job_kind_in_db(&q, "kind");
        query_get_name(&q, "who", c->who, sizeof(c->who));
        if (q.rc != 0)
                return query_step(&q, e);
        if (state != JOB_QUEUED)
                return err_set(e, STORE_CONFLICT, "job %" PRIu64 " is %s, not queued", j, job_state_name(state));
        return 0;
}

/* How things stand now. A task without rows that may be claimed gets the empty range behind the last. */
static const char now_sql[] =
    "SELECT v.id AS parent, v.number AS parent_number, t.id AS task, t.name AS task_name, :seed AS seed, "
    "(SELECT min(seq) FROM feedback f WHERE f.task = t.id) AS first, "
    "(SELECT coalesce(max(seq), 0) FROM feedback f WHERE f.model = j.model) AS last, j.upto_seq AS upto "
    "FROM job j JOIN task t ON t.model = j.model AND t.state = 1 "
    "JOIN alias a ON a.model = j.model AND a.name = 'champion' JOIN version v ON v.id = a.version WHERE j.id = :job";

/* How they stood when the version was trained. */
static const char then_sql[] =
    "SELECT p.id AS parent, p.number AS parent_number, t.id AS task, t.name AS task_name, v.seed AS seed, "
    "o.range_first AS first, o.range_last AS last, NULL AS upto FROM job j JOIN version v ON v.id = j.rebuild_of "
    "JOIN job o ON o.id = v.job JOIN version p ON p.id = v.parent JOIN task t ON t.id = v.task WHERE j.id = :job";

static int look(struct db *db, job_id j, uint64_t seed, struct claim *c, struct err *e)
{
        int r = queued(db, j, c, e);
        if (r != 0)
                return r;

        bool again = c->kind == JOB_REBUILD;
        _query_ struct query q = query_open(db, again ? then_sql : now_sql);
        query_seq(&q, ":job", j);
        if (!again)
                query_u64(&q, ":seed", seed);
        r = query_one(&q, -EBADMSG, e, "database: job %" PRIu64 " has no parent or no task", j);
        if (r != QUERY_ROW)
                return r;
        c->parent = query_get_u64(&q, "parent");
        c->parent_number = query_get_u64(&q, "parent_number");
        c->task = query_get_u64(&q, "task");
        c->seed = query_get_u64(&q, "seed");
        query_get_name(&q, "task_name", c->task_name, sizeof(c->task_name));
        c->range.last = query_get_u64(&q, "last");
        c->range.first = query_get_u64(&q, "first");
        if (!query_null(&q, "upto") && query_get_u64(&q, "upto") < c->range.last)
                c->range.last = query_get_u64(&q, "upto");
        if (query_null(&q, "first") || (!again && c->range.first > c->range.last))
                c->range.first = c->range.last + 1;
        return q.rc != 0 ? query_step(&q, e) : 0;
}

static int claim(struct db *db, job_id j, uint64_t seed, struct err *e)
{
        struct claim c = {0};
        int r = look(db, j, seed, &c, e);
        if (r != 0 || (r = vote_waiting(db, c.model, e)) != 0)
                return r;

        _query_ struct query q =
            query_open(db, "UPDATE job SET state = :state, parent = :parent, task = :task, range_first = :first, "
                           "range_last = :last, seed = :seed, started_ms = :now WHERE id = :job");
        query_int(&q, ":state", JOB_EXPORTING);
        query_seq(&q, ":parent", c.parent);
        query_seq(&q, ":task", c.task);
        query_seq(&q, ":first", c.range.first);
        query_seq(&q, ":last", c.range.last);
        query_u64(&q, ":seed", c.seed);
        query_int(&q, ":now", db_now(db));
        query_seq(&q, ":job", j);
        if ((r = query_run(&q, e)) != 0)
                return r;
        return audit_add(
            db, c.model, c.who, "job.claim", words_claim(j, c.parent_number, c.task_name, c.range, c.seed).text, e);
}

int sqlite_job_claim(struct store *s, job_id j, uint64_t seed, struct err *e)
{
        int r = tx_enter(db_of(s), e);
        return r != 0 ? r : tx_leave(db_of(s), claim(db_of(s), j, seed, e), e);
}

/* --- moves and learner starts --- */

static int state_is(struct db *db, job_id j, enum job_state from, model_id *ret_model, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT model, state FROM job WHERE id = :job");

        query_seq(&q, ":job", j);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no job %" PRIu64, j);
        if (r != QUERY_ROW)
                return r;
        enum job_state state = job_state_in_db(&q, "state");
        if (q.rc != 0)
                return query_step(&q, e);
        if (state != from)
                return err_set(e, STORE_CONFLICT, "job %" PRIu64 " is %s, not %s", j, job_state_name(state),
                    job_state_name(from));
        *ret_model = query_get_u64(&q, "model");
        return 0;
}

static int move(struct db *db, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e)
{
        model_id m = 0;
        int r = state_is(db, j, from, &m, e);
        if (r != 0)
                return r;

        _query_ struct query q =
            query_open(db, "UPDATE job SET state = :state, reason = coalesce(:why, reason), ended_ms = :ended "
                           "WHERE id = :job");
        query_int(&q, ":state", to);
        query_text(&q, ":why", why);
        query_ms(&q, ":ended", job_has_ended(to) ? db_now(db) : 0);
        query_seq(&q, ":job", j);
        r = query_run(&q, e);
        return r != 0 || !job_has_ended(to) ? r : vote_waiting(db, m, e);
}

int sqlite_job_move(struct store *s, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e)
{
        int r = tx_enter(db_of(s), e);
        return r != 0 ? r : tx_leave(db_of(s), move(db_of(s), j, from, to, why, e), e);
}

static int attempt(struct db *db, job_id j, uint32_t *ret, struct err *e)
{
        char who[KEY_SIZE];
        model_id m;
        int r;
        {
                _query_ struct query q = query_open(db, "SELECT model, who, attempts FROM job WHERE id = :job");
                query_seq(&q, ":job", j);
                if ((r = query_one(&q, STORE_NOT_FOUND, e, "no job %" PRIu64, j)) != QUERY_ROW)
                        return r;
                m = query_get_u64(&q, "model");
                query_get_name(&q, "who", who, sizeof(who));
                *ret = (uint32_t)query_get_int(&q, "attempts") + 1;
        }
        _query_ struct query q = query_open(db, "UPDATE job SET attempts = :attempts WHERE id = :job");
        query_int(&q, ":attempts", *ret);
        query_seq(&q, ":job", j);
        if ((r = query_run(&q, e)) != 0)
                return r;
        return audit_add(db, m, who, "job.attempt", words_attempt(j, *ret).text, e);
}

int sqlite_job_attempt(struct store *s, job_id j, uint32_t *ret_attempts, struct err *e)
{
        uint32_t attempts = 0;
        int r = tx_enter(db_of(s), e);

        if (r == 0)
                r = tx_leave(db_of(s), attempt(db_of(s), j, &attempts, e), e);
        if (r == 0)
                *ret_attempts = attempts;
        return r;
}
