/* report.h: what status and listings show, as plain structs that proto writes and tests assert on. */
#pragma once
#include "domain/job_sm.h"
#include "domain/types.h"

struct job {
        job_id id;
        model_id model;
        char model_name[NAME_SIZE];
        enum job_kind kind;
        enum job_state state;
        version_id parent;
        uint64_t parent_number; /* 0 until claimed */
        version_id version;
        uint64_t version_number; /* 0 until there is one */
        task_id task;            /* the open task when claimed */
        enum trigger_kind trigger;
        uint64_t trigger_value;
        const char *trigger_text; /* the policy's reason with its numbers, "" if none */
        enum strategy strategy;
        bool dry_run;       /* judged, never promoted, consumes nothing */
        uint64_t upto_seq;  /* newest row it may claim; 0: no bound */
        task_id alpha_task; /* REWEIGHT: which closed task, and its new weight; else 0 */
        double alpha;
        version_id rebuild_of; /* REBUILD: the version; else 0 */
        struct seq_range range;
        uint64_t seed;
        double lambda;             /* as trained; NaN until known */
        char next_task[NAME_SIZE]; /* rollover: the task to open */
        bool next_classes_given;
        size_t n_next_classes;
        const char *const *next_classes; /* names; in scenario class new ones extend the model */
        uint32_t attempts;               /* learner starts */
        const char *tries; /* canonical JSON list of struct learn_try, once judged; NULL without a search */
        char reason[REASON_SIZE];
        int64_t created_ms, started_ms, ended_ms;
        size_t n_tasks; /* per-task accuracies, once judged */
        const struct job_task {
                char name[NAME_SIZE];
                struct evaluation before, after;
        } * tasks;
};

struct job_live { /* what the learner said last; from memory */
        job_id id;
        bool switching;  /* its outcome is being committed, or committed and not yet served by every loop */
        double progress; /* 0..1 */
        char phase[16];
        uint32_t epoch, epochs, try;
        double lambda, loss, penalty, penalty_ratio;
};
