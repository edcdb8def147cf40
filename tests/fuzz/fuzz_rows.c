/* Fuzz target of the files of rows: csv, idx and ndjson, plain or gzip'ed.
 *
 * Bit 0 of the first byte: the second byte says how many bytes at the end are a file of labels. Bit 1: a label column
 * is named; bits 2 and 3 say which. */
#include "base/err.h"
#include "data/rows.h"
#include "fuzz.h"
#include <math.h>

enum { ROWS_READ = 256 };

static const char *const columns[4] = {"label", "1", "2", "b"};

static void read_rows(const struct rows_open *how)
{
        struct rows *r;
        struct row row;
        struct err e = ERR_NULL;
        if (rows_open(&r, how, &e) < 0) {
                fuzz_check(e.msg[0] != '\0');
                return;
        }
        for (uint64_t i = 0; i < ROWS_READ && rows_next(r, &row, &e) == 1; i++) {
                fuzz_check(row.index == i);
                for (size_t k = 0; row.inputs && k < row.n; k++)
                        fuzz_check(rows_format(r) == ROWS_IDX || isfinite(row.inputs[k]));
                if (row.line)
                        fuzz_touch(row.line, row.line_len + 1);
                fuzz_touch_text(row.label);
                fuzz_check(rows_fraction(r) >= 0 && rows_fraction(r) <= 1);
        }
        rows_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2 || size > 4096)
                return 0;
        size_t n = size - 2, tail = data[0] & 1 ? data[1] : 0;
        if (tail > n)
                tail = n;
        struct fuzz_file f = fuzz_file(data + 2, n - tail), labels = fuzz_file(data + 2 + n - tail, tail);
        struct rows_open how = {.path = f.path};
        if (data[0] & 1)
                how.labels_path = labels.path;
        if (data[0] & 2)
                how.label_column = columns[data[0] >> 2 & 3];
        read_rows(&how);
        close(f.fd);
        close(labels.fd);
        return 0;
}
