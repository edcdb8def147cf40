/* store_jobs.h: the verbs of jobs, from creation to the one transaction that ends them. Part of store.h, which
 * says what all verbs have in common. */
#pragma once
#include "domain/report.h"
#include "domain/types.h"

struct arena;
struct err;
struct store;

struct job_new {
        model_id model;
        enum job_kind kind;
        enum trigger_kind trigger;
        uint64_t trigger_value;
        const char *trigger_text; /* NULL: none */
        enum strategy strategy;
        bool dry_run;
        uint64_t upto_seq;  /* 0: no bound */
        task_id alpha_task; /* REWEIGHT, else 0 */
        double alpha;
        version_id rebuild_of; /* REBUILD, else 0 */
        const char *next_task; /* rollover: name of the task to open; NULL otherwise */
        bool next_classes_given;
        size_t n_next_classes;
        const char *const *next_classes;
        const char *who;
};
/* CONFLICT: one is active (e says which); EXISTS: next_task is taken; NOT_FOUND: no such model, or (all scenarios
 * but class) it lacks one of next_classes, or alpha_task is not a closed task of it, or rebuild_of not a version of
 * it that a job has trained. */
int store_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e);

/* QUEUED -> EXPORTING; fixes parent (the champion), task (the open one), range (first row of the task .. newest row
 * of the model now, or upto_seq if that is less; empty behind the newest row when the task has none), seed. A REBUILD
 * takes parent, task, range and seed from the version it rebuilds, whatever seed says. CONFLICT: not QUEUED. */
int store_job_claim(struct store *s, job_id j, uint64_t seed, struct err *e);
/* why may be NULL. CONFLICT: not in from. -EINVAL: no move of the table, or one that belongs to claim or a commit. */
int store_job_move(struct store *s, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e);
int store_job_attempt(struct store *s, job_id j, uint32_t *ret_attempts, struct err *e); /* counts a learner start */
int store_job_get(struct store *s, job_id j, struct arena *a, struct job *ret, struct err *e); /* NOT_FOUND */
struct job_filter {
        model_id model; /* 0: all */
        bool active_only;
        job_id before; /* 0, or only ids below (paging) */
        size_t limit;  /* 0: no limit */
};
typedef int (*store_job_fn)(void *arg, const struct job *j);
int store_job_list(
    struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e); /* newest first */

/* --- blobs: content-addressed, in chunk rows, staged before the commit that references them --- */
enum { BLOB_CHUNK = 256 * 1024 };
/* Chunk `number` of a blob of `size` bytes with digest d. Idempotent. The blob becomes visible when all its chunks
 * are there and their hash agrees: *ret_complete. CONFLICT: the hash does not agree (all chunks are dropped).
 * FULL. */
int store_blob_chunk(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data,
    size_t n, bool *ret_complete, struct err *e);

/* --- outcomes of jobs, each one transaction --- */
struct outcome {
        job_id job;   /* in JUDGING */
        bool promote; /* also moves alias champion, if it still is the parent (else CONFLICT, nothing done) */
        /* Not with promote: the version is kept as candidate. Alias challenger moves to it unless the job is a dry
         * run. A dry run consumes no rows and is not promoted. Rollovers and reweights are candidates in a dry run
         * only. */
        bool candidate;
        bool replayed;    /* train rows of closed tasks were learned from too; so with strategy REPLAY and DISTILL */
        const char *gate; /* canonical JSON of the checks, NULL */
        uint32_t threads;
        uint64_t n_train;
        struct digest job_file;
        const char *reason, *tries; /* tries: of struct job, NULL when it did not search for lambda */
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_params;
        struct digest theta, fisher, anchor; /* complete blobs; the last two all-zero when nothing is protected */
        double fisher_scale, lambda;
        double prior; /* of struct version */
        enum ewc_fisher fisher_kind;
        enum learn_importance importance;
        uint64_t fisher_samples;
        const char *program;
        size_t n_evaluations;
        const struct evaluation *before, *after;
};
struct task_close {                   /* rollover, promoted */
        struct digest fisher, anchor; /* of the closed task; complete blobs */
        struct ewc_fisher_info info;
        enum learn_importance importance;
        struct fisher_stored stored; /* how fisher is written; FISHER_PLAIN: the rest of it is not read */
        double alpha;
        size_t n_outputs; /* layout of fisher and anchor: those of the outcome */
};
/* CONSOLIDATE and REWEIGHT: version, evaluations, verdict, used range, audit, job state, alias. NOT_FOUND: a blob
 * is missing. CONFLICT: the job is not in JUDGING, or promote and its parent is no longer the champion. A REWEIGHT
 * consumes no rows, and its version's range is its parent's; one that is promoted also gives its task the new
 * alpha, for as long as its version is on the champion's line (store_task_weight). */
int store_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e);
/* The same plus: task closed with its record, next task opened (model classes extended in scenario class), rows above
 * the claimed range that name no task handed to the next one. A rejected rollover is committed with close NULL. */
int store_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e);

/* REBUILD: JUDGING -> VERIFIED or REJECTED, with reason; nothing else changes. */
int store_rebuild_commit(struct store *s, job_id j, bool same, const char *reason, struct err *e);
