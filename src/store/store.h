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
#include "store/store_feedback.h"
#include "store/store_jobs.h"
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

/* What a closed task weighs in what job j makes of version v: the alpha of the newest reweight of it on the way from
 * v (included) back to the first version; else the one it was closed with, or 0 if it was given up before j, by the
 * unlearning of a source that the version which closed it had learned from. NOT_FOUND: no closed task. */
int store_task_weight(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e);

/* --- versions --- */
int store_version_get(
    struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e); /* NOT_FOUND */
int store_version_by_number(struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret,
    struct err *e); /* NOT_FOUND */
typedef int (*store_version_fn)(void *arg, const struct version *v);
int store_version_list(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e); /* newest first; before 0: from the newest; limit 0: all */
/* Drops the tensors of versions beyond the newest `keep` of those nothing needs: no alias names them (the challenger
 * is one), no active job has them as parent, rebuilds them or starts again from them, and they are not the first. A
 * version that closed a task may go, since the task has its own anchor. Records stay (version.pruned), with digests.
 * Blobs that tasks or other versions share stay; the rest goes by store_maintain. who and reason (NULL, or up to 200
 * bytes) go to the audit. */
int store_version_prune(
    struct store *s, model_id m, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e);
/* ret (P of the version) gets the tensor, its digest checked. NOT_FOUND: it has none of that role, or was pruned. */
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
/* Compare-and-set on epoch (0: must not exist yet). CONFLICT: it has moved, the version was pruned, it has learned
 * from a source that was unlearned, or (champion) it is of a rollover or reweight that was rejected or only tried;
 * NOT_FOUND: no such version number. A candidate that is made champion here is promoted, with its job, and the reason
 * says by whom; its range is consumed, though a dry run had read it. When the champion moves, here or by a commit,
 * alias challenger follows if its version is a candidate that waits beside another parent, and every closed task
 * weighs what the new champion's line says (store_task_weight); each change of a weight goes to the audit. */
int store_alias_set(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e);
/* The name goes, and pins its version no more; set again it begins above every epoch it had. NOT_FOUND: no such
 * alias. CONFLICT: it has moved from that epoch. -EINVAL: champion and challenger are the house's own. */
int store_alias_delete(struct store *s, model_id m, const char *alias, uint64_t epoch, const char *who,
    const char *reason, struct err *e);
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
