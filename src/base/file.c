/* file.c: whole files and directories made.
 *
 * Reading stops at the caller's ceiling, counted in bytes really read, so a file that grows or lies about its size is
 * no way around it. Writing goes through file_writer.c. Each system call that can fail for lack of space, memory or
 * health of the disk asks the fault counter first, which then stands for EIO. */
#include "base/file.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 65536 };

static ssize_t read_some(int fd, void *at, size_t n)
{
        ssize_t got;
        if (fault_tick())
                return errno = EIO, -1;
        do
                got = read(fd, at, n);
        while (got < 0 && errno == EINTR);
        return got;
}

/* Everything fd has, or -EFBIG once it is more than max or than the buffer takes. */
static int read_all(int fd, const char *path, size_t max, struct buf *ret, struct err *e)
{
        struct stat st;
        if (max > ret->max)
                max = ret->max;
        if (fstat(fd, &st) < 0)
                return err_errno(e, errno, "stat %s", path);
        if (st.st_size > 0 && (uintmax_t)st.st_size > max)
                return err_set(e, -EFBIG, "%s is larger than %zu bytes", path, max);
        size_t want = st.st_size > 0 ? (size_t)st.st_size + 1 : READ_CHUNK; /* one more, to meet the end at once */
        for (;; want = READ_CHUNK) {
                char
                    probe; /* at the ceiling one more byte is read, to tell a file that fits from one that does not */
                size_t left = max - ret->len, ask = left == 0 ? 1 : want < left ? want : left;
                char *at = left == 0 ? &probe : buf_reserve(ret, ask);
                if (!at)
                        return err_oom(e);
                ssize_t got = read_some(fd, at, ask);
                if (got < 0)
                        return err_errno(e, errno, "read %s", path);
                if (got == 0)
                        break;
                if (left == 0)
                        return err_set(e, -EFBIG, "%s is larger than %zu bytes", path, max);
                buf_advance(ret, (size_t)got);
        }
        buf_put(ret, "", 0); /* an empty file, too, is a terminated string */
        return buf_ok(ret) ? 0 : err_oom(e);
}

int file_read(const char *path, size_t max, struct buf *ret, struct err *e)
{
        if (fault_tick())
                return err_errno(e, EIO, "open %s", path);
        _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return err_errno(e, errno, "open %s", path);
        buf_reset(ret);
        int r = read_all(fd, path, max, ret, e);
        if (r < 0)
                buf_reset(ret);
        return r;
}

int file_replace(const char *path, const void *data, size_t n, struct err *e)
{
        struct file_writer w = {0};
        int r = file_writer_open(&w, path, e);
        if (r == 0)
                r = file_writer_put(&w, data, n, e);
        if (r == 0)
                r = file_writer_commit(&w, e);
        file_writer_abort(&w);
        return r;
}

static int make_one(const char *path, uint32_t mode, struct err *e)
{
        struct stat st;
        if (fault_tick())
                return err_errno(e, EIO, "make directory %s", path);
        if (mkdir(path, (mode_t)mode) == 0)
                return 0;
        if (errno != EEXIST)
                return err_errno(e, errno, "make directory %s", path);
        if (stat(path, &st) < 0)
                return err_errno(e, errno, "stat %s", path);
        return S_ISDIR(st.st_mode) ? 0 : err_set(e, -ENOTDIR, "%s is there and is not a directory", path);
}

int file_mkdir(const char *path, uint32_t mode, struct err *e)
{
        char part[PATH_MAX];
        size_t n = 0;
        for (; path[n] && n < sizeof(part) - 1; n++) {
                part[n] = path[n];
                if (path[n + 1] != '/' || path[n] == '/')
                        continue;
                part[n + 1] = '\0';
                int r = make_one(part, mode, e);
                if (r < 0)
                        return r;
        }
        if (path[n] || n == 0)
                return err_set(
                    e, n ? -ENAMETOOLONG : -ENOENT, "the directory's path is %s", n ? "too long" : "empty");
        return make_one(path, mode, e);
}

bool file_exists(const char *path)
{
        struct stat st;
        return stat(path, &st) == 0;
}
