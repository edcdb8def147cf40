/* store_feedback.h: the verbs of labelled rows: taking them, walking them, and their later life. Part of store.h,
 * which says what all verbs have in common. */
#pragma once
#include "domain/label.h"
#include "domain/retention.h"
#include "domain/types.h"

struct arena;
struct err;
struct store;

/* Rules of one model, as its keys say. */
struct feedback_rules {
        enum conflict_policy on_conflict;
};
/* rules NULL: EARLIEST. Rows of one event_id are votes on one event, one of each source, its newest: after each
 * accepted row that is live domain/label.h names the one that counts, the others become SUPERSEDED; a row inside the
 * range of an active job keeps its state (the job's rows are frozen), and the event is settled when the job ends. A
 * row that counted when it expired has been learned for good: under EARLIEST and MAJORITY its event stays closed and
 * what comes is SUPERSEDED (its class is not known any more); under LATEST a label that came later counts. Under
 * EARLIEST a known (source, event_id) with another payload is CONFLICT and not written; under LATEST and MAJORITY it
 * replaces the row of that key as a new one (event_id, source and payload stay findable). An event that was erased is
 * ERASED and not written again; one of a source that was taken out, only by that source. A trusted row is a holdout
 * row and may name a closed task. It neither votes nor is outvoted, and does not share its key with labels: another
 * one of the same (source, event_id) is CONFLICT under every policy.
 *
 * verdicts (n, may be NULL) gets one enum feedback_verdict per row. A row with a known (source, event_id) is
 * DUPLICATE when its payload digest agrees with the newest row of that key, else CONFLICT; a task that is no longer
 * open: TASK_CLOSED for rows that name it, else the row goes to the task open now. Only ACCEPTED rows are written.
 * FULL, READONLY. */
int store_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e);

enum feedback_state { /* a row's state, and of a live one what has become of it */
        FEEDBACK_QUEUED = 1,
        FEEDBACK_HELD_OUT = 2,
        FEEDBACK_USED = 3,
        FEEDBACK_QUARANTINED = 4,
        FEEDBACK_LATE = 5,
        FEEDBACK_SUPERSEDED = 6,
        FEEDBACK_FEATURES_ERASED = 7,
        FEEDBACK_EXPIRED = 8
};
struct feedback_fate {
        struct feedback row;       /* inputs are not filled; an erased or expired row has no label either */
        enum feedback_state state; /* job and version stay said when a used row is erased or expires */
        char task_name[NAME_SIZE];
        job_id job;              /* first job that used it, a dry run too; 0 */
        uint64_t version_number; /* its version, 0 */
};
/* Of the rows of an event the one that counts; when none does, a trusted one, else the newest. NOT_FOUND. */
int store_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e);
int store_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e);

struct feedback_filter {        /* live rows only */
        task_id task;           /* 0: all */
        struct seq_range range; /* {0, UINT64_MAX}: all */
        enum { SPLIT_TRAIN = 1, SPLIT_HOLDOUT = 2, SPLIT_BOTH = 3 } split;
};
typedef int (*store_feedback_fn)(void *arg, const struct feedback *row);
int store_feedback_scan(struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each,
    void *arg, struct err *e); /* sequence order */

/* --- a label's later life. who does it, and reason, why (NULL, or up to 200 bytes), stand in the fate of the rows
 * that are taken out and in the audit --- */
struct feedback_selection {   /* one of the two */
        const char *event_id; /* rows of this event, from any source */
        const char *source;
        bool trusted; /* trusted holdout rows too; false: they are left alone */
};
struct erased {
        uint64_t n;                    /* rows erased now */
        uint64_t n_used;               /* of them, rows that a version was trained with */
        uint64_t first_version_number; /* first version trained with one of them; 0: none */
        bool backups; /* copies that were made before a migration lie beside the database and still have them */
};
/* Features, label, weight, payload and the prediction are overwritten; (source, event_id), seq and times stay, so
 * that nothing comes back. The database's pages are clean at once, its WAL after the next store_maintain that no
 * reader hinders; backups made earlier are not touched. The events vote again. Goes to the audit. NOT_FOUND:
 * nothing matches; CONFLICT: a row lies in the range of an active job, or below it while the job reads the store
 * (EXPORTING, RUNNING), since it may replay closed tasks (e: which job). */
int store_feedback_erase(struct store *s, model_id m, const struct feedback_selection *sel, const char *who,
    const char *reason, struct erased *ret, struct err *e);
/* QUARANTINED -> LIVE, and the event votes again; or with accept false -> ERASED. NOT_FOUND: no quarantined row of
 * this event. CONFLICT: one lies in the range of an active job. */
int store_feedback_release(struct store *s, model_id m, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e);
/* By retention, at most limit rows a call, oldest first; which rows of a class are kept follows from a hash of
 * their event, so it is the same every time. Trusted holdout rows and rows that erase would call CONFLICT never
 * expire; with mode USED a row is used when the version of a job that learned it came to serve; payloads stay, so
 * that a retry is known. A class that only expired rows had stays a class of their task. Superseded and late rows
 * go as train rows do, without a cap; quarantined ones only by age. */
int store_feedback_expire(
    struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e);

struct source {           /* what came from one source */
        const char *name; /* "": rows that named none */
        uint64_t n, n_live, n_used;
        uint64_t n_served, n_agreed; /* rows, with their label, that named a prediction; of them, with its label */
        uint64_t first_seq, last_seq;
};
typedef int (*store_source_fn)(void *arg, const struct source *s);
int store_source_list(struct store *s, model_id m, store_source_fn each, void *arg, struct err *e); /* by name */

enum { UNLEARNED_NAMES = 16 };
struct unlearned {
        uint64_t n_erased;
        uint64_t from_number, back_to_number; /* champion before and after; equal when it had learned from no row */
        bool backups;                         /* as in struct erased */
        uint64_t n_aliases;                   /* others that went to back_to_number; of these the first, by name: */
        char aliases[UNLEARNED_NAMES][NAME_SIZE];
};
/* One transaction: every row of the source but the trusted ones is erased; alias champion moves to the newest
 * promoted version of the champion's line that had used none of them, by itself or by its parents, and was not
 * pruned; every other alias whose version had moves there too. No alias is set to such a version from now on
 * (store_alias_set). A job that replayed has used the rows of the tasks closed before its own. What later jobs used
 * counts as new again. Tasks that such a version closed weigh 0 from now on where no later reweight gives them
 * another weight. NOT_FOUND: no row of it. -EINVAL: no name. CONFLICT: a job is active, or a task whose alpha is
 * above 0 was closed by a later version with such rows (e names it and what to do). */
int store_source_unlearn(struct store *s, model_id m, const char *source, const char *who, const char *reason,
    struct unlearned *ret, struct err *e);

/* Newest live rows, train or holdout, newest first: inputs, label, served_*. For drift and shadow. after_seq: only
 * rows above it; limit 0: all. */
int store_feedback_newest(
    struct store *s, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each, void *arg, struct err *e);

/* 32 bytes kept under a name for ever: those stored, or fresh, which is then stored. Writer only when it is new. */
int store_secret(struct store *s, const char *name, const uint8_t fresh[32], uint8_t ret[32], struct err *e);
