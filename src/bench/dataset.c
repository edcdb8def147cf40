/* dataset.c: files read through the data room into plain arrays.
 *
 * Label texts are collected first and numbered when all of them are known, so that the numbers do not depend on the
 * order of the rows. Any text is a class, but one that training or testing would not see is refused: it would change
 * what the others are measured on without a word. */
#include "bench/dataset.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/rows.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CLASSES = 1024, TEST_SHARE = 5, SPLIT_SEED = 20240229 };

struct classes { /* label texts as met; number[i] once sorted */
        char *name[MAX_CLASSES];
        uint32_t n, number[MAX_CLASSES];
};

void table_free(struct table *t)
{
        free(t->x);
        free(t->label);
        *t = (struct table){0};
}

void dataset_close(struct dataset *d)
{
        table_free(&d->train);
        table_free(&d->test);
        *d = (struct dataset){0};
}

static int class_of(struct classes *c, const char *label, int32_t *ret, struct err *e)
{
        for (uint32_t i = 0; i < c->n; i++)
                if (strcmp(c->name[i], label) == 0) {
                        *ret = (int32_t)i;
                        return 0;
                }
        if (c->n == MAX_CLASSES)
                return err_set(e, -EINVAL, "more than %d classes", MAX_CLASSES);
        c->name[c->n] = strdup(label);
        if (!c->name[c->n])
                return err_oom(e);
        *ret = (int32_t)c->n++;
        return 0;
}

static bool to_number(const char *text, double *ret)
{
        char *end;
        *ret = strtod(text, &end);
        return end != text && *end == '\0' && !isnan(*ret);
}

/* Numbers as numbers, before all other texts: an order without circles, or two classes might get one number. */
static int by_text(const char *a, const char *b)
{
        double x, y;
        bool number_a = to_number(a, &x), number_b = to_number(b, &y);
        if (number_a != number_b)
                return number_a ? -1 : 1;
        if (number_a && (x < y || x > y))
                return x < y ? -1 : 1;
        return strcmp(a, b);
}

/* The number of a class is how many sort before it. */
static void number_classes(struct classes *c)
{
        for (uint32_t i = 0; i < c->n; i++) {
                c->number[i] = 0;
                for (uint32_t j = 0; j < c->n; j++)
                        c->number[i] += by_text(c->name[j], c->name[i]) < 0;
        }
}

static void relabel(struct table *t, const struct classes *c)
{
        for (size_t i = 0; i < t->n; i++)
                t->label[i] = (int32_t)c->number[t->label[i]];
}

static void free_classes(struct classes *c)
{
        for (uint32_t i = 0; i < c->n; i++)
                free(c->name[i]);
}

static size_t count(const struct table *t, uint32_t number)
{
        size_t n = 0;
        for (size_t i = 0; i < t->n; i++)
                n += (uint32_t)t->label[i] == number;
        return n;
}

/* Every class needs rows on both sides. */
static int check_classes(const struct dataset *d, const struct classes *c, const char *where, struct err *e)
{
        for (uint32_t i = 0; i < c->n; i++) {
                size_t train = count(&d->train, c->number[i]), test = count(&d->test, c->number[i]);
                if (train == 0 || test == 0)
                        return err_field(e, -EINVAL, "--data",
                            "%s: of class '%.40s' training would see %zu rows and testing %zu; add rows of it, or "
                            "leave it out",
                            where, c->name[i], train, test);
        }
        return 0;
}

static int add_row(
    struct table *t, size_t *cap, const struct row *row, uint32_t n_inputs, struct classes *c, struct err *e)
{
        size_t cap_x = *cap;
        if (!row->inputs || !row->label || row->n != n_inputs)
                return err_set(e, -EINVAL, "row %llu: %zu inputs and %s label, where %u and one are needed",
                    (unsigned long long)row->index, row->n, row->label ? "a" : "no", n_inputs);
        if (t->n == *cap) {
                if (!mem_grow((void **)&t->label, cap, t->n + 1, sizeof(int32_t)) ||
                    !mem_resize((void **)&t->x, *cap * n_inputs, sizeof(float))) {
                        *cap = cap_x;
                        return err_oom(e);
                }
        }
        memcpy(t->x + t->n * n_inputs, row->inputs, n_inputs * sizeof(float));
        int r = class_of(c, row->label, &t->label[t->n], e);
        t->n += r == 0;
        return r;
}

static int read_table(const struct rows_open *how, uint32_t *n_inputs, struct classes *c, struct table *ret,
    enum rows_format *ret_format, struct err *e)
{
        struct rows *rows;
        struct row row;
        struct table t = {0};
        size_t cap = 0;
        int r = rows_open(&rows, how, e);
        if (r < 0)
                return r;
        while ((r = rows_next(rows, &row, e)) == 1) {
                if (*n_inputs == 0)
                        *n_inputs = (uint32_t)row.n;
                r = add_row(&t, &cap, &row, *n_inputs, c, e);
                if (r < 0)
                        break;
        }
        *ret_format = rows_format(rows);
        rows_close(rows);
        if (r == 0 && t.n == 0)
                r = err_set(e, -EINVAL, "%s holds no row", how->path);
        if (r < 0) {
                table_free(&t);
                return err_wrap(e, r, "data");
        }
        *ret = t;
        return 0;
}

static void scale_bytes(struct table *t, uint32_t n_inputs)
{
        for (size_t i = 0; i < t->n * n_inputs; i++)
                t->x[i] *= 1.0f / 255.0f;
}

static void standardise(struct dataset *d)
{
        for (uint32_t k = 0; k < d->n_inputs; k++) {
                double sum = 0, square = 0, n = (double)d->train.n;
                for (size_t i = 0; i < d->train.n; i++) {
                        double v = (double)d->train.x[i * d->n_inputs + k];
                        sum += v;
                        square += v * v;
                }
                double mean = sum / n, var = square / n - mean * mean;
                float scale = var > 1e-12 ? (float)(1 / sqrt(var)) : 0.0f;
                struct table *both[] = {&d->train, &d->test};
                for (size_t b = 0; b < ARRAY_LEN(both); b++)
                        for (size_t i = 0; i < both[b]->n; i++) {
                                float *v = &both[b]->x[i * d->n_inputs + k];
                                *v = (*v - (float)mean) * scale;
                        }
        }
}

static bool join(char *out, size_t size, const char *dir, const char *folder, const char *name)
{
        int n = snprintf(out, size, "%s/%s%s%s", dir, folder, folder[0] ? "/" : "", name);
        return n > 0 && (size_t)n < size && file_exists(out);
}

static int open_split(const char *dir, const struct data_files *f, const char *x, const char *y, uint32_t *n_inputs,
    struct classes *c, struct table *ret, struct err *e)
{
        char images[1024], labels[1024];
        enum rows_format format;
        bool direct = join(images, sizeof(images), dir, "", x) && join(labels, sizeof(labels), dir, "", y);
        if (!direct &&
            (!join(images, sizeof(images), dir, f->folder, x) || !join(labels, sizeof(labels), dir, f->folder, y)))
                return err_field(
                    e, -ENOENT, "--data", "neither %s nor its folder %s holds %s and %s", dir, f->folder, x, y);
        return read_table(&(struct rows_open){.path = images, .labels_path = labels}, n_inputs, c, ret, &format, e);
}

int dataset_open(const struct data_files *files, const char *dir, struct dataset *ret, struct err *e)
{
        struct dataset d = {0};
        struct classes c = {.n = 0};
        int r = open_split(dir, files, files->train_x, files->train_y, &d.n_inputs, &c, &d.train, e);
        if (r == 0)
                r = open_split(dir, files, files->test_x, files->test_y, &d.n_inputs, &c, &d.test, e);
        if (r == 0) {
                number_classes(&c);
                d.n_classes = c.n;
                relabel(&d.train, &c);
                relabel(&d.test, &c);
                scale_bytes(&d.train, d.n_inputs);
                scale_bytes(&d.test, d.n_inputs);
                r = check_classes(&d, &c, dir, e);
        }
        if (r == 0)
                *ret = d;
        else
                dataset_close(&d);
        free_classes(&c);
        return r;
}

/* Moves every fifth row of each class, in an order drawn from a fixed seed, into test. */
static int split_rows(struct table *all, uint32_t n_inputs, uint32_t n_classes, struct dataset *d, struct err *e)
{
        _free_ uint32_t *order = new_array(uint32_t, all->n), *seen = new_array(uint32_t, n_classes);
        struct ewc_rng r;
        d->train = (struct table){0, new_array(float, all->n *n_inputs), new_array(int32_t, all->n)};
        d->test = (struct table){0, new_array(float, all->n *n_inputs), new_array(int32_t, all->n)};
        if (!order || !seen || !d->train.x || !d->train.label || !d->test.x || !d->test.label)
                return err_oom(e);
        for (size_t i = 0; i < all->n; i++)
                order[i] = (uint32_t)i;
        ewc_rng_seed(&r, SPLIT_SEED, 0);
        ewc_rng_shuffle(&r, all->n, order);
        for (size_t i = 0; i < all->n; i++) {
                int32_t label = all->label[order[i]];
                struct table *t = seen[label]++ % TEST_SHARE == TEST_SHARE - 1 ? &d->test : &d->train;
                memcpy(t->x + t->n * n_inputs, all->x + (size_t)order[i] * n_inputs, n_inputs * sizeof(float));
                t->label[t->n++] = label;
        }
        return 0;
}

int dataset_open_file(const char *path, const char *labels, struct dataset *ret, struct err *e)
{
        struct dataset d = {0};
        struct classes c = {.n = 0};
        struct table all = {0};
        enum rows_format format = ROWS_CSV;
        int r =
            read_table(&(struct rows_open){.path = path, .labels_path = labels}, &d.n_inputs, &c, &all, &format, e);
        if (r == 0) {
                number_classes(&c);
                d.n_classes = c.n;
                relabel(&all, &c);
                r = split_rows(&all, d.n_inputs, c.n, &d, e);
                if (r == 0)
                        r = check_classes(&d, &c, path, e);
        }
        if (r == 0 && format == ROWS_IDX) {
                scale_bytes(&d.train, d.n_inputs);
                scale_bytes(&d.test, d.n_inputs);
        } else if (r == 0) {
                standardise(&d);
        }
        if (r == 0)
                *ret = d;
        else
                dataset_close(&d);
        table_free(&all);
        free_classes(&c);
        return r;
}

uint64_t dataset_id(const struct dataset *d)
{
        struct digest_ctx *c = digest_new();
        struct digest out;
        uint64_t shape[] = {d->n_inputs, d->n_classes, d->train.n, d->test.n};
        if (!c)
                return 0;
        digest_add(c, shape, sizeof(shape));
        digest_add(c, d->train.label, d->train.n * sizeof(int32_t));
        digest_add(c, d->test.label, d->test.n * sizeof(int32_t));
        digest_finish(c, &out);
        return digest_u64(&out);
}
