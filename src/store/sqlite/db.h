/* db.h: the SQLite engine from within: the open database, transactions, statements, shared pieces of verbs.
 *
 * Functions return 0, an outcome of store.h (STORE_FULL, STORE_READONLY and the verb's own) or a negative code. */
#pragma once
#include "store/ops.h"
#include <sqlite3.h>

struct arena;

enum { WAL_LIMIT_PAGES = 16384 }; /* 64 MiB */

struct db {
        struct store base; /* first: a struct store * of this engine is a struct db * */
        sqlite3 *h;
        char *path;
        struct stmt *stmts;  /* prepared ones, a list */
        int depth;           /* 0: no transaction; else 1 + savepoints */
        bool writing;        /* inside a transaction that may write: an I/O error now is the end of writing */
        int lost;            /* SQLite has rolled the group back by itself, for this reason; 0 */
        uint64_t wal_length; /* pages in the WAL after the last commit */
        uint64_t wal_pages;  /* the same, but 0 once all of it has been checkpointed */
        uint64_t wal_limit;  /* pages; past it a commit is followed by a checkpoint even when busy */
        bool scrub;          /* the WAL may hold what was erased: care empties its file */
};

static inline struct db *db_of(struct store *s)
{
        return (struct db *)(void *)s;
}

/* Turns a result code into an outcome or a negative code, and marks the store failed where writing has ended. */
int db_fail(struct db *db, int rc, const char *doing, struct err *e);
int db_exec(struct db *db, const char *sql, struct err *e);
int64_t db_now(const struct db *db); /* wall-clock ms */

/* --- tx.c: a mutating verb stands between enter and leave; leave keeps the work when r is 0, else undoes it, and
 * returns r or what the commit said. Reading verbs that need several statements use the read pair. --- */
int tx_begin(struct db *db, struct err *e);
int tx_commit(struct db *db, struct err *e);
void tx_abort(struct db *db);
int tx_enter(struct db *db, struct err *e);
int tx_leave(struct db *db, int r, struct err *e);
int tx_read_enter(struct db *db, struct err *e);
int tx_read_leave(struct db *db, int r, struct err *e);

/* --- stmt.c: one run of a statement. Errors of binding and reading stick and come out of the next step. --- */
enum { QUERY_ROW = 100 };

struct query {
        struct db *db;
        struct stmt *s;
        int rc; /* first SQLite error, or a negative code of the house (a value no enum knows) */
        int at; /* column that was read last */
};

void query_close(struct query *q); /* accepts an all-zero query; the statement stays prepared */
#define _query_ __attribute__((cleanup(query_close)))

struct query query_open(struct db *db, const char *sql); /* sql: a string literal; its address is the key */
int query_step(struct query *q, struct err *e);          /* QUERY_ROW, 0 at the end, or a failure */
int query_run(struct query *q, struct err *e);           /* to the end, rows ignored; ready to bind again */
/* For statements of at most one row: QUERY_ROW, or missing (an outcome, with its words) when there is none. */
int query_one(struct query *q, int missing, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

void query_int(struct query *q, const char *name, int64_t v);
void query_u64(struct query *q, const char *name, uint64_t v); /* same bits, signed */
void query_seq(struct query *q, const char *name, uint64_t v); /* above INT64_MAX: INT64_MAX */
void query_id(struct query *q, const char *name, uint64_t v);  /* 0: NULL */
void query_ms(struct query *q, const char *name, int64_t v);   /* 0: NULL */
void query_real(struct query *q, const char *name, double v);  /* NaN: NULL */
void query_text(
    struct query *q, const char *name, const char *v); /* NULL: NULL. Borrowed until the query is closed */
void query_blob(struct query *q, const char *name, const void *p, size_t n);  /* likewise */
void query_digest(struct query *q, const char *name, const struct digest *d); /* all-zero: NULL */

bool query_null(struct query *q, const char *column);
int64_t query_get_int(struct query *q, const char *column); /* NULL: 0 */
uint64_t query_get_u64(struct query *q, const char *column);
double query_get_real(struct query *q, const char *column);      /* NULL: NaN */
const char *query_get_text(struct query *q, const char *column); /* valid until the next step; never NULL */
void query_get_name(struct query *q, const char *column, char *dst, size_t size);
char *query_get_dup(struct query *q, const char *column, struct arena *a);
const void *query_get_blob(struct query *q, const char *column, size_t *ret_n);
void query_get_digest(struct query *q, const char *column, struct digest *ret); /* NULL: all-zero */

/* --- pieces of one verb that others need --- */
int blob_put(
    struct db *db, const void *data, size_t size, struct digest *ret, struct err *e); /* whole, inside a tx */
int blob_require(struct db *db, const struct digest *d, size_t size, struct err *e);  /* NOT_FOUND: not complete */
int blob_read(struct db *db, const struct digest *d, void *ret, size_t size, struct err *e);
int blob_sweep(struct db *db, struct err *e); /* some unreferenced chunks */
int audit_add(struct db *db, model_id m, const char *who, const char *what, const char *detail, struct err *e);
int alias_move(struct db *db, model_id m, const char *alias, version_id v, uint64_t epoch, struct err *e);
/* After the champion has moved: a challenger that waits to be compared with another one waits no more. */
int challenger_superseded(struct db *db, model_id m, const char *who, struct err *e);
/* After the champion has moved: tasks weigh what its line says. j: the job that moved it, 0. Each change is told. */
int weights_follow(struct db *db, model_id m, version_id champion, job_id j, const char *who, struct err *e);
int class_list(struct db *db, model_id m, struct arena *a, size_t *ret_n, const char *const **ret, struct err *e);
int class_add(struct db *db, model_id m, size_t ordinal, const char *name, struct err *e);
int task_open_next(struct db *db, model_id m, const char *name, bool classes_fixed, task_id *ret, struct err *e);
int task_class_add(struct db *db, task_id t, uint32_t class, struct err *e);
int output_add(struct db *db, version_id v, size_t n, const struct output_row *rows, struct err *e);
int evaluation_list(
    struct db *db, version_id v, struct arena *a, size_t *ret_n, struct job_task **ret, struct err *e);
int vote_waiting(struct db *db, model_id m, struct err *e); /* after a job has ended, and before one claims */
int expire_register(struct db *db, struct err *e);          /* event_hash() for its statements */
int feedback_check(struct db *db, struct err *e);           /* every row's content against its digest */
int blob_check(struct db *db, struct err *e);
void checkpoint_when_large(struct db *db); /* after a commit */
