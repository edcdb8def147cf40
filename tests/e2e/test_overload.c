/* test_overload.c: more than the daemon takes: clients over their quota, too many connections, a flood of one client
 * beside another, and that all is well at once when it ends. */
#include "e2e.h"
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RATE = 50, CONNECTIONS = 20 };

static struct daemon d;

static int setup(void **state)
{
        (void)state;
        daemon_init(&d);
        daemon_set(&d, "server.client_rate", "%d", RATE);
        daemon_set(&d, "server.client_connections", "%d", CONNECTIONS);
        daemon_set(&d, "server.max_connections", "%d", 2 * CONNECTIONS);
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        daemon_deinit(&d);
        return 0;
}

/* whole: a request was read, so that its answer has an instance. */
static int status_of(struct http_client *c, bool whole)
{
        struct http_answer a = {0};
        int r = http_client_call(c, "GET", "/v2/health/live", "", NULL, 0, &a);
        int status = r == 0 ? a.status : r;
        if (status == 429 && whole)
                check_problem(&a, 429, "quota", "");
        http_answer_deinit(&a);
        return status;
}

/* Over TCP a client has its quota a second and is told when to come again; the socket's users are not touched. */
static void test_rate(void **state)
{
        (void)state;
        struct http_client c;
        int good = 0, refused = 0;
        http_client_tcp(&c, d.port);
        uint64_t began = now_ms();
        for (int i = 0; i < 5 * RATE; i++) {
                int status = status_of(&c, true);
                assert_true(status == 200 || status == 429);
                good += status == 200;
                refused += status == 429;
                expect(&d, 200, "GET", "/v2/health/live", NULL, NULL);
        }
        uint64_t took = now_ms() - began;
        assert_true(refused > 0);
        assert_in_range(good, RATE, RATE + (int)(took * RATE / 1000) + 1);
        uint64_t until = now_ms() + 5000;
        while (status_of(&c, true) != 200) /* its share of a second later it may ask again */
                look_again(&d, until, "an answer within the quota");
        http_client_close(&c);
}

/* A client that opens all it can keeps nobody out, and has its own place again when it leaves. */
static void test_connections(void **state)
{
        (void)state;
        struct http_client c[CONNECTIONS + 1];
        uint64_t until = now_ms() + 5000;
        for (int i = 0; i <= CONNECTIONS; i++) {
                http_client_tcp(&c[i], d.port);
                int status = status_of(&c[i], i < CONNECTIONS);
                while (i < CONNECTIONS && status != 200) {
                        look_again(&d, until, "the quota of requests");
                        status = status_of(&c[i], i < CONNECTIONS);
                }
                if (i == CONNECTIONS)
                        assert_int_equal(status, 429);
        }
        expect(&d, 200, "GET", "/v2/health/live", NULL, NULL);
        http_client_close(&c[0]);
        while (status_of(&c[CONNECTIONS], false) != 200)
                look_again(&d, until, "a place for the connection");
        for (int i = 1; i <= CONNECTIONS; i++)
                http_client_close(&c[i]);
}

/* Beyond all that are allowed there is a 503, and the next is let in as soon as one has gone. */
static void test_all_connections(void **state)
{
        (void)state;
        struct http_client c[2 * CONNECTIONS];
        int n = 0, status = 200;
        while (n < 2 * CONNECTIONS && status == 200) {
                http_client_unix(&c[n], d.socket);
                status = status_of(&c[n++], false);
        }
        assert_int_equal(status, 503);
        assert_in_range(n, CONNECTIONS, 2 * CONNECTIONS);
        http_client_close(&c[0]);
        uint64_t until = now_ms() + 5000;
        while (status_of(&c[n - 1], false) != 200)
                look_again(&d, until, "a place for the connection");
        for (int i = 1; i < n; i++)
                http_client_close(&c[i]);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_rate),
            cmocka_unit_test(test_connections),
            cmocka_unit_test(test_all_connections),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
