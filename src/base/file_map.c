/* file_map.c: read-only mappings of whole files.
 *
 * The mapping is private, but a file that shrinks while it is mapped still kills the reader; the files mapped here
 * are written once and replaced by rename, which leaves an old mapping whole. An empty file maps to a valid empty
 * range. */
#include "base/file.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int file_map(const char *path, size_t max, struct file_map *ret, struct err *e)
{
        static const uint8_t nothing[1];
        struct stat st;
        if (fault_tick())
                return err_errno(e, EIO, "open %s", path);
        _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe is not waited for */
        if (fd < 0)
                return err_errno(e, errno, "open %s", path);
        if (fstat(fd, &st) < 0)
                return err_errno(e, errno, "stat %s", path);
        if (!S_ISREG(st.st_mode))
                return err_set(e, -EINVAL, "%s is not a regular file", path);
        if ((uintmax_t)st.st_size > max)
                return err_set(e, -EFBIG, "%s is larger than %zu bytes", path, max);
        if (st.st_size == 0) {
                *ret = (struct file_map){nothing, 0};
                return 0;
        }
        if (fault_tick())
                return err_errno(e, ENOMEM, "map %s", path);
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return err_errno(e, errno, "map %s", path);
        *ret = (struct file_map){p, (size_t)st.st_size};
        return 0;
}

void file_unmap(struct file_map *m)
{
        if (m->size > 0)
                munmap((void *)(uintptr_t)m->data, m->size);
        *m = (struct file_map){0};
}
