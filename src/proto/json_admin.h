/* json_admin.h: tasks, versions, aliases, jobs and errors as JSON, and the small request bodies that change them. */
#pragma once
#include "base/str.h"
#include "domain/learn_job.h"
#include "domain/problem.h"
#include "domain/report.h"

struct arena;
struct buf;
struct err;

/* --- tasks: GET lists, POST {"task":"high","classes":[…]} --- */
struct task_view {
        const struct task *task;
        const char *const *class_names; /* (task->n_classes) */
        double accuracy_now;            /* under the champion, NaN if unknown */
        uint64_t n_now;
};
/* What a closed task's record was measured by: the Fisher's variant, or "si", "mas". */
const char *json_fisher_variant(enum learn_importance importance, enum ewc_fisher kind);
void json_task_list_write(struct buf *b, const struct task_view *tasks, size_t n);

struct rollover_request {
        const char *task;
        bool classes_given;
        size_t n_classes;
        const char *const *classes;
};
int json_rollover_read(
    struct slice body, struct arena *a, struct rollover_request *ret, struct err *e); /* PROBLEM_* */

/* {"alpha":0.5,"reason":"…"}: finite, at least 0; 0 drops the task's protection. reason, here and below: NULL if
 * absent, else at most 200 bytes, in the arena. */
int json_alpha_read(struct slice body, struct arena *arena, double *ret, const char **ret_reason, struct err *e);

/* {"keep":5,"reason":"…"}: versions beside those something needs. */
int json_prune_read(struct slice body, struct arena *a, uint64_t *ret_keep, const char **ret_reason, struct err *e);

/* --- jobs --- */
struct job_request {
        enum job_kind kind; /* only "consolidate" can be posted */
        bool dry_run;
};
int json_job_request_read(struct slice body, struct arena *a, struct job_request *ret, struct err *e); /* PROBLEM_* */
void json_job_write(struct buf *b, const struct job *j, const struct job_live *live); /* live may be NULL */
/* A search's tries as in a job's "tries" (store: job.tries). */
void json_tries_write(struct buf *b, const struct learn_try *tries, size_t n);
void json_job_list_begin(struct buf *b);
void json_job_list_row(struct buf *b, const struct job *j, const struct job_live *live, bool first);
void json_job_list_end(struct buf *b, uint64_t next_cursor); /* 0: null */

/* --- versions, aliases --- */
struct version_view {
        const struct version *version;
        const char *const *evaluation_tasks;                  /* names, (version->n_evaluations) */
        const char *task;                                     /* name, NULL for the first */
        enum { LOADED_UNSAID, LOADED_NO, LOADED_YES } loaded; /* held by the loops; UNSAID: left out */
};
void json_version_write(struct buf *b, const struct version_view *v);
void json_version_list_begin(struct buf *b);
void json_version_list_row(struct buf *b, const struct version_view *v, bool first);
void json_version_list_end(struct buf *b, uint64_t next_cursor);

struct alias_request {
        uint64_t version;
        const char *reason; /* NULL if absent */
};
int json_alias_request_read(struct slice body, struct arena *a, struct alias_request *ret, struct err *e);
void json_alias_write(struct buf *b, const struct alias *a);

/* --- errors: RFC 9457 plus "error" (serving reference 2.5) --- */
const char *problem_slug(enum problem p);
const char *problem_title(enum problem p);
/* status comes from the caller; field "" leaves "errors" out. instance: "urn:uuid:…" or NULL. */
void json_error_write(
    struct buf *b, enum problem p, int status, const char *detail, const char *field, const char *instance);
/* The same with "errors" ready made, a JSON array (json_rejected_write). */
void json_error_list_write(
    struct buf *b, enum problem p, int status, const char *detail, const struct buf *errors, const char *instance);
