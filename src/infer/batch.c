/* batch.c: the queue of predictions and its turns.
 *
 * One list a level. A turn takes the first request of the first level that has any, and behind it, in order, what
 * else asks for the same version, until the batch is full. A turn is over when it has run as many rows as a batch
 * may have, so that versions which are run in smaller batches do not cost more turns, or when it has taken long.
 *
 * A value that is not finite spoils the run, not the others: the parts are then run again one by one, and only the
 * one it belongs to is refused.
 *
 * Versions are borrowed from the loop's table like everywhere on the loop; only requests that are still here when
 * the table changes hold references of their own. */
#include "infer/batch.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/served.h"
#include <errno.h>
#include <stdlib.h>

enum { LOOK_MAX = 256, ALIGN = 64 }; /* jobs looked at for one batch */
enum { TURN_NS = 2000000 };

struct list {
        struct batch_job *first, *last;
};

struct batch {
        struct batch_conf conf;
        const struct clock *clock;
        struct list level[BATCH_LEVELS + 1]; /* [0] stays empty */
        size_t n_jobs, n_rows;
        uint64_t deadline_ns; /* no timeout ends before it */
        void *ws;
        size_t ws_bytes;
        size_t n_parts;
        struct batch_job *job[BATCH_MAX_ROWS]; /* (n_parts) of the batch that is being run */
        struct served_part part[BATCH_MAX_ROWS];
};

int batch_new(struct batch **ret, const struct batch_conf *c, const struct clock *clock, struct err *e)
{
        if (c->rows == 0 || c->rows > BATCH_MAX_ROWS)
                return err_set(e, -EINVAL, "%zu rows; a batch has 1 to %d", c->rows, BATCH_MAX_ROWS);
        struct batch *b = new_zero(struct batch);
        if (!b)
                return err_oom(e);
        b->conf = *c;
        b->clock = clock;
        b->deadline_ns = UINT64_MAX;
        *ret = b;
        return 0;
}

/* --- lists --- */

static void put_last(struct batch *b, struct batch_job *j)
{
        struct list *l = &b->level[j->level];
        j->prev = l->last;
        j->next = NULL;
        *(l->last ? &l->last->next : &l->first) = j;
        l->last = j;
}

static void take_out(struct batch *b, struct batch_job *j)
{
        struct list *l = &b->level[j->level];
        *(j->prev ? &j->prev->next : &l->first) = j->next;
        *(j->next ? &j->next->prev : &l->last) = j->prev;
}

/* The reference it held, for the caller to drop when nothing borrows from the version any more; NULL: none. */
static struct served *leave(struct batch *b, struct batch_job *j)
{
        take_out(b, j);
        b->n_jobs--;
        b->n_rows -= j->rows - j->at;
        return j->held ? j->version : NULL;
}

void batch_drop(struct batch *b, struct batch_job *j)
{
        served_unref(leave(b, j));
}

static void finish(struct batch *b, struct batch_job *j, int outcome)
{
        struct served *held = leave(b, j);
        j->done(j, outcome);
        served_unref(held);
}

void batch_free(struct batch *b)
{
        if (!b)
                return;
        for (unsigned l = 1; l <= BATCH_LEVELS; l++) {
                while (b->level[l].first)
                        batch_drop(b, b->level[l].first);
        }
        free(b->ws);
        free(b);
}

void batch_hold(struct batch *b)
{
        for (unsigned l = 1; l <= BATCH_LEVELS; l++) {
                for (struct batch_job *j = b->level[l].first; j; j = j->next) {
                        if (!j->held)
                                served_ref(j->version);
                        j->held = true;
                }
        }
}

/* --- coming in --- */

/* Rows of a batch of this version. */
static size_t limit_of(const struct batch *b, const struct served *s)
{
        return s->batch_rows > 0 && s->batch_rows < b->conf.rows ? s->batch_rows : b->conf.rows;
}

static uint64_t deadline_of(const struct batch_job *j)
{
        uint64_t ns;
        if (j->timeout_us == 0 || __builtin_mul_overflow(j->timeout_us, UINT64_C(1000), &ns) ||
            __builtin_add_overflow(j->arrived_ns, ns, &ns))
                return UINT64_MAX;
        return ns;
}

/* The first of its level has waited too long without a single row done. */
static bool is_stuck(const struct batch *b, unsigned level)
{
        const struct batch_job *j = b->level[level].first;
        if (!j || b->conf.age_ns == 0 || j->at > 0)
                return false;
        uint64_t now = clock_mono_ns(b->clock);
        return now > j->arrived_ns && now - j->arrived_ns > b->conf.age_ns;
}

static unsigned level_of(uint64_t priority)
{
        if (priority == 0)
                return BATCH_DEFAULT_LEVEL;
        return priority < BATCH_LEVELS ? (unsigned)priority : BATCH_LEVELS;
}

int batch_add(struct batch *b, struct batch_job *j)
{
        unsigned level = level_of(j->priority);
        if (b->n_jobs > 0 && (j->rows > b->conf.queue_rows || b->n_rows > b->conf.queue_rows - j->rows))
                return BATCH_FULL;
        if (is_stuck(b, level))
                return BATCH_FULL;
        j->level = level;
        j->at = 0;
        j->turn = limit_of(b, j->version);
        j->start_ns = j->run_ns = 0;
        j->batch = 0;
        j->held = false;
        put_last(b, j);
        b->n_jobs++;
        b->n_rows += j->rows;
        uint64_t deadline = deadline_of(j);
        if (deadline < b->deadline_ns)
                b->deadline_ns = deadline;
        return 0;
}

/* --- going out --- */

/* Ends what is past its timeout, and finds when the next one will be. */
static void end_late(struct batch *b, uint64_t now)
{
        if (now < b->deadline_ns)
                return;
        b->deadline_ns = UINT64_MAX;
        for (unsigned l = 1; l <= BATCH_LEVELS; l++) {
                for (struct batch_job *j = b->level[l].first, *next; j; j = next) {
                        uint64_t deadline = deadline_of(j);
                        next = j->next;
                        if (deadline <= now)
                                finish(b, j, BATCH_LATE);
                        else if (deadline < b->deadline_ns)
                                b->deadline_ns = deadline;
                }
        }
}

static struct batch_job *first_of(const struct batch *b)
{
        for (unsigned l = 1; l <= BATCH_LEVELS; l++) {
                if (b->level[l].first)
                        return b->level[l].first;
        }
        return NULL;
}

/* Fills job and part; the number of rows. */
static size_t gather(struct batch *b, uint64_t now)
{
        struct batch_job *j = first_of(b);
        const struct served *s = j->version;
        size_t limit = limit_of(b, s), rows = 0;
        b->n_parts = 0;
        for (int looked = 0; j && rows < limit && looked < LOOK_MAX; j = j->next, looked++) {
                if (j->version != s)
                        continue;
                size_t n = j->rows - j->at;
                n = n < j->turn ? n : j->turn;
                n = n < limit - rows ? n : limit - rows;
                j->start_ns = j->start_ns ? j->start_ns : now;
                b->job[b->n_parts] = j;
                b->part[b->n_parts++] = (struct served_part){.task = j->task,
                    .rows = n,
                    .raw = j->raw + j->at * s->spec.n_inputs,
                    .answer = served_answer_from(&j->answer, j->at)};
                rows += n;
        }
        return rows;
}

/* For as many rows as this version will ever be run with here, so that it is taken once. */
static bool has_workspace(struct batch *b, const struct served *s)
{
        size_t bytes = served_batch_workspace(s, limit_of(b, s));
        if (bytes <= b->ws_bytes)
                return true;
        void *ws = mem_aligned(1, bytes, ALIGN);
        if (!ws)
                return false;
        free(b->ws);
        b->ws = ws;
        b->ws_bytes = bytes;
        return true;
}

static int run(struct batch *b, const struct served *s, size_t n_parts, const struct served_part *parts)
{
        return has_workspace(b, s) ? served_answer_batch(s, limit_of(b, s), n_parts, parts, b->ws) : EWC_E_NOMEM;
}

/* n more rows of it are done, or, outcome not 0, it is refused. */
static void advance(struct batch *b, struct batch_job *j, size_t n, int outcome)
{
        if (outcome != 0 || n == j->rows - j->at) {
                finish(b, j, outcome);
                return;
        }
        j->at += n;
        j->turn -= n;
        b->n_rows -= n;
        if (j->turn == 0) {
                j->turn = limit_of(b, j->version);
                take_out(b, j);
                put_last(b, j);
        }
}

/* One batch, begun at start. The number of rows. */
static size_t run_batch(struct batch *b, uint64_t start)
{
        int outcome[BATCH_MAX_ROWS] = {0};
        size_t rows = gather(b, start), n = b->n_parts;
        struct served *s = b->job[0]->version;
        int r = run(b, s, n, b->part);
        for (size_t i = 0; i < n && r != 0; i++)
                outcome[i] = n > 1 ? run(b, s, 1, &b->part[i]) : r;
        uint64_t took = clock_mono_ns(b->clock) - start;
        if (b->conf.ran)
                b->conf.ran(b->conf.arg, s, rows, took);
        for (size_t i = 0; i < n; i++) {
                struct batch_job *j = b->job[i];
                j->run_ns += took;
                j->batch = rows;
                advance(b, j, b->part[i].rows, outcome[i]);
        }
        return rows;
}

bool batch_turn(struct batch *b)
{
        if (b->n_jobs == 0)
                return false;
        uint64_t start = clock_mono_ns(b->clock), now = start;
        for (size_t rows = 0; rows < b->conf.rows && now - start < TURN_NS; now = clock_mono_ns(b->clock)) {
                end_late(b, now);
                if (b->n_jobs == 0)
                        break;
                rows += run_batch(b, now); /* what its answers cost is not the next one's time */
        }
        return b->n_jobs > 0;
}
