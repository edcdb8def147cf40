/* http_listen.c: listening sockets, UNIX and TCP. Plain sockets; http.c hands them to a loop. */
#include "base/err.h"
#include "base/mem.h"
#include "server/http.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

/* Decides what a path in use means: 0 if it was a socket nobody listens on, and is gone now. */
static int remove_dead(const struct sockaddr_un *a, struct err *e)
{
        struct stat st;
        if (lstat(a->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : err_errno(e, errno, "look at %s", a->sun_path);
        if (!S_ISSOCK(st.st_mode))
                return err_set(e, -EADDRINUSE, "%s exists and is no socket; it is left alone", a->sun_path);
        _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return err_errno(e, errno, "socket");
        if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN)
                return err_set(e, -EADDRINUSE, "another process listens on %s", a->sun_path);
        if (errno != ECONNREFUSED && errno != ENOENT)
                return err_errno(e, errno, "is anybody listening on %s", a->sun_path);
        if (unlink(a->sun_path) < 0 && errno != ENOENT)
                return err_errno(e, errno, "remove the dead socket %s", a->sun_path);
        return 0;
}

int http_listen_unix(const char *path, uint32_t mode, int *ret_fd, struct err *e)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        size_t n = strlen(path);
        if (n == 0 || n >= sizeof(a.sun_path))
                return err_set(e, -ENAMETOOLONG, "a socket path of %zu bytes; the system takes 1 to %zu: %s", n,
                    sizeof(a.sun_path) - 1, path);
        memcpy(a.sun_path, path, n + 1);
        _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return err_errno(e, errno, "socket");
        if (fchmod(fd, mode & 0777) < 0) /* before the name exists: it is never open to more than this */
                return err_errno(e, errno, "set the mode of %s", path);
        int r = bind(fd, (const struct sockaddr *)&a, sizeof(a));
        if (r < 0 && errno == EADDRINUSE) {
                r = remove_dead(&a, e);
                if (r < 0)
                        return r;
                r = bind(fd, (const struct sockaddr *)&a, sizeof(a));
        }
        if (r < 0)
                return err_errno(e, errno, "bind %s", path);
        if (chmod(path, mode & 0777) < 0 || listen(fd, BACKLOG) < 0) { /* chmod: what the umask took away */
                r = err_errno(e, errno, "listen on %s", a.sun_path);
                unlink(a.sun_path);
                return r;
        }
        *ret_fd = fd;
        fd = -1;
        return 0;
}

static int try_tcp(const struct addrinfo *a, int *ret_fd)
{
        int on = 1;
        _close_ int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

static int port_of(int fd, uint16_t *ret)
{
        struct sockaddr_storage a = {0};
        socklen_t n = sizeof(a);
        if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
                return -errno;
        *ret = ntohs(
            a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
        return 0;
}

int http_listen_tcp(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
        char service[8];
        snprintf(service, sizeof(service), "%u", (unsigned)port);
        int g = getaddrinfo(host && host[0] ? host : NULL, service, &hints, &found);
        if (g != 0)
                return err_set(e, g == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL, "address %s: %s", host ? host : "*",
                    g == EAI_SYSTEM ? strerror(errno) : gai_strerror(g));
        _close_ int fd = -1;
        int r = -EADDRNOTAVAIL;
        for (const struct addrinfo *a = found; a && r < 0; a = a->ai_next)
                r = try_tcp(a, &fd);
        freeaddrinfo(found);
        if (r == 0 && ret_port)
                r = port_of(fd, ret_port);
        if (r < 0)
                return err_errno(e, -r, "listen on %s port %u", host ? host : "*", (unsigned)port);
        *ret_fd = fd;
        fd = -1;
        return 0;
}

/* Only after the first socket has found the address free is it shared: a plain bind still meets whoever has it. */
int http_listen_beside(int fd, int *ret_fd, struct err *e)
{
        struct sockaddr_storage a = {0};
        socklen_t n = sizeof(a);
        int on = 1;
        if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
                return err_errno(e, errno, "the address of a listening socket");
        _close_ int more = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (more < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
            setsockopt(more, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
            setsockopt(more, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(more, (struct sockaddr *)&a, n) < 0 || listen(more, BACKLOG) < 0)
                return err_errno(e, errno, "listen once more on an address");
        *ret_fd = more;
        more = -1;
        return 0;
}
