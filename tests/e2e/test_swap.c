/* test_swap.c: clients that predict without a pause while versions come and go, on two serving loops.
 *
 * Every answer must be 200, whole, and name a version that exists; after a rollback has been answered, no request
 * sent later may meet another version. Threads only count; the main thread judges. */
#include "e2e.h"
#include "base/str.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 2, ROWS = 3, MAX_VERSION = 64 };

static struct daemon d;
static struct digits all, low, high;
static struct buf request;
static atomic_bool stop;
static atomic_int only; /* version every request sent from now on must meet; 0: any */

static const struct description model = {
    .name = "digits",
    .scenario = "task",
    .classes = TEN_CLASSES,
    .task = "low",
    .task_classes = "[\"0\",\"1\",\"2\",\"3\",\"4\"]",
    .learning = "{" ADAM "," BY_HAND ",\"lambda\":0.1,\"epochs\":20,\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}}",
};

struct client {
        pthread_t thread;
        struct http_client http;
        uint64_t by_version[MAX_VERSION];
        atomic_ullong answers;
        char wrong[600]; /* the first answer that was not as it should be */
};

static struct client clients[CLIENTS];

static void complain(struct client *c, const char *what, const struct http_answer *a)
{
        if (!c->wrong[0])
                snprintf(c->wrong, sizeof(c->wrong), "%s: status %d: %.400s", what, a->status,
                    a->body.data ? a->body.data : "");
}

static bool whole(const struct http_answer *a)
{
        if (a->status != 200 || !a->doc || json_length(a->doc, "/predictions") != ROWS)
                return false;
        for (int i = 0; i < ROWS; i++) {
                double sum = 0;
                for (int k = 0; k < 5; k++) {
                        char at[64];
                        double p;
                        snprintf(at, sizeof(at), "/predictions/%d/probabilities/%d", i, k);
                        if (json_number(a->doc, at, &p) != 0)
                                return false;
                        sum += p;
                }
                if (sum < 0.999 || sum > 1.001)
                        return false;
        }
        return true;
}

static void look_at(struct client *c, const struct http_answer *a, int must)
{
        uint64_t version;
        const char *text = json_text(a->doc, "/model_version");
        if (!whole(a) || !text || !slice_u64(slice_of(text), &version) || version == 0 || version >= MAX_VERSION) {
                complain(c, "not whole", a);
                return;
        }
        if (must != 0 && version != (uint64_t)must)
                complain(c, "a version that had been replaced", a);
        c->by_version[version]++;
        atomic_fetch_add(&c->answers, 1);
}

static void *predict_on(void *arg)
{
        struct client *c = arg;
        while (!atomic_load(&stop)) {
                struct http_answer a = {0};
                int must = atomic_load(&only);
                int r = http_client_call(
                    &c->http, "POST", "/v2/models/digits/predict", JSON_TYPE, request.data, request.len, &a);
                if (r < 0) {
                        snprintf(c->wrong, sizeof(c->wrong), "no answer: %s", strerror(-r));
                        return NULL;
                }
                if (atomic_load(&only) != must)
                        must = 0; /* it changed meanwhile: either is right */
                look_at(c, &a, must);
                http_answer_deinit(&a);
        }
        return NULL;
}

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 4, DIGITS_SENT, false, &low);
        digits_pick(&all, 5, 9, DIGITS_SENT, false, &high);
        buf_init(&request, 1 << 20);
        buf_puts(&request, "{\"task\":\"low\",\"inputs\":");
        put_rows(&request, &low, 0, ROWS);
        buf_putc(&request, '}');
        daemon_init(&d);
        daemon_set(&d, "server.threads", "2");
        daemon_start(&d);
        model_create(&d, &model);
        feedback_all(&d, "digits", "low", &low);
        return 0;
}

static void join(void)
{
        atomic_store(&stop, true);
        for (size_t i = 0; i < CLIENTS; i++) {
                if (clients[i].thread)
                        pthread_join(clients[i].thread, NULL);
                clients[i].thread = 0;
                http_client_close(&clients[i].http);
        }
}

static int teardown(void **state)
{
        struct digits *sets[] = {&all, &low, &high};
        (void)state;
        join();
        daemon_deinit(&d);
        buf_deinit(&request);
        for (size_t i = 0; i < 3; i++)
                digits_free(sets[i]);
        return 0;
}

/* Lets every client answer a few more times, so that each phase is really seen by all. */
static void let_them_work(uint64_t more)
{
        uint64_t until = now_ms() + 20000;
        for (size_t i = 0; i < CLIENTS; i++) {
                uint64_t target = atomic_load(&clients[i].answers) + more;
                while (atomic_load(&clients[i].answers) < target) {
                        if (clients[i].wrong[0])
                                fail_msg("client %zu: %s", i, clients[i].wrong);
                        look_again(&d, until, "clients");
                }
        }
}

static void roll_back(const char *version, int number)
{
        struct http_answer a, b;
        char headers[160], body[32];
        expect(&d, 200, "GET", "/v2/models/digits/aliases/champion", NULL, &a);
        snprintf(headers, sizeof(headers), JSON_TYPE "If-Match: %s\r\n", a.etag);
        snprintf(body, sizeof(body), "{\"version\":\"%s\"}", version);
        atomic_store(&only, 0); /* from here to the answer either version is right */
        ask(&d, "PUT", "/v2/models/digits/aliases/champion", headers, body, strlen(body), &b);
        assert_int_equal(b.status, 200);
        atomic_store(&only, number);
        http_answer_deinit(&a);
        http_answer_deinit(&b);
}

static void test_no_answer_is_lost_or_torn(void **state)
{
        struct http_answer a;
        uint64_t total = 0, by_version[MAX_VERSION] = {0};
        (void)state;
        for (size_t i = 0; i < CLIENTS; i++) {
                if (i % 2)
                        http_client_tcp(&clients[i].http, d.port);
                else
                        http_client_unix(&clients[i].http, d.socket);
                assert_int_equal(pthread_create(&clients[i].thread, NULL, predict_on, &clients[i]), 0);
        }
        let_them_work(20);
        consolidate(&d, "digits", "promoted"); /* version 2 */
        let_them_work(20);
        rollover(&d, "digits", "{\"task\":\"high\",\"classes\":[5,6,7,8,9]}", "promoted"); /* version 3 */
        let_them_work(20);
        feedback_all(&d, "digits", "high", &high);
        consolidate(&d, "digits", "promoted"); /* version 4 */
        let_them_work(20);
        for (int round = 0; round < 10; round++) {
                roll_back(round % 2 ? "4" : "2", round % 2 ? 4 : 2);
                let_them_work(5);
        }
        join();
        expect(&d, 200, "GET", "/v2/models/digits/versions", NULL, &a);
        int n = json_length(a.doc, "/versions");
        http_answer_deinit(&a);
        assert_int_equal(n, 4);
        for (size_t i = 0; i < CLIENTS; i++) {
                if (clients[i].wrong[0])
                        fail_msg("client %zu: %s", i, clients[i].wrong);
                for (int v = 0; v < MAX_VERSION; v++)
                        by_version[v] += clients[i].by_version[v];
        }
        for (int v = 0; v < MAX_VERSION; v++) {
                total += by_version[v];
                if (v >= 1 && v <= n)
                        assert_true(by_version[v] > 0);
                else
                        assert_int_equal(by_version[v], 0);
        }
        print_message("%llu answers: version 1 %llu, 2 %llu, 3 %llu, 4 %llu\n", (unsigned long long)total,
            (unsigned long long)by_version[1], (unsigned long long)by_version[2], (unsigned long long)by_version[3],
            (unsigned long long)by_version[4]);
        ask(&d, "GET", "/metrics", "", NULL, 0, &a);
        const char *line = strstr(a.body.data, "\newcd_inferences_total ");
        assert_non_null(line);
        assert_int_equal(strtoull(strchr(line, ' '), NULL, 10), total);
        http_answer_deinit(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_answer_is_lost_or_torn)};
        return cmocka_run_group_tests(tests, setup, teardown);
}
