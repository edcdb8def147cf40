/* mem_model.c: models. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool model_copy(struct arena *a, const struct model *from, struct model *ret)
{
        *ret = *from;
        return (ret->spec_json = arena_strdup(a, from->spec_json)) &&
               (ret->learning_json = arena_strdup(a, from->learning_json)) &&
               (ret->classes = mem_strings(a, from->classes, from->n_classes));
}

static struct mem_model *find(struct mem *m, const char *name)
{
        MEM_EACH(m, MEM_MODEL, struct mem_model, r)
        if (strcmp(r->m.name, name) == 0)
                return r;
        return NULL;
}

static int first_task(struct mem *m, const struct model_new *n, model_id id, task_id *ret, struct err *e)
{
        struct mem_task t = {.t = {.id = m->t[MEM_TASK].n + 1,
                                 .model = id,
                                 .state = TASK_OPEN,
                                 .classes_fixed = n->n_task_classes > 0,
                                 .n_classes = n->n_task_classes,
                                 .alpha = 1.0,
                                 .opened_ms = mem_now(m)}};

        str_copy(t.t.name, sizeof(t.t.name), n->task);
        if (n->n_task_classes > 0)
                t.t.classes = arena_memdup(&m->a, n->task_classes, n->n_task_classes * sizeof(uint32_t));
        return mem_push(m, MEM_TASK, &t, sizeof(t), ret) ? 0 : err_oom(e);
}

static int first_version(
    struct mem *m, const struct model_new *n, model_id id, task_id t, version_id *ret, struct err *e)
{
        struct mem_version v = {.v = {.id = m->t[MEM_VERSION].n + 1,
                                    .model = id,
                                    .number = 1,
                                    .state = VERSION_INITIAL,
                                    .n_outputs = n->n_outputs,
                                    .n_params = n->n_params,
                                    .seed = n->seed,
                                    .range = {1, 0},
                                    .reason = "initial",
                                    .created_ms = mem_now(m)}};
        struct output_row *rows = arena_memdup(&m->a, n->outputs, n->n_outputs * sizeof(*rows));
        int r = mem_blob_put(m, n->theta, n->n_params * sizeof(float), &v.v.theta, e);

        if (r != 0)
                return r;
        if (!rows)
                return err_oom(e);
        for (size_t i = 0; i < n->n_outputs; i++)
                if (rows[i].task != 0)
                        rows[i].task = t;
        v.v.outputs = rows;
        str_copy(v.v.program, sizeof(v.v.program), EWCD_PROGRAM);
        return mem_push(m, MEM_VERSION, &v, sizeof(v), ret) ? 0 : err_oom(e);
}

static int create(struct mem *m, const struct model_new *n, model_id *ret, struct err *e)
{
        struct mem_model r = {.m = {.id = m->t[MEM_MODEL].n + 1, .scenario = n->scenario, .created_ms = mem_now(m)}};
        version_id v = 0;
        task_id t = 0;
        int x;

        if (find(m, n->name))
                return err_set(e, STORE_EXISTS, "model %s exists already", n->name);
        str_copy(r.m.name, sizeof(r.m.name), n->name);
        r.m.spec_json = arena_strdup(&m->a, n->spec_json);
        r.m.learning_json = arena_strdup(&m->a, n->learning_json);
        r.m.n_classes = n->n_classes;
        r.m.classes = mem_strings(&m->a, n->classes, n->n_classes);
        if (!r.m.spec_json || !r.m.learning_json || !r.m.classes || !mem_push(m, MEM_MODEL, &r, sizeof(r), ret))
                return err_oom(e);
        if ((x = first_task(m, n, *ret, &t, e)) != 0 || (x = first_version(m, n, *ret, t, &v, e)) != 0 ||
            (x = mem_alias_move(m, *ret, "champion", v, 1, e)) != 0)
                return x;
        return mem_audit(m, *ret, n->who, "model.create", words_model(n).text, e);
}

int mem_model_create(struct store *s, const struct model_new *n, model_id *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        struct mem_mark k = mem_mark(m);
        model_id id = 0;
        int r = mem_settle(m, &k, create(m, n, &id, e));

        if (r == 0)
                *ret = id;
        return r;
}

int mem_model_get(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e)
{
        struct mem_model *r = find(mem_of(s), name);

        if (!r)
                return err_set(e, STORE_NOT_FOUND, "no model %.64s", name);
        return model_copy(a, &r->m, ret) ? 0 : err_oom(e);
}

int mem_model_by_id(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e)
{
        struct mem_model *r = mem_get(mem_of(s), MEM_MODEL, id);

        if (!r)
                return err_set(e, STORE_NOT_FOUND, "no such model");
        return model_copy(a, &r->m, ret) ? 0 : err_oom(e);
}

int mem_model_list(struct store *s, store_model_fn each, void *arg, struct err *e)
{
        struct mem *m = mem_of(s);
        const char *last = "";

        for (;;) { /* by name: the smallest above the last one */
                const struct mem_model *next = NULL;
                MEM_EACH(m, MEM_MODEL, struct mem_model, r)
                if (strcmp(r->m.name, last) > 0 && (!next || strcmp(r->m.name, next->m.name) < 0))
                        next = r;
                if (!next)
                        return 0;
                int r = each(arg, &next->m);
                if (r != 0)
                        return r;
                last = next->m.name;
        }
        (void)e;
}
