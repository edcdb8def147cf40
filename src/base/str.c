/* str.c: slices and small checks on text. Pure functions; no locale, which is why ctype.h is not used. */
#include "base/str.h"

bool slice_eq(struct slice a, const char *z)
{
        return strlen(z) == a.n && (a.n == 0 || memcmp(a.p, z, a.n) == 0);
}

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool slice_eq_nocase(struct slice a, const char *z)
{
        if (strlen(z) != a.n)
                return false;
        for (size_t i = 0; i < a.n; i++) {
                if (lower(a.p[i]) != lower(z[i]))
                        return false;
        }
        return true;
}

bool slice_u64(struct slice s, uint64_t *ret)
{
        uint64_t v = 0;
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
                    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
                        return false;
        }
        if (s.n == 0)
                return false;
        *ret = v;
        return true;
}

const char *str_u64(char ret[STR_U64], uint64_t v)
{
        char *at = ret + STR_U64 - 1;
        *at = '\0';
        do
                *--at = (char)('0' + v % 10);
        while ((v /= 10) > 0);
        return at;
}

void str_hex(char *ret, const uint8_t *bytes, size_t n)
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < n; i++) {
                *ret++ = digits[bytes[i] >> 4];
                *ret++ = digits[bytes[i] & 15];
        }
}

uint64_t str_hash(const char *s)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        for (; *s; s++)
                h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
        return h;
}

bool str_copy_n(char *dst, size_t size, const char *src, size_t n)
{
        if (size == 0)
                return false;
        if (n >= size) {
                dst[0] = '\0';
                return false;
        }
        if (n > 0)
                memcpy(dst, src, n);
        dst[n] = '\0';
        return true;
}

bool str_copy(char *dst, size_t size, const char *src)
{
        return str_copy_n(dst, size, src, strlen(src));
}

static bool is_alnum(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool str_is_name(const char *s)
{
        enum { NAME_MAX_LEN = 63 };
        if (!is_alnum(s[0]))
                return false;
        size_t n = 1;
        for (; s[n]; n++) {
                if (n == NAME_MAX_LEN || (!is_alnum(s[n]) && s[n] != '.' && s[n] != '_' && s[n] != '-'))
                        return false;
        }
        return true;
}

/* Length of the UTF-8 character at s (Unicode 15, table 3-7: shortest form, no surrogates, up to U+10FFFF), or 0. */
static size_t utf8_char(const unsigned char *s, size_t n)
{
        unsigned char c = s[0];
        if (c < 0x80)
                return 1;
        size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (c < 0xc2 || c > 0xf4 || n < len)
                return 0;
        unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        if (s[1] < low || s[1] > high)
                return 0;
        for (size_t i = 2; i < len; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        }
        return len;
}

bool str_is_utf8(const char *s, size_t n)
{
        for (size_t i = 0, step; i < n; i += step) {
                step = utf8_char((const unsigned char *)s + i, n - i);
                if (step == 0)
                        return false;
        }
        return true;
}

size_t str_utf8_cut(const char *s, size_t n)
{
        size_t at = n;
        while (at > 0 && n - at < 3 && ((unsigned char)s[at - 1] & 0xc0) == 0x80)
                at--;
        if (at == 0 || (unsigned char)s[at - 1] < 0xc0)
                return n; /* ends in ASCII, or is not UTF-8 to begin with */
        unsigned char lead = (unsigned char)s[at - 1];
        size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        return n - (at - 1) < len ? at - 1 : n;
}
