/* http_chunked.c: the decoder of chunked bodies (RFC 9112 section 7.1).
 *
 * One state per place in the grammar, one byte at a time but for the data itself, so it can stop anywhere and
 * holds nothing. Chunk extensions and trailers are checked and dropped; both count against a ceiling, since they
 * carry nothing and could go on for ever. Space around a chunk size, which the RFC lets a recipient tolerate, is
 * refused. */
#include "server/http_chars.h"
#include "server/http_parse.h"

enum { SIZE, EXTENSION, EXT_NAME, EXT_BEGIN, EXT_VALUE, EXT_QUOTED, EXT_END, SIZE_LF, SIZE_DONE };
enum { DATA = SIZE_DONE + 1, DATA_CR, DATA_LF, LINE, NAME, VALUE, LINE_LF, END_LF, END, BAD };
enum { MAX_DIGITS = 16, MAX_OVERHEAD = HTTP_MAX_FIELDS };

static enum http_step bad(struct http_chunked *c, enum problem p, const char *why)
{
        c->problem = p;
        c->why = why;
        return HTTP_BAD;
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

static int after_extension(char ch)
{
        return ch == '\r' ? SIZE_LF : ch == ';' ? EXTENSION : BAD;
}

/* The state that the byte leads to, BAD if none. */
static int next_state(const struct http_chunked *c, char ch)
{
        bool cr = ch == '\r', lf = ch == '\n', text = http_is(ch, HTTP_FIELD), token = http_is(ch, HTTP_TOKEN);
        switch (c->state) {
        case SIZE:
                if (http_is(ch, HTTP_HEX))
                        return c->digits < MAX_DIGITS ? SIZE : BAD;
                return c->digits == 0 ? BAD : cr ? SIZE_LF : ch == ';' ? EXTENSION : BAD;
        case EXTENSION: /* name, name=token or name="text" */
                return token ? EXT_NAME : BAD;
        case EXT_NAME:
                return token ? EXT_NAME : ch == '=' ? EXT_BEGIN : after_extension(ch);
        case EXT_BEGIN:
                return token ? EXT_VALUE : ch == '"' ? EXT_QUOTED : BAD;
        case EXT_VALUE:
                return token ? EXT_VALUE : after_extension(ch);
        case EXT_QUOTED:
                return ch == '"' ? EXT_END : text && ch != '\\' ? EXT_QUOTED : BAD;
        case EXT_END:
                return after_extension(ch);
        case SIZE_LF:
                return lf ? SIZE_DONE : BAD;
        case DATA_CR:
                return cr ? DATA_LF : BAD;
        case DATA_LF:
                return lf ? SIZE : BAD;
        case LINE:
                return cr ? END_LF : token ? NAME : BAD;
        case NAME:
                return ch == ':' ? VALUE : token ? NAME : BAD;
        case VALUE:
                return cr ? LINE_LF : text ? VALUE : BAD;
        case LINE_LF:
                return lf ? LINE : BAD;
        default: /* END_LF */
                return lf ? END : BAD;
        }
}

/* Any byte but those of the data. */
static enum http_step one_byte(struct http_chunked *c, char ch)
{
        int next = next_state(c, ch);
        if (next == BAD)
                return bad(c, PROBLEM_MALFORMED,
                    c->state >= LINE      ? "a malformed trailer"
                    : c->state >= DATA_CR ? "a chunk longer than its size"
                                          : "a chunk size that is not plain hex digits and CR LF");
        bool dropped = (next > SIZE && next < SIZE_LF) || next == NAME || next == VALUE;
        if (dropped && ++c->overhead > MAX_OVERHEAD)
                return bad(c, PROBLEM_HEADERS_TOO_LARGE, "more than 16 kB of chunk extensions and trailers");
        if (c->state == SIZE && next == SIZE) {
                c->left = c->left << 4 | http_hex_value(ch);
                c->digits++;
        }
        c->state = next;
        return next == SIZE_DONE ? size_done(c) : next == END ? HTTP_DONE : HTTP_MORE;
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
