/* checkpoint.h: the file a job goes on from, held by one process at a time. */
#pragma once
#include "base/digest.h"
#include "base/file.h"
#include "domain/learn_job.h"

struct arena;
struct err;

struct checkpoint {
        const char *path; /* borrowed */
        struct digest job;
        const struct ewc_spec *net; /* borrowed */
        struct file_map map;        /* what the loaded state points into */
        int lock;
};

/* Takes the lock (on "<path>.lock", which stays behind empty). -EBUSY: another learner holds it. */
int checkpoint_open(
    struct checkpoint *c, const char *path, const struct digest *job, const struct ewc_spec *net, struct err *e);
void checkpoint_close(struct checkpoint *c);

/* 0: *ret may be resumed. CHECKPOINT_NONE: start over; e says why unless the file just is not there (message ""). */
enum { CHECKPOINT_NONE = 1 };
int checkpoint_load(struct checkpoint *c, struct arena *a, struct learn_state *ret, struct err *e);
int checkpoint_write(const struct checkpoint *c, const struct learn_state *s, struct err *e);
