/* client.c: HTTP/1.1 to the daemon, one blocking connection.
 *
 * Only what ewcd sends is understood: a status line, header fields, Content-Length. An answer is limited to 256
 * MiB. */
#include "cli/client.h"

#include "base/mem.h"
#include "base/str.h"
#include "proto/json.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_MAX = 32 << 10, ANSWER_MAX = 256 << 20 };

struct client {
        char path[108]; /* UNIX socket; "" when host is used */
        char host[256], port[8];
        int fd;
        bool fresh; /* nothing has been sent on fd yet */
        struct buf in;
        size_t taken; /* bytes of in already used */
};

static int url_parse(const char *url, struct client *c, struct err *e)
{
        const char *rest = strncmp(url, "http://", 7) == 0 ? url + 7 : NULL, *end, *colon;

        if (!rest || !*rest)
                return err_field(e, -EINVAL, "--url", "--url takes http://HOST:PORT, not '%s'", url);
        end = rest + strcspn(rest, "/");
        colon = memchr(rest, ':', (size_t)(end - rest));
        if (*rest == '[') { /* an IPv6 address */
                const char *close = memchr(rest, ']', (size_t)(end - rest));

                colon = close && close[1] == ':' ? close + 1 : NULL;
                rest++;
                if (!close || !str_copy_n(c->host, sizeof(c->host), rest, (size_t)(close - rest)))
                        return err_field(e, -EINVAL, "--url", "no such address: '%s'", url);
        } else if (!str_copy_n(c->host, sizeof(c->host), rest, (size_t)((colon ? colon : end) - rest))) {
                return err_field(e, -EINVAL, "--url", "host too long: '%s'", url);
        }
        if (!colon)
                return str_copy(c->port, sizeof(c->port), "80") ? 0 : -EINVAL;
        if (!str_copy_n(c->port, sizeof(c->port), colon + 1, (size_t)(end - colon - 1)))
                return err_field(e, -EINVAL, "--url", "port too long: '%s'", url);
        return 0;
}

int client_new(struct client **ret, const struct options *o, struct err *e)
{
        _free_ struct client *c = new_zero(struct client);
        const char *path = o->socket;
        int r = 0;

        if (!c)
                return err_oom(e);
        c->fd = -1;
        buf_init(&c->in, (size_t)HEAD_MAX + ANSWER_MAX);
        if (!path && o->url)
                r = url_parse(o->url, c, e);
        else if (!path)
                path = getenv("EWCD_SOCKET");
        if (r < 0)
                return r;
        if (!path && !o->url)
                path = "/run/ewcd/ewcd.sock";
        if (path && !str_copy(c->path, sizeof(c->path), path))
                return err_field(
                    e, -EINVAL, "--socket", "socket path is longer than %zu bytes: '%s'", sizeof(c->path) - 1, path);
        *ret = c;
        c = NULL;
        return 0;
}

static void disconnect(struct client *c)
{
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        buf_reset(&c->in);
        c->taken = 0;
}

void client_free(struct client *c)
{
        if (!c)
                return;
        disconnect(c);
        buf_deinit(&c->in);
        free(c);
}

static int connect_unix(struct client *c, struct err *e)
{
        struct sockaddr_un sa = {.sun_family = AF_UNIX};

        memcpy(sa.sun_path, c->path, strlen(c->path) + 1);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
                int saved = errno;

                disconnect(c);
                return err_errno(e, saved, "no daemon at %s (is ewcd running? see --socket)", c->path);
        }
        return 0;
}

static int connect_tcp(struct client *c, struct err *e)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
        int r = getaddrinfo(c->host, c->port, &hints, &list), saved = ECONNREFUSED;

        if (r != 0)
                return err_set(e, -EHOSTUNREACH, "no such host '%s': %s", c->host, gai_strerror(r));
        for (struct addrinfo *i = list; i && c->fd < 0; i = i->ai_next) {
                c->fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
                if (c->fd >= 0 && connect(c->fd, i->ai_addr, i->ai_addrlen) < 0) {
                        saved = errno;
                        disconnect(c);
                }
        }
        freeaddrinfo(list);
        if (c->fd < 0)
                return err_errno(e, saved, "no daemon at http://%s:%s (is ewcd running?)", c->host, c->port);
        return 0;
}

static int send_all(struct client *c, const char *p, size_t n)
{
        while (n > 0) {
                ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return -EPIPE;
                p += k;
                n -= (size_t)k;
        }
        return 0;
}

static int receive_some(struct client *c)
{
        char *room = buf_reserve(&c->in, 64 << 10);
        ssize_t k;

        if (!room)
                return -EMSGSIZE;
        do
                k = recv(c->fd, room, 64 << 10, 0);
        while (k < 0 && errno == EINTR);
        if (k <= 0)
                return -EPIPE;
        buf_advance(&c->in, (size_t)k);
        return 0;
}

static void take_header(struct slice line, struct answer *ret, uint64_t *length, bool *closes)
{
        const char *colon = memchr(line.p, ':', line.n);
        struct slice name, value;

        if (!colon)
                return;
        name = (struct slice){line.p, (size_t)(colon - line.p)};
        value = (struct slice){colon + 1, line.n - name.n - 1};
        while (value.n > 0 && *value.p == ' ')
                value = (struct slice){value.p + 1, value.n - 1};
        if (slice_eq_nocase(name, "content-length"))
                slice_u64(value, length);
        else if (slice_eq_nocase(name, "etag"))
                str_copy_n(ret->etag, sizeof(ret->etag), value.p, value.n);
        else if (slice_eq_nocase(name, "location"))
                str_copy_n(ret->location, sizeof(ret->location), value.p, value.n);
        else if (slice_eq_nocase(name, "connection") && slice_eq_nocase(value, "close"))
                *closes = true;
}

/* Reads one answer; informational ones (100) are passed over. */
static int receive_answer(struct client *c, struct answer *ret, bool *closes, struct err *e)
{
        uint64_t length;
        char *end;
        int r;

again:
        length = 0;
        while (!c->in.data || !(end = strstr(c->in.data, "\r\n\r\n"))) {
                if (c->in.len > HEAD_MAX)
                        return err_set(e, -EBADMSG, "the answer's head is longer than %d bytes", HEAD_MAX);
                if ((r = receive_some(c)) < 0)
                        return r;
        }
        if (sscanf(c->in.data, "HTTP/1.%*1d %3d", &ret->status) != 1)
                return err_set(e, -EBADMSG, "what answers there does not speak HTTP");
        for (char *p = strstr(c->in.data, "\r\n") + 2; p < end;) {
                char *eol = strstr(p, "\r\n");

                take_header((struct slice){p, (size_t)(eol - p)}, ret, &length, closes);
                p = eol + 2;
        }
        c->taken = (size_t)(end + 4 - c->in.data);
        if (ret->status / 100 == 1) {
                memmove(c->in.data, c->in.data + c->taken, c->in.len - c->taken + 1);
                c->in.len -= c->taken;
                goto again;
        }
        if (length > ANSWER_MAX)
                return err_set(
                    e, -EMSGSIZE, "the answer has %llu bytes, more than %d", (unsigned long long)length, ANSWER_MAX);
        while (c->in.len - c->taken < length)
                if ((r = receive_some(c)) < 0)
                        return r;
        buf_put(&ret->body, c->in.data + c->taken, (size_t)length);
        buf_reset(&c->in); /* requests are never pipelined here */
        return buf_ok(&ret->body) ? 0 : err_oom(e);
}

static int exchange(
    struct client *c, const struct buf *head, const void *body, size_t n, struct answer *ret, struct err *e)
{
        bool closes = false;
        int r = c->fd >= 0 ? 0 : c->path[0] ? connect_unix(c, e) : connect_tcp(c, e);

        if (r < 0)
                return r;
        r = send_all(c, head->data, head->len);
        if (r == 0)
                r = send_all(c, body, n);
        if (r == 0 || r == -EPIPE) { /* a server that refuses early answers before it has read everything */
                int r2 = receive_answer(c, ret, &closes, e);

                r = r2;
        }
        if (r < 0 || closes)
                disconnect(c);
        return r;
}

int client_call(struct client *c, const char *method, const char *path, const char *headers, const void *body,
    size_t n, struct answer *ret, struct err *e)
{
        bool reused = c->fd >= 0;
        struct buf head;
        int r;

        buf_init(&head, HEAD_MAX);
        buf_printf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ewcctl\r\nAccept: application/json\r\n%s",
            method, path, c->path[0] ? "localhost" : c->host, headers);
        if (body)
                buf_printf(&head, "Content-Length: %zu\r\n", n);
        buf_puts(&head, "\r\n");
        memset(ret, 0, sizeof(*ret));
        buf_init(&ret->body, ANSWER_MAX);
        r = buf_ok(&head) ? exchange(c, &head, body, body ? n : 0, ret, e) : err_oom(e);
        if (r == -EPIPE && reused) { /* closed while idle */
                buf_reset(&ret->body);
                r = exchange(c, &head, body, body ? n : 0, ret, e);
        }
        buf_deinit(&head);
        if (r == -EPIPE)
                err_set(e, r, "the daemon closed the connection without an answer");
        if (r < 0)
                answer_deinit(ret);
        return r;
}

void answer_deinit(struct answer *a)
{
        buf_deinit(&a->body);
}
