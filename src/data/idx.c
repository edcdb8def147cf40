/* idx.c: the idx format of the MNIST files, images of 8-bit integers or floats with labels beside them.
 *
 *   00 00 type rank | rank dimensions, 4 bytes each, big-endian | elements, big-endian, row-major
 *
 * The first dimension counts rows; the product of the others is a row's length. Types: 08 unsigned byte, 0D float32.
 * Labels are rank 1, unsigned bytes; their text is the number. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "data/gz.h"
#include "data/rows_in.h"
#include <errno.h>
#include <stdio.h>

enum { TYPE_BYTE = 0x08, TYPE_FLOAT = 0x0d, MAX_RANK = 4, MAX_ROW = 1 << 24 };

struct header {
        unsigned type, rank;
        uint64_t rows;
        size_t cols; /* product of the other dimensions */
};

struct idx {
        struct gz *images, *labels;
        struct header h;
        uint64_t at; /* rows read */
        size_t size; /* bytes of an element */
        unsigned char *raw;
        float *inputs;
        char label[8];
};

static int cut_short(struct gz *file, const char *what, struct err *e)
{
        return err_set(e, -EBADMSG, "%s: the file ends at byte %llu, inside %s", gz_path(file),
            (unsigned long long)gz_offset(file), what);
}

static int read_all(struct gz *file, void *out, size_t n, const char *what, struct err *e)
{
        size_t got;
        int r = gz_read(file, out, n, &got, e);
        if (r < 0)
                return r;
        return got == n ? 0 : cut_short(file, what, e);
}

static int read_header(struct gz *file, struct header *ret, struct err *e)
{
        unsigned char b[4];
        int r = read_all(file, b, 4, "the header", e);
        if (r < 0)
                return r;
        struct header h = {.type = b[2], .rank = b[3], .cols = 1};
        if (b[0] != 0 || b[1] != 0 || (h.type != TYPE_BYTE && h.type != TYPE_FLOAT) || h.rank < 1 ||
            h.rank > MAX_RANK)
                return err_set(e, -EBADMSG,
                    "%s: no idx file of bytes or floats with 1 to %d dimensions (starts with %02x%02x%02x%02x)",
                    gz_path(file), MAX_RANK, b[0], b[1], b[2], b[3]);
        for (unsigned i = 0; i < h.rank; i++) {
                if ((r = read_all(file, b, 4, "the dimensions", e)) < 0)
                        return r;
                uint32_t dim = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
                if (i == 0)
                        h.rows = dim;
                else if (dim == 0 || !mem_mul(h.cols, dim, &h.cols) || h.cols > MAX_ROW)
                        return err_set(e, -EBADMSG, "%s: dimension %u is %u; a row has 1 to %d elements",
                            gz_path(file), i, dim, MAX_ROW);
        }
        *ret = h;
        return 0;
}

static int open_labels(struct idx *x, struct err *e)
{
        struct header h;
        int r = read_header(x->labels, &h, e);
        if (r < 0)
                return r;
        if (h.type != TYPE_BYTE || h.rank != 1)
                return err_set(
                    e, -EBADMSG, "%s: labels are an idx file of bytes with one dimension", gz_path(x->labels));
        if (h.rows != x->h.rows)
                return err_set(e, -EBADMSG, "%s has %llu labels, %s has %llu rows; give the two files of one set",
                    gz_path(x->labels), (unsigned long long)h.rows, gz_path(x->images),
                    (unsigned long long)x->h.rows);
        return 0;
}

static void idx_close(void *state)
{
        struct idx *x = state;
        free(x->raw);
        free(x->inputs);
        free(x);
}

static int open_images(struct idx *x, struct err *e)
{
        int r = read_header(x->images, &x->h, e);
        if (r < 0)
                return r;
        if (x->h.rank < 2)
                return err_set(
                    e, -EBADMSG, "%s has one dimension, as labels do; give the file of images", gz_path(x->images));
        x->size = x->h.type == TYPE_FLOAT ? 4 : 1;
        x->raw = mem_array(x->h.cols, x->size);
        x->inputs = new_array(float, x->h.cols);
        if (!x->raw || !x->inputs)
                return err_oom(e);
        return x->labels ? open_labels(x, e) : 0;
}

int idx_open(void **ret, struct gz *images, struct gz *labels, uint64_t *ret_total, struct err *e)
{
        struct idx *x = new_zero(struct idx);
        if (!x)
                return err_oom(e);
        x->images = images;
        x->labels = labels;
        int r = open_images(x, e);
        if (r < 0) {
                idx_close(x);
                return r;
        }
        *ret_total = x->h.rows;
        *ret = x;
        return 0;
}

/* Reading to the very end also makes a gzip file prove its checksum. */
static int check_end(struct gz *file, struct err *e)
{
        unsigned char more;
        size_t n;
        int r = file ? gz_peek(file, &more, 1, &n, e) : 0;
        if (r < 0 || !file || n == 0)
                return r;
        return err_set(e, -EBADMSG, "%s: something follows the last row, at byte %llu", gz_path(file),
            (unsigned long long)gz_offset(file));
}

static void convert(struct idx *x)
{
        for (size_t i = 0; i < x->h.cols; i++) {
                if (x->size == 1) {
                        x->inputs[i] = x->raw[i];
                        continue;
                }
                const unsigned char *b = x->raw + 4 * i;
                uint32_t bits = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
                memcpy(&x->inputs[i], &bits, sizeof(bits));
        }
}

static int idx_next(void *state, struct row *ret, struct err *e)
{
        struct idx *x = state;
        unsigned char label;
        if (x->at == x->h.rows) {
                int r = check_end(x->images, e);
                return r < 0 ? r : check_end(x->labels, e);
        }
        int r = read_all(x->images, x->raw, x->h.cols * x->size, "a row", e);
        if (r == 0 && x->labels)
                r = read_all(x->labels, &label, 1, "the labels", e);
        if (r < 0)
                return r;
        convert(x);
        x->at++;
        ret->n = x->h.cols;
        ret->inputs = x->inputs;
        if (x->labels) {
                snprintf(x->label, sizeof(x->label), "%u", label);
                ret->label = x->label;
        }
        return 1;
}

const struct rows_ops idx_ops = {idx_next, idx_close};
