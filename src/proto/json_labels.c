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

static void put_bool(struct buf *b, const char *key, bool v)
{
        json_put_key(b, key);
        buf_puts(b, v ? "true" : "false");
}

void json_erased_write(struct buf *b, const struct erased_view *x)
{
        buf_puts(b, "{\"erased\":");
        buf_put_u64(b, x->n);
        put_u64(b, "used", x->n_used);
        json_put_key(b, "first_version");
        json_put_version(b, x->first_version);
        put_bool(b, "backups", x->backups);
        json_put_key(b, "detail");
        json_put_text(b, x->detail);
        buf_putc(b, '}');
}

int json_reason_read(struct slice body, struct arena *a, const char **ret, struct err *e)
{
        static const char *const keys[] = {"reason"};
        _json_ json_t *v = NULL;
        *ret = NULL;
        int r = body.n > 0 ? json_body_object(body, keys, ARRAY_LEN(keys), &v, e) : 0;
        return r != 0 || !v ? r : json_get_reason(v, a, ret, e);
}

int json_release_read(struct slice body, struct arena *a, bool *ret_accept, const char **ret_reason, struct err *e)
{
        static const char *const keys[] = {"accept", "reason"};
        _json_ json_t *v = NULL;
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r != 0)
                return r;
        const json_t *accept = json_object_get(v, "accept");
        if (!json_is_boolean(accept))
                return json_wrong_type(accept, "/accept", "true (learn from it) or false (erase it)", e);
        if ((r = json_get_reason(v, a, ret_reason, e)) != 0)
                return r;
        *ret_accept = json_is_true(accept);
        return 0;
}

void json_release_write(struct buf *b, const char *id, bool accepted, uint64_t n)
{
        buf_puts(b, "{\"id\":");
        json_put_string(b, id);
        put_bool(b, "accepted", accepted);
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
        json_put_key(b, "aliases");
        buf_putc(b, '[');
        for (size_t i = 0; i < u->n_aliases; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_string(b, u->aliases[i]);
        }
        buf_putc(b, ']');
        json_put_key(b, "job");
        json_put_id(b, u->job);
        put_bool(b, "backups", u->backups);
        json_put_key(b, "detail");
        json_put_text(b, u->detail);
        buf_putc(b, '}');
}
