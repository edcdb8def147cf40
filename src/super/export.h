/* export.h: from the store to the job's bundle. Reader thread. */
#pragma once
#include "domain/report.h"
#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

struct export_conf {
        const char *path; /* job file to write; its directory is there */
        uint32_t threads; /* part of the plan */
        size_t max_bytes; /* held in memory at once; 0: EXPORT_MAX_BYTES */
};

#define EXPORT_MAX_BYTES ((size_t)4 << 30)

enum { EXPORT_EMPTY = 1 }; /* the open task has no row to train on; e says it */

/* Writes the file whole or not at all. *ret_unusable (may be NULL): rows left out. */
int export_job(
    struct store *s, const struct job *job, const struct export_conf *c, uint64_t *ret_unusable, struct err *e);
