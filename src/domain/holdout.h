/* holdout.h: which rows are never trained on. Pure. */
#pragma once
#include <stdbool.h>

/* True when the row identified by (source, event_id) falls into the held-out share (0..1). Depends on nothing else,
 * so a repeated event falls on the same side. */
bool holdout_split(const char *source, const char *event_id, double share);
