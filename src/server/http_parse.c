/* http_parse.c: the strict parser of request heads.
 *
 * Everything a proxy in front could read differently is refused rather than repaired (RFC 9112 sections 3, 5, 6,
 * 11): bare CR or LF, folded lines, space before a colon, control bytes, no Host or two, any second
 * Content-Length, Content-Length beside Transfer-Encoding, lengths that are not plain digits. Paths lose nothing
 * on the way: escapes are checked here and undone segment by segment in route.c, so %2F never becomes a separator;
 * "." and ".." segments are refused, however they are spelled. One table classifies bytes; there is no locale
 * here. Chunks are http_chunked.c. */
#include "server/http_parse.h"
#include "server/http_chars.h"

/* --- finding the end of a head ---------------------------------------------------------------------------------- */

static enum http_step scan_bad(struct http_scan *s, enum problem p, const char *why)
{
        s->problem = p;
        s->why = why;
        return HTTP_BAD;
}

/* A line must end within its limit whether its end has been seen or not: the answer may not depend on packet
 * borders. */
static enum problem too_long(const struct http_scan *s, size_t end)
{
        if (s->n_lines == 0)
                return end - s->line > HTTP_MAX_LINE ? PROBLEM_URI_TOO_LONG : PROBLEM_NONE;
        /* size is the end of the request line meanwhile */
        return end - s->size > HTTP_MAX_FIELDS ? PROBLEM_HEADERS_TOO_LARGE : PROBLEM_NONE;
}

enum http_step http_scan(struct http_scan *s, const char *p, size_t n)
{
        for (;;) {
                const char *lf = s->at < n ? memchr(p + s->at, '\n', n - s->at) : NULL;
                size_t end = lf ? (size_t)(lf - p) : n; /* the CR counts */
                enum problem over = too_long(s, end);
                if (over != PROBLEM_NONE)
                        return scan_bad(s, over,
                            s->n_lines ? "more than 16 kB of header fields" : "a request line of more than 8 kB");
                s->at = end;
                if (!lf)
                        return HTTP_MORE;
                if (end == s->line || p[end - 1] != '\r')
                        return scan_bad(s, PROBLEM_MALFORMED, "a line that ends in LF without CR");
                bool empty = end - 1 == s->line, first = s->n_lines == 0;
                s->at = s->line = end + 1;
                if (empty && first && s->start == 0) {
                        s->start = s->line;
                        continue;
                }
                if (empty && first)
                        return scan_bad(s, PROBLEM_MALFORMED, "empty lines instead of a request line");
                if (empty || first)
                        s->size = s->line;
                if (empty)
                        return HTTP_DONE;
                if (++s->n_lines > REQUEST_MAX_HEADERS + 1)
                        return scan_bad(s, PROBLEM_HEADERS_TOO_LARGE, "more than 64 header fields");
        }
}

/* --- request line ----------------------------------------------------------------------------------------------- */

static enum problem bad(struct http_head *h, enum problem p, const char *why)
{
        h->why = why;
        return p;
}

static enum method method_of(struct slice s)
{
        static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE"}; /* in the order of the enum */
        enum method m = METHOD_GET;
        while (m < METHOD_OTHER && !slice_eq(s, names[m - METHOD_GET]))
                m++;
        return m;
}

/* Good escapes that hide no control byte and, in a path, no segment that reads "." or ".." however it is spelled. */
static const char *check_target(struct slice s, bool path, bool *ret_escaped)
{
        size_t dots = 0, others = 0; /* of this segment */
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];
                if (c == '%') {
                        if (s.n - i < 3 || !http_is(s.p[i + 1], HTTP_HEX) || !http_is(s.p[i + 2], HTTP_HEX))
                                return "a bad percent escape in the request target";
                        c = http_escaped(s.p + i);
                        if ((unsigned char)c < 0x20 || c == 0x7f)
                                return "an escaped control byte in the request target";
                        *ret_escaped = true;
                        i += 2;
                }
                bool ends = s.p[i] == '/' || i + 1 == s.n;
                dots += c == '.';
                others += c != '.' && s.p[i] != '/';
                if (path && ends && others == 0 && (dots == 1 || dots == 2))
                        return "a \".\" or \"..\" segment in the path";
                if (ends)
                        dots = others = 0;
        }
        return NULL;
}

/* RFC 9112 3.2: origin-form, or absolute-form, whose authority is checked and then ignored. */
static enum problem parse_target(struct http_head *h, struct slice t)
{
        bool any = false;
        if (!http_all(t, HTTP_TARGET))
                return bad(h, PROBLEM_MALFORMED, "a character in the request target that must be escaped");
        size_t scheme = t.n >= 7 && slice_eq_nocase((struct slice){t.p, 7}, "http://")    ? 7
                        : t.n >= 8 && slice_eq_nocase((struct slice){t.p, 8}, "https://") ? 8
                                                                                          : 0;
        if (scheme > 0) {
                size_t end = scheme;
                while (end < t.n && t.p[end] != '/' && t.p[end] != '?')
                        end++;
                if (end == scheme || !http_all((struct slice){t.p + scheme, end - scheme}, HTTP_HOST))
                        return bad(h, PROBLEM_MALFORMED, "a request target with a bad authority");
                t = (struct slice){t.p + end, t.n - end};
        }
        const char *q = t.n ? memchr(t.p, '?', t.n) : NULL;
        h->path = (struct slice){t.p, q ? (size_t)(q - t.p) : t.n};
        if (q)
                h->query = (struct slice){q + 1, t.n - h->path.n - 1};
        if (scheme > 0 && h->path.n == 0)
                h->path = slice_of("/");
        if (h->path.n == 0 || h->path.p[0] != '/')
                return bad(h, PROBLEM_MALFORMED, "a request target that is no absolute path");
        const char *why = check_target(h->query, false, &any);
        if (!why)
                why = check_target(h->path, true, &h->escaped);
        if (why)
                return bad(h, PROBLEM_MALFORMED, why);
        return PROBLEM_NONE;
}

static enum problem parse_line(struct http_head *h, struct slice line)
{
        const char *end = line.p + line.n, *a = memchr(line.p, ' ', line.n);
        const char *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;
        if (!b || a == line.p || b == a + 1)
                return bad(h, PROBLEM_MALFORMED,
                    "a request line that is not: method, one space, target, one space, version");
        struct slice method = {line.p, (size_t)(a - line.p)}, target = {a + 1, (size_t)(b - a - 1)};
        const char *v = b + 1;
        if (!http_all(method, HTTP_TOKEN))
                return bad(h, PROBLEM_MALFORMED, "a method that is no token");
        if (end - v != 8 || memcmp(v, "HTTP/", 5) != 0 || !http_is(v[5], HTTP_DIGIT) || v[6] != '.' ||
            !http_is(v[7], HTTP_DIGIT))
                return bad(h, PROBLEM_MALFORMED, "a request line without a plain HTTP version at its end");
        if (v[5] != '1' || v[7] > '1')
                return bad(h, PROBLEM_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
        h->minor = (unsigned)(v[7] - '0');
        h->method = method_of(method);
        if (h->method == METHOD_OTHER)
                return bad(h, PROBLEM_UNSUPPORTED, "a method this server does not know");
        return parse_target(h, target);
}

/* --- fields ----------------------------------------------------------------------------------------------------- */

struct seen { /* how many of each */
        unsigned host, length, coding;
        bool close, keep_alive;
};

/* Next element of a comma-separated list, trimmed; false at its end. */
static bool list_next(struct slice *list, struct slice *ret)
{
        if (!list->p)
                return false;
        const char *comma = list->n ? memchr(list->p, ',', list->n) : NULL;
        *ret = http_trim((struct slice){list->p, comma ? (size_t)(comma - list->p) : list->n});
        *list = comma ? (struct slice){comma + 1, list->n - (size_t)(comma - list->p) - 1} : (struct slice){0};
        return true;
}

static enum problem on_host(struct http_head *h, struct seen *seen, struct slice v)
{
        if (seen->host++ > 0)
                return bad(h, PROBLEM_MALFORMED, "more than one Host");
        return http_all(v, HTTP_HOST) ? PROBLEM_NONE : bad(h, PROBLEM_MALFORMED, "a bad Host");
}

static enum problem on_length(struct http_head *h, struct seen *seen, struct slice v)
{
        if (seen->length++ > 0)
                return bad(h, PROBLEM_MALFORMED, "more than one Content-Length");
        if (!slice_u64(v, &h->length))
                return bad(h, PROBLEM_MALFORMED, "a Content-Length that is not all digits, or overflows");
        return PROBLEM_NONE;
}

/* Codings other than chunked are 501, but only where the framing would still have been clear: chunked once, or not at
 * all. Everything else in this field is an attempt at a second reading. */
static enum problem on_coding(struct http_head *h, struct seen *seen, struct slice v)
{
        struct slice list = v, one;
        unsigned n = 0, chunked = 0;
        bool last = false;
        for (; list_next(&list, &one); n++) {
                if (one.n == 0 || !http_all(one, HTTP_TOKEN))
                        return bad(h, PROBLEM_MALFORMED, "a Transfer-Encoding that is no list of tokens");
                last = slice_eq_nocase(one, "chunked");
                chunked += last;
        }
        if (seen->coding++ > 0 || chunked > 1 || (chunked == 1 && !last))
                return bad(h, PROBLEM_MALFORMED, "a Transfer-Encoding other than one final chunked");
        if (n != 1 || chunked != 1)
                return bad(h, PROBLEM_UNSUPPORTED, "a transfer coding other than chunked");
        h->chunked = true;
        return PROBLEM_NONE;
}

static enum problem on_connection(struct http_head *h, struct seen *seen, struct slice v)
{
        (void)h;
        struct slice list = v, one;
        while (list_next(&list, &one)) {
                seen->close |= slice_eq_nocase(one, "close");
                seen->keep_alive |= slice_eq_nocase(one, "keep-alive");
        }
        return PROBLEM_NONE;
}

static enum problem on_expect(struct http_head *h, struct seen *seen, struct slice v)
{
        (void)seen;
        if (!slice_eq_nocase(v, "100-continue"))
                return bad(h, PROBLEM_MALFORMED, "an Expect other than 100-continue");
        h->expect_continue = true;
        return PROBLEM_NONE;
}

static const struct {
        const char *name;
        size_t n;
        bool frames; /* no tab beside its value, by which others know it no more: a way to smuggle */
        enum problem (*read)(struct http_head *h, struct seen *seen, struct slice value);
} fields[] = {
    {"host", 4, false, on_host},
    {"content-length", 14, true, on_length},
    {"transfer-encoding", 17, true, on_coding},
    {"connection", 10, false, on_connection},
    {"expect", 6, false, on_expect},
};

static enum problem parse_field(struct http_head *h, struct seen *seen, struct slice line, struct http_header *ret)
{
        if (line.p[0] == ' ' || line.p[0] == '\t')
                return bad(h, PROBLEM_MALFORMED, "a folded header line");
        const char *colon = memchr(line.p, ':', line.n);
        if (!colon || colon == line.p)
                return bad(h, PROBLEM_MALFORMED, "a header line without a name and a colon");
        ret->name = (struct slice){line.p, (size_t)(colon - line.p)};
        ret->value = http_trim((struct slice){colon + 1, line.n - ret->name.n - 1});
        if (!http_all(ret->name, HTTP_TOKEN))
                return bad(h, PROBLEM_MALFORMED, "a header name with a space or another character that is no token");
        if (!http_all(ret->value, HTTP_FIELD))
                return bad(h, PROBLEM_MALFORMED, "a control byte in a header value");
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
                if (fields[i].n != ret->name.n || !slice_eq_nocase(ret->name, fields[i].name))
                        continue;
                if (fields[i].frames && memchr(line.p, '\t', line.n))
                        return bad(h, PROBLEM_MALFORMED, "a tab in Content-Length or Transfer-Encoding");
                return fields[i].read(h, seen, ret->value);
        }
        return PROBLEM_NONE;
}

static enum problem finish(struct http_head *h, const struct seen *seen)
{
        if (h->minor == 1 && seen->host == 0)
                return bad(h, PROBLEM_MALFORMED, "no Host");
        if (seen->coding > 0 && seen->length > 0)
                return bad(h, PROBLEM_MALFORMED, "both Content-Length and Transfer-Encoding");
        if (seen->coding > 0 && h->minor == 0)
                return bad(h, PROBLEM_MALFORMED, "Transfer-Encoding in HTTP/1.0");
        h->keep_alive = !seen->close && (h->minor == 1 || seen->keep_alive);
        h->expect_continue = h->expect_continue && h->minor == 1; /* RFC 9110 10.1.1: ignored in 1.0 */
        return PROBLEM_NONE;
}

/* The line at *at without its end; moves *at behind it. http_scan has seen CR LF at the end of each. */
static struct slice next_line(const char *p, size_t n, size_t *at)
{
        const char *lf = memchr(p + *at, '\n', n - *at);
        struct slice line = {p + *at, (size_t)(lf - p) - *at - 1};
        *at = (size_t)(lf - p) + 1;
        return line;
}

enum problem http_parse_head(const char *p, size_t n, struct http_header *headers, struct http_head *ret)
{
        struct seen seen = {0};
        size_t at = 0;
        *ret = (struct http_head){.method = METHOD_OTHER};
        enum problem r = parse_line(ret, next_line(p, n, &at));
        while (r == PROBLEM_NONE && at < n) {
                struct slice line = next_line(p, n, &at);
                if (line.n == 0)
                        break;
                r = parse_field(ret, &seen, line, &headers[ret->n_headers]);
                if (r == PROBLEM_NONE)
                        ret->n_headers++;
        }
        return r == PROBLEM_NONE ? finish(ret, &seen) : r;
}
