/* mem.h: the memory engine from within: tables of immutable records, undone by a log.
 *
 * A table is an array of pointers; a record is never changed, only replaced by a copy (mem_set) or appended
 * (mem_push). Both are undone by going back to a mark. Records live in one arena until the store is closed. Ids are
 * the index in the table plus one, so sequence numbers and ids grow without gaps. */
#pragma once
#include "base/arena.h"
#include "store/ops.h"

enum mem_table {
        MEM_MODEL,
        MEM_TASK,
        MEM_ROW,
        MEM_JOB,
        MEM_VERSION,
        MEM_ALIAS,
        MEM_AUDIT,
        MEM_BLOB,
        MEM_VOTE,
        MEM_SECRET,
        MEM_TABLES
};

struct mem_model {
        struct model m;
        uint64_t used_seq;
};

struct mem_task {
        struct task t; /* counts are computed when it is read */
        struct digest fisher, anchor;
        size_t n_outputs, n_params;
        double closed_alpha;
        job_id given_up; /* newest job when its weight became 0 by unlearning; 0: it did not */
};

struct mem_row {
        struct feedback f; /* seq is its id */
        model_id model;
        enum conflict_policy policy; /* of a row that is not live: as it was when it came, or lost */
        bool whole;                  /* erased with its event; expired: it counted, which closes its event */
        job_id job, until;           /* of a row that is not live: first job that used it, last that may have */
        job_id since;                /* jobs up to this one have not used it */
};

struct mem_vote { /* an event that is settled when the job has ended */
        model_id model;
        const char *event_id;
        enum conflict_policy policy;
        bool waits;
};

struct mem_secret {
        const char *name;
        uint8_t value[32];
};

struct mem_job {
        struct job j;
        const char *who;
        bool replayed; /* learned from rows of closed tasks too */
};

struct mem_version {
        struct version v;
        const char *unlearned; /* a source it had learned from that was unlearned, or NULL */
};

struct mem_alias { /* all zero: deleted */
        model_id model;
        struct alias a;
};

struct mem_blob {
        struct digest d;
        size_t size;
        bool complete, dropped;
        const void **chunks; /* NULL where missing */
};

struct mem_undo {
        enum mem_table table;
        size_t i;
        void *old;
};

struct mem_mark {
        size_t n[MEM_TABLES], n_undo;
};

struct mem {
        struct store base; /* first */
        struct arena a;
        struct {
                void **p;
                size_t n, cap;
        } t[MEM_TABLES];
        struct mem_undo *undo;
        size_t n_undo, cap_undo;
        uint32_t *index; /* of rows by (model, event_id): row id, 0 empty; open addressing */
        size_t n_index;
        struct mem_mark group; /* where the group began */
};

static inline struct mem *mem_of(struct store *s)
{
        return (struct mem *)(void *)s;
}

/* id: from 1; the record, or NULL. */
void *mem_get(struct mem *m, enum mem_table t, uint64_t id);
#define MEM_EACH(m, table, type, var)                                                                                \
        for (size_t var##_i = 0; var##_i < (m)->t[table].n; var##_i++)                                               \
                for (type *var = (m)->t[table].p[var##_i]; var; var = NULL)

/* A copy of size bytes; false: no memory. push: *ret_id gets the new id. */
bool mem_push(struct mem *m, enum mem_table t, const void *record, size_t size, uint64_t *ret_id);
bool mem_set(struct mem *m, enum mem_table t, uint64_t id, const void *record, size_t size);

/* A mutating verb: mark, work, settle; settle goes back when r is not 0. Returns r. */
struct mem_mark mem_mark(const struct mem *m);
int mem_settle(struct mem *m, const struct mem_mark *k, int r);

int64_t mem_now(const struct mem *m);
const char *const *mem_strings(struct arena *a, const char *const *list, size_t n); /* deep copy, or NULL */
bool mem_index_add(struct mem *m, uint64_t id);
/* The rows of an event, in sequence order; after: the one before, NULL: the first. NULL: no more. */
const struct mem_row *mem_index_next(
    struct mem *m, model_id model, const char *event_id, const struct mem_row *after);

/* --- pieces of one verb that others need --- */
int mem_audit(struct mem *m, model_id model, const char *who, const char *what, const char *detail, struct err *e);
int mem_alias_move(struct mem *m, model_id model, const char *name, version_id v, uint64_t epoch, struct err *e);
/* After the champion has moved: a challenger that waits to be compared with another one waits no more. */
int mem_challenger_superseded(struct mem *m, model_id model, const char *who, struct err *e);
/* mem_weight.c: after the champion has moved, tasks weigh what its line says. j: the job that moved it, 0. */
int mem_weights_follow(struct mem *m, model_id model, job_id j, const char *who, struct err *e);
const struct mem_alias *mem_alias_find(struct mem *m, model_id model, const char *name, uint64_t *ret_id);
struct mem_task *mem_task_open(struct mem *m, model_id model);
struct mem_task *mem_task_named(struct mem *m, model_id model, const char *name);
bool mem_task_classes(struct mem *m, const struct mem_task *t, struct arena *a, size_t *ret_n, const uint32_t **ret);
int mem_blob_put(struct mem *m, const void *data, size_t size, struct digest *ret, struct err *e);
int mem_blob_require(struct mem *m, const struct digest *d, size_t size, struct err *e);
int mem_blob_read(struct mem *m, const struct digest *d, void *ret, size_t size, struct err *e);
