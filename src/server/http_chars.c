/* http_chars.c: classes of bytes in HTTP/1.1 messages, worked out by the compiler, and percent escapes. */
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

size_t http_unescape(struct slice s, char *dst)
{
        size_t n = 0;
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] == '%') {
                        dst[n++] = http_escaped(s.p + i);
                        i += 2;
                } else {
                        dst[n++] = s.p[i];
                }
        }
        return n;
}
