/* stream_in.h: the parts of a stream's run, for stream*.c only. */
#pragma once
#include "base/digest.h"
#include "bench/stream.h"

struct stream_state {
        size_t at; /* rows followed */
        uint64_t correct, scored;
        uint64_t closed; /* rollovers so far; fisher and anchor mean nothing before the first */
        double seconds;
        size_t n_params;
        float *theta, *fisher, *anchor; /* (n_params) owned: the net, and online EWC's one record */
};

int stream_state_write(const char *dir, const struct digest *key, const struct stream_state *s, struct err *e);
/* Fills what is kept there; leaves *s alone when nothing usable is. */
int stream_state_read(const char *dir, const struct digest *key, struct stream_state *s, struct err *e);
