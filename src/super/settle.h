/* settle.h: a learner's result becomes a verdict and what to commit. Reader thread. */
#pragma once
#include "base/arena.h"
#include "domain/gate.h"
#include "domain/pack.h"
#include "store/store.h"
#include "super/layout.h"

struct learn_job;

/* Whether a version that passes the gate is promoted or kept as a candidate follows from the job (dry_run, kind) and
 * the model's promotion; outcome.promote and outcome.candidate say it. */
struct settle_conf {
        const char *job_path, *result_path;
        const char *program; /* stored with the version */
        const char *refusal; /* NULL, or why nothing may be promoted whatever the gate says: becomes the reason */
};

enum { SETTLE_BLOBS = 4, SETTLE_FAILED = 1 };

struct settle_blob { /* to be staged before the commit */
        const void *data;
        size_t size;
        struct digest digest;
};

struct settlement { /* all memory is its own */
        struct arena arena;
        struct layout layout;
        struct learn_result result;
        struct packed packed;   /* the closed task's Fisher; result.fisher is then what it decodes to */
        float *fisher, *anchor; /* (P) the version's protection, or NULL */
        struct verdict verdict; /* promote: false for a candidate */
        struct outcome outcome;
        bool has_close; /* promoted rollover */
        struct task_close close;
        size_t n_blobs; /* distinct ones */
        struct settle_blob blobs[SETTLE_BLOBS];
};

/* 0: *ret is filled. SETTLE_FAILED: job or result file is missing, damaged, of another job, or says what cannot be; e
 * says which. Negative: the store is broken or memory short; may work later. */
int settle_prepare(
    struct store *s, const struct job *job, const struct settle_conf *c, struct settlement **ret, struct err *e);
void settlement_free(struct settlement *s); /* accepts NULL */

/* The checks alone: is r a result that job can have? -EBADMSG with what is wrong. Pure. */
int settle_check(const struct learn_job *job, const struct learn_result *r, struct err *e);
