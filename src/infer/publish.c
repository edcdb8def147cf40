/* publish.c: the hand-over of champions.
 *
 * One hand per model under way: LOADING (a work item on the reader thread builds the version), then SWAPPING (each
 * loop has been sent one reference; pending counts the loops that have not switched yet). A loop drops pending
 * itself, its message back is only a doorbell; what a full mailbox or queue refused is tried again by one timer
 * that runs while anything is under way. A request for a model whose hand is already loading may have come after a
 * newer commit, so it waits for a second round that starts when the first has ended.
 *
 * The reference in a hand's slot belongs to the hand until the loop takes it: publish_free, called after the loops
 * have stopped, drops what nobody took. */
#include "infer/publish.h"
#include "base/arena.h"
#include "base/mem.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "store/queue.h"
#include "store/store.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_LOOPS = 64, NUDGE_MS = 20 };

struct waiter {
        struct waiter *next;
        publish_fn fn;
        void *arg;
};

struct slot { /* payload of SERVE: one loop's reference */
        struct hand *hand;
        struct served *served; /* NULL once the loop has taken it */
        bool posted;
        int result; /* of vtable_put */
};

struct hand {
        struct hand *next;
        struct publish *publish;
        model_id model;
        struct waiter *now, *later; /* of this round, of the next */
        struct store_work work;
        bool loading, submitted;
        struct served *served;
        uint64_t start_ns;
        atomic_uint pending;
        struct slot slots[MAX_LOOPS];
};

struct post { /* publish_post, from the request to its delivered answer */
        struct post *next;
        struct publish *publish;
        model_id model;
        struct mailbox *reply_to;
        uint64_t id;
        uint32_t generation;
        struct publish_reply *reply;
};

struct publish {
        struct loop *control;
        struct store_queue *reader;
        size_t n_loops;
        struct loop *loops[MAX_LOOPS];
        struct vtable *tables[MAX_LOOPS];
        struct hand *hands;
        struct post *undelivered;
        struct loop_source *nudge;
        _Atomic uint64_t swaps, last_swap_ns;
};

static void hand_step(struct hand *h);

int publish_new(struct publish **ret, struct loop *control, struct store_queue *reader, struct err *e)
{
        struct publish *p = new_zero(struct publish);
        if (!p)
                return err_oom(e);
        p->control = control;
        p->reader = reader;
        *ret = p;
        return 0;
}

static void waiters_free(struct waiter *w)
{
        while (w) {
                struct waiter *next = w->next;
                free(w);
                w = next;
        }
}

static void hand_free(struct hand *h)
{
        for (size_t i = 0; i < h->publish->n_loops; i++)
                served_unref(h->slots[i].served);
        served_unref(h->served);
        waiters_free(h->now);
        waiters_free(h->later);
        free(h);
}

static void post_free(struct post *post)
{
        free(post->reply);
        free(post);
}

void publish_free(struct publish *p)
{
        if (!p)
                return;
        loop_source_free(p->nudge);
        for (struct hand *h = p->hands, *next; h; h = next) {
                next = h->next;
                hand_free(h);
        }
        for (struct post *post = p->undelivered, *next; post; post = next) {
                next = post->next;
                post_free(post);
        }
        free(p);
}

int publish_add_loop(struct publish *p, struct loop *l, struct vtable *t, struct err *e)
{
        if (p->n_loops == MAX_LOOPS)
                return err_set(e, -EINVAL, "at most %d serving loops", MAX_LOOPS);
        p->loops[p->n_loops] = l;
        p->tables[p->n_loops++] = t;
        return 0;
}

/* --- start-up --- */

struct ids {
        model_id *id;
        size_t n, cap;
};

static int collect_id(void *arg, const struct model *m)
{
        struct ids *ids = arg;
        void *id = ids->id;
        if (!mem_grow(&id, &ids->cap, ids->n + 1, sizeof(*ids->id)))
                return -ENOMEM;
        ids->id = id;
        ids->id[ids->n++] = m->id;
        return 0;
}

int publish_initial(struct publish *p, struct store *s, size_t *ret_loaded, size_t *ret_failed, struct err *e)
{
        struct ids ids = {0};
        size_t loaded = 0, failed = 0;
        int r = store_model_list(s, collect_id, &ids, e);
        if (r == -ENOMEM)
                err_oom(e);
        for (size_t i = 0; i < ids.n && r == 0; i++) {
                struct served *v;
                if (served_load(s, ids.id[i], &v, e) != 0) {
                        failed++;
                        continue;
                }
                loaded++;
                for (size_t l = 0; l < p->n_loops && r == 0; l++) {
                        r = vtable_put(p->tables[l], served_ref(v), e);
                        if (r < 0)
                                served_unref(v);
                }
                served_unref(v);
        }
        free(ids.id);
        if (r != 0)
                return r;
        *ret_loaded = loaded;
        *ret_failed = failed;
        return 0;
}

/* --- control thread --- */

static bool deliver(struct post *post)
{
        struct msg m = {
            .kind = PUBLISH_MSG_DONE, .id = post->id, .generation = post->generation, .payload = post->reply};
        if (mailbox_put(post->reply_to, &m) < 0)
                return false;
        post->reply = NULL;
        post_free(post);
        return true;
}

static void on_nudge(void *arg)
{
        struct publish *p = arg;
        for (struct hand *h = p->hands, *next; h; h = next) {
                next = h->next;
                hand_step(h); /* frees no hand but this one; new ones go to the front */
        }
        struct post *waiting = p->undelivered;
        p->undelivered = NULL;
        for (struct post *post = waiting, *next; post; post = next) {
                next = post->next;
                if (!deliver(post)) {
                        post->next = p->undelivered;
                        p->undelivered = post;
                }
        }
        if (!p->hands && !p->undelivered) {
                loop_source_free(p->nudge);
                p->nudge = NULL;
        }
}

static void need_nudge(struct publish *p)
{
        if (!p->nudge)
                p->nudge = loop_timer(p->control, NUDGE_MS, true, on_nudge, p);
}

static void waiters_add(struct waiter **list, struct waiter *w)
{
        while (*list)
                list = &(*list)->next;
        *list = w;
}

static void waiters_forget(struct waiter *w, const void *arg)
{
        for (; w; w = w->next) {
                if (w->arg == arg)
                        w->fn = NULL;
        }
}

void publish_forget(struct publish *p, const void *arg)
{
        for (struct hand *h = p->hands; h; h = h->next) {
                waiters_forget(h->now, arg);
                waiters_forget(h->later, arg);
        }
}

/* A round is over: its waiters hear, then the next round starts or the hand goes. */
static void hand_finish(struct hand *h, int result, const struct err *why)
{
        struct waiter *done = h->now;
        served_unref(h->served);
        h->served = NULL;
        h->now = h->later;
        h->later = NULL;
        h->loading = true;
        h->submitted = false;
        if (h->now) {
                hand_step(h);
        } else {
                struct hand **at = &h->publish->hands;
                while (*at != h)
                        at = &(*at)->next;
                *at = h->next;
                hand_free(h);
        }
        for (struct waiter *w = done; w; w = w->next) {
                if (w->fn)
                        w->fn(w->arg, result, why);
        }
        waiters_free(done);
}

static int run_load(struct store *s, struct store_work *w, struct err *e)
{
        struct hand *h = w->arg;
        return served_load(s, h->model, &h->served, e);
}

static void on_loaded(struct store_work *w)
{
        struct hand *h = w->arg;
        struct publish *p = h->publish;
        h->loading = false;
        if (w->result != 0) {
                struct err why = w->err;
                hand_finish(h, w->result, &why);
                return;
        }
        h->start_ns = clock_mono_ns(loop_clock(p->control));
        atomic_store(&h->pending, (unsigned)p->n_loops);
        for (size_t i = 0; i < p->n_loops; i++)
                h->slots[i] = (struct slot){.hand = h, .served = served_ref(h->served)};
        hand_step(h);
}

/* Nobody is left to hear: at shutdown only, when the control loop no longer runs. publish_free has the hand. */
static void on_unheard(struct store_work *w)
{
        (void)w;
}

static void hand_load(struct hand *h)
{
        if (h->submitted)
                return;
        h->work = (struct store_work){
            .run = run_load,
            .done = on_loaded,
            .release = on_unheard,
            .reply_to = loop_mailbox(h->publish->control),
            .arg = h,
        };
        h->submitted = store_submit(h->publish->reader, &h->work) == 0;
}

static void hand_swap(struct hand *h)
{
        struct publish *p = h->publish;
        for (size_t i = 0; i < p->n_loops; i++) {
                struct msg m = {.kind = PUBLISH_MSG_SERVE, .payload = &h->slots[i]};
                if (!h->slots[i].posted)
                        h->slots[i].posted = loop_post(p->loops[i], &m) == 0;
        }
        if (atomic_load(&h->pending) > 0)
                return;
        struct err why = ERR_NULL;
        int result = 0;
        for (size_t i = 0; i < p->n_loops; i++) {
                if (h->slots[i].result < 0)
                        result = err_oom(&why);
        }
        atomic_store(&p->last_swap_ns, clock_mono_ns(loop_clock(p->control)) - h->start_ns);
        atomic_fetch_add(&p->swaps, 1);
        hand_finish(h, result, result < 0 ? &why : NULL);
}

static void hand_step(struct hand *h)
{
        need_nudge(h->publish);
        if (h->loading)
                hand_load(h);
        else
                hand_swap(h);
}

int publish_model(struct publish *p, model_id m, publish_fn done, void *arg)
{
        struct hand *h = p->hands;
        while (h && h->model != m)
                h = h->next;
        struct waiter *w = new_zero(struct waiter);
        if (!w)
                return -ENOMEM;
        *w = (struct waiter){.fn = done, .arg = arg};
        if (h) {
                waiters_add(&h->later, w);
                return 0;
        }
        if (!(h = new_zero(struct hand))) {
                free(w);
                return -ENOMEM;
        }
        h->publish = p;
        h->model = m;
        h->loading = true;
        h->next = p->hands;
        p->hands = h;
        waiters_add(&h->now, w);
        hand_step(h);
        return 0;
}

/* --- by message --- */

int publish_post(struct publish *p, model_id m, struct mailbox *reply_to, uint64_t id, uint32_t generation)
{
        struct post *post = new_zero(struct post);
        struct publish_reply *reply = new_zero(struct publish_reply);
        if (!post || !reply) {
                free(post);
                free(reply);
                return -EAGAIN;
        }
        *post = (struct post){
            .publish = p, .model = m, .reply_to = reply_to, .id = id, .generation = generation, .reply = reply};
        int r = loop_post(p->control, &(struct msg){.kind = PUBLISH_MSG_REQUEST, .payload = post});
        if (r < 0)
                post_free(post);
        return r;
}

static void post_done(void *arg, int result, const struct err *e)
{
        struct post *post = arg;
        struct publish *p = post->publish;
        post->reply->result = result;
        if (e)
                post->reply->err = *e;
        if (deliver(post))
                return;
        post->next = p->undelivered;
        p->undelivered = post;
        need_nudge(p);
}

bool publish_dispatch_control(struct publish *p, const struct msg *m)
{
        if (m->kind == PUBLISH_MSG_ACK) {
                for (struct hand *h = p->hands, *next; h; h = next) {
                        next = h->next;
                        if (!h->loading)
                                hand_step(h);
                }
                return true;
        }
        if (m->kind != PUBLISH_MSG_REQUEST)
                return false;
        struct post *post = m->payload;
        int r = publish_model(p, post->model, post_done, post);
        if (r < 0) {
                struct err e;
                post_done(post, err_oom(&e), &e);
        }
        return true;
}

bool publish_dispatch_loop(struct publish *p, struct vtable *t, const struct msg *m)
{
        if (m->kind != PUBLISH_MSG_SERVE)
                return false;
        struct slot *slot = m->payload;
        struct served *s = slot->served;
        struct err e = ERR_NULL;
        slot->result = vtable_put(t, s, &e);
        if (slot->result == 0)
                slot->served = NULL;
        atomic_fetch_sub(&slot->hand->pending, 1); /* the slot is the control thread's again */
        loop_post(p->control, &(struct msg){.kind = PUBLISH_MSG_ACK});
        return true;
}

void publish_drop(const struct msg *m)
{
        post_free(m->payload);
}

void publish_stats(const struct publish *p, struct publish_stats *ret)
{
        ret->swaps = atomic_load(&p->swaps);
        ret->last_swap_ns = atomic_load(&p->last_swap_ns);
}
