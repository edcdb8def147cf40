/* file_writer.c: a file that appears whole or not at all.
 *
 * Bytes go to a temporary file in the same directory. Commit makes them durable, then renames, then makes the name
 * durable, in this order: after a crash the path holds the old contents or the new, never a part. A failure up to the
 * rename leaves the old file; a failed sync of the directory reports an error although the new file can be seen,
 * since a crash might still bring the old one back. Files are created readable by their owner only. */
#include "base/file.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 65536 };

/* Closes, removes the temporary file if it has not become the real one, and frees. */
static void discard(struct file_writer *w)
{
        if (w->fd >= 0)
                close(w->fd);
        if (w->tmp)
                unlink(w->tmp);
        free(w->tmp);
        free(w->path);
        free(w->chunk);
        *w = (struct file_writer){.fd = -1};
}

void file_writer_abort(struct file_writer *w)
{
        if (w->path) /* all-zero and committed writers have none */
                discard(w);
}

int file_writer_open(struct file_writer *w, const char *path, struct err *e)
{
        static const char suffix[] = ".tmp.XXXXXX";
        size_t n = strlen(path);
        struct file_writer new = {.fd = -1};
        new.path = new_array(char, n + 1);
        char *tmp = new_array(char, n + sizeof(suffix));
        new.chunk = mem_aligned(CHUNK, 1, 64);
        if (!new.path || !tmp || !new.chunk) {
                free(tmp);
                discard(&new);
                return err_oom(e);
        }
        memcpy(new.path, path, n + 1);
        memcpy(tmp, path, n);
        memcpy(tmp + n, suffix, sizeof(suffix));
        int errnum = fault_tick() ? EIO : (new.fd = mkostemp(tmp, O_CLOEXEC)) < 0 ? errno : 0;
        if (errnum) {
                free(tmp);
                discard(&new);
                return err_errno(e, errnum, "create a file beside %s", path);
        }
        new.tmp = tmp;
        *w = new;
        return 0;
}

static int write_all(struct file_writer *w, const uint8_t *p, size_t n, struct err *e)
{
        while (n > 0) {
                ssize_t put = fault_tick() ? (errno = ENOSPC, -1) : write(w->fd, p, n);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return err_errno(e, errno, "write %s", w->path);
                p += put;
                n -= (size_t)put;
        }
        return 0;
}

static int flush(struct file_writer *w, struct err *e)
{
        int r = write_all(w, w->chunk, w->n_chunk, e);
        if (r == 0)
                w->n_chunk = 0;
        return r;
}

int file_writer_put(struct file_writer *w, const void *data, size_t n, struct err *e)
{
        if (n > CHUNK - w->n_chunk) {
                int r = flush(w, e);
                if (r < 0)
                        return r;
        }
        if (n >= CHUNK)
                return write_all(w, data, n, e);
        if (n > 0)
                memcpy(w->chunk + w->n_chunk, data, n);
        w->n_chunk += n;
        return 0;
}

static int sync_directory(const char *path, struct err *e)
{
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t)(slash - path) + 1 : 1;
        _free_ char *dir = new_array(char, n + 1);
        if (!dir)
                return err_oom(e);
        memcpy(dir, slash ? path : ".", n);
        _close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return err_errno(e, errno, "open directory %s", dir);
        if (fault_tick() ? (errno = EIO, true) : fsync(fd) < 0)
                return err_errno(e, errno, "sync directory %s", dir);
        return 0;
}

static int commit(struct file_writer *w, struct err *e)
{
        int r = flush(w, e);
        if (r < 0)
                return r;
        if (fault_tick() ? (errno = EIO, true) : fsync(w->fd) < 0)
                return err_errno(e, errno, "sync %s", w->path);
        if (fault_tick() ? (errno = EIO, true) : rename(w->tmp, w->path) < 0)
                return err_errno(e, errno, "rename to %s", w->path);
        free(w->tmp);
        w->tmp = NULL;
        return sync_directory(w->path, e);
}

int file_writer_commit(struct file_writer *w, struct err *e)
{
        int r = commit(w, e);
        discard(w);
        return r;
}
