/* watch_inputs.c: see watch_inputs.h.
 *
 * Both sides are bounded in rows and in bytes; a model whose rows are so wide that fewer than DRIFT_MIN_ROWS of them
 * fit is not compared. The newest rows of a range stand at its end, and a store is walked forwards: the walk begins
 * at a guess that is widened until it has brought enough, or has looked at as much as it may. */
#include "super/watch_inputs.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/drift.h"
#include "store/store.h"
#include <math.h>
#include <string.h>

#define SIDE_BYTES ((size_t)32 << 20)
enum { SPAN_FIRST = 4096, SPAN_MAX = 1 << 18, SPAN_FACTOR = 8 };

void watch_inputs_free(struct watch_inputs *w)
{
        free(w->reference);
        *w = (struct watch_inputs){0};
}

static bool usable(const struct feedback *row, size_t n_inputs)
{
        if (row->trusted || !row->inputs || row->n_inputs != n_inputs)
                return false;
        for (size_t i = 0; i < n_inputs; i++)
                if (!isfinite(row->inputs[i]))
                        return false;
        return true;
}

static size_t side_rows(const struct watch_inputs_ask *ask)
{
        size_t fit = ask->n_inputs > 0 ? SIDE_BYTES / sizeof(float) / ask->n_inputs : 0;
        return fit < ask->n_rows ? fit : ask->n_rows;
}

/* --- the reference --- */

struct ring { /* the last cap rows of a walk */
        float *x;
        size_t n_inputs, cap;
        uint64_t n;
};

static int keep(void *arg, const struct feedback *row)
{
        struct ring *r = arg;
        if (usable(row, r->n_inputs))
                memcpy(r->x + (size_t)(r->n++ % r->cap) * r->n_inputs, row->inputs, r->n_inputs * sizeof(float));
        return 0;
}

static int walk_back(struct store *s, const struct watch_inputs_ask *ask, int split, struct ring *ring, struct err *e)
{
        const struct version *v = ask->champion;
        struct feedback_filter f = {.task = v->task, .range = v->range, .split = split};
        for (uint64_t span = SPAN_FIRST;; span *= SPAN_FACTOR) {
                bool all = v->range.last - v->range.first < span || span >= SPAN_MAX;
                if (v->range.last - v->range.first >= span)
                        f.range.first = v->range.last - span + 1;
                else
                        f.range.first = v->range.first;
                ring->n = 0;
                int r = store_feedback_scan(s, ask->model, &f, keep, ring, e);
                if (r != 0 || all || ring->n >= ring->cap)
                        return r;
        }
}

static int read_reference(struct watch_inputs *w, struct store *s, const struct watch_inputs_ask *ask, struct err *e)
{
        const struct version *v = ask->champion;
        const int splits[] = {SPLIT_HOLDOUT, SPLIT_TRAIN};
        struct ring ring = {.x = w->reference, .n_inputs = ask->n_inputs, .cap = w->cap};
        int r = 0;
        bool none = v->task == 0 || v->range.last == 0 || v->range.first > v->range.last;
        for (size_t i = 0; r == 0 && !none && i < ARRAY_LEN(splits) && ring.n < DRIFT_MIN_ROWS; i++)
                r = walk_back(s, ask, splits[i], &ring, e);
        if (r != 0)
                return err_wrap(e, r, "reference rows");
        w->n = ring.n < ring.cap ? (size_t)ring.n : ring.cap;
        w->read = true;
        return 0;
}

/* --- the newest rows --- */

struct newest {
        float *x;
        size_t n_inputs, cap, n;
        uint64_t upto_seq;
};

static int take(void *arg, const struct feedback *row)
{
        struct newest *t = arg;
        if (row->seq <= t->upto_seq && t->n < t->cap && usable(row, t->n_inputs))
                memcpy(t->x + t->n++ * t->n_inputs, row->inputs, t->n_inputs * sizeof(float));
        return 0;
}

int watch_inputs_compare(struct watch_inputs *w, struct store *s, const struct watch_inputs_ask *ask,
    struct input_drift *ret, struct err *e)
{
        const size_t cap = side_rows(ask);
        int r = 0;
        if (cap < DRIFT_MIN_ROWS) {
                *ret = (struct input_drift){0};
                return 0;
        }
        if (!w->reference) {
                w->cap = cap;
                w->reference = new_array(float, cap * ask->n_inputs);
        }
        struct newest t = {.n_inputs = ask->n_inputs, .cap = cap, .upto_seq = ask->upto_seq};
        _free_ float *x = new_array(float, cap * ask->n_inputs);
        t.x = x;
        if (!w->reference || !x)
                return err_oom(e);
        if (!w->read && (r = read_reference(w, s, ask, e)) < 0)
                return r;
        if (w->n >= DRIFT_MIN_ROWS)
                r = store_feedback_newest(s, ask->model, ask->after_seq, cap + (size_t)ask->n_tail, take, &t, e);
        if (r != 0)
                return err_wrap(e, r, "newest rows");
        _free_ float *ws = new_array(float, w->n + t.n);
        if (!ws)
                return err_oom(e);
        drift_inputs(ask->n_inputs, w->n, w->reference, t.n, x, ask->significance, ws, ret);
        return 0;
}
