/* queue.c: the store thread: a bounded list of work, taken in groups, one transaction each.
 *
 * The size of a group follows the load: whatever waits when the thread comes round is one group, up to the limits;
 * when idle there is no timer in the way of a single item. Answers go out after the commit, never before; a commit
 * that fails is the failure of every item. A store that has become read-only still runs items without a
 * transaction: reading ones succeed, writing ones say why not.
 *
 * An answer that does not fit into its mailbox waits for room (the receiver will get to it), so the thread may
 * stand still behind a slow receiver: that is the back-pressure. While stopping it does not wait: the item is
 * released.
 *
 * Care (store_maintain) has its turn after idle time, and under load after a multiple of it, so that neither the WAL
 * nor what nobody refers to grows for as long as the load lasts.
 *
 * The read queue runs items one by one, each in its own read transaction. */
#include "store/queue.h"

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "store/store.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { DELIVER_WAIT_NS = 1000000, CARE_BUSY = 10 };
static const uint64_t ns_per_ms = 1000000, sizes_each_ns = 1000000000;

struct store_queue {
        struct store *s;
        struct store_queue_conf conf;
        pthread_t thread;
        uint64_t cared_ns, sized_ns; /* when it was last; the thread's own, or before it starts */
        pthread_mutex_t lock;        /* guards everything below */
        pthread_cond_t wake;
        struct store_work *head, **tail; /* waiting, in order */
        size_t n_waiting;
        bool stopping;
        struct store_queue_stats stats;
};

bool store_work_dispatch(const struct msg *m)
{
        if (m->kind != STORE_MSG_DONE)
                return false;
        struct store_work *w = m->payload;
        w->done(w);
        return true;
}

/* --- taking --- */

static struct timespec in_ns(uint64_t ns)
{
        uint64_t at = clock_mono_ns(&clock_system) + ns;
        return (struct timespec){.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
}

/* The next group, NULL with *ret_idle when idle long enough for care, NULL at the end. */
static struct store_work *take(struct store_queue *q, size_t *ret_n, bool *ret_idle, bool cared)
{
        struct store_work *first = NULL, **end = &first;
        size_t n = 0, bytes = 0;
        struct timespec until = in_ns(q->conf.maintain_ms * ns_per_ms);
        bool timed = q->conf.maintain_ms > 0 && !cared;

        *ret_idle = false;
        pthread_mutex_lock(&q->lock);
        q->stats.busy = false;
        while (!q->head && !q->stopping && !*ret_idle) {
                if (!timed)
                        pthread_cond_wait(&q->wake, &q->lock);
                else if (pthread_cond_timedwait(&q->wake, &q->lock, &until) == ETIMEDOUT)
                        *ret_idle = !q->head && !q->stopping;
        }
        while (
            q->head && n < q->conf.max_group_items && (n == 0 || bytes + q->head->cost <= q->conf.max_group_bytes)) {
                struct store_work *w = q->head;
                q->head = w->next;
                bytes += w->cost;
                n++;
                w->next = NULL;
                *end = w;
                end = &w->next;
        }
        if (!q->head)
                q->tail = &q->head;
        q->n_waiting -= n;
        q->stats.turns++;
        q->stats.busy = n > 0 || *ret_idle;
        pthread_mutex_unlock(&q->lock);
        *ret_n = n;
        return first;
}

/* --- running --- */

static void run_item(struct store_queue *q, struct store_work *w)
{
        w->err = (struct err)ERR_NULL;
        w->result = w->run(q->s, w, &w->err);
        pthread_mutex_lock(&q->lock);
        q->stats.turns++;
        pthread_mutex_unlock(&q->lock);
}

static void fail_all(struct store_work *first, int result, const struct err *e)
{
        for (struct store_work *w = first; w; w = w->next) {
                w->result = result;
                w->err = *e;
        }
}

static void run_group(struct store_queue *q, struct store_work *first)
{
        struct err e = ERR_NULL;
        int r = store_begin(q->s, &e);

        if (r != 0 && r != STORE_READONLY) {
                fail_all(first, r, &e);
                return;
        }
        bool grouped = r == 0;
        for (struct store_work *w = first; w; w = w->next)
                run_item(q, w);
        if (grouped) {
                uint64_t t = clock_mono_ns(&clock_system);
                if ((r = store_commit(q->s, &e)) != 0)
                        fail_all(first, r, &e);
                t = clock_mono_ns(&clock_system) - t;
                pthread_mutex_lock(&q->lock);
                q->stats.commit_ns_last = t;
                pthread_mutex_unlock(&q->lock);
        }
}

/* --- answering --- */

static void deliver(struct store_queue *q, struct store_work *w)
{
        const struct msg m = {.kind = STORE_MSG_DONE, .generation = (uint32_t)w->generation, .payload = w};
        struct mailbox *to = w->reply_to; /* w is the receiver's, who may free it, once the message is in */
        bool stopping = false;

        while (to && mailbox_put(to, &m) != 0) {
                struct timespec until = in_ns(DELIVER_WAIT_NS);
                pthread_mutex_lock(&q->lock);
                stopping = q->stopping;
                if (!stopping)
                        pthread_cond_timedwait(&q->wake, &q->lock, &until);
                pthread_mutex_unlock(&q->lock);
                if (stopping)
                        break;
        }
        if (!to || stopping)
                if (w->release)
                        w->release(w);
}

static void answer(struct store_queue *q, struct store_work *first, size_t n)
{
        pthread_mutex_lock(&q->lock);
        q->stats.groups++;
        q->stats.items += n;
        pthread_mutex_unlock(&q->lock);
        for (struct store_work *w = first, *next; w; w = next) {
                next = w->next; /* the receiver may free w at once */
                w->next = NULL;
                deliver(q, w);
        }
}

static void care(struct store_queue *q)
{
        struct store_health h;
        struct err e = ERR_NULL;
        int r = store_maintain(q->s, &h, &e);

        q->cared_ns = clock_mono_ns(q->conf.clock);
        pthread_mutex_lock(&q->lock);
        q->stats.turns++;
        if (r == 0) {
                q->stats.wal_bytes = h.wal_bytes;
                q->stats.db_bytes = h.db_bytes;
        }
        q->stats.read_only = r == STORE_READONLY;
        pthread_mutex_unlock(&q->lock);
}

static void look_at_sizes(struct store_queue *q, uint64_t now_ns)
{
        struct store_health h;

        store_sizes(q->s, &h);
        q->sized_ns = now_ns;
        pthread_mutex_lock(&q->lock);
        q->stats.wal_bytes = h.wal_bytes;
        q->stats.db_bytes = h.db_bytes;
        pthread_mutex_unlock(&q->lock);
}

/* Between two groups. */
static void care_under_load(struct store_queue *q)
{
        uint64_t now = clock_mono_ns(q->conf.clock);

        if (q->conf.maintain_ms > 0 && (now - q->cared_ns) / CARE_BUSY >= q->conf.maintain_ms * ns_per_ms)
                care(q);
        if (!q->conf.read && now - q->sized_ns >= sizes_each_ns)
                look_at_sizes(q, now);
}

/* Full until something that writes has succeeded again. */
static void note_full(struct store_queue *q, const struct store_work *first)
{
        bool full = false, wrote = false;

        for (const struct store_work *w = first; w; w = w->next) {
                full = full || w->result == STORE_FULL;
                wrote = wrote || (w->result == 0 && w->cost > 0);
        }
        pthread_mutex_lock(&q->lock);
        q->stats.full = full || (q->stats.full && !wrote);
        pthread_mutex_unlock(&q->lock);
}

static void note_read_only(struct store_queue *q, const struct store_work *first)
{
        bool seen = false;

        for (const struct store_work *w = first; w; w = w->next)
                seen = seen || w->result == STORE_READONLY;
        if (!seen)
                return;
        pthread_mutex_lock(&q->lock);
        q->stats.read_only = true;
        pthread_mutex_unlock(&q->lock);
}

static void *thread_main(void *arg)
{
        struct store_queue *q = arg;
        struct store_work *first;
        bool idle, cared = false;
        size_t n;

        while ((first = take(q, &n, &idle, cared)) != NULL || idle) {
                if (idle) {
                        care(q);
                        cared = true; /* once per idle time */
                        continue;
                }
                cared = false;
                run_group(q, first);
                note_read_only(q, first);
                note_full(q, first);
                answer(q, first, n);
                care_under_load(q);
        }
        store_close(q->s);
        q->s = NULL;
        return NULL;
}

/* --- from other threads --- */

static int init(struct store_queue *q)
{
        pthread_condattr_t attr;
        int r = pthread_mutex_init(&q->lock, NULL);

        if (r != 0)
                return r;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        r = pthread_cond_init(&q->wake, &attr);
        pthread_condattr_destroy(&attr);
        if (r != 0) {
                pthread_mutex_destroy(&q->lock);
                return r;
        }
        if ((r = pthread_create(&q->thread, NULL, thread_main, q)) != 0) {
                pthread_cond_destroy(&q->wake);
                pthread_mutex_destroy(&q->lock);
        }
        return r;
}

int store_queue_start(struct store_queue **ret, struct store *s, const struct store_queue_conf *c, struct err *e)
{
        struct store_queue *q = new_zero(struct store_queue);

        if (!q)
                return err_oom(e);
        q->s = s;
        q->conf = *c;
        if (c->read) {
                q->conf.max_group_items = 1;
                q->conf.maintain_ms = 0;
        }
        if (!c->clock)
                q->conf.clock = &clock_system;
        if (q->conf.max_group_items == 0)
                q->conf.max_group_items = 1;
        q->tail = &q->head;
        q->cared_ns = q->sized_ns = clock_mono_ns(q->conf.clock);
        if (!c->read) {
                struct store_health h;
                store_sizes(s, &h);
                q->stats.wal_bytes = h.wal_bytes;
                q->stats.db_bytes = h.db_bytes;
        }
        int r = init(q);
        if (r != 0) {
                free(q);
                return err_errno(e, r, "start the store thread");
        }
        *ret = q;
        return 0;
}

int store_submit(struct store_queue *q, struct store_work *w)
{
        int r = 0;

        assert(w->run && (!w->reply_to || w->done));
        pthread_mutex_lock(&q->lock);
        if (q->stopping || q->n_waiting >= q->conf.max_items) {
                r = -EAGAIN;
        } else {
                w->next = NULL;
                *q->tail = w;
                q->tail = &w->next;
                q->n_waiting++;
                pthread_cond_signal(&q->wake);
        }
        pthread_mutex_unlock(&q->lock);
        return r;
}

void store_queue_stop(struct store_queue *q)
{
        if (!q)
                return;
        pthread_mutex_lock(&q->lock);
        q->stopping = true;
        pthread_cond_signal(&q->wake);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->thread, NULL);
        pthread_cond_destroy(&q->wake);
        pthread_mutex_destroy(&q->lock);
        free(q);
}

void store_queue_stats(struct store_queue *q, struct store_queue_stats *ret)
{
        pthread_mutex_lock(&q->lock);
        *ret = q->stats;
        ret->waiting = q->n_waiting;
        pthread_mutex_unlock(&q->lock);
}
