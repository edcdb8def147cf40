/* count_alloc.h: counts the allocations of this thread and of watched ones, for tests that none are made.
 *
 * Included by one file of a program: it stands in front of the C library's functions. Under a sanitizer, which has
 * its own, nothing is counted. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static _Thread_local size_t n_allocations; /* of this thread */
static pthread_t watched[4];               /* set before n_watched */
static atomic_size_t n_watched, n_watched_allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ALLOCATIONS_COUNTED = 0 };
#else
enum { ALLOCATIONS_COUNTED = 1 };

/* The C library's own names for its functions. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
int posix_memalign(void **ret, size_t align, size_t n);
void *aligned_alloc(size_t align, size_t n);

static inline void count_one(void)
{
        n_allocations++;
        for (size_t i = 0; i < n_watched; i++)
                n_watched_allocations += pthread_equal(pthread_self(), watched[i]) != 0;
}

#define SEEN __attribute__((visibility("default")))

SEEN void *malloc(size_t n)
{
        count_one();
        return __libc_malloc(n);
}

SEEN void *calloc(size_t n, size_t size)
{
        count_one();
        return __libc_calloc(n, size);
}

SEEN void *realloc(void *p, size_t n)
{
        count_one();
        return __libc_realloc(p, n);
}

SEEN void *aligned_alloc(size_t align, size_t n)
{
        count_one();
        return __libc_memalign(align, n);
}

SEEN int posix_memalign(void **ret, size_t align, size_t n)
{
        count_one();
        *ret = __libc_memalign(align, n);
        return *ret ? 0 : 12; /* ENOMEM */
}
#endif
