/* table.h: every method of a protocol with its figures: the rows (table.c), how they are told (report_table.c). */
#pragma once
#include "bench/report.h"

struct buf;
struct err;
struct options;

enum { TABLE_MAX_VARIANTS = 8, TABLE_MAX_ROWS = METHOD_END + TABLE_MAX_VARIANTS };

struct table_row {
        struct settings s;    /* of the first seed */
        struct report report; /* of s; without units */
        size_t group;         /* whose units are its own: the seeds of the group-th training */
        bool as_ewc;          /* the group is ewc's: the protocol merges "ewc" as this method would */
};

struct table_of { /* too large for the stack */
        const struct protocol *protocol;
        uint32_t seeds;
        size_t n, n_groups;
        struct table_row row[TABLE_MAX_ROWS];
        bool left_out[METHOD_END]; /* methods whose lambda nobody knows */
        double seconds;            /* of all units together, those that were kept among them */
};

/* Fills row, n, n_groups and left_out of t, whose protocol is set and the rest zero. -EINVAL, as settings_make, for
 * options that no method of it takes. */
int table_rows(struct table_of *t, const struct options *o, uint64_t data_id, struct err *e);
const struct table_row *table_row_of(const struct table_of *t, enum bench_method m); /* the first; NULL if none */

/* For people: a line a row, further published figures below it, the sources at the end. */
void table_print(const struct table_of *t);
/* An object a row, each on its own line: the fields of report.h, then what was published (shares) and by whom. Last
 * an object that sums up. */
void table_json(const struct table_of *t, struct buf *out);
