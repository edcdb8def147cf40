/* server.c: the memory a serving thread reuses between requests, and the messages its loop gets.
 *
 * Messages are answers of the two store queues, new versions to serve, and word that every loop has switched. */
#include "server/server.h"
#include "base/mailbox.h"
#include "infer/batch.h"
#include "infer/publish.h"
#include "server/event_id.h"
#include "server/h.h"
#include "server/metrics.h"
#include "server/prediction_id.h"
#include "store/queue.h"

enum { BODY_KEEP = 1 << 20 };
#define BODY_MAX ((size_t)256 << 20)

struct buf *server_body(struct server *s)
{
        if (s->body.max == 0)
                buf_init(&s->body, s->conf->max_answer ? s->conf->max_answer : BODY_MAX);
        buf_reset(&s->body);
        return &s->body;
}

void server_body_sent(struct server *s)
{
        size_t max = s->body.max;
        if (s->body.cap <= BODY_KEEP)
                return;
        buf_deinit(&s->body);
        buf_init(&s->body, max);
}

int server_init(struct server *s, unsigned loop, struct err *e)
{
        int r = event_source_new(&s->random, s->conf->seed, loop, e);
        return r == 0 ? h_run_init(s, e) : r;
}

int server_keys(struct server *s, const uint8_t prediction[32], struct err *e)
{
        return prediction_ids_new(&s->predictions, prediction, s->random, e);
}

void server_dispatch(struct server *s, const struct msg *m)
{
        if (store_work_dispatch(m))
                return;
        batch_hold(s->batch);
        if (publish_dispatch_loop(s->publish, s->versions, m))
                return;
        if (m->kind == PUBLISH_MSG_DONE)
                h_work_published(s, m);
}

void server_deinit(struct server *s)
{
        h_work_drop_publishing(s);
        if (s->stats)
                stats_release(&s->metrics->stats, &s->stats);
        batch_free(s->batch);
        prediction_ids_free(s->predictions);
        event_source_free(s->random);
        buf_deinit(&s->body);
        s->batch = NULL;
        s->predictions = NULL;
        s->random = NULL;
}
