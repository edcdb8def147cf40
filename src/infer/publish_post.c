/* publish_post.c: the publisher by message: a request from any thread, its answer to the mailbox it names. An answer
 * that a full mailbox refused waits here and is tried again by the publisher's timer. */
#include "base/mailbox.h"
#include "base/mem.h"
#include "infer/publish_internal.h"
#include "loop/loop.h"
#include <errno.h>
#include <stdlib.h>

struct post { /* from the request to its delivered answer */
        struct post *next;
        struct publish *publish;
        model_id model;
        uint64_t number;
        struct mailbox *reply_to;
        uint64_t id;
        uint32_t generation;
        struct publish_reply *reply;
};

static void post_free(struct post *post)
{
        free(post->reply);
        free(post);
}

void publish_free_posts(struct publish *p)
{
        for (struct post *post = p->undelivered, *next; post; post = next) {
                next = post->next;
                post_free(post);
        }
}

int publish_post_version(
    struct publish *p, model_id m, uint64_t number, struct mailbox *reply_to, uint64_t id, uint32_t generation)
{
        struct post *post = new_zero(struct post);
        struct publish_reply *reply = new_zero(struct publish_reply);
        if (!post || !reply) {
                free(post);
                free(reply);
                return -EAGAIN;
        }
        *post = (struct post){.publish = p,
            .model = m,
            .number = number,
            .reply_to = reply_to,
            .id = id,
            .generation = generation,
            .reply = reply};
        int r = loop_post(p->control, &(struct msg){.kind = PUBLISH_MSG_REQUEST, .payload = post});
        if (r < 0)
                post_free(post);
        return r;
}

int publish_post(struct publish *p, model_id m, struct mailbox *reply_to, uint64_t id, uint32_t generation)
{
        return publish_post_version(p, m, 0, reply_to, id, generation);
}

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

void publish_deliver_posts(struct publish *p)
{
        struct post *waiting = p->undelivered;
        p->undelivered = NULL;
        for (struct post *post = waiting, *next; post; post = next) {
                next = post->next;
                if (!deliver(post)) {
                        post->next = p->undelivered;
                        p->undelivered = post;
                }
        }
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
        publish_need_nudge(p);
}

void publish_request(struct publish *p, const struct msg *m)
{
        struct post *post = m->payload;
        int r = post->number > 0 ? publish_version(p, post->model, post->number, post_done, post)
                                 : publish_model(p, post->model, post_done, post);
        if (r < 0) {
                struct err e;
                post_done(post, err_oom(&e), &e);
        }
}

void publish_drop(const struct msg *m)
{
        post_free(m->payload);
}
