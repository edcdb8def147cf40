/* model.c: models and their classes. Creation is one transaction: model, classes, first task, version 1 with its
 * tensor, alias champion, audit. */
#include "base/arena.h"
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <string.h>

static int name_free(struct db *db, const char *name, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT 1 AS taken FROM model WHERE name = :name");

        query_text(&q, ":name", name);
        int r = query_step(&q, e);
        return r == QUERY_ROW ? err_set(e, STORE_EXISTS, "model %s exists already", name) : r;
}

static int model_row(struct db *db, const struct model_new *m, model_id *ret, struct err *e)
{
        _query_ struct query q = query_open(db, "INSERT INTO model (name, scenario, spec, learning, created_ms) "
                                                "VALUES (:name, :scenario, :spec, :learning, :now)");

        query_text(&q, ":name", m->name);
        query_int(&q, ":scenario", m->scenario);
        query_text(&q, ":spec", m->spec_json);
        query_text(&q, ":learning", m->learning_json);
        query_int(&q, ":now", db_now(db));
        int r = query_run(&q, e);
        *ret = (model_id)sqlite3_last_insert_rowid(db->h);
        return r;
}

int class_add(struct db *db, model_id m, size_t ordinal, const char *name, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT INTO class (model, ordinal, name) VALUES (:model, :ordinal, :name)");

        query_seq(&q, ":model", m);
        query_seq(&q, ":ordinal", ordinal);
        query_text(&q, ":name", name);
        return query_run(&q, e);
}

static int first_version(struct db *db, const struct model_new *m, model_id id, version_id *ret, struct err *e)
{
        struct digest theta;
        int r = blob_put(db, m->theta, m->n_params * sizeof(float), &theta, e);
        if (r != 0)
                return r;

        _query_ struct query q = query_open(db,
            "INSERT INTO version (model, number, state, n_params, theta, seed, range_first, range_last, program, "
            "reason, "
            "created_ms) VALUES (:model, 1, :state, :n_params, :theta, :seed, 1, 0, :program, 'initial', :now)");
        query_seq(&q, ":model", id);
        query_int(&q, ":state", VERSION_INITIAL);
        query_seq(&q, ":n_params", m->n_params);
        query_digest(&q, ":theta", &theta);
        query_u64(&q, ":seed", m->seed);
        query_text(&q, ":program", EWCD_PROGRAM);
        query_int(&q, ":now", db_now(db));
        r = query_run(&q, e);
        *ret = (version_id)sqlite3_last_insert_rowid(db->h);
        return r;
}

/* The creator does not know the first task's id yet: any task other than 0 in its outputs means that one. */
static int first_outputs(struct db *db, const struct model_new *m, version_id v, task_id t, struct err *e)
{
        for (size_t i = 0; i < m->n_outputs; i++) {
                _query_ struct query q = query_open(db, "INSERT INTO version_output (version, ordinal, task, class) "
                                                        "VALUES (:version, :ordinal, :task, :class)");
                query_seq(&q, ":version", v);
                query_seq(&q, ":ordinal", i);
                query_id(&q, ":task", m->outputs[i].task != 0 ? t : 0);
                query_int(&q, ":class", m->outputs[i].class);
                int r = query_run(&q, e);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int create(struct db *db, const struct model_new *m, model_id *ret, struct err *e)
{
        version_id v = 0;
        task_id t = 0;
        int r = name_free(db, m->name, e);

        if (r != 0 || (r = model_row(db, m, ret, e)) != 0)
                return r;
        for (size_t i = 0; i < m->n_classes; i++)
                if ((r = class_add(db, *ret, i, m->classes[i], e)) != 0)
                        return r;
        if ((r = task_open_next(db, *ret, m->task, m->n_task_classes > 0, &t, e)) != 0)
                return r;
        for (size_t i = 0; i < m->n_task_classes; i++)
                if ((r = task_class_add(db, t, m->task_classes[i], e)) != 0)
                        return r;
        if ((r = first_version(db, m, *ret, &v, e)) != 0 || (r = first_outputs(db, m, v, t, e)) != 0 ||
            (r = alias_move(db, *ret, "champion", v, 1, e)) != 0)
                return r;
        return audit_add(db, *ret, m->who, "model.create", words_model(m).text, e);
}

int sqlite_model_create(struct store *s, const struct model_new *m, model_id *ret, struct err *e)
{
        struct db *db = db_of(s);
        model_id id = 0;
        int r = tx_enter(db, e);

        if (r == 0)
                r = tx_leave(db, create(db, m, &id, e), e);
        if (r == 0)
                *ret = id;
        return r;
}

int class_list(struct db *db, model_id m, struct arena *a, size_t *ret_n, const char *const **ret, struct err *e)
{
        const char **names = arena_new_array(a, const char *, MODEL_MAX_CLASSES);
        size_t n = 0;
        int r;
        _query_ struct query q = query_open(db, "SELECT name FROM class WHERE model = :model ORDER BY ordinal");

        if (!names)
                return err_oom(e);
        query_seq(&q, ":model", m);
        while ((r = query_step(&q, e)) == QUERY_ROW && n < MODEL_MAX_CLASSES)
                names[n++] = query_get_dup(&q, "name", a);
        if (r != 0)
                return r < 0 ? r : err_set(e, -EBADMSG, "database: a model has too many classes");
        *ret_n = n;
        *ret = names;
        return 0;
}

#define MODEL_SQL "SELECT id, name, scenario, spec, learning, created_ms FROM model "

static int model_fill(struct query *q, struct arena *a, struct model *ret, struct err *e)
{
        struct model m = {
            .id = query_get_u64(q, "id"),
            .scenario = scenario_in_db(q, "scenario"),
            .spec_json = query_get_dup(q, "spec", a),
            .learning_json = query_get_dup(q, "learning", a),
            .created_ms = query_get_int(q, "created_ms"),
        };

        query_get_name(q, "name", m.name, sizeof(m.name));
        if (q->rc != 0)
                return query_step(q, e);
        int r = class_list(q->db, m.id, a, &m.n_classes, &m.classes, e);
        if (r == 0)
                *ret = m;
        return r;
}

static int get_by_name(struct db *db, const char *name, struct arena *a, struct model *ret, struct err *e)
{
        _query_ struct query q = query_open(db, MODEL_SQL "WHERE name = :name");

        query_text(&q, ":name", name);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no model %.64s", name);
        return r == QUERY_ROW ? model_fill(&q, a, ret, e) : r;
}

static int get_by_id(struct db *db, model_id id, struct arena *a, struct model *ret, struct err *e)
{
        _query_ struct query q = query_open(db, MODEL_SQL "WHERE id = :id");

        query_seq(&q, ":id", id);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no such model");
        return r == QUERY_ROW ? model_fill(&q, a, ret, e) : r;
}

static int list(struct db *db, store_model_fn each, void *arg, struct err *e)
{
        struct arena a;
        int r;
        _query_ struct query q = query_open(db, MODEL_SQL "ORDER BY name");

        arena_init(&a, SIZE_MAX);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                struct model m;
                if ((r = model_fill(&q, &a, &m, e)) != 0 || (r = each(arg, &m)) != 0)
                        break;
                arena_reset(&a);
        }
        arena_deinit(&a);
        return r;
}

int sqlite_model_get(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), get_by_name(db_of(s), name, a, ret, e), e);
}

int sqlite_model_by_id(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), get_by_id(db_of(s), id, a, ret, e), e);
}

int sqlite_model_list(struct store *s, store_model_fn each, void *arg, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), list(db_of(s), each, arg, e), e);
}
