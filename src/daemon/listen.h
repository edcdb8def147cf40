/* listen.h: the daemon's listening sockets: those a service manager passed in, or its own. */
#pragma once
#include "daemon/notify.h"
#include <stddef.h>

struct conf;
struct err;
struct paths;

enum { LISTEN_MAX = NOTIFY_MAX_FDS + 2, LISTEN_LOOPS = 64, LISTEN_NAME = 160 };

struct listen {
        size_t n;
        int fd[LISTEN_MAX];
        char name[LISTEN_MAX][LISTEN_NAME]; /* "unix:/run/ewcd/ewcd.sock", "http://127.0.0.1:8080" */
        size_t tcp;                         /* index of the own TCP address, if n_more > 0 */
        size_t n_more;                      /* sockets on it beside fd[tcp], one for each loop but the first */
        int more[LISTEN_LOOPS];
        const char *unlink_path; /* socket file made here, or NULL */
};

#define LISTEN_NULL                                                                                                  \
        {                                                                                                            \
                0                                                                                                    \
        }

/* The TCP address, if there is one: -EINVAL, or -EACCES when other hosts can reach it without allow_remote. */
int listen_check(const struct conf *c, struct err *e);

/* A passed socket stands for the UNIX socket, which is then not made. c has been checked. */
int listen_open(struct listen *ret, const struct conf *c, const struct paths *p, struct err *e);
int listen_fd(const struct listen *l, size_t i, size_t loop); /* which of the sockets i this loop accepts from */
void listen_close(struct listen *l);

/* "127.0.0.1:8080", "[::1]:0", "localhost:80" into parts. -EINVAL. */
int listen_parse(const char *text, char *ret_host, size_t size, unsigned short *ret_port, struct err *e);
int listen_is_loopback(const char *host); /* 1 or 0 */
