/* oip_scan.c: strings, objects and arrays of the strict scanner; numbers into floats are oip_numbers.c.
 *
 * The grammar is RFC 8259's, by recursive descent without a stack of our own: callers know what they expect and walk
 * objects member by member. Only values nobody wants are passed over blindly, and those with a depth limit. The first
 * error ends everything; e then names the byte. */
#include "proto/oip_scan.h"
#include "base/arena.h"
#include "base/err.h"
#include "proto/num.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void scan_init(struct scan *s, struct slice text, struct arena *a, struct err *e)
{
        *s = (struct scan){.p = text.p, .end = text.p + text.n, .start = text.p, .arena = a, .e = e};
}

void scan_space(struct scan *s)
{
        while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
                s->p++;
}

char scan_peek(struct scan *s)
{
        scan_space(s);
        return s->p < s->end ? *s->p : '\0';
}

int scan_malformed(struct scan *s, const char *field, const char *what)
{
        return err_field(s->e, PROBLEM_MALFORMED, field, "%s at byte %zu", what, (size_t)(s->p - s->start));
}

int scan_end(struct scan *s)
{
        scan_space(s);
        return s->p == s->end ? 0 : scan_malformed(s, "", "not JSON: something follows the end of the value");
}

const char *scan_kind(struct scan *s)
{
        switch (scan_peek(s)) {
        case '{':
                return "an object";
        case '[':
                return "an array";
        case '"':
                return "a string";
        case 't':
        case 'f':
                return "true or false";
        case 'n':
                return "null";
        case '\0':
                return "nothing";
        default:
                return "a number";
        }
}

/* A value of another type: BAD_VALUE if it is JSON at all, so that a slip of the keyboard is not called a wrong
 * type. */
static int not_a(struct scan *s, const char *field, const char *wanted)
{
        const char *kind = scan_kind(s);
        int r = scan_skip(s, field, NULL);
        if (r != 0)
                return r;
        return err_field(
            s->e, PROBLEM_BAD_VALUE, field, "%s must be %s, not %s", field[0] ? field : "the body", wanted, kind);
}

int scan_open(struct scan *s, char bracket, const char *field)
{
        if (scan_peek(s) != bracket)
                return not_a(s, field, bracket == '{' ? "an object" : "an array");
        s->p++;
        return 0;
}

static int take_key(struct scan *s, struct scan_walk *w, const char *field, const char **key)
{
        if (scan_peek(s) != '"')
                return scan_malformed(s, field, "not JSON: a key in quotes is missing");
        int r = scan_string(s, field, key);
        if (r != 0)
                return r;
        if (w->n >= SCAN_MAX_KEYS)
                return err_field(s->e, PROBLEM_MALFORMED, field, "more than %d keys in one object", SCAN_MAX_KEYS);
        for (size_t i = 0; i < w->n; i++)
                if (strcmp(w->keys[i], *key) == 0)
                        return err_field(s->e, PROBLEM_MALFORMED, field, "key '%s' stands twice, at byte %zu", *key,
                            (size_t)(s->p - s->start));
        w->keys[w->n] = *key;
        if (scan_peek(s) != ':')
                return scan_malformed(s, field, "not JSON: ':' is missing");
        s->p++;
        return 0;
}

int scan_next(struct scan *s, struct scan_walk *w, const char *field, const char **key, bool *more)
{
        char c = scan_peek(s), close = key ? '}' : ']';
        if (c == close) {
                s->p++;
                *more = false;
                return 0;
        }
        if (w->n > 0) {
                if (c != ',')
                        return scan_malformed(
                            s, field, key ? "not JSON: ',' or '}' is missing" : "not JSON: ',' or ']' is missing");
                s->p++;
                if (scan_peek(s) == close)
                        return scan_malformed(s, field, "not JSON: nothing follows ','");
        }
        int r = key ? take_key(s, w, field, key) : 0;
        if (r != 0)
                return r;
        w->n++;
        *more = true;
        return 0;
}

/* --- strings --- */

static int hex4(const char *p, const char *end)
{
        int v = 0;
        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                char c = p[i];
                int d = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
                if (d < 0)
                        return -1;
                v = v * 16 + d;
        }
        return v;
}

static char *put_utf8(char *at, uint32_t c)
{
        if (c < 0x80) {
                *at++ = (char)c;
        } else if (c < 0x800) {
                *at++ = (char)(0xc0 | c >> 6);
                *at++ = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
                *at++ = (char)(0xe0 | c >> 12);
                *at++ = (char)(0x80 | (c >> 6 & 0x3f));
                *at++ = (char)(0x80 | (c & 0x3f));
        } else {
                *at++ = (char)(0xf0 | c >> 18);
                *at++ = (char)(0x80 | (c >> 12 & 0x3f));
                *at++ = (char)(0x80 | (c >> 6 & 0x3f));
                *at++ = (char)(0x80 | (c & 0x3f));
        }
        return at;
}

/* s->p at the 'u' of an escape; leaves it behind the escape, surrogate pairs taken together. */
static int unescape_u(struct scan *s, const char *field, char **at)
{
        int hi = hex4(s->p + 1, s->end);
        if (hi < 0)
                return scan_malformed(s, field, "not JSON: \\u needs four hex digits");
        if (hi == 0)
                return scan_malformed(s, field, "NUL in a string");
        if (hi >= 0xdc00 && hi <= 0xdfff)
                return scan_malformed(s, field, "not JSON: lone surrogate");
        s->p += 5;
        uint32_t c = (uint32_t)hi;
        if (hi >= 0xd800 && hi <= 0xdbff) {
                int lo = s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' ? hex4(s->p + 2, s->end) : -1;
                if (lo < 0xdc00 || lo > 0xdfff)
                        return scan_malformed(s, field, "not JSON: lone surrogate");
                s->p += 6;
                c = 0x10000 + (((uint32_t)hi - 0xd800) << 10 | ((uint32_t)lo - 0xdc00));
        }
        *at = put_utf8(*at, c);
        return 0;
}

static int unescape(struct scan *s, const char *field, char **at)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        char c = ++s->p < s->end ? *s->p : '\0';
        if (c == 'u')
                return unescape_u(s, field, at);
        const char *found = c ? strchr(from, c) : NULL;
        if (!found)
                return scan_malformed(s, field, "not JSON: unknown escape");
        *(*at)++ = to[found - from];
        s->p++;
        return 0;
}

/* The end of the string whose first byte is at p, without its quote; an upper bound of the unescaped length. */
static const char *find_quote(const char *p, const char *end)
{
        for (; p < end && *p != '"'; p++)
                if (*p == '\\' && ++p == end)
                        break;
        return p;
}

int scan_string(struct scan *s, const char *field, const char **ret)
{
        if (scan_peek(s) != '"')
                return not_a(s, field, "a string");
        s->p++;
        const char *quote = find_quote(s->p, s->end);
        if (quote >= s->end)
                return scan_malformed(s, field, "not JSON: a string does not end; it starts");
        char *text = arena_alloc(s->arena, (size_t)(quote - s->p) + 1), *at = text;
        if (!text)
                return err_oom(s->e);
        while (s->p < quote) {
                if ((unsigned char)*s->p < 0x20)
                        return scan_malformed(s, field, "not JSON: control byte in a string");
                int r = 0;
                if (*s->p == '\\')
                        r = unescape(s, field, &at);
                else
                        *at++ = *s->p++;
                if (r != 0)
                        return r;
        }
        if (!str_is_utf8(text, (size_t)(at - text)))
                return scan_malformed(s, field, "text is not UTF-8 in the string that ends");
        s->p = quote + 1;
        *ret = text;
        return 0;
}

/* --- single numbers --- */

int scan_uint(struct scan *s, const char *field, uint64_t max, uint64_t *ret)
{
        char first = scan_peek(s);
        struct slice text;
        uint64_t v;
        if (first != '-' && (first < '0' || first > '9'))
                return not_a(s, field, "an integer");
        int r = scan_skip(s, field, &text);
        if (r != 0)
                return r;
        if (!slice_u64(text, &v) || v > max)
                return err_field(
                    s->e, PROBLEM_BAD_VALUE, field, "%s must be an integer from 0 to %" PRIu64, field, max);
        *ret = v;
        return 0;
}

int scan_bool(struct scan *s, const char *field, bool *ret)
{
        char first = scan_peek(s);
        struct slice text;
        if (first != 't' && first != 'f')
                return not_a(s, field, "true or false");
        int r = scan_skip(s, field, &text);
        if (r == 0)
                *ret = first == 't';
        return r;
}

int scan_float(struct scan *s, const char *field, float *ret)
{
        char first = scan_peek(s);
        struct slice text;
        if (first != '-' && (first < '0' || first > '9'))
                return not_a(s, field, "a number");
        int r = scan_skip(s, field, &text);
        if (r != 0)
                return r;
        if (!num_scan_f32(text.p, text.p + text.n, ret))
                return err_field(s->e, PROBLEM_NON_FINITE, field, "%s is outside the range of float32", field);
        return 0;
}

int scan_label(struct scan *s, const char *field, const char **ret)
{
        char first = scan_peek(s);
        if (first == '"')
                return scan_string(s, field, ret);
        if (first != '-' && (first < '0' || first > '9'))
                return not_a(s, field, "a string or an integer");
        struct slice text;
        int r = scan_skip(s, field, &text);
        if (r != 0)
                return r;
        for (size_t i = text.p[0] == '-'; i < text.n; i++)
                if (text.p[i] < '0' || text.p[i] > '9')
                        return err_field(s->e, PROBLEM_BAD_VALUE, field, "%s must be a string or an integer", field);
        *ret = arena_strndup(s->arena, text.p, text.n);
        return *ret ? 0 : err_oom(s->e);
}

/* --- values nobody wants --- */

static int skip_string(struct scan *s, const char *field)
{
        const char *text = ++s->p;
        while (s->p < s->end && *s->p != '"') {
                char scratch[4], *at = scratch;
                if ((unsigned char)*s->p < 0x20)
                        return scan_malformed(s, field, "not JSON: control byte in a string");
                int r = 0;
                if (*s->p == '\\')
                        r = unescape(s, field, &at);
                else
                        s->p++;
                if (r != 0)
                        return r;
        }
        if (s->p == s->end)
                return scan_malformed(s, field, "not JSON: a string does not end");
        if (!str_is_utf8(text, (size_t)(s->p - text)))
                return scan_malformed(s, field, "text is not UTF-8 in the string that ends");
        s->p++;
        return 0;
}

static int skip_number(struct scan *s, const char *field)
{
        const char *p = s->p, *end = s->end;
        p += *p == '-';
        if (p < end && *p == '0')
                p++;
        else if (p < end && *p >= '1' && *p <= '9')
                while (p < end && *p >= '0' && *p <= '9')
                        p++;
        else
                return scan_malformed(s, field, "not JSON: no value");
        if (p < end && *p == '.') {
                const char *digits = ++p;
                while (p < end && *p >= '0' && *p <= '9')
                        p++;
                if (p == digits)
                        return scan_malformed(s, field, "not JSON: a number without digits behind its point");
        }
        if (p < end && (*p == 'e' || *p == 'E')) {
                p++;
                p += p < end && (*p == '+' || *p == '-');
                const char *digits = p;
                while (p < end && *p >= '0' && *p <= '9')
                        p++;
                if (p == digits)
                        return scan_malformed(s, field, "not JSON: a number without digits in its exponent");
        }
        s->p = p;
        return 0;
}

static int skip_word(struct scan *s, const char *field)
{
        static const char *const words[] = {"true", "false", "null"};
        for (size_t i = 0; i < 3; i++) {
                size_t n = strlen(words[i]);
                if ((size_t)(s->end - s->p) >= n && memcmp(s->p, words[i], n) == 0) {
                        s->p += n;
                        return 0;
                }
        }
        return scan_malformed(s, field, s->p == s->end ? "not JSON: it ends too early" : "not JSON: unknown word");
}

/* Brackets are kept as bits, 1 for an object. */
int scan_skip(struct scan *s, const char *field, struct slice *ret)
{
        uint64_t objects = 0;
        unsigned depth = 0;
        bool key = false; /* what comes next is the key of a member */
        scan_space(s);
        const char *from = s->p;
        for (;;) {
                char c = scan_peek(s);
                int r = 0;
                if (key && c != '"')
                        return scan_malformed(s, field, "not JSON: a key in quotes is missing");
                if (c == '"') {
                        r = skip_string(s, field);
                } else if (c == '-' || (c >= '0' && c <= '9')) {
                        r = skip_number(s, field);
                } else if (c == '{' || c == '[') {
                        if (++depth > SCAN_MAX_DEPTH)
                                return scan_malformed(s, field, "nested too deep");
                        objects = objects << 1 | (c == '{');
                        s->p++;
                        char next = scan_peek(s);
                        if (next != (c == '{' ? '}' : ']')) {
                                key = c == '{';
                                continue;
                        }
                } else {
                        r = skip_word(s, field);
                }
                if (r != 0)
                        return r;
                if (key) {
                        if (scan_peek(s) != ':')
                                return scan_malformed(s, field, "not JSON: ':' is missing");
                        s->p++;
                        key = false;
                        continue;
                }
                while (depth > 0 && scan_peek(s) == (objects & 1 ? '}' : ']')) {
                        s->p++;
                        depth--;
                        objects >>= 1;
                }
                if (depth == 0)
                        break;
                if (scan_peek(s) != ',')
                        return scan_malformed(s, field, "not JSON: ',' or a closing bracket is missing");
                s->p++;
                key = objects & 1;
        }
        if (ret)
                *ret = (struct slice){from, (size_t)(s->p - from)};
        return 0;
}
