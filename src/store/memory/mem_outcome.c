/* mem_outcome.c: how jobs end with a version. */
#include "base/err.h"
#include "base/str.h"
#include "store/memory/mem_fate.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static int judging(struct mem *m, job_id id, struct mem_job *ret, struct err *e)
{
        const struct mem_job *j = mem_get(m, MEM_JOB, id);

        if (!j)
                return err_set(e, STORE_NOT_FOUND, "no job %" PRIu64, id);
        if (j->j.state != JOB_JUDGING)
                return err_set(
                    e, STORE_CONFLICT, "job %" PRIu64 " is %s, not judging", id, job_state_name(j->j.state));
        *ret = *j;
        return 0;
}

static int look(struct mem *m, const struct outcome *o, bool rollover, struct mem_job *ret, struct err *e)
{
        int r = judging(m, o->job, ret, e);
        if (r != 0)
                return r;

        enum job_kind kind = ret->j.kind;
        if (rollover ? kind != JOB_ROLLOVER : kind != JOB_CONSOLIDATE && kind != JOB_REWEIGHT)
                return err_set(e, -EINVAL, "store: job %" PRIu64 " is a %s: it does not end with this commit", o->job,
                    job_kind_name(kind));
        if (ret->j.dry_run && o->promote)
                return err_set(e, -EINVAL, "store: job %" PRIu64 " is a dry run: nothing is promoted", o->job);
        if (o->candidate && kind != JOB_CONSOLIDATE && !ret->j.dry_run)
                return err_set(e, -EINVAL,
                    "store: job %" PRIu64 " is a %s: its version serves at once, or not at all", o->job,
                    job_kind_name(kind));
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

/* What is kept of an evaluation: scores per output are not, and how it compares stands with the later one. */
static struct evaluation kept(const struct evaluation *v, bool before)
{
        struct evaluation k = *v;

        k.n_outputs = 0;
        k.outputs = NULL;
        if (before) {
                k.n_won = k.n_lost = 0;
                k.predicted = (double)NAN;
        }
        return k;
}

static struct seq_range trained(struct mem *m, const struct job *j)
{
        const struct mem_version *parent = mem_get(m, MEM_VERSION, j->parent);
        return j->kind == JOB_REWEIGHT ? parent->v.range : j->range; /* a reweight's theta is its parent's */
}

static int version_push(
    struct mem *m, const struct mem_job *j, const struct outcome *o, version_id *ret, struct err *e)
{
        static const struct digest none = {{0}};
        struct mem_version v = {.v = {.id = m->t[MEM_VERSION].n + 1,
                                    .model = j->j.model,
                                    .number = 1,
                                    .state = outcome_version_state(o),
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
                                    .prior = o->prior,
                                    .seed = j->j.seed,
                                    .range = trained(m, &j->j),
                                    .strategy = j->j.strategy,
                                    .threads = o->threads,
                                    .n_train = o->n_train,
                                    .job_file = o->job_file,
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
        v.v.gate = o->gate ? arena_strdup(&m->a, o->gate) : NULL;
        struct evaluation *list = arena_new_array(&m->a, struct evaluation, o->n_evaluations);
        if (!v.v.outputs || (o->gate && !v.v.gate) || !list)
                return err_oom(e);
        for (size_t i = 0; i < o->n_evaluations; i++)
                list[i] = kept(&o->after[i], false);
        v.v.evaluations = list;
        return mem_push(m, MEM_VERSION, &v, sizeof(v), ret) ? 0 : err_oom(e);
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
                tasks[i].before = kept(&o->before[i], true);
                tasks[i].after = kept(&o->after[i], false);
        }
        j->replayed = outcome_replayed(o, j->j.kind, j->j.strategy);
        j->j.state = outcome_job_state(o);
        j->j.version = v;
        j->j.version_number = version->v.number;
        j->j.lambda = o->lambda;
        j->j.n_tasks = o->n_evaluations;
        j->j.tasks = tasks;
        j->j.ended_ms = mem_now(m);
        str_copy(j->j.reason, sizeof(j->j.reason), o->reason);
        return mem_set(m, MEM_JOB, j->j.id, j, sizeof(*j)) ? 0 : err_oom(e);
}

static int use_range(struct mem *m, const struct job *j, struct err *e)
{
        struct mem_model model = *(struct mem_model *)mem_get(m, MEM_MODEL, j->model);

        if (j->kind == JOB_ROLLOVER || j->range.last > model.used_seq)
                model.used_seq = j->range.last;
        return mem_set(m, MEM_MODEL, model.m.id, &model, sizeof(model)) ? 0 : err_oom(e);
}

static int challenge(struct mem *m, const struct mem_job *j, const struct outcome *o, version_id v, struct err *e)
{
        const struct mem_alias *a = mem_alias_find(m, j->j.model, "challenger", NULL);
        const struct alias old = a ? a->a : (struct alias){0};
        int r = mem_alias_move(m, j->j.model, "challenger", v, old.epoch + 1, e);

        return r != 0 ? r
                      : mem_audit(m, j->j.model, j->who, "alias.set",
                            words_alias("challenger", j->j.version_number, old.number, old.epoch + 1, o->reason).text,
                            e);
}

static int settle(struct mem *m, struct mem_job *j, const struct outcome *o, version_id *ret, struct err *e)
{
        const struct alias champion = mem_alias_find(m, j->j.model, "champion", NULL)->a;
        bool consumes = !j->j.dry_run && j->j.kind != JOB_REWEIGHT;
        int r;

        if (o->promote && champion.version != j->j.parent)
                return err_set(e, STORE_CONFLICT, "parent replaced: another version became champion meanwhile");
        if ((r = version_push(m, j, o, ret, e)) != 0 || (r = job_end(m, j, o, *ret, e)) != 0 ||
            (consumes && (r = use_range(m, &j->j, e)) != 0))
                return r;
        if (o->promote) {
                r = mem_alias_move(m, j->j.model, "champion", *ret, champion.epoch + 1, e);
                return r != 0 ? r : mem_challenger_superseded(m, j->j.model, j->who, e);
        }
        return o->candidate && !j->j.dry_run ? challenge(m, j, o, *ret, e) : 0;
}

static int audit_verdict(struct mem *m, const struct mem_job *j, const struct outcome *o, struct err *e)
{
        return mem_audit(m, j->j.model, j->who, outcome_what(o),
            words_outcome(j->j.id, j->j.version_number, j->j.state, j->j.dry_run, o->reason).text, e);
}

static int consolidate(struct mem *m, const struct outcome *o, version_id *ret, struct err *e)
{
        struct mem_job j;
        int r;

        if ((r = look(m, o, false, &j, e)) != 0 || (r = settle(m, &j, o, ret, e)) != 0 ||
            (r = audit_verdict(m, &j, o, e)) != 0 ||
            (o->promote && (r = mem_weights_follow(m, j.j.model, j.j.id, j.who, e)) != 0))
                return r;
        return mem_vote_waiting(m, j.j.model, e);
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

static int end_rebuild(struct mem *m, job_id id, bool same, const char *reason, struct err *e)
{
        struct mem_job j;
        int r = judging(m, id, &j, e);

        if (r != 0)
                return r;
        if (j.j.kind != JOB_REBUILD)
                return err_set(
                    e, -EINVAL, "store: job %" PRIu64 " is a %s, not a rebuild", id, job_kind_name(j.j.kind));
        j.j.state = same ? JOB_VERIFIED : JOB_REJECTED;
        j.j.ended_ms = mem_now(m);
        str_copy(j.j.reason, sizeof(j.j.reason), reason);
        if (!mem_set(m, MEM_JOB, id, &j, sizeof(j)))
                return err_oom(e);
        if ((r = mem_vote_waiting(m, j.j.model, e)) != 0)
                return r;
        const struct mem_version *v = mem_get(m, MEM_VERSION, j.j.rebuild_of);
        return mem_audit(
            m, j.j.model, j.who, "version.rebuild", words_rebuild(id, v->v.number, same, reason).text, e);
}

int mem_rebuild_commit(struct store *s, job_id id, bool same, const char *reason, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        return mem_settle(mem_of(s), &k, end_rebuild(mem_of(s), id, same, reason, e));
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
        t.t.alpha = t.closed_alpha = c->alpha;
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

        if ((r = look(m, o, true, &j, e)) != 0 || (r = settle(m, &j, o, ret, e)) != 0)
                return r;
        if (!c)
                return (r = audit_verdict(m, &j, o, e)) != 0 ? r : mem_vote_waiting(m, j.j.model, e);
        if ((r = open_next(m, &j, &next, e)) != 0 || (r = hand_over(m, j.j.task, next, j.j.range.last, e)) != 0 ||
            (r = close_task(m, &j, o, c, *ret, e)) != 0)
                return r;
        const struct mem_task *closed = mem_get(m, MEM_TASK, j.j.task);
        if ((r = mem_audit(m, j.j.model, j.who, "task.rollover",
                 words_rollover(j.j.id, j.j.version_number, closed->t.name, j.j.next_task, o->reason).text, e)) !=
                0 ||
            (r = mem_weights_follow(m, j.j.model, j.j.id, j.who, e)) != 0)
                return r;
        return mem_vote_waiting(m, j.j.model, e);
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
