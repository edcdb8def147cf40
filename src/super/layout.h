/* layout.h: what a job works with: model, tasks, parent version, and the outputs its net has.
 *
 * Derived from the store and the job's frozen range alone, so that the export and the settlement of one job, with a
 * restart between them, arrive at the same outputs. Any thread that owns a store. */
#pragma once
#include "domain/model.h"
#include "domain/report.h"
#include "domain/types.h"

struct arena;
struct err;
struct store;

struct layout {
        struct model_spec spec; /* net.n_outputs is the job's */
        struct learning learning;
        struct version parent;
        struct ewc_spec parent_net;
        size_t n_tasks;
        const struct task *tasks; /* in order of opening; the open one's classes are those of the job's range */
        const struct task *open;  /* the job's task */
        size_t n_outputs;
        const struct output_row *outputs; /* the parent's, and what the open task adds */
};

/* Everything points into the arena. Negative: broken, or the job's model, task or parent is not there any more. */
int layout_load(struct store *s, const struct job *job, struct arena *a, struct layout *ret, struct err *e);
