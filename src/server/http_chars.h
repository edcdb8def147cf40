/* http_chars.h: classes of bytes in HTTP/1.1 messages, for the two halves of the parser. Pure. */
#pragma once
#include "base/str.h"

enum {
        HTTP_TOKEN = 1,  /* RFC 9110 5.6.2 tchar */
        HTTP_FIELD = 2,  /* RFC 9110 5.5: field-vchar, SP, HTAB */
        HTTP_TARGET = 4, /* RFC 3986: what a path and a query may be made of, with '%' */
        HTTP_HOST = 8,   /* uri-host [":" port], without the comma, which would hide a list */
        HTTP_HEX = 16,
        HTTP_DIGIT = 32,
};

extern const unsigned char http_class[256];

static inline bool http_is(char c, unsigned what)
{
        return (http_class[(unsigned char)c] & what) != 0;
}

static inline bool http_all(struct slice s, unsigned what)
{
        unsigned char all = (unsigned char)what;
        for (size_t i = 0; i < s.n; i++)
                all &= http_class[(unsigned char)s.p[i]];
        return all != 0;
}

static inline unsigned http_hex_value(char c) /* of one HTTP_HEX */
{
        return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static inline char http_escaped(const char *p) /* the byte that %XX, known to be good, stands for */
{
        return (char)(http_hex_value(p[1]) << 4 | http_hex_value(p[2]));
}

static inline struct slice http_trim(struct slice s) /* RFC 9110 OWS */
{
        while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
                s.p++, s.n--;
        while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
                s.n--;
        return s;
}
