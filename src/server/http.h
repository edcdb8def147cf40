/* http.h: HTTP/1.1 on one loop: listeners, connections, parsing, deadlines. Calls the route's handler with a request.
 *
 * http_parse.c is pure and knows no libevent; the other http*.c alone know its objects.
 * The process ignores SIGPIPE: a peer that has gone is an error of the write. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct http;
struct server;

int http_new(struct http **ret, struct server *s, struct err *e);
void http_free(struct http *h); /* closes everything; accepts NULL */
/* fd: a listening socket, of which it takes its own duplicate; several loops may share one. */
int http_accept_from(struct http *h, int fd, struct err *e);
void http_drain(struct http *h); /* no new connections; open ones close after their answer */
size_t http_connections(const struct http *h);

/* Listening sockets, made once by the daemon (any thread before the loops run). ret_fd is non-blocking and
 * listening. */
/* Replaces a dead socket file; -EADDRINUSE if one lives, or the path is no socket. -ENAMETOOLONG. */
int http_listen_unix(const char *path, uint32_t mode, int *ret_fd, struct err *e);
/* host: a name or number, IPv6 without brackets; NULL or "": all. Port 0: any. ret_port may be NULL. SO_REUSEADDR. */
int http_listen_tcp(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e);
/* One socket more on the TCP address of fd, for another loop: the kernel spreads connections over them. */
int http_listen_beside(int fd, int *ret_fd, struct err *e);
