/* version.c: reading versions: the row, its outputs, evaluations, aliases, tensors. */
#include "base/arena.h"
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>

int output_add(struct db *db, version_id v, size_t n, const struct output_row *rows, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                _query_ struct query q = query_open(db, "INSERT INTO version_output (version, ordinal, task, class) "
                                                        "VALUES (:version, :ordinal, :task, :class)");
                query_seq(&q, ":version", v);
                query_seq(&q, ":ordinal", i);
                query_id(&q, ":task", rows[i].task);
                query_int(&q, ":class", rows[i].class);
                int r = query_run(&q, e);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The number of rows a list will have, so that its array is made once. */
static int count(struct db *db, const char *sql, version_id v, size_t *ret, struct err *e)
{
        _query_ struct query q = query_open(db, sql);

        query_seq(&q, ":version", v);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = (size_t)query_get_u64(&q, "n");
        return 0;
}

static int outputs(struct db *db, struct version *v, struct arena *a, struct err *e)
{
        struct output_row *rows;
        size_t want = 0, n = 0;
        int r = count(db, "SELECT count(*) AS n FROM version_output WHERE version = :version", v->id, &want, e);

        if (r != 0)
                return r;
        if (!(rows = arena_new_array(a, struct output_row, want)))
                return err_oom(e);
        _query_ struct query q =
            query_open(db, "SELECT task, class FROM version_output WHERE version = :version ORDER BY ordinal");
        query_seq(&q, ":version", v->id);
        while ((r = query_step(&q, e)) == QUERY_ROW && n < want)
                rows[n++] = (struct output_row){query_get_u64(&q, "task"), (uint32_t)query_get_int(&q, "class")};
        v->n_outputs = n;
        v->outputs = rows;
        return r;
}

int evaluation_list(struct db *db, version_id v, struct arena *a, size_t *ret_n, struct job_task **ret, struct err *e)
{
        struct job_task *tasks;
        size_t want = 0, n = 0;
        int r = count(db, "SELECT count(*) AS n FROM evaluation WHERE version = :version", v, &want, e);

        if (r != 0)
                return r;
        if (!(tasks = arena_new_array(a, struct job_task, want)))
                return err_oom(e);
        _query_ struct query q = query_open(db,
            "SELECT e.task AS task, t.name AS name, e.n AS n, e.accuracy AS accuracy, e.loss AS loss, e.ece AS ece, "
            "e.n_won AS n_won, e.n_lost AS n_lost, e.predicted AS predicted, e.parent_n AS parent_n, "
            "e.parent_accuracy AS parent_accuracy, e.parent_loss AS parent_loss, e.parent_ece AS parent_ece "
            "FROM evaluation e JOIN task t ON t.id = e.task WHERE e.version = :version ORDER BY e.ordinal");
        query_seq(&q, ":version", v);
        while ((r = query_step(&q, e)) == QUERY_ROW && n < want) {
                struct job_task *t = &tasks[n++];
                task_id id = query_get_u64(&q, "task");
                query_get_name(&q, "name", t->name, sizeof(t->name));
                t->after = (struct evaluation){.task = id,
                    .n = query_get_u64(&q, "n"),
                    .accuracy = query_get_real(&q, "accuracy"),
                    .loss = query_get_real(&q, "loss"),
                    .ece = query_get_real(&q, "ece"),
                    .n_won = query_get_u64(&q, "n_won"),
                    .n_lost = query_get_u64(&q, "n_lost"),
                    .predicted = query_get_real(&q, "predicted")};
                t->before = (struct evaluation){.task = id,
                    .n = query_get_u64(&q, "parent_n"),
                    .accuracy = query_get_real(&q, "parent_accuracy"),
                    .loss = query_get_real(&q, "parent_loss"),
                    .ece = query_get_real(&q, "parent_ece"),
                    .predicted = (double)NAN};
        }
        *ret_n = n;
        *ret = tasks;
        return r;
}

static int evaluations(struct db *db, struct version *v, struct arena *a, struct err *e)
{
        struct job_task *tasks;
        int r = evaluation_list(db, v->id, a, &v->n_evaluations, &tasks, e);
        if (r != 0)
                return r;
        struct evaluation *list = arena_new_array(a, struct evaluation, v->n_evaluations);
        if (!list)
                return err_oom(e);
        for (size_t i = 0; i < v->n_evaluations; i++)
                list[i] = tasks[i].after;
        v->evaluations = list;
        return 0;
}

static int aliases(struct db *db, struct version *v, struct arena *a, struct err *e)
{
        const char **names;
        size_t want = 0, n = 0;
        int r = count(db, "SELECT count(*) AS n FROM alias WHERE version = :version", v->id, &want, e);

        if (r != 0)
                return r;
        if (!(names = arena_new_array(a, const char *, want)))
                return err_oom(e);
        _query_ struct query q = query_open(db, "SELECT name FROM alias WHERE version = :version ORDER BY name");
        query_seq(&q, ":version", v->id);
        while ((r = query_step(&q, e)) == QUERY_ROW && n < want)
                names[n++] = query_get_dup(&q, "name", a);
        v->n_aliases = n;
        v->aliases = names;
        return r;
}

#define VERSION_SQL                                                                                                  \
        "SELECT v.id AS id, v.model AS model, v.number AS number, v.state AS state, v.parent AS parent, "            \
        "p.number AS parent_number, v.job AS job, v.task AS task, v.n_params AS n_params, "                          \
        "coalesce(v.theta, v.pruned_theta) AS theta, coalesce(v.fisher, v.pruned_fisher) AS fisher, "                \
        "coalesce(v.theta_old, v.pruned_theta_old) AS theta_old, v.pruned_ms AS pruned_ms, v.strategy AS strategy, " \
        "v.threads AS threads, v.n_train AS n_train, v.job_file AS job_file, v.gate AS gate, "                       \
        "v.fisher_scale AS fisher_scale, v.fisher_kind AS fisher_kind, v.prior AS prior, "                           \
        "v.importance AS importance, v.fisher_samples AS fisher_samples, v.lambda AS lambda, v.seed AS seed, "       \
        "v.range_first AS range_first, "                                                                             \
        "v.range_last AS range_last, v.program AS program, v.reason AS reason, v.created_ms AS created_ms "          \
        "FROM version v LEFT JOIN version p ON p.id = v.parent "

static int version_fill(struct query *q, struct arena *a, struct version *ret, struct err *e)
{
        struct version v = {
            .id = query_get_u64(q, "id"),
            .model = query_get_u64(q, "model"),
            .number = query_get_u64(q, "number"),
            .state = version_state_in_db(q, "state"),
            .parent = query_get_u64(q, "parent"),
            .parent_number = query_get_u64(q, "parent_number"),
            .job = query_get_u64(q, "job"),
            .task = query_get_u64(q, "task"),
            .n_params = (size_t)query_get_u64(q, "n_params"),
            .has_fisher = !query_null(q, "fisher"),
            .fisher_scale = query_get_real(q, "fisher_scale"),
            .fisher_kind = fisher_in_db(q, "fisher_kind"),
            .importance = importance_in_db(q, "importance"),
            .fisher_samples = query_get_u64(q, "fisher_samples"),
            .lambda = query_get_real(q, "lambda"),
            .prior = query_null(q, "prior") ? 0 : query_get_real(q, "prior"),
            .seed = query_get_u64(q, "seed"),
            .range = {query_get_u64(q, "range_first"), query_get_u64(q, "range_last")},
            .strategy = strategy_in_db(q, "strategy"),
            .threads = (uint32_t)query_get_int(q, "threads"),
            .n_train = query_get_u64(q, "n_train"),
            .gate = query_null(q, "gate") ? NULL : query_get_dup(q, "gate", a),
            .pruned = !query_null(q, "pruned_ms"),
            .created_ms = query_get_int(q, "created_ms"),
        };
        int r;

        query_get_digest(q, "job_file", &v.job_file);
        query_get_digest(q, "theta", &v.theta);
        query_get_digest(q, "fisher", &v.fisher);
        query_get_digest(q, "theta_old", &v.anchor);
        query_get_name(q, "program", v.program, sizeof(v.program));
        query_get_name(q, "reason", v.reason, sizeof(v.reason));
        if (q->rc != 0)
                return query_step(q, e);
        if ((r = outputs(q->db, &v, a, e)) != 0 || (r = evaluations(q->db, &v, a, e)) != 0 ||
            (r = aliases(q->db, &v, a, e)) != 0)
                return r;
        *ret = v;
        return 0;
}

static int get(struct db *db, version_id v, struct arena *a, struct version *ret, struct err *e)
{
        _query_ struct query q = query_open(db, VERSION_SQL "WHERE v.id = :id");

        query_seq(&q, ":id", v);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no such version");
        return r == QUERY_ROW ? version_fill(&q, a, ret, e) : r;
}

int sqlite_version_get(struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), get(db_of(s), v, a, ret, e), e);
}

static int by_number(struct db *db, model_id m, uint64_t number, struct arena *a, struct version *ret, struct err *e)
{
        _query_ struct query q = query_open(db, VERSION_SQL "WHERE v.model = :model AND v.number = :number");

        query_seq(&q, ":model", m);
        query_seq(&q, ":number", number);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no version %" PRIu64, number);
        return r == QUERY_ROW ? version_fill(&q, a, ret, e) : r;
}

int sqlite_version_by_number(
    struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), by_number(db_of(s), m, number, a, ret, e), e);
}

static int list(
    struct db *db, model_id m, uint64_t before, size_t limit, store_version_fn each, void *arg, struct err *e)
{
        struct arena a;
        int r;
        _query_ struct query q = query_open(
            db, VERSION_SQL "WHERE v.model = :model AND v.number < :before ORDER BY v.number DESC LIMIT :limit");

        query_seq(&q, ":model", m);
        query_seq(&q, ":before", before != 0 ? before : UINT64_MAX);
        query_seq(&q, ":limit", limit != 0 ? limit : UINT64_MAX);
        arena_init(&a, SIZE_MAX);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                struct version v;
                if ((r = version_fill(&q, &a, &v, e)) != 0 || (r = each(arg, &v)) != 0)
                        break;
                arena_reset(&a);
        }
        arena_deinit(&a);
        return r;
}

int sqlite_version_list(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), list(db_of(s), m, before_number, limit, each, arg, e), e);
}

/* --- tensors --- */

static const char *const role_columns[] = {
    [TENSOR_THETA] = "theta", [TENSOR_FISHER] = "fisher", [TENSOR_ANCHOR] = "theta_old"};
_Static_assert(TENSOR_THETA == 1 && TENSOR_FISHER == 2 && TENSOR_ANCHOR == 3, "roles are columns, in this order");

static int tensor(struct db *db, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        struct digest d;
        _query_ struct query q =
            query_open(db, "SELECT number, theta, fisher, theta_old FROM version WHERE id = :id");

        query_seq(&q, ":id", v);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no such version");
        if (r != QUERY_ROW)
                return r;
        if (query_null(&q, "theta"))
                return err_set(e, STORE_NOT_FOUND, "version %" PRIu64 " was pruned", query_get_u64(&q, "number"));
        if (query_null(&q, role_columns[role]))
                return err_set(e, STORE_NOT_FOUND, "this version has no %s", role_columns[role]);
        query_get_digest(&q, role_columns[role], &d);
        return blob_read(db, &d, ret, P * sizeof(float), e);
}

int sqlite_version_tensor(struct store *s, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), tensor(db_of(s), v, role, ret, P, e), e);
}
