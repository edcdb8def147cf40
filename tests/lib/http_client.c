/* http_client.c: see http_client.h. Answers are read by Content-Length only: ewcd sends nothing else. */
#include "lib/http_client.h"
#include "base/str.h"
#include "proto/json.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_MAX = 64 << 10, ANSWER_MAX = 128 << 20, TIMEOUT_MS = 20000 };

void http_client_unix(struct http_client *c, const char *path)
{
        *c = (struct http_client){.fd = -1, .timeout_ms = TIMEOUT_MS};
        buf_init(&c->in, ANSWER_MAX);
        str_copy(c->path, sizeof(c->path), path);
}

void http_client_tcp(struct http_client *c, unsigned port)
{
        *c = (struct http_client){.fd = -1, .port = port, .timeout_ms = TIMEOUT_MS};
        buf_init(&c->in, ANSWER_MAX);
}

void http_client_close(struct http_client *c)
{
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        buf_deinit(&c->in);
        buf_init(&c->in, ANSWER_MAX);
}

static int open_connection(struct http_client *c)
{
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
        bool local = c->path[0] != '\0';
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        memcpy(un.sun_path, c->path, sizeof(un.sun_path));
        http_client_close(c);
        c->fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
                return -errno;
        int r = local ? connect(c->fd, (struct sockaddr *)&un, sizeof(un))
                      : connect(c->fd, (struct sockaddr *)&in, sizeof(in));
        if (r == 0)
                return 0;
        r = -errno;
        http_client_close(c);
        return r;
}

int http_client_send(struct http_client *c, const void *p, size_t n)
{
        const char *at = p;
        if (c->fd < 0) {
                int r = open_connection(c);
                if (r < 0)
                        return r;
        }
        while (n > 0) {
                ssize_t k = send(c->fd, at, n, MSG_NOSIGNAL);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return 0;
                if (k < 0)
                        return -errno;
                at += k;
                n -= (size_t)k;
        }
        return 0;
}

static int receive_some(struct http_client *c)
{
        enum { PIECE = 64 << 10 };
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        char *room = buf_reserve(&c->in, PIECE);
        ssize_t k;
        int ready;
        if (!room)
                return -EMSGSIZE;
        do
                ready = poll(&p, 1, c->timeout_ms);
        while (ready < 0 && errno == EINTR);
        if (ready == 0)
                return -ETIMEDOUT;
        do
                k = recv(c->fd, room, PIECE, 0);
        while (k < 0 && errno == EINTR);
        if (k <= 0)
                return -EPIPE;
        buf_advance(&c->in, (size_t)k);
        return 0;
}

static int take_field(struct slice line, struct http_answer *ret, uint64_t *length)
{
        const struct {
                const char *name;
                char *to;
                size_t size;
        } wanted[] = {{"etag", ret->etag, sizeof(ret->etag)}, {"location", ret->location, sizeof(ret->location)},
            {"allow", ret->allow, sizeof(ret->allow)},
            {"content-type", ret->content_type, sizeof(ret->content_type)}};
        const char *colon = memchr(line.p, ':', line.n);
        if (!colon)
                return -EBADMSG;
        struct slice name = {line.p, (size_t)(colon - line.p)}, value = {colon + 1, line.n - name.n - 1};
        while (value.n > 0 && *value.p == ' ')
                value = (struct slice){value.p + 1, value.n - 1};
        if (slice_eq_nocase(name, "content-length") && !slice_u64(value, length))
                return -EBADMSG;
        if (slice_eq_nocase(name, "transfer-encoding"))
                return -EBADMSG;
        if (slice_eq_nocase(name, "connection") && slice_eq_nocase(value, "close"))
                ret->closes = true;
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
                if (slice_eq_nocase(name, wanted[i].name) &&
                    !str_copy_n(wanted[i].to, wanted[i].size, value.p, value.n))
                        return -EBADMSG;
        return 0;
}

/* Reads a head; *ret_taken is where the body starts in c->in. */
static int receive_head(struct http_client *c, struct http_answer *ret, uint64_t *ret_length, size_t *ret_taken)
{
        char *end;
        int r;
        while (!c->in.data || !(end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4))) {
                if (c->in.len > HEAD_MAX)
                        return -EBADMSG;
                if ((r = receive_some(c)) < 0)
                        return r;
        }
        if (sscanf(c->in.data, "HTTP/1.%*1d %3d", &ret->status) != 1)
                return -EBADMSG;
        *ret_length = 0;
        for (char *p = strstr(c->in.data, "\r\n") + 2; p < end + 2;) {
                char *eol = strstr(p, "\r\n");
                if (eol > p && (r = take_field((struct slice){p, (size_t)(eol - p)}, ret, ret_length)) < 0)
                        return r;
                p = eol + 2;
        }
        *ret_taken = (size_t)(end + 4 - c->in.data);
        return 0;
}

static void drop(struct http_client *c, size_t n)
{
        memmove(c->in.data, c->in.data + n, c->in.len - n + 1);
        c->in.len -= n;
}

static int receive(struct http_client *c, bool head_request, struct http_answer *ret)
{
        uint64_t length;
        size_t taken;
        int r;
        for (;;) {
                if ((r = receive_head(c, ret, &length, &taken)) < 0)
                        return r;
                if (ret->status / 100 != 1)
                        break;
                drop(c, taken);
        }
        length = head_request ? 0 : length;
        while (c->in.len - taken < length)
                if ((r = receive_some(c)) < 0)
                        return r == -EPIPE ? -EBADMSG : r; /* an incomplete answer is worse than none */
        buf_put(&ret->body, c->in.data + taken, (size_t)length);
        drop(c, taken + (size_t)length);
        if (!buf_ok(&ret->body))
                return -ENOMEM;
        if (ret->body.len > 0)
                json_parse((struct slice){ret->body.data, ret->body.len}, &ret->doc, NULL);
        return 0;
}

int http_client_receive(struct http_client *c, bool head_request, struct http_answer *ret)
{
        struct http_answer a = {0};
        buf_init(&a.body, ANSWER_MAX);
        int r = c->fd < 0 ? -ENOTCONN : receive(c, head_request, &a);
        if (r < 0 || a.closes)
                http_client_close(c);
        if (r < 0) {
                http_answer_deinit(&a);
                return r;
        }
        *ret = a;
        return 0;
}

/* A peer that has closed while nothing was asked shows as readable with nothing to read. */
static bool gone(const struct http_client *c)
{
        char byte;
        return c->fd >= 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int http_client_call(struct http_client *c, const char *method, const char *path, const char *headers,
    const void *body, size_t n, struct http_answer *ret)
{
        struct buf head;
        buf_init(&head, HEAD_MAX);
        buf_printf(&head, "%s %s HTTP/1.1\r\nHost: test\r\n%s", method, path, headers);
        if (body)
                buf_printf(&head, "Content-Length: %zu\r\n", n);
        buf_puts(&head, "\r\n");
        if (gone(c))
                http_client_close(c);
        int r = buf_ok(&head) ? http_client_send(c, head.data, head.len) : -ENOMEM;
        if (r == 0 && body)
                r = http_client_send(c, body, n);
        if (r == 0)
                r = http_client_receive(c, strcmp(method, "HEAD") == 0, ret);
        buf_deinit(&head);
        return r;
}

void http_answer_deinit(struct http_answer *a)
{
        buf_deinit(&a->body);
        json_free(a->doc);
        *a = (struct http_answer){0};
}
