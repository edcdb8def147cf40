/* mem_task.c: tasks; counts and, while a task is open, its classes are taken from the rows each time. */
#include "base/err.h"
#include "base/mem.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include <errno.h>
#include <math.h>
#include <string.h>

struct mem_task *mem_task_named(struct mem *m, model_id model, const char *name)
{
        MEM_EACH(m, MEM_TASK, struct mem_task, t)
        if (t->t.model == model && strcmp(t->t.name, name) == 0)
                return t;
        return NULL;
}

struct mem_task *mem_task_open(struct mem *m, model_id model)
{
        MEM_EACH(m, MEM_TASK, struct mem_task, t)
        if (t->t.model == model && t->t.state == TASK_OPEN)
                return t;
        return NULL;
}

bool mem_task_classes(struct mem *m, const struct mem_task *t, struct arena *a, size_t *ret_n, const uint32_t **ret)
{
        const struct mem_model *model = mem_get(m, MEM_MODEL, t->t.model);
        bool given = t->t.classes_fixed || t->t.state == TASK_CLOSED;
        bool *seen = new_array(bool, MODEL_MAX_CLASSES);
        uint32_t *list = arena_new_array(a, uint32_t, MODEL_MAX_CLASSES);
        size_t n = 0;

        if (!seen || !list) {
                free(seen);
                return false;
        }
        for (size_t i = 0; i < t->t.n_classes; i++) /* of an open task those of expired rows */
                seen[t->t.classes[i]] = true;
        if (!given)
                MEM_EACH(m, MEM_ROW, struct mem_row, r)
                {
                        if (r->f.task != t->t.id || r->f.state != ROW_LIVE)
                                continue;
                        if (r->f.class >= 0)
                                seen[r->f.class] = true;
                        else
                                memset(seen, true, model->m.n_classes);
                }
        for (uint32_t c = 0; c < MODEL_MAX_CLASSES; c++)
                if (seen[c])
                        list[n++] = c;
        free(seen);
        *ret_n = n;
        *ret = list;
        return true;
}

static int task_copy(struct mem *m, const struct mem_task *from, struct arena *a, struct task *ret, struct err *e)
{
        struct task t = from->t;
        const struct mem_version *v = mem_get(m, MEM_VERSION, t.closed_by);

        if (!mem_task_classes(m, from, a, &t.n_classes, &t.classes))
                return err_oom(e);
        MEM_EACH(m, MEM_ROW, struct mem_row, r)
        {
                if (r->f.task != t.id)
                        continue;
                t.n_train += r->f.state == ROW_LIVE && !r->f.holdout;
                t.n_holdout += r->f.state == ROW_LIVE && r->f.holdout;
                t.last_seq = r->f.seq;
        }
        t.accuracy_at_close = t.loss_at_close = (double)NAN;
        for (size_t i = 0; v && i < v->v.n_evaluations; i++) {
                if (v->v.evaluations[i].task != t.id)
                        continue;
                t.accuracy_at_close = v->v.evaluations[i].accuracy;
                t.loss_at_close = v->v.evaluations[i].loss;
                t.n_at_close = v->v.evaluations[i].n;
        }
        *ret = t;
        return 0;
}

int mem_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e)
{
        struct mem_task *t = name ? mem_task_named(mem_of(s), m, name) : mem_task_open(mem_of(s), m);

        if (!t)
                return err_set(e, STORE_NOT_FOUND, "no task %.64s", name ? name : "is open");
        return task_copy(mem_of(s), t, a, ret, e);
}

int mem_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e)
{
        struct task *list = arena_new_array(a, struct task, MODEL_MAX_TASKS);
        size_t n = 0;
        int r;

        if (!list)
                return err_oom(e);
        MEM_EACH(mem_of(s), MEM_TASK, struct mem_task, t)
        if (t->t.model == m && n < MODEL_MAX_TASKS)
                if ((r = task_copy(mem_of(s), t, a, &list[n++], e)) != 0)
                        return r;
        *ret = list;
        *ret_n = n;
        return 0;
}

static const struct mem_task *closed(struct store *s, task_id t, struct err *e)
{
        const struct mem_task *r = mem_get(mem_of(s), MEM_TASK, t);

        if (r && r->t.has_fisher)
                return r;
        err_set(e, STORE_NOT_FOUND, "no record of this task: it is not closed");
        return NULL;
}

int mem_task_record(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
    size_t *ret_n_outputs, size_t *ret_n_params, struct err *e)
{
        const struct mem_task *r = closed(s, t, e);

        (void)a;
        if (!r)
                return STORE_NOT_FOUND;
        *ret_info = r->t.fisher;
        *ret_n_outputs = r->n_outputs;
        *ret_n_params = r->n_params;
        return 0;
}

int mem_task_tensor(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        const struct mem_task *r = closed(s, t, e);

        if (!r)
                return STORE_NOT_FOUND;
        if (role == TENSOR_FISHER && r->t.stored.encoding != FISHER_PLAIN)
                return err_set(e, -EINVAL, "store: this Fisher is stored packed");
        return mem_blob_read(mem_of(s), role == TENSOR_FISHER ? &r->fisher : &r->anchor, ret, P * sizeof(float), e);
}

int mem_task_packed(struct store *s, task_id t, void *ret, size_t size, struct err *e)
{
        const struct mem_task *r = closed(s, t, e);

        if (!r)
                return STORE_NOT_FOUND;
        if (r->t.stored.encoding == FISHER_PLAIN)
                return err_set(e, -EINVAL, "store: this Fisher is stored as plain floats");
        return mem_blob_read(mem_of(s), &r->fisher, ret, size, e);
}
