/* server.c: the memory a serving thread reuses between requests, and the messages its loop gets.
 *
 * Messages are answers of the two store queues, new versions to serve, and word that every loop has switched. */
#include "server/server.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "infer/publish.h"
#include "server/h.h"
#include "server/metrics.h"
#include "store/queue.h"
#include <stdlib.h>

enum { WORKSPACE_ALIGN = 64 };
#define BODY_MAX ((size_t)256 << 20)

void *server_workspace(struct server *s, size_t bytes)
{
        if (bytes <= s->workspace_bytes)
                return s->workspace;
        void *p = mem_aligned(1, bytes, WORKSPACE_ALIGN);
        if (!p)
                return NULL;
        free(s->workspace);
        s->workspace = p;
        s->workspace_bytes = bytes;
        return p;
}

struct buf *server_body(struct server *s)
{
        if (s->body.max == 0)
                buf_init(&s->body, BODY_MAX);
        buf_reset(&s->body);
        return &s->body;
}

void server_dispatch(struct server *s, const struct msg *m)
{
        if (store_work_dispatch(m) || publish_dispatch_loop(s->publish, s->versions, m))
                return;
        if (m->kind == PUBLISH_MSG_DONE)
                h_work_published(s, m);
}

void server_deinit(struct server *s)
{
        h_work_drop_publishing(s);
        if (s->stats)
                stats_release(&s->metrics->stats, &s->stats);
        free(s->workspace);
        buf_deinit(&s->body);
        s->workspace = NULL;
        s->workspace_bytes = 0;
}
