/* str.h: slices (not NUL-terminated views) and small checks on text. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
        const char *p;
        size_t n;
};

#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)(s).n, (s).p

static inline struct slice slice_of(const char *z)
{
        return (struct slice){z, strlen(z)};
}

bool slice_eq(struct slice a, const char *z);
bool slice_eq_nocase(struct slice a, const char *z); /* ASCII */
bool slice_u64(struct slice s, uint64_t *ret);       /* all digits, no overflow */

enum { STR_U64 = 21 };                                   /* twenty digits and NUL */
const char *str_u64(char ret[STR_U64], uint64_t v);      /* somewhere within ret; for where printf is too slow */
void str_hex(char *ret, const uint8_t *bytes, size_t n); /* 2n lower-case digits, no NUL */
uint64_t str_hash(const char *s); /* FNV-1a, 64 bits: not against who chooses names to collide */

bool str_copy(char *dst, size_t size, const char *src); /* false (and dst "") when it does not fit */
bool str_copy_n(char *dst, size_t size, const char *src, size_t n);
bool str_is_name(const char *s); /* [A-Za-z0-9][A-Za-z0-9._-]{0,62}: model, task, alias names */
bool str_is_utf8(const char *s, size_t n);
size_t str_utf8_cut(const char *s, size_t n); /* n, less the bytes of a character that the cut at n would split */
