/* http_deadline.c: the clocks of a connection: head, body, answer, idleness, the last wait.
 *
 * Those of head, idleness and last wait are absolute: no byte moves them. The sweep of http_turn.c compares them with
 * the loop's clock. A body and an answer must keep a rate, behind which they may fall by a few seconds' worth; being
 * ahead of it counts for as much and no more, so one that stops or drips is ended soon, however much came before.
 *
 * A connection that idles for a second gives its memory back. One that waits for its turn with input of its own is
 * not idle: no clock runs against it but that of the last wait. */
#include "server/http_internal.h"
#include "server/server.h"

enum { BODY_GRACE_S = 5, REST_MS = 1000 };

static const uint64_t ns_per_ms = 1000000, ns_per_s = 1000000000;

static bool timed_out(struct conn *c, const char *why)
{
        c->running = true;
        conn_refuse(c, PROBLEM_TIMEOUT, why);
        conn_run(c);
        return true;
}

static bool closed(struct conn *c)
{
        conn_close(c);
        return true;
}

/* What a connection may be behind its rate, and hold of being ahead. */
static uint64_t credit_ns(const struct conn *c)
{
        return c->state == CONN_FLUSH ? c->http->server->conf->write_ms * ns_per_ms : BODY_GRACE_S * ns_per_s;
}

void conn_pace(struct conn *c, uint64_t now_ns)
{
        c->paced = 0;
        c->due_ns = now_ns + credit_ns(c);
}

/* n bytes have come or gone so far, and the next ones are overdue. Each byte puts the moment off by its share of a
 * second, but never further than a new start would. */
static bool overdue(struct conn *c, uint64_t now_ns, size_t n)
{
        uint32_t rate = c->http->server->conf->body_rate;
        if (rate == 0)
                return false;
        uint64_t most = now_ns + credit_ns(c);
        uint64_t more =
            (uint64_t)(n - c->paced) < UINT64_MAX / ns_per_s ? (n - c->paced) * ns_per_s / rate : UINT64_MAX;
        c->due_ns = c->due_ns < most && more < most - c->due_ns ? c->due_ns + more : most;
        c->paced = n;
        return now_ns >= c->due_ns;
}

static void rest(struct conn *c) /* it idles: it need not hold memory */
{
        conn_drop_input(c);
        arena_deinit(&c->arena);
}

bool conn_sweep(struct conn *c, uint64_t now_ns)
{
        const struct server_conf *conf = c->http->server->conf;
        uint64_t patience = conf->write_ms * ns_per_ms;
        bool late = now_ns >= c->deadline_ns;
        if (c->later && c->state <= CONN_CHUNKS) {
                conn_pace(c, now_ns); /* its input is here: it waits for us, not we for it */
                return false;
        }
        switch (c->state) {
        case CONN_HEAD:
                if (late && c->begun)
                        return timed_out(c, "the head of the request was not complete in time");
                if (late || (c->http->draining && !c->begun))
                        return closed(c);
                if (!c->begun && c->in && c->n == c->next &&
                    now_ns + conf->idle_ms * ns_per_ms >= c->deadline_ns + REST_MS * ns_per_ms)
                        rest(c);
                return false;
        case CONN_BODY:
        case CONN_CHUNKS:
                return overdue(c, now_ns, c->received) && timed_out(c, "the body came too slowly");
        case CONN_FLUSH:
                return (overdue(c, now_ns, c->out_at) || now_ns - c->progress_ns >= patience) && closed(c);
        case CONN_LINGER:
                return late && closed(c);
        case CONN_BUSY:
        case CONN_DEAD:
                break;
        }
        return false;
}
