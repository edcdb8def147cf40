/* recall.c: rings of predictions and the way to a row by its id.
 *
 * A loop's rings hang in buckets by model. Only that loop adds to them, and none is ever taken out, so whoever reads
 * follows the chain without a lock; the rows of one are given back under its lock. Inside a ring rows are overwritten
 * in turn; a table of chains leads from an id to its row, and a row leaves its chain when it is overwritten. Ids are
 * random, so a piece of one is as good as a hash.
 *
 * Why a lock at all, in a house whose predictions take none: a label for one loop's prediction comes by any
 * other. Handing every label to the loop that predicted would make feedback wait for its turns; this lock is
 * uncontended nearly always (then it is one atomic exchange), held for a copy of one row, and only models with
 * predict.retain_rows pay. Erasing, which is rare, looks at all rows of a ring under it.
 *
 * The events that claimed rows are kept as they are called, beside the rows: the memory is counted and touched by
 * labels alone. A hash of the name stands in the row, so that erasing finds it by one comparison. */
#include "infer/recall.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { BUCKETS = 64 };
#define NONE UINT32_MAX
#define FORGOTTEN INT64_MIN /* at_ms: older than anything that is looked for */

struct row {
        struct recalled p; /* inputs is not used */
        uint64_t event;    /* hash of the event that claimed it; 0: none has */
        uint32_t next;     /* of its chain */
};

struct ring {
        struct ring *next; /* of its bucket; never changes */
        model_id model;
        size_t n_inputs;
        pthread_mutex_t lock;
        uint32_t cap, n, at;      /* at: the next to be written; cap 0: it has been cleared */
        size_t bytes;             /* of what follows, as counted in recall.used */
        uint32_t n_chains;        /* a power of two */
        uint32_t *chains;         /* (n_chains) first row, or NONE */
        struct row *rows;         /* (cap) */
        float *inputs;            /* (cap, n_inputs) */
        char (*events)[KEY_SIZE]; /* (cap) of rows with row.event */
};

struct lane {
        _Atomic(struct ring *) bucket[BUCKETS];
};

struct recall {
        size_t n_lanes, max_bytes;
        _Atomic size_t used; /* by all rings, at most max_bytes */
        struct lane *lanes;  /* (n_lanes) */
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

/* Room for cap rows is given back; under the ring's lock, or when nobody else knows it. */
static void ring_empty(struct recall *r, struct ring *g)
{
        free(g->chains);
        free(g->rows);
        free(g->inputs);
        free(g->events);
        g->chains = NULL;
        g->rows = NULL;
        g->inputs = NULL;
        g->events = NULL;
        atomic_fetch_sub_explicit(&r->used, g->bytes, memory_order_relaxed);
        g->cap = g->n = g->at = 0;
        g->bytes = 0;
}

static void ring_free(struct recall *r, struct ring *g)
{
        ring_empty(r, g);
        pthread_mutex_destroy(&g->lock);
        free(g);
}

void recall_free(struct recall *r)
{
        for (size_t i = 0; r && i < r->n_lanes; i++) {
                for (size_t b = 0; b < BUCKETS; b++) {
                        for (struct ring *g = atomic_load(&r->lanes[i].bucket[b]), *next; g; g = next) {
                                next = g->next;
                                ring_free(r, g);
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

/* A row, its inputs, its event, and at most two places among the chains. SIZE_MAX: more than anybody has. */
static size_t row_bytes(size_t n_inputs)
{
        size_t n;
        return mem_mul(n_inputs, sizeof(float), &n) &&
                       mem_add(n, sizeof(struct row) + KEY_SIZE + 2 * sizeof(uint32_t), &n)
                   ? n
                   : SIZE_MAX;
}

/* Rows of one loop's ring: its share, cut so that it takes no more than half of what is left for its loop. */
static uint32_t share_of(const struct recall *r, size_t rows, size_t n_inputs)
{
        size_t share = (rows + r->n_lanes - 1) / r->n_lanes,
               used = atomic_load_explicit(&r->used, memory_order_relaxed);
        size_t left = used < r->max_bytes ? r->max_bytes - used : 0,
               fit = left / 2 / r->n_lanes / row_bytes(n_inputs);
        share = share < fit ? share : fit;
        return share == 0 ? 1 : share < UINT32_MAX / 4 ? (uint32_t)share : UINT32_MAX / 4;
}

static bool take_bytes(struct recall *r, size_t n)
{
        if (atomic_fetch_add_explicit(&r->used, n, memory_order_relaxed) <= r->max_bytes - n)
                return true;
        atomic_fetch_sub_explicit(&r->used, n, memory_order_relaxed);
        return false;
}

/* Room for the rows of an empty ring; as ring_empty. False: memory is short, or all rings together have theirs. */
static bool ring_fill(struct recall *r, struct ring *g, size_t rows, size_t n_inputs)
{
        size_t n, bytes;
        uint32_t cap = share_of(r, rows, n_inputs);
        if (!mem_mul(cap, n_inputs, &n) || !mem_mul(cap, row_bytes(n_inputs), &bytes) || bytes > r->max_bytes ||
            !take_bytes(r, bytes))
                return false;
        g->bytes = bytes;
        g->n_inputs = n_inputs;
        g->n_chains = 1;
        while (g->n_chains < cap)
                g->n_chains *= 2;
        g->chains = new_array(uint32_t, g->n_chains);
        g->rows = new_array(struct row, cap);
        g->inputs = new_array(float, n); /* its pages come as rows do, those of events as labels do */
        g->events = mem_array(cap, KEY_SIZE);
        if (!g->chains || !g->rows || !g->inputs || !g->events) {
                ring_empty(r, g);
                return false;
        }
        memset(g->chains, 0xff, g->n_chains * sizeof(*g->chains));
        g->cap = cap;
        return true;
}

static struct ring *ring_add(struct recall *r, size_t lane, model_id m, size_t rows, size_t n_inputs)
{
        struct ring *g = new_zero(struct ring);
        if (!g)
                return NULL;
        g->model = m;
        pthread_mutex_init(&g->lock, NULL);
        if (!ring_fill(r, g, rows, n_inputs)) {
                ring_free(r, g);
                return NULL;
        }
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
        g->rows[i] = (struct row){.p = *p, .next = *first};
        memcpy(g->inputs + (size_t)i * g->n_inputs, p->inputs, g->n_inputs * sizeof(float));
        *first = i;
        g->at = i + 1 == g->cap ? 0 : i + 1;
}

static uint32_t row_of(const struct ring *g, const uint8_t id[RECALL_ID]) /* NONE */
{
        uint32_t i = g->cap > 0 ? *chain_of(g, id) : NONE;
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
        if (!g && !(g = ring_add(r, lane, m, rows, p->n_inputs)))
                return false;
        pthread_mutex_lock(&g->lock);
        bool good = (g->cap > 0 || ring_fill(r, g, rows, p->n_inputs)) && g->n_inputs == p->n_inputs;
        if (good)
                put(g, p);
        pthread_mutex_unlock(&g->lock);
        return good;
}

/* The model's ring of this lane or the next that has one, locked, and *lane behind it; NULL: there is none. */
static struct ring *lock_next(struct recall *r, model_id m, size_t *lane)
{
        struct ring *g = NULL;
        while (!g && *lane < r->n_lanes)
                g = ring_of(r, (*lane)++, m);
        if (g)
                pthread_mutex_lock(&g->lock);
        return g;
}

static void unlock(struct ring *g)
{
        pthread_mutex_unlock(&g->lock);
}

bool recall_find(struct recall *r, model_id m, const uint8_t id[RECALL_ID], int64_t oldest_ms, float *inputs,
    size_t n, struct recalled *ret)
{
        bool found = false;
        struct ring *g;
        for (size_t lane = 0; !found && (g = lock_next(r, m, &lane));) {
                found = g->n_inputs == n && find(g, id, oldest_ms, inputs, ret);
                unlock(g);
        }
        return found;
}

static void forget_row(struct ring *g, uint32_t i)
{
        g->rows[i].p.at_ms = FORGOTTEN;
        g->rows[i].p.class = -1;
        g->rows[i].p.probability = 0;
        if (g->rows[i].event != 0)
                memset(g->events[i], 0, KEY_SIZE);
        g->rows[i].event = 0;
        memset(g->inputs + (size_t)i * g->n_inputs, 0, g->n_inputs * sizeof(float));
}

/* It keeps its place until it is overwritten. */
static void forget(struct ring *g, const uint8_t id[RECALL_ID])
{
        uint32_t i = row_of(g, id);
        if (i != NONE)
                forget_row(g, i);
}

void recall_forget(struct recall *r, model_id m, const uint8_t id[RECALL_ID])
{
        struct ring *g;
        for (size_t lane = 0; (g = lock_next(r, m, &lane));) {
                forget(g, id);
                unlock(g);
        }
}

/* --- by the event that claimed them --- */

static uint64_t hash_of(const char *event) /* never 0 */
{
        uint64_t h = str_hash(event);
        return h == 0 ? 1 : h;
}

static bool is_of(const struct ring *g, uint32_t i, uint64_t h, const char *event)
{
        return g->rows[i].event == h && strcmp(g->events[i], event) == 0;
}

static enum recall_claimed claim(
    struct ring *g, const uint8_t id[RECALL_ID], const char *event, char ret_first[KEY_SIZE])
{
        uint64_t h = hash_of(event);
        uint32_t i = row_of(g, id);
        if (i == NONE || g->rows[i].p.at_ms == FORGOTTEN)
                return RECALL_GONE;
        if (is_of(g, i, h, event))
                return RECALL_SAME;
        if (g->rows[i].event != 0) {
                memcpy(ret_first, g->events[i], KEY_SIZE);
                return RECALL_OTHER;
        }
        g->rows[i].event = h;
        str_copy(g->events[i], KEY_SIZE, event);
        return RECALL_CLAIMED;
}

enum recall_claimed recall_claim(
    struct recall *r, model_id m, const uint8_t id[RECALL_ID], const char *event, char ret_first[KEY_SIZE])
{
        enum recall_claimed c = RECALL_GONE;
        struct ring *g;
        for (size_t lane = 0; c == RECALL_GONE && (g = lock_next(r, m, &lane));) {
                c = claim(g, id, event, ret_first);
                unlock(g);
        }
        return c;
}

void recall_unclaim(struct recall *r, model_id m, const uint8_t id[RECALL_ID], const char *event)
{
        uint64_t h = hash_of(event);
        struct ring *g;
        for (size_t lane = 0; (g = lock_next(r, m, &lane));) {
                uint32_t i = row_of(g, id);
                if (i != NONE && is_of(g, i, h, event))
                        g->rows[i].event = 0;
                unlock(g);
        }
}

void recall_forget_event(struct recall *r, model_id m, const char *event)
{
        uint64_t h = hash_of(event);
        struct ring *g;
        for (size_t lane = 0; (g = lock_next(r, m, &lane));) {
                for (uint32_t i = 0; i < g->n; i++) {
                        if (is_of(g, i, h, event))
                                forget_row(g, i);
                }
                unlock(g);
        }
}

void recall_clear(struct recall *r, model_id m)
{
        struct ring *g;
        for (size_t lane = 0; (g = lock_next(r, m, &lane));) {
                ring_empty(r, g);
                unlock(g);
        }
}

size_t recall_bytes(const struct recall *r)
{
        return atomic_load_explicit(&r->used, memory_order_relaxed);
}
