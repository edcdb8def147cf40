/* event_hash.h: the order in which rows of a class are kept when some must go. Pure. */
#pragma once
#include <stdint.h>

/* The same for an event every time, and unrelated to what the event says: first bytes of the SHA-256 of event_id,
 * NUL, source. Rows with the lowest hashes are kept. Without the top bit, so that it is a positive integer of SQL. */
uint64_t event_hash(const char *event_id, const char *source);
