/* buf.c: the growing byte buffer.
 *
 * cap counts one byte more than the contents may use, for the NUL behind them. Growth doubles, but never past the
 * ceiling. A failure leaves the contents as they were and sticks until buf_reset. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_MIN = 64 };

void buf_init(struct buf *b, size_t max)
{
        *b = (struct buf){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

void buf_deinit(struct buf *b)
{
        free(b->data);
        *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
        b->len = 0;
        b->failed = false;
        if (b->data)
                b->data[0] = '\0';
}

static bool grow(struct buf *b, size_t need)
{
        size_t cap = b->cap > b->max / 2 ? b->max + 1 : b->cap * 2;
        if (cap < need)
                cap = need;
        if (cap < BUF_MIN)
                cap = b->max < BUF_MIN ? b->max + 1 : BUF_MIN;
        if (!mem_resize((void **)&b->data, cap, 1))
                return false;
        b->cap = cap;
        b->data[b->len] = '\0';
        return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
        if (b->failed)
                return NULL;
        if (n > b->max - b->len || (b->len + n + 1 > b->cap && !grow(b, b->len + n + 1))) {
                b->failed = true;
                return NULL;
        }
        return b->data + b->len;
}

void buf_advance(struct buf *b, size_t n)
{
        b->len += n;
        b->data[b->len] = '\0';
}

void buf_put(struct buf *b, const void *p, size_t n)
{
        char *at = buf_reserve(b, n);
        if (!at)
                return;
        if (n > 0)
                memcpy(at, p, n);
        buf_advance(b, n);
}

void buf_puts(struct buf *b, const char *s)
{
        buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
        buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
        va_list ap, again;
        va_start(ap, fmt);
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        char *at = n < 0 ? NULL : buf_reserve(b, (size_t)n);
        if (at) {
                vsnprintf(at, (size_t)n + 1, fmt, again);
                buf_advance(b, (size_t)n);
        } else {
                b->failed = true;
        }
        va_end(again);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
        char text[STR_U64];
        buf_puts(b, str_u64(text, v));
}
