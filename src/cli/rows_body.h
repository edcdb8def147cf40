/* rows_body.h: rows of a file gathered into request bodies, as feedback import and predict send them. */
#pragma once
#include "base/buf.h"
#include "cli/cli.h"
#include "data/rows.h"

struct cli_rows {
        struct rows *rows;
        const struct options *opt;
        const char *path;
        uint64_t passed; /* rows that met --only so far, skipped ones included */
        uint64_t taken;
};

int cli_rows_open(
    struct cli_rows *ret, const struct options *o, const char *path, const char *labels_path, struct err *e);
int cli_rows_next(
    struct cli_rows *r, struct row *ret, struct err *e);    /* as rows_next, after --only, --skip and --limit */
int cli_rows_none(struct cli *c, const struct cli_rows *r); /* says why no row was taken; an exit code */
void cli_rows_close(struct cli_rows *r);
double cli_rows_fraction(const struct cli_rows *r); /* 0..1, of the file or of --limit */

void put_numbers(struct buf *b, const float *x, size_t n); /* "[…]" */
