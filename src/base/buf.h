/* buf.h: a growing byte buffer with a ceiling given at creation.
 *
 * The first failure (ceiling, memory) sticks: later puts do nothing and buf_ok() is false, so a writer checks once at
 * its end. data is always NUL-terminated once something was put. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
        char *data;
        size_t len, cap, max;
        bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b); /* accepts an all-zero buf */
void buf_reset(struct buf *b);  /* length 0, memory kept, failure cleared */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_put_u64(struct buf *b, uint64_t v);
char *buf_reserve(struct buf *b, size_t n); /* room for n more bytes, or NULL and failed; then buf_advance */
void buf_advance(struct buf *b, size_t n);

static inline bool buf_ok(const struct buf *b)
{
        return !b->failed;
}
