/* predict_loop.c: a client that predicts in a loop until SIGTERM, then prints what it saw.
 *
 *   predict_loop SOCKET MODEL BODY_FILE          BODY_FILE holds the body of one predict request
 * Every answer must be 200 and name a version; the line counts answers, failures, versions seen, and latencies. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/client.h"
#include "proto/json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 1 << 22, MAX_VERSIONS = 64 };

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
        (void)sig;
        stop = 1;
}

static int by_value(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

struct seen {
        size_t n, failed, n_versions;
        char versions[MAX_VERSIONS][24];
        float *ms;
};

static void note(struct seen *s, const struct answer *a)
{
        struct json_doc *doc = NULL;
        struct err e = ERR_NULL;
        const char *v = NULL;

        if (a->status == 200 && json_parse((struct slice){a->body.data, a->body.len}, &doc, &e) == 0)
                v = json_text(doc, "/model_version");
        if (!v || json_length(doc, "/predictions") < 1) {
                s->failed++;
        } else {
                size_t i = 0;

                while (i < s->n_versions && strcmp(s->versions[i], v) != 0)
                        i++;
                if (i == s->n_versions && i < MAX_VERSIONS)
                        snprintf(s->versions[s->n_versions++], sizeof(s->versions[0]), "%s", v);
        }
        json_free(doc);
}

int main(int argc, char **argv)
{
        struct options o = {.socket = argc > 1 ? argv[1] : NULL};
        struct seen s = {.ms = calloc(MAX_SAMPLES, sizeof(float))};
        struct client *c = NULL;
        struct err e = ERR_NULL;
        struct buf body;
        char path[160];

        buf_init(&body, 16 << 20);
        if (argc != 4 || !s.ms || file_read(argv[3], 16 << 20, &body, &e) < 0 || client_new(&c, &o, &e) < 0) {
                fprintf(stderr, "usage: predict_loop SOCKET MODEL BODY_FILE %s\n", e.msg);
                return 2;
        }
        signal(SIGTERM, on_term);
        snprintf(path, sizeof(path), "/v2/models/%s/predict", argv[2]);
        while (!stop && s.n < MAX_SAMPLES) {
                uint64_t start = clock_mono_ns(&clock_system);
                struct answer a;

                if (client_call(c, "POST", path, "", body.data, body.len, &a, &e) < 0) {
                        s.failed++;
                        fprintf(stderr, "%s\n", e.msg);
                        s.n++;
                        continue;
                }
                s.ms[s.n++] = (float)(clock_mono_ns(&clock_system) - start) / 1e6f;
                note(&s, &a);
                answer_deinit(&a);
        }
        qsort(s.ms, s.n, sizeof(float), by_value);
        printf("requests %zu failed %zu versions", s.n, s.failed);
        for (size_t i = 0; i < s.n_versions; i++)
                printf(" %s", s.versions[i]);
        if (s.n > 0)
                printf(" p50 %.3f ms p99 %.3f ms max %.3f ms\n", (double)s.ms[s.n / 2], (double)s.ms[s.n * 99 / 100],
                    (double)s.ms[s.n - 1]);
        client_free(c);
        buf_deinit(&body);
        free(s.ms);
        return s.failed != 0;
}
