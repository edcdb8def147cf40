/* mem.h: overflow-checked arrays and cleanup helpers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Zeroed array of n elements, NULL when n * size overflows or memory is short. n == 0 gives a valid pointer. */
void *mem_array(size_t n, size_t size);
void *mem_aligned(size_t n, size_t size, size_t align);             /* not zeroed; release with free() */
bool mem_resize(void **array, size_t n, size_t size);               /* to n, new part not zeroed; false: unchanged */
bool mem_grow(void **array, size_t *cap, size_t need, size_t size); /* at least doubles; false: unchanged */

static inline bool mem_mul(size_t a, size_t b, size_t *ret) /* false on overflow */
{
        return !__builtin_mul_overflow(a, b, ret);
}

static inline bool mem_add(size_t a, size_t b, size_t *ret)
{
        return !__builtin_add_overflow(a, b, ret);
}

#define new_array(type, n) ((type *)mem_array((n), sizeof(type)))
#define new_zero(type) ((type *)mem_array(1, sizeof(type)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void mem_free_ptr(void *p)
{
        free(*(void **)p);
}

void mem_close_ptr(int *fd); /* closes if >= 0 */

#define _free_ __attribute__((cleanup(mem_free_ptr)))
#define _close_ __attribute__((cleanup(mem_close_ptr)))
