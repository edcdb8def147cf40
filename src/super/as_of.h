/* as_of.h: the tasks and classes of a model as they were when a job that has ended was claimed. Any thread that owns
 * a store. */
#pragma once
#include "domain/report.h"

struct err;
struct store;

/* tasks (*n, in order of opening) as the store has them now: later ones are taken out, the job's own is open
 * again. Weights are left as they are. -ESTALE: the job's task is not there. */
int tasks_as_of(const struct job *job, struct task *tasks, size_t *n, struct err *e);

/* *n, the number of the model's classes now, becomes that of then: in scenario class a net has an output for every
 * class there is, so the version that the job trained tells. A job without one leaves it. */
int classes_as_of(struct store *s, const struct job *job, enum scenario scenario, size_t *n, struct err *e);
