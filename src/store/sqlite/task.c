/* task.c: tasks, their classes and their records.
 *
 * An open task without given classes has those of its feedback so far (all of the model's when a row has targets),
 * expired rows too; when it is closed they are written down. */
#include "base/arena.h"
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include <errno.h>

int task_open_next(struct db *db, model_id m, const char *name, bool classes_fixed, task_id *ret, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO task (model, name, ordinal, state, classes_fixed, opened_ms) VALUES (:model, :name, "
            "(SELECT count(*) FROM task WHERE model = :model), :state, :classes_fixed, :now)");

        query_seq(&q, ":model", m);
        query_text(&q, ":name", name);
        query_int(&q, ":state", TASK_OPEN);
        query_int(&q, ":classes_fixed", classes_fixed);
        query_int(&q, ":now", db_now(db));
        int r = query_run(&q, e);
        *ret = (task_id)sqlite3_last_insert_rowid(db->h);
        return r;
}

int task_class_add(struct db *db, task_id t, uint32_t class, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT OR IGNORE INTO task_class (task, class) VALUES (:task, :class)");

        query_seq(&q, ":task", t);
        query_int(&q, ":class", class);
        return query_run(&q, e);
}

#define TASK_SQL                                                                                                     \
        "SELECT t.id AS id, t.model AS model, t.name AS name, t.ordinal AS ordinal, t.state AS state, "              \
        "t.classes_fixed AS classes_fixed, t.alpha AS alpha, t.opened_ms AS opened_ms, t.closed_ms AS closed_ms, "   \
        "t.closed_by AS closed_by, t.fisher AS fisher, t.n_outputs AS n_outputs, t.n_params AS n_params, "           \
        "t.fisher_kind AS fisher_kind, t.fisher_samples AS fisher_samples, "                                         \
        "t.fisher_protected AS fisher_protected, t.fisher_factor AS fisher_factor, t.fisher_trace AS fisher_trace, " \
        "t.importance AS importance, t.fisher_encoding AS fisher_encoding, t.fisher_kept AS fisher_kept, "           \
        "(SELECT b.size FROM blob b WHERE b.digest = t.fisher) AS fisher_bytes, "                                    \
        "(SELECT coalesce(sum(n), 0) FROM task_count c WHERE c.task = t.id AND c.holdout = 0) AS n_train, "          \
        "(SELECT coalesce(sum(n), 0) FROM task_count c WHERE c.task = t.id AND c.holdout = 1) AS n_holdout, "        \
        "(SELECT coalesce(max(seq), 0) FROM feedback f WHERE f.task = t.id) AS last_seq, "                           \
        "v.accuracy AS accuracy, v.loss AS loss, v.n AS evaluated FROM task t "                                      \
        "LEFT JOIN evaluation v ON v.version = t.closed_by AND v.task = t.id "

static const char given_sql[] = "SELECT class FROM task_class WHERE task = :task ORDER BY class";
static const char seen_sql[] =
    "SELECT class FROM task_count WHERE task = :task AND class >= 0 AND n > 0 UNION "
    "SELECT class FROM task_class WHERE task = :task UNION "
    "SELECT c.ordinal FROM class c JOIN task t ON t.model = c.model WHERE t.id = :task AND EXISTS "
    "(SELECT 1 FROM task_count k WHERE k.task = :task AND k.class = -1 AND k.n > 0) ORDER BY 1";

static int task_classes(struct db *db, struct task *t, struct arena *a, struct err *e)
{
        uint32_t *classes = arena_new_array(a, uint32_t, MODEL_MAX_CLASSES);
        size_t n = 0;
        int r;
        _query_ struct query q = query_open(db, t->classes_fixed || t->state == TASK_CLOSED ? given_sql : seen_sql);

        if (!classes)
                return err_oom(e);
        query_seq(&q, ":task", t->id);
        while ((r = query_step(&q, e)) == QUERY_ROW && n < MODEL_MAX_CLASSES)
                classes[n++] = (uint32_t)query_get_int(&q, "class");
        if (r != 0)
                return r < 0 ? r : err_set(e, -EBADMSG, "database: a task has too many classes");
        t->n_classes = n;
        t->classes = classes;
        return 0;
}

static void fisher_fill(struct query *q, struct ewc_fisher_info *ret)
{
        ret->kind = fisher_in_db(q, "fisher_kind");
        ret->n_samples = query_get_u64(q, "fisher_samples");
        ret->n_protected = query_get_u64(q, "fisher_protected");
        ret->factor = query_null(q, "fisher_factor") ? 0.0 : query_get_real(q, "fisher_factor");
        ret->trace = query_null(q, "fisher_trace") ? 0.0 : query_get_real(q, "fisher_trace");
}

static void stored_fill(struct query *q, struct fisher_stored *ret)
{
        ret->encoding = encoding_in_db(q, "fisher_encoding");
        ret->n_bytes = query_get_u64(q, "fisher_bytes");
        ret->n = query_get_u64(q, "n_params");
        ret->n_kept = query_null(q, "fisher_kept") ? ret->n : query_get_u64(q, "fisher_kept");
}

static int task_fill(struct query *q, struct arena *a, struct task *ret, struct err *e)
{
        struct task t = {
            .id = query_get_u64(q, "id"),
            .model = query_get_u64(q, "model"),
            .ordinal = (uint32_t)query_get_int(q, "ordinal"),
            .state = task_state_in_db(q, "state"),
            .classes_fixed = query_get_int(q, "classes_fixed") != 0,
            .alpha = query_get_real(q, "alpha"),
            .opened_ms = query_get_int(q, "opened_ms"),
            .closed_ms = query_get_int(q, "closed_ms"),
            .n_train = query_get_u64(q, "n_train"),
            .n_holdout = query_get_u64(q, "n_holdout"),
            .last_seq = query_get_u64(q, "last_seq"),
            .closed_by = query_get_u64(q, "closed_by"),
            .has_fisher = !query_null(q, "fisher"),
            .accuracy_at_close = query_get_real(q, "accuracy"),
            .loss_at_close = query_get_real(q, "loss"),
            .n_at_close = query_get_u64(q, "evaluated"),
            .importance = importance_in_db(q, "importance"),
        };

        fisher_fill(q, &t.fisher);
        stored_fill(q, &t.stored);
        query_get_name(q, "name", t.name, sizeof(t.name));
        if (q->rc != 0)
                return query_step(q, e);
        int r = task_classes(q->db, &t, a, e);
        if (r == 0)
                *ret = t;
        return r;
}

static int get(struct db *db, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e)
{
        _query_ struct query q = name ? query_open(db, TASK_SQL "WHERE t.model = :model AND t.name = :name")
                                      : query_open(db, TASK_SQL "WHERE t.model = :model AND t.state = 1");

        query_seq(&q, ":model", m);
        if (name)
                query_text(&q, ":name", name);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no task %.64s", name ? name : "is open");
        return r == QUERY_ROW ? task_fill(&q, a, ret, e) : r;
}

static int list(struct db *db, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e)
{
        struct task *tasks = arena_new_array(a, struct task, MODEL_MAX_TASKS);
        size_t n = 0;
        int r;
        _query_ struct query q = query_open(db, TASK_SQL "WHERE t.model = :model ORDER BY t.ordinal");

        if (!tasks)
                return err_oom(e);
        query_seq(&q, ":model", m);
        while ((r = query_step(&q, e)) == QUERY_ROW && n < MODEL_MAX_TASKS)
                if ((r = task_fill(&q, a, &tasks[n++], e)) != 0)
                        return r;
        if (r != 0)
                return r < 0 ? r : err_set(e, -EBADMSG, "database: a model has too many tasks");
        *ret = tasks;
        *ret_n = n;
        return 0;
}

int sqlite_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), get(db_of(s), m, name, a, ret, e), e);
}

int sqlite_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), list(db_of(s), m, a, ret, ret_n, e), e);
}

int sqlite_task_record(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
    size_t *ret_n_outputs, size_t *ret_n_params, struct err *e)
{
        struct ewc_fisher_info info;
        _query_ struct query q = query_open(db_of(s),
            "SELECT fisher_kind, fisher_samples, fisher_protected, fisher_factor, fisher_trace, n_outputs, n_params "
            "FROM task WHERE id = :id AND fisher IS NOT NULL");

        (void)a; /* nothing here needs memory */
        query_seq(&q, ":id", t);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no record of this task: it is not closed");
        if (r != QUERY_ROW)
                return r;
        fisher_fill(&q, &info);
        if (q.rc != 0)
                return query_step(&q, e);
        *ret_info = info;
        *ret_n_outputs = (size_t)query_get_u64(&q, "n_outputs");
        *ret_n_params = (size_t)query_get_u64(&q, "n_params");
        return 0;
}

/* packed: of the Fisher, its bytes as they are stored. */
static int tensor(struct db *db, task_id t, enum tensor_role role, bool packed, void *ret, size_t size, struct err *e)
{
        struct digest d;
        _query_ struct query q = query_open(
            db, "SELECT fisher, theta_old, fisher_encoding FROM task WHERE id = :id AND fisher IS NOT NULL");

        query_seq(&q, ":id", t);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no record of this task: it is not closed");
        if (r != QUERY_ROW)
                return r;
        query_get_digest(&q, role == TENSOR_FISHER ? "fisher" : "theta_old", &d);
        if (role == TENSOR_FISHER && packed != (encoding_in_db(&q, "fisher_encoding") != FISHER_PLAIN) && q.rc == 0)
                return err_set(e, -EINVAL, "store: this Fisher is stored %s", packed ? "as plain floats" : "packed");
        return q.rc != 0 ? query_step(&q, e) : blob_read(db, &d, ret, size, e);
}

int sqlite_task_tensor(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), tensor(db_of(s), t, role, false, ret, P * sizeof(float), e), e);
}

int sqlite_task_packed(struct store *s, task_id t, void *ret, size_t size, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), tensor(db_of(s), t, TENSOR_FISHER, true, ret, size, e), e);
}
