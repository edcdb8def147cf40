/* Live connections: deadlines, clients that leave, answers that do not fit. */
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

static void test_header_deadline_is_absolute(void **state)
{
        (void)state;
        static const char text[] = GET_OK;
        int fd = live_connect();
        live_pass(60000); /* idle: nothing has begun */
        for (size_t i = 0; i < 10; i++) {
                live_send(fd, text + i, 1);
                live_pass(499);
        }
        live_expect_silence(fd);
        live_pass(20);
        live_expect(fd, "HTTP/1.1 408 ");
        live_expect_closed(fd);
}

static void test_body_rate(void **state)
{
        (void)state;
        char some[1000];
        memset(some, 'x', sizeof(some));
        int drip = live_connect(), steady = live_connect(), chunks = live_connect();
        live_say(drip, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
        live_say(steady, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
        live_say(chunks, "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 39; i++) {
                live_send(steady, some, sizeof(some));
                if (i < 5) {
                        live_send(drip, some, 1);
                        live_say(chunks, "1\r\nx\r\n");
                }
                live_pass(i == 4 ? 990 : 1000);
        }
        live_expect(drip, "HTTP/1.1 408 ");
        live_expect_closed(drip);
        live_expect(chunks, "HTTP/1.1 408 ");
        live_expect_closed(chunks);
        live_expect_silence(steady);
        live_send(steady, some, sizeof(some));
        live_expect(steady, OK);
        close(steady);
}

/* A large part at first buys no time: what stops or drips after it is ended within seconds. */
static void test_body_that_stops(void **state)
{
        (void)state;
        static char much[1000000];
        int drip = live_connect(), stopped = live_connect();
        memset(much, 'x', sizeof(much));
        live_say(drip, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
        live_say(stopped, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
        for (size_t at = 0; at < sizeof(much); at += 50000) {
                live_send(drip, much, 50000);
                live_send(stopped, much, 50000);
        }
        live_pass(250);
        for (int i = 0; i < 4; i++) {
                live_send(drip, much, 1);
                live_pass(1000);
                live_expect_silence(drip);
                live_expect_silence(stopped);
        }
        live_send(drip, much, 1);
        live_pass(1500);
        live_expect(drip, "HTTP/1.1 408 ");
        live_expect(stopped, "HTTP/1.1 408 ");
        live_expect_closed(drip);
        live_expect_closed(stopped);
}

static void test_idle(void **state)
{
        (void)state;
        int fresh = live_connect(), used = live_connect();
        live_pass(74000);
        live_say(used, GET_OK);
        live_expect(used, OK);
        live_pass(1001);
        live_expect_closed(fresh);
        live_pass(73000);
        live_expect_silence(used);
        live_pass(1001);
        live_expect_closed(used);
}

static void test_write_stall(void **state)
{
        (void)state;
        static char text[300001];
        int closed, fd = live_connect();
        live_say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n" GET_OK);
        assert_int_equal(live_calls, 1); /* the second is not looked at while the first has not left */
        for (int i = 0; i < 10; i++) {
                live_pass(9000);
                assert_int_equal(live_read(fd, text, sizeof(text), &closed), sizeof(text) - 1);
                live_pass(1);
        }
        live_pass(10000);
        assert_int_equal(http_connections(live.http), 0);
        assert_int_equal(live_calls, 1);
        close(fd);
}

/* Some progress all the time is not enough: a reader must keep the rate that a writer must. */
static void test_slow_reader(void **state)
{
        (void)state;
        static char text[300001];
        int closed, fd = live_connect();
        live.conf->body_rate = 50000;
        live_say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        uint64_t s = 0;
        for (; s < 200 && http_connections(live.http) > 0; s += 9) {
                live_pass(9000);
                assert_true(live_read(fd, text, sizeof(text), &closed) > 0);
                live_pass(1);
        }
        assert_in_range(s, 18, 60);
        close(fd);
}

static void test_big_answer(void **state)
{
        (void)state;
        static char text[65536];
        size_t total = 0, n;
        int closed, fd = live_connect();
        live_say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n" GET_OK);
        do {
                n = live_read(fd, text, sizeof(text), &closed);
                total += n;
                live_pass(100);
        } while (n > 0);
        assert_false(closed);
        assert_true(total > LIVE_BIG);
        assert_int_equal(live_calls, 2);
        live_say(fd, GET_OK);
        live_expect(fd, OK);
        close(fd);
}

static void test_client_leaves_before_the_reply(void **state)
{
        (void)state;
        for (int pipelined = 0; pipelined < 2; pipelined++) {
                int fd = live_connect();
                live_say(fd, pipelined ? GET_LATER GET_OK : GET_LATER);
                assert_non_null(request_find(live.server, live_last));
                assert_int_equal(atomic_load(&live.metrics->in_flight), 1);
                close(fd);
                live_turn();
                assert_null(request_find(live.server, live_last));
                assert_int_equal(http_connections(live.http), 0);
                assert_int_equal(atomic_load(&live.metrics->in_flight), 0);
                int next = live_connect(); /* takes the same slot: the late answer is not its own */
                live_say(next, GET_LATER);
                struct req_ref now = live_last;
                live_last.id -= 1 << HTTP_SLOT_BITS;
                live_later(200);
                live_expect_silence(next);
                live_last = now;
                live_later(200);
                live_expect(next, OK);
                live_last = now;
                assert_null(request_find(live.server, live_last)); /* answered */
                close(next);
                live_turn();
        }
        assert_int_equal(atomic_load(&live.metrics->route[3].by_class[0]), 2);
}

static void test_client_sends_on_and_leaves(void **state)
{
        (void)state;
        int fd = live_connect();
        live_say(fd, GET_LATER);
        live_say(fd, GET_OK);
        assert_non_null(request_find(live.server, live_last));
        close(fd);
        live_turn();
        assert_null(request_find(live.server, live_last));
}

/* A reset shows as an error, not as an end: the watch must see it, and not spin on it. */
static void test_reset_over_tcp(void **state)
{
        (void)state;
        struct err e;
        int listening;
        uint16_t port;
        assert_int_equal(http_listen_tcp("127.0.0.1", 0, &listening, &port, &e), 0);
        assert_int_equal(http_accept_from(live.http, listening, &e), 0);
        close(listening);
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        for (int pipelined = 0; pipelined < 2; pipelined++) {
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
                live_say(fd, pipelined ? GET_LATER GET_OK : GET_LATER);
                for (int i = 0; i < 100000 && !request_find(live.server, live_last); i++)
                        live_turn(); /* TCP may take a moment even here */
                assert_non_null(request_find(live.server, live_last));
                struct linger now = {.l_onoff = 1};
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
                close(fd);
                for (int i = 0; i < 100000 && request_find(live.server, live_last); i++)
                        live_turn();
                assert_null(request_find(live.server, live_last));
        }
        assert_int_equal(http_connections(live.http), 0);
}

static void test_client_leaves_during_the_reply(void **state)
{
        (void)state;
        char text[1000];
        int closed, fd = live_connect();
        live_say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        close(fd);
        live_turn();
        assert_int_equal(http_connections(live.http), 0);
        fd = live_connect(); /* gone between the loop's last look and the reply */
        live_say(fd, GET_LATER);
        close(fd);
        live_later(200);
        assert_int_equal(http_connections(live.http), 0);
}

static void test_client_leaves_after_the_reply(void **state)
{
        (void)state;
        char text[300];
        int fd = live_connect();
        live_say(fd, GET_LATER);
        reply_bytes(request_find(live.server, live_last), 200, "text/plain", "late\n", 5);
        assert_true(recv(fd, text, sizeof(text), 0) > 100); /* written at once, not in the loop's next turn */
        close(fd);
        live_turn();
        assert_int_equal(http_connections(live.http), 0);
        fd = live_connect();
        live_say(fd, "GET /ok HTTP/1.1\r\nHo");
        close(fd);
        live_turn();
        fd = live_connect();
        live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
        close(fd);
        live_turn();
        assert_int_equal(http_connections(live.http), 0);
}

static void test_half_closed_client_gets_a_quick_answer(void **state)
{
        (void)state;
        int fd = live_connect();
        assert_int_equal(send(fd, GET_OK, sizeof(GET_OK) - 1, 0), sizeof(GET_OK) - 1);
        shutdown(fd, SHUT_WR);
        live_turn();
        live_expect(fd, OK);
        live_expect_closed(fd);
}

/* So does one whose answer comes later, with another request behind it; the end is seen after the last answer. */
static void test_half_closed_client_gets_late_answers(void **state)
{
        (void)state;
        for (int pipelined = 0; pipelined < 2; pipelined++) {
                int fd = live_connect();
                live_say(fd, pipelined ? GET_LATER GET_LATER : GET_LATER);
                shutdown(fd, SHUT_WR);
                live_turn();
                for (int i = 0; i <= pipelined; i++) {
                        assert_non_null(request_find(live.server, live_last));
                        assert_int_equal(atomic_load(&live.metrics->in_flight), 1);
                        live_later(200);
                        live_turn();
                        live_expect(fd, OK);
                }
                live_expect_closed(fd);
                assert_int_equal(http_connections(live.http), 0);
                fd = live_connect(); /* a body, and the half-close before the loop has seen any of it */
                static const char post[] = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
                assert_int_equal(send(fd, post, sizeof(post) - 1, 0), sizeof(post) - 1);
                shutdown(fd, SHUT_WR);
                live_turn();
                live_later(200);
                live_turn();
                live_expect(fd, OK);
                live_expect_closed(fd);
                fd = live_connect(); /* half-closed first, and then gone for good */
                live_say(fd, GET_LATER);
                shutdown(fd, SHUT_WR);
                live_turn();
                close(fd);
                live_turn();
                assert_null(request_find(live.server, live_last));
                assert_int_equal(http_connections(live.http), 0);
        }
}

static void test_linger(void **state)
{
        (void)state;
        int fd = live_connect();
        live_say(fd, "BAD\r\n\r\n");
        live_say(fd, "more that nobody reads");
        live_expect(fd, "HTTP/1.1 400 ");
        assert_int_equal(http_connections(live.http), 1);
        live_pass(2001);
        assert_int_equal(http_connections(live.http), 0);
        close(fd);
}

#define LIVE(t) cmocka_unit_test_setup_teardown(t, live_setup, live_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
            LIVE(test_header_deadline_is_absolute),
            LIVE(test_body_rate),
            LIVE(test_body_that_stops),
            LIVE(test_idle),
            LIVE(test_write_stall),
            LIVE(test_slow_reader),
            LIVE(test_big_answer),
            LIVE(test_client_leaves_before_the_reply),
            LIVE(test_client_sends_on_and_leaves),
            LIVE(test_reset_over_tcp),
            LIVE(test_client_leaves_during_the_reply),
            LIVE(test_client_leaves_after_the_reply),
            LIVE(test_half_closed_client_gets_a_quick_answer),
            LIVE(test_half_closed_client_gets_late_answers),
            LIVE(test_linger),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
