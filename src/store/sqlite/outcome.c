/* outcome.c: how jobs end with a version. Each commit is one transaction: what is asked first stands in look(),
 * then everything is written, or nothing of it.
 *
 * Consolidation: version, outputs, evaluations, used range, verdict, job state, alias, audit. What is promoted
 * becomes the champion, which ends the wait of another challenger; a candidate becomes the challenger, except by a
 * dry run, which moves nothing and consumes nothing. A reweight consumes nothing either, since its theta is its
 * parent's. After a promotion closed tasks weigh what the line of the new champion says (weight.c). A promoted
 * rollover also closes the task with its record, extends the model's classes (scenario class), opens the next task
 * and hands it the rows above the claimed range that name no task. */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct subject { /* the job as it was claimed, and where its model stands now */
        job_id job;
        model_id model;
        enum job_kind kind;
        enum scenario scenario;
        enum strategy strategy;
        version_id parent, champion;
        uint64_t champion_epoch, challenger_epoch, challenger_number, seed, next_number;
        task_id task;
        struct seq_range range, trained; /* trained: what the version's theta has seen */
        bool next_given, dry_run;
        char who[KEY_SIZE], next_task[NAME_SIZE], task_name[NAME_SIZE];
};

static const char subject_sql[] =
    "SELECT j.model AS model, j.kind AS kind, j.state AS state, m.scenario AS scenario, j.parent AS parent, "
    "a.version AS champion, a.epoch AS epoch, j.seed AS seed, j.task AS task, j.range_first AS range_first, "
    "j.range_last AS range_last, j.next_classes_given AS next_given, j.who AS who, j.next_task AS next_task, "
    "t.name AS task_name, j.strategy AS strategy, j.dry_run AS dry_run, "
    "p.range_first AS parent_first, p.range_last AS parent_last, c.epoch AS challenger_epoch, "
    "d.number AS challenger_number, "
    "(SELECT coalesce(max(number), 0) + 1 FROM version v WHERE v.model = j.model) AS next_number "
    "FROM job j JOIN model m ON m.id = j.model JOIN alias a ON a.model = j.model AND a.name = 'champion' "
    "LEFT JOIN task t ON t.id = j.task "
    "LEFT JOIN version p ON p.id = j.parent LEFT JOIN alias c ON c.model = j.model AND c.name = 'challenger' "
    "LEFT JOIN version d ON d.id = c.version WHERE j.id = :job";

static void subject_fill(struct query *q, job_id j, struct subject *ret)
{
        *ret = (struct subject){
            .job = j,
            .model = query_get_u64(q, "model"),
            .kind = job_kind_in_db(q, "kind"),
            .scenario = scenario_in_db(q, "scenario"),
            .strategy = strategy_in_db(q, "strategy"),
            .parent = query_get_u64(q, "parent"),
            .champion = query_get_u64(q, "champion"),
            .champion_epoch = query_get_u64(q, "epoch"),
            .challenger_epoch = query_get_u64(q, "challenger_epoch"),
            .challenger_number = query_get_u64(q, "challenger_number"),
            .seed = query_get_u64(q, "seed"),
            .next_number = query_get_u64(q, "next_number"),
            .task = query_get_u64(q, "task"),
            .range = {query_get_u64(q, "range_first"), query_get_u64(q, "range_last")},
            .next_given = query_get_int(q, "next_given") != 0,
            .dry_run = query_get_int(q, "dry_run") != 0,
        };
        ret->trained = ret->range;
        if (ret->kind == JOB_REWEIGHT)
                ret->trained = (struct seq_range){query_get_u64(q, "parent_first"), query_get_u64(q, "parent_last")};
        query_get_name(q, "who", ret->who, sizeof(ret->who));
        query_get_name(q, "next_task", ret->next_task, sizeof(ret->next_task));
        query_get_name(q, "task_name", ret->task_name, sizeof(ret->task_name));
}

/* The outcome is one that this kind of job has. */
static int check_kind(const struct subject *s, const struct outcome *o, bool rollover, struct err *e)
{
        if (rollover ? s->kind != JOB_ROLLOVER : s->kind != JOB_CONSOLIDATE && s->kind != JOB_REWEIGHT)
                return err_set(e, -EINVAL, "store: job %" PRIu64 " is a %s: it does not end with this commit", s->job,
                    job_kind_name(s->kind));
        if (s->dry_run && o->promote)
                return err_set(e, -EINVAL, "store: job %" PRIu64 " is a dry run: nothing is promoted", s->job);
        if (o->candidate && s->kind != JOB_CONSOLIDATE && !s->dry_run)
                return err_set(e, -EINVAL,
                    "store: job %" PRIu64 " is a %s: its version serves at once, or not at all", s->job,
                    job_kind_name(s->kind));
        return 0;
}

static int look(struct db *db, const struct outcome *o, bool rollover, struct subject *s, struct err *e)
{
        _query_ struct query q = query_open(db, subject_sql);

        query_seq(&q, ":job", o->job);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no job %" PRIu64, o->job);
        if (r != QUERY_ROW)
                return r;
        enum job_state state = job_state_in_db(&q, "state");
        subject_fill(&q, o->job, s);
        if (q.rc != 0)
                return query_step(&q, e);
        if (state != JOB_JUDGING)
                return err_set(
                    e, STORE_CONFLICT, "job %" PRIu64 " is %s, not judging", o->job, job_state_name(state));
        return check_kind(s, o, rollover, e);
}

/* --- the version --- */

static int require_blobs(struct db *db, const struct outcome *o, struct err *e)
{
        static const struct digest none = {{0}};
        size_t size = o->n_params * sizeof(float);
        int r = blob_require(db, &o->theta, size, e);

        if (r != 0 || digest_eq(&o->fisher, &none))
                return r;
        return (r = blob_require(db, &o->fisher, size, e)) != 0 ? r : blob_require(db, &o->anchor, size, e);
}

static int version_row(
    struct db *db, const struct subject *s, const struct outcome *o, version_id *ret, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO version (model, number, state, parent, job, task, n_params, theta, fisher, theta_old, "
            "fisher_scale, fisher_kind, importance, fisher_samples, lambda, strategy, seed, range_first, range_last, "
            "n_train, threads, job_file, program, gate, reason, prior, created_ms) VALUES (:model, "
            ":number, :state, :parent, :job, :task, :n_params, :theta, :fisher, :theta_old, :scale, :kind, "
            ":importance, :samples, :lambda, "
            ":strategy, :seed, :first, :last, :n_train, :threads, :job_file, :program, :gate, :reason, "
            ":prior, :now)");

        query_seq(&q, ":model", s->model);
        query_seq(&q, ":number", s->next_number);
        query_int(&q, ":state", outcome_version_state(o));
        query_seq(&q, ":parent", s->parent);
        query_seq(&q, ":job", s->job);
        query_seq(&q, ":task", s->task);
        query_seq(&q, ":n_params", o->n_params);
        query_digest(&q, ":theta", &o->theta);
        query_digest(&q, ":fisher", &o->fisher);
        query_digest(&q, ":theta_old", &o->anchor);
        query_real(&q, ":scale", o->fisher_scale);
        query_int(&q, ":kind", o->fisher_kind);
        query_int(&q, ":importance", o->importance);
        query_seq(&q, ":samples", o->fisher_samples);
        query_real(&q, ":lambda", o->lambda);
        if (o->prior > 0) /* else NULL */
                query_real(&q, ":prior", o->prior);
        query_int(&q, ":strategy", s->strategy);
        query_u64(&q, ":seed", s->seed);
        query_seq(&q, ":first", s->trained.first);
        query_seq(&q, ":last", s->trained.last);
        query_seq(&q, ":n_train", o->n_train);
        query_int(&q, ":threads", o->threads);
        query_digest(&q, ":job_file", &o->job_file);
        query_text(&q, ":program", o->program);
        query_text(&q, ":gate", o->gate);
        query_text(&q, ":reason", o->reason);
        query_int(&q, ":now", db_now(db));
        int r = query_run(&q, e);
        *ret = (version_id)sqlite3_last_insert_rowid(db->h);
        return r;
}

static int evaluation_row(struct db *db, version_id v, size_t i, const struct evaluation *before,
    const struct evaluation *after, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO evaluation (version, task, ordinal, n, accuracy, loss, ece, n_won, n_lost, predicted, "
            "parent_n, parent_accuracy, parent_loss, parent_ece) VALUES (:version, :task, :ordinal, :n, :accuracy, "
            ":loss, :ece, :n_won, :n_lost, :predicted, :parent_n, :parent_accuracy, :parent_loss, :parent_ece)");

        query_seq(&q, ":version", v);
        query_seq(&q, ":task", after->task);
        query_seq(&q, ":ordinal", i);
        query_seq(&q, ":n", after->n);
        query_real(&q, ":accuracy", after->accuracy);
        query_real(&q, ":loss", after->loss);
        query_real(&q, ":ece", after->ece);
        query_seq(&q, ":n_won", after->n_won);
        query_seq(&q, ":n_lost", after->n_lost);
        query_real(&q, ":predicted", after->predicted);
        query_seq(&q, ":parent_n", before->n);
        query_real(&q, ":parent_accuracy", before->accuracy);
        query_real(&q, ":parent_loss", before->loss);
        query_real(&q, ":parent_ece", before->ece);
        return query_run(&q, e);
}

static int job_end(struct db *db, const struct subject *s, const struct outcome *o, version_id v, struct err *e)
{
        _query_ struct query q =
            query_open(db, "UPDATE job SET state = :state, version = :version, reason = :reason, tries = :tries, "
                           "replayed = :replayed, ended_ms = :now WHERE id = :job");

        query_int(&q, ":state", outcome_job_state(o));
        query_seq(&q, ":version", v);
        query_text(&q, ":reason", o->reason);
        query_text(&q, ":tries", o->tries); /* NULL stays NULL */
        query_int(&q, ":replayed", outcome_replayed(o, s->kind, s->strategy));
        query_int(&q, ":now", db_now(db));
        query_seq(&q, ":job", s->job);
        return query_run(&q, e);
}

/* A rollover's bound may lie below what was used before: rows above it are the next task's, and new to it. */
static int range_used(struct db *db, const struct subject *s, struct err *e)
{
        _query_ struct query q = query_open(db,
            "UPDATE model SET used_seq = CASE WHEN :rollover OR used_seq < :last THEN :last ELSE used_seq END "
            "WHERE id = :model");

        query_int(&q, ":rollover", s->kind == JOB_ROLLOVER);
        query_seq(&q, ":last", s->range.last);
        query_seq(&q, ":model", s->model);
        return query_run(&q, e);
}

/* Who serves, and who waits beside it. */
static int aliases_follow(
    struct db *db, const struct subject *s, const struct outcome *o, version_id v, struct err *e)
{
        uint64_t epoch = s->challenger_epoch + 1;
        int r;

        if (o->promote) {
                r = alias_move(db, s->model, "champion", v, s->champion_epoch + 1, e);
                return r != 0 ? r : challenger_superseded(db, s->model, s->who, e);
        }
        if (!o->candidate || s->dry_run)
                return 0;
        r = alias_move(db, s->model, "challenger", v, epoch, e);
        return r != 0
                   ? r
                   : audit_add(db, s->model, s->who, "alias.set",
                         words_alias("challenger", s->next_number, s->challenger_number, epoch, o->reason).text, e);
}

static int settle(struct db *db, const struct subject *s, const struct outcome *o, version_id *ret, struct err *e)
{
        bool consumes = !s->dry_run && s->kind != JOB_REWEIGHT;
        int r;

        if (o->promote && s->champion != s->parent)
                return err_set(e, STORE_CONFLICT, "parent replaced: another version became champion meanwhile");
        if ((r = require_blobs(db, o, e)) != 0 || (r = version_row(db, s, o, ret, e)) != 0 ||
            (r = output_add(db, *ret, o->n_outputs, o->outputs, e)) != 0)
                return r;
        for (size_t i = 0; i < o->n_evaluations; i++)
                if ((r = evaluation_row(db, *ret, i, &o->before[i], &o->after[i], e)) != 0)
                        return r;
        if ((r = job_end(db, s, o, *ret, e)) != 0 || (consumes && (r = range_used(db, s, e)) != 0))
                return r;
        return aliases_follow(db, s, o, *ret, e);
}

static int audit_verdict(struct db *db, const struct subject *s, const struct outcome *o, struct err *e)
{
        return audit_add(db, s->model, s->who, outcome_what(o),
            words_outcome(s->job, s->next_number, outcome_job_state(o), s->dry_run, o->reason).text, e);
}

static int consolidate(struct db *db, const struct outcome *o, version_id *ret, struct err *e)
{
        struct subject s;
        int r;

        if ((r = look(db, o, false, &s, e)) != 0 || (r = settle(db, &s, o, ret, e)) != 0 ||
            (r = audit_verdict(db, &s, o, e)) != 0 ||
            (o->promote && (r = weights_follow(db, s.model, *ret, s.job, s.who, e)) != 0))
                return r;
        return vote_waiting(db, s.model, e);
}

int sqlite_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e)
{
        version_id v = 0;
        int r = tx_enter(db_of(s), e);

        if (r == 0)
                r = tx_leave(db_of(s), consolidate(db_of(s), o, &v, e), e);
        if (r == 0)
                *ret = v;
        return r;
}

/* --- rollover --- */

/* A statement about one thing (:from), perhaps towards another (to, or 0), perhaps above a sequence number (or
 * NULL). */
static int run_for(struct db *db, const char *sql, uint64_t from, uint64_t to, const uint64_t *last, struct err *e)
{
        _query_ struct query q = query_open(db, sql);

        query_seq(&q, ":from", from);
        if (to != 0)
                query_seq(&q, ":to", to);
        if (last)
                query_seq(&q, ":last", *last);
        return query_run(&q, e);
}

/* Rows above the range that name no task, and their counts, from one task to the other. */
static int hand_over(struct db *db, task_id from, task_id to, uint64_t last, struct err *e)
{
        static const char add[] =
            "INSERT INTO task_count (task, holdout, class, n) SELECT :to, holdout, class, count(*) "
            "FROM feedback f WHERE task = :from AND seq > :last AND task_named = 0 AND NOT EXISTS (SELECT 1 FROM "
            "feedback_fate x WHERE x.seq = f.seq) GROUP BY holdout, class";
        static const char take[] =
            "UPDATE task_count SET n = n - coalesce((SELECT k.n FROM task_count k WHERE k.task = :to "
            "AND k.holdout = task_count.holdout AND k.class = task_count.class), 0) WHERE task = :from";
        static const char rows[] =
            "UPDATE feedback SET task = :to WHERE task = :from AND seq > :last AND task_named = 0";
        int r;

        if ((r = run_for(db, add, from, to, &last, e)) != 0 || (r = run_for(db, take, from, to, NULL, e)) != 0)
                return r;
        return run_for(db, rows, from, to, &last, e);
}

/* A closed task keeps the classes its feedback had. */
static int keep_classes(struct db *db, task_id t, struct err *e)
{
        static const char seen[] =
            "INSERT OR IGNORE INTO task_class (task, class) SELECT t.id, k.class FROM task t JOIN task_count k "
            "ON k.task = t.id AND k.class >= 0 AND k.n > 0 WHERE t.id = :from AND t.classes_fixed = 0 UNION "
            "SELECT t.id, c.ordinal FROM task t JOIN class c ON c.model = t.model WHERE t.id = :from AND "
            "t.classes_fixed = 0 AND EXISTS (SELECT 1 FROM task_count k WHERE k.task = t.id AND k.class = -1 AND k.n "
            "> 0)";
        return run_for(db, seen, t, 0, NULL, e);
}

static int close_task(struct db *db, const struct subject *s, const struct outcome *o, const struct task_close *c,
    version_id v, struct err *e)
{
        size_t size = o->n_params * sizeof(float);
        bool packed = c->stored.encoding != FISHER_PLAIN;
        int r;

        if ((r = blob_require(db, &c->fisher, packed ? (size_t)c->stored.n_bytes : size, e)) != 0 ||
            (r = blob_require(db, &c->anchor, size, e)) != 0)
                return r;
        _query_ struct query q = query_open(db,
            "UPDATE task SET state = :state, alpha = :alpha, closed_alpha = :alpha, closed_ms = :now, "
            "closed_by = :version, fisher = :fisher, theta_old = :theta_old, n_outputs = :n_outputs, "
            "n_params = :n_params, fisher_kind = :kind, fisher_samples = :samples, fisher_protected = :protected, "
            "fisher_factor = :factor, fisher_trace = :trace, importance = :importance, "
            "fisher_encoding = :encoding, fisher_kept = :kept WHERE id = :task");
        query_int(&q, ":state", TASK_CLOSED);
        query_real(&q, ":alpha", c->alpha);
        query_int(&q, ":now", db_now(db));
        query_seq(&q, ":version", v);
        query_digest(&q, ":fisher", &c->fisher);
        query_digest(&q, ":theta_old", &c->anchor);
        query_seq(&q, ":n_outputs", c->n_outputs);
        query_seq(&q, ":n_params", o->n_params);
        query_int(&q, ":kind", c->info.kind);
        query_seq(&q, ":samples", c->info.n_samples);
        query_seq(&q, ":protected", c->info.n_protected);
        query_real(&q, ":factor", c->info.factor);
        query_real(&q, ":trace", c->info.trace);
        query_int(&q, ":importance", c->importance);
        query_int(&q, ":encoding", c->stored.encoding);
        if (packed) /* else NULL */
                query_seq(&q, ":kept", c->stored.n_kept);
        query_seq(&q, ":task", s->task);
        return query_run(&q, e);
}

/* Classes of the next task; names the model lacks are appended to it (only scenario class gets here with such). */
static int next_classes(struct db *db, const struct subject *s, task_id next, struct err *e)
{
        static const char extend[] =
            "INSERT INTO class (model, ordinal, name) SELECT j.model, (SELECT count(*) FROM class k WHERE k.model = "
            "j.model) + row_number() OVER (ORDER BY n.ordinal) - 1, n.name FROM job j JOIN job_class n ON n.job = "
            "j.id "
            "WHERE j.id = :from AND NOT EXISTS (SELECT 1 FROM class k WHERE k.model = j.model AND k.name = n.name)";
        static const char fix[] = "INSERT OR IGNORE INTO task_class (task, class) SELECT :to, c.ordinal FROM job j "
                                  "JOIN job_class n ON n.job "
                                  "= j.id JOIN class c ON c.model = j.model AND c.name = n.name WHERE j.id = :from";
        int r = s->scenario == SCENARIO_CLASS ? run_for(db, extend, s->job, 0, NULL, e) : 0;

        return r != 0 || !s->next_given ? r : run_for(db, fix, s->job, next, NULL, e);
}

static int roll(struct db *db, const struct outcome *o, const struct task_close *c, version_id *ret, struct err *e)
{
        struct subject s;
        task_id next = 0;
        int r;

        if ((r = look(db, o, true, &s, e)) != 0 || (r = settle(db, &s, o, ret, e)) != 0)
                return r;
        if (!c)
                return (r = audit_verdict(db, &s, o, e)) != 0 ? r : vote_waiting(db, s.model, e);
        if ((r = close_task(db, &s, o, c, *ret, e)) != 0 ||
            (r = task_open_next(db, s.model, s.next_task, s.next_given, &next, e)) != 0 ||
            (r = hand_over(db, s.task, next, s.range.last, e)) != 0 || (r = keep_classes(db, s.task, e)) != 0 ||
            (r = next_classes(db, &s, next, e)) != 0)
                return r;
        if ((r = audit_add(db, s.model, s.who, "task.rollover",
                 words_rollover(s.job, s.next_number, s.task_name, s.next_task, o->reason).text, e)) != 0 ||
            (r = weights_follow(db, s.model, *ret, s.job, s.who, e)) != 0)
                return r;
        return vote_waiting(db, s.model, e);
}

int sqlite_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e)
{
        version_id v = 0;
        int r = tx_enter(db_of(s), e);

        if (r == 0)
                r = tx_leave(db_of(s), roll(db_of(s), o, close, &v, e), e);
        if (r == 0)
                *ret = v;
        return r;
}
