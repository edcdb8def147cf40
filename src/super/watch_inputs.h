/* watch_inputs.h: the newest inputs of a model against those its champion was trained on. Any thread that owns a
 * store. */
#pragma once
#include "domain/types.h"
#include "domain/watch.h"

struct err;
struct store;

struct watch_inputs { /* of one champion; all-zero: not read yet */
        bool read;
        size_t n, cap;
        float *reference; /* (n, I) raw */
};
void watch_inputs_free(struct watch_inputs *w); /* accepts an all-zero one */

struct watch_inputs_ask {
        model_id model;
        const struct version *champion;
        size_t n_inputs;
        double significance;
        size_t n_rows; /* newest ones compared, and at most as many of the reference */
        uint64_t after_seq, upto_seq;
        uint64_t n_tail; /* rows above upto_seq */
};
/* The reference: rows of the champion's own task and range, held out ones when there are enough of them, else train
 * rows; the newest of them. ret with n_reference or n_current 0 when there are too few on either side. */
int watch_inputs_compare(struct watch_inputs *w, struct store *s, const struct watch_inputs_ask *ask,
    struct input_drift *ret, struct err *e);
