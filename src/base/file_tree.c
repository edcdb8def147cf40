/* file_tree.c: removal of a directory with all it holds.
 *
 * Works on open directories (openat, unlinkat) and never follows a symbolic link, so a tree someone else may write
 * into cannot lead it elsewhere. The depth is limited; job directories and test directories are shallow. */
#include "base/file.h"
#include "base/err.h"
#include "base/fault.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 24 };

static int remove_at(int dir, const char *name, int depth);

static int remove_entries(DIR *d, int depth)
{
        struct dirent *entry;
        while ((errno = 0, entry = readdir(d))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                int r = remove_at(dirfd(d), entry->d_name, depth + 1);
                if (r < 0)
                        return r;
        }
        return -errno;
}

/* Negative errno, or 0; what is not there has been removed already. */
static int remove_at(int dir, const char *name, int depth)
{
        if (fault_tick())
                return -EIO;
        if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR)
                return -errno;
        if (depth > DEPTH_MAX)
                return -ELOOP;
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        DIR *d = fdopendir(fd);
        if (!d) {
                int r = -errno;
                close(fd);
                return r;
        }
        int r = remove_entries(d, depth);
        closedir(d);
        if (r < 0)
                return r;
        return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int file_remove_tree(const char *path, struct err *e)
{
        int r = remove_at(AT_FDCWD, path, 0);
        return r < 0 ? err_errno(e, -r, "remove %s", path) : 0;
}
