/* A prediction allocates nothing on its serving thread once the first have been made: by the Open Inference
 * Protocol, as JSON and in the binary form, and by the short form, which names and remembers each. */
#include "daemon/serve_thread.h"
#include "house.h"
#include "lib/count_alloc.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

enum { INPUTS = 784, WARM = 8, ROUNDS = 200 };

static struct house h;

static int setup(void **state)
{
        (void)state;
        struct http_answer a = {0};
        static const char model[] =
            "{\"name\":\"m\",\"input\":{\"name\":\"x\",\"shape\":[784]},\"scenario\":\"domain\","
            "\"classes\":[\"a\",\"b\",\"c\"],\"task\":\"one\",\"layers\":"
            "[{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"}]}";
        house_make(&h);
        house_start(&h);
        assert_int_equal(http_client_call(&h.http, "POST", "/v2/models", "Content-Type: application/json\r\n", model,
                             sizeof(model) - 1, &a),
            0);
        assert_int_equal(a.status, 201);
        http_answer_deinit(&a);
        for (size_t i = 0; i < h.app.serve->n; i++)
                watched[i] = h.app.serve->threads[i].thread;
        n_watched = h.app.serve->n;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        n_watched = 0;
        house_remove(&h);
        return 0;
}

static int connected(void)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        strcpy(a.sun_path, h.conf.listen_socket);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        return fd;
}

/* One answer is one write here, so one read takes it. */
static void exchange(int fd, const char *request, size_t n, char *answer, size_t size)
{
        for (size_t at = 0; at < n;) {
                ssize_t sent = send(fd, request + at, n - at, MSG_NOSIGNAL);
                assert_true(sent > 0);
                at += (size_t)sent;
        }
        ssize_t got = recv(fd, answer, size - 1, 0);
        assert_true(got > 0);
        answer[got] = '\0';
}

static void check(const char *request, size_t n)
{
        static char answer[16384];
        int fd = connected();
        for (int i = 0; i < WARM; i++)
                exchange(fd, request, n, answer, sizeof(answer));
        if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
                fail_msg("%s", answer);
        size_t before = n_watched_allocations;
        assert_true(before > 0 || !ALLOCATIONS_COUNTED); /* the first ones were seen */
        for (int i = 0; i < ROUNDS; i++)
                exchange(fd, request, n, answer, sizeof(answer));
        assert_int_equal(n_watched_allocations - before, 0);
        close(fd);
}

static size_t put_head(char *to, const char *verb, size_t json, size_t n)
{
        size_t len =
            (size_t)sprintf(to, "POST /v2/models/m/%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n", verb, n);
        if (json < n)
                len += (size_t)sprintf(to + len, "Inference-Header-Content-Length: %zu\r\n", json);
        return len + (size_t)sprintf(to + len, "\r\n");
}

static void test_json(void **state)
{
        (void)state;
        static char body[INPUTS * 12 + 200], request[sizeof(body) + 300];
        size_t n =
            (size_t)sprintf(body, "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,784],\"datatype\":\"FP32\",\"data\":[");
        for (int i = 0; i < INPUTS; i++)
                n += (size_t)sprintf(body + n, "%s%.8f", i > 0 ? "," : "", (i * 7919 % 1000) / 1000.0);
        n += (size_t)sprintf(body + n, "]}]}");
        size_t head = put_head(request, "infer", n, n);
        memcpy(request + head, body, n);
        check(request, head + n);
}

static void test_binary(void **state)
{
        (void)state;
        static char body[INPUTS * 4 + 300], request[sizeof(body) + 300];
        size_t json = (size_t)sprintf(body, "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,784],\"datatype\":\"FP32\","
                                            "\"parameters\":{\"binary_data_size\":3136}}],"
                                            "\"parameters\":{\"binary_data_output\":true}}");
        for (int i = 0; i < INPUTS; i++) {
                float v = (float)(i * 7919 % 1000) / 1000.0f;
                memcpy(body + json + 4 * i, &v, sizeof(v));
        }
        size_t n = json + INPUTS * 4, head = put_head(request, "infer", json, n);
        memcpy(request + head, body, n);
        check(request, head + n);
}

static void test_predict(void **state)
{
        (void)state;
        static char body[INPUTS * 12 + 200], request[sizeof(body) + 300], answer[16384];
        size_t n = (size_t)sprintf(body, "{\"inputs\":[[");
        for (int i = 0; i < INPUTS; i++)
                n += (size_t)sprintf(body + n, "%s%.8f", i > 0 ? "," : "", (i * 7919 % 1000) / 1000.0);
        n += (size_t)sprintf(body + n, "]]}");
        size_t head = put_head(request, "predict", n, n);
        memcpy(request + head, body, n);
        check(request, head + n);
        int fd = connected();
        exchange(fd, request, head + n, answer, sizeof(answer));
        assert_non_null(strstr(answer, "\"id\":\""));
        close(fd);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_json),
            cmocka_unit_test(test_binary),
            cmocka_unit_test(test_predict),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
