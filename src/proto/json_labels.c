/* json_labels.c: what is done to labels that were taken: erased, released from quarantine, unlearned with their
 * source; and the list of sources. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/json_feedback.h"
#include "proto/json_in.h"

static void put_u64(struct buf *b, const char *key, uint64_t v)
{
        json_put_key(b, key);
        buf_put_u64(b, v);
}

void json_erased_write(struct buf *b, uint64_t n, uint64_t n_used, uint64_t first_version, const char *detail)
{
        buf_puts(b, "{\"erased\":");
        buf_put_u64(b, n);
        put_u64(b, "used", n_used);
        json_put_key(b, "first_version");
        json_put_version(b, first_version);
        json_put_key(b, "detail");
        json_put_text(b, detail);
        buf_putc(b, '}');
}

int json_release_read(struct slice body, bool *ret_accept, struct err *e)
{
        static const char *const keys[] = {"accept"};
        _json_ json_t *v = NULL;
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r != 0)
                return r;
        const json_t *accept = json_object_get(v, "accept");
        if (!json_is_boolean(accept))
                return json_wrong_type(accept, "/accept", "true (learn from it) or false (erase it)", e);
        *ret_accept = json_is_true(accept);
        return 0;
}

void json_release_write(struct buf *b, const char *id, bool accepted, uint64_t n)
{
        buf_puts(b, "{\"id\":");
        json_put_string(b, id);
        json_put_key(b, "accepted");
        buf_puts(b, accepted ? "true" : "false");
        put_u64(b, "released", n);
        buf_putc(b, '}');
}

void json_source_row(struct buf *b, const struct source_view *s, bool first)
{
        buf_puts(b, first ? "{\"source\":" : ",{\"source\":");
        json_put_string(b, s->name);
        put_u64(b, "rows", s->n);
        put_u64(b, "live", s->n_live);
        put_u64(b, "used", s->n_used);
        put_u64(b, "served", s->n_served);
        put_u64(b, "agreed", s->n_agreed);
        json_put_key(b, "first_seq");
        json_put_id(b, s->first_seq);
        json_put_key(b, "last_seq");
        json_put_id(b, s->last_seq);
        buf_putc(b, '}');
}

void json_unlearned_write(struct buf *b, const struct unlearned_view *u)
{
        buf_puts(b, "{\"source\":");
        json_put_string(b, u->source);
        put_u64(b, "erased", u->n_erased);
        json_put_key(b, "from_version");
        json_put_version(b, u->from);
        json_put_key(b, "version");
        json_put_version(b, u->to);
        json_put_key(b, "job");
        json_put_id(b, u->job);
        json_put_key(b, "detail");
        json_put_text(b, u->detail);
        buf_putc(b, '}');
}
