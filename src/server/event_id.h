/* event_id.h: random names for requests, events and predictions, made without asking the kernel each time.
 *
 * The process draws one seed at its start; every loop has a source of its own under it, so nothing is shared. What is
 * guaranteed: HMAC-SHA256 under a key nobody outside has seen is not told from randomness, so names cannot be guessed
 * from others, and two are equal no more often than random ones of that length would be. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { EVENT_ID_SIZE = 40, EVENT_SEED = 32, EVENT_DRAW_MAX = 16, EVENT_PREFIX = 6 };

struct err;
struct event_source;

int event_seed(uint8_t ret[EVENT_SEED], struct err *e); /* from the kernel; -EIO when it gives no randomness */
int event_source_new(struct event_source **ret, const uint8_t seed[EVENT_SEED], unsigned loop, struct err *e);
void event_source_free(struct event_source *s); /* accepts NULL */

void event_draw(struct event_source *s, void *ret, size_t n); /* n random bytes, at most EVENT_DRAW_MAX */
/* prefix (at most EVENT_PREFIX characters) and 128 random bits in hex. */
void event_id(struct event_source *s, const char *prefix, char ret[EVENT_ID_SIZE]);
