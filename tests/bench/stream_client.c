/* stream_client.c: one real stream through the daemon, as its user: predict, then label by prediction id.
 *
 *   stream_client SOCKET DATA_DIR STREAM WARM LAYERS LEARNING [--rows N] [--delay N] [--frozen]
 *
 * Creates the model `m`: inputs scaled, by mean and deviation of the first WARM rows or bytes to 0..1, hidden LAYERS,
 * and how it is to learn (LEARNING, an object). The WARM rows, at most half of the first domain, are sent with their
 * inputs and learned by a job that is asked for; every later row is predicted, BATCH of them a request, and then
 * labelled by the id of its prediction. All jobs but the first are the daemon's own decision. --delay: labels come so
 * many rows late. --frozen: the model's keys have no trigger on, so nothing is waited for.
 *
 * Time: rows of such streams are minutes apart and a job takes seconds, so after every request of labels the client
 * waits until the daemon has looked at all of them and no job is due or under way. What a run measures then follows
 * from rows and seeds, not from how fast a client can send; event ids are the rows' numbers, so that each run holds
 * out the same rows.
 *
 * Prints one line of key=value. Every job and its reason go to stderr. Exit 3: DATA_DIR has no such stream. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/rows_body.h"
#include "proto/json.h"
#include "stream_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 32, ID = 64, BODY_MAX = 256 << 20, WAIT_NS = 1000000, MISSING = 3 };

static const uint64_t patience_ns = UINT64_C(60000000000);

struct run {
        struct client *client;
        struct stream_rows rows;
        struct buf body;
        const char *stream, *layers, *learning;
        size_t warm, delay;
        bool frozen;
        size_t predicted, labelled; /* rows of the stream; the first warm count as both */
        char (*id)[ID];             /* (rows.live.n) of each row's prediction */
        size_t n_right, n_repeat, n_late;
        uint64_t champion, range_last; /* the version that stands, and the newest row it was trained on */
};

static void die(const char *what, const char *why)
{
        fprintf(stderr, "stream_client: %s: %s\n", what, why);
        exit(1);
}

/* Sends the body that is in r->body; dies of any status but 2xx and, when conflict is allowed, 409. */
static struct json_doc *call(struct run *r, const char *method, const char *path, bool may_conflict)
{
        struct answer a;
        struct err e = ERR_NULL;
        struct json_doc *doc = NULL;

        if (!buf_ok(&r->body))
                die(path, "body too long");
        if (client_call(r->client, method, path, "", r->body.data, r->body.len, &a, &e) < 0)
                die(path, e.msg);
        if (a.status / 100 != 2 && !(may_conflict && a.status == 409)) {
                buf_putc(&a.body, '\0');
                die(path, a.body.data);
        }
        if (json_parse((struct slice){a.body.data, a.body.len}, &doc, &e) < 0)
                die(path, e.msg);
        answer_deinit(&a);
        buf_reset(&r->body);
        return doc;
}

static double number(const struct json_doc *d, const char *pointer)
{
        double v = 0;

        return json_number(d, pointer, &v) == 0 ? v : 0;
}

static const char *text(const struct json_doc *d, const char *pointer)
{
        const char *t = json_text(d, pointer);

        return t ? t : "";
}

/* --- the model --- */

static void put_scale(struct run *r)
{
        const uint32_t I = r->rows.n_inputs;
        struct buf offset;

        if (r->rows.image) {
                buf_puts(&r->body, ",\"scale\":0.00392156862745098,\"offset\":0.0");
                return;
        }
        buf_init(&offset, 1 << 20);
        buf_puts(&r->body, ",\"scale\":[");
        for (uint32_t k = 0; k < I; k++) {
                double sum = 0, square = 0, n = (double)r->warm;

                for (size_t i = 0; i < r->warm; i++) {
                        double v = (double)r->rows.live.x[i * I + k];
                        sum += v;
                        square += v * v;
                }
                double mean = sum / n, var = square / n - mean * mean, f = var > 1e-12 ? 1 / sqrt(var) : 1;
                buf_puts(&r->body, k > 0 ? "," : "");
                json_put_float(&r->body, (float)f);
                buf_puts(&offset, k > 0 ? "," : "");
                json_put_float(&offset, (float)(-mean * f));
        }
        buf_puts(&r->body, "],\"offset\":[");
        buf_put(&r->body, offset.data, offset.len);
        buf_putc(&r->body, ']');
        buf_deinit(&offset);
}

static void create(struct run *r)
{
        buf_puts(&r->body, "{\"name\":\"m\",\"input\":{\"name\":\"input\",\"shape\":[");
        for (size_t i = 0; i < r->rows.rank; i++)
                buf_printf(&r->body, "%s%u", i > 0 ? "," : "", r->rows.shape[i]);
        buf_putc(&r->body, ']');
        put_scale(r);
        buf_puts(&r->body, "},\"classes\":[");
        for (uint32_t c = 0; c < r->rows.n_classes; c++)
                buf_printf(&r->body, "%s\"%u\"", c > 0 ? "," : "", c);
        buf_printf(&r->body, "],\"scenario\":\"domain\",\"task\":\"first\",\"layers\":%s,\"learning\":%s}", r->layers,
            r->learning);
        json_free(call(r, "POST", "/v2/models", false));
}

/* --- waiting --- */

static void learn_champion(struct run *r, uint64_t champion)
{
        char path[80];
        struct json_doc *d;

        snprintf(path, sizeof(path), "/v2/models/m/versions/%llu", (unsigned long long)champion);
        d = call(r, "GET", path, false);
        r->champion = champion;
        r->range_last = (uint64_t)number(d, "/range/last_seq");
        json_free(d);
}

/* Whether the daemon has looked at all rows so far, and has nothing to do. */
static bool settled(struct run *r)
{
        struct json_doc *d = call(r, "GET", "/v2/status", false);
        uint64_t champion = strtoull(text(d, "/models/0/champion"), NULL, 10);
        bool still = json_bool(d, "/models/0/job_active") == 0 &&
                     strcmp(text(d, "/models/0/served"), text(d, "/models/0/champion")) == 0;

        if (number(d, "/jobs/failed") > 0)
                die("a job failed", text(d, "/models/0/training/reason"));
        if (still && champion != r->champion)
                learn_champion(r, champion);
        if (still && !r->frozen) {
                uint64_t seen = r->range_last + (uint64_t)number(d, "/models/0/watch/labels");

                still = json_bool(d, "/models/0/training/due") == 0 && seen >= r->labelled &&
                        strcmp(text(d, "/models/0/watch/champion"), text(d, "/models/0/champion")) == 0;
        }
        json_free(d);
        return still;
}

static void settle(struct run *r)
{
        uint64_t end = clock_mono_ns(&clock_system) + patience_ns;

        while (!settled(r)) {
                if (clock_mono_ns(&clock_system) > end) {
                        struct json_doc *d = call(r, "GET", "/v2/status", false);

                        fprintf(stderr, "%s: champion %s of %s, %g labels seen behind row %llu, %zu given\n",
                            text(d, "/models/0/training/reason"), text(d, "/models/0/champion"),
                            text(d, "/models/0/watch/champion"), number(d, "/models/0/watch/labels"),
                            (unsigned long long)r->range_last, r->labelled);
                        die("waiting", "the daemon does not come to rest");
                }
                nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
        }
}

/* --- rows --- */

static void put_event(struct run *r, size_t i, bool first)
{
        buf_printf(&r->body, "%s{\"event_id\":\"row-%zu\",\"label\":\"%d\",", first ? "{\"events\":[" : ",", i,
            r->rows.live.label[i]);
}

static void check_receipt(struct json_doc *d, size_t n)
{
        char why[200];

        if (number(d, "/accepted") != (double)n) {
                snprintf(why, sizeof(why), "%g of %zu accepted; %s", number(d, "/accepted"), n,
                    text(d, "/rejected/0/detail"));
                die("feedback", why);
        }
        json_free(d);
}

/* What the model knows before its stream begins: rows with their inputs, and a job that is asked for. */
static void warm_up(struct run *r)
{
        const uint32_t I = r->rows.n_inputs;

        for (size_t i = 0; i < r->warm; i++) {
                put_event(r, i, i == 0);
                buf_puts(&r->body, "\"inputs\":");
                put_numbers(&r->body, r->rows.live.x + i * I, I);
                buf_putc(&r->body, '}');
        }
        buf_puts(&r->body, "]}");
        check_receipt(call(r, "POST", "/v2/models/m/feedback", false), r->warm);
        r->predicted = r->labelled = r->warm;
        buf_puts(&r->body, "{\"kind\":\"consolidate\"}");
        json_free(call(r, "POST", "/v2/models/m/jobs", true)); /* 409: a trigger was faster, on the same rows */
        settle(r);
        if (r->champion < 2)
                die("first job", "it did not come to serve");
}

static struct json_doc *predict(struct run *r, const struct table *t, size_t at, size_t n)
{
        buf_puts(&r->body, "{\"top_k\":1,\"inputs\":[");
        for (size_t i = 0; i < n; i++) {
                buf_puts(&r->body, i > 0 ? "," : "");
                put_numbers(&r->body, t->x + (at + i) * r->rows.n_inputs, r->rows.n_inputs);
        }
        buf_puts(&r->body, "]}");
        return call(r, "POST", "/v2/models/m/predict", false);
}

static bool right(const struct json_doc *d, size_t i, int32_t label)
{
        char at[48];

        snprintf(at, sizeof(at), "/predictions/%zu/label", i);
        return strtol(text(d, at), NULL, 10) == label;
}

static void predict_batch(struct run *r)
{
        const struct table *t = &r->rows.live;
        size_t at = r->predicted, n = t->n - at < BATCH ? t->n - at : BATCH;
        struct json_doc *d = predict(r, t, at, n);

        for (size_t i = 0; i < n; i++) {
                char pointer[48];

                snprintf(pointer, sizeof(pointer), "/predictions/%zu/id", i);
                if (!str_copy(r->id[at + i], ID, text(d, pointer)) || !r->id[at + i][0])
                        die("predict", "an answer has no id");
                r->n_right += right(d, i, t->label[at + i]);
                r->n_repeat += t->label[at + i - 1] == t->label[at + i];
                r->n_late += t->label[r->labelled - 1] == t->label[at + i];
        }
        json_free(d);
        r->predicted = at + n;
}

static void label_until(struct run *r, size_t end)
{
        size_t at = r->labelled;

        if (end <= at)
                return;
        for (size_t i = at; i < end; i++) {
                put_event(r, i, i == at);
                buf_printf(&r->body, "\"prediction_id\":\"%s\"}", r->id[i]);
        }
        buf_puts(&r->body, "]}");
        check_receipt(call(r, "POST", "/v2/models/m/feedback", false), end - at);
        r->labelled = end;
        if (!r->frozen)
                settle(r);
}

/* Share of the first domain's held-out rows that the model answers rightly. */
static double held(struct run *r)
{
        const struct table *t = &r->rows.held;
        size_t n_right = 0;

        for (size_t at = 0; at < t->n; at += BATCH) {
                size_t n = t->n - at < BATCH ? t->n - at : BATCH;
                struct json_doc *d = predict(r, t, at, n);

                for (size_t i = 0; i < n; i++)
                        n_right += right(d, i, t->label[at + i]);
                json_free(d);
        }
        return t->n > 0 ? (double)n_right / (double)t->n : 0;
}

static double follow(struct run *r)
{
        const size_t n = r->rows.live.n, first = r->rows.n_first;
        double before = -1;

        while (r->predicted < n) {
                predict_batch(r);
                label_until(r, r->predicted > r->labelled + r->delay ? r->predicted - r->delay : r->labelled);
                if (before < 0 && r->predicted >= first)
                        before = held(r);
        }
        label_until(r, n);
        return before;
}

/* --- the end --- */

static size_t list_jobs(struct run *r)
{
        struct json_doc *d = call(r, "GET", "/v2/models/m/jobs?limit=1000", false);
        int n = json_length(d, "/jobs");

        for (int i = n - 1; i >= 0; i--) {
                static const char *const keys[] = {
                    "kind", "state", "strategy", "trigger/kind", "trigger/text", "reason"};

                fprintf(stderr, "%s", r->stream);
                for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
                        char at[64];

                        snprintf(at, sizeof(at), "/jobs/%d/%s", i, keys[k]);
                        fprintf(stderr, "%s%s", k < 4 ? " " : "\n        ", text(d, at));
                }
                fputc('\n', stderr);
        }
        json_free(d);
        return n > 0 ? (size_t)n : 0;
}

static void report(struct run *r, double before, double seconds)
{
        const double n = (double)(r->rows.live.n - r->warm);
        double after = held(r);
        size_t jobs = list_jobs(r);
        struct json_doc *s = call(r, "GET", "/v2/status", false), *t = call(r, "GET", "/v2/models/m/tasks", false);
        struct json_doc *v = call(r, "GET", "/v2/models/m/versions/2", false);

        printf("rows=%.0f right=%.4f repeat=%.4f late=%.4f held=%zu before=%.4f after=%.4f jobs=%zu promoted=%.0f "
               "rejected=%.0f tasks=%d seconds=%.1f first=%.12s\n",
            n, (double)r->n_right / n, (double)r->n_repeat / n, (double)r->n_late / n, r->rows.held.n, before, after,
            jobs, number(s, "/jobs/promoted"), number(s, "/jobs/rejected"), json_length(t, "/tasks"), seconds,
            text(v, "/digest") + strlen("sha256:"));
        json_free(s);
        json_free(t);
        json_free(v);
}

static void options(struct run *r, int argc, char **argv, size_t *ret_limit)
{
        for (int i = 7; i < argc; i++) {
                bool value = i + 1 < argc;

                if (strcmp(argv[i], "--frozen") == 0)
                        r->frozen = true;
                else if (value && strcmp(argv[i], "--rows") == 0)
                        *ret_limit = strtoull(argv[++i], NULL, 10);
                else if (value && strcmp(argv[i], "--delay") == 0)
                        r->delay = strtoull(argv[++i], NULL, 10);
                else
                        die("no such option", argv[i]);
        }
}

int main(int argc, char **argv)
{
        struct run r = {0};
        struct err e = ERR_NULL;
        size_t limit = 0;
        uint64_t began = clock_mono_ns(&clock_system);

        if (argc < 7) {
                fprintf(stderr, "usage: stream_client SOCKET DATA_DIR STREAM WARM LAYERS LEARNING [--rows N] "
                                "[--delay N] [--frozen]\n");
                return 2;
        }
        r.stream = argv[3];
        r.warm = strtoull(argv[4], NULL, 10);
        r.layers = argv[5];
        r.learning = argv[6];
        options(&r, argc, argv, &limit);
        switch (stream_rows_open(&r.rows, argv[2], r.stream, limit, &e)) {
        case 0:
                break;
        case STREAM_MISSING:
                return MISSING;
        default:
                die(r.stream, e.msg);
        }
        buf_init(&r.body, BODY_MAX);
        r.id = mem_array(r.rows.live.n, sizeof(*r.id));
        if (!r.id || client_new(&r.client, &(struct options){.socket = argv[1]}, &e) < 0)
                die(argv[1], e.msg);
        if (r.warm > r.rows.n_first / 2)
                r.warm = r.rows.n_first / 2;
        if (r.warm == 0)
                die(r.stream, "no rows for the first job");
        create(&r);
        warm_up(&r);
        double before = follow(&r);
        report(&r, before, (double)(clock_mono_ns(&clock_system) - began) / 1e9);
        client_free(r.client);
        buf_deinit(&r.body);
        free(r.id);
        stream_rows_close(&r.rows);
        return 0;
}
