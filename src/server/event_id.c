/* event_id.c: random bytes as HMAC-SHA256(seed, loop | counter), 32 at a time, handed out in order. */
#include "server/event_id.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct event_source {
        struct digest_key *key;
        uint64_t loop, counter;
        struct digest pool;
        size_t used; /* of the pool */
};

int event_seed(uint8_t ret[EVENT_SEED], struct err *e)
{
        ssize_t n;
        do
                n = getrandom(ret, EVENT_SEED, 0);
        while (n < 0 && errno == EINTR);
        return n == EVENT_SEED ? 0 : err_set(e, -EIO, "the kernel gives no random bytes");
}

int event_source_new(struct event_source **ret, const uint8_t seed[EVENT_SEED], unsigned loop, struct err *e)
{
        struct event_source *s = new_zero(struct event_source);
        if (!s)
                return err_oom(e);
        s->key = digest_key_new(seed, EVENT_SEED);
        if (!s->key) {
                free(s);
                return err_oom(e);
        }
        s->loop = loop;
        s->used = sizeof(s->pool);
        *ret = s;
        return 0;
}

void event_source_free(struct event_source *s)
{
        if (!s)
                return;
        digest_key_free(s->key);
        free(s);
}

static void fill(struct event_source *s)
{
        uint64_t text[2] = {s->loop, s->counter++};
        digest_hmac(s->key, text, sizeof(text), &s->pool);
        s->used = 0;
}

void event_draw(struct event_source *s, void *ret, size_t n)
{
        if (sizeof(s->pool) - s->used < n)
                fill(s);
        memcpy(ret, s->pool.b + s->used, n);
        s->used += n;
}

void event_id(struct event_source *s, const char *prefix, char ret[EVENT_ID_SIZE])
{
        uint8_t v[EVENT_DRAW_MAX];
        size_t n = strnlen(prefix, EVENT_PREFIX);
        event_draw(s, v, sizeof(v));
        memcpy(ret, prefix, n);
        str_hex(ret + n, v, sizeof(v));
        ret[n + 2 * sizeof(v)] = '\0';
}
