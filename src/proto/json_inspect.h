/* json_inspect.h: what a version came from, how two versions differ, and what a task's Fisher protects, as JSON. */
#pragma once
#include "domain/inspect.h"
#include "proto/json_admin.h"

struct buf;

/* {"model":…,"lineage":[…]}: a version and its parents, newest first; a row is what a version's listing shows, and
 * the job's trigger beside it. job may be NULL (the first version). */
void json_lineage_begin(struct buf *b, const char *model);
void json_lineage_row(struct buf *b, const struct version_view *v, const struct job *job, bool first);
void json_lineage_end(struct buf *b);

struct diff_view {
        const struct version *from, *to;
        size_t n_added, n_removed; /* outputs of `to` that `from` lacks, and the reverse */
        size_t n_layers;
        const struct layer_drift *layers; /* over the outputs both have */
        const struct layer_drift *total;
        uint64_t fisher_of; /* number of the version whose Fisher is the metric; 0: none */
        size_t n_tasks;
        const struct diff_task {
                const char *name;
                struct evaluation from, to; /* n 0: not known */
        } * tasks;
};
void json_diff_write(struct buf *b, const struct diff_view *d);

struct task_fisher_view {
        const struct task *task;
        const struct fisher_view *fisher;
        const struct layer_fisher *layers; /* (fisher->n_layers) */
        size_t n_overlaps;
        const struct fisher_overlap {
                const char *task;
                double similarity; /* ewc/similarity.h, 1 for the same Fisher; NaN: other parameters */
        } * overlaps;              /* with the other closed tasks */
};
void json_task_fisher_write(struct buf *b, const struct task_fisher_view *v);
