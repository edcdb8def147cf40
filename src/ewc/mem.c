/* mem.c: the allocator hook and the carving of workspaces.
 *
 * Only functions whose name ends in _new allocate. Everything else works in a block the caller sized by the matching
 * workspace query; both the query and the use run the same carving, so they cannot disagree. */
#include "ewc/internal.h"

#include <stdlib.h>

enum { ALIGN = 64 };

static void *default_alloc(void *arg, size_t size)
{
        (void)arg;
        if (size > SIZE_MAX - ALIGN)
                return NULL;
        return aligned_alloc(ALIGN, (size + ALIGN - 1) / ALIGN * ALIGN);
}

static void default_free(void *arg, void *p)
{
        (void)arg;
        free(p);
}

struct ewc_allocator ewc_allocator_or_default(const struct ewc_allocator *a)
{
        if (a)
                return *a;
        return (struct ewc_allocator){.alloc = default_alloc, .free = default_free};
}

/* Cannot overflow: every factor is bounded by the limits of ewc.h, checked before a layout runs. */
void *ewc_carve(struct ewc_carve *c, size_t n, size_t size)
{
        size_t at = c->used;

        c->used += (n * size + ALIGN - 1) / ALIGN * ALIGN;
        return c->base ? c->base + at : NULL;
}
