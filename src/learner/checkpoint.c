/* checkpoint.c: lock, load and replace the checkpoint of a job.
 *
 * The checkpoint itself is replaced by rename, so the lock lies on a file beside it that keeps its inode; the kernel
 * drops it with the process, however that dies. A checkpoint that cannot be used costs time, not correctness: the job
 * starts over and arrives at the same bits. */
#include "learner/checkpoint.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/bundle.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int checkpoint_open(
    struct checkpoint *c, const char *path, const struct digest *job, const struct ewc_spec *net, struct err *e)
{
        static const char suffix[] = ".lock";
        size_t n = strlen(path);
        _free_ char *name = new_array(char, n + sizeof(suffix));
        if (!name)
                return err_oom(e);
        memcpy(name, path, n);
        memcpy(name + n, suffix, sizeof(suffix));
        _close_ int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return err_errno(e, errno, "open %s", name);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                           ? err_set(e, -EBUSY, "another learner works on checkpoint %s; wait for it or end it", path)
                           : err_errno(e, errno, "lock %s", name);
        *c = (struct checkpoint){.path = path, .job = *job, .net = net, .lock = fd};
        fd = -1;
        return 0;
}

void checkpoint_close(struct checkpoint *c)
{
        if (!c->path)
                return;
        file_unmap(&c->map);
        close(c->lock);
        *c = (struct checkpoint){.lock = -1};
}

int checkpoint_load(struct checkpoint *c, struct arena *a, struct learn_state *ret, struct err *e)
{
        int r = bundle_read_checkpoint(c->path, &c->job, c->net, a, &c->map, ret, e);
        switch (r) {
        case 0:
                return 0;
        case -ENOENT:
                err_set(e, CHECKPOINT_NONE, "%s", "");
                return CHECKPOINT_NONE;
        case BUNDLE_OTHER_JOB:
        case -EBADMSG:
                if (e)
                        e->code = CHECKPOINT_NONE;
                return CHECKPOINT_NONE;
        default:
                return r;
        }
}

int checkpoint_write(const struct checkpoint *c, const struct learn_state *s, struct err *e)
{
        return bundle_write_checkpoint(c->path, &c->job, c->net, s, e);
}
