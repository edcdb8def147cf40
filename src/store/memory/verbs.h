/* verbs.h: the verbs of the memory engine, one block per file; signatures are those of ops.h. */
#pragma once
#include "store/ops.h"

/* mem_model.c */
int mem_model_create(struct store *s, const struct model_new *m, model_id *ret, struct err *e);
int mem_model_get(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e);
int mem_model_by_id(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e);
int mem_model_list(struct store *s, store_model_fn each, void *arg, struct err *e);

/* mem_task.c */
int mem_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e);
int mem_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e);
int mem_task_record(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
    size_t *ret_n_outputs, size_t *ret_n_params, struct err *e);
int mem_task_packed(struct store *s, task_id t, void *ret, size_t size, struct err *e);
int mem_task_tensor(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e);

/* mem_feedback.c */
int mem_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e);
int mem_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e);
int mem_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e);
int mem_feedback_scan(
    struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each, void *arg, struct err *e);
int mem_feedback_newest(
    struct store *s, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each, void *arg, struct err *e);

/* mem_erase.c */
int mem_feedback_erase(struct store *s, model_id m, const struct feedback_selection *sel, const char *who,
    const char *reason, struct erased *ret, struct err *e);
int mem_feedback_release(struct store *s, model_id m, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e);

/* mem_expire.c */
int mem_feedback_expire(
    struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e);

/* mem_source.c */
int mem_source_list(struct store *s, model_id m, store_source_fn each, void *arg, struct err *e);
int mem_source_unlearn(struct store *s, model_id m, const char *source, const char *who, const char *reason,
    struct unlearned *ret, struct err *e);
int mem_secret(struct store *s, const char *name, const uint8_t fresh[32], uint8_t ret[32], struct err *e);

/* mem_job.c */
int mem_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e);
int mem_job_claim(struct store *s, job_id j, uint64_t seed, struct err *e);
int mem_job_move(struct store *s, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e);
int mem_job_attempt(struct store *s, job_id j, uint32_t *ret_attempts, struct err *e);
int mem_job_get(struct store *s, job_id j, struct arena *a, struct job *ret, struct err *e);
int mem_job_list(struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e);

/* mem_blob.c */
int mem_blob_chunk(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data, size_t n,
    bool *ret_complete, struct err *e);

/* mem_outcome.c */
int mem_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e);
int mem_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e);
int mem_rebuild_commit(struct store *s, job_id id, bool same, const char *reason, struct err *e);

/* mem_weight.c */
int mem_task_weight(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e);

/* mem_version.c */
int mem_version_prune(
    struct store *s, model_id m, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e);
int mem_version_get(struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e);
int mem_version_by_number(
    struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret, struct err *e);
int mem_version_list(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e);
int mem_version_tensor(struct store *s, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e);

/* mem_alias.c */
int mem_alias_get(struct store *s, model_id m, const char *alias, struct alias *ret, struct err *e);
int mem_alias_list(struct store *s, model_id m, store_alias_fn each, void *arg, struct err *e);
int mem_alias_delete(struct store *s, model_id m, const char *alias, uint64_t epoch, const char *who,
    const char *reason, struct err *e);
int mem_alias_set(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e);
int mem_audit_list(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e);
