/* Fuzz target of the HTTP parser: no input may make it read outside, and no cut may change what it says.
 *
 * The first byte chooses the cut; the rest is a connection's input. Heads and bodies are read one after the
 * other until the parser stops. Every piece lies in memory of its own size, so that the address sanitizer sees one
 * byte too many. */
#include "server/http_parse.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct verdict {
        int steps[16]; /* what came out, in order */
        size_t n, used, body;
};

static void note(struct verdict *v, int what)
{
        if (v->n < sizeof(v->steps) / sizeof(v->steps[0]))
                v->steps[v->n++] = what;
}

/* Checks what callers rely on: slices inside the head, escapes that can be undone, no control bytes behind them. */
static void check_head(const char *p, size_t n, const struct http_head *h, const struct http_header *headers)
{
        char out[HTTP_MAX_HEAD];
        if (h->method == METHOD_OTHER || h->path.n == 0 || h->path.p[0] != '/' || (h->chunked && h->length > 0) ||
            h->n_headers > REQUEST_MAX_HEADERS)
                abort();
        for (size_t i = 0; i < h->n_headers; i++) {
                if (headers[i].name.p < p || headers[i].value.p + headers[i].value.n > p + n)
                        abort();
        }
        size_t len = http_unescape(h->path, out) + http_unescape(h->query, out);
        if (len > h->path.n + h->query.n || memchr(out, 0, http_unescape(h->path, out)))
                abort();
}

static enum http_step scan_in_two(struct http_scan *s, const char *p, size_t n, size_t cut)
{
        char *copy = malloc(cut + 1);
        memcpy(copy, p, cut);
        enum http_step r = http_scan(s, copy, cut);
        free(copy);
        return r == HTTP_MORE ? http_scan(s, p, n) : r;
}

static enum http_step body_of(const struct http_head *h, const char **p, size_t *n, size_t cut, struct verdict *v)
{
        struct http_chunked c = {.limit = 4096};
        struct slice data;
        enum http_step r = HTTP_MORE;
        if (!h->chunked) {
                if (h->length > *n)
                        return HTTP_MORE;
                *p += h->length;
                *n -= (size_t)h->length;
                return HTTP_DONE;
        }
        while (*n > 0 && r == HTTP_MORE) {
                size_t part = cut > 0 && cut < *n ? cut : *n, left = part;
                const char *at = *p;
                r = http_chunked(&c, &at, &left, &data);
                if (data.n > 0 && (data.p < *p || data.p + data.n > *p + part))
                        abort();
                v->body += data.n;
                *n -= part - left;
                *p = at;
                cut = 0;
        }
        if (c.total > c.limit || v->body > 4096 * sizeof(v->steps))
                abort();
        if (r == HTTP_BAD)
                note(v, (int)c.problem);
        return r;
}

static struct verdict run(const char *p, size_t n, size_t cut)
{
        struct verdict v = {0};
        size_t all = n;
        enum http_step r = HTTP_DONE;
        while (r == HTTP_DONE && n > 0 && v.n < sizeof(v.steps) / sizeof(v.steps[0])) {
                struct http_scan s = {0};
                struct http_head h;
                struct http_header headers[REQUEST_MAX_HEADERS];
                size_t here = cut % (n + 1);
                r = scan_in_two(&s, p, n, here);
                note(&v, (int)r + 1000);
                if (r == HTTP_BAD)
                        note(&v, (int)s.problem);
                if (r != HTTP_DONE)
                        break;
                size_t size = s.size - s.start;
                char *head = malloc(size);
                memcpy(head, p + s.start, size);
                enum problem bad = http_parse_head(head, size, headers, &h);
                if (bad == PROBLEM_NONE)
                        check_head(head, size, &h, headers);
                free(head);
                note(&v, (int)bad);
                p += s.size;
                n -= s.size;
                r = bad == PROBLEM_NONE ? body_of(&h, &p, &n, here, &v) : HTTP_BAD;
        }
        v.used = all - n;
        return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        char *p = malloc(size);
        memcpy(p, data + 1, size - 1);
        struct verdict whole = run(p, size - 1, 0), cut = run(p, size - 1, data[0] + 1u);
        free(p);
        if (whole.n != cut.n || memcmp(whole.steps, cut.steps, sizeof(whole.steps)) != 0 || whole.used != cut.used ||
            whole.body != cut.body)
                abort();
        return 0;
}
