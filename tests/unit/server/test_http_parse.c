/* Parser: every case of http_cases.h in one piece, byte by byte and cut in two at every place; then the limits. */
#include "server/http_parse.h"
#include "http_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct outcome {
        enum problem problem;
        enum case_then then;
        size_t used; /* bytes of the request, when it was good */
        size_t body;
        char bytes[2 * CASE_LIMIT];
};

/* What a connection does, without one: bytes come in pieces that end at the ascending cuts[]. */
struct reader {
        struct http_scan scan;
        struct http_head head;
        struct http_header headers[REQUEST_MAX_HEADERS];
        struct http_chunked chunked;
        bool in_body, done;
        size_t at;
        struct outcome out;
};

static void fail_with(struct reader *r, enum problem p)
{
        assert_int_not_equal(p, PROBLEM_NONE);
        r->done = true;
        r->out.problem = p;
        r->out.then = CLOSE;
}

static void read_head(struct reader *r, const char *p, size_t n)
{
        enum http_step s = http_scan(&r->scan, p, n);
        if (s == HTTP_BAD)
                fail_with(r, r->scan.problem);
        if (s != HTTP_DONE)
                return;
        enum problem bad = http_parse_head(p + r->scan.start, r->scan.size - r->scan.start, r->headers, &r->head);
        if (bad != PROBLEM_NONE) {
                assert_non_null(r->head.why);
                fail_with(r, bad);
                return;
        }
        bool post = r->head.method == METHOD_POST;
        if (r->head.length > (post ? CASE_LIMIT : 0)) {
                fail_with(r, PROBLEM_TOO_LARGE);
                return;
        }
        r->in_body = true;
        r->at = r->scan.size;
        r->chunked.limit = post ? CASE_LIMIT : 0;
}

static void read_body(struct reader *r, const char *p, size_t n)
{
        struct slice data;
        const char *from = p + r->at;
        size_t left = n - r->at;
        enum http_step s = HTTP_MORE;
        if (!r->head.chunked) {
                if (left < r->head.length)
                        return;
                s = HTTP_DONE;
                r->out.body = (size_t)r->head.length;
                memcpy(r->out.bytes, from, r->out.body);
                r->at += r->out.body;
        }
        while (s == HTTP_MORE && left > 0) {
                s = http_chunked(&r->chunked, &from, &left, &data);
                assert_true(r->out.body + data.n <= CASE_LIMIT);
                if (data.n > 0)
                        memcpy(r->out.bytes + r->out.body, data.p, data.n);
                r->out.body += data.n;
                r->at = (size_t)(from - p);
        }
        if (s == HTTP_BAD)
                fail_with(r, r->chunked.problem);
        if (s != HTTP_DONE)
                return;
        r->done = true;
        r->out.then = r->head.keep_alive ? KEEP : CLOSE;
        r->out.used = r->at;
}

static void feed(struct reader *r, const char *p, size_t n)
{
        char *copy = malloc(n ? n : 1); /* of exactly the bytes received, elsewhere each time: for the sanitizer */
        memcpy(copy, p, n);
        if (!r->done && !r->in_body)
                read_head(r, copy, n);
        if (!r->done && r->in_body)
                read_body(r, copy, n);
        free(copy);
}

static struct outcome run(const char *p, size_t n, size_t first, size_t step)
{
        struct reader r = {.out.then = WAIT};
        feed(&r, p, first);
        for (size_t i = first; i < n && !r.done; i += step)
                feed(&r, p, n - i < step ? n : i + step);
        return r.out;
}

static void check_same(const char *name, const struct outcome *a, const struct outcome *b, size_t cut)
{
        if (a->problem != b->problem || a->then != b->then || a->used != b->used || a->body != b->body ||
            memcmp(a->bytes, b->bytes, a->body) != 0)
                fail_msg("%s: cut at %zu gives problem %d then %d, whole %d then %d", name, cut, (int)b->problem,
                    (int)b->then, (int)a->problem, (int)a->then);
}

static void test_cases(void **state)
{
        (void)state;
        assert_true(N_HTTP_CASES >= 110);
        for (size_t i = 0; i < N_HTTP_CASES; i++) {
                const struct http_case *c = &http_cases[i];
                struct outcome whole = run(c->bytes, c->n, c->n, 1);
                if (whole.problem != c->problem || whole.then != c->then)
                        fail_msg("%s: problem %d then %d, wanted %d then %d", c->name, (int)whole.problem,
                            (int)whole.then, (int)c->problem, (int)c->then);
                if (c->problem == PROBLEM_NONE && c->then != WAIT)
                        assert_int_equal(whole.used, c->n);
                for (size_t cut = 0; cut <= c->n; cut++) {
                        struct outcome two = run(c->bytes, c->n, cut, c->n);
                        check_same(c->name, &whole, &two, cut);
                }
                struct outcome drip = run(c->bytes, c->n, 0, 1);
                check_same(c->name, &whole, &drip, SIZE_MAX);
        }
}

static void test_slices(void **state)
{
        (void)state;
        static const char text[] =
            "PUT http://h/a%2Fb/c?x=1&y HTTP/1.1\r\nhost: h\r\nX-Y: \t v w\t\r\nConnection: a, b\r\n"
            "Content-Length: 7\r\nExpect: 100-Continue\r\n\r\nrest";
        struct http_scan scan = {0};
        struct http_head head;
        struct http_header headers[REQUEST_MAX_HEADERS];
        assert_int_equal(http_scan(&scan, text, sizeof(text) - 1), HTTP_DONE);
        assert_int_equal(scan.size, sizeof(text) - 1 - 4);
        assert_int_equal(http_parse_head(text, scan.size, headers, &head), PROBLEM_NONE);
        assert_int_equal(head.method, METHOD_PUT);
        assert_int_equal(head.minor, 1);
        assert_true(slice_eq(head.path, "/a%2Fb/c") && head.escaped);
        assert_true(slice_eq(head.query, "x=1&y"));
        assert_int_equal(head.n_headers, 5);
        assert_true(slice_eq(headers[1].name, "X-Y") && slice_eq(headers[1].value, "v w"));
        assert_true(head.length == 7 && !head.chunked && head.keep_alive && head.expect_continue);
}

static void test_no_path_in_absolute_form(void **state)
{
        (void)state;
        static const char text[] = "GET HTTPS://h?q HTTP/1.0\r\nExpect: 100-continue\r\n\r\n";
        struct http_head head;
        struct http_header headers[REQUEST_MAX_HEADERS];
        assert_int_equal(http_parse_head(text, sizeof(text) - 1, headers, &head), PROBLEM_NONE);
        assert_true(slice_eq(head.path, "/") && slice_eq(head.query, "q") && !head.escaped);
        assert_false(head.keep_alive || head.expect_continue);
}

static void test_unescape(void **state)
{
        (void)state;
        char out[16];
        size_t n = http_unescape(slice_of("a%2Fb%c3%A4%25"), out);
        assert_int_equal(n, 6);
        assert_memory_equal(out, "a/b\xc3\xa4%", 6);
        char in_place[] = "%41%42c";
        assert_int_equal(http_unescape(slice_of(in_place), in_place), 3);
        assert_memory_equal(in_place, "ABc", 3);
}

/* A request line of n bytes with its CR. */
static char *long_line(size_t n, size_t *ret_n)
{
        static char p[2 * HTTP_MAX_LINE];
        int head = sprintf(p, "GET /"), tail = (int)sizeof(" HTTP/1.1\r") - 1;
        memset(p + head, 'a', n - (size_t)head - (size_t)tail);
        sprintf(p + n - tail, " HTTP/1.1\r\nHost: a\r\n\r\n");
        *ret_n = strlen(p);
        return p;
}

static void test_limits(void **state)
{
        (void)state;
        for (size_t over = 0; over < 2; over++) {
                size_t n;
                char *p = long_line(HTTP_MAX_LINE + over, &n);
                struct outcome o = run(p, n, n, 1), drip = run(p, n, n - 40, 1);
                assert_int_equal(o.problem, over ? PROBLEM_URI_TOO_LONG : PROBLEM_NONE);
                check_same("long line", &o, &drip, n - 40);
        }
        char endless[HTTP_MAX_LINE + 1];
        memset(endless, 'a', sizeof(endless));
        assert_int_equal(run(endless, HTTP_MAX_LINE, HTTP_MAX_LINE, 1).then, WAIT);
        assert_int_equal(run(endless, HTTP_MAX_LINE + 1, HTTP_MAX_LINE + 1, 1).problem, PROBLEM_URI_TOO_LONG);
        assert_true(HTTP_MAX_HEAD >= 2 + HTTP_MAX_LINE + 1 + HTTP_MAX_FIELDS + 1);
}

static size_t put_fields(char *p, size_t count, size_t value)
{
        size_t n = (size_t)sprintf(p, "GET /ok HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < count; i++)
                n += (size_t)sprintf(p + n, "X: %0*d\r\n", (int)value, 0);
        return n + (size_t)sprintf(p + n, "\r\n");
}

static void test_field_limits(void **state)
{
        (void)state;
        static char p[65536];
        size_t n = put_fields(p, REQUEST_MAX_HEADERS, 1);
        assert_int_equal(run(p, n, n, 1).problem, PROBLEM_NONE);
        n = put_fields(p, REQUEST_MAX_HEADERS + 1, 1);
        assert_int_equal(run(p, n, n, 1).problem, PROBLEM_HEADERS_TOO_LARGE);
        assert_int_equal(run(p, n, 0, 1).problem, PROBLEM_HEADERS_TOO_LARGE);
        n = put_fields(p, 60, 300);
        assert_int_equal(run(p, n, n, 1).problem, PROBLEM_HEADERS_TOO_LARGE);
        assert_int_equal(run(p, n, HTTP_MAX_FIELDS - 200, 1).problem, PROBLEM_HEADERS_TOO_LARGE);
        n = put_fields(p, 50, 300);
        assert_int_equal(run(p, n, n, 1).problem, PROBLEM_NONE);
}

static enum problem chunks(size_t count, const char *chunk, const char *tail)
{
        struct http_chunked c = {.limit = SIZE_MAX / 2};
        enum http_step s = HTTP_MORE;
        for (size_t i = 0; i <= count && s == HTTP_MORE; i++) {
                const char *p = i < count ? chunk : tail;
                size_t n = strlen(p);
                struct slice data;
                while (n > 0 && s == HTTP_MORE)
                        s = http_chunked(&c, &p, &n, &data);
        }
        return s == HTTP_BAD ? c.problem : PROBLEM_NONE;
}

static void test_chunk_limits(void **state)
{
        (void)state;
        assert_int_equal(chunks(HTTP_MAX_CHUNKS, "1\r\na\r\n", "0\r\n\r\n"), PROBLEM_NONE);
        assert_int_equal(chunks(HTTP_MAX_CHUNKS + 1, "1\r\na\r\n", "0\r\n\r\n"), PROBLEM_TOO_LARGE);
        assert_int_equal(chunks(3000, "1;abcdefgh\r\na\r\n", "0\r\n\r\n"), PROBLEM_HEADERS_TOO_LARGE);
        static char trailers[65536];
        size_t n = (size_t)sprintf(trailers, "0\r\n");
        for (size_t i = 0; i < 3000; i++)
                n += (size_t)sprintf(trailers + n, "A: bcd\r\n");
        sprintf(trailers + n, "\r\n");
        assert_int_equal(chunks(0, "", trailers), PROBLEM_HEADERS_TOO_LARGE);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_cases),
            cmocka_unit_test(test_slices),
            cmocka_unit_test(test_unescape),
            cmocka_unit_test(test_no_path_in_absolute_form),
            cmocka_unit_test(test_limits),
            cmocka_unit_test(test_field_limits),
            cmocka_unit_test(test_chunk_limits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
