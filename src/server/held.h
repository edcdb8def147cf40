/* held.h: the bytes that all loops hold for requests: their bodies, what is read from them, answers that wait, work
 * for the store. One counter for the process with one limit, server.buffer_bytes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct server;

enum { HELD_FREE = 65536 }; /* so little of one holder that it is not counted */

/* Whether n bytes more are within the limit; as good as always when n is no more than HELD_FREE. Any thread. */
bool held_room(const struct server *s, size_t n);
/* Who held *held has n now. */
void held_set(const struct server *s, size_t *held, size_t n);
