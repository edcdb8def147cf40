/* fuzz.h: what the targets share: input in memory of its own size, and input as a file that readers open by path. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check(int holds)
{
        if (!holds)
                abort();
}

/* A copy in which the address sanitizer sees one byte too many. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
        char *p = malloc(size > 0 ? size : 1);
        fuzz_check(p != NULL);
        if (size > 0)
                memcpy(p, data, size);
        return p;
}

/* Ends the run when a byte cannot be read. */
static inline void fuzz_touch(const void *p, size_t n)
{
        const volatile unsigned char *b = p;
        for (size_t i = 0; i < n; i++)
                (void)b[i];
}

static inline void fuzz_touch_text(const char *s)
{
        if (s)
                fuzz_touch(s, strlen(s));
}

struct fuzz_file {
        int fd;
        char path[32];
};

/* A file in memory only. */
static inline struct fuzz_file fuzz_file(const void *data, size_t size)
{
        struct fuzz_file f = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
        fuzz_check(f.fd >= 0 && (size == 0 || write(f.fd, data, size) == (ssize_t)size));
        snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
        return f;
}
