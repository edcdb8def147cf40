/* unit_state.c: the state of an unfinished unit (binary, this program's own) and the result of a finished one (JSON).
 *
 * A state file is a header, then theta, optim, and (fisher, anchor) of every closed task as float32. It is a cache:
 * one that is short, long or of another program's making counts as none. */
#include "bench/unit_state.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/json.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "ewcb-st2"
#define STATE_MAX ((size_t)8 << 30)
#define RESULT_MAX ((size_t)1 << 20)

struct header {
        char magic[8];
        struct digest key;
        uint32_t done, n_past;
        uint64_t n_params, n_optim, optim_steps;
        uint32_t past_task[BENCH_MAX_TASKS];
        double factor[BENCH_MAX_TASKS], trace[BENCH_MAX_TASKS];
        double anytime_sum, anytime_n;
        struct unit_result result;
};

void unit_state_deinit(struct unit_state *s)
{
        free(s->theta);
        free(s->optim);
        for (size_t i = 0; i < BENCH_MAX_TASKS; i++) {
                free(s->fisher[i]);
                free(s->anchor[i]);
        }
        *s = (struct unit_state){0};
}

static bool name(char *out, size_t size, const char *dir, const struct digest *key, const char *suffix)
{
        char hex[DIGEST_HEX];
        digest_hex(key, hex);
        int n = snprintf(out, size, "%s/%.24s.%s", dir, hex, suffix);
        return n > 0 && (size_t)n < size;
}

static int put_floats(struct file_writer *w, const float *v, size_t n, struct err *e)
{
        return n > 0 ? file_writer_put(w, v, n * sizeof(float), e) : 0;
}

int unit_state_write(const char *dir, const struct digest *key, const struct unit_state *s, struct err *e)
{
        _free_ struct header *h = new_zero(struct header);
        struct file_writer w = {.fd = -1};
        char path[1024];
        if (!h)
                return err_oom(e);
        if (!name(path, sizeof(path), dir, key, "state"))
                return err_set(e, -ENAMETOOLONG, "%s is too long a name", dir);
        memcpy(h->magic, MAGIC, sizeof(h->magic));
        h->key = *key;
        h->done = s->done;
        h->n_past = s->n_past;
        h->n_params = s->n_params;
        h->n_optim = s->optim ? s->n_optim : 0;
        h->optim_steps = s->optim_steps;
        memcpy(h->past_task, s->past_task, sizeof(h->past_task));
        memcpy(h->factor, s->factor, sizeof(h->factor));
        memcpy(h->trace, s->trace, sizeof(h->trace));
        h->anytime_sum = s->anytime_sum;
        h->anytime_n = s->anytime_n;
        h->result = s->result;
        int r = file_mkdir(dir, 0755, e);
        if (r == 0)
                r = file_writer_open(&w, path, e);
        if (r == 0)
                r = file_writer_put(&w, h, sizeof(*h), e);
        if (r == 0)
                r = put_floats(&w, s->theta, s->n_params, e);
        if (r == 0)
                r = put_floats(&w, s->optim, (size_t)h->n_optim, e);
        for (uint32_t i = 0; r == 0 && i < s->n_past; i++) {
                r = put_floats(&w, s->fisher[i], s->n_params, e);
                if (r == 0)
                        r = put_floats(&w, s->anchor[i], s->n_params, e);
        }
        if (r == 0)
                r = file_writer_commit(&w, e);
        file_writer_abort(&w);
        return r;
}

static float *take(const uint8_t **at, size_t n)
{
        float *v = new_array(float, n);
        if (v)
                memcpy(v, *at, n * sizeof(float));
        *at += n * sizeof(float);
        return v;
}

static bool fits(const struct header *h, const struct digest *key, size_t n_params, size_t size)
{
        if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 || !digest_eq(&h->key, key) || h->n_params != n_params ||
            h->n_past > BENCH_MAX_TASKS || h->done > BENCH_MAX_TASKS || h->n_optim > 2 * n_params)
                return false;
        return size == sizeof(*h) + sizeof(float) * (n_params + (size_t)h->n_optim + 2 * h->n_past * n_params);
}

static int take_all(const struct file_map *map, const struct header *h, struct unit_state *ret)
{
        const uint8_t *at = map->data + sizeof(*h);
        struct unit_state s = {.done = h->done, .n_params = (size_t)h->n_params, .n_optim = (size_t)h->n_optim};
        s.optim_steps = h->optim_steps;
        s.n_past = h->n_past;
        memcpy(s.past_task, h->past_task, sizeof(s.past_task));
        memcpy(s.factor, h->factor, sizeof(s.factor));
        memcpy(s.trace, h->trace, sizeof(s.trace));
        s.anytime_sum = h->anytime_sum;
        s.anytime_n = h->anytime_n;
        s.result = h->result;
        s.theta = take(&at, s.n_params);
        s.optim = s.n_optim > 0 ? take(&at, s.n_optim) : NULL;
        bool ok = s.theta && (s.n_optim == 0 || s.optim);
        for (uint32_t i = 0; i < s.n_past; i++) {
                s.fisher[i] = take(&at, s.n_params);
                s.anchor[i] = take(&at, s.n_params);
                ok = ok && s.fisher[i] && s.anchor[i];
        }
        if (!ok) {
                unit_state_deinit(&s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

int unit_state_read(const char *dir, const struct digest *key, size_t n_params, struct unit_state *ret, struct err *e)
{
        struct file_map map;
        char path[1024];
        _free_ struct header *h = new_zero(struct header);
        if (!h)
                return err_oom(e);
        if (!name(path, sizeof(path), dir, key, "state") || !file_exists(path))
                return STATE_NONE;
        int r = file_map(path, STATE_MAX, &map, e);
        if (r < 0)
                return r;
        if (map.size >= sizeof(*h))
                memcpy(h, map.data, sizeof(*h));
        r = map.size >= sizeof(*h) && fits(h, key, n_params, map.size) ? take_all(&map, h, ret) : STATE_NONE;
        file_unmap(&map);
        return r < 0 ? err_oom(e) : r;
}

void unit_state_remove(const char *dir, const struct digest *key)
{
        char path[1024];
        if (name(path, sizeof(path), dir, key, "state"))
                unlink(path);
}

static void put_row(struct buf *b, const double *v, uint32_t n)
{
        buf_putc(b, '[');
        for (uint32_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_number(b, v[i]);
        }
        buf_putc(b, ']');
}

/* The numbers of a result that stand alone, written and read by name. */
static const struct {
        const char *key;
        size_t offset;
} numbers[] = {
    {"anytime_mean", offsetof(struct unit_result, anytime_mean)},
    {"anytime_min", offsetof(struct unit_result, anytime_min)},
    {"lambda", offsetof(struct unit_result, lambda)},
    {"factor", offsetof(struct unit_result, factor)},
    {"trace", offsetof(struct unit_result, trace)},
    {"seconds", offsetof(struct unit_result, seconds)},
    {"fisher_seconds", offsetof(struct unit_result, fisher_seconds)},
    {"record_bytes", offsetof(struct unit_result, record_bytes)},
    {"packed_bytes", offsetof(struct unit_result, packed_bytes)},
};

/* The same of a try. */
static const struct {
        const char *key;
        size_t offset;
} try_numbers[] = {
    {"lambda", offsetof(struct learn_try, lambda)},
    {"accuracy", offsetof(struct learn_try, accuracy)},
    {"past_accuracy", offsetof(struct learn_try, past_accuracy)},
    {"penalty", offsetof(struct learn_try, penalty)},
    {"loss", offsetof(struct learn_try, loss)},
    {"seconds", offsetof(struct learn_try, seconds)},
};

static void put_tries(struct buf *b, const struct unit_result *r)
{
        json_put_key(b, "tries");
        buf_putc(b, '[');
        for (uint32_t i = 0; i < r->n_tries; i++) {
                buf_printf(b, "%s{\"task\":%u", i > 0 ? "," : "", r->tries[i].task);
                for (size_t k = 0; k < ARRAY_LEN(try_numbers); k++) {
                        json_put_key(b, try_numbers[k].key);
                        json_put_number(
                            b, *(const double *)(const void *)((const char *)&r->tries[i].t + try_numbers[k].offset));
                }
                buf_putc(b, '}');
        }
        buf_putc(b, ']');
}

int unit_result_write(const char *dir, const struct digest *key, const struct unit_result *r, struct err *e)
{
        struct buf b;
        char path[1024];
        if (!name(path, sizeof(path), dir, key, "json"))
                return err_set(e, -ENAMETOOLONG, "%s is too long a name", dir);
        buf_init(&b, RESULT_MAX);
        buf_printf(&b, "{\"tasks\":%u,\"test_rows\":%" PRIu64, r->tasks, r->test_rows);
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
                json_put_key(&b, numbers[i].key);
                json_put_number(&b, *(const double *)(const void *)((const char *)r + numbers[i].offset));
        }
        json_put_key(&b, "start");
        put_row(&b, r->start, r->tasks);
        json_put_key(&b, "R");
        for (uint32_t i = 0; i < r->tasks; i++) {
                buf_putc(&b, i > 0 ? ',' : '[');
                put_row(&b, r->R[i], r->tasks);
        }
        buf_putc(&b, ']');
        put_tries(&b, r);
        buf_puts(&b, "}\n");
        int c = file_mkdir(dir, 0755, e);
        if (c == 0)
                c = buf_ok(&b) ? file_replace(path, b.data, b.len, e) : err_oom(e);
        buf_deinit(&b);
        return c;
}

static double number(const struct json_doc *d, const char *fmt, unsigned i, unsigned j)
{
        char pointer[64];
        double v;
        snprintf(pointer, sizeof(pointer), fmt, i, j);
        return json_number(d, pointer, &v) == 0 ? v : (double)NAN;
}

static void get_tries(const struct json_doc *d, struct unit_result *r)
{
        int n = json_length(d, "/tries"); /* -1: a result without */
        r->n_tries = 0;
        for (unsigned i = 0; n > 0 && i < (unsigned)n && i < ARRAY_LEN(r->tries); i++) {
                double task = number(d, "/tries/%u/task", i, 0);
                if (!(task >= 0 && task < BENCH_MAX_TASKS))
                        return;
                struct bench_try *t = &r->tries[r->n_tries++];
                *t = (struct bench_try){.task = (uint32_t)task};
                for (size_t k = 0; k < ARRAY_LEN(try_numbers); k++) {
                        char pointer[64];
                        double v = (double)NAN;
                        snprintf(pointer, sizeof(pointer), "/tries/%u/%s", i, try_numbers[k].key);
                        json_number(d, pointer, &v);
                        *(double *)(void *)((char *)&t->t + try_numbers[k].offset) = v;
                }
        }
}

static bool get_result(const struct json_doc *d, struct unit_result *r)
{
        double tasks, rows;
        if (json_number(d, "/tasks", &tasks) < 0 || !(tasks >= 1 && tasks <= BENCH_MAX_TASKS) ||
            json_number(d, "/test_rows", &rows) < 0 || !(rows >= 0 && rows < 1e15))
                return false;
        r->tasks = (uint32_t)tasks;
        r->test_rows = (uint64_t)rows;
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
                char pointer[64];
                double v = (double)NAN;
                snprintf(pointer, sizeof(pointer), "/%s", numbers[i].key);
                json_number(d, pointer, &v);
                *(double *)(void *)((char *)r + numbers[i].offset) = v;
        }
        for (uint32_t i = 0; i < r->tasks; i++) {
                r->start[i] = number(d, "/start/%u", i, 0);
                for (uint32_t j = 0; j < r->tasks; j++)
                        r->R[i][j] = number(d, "/R/%u/%u", i, j);
        }
        get_tries(d, r);
        return true;
}

int unit_result_read(const char *dir, const struct digest *key, struct unit_result *ret, struct err *e)
{
        char path[1024];
        struct buf b;
        struct json_doc *d = NULL;
        if (!name(path, sizeof(path), dir, key, "json") || !file_exists(path))
                return STATE_NONE;
        buf_init(&b, RESULT_MAX);
        int r = file_read(path, RESULT_MAX, &b, e);
        if (r == 0)
                r = json_parse((struct slice){b.data, b.len}, &d, NULL) != 0 || !get_result(d, ret) ? STATE_NONE : 0;
        json_free(d);
        buf_deinit(&b);
        return r;
}
