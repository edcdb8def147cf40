/* What the front end bounds: connections, clients' quotas, bytes held, descriptors, memory, requests; and its end
 * with all kinds of connections open. */
#include "base/err.h"
#include "base/fault.h"
#include "http_cases.h"
#include "http_live.h"
#include "server/http_internal.h"
#include "server/http_peers.h"
#include "server/metrics.h"
#include "server/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"
#define GET_OK "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_LATER "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_max_connections(void **state)
{
        (void)state;
        int a = live_connect(), b = live_connect(), c = live_connect();
        live_expect(c, "HTTP/1.1 503 Service Unavailable\r\n");
        live_expect_closed(c);
        assert_int_equal(atomic_load(&live.metrics->rejected), 1);
        close(a);
        live_turn();
        c = live_connect();
        live_say(c, GET_OK);
        live_expect(c, OK);
        live_say(b, GET_OK);
        live_expect(b, OK);
        close(b), close(c);
}

static int tcp_client(uint16_t port)
{
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        live_turn();
        return fd;
}

static void expect_over_tcp(int fd, const char *begin, const char *field)
{
        char text[2000] = "";
        size_t n = 0;
        for (int i = 0; i < 100000 && !strstr(text, "\r\n\r\n"); i++) {
                live_turn();
                ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, MSG_DONTWAIT);
                n += got > 0 ? (size_t)got : 0;
                text[n] = '\0';
        }
        if (strncmp(text, begin, strlen(begin)) != 0 || !strstr(text, field))
                fail_msg("wanted \"%s\" with \"%s\", got \"%s\"", begin, field, text);
}

/* One address over TCP has its quotas; a user on the UNIX socket is not touched by them. */
static void test_quotas(void **state)
{
        (void)state;
        struct err e;
        int listening;
        uint16_t port;
        struct peers_conf c = {.max = 16, .connections = 3, .requests = 1, .rate = 3};
        assert_int_equal(http_listen_tcp("127.0.0.1", 0, &listening, &port, &e), 0);
        assert_int_equal(http_accept_from(live.http, listening, &e), 0);
        assert_int_equal(peers_new(&live.server->peers, &c, &e), 0);
        close(listening);
        int a = tcp_client(port), b = tcp_client(port), late = tcp_client(port), over = tcp_client(port);
        expect_over_tcp(over, "HTTP/1.1 429 Too Many Requests\r\n", "\r\nRetry-After: 1\r\n");
        live_say(late, GET_LATER);
        for (int i = 0; i < 100000 && !request_find(live.server, live_last); i++)
                live_turn();
        live_say(a, GET_OK);
        expect_over_tcp(a, "HTTP/1.1 429 ", "\r\nRetry-After: 1\r\n"); /* another is still at work */
        live_later(200);
        expect_over_tcp(late, OK, "");
        live_say(a, GET_OK);
        expect_over_tcp(a, OK, "");
        live_say(b, GET_OK);
        expect_over_tcp(b, OK, "");
        live_say(b, GET_OK);
        expect_over_tcp(b, "HTTP/1.1 429 ", "\r\nRetry-After: 1\r\n");
        int local = live_connect();
        for (int i = 0; i < 10; i++) {
                live_say(local, GET_OK);
                live_expect(local, OK);
        }
        live_pass(334);
        live_say(b, GET_OK);
        expect_over_tcp(b, OK, "");
        close(a), close(b), close(late), close(over), close(local);
        for (int i = 0; i < 100000 && http_connections(live.http) > 0; i++)
                live_turn();
        assert_int_equal(http_connections(live.http), 0);
        peers_free(live.server->peers);
}

/* What idles gives its memory back, and still answers. */
static void test_idle_connections_hold_no_memory(void **state)
{
        (void)state;
        int fd = live_connect();
        for (int i = 0; i < 2; i++) {
                live_say(fd, GET_OK);
                live_expect(fd, OK);
                assert_non_null(live.http->conns[0]->in);
                live_pass(1001);
                assert_null(live.http->conns[0]->in);
                assert_null(live.http->conns[0]->arena.head);
        }
        close(fd);
}

/* All connections together hold no more than they may; what does not fit is told when to come again. */
static void test_held_bytes(void **state)
{
        (void)state;
        static const char head[] = "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n";
        static char part[50000], text[1000];
        int closed, one = live_connect(), two = live_connect(), three = live_connect();
        memset(part, 'x', sizeof(part));
        live.conf->buffer_bytes = 1000000;
        live_say(one, head);
        for (int i = 0; i < 7; i++)
                live_send(one, part, sizeof(part));
        assert_in_range(live.metrics->held_bytes, 350000, 450000);
        live_say(two, head);
        for (int i = 0; i < 6; i++)
                live_send(two, part, sizeof(part));
        assert_true(live_read(two, text, sizeof(text), &closed) > 0);
        assert_non_null(strstr(text, "HTTP/1.1 503 "));
        assert_non_null(strstr(text, "Retry-After: 1\r\n"));
        live_say(three, GET_OK); /* what is small is always answered */
        live_expect(three, OK);
        live_send(one, part, sizeof(part));
        live_expect(one, OK);
        for (size_t n = 1; n > 0;) {
                live_turn();
                n = live_read(one, text, sizeof(text), &closed);
        }
        live_say(three, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        live_expect(three, "HTTP/1.1 503 ");
        close(one), close(two);
        live_turn();
        live_pass(2001);
        live.conf->buffer_bytes = 100000000;
        live_say(three, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_in_range(live.metrics->held_bytes, LIVE_BIG / 2, LIVE_BIG);
        close(three);
        live_turn();
        live_pass(1);
        assert_int_equal(http_connections(live.http), 0);
        assert_int_equal(live.metrics->held_bytes, 0);
}

static size_t lines_of(int log)
{
        char text[4096];
        ssize_t n = pread(log, text, sizeof(text), 0);
        size_t lines = 0;
        for (ssize_t i = 0; i < n; i++)
                lines += text[i] == '\n';
        return lines;
}

static void test_no_descriptors_left(void **state)
{
        (void)state;
        struct rlimit old, low;
        int saved = dup(2), log = memfd_create("log", MFD_CLOEXEC), fd = live_socket();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        low = old;
        low.rlim_cur = (rlim_t)fd + 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        dup2(log, 2);
        live_connect_with(fd);
        assert_true(live.http->paused);
        for (int i = 0; i < 4; i++) /* it is tried again and again, and told once */
                live_pass(250);
        dup2(saved, 2);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_true(live.http->paused);
        assert_int_equal(lines_of(log), 1);
        live_say(fd, GET_OK);
        live_expect_silence(fd);
        live_pass(250);
        live_expect(fd, OK);
        close(fd), close(saved), close(log);
}

/* Every allocation of a connection's life fails once: it ends in an answer or a close, never in between. */
static void test_memory_fails_anywhere(void **state)
{
        (void)state;
        char text[2000];
        int closed;
        bool fired = true;
        for (int n = 0; fired; n++) {
                assert_true(n < 100);
                fault_arm(n, 1);
                int fd = live_connect();
                live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\n" TE "\r\n3\r\nabc\r\n0\r\n\r\n");
                fired = fault_fired();
                fault_disarm();
                size_t got = live_read(fd, text, sizeof(text), &closed);
                assert_true(fired || strncmp(text, OK, sizeof(OK) - 1) == 0);
                assert_true(closed || strncmp(text, OK, sizeof(OK) - 1) == 0);
                assert_true(
                    got == 0 || strncmp(text, OK, sizeof(OK) - 1) == 0 || strncmp(text, "HTTP/1.1 503 ", 13) == 0);
                close(fd);
                live_turn();
                assert_int_equal(http_connections(live.http), 0);
        }
}

static void test_max_requests(void **state)
{
        (void)state;
        int fd = live_connect();
        for (int i = 1; i < 10000; i++) {
                assert_int_equal(send(fd, GET_OK, sizeof(GET_OK) - 1, 0), sizeof(GET_OK) - 1);
                live_turn();
                char text[300];
                ssize_t n = recv(fd, text, sizeof(text), 0);
                assert_true(n > 100);
        }
        live_say(fd, GET_OK);
        live_expect(fd, OK);
        live_expect_closed(fd);
        assert_int_equal(atomic_load(&live.metrics->route[0].by_class[2]), 10000);
}

static void test_drain(void **state)
{
        (void)state;
        int idle = live_connect(), busy = live_connect(), reading = live_connect();
        live_say(busy, GET_LATER);
        live_say(reading, "GET /ok HTTP/1.1\r\n");
        http_drain(live.http);
        live_pass(250);
        live_expect_closed(idle);
        live_later(200);
        live_expect(busy, OK);
        live_expect_closed(busy);
        live_say(reading, "Host: a\r\n\r\n");
        live_expect(reading, OK);
        live_expect_closed(reading);
        assert_int_equal(http_connections(live.http), 0);
}

static void test_free_with_all_kinds_open(void **state)
{
        (void)state;
        int fds[4] = {live_connect(), live_connect(), live_connect(), live_connect()};
        live_say(fds[0], GET_LATER);
        live_say(fds[1], "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        live_say(fds[2], "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\nabc");
        live_say(fds[3], "BAD\r\n\r\n");
        for (int i = 0; i < 4; i++)
                close(fds[i]); /* the loop does not turn any more: teardown finds them open */
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_max_connections, live_setup_small, live_teardown),
            LIVE(test_quotas),
            LIVE(test_idle_connections_hold_no_memory),
            LIVE(test_held_bytes),
            LIVE(test_no_descriptors_left),
            LIVE(test_memory_fails_anywhere),
            LIVE(test_max_requests),
            LIVE(test_drain),
            LIVE(test_free_with_all_kinds_open),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
