/* verbs.h: the verbs of the SQLite engine, one block per file; signatures are those of ops.h. */
#pragma once
#include "store/ops.h"

/* open.c */
int sqlite_open(struct store **ret, const struct store_open *how, struct err *e);
void sqlite_close(struct store *s);

/* model.c */
int sqlite_model_create(struct store *s, const struct model_new *m, model_id *ret, struct err *e);
int sqlite_model_get(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e);
int sqlite_model_by_id(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e);
int sqlite_model_list(struct store *s, store_model_fn each, void *arg, struct err *e);

/* task.c */
int sqlite_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e);
int sqlite_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e);
int sqlite_task_record(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
    size_t *ret_n_outputs, size_t *ret_n_params, struct err *e);
int sqlite_task_packed(struct store *s, task_id t, void *ret, size_t size, struct err *e);
int sqlite_task_tensor(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e);

/* feedback.c, feedback_read.c */
int sqlite_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e);
int sqlite_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e);
int sqlite_feedback_newest(
    struct store *s, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each, void *arg, struct err *e);
int sqlite_feedback_scan(
    struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each, void *arg, struct err *e);

/* feedback_count.c */
int sqlite_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e);

/* erase.c */
int sqlite_feedback_erase(struct store *s, model_id m, const struct feedback_selection *sel, const char *who,
    const char *reason, struct erased *ret, struct err *e);
int sqlite_feedback_release(struct store *s, model_id m, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e);

/* expire.c */
int sqlite_feedback_expire(
    struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e);

/* source.c */
int sqlite_source_list(struct store *s, model_id m, store_source_fn each, void *arg, struct err *e);
int sqlite_source_unlearn(struct store *s, model_id m, const char *source, const char *who, const char *reason,
    struct unlearned *ret, struct err *e);

/* secret.c */
int sqlite_secret(struct store *s, const char *name, const uint8_t fresh[32], uint8_t ret[32], struct err *e);

/* job.c */
int sqlite_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e);
int sqlite_job_claim(struct store *s, job_id j, uint64_t seed, struct err *e);
int sqlite_job_move(
    struct store *s, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e);
int sqlite_job_attempt(struct store *s, job_id j, uint32_t *ret_attempts, struct err *e);

/* job_read.c */
int sqlite_job_get(struct store *s, job_id j, struct arena *a, struct job *ret, struct err *e);
int sqlite_job_list(struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e);

/* blob.c */
int sqlite_blob_chunk(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data,
    size_t n, bool *ret_complete, struct err *e);

/* outcome.c */
int sqlite_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e);
int sqlite_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e);

/* rebuild.c */
int sqlite_rebuild_commit(struct store *s, job_id j, bool same, const char *reason, struct err *e);

/* prune.c */
int sqlite_version_prune(
    struct store *s, model_id m, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e);

/* weight.c */
int sqlite_task_weight(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e);

/* version.c */
int sqlite_version_get(struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e);
int sqlite_version_by_number(
    struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret, struct err *e);
int sqlite_version_list(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e);
int sqlite_version_tensor(struct store *s, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e);

/* alias_audit.c */
int sqlite_alias_get(struct store *s, model_id m, const char *alias, struct alias *ret, struct err *e);
int sqlite_alias_list(struct store *s, model_id m, store_alias_fn each, void *arg, struct err *e);
int sqlite_alias_delete(struct store *s, model_id m, const char *alias, uint64_t epoch, const char *who,
    const char *reason, struct err *e);
int sqlite_alias_set(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e);
int sqlite_audit_list(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e);

/* maintain.c */
void sqlite_sizes(struct store *s, struct store_health *ret);
int sqlite_maintain(struct store *s, struct store_health *ret, struct err *e);
int sqlite_check(struct store *s, bool full, struct store_health *ret, struct err *e);
int sqlite_backup(struct store *s, const char *path, struct err *e);
