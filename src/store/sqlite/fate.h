/* fate.h: the state of feedback rows, and the pieces of verbs that change it. All of it inside a transaction. */
#pragma once
#include "store/sqlite/db.h"

struct fate_row { /* what a change of state needs to know of a row */
        uint64_t seq;
        model_id model;
        task_id task;
        bool holdout, trusted;
        int32_t class;
        enum row_state state;
        enum conflict_policy policy; /* of one that is not live: as it was when it came, or lost */
        job_id job;                  /* first that used it, 0 */
        bool whole; /* ERASED: with its event, for every source; EXPIRED: it counted, which closes its event */
};

/* The condition that a version was trained with row f by job j, to be read with feedback_since s of f in a LEFT JOIN.
 * A dry run's version was, too: it may yet come to serve. Jobs that reweighted or rebuilt train with no rows. */
#define JOB_TRAINED "j.kind IN (1, 2) AND j.state IN (10, 11, 14) "
/* The rows of its range, also those that a rollover handed to a later task since, and if it replayed those of tasks
 * closed before its own. Tasks opened later have greater ids. */
#define JOB_HAS_ROW                                                                                                  \
        "j.model = f.model AND ((j.task <= f.task AND j.range_last >= f.seq AND j.range_first <= f.seq) OR "         \
        "(j.replayed = 1 AND j.task > f.task)) AND j.id > coalesce(s.job, 0) "
/* Learned as one of its task's: what a rollover handed on has yet to be learned there. */
#define JOB_OWNS_ROW JOB_HAS_ROW "AND j.task >= f.task "
/* A narrower condition than JOB_TRAINED: its version serves, or did when another job was claimed or promoted it. */
#define JOB_SERVED                                                                                                   \
        "j.kind IN (1, 2) AND (j.state = 10 OR (j.state IN (11, 14) AND (EXISTS (SELECT 1 FROM alias a WHERE "       \
        "a.model = j.model AND a.name = 'champion' AND a.version = j.version) OR EXISTS (SELECT 1 FROM job k WHERE " \
        "k.model = j.model AND k.parent = j.version)))) "

/* Columns of struct fate_row, of feedback f with its feedback_fate x and feedback_since s. */
#define FATE_COLUMNS                                                                                                 \
        "f.seq AS seq, f.model AS model, f.task AS task, f.holdout AS holdout, f.class AS class, "                   \
        "EXISTS (SELECT 1 FROM feedback_trusted z WHERE z.seq = f.seq) AS trusted, "                                 \
        "coalesce(x.state, 1) AS state, coalesce(x.policy, 0) AS policy, coalesce(x.event, 0) AS whole, "            \
        "CASE WHEN x.seq IS NOT NULL THEN x.job WHEN f.holdout = 0 THEN (SELECT min(j.id) FROM job j "               \
        "WHERE " JOB_HAS_ROW "AND " JOB_TRAINED ") END AS job "
#define FATE_TABLES                                                                                                  \
        "feedback f LEFT JOIN feedback_fate x ON x.seq = f.seq LEFT JOIN feedback_since s ON s.seq = f.seq "

void fate_fill(struct query *q, struct fate_row *ret);

/* The range that an active job of the model has claimed, from the first row on while it reads the store, for it may
 * read closed tasks too; {1, 0} when there is none, then *ret_job is 0. */
int fate_frozen(struct db *db, model_id m, struct seq_range *ret, job_id *ret_job, struct err *e);
static inline bool in_range(const struct seq_range *r, uint64_t seq)
{
        return r->first <= seq && seq <= r->last;
}

int task_count_add(struct db *db, const struct fate_row *r, struct err *e);
/* A row that was written just now in a state that is not live. */
int fate_begin(struct db *db, const struct fate_row *r, const char *reason, struct err *e);
/* From r->state to another one, which r has then; counts follow. whole: as in struct fate_row. */
int fate_move(struct db *db, struct fate_row *r, enum row_state to, const char *reason, bool whole, struct err *e);
/* The same to ERASED or EXPIRED, and inputs and label are overwritten. */
int fate_overwrite(
    struct db *db, struct fate_row *r, enum row_state to, const char *reason, bool whole, struct err *e);
/* After a transaction that overwrote something: older pages of it are to leave the WAL. */
void scrub(struct db *db, int r);
bool scrub_misses(const struct db *db); /* copies made before a migration lie beside the file */

/* --- vote.c --- */
struct event_row {
        struct fate_row r;
        bool former; /* its key went to a newer row */
        char source[KEY_SIZE];
        struct digest payload;
};
struct event { /* the rows of one event, in sequence order; all-zero at first, event_rows_free at last */
        struct event_row *rows;
        size_t n, cap;
};
void event_rows_free(struct event *v);
int event_rows_load(struct db *db, model_id m, const char *event_id, struct event *ret, struct err *e);
/* Says which row of the event counts. receipt, if not NULL: n_superseded follows for its rows. */
int vote_settle(struct db *db, model_id m, const char *event_id, enum conflict_policy p, struct event *scratch,
    struct receipt *receipt, struct err *e);
/* The same for the event of a row that has just been erased, if others of it had been superseded. */
int vote_again(struct db *db, const struct fate_row *erased, struct event *scratch, struct err *e);

/* --- erase.c --- */
struct rows { /* a list of rows; rows_free at last */
        struct fate_row *v;
        size_t n, cap;
        bool spared; /* there were trusted ones, which were not asked for */
};
void rows_free(struct rows *l);
int rows_select(struct db *db, model_id m, const struct feedback_selection *sel, struct rows *ret, struct err *e);
/* Erases those of the list that are not erased yet, and lets the events vote again. CONFLICT: one is frozen. */
int rows_erase(
    struct db *db, model_id m, struct rows *l, const char *reason, bool event, struct erased *ret, struct err *e);
