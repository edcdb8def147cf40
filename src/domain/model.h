/* model.h: a model described by data, and how it is to learn. Parsed by proto/json_model.h, checked here. Pure. */
#pragma once
#include "domain/learn_job.h"
#include "domain/types.h"
#include <ewc/pack.h>

struct err;

enum { TRIGGER_DAILY_OFF = 1440 };
enum promotion_mode {         /* what follows a passed gate */
        PROMOTION_GATE = 0,   /* the version serves */
        PROMOTION_SHADOW = 1, /* it is @challenger until live labels say it is better */
        PROMOTION_MANUAL = 2  /* it is @challenger until an operator moves @champion */
};
const char *promotion_mode_name(enum promotion_mode m); /* "gate" "shadow" "manual" */
enum boundary_mode { BOUNDARY_OFF = 0, BOUNDARY_PROPOSE = 1, BOUNDARY_AUTO = 2 };
const char *boundary_mode_name(enum boundary_mode m); /* "off" "propose" "auto" */
enum strategy_mode { STRATEGY_MODE_FIXED = 0, STRATEGY_MODE_AUTO = 1 };
const char *strategy_mode_name(enum strategy_mode m); /* "fixed" "auto" */
enum conflict_policy { CONFLICT_EARLIEST = 0, CONFLICT_LATEST = 1, CONFLICT_MAJORITY = 2 };
const char *conflict_policy_name(enum conflict_policy p); /* "earliest" "latest" "majority" */
enum retention_mode { RETAIN_FOREVER = 0, RETAIN_USED = 1, RETAIN_ROLLOVER = 2, RETAIN_DAYS = 3 };
const char *retention_mode_name(enum retention_mode m); /* "forever" "used" "rollover" "days" */

struct model_spec { /* pointers live in the arena of whoever parsed it */
        char name[NAME_SIZE];
        char input_name[NAME_SIZE];
        size_t rank;
        uint32_t shape[MODEL_MAX_RANK];
        uint32_t n_inputs;           /* product of shape */
        size_t n_scale, n_offset;    /* 1 or n_inputs */
        const float *scale, *offset; /* net input = raw * scale + offset */
        enum scenario scenario;
        size_t n_classes;
        const char *const *classes;
        struct ewc_spec net; /* n_outputs is filled per version */
        const char *task;    /* name of the first task */
        size_t n_task_classes;
        const uint32_t *task_classes; /* indices; 0: those its feedback uses */
};

struct learning_list { /* one number for each layer of the net, the output layer last; or none */
        uint32_t n;
        float v[EWC_MAX_LAYERS + 1];
};

struct learning {
        enum learn_method method;
        double lambda;
        bool lambda_auto;
        enum learn_start lambda_start;
        enum ewc_fisher fisher_variant;
        uint32_t fisher_samples;
        double fisher_fraction;
        enum ewc_pack_encoding fisher_encoding;
        double fisher_keep;
        bool fisher_floor;
        double fisher_damping; /* share of its mean added to a Fisher; 0: none */
        enum learn_importance importance_type;
        double importance_damping;
        enum learn_merge_rule merge_rule;
        double merge_decay;
        enum learn_form penalty_form;
        enum learn_scale penalty_scale;
        double penalty_huber;
        enum ewc_optimizer optimizer_type;
        double optimizer_rate, optimizer_momentum, optimizer_beta1, optimizer_beta2, optimizer_eps;
        double rates_new_task, rates_floor;
        struct learning_list rates_layers;
        uint32_t epochs, steps, batch;
        uint64_t seed;
        double holdout;
        double gate_max_forgetting, gate_min_gain;
        uint32_t trigger_min_feedback; /* 0: off */
        uint32_t trigger_interval_s;   /* 0: off */
        uint32_t trigger_daily_min;    /* minutes after midnight UTC; TRIGGER_DAILY_OFF: off */
        uint32_t trigger_cool_down_s;
        double trigger_accuracy; /* threshold of Page-Hinkley, rows; 0: off */
        double trigger_accuracy_delta;
        double trigger_inputs;        /* significance; 0: off */
        uint32_t trigger_inputs_rows; /* newest rows compared */
        enum boundary_mode task_boundary;
        enum strategy_mode strategy;
        enum promotion_mode promotion;
        uint32_t shadow_min_rows, shadow_max_rows;
        double shadow_confidence;
        double gate_floor, gate_class_floor; /* least accuracy of a task, of a class; 0: off */
        double gate_max_ece_rise;            /* 1: off */
        double gate_confidence;              /* 0: differences count as they stand */
        double gate_max_predicted;           /* nats a row, of tasks without holdout rows */
        enum conflict_policy feedback_on_conflict;
        uint32_t feedback_window_s;            /* 0: off */
        double feedback_quarantine_confidence; /* 1: off */
        uint32_t predict_retain_rows, predict_retain_s;
        enum retention_mode retention_features;
        double retention_days;
        uint32_t retention_holdout_per_class, retention_replay_per_class;
        uint32_t retention_versions; /* unprotected ones kept whole; 0: all */
        uint32_t replay_per_class;
        double replay_derpp;
        double distill_weight, distill_temperature;
};

/* The keys of "learning" in JSON: one table for parsing, defaults, ranges, documentation. */
enum learning_type {
        LEARNING_REAL,
        LEARNING_UINT,
        LEARNING_BOOL,
        LEARNING_LAMBDA, /* a number, or "auto" */
        LEARNING_WORD,   /* an enum by its names */
        LEARNING_LIST    /* struct learning_list */
};

enum { LEARNING_WORDS_MAX = 16 }; /* the enums' values are below */

struct learning_key {
        const char *path; /* "lambda", "optimizer.rate", … */
        enum learning_type type;
        size_t offset, size;  /* into struct learning */
        double lo, hi;        /* inclusive range of numbers */
        const char *fallback; /* default as JSON text */
        const char *unit, *help;
        const char *(*word)(int value); /* WORD: its name, NULL if the value is none of the enum */
};

extern const struct learning_key learning_keys[];
extern const size_t n_learning_keys;

void learning_defaults(struct learning *ret);
/* Ranges and rules across keys: -EINVAL with field "/learning/…". */
int learning_check(const struct learning *l, struct err *e);
/* What depends on the net (its number of outputs is not looked at), of a section that learning_check took. */
int learning_check_net(const struct learning *l, const struct ewc_spec *net, struct err *e);
/* *ret borrows l. */
void learning_plan(const struct learning *l, uint64_t seed, uint32_t threads, struct learn_plan *ret);

int model_spec_check(const struct model_spec *s, struct err *e); /* -EINVAL with field and what to do */
/* (n,I) raw -> net inputs; may alias */
void model_scale(const struct model_spec *s, size_t n, const float *raw, float *ret);
uint32_t model_ids(const struct model_spec *s); /* inputs are ids 0..n-1 of an embedding; 0: they are numbers */
int model_class_find(const struct model_spec *s, const char *name); /* index, or -1 */
