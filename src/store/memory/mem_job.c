/* mem_job.c: jobs until they are judged. */
#include "base/err.h"
#include "base/str.h"
#include "store/memory/mem_fate.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool has_class(const struct mem_model *model, const char *name)
{
        for (size_t i = 0; i < model->m.n_classes; i++)
                if (strcmp(model->m.classes[i], name) == 0)
                        return true;
        return false;
}

static int may_create(struct mem *m, const struct job_new *n, const struct mem_model *model, struct err *e)
{
        if (!model)
                return err_set(e, STORE_NOT_FOUND, "no such model");
        for (size_t i = 0; model->m.scenario != SCENARIO_CLASS && i < n->n_next_classes; i++)
                if (!has_class(model, n->next_classes[i]))
                        return err_set(e, STORE_NOT_FOUND, "the model has no class %s, and its classes are fixed",
                            n->next_classes[i]);
        if (model->m.n_classes + n->n_next_classes > MODEL_MAX_CLASSES && model->m.scenario == SCENARIO_CLASS)
                return err_set(e, -EINVAL, "store: a model has at most %d classes", MODEL_MAX_CLASSES);
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        if (j->j.model == n->model && !job_has_ended(j->j.state))
                return err_set(e, STORE_CONFLICT, "job %" PRIu64 " of this model is still active", j->j.id);
        if (n->next_task && mem_task_named(m, n->model, n->next_task))
                return err_set(e, STORE_EXISTS, "task %s exists already", n->next_task);
        return 0;
}

struct about { /* what a job is about beside its model, for the audit */
        const char *task;
        uint64_t rebuilt;
};

static int about(struct mem *m, const struct job_new *n, struct about *ret, struct err *e)
{
        const struct mem_task *t = n->alpha_task != 0 ? mem_get(m, MEM_TASK, n->alpha_task) : NULL;
        const struct mem_version *v = n->rebuild_of != 0 ? mem_get(m, MEM_VERSION, n->rebuild_of) : NULL;

        if (n->alpha_task != 0 && (!t || t->t.model != n->model || t->t.state != TASK_CLOSED))
                return err_set(e, STORE_NOT_FOUND, "no closed task to reweight");
        if (n->rebuild_of != 0 && (!v || v->v.model != n->model || v->v.job == 0))
                return err_set(e, STORE_NOT_FOUND, "no version to rebuild that a job has trained");
        *ret = (struct about){t ? t->t.name : NULL, v ? v->v.number : 0};
        return 0;
}

static int create(struct mem *m, const struct job_new *n, job_id *ret, struct err *e)
{
        const struct mem_model *model = mem_get(m, MEM_MODEL, n->model);
        struct mem_job j = {.j = {.id = m->t[MEM_JOB].n + 1,
                                .model = n->model,
                                .kind = n->kind,
                                .state = JOB_QUEUED,
                                .trigger = n->trigger,
                                .trigger_value = n->trigger_value,
                                .strategy = n->strategy,
                                .dry_run = n->dry_run,
                                .upto_seq = n->upto_seq,
                                .alpha_task = n->alpha_task,
                                .alpha = n->alpha_task != 0 ? n->alpha : 0,
                                .rebuild_of = n->rebuild_of,
                                .range = {1, 0},
                                .lambda = (double)NAN,
                                .next_classes_given = n->next_classes_given,
                                .n_next_classes = n->n_next_classes,
                                .created_ms = mem_now(m)}};
        struct about w = {0};
        int r;

        if ((r = may_create(m, n, model, e)) != 0 || (r = about(m, n, &w, e)) != 0)
                return r;
        str_copy(j.j.model_name, sizeof(j.j.model_name), model->m.name);
        str_copy(j.j.next_task, sizeof(j.j.next_task), n->next_task ? n->next_task : "");
        j.j.next_classes = mem_strings(&m->a, n->next_classes, n->n_next_classes);
        j.j.trigger_text = arena_strdup(&m->a, n->trigger_text ? n->trigger_text : "");
        j.who = arena_strdup(&m->a, n->who);
        if (!j.j.next_classes || !j.j.trigger_text || !j.who || !mem_push(m, MEM_JOB, &j, sizeof(j), ret))
                return err_oom(e);
        return mem_audit(m, n->model, n->who, "job.create", words_job(*ret, n, w.task, w.rebuilt).text, e);
}

int mem_job_create(struct store *s, const struct job_new *n, job_id *ret, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        job_id id = 0;
        int r = mem_settle(mem_of(s), &k, create(mem_of(s), n, &id, e));

        if (r == 0)
                *ret = id;
        return r;
}

static int copy_if(struct mem *m, job_id id, enum job_state from, struct mem_job *ret, struct err *e)
{
        const struct mem_job *j = mem_get(m, MEM_JOB, id);

        if (!j)
                return err_set(e, STORE_NOT_FOUND, "no job %" PRIu64, id);
        if (j->j.state != from)
                return err_set(e, STORE_CONFLICT, "job %" PRIu64 " is %s, not %s", id, job_state_name(j->j.state),
                    job_state_name(from));
        *ret = *j;
        return 0;
}

/* How things stand now. A task without rows that may be claimed gets the empty range behind the last. */
static void stand_now(struct mem *m, struct job *j, uint64_t seed)
{
        const struct mem_task *t = mem_task_open(m, j->model);
        const struct mem_alias *champion = mem_alias_find(m, j->model, "champion", NULL);

        j->range = (struct seq_range){0, 0};
        MEM_EACH(m, MEM_ROW, struct mem_row, row)
        {
                if (row->model == j->model)
                        j->range.last = row->f.seq;
                if (row->f.task == t->t.id && j->range.first == 0)
                        j->range.first = row->f.seq;
        }
        if (j->upto_seq != 0 && j->upto_seq < j->range.last)
                j->range.last = j->upto_seq;
        if (j->range.first == 0 || j->range.first > j->range.last)
                j->range.first = j->range.last + 1;
        j->parent = champion->a.version;
        j->parent_number = champion->a.number;
        j->task = t->t.id;
        j->seed = seed;
}

/* How they stood when the version was trained. */
static void stand_then(struct mem *m, struct job *j)
{
        const struct mem_version *v = mem_get(m, MEM_VERSION, j->rebuild_of);

        j->range = ((const struct mem_job *)mem_get(m, MEM_JOB, v->v.job))->j.range;
        j->parent = v->v.parent;
        j->parent_number = v->v.parent_number;
        j->task = v->v.task;
        j->seed = v->v.seed;
}

static int claim(struct mem *m, job_id id, uint64_t seed, struct err *e)
{
        struct mem_job j;
        int r = copy_if(m, id, JOB_QUEUED, &j, e);
        if (r != 0 || (r = mem_vote_waiting(m, j.j.model, e)) != 0)
                return r;

        if (j.j.kind == JOB_REBUILD)
                stand_then(m, &j.j);
        else
                stand_now(m, &j.j, seed);
        j.j.state = JOB_EXPORTING;
        j.j.started_ms = mem_now(m);
        if (!mem_set(m, MEM_JOB, id, &j, sizeof(j)))
                return err_oom(e);
        const struct mem_task *t = mem_get(m, MEM_TASK, j.j.task);
        return mem_audit(m, j.j.model, j.who, "job.claim",
            words_claim(id, j.j.parent_number, t->t.name, j.j.range, j.j.seed).text, e);
}

int mem_job_claim(struct store *s, job_id id, uint64_t seed, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        return mem_settle(mem_of(s), &k, claim(mem_of(s), id, seed, e));
}

int mem_job_move(struct store *s, job_id id, enum job_state from, enum job_state to, const char *why, struct err *e)
{
        struct mem *m = mem_of(s);
        struct mem_mark k = mem_mark(m);
        struct mem_job j;
        int r = copy_if(m, id, from, &j, e);

        if (r != 0)
                return r;
        j.j.state = to;
        j.j.ended_ms = job_has_ended(to) ? mem_now(m) : 0;
        if (why)
                str_copy(j.j.reason, sizeof(j.j.reason), why);
        r = mem_set(m, MEM_JOB, id, &j, sizeof(j)) ? 0 : err_oom(e);
        if (r == 0 && job_has_ended(to))
                r = mem_vote_waiting(m, j.j.model, e);
        return mem_settle(m, &k, r);
}

static int attempt(struct mem *m, job_id id, uint32_t *ret, struct err *e)
{
        const struct mem_job *old = mem_get(m, MEM_JOB, id);
        struct mem_job j;

        if (!old)
                return err_set(e, STORE_NOT_FOUND, "no job %" PRIu64, id);
        j = *old;
        *ret = ++j.j.attempts;
        if (!mem_set(m, MEM_JOB, id, &j, sizeof(j)))
                return err_oom(e);
        return mem_audit(m, j.j.model, j.who, "job.attempt", words_attempt(id, j.j.attempts).text, e);
}

int mem_job_attempt(struct store *s, job_id id, uint32_t *ret_attempts, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        uint32_t attempts = 0;
        int r = mem_settle(mem_of(s), &k, attempt(mem_of(s), id, &attempts, e));

        if (r == 0)
                *ret_attempts = attempts;
        return r;
}

int mem_job_get(struct store *s, job_id id, struct arena *a, struct job *ret, struct err *e)
{
        const struct mem_job *j = mem_get(mem_of(s), MEM_JOB, id);

        if (!j)
                return err_set(e, STORE_NOT_FOUND, "no job %" PRIu64, id);
        struct job copy = j->j;
        copy.next_classes = mem_strings(a, j->j.next_classes, j->j.n_next_classes);
        copy.tasks = j->j.n_tasks > 0 ? arena_memdup(a, j->j.tasks, j->j.n_tasks * sizeof(*j->j.tasks)) : NULL;
        copy.tries = j->j.tries ? arena_strdup(a, j->j.tries) : NULL;
        copy.trigger_text = arena_strdup(a, j->j.trigger_text);
        if (!copy.next_classes || !copy.trigger_text || (j->j.n_tasks > 0 && !copy.tasks) ||
            (j->j.tries && !copy.tries))
                return err_oom(e);
        *ret = copy;
        return 0;
}

int mem_job_list(struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e)
{
        struct mem *m = mem_of(s);
        size_t n = 0;

        (void)e;
        for (uint64_t id = m->t[MEM_JOB].n; id > 0 && (f->limit == 0 || n < f->limit); id--) {
                const struct mem_job *j = mem_get(m, MEM_JOB, id);
                if ((f->model != 0 && j->j.model != f->model) || (f->active_only && job_has_ended(j->j.state)) ||
                    (f->before != 0 && id >= f->before))
                        continue;
                n++;
                int r = each(arg, &j->j);
                if (r != 0)
                        return r;
        }
        return 0;
}
