/* request.c: what a handler can ask of a request: fields by name, parts of the query. */
#include "server/request.h"
#include "base/arena.h"
#include "server/http_parse.h"

struct slice request_header(const struct request *r, const char *name)
{
        for (size_t i = 0; i < r->n_headers; i++) {
                if (slice_eq_nocase(r->headers[i].name, name))
                        return r->headers[i].value;
        }
        return (struct slice){0};
}

size_t request_headers(const struct request *r, const char *name)
{
        size_t n = 0;
        for (size_t i = 0; i < r->n_headers; i++)
                n += slice_eq_nocase(r->headers[i].name, name);
        return n;
}

/* The value as sent; an empty slice with p set if the key stands alone. */
static bool find_key(struct slice q, const char *key, struct slice *ret)
{
        while (q.n > 0) {
                const char *amp = memchr(q.p, '&', q.n);
                struct slice part = {q.p, amp ? (size_t)(amp - q.p) : q.n};
                const char *eq = part.n ? memchr(part.p, '=', part.n) : NULL;
                struct slice k = {part.p, eq ? (size_t)(eq - part.p) : part.n};
                if (slice_eq(k, key)) {
                        *ret = eq ? (struct slice){eq + 1, part.n - k.n - 1} : (struct slice){part.p + part.n, 0};
                        return true;
                }
                q = amp ? (struct slice){amp + 1, q.n - part.n - 1} : (struct slice){0};
        }
        return false;
}

bool request_query(const struct request *r, const char *key, struct slice *ret)
{
        struct slice raw;
        if (!find_key(r->query, key, &raw))
                return false;
        if (raw.n == 0 || !memchr(raw.p, '%', raw.n)) {
                *ret = raw;
                return true;
        }
        char *copy = arena_alloc(r->arena, raw.n);
        if (!copy)
                return false;
        *ret = (struct slice){copy, http_unescape(raw, copy)};
        return true;
}

bool request_query_u64(const struct request *r, const char *key, uint64_t *ret)
{
        struct slice s;
        return request_query(r, key, &s) && slice_u64(s, ret);
}
