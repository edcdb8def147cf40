/* types.h: the nouns of the house as plain structs.
 *
 * Pointers inside are borrowed from the arena or callback scope of whoever filled the struct. Times are wall-clock
 * milliseconds since the epoch; 0 means "not yet". */
#pragma once
#include "base/digest.h"
#include "domain/fisher.h"
#include "domain/kinds.h"
#include <ewc/fisher.h>
#include <ewc/train.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
        const char *spec_json; /* NUL-terminated */
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
        const float *theta; /* (P) initial; Fisher and anchor are absent until the first rollover */
        uint64_t seed;
        const char *who; /* audit */
};

struct task {
        task_id id;
        model_id model;
        char name[NAME_SIZE];
        uint32_t ordinal; /* 0, 1, … in order of opening */
        enum task_state state;
        bool classes_fixed; /* given at rollover or creation; else those its feedback uses */
        size_t n_classes;
        const uint32_t *classes; /* ascending */
        double alpha;            /* weight of its penalty */
        int64_t opened_ms, closed_ms;
        uint64_t n_train, n_holdout; /* retained feedback */
        uint64_t last_seq;           /* newest feedback of the task, 0 if none */
        version_id closed_by;        /* version whose theta is its anchor; 0 while open */
        bool has_fisher;
        struct ewc_fisher_info fisher;    /* closed tasks */
        enum learn_importance importance; /* si, mas: in place of the Fisher; fisher.kind then means nothing */
        struct fisher_stored stored;
        double accuracy_at_close; /* holdout accuracy of the closing version; NaN if n is 0 */
        double loss_at_close;     /* its mean loss there */
        uint64_t n_at_close;
};

struct feedback {
        const char *event_id; /* never NULL: generated when the client gave none */
        const char *source;   /* "" if none */
        task_id task;
        bool task_named; /* the event named its task; else a rollover may hand it to the next one */
        bool holdout;
        size_t n_inputs;
        const float *inputs; /* (I) raw, before scale and offset */
        int32_t class;       /* class index, softmax loss; else -1 */
        size_t n_targets;
        const float *targets; /* (n_classes) sigmoid: 0 or 1 each; squared: values; NULL for softmax */
        float weight;
        int64_t observed_ms;   /* 0 if not given */
        struct digest payload; /* over everything the client sent for the event; tells a retry from a conflict */
        enum row_state state;  /* on adding 0 or LIVE, or QUARANTINED or LATE */
        const char *why;       /* of a state that is not LIVE, "" or NULL otherwise */
        bool trusted;          /* a holdout row that came from an operator, not through the feedback API */
        /* The prediction it answers, where it named one; served_version 0: none. */
        uint64_t served_version; /* version.number */
        int32_t served_class;    /* class index the prediction said, -1 if it said none */
        float served_probability;
        /* filled on read */
        uint64_t seq;
        int64_t received_ms;
};

enum feedback_verdict {
        FEEDBACK_ACCEPTED = 1,
        FEEDBACK_DUPLICATE = 2,
        FEEDBACK_CONFLICT = 3,
        FEEDBACK_TASK_CLOSED = 4,
        FEEDBACK_ERASED = 5 /* this event was erased; it does not come back */
};

struct receipt {
        uint64_t n_accepted, n_duplicate, n_conflict;
        uint64_t n_quarantined, n_late, n_superseded; /* among the accepted: written and not learned from */
        uint64_t first_seq, last_seq;                 /* of the accepted ones; 0 if none */
};

/* What policy_due reads; kept per model, counted by the store. */
struct counters {
        model_id model;
        uint64_t n_new;        /* train rows of the open task above the last consolidated sequence number */
        uint64_t n_open_train; /* train rows of the open task */
        uint64_t n_open_holdout;
        uint64_t n_open_classes;   /* distinct labels among them */
        uint64_t n_head_classes;   /* classes of the head that training the open task now would train */
        uint64_t last_seq;         /* newest row of the model */
        uint64_t used_seq;         /* newest row a finished job has consumed */
        int64_t oldest_new_ms;     /* received_ms of the oldest new row, 0 if none */
        job_id last_job;           /* newest consolidation or rollover that has ended, no dry run; 0: none */
        int64_t last_job_ended_ms; /* its end; 0: none */
        bool last_rejected;        /* by the gate */
        bool last_rollover;        /* it was a rollover */
        enum strategy last_strategy;
        uint64_t n_closed;   /* closed tasks */
        uint64_t n_retained; /* live train rows of closed tasks */
        uint64_t n_live, n_quarantined, n_late, n_superseded, n_erased, n_expired; /* rows of the model by state */
        bool job_active;
};

struct output_score {    /* holdout rows of one label */
        uint32_t output; /* index of the net's output */
        uint64_t n, n_right;
};

struct evaluation { /* one task's holdout under one version */
        task_id task;
        uint64_t n;
        double accuracy, loss; /* NaN if n is 0 */
        double ece;            /* expected calibration error, 15 bins of equal width; NaN unless softmax and n > 0 */
        /* Against the evaluation it is compared with, on the same rows: right here and wrong there; the reverse. */
        uint64_t n_won, n_lost;
        /* Loss change of the task (nats a row) that the quadratic model expects of the move from its anchor; NaN when
         * it is not known. */
        double predicted;
        size_t n_outputs;                   /* softmax; 0 where not kept */
        const struct output_score *outputs; /* (n_outputs) by output */
};

struct version {
        version_id id;
        model_id model;
        uint64_t number;
        enum version_state state;
        version_id parent; /* 0 for the first */
        uint64_t parent_number;
        job_id job;   /* 0 for the first */
        task_id task; /* open task it was trained on; 0 for the first */
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_params;
        struct digest theta, fisher, anchor; /* blobs; fisher and anchor all-zero when absent */
        bool has_fisher;
        double fisher_scale; /* mean of the merged Fisher over its protected parameters (unit merge: sum of alphas) */
        enum ewc_fisher fisher_kind;
        enum learn_importance importance; /* as of a task */
        uint64_t fisher_samples;
        double lambda; /* canonical scale */
        double prior; /* precision added to its evidence (infer/evidence.h), chosen on the holdouts; 0: none chosen */
        uint64_t seed;
        struct seq_range range;
        char program[48]; /* "ewcd 0.1.0" */
        enum strategy strategy;
        uint32_t threads;       /* of the learner */
        uint64_t n_train;       /* rows of the open task it was trained on */
        struct digest job_file; /* of the bundle it was trained from; all-zero if not known */
        const char *gate;       /* canonical JSON of the gate's checks (proto/json_gate.h), NULL if not known */
        bool pruned;            /* its tensors are gone; the record stays */
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
