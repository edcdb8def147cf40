/* publish.c: the rounds that bring what is loaded to the loops.
 *
 * One hand per model under way, in rounds: LOADING (a work item on the reader thread builds what the round is for),
 * then SWAPPING (each loop has been sent its model's row as the shelf has it; pending counts the loops that have not
 * switched yet). A loop drops pending itself, its message back is only a doorbell; what a full mailbox or queue
 * refused is tried again by one timer that runs while anything is under way. Whoever asks while a round is under way
 * waits for a later one, since the round may have read before a newer commit; those who ask for the same share a
 * round. A round that only takes versions away, because they were idle or had to make room, starts with SWAPPING.
 *
 * The row in a hand's slot belongs to the hand until the loop takes it: publish_free, called after the loops have
 * stopped, drops what nobody took. */
#include "base/mem.h"
#include "infer/publish_internal.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "store/store.h"
#include <errno.h>
#include <stdlib.h>

enum { NUDGE_MS = 20, LOOK_MAX_MS = 10000, LOOKS = 4 }; /* looks for idle ones in the time after which they go */

static void hand_step(struct hand *h);
static void hand_next(struct hand *h);
static void on_changed(void *arg, struct shelf *s);

int publish_new(struct publish **ret, struct loop *control, struct store_queue *reader, struct err *e)
{
        struct publish *p = new_zero(struct publish);
        if (!p)
                return err_oom(e);
        p->control = control;
        p->reader = reader;
        p->shelves = (struct shelves){.max_bytes = SIZE_MAX, .changed = on_changed, .arg = p};
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
                vrow_free(h->slots[i].row);
        load_deinit(&h->load);
        waiters_free(h->now);
        waiters_free(h->later);
        free(h);
}

void publish_free(struct publish *p)
{
        if (!p)
                return;
        loop_source_free(p->nudge);
        loop_source_free(p->look);
        for (struct hand *h = p->hands, *next; h; h = next) {
                next = h->next;
                hand_free(h);
        }
        publish_free_posts(p);
        shelves_free(&p->shelves);
        free(p);
}

int publish_add_loop(struct publish *p, struct loop *l, struct vtable *t, struct err *e)
{
        if (p->n_loops == MAX_LOOPS)
                return err_set(e, -EINVAL, "at most %d serving loops", MAX_LOOPS);
        vtable_set_lane(t, (unsigned)p->n_loops);
        p->loops[p->n_loops] = l;
        p->tables[p->n_loops++] = t;
        return 0;
}

/* --- what is idle --- */

static void on_look(void *arg)
{
        struct publish *p = arg;
        shelves_look(&p->shelves, clock_mono_ns(loop_clock(p->control)), p->idle_ns);
}

int publish_limit(struct publish *p, const struct publish_limits *l, struct err *e)
{
        uint64_t every = l->idle_ms / LOOKS < LOOK_MAX_MS ? l->idle_ms / LOOKS : LOOK_MAX_MS;
        struct loop_source *look = loop_timer(p->control, every, true, on_look, p);
        if (!look)
                return err_oom(e);
        loop_source_free(p->look);
        p->look = look;
        p->idle_ns = l->idle_ms * 1000000u;
        p->shelves.max_bytes = l->max_bytes;
        return 0;
}

/* --- rounds --- */

static void on_nudge(void *arg)
{
        struct publish *p = arg;
        for (struct hand *h = p->hands, *next; h; h = next) {
                next = h->next;
                hand_step(h); /* frees no hand but this one; new ones go to the front */
        }
        publish_deliver_posts(p);
        if (!p->hands && !p->undelivered) {
                loop_source_free(p->nudge);
                p->nudge = NULL;
        }
}

void publish_need_nudge(struct publish *p)
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

/* A round is over: the next one starts or the hand goes, then its waiters hear. */
static void hand_finish(struct hand *h, int result, const struct err *why)
{
        struct waiter *done = h->now;
        h->now = NULL;
        load_deinit(&h->load);
        hand_next(h);
        for (struct waiter *w = done; w; w = w->next) {
                if (w->fn)
                        w->fn(w->arg, result, why);
        }
        waiters_free(done);
}

static int run_load(struct store *s, struct store_work *w, struct err *e)
{
        struct hand *h = w->arg;
        return load_run(&h->load, s, e);
}

/* Sends every loop the row as the shelf has it now. */
static void swap_begin(struct hand *h)
{
        struct publish *p = h->publish;
        struct shelf *s = shelf_of(&p->shelves, h->model);
        struct err why;
        h->loading = false;
        h->again = false;
        h->start_ns = clock_mono_ns(loop_clock(p->control));
        atomic_store(&h->pending, (unsigned)p->n_loops);
        bool ok = true;
        for (size_t i = 0; i < p->n_loops; i++) {
                h->slots[i] = (struct slot){.hand = h, .row = ok ? shelf_row(s) : NULL};
                ok = ok && h->slots[i].row;
        }
        if (ok) {
                hand_step(h);
                return;
        }
        for (size_t i = 0; i < p->n_loops; i++) {
                vrow_free(h->slots[i].row);
                h->slots[i].row = NULL;
        }
        int r = err_oom(&why);
        hand_finish(h, r, &why);
}

static void on_loaded(struct store_work *w)
{
        struct hand *h = w->arg;
        struct err why = w->err;
        int r = w->result;
        h->loading = false;
        if (r == 0)
                r = load_shelve(h->publish, &h->load, &why);
        if (r == 0)
                swap_begin(h);
        else
                hand_finish(h, r, &why);
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
                vrow_free(h->slots[i].row);
                h->slots[i].row = NULL;
        }
        if (h->load.served && h->load.number == 0) {
                atomic_store(&p->last_swap_ns, clock_mono_ns(loop_clock(p->control)) - h->start_ns);
                atomic_fetch_add(&p->swaps, 1);
        }
        hand_finish(h, result, result < 0 ? &why : NULL);
}

static void hand_step(struct hand *h)
{
        publish_need_nudge(h->publish);
        if (h->loading)
                hand_load(h);
        else
                hand_swap(h);
}

/* Those who wait for the same as the first do. */
static void take_waiters(struct hand *h)
{
        uint64_t number = h->later->number;
        for (struct waiter **at = &h->later; *at;) {
                struct waiter *w = *at;
                if (w->number != number) {
                        at = &w->next;
                        continue;
                }
                *at = w->next;
                w->next = NULL;
                waiters_add(&h->now, w);
        }
}

static void hand_end(struct hand *h)
{
        struct hand **at = &h->publish->hands;
        while (*at != h)
                at = &(*at)->next;
        *at = h->next;
        hand_free(h);
}

/* The next round, or the end of the hand. */
static void hand_next(struct hand *h)
{
        struct shelf *s = shelf_of(&h->publish->shelves, h->model);
        if (!h->later) {
                if (h->again)
                        swap_begin(h);
                else
                        hand_end(h);
                return;
        }
        take_waiters(h);
        h->load.model = h->model;
        h->load.number = h->now->number;
        if (s && h->load.number > 0 && shelf_find(s, h->load.number)) {
                swap_begin(h); /* loaded meanwhile; the loops may not have it yet */
                return;
        }
        h->load.have = s ? shelf_row(s) : NULL;
        h->loading = true;
        h->submitted = false;
        hand_step(h);
}

/* The model's hand, or a new one that has not begun. */
static struct hand *hand_of(struct publish *p, model_id m, bool *ret_new)
{
        struct hand *h = p->hands;
        while (h && h->model != m)
                h = h->next;
        *ret_new = !h;
        if (h || !(h = new_zero(struct hand)))
                return h;
        h->publish = p;
        h->model = m;
        h->next = p->hands;
        p->hands = h;
        return h;
}

int publish_version(struct publish *p, model_id m, uint64_t number, publish_fn done, void *arg)
{
        bool begin;
        struct waiter *w = new_zero(struct waiter);
        struct hand *h = w ? hand_of(p, m, &begin) : NULL;
        if (!h) {
                free(w);
                return -ENOMEM;
        }
        *w = (struct waiter){.number = number, .fn = done, .arg = arg};
        waiters_add(&h->later, w);
        if (begin)
                hand_next(h);
        return 0;
}

int publish_model(struct publish *p, model_id m, publish_fn done, void *arg)
{
        return publish_version(p, m, 0, done, arg);
}

/* A version has been taken from a shelf. Without memory the loops keep it until the model's next round. */
static void on_changed(void *arg, struct shelf *s)
{
        struct publish *p = arg;
        bool begin;
        atomic_fetch_add(&p->drops, 1);
        publish_count(p);
        struct hand *h = p->n_loops > 0 ? hand_of(p, shelf_model(s), &begin) : NULL;
        if (!h)
                return;
        h->again = true;
        if (begin)
                hand_next(h);
}

/* --- messages --- */

bool publish_dispatch_control(struct publish *p, const struct msg *m)
{
        if (m->kind == PUBLISH_MSG_REQUEST) {
                publish_request(p, m);
                return true;
        }
        if (m->kind != PUBLISH_MSG_ACK)
                return false;
        for (struct hand *h = p->hands, *next; h; h = next) {
                next = h->next;
                if (!h->loading)
                        hand_step(h);
        }
        return true;
}

bool publish_dispatch_loop(struct publish *p, struct vtable *t, const struct msg *m)
{
        if (m->kind != PUBLISH_MSG_SERVE)
                return false;
        struct slot *slot = m->payload;
        struct err e = ERR_NULL;
        slot->result = vtable_put(t, slot->row, &e);
        if (slot->result == 0)
                slot->row = NULL;
        atomic_fetch_sub(&slot->hand->pending, 1); /* the slot is the control thread's again */
        loop_post(p->control, &(struct msg){.kind = PUBLISH_MSG_ACK});
        return true;
}

void publish_stats(const struct publish *p, struct publish_stats *ret)
{
        *ret = (struct publish_stats){
            .swaps = atomic_load(&p->swaps),
            .last_swap_ns = atomic_load(&p->last_swap_ns),
            .versions = atomic_load(&p->versions),
            .bytes = atomic_load(&p->bytes),
            .loads = atomic_load(&p->loads),
            .drops = atomic_load(&p->drops),
        };
}
