/* After its first requests a connection allocates nothing: bodies of known length, chunks, pipelined requests. */
#include "http_live.h"
#include "lib/count_alloc.h"
#include "server/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { BODY = 9461, WARM = 4, ROUNDS = 200 };

static char request[2 * BODY + 1000], answer[4 * BODY];

static size_t put_body(char *at)
{
        memset(at, 'x', BODY);
        return BODY;
}

static void exchange(const char *text, size_t n, int fd)
{
        int closed;
        live_send(fd, text, n);
        assert_true(live_read(fd, answer, sizeof(answer), &closed) > 100);
        assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
        assert_false(closed);
}

static void check(size_t n)
{
        int fd = live_connect();
        for (int i = 0; i < WARM; i++)
                exchange(request, n, fd);
        size_t before = n_allocations;
        for (int i = 0; i < ROUNDS; i++)
                exchange(request, n, fd);
        assert_int_equal(n_allocations - before, 0);
        close(fd);
}

static void test_counter_counts(void **state)
{
        (void)state;
        size_t before = n_allocations;
        int fd = live_connect();
        if (ALLOCATIONS_COUNTED)
                assert_true(n_allocations > before);
        close(fd);
}

static void test_no_body(void **state)
{
        (void)state;
        static const char get[] = "GET /ok HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
        memcpy(request, get, sizeof(get) - 1);
        check(sizeof(get) - 1);
}

static void test_length(void **state)
{
        (void)state;
        size_t n = (size_t)sprintf(request, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", BODY);
        n += put_body(request + n);
        check(n);
}

static void test_chunks(void **state)
{
        (void)state;
        size_t n = (size_t)sprintf(
            request, "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", BODY);
        n += put_body(request + n);
        n += (size_t)sprintf(request + n, "\r\n3\r\nabc\r\n0\r\n\r\n");
        check(n);
}

static void test_pipelined(void **state)
{
        (void)state;
        size_t n = 0;
        for (int i = 0; i < 8; i++)
                n +=
                    (size_t)sprintf(request + n, "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n%05d", i);
        check(n);
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

int main(void)
{
        static const struct CMUnitTest tests[] = {
            LIVE(test_counter_counts),
            LIVE(test_no_body),
            LIVE(test_length),
            LIVE(test_chunks),
            LIVE(test_pipelined),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
