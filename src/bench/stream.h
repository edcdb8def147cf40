/* stream.h: labelled rows in time order, predicted before they are learned (prequential). */
#pragma once
#include "bench/options.h"

/* Windows of fixed size: each is predicted with the net as it stands, then learned. Beside the method: no learning
 * method at all is the repeat of the last label and the most frequent label so far. Prints table and object. */
int stream_run(const struct options *o, const struct protocol *p, struct err *e);

struct stream { /* standardised later, window by window, by the rows already seen */
        uint32_t n_inputs;
        size_t n;
        float *x;       /* (n,I) */
        int32_t *label; /* (n) 0 or 1 and on */
        uint32_t n_classes;
};
/* A csv file with a header; the last column named "label" holds integers, columns that are no number in the first row
 * are left out. */
int stream_open(const char *path, struct stream *ret, struct err *e);
void stream_close(struct stream *s);
