/* recall.c: rings of predictions and the way to a row by its id.
 *
 * A loop's rings hang in buckets by model. Only that loop adds to them, and nothing is ever taken out, so
 * whoever reads follows the chain without a lock. Inside a ring rows are overwritten in turn; a table of chains
 * leads from an id to its row, and a row leaves its chain when it is overwritten. Ids are random, so a piece of
 * one is as good as a hash.
 *
 * Why a lock at all, in a house whose predictions take none: a label for one loop's prediction comes by any
 * other. Handing every label to the loop that predicted would make feedback wait for its turns; this lock is
 * uncontended nearly always (then it is one atomic exchange), held for a copy of one row, and only models with
 * predict.retain_rows pay. */
#include "infer/recall.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { BUCKETS = 64 };
#define NONE UINT32_MAX

struct row {
        struct recalled p; /* inputs is not used */
        uint32_t next;     /* of its chain */
};

struct ring {
        struct ring *next; /* of its bucket; never changes */
        model_id model;
        size_t n_inputs;
        pthread_mutex_t lock;
        uint32_t cap, n, at; /* at: the next to be written */
        uint32_t n_chains;   /* a power of two */
        uint32_t *chains;    /* (n_chains) first row, or NONE */
        struct row *rows;    /* (cap) */
        float *inputs;       /* (cap, n_inputs) */
};

struct lane {
        _Atomic(struct ring *) bucket[BUCKETS];
};

struct recall {
        size_t n_lanes, max_bytes;
        struct lane *lanes; /* (n_lanes) */
};

int recall_new(struct recall **ret, size_t n_lanes, size_t max_bytes, struct err *e)
{
        if (n_lanes == 0 || n_lanes > RECALL_LANES)
                return err_set(e, -EINVAL, "%zu loops; 1 to %d can remember", n_lanes, RECALL_LANES);
        struct recall *r = new_zero(struct recall);
        if (r)
                r->lanes = new_array(struct lane, n_lanes);
        if (!r || !r->lanes) {
                recall_free(r);
                return err_oom(e);
        }
        r->n_lanes = n_lanes;
        r->max_bytes = max_bytes;
        *ret = r;
        return 0;
}

static void ring_free(struct ring *g)
{
        pthread_mutex_destroy(&g->lock);
        free(g->chains);
        free(g->rows);
        free(g->inputs);
        free(g);
}

void recall_free(struct recall *r)
{
        for (size_t i = 0; r && i < r->n_lanes; i++) {
                for (size_t b = 0; b < BUCKETS; b++) {
                        for (struct ring *g = atomic_load(&r->lanes[i].bucket[b]), *next; g; g = next) {
                                next = g->next;
                                ring_free(g);
                        }
                }
        }
        if (r)
                free(r->lanes);
        free(r);
}

/* --- rings --- */

static struct ring *ring_of(const struct recall *r, size_t lane, model_id m)
{
        struct ring *g = atomic_load_explicit(&r->lanes[lane].bucket[m % BUCKETS], memory_order_acquire);
        while (g && g->model != m)
                g = g->next;
        return g;
}

/* Rows of one loop's ring: its share, cut to its share of the memory. */
static uint32_t share_of(const struct recall *r, size_t rows, size_t n_inputs)
{
        size_t share = (rows + r->n_lanes - 1) / r->n_lanes;
        size_t fit = n_inputs > 0 ? r->max_bytes / r->n_lanes / sizeof(float) / n_inputs : share;
        share = share < fit ? share : fit;
        return share == 0 ? 1 : share < UINT32_MAX / 4 ? (uint32_t)share : UINT32_MAX / 4;
}

static struct ring *ring_new(uint32_t cap, model_id m, size_t n_inputs)
{
        size_t n;
        struct ring *g = new_zero(struct ring);
        if (!g || !mem_mul(cap, n_inputs, &n)) {
                free(g);
                return NULL;
        }
        g->model = m;
        g->n_inputs = n_inputs;
        g->cap = cap;
        g->n_chains = 1;
        while (g->n_chains < cap)
                g->n_chains *= 2;
        pthread_mutex_init(&g->lock, NULL);
        g->chains = new_array(uint32_t, g->n_chains);
        g->rows = new_array(struct row, cap);
        g->inputs = new_array(float, n); /* its pages come as rows do */
        if (!g->chains || !g->rows || !g->inputs) {
                ring_free(g);
                return NULL;
        }
        memset(g->chains, 0xff, g->n_chains * sizeof(*g->chains));
        return g;
}

static struct ring *ring_add(struct recall *r, size_t lane, model_id m, size_t rows, size_t n_inputs)
{
        struct ring *g = ring_new(share_of(r, rows, n_inputs), m, n_inputs);
        if (!g)
                return NULL;
        _Atomic(struct ring *) *bucket = &r->lanes[lane].bucket[m % BUCKETS];
        g->next = atomic_load_explicit(bucket, memory_order_relaxed);
        atomic_store_explicit(bucket, g, memory_order_release);
        return g;
}

/* --- rows; under the ring's lock --- */

static uint32_t *chain_of(const struct ring *g, const uint8_t id[RECALL_ID])
{
        uint32_t h;
        memcpy(&h, id + RECALL_ID - sizeof(h), sizeof(h));
        return &g->chains[h & (g->n_chains - 1)];
}

static void take_out(struct ring *g, uint32_t i)
{
        uint32_t *at = chain_of(g, g->rows[i].p.id);
        while (*at != i)
                at = &g->rows[*at].next;
        *at = g->rows[i].next;
}

static void put(struct ring *g, const struct recalled *p)
{
        uint32_t i = g->at;
        if (g->n == g->cap)
                take_out(g, i);
        else
                g->n++;
        uint32_t *first = chain_of(g, p->id);
        g->rows[i] = (struct row){*p, *first};
        memcpy(g->inputs + (size_t)i * g->n_inputs, p->inputs, g->n_inputs * sizeof(float));
        *first = i;
        g->at = i + 1 == g->cap ? 0 : i + 1;
}

static uint32_t row_of(const struct ring *g, const uint8_t id[RECALL_ID]) /* NONE */
{
        uint32_t i = *chain_of(g, id);
        while (i != NONE && memcmp(g->rows[i].p.id, id, RECALL_ID) != 0)
                i = g->rows[i].next;
        return i;
}

static bool find(
    const struct ring *g, const uint8_t id[RECALL_ID], int64_t oldest_ms, float *inputs, struct recalled *ret)
{
        uint32_t i = row_of(g, id);
        if (i == NONE || g->rows[i].p.at_ms < oldest_ms)
                return false;
        *ret = g->rows[i].p;
        memcpy(inputs, g->inputs + (size_t)i * g->n_inputs, g->n_inputs * sizeof(float));
        ret->inputs = inputs;
        return true;
}

/* --- from outside --- */

bool recall_put(struct recall *r, unsigned lane, model_id m, size_t rows, const struct recalled *p)
{
        struct ring *g = ring_of(r, lane, m);
        if (!g)
                g = ring_add(r, lane, m, rows, p->n_inputs);
        if (!g || g->n_inputs != p->n_inputs)
                return false;
        pthread_mutex_lock(&g->lock);
        put(g, p);
        pthread_mutex_unlock(&g->lock);
        return true;
}

bool recall_find(struct recall *r, model_id m, const uint8_t id[RECALL_ID], int64_t oldest_ms, float *inputs,
    size_t n, struct recalled *ret)
{
        bool found = false;
        for (size_t i = 0; i < r->n_lanes && !found; i++) {
                struct ring *g = ring_of(r, i, m);
                if (!g || g->n_inputs != n)
                        continue;
                pthread_mutex_lock(&g->lock);
                found = find(g, id, oldest_ms, inputs, ret);
                pthread_mutex_unlock(&g->lock);
        }
        return found;
}

/* It keeps its place until it is overwritten, older than anything that is looked for. */
static void forget(struct ring *g, const uint8_t id[RECALL_ID])
{
        uint32_t i = row_of(g, id);
        if (i == NONE)
                return;
        g->rows[i].p.at_ms = INT64_MIN;
        memset(g->inputs + (size_t)i * g->n_inputs, 0, g->n_inputs * sizeof(float));
}

void recall_forget(struct recall *r, model_id m, const uint8_t id[RECALL_ID])
{
        for (size_t i = 0; i < r->n_lanes; i++) {
                struct ring *g = ring_of(r, i, m);
                if (!g)
                        continue;
                pthread_mutex_lock(&g->lock);
                forget(g, id);
                pthread_mutex_unlock(&g->lock);
        }
}
