/* listen.c: opening the sockets the loops accept from: on an own TCP address one for each loop, everywhere else, and
 * under socket activation, one for all.
 *
 * There are no credentials on TCP yet, so an address that other hosts can reach is refused unless the configuration
 * says that this is meant. */
#include "daemon/listen.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "daemon/conf.h"
#include "daemon/paths.h"
#include "server/http.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOST_MAX = 128 };

int listen_parse(const char *text, char *ret_host, size_t size, unsigned short *ret_port, struct err *e)
{
        const char *colon = strrchr(text, ':');
        uint64_t port;
        if (!colon || colon == text || !slice_u64(slice_of(colon + 1), &port) || port > 65535)
                return err_field(
                    e, -EINVAL, "listen.tcp", "'%.80s' is not host:port, as in 127.0.0.1:8080 or [::1]:8080", text);
        const char *host = text;
        size_t n = (size_t)(colon - text);
        if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
                host++;
                n -= 2;
        } else if (memchr(host, ':', n)) {
                return err_field(e, -EINVAL, "listen.tcp", "'%.80s': write an IPv6 address in brackets", text);
        }
        if (!str_copy_n(ret_host, size, host, n))
                return err_field(e, -EINVAL, "listen.tcp", "the host of '%.80s' is too long", text);
        *ret_port = (unsigned short)port;
        return 0;
}

int listen_is_loopback(const char *host)
{
        struct in_addr v4;
        struct in6_addr v6;
        if (inet_pton(AF_INET, host, &v4) == 1)
                return ntohl(v4.s_addr) >> 24 == 127;
        if (inet_pton(AF_INET6, host, &v6) == 1)
                return IN6_IS_ADDR_LOOPBACK(&v6);
        return strcmp(host, "localhost") == 0;
}

static void name_of(int fd, char ret[LISTEN_NAME])
{
        union {
                struct sockaddr any;
                struct sockaddr_un un;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        } a = {0};
        socklen_t n = sizeof(a);
        char host[INET6_ADDRSTRLEN] = "";
        snprintf(ret, LISTEN_NAME, "fd:%d", fd);
        if (getsockname(fd, &a.any, &n) < 0)
                return;
        if (a.any.sa_family == AF_UNIX)
                snprintf(ret, LISTEN_NAME, "unix:%.*s", (int)sizeof(a.un.sun_path), a.un.sun_path);
        else if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)))
                snprintf(ret, LISTEN_NAME, "http://%s:%u", host, ntohs(a.in.sin_port));
        else if (a.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host)))
                snprintf(ret, LISTEN_NAME, "http://[%s]:%u", host, ntohs(a.in6.sin6_port));
}

static void add(struct listen *l, int fd)
{
        l->fd[l->n] = fd;
        name_of(fd, l->name[l->n]);
        l->n++;
}

static int open_unix(struct listen *l, const struct conf *c, const struct paths *p, struct err *e)
{
        char dir[PATHS_MAX];
        int fd;
        str_copy(dir, sizeof(dir), p->socket);
        char *slash = strrchr(dir, '/');
        if (slash && slash != dir) {
                *slash = '\0';
                mode_t before = umask(0022); /* whoever may open the socket must get there */
                int r = file_mkdir(dir, 0755, e);
                umask(before);
                if (r < 0)
                        return r;
        }
        int r = http_listen_unix(p->socket, (uint32_t)c->listen_socket_mode, &fd, e);
        if (r < 0)
                return r;
        add(l, fd);
        l->unlink_path = p->socket;
        return 0;
}

int listen_check(const struct conf *c, struct err *e)
{
        char host[HOST_MAX];
        unsigned short port;
        if (!c->listen_tcp[0])
                return 0;
        int r = listen_parse(c->listen_tcp, host, sizeof(host), &port, e);
        if (r < 0)
                return r;
        if (!listen_is_loopback(host) && !c->listen_allow_remote)
                return err_field(e, -EACCES, "listen.tcp",
                    "%s can be reached from other hosts and there are no credentials: use 127.0.0.1, or set "
                    "allow_remote = true in [listen] "
                    "of the configuration if you mean it",
                    host);
        return 0;
}

static int open_tcp(struct listen *l, const struct conf *c, struct err *e)
{
        char host[HOST_MAX];
        unsigned short port;
        uint16_t got;
        int fd, r = listen_parse(c->listen_tcp, host, sizeof(host), &port, e);
        if (r < 0)
                return r;
        r = http_listen_tcp(host, port, &fd, &got, e);
        if (r < 0)
                return r;
        l->tcp = l->n;
        add(l, fd);
        while (l->n_more + 1 < c->server_threads && l->n_more < LISTEN_LOOPS) {
                r = http_listen_beside(fd, &l->more[l->n_more], e);
                if (r < 0)
                        return r;
                l->n_more++;
        }
        return 0;
}

int listen_fd(const struct listen *l, size_t i, size_t loop)
{
        return i == l->tcp && loop > 0 && loop <= l->n_more ? l->more[loop - 1] : l->fd[i];
}

int listen_open(struct listen *ret, const struct conf *c, const struct paths *p, struct err *e)
{
        int passed[NOTIFY_MAX_FDS], r = 0;
        size_t n = notify_sockets(passed);
        struct listen l = LISTEN_NULL;
        for (size_t i = 0; i < n; i++) {
                int flags = fcntl(passed[i], F_GETFL);
                if (flags < 0 || fcntl(passed[i], F_SETFL, flags | O_NONBLOCK) < 0)
                        r = err_errno(e, errno, "passed socket %d", passed[i]);
                add(&l, passed[i]);
        }
        if (r == 0 && n == 0 && p->socket[0])
                r = open_unix(&l, c, p, e);
        if (r == 0 && c->listen_tcp[0])
                r = open_tcp(&l, c, e);
        if (r < 0) {
                listen_close(&l);
                return r;
        }
        *ret = l;
        return 0;
}

void listen_close(struct listen *l)
{
        for (size_t i = 0; i < l->n; i++)
                close(l->fd[i]);
        for (size_t i = 0; i < l->n_more; i++)
                close(l->more[i]);
        if (l->unlink_path)
                unlink(l->unlink_path);
        *l = (struct listen)LISTEN_NULL;
}
