/* dataset.h: one labelled dataset in memory, before it is cut into tasks.
 *
 * Values are scaled to [0,1] for idx bytes and to mean 0, deviation 1 of the training rows for csv. Labels are
 * classes 0..n_classes-1, in ascending order of their text (numbers as numbers, before other texts). */
#pragma once
#include "bench/bench.h"

struct table { /* labelled rows */
        size_t n;
        float *x;       /* (n,I) owned */
        int32_t *label; /* (n) owned */
};
void table_free(struct table *t); /* accepts an all-zero table */

struct dataset {
        uint32_t n_inputs, n_classes;
        struct table train, test;
};

/* Both: -EINVAL names a class that training or testing has no row of.
 * The four files, in dir or in its folder of that name. */
int dataset_open(const struct data_files *files, const char *dir, struct dataset *ret, struct err *e);
/* One csv or idx file (labels: the idx label file, or NULL); every fifth row of each class, drawn by a fixed seed, is
 * for testing, so that a class needs five. */
int dataset_open_file(const char *path, const char *labels, struct dataset *ret, struct err *e);
void dataset_close(struct dataset *d);        /* accepts an all-zero set */
uint64_t dataset_id(const struct dataset *d); /* of its shape and labels */
