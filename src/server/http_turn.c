/* http_turn.c: what a turn of the loop puts off to the next one, so that no connection holds up the others for longer
 * than one request takes.
 *
 * A connection that has more to do after an answer, or has read much, waits in a list; a turn goes on with those at
 * its front for a tenth of a millisecond, one request of each. A timer of no time at all leads to the next turn;
 * unlike an event made active, it lets the loop look at its sockets and run its predictions before.
 *
 * The sweep of deadlines walks over all slots, but ends only a few connections a millisecond: a thousand that came
 * together are late together, and to close them back to back, even in turns of their own, is felt by all others. */
#include "base/err.h"
#include "loop/loop.h"
#include "server/http_internal.h"
#include "server/server.h"
#include <event2/event.h>

enum { GO_ON_NS = 100000, ENDS = 2 };

static void arm(struct http *h)
{
        static const struct timeval none = {0};
        if (!event_pending(h->again, EV_TIMEOUT, NULL))
                event_add(h->again, &none);
}

void http_later(struct conn *c)
{
        struct http *h = c->http;
        if (c->later)
                return;
        c->later = true;
        c->later_prev = h->later_last;
        c->later_next = NULL;
        *(h->later_last ? &h->later_last->later_next : &h->later_first) = c;
        h->later_last = c;
        arm(h);
}

void http_not_later(struct conn *c)
{
        struct http *h = c->http;
        if (!c->later)
                return;
        c->later = false;
        *(c->later_prev ? &c->later_prev->later_next : &h->later_first) = c->later_next;
        *(c->later_next ? &c->later_next->later_prev : &h->later_last) = c->later_prev;
}

/* Those that wait now; what they put behind themselves is the next turn's. */
static void go_on(struct http *h)
{
        uint64_t until = http_now(h) + GO_ON_NS;
        for (struct conn *c = h->later_first, *last = h->later_last; c; c = h->later_first) {
                bool end = c == last;
                http_not_later(c);
                conn_run(c);
                if (end || http_now(h) >= until)
                        break;
        }
}

static void sweep_on(struct http *h)
{
        uint64_t now = http_now(h);
        for (int ends = 0; h->sweep_at < h->n_max && ends < ENDS; h->sweep_at++) {
                struct conn *c = h->conns[h->sweep_at];
                ends += c && conn_sweep(c, now);
        }
        static const struct timeval pause = {.tv_usec = 1000};
        if (h->sweep_at < h->n_max && !event_pending(h->ending, EV_TIMEOUT, NULL))
                event_add(h->ending, &pause);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        struct http *h = arg;
        go_on(h);
        if (h->later_first)
                arm(h);
}

static void on_ending(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        sweep_on(arg);
}

void http_sweep(struct http *h)
{
        http_renew(h);
        if (h->sweep_at == h->n_max)
                h->sweep_at = 0;
        sweep_on(h);
}

static void on_sweep(void *arg)
{
        http_sweep(arg);
}

int http_turn_new(struct http *h, struct err *e)
{
        h->again = event_new(h->base, -1, 0, on_again, h);
        h->ending = event_new(h->base, -1, 0, on_ending, h);
        h->sweep = loop_timer(h->server->loop, HTTP_SWEEP_MS, true, on_sweep, h);
        return h->again && h->ending && h->sweep ? 0 : err_oom(e);
}

void http_turn_free(struct http *h)
{
        loop_source_free(h->sweep);
        if (h->ending)
                event_free(h->ending);
        if (h->again)
                event_free(h->again);
}
