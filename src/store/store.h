/* store.h: everything the house remembers, as domain verbs; one contract, several engines.
 *
 * Every verb takes the store first and struct err * last. It returns 0 (done), a documented outcome > 0 (STORE_*), or
 * a negative code (broken, text in e). Each verb is atomic: outside a group it is one transaction, inside a group one
 * savepoint; a verb that fails leaves nothing behind and does not harm its neighbours. Memory returned belongs to the
 * arena given; what a callback gets lives during the call. A callback that returns non-zero ends the walk with that
 * code. A store belongs to one thread at a time; several stores may be open on one file (one writes). */
#pragma once
#include "domain/report.h"
#include "domain/types.h"
#include <stdio.h>

struct arena;
struct clock;
struct err;
struct store;
struct store_ops;

enum store_outcome {
        STORE_NOT_FOUND = 1,
        STORE_EXISTS = 2,   /* the name is taken */
        STORE_CONFLICT = 3, /* it has moved, one is active, same key with another payload */
        STORE_NEWER = 4,    /* open: written by a newer program */
        STORE_FOREIGN = 5,  /* open: not ours */
        STORE_LOCKED = 6,   /* open: another process has it */
        STORE_FULL = 7,     /* disk full: nothing was written */
        STORE_READONLY = 8, /* a failed fsync: reopen and check first */
};

extern const struct store_ops store_sqlite, store_memory;

struct store_open {
        const char *path; /* database file; ignored by memory */
        bool read_only;   /* a second store on the same file in the same process. The memory engine does not share */
        bool no_backup;   /* do not copy the file before a migration */
        const struct clock *clock;
};

int store_open(struct store **ret, const struct store_ops *ops, const struct store_open *how, struct err *e);
void store_close(struct store *s); /* accepts NULL; clean close, WAL checkpointed by the writer */

/* Group commit: verbs between begin and commit share one transaction and one fsync. If commit fails, all of the
 * group has failed. READONLY from a commit or a verb means that writing to disk failed: nothing of it is visible
 * now, but the disk may hold all of it when the store is opened again. On a read-only store a group is one
 * consistent state. */
int store_begin(struct store *s, struct err *e);
int store_commit(struct store *s, struct err *e);
void store_abort(struct store *s);

/* --- models and tasks --- */
/* Also first task, version 1, alias champion, audit. EXISTS. The first task has no id yet: any task but 0 in
 * m->outputs means it. */
int store_model_create(struct store *s, const struct model_new *m, model_id *ret, struct err *e);
int store_model_get(
    struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e); /* NOT_FOUND */
int store_model_by_id(
    struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e); /* NOT_FOUND */
typedef int (*store_model_fn)(void *arg, const struct model *m);
int store_model_list(struct store *s, store_model_fn each, void *arg, struct err *e); /* by name */

int store_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret,
    struct err *e); /* name NULL: the open one. NOT_FOUND */
/* All tasks in order of opening, as an array in the arena. For open tasks without fixed classes, classes are those
 * of their feedback. */
int store_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e);

/* --- feedback --- */
/* verdicts (n, may be NULL) gets one enum feedback_verdict per row. A row with a known (source, event_id) is
 * DUPLICATE when its payload digest agrees, else CONFLICT; a task that is no longer open: TASK_CLOSED for rows that
 * name it, else the row goes to the task open now. Only ACCEPTED rows are written. FULL, READONLY. */
int store_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    enum feedback_verdict *verdicts, struct receipt *ret, struct err *e);

enum feedback_state { FEEDBACK_QUEUED = 1, FEEDBACK_HELD_OUT = 2, FEEDBACK_USED = 3 };
struct feedback_fate {
        struct feedback row; /* inputs are not filled */
        enum feedback_state state;
        char task_name[NAME_SIZE];
        job_id job;              /* first job that used it, 0 */
        uint64_t version_number; /* its version, 0 */
};
int store_feedback_get(struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret,
    struct err *e); /* NOT_FOUND */
int store_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e);

struct feedback_filter {
        task_id task;           /* 0: all */
        struct seq_range range; /* {0, UINT64_MAX}: all */
        enum { SPLIT_TRAIN = 1, SPLIT_HOLDOUT = 2, SPLIT_BOTH = 3 } split;
};
typedef int (*store_feedback_fn)(void *arg, const struct feedback *row);
int store_feedback_scan(struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each,
    void *arg, struct err *e); /* sequence order */

/* --- jobs --- */
struct job_new {
        model_id model;
        enum job_kind kind;
        enum trigger_kind trigger;
        uint64_t trigger_value;
        const char *next_task; /* rollover: name of the task to open; NULL otherwise */
        bool next_classes_given;
        size_t n_next_classes;
        const char *const *next_classes;
        const char *who;
};
/* CONFLICT: one is active (e says which); EXISTS: next_task is taken; NOT_FOUND: no such model, or (all scenarios but
 * class) it lacks one of next_classes. */
int store_job_create(struct store *s, const struct job_new *j, job_id *ret, struct err *e);

/* QUEUED -> EXPORTING; fixes parent (the champion), task (the open one), range (first row of the task .. newest row
 * of the model now; empty behind the newest row when the task has none), seed. CONFLICT: not QUEUED. */
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
        const char *reason, *tries; /* tries: of struct job, NULL when it did not search for lambda */
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_params;
        struct digest theta, fisher, anchor; /* complete blobs; the last two all-zero when nothing is protected */
        double fisher_scale, lambda;
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
/* Version, evaluations, verdict, used range, audit, job state, and alias if promoted. NOT_FOUND: a blob is missing.
 * CONFLICT: the job is not in JUDGING, or its parent is no longer the champion. */
int store_consolidation_commit(struct store *s, const struct outcome *o, version_id *ret, struct err *e);
/* The same plus: task closed with its record, next task opened (model classes extended in scenario class), rows above
 * the claimed range that name no task handed to the next one. A rejected rollover is committed with close NULL. */
int store_rollover_commit(
    struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e);

/* --- versions --- */
int store_version_get(
    struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e); /* NOT_FOUND */
int store_version_by_number(struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret,
    struct err *e); /* NOT_FOUND */
typedef int (*store_version_fn)(void *arg, const struct version *v);
int store_version_list(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e); /* newest first; before 0: from the newest; limit 0: all */
/* ret (P of the version) gets the tensor. NOT_FOUND: the version has none of that role. Checks the digest. */
int store_version_tensor(struct store *s, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e);
/* A closed task's record: ret_outputs tells the layout its vectors have. NOT_FOUND. */
int store_task_record(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
    size_t *ret_n_outputs, size_t *ret_n_params, struct err *e);
/* FISHER, ANCHOR. -EINVAL: a Fisher that is stored packed. */
int store_task_tensor(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e);
/* The task.stored.n_bytes of a packed Fisher, digest checked. NOT_FOUND; -EINVAL: a Fisher that is stored plain. */
int store_task_packed(struct store *s, task_id t, void *ret, size_t size, struct err *e);

/* --- aliases, audit --- */
int store_alias_get(struct store *s, model_id m, const char *alias, struct alias *ret, struct err *e); /* NOT_FOUND */
typedef int (*store_alias_fn)(void *arg, const struct alias *a);
int store_alias_list(struct store *s, model_id m, store_alias_fn each, void *arg, struct err *e);
/* Compare-and-set on epoch (0: must not exist yet). CONFLICT: it has moved; NOT_FOUND: no such version number. */
int store_alias_set(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e);
typedef int (*store_audit_fn)(void *arg, const struct audit *a);
int store_audit_list(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e); /* oldest first */

/* --- care --- */
struct store_health {
        uint64_t db_bytes, wal_bytes, n_feedback;
        int schema;      /* user_version */
        char engine[64]; /* "sqlite 3.40.1" */
        bool read_only;
};
/* db_bytes and wal_bytes alone, at the cost of two stat calls; the rest of ret is zero. */
void store_sizes(struct store *s, struct store_health *ret);
int store_maintain(struct store *s, struct store_health *ret,
    struct err *e); /* care of the writer, a bounded piece each time: unreferenced chunks, WAL checkpoint */
int store_check(
    struct store *s, bool full, struct store_health *ret, struct err *e); /* negative: damaged, text says where */
int store_backup(struct store *s, const char *path, struct err *e);
