/* What one turn of the loop takes on: new connections, requests of one connection, ends of late ones. */
#include "http_live.h"
#include "loop/loop.h"
#include "server/http_internal.h"
#include "server/server.h"
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define GET_OK "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"

enum { MANY = 12, ACCEPTS = 4, ENDS = 2 };

static void one_turn(void)
{
        event_base_loop(loop_base(live.server->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK); /* as loop_run */
}

static void say(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static size_t answers(int fd)
{
        char text[65536];
        ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
        size_t count = 0;
        text[n > 0 ? n : 0] = '\0';
        for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")); at++)
                count++;
        return count;
}

static void connect_many(int fds[MANY])
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        strcpy(a.sun_path, live.path);
        for (int i = 0; i < MANY; i++) {
                fds[i] = live_socket();
                assert_int_equal(connect(fds[i], (struct sockaddr *)&a, sizeof(a)), 0);
        }
}

static void close_many(const int fds[MANY])
{
        for (int i = 0; i < MANY; i++)
                close(fds[i]);
}

static void test_accepts_a_few(void **state)
{
        (void)state;
        int fds[MANY];
        connect_many(fds);
        for (size_t n = ACCEPTS; n <= MANY; n += ACCEPTS) {
                one_turn();
                assert_int_equal(http_connections(live.http), n);
        }
        close_many(fds);
}

static void test_one_request_of_each(void **state)
{
        (void)state;
        int greedy = live_connect(), other = live_connect();
        say(greedy, GET_OK GET_OK GET_OK GET_OK);
        one_turn();
        assert_int_equal(answers(greedy), 1);
        say(other, GET_OK); /* comes while three of the first still wait */
        one_turn();
        assert_int_equal(answers(other), 1);
        assert_int_equal(answers(greedy), 1);
        one_turn();
        one_turn();
        assert_int_equal(answers(greedy), 2);
        one_turn();
        assert_int_equal(live_calls, 5);
        close(greedy), close(other);
}

/* Those that go on share a tenth of a millisecond, which one handler may use up; each gets its turn all the same. */
static void test_time_is_shared(void **state)
{
        (void)state;
        int a = live_connect(), b = live_connect();
        live.step_ns = 200000;
        say(a, GET_OK GET_OK GET_OK);
        say(b, GET_OK GET_OK GET_OK);
        one_turn();
        assert_int_equal(live_calls, 2);
        for (unsigned calls = 3; calls <= 6; calls++) {
                one_turn();
                assert_int_equal(live_calls, calls);
                assert_int_equal(answers(a) + answers(b), calls == 3 ? 3 : 1);
        }
        close(a), close(b);
}

/* A millisecond at most: the next few endings, or whatever else comes. */
static void next_endings(void)
{
        event_base_loop(loop_base(live.server->loop), EVLOOP_ONCE);
}

static void test_ends_a_few(void **state)
{
        (void)state;
        int fds[MANY];
        connect_many(fds);
        live_turn();
        for (int i = 0; i < MANY; i++)
                say(fds[i], "GET /ok HTTP/1.1\r\n");
        live_turn();
        live.now_ns += UINT64_C(5001) * 1000000;
        http_sweep(live.http);
        size_t ended = 0;
        for (int turns = 0; ended < MANY && turns < 10 * MANY; turns++) {
                size_t before = ended;
                for (int i = 0; i < MANY; i++)
                        ended += answers(fds[i]);
                assert_true(ended - before <= 2 * ENDS); /* on a slow machine the sweep's own timer comes between */
                next_endings();
        }
        assert_int_equal(ended, MANY);
        live_pass(2001);
        for (int turns = 0; http_connections(live.http) > 0 && turns < 10 * MANY; turns++)
                next_endings();
        assert_int_equal(http_connections(live.http), 0);
        close_many(fds);
}

static void test_leaves_while_it_waits(void **state)
{
        (void)state;
        int a = live_connect(), b = live_connect();
        say(a, GET_OK GET_OK);
        say(b, GET_OK GET_OK);
        one_turn();
        assert_non_null(live.http->later_first);
        conn_close(live.http->later_first);
        live_turn();
        assert_null(live.http->later_first);
        assert_null(live.http->later_last);
        assert_int_equal(http_connections(live.http), 1);
        assert_int_equal(live_calls, 3);
        close(a), close(b);
}

/* However long its turn takes to come: input that waits is neither thrown away nor idle. */
static void test_keeps_what_waits(void **state)
{
        (void)state;
        int a = live_connect();
        say(a, GET_OK GET_OK "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n");
        one_turn();
        assert_int_equal(live_calls, 1);
        assert_true(live.http->conns[0]->later);
        for (int i = 0; i < 2; i++) {
                live.now_ns += UINT64_C(90000) * 1000000;
                http_sweep(live.http);
                assert_int_equal(http_connections(live.http), 1);
                assert_non_null(live.http->conns[0]->in);
        }
        live_turn();
        say(a, GET_OK); /* a body, though it reads like a request */
        live_turn();
        assert_int_equal(live_calls, 2);
        say(a, "12345");
        live_turn();
        assert_int_equal(answers(a), 3);
        assert_int_equal(live_calls, 3);
        assert_int_equal(live_last_body, 34);
        close(a);
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

int main(void)
{
        static const struct CMUnitTest tests[] = {
            LIVE(test_accepts_a_few),
            LIVE(test_one_request_of_each),
            LIVE(test_time_is_shared),
            LIVE(test_ends_a_few),
            LIVE(test_leaves_while_it_waits),
            LIVE(test_keeps_what_waits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
