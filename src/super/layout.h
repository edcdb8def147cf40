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

/* The outputs that a closed task's record has: those of the version that closed it. */
struct layout_record {
        size_t n_outputs; /* 0: the task has no record */
        const struct output_row *outputs;
};

struct layout {
        struct model_spec spec; /* net.n_outputs is the job's */
        struct learning learning;
        struct version parent;
        struct ewc_spec parent_net;
        size_t n_tasks;
        const struct task *tasks; /* in order of opening; the open one's classes are those of the job's range */
        double alpha_was;         /* REWEIGHT: of the task whose weight changes, before; tasks have the new one */
        const struct task *open;  /* the job's task */
        const struct layout_record *records; /* (n_tasks) */

        /* The parent's, then those of closed tasks that it lacks (after a return to a version from before their
         * close), then what the open task adds. */
        size_t n_outputs;
        const struct output_row *outputs;

        /* Trailing ones the parent does not answer with. In scenario task those of the open task: a closed task's
         * rows disturb no other head, and since the parent has no answer for that task, its own head is what a
         * candidate is compared with. Where tasks share a head: all rows the parent lacks. */
        uint32_t n_fresh;
};

/* Everything points into the arena. Negative: broken, or the job's model, task or parent is not there any more. */
int layout_load(struct store *s, const struct job *job, struct arena *a, struct layout *ret, struct err *e);

/* Where each of the job's outputs stands among those of a task's record: the source of ewc_spec_map. ret
 * (n_outputs). */
void layout_source(const struct layout *l, size_t task, uint32_t *ret);
