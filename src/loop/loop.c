/* loop.c: a thread's event loop on libevent, and its mailbox.
 *
 * The base is created without locks: a loop belongs to the thread that runs it, and other threads reach it through
 * the mailbox alone, whose eventfd is one more readable descriptor. One turn waits for events and runs all that are
 * due; the turn counter goes up after each, so a watchdog sees a callback that does not return as a counter that
 * stands still. Timers, descriptors, signals and children are in source.c. */
#include "loop/loop.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop_in.h"
#include <errno.h>
#include <event2/event.h>

enum { MAIL_PER_TURN = 256 }; /* so that a busy mailbox leaves the descriptors their share */

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        struct loop *l = arg;
        struct msg m;
        for (int i = 0; i < MAIL_PER_TURN && l->on_msg && mailbox_get(l->mailbox, &m); i++)
                l->on_msg(l->on_msg_arg, &m);
}

static struct event_base *base_new(void)
{
        struct event_config *conf = event_config_new();
        if (!conf)
                return NULL;
        event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK);
        struct event_base *base = event_base_new_with_config(conf);
        event_config_free(conf);
        return base;
}

int loop_new(struct loop **ret, const struct clock *clock, size_t mailbox_capacity, struct err *e)
{
        struct loop *l = new_zero(struct loop);
        if (!l)
                return err_oom(e);
        l->clock = clock;
        int r = mailbox_new(&l->mailbox, mailbox_capacity, e);
        if (r == 0 && !(l->base = base_new()))
                r = err_set(e, -ENOMEM, "libevent gives no event base");
        if (r == 0 && !(l->mail = event_new(l->base, mailbox_fd(l->mailbox), EV_READ | EV_PERSIST, on_mail, l)))
                r = err_oom(e);
        if (r < 0) {
                loop_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

void loop_free(struct loop *l)
{
        if (!l)
                return;
        if (l->mail)
                event_free(l->mail);
        if (l->base)
                event_base_free(l->base);
        mailbox_free(l->mailbox);
        free(l);
}

int loop_run(struct loop *l, struct err *e)
{
        bool more = false;
        while (!l->stop) {
                int how = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (more ? EVLOOP_NONBLOCK : 0);
                if (event_base_loop(l->base, how) < 0)
                        return err_set(e, -EIO, "the event loop failed to wait");
                more = l->on_turn && l->on_turn(l->on_turn_arg);
                atomic_fetch_add_explicit(&l->turns, 1, memory_order_relaxed);
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
        return l->base;
}

const struct clock *loop_clock(const struct loop *l)
{
        return l->clock;
}

void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg)
{
        l->on_turn = fn;
        l->on_turn_arg = arg;
}

uint64_t loop_turns(const struct loop *l)
{
        return atomic_load_explicit(&l->turns, memory_order_relaxed);
}

void loop_on_msg(struct loop *l, loop_msg_fn fn, void *arg)
{
        l->on_msg = fn;
        l->on_msg_arg = arg;
        if (fn)
                event_add(l->mail, NULL);
        else
                event_del(l->mail);
}

int loop_post(struct loop *l, const struct msg *m)
{
        return mailbox_put(l->mailbox, m);
}

struct mailbox *loop_mailbox(struct loop *l)
{
        return l->mailbox;
}

bool loop_take_msg(struct loop *l, struct msg *ret)
{
        return mailbox_get(l->mailbox, ret);
}
