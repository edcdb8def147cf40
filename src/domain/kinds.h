/* kinds.h: ids, the sizes of names, and the enums that are stored (numbers frozen) with their words. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef uint64_t model_id;
typedef uint64_t task_id;
typedef uint64_t version_id; /* unique in the store; people see version.number, counted per model from 1 */
typedef uint64_t job_id;

enum {
        NAME_SIZE = 64,        /* model, task, alias: [A-Za-z0-9][A-Za-z0-9._-]{0,62} and NUL */
        CLASS_NAME_SIZE = 128, /* UTF-8 and NUL */
        KEY_SIZE = 129,        /* event_id, source: 1..128 bytes of UTF-8 and NUL */
        MODEL_MAX_CLASSES = 4096,
        MODEL_MAX_RANK = 8,
        MODEL_MAX_TASKS = 1024,
        REASON_SIZE = 512,
};

enum scenario { SCENARIO_TASK = 1, SCENARIO_DOMAIN = 2, SCENARIO_CLASS = 3 }; /* on disk: never renumber */
enum task_state { TASK_OPEN = 1, TASK_CLOSED = 2 };                           /* on disk */
enum job_kind {
        JOB_CONSOLIDATE = 1,
        JOB_ROLLOVER = 2,
        JOB_REWEIGHT = 3, /* another alpha of a closed task; theta stays, the merged protection changes */
        JOB_REBUILD = 4   /* trains a stored version again from its lineage and compares the bits */
};                        /* on disk */
enum version_state {
        VERSION_INITIAL = 1,
        VERSION_PROMOTED = 2,
        VERSION_REJECTED = 3,
        VERSION_CANDIDATE = 4 /* passed the gate and waits: for live labels, for an operator, or was a dry run */
};                            /* on disk */
enum trigger_kind {
        TRIGGER_MANUAL = 1,
        TRIGGER_MIN_FEEDBACK = 2,
        TRIGGER_INTERVAL = 3,
        TRIGGER_DAILY = 4,
        TRIGGER_ACCURACY = 5, /* prequential accuracy fell */
        TRIGGER_INPUTS = 6,   /* inputs drifted */
        TRIGGER_STRATEGY = 7, /* a stronger strategy after a rejected job */
        TRIGGER_UNLEARN = 8   /* a source was taken out */
};                            /* on disk */
enum strategy {               /* how a job learns beside its model's keys; on disk */
        STRATEGY_FIXED = 0,   /* as the keys say */
        STRATEGY_EWC = 1,     /* the penalty alone */
        STRATEGY_REPLAY = 2,  /* and replay of retained rows */
        STRATEGY_DISTILL = 3  /* and distillation from the champion */
};
enum row_state { /* of a feedback row; on disk */
        ROW_LIVE = 1,
        ROW_QUARANTINED = 2, /* kept, not learned, until somebody decides */
        ROW_LATE = 3,        /* observed before the feedback window: kept, not learned */
        ROW_SUPERSEDED = 4,  /* another label of the same event won */
        ROW_ERASED = 5,      /* features and label are gone; the row tells that it was there */
        ROW_EXPIRED = 6      /* the same, by retention */
};
enum tensor_role { TENSOR_THETA = 1, TENSOR_FISHER = 2, TENSOR_ANCHOR = 3 }; /* on disk; ANCHOR is theta_old */

/* Lower-case names used in JSON, SQL views, logs and CLI ("task", "open", "consolidate", "min_feedback", …). NULL if
 * the value is unknown; *_parse returns false for an unknown name. */
const char *scenario_name(enum scenario s);
bool scenario_parse(const char *name, enum scenario *ret);
const char *task_state_name(enum task_state s);
const char *job_kind_name(enum job_kind k);
bool job_kind_parse(const char *name, enum job_kind *ret);
const char *version_state_name(enum version_state s);
const char *trigger_kind_name(enum trigger_kind t);
const char *strategy_name(enum strategy s); /* "fixed" "ewc" "replay" "distill" */
const char *row_state_name(enum row_state s);
const char *tensor_role_name(enum tensor_role r); /* "theta" "fisher" "theta_old" */
