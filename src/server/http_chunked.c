/* http_chunked.c: classes of bytes, and the decoder of chunked bodies (RFC 9112 section 7.1).
 *
 * One state per place in the grammar, one byte at a time but for the data itself, so it can stop anywhere and
 * holds nothing. Chunk extensions and trailers are checked and dropped; both count against a ceiling, since they
 * carry nothing and could go on for ever. Space around a chunk size, which the RFC lets a recipient tolerate, is
 * refused. */
#include "server/http_chars.h"
#include "server/http_parse.h"

#define IN(c, a, b) ((c) >= (a) && (c) <= (b))
#define DIGIT(c) IN(c, '0', '9')
#define ALNUM(c) (DIGIT(c) || IN(c, 'a', 'z') || IN(c, 'A', 'Z'))
#define BOTH(c) /* token, target and host */                                                                         \
        (ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~' || (c) == '!' || (c) == '$' ||             \
            (c) == '&' || (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '%')
#define TOKEN(c) (BOTH(c) || (c) == '#' || (c) == '^' || (c) == '`' || (c) == '|')
#define TARGET(c)                                                                                                    \
        (BOTH(c) || (c) == '(' || (c) == ')' || (c) == ',' || (c) == ';' || (c) == '=' || (c) == ':' ||              \
            (c) == '@' || (c) == '/' || (c) == '?')
#define HOST(c)                                                                                                      \
        (BOTH(c) || (c) == '(' || (c) == ')' || (c) == ';' || (c) == '=' || (c) == ':' || (c) == '[' || (c) == ']')
#define C1(c)                                                                                                        \
        (TOKEN(c) ? HTTP_TOKEN : 0) | (((c) >= 0x20 && (c) != 0x7f) || (c) == '\t' ? HTTP_FIELD : 0) |               \
            (TARGET(c) ? HTTP_TARGET : 0) | (HOST(c) ? HTTP_HOST : 0) | (DIGIT(c) ? HTTP_DIGIT : 0) |                \
            (DIGIT(c) || IN(c, 'a', 'f') || IN(c, 'A', 'F') ? HTTP_HEX : 0)
#define C4(c) C1(c), C1((c) + 1), C1((c) + 2), C1((c) + 3)
#define C16(c) C4(c), C4((c) + 4), C4((c) + 8), C4((c) + 12)
#define C64(c) C16(c), C16((c) + 16), C16((c) + 32), C16((c) + 48)

const unsigned char http_class[256] = {C64(0), C64(64), C64(128), C64(192)};

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE, NAME, VALUE, LINE_LF, END_LF };
enum { MAX_DIGITS = 16, MAX_OVERHEAD = HTTP_MAX_FIELDS };

static enum http_step bad(struct http_chunked *c, enum problem p, const char *why)
{
        c->problem = p;
        c->why = why;
        return HTTP_BAD;
}

static enum http_step malformed(struct http_chunked *c)
{
        return bad(c, PROBLEM_MALFORMED,
            c->state >= LINE      ? "a malformed trailer"
            : c->state >= DATA_CR ? "a chunk longer than its size"
                                  : "a chunk size that is not plain hex digits and CR LF");
}

static enum http_step size_digit(struct http_chunked *c, char ch)
{
        if (++c->digits > MAX_DIGITS)
                return malformed(c);
        c->left = c->left << 4 | (uint64_t)(ch <= '9' ? ch - '0' : (ch | 0x20) - 'a' + 10);
        return HTTP_MORE;
}

/* The line of the size has ended. */
static enum http_step size_done(struct http_chunked *c)
{
        if (c->left > c->limit - c->total)
                return bad(c, PROBLEM_TOO_LARGE, "a body over the limit of this route");
        if (c->left > 0 && ++c->n_chunks > HTTP_MAX_CHUNKS)
                return bad(c, PROBLEM_TOO_LARGE, "more than 4,096 chunks in one body");
        c->total += c->left;
        c->state = c->left > 0 ? DATA : LINE;
        c->digits = 0;
        return HTTP_MORE;
}

static enum http_step move(struct http_chunked *c, bool good, int to)
{
        if (!good)
                return malformed(c);
        c->state = to;
        return HTTP_MORE;
}

static enum http_step dropped(struct http_chunked *c, bool good, int to)
{
        if (++c->overhead > MAX_OVERHEAD)
                return bad(c, PROBLEM_HEADERS_TOO_LARGE, "more than 16 kB of chunk extensions and trailers");
        return move(c, good, to);
}

/* Any byte but those of the data. */
static enum http_step one_byte(struct http_chunked *c, char ch)
{
        switch (c->state) {
        case SIZE:
                if (http_is(ch, HTTP_HEX))
                        return size_digit(c, ch);
                return move(c, c->digits > 0 && (ch == '\r' || ch == ';'), ch == '\r' ? SIZE_LF : EXTENSION);
        case EXTENSION:
                return dropped(c, ch == '\r' || http_is(ch, HTTP_FIELD), ch == '\r' ? SIZE_LF : EXTENSION);
        case SIZE_LF:
                return ch == '\n' ? size_done(c) : malformed(c);
        case DATA_CR:
                return move(c, ch == '\r', DATA_LF);
        case DATA_LF:
                return move(c, ch == '\n', SIZE);
        case LINE:
                if (ch == '\r')
                        return move(c, true, END_LF);
                return dropped(c, http_is(ch, HTTP_TOKEN), NAME);
        case NAME:
                return dropped(c, ch == ':' || http_is(ch, HTTP_TOKEN), ch == ':' ? VALUE : NAME);
        case VALUE:
                return dropped(c, ch == '\r' || http_is(ch, HTTP_FIELD), ch == '\r' ? LINE_LF : VALUE);
        case LINE_LF:
                return move(c, ch == '\n', LINE);
        default: /* END_LF */
                return ch == '\n' ? HTTP_DONE : malformed(c);
        }
}

static struct slice take_data(struct http_chunked *c, const char **p, size_t *n)
{
        struct slice run = {*p, c->left < *n ? (size_t)c->left : *n};
        *p += run.n;
        *n -= run.n;
        c->left -= run.n;
        if (c->left == 0)
                c->state = DATA_CR;
        return run;
}

enum http_step http_chunked(struct http_chunked *c, const char **p, size_t *n, struct slice *ret_data)
{
        *ret_data = (struct slice){0};
        while (*n > 0) {
                if (c->state == DATA) {
                        *ret_data = take_data(c, p, n);
                        return HTTP_MORE;
                }
                enum http_step r = one_byte(c, *(*p)++);
                --*n;
                if (r != HTTP_MORE)
                        return r;
        }
        return HTTP_MORE;
}
