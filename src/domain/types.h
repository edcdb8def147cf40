/* types.h: the nouns of the house as plain structs, and the enums that are stored (numbers frozen).
 *
 * Pointers inside are borrowed from the arena or callback scope of whoever filled the struct. Times are wall-clock
 * milliseconds since the epoch; 0 means "not yet". */
#pragma once
#include "base/digest.h"
#include "domain/fisher.h"
#include <ewc/fisher.h>
#include <ewc/train.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t model_id;
typedef uint64_t task_id;
typedef uint64_t version_id; /* unique in the store; people see version.number, counted per model from 1 */
typedef uint64_t job_id;

enum {
        NAME_SIZE = 64,         /* model, task, alias: [A-Za-z0-9][A-Za-z0-9._-]{0,62} and NUL */
        CLASS_NAME_SIZE = 128,  /* UTF-8 and NUL */
        KEY_SIZE = 129,         /* event_id, source: 1..128 bytes of UTF-8 and NUL */
        MODEL_MAX_CLASSES = 4096,
        MODEL_MAX_RANK = 8,
        MODEL_MAX_TASKS = 1024,
        REASON_SIZE = 512,
};

enum scenario { SCENARIO_TASK = 1, SCENARIO_DOMAIN = 2, SCENARIO_CLASS = 3 };          /* on disk: never renumber */
enum task_state { TASK_OPEN = 1, TASK_CLOSED = 2 };                                    /* on disk */
enum job_kind { JOB_CONSOLIDATE = 1, JOB_ROLLOVER = 2 };                               /* on disk */
enum version_state { VERSION_INITIAL = 1, VERSION_PROMOTED = 2, VERSION_REJECTED = 3 }; /* on disk */
enum trigger_kind { TRIGGER_MANUAL = 1, TRIGGER_MIN_FEEDBACK = 2, TRIGGER_INTERVAL = 3 }; /* on disk */
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
const char *tensor_role_name(enum tensor_role r); /* "theta" "fisher" "theta_old" */

/* An output row of a net: whose it is. Scenario task: one row per (task, class). Otherwise task is 0. */
struct output_row {
        uint64_t task;  /* task_id, or 0: shared by all tasks */
        uint32_t class; /* index into the model's classes */
};

struct seq_range { /* feedback sequence numbers, both ends included; first > last is empty */
        uint64_t first, last;
};

/* A stored model. The descriptions are canonical JSON kept verbatim; proto/json_model.h reads them into model.h. */
struct model {
        model_id id;
        char name[NAME_SIZE];
        enum scenario scenario;
        const char *spec_json;     /* NUL-terminated */
        const char *learning_json;
        size_t n_classes;
        const char *const *classes; /* grows by rollovers in scenario class; the index is the class's identity */
        int64_t created_ms;
};

struct model_new {
        const char *name;
        enum scenario scenario;
        const char *spec_json, *learning_json;
        size_t n_classes;
        const char *const *classes;
        const char *task;             /* the first task */
        size_t n_task_classes;        /* 0: those its feedback uses */
        const uint32_t *task_classes; /* indices */
        size_t n_outputs;             /* of version 1 */
        const struct output_row *outputs;
        size_t n_params;
        const float *theta;           /* (P) initial; Fisher and anchor are absent until the first rollover */
        uint64_t seed;
        const char *who;              /* audit */
};

struct task {
        task_id id;
        model_id model;
        char name[NAME_SIZE];
        uint32_t ordinal; /* 0, 1, … in order of opening */
        enum task_state state;
        bool classes_fixed;      /* given at rollover or creation; else those its feedback uses */
        size_t n_classes;
        const uint32_t *classes; /* ascending */
        double alpha;            /* weight of its penalty */
        int64_t opened_ms, closed_ms;
        uint64_t n_train, n_holdout; /* retained feedback */
        uint64_t last_seq;           /* newest feedback of the task, 0 if none */
        version_id closed_by;        /* version whose theta is its anchor; 0 while open */
        bool has_fisher;
        struct ewc_fisher_info fisher;     /* closed tasks */
        enum learn_importance importance;  /* si, mas: in place of the Fisher; fisher.kind then means nothing */
        struct fisher_stored stored;
        double accuracy_at_close;          /* holdout accuracy of the closing version; NaN if n is 0 */
        double loss_at_close;              /* its mean loss there */
        uint64_t n_at_close;
};

struct feedback {
        const char *event_id; /* never NULL: generated when the client gave none */
        const char *source;   /* "" if none */
        task_id task;
        bool task_named;      /* the event named its task; else a rollover may hand it to the next one */
        bool holdout;
        size_t n_inputs;
        const float *inputs;  /* (I) raw, before scale and offset */
        int32_t class;        /* class index, softmax loss; else -1 */
        size_t n_targets;
        const float *targets; /* (n_classes) sigmoid: 0 or 1 each; squared: values; NULL for softmax */
        float weight;
        int64_t observed_ms;  /* 0 if not given */
        struct digest payload; /* over everything the client sent for the event; tells a retry from a conflict */
        /* filled on read */
        uint64_t seq;
        int64_t received_ms;
};

enum feedback_verdict {
        FEEDBACK_ACCEPTED = 1,
        FEEDBACK_DUPLICATE = 2,
        FEEDBACK_CONFLICT = 3,
        FEEDBACK_TASK_CLOSED = 4
};

struct receipt {
        uint64_t n_accepted, n_duplicate, n_conflict;
        uint64_t first_seq, last_seq; /* of the accepted ones; 0 if none */
};

/* What policy_due reads; kept per model, counted by the store. */
struct counters {
        model_id model;
        uint64_t n_new;             /* train rows of the open task above the last consolidated sequence number */
        uint64_t n_open_train;      /* train rows of the open task */
        uint64_t n_open_holdout;
        uint64_t n_open_classes;    /* distinct labels among them */
        uint64_t n_head_classes;    /* classes of the head that training the open task now would train */
        uint64_t last_seq;          /* newest row of the model */
        uint64_t used_seq;          /* newest row a finished job has consumed */
        int64_t oldest_new_ms;      /* received_ms of the oldest new row, 0 if none */
        int64_t last_job_ended_ms;  /* of the newest job that has ended; 0: none has */
        bool job_active;
};

struct evaluation { /* one task's holdout under one version */
        task_id task;
        uint64_t n;
        double accuracy, loss; /* NaN if n is 0 */
};

struct version {
        version_id id;
        model_id model;
        uint64_t number;
        enum version_state state;
        version_id parent;       /* 0 for the first */
        uint64_t parent_number;
        job_id job;              /* 0 for the first */
        task_id task;            /* open task it was trained on; 0 for the first */
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_params;
        struct digest theta, fisher, anchor; /* blobs; fisher and anchor all-zero when absent */
        bool has_fisher;
        double fisher_scale; /* mean of the merged Fisher over its protected parameters (unit merge: sum of alphas) */
        enum ewc_fisher fisher_kind;
        enum learn_importance importance; /* as of a task */
        uint64_t fisher_samples;
        double lambda;           /* canonical scale */
        uint64_t seed;
        struct seq_range range;
        char program[48];        /* "ewcd 0.1.0" */
        char reason[REASON_SIZE];
        int64_t created_ms;
        size_t n_evaluations;
        const struct evaluation *evaluations;
        size_t n_aliases;
        const char *const *aliases;
};

struct alias {
        char name[NAME_SIZE];
        version_id version;
        uint64_t number; /* of the version */
        uint64_t epoch;  /* compare-and-set token, shown as ETag */
        int64_t updated_ms;
};

struct audit {
        uint64_t seq;
        int64_t at_ms;
        model_id model;
        const char *who, *what, *detail;
};
