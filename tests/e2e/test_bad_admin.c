/* test_bad_admin.c: resources that are not there, methods that do not fit, bodies that are too large, framing that is
 * no HTTP, and a second job while one runs. */
#include "bad.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void test_administration(void **state)
{
        static const struct row rows[] = {
            {404, "unknown-model", "", "GET", "/v2/models/nothing", NULL, 0},
            {404, "unknown-model", "", "GET", "/v2/models/nothing/tasks", NULL, 0},
            {404, "unknown-model", "", "GET", "/v2/models/nothing/versions", NULL, 0},
            {404, "unknown-model", "", "GET", "/v2/models/nothing/jobs", NULL, 0},
            {404, "unknown-model", "", "GET", "/v2/models/nothing/aliases/champion", NULL, 0},
            {404, "unknown-model", "", "POST", "/v2/models/nothing/jobs", "{\"kind\":\"consolidate\"}", 0},
            {404, "unknown-model", "", "GET", "/v2/models/..%2f..%2fetc", NULL, 0},
            {404, "unknown-model", "", "GET", "/v2/models/a%2Fb/tasks", NULL, 0},
            {404, "unknown-version", "", "GET", "/v2/models/digits/versions/99", NULL, 0},
            {404, "unknown-version", "", "GET", "/v2/models/digits/versions/0", NULL, 0},
            {404, "unknown-version", "", "GET", "/v2/models/digits/versions/99999999999999999999", NULL, 0},
            {404, "unknown-version", "", "GET", "/v2/models/digits/versions/@nobody", NULL, 0},
            {404, "unknown-version", "", "GET", "/v2/models/digits/versions/x", NULL, 0},
            {404, "unknown-alias", "", "GET", "/v2/models/digits/aliases/nobody", NULL, 0},
            {400, "bad-name", NULL, "GET", "/v2/models/digits/aliases/no%20body", NULL, 0},
            {404, "unknown-job", "", "GET", "/v2/models/digits/jobs/99", NULL, 0},
            {404, "unknown-job", "", "GET", "/v2/models/digits/jobs/x", NULL, 0},
            {404, "unknown-job", "", "DELETE", "/v2/models/digits/jobs/99", NULL, 0},
            {409, "conflict", "", "DELETE", "/v2/models/digits/jobs/1", NULL, 0},
            {400, "bad-value", "/kind", "POST", "/v2/models/digits/jobs", "{\"kind\":\"dance\"}", 0},
            {400, "bad-value", "/kind", "POST", "/v2/models/digits/jobs", "{\"kind\":\"rollover\"}", 0},
            {400, "bad-value", "/kind", "POST", "/v2/models/digits/jobs", "{\"kind\":5}", 0},
            {400, "bad-value", "/kind", "POST", "/v2/models/digits/jobs", "{}", 0},
            {400, "unknown-key", "/speed", "POST", "/v2/models/digits/jobs", "{\"kind\":\"consolidate\",\"speed\":1}",
                0},
            {409, "in-use", "/task", "POST", "/v2/models/digits/tasks", "{\"task\":\"low\"}", 0},
            {409, "in-use", "/task", "POST", "/v2/models/digits/tasks", "{\"task\":\"high\"}", 0},
            {400, "bad-name", "/task", "POST", "/v2/models/digits/tasks", "{\"task\":\"../low\"}", 0},
            {400, "bad-name", "/task", "POST", "/v2/models/digits/tasks", "{\"task\":\"\"}", 0},
            {400, "bad-value", "/task", "POST", "/v2/models/digits/tasks", "{\"task\":[]}", 0},
            {400, "bad-value", "/task", "POST", "/v2/models/digits/tasks", "{\"classes\":[\"1\"]}", 0},
            {422, "unknown-label", "/classes/1", "POST", "/v2/models/digits/tasks",
                "{\"task\":\"next\",\"classes\":[\"1\",\"cat\"]}", 0},
            {400, "bad-value", "/classes/1", "POST", "/v2/models/digits/tasks",
                "{\"task\":\"next\",\"classes\":[\"1\",\"1\"]}", 0},
            {400, "bad-value", "/classes", "POST", "/v2/models/digits/tasks", "{\"task\":\"next\",\"classes\":\"1\"}",
                0},
            {400, "unknown-key", "/klasses", "POST", "/v2/models/digits/tasks", "{\"task\":\"next\",\"klasses\":[]}",
                0},
            {428, "need-precondition", "", "PUT", "/v2/models/digits/aliases/champion", "{\"version\":\"1\"}", 0},
            {404, "not-found", "", "GET", "/", NULL, 0},
            {404, "not-found", "", "GET", "/v2/nothing", NULL, 0},
            {404, "not-found", "", "GET", "/v2/models/digits/nothing", NULL, 0},
            {404, "not-found", "", "GET", "/v2/models/digits/tasks/low", NULL, 0},
            {404, "not-found", "", "POST", "/v1/models/digits:predict", "{}", 0},
        };
        (void)state;
        CHECK(rows);
}

static void test_wrong_methods_name_the_right_ones(void **state)
{
        static const struct {
                const char *method, *path, *allow;
        } rows[] = {
            {"DELETE", "/v2/models", "GET, POST"},
            {"PUT", "/v2/models", "GET, POST"},
            {"DELETE", "/v2/models/digits", "GET"},
            {"GET", "/v2/models/digits/predict", "POST"},
            {"GET", "/v2/models/digits/infer", "POST"},
            {"POST", "/v2/models/digits/aliases/champion", "GET, PUT"},
            {"PUT", "/v2/models/digits/jobs/1", "GET, DELETE"},
            {"POST", "/healthz", "GET"},
            {"DELETE", "/metrics", "GET"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct http_answer a;
                ask(&bad.d, rows[i].method, rows[i].path, "", "", 0, &a);
                check_problem(&a, 405, "method", "");
                for (const char *p = rows[i].allow; *p;) {
                        char word[16];
                        size_t n = strcspn(p, ", ");
                        snprintf(word, sizeof(word), "%.*s", (int)n, p);
                        if (!strstr(a.allow, word))
                                fail_msg("%s %s: Allow is '%s'", rows[i].method, rows[i].path, a.allow);
                        p += n + strspn(p + n, ", ");
                }
                assert_null(strstr(a.allow, rows[i].method));
                http_answer_deinit(&a);
        }
        struct http_answer a;
        ask(&bad.d, "BREW", "/v2/models", "", NULL, 0, &a);
        check_problem(&a, 501, "unsupported", NULL);
        http_answer_deinit(&a);
        check_unharmed();
}

/* --- sizes --- */

static void send_raw(const char *head, const void *body, size_t n, int status, const char *slug)
{
        struct http_client c;
        struct http_answer a;
        http_client_unix(&c, bad.d.socket);
        assert_int_equal(http_client_send(&c, head, strlen(head)), 0);
        if (n > 0)
                assert_int_equal(http_client_send(&c, body, n), 0);
        int r = http_client_receive(&c, false, &a);
        if (r < 0)
                fail_msg("%.100s: no answer: %s", head, strerror(-r));
        check_problem(&a, status, slug, NULL);
        assert_true(a.closes);
        http_answer_deinit(&a);
        http_client_close(&c);
}

static void test_bodies_over_the_limit(void **state)
{
        static const struct {
                const char *path;
                size_t limit;
        } routes[] = {{"/v2/models/digits/predict", INFER_MAX}, {"/v2/models/digits/feedback", FEEDBACK_MAX},
            {"/v2/models", ADMIN_MAX}};
        (void)state;
        for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
                char head[256];
                struct buf chunks;
                snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                    routes[i].path, routes[i].limit + 1);
                send_raw(head, NULL, 0, 413, "too-large"); /* answered before a byte of the body */
                snprintf(head, sizeof(head),
                    "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n", routes[i].path);
                send_raw(head, NULL, 0, 413, "too-large");
                buf_init(&chunks, 64 << 20);
                for (size_t n = 0; n <= routes[i].limit; n += 65536) {
                        buf_puts(&chunks, "10000\r\n");
                        memset(buf_reserve(&chunks, 65536), ' ', 65536);
                        buf_advance(&chunks, 65536);
                        buf_puts(&chunks, "\r\n");
                }
                snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                    routes[i].path);
                send_raw(head, chunks.data, chunks.len, 413, "too-large");
                buf_deinit(&chunks);
        }
        check_unharmed();
}

static void test_bad_framing(void **state)
{
        static const struct {
                const char *head;
                int status;
                const char *slug;
        } rows[] = {
            {"POST /v2/models HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: "
             "chunked\r\n\r\n0\r\n\r\n",
                400, "malformed"},
            {"POST /v2/models HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400,
                "malformed"},
            {"POST /v2/models HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "malformed"},
            {"POST /v2/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "malformed"},
            {"POST /v2/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "unsupported"},
            {"POST /v2/models HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", 415,
                "media-type"},
            {"GET /v2/models HTTP/1.1\r\n\r\n", 400, "malformed"},
            {"GET /v2/models HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http-version"},
            {"GET /v2/models\r\n\r\n", 400, "malformed"},
            {"GET /v2/models HTTP/1.1\r\nHost: x\r\n bad: fold\r\n\r\n", 400, "malformed"},
            {"\x16\x03\x01\x02\r\n\r\n", 400, "malformed"},
        };
        char head[20000];
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                send_raw(rows[i].head, NULL, 0, rows[i].status, rows[i].slug);
        snprintf(head, sizeof(head), "GET /v2/%09000d HTTP/1.1\r\nHost: x\r\n\r\n", 0);
        send_raw(head, NULL, 0, 414, "uri-too-long");
        snprintf(head, sizeof(head), "GET /v2/models HTTP/1.1\r\nHost: x\r\nX: %017000d\r\n\r\n", 0);
        send_raw(head, NULL, 0, 431, "headers-too-large");
        check_unharmed();
}

static void repeat(struct buf *b, const char *s, size_t n)
{
        while (n-- > 0)
                buf_puts(b, s);
}

static void check_big(const char *path, const struct buf *b, int status, const char *one, const char *other)
{
        struct http_answer a;
        assert_true(buf_ok(b));
        ask(&bad.d, "POST", path, JSON_TYPE, b->data, b->len, &a);
        if (a.status != status)
                fail_msg("POST %s %.60s: status %d: %.300s", path, b->data, a.status, a.body.data);
        check_problem(&a, status, strstr(text_at(a.doc, "/type"), one) ? one : other, NULL);
        http_answer_deinit(&a);
}

static void test_huge_and_deep_bodies(void **state)
{
        static const char *const paths[] = {
            "/v2/models/digits/predict", "/v2/models/digits/infer", "/v2/models/digits/feedback"};
        struct buf b;
        (void)state;
        buf_init(&b, 64 << 20);
        for (size_t i = 0; i < 3; i++) {
                buf_reset(&b);
                repeat(&b, "[", 1000000);
                check_big(paths[i], &b, 400, "malformed", "bad-value");
                buf_reset(&b);
                repeat(&b, "{\"a\":", 500000);
                check_big(paths[i], &b, 400, "malformed", "unknown-key");
                buf_reset(&b);
                buf_puts(&b, i == 2 ? "{\"events\":" : "{\"inputs\":");
                repeat(&b, "[", 1000000);
                check_big(paths[i], &b, 400, i == 0 ? "bad-shape" : "malformed", "bad-value");
        }
        buf_reset(&b);
        buf_puts(&b, "{\"task\":\"low\",\"inputs\":[0");
        repeat(&b, ",1", 1000000);
        buf_puts(&b, "]}");
        check_big(paths[0], &b, 400, "bad-shape", "bad-shape");
        buf_reset(&b);
        buf_puts(&b, "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,1000001],\"data\":[0");
        repeat(&b, ",1", 1000000);
        buf_puts(&b, "]}]}");
        check_big(paths[1], &b, 400, "bad-shape", "bad-shape");
        buf_reset(&b);
        buf_puts(&b, "{\"events\":[{\"label\":\"5\",\"inputs\":[0");
        repeat(&b, ",1", 1000000);
        buf_puts(&b, "]}]}");
        check_big(paths[2], &b, 422, "all-rejected", "all-rejected");
        buf_reset(&b);
        repeat(&b, "[", 30000);
        check_big("/v2/models", &b, 400, "malformed", "bad-value");
        buf_reset(&b);
        buf_puts(&b, "{\"name\":\"m\",\"classes\":[\"0\"");
        for (int i = 1; i < 5000; i++)
                buf_printf(&b, ",\"%d\"", i);
        buf_puts(&b, "],"
                     "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"task\":\"t\",\"layers\":[]}");
        check_big("/v2/models", &b, 400, "bad-value", "bad-value");
        buf_deinit(&b);
        check_unharmed();
}

/* --- jobs --- */

static void test_one_job_at_a_time(void **state)
{
        static const struct description slow = {
            .name = "slow",
            .scenario = "domain",
            .classes = TEN_CLASSES,
            .task = "first",
            .learning = "{" ADAM "," BY_HAND ",\"epochs\":100000}",
        };
        struct http_answer a;
        char path[96];
        (void)state;
        model_create(&bad.d, &slow);
        expect_problem(&bad.d, 409, "conflict", "", "POST", "/v2/models/slow/jobs",
            "{\"kind\":\"consolidate\"}"); /* nothing to learn from */
        feedback_all(&bad.d, "slow", "s", &bad.low);
        uint64_t id = job_start(&bad.d, "slow", "tasks", "{\"task\":\"second\"}");
        job_reach(&bad.d, "slow", id, "running");
        expect_problem(&bad.d, 409, "busy", "", "POST", "/v2/models/slow/tasks", "{\"task\":\"third\"}");
        expect_problem(&bad.d, 409, "busy", "", "POST", "/v2/models/slow/jobs", "{\"kind\":\"consolidate\"}");
        snprintf(path, sizeof(path), "/v2/models/digits/jobs/%" PRIu64, id);
        expect_problem(&bad.d, 404, "unknown-job", "", "GET", path, NULL); /* another model's */
        snprintf(path, sizeof(path), "/v2/models/slow/jobs/%" PRIu64, id);
        expect(&bad.d, 202, "DELETE", path, NULL, NULL);
        job_end(&bad.d, "slow", id, "cancelled", NULL);
        expect_problem(&bad.d, 409, "conflict", "", "DELETE", path, NULL);
        expect(&bad.d, 200, "GET", "/v2/models/slow/tasks", NULL, &a);
        assert_int_equal(json_length(a.doc, "/tasks"), 1);
        assert_string_equal(text_at(a.doc, "/tasks/0/state"), "open");
        http_answer_deinit(&a);
        assert_int_equal(served_version(&bad.d, "slow"), 1);
        check_unharmed();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_administration),
            cmocka_unit_test(test_wrong_methods_name_the_right_ones),
            cmocka_unit_test(test_bodies_over_the_limit),
            cmocka_unit_test(test_bad_framing),
            cmocka_unit_test(test_huge_and_deep_bodies),
            cmocka_unit_test(test_one_job_at_a_time),
        };
        return cmocka_run_group_tests(tests, bad_setup, bad_teardown);
}
