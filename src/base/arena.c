/* arena.c: memory of one lifetime.
 *
 * A chain of blocks, the newest first; each allocation takes the next aligned bytes of the newest block, or of a new
 * one at least twice as large. Nothing is freed singly. A reset keeps the largest block, which is the newest, so a
 * lifetime that repeats soon finds all its memory in one block and allocates no more. used counts what was handed out
 * including the padding of alignment, and is what max limits. */
#include "base/arena.h"
#include "base/mem.h"
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, BLOCK_MIN = 4096 };

struct arena_block {
        struct arena_block *next;
        size_t size, fill; /* of data */
        alignas(ALIGN) unsigned char data[];
};

void arena_init(struct arena *a, size_t max)
{
        *a = (struct arena){.max = max};
}

static void free_chain(struct arena_block *b)
{
        while (b) {
                struct arena_block *next = b->next;
                free(b);
                b = next;
        }
}

void arena_deinit(struct arena *a)
{
        free_chain(a->head);
        a->head = NULL;
        a->used = 0;
        a->full = false;
}

void arena_reset(struct arena *a)
{
        if (a->head) {
                free_chain(a->head->next);
                a->head->next = NULL;
                a->head->fill = 0;
        }
        a->used = 0;
        a->full = false;
}

/* A block with room for need bytes, in front of the chain. */
static struct arena_block *add_block(struct arena *a, size_t need)
{
        size_t size = a->head && a->head->size <= SIZE_MAX / 4 ? a->head->size * 2 : BLOCK_MIN;
        size_t limit, bytes;
        if (!mem_add(a->max, ALIGN, &limit))
                limit = SIZE_MAX;
        if (size > limit)
                size = limit;
        if (size < need)
                size = need;
        if (!mem_add(sizeof(struct arena_block), size, &bytes))
                return NULL;
        struct arena_block *b = mem_aligned(1, bytes, ALIGN);
        if (!b)
                return NULL;
        b->next = a->head;
        b->size = size;
        b->fill = 0;
        a->head = b;
        return b;
}

static size_t padding(const struct arena_block *b, size_t align)
{
        uintptr_t at = (uintptr_t)(b->data + b->fill);
        return (size_t)(-at & (align - 1));
}

static bool fits(const struct arena_block *b, size_t n, size_t align)
{
        size_t room = b->size - b->fill, pad = padding(b, align);
        return pad <= room && n <= room - pad;
}

/* Not zeroed; align is a power of two. */
static void *take(struct arena *a, size_t n, size_t align)
{
        size_t need;
        a->full |= n > a->max - a->used;
        if (n > a->max - a->used || !mem_add(n, align - 1, &need))
                return NULL;
        struct arena_block *b = a->head;
        if ((!b || !fits(b, n, align)) && !(b = add_block(a, need)))
                return NULL;
        size_t pad = padding(b, align);
        a->full |= pad + n > a->max - a->used;
        if (pad + n > a->max - a->used)
                return NULL;
        void *p = b->data + b->fill + pad;
        b->fill += pad + n;
        a->used += pad + n;
        return p;
}

void *arena_aligned(struct arena *a, size_t n, size_t align)
{
        if (align < ALIGN)
                align = ALIGN;
        if (align & (align - 1))
                return NULL;
        void *p = take(a, n, align);
        return p ? memset(p, 0, n) : NULL;
}

void *arena_alloc(struct arena *a, size_t n)
{
        return arena_aligned(a, n, ALIGN);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
        size_t bytes;
        return mem_mul(n, size, &bytes) ? arena_alloc(a, bytes) : NULL;
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
        void *copy = take(a, n, ALIGN);
        if (copy && n > 0)
                memcpy(copy, p, n);
        return copy;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
        size_t len = strnlen(s, n), bytes;
        char *copy = mem_add(len, 1, &bytes) ? take(a, bytes, 1) : NULL;
        if (copy) {
                memcpy(copy, s, len);
                copy[len] = '\0';
        }
        return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
        return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
        va_list ap, again;
        va_start(ap, fmt);
        va_copy(again, ap);
        int n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        char *s = n < 0 ? NULL : take(a, (size_t)n + 1, 1);
        if (s)
                vsnprintf(s, (size_t)n + 1, fmt, again);
        va_end(again);
        return s;
}
