/* test_batch.c: predictions of many clients at once: every answer is the one its request gets alone, byte for byte; a
 * large request keeps nobody waiting; what is late is not computed, and neither is what nobody waits for. */
#include "e2e.h"
#include "base/str.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS = 4000, THREADS = 2, LINES = 48, LARGE = 4096, SMALL = 8 };

static struct daemon d;
static struct digits all;
static struct buf request[INPUTS]; /* each with an id of its own, and a row nobody else has */
static char *alone[INPUTS];
static struct buf large;

static const struct description quick = {
    .name = "quick",
    .scenario = "domain",
    .classes = TEN_CLASSES,
    .task = "one",
    .layers = "[{\"type\":\"dense\",\"units\":512,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":512,"
              "\"activation\":\"relu\"}]",
    .learning = "{" ADAM "," BY_HAND "}",
};
static const struct description slow = {
    .name = "slow",
    .scenario = "domain",
    .classes = TEN_CLASSES,
    .task = "one",
    .layers = "[{\"type\":\"dense\",\"units\":1536,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":1536,"
              "\"activation\":\"relu\"}]",
    .learning = "{" ADAM "," BY_HAND "}",
};

/* Rows of different sizes too, so that batches are cut at different places. */
static void write_request(struct buf *b, size_t i)
{
        size_t rows = i % 10 == 0 ? 3 : 1;
        buf_init(b, 1 << 20);
        buf_printf(b,
            "{\"id\":\"r%zu\",\"parameters\":{\"priority\":%zu},\"inputs\":[{\"name\":\"input\",\"shape\":[%zu,%d],"
            "\"datatype\":\"FP32\",\"data\":",
            i, i % 4, rows, DIGIT_PIXELS);
        buf_putc(b, '[');
        for (size_t k = 0; k < rows * DIGIT_PIXELS; k++)
                buf_printf(b, "%s%g", k == 0 ? "" : ",",
                    (double)all.x[(i + k / DIGIT_PIXELS) % all.n][k % DIGIT_PIXELS] + (double)i / 1024);
        buf_puts(b, "]}]}");
        assert_true(buf_ok(b));
}

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        daemon_init(&d);
        daemon_start(&d);
        model_create(&d, &quick);
        model_create(&d, &slow);
        buf_init(&large, 16 << 20);
        buf_puts(&large, "{\"inputs\":[");
        for (size_t i = 0; i < LARGE; i++) {
                for (size_t k = 0; k < DIGIT_PIXELS; k++)
                        buf_printf(&large, "%s%g", k > 0 ? "," : i > 0 ? ",[" : "[", (double)all.x[i % all.n][k]);
                buf_putc(&large, ']');
        }
        buf_puts(&large, "]}");
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        daemon_deinit(&d);
        for (size_t i = 0; i < INPUTS; i++) {
                buf_deinit(&request[i]);
                free(alone[i]);
        }
        buf_deinit(&large);
        digits_free(&all);
        return 0;
}

static int send_to(struct http_client *c, const char *path, const struct buf *body)
{
        char head[256];
        int n = snprintf(head, sizeof(head),
            "POST %s HTTP/1.1\r\nHost: a\r\n" JSON_TYPE "Content-Length: %zu\r\n\r\n", path, body->len);
        int r = http_client_send(c, head, (size_t)n);
        return r < 0 ? r : http_client_send(c, body->data, body->len);
}

struct client {
        pthread_t thread;
        size_t from;
        struct http_client line[LINES];
        char wrong[400];
};

/* As many requests at the same time as it has lines, then their answers. */
static void *all_lines(void *arg)
{
        struct client *c = arg;
        for (size_t i = c->from; i < INPUTS && !c->wrong[0]; i += (size_t)THREADS * LINES) {
                size_t n = INPUTS - i < LINES ? INPUTS - i : LINES;
                int r = 0;
                for (size_t k = 0; k < n && r == 0; k++)
                        r = send_to(&c->line[k], "/v2/models/quick/infer", &request[i + k]);
                for (size_t k = 0; k < n && r == 0; k++) {
                        struct http_answer a = {0};
                        r = http_client_receive(&c->line[k], false, &a);
                        if (r == 0 && strcmp(a.body.data, alone[i + k]) != 0)
                                snprintf(c->wrong, sizeof(c->wrong), "status %d: %.150s instead of %.150s", a.status,
                                    a.body.data, alone[i + k]);
                        http_answer_deinit(&a);
                }
                if (r < 0)
                        snprintf(c->wrong, sizeof(c->wrong), "%s", strerror(-r));
        }
        return NULL;
}

static void test_answers_are_those_of_the_row_alone(void **state)
{
        (void)state;
        static struct client client[THREADS];
        struct http_answer a;
        for (size_t i = 0; i < INPUTS; i++) {
                write_request(&request[i], i);
                expect(&d, 200, "POST", "/v2/models/quick/infer", request[i].data, &a);
                alone[i] = strdup(a.body.data);
                assert_non_null(alone[i]);
                http_answer_deinit(&a);
        }
        for (size_t t = 0; t < THREADS; t++) {
                client[t].from = t * LINES;
                for (size_t k = 0; k < LINES; k++) {
                        if (k % 2)
                                http_client_tcp(&client[t].line[k], d.port);
                        else
                                http_client_unix(&client[t].line[k], d.socket);
                }
                assert_int_equal(pthread_create(&client[t].thread, NULL, all_lines, &client[t]), 0);
        }
        for (size_t t = 0; t < THREADS; t++)
                pthread_join(client[t].thread, NULL);
        for (size_t t = 0; t < THREADS; t++) {
                for (size_t k = 0; k < LINES; k++)
                        http_client_close(&client[t].line[k]);
                if (client[t].wrong[0])
                        fail_msg("%s", client[t].wrong);
        }
        expect(&d, 200, "GET", "/v2/models/quick/stats", NULL, &a);
        double rows = number_at(a.doc, "/model_stats/0/inference_count");
        assert_true(number_at(a.doc, "/model_stats/0/inference_stats/success/count") == 2 * INPUTS);
        assert_true(number_at(a.doc, "/model_stats/0/execution_count") < 2 * INPUTS); /* it did happen */
        assert_true(rows == 2 * (INPUTS + 2 * (INPUTS / 10)));
        http_answer_deinit(&a);
}

static void predict_one(const char *name)
{
        struct http_answer a;
        predict(&d, name, NULL, &(struct digits){.n = 1, .x = all.x, .label = all.label}, &a);
        http_answer_deinit(&a);
}

static bool has_answer(const struct http_client *c)
{
        return poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, 0) > 0;
}

static void test_a_large_request_keeps_nobody_waiting(void **state)
{
        (void)state;
        struct http_client c;
        struct http_answer a = {0};
        int before = 0;
        http_client_unix(&c, d.socket);
        assert_int_equal(send_to(&c, "/v2/models/slow/predict", &large), 0);
        while (!has_answer(&c) && before < 1000) {
                predict_one(before % 2 ? "slow" : "quick");
                before += !has_answer(&c);
        }
        assert_true(before >= SMALL);
        assert_int_equal(http_client_receive(&c, false, &a), 0);
        assert_int_equal(a.status, 200);
        assert_int_equal(json_length(a.doc, "/predictions"), LARGE);
        http_answer_deinit(&a);
        http_client_close(&c);
}

static double metric(const char *name)
{
        struct http_answer a;
        char line[100];
        snprintf(line, sizeof(line), "\n%s ", name);
        expect(&d, 200, "GET", "/metrics", NULL, &a);
        const char *at = strstr(a.body.data, line);
        assert_non_null(at);
        double n = strtod(at + strlen(line), NULL);
        http_answer_deinit(&a);
        return n;
}

static void test_late_is_not_computed(void **state)
{
        (void)state;
        struct http_answer a;
        struct buf b;
        static const int timeouts[] = {1, 60000000};
        for (int i = 0; i < 2; i++) {
                buf_init(&b, 1 << 20);
                buf_printf(&b,
                    "{\"parameters\":{\"timeout\":%d},\"inputs\":[{\"name\":\"input\",\"shape\":[1,%d],"
                    "\"datatype\":\"FP32\",\"data\":",
                    timeouts[i], DIGIT_PIXELS);
                put_rows(&b, &all, 0, 1);
                buf_puts(&b, "}]}");
                ask(&d, "POST", "/v2/models/quick/infer", JSON_TYPE, b.data, b.len, &a);
                if (i == 0)
                        check_problem(&a, 503, "not-in-time", "/parameters/timeout");
                else
                        assert_int_equal(a.status, 200);
                http_answer_deinit(&a);
                buf_deinit(&b);
        }
        assert_true(metric("ewcd_inferences_ended_total{reason=\"timeout\"}") == 1);
}

static void test_what_nobody_waits_for_is_dropped(void **state)
{
        (void)state;
        struct http_client c;
        uint64_t until = now_ms() + 10000;
        http_client_unix(&c, d.socket);
        assert_int_equal(send_to(&c, "/v2/models/slow/predict", &large), 0);
        while (metric("ewcd_in_flight") < 2) /* beside the question itself */
                look_again(&d, until, "the request to be in work");
        http_client_close(&c);
        while (metric("ewcd_inferences_ended_total{reason=\"client_left\"}") < 1)
                look_again(&d, until, "the rows of a client that has left");
        predict_one("slow");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_answers_are_those_of_the_row_alone),
            cmocka_unit_test(test_a_large_request_keeps_nobody_waiting),
            cmocka_unit_test(test_late_is_not_computed),
            cmocka_unit_test(test_what_nobody_waits_for_is_dropped),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
