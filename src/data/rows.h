/* rows.h: labelled rows from a file, one at a time, whatever the format (csv, idx pair, ndjson passes through).
 *
 * Files may be gzip'ed (by content, not by name). A row's memory is valid until the next call. Single-threaded. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct rows;

enum rows_format { ROWS_CSV = 1, ROWS_IDX, ROWS_NDJSON };

struct rows_open {
        const char *path;         /* csv, ndjson, or the idx image file */
        const char *labels_path;  /* idx: the label file, or NULL for unlabelled rows */
        const char *label_column; /* csv: name of the label column; NULL: the one named "label", else none. Without a
                                     header line: its position from 1; NULL: the last */
};

struct row {
        uint64_t index; /* 0-based */
        size_t n;
        const float *inputs; /* (n); ndjson: NULL */
        const char *label;   /* text; NULL if unlabelled */
        const char *line;    /* ndjson: the line as it stands */
        size_t line_len;
};

int rows_open(
    struct rows **ret, const struct rows_open *how, struct err *e); /* names file, line or offset, what to do */
int rows_next(
    struct rows *r, struct row *ret, struct err *e); /* 1 a row, 0 the end, negative: broken (file and line named) */
uint64_t rows_total(const struct rows *r);           /* known row count, 0 if not known (ndjson, csv) */
double rows_fraction(const struct rows *r);          /* 0..1 of the file's compressed bytes read so far */
enum rows_format rows_format(const struct rows *r);
void rows_close(struct rows *r); /* accepts NULL */
