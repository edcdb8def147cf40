/* holdout.h: which rows are never trained on. Pure. */
#pragma once
#include <stdbool.h>

/* True when the event falls into the held-out share (0..1). Depends on nothing else, so a repeated event falls on the
 * same side, and so do the rows that several sources send of it. */
bool holdout_split(const char *event_id, double share);
