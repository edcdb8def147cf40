/* store_jobs.c: the door for jobs, their outcomes, versions, aliases and the audit; see store.c. */
#include "base/err.h"
#include "store/checks.h"
#include "store/ops.h"
#include <math.h>
#include <string.h>

/* --- jobs --- */

int store_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_text("who", j->who, STORE_KEY_MAX, e)) != 0 ||
            (r = check_classes(j->n_next_classes, j->next_classes, e)) != 0)
                return r;
        if (!job_kind_name(j->kind) || !trigger_kind_name(j->trigger) || !strategy_name(j->strategy))
                return bad(e, "a job of an unknown kind, trigger or strategy");
        if ((r = check_text("trigger", j->trigger_text ? j->trigger_text : "", REASON_SIZE - 1, e)) != 0)
                return r;
        if (j->kind == JOB_ROLLOVER ? check_name("next task", j->next_task, e) != 0 : j->next_task != NULL)
                return bad(e, "a rollover, and nothing else, names its next task");
        if ((j->kind == JOB_REWEIGHT) != (j->alpha_task != 0) || (j->kind == JOB_REBUILD) != (j->rebuild_of != 0))
                return bad(e, "a reweight, and nothing else, names its task, a rebuild its version");
        if (j->kind == JOB_REWEIGHT && !(isfinite(j->alpha) && j->alpha >= 0))
                return bad(e, "alpha is not a weight");
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
        if (to == JOB_PROMOTED || to == JOB_REJECTED || to == JOB_CANDIDATE || to == JOB_VERIFIED ||
            (from == JOB_QUEUED && to == JOB_EXPORTING))
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
        if (o->promote && o->candidate)
                return bad(e, "a version serves or waits, not both");
        if (o->gate && (r = check_text("gate", o->gate, STORE_TEXT_MAX, e)) != 0)
                return r;
        if (digest_eq(&o->fisher, &none) != digest_eq(&o->anchor, &none))
                return bad(e, "a Fisher without its anchor, or the reverse");
        if (!(o->prior >= 0) || isinf(o->prior))
                return bad(e, "a prior is above 0, or 0 for none");
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

int store_rebuild_commit(struct store *s, job_id j, bool same, const char *reason, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_text("reason", reason, REASON_SIZE - 1, e)) != 0)
                return r;
        return s->ops->rebuild_commit(s, j, same, reason, e);
}

/* --- versions --- */

int store_version_prune(
    struct store *s, model_id m, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e)
{
        int r = may_write(s, e);

        if (r != 0 || (r = check_act(who, reason, e)) != 0)
                return r;
        return s->ops->version_prune(s, m, keep, who, reason, ret_n, e);
}

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

int store_alias_delete(struct store *s, model_id m, const char *alias, uint64_t epoch, const char *who,
    const char *reason, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_name("alias", alias, e)) != 0 ||
            (r = check_act(who, reason, e)) != 0)
                return r;
        if (strcmp(alias, "champion") == 0 || strcmp(alias, "challenger") == 0)
                return bad(e, "champion and challenger are not deleted");
        return s->ops->alias_delete(s, m, alias, epoch, who, reason, e);
}

int store_audit_list(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e)
{
        return s->ops->audit_list(s, m, each, arg, e);
}
