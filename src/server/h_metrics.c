/* h_metrics.c: GET /metrics. */
#include "server/h.h"
#include "server/handlers.h"
#include "server/metrics.h"

void h_metrics(struct request *r)
{
        struct buf *b = server_body(r->server);
        metrics_write(b, r->server);
        if (buf_ok(b))
                reply_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8", b->data, b->len);
        else
                reply_problem(r, PROBLEM_OVERLOADED, "", "out of memory");
}
