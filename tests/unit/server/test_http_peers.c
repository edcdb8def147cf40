/* Quotas of clients: connections, requests at the same time and a second; who counts as one client; a table that
 * stays its size. */
#include "base/err.h"
#include "server/http_peers.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static const uint64_t s = 1000000000;

static struct peers *made(size_t max, uint64_t connections, uint64_t requests, uint64_t rate)
{
        struct err e;
        struct peers *p;
        struct peers_conf c = {.max = max, .connections = connections, .requests = requests, .rate = rate};
        assert_int_equal(peers_new(&p, &c, &e), 0);
        return p;
}

static struct peer *enter(struct peers *p, const char *address, uint64_t now_ns)
{
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
                return peers_enter(p, -1, (struct sockaddr *)&v4, now_ns);
        assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
        return peers_enter(p, -1, (struct sockaddr *)&v6, now_ns);
}

static void test_who_is_one_client(void **state)
{
        (void)state;
        struct peers *p = made(16, 0, 0, 0);
        struct peer *a = enter(p, "192.0.2.1", s);
        assert_non_null(a);
        assert_ptr_equal(enter(p, "192.0.2.1", s), a);
        assert_ptr_equal(enter(p, "::ffff:192.0.2.1", s), a);
        assert_ptr_not_equal(enter(p, "192.0.2.2", s), a);
        struct peer *six = enter(p, "2001:db8:0:1::1", s);
        assert_ptr_equal(enter(p, "2001:db8:0:1:ffff::2", s), six);
        assert_ptr_not_equal(enter(p, "2001:db8:0:2::1", s), six);
        peers_free(p);
}

static void test_connections(void **state)
{
        (void)state;
        struct peers *p = made(16, 2, 0, 0);
        struct peer *a = enter(p, "192.0.2.1", s);
        assert_ptr_equal(enter(p, "192.0.2.1", s), a);
        assert_null(enter(p, "192.0.2.1", s));
        assert_non_null(enter(p, "192.0.2.2", s));
        peers_leave(p, a, s);
        assert_ptr_equal(enter(p, "192.0.2.1", s), a);
        peers_free(p);
}

/* A second's worth at once, then one at each share of a second; nobody pays for another, nor by coming again. */
static void test_rate(void **state)
{
        (void)state;
        struct peers *p = made(16, 0, 0, 10);
        struct peer *a = enter(p, "192.0.2.1", s), *b = enter(p, "192.0.2.2", s);
        uint32_t wait = 0;
        uint64_t now = 5 * s;
        for (int i = 0; i < 10; i++)
                assert_true(peer_may_ask(p, a, now, &wait));
        assert_false(peer_may_ask(p, a, now, &wait));
        assert_int_equal(wait, 1);
        assert_true(peer_may_ask(p, b, now, &wait));
        peers_leave(p, a, now);
        a = enter(p, "192.0.2.1", now);
        assert_false(peer_may_ask(p, a, now + s / 10 - 1, &wait));
        assert_true(peer_may_ask(p, a, now + s / 10, &wait));
        assert_false(peer_may_ask(p, a, now + s / 10, &wait));
        for (int i = 0; i < 10; i++) /* a pause makes it whole, and no more than whole */
                assert_true(peer_may_ask(p, a, now + 100 * s, &wait));
        assert_false(peer_may_ask(p, a, now + 100 * s, &wait));
        peers_free(p);
}

static void test_at_the_same_time(void **state)
{
        (void)state;
        struct peers *p = made(16, 0, 2, 0);
        struct peer *a = enter(p, "192.0.2.1", s);
        uint32_t wait;
        for (int i = 0; i < 2; i++) {
                assert_true(peer_may_ask(p, a, s, &wait));
                peer_begins(a);
        }
        assert_false(peer_may_ask(p, a, s, &wait));
        peer_ends(a);
        assert_true(peer_may_ask(p, a, s, &wait));
        peers_free(p);
}

static void test_users_have_no_limits(void **state)
{
        (void)state;
        int fd[2];
        uint32_t wait;
        struct sockaddr a = {.sa_family = AF_UNIX};
        struct peers *p = made(16, 1, 1, 1);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        struct peer *me = peers_enter(p, fd[0], &a, s);
        assert_ptr_equal(peers_enter(p, fd[0], &a, s), me);
        for (int i = 0; i < 10; i++) {
                assert_true(peer_may_ask(p, me, s, &wait));
                peer_begins(me);
        }
        close(fd[0]), close(fd[1]);
        peers_free(p);
        assert_true(peer_may_ask(NULL, NULL, s, &wait));
        peer_begins(NULL), peer_ends(NULL);
}

/* Ten thousand addresses that come, ask and go: the ones with connections keep their place and their count. */
static void test_many_addresses(void **state)
{
        (void)state;
        struct peers *p = made(4, 0, 0, 2);
        struct peer *kept = enter(p, "198.51.100.1", s);
        uint32_t wait;
        assert_true(peer_may_ask(p, kept, s, &wait) && peer_may_ask(p, kept, s, &wait));
        for (unsigned i = 0; i < 10000; i++) {
                char text[32];
                struct in_addr a = {htonl(0x0a000000u + i)};
                assert_non_null(inet_ntop(AF_INET, &a, text, sizeof(text)));
                struct peer *one = enter(p, text, s);
                assert_non_null(one);
                assert_ptr_not_equal(one, kept);
                assert_true(peer_may_ask(p, one, s, &wait));
                peers_leave(p, one, s);
        }
        assert_ptr_equal(enter(p, "198.51.100.1", s), kept);
        assert_false(peer_may_ask(p, kept, s, &wait));
        peers_free(p);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_who_is_one_client),
            cmocka_unit_test(test_connections),
            cmocka_unit_test(test_rate),
            cmocka_unit_test(test_at_the_same_time),
            cmocka_unit_test(test_users_have_no_limits),
            cmocka_unit_test(test_many_addresses),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
