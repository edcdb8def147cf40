/* store.c: the one door to every engine: argument checks, then dispatch.
 *
 * What is checked here holds for all engines: names and keys have their form and length, sizes fit, a mutating verb
 * finds a store that may write. An argument that no caller can mean is -EINVAL; engines rely on these checks. */
#include "store/store.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/ops.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int store_open(struct store **ret, const struct store_ops *ops, const struct store_open *how, struct err *e)
{
        struct store *s = NULL;

        assert(ret && ops && how);
        int r = ops->open(&s, how, e);
        if (r != 0)
                return r;
        s->ops = ops;
        *ret = s;
        return 0;
}

void store_close(struct store *s)
{
        if (!s)
                return;
        if (s->in_group)
                store_abort(s);
        s->ops->close(s);
}

static int may_write(const struct store *s, struct err *e)
{
        if (s->read_only)
                return err_set(e, STORE_READONLY, "this store was opened read-only");
        if (s->failed)
                return err_set(e, STORE_READONLY,
                    "an earlier write to disk failed: the store is read-only until it is reopened and checked");
        return 0;
}

int store_begin(struct store *s, struct err *e)
{
        assert(!s->in_group);
        int r = s->read_only ? 0 : may_write(s, e);
        if (r == 0)
                r = s->ops->begin(s, e);
        if (r == 0)
                s->in_group = true;
        return r;
}

int store_commit(struct store *s, struct err *e)
{
        assert(s->in_group);
        s->in_group = false;
        return s->ops->commit(s, e);
}

void store_abort(struct store *s)
{
        if (!s->in_group)
                return;
        s->in_group = false;
        s->ops->abort(s);
}

/* --- checks shared by several verbs --- */

static int bad(struct err *e, const char *what)
{
        return err_set(e, -EINVAL, "store: %s", what);
}

static int check_text(const char *what, const char *text, size_t max, struct err *e)
{
        if (!text || strlen(text) > max)
                return err_set(e, -EINVAL, "store: %s is missing or longer than %zu bytes", what, max);
        return 0;
}

static int check_name(const char *what, const char *name, struct err *e)
{
        if (!name || !str_is_name(name))
                return err_set(e, -EINVAL, "store: %s is not a name", what);
        return 0;
}

static int by_text(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_distinct(size_t n, const char *const *names, struct err *e)
{
        _free_ const char **sorted = new_array(const char *, n);

        if (!sorted)
                return err_oom(e);
        if (n > 0)
                memcpy(sorted, names, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), by_text);
        for (size_t i = 1; i < n; i++)
                if (strcmp(sorted[i - 1], sorted[i]) == 0)
                        return err_set(e, -EINVAL, "store: class %s is named twice", sorted[i]);
        return 0;
}

static int check_classes(size_t n, const char *const *names, struct err *e)
{
        if (n > MODEL_MAX_CLASSES || (n > 0 && !names))
                return bad(e, "too many classes");
        for (size_t i = 0; i < n; i++) {
                int r = check_text("class name", names[i], CLASS_NAME_SIZE - 1, e);
                if (r != 0)
                        return r;
        }
        return check_distinct(n, names, e);
}

static int check_outputs(size_t n, const struct output_row *rows, struct err *e)
{
        if (n == 0 || n > (size_t)MODEL_MAX_CLASSES * MODEL_MAX_TASKS || !rows)
                return bad(e, "no outputs, or too many");
        return 0;
}

static int check_params(size_t P, struct err *e)
{
        size_t bytes;

        if (P == 0 || !mem_mul(P, sizeof(float), &bytes) || bytes / BLOB_CHUNK >= UINT32_MAX)
                return bad(e, "no parameters, or too many");
        return 0;
}

/* --- models and tasks --- */

int store_model_create(struct store *s, const struct model_new *m, model_id *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_name("model", m->name, e)) != 0 ||
            (r = check_name("task", m->task, e)) != 0 ||
            (r = check_text("spec", m->spec_json, STORE_TEXT_MAX, e)) != 0 ||
            (r = check_text("learning", m->learning_json, STORE_TEXT_MAX, e)) != 0 ||
            (r = check_text("who", m->who, STORE_KEY_MAX, e)) != 0 ||
            (r = check_classes(m->n_classes, m->classes, e)) != 0 ||
            (r = check_outputs(m->n_outputs, m->outputs, e)) != 0 || (r = check_params(m->n_params, e)) != 0)
                return r;
        for (size_t i = 0; i < m->n_task_classes; i++)
                if (m->task_classes[i] >= m->n_classes)
                        return bad(e, "a class of the first task is not one of the model's");
        for (size_t i = 0; i < m->n_outputs; i++)
                if (m->outputs[i].class >= m->n_classes)
                        return bad(e, "an output's class is not one of the model's");
        return s->ops->model_create(s, m, ret, e);
}

int store_model_get(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e)
{
        return s->ops->model_get(s, name, a, ret, e);
}

int store_model_by_id(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e)
{
        return s->ops->model_by_id(s, id, a, ret, e);
}

int store_model_list(struct store *s, store_model_fn each, void *arg, struct err *e)
{
        return s->ops->model_list(s, each, arg, e);
}

int store_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e)
{
        return s->ops->task_get(s, m, name, a, ret, e);
}

int store_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e)
{
        return s->ops->task_list(s, m, a, ret, ret_n, e);
}

/* --- feedback --- */

static int check_feedback(const struct feedback *f, struct err *e)
{
        size_t bytes;
        int r;

        if ((r = check_text("event_id", f->event_id, STORE_KEY_MAX, e)) != 0 ||
            (r = check_text("source", f->source, STORE_KEY_MAX, e)) != 0)
                return r;
        if (f->event_id[0] == '\0')
                return bad(e, "event_id is empty");
        if (f->n_inputs == 0 || !f->inputs || !mem_mul(f->n_inputs, sizeof(float), &bytes))
                return bad(e, "feedback without inputs");
        if (f->class >= MODEL_MAX_CLASSES || f->n_targets > MODEL_MAX_CLASSES)
                return bad(e, "feedback of a class no model has");
        if ((f->class < 0) != (f->targets && f->n_targets > 0))
                return bad(e, "feedback needs a class or targets, not both");
        return 0;
}

int store_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    enum feedback_verdict *verdicts, struct receipt *ret, struct err *e)
{
        int r = may_write(s, e);

        for (size_t i = 0; r == 0 && i < n; i++)
                r = check_feedback(&rows[i], e);
        return r != 0 ? r : s->ops->feedback_add(s, m, rows, n, verdicts, ret, e);
}

int store_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        return s->ops->feedback_get(s, m, event_id, a, ret, e);
}

int store_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e)
{
        return s->ops->feedback_count(s, m, ret, e);
}

int store_feedback_scan(
    struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each, void *arg, struct err *e)
{
        if (f->split != SPLIT_TRAIN && f->split != SPLIT_HOLDOUT && f->split != SPLIT_BOTH)
                return bad(e, "feedback filter without a split");
        return s->ops->feedback_scan(s, m, f, each, arg, e);
}

/* --- jobs --- */

int store_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_text("who", j->who, STORE_KEY_MAX, e)) != 0 ||
            (r = check_classes(j->n_next_classes, j->next_classes, e)) != 0)
                return r;
        if (j->kind == JOB_ROLLOVER ? check_name("next task", j->next_task, e) != 0 : j->next_task != NULL)
                return bad(e, "a rollover, and nothing else, names its next task");
        if (j->n_next_classes > 0 && !j->next_classes_given)
                return bad(e, "classes that are not given");
        return s->ops->job_create(s, j, ret, e);
}

int store_job_claim(struct store *s, job_id j, uint64_t seed, struct err *e)
{
        int r = may_write(s, e);
        return r != 0 ? r : s->ops->job_claim(s, j, seed, e);
}

int store_job_move(struct store *s, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e)
{
        int r = may_write(s, e);
        if (r != 0)
                return r;
        /* The verdicts come with a version and belong to the commits; claiming fixes what the job is about. */
        if (to == JOB_PROMOTED || to == JOB_REJECTED || (from == JOB_QUEUED && to == JOB_EXPORTING))
                return bad(e, "a job gets there by a claim or by a commit");
        if (!job_may_move(from, to))
                return bad(e, "no job makes this move");
        return s->ops->job_move(s, j, from, to, why, e);
}

int store_job_attempt(struct store *s, job_id j, uint32_t *ret_attempts, struct err *e)
{
        int r = may_write(s, e);
        return r != 0 ? r : s->ops->job_attempt(s, j, ret_attempts, e);
}

int store_job_get(struct store *s, job_id j, struct arena *a, struct job *ret, struct err *e)
{
        return s->ops->job_get(s, j, a, ret, e);
}

int store_job_list(struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e)
{
        return s->ops->job_list(s, f, each, arg, e);
}

/* --- blobs --- */

int store_blob_chunk(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data,
    size_t n, bool *ret_complete, struct err *e)
{
        int r = may_write(s, e);
        if (r != 0)
                return r;
        size_t chunks = size / BLOB_CHUNK + (size % BLOB_CHUNK != 0);
        if (size == 0 || chunks > UINT32_MAX || number >= chunks)
                return bad(e, "chunk number past the end of its blob");
        if (n != (number + 1 < chunks ? (size_t)BLOB_CHUNK : size - (size_t)number * BLOB_CHUNK))
                return bad(e, "chunk of a wrong size");
        return s->ops->blob_chunk(s, d, size, number, data, n, ret_complete, e);
}

/* --- outcomes of jobs --- */

static int check_outcome(const struct outcome *o, struct err *e)
{
        static const struct digest none = {{0}};
        int r;

        if ((r = check_outputs(o->n_outputs, o->outputs, e)) != 0 || (r = check_params(o->n_params, e)) != 0 ||
            (r = check_text("reason", o->reason, REASON_SIZE - 1, e)) != 0 ||
            (r = check_text("program", o->program, sizeof(((struct version *)0)->program) - 1, e)) != 0)
                return r;
        if (digest_eq(&o->fisher, &none) != digest_eq(&o->anchor, &none))
                return bad(e, "a Fisher without its anchor, or the reverse");
        if (o->n_evaluations > MODEL_MAX_TASKS || (o->n_evaluations > 0 && (!o->before || !o->after)))
                return bad(e, "evaluations are missing");
        for (size_t i = 0; i < o->n_evaluations; i++)
                if (o->before[i].task != o->after[i].task)
                        return bad(e, "evaluations before and after are of different tasks");
        return 0;
}

int store_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_outcome(o, e)) != 0)
                return r;
        return s->ops->consolidation_commit(s, o, ret, e);
}

static int check_stored(const struct fisher_stored *f, size_t n_params, struct err *e)
{
        if (f->encoding == FISHER_PLAIN)
                return 0;
        if (f->encoding != EWC_PACK_BITMAP16 && f->encoding != EWC_PACK_LOG8 && f->encoding != EWC_PACK_CSR16)
                return bad(e, "a Fisher in an unknown encoding");
        if (f->n_bytes == 0 || f->n != n_params || f->n_kept > f->n)
                return bad(e, "a packed Fisher whose numbers do not agree");
        return 0;
}

int store_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_outcome(o, e)) != 0)
                return r;
        if (o->promote != (close != NULL))
                return bad(e, "a promoted rollover, and no other, closes its task");
        if (close && close->n_outputs != o->n_outputs)
                return bad(e, "the closed task's layout is not the outcome's");
        if (close && (r = check_stored(&close->stored, o->n_params, e)) != 0)
                return r;
        return s->ops->rollover_commit(s, o, close, ret, e);
}

/* --- versions --- */

int store_version_get(struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e)
{
        return s->ops->version_get(s, v, a, ret, e);
}

int store_version_by_number(
    struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret, struct err *e)
{
        return s->ops->version_by_number(s, m, number, a, ret, e);
}

int store_version_list(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e)
{
        return s->ops->version_list(s, m, before_number, limit, each, arg, e);
}

int store_version_tensor(struct store *s, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        int r = check_params(P, e);
        return r != 0 ? r : s->ops->version_tensor(s, v, role, ret, P, e);
}

int store_task_record(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
    size_t *ret_n_outputs, size_t *ret_n_params, struct err *e)
{
        return s->ops->task_record(s, t, a, ret_info, ret_n_outputs, ret_n_params, e);
}

int store_task_tensor(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        int r = check_params(P, e);
        if (r == 0 && role != TENSOR_FISHER && role != TENSOR_ANCHOR)
                r = bad(e, "a task has a Fisher and an anchor");
        return r != 0 ? r : s->ops->task_tensor(s, t, role, ret, P, e);
}

int store_task_packed(struct store *s, task_id t, void *ret, size_t size, struct err *e)
{
        return size == 0 ? bad(e, "a packed Fisher has bytes") : s->ops->task_packed(s, t, ret, size, e);
}

/* --- aliases, audit --- */

int store_alias_get(struct store *s, model_id m, const char *alias, struct alias *ret, struct err *e)
{
        return s->ops->alias_get(s, m, alias, ret, e);
}

int store_alias_list(struct store *s, model_id m, store_alias_fn each, void *arg, struct err *e)
{
        return s->ops->alias_list(s, m, each, arg, e);
}

int store_alias_set(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_name("alias", alias, e)) != 0 ||
            (r = check_text("who", who, STORE_KEY_MAX, e)) != 0 ||
            (r = check_text("reason", reason ? reason : "", REASON_SIZE - 1, e)) != 0)
                return r;
        return s->ops->alias_set(s, m, alias, version_number, epoch, who, reason ? reason : "", ret, e);
}

int store_audit_list(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e)
{
        return s->ops->audit_list(s, m, each, arg, e);
}

/* --- care --- */

void store_sizes(struct store *s, struct store_health *ret)
{
        *ret = (struct store_health){0};
        if (s->ops->sizes)
                s->ops->sizes(s, ret);
}

int store_maintain(struct store *s, struct store_health *ret, struct err *e)
{
        int r = may_write(s, e);
        return r != 0 ? r : s->ops->maintain(s, ret, e);
}

int store_check(struct store *s, bool full, struct store_health *ret, struct err *e)
{
        return s->ops->check(s, full, ret, e);
}

int store_backup(struct store *s, const char *path, struct err *e)
{
        return s->ops->backup(s, path, e);
}
