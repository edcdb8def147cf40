/* stats.c: counters per version and thread.
 *
 * A thread's shard is a list of entries, one a version, to which only that thread adds, in front. Entries are
 * found by a small table that the thread alone looks at, so counting costs a few plain additions. Readers walk the
 * lists of all threads; nothing is taken off a list while anyone may read. */
#include "server/stats.h"
#include "base/arena.h"
#include "base/mem.h"
#include "infer/served.h"
#include "proto/json_oip.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64 };

struct entry {
        struct entry *next; /* fixed before the entry can be seen */
        version_id version;
        uint64_t number;
        char model[NAME_SIZE];
        _Atomic int64_t last_ms;
        _Atomic uint64_t rows, executions;
        _Atomic uint64_t count[OIP_STAGES], ns[OIP_STAGES];
        struct {
                _Atomic uint64_t count, input_ns, infer_ns, output_ns;
        } batch[OIP_MAX_BATCH + 1];
};

struct stats_shard {
        struct stats_shard *next;
        _Atomic(struct entry *) entries;
        struct entry *slot[SLOTS]; /* by version id, the owner's */
};

/* Only the owner writes, so that reading and writing back is enough. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
        atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *from)
{
        return atomic_load_explicit(from, memory_order_relaxed);
}

static struct stats_shard *shard_new(struct stats *s)
{
        struct stats_shard *shard = new_zero(struct stats_shard);
        if (!shard)
                return NULL;
        shard->next = atomic_load(&s->shards);
        while (!atomic_compare_exchange_weak(&s->shards, &shard->next, shard))
                ;
        return shard;
}

static struct entry *entry_of(struct stats *s, struct stats_shard **own, const struct served *v)
{
        if (!*own && !(*own = shard_new(s)))
                return NULL;
        struct entry **slot = &(*own)->slot[v->version % SLOTS];
        if (*slot && (*slot)->version == v->version)
                return *slot;
        struct entry *first = atomic_load_explicit(&(*own)->entries, memory_order_relaxed), *e = first;
        while (e && e->version != v->version)
                e = e->next;
        if (!e) {
                if (!(e = new_zero(struct entry)))
                        return NULL;
                e->next = first;
                e->version = v->version;
                e->number = v->number;
                str_copy(e->model, sizeof(e->model), v->spec.name);
                atomic_store_explicit(&(*own)->entries, e, memory_order_release);
        }
        *slot = e;
        return e;
}

void stats_success(struct stats *s, struct stats_shard **own, const struct served *v, uint64_t rows, uint64_t batch,
    int64_t wall_ms, const struct stats_times *t)
{
        struct entry *e = entry_of(s, own, v);
        if (!e)
                return;
        const uint64_t ns[OIP_STAGES] = {[OIP_SUCCESS] = t->queue + t->input + t->infer + t->output,
            [OIP_QUEUE] = t->queue,
            [OIP_INPUT] = t->input,
            [OIP_INFER] = t->infer,
            [OIP_OUTPUT] = t->output};
        atomic_store_explicit(&e->last_ms, wall_ms, memory_order_relaxed);
        add(&e->rows, rows);
        for (size_t i = 0; i < OIP_STAGES; i++) {
                if (i == OIP_FAIL)
                        continue;
                add(&e->count[i], 1);
                add(&e->ns[i], ns[i]);
        }
        if (batch > OIP_MAX_BATCH)
                return;
        add(&e->batch[batch].input_ns, t->input);
        add(&e->batch[batch].output_ns, t->output);
}

void stats_batch(struct stats *s, struct stats_shard **own, const struct served *v, uint64_t rows, uint64_t ns)
{
        struct entry *e = entry_of(s, own, v);
        if (!e)
                return;
        add(&e->executions, 1);
        if (rows > OIP_MAX_BATCH)
                return;
        add(&e->batch[rows].count, 1);
        add(&e->batch[rows].infer_ns, ns);
}

void stats_fail(struct stats *s, struct stats_shard **own, const struct served *v, uint64_t ns)
{
        struct entry *e = entry_of(s, own, v);
        if (!e)
                return;
        add(&e->count[OIP_FAIL], 1);
        add(&e->ns[OIP_FAIL], ns);
}

void stats_release(struct stats *s, struct stats_shard **own)
{
        struct stats_shard *shard = *own, *head = atomic_load(&s->shards);
        if (!shard)
                return;
        if (head == shard) {
                atomic_store(&s->shards, shard->next);
        } else {
                while (head->next != shard)
                        head = head->next;
                head->next = shard->next;
        }
        for (struct entry *e = atomic_load(&shard->entries), *next; e; e = next) {
                next = e->next;
                free(e);
        }
        free(shard);
        *own = NULL;
}

/* --- reading --- */

struct sums {
        struct arena *arena;
        struct oip_stats **row;
        size_t n, cap;
};

/* The row of that version, made if there is none yet. */
static struct oip_stats *row_of(struct sums *l, const struct entry *e)
{
        size_t at = 0;
        int order = 1;
        for (; at < l->n; at++) {
                order = strcmp(e->model, l->row[at]->model);
                if (order == 0)
                        order = (e->number > l->row[at]->number) - (e->number < l->row[at]->number);
                if (order <= 0)
                        break;
        }
        if (at < l->n && order == 0)
                return l->row[at];
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 16;
                struct oip_stats **row = arena_new_array(l->arena, struct oip_stats *, cap);
                if (!row)
                        return NULL;
                if (l->n > 0)
                        memcpy(row, l->row, l->n * sizeof(struct oip_stats *));
                l->row = row;
                l->cap = cap;
        }
        struct oip_stats *s = arena_new(l->arena, struct oip_stats);
        if (!s)
                return NULL;
        memmove(l->row + at + 1, l->row + at, (l->n - at) * sizeof(struct oip_stats *));
        l->row[at] = s;
        l->n++;
        memcpy(s->model, e->model, sizeof(s->model));
        s->number = e->number;
        return s;
}

static void sum_up(struct oip_stats *to, struct entry *e)
{
        int64_t last = atomic_load_explicit(&e->last_ms, memory_order_relaxed);
        to->last_ms = last > to->last_ms ? last : to->last_ms;
        to->rows += get(&e->rows);
        to->executions += get(&e->executions);
        for (size_t i = 0; i < OIP_STAGES; i++) {
                to->stage[i].count += get(&e->count[i]);
                to->stage[i].ns += get(&e->ns[i]);
        }
        for (size_t i = 0; i <= OIP_MAX_BATCH; i++) {
                to->batch[i].count += get(&e->batch[i].count);
                to->batch[i].input_ns += get(&e->batch[i].input_ns);
                to->batch[i].infer_ns += get(&e->batch[i].infer_ns);
                to->batch[i].output_ns += get(&e->batch[i].output_ns);
        }
}

int stats_sum(
    struct stats *s, const char *model, uint64_t number, struct arena *a, struct oip_stats ***ret, size_t *ret_n)
{
        struct sums l = {.arena = a};
        for (struct stats_shard *shard = atomic_load(&s->shards); shard; shard = shard->next) {
                for (struct entry *e = atomic_load_explicit(&shard->entries, memory_order_acquire); e; e = e->next) {
                        if ((model && strcmp(model, e->model) != 0) || (number != 0 && number != e->number))
                                continue;
                        struct oip_stats *to = row_of(&l, e);
                        if (!to)
                                return -ENOMEM;
                        sum_up(to, e);
                }
        }
        *ret = l.row;
        *ret_n = l.n;
        return 0;
}
