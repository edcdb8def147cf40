/* mailbox.c: a ring under a mutex, and an eventfd that is readable exactly while the ring is not empty.
 *
 * The descriptor is written when the ring leaves empty and read when it returns there, both under the mutex, so it
 * costs a system call per burst rather than per message and can never get out of step. The ring is allocated once; a
 * full one refuses, and it is the sender who knows what that means. */
#include "base/mailbox.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
        pthread_mutex_t lock;
        int fd;
        size_t cap, head, n; /* ring[head] is the oldest of n */
        struct msg ring[];
};

int mailbox_new(struct mailbox **ret, size_t capacity, struct err *e)
{
        size_t bytes;
        if (capacity == 0)
                return err_set(e, -EINVAL, "a mailbox holds at least one message");
        if (!mem_mul(capacity, sizeof(struct msg), &bytes) || !mem_add(bytes, sizeof(struct mailbox), &bytes))
                return err_oom(e);
        struct mailbox *m = mem_array(1, bytes);
        if (!m)
                return err_oom(e);
        m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (m->fd < 0) {
                int r = err_errno(e, errno, "eventfd");
                free(m);
                return r;
        }
        m->cap = capacity;
        pthread_mutex_init(&m->lock, NULL);
        *ret = m;
        return 0;
}

void mailbox_free(struct mailbox *m)
{
        if (!m)
                return;
        close(m->fd);
        pthread_mutex_destroy(&m->lock);
        free(m);
}

int mailbox_put(struct mailbox *to, const struct msg *m)
{
        int r = -EAGAIN;
        pthread_mutex_lock(&to->lock);
        if (to->n < to->cap) {
                to->ring[(to->head + to->n) % to->cap] = *m;
                if (to->n++ == 0)
                        eventfd_write(to->fd, 1);
                r = 0;
        }
        pthread_mutex_unlock(&to->lock);
        return r;
}

bool mailbox_get(struct mailbox *m, struct msg *ret)
{
        pthread_mutex_lock(&m->lock);
        bool any = m->n > 0;
        if (any) {
                *ret = m->ring[m->head];
                m->head = (m->head + 1) % m->cap;
                if (--m->n == 0) {
                        eventfd_t sum;
                        eventfd_read(m->fd, &sum);
                }
        }
        pthread_mutex_unlock(&m->lock);
        return any;
}

int mailbox_fd(const struct mailbox *m)
{
        return m->fd;
}
