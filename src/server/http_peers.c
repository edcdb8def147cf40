/* http_peers.c: the table of clients, and their quotas.
 *
 * The rate is kept as one number, the time at which the quota is whole again (GCRA): a request moves it on by its
 * share of a second, and is refused when that is more than a second ahead. Requests of other loops race for it by
 * compare and exchange. Chains of a hash table hold the clients; the hash is keyed by a number drawn at the start, so
 * that nobody can choose addresses that meet in one chain. */
#include "server/http_peers.h"
#include "base/err.h"
#include "base/mem.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { KIND_NONE, KIND_USER, KIND_V4, KIND_V6, SPARE = 64 };

static const uint64_t ns_per_s = 1000000000;

struct key {
        uint64_t kind, who;
};

struct peer {
        struct key key;
        _Atomic uint64_t whole_ns; /* when its quota is whole again */
        _Atomic uint64_t requests; /* with their handlers */
        uint64_t connections;
        struct peer *next; /* in its chain */
};

struct peers {
        struct peers_conf conf;
        pthread_mutex_t lock;  /* chains, keys, connections */
        uint64_t secret, hand; /* hand: where the search for a place goes on */
        size_t n;              /* of both arrays */
        struct peer *all;      /* (n); kind NONE: free */
        struct peer **chains;  /* (n) */
};

int peers_new(struct peers **ret, const struct peers_conf *c, struct err *e)
{
        struct peers *p = new_zero(struct peers);
        if (!p)
                return err_oom(e);
        p->conf = *c;
        p->n = c->max + SPARE; /* clients with connections always fit */
        p->all = new_array(struct peer, p->n);
        p->chains = new_array(struct peer *, p->n);
        pthread_mutex_init(&p->lock, NULL);
        if (!p->all || !p->chains) {
                peers_free(p);
                return err_oom(e);
        }
        if (getrandom(&p->secret, sizeof(p->secret), GRND_NONBLOCK) < 0)
                p->secret = (uint64_t)(uintptr_t)p;
        *ret = p;
        return 0;
}

void peers_free(struct peers *p)
{
        if (!p)
                return;
        pthread_mutex_destroy(&p->lock);
        free(p->all);
        free(p->chains);
        free(p);
}

static struct key key_of(int fd, const struct sockaddr *a)
{
        struct key k = {0};
        if (a->sa_family == AF_INET) {
                k = (struct key){KIND_V4, ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr)};
        } else if (a->sa_family == AF_INET6) {
                const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
                bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
                k.kind = mapped ? KIND_V4 : KIND_V6;
                for (size_t i = mapped ? 12 : 0, end = mapped ? 16 : 8; i < end; i++)
                        k.who = k.who << 8 | v6->s6_addr[i];
        } else {
                struct ucred u = {.uid = (uid_t)-1};
                socklen_t n = sizeof(u);
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n);
                k = (struct key){KIND_USER, u.uid};
        }
        return k;
}

static struct peer **chain_of(struct peers *p, struct key k)
{
        uint64_t h = (k.who + k.kind * UINT64_C(0x9e3779b97f4a7c15)) ^ p->secret;
        h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
        return &p->chains[(h ^ h >> 31) % p->n];
}

static struct peer *find(struct peers *p, struct key k)
{
        struct peer *at = *chain_of(p, k);
        while (at && (at->key.kind != k.kind || at->key.who != k.who))
                at = at->next;
        return at;
}

static void forget(struct peers *p, struct peer *who)
{
        struct peer **at = chain_of(p, who->key);
        while (*at != who)
                at = &(*at)->next;
        *at = who->next;
        *who = (struct peer){0};
}

/* A free place, or that of somebody who has left: one whose quota is whole if there is one near. */
static struct peer *place(struct peers *p, uint64_t now_ns)
{
        struct peer *old = NULL;
        for (size_t i = 0; i < p->n; i++) {
                struct peer *at = &p->all[p->hand++ % p->n];
                if (at->key.kind == KIND_NONE)
                        return at;
                if (at->connections > 0)
                        continue;
                old = at;
                if (atomic_load(&at->whole_ns) <= now_ns)
                        break;
        }
        if (old)
                forget(p, old);
        return old;
}

struct peer *peers_enter(struct peers *p, int fd, const struct sockaddr *a, uint64_t now_ns)
{
        struct key k = key_of(fd, a);
        pthread_mutex_lock(&p->lock);
        struct peer *who = find(p, k);
        if (!who && (who = place(p, now_ns))) {
                struct peer **chain = chain_of(p, k);
                who->key = k;
                who->next = *chain;
                *chain = who;
        }
        uint64_t most = k.kind != KIND_USER && p->conf.connections ? p->conf.connections : UINT64_MAX;
        if (who && who->connections >= most)
                who = NULL;
        if (who)
                who->connections++;
        pthread_mutex_unlock(&p->lock);
        return who;
}

void peers_leave(struct peers *p, struct peer *who, uint64_t now_ns)
{
        pthread_mutex_lock(&p->lock);
        if (--who->connections == 0 && atomic_load(&who->whole_ns) <= now_ns)
                forget(p, who);
        pthread_mutex_unlock(&p->lock);
}

bool peer_may_ask(struct peers *p, struct peer *who, uint64_t now_ns, uint32_t *ret_wait_s)
{
        if (!p || !who || who->key.kind == KIND_USER)
                return true;
        *ret_wait_s = 1;
        if (p->conf.requests && atomic_load_explicit(&who->requests, memory_order_relaxed) >= p->conf.requests)
                return false;
        if (p->conf.rate == 0)
                return true;
        uint64_t share = ns_per_s / p->conf.rate, whole = atomic_load_explicit(&who->whole_ns, memory_order_relaxed);
        for (;;) {
                uint64_t then = (whole > now_ns ? whole : now_ns) + share;
                if (then - now_ns > ns_per_s)
                        return false;
                if (atomic_compare_exchange_weak_explicit(
                        &who->whole_ns, &whole, then, memory_order_relaxed, memory_order_relaxed))
                        return true;
        }
}

void peer_begins(struct peer *who)
{
        if (who)
                atomic_fetch_add_explicit(&who->requests, 1, memory_order_relaxed);
}

void peer_ends(struct peer *who)
{
        if (who)
                atomic_fetch_sub_explicit(&who->requests, 1, memory_order_relaxed);
}
