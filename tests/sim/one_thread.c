/* one_thread.c: see one_thread.h.
 * The linker takes these definitions before it looks into the libraries of loop and store, so their own loop and
 * queue stay out of the program. Descriptors, signals and children do not exist here: who asks for one gets none. */
#include "one_thread.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "store/queue.h"
#include "store/store.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define NS_PER_MS UINT64_C(1000000)

struct loop_source {
        struct loop_source *next;
        struct loop *loop;
        uint64_t due_ns, every_ns, number;
        bool set;
        loop_fn fn;
        void *arg;
};

struct loop {
        struct loop *next;
        const struct clock *clock;
        struct mailbox *mail;
        struct loop_source *timers;
        loop_msg_fn on_msg;
        void *on_msg_arg;
        bool stop;
        uint64_t turns;
};

struct store_queue {
        struct store_queue *next;
        struct store *s;
        size_t n, max;
        bool read;
        struct store_work *head, **tail;
};

static struct fake_clock *the_clock;
static struct loop *loops;
static struct store_queue *queues;
static uint64_t n_timers, n_written;

void one_thread_clock(struct fake_clock *c)
{
        the_clock = c;
}

uint64_t one_thread_written(void)
{
        return n_written;
}

struct store *one_thread_store(struct store_queue *q)
{
        return q->s;
}

static uint64_t now_ns(void)
{
        return clock_mono_ns(&the_clock->clock);
}

/* --- steps --- */

static bool step_mail(void)
{
        struct msg m;
        for (struct loop *l = loops; l; l = l->next) {
                if (l->on_msg && mailbox_get(l->mail, &m)) {
                        l->turns++;
                        l->on_msg(l->on_msg_arg, &m);
                        return true;
                }
        }
        return false;
}

static void run_item(struct store_queue *q, struct store_work *w)
{
        w->err = (struct err)ERR_NULL;
        int r = store_begin(q->s, &w->err);
        if (r != 0 && r != STORE_READONLY) {
                w->result = r;
                return;
        }
        w->result = w->run(q->s, w, &w->err);
        struct err e = ERR_NULL;
        int c = r == 0 ? store_commit(q->s, &e) : 0;
        if (c != 0) {
                w->result = c;
                w->err = e;
        }
}

static void answer(struct store_work *w)
{
        const struct msg m = {.kind = STORE_MSG_DONE, .generation = (uint32_t)w->generation, .payload = w};
        int r = w->reply_to ? mailbox_put(w->reply_to, &m) : -1;
        if (r != 0 && w->release)
                w->release(w);
        assert(r == 0 || !w->reply_to); /* mail is delivered before any item runs */
}

static bool step_queue(void)
{
        struct store_queue *q = queues;
        while (q && !q->head)
                q = q->next;
        if (!q)
                return false;
        struct store_work *w = q->head;
        q->head = w->next;
        if (!q->head)
                q->tail = &q->head;
        q->n--;
        w->next = NULL;
        run_item(q, w);
        n_written += !q->read;
        answer(w);
        return true;
}

static struct loop_source *first_timer(void)
{
        struct loop_source *first = NULL;
        for (struct loop *l = loops; l; l = l->next)
                for (struct loop_source *t = l->timers; t; t = t->next)
                        if (t->set && (!first || t->due_ns < first->due_ns ||
                                          (t->due_ns == first->due_ns && t->number < first->number)))
                                first = t;
        return first;
}

static bool step_timer(void)
{
        struct loop_source *t = first_timer();
        if (!t || t->due_ns > now_ns())
                return false;
        t->set = t->every_ns > 0;
        t->due_ns += t->every_ns;
        t->number = ++n_timers;
        t->loop->turns++;
        t->fn(t->arg); /* may free t */
        return true;
}

bool one_thread_step(void)
{
        return step_mail() || step_queue() || step_timer();
}

bool one_thread_next_ms(int64_t *ret_wall)
{
        const struct loop_source *t = first_timer();
        if (!t)
                return false;
        uint64_t now = now_ns(), wait = t->due_ns > now ? t->due_ns - now : 0;
        *ret_wall = clock_wall_ms(&the_clock->clock) + (int64_t)((wait + NS_PER_MS - 1) / NS_PER_MS);
        return true;
}

/* --- loop/loop.h --- */

int loop_new(struct loop **ret, const struct clock *clock, size_t mailbox_capacity, struct err *e)
{
        struct loop *l = new_zero(struct loop);
        if (!l)
                return err_oom(e);
        l->clock = clock;
        int r = mailbox_new(&l->mail, mailbox_capacity, e);
        if (r != 0) {
                free(l);
                return r;
        }
        struct loop **at = &loops;
        while (*at)
                at = &(*at)->next;
        *at = l;
        *ret = l;
        return 0;
}

void loop_free(struct loop *l)
{
        if (!l)
                return;
        struct loop **at = &loops;
        while (*at != l)
                at = &(*at)->next;
        *at = l->next;
        assert(!l->timers);
        mailbox_free(l->mail);
        free(l);
}

/* Only jobs_stop runs a loop here; what it waits for may lie ahead in time. */
int loop_run(struct loop *l, struct err *e)
{
        while (!l->stop) {
                int64_t at;
                if (one_thread_step())
                        continue;
                if (!one_thread_next_ms(&at))
                        return err_set(e, -EDEADLK, "the loop waits for nothing");
                int64_t now = clock_wall_ms(&the_clock->clock);
                fake_clock_advance_ms(the_clock, at > now ? (uint64_t)(at - now) : 0);
        }
        l->stop = false;
        return 0;
}

void loop_stop(struct loop *l)
{
        l->stop = true;
}

struct event_base *loop_base(struct loop *l)
{
        (void)l;
        return NULL;
}

const struct clock *loop_clock(const struct loop *l)
{
        return l->clock;
}

uint64_t loop_turns(const struct loop *l)
{
        return l->turns;
}

void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg)
{
        (void)l, (void)fn, (void)arg;
}

void loop_on_msg(struct loop *l, loop_msg_fn fn, void *arg)
{
        l->on_msg = fn;
        l->on_msg_arg = arg;
}

int loop_post(struct loop *l, const struct msg *m)
{
        return mailbox_put(l->mail, m);
}

struct mailbox *loop_mailbox(struct loop *l)
{
        return l->mail;
}

bool loop_take_msg(struct loop *l, struct msg *ret)
{
        return mailbox_get(l->mail, ret);
}

struct loop_source *loop_timer(struct loop *l, uint64_t after_ms, bool repeat, loop_fn fn, void *arg)
{
        struct loop_source *t = new_zero(struct loop_source);
        if (!t)
                return NULL;
        t->loop = l;
        t->due_ns = now_ns() + after_ms * NS_PER_MS;
        t->every_ns = repeat ? (after_ms > 0 ? after_ms : 1) * NS_PER_MS : 0;
        t->number = ++n_timers;
        t->set = true;
        t->fn = fn;
        t->arg = arg;
        t->next = l->timers;
        l->timers = t;
        return t;
}

struct loop_source *loop_fd_read(struct loop *l, int fd, loop_fd_fn fn, void *arg)
{
        (void)l, (void)fd, (void)fn, (void)arg;
        return NULL;
}

struct loop_source *loop_signal(struct loop *l, int signum, loop_fn fn, void *arg)
{
        (void)l, (void)signum, (void)fn, (void)arg;
        return NULL;
}

struct loop_source *loop_child(struct loop *l, pid_t pid, loop_child_fn fn, void *arg)
{
        (void)l, (void)pid, (void)fn, (void)arg;
        return NULL;
}

void loop_source_free(struct loop_source *s)
{
        if (!s)
                return;
        struct loop_source **at = &s->loop->timers;
        while (*at != s)
                at = &(*at)->next;
        *at = s->next;
        free(s);
}

/* --- store/queue.h --- */

bool store_work_dispatch(const struct msg *m)
{
        if (m->kind != STORE_MSG_DONE)
                return false;
        struct store_work *w = m->payload;
        w->done(w);
        return true;
}

int store_queue_start(struct store_queue **ret, struct store *s, const struct store_queue_conf *c, struct err *e)
{
        struct store_queue *q = new_zero(struct store_queue);
        if (!q)
                return err_oom(e);
        q->s = s;
        q->max = c->max_items;
        q->read = c->read;
        q->tail = &q->head;
        struct store_queue **at = &queues;
        while (*at)
                at = &(*at)->next;
        *at = q;
        *ret = q;
        return 0;
}

void store_queue_stop(struct store_queue *q)
{
        if (!q)
                return;
        struct store_queue **at = &queues;
        while (*at != q)
                at = &(*at)->next;
        *at = q->next;
        store_close(q->s);
        free(q);
}

int store_submit(struct store_queue *q, struct store_work *w)
{
        if (q->n >= q->max)
                return -EAGAIN;
        w->next = NULL;
        *q->tail = w;
        q->tail = &w->next;
        q->n++;
        return 0;
}

void store_queue_stats(struct store_queue *q, struct store_queue_stats *ret)
{
        *ret = (struct store_queue_stats){.waiting = q->n};
}
