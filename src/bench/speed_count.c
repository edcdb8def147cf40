/* speed_count.c: counts the program's allocations. The C library lets a program bring its own malloc; these count and
 * call the library's by its second name. Linked into ewc-bench only, and empty where a sanitizer brings its own. */
#include "bench/speed.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static atomic_ulong calls;

unsigned long speed_allocations(void)
{
        return atomic_load(&calls);
}

static void count(void)
{
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

COUNTED void *malloc(size_t n)
{
        count();
        return __libc_malloc(n);
}

COUNTED void *calloc(size_t n, size_t size)
{
        count();
        return __libc_calloc(n, size);
}

COUNTED void *realloc(void *p, size_t n)
{
        count();
        return __libc_realloc(p, n);
}

COUNTED void *aligned_alloc(size_t align, size_t n)
{
        count();
        return __libc_memalign(align, n);
}

COUNTED int posix_memalign(void **ret, size_t align, size_t n)
{
        count();
        void *p = __libc_memalign(align, n);
        if (!p)
                return ENOMEM;
        *ret = p;
        return 0;
}
#endif
