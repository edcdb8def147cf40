/* http_peers.h: how much each client asks for: connections, requests at the same time, requests a second.
 *
 * A client is an IPv4 address or an IPv6 /64, over a UNIX socket a user; users may ask without limits, since the
 * socket's mode has chosen them. Shared by all loops. A lock is taken when a connection opens or closes, none for a
 * request. The table's size is fixed: a client without connections is remembered until its quota is whole again, or
 * until its place is needed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct peer;
struct peers;
struct sockaddr;

struct peers_conf {
        size_t max;           /* connections of all clients */
        uint64_t connections; /* of one client; 0: no limit, as below */
        uint64_t requests;    /* of one client with their handlers at the same time */
        uint64_t rate;        /* requests of one client a second; as many may come at once */
};

int peers_new(struct peers **ret, const struct peers_conf *c, struct err *e);
void peers_free(struct peers *p); /* after all connections; accepts NULL */

/* The client at the other end of fd, one connection more; NULL: it has as many as it may. p may be NULL in none of
 * these. */
struct peer *peers_enter(struct peers *p, int fd, const struct sockaddr *a, uint64_t now_ns);
void peers_leave(struct peers *p, struct peer *who, uint64_t now_ns);

/* Counts one request. false: over a quota; ret_wait_s: when to try again, at least 1. p and who may be NULL: true. */
bool peer_may_ask(struct peers *p, struct peer *who, uint64_t now_ns, uint32_t *ret_wait_s);
void peer_begins(struct peer *who); /* a request is with its handler; accepts NULL */
void peer_ends(struct peer *who);
