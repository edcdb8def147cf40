/* stream_rows.h: the rows of one real stream, in time order, for stream_client.c. */
#pragma once
#include "bench/dataset.h"
#include <stddef.h>
#include <stdint.h>

struct err;

struct stream_rows {
        size_t rank;
        uint32_t shape[3], n_inputs, n_classes;
        bool image;         /* values are bytes, 0 to 255 */
        struct table live;  /* rows in time order */
        struct table held;  /* of the first domain, never given as feedback */
        size_t n_first;     /* of live: rows of the first domain */
        uint32_t n_domains; /* 1: none are known, and the first domain is the first third */
};

enum { STREAM_MISSING = 1 };

/* name: electricity, occupancy, vehicles or pneumonia. limit: rows of the stream, 0 for all; a stream with domains
 * gives up the end of each. MISSING: data_dir has no such stream. */
int stream_rows_open(struct stream_rows *ret, const char *data_dir, const char *name, size_t limit, struct err *e);
void stream_rows_close(struct stream_rows *s);
