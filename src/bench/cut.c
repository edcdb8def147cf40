/* cut.c: the cuts of cut.h. Images are square and row-major; padding happens before permuting or rotating. */
#include "bench/cut.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { STREAM_CLASSES = 1, STREAM_PERMUTATION = 1000 }; /* of the seed; task k permutes by stream 1000 + k */

void cut_task_free(struct cut_task *t)
{
        table_free(&t->train);
        table_free(&t->test);
        *t = (struct cut_task){0};
}

void cutter_close(struct cutter *c)
{
        free(c->classes);
        free(c->outputs);
        *c = (struct cutter){0};
}

static uint32_t square_side(uint32_t n)
{
        uint32_t side = (uint32_t)lround(sqrt((double)n));
        return side * side == n ? side : 0;
}

static int check(const struct cutter *c, struct err *e)
{
        const struct cut *cut = &c->cut;
        if (cut->tasks < 1 || cut->tasks > BENCH_MAX_TASKS)
                return err_field(e, -EINVAL, "--tasks", "tasks must be in 1..%d", BENCH_MAX_TASKS);
        if (cut->kind == CUT_CLASSES && (c->data->n_classes < cut->tasks || c->data->n_classes / cut->tasks < 2))
                return err_field(e, -EINVAL, "--tasks", "%u classes do not make %u tasks of at least two",
                    c->data->n_classes, cut->tasks);
        if (cut->kind == CUT_ROTATE && cut->tasks > BENCH_MAX_ANGLES)
                return err_field(e, -EINVAL, "--tasks", "at most %d angles", BENCH_MAX_ANGLES);
        if ((cut->kind == CUT_ROTATE || cut->pad > 0) && c->side == 0)
                return err_field(e, -EINVAL, "--data", "%u inputs are no square image", c->data->n_inputs);
        return 0;
}

/* How many classes task k has. */
static uint32_t classes_of(const struct cutter *c, uint32_t k)
{
        uint32_t n = c->data->n_classes;
        return c->cut.kind == CUT_CLASSES ? n / c->cut.tasks + (k < n % c->cut.tasks) : n;
}

/* How many classes the tasks before k have together. */
static uint32_t first_of(const struct cutter *c, uint32_t k)
{
        uint32_t n = c->data->n_classes, more = n % c->cut.tasks;
        return c->cut.kind == CUT_CLASSES ? k * (n / c->cut.tasks) + (k < more ? k : more) : k * n;
}

static int open_orders(struct cutter *c, struct err *e)
{
        c->classes = new_array(uint32_t, c->data->n_classes);
        c->outputs = new_array(uint32_t, c->n_outputs);
        if (!c->classes || !c->outputs)
                return err_oom(e);
        for (uint32_t i = 0; i < c->n_outputs; i++)
                c->outputs[i] = i;
        for (uint32_t i = 0; i < c->data->n_classes; i++)
                c->classes[i] = i;
        if (c->cut.kind == CUT_CLASSES && c->cut.shuffle_classes) {
                struct ewc_rng r;
                ewc_rng_seed(&r, c->seed, STREAM_CLASSES);
                ewc_rng_shuffle(&r, c->data->n_classes, c->classes);
        }
        return 0;
}

int cutter_open(struct cutter *ret, const struct dataset *data, const struct cut *cut, enum scenario scenario,
    uint64_t seed, struct err *e)
{
        struct cutter c = {.data = data, .cut = *cut, .scenario = scenario, .seed = seed};
        c.side = square_side(data->n_inputs);
        int r = check(&c, e);
        if (r < 0)
                return r;
        c.n_inputs = cut->pad > 0 ? (c.side + 2 * cut->pad) * (c.side + 2 * cut->pad) : data->n_inputs;
        c.side = c.side > 0 ? c.side + 2 * cut->pad : 0;
        c.n_outputs = scenario == SCENARIO_DOMAIN ? classes_of(&c, 0) : first_of(&c, cut->tasks);
        r = open_orders(&c, e);
        if (r < 0) {
                cutter_close(&c);
                return r;
        }
        *ret = c;
        return 0;
}

/* The output of a class in task k, or -1 if the task does not have it. */
static int32_t output_of(const struct cutter *c, uint32_t k, int32_t class)
{
        uint32_t first = first_of(c, k), base = c->scenario == SCENARIO_DOMAIN ? 0 : first;
        if (c->cut.kind != CUT_CLASSES)
                return (int32_t)base + class;
        for (uint32_t i = 0; i < classes_of(c, k); i++)
                if (c->classes[first + i] == (uint32_t) class)
                        return (int32_t)(base + i);
        return -1;
}

static void pad_image(const struct cutter *c, const float *from, float *to)
{
        uint32_t pad = c->cut.pad, inner = c->side - 2 * pad;
        if (pad == 0) {
                memcpy(to, from, c->n_inputs * sizeof(float));
                return;
        }
        memset(to, 0, c->n_inputs * sizeof(float));
        for (uint32_t y = 0; y < inner; y++)
                memcpy(to + (y + pad) * c->side + pad, from + y * inner, inner * sizeof(float));
}

static float pixel(const float *image, uint32_t side, int x, int y)
{
        return x < 0 || y < 0 || x >= (int)side || y >= (int)side ? 0.0f : image[y * (int)side + x];
}

static void rotate(const float *from, uint32_t side, double degrees, float *to)
{
        double a = degrees * acos(-1.0) / 180.0, cosine = cos(a), sine = sin(a), mid = ((double)side - 1) / 2;
        for (uint32_t y = 0; y < side; y++)
                for (uint32_t x = 0; x < side; x++) {
                        double u = (double)x - mid, v = (double)y - mid;
                        double sx = cosine * u + sine * v + mid, sy = cosine * v - sine * u + mid;
                        int ix = (int)floor(sx), iy = (int)floor(sy);
                        float fx = (float)(sx - ix), fy = (float)(sy - iy);
                        float top = (1 - fx) * pixel(from, side, ix, iy) + fx * pixel(from, side, ix + 1, iy);
                        float low = (1 - fx) * pixel(from, side, ix, iy + 1) + fx * pixel(from, side, ix + 1, iy + 1);
                        to[y * side + x] = (1 - fy) * top + fy * low;
                }
}

static void normalise(const struct cutter *c, float *x)
{
        for (uint32_t i = 0; c->cut.deviation > 0.0f && i < c->n_inputs; i++)
                x[i] = (x[i] - c->cut.mean) / c->cut.deviation;
}

/* A row as the task sees it; scratch (n_inputs), permutation NULL unless the cut permutes. */
static void transform(
    const struct cutter *c, uint32_t k, const uint32_t *permutation, const float *from, float *scratch, float *to)
{
        switch (c->cut.kind) {
        case CUT_CLASSES:
                pad_image(c, from, to);
                break;
        case CUT_PERMUTE:
                pad_image(c, from, scratch);
                for (uint32_t i = 0; i < c->n_inputs; i++)
                        to[i] = scratch[permutation[i]];
                break;
        case CUT_ROTATE:
                pad_image(c, from, scratch);
                if (c->cut.degrees[k] == 0.0f)
                        memcpy(to, scratch, c->n_inputs * sizeof(float));
                else
                        rotate(scratch, c->side, (double)c->cut.degrees[k], to);
                break;
        }
        normalise(c, to);
}

static int cut_table(const struct cutter *c, uint32_t k, const struct table *from, size_t max,
    const uint32_t *permutation, struct table *ret, struct err *e)
{
        _free_ float *scratch = new_array(float, c->n_inputs);
        struct table t = {0};
        size_t n = 0;
        for (size_t i = 0; i < from->n; i++)
                n += output_of(c, k, from->label[i]) >= 0;
        n = max > 0 && max < n ? max : n;
        t.x = mem_aligned(n > 0 ? n * c->n_inputs : 1, sizeof(float), 64);
        t.label = new_array(int32_t, n);
        if (!scratch || !t.x || !t.label) {
                table_free(&t);
                return err_oom(e);
        }
        for (size_t i = 0; i < from->n && t.n < n; i++) {
                int32_t label = output_of(c, k, from->label[i]);
                if (label < 0)
                        continue;
                transform(c, k, permutation, from->x + i * c->data->n_inputs, scratch, t.x + t.n * c->n_inputs);
                t.label[t.n++] = label;
        }
        *ret = t;
        return 0;
}

int cutter_task(
    const struct cutter *c, uint32_t k, size_t max_train, bool train, bool test, struct cut_task *ret, struct err *e)
{
        _free_ uint32_t *permutation = NULL;
        struct cut_task t = {0};
        const struct ewc_head all = {c->n_outputs, c->outputs};
        t.own =
            c->scenario == SCENARIO_DOMAIN ? all : (struct ewc_head){classes_of(c, k), c->outputs + first_of(c, k)};
        t.head = c->scenario == SCENARIO_TASK ? t.own : all;
        if (c->cut.kind == CUT_PERMUTE) {
                struct ewc_rng r;
                permutation = new_array(uint32_t, c->n_inputs);
                if (!permutation)
                        return err_oom(e);
                for (uint32_t i = 0; i < c->n_inputs; i++)
                        permutation[i] = i;
                ewc_rng_seed(&r, c->seed, STREAM_PERMUTATION + k);
                ewc_rng_shuffle(&r, c->n_inputs, permutation);
        }
        int r = train ? cut_table(c, k, &c->data->train, max_train, permutation, &t.train, e) : 0;
        if (r == 0 && test)
                r = cut_table(c, k, &c->data->test, 0, permutation, &t.test, e);
        if (r < 0) {
                cut_task_free(&t);
                return r;
        }
        *ret = t;
        return 0;
}
