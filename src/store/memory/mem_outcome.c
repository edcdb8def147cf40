/* mem_outcome.c: how jobs end with a version. */
#include "base/err.h"
#include "base/str.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int look(struct mem *m, job_id id, enum job_kind kind, struct mem_job *ret, struct err *e)
{
        const struct mem_job *j = mem_get(m, MEM_JOB, id);

        if (!j)
                return err_set(e, STORE_NOT_FOUND, "no job %" PRIu64, id);
        if (j->j.state != JOB_JUDGING)
                return err_set(
                    e, STORE_CONFLICT, "job %" PRIu64 " is %s, not judging", id, job_state_name(j->j.state));
        if (j->j.kind != kind)
                return err_set(e, -EINVAL, "store: job %" PRIu64 " is of the other kind", id);
        *ret = *j;
        return 0;
}

static int require_blobs(struct mem *m, const struct outcome *o, bool has_fisher, struct err *e)
{
        size_t size = o->n_params * sizeof(float);
        int r = mem_blob_require(m, &o->theta, size, e);

        if (r == 0 && has_fisher)
                r = mem_blob_require(m, &o->fisher, size, e);
        if (r == 0 && has_fisher)
                r = mem_blob_require(m, &o->anchor, size, e);
        return r;
}

static int version_push(
    struct mem *m, const struct mem_job *j, const struct outcome *o, version_id *ret, struct err *e)
{
        static const struct digest none = {{0}};
        struct mem_version v = {.v = {.id = m->t[MEM_VERSION].n + 1,
                                    .model = j->j.model,
                                    .number = 1,
                                    .state = o->promote ? VERSION_PROMOTED : VERSION_REJECTED,
                                    .parent = j->j.parent,
                                    .parent_number = j->j.parent_number,
                                    .job = j->j.id,
                                    .task = j->j.task,
                                    .n_outputs = o->n_outputs,
                                    .n_params = o->n_params,
                                    .theta = o->theta,
                                    .fisher = o->fisher,
                                    .anchor = o->anchor,
                                    .has_fisher = !digest_eq(&o->fisher, &none),
                                    .fisher_scale = o->fisher_scale,
                                    .fisher_kind = o->fisher_kind,
                                    .importance = o->importance,
                                    .fisher_samples = o->fisher_samples,
                                    .lambda = o->lambda,
                                    .seed = j->j.seed,
                                    .range = j->j.range,
                                    .n_evaluations = o->n_evaluations,
                                    .created_ms = mem_now(m)}};
        int r = require_blobs(m, o, v.v.has_fisher, e);

        if (r != 0)
                return r;
        MEM_EACH(m, MEM_VERSION, struct mem_version, x)
        if (x->v.model == j->j.model)
                v.v.number = x->v.number + 1;
        str_copy(v.v.program, sizeof(v.v.program), o->program);
        str_copy(v.v.reason, sizeof(v.v.reason), o->reason);
        v.v.outputs = arena_memdup(&m->a, o->outputs, o->n_outputs * sizeof(*o->outputs));
        if (o->n_evaluations > 0) {
                v.v.evaluations = arena_memdup(&m->a, o->after, o->n_evaluations * sizeof(*o->after));
                v.before = arena_memdup(&m->a, o->before, o->n_evaluations * sizeof(*o->before));
                if (!v.v.evaluations || !v.before)
                        return err_oom(e);
        }
        return v.v.outputs && mem_push(m, MEM_VERSION, &v, sizeof(v), ret) ? 0 : err_oom(e);
}

static int job_end(struct mem *m, struct mem_job *j, const struct outcome *o, version_id v, struct err *e)
{
        const struct mem_version *version = mem_get(m, MEM_VERSION, v);
        struct job_task *tasks = arena_new_array(&m->a, struct job_task, o->n_evaluations);

        if (!tasks || (o->tries && !(j->j.tries = arena_strdup(&m->a, o->tries))))
                return err_oom(e);
        for (size_t i = 0; i < o->n_evaluations; i++) {
                const struct mem_task *t = mem_get(m, MEM_TASK, o->after[i].task);
                if (!t)
                        return err_set(e, -EPROTO, "store: an evaluation of no task");
                str_copy(tasks[i].name, sizeof(tasks[i].name), t->t.name);
                tasks[i].before = o->before[i];
                tasks[i].after = o->after[i];
        }
        j->j.state = o->promote ? JOB_PROMOTED : JOB_REJECTED;
        j->j.version = v;
        j->j.version_number = version->v.number;
        j->j.lambda = o->lambda;
        j->j.n_tasks = o->n_evaluations;
        j->j.tasks = tasks;
        j->j.ended_ms = mem_now(m);
        str_copy(j->j.reason, sizeof(j->j.reason), o->reason);
        return mem_set(m, MEM_JOB, j->j.id, j, sizeof(*j)) ? 0 : err_oom(e);
}

static int settle(struct mem *m, struct mem_job *j, const struct outcome *o, version_id *ret, struct err *e)
{
        const struct alias champion = mem_alias_find(m, j->j.model, "champion", NULL)->a;
        int r;

        if (o->promote && champion.version != j->j.parent)
                return err_set(e, STORE_CONFLICT, "parent replaced: another version became champion meanwhile");
        if ((r = version_push(m, j, o, ret, e)) != 0 || (r = job_end(m, j, o, *ret, e)) != 0)
                return r;
        struct mem_model model = *(struct mem_model *)mem_get(m, MEM_MODEL, j->j.model);
        if (j->j.range.last > model.used_seq)
                model.used_seq = j->j.range.last;
        if (!mem_set(m, MEM_MODEL, model.m.id, &model, sizeof(model)))
                return err_oom(e);
        return o->promote ? mem_alias_move(m, j->j.model, "champion", *ret, champion.epoch + 1, e) : 0;
}

static int consolidate(struct mem *m, const struct outcome *o, version_id *ret, struct err *e)
{
        struct mem_job j;
        int r;

        if ((r = look(m, o->job, JOB_CONSOLIDATE, &j, e)) != 0 || (r = settle(m, &j, o, ret, e)) != 0)
                return r;
        return mem_audit(m, j.j.model, j.who, o->promote ? "version.promote" : "version.reject",
            words_outcome(j.j.id, j.j.version_number, o->promote, o->reason).text, e);
}

int mem_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        version_id v = 0;
        int r = mem_settle(mem_of(s), &k, consolidate(mem_of(s), o, &v, e));

        if (r == 0)
                *ret = v;
        return r;
}

/* --- rollover --- */

static int hand_over(struct mem *m, task_id from, task_id to, uint64_t last, struct err *e)
{
        for (uint64_t id = last + 1; id <= m->t[MEM_ROW].n; id++) {
                struct mem_row r = *(struct mem_row *)mem_get(m, MEM_ROW, id);
                if (r.f.task != from || r.f.task_named)
                        continue;
                r.f.task = to;
                if (!mem_set(m, MEM_ROW, id, &r, sizeof(r)))
                        return err_oom(e);
        }
        return 0;
}

static int close_task(struct mem *m, const struct mem_job *j, const struct outcome *o, const struct task_close *c,
    version_id v, struct err *e)
{
        struct mem_task t = *(struct mem_task *)mem_get(m, MEM_TASK, j->j.task);
        size_t size = o->n_params * sizeof(float);
        bool packed = c->stored.encoding != FISHER_PLAIN;
        int r;

        if ((r = mem_blob_require(m, &c->fisher, packed ? (size_t)c->stored.n_bytes : size, e)) != 0 ||
            (r = mem_blob_require(m, &c->anchor, size, e)) != 0)
                return r;
        if (!mem_task_classes(m, &t, &m->a, &t.t.n_classes, &t.t.classes))
                return err_oom(e);
        t.t.state = TASK_CLOSED;
        t.t.alpha = c->alpha;
        t.t.closed_ms = mem_now(m);
        t.t.closed_by = v;
        t.t.has_fisher = true;
        t.t.fisher = c->info;
        t.t.importance = c->importance;
        t.t.stored = packed ? c->stored : (struct fisher_stored){FISHER_PLAIN, size, o->n_params, o->n_params};
        t.fisher = c->fisher;
        t.anchor = c->anchor;
        t.n_outputs = c->n_outputs;
        t.n_params = o->n_params;
        return mem_set(m, MEM_TASK, t.t.id, &t, sizeof(t)) ? 0 : err_oom(e);
}

/* Index of a class of that name, appended when the model lacks it; -1: no memory. */
static int64_t class_of(struct mem *m, struct mem_model *model, const char *name)
{
        for (size_t i = 0; i < model->m.n_classes; i++)
                if (strcmp(model->m.classes[i], name) == 0)
                        return (int64_t)i;
        size_t n = model->m.n_classes;
        const char **names = arena_new_array(&m->a, const char *, n + 1);
        if (!names)
                return -1;
        if (n > 0)
                memcpy(names, model->m.classes, n * sizeof(*names));
        if (!(names[n] = arena_strdup(&m->a, name)))
                return -1;
        model->m.classes = names;
        model->m.n_classes = n + 1;
        return (int64_t)n;
}

static int open_next(struct mem *m, const struct mem_job *j, task_id *ret, struct err *e)
{
        struct mem_model model = *(struct mem_model *)mem_get(m, MEM_MODEL, j->j.model);
        struct mem_task t = {.t = {.id = m->t[MEM_TASK].n + 1,
                                 .model = j->j.model,
                                 .state = TASK_OPEN,
                                 .classes_fixed = j->j.next_classes_given,
                                 .alpha = 1.0,
                                 .opened_ms = mem_now(m)}};
        uint32_t *classes = arena_new_array(&m->a, uint32_t, j->j.n_next_classes);

        if (!classes)
                return err_oom(e);
        for (size_t i = 0; i < j->j.n_next_classes; i++) {
                int64_t c = class_of(m, &model, j->j.next_classes[i]);
                if (c < 0)
                        return err_oom(e);
                classes[t.t.n_classes++] = (uint32_t)c;
        }
        MEM_EACH(m, MEM_TASK, struct mem_task, x)
        t.t.ordinal += x->t.model == j->j.model;
        t.t.classes = classes;
        str_copy(t.t.name, sizeof(t.t.name), j->j.next_task);
        return mem_push(m, MEM_TASK, &t, sizeof(t), ret) && mem_set(m, MEM_MODEL, model.m.id, &model, sizeof(model))
                   ? 0
                   : err_oom(e);
}

static int roll(struct mem *m, const struct outcome *o, const struct task_close *c, version_id *ret, struct err *e)
{
        struct mem_job j;
        task_id next = 0;
        int r;

        if ((r = look(m, o->job, JOB_ROLLOVER, &j, e)) != 0 || (r = settle(m, &j, o, ret, e)) != 0)
                return r;
        if (!c)
                return mem_audit(m, j.j.model, j.who, "version.reject",
                    words_outcome(j.j.id, j.j.version_number, false, o->reason).text, e);
        if ((r = open_next(m, &j, &next, e)) != 0 || (r = hand_over(m, j.j.task, next, j.j.range.last, e)) != 0 ||
            (r = close_task(m, &j, o, c, *ret, e)) != 0)
                return r;
        const struct mem_task *closed = mem_get(m, MEM_TASK, j.j.task);
        return mem_audit(m, j.j.model, j.who, "task.rollover",
            words_rollover(j.j.id, j.j.version_number, closed->t.name, j.j.next_task, o->reason).text, e);
}

int mem_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        version_id v = 0;
        int r = mem_settle(mem_of(s), &k, roll(mem_of(s), o, close, &v, e));

        if (r == 0)
                *ret = v;
        return r;
}
