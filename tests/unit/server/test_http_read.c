/* Live requests: every case of http_cases.h, answers and problems to the letter, order, bodies, 100-continue, 413
 * early. */
#include "http_cases.h"
#include "http_live.h"
#include "server/http_internal.h"
#include "server/metrics.h"
#include "server/server.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"
#define GET_OK "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_LATER "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"

static size_t count(const char *text, const char *what)
{
        size_t n = 0;
        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

static void check_case(const struct http_case *c, const char *text, int closed)
{
        char begin[64];
        int status = c->problem ? problem_status(c->problem) : 200;
        snprintf(begin, sizeof(begin), "HTTP/1.1 %d ", status);
        const char *answer = strncmp(text, "HTTP/1.1 100 ", 13) == 0 ? strstr(text, "\r\n\r\n") + 4 : text;
        if (c->then == WAIT && (text[0] || closed))
                fail_msg("%s: an answer too early: %s", c->name, text);
        if (c->then != WAIT && (strncmp(answer, begin, strlen(begin)) != 0 || count(answer, "\r\nDate: ") != 1))
                fail_msg("%s: wanted one %d, got %s", c->name, status, text);
        if (closed != (c->then == CLOSE) || (strstr(text, "Connection: close") != NULL) != closed)
                fail_msg("%s: closed %d: %s", c->name, closed, text);
}

static void test_cases(void **state)
{
        (void)state;
        static char text[65536];
        for (size_t i = 0; i < N_HTTP_CASES; i++) {
                const struct http_case *c = &http_cases[i];
                for (int drip = 0; drip < 2; drip++) {
                        int closed, fd = live_connect();
                        for (size_t k = 0; k < c->n; k += drip ? 1 : c->n)
                                live_send(fd, c->bytes + k, drip ? 1 : c->n);
                        live_read(fd, text, sizeof(text), &closed);
                        check_case(c, text, closed);
                        if (c->then == KEEP) {
                                live_say(fd, GET_OK);
                                live_expect(fd, OK);
                        }
                        close(fd);
                        live_turn();
                        assert_int_equal(http_connections(live.http), 0);
                }
        }
}

static void test_answer_to_the_letter(void **state)
{
        (void)state;
        char text[1000];
        int closed, fd = live_connect();
        live_say(fd, GET_OK);
        live_read(fd, text, sizeof(text), &closed);
        assert_string_equal(text, OK "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
                                     "Content-Length: 5\r\n\r\nfine\n");
        live_pass(1000);
        live_say(fd, "HEAD /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_string_equal(text, OK "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\nContent-Type: text/plain\r\n"
                                     "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n");
        close(fd);
}

static void test_problem_to_the_letter(void **state)
{
        (void)state;
        char text[2000];
        int closed, fd = live_connect();
        live_say(fd, "GET /label HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 422 Unprocessable Content\r\n", 36);
        assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
        assert_non_null(strstr(text, "\"type\":\"urn:ewcd:problem:unknown-label\""));
        assert_non_null(strstr(text, "\"instance\":\"urn:uuid:"));
        assert_non_null(strstr(text, "\"pointer\":\"/events/0/label\""));
        assert_false(closed);
        static const struct {
                const char *accept, *type;
        } rows[] = {
            {"application/problem+json", "application/problem+json"},
            {"application/json, application/problem+json", "application/json"},
            {"application/problem+json, application/json", "application/problem+json"},
            {"application/json;q=0.5 , application/problem+json;q=0.9", "application/problem+json"},
            {"application/problem+json;q=0", "application/json"},
            {"*/*", "application/json"},
            {"application/problem+jsonx", "application/json"},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char ask[300], want[100];
                snprintf(ask, sizeof(ask), "GET /label HTTP/1.1\r\nHost: a\r\nAccept: %s\r\n\r\n", rows[i].accept);
                snprintf(want, sizeof(want), "Content-Type: %s\r\n", rows[i].type);
                live_say(fd, ask);
                live_read(fd, text, sizeof(text), &closed);
                if (!strstr(text, want))
                        fail_msg("Accept: %s gave %s", rows[i].accept, text);
        }
        close(fd);
}

static void test_errors(void **state)
{
        (void)state;
        char text[2000];
        int closed, fd = live_connect();
        fflush(stderr);
        int saved = dup(2), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 2); /* the log line this is meant to make */
        live_say(fd, "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n");
        dup2(saved, 2);
        close(saved), close(null);
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 500 ", 13);
        assert_null(strstr(text, "secret"));
        live_say(fd, "GET /full HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 503 ", 13);
        assert_non_null(strstr(text, "Retry-After: 1\r\n"));
        assert_int_equal(atomic_load(&live.metrics->rejected), 1);
        live_say(fd, "GET /arg HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 404 ", 13);
        assert_non_null(strstr(text, "no such path; near it: /arg/{a}\""));
        live_say(fd, "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 405 ", 13);
        assert_non_null(strstr(text, "Allow: POST, PUT\r\n"));
        live_say(fd, "POST /ok HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_non_null(strstr(text, "Allow: GET, HEAD\r\n"));
        live_say(fd, "GET /arg/a%2Fb?p=1&q=%22x HTTP/1.1\r\nHost: a\r\n\r\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_non_null(strstr(text, "{\"arg\":\"a/b\",\"q\":\"\"x\"}"));
        assert_null(strstr(text, "\nX-Evil"));
        live_say(fd, GET_OK);
        live_expect(fd, OK);
        live_say(fd, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
        live_expect(fd, "HTTP/1.1 404 ");
        live_expect_closed(fd);
}

/* It would be ignored; whoever sends it counts on it. Reading needs no such key. */
static void test_idempotency_key(void **state)
{
        (void)state;
        char text[2000];
        int closed, fd = live_connect();
        live_say(fd, "GET /ok HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 7\r\n\r\n");
        live_expect(fd, OK);
        live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nidempotency-key:\r\nContent-Length: 3\r\n\r\nabc");
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 501 ", 13);
        assert_non_null(strstr(text, "Idempotency-Key"));
        assert_non_null(strstr(text, "event_id"));
        assert_int_equal(live_calls, 1);
        live_expect_closed(fd);
}

static void test_too_large_is_said_early(void **state)
{
        (void)state;
        int fd = live_connect();
        live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
        live_expect(fd, "HTTP/1.1 413 ");
        live_say(fd, "here it comes all the same");
        live_expect_closed(fd);
        fd = live_connect();
        live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n");
        live_expect(fd, "HTTP/1.1 415 ");
        live_expect_closed(fd);
        assert_int_equal(live_calls, 0);
}

static void test_continue(void **state)
{
        (void)state;
        int fd = live_connect();
        for (int i = 0; i < 2; i++) {
                live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
                live_expect(fd, "HTTP/1.1 100 Continue\r\n\r\n");
                live_expect_silence(fd);
                live_say(fd, "abc");
                live_expect(fd, OK);
        }
        live_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
        live_expect(fd, OK); /* the body is here: nothing to ask for */
        live_say(fd, "GET /ok HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
        live_expect(fd, OK);
        live_say(fd, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        live_expect(fd, "HTTP/1.1 404 ");
        live_expect_closed(fd);
}

static void test_pipelining(void **state)
{
        (void)state;
        static char text[65536];
        char many[8000];
        size_t n = 0;
        for (int i = 0; i < 100; i++)
                n += (size_t)snprintf(many + n, sizeof(many) - n, "GET /arg/%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        int closed, fd = live_connect();
        live_send(fd, many, n);
        live_read(fd, text, sizeof(text), &closed);
        const char *at = text;
        for (int i = 0; i < 100; i++) {
                char want[40];
                snprintf(want, sizeof(want), "\"arg\":\"%d\"", i);
                at = strstr(at, "\"arg\"");
                assert_non_null(at);
                assert_memory_equal(at, want, strlen(want));
                at++;
        }
        close(fd);
}

/* The second waits until the first, whose answer is late, has been answered. */
static void test_pipelining_behind_a_late_answer(void **state)
{
        (void)state;
        int fd = live_connect();
        live_say(fd, GET_LATER "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" GET_LATER);
        live_expect_silence(fd);
        assert_int_equal(live_calls, 1);
        live_later(202);
        char text[1000];
        int closed;
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 202 Accepted\r\n", 23);
        assert_non_null(strstr(text, "abc"));
        assert_int_equal(count(text, "HTTP/1.1 "), 2);
        assert_int_equal(live_calls, 3);
        live_later(200);
        live_expect(fd, OK);
        close(fd);
}

static void test_large_bodies(void **state)
{
        (void)state;
        enum { N = 3 << 20 };
        static char text[N + 1000];
        static char body[N + 64];
        int closed, fd = live_connect();
        for (int chunked = 0; chunked < 2; chunked++) {
                size_t head = (size_t)sprintf(body, "PUT /echo HTTP/1.1\r\nHost: a\r\n%s: %s\r\n\r\n",
                    chunked ? "Transfer-Encoding" : "Content-Length", chunked ? "chunked" : "3145728");
                live_send(fd, body, head);
                memset(body, 'x', N);
                for (size_t at = 0; chunked && at < N; at += N / 8) {
                        live_say(fd, "60000\r\n");
                        live_send(fd, body + at, N / 8);
                        live_say(fd, "\r\n");
                }
                if (chunked)
                        live_say(fd, "0\r\n\r\n");
                else
                        live_send(fd, body, N);
                size_t n = live_read(fd, text, sizeof(text), &closed);
                assert_int_equal(live_last_body, N);
                assert_memory_equal(text, OK, sizeof(OK) - 1);
                assert_memory_equal(text + n - N, body, N);
                assert_false(closed);
                assert_true(live.http->conns[0]->in_cap <= HTTP_KEEP); /* such room is not kept for the next */
        }
        live_say(fd, GET_OK);
        live_expect(fd, OK);
        close(fd);
}

/* Nothing of the request before shows in the answer to one that never became a request. */
static void test_refused_after_another(void **state)
{
        (void)state;
        char text[1000];
        int closed, fd = live_connect();
        live_say(fd, "HEAD /ok HTTP/1.1\r\nHost: a\r\nAccept: application/problem+json\r\n\r\n");
        live_expect(fd, OK);
        live_say(fd, "\n");
        live_read(fd, text, sizeof(text), &closed);
        assert_memory_equal(text, "HTTP/1.1 400 ", 13);
        assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
        assert_non_null(strstr(text, "\"status\":400"));
        assert_true(closed);
        assert_int_equal(atomic_load(&live.metrics->route[METRICS_ROUTES - 1].by_class[4]), 1);
        close(fd);
}

static void test_every_problem_has_a_status(void **state)
{
        (void)state;
        for (int p = PROBLEM_NONE + 1; p < PROBLEM_COUNT; p++) {
                int status = problem_status((enum problem)p);
                assert_true(status >= 400 && status < 600);
                assert_int_equal(status == 500, p == PROBLEM_INTERNAL);
                assert_string_not_equal(http_reason(status), "Unknown");
        }
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, live_setup, live_teardown)

int main(void)
{
        static const struct CMUnitTest tests[] = {
            LIVE(test_cases),
            LIVE(test_answer_to_the_letter),
            LIVE(test_problem_to_the_letter),
            LIVE(test_errors),
            LIVE(test_idempotency_key),
            LIVE(test_too_large_is_said_early),
            LIVE(test_continue),
            LIVE(test_pipelining),
            LIVE(test_pipelining_behind_a_late_answer),
            LIVE(test_large_bodies),
            LIVE(test_refused_after_another),
            cmocka_unit_test(test_every_problem_has_a_status),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
