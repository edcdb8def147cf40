/* mem.c: arrays from the heap, with checked sizes.
 *
 * Every allocation of the daemon's own code passes here or through arena.c and buf.c, which stand on this file, so
 * the fault counter sees them all. An array of no elements is one byte long: NULL always means failure. */
#include "base/mem.h"
#include "base/fault.h"
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

enum { GROW_MIN = 16 };

void *mem_array(size_t n, size_t size)
{
        size_t bytes;
        if (!mem_mul(n, size, &bytes) || fault_tick())
                return NULL;
        return calloc(1, bytes ? bytes : 1);
}

void *mem_aligned(size_t n, size_t size, size_t align)
{
        size_t bytes;
        void *p;
        if (!mem_mul(n, size, &bytes) || fault_tick())
                return NULL;
        if (align < sizeof(void *))
                align = sizeof(void *);
        return posix_memalign(&p, align, bytes ? bytes : 1) == 0 ? p : NULL;
}

bool mem_resize(void **array, size_t n, size_t size)
{
        size_t bytes;
        if (!mem_mul(n, size, &bytes) || fault_tick())
                return false;
        void *p = realloc(*array, bytes ? bytes : 1);
        if (!p)
                return false;
        *array = p;
        return true;
}

bool mem_grow(void **array, size_t *cap, size_t need, size_t size)
{
        if (need <= *cap && *array)
                return true;
        size_t n = *cap > SIZE_MAX / 2 ? SIZE_MAX : *cap * 2;
        if (n < need)
                n = need;
        if (n < GROW_MIN)
                n = GROW_MIN;
        if (!mem_resize(array, n, size))
                return false;
        *cap = n;
        return true;
}

void mem_close_ptr(int *fd)
{
        int saved = errno; /* a cleanup must not change the error it cleans up after */
        if (*fd >= 0)
                close(*fd);
        errno = saved;
}
