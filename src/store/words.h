/* words.h: the sentences of the audit, the same for every engine. Pure; text is cut to fit. */
#pragma once
#include "store/store.h"

enum { WORDS_SIZE = 1024 };

struct words {
        char text[WORDS_SIZE];
};

/* What the verdict makes of the job and of its version, and its word in the audit. */
enum job_state outcome_job_state(const struct outcome *o);
enum version_state outcome_version_state(const struct outcome *o);
/* A rebuild or reweight learns no rows. */
bool outcome_replayed(const struct outcome *o, enum job_kind kind, enum strategy strategy);
const char *outcome_what(const struct outcome *o); /* "version.promote" "version.reject" "version.candidate" */

struct words words_model(const struct model_new *m);
/* task: name of the one that is reweighted, NULL; rebuilt: number of the version, 0. */
struct words words_job(job_id j, const struct job_new *n, const char *task, uint64_t rebuilt);
struct words words_claim(job_id j, uint64_t parent_number, const char *task, struct seq_range range, uint64_t seed);
struct words words_attempt(job_id j, uint32_t attempts);
/* end: PROMOTED, REJECTED, CANDIDATE. */
struct words words_outcome(job_id j, uint64_t number, enum job_state end, bool dry_run, const char *reason);
/* j: the job that moved the champion, 0; number: of the champion now. */
struct words words_alpha(job_id j, const char *task, double was, double alpha, uint64_t number);
struct words words_rebuild(job_id j, uint64_t number, bool same, const char *reason);
/* numbers: of the n versions whose tensors are dropped now. */
struct words words_prune(size_t n, const uint64_t *numbers, uint64_t keep, const char *reason);
struct words words_rollover(job_id j, uint64_t number, const char *closed, const char *opened, const char *reason);
/* Why a rejected or only tried version of a rollover or reweight cannot be champion; its number. */
#define WORDS_HALF                                                                                                   \
        "version %" PRIu64                                                                                           \
        " was the dry run of a rollover or reweight, or rejected, which closed no task and changed no weight: "      \
        "run it in earnest"
/* Why a version serves no more; its number, the source. */
#define WORDS_UNLEARNED                                                                                              \
        "version %" PRIu64                                                                                           \
        " has learned from source %s, which was unlearned: it serves no more; take a version that has not, or "      \
        "consolidate what is left"
/* Why an alias is not set or deleted; its name, its version's number, its epoch. */
#define WORDS_MOVED "%s has moved: it is at version %" PRIu64 ", epoch %" PRIu64
/* What the audit calls the deletion of an alias. An epoch counts moves, each of which has a row of the audit, so the
 * number of this row is above every epoch the alias had: set again, it begins there. */
#define WORDS_ALIAS_DELETE "alias.delete"
/* Why alias challenger moves with the champion. */
#define WORDS_OUTRUN "challenger superseded"
/* Why nothing is erased; "id" or "source". */
#define WORDS_TRUSTED "only trusted holdout rows are of this %s, and they are erased only when that is said"
struct words words_alias(const char *alias, uint64_t number, uint64_t was, uint64_t epoch, const char *reason);

/* The reason of a version, and of its job, that waited and was made champion; fits in REASON_SIZE. */
struct words words_promoted(const char *who, const char *reason);
struct words words_alias_deleted(const struct alias *was, const char *reason);

/* Why a row of feedback is not live. reason, here and below: of who did it, NULL. */
struct words words_superseded(enum conflict_policy p);
struct words words_erased(const char *who, const char *reason);
struct words words_refused(const char *who, const char *reason);
struct words words_unlearned(const char *source, const char *who, const char *reason);
struct words words_expired(enum retention_mode m);
/* What was done, for the audit. */
struct words words_erase(const struct feedback_selection *sel, const struct erased *done, const char *reason);
struct words words_release(const char *event_id, bool accept, uint64_t n, const char *reason);
struct words words_expire(enum retention_mode m, uint64_t n);
struct words words_unlearn(const char *source, const struct unlearned *done, const char *reason);
void unlearned_name(struct unlearned *u, const char *alias); /* one more alias that went back */
