/* rows_in.h: what rows.c asks of a format. */
#pragma once
#include "data/rows.h"

struct gz;

struct rows_ops {                                                 /* one per format; state is the format's own */
        int (*next)(void *state, struct row *ret, struct err *e); /* as rows_next; index is filled by rows.c */
        void (*close)(void *state);
};

extern const struct rows_ops csv_ops, idx_ops, ndjson_ops;

/* Each takes the opened file (idx: and the labels, or NULL) into its state on success. */
int csv_open(void **ret, struct gz *file, const char *label_column, struct err *e);
int idx_open(void **ret, struct gz *images, struct gz *labels, uint64_t *ret_total, struct err *e);
int ndjson_open(void **ret, struct gz *file, struct err *e);
