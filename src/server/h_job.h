/* h_job.h: creating a job, as the handlers of jobs and of tasks (rollover) do. */
#pragma once
#include "server/h.h"

enum { H_JOB_MIN_ROWS = 2 }; /* to train on */

struct job_new;

/* On the store thread: creates the job and writes its JSON; H_REFUSED when one is active, the next task's name is
 * taken, or there is too little feedback to train on. */
int h_job_create(struct h_work *w, struct store *s, const struct model *m, const struct job_new *job, struct err *e);
void h_job_created(struct h_work *w, struct request *r); /* done: wakes the supervisor, 202 */
