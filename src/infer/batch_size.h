/* batch_size.h: how many rows of a version are worth running together, measured. */
#pragma once
#include <stddef.h>

struct clock;
struct served;

/* 1 to BATCH_MAX_ROWS. Runs the version's net for some milliseconds; any thread. It changes when a row is run, never
 * its bits. 1 when memory is short. */
size_t batch_size_measure(const struct served *s, const struct clock *clock);
