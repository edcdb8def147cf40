/* as_of.h: the tasks of a model as they were when a job that has ended was claimed. Any thread that owns a store. */
#pragma once
#include "domain/report.h"

struct err;
struct store;

/* tasks (*n, in order of opening) as the store has them now: later ones are taken out, the job's own is open
 * again, and weights that a reweight changed since are what they were. -ESTALE: the job's task is not there. */
int tasks_as_of(struct store *s, const struct job *job, struct task *tasks, size_t *n, struct err *e);
