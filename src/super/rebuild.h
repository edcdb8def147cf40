/* rebuild.h: a stored version trained again from its lineage, and compared bit for bit. Any thread that owns a
 * store. */
#pragma once
#include "base/digest.h"
#include "domain/report.h"

struct arena;
struct err;
struct store;

struct rebuild_origin {         /* how the version came to be */
        struct job job;         /* that trained it, as it was claimed; its strings are in the arena */
        uint64_t number;        /* of the version */
        uint32_t threads;       /* of its learner */
        struct digest job_file; /* its bundle */
        struct digest theta;
        char program[48];
};

enum { REBUILD_IMPOSSIBLE = 1 }; /* e says why: nothing trained it, or its bundle was not recorded */

int rebuild_origin(
    struct store *s, const struct job *rebuild, struct arena *a, struct rebuild_origin *ret, struct err *e);

/* 0 when the bundle at path is the one the version was trained from; REBUILD_IMPOSSIBLE: rows or tasks have
 * changed. */
int rebuild_check_bundle(const struct rebuild_origin *o, const char *path, struct err *e);

struct rebuild_verdict {
        bool same;
        char reason[REASON_SIZE];
};
/* Compares a result with the version: theta, and the Fisher of the task it closed. program: of this process.
 * -EBADMSG: the files are damaged or not of that job. */
int rebuild_judge(struct store *s, const struct job *rebuild, const char *job_path, const char *result_path,
    const char *program, struct rebuild_verdict *ret, struct err *e);
