/* arena.h: memory of one lifetime (a request, a job, a listing), released in one call.
 *
 * Blocks grow as needed up to max bytes in total; past that, or when memory is short, every call returns NULL.
 * Not thread-safe: an arena belongs to whoever holds it and may be handed on as a whole. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
        struct arena_block *head;
        size_t used, max; /* bytes handed out; limit */
        bool full;        /* more than the limit was asked for, since it was made or reset */
};

void arena_init(struct arena *a, size_t max);
void arena_deinit(struct arena *a);           /* accepts an all-zero arena */
void arena_reset(struct arena *a);            /* keeps one block for the next round: no allocation after warm-up */
void *arena_alloc(struct arena *a, size_t n); /* 16-aligned, zeroed */
void *arena_aligned(struct arena *a, size_t n, size_t align);
void *arena_array(struct arena *a, size_t n, size_t size); /* overflow-checked, zeroed */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *arena_memdup(struct arena *a, const void *p, size_t n);

#define arena_new(a, type) ((type *)arena_array((a), 1, sizeof(type)))
#define arena_new_array(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))
