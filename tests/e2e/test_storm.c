/* test_storm.c: the champion moved a hundred times under full load, and a thousand times for its memory.
 *
 * Before the storm every version is asked for its answer, by number. In the storm every answer must be one of those,
 * byte for byte, the one of the version it names: an answer that mixed two versions would match none. Threads only
 * count; the main thread judges. */
#include "e2e.h"
#include "base/str.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CLIENTS = 3, ROWS = 4, VERSIONS = 3, SWAPS = 100, MANY = 1000, WARM = 200, FLAT_KIB = 1024, MEET_MS = 20000 };

static struct daemon d;
static struct digits all;
static struct buf request;
static char *right[VERSIONS + 1]; /* answer of each version */
static atomic_bool stop;

static const struct description model = {
    .name = "digits",
    .scenario = "domain",
    .classes = TEN_CLASSES,
    .task = "one",
    .layers = "[{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"}]",
    .learning = "{" ADAM "," BY_HAND ",\"epochs\":3,\"gate\":{\"max_forgetting\":1,\"min_gain\":-1},"
                "\"predict\":{\"retain_rows\":0}}", /* without ids, an answer's bytes follow from its version */
};

struct client {
        pthread_t thread;
        bool runs;
        const char *path;
        struct http_client http;
        atomic_ullong by_version[VERSIONS + 1];
        atomic_ullong answers;
        char wrong[600]; /* the first answer that was not as it should be */
};

static struct client clients[CLIENTS];

static void look_at(struct client *c, const struct http_answer *a)
{
        for (int v = 1; v <= VERSIONS && a->status == 200; v++) {
                if (strcmp(a->body.data, right[v]) == 0) {
                        atomic_fetch_add(&c->by_version[v], 1);
                        atomic_fetch_add(&c->answers, 1);
                        return;
                }
        }
        if (!c->wrong[0])
                snprintf(
                    c->wrong, sizeof(c->wrong), "status %d: %.500s", a->status, a->body.data ? a->body.data : "");
}

static void *predict_on(void *arg)
{
        struct client *c = arg;
        while (!atomic_load(&stop) && !c->wrong[0]) {
                struct http_answer a = {0};
                int r = http_client_call(&c->http, "POST", c->path, JSON_TYPE, request.data, request.len, &a);
                if (r < 0)
                        snprintf(c->wrong, sizeof(c->wrong), "no answer: %s", strerror(-r));
                else
                        look_at(c, &a);
                http_answer_deinit(&a);
        }
        return NULL;
}

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        buf_init(&request, 1 << 20);
        buf_puts(&request, "{\"inputs\":");
        put_rows(&request, &all, 0, ROWS);
        buf_putc(&request, '}');
        daemon_init(&d);
        daemon_set(&d, "server.threads", "2");
        daemon_start(&d);
        model_create(&d, &model);
        feedback_send(&d, &(struct sending){.model = "digits", .prefix = "e", .rows = &all, .n = 300});
        for (int v = 2; v <= VERSIONS; v++)
                consolidate(&d, "digits", "promoted");
        for (int v = 1; v <= VERSIONS; v++) {
                struct http_answer a;
                char path[80], named[40];
                snprintf(path, sizeof(path), "/v2/models/digits/versions/%d/predict", v);
                snprintf(named, sizeof(named), "\"model_version\":\"%d\"", v);
                expect(&d, 200, "POST", path, request.data, &a);
                assert_non_null(strstr(a.body.data, named));
                right[v] = strdup(a.body.data);
                assert_non_null(right[v]);
                http_answer_deinit(&a);
        }
        return 0;
}

static void clients_start(size_t n)
{
        static const char *const paths[CLIENTS] = {"/v2/models/digits/predict",
            "/v2/models/digits/versions/@champion/predict", "/v2/models/digits/versions/1/predict"};
        atomic_store(&stop, false);
        for (size_t i = 0; i < n; i++) {
                struct client *c = &clients[i];
                *c = (struct client){.path = paths[i]};
                if (i % 2)
                        http_client_tcp(&c->http, d.port);
                else
                        http_client_unix(&c->http, d.socket);
                assert_int_equal(pthread_create(&c->thread, NULL, predict_on, c), 0);
                c->runs = true;
        }
}

static void clients_join(void)
{
        atomic_store(&stop, true);
        for (size_t i = 0; i < CLIENTS; i++) {
                if (clients[i].runs)
                        pthread_join(clients[i].thread, NULL);
                clients[i].runs = false;
                http_client_close(&clients[i].http);
        }
}

static int teardown(void **state)
{
        (void)state;
        clients_join();
        daemon_deinit(&d);
        buf_deinit(&request);
        digits_free(&all);
        for (int v = 1; v <= VERSIONS; v++)
                free(right[v]);
        return 0;
}

/* The champion is version v when this returns; etag: of the alias, before and after. */
static void swap_to(int v, char etag[64])
{
        struct http_answer a;
        char headers[160], body[32];
        snprintf(headers, sizeof(headers), JSON_TYPE "If-Match: %s\r\n", etag);
        snprintf(body, sizeof(body), "{\"version\":\"%d\"}", v);
        ask(&d, "PUT", "/v2/models/digits/aliases/champion", headers, body, strlen(body), &a);
        if (a.status != 200)
                fail_msg("swap: status %d: %.400s", a.status, a.body.data);
        snprintf(etag, 64, "%s", a.etag);
        http_answer_deinit(&a);
}

static void read_etag(char etag[64])
{
        struct http_answer a;
        expect(&d, 200, "GET", "/v2/models/digits/aliases/champion", NULL, &a);
        snprintf(etag, 64, "%s", a.etag);
        http_answer_deinit(&a);
}

static void check_served(int v)
{
        struct http_answer a;
        expect(&d, 200, "POST", "/v2/models/digits/predict", request.data, &a);
        assert_string_equal(a.body.data, right[v]);
        http_answer_deinit(&a);
}

/* Or found something wrong. On a busy machine a client may sleep through a whole turn of a version. */
static bool met(const struct client *c, int v)
{
        return c->wrong[0] || atomic_load(&c->by_version[v]) > 0;
}

static void test_a_hundred_swaps_under_load(void **state)
{
        char etag[64];
        uint64_t total = 0;
        (void)state;
        read_etag(etag);
        clients_start(CLIENTS);
        for (int i = 0; i < SWAPS; i++) {
                int v = 1 + i % VERSIONS;
                swap_to(v, etag);
                check_served(v); /* whoever reads the answer meets the old version nowhere */
                for (uint64_t until = now_ms() + MEET_MS; !met(&clients[0], v) || !met(&clients[1], v);)
                        look_again(&d, until, "clients that meet the version");
        }
        clients_join();
        for (size_t i = 0; i < CLIENTS; i++) {
                const struct client *c = &clients[i];
                if (c->wrong[0])
                        fail_msg("client %zu: %s", i, c->wrong);
                for (int v = 1; v <= VERSIONS; v++) {
                        total += c->by_version[v];
                        if (i < 2)
                                assert_true(c->by_version[v] > 0);
                        else
                                assert_true((c->by_version[v] > 0) == (v == 1));
                }
        }
        print_message("%d swaps, %llu answers\n", SWAPS, (unsigned long long)total);
}

static long rss_kib(void)
{
        char path[64];
        long size, resident;
        snprintf(path, sizeof(path), "/proc/%ld/statm", (long)d.pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
        fclose(f);
        return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_a_thousand_swaps_keep_memory_flat(void **state)
{
        char etag[64];
        (void)state;
        read_etag(etag);
        clients_start(1);
        for (int i = 0; i < WARM; i++)
                swap_to(1 + i % VERSIONS, etag);
        long before = rss_kib();
        for (int i = 0; i < MANY; i++)
                swap_to(1 + i % VERSIONS, etag);
        long after = rss_kib();
        clients_join();
        if (clients[0].wrong[0])
                fail_msg("%s", clients[0].wrong);
        print_message("%d swaps: resident %ld KiB before, %ld KiB after\n", MANY, before, after);
#ifndef __SANITIZE_ADDRESS__
        assert_true(after - before < FLAT_KIB);
#endif
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_a_hundred_swaps_under_load),
            cmocka_unit_test(test_a_thousand_swaps_keep_memory_flat),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
