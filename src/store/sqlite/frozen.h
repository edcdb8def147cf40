/* frozen.h: enums whose numbers are on disk. Each row fails to compile when a constant changes its number; a number
 * read back that has no row means a damaged file. */
#pragma once
#include "store/sqlite/db.h"

#define FROZEN_SCENARIO(X) X(SCENARIO_TASK, 1) X(SCENARIO_DOMAIN, 2) X(SCENARIO_CLASS, 3)
#define FROZEN_TASK_STATE(X) X(TASK_OPEN, 1) X(TASK_CLOSED, 2)
#define FROZEN_JOB_KIND(X) X(JOB_CONSOLIDATE, 1) X(JOB_ROLLOVER, 2) X(JOB_REWEIGHT, 3) X(JOB_REBUILD, 4)
#define FROZEN_JOB_STATE(X)                                                                                          \
        X(JOB_QUEUED, 1)                                                                                             \
        X(JOB_EXPORTING, 2)                                                                                          \
        X(JOB_RUNNING, 3)                                                                                            \
        X(JOB_JUDGING, 4)                                                                                            \
        X(JOB_PROMOTED, 10)                                                                                          \
        X(JOB_REJECTED, 11) X(JOB_CANCELLED, 12) X(JOB_FAILED, 13) X(JOB_CANDIDATE, 14) X(JOB_VERIFIED, 15)
#define FROZEN_VERSION_STATE(X)                                                                                      \
        X(VERSION_INITIAL, 1) X(VERSION_PROMOTED, 2) X(VERSION_REJECTED, 3) X(VERSION_CANDIDATE, 4)
#define FROZEN_TRIGGER(X)                                                                                            \
        X(TRIGGER_MANUAL, 1)                                                                                         \
        X(TRIGGER_MIN_FEEDBACK, 2)                                                                                   \
        X(TRIGGER_INTERVAL, 3)                                                                                       \
        X(TRIGGER_DAILY, 4)                                                                                          \
        X(TRIGGER_ACCURACY, 5) X(TRIGGER_INPUTS, 6) X(TRIGGER_STRATEGY, 7) X(TRIGGER_UNLEARN, 8)
#define FROZEN_STRATEGY(X) X(STRATEGY_FIXED, 0) X(STRATEGY_EWC, 1) X(STRATEGY_REPLAY, 2) X(STRATEGY_DISTILL, 3)
#define FROZEN_FISHER(X)                                                                                             \
        X(EWC_FISHER_EXACT, 1)                                                                                       \
        X(EWC_FISHER_EMPIRICAL, 2)                                                                                   \
        X(EWC_FISHER_SAMPLE, 3)                                                                                      \
        X(EWC_FISHER_BATCHED, 4)                                                                                     \
        X(EWC_FISHER_ARGMAX, 5)                                                                                      \
        X(EWC_FISHER_TRUNCATED, 6) X(EWC_FISHER_MIXED, 7) X(EWC_FISHER_REVERSED, 8)
#define FROZEN_IMPORTANCE(X) X(LEARN_IMPORTANCE_FISHER, 0) X(LEARN_IMPORTANCE_SI, 1) X(LEARN_IMPORTANCE_MAS, 2)
#define FROZEN_ENCODING(X) X(FISHER_PLAIN, 0) X(EWC_PACK_BITMAP16, 2) X(EWC_PACK_LOG8, 3) X(EWC_PACK_CSR16, 4)
#define FROZEN_ROW_STATE(X)                                                                                          \
        X(ROW_LIVE, 1) X(ROW_QUARANTINED, 2) X(ROW_LATE, 3) X(ROW_SUPERSEDED, 4) X(ROW_ERASED, 5) X(ROW_EXPIRED, 6)
#define FROZEN_POLICY(X) X(CONFLICT_EARLIEST, 0) X(CONFLICT_LATEST, 1) X(CONFLICT_MAJORITY, 2)

enum scenario scenario_in_db(struct query *q, const char *column);
enum task_state task_state_in_db(struct query *q, const char *column);
enum job_kind job_kind_in_db(struct query *q, const char *column);
enum job_state job_state_in_db(struct query *q, const char *column);
enum version_state version_state_in_db(struct query *q, const char *column);
enum trigger_kind trigger_in_db(struct query *q, const char *column);
enum strategy strategy_in_db(struct query *q, const char *column);
enum learn_importance importance_in_db(struct query *q, const char *column);
enum row_state row_state_in_db(struct query *q, const char *column);
enum conflict_policy policy_in_db(struct query *q, const char *column);
int encoding_in_db(struct query *q, const char *column);
enum ewc_fisher fisher_in_db(struct query *q, const char *column); /* 0 and NULL are "none" */
