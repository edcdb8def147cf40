/* event_id.h: random names for requests and events that came without one. */
#pragma once

enum { EVENT_ID_SIZE = 40 };

/* prefix (at most 6 characters) and 128 random bits in hex. 0, or -EIO when the kernel gives no randomness. */
int event_id(const char *prefix, char ret[EVENT_ID_SIZE]);
