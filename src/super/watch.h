/* watch.h: fills struct watch (domain/watch.h) of a model from stored rows. Any thread that owns a store; a watcher
 * belongs to one thread at a time.
 *
 * Rows newer than the champion's range are walked once, in sequence order; what they came to is kept, so that a look
 * costs what is new. All of it follows from the stored rows, the versions and the model's keys: after a restart, or
 * when champion or challenger is another one, the walk begins anew and arrives at the same numbers. Rows that an
 * operator added (trusted) are no traffic and are passed over, as are rows that cannot be used.
 *
 * A row that names a prediction of the champion is scored by that; any other by the champion's answer now. The
 * Page-Hinkley sum and the newest inputs begin behind the newest row that a finished job has consumed: what a
 * rejected job has answered to does not start the next one. */
#pragma once
#include "domain/model.h"
#include "domain/types.h"
#include "domain/watch.h"

struct err;
struct store;
struct watcher;

enum { WATCH_ROWS = 4096 }; /* at most, in one look */

bool watch_wanted(const struct learning *l); /* anything that reads it is on */

int watcher_new(struct watcher **ret, model_id m, struct err *e);
void watcher_free(struct watcher *w); /* accepts NULL */

/* c: the model's counters now. *ret_behind: not all new rows have been walked; look again. A look that fails forgets
 * what was counted: the next one begins anew. */
int watcher_look(struct watcher *w, struct store *s, const struct learning *l, const struct counters *c,
    struct watch *ret, bool *ret_behind, struct err *e);
