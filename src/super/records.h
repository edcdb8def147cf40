/* records.h: what protects the closed tasks, read from the store into the layout of a job. Any thread that owns a
 * store. */
#pragma once
#include "domain/learn_job.h"
#include "super/export_rows.h"
#include "super/layout.h"

struct records {
        size_t n;
        struct learn_past *v; /* (n) in order of opening; Fishers and anchors (P) are their own memory */
};

/* One entry for each closed task with a record. Its Fisher and anchor are moved to the layout's outputs by task
 * and class: one that came later is protected by nothing, and its anchor is theta. theta (P) is given the outputs
 * that the parent lacks and a record has, as after a return to an older version, from the first task to have them.
 * ret is all-zero before, and is freed by the caller even after a failure. */
int records_load(
    struct store *s, const struct layout *l, struct budget *b, float *theta, struct records *ret, struct err *e);
void records_free(struct records *r);

/* ret (P of net, the one the task was closed with): a record's Fisher, decoded where it is packed. -EBADMSG: it is of
 * another net. */
int record_fisher(
    struct store *s, const struct task *t, const struct ewc_spec *net, struct budget *b, float *ret, struct err *e);
