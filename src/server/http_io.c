/* http_io.c: the bytes of a connection between its socket and its memory.
 *
 * Input is one array: what is read is taken from its front, so there is nothing to join, and it grows only when a
 * request does not fit, never much ahead of the bytes that came. Output goes out in one call of the system; only what
 * the socket does not take is copied and waits. */
#include "base/mem.h"
#include "server/held.h"
#include "server/http_internal.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

enum { ROOM = 4096 };

void conn_drop_input(struct conn *c)
{
        assert(c->next == c->n || c->state >= CONN_LINGER); /* what is unread is a request, or a part of one */
        conn_free_input(c);
}

void conn_free_input(struct conn *c)
{
        free(c->in);
        c->in = NULL;
        c->in_cap = c->at = c->body_n = c->next = c->n = 0;
        conn_held(c);
}

void conn_held(struct conn *c)
{
        held_set(c->http->server, &c->held, c->in_cap + c->out_n + c->arena.used);
}

static size_t input_max(const struct conn *c)
{
        size_t body = c->state == CONN_BODY ? c->length : c->state == CONN_CHUNKS ? (size_t)c->chunked.limit : 0;
        return body > SIZE_MAX - HTTP_INPUT ? SIZE_MAX : body + HTTP_INPUT;
}

/* Room behind n, by closing the gaps that what has been read left, then by growing: at least by doubling, and never
 * much before the bytes are there. */
static bool make_room(struct conn *c)
{
        size_t max = input_max(c), ahead = c->n - c->next;
        size_t missing = c->state == CONN_BODY ? c->length - ahead : ROOM;
        if (c->in_cap - c->n >= (missing < ROOM ? missing : ROOM) && c->n < c->in_cap)
                return true;
        if (c->in && c->at > 0) {
                memmove(c->in, c->in + c->at, c->body_n);
                memmove(c->in + c->body_n, c->in + c->next, ahead);
        } else if (c->in && c->next > c->body_n) {
                memmove(c->in + c->body_n, c->in + c->next, ahead);
        }
        c->at = 0;
        c->next = c->body_n;
        c->n = c->body_n + ahead;
        if (c->in_cap - c->n >= ROOM)
                return true;
        size_t cap = c->in_cap > max / 2 ? max : c->in_cap * 2;
        if (cap < HTTP_INPUT)
                cap = HTTP_INPUT;
        if (c->state == CONN_BODY && cap < max && cap < HTTP_KEEP)
                cap = max < HTTP_KEEP ? max : HTTP_KEEP;
        if (cap > c->in_cap && held_room(c->http->server, cap) && mem_resize((void **)&c->in, cap, 1)) {
                c->in_cap = cap;
                conn_held(c);
        }
        return c->n < c->in_cap;
}

int conn_fill(struct conn *c)
{
        if (!make_room(c))
                return -ENOMEM;
        size_t room = c->in_cap - c->n;
        ssize_t got = recv(c->fd, c->in + c->n, room, MSG_DONTWAIT);
        if (got > 0) {
                c->n += (size_t)got;
                c->ready = (size_t)got == room || c->ended; /* less: it is empty, and the next byte makes an edge */
                return (int)got;
        }
        if (got < 0 && errno == EAGAIN)
                c->ready = false;
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

static ssize_t send_parts(struct conn *c, struct iovec *parts, size_t n)
{
        struct msghdr m = {.msg_iov = parts, .msg_iovlen = n};
        ssize_t sent;
        do
                sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (sent < 0 && errno == EINTR);
        return sent < 0 && errno == EAGAIN ? 0 : sent;
}

void conn_send(struct conn *c, struct iovec *parts, size_t n)
{
        ssize_t sent = send_parts(c, parts, n);
        size_t total = 0, skip = sent > 0 ? (size_t)sent : 0;
        for (size_t i = 0; i < n; i++)
                total += parts[i].iov_len;
        if (sent >= 0 && skip == total)
                return;
        c->out = sent >= 0 ? mem_array(total - skip, 1) : NULL;
        if (!c->out)
                c->state = CONN_DEAD;
        for (size_t i = 0; i < n && c->out; i++) {
                size_t gone = skip < parts[i].iov_len ? skip : parts[i].iov_len, rest = parts[i].iov_len - gone;
                if (rest > 0)
                        memcpy(c->out + c->out_n, (char *)parts[i].iov_base + gone, rest);
                c->out_n += rest;
                skip -= gone;
        }
        conn_held(c);
}

int conn_flush(struct conn *c)
{
        ssize_t sent = 1;
        while (c->out_at < c->out_n && sent > 0) {
                sent = send_parts(c, &(struct iovec){c->out + c->out_at, c->out_n - c->out_at}, 1);
                c->out_at += sent > 0 ? (size_t)sent : 0;
        }
        if (sent < 0 || c->out_at < c->out_n)
                return sent < 0 ? -1 : 0;
        free(c->out);
        c->out = NULL;
        c->out_at = c->out_n = 0;
        conn_held(c);
        return 1;
}

bool request_holds(struct request *r)
{
        struct conn *c = conn_of(r);
        size_t more = c->arena.used > HELD_FREE ? c->arena.used : 0;
        bool room = held_room(r->server, more);
        conn_held(c);
        return room;
}

void request_who(struct request *r, char ret[REQUEST_WHO])
{
        struct ucred u = {.uid = (uid_t)-1};
        socklen_t n = sizeof(u);
        if (!request_local(r))
                snprintf(ret, REQUEST_WHO, "http");
        else if (getsockopt(conn_of(r)->fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 && u.uid != (uid_t)-1)
                snprintf(ret, REQUEST_WHO, "uid %u", (unsigned)u.uid);
        else
                snprintf(ret, REQUEST_WHO, "unix");
}

bool request_local(struct request *r)
{
        struct sockaddr_storage a = {0};
        socklen_t n = sizeof(a);
        return getsockname(conn_of(r)->fd, (struct sockaddr *)&a, &n) == 0 && a.ss_family == AF_UNIX;
}
