/* http_deadline.c: the clocks of a connection: head, body, answer, idleness, the last wait.
 *
 * All are absolute: no byte moves them. The sweep of http_turn.c compares them with the loop's clock. A body and an
 * answer must on average keep a rate, after a start; a connection that idles for a second gives its memory back. */
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

/* When n bytes have to be there: a rate, after a start of grace_ns. */
static uint64_t due(const struct conn *c, uint64_t grace_ns, size_t n)
{
        uint32_t rate = c->http->server->conf->body_rate;
        return c->since_ns + grace_ns + (rate ? (uint64_t)n * ns_per_s / rate : UINT64_MAX / 4);
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
        switch (c->state) {
        case CONN_HEAD:
                if (late && c->begun)
                        return timed_out(c, "the head of the request was not complete in time");
                if (late || (c->http->draining && !c->begun))
                        return closed(c);
                if (!c->begun && c->in && now_ns + conf->idle_ms * ns_per_ms >= c->deadline_ns + REST_MS * ns_per_ms)
                        rest(c);
                return false;
        case CONN_BODY:
        case CONN_CHUNKS:
                return now_ns >= due(c, BODY_GRACE_S * ns_per_s, c->received) &&
                       timed_out(c, "the body came too slowly");
        case CONN_FLUSH:
                return (now_ns - c->progress_ns >= patience || now_ns >= due(c, patience, c->out_at)) && closed(c);
        case CONN_LINGER:
                return late && closed(c);
        case CONN_BUSY:
        case CONN_DEAD:
                break;
        }
        return false;
}
