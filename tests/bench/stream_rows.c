/* stream_rows.c: see stream_rows.h.
 *
 * A table's first column of numbers says when a row was made and is no input: in occupancy the segment, each a
 * domain; in electricity the date, whose only use would be to drift. Of the first domain's rows every tenth is held
 * out. The images' order is no time: vehicles come as all of GTI, then all of KITTI; pneumonia as three thirds,
 * tilted by 0, 20 and 40 degrees, as ewc-bench tilts them. Their held-out rows are the first domain's test rows. */
#include "stream_rows.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/cut.h"
#include "bench/stream.h"
#include "data/rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_EVERY = 10, PATH_SIZE = 1024, MAX_DOMAINS = 8 };

static const struct data_files vehicles = {
    .folder = "vehicles",
    .train_x = "train-images-idx4-ubyte.gz",
    .train_y = "train-labels-idx1-ubyte.gz",
    .test_x = "test-images-idx4-ubyte.gz",
    .test_y = "test-labels-idx1-ubyte.gz",
    .channels = 3,
};
static const struct data_files pneumonia = {
    .folder = "pneumonia",
    .train_x = "train-images-idx3-ubyte.gz",
    .train_y = "train-labels-idx1-ubyte.gz",
    .test_x = "test-images-idx3-ubyte.gz",
    .test_y = "test-labels-idx1-ubyte.gz",
};

static int table_new(struct table *t, size_t rows, uint32_t n_inputs, struct err *e)
{
        size_t n;

        *t = (struct table){0};
        if (!mem_mul(rows, n_inputs, &n))
                return err_oom(e);
        t->x = new_array(float, n);
        t->label = new_array(int32_t, rows);
        return t->x && t->label ? 0 : err_oom(e);
}

static void take(struct table *t, uint32_t n_inputs, const float *x, int32_t label)
{
        memcpy(t->x + t->n * n_inputs, x, n_inputs * sizeof(float));
        t->label[t->n++] = label;
}

/* The share of a domain's n rows that limit leaves of all. */
static size_t part(size_t n, size_t limit, size_t all)
{
        return limit == 0 || limit >= all ? n : (size_t)((double)n * (double)limit / (double)all);
}

/* --- tables --- */

static size_t domain_of(const struct stream *all, size_t i, bool segments)
{
        return segments ? (size_t)all->x[i * all->n_inputs] % MAX_DOMAINS : 0;
}

static void take_table(struct stream_rows *s, const struct stream *all, size_t limit, bool segments)
{
        size_t of[MAX_DOMAINS] = {0}, seen[MAX_DOMAINS] = {0}, first;

        for (size_t i = 0; i < all->n; i++)
                of[domain_of(all, i, segments)]++;
        first = part(of[0], limit, all->n) / (segments ? 1 : 3);
        for (size_t i = 0; i < all->n; i++) {
                size_t d = domain_of(all, i, segments), at = seen[d]++;
                const float *inputs = all->x + i * all->n_inputs + 1;

                if (at >= part(of[d], limit, all->n))
                        continue;
                if (d == 0 && at < first && at % HOLD_EVERY == HOLD_EVERY - 1) {
                        take(&s->held, s->n_inputs, inputs, all->label[i]);
                        continue;
                }
                s->n_first += d == 0 && at < first;
                take(&s->live, s->n_inputs, inputs, all->label[i]);
        }
        for (size_t d = 0; d < MAX_DOMAINS; d++)
                s->n_domains += of[d] > 0;
}

static int open_table(struct stream_rows *s, const char *path, size_t limit, bool segments, struct err *e)
{
        struct stream all = {0};
        int r = stream_open(path, &all, e);

        if (r < 0)
                return r;
        s->rank = 1;
        s->shape[0] = s->n_inputs = all.n_inputs - 1;
        s->n_classes = all.n_classes;
        r = all.n_inputs > 1 ? table_new(&s->live, all.n, s->n_inputs, e)
                             : err_set(e, -EINVAL, "%s has one column of numbers only", path);
        if (r == 0)
                r = table_new(&s->held, all.n / HOLD_EVERY + 1, s->n_inputs, e);
        if (r == 0)
                take_table(s, &all, limit, segments);
        stream_close(&all);
        return r;
}

/* --- images --- */

static void to_bytes(struct table *t, uint32_t n_inputs)
{
        for (size_t i = 0; i < t->n * n_inputs; i++)
                t->x[i] = roundf(255.0f * t->x[i]);
}

/* The domain of every row of a split, which the reader gives as if it were the row's label. */
static int read_domains(const char *dir, const char *split, size_t n, uint8_t *ret, struct err *e)
{
        char images[PATH_SIZE], domains[PATH_SIZE];
        struct rows *rows = NULL;
        struct row row;
        int r;

        snprintf(images, sizeof(images), "%s/vehicles/%s-images-idx4-ubyte.gz", dir, split);
        snprintf(domains, sizeof(domains), "%s/vehicles/%s-domains-idx1-ubyte.gz", dir, split);
        r = rows_open(&rows, &(struct rows_open){.path = images, .labels_path = domains}, e);
        while (r >= 0 && (r = rows_next(rows, &row, e)) == 1 && row.index < n)
                ret[row.index] = (uint8_t)(row.label[0] - '0');
        rows_close(rows);
        return r < 0 ? r : 0;
}

static void take_domain(
    struct table *to, const struct table *from, const uint8_t *domain, uint8_t d, size_t n, uint32_t n_inputs)
{
        for (size_t i = 0; i < from->n && n > 0; i++)
                if (domain[i] == d) {
                        take(to, n_inputs, from->x + i * n_inputs, from->label[i]);
                        n--;
                }
}

static int fill_vehicles(
    struct stream_rows *s, const struct dataset *data, const char *dir, size_t limit, struct err *e)
{
        _free_ uint8_t *train = new_array(uint8_t, data->train.n), *test = new_array(uint8_t, data->test.n);
        size_t of[2] = {0};
        int r = train && test ? 0 : err_oom(e);

        if (r == 0)
                r = read_domains(dir, "train", data->train.n, train, e);
        if (r == 0)
                r = read_domains(dir, "test", data->test.n, test, e);
        for (size_t i = 0; r == 0 && i < data->train.n; i++)
                of[train[i] & 1]++;
        for (uint8_t d = 0; r == 0 && d < 2; d++) {
                take_domain(&s->live, &data->train, train, d, part(of[d], limit, data->train.n), s->n_inputs);
                s->n_first = d == 0 ? s->live.n : s->n_first;
        }
        if (r == 0)
                take_domain(&s->held, &data->test, test, 0, data->test.n, s->n_inputs);
        s->n_domains = 2;
        return r;
}

static int fill_pneumonia(struct stream_rows *s, const struct dataset *data, size_t limit, struct err *e)
{
        const struct cut cut = {.kind = CUT_ROTATE, .tasks = 3, .degrees = {0, 20, 40}};
        const size_t third = data->train.n / cut.tasks, n = part(third, limit, data->train.n);
        struct cutter cutter = {0};
        int r = cutter_open(&cutter, data, &cut, SCENARIO_DOMAIN, 1, e);

        for (uint32_t k = 0; r == 0 && k < cut.tasks; k++) {
                struct cut_task t = {0};

                r = cutter_task(&cutter, k, 0, true, k == 0, &t, e);
                for (size_t i = k * third; r == 0 && i < k * third + n; i++)
                        take(&s->live, s->n_inputs, t.train.x + i * s->n_inputs, t.train.label[i]);
                for (size_t i = 0; r == 0 && k == 0 && i < t.test.n; i++)
                        take(&s->held, s->n_inputs, t.test.x + i * s->n_inputs, t.test.label[i]);
                cut_task_free(&t);
        }
        cutter_close(&cutter);
        s->n_first = n;
        s->n_domains = cut.tasks;
        return r;
}

static int open_images(
    struct stream_rows *s, const struct data_files *files, const char *dir, size_t limit, struct err *e)
{
        struct dataset data = {0};
        int r = dataset_open(files, dir, &data, e);

        if (r < 0)
                return r;
        s->image = true;
        s->rank = files->channels == 3 ? 3 : 2;
        s->shape[0] = s->shape[1] = (uint32_t)lround(sqrt((double)data.n_inputs / (s->rank == 3 ? 3 : 1)));
        s->shape[2] = 3;
        s->n_inputs = data.n_inputs;
        s->n_classes = data.n_classes;
        r = table_new(&s->live, data.train.n, s->n_inputs, e);
        if (r == 0)
                r = table_new(&s->held, data.test.n, s->n_inputs, e);
        if (r == 0)
                r = files == &vehicles ? fill_vehicles(s, &data, dir, limit, e) : fill_pneumonia(s, &data, limit, e);
        dataset_close(&data);
        if (r == 0) {
                to_bytes(&s->live, s->n_inputs);
                to_bytes(&s->held, s->n_inputs);
        }
        return r;
}

int stream_rows_open(struct stream_rows *ret, const char *data_dir, const char *name, size_t limit, struct err *e)
{
        static const struct {
                const char *name, *file;
                const struct data_files *images; /* NULL: a table */
                bool segments;
        } known[] = {
            {"electricity", "stream.csv.gz", NULL, false},
            {"occupancy", "stream.csv.gz", NULL, true},
            {"vehicles", "train-images-idx4-ubyte.gz", &vehicles, false},
            {"pneumonia", "train-images-idx3-ubyte.gz", &pneumonia, false},
        };
        struct stream_rows s = {0};
        char path[PATH_SIZE];
        size_t i = 0;
        int r;

        while (i < ARRAY_LEN(known) && strcmp(known[i].name, name) != 0)
                i++;
        if (i == ARRAY_LEN(known))
                return err_set(e, -EINVAL, "no such stream: '%s'", name);
        snprintf(path, sizeof(path), "%s/%s/%s", data_dir, name, known[i].file);
        if (!file_exists(path))
                return STREAM_MISSING;
        r = known[i].images ? open_images(&s, known[i].images, data_dir, limit, e)
                            : open_table(&s, path, limit, known[i].segments, e);
        if (r < 0) {
                stream_rows_close(&s);
                return r;
        }
        *ret = s;
        return 0;
}

void stream_rows_close(struct stream_rows *s)
{
        table_free(&s->live);
        table_free(&s->held);
        *s = (struct stream_rows){0};
}
