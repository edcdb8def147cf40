/* census.h: every version a model has had: its number and the digest of its theta, by which the id of a prediction
 * is known to be genuine whether its version is loaded, was dropped, or has been pruned.
 *
 * Immutable; shared by the shelf and the loops' rows by counting references. The newest CENSUS_MAX versions are in
 * it, 40 bytes each. */
#pragma once
#include "base/digest.h"
#include "domain/types.h"
#include <stdatomic.h>

struct err;
struct store;

enum { CENSUS_MAX = 1024 };

struct census {
        atomic_uint refs;
        size_t n;
        struct census_row {
                uint64_t number;
                struct digest theta;
        } row[]; /* (n) newest first */
};

/* Reader thread. before: an earlier one of the same model, or NULL; only what is newer is read, and without news
 * *ret is another reference to it. */
int census_load(struct store *s, model_id m, struct census *before, struct census **ret, struct err *e);
struct census *census_ref(struct census *c); /* accepts NULL */
void census_unref(struct census *c);         /* accepts NULL; any thread */
