/* e2e.c: see e2e.h. */
#include "e2e.h"
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODY_MAX = 64 << 20, EVENTS_PER_REQUEST = 128 };

/* --- calls --- */

void ask(struct daemon *d, const char *method, const char *path, const char *headers, const void *body, size_t n,
    struct http_answer *ret)
{
        int r = http_client_call(&d->http, method, path, headers, body, n, ret);
        if (r < 0) {
                char *log = d->pid ? daemon_log(d) : NULL;
                print_error("%s\n", log ? log : "");
                free(log);
                fail_msg("%s %s: no answer: %s", method, path, strerror(-r));
        }
}

void expect(
    struct daemon *d, int status, const char *method, const char *path, const char *body, struct http_answer *ret)
{
        struct http_answer a;
        ask(d, method, path, body ? JSON_TYPE : "", body, body ? strlen(body) : 0, &a);
        if (a.status != status)
                fail_msg("%s %s: status %d instead of %d: %.600s", method, path, a.status, status, a.body.data);
        if (ret)
                *ret = a;
        else
                http_answer_deinit(&a);
}

void check_problem(const struct http_answer *a, int status, const char *slug, const char *pointer)
{
        char type[96], error[1024];
        double number;
        if (a->status != status || !a->doc)
                fail_msg(
                    "status %d instead of %d %s: %.600s", a->status, status, slug, a->body.data ? a->body.data : "");
        snprintf(type, sizeof(type), "urn:ewcd:problem:%s", slug);
        if (strcmp(text_at(a->doc, "/type"), type) != 0)
                fail_msg("%s instead of %s: %.600s", text_at(a->doc, "/type"), type, a->body.data);
        assert_int_equal(json_number(a->doc, "/status", &number), 0);
        assert_int_equal((int)number, status);
        assert_true(text_at(a->doc, "/title")[0] != '\0');
        assert_true(strlen(text_at(a->doc, "/detail")) >= 4);
        assert_memory_equal(text_at(a->doc, "/instance"), "urn:uuid:", 9);
        snprintf(error, sizeof(error), "%s: %s", slug, text_at(a->doc, "/detail"));
        assert_string_equal(text_at(a->doc, "/error"), error);
        const char *place = json_text(a->doc, "/errors/0/pointer");
        if (pointer && strcmp(pointer, place ? place : "") != 0)
                fail_msg("pointer '%s' instead of '%s': %.600s", place ? place : "", pointer, a->body.data);
        assert_string_equal(a->content_type, "application/json");
}

void expect_problem(struct daemon *d, int status, const char *slug, const char *pointer, const char *method,
    const char *path, const char *body)
{
        struct http_answer a;
        ask(d, method, path, body ? JSON_TYPE : "", body, body ? strlen(body) : 0, &a);
        if (a.status != status)
                print_error("%s %s %.300s\n", method, path, body ? body : "");
        check_problem(&a, status, slug, pointer);
        http_answer_deinit(&a);
}

double number_at(const struct json_doc *doc, const char *fmt, ...)
{
        char at[256];
        double v;
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(at, sizeof(at), fmt, ap);
        va_end(ap);
        if (json_number(doc, at, &v) != 0)
                fail_msg("no number at %s", at);
        return v;
}

const char *text_at(const struct json_doc *doc, const char *fmt, ...)
{
        char at[256];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(at, sizeof(at), fmt, ap);
        va_end(ap);
        const char *v = json_text(doc, at);
        if (!v)
                fail_msg("no text at %s", at);
        return v;
}

/* --- models --- */

void describe(const struct description *m, struct buf *ret)
{
        buf_init(ret, BODY_MAX);
        buf_printf(ret,
            "{\"name\":\"%s\",\"input\":{\"shape\":[64],\"scale\":0.0625},\"scenario\":\"%s\",\"classes\":%s,"
            "\"task\":\"%s\",\"layers\":%s",
            m->name, m->scenario, m->classes, m->task,
            m->layers ? m->layers
                      : "[{\"type\":\"dense\",\"units\":64,\"activation\":\"relu\"},"
                        "{\"type\":\"dense\",\"units\":64,\"activation\":\"relu\"}]");
        if (m->task_classes)
                buf_printf(ret, ",\"task_classes\":%s", m->task_classes);
        if (m->loss)
                buf_printf(ret, ",\"loss\":\"%s\"", m->loss);
        buf_printf(ret, ",\"learning\":%s}", m->learning);
}

void model_create(struct daemon *d, const struct description *m)
{
        struct http_answer a;
        struct buf body;
        char location[128];
        describe(m, &body);
        expect(d, 201, "POST", "/v2/models", body.data, &a);
        snprintf(location, sizeof(location), "/v2/models/%s", m->name);
        assert_string_equal(a.location, location);
        http_answer_deinit(&a);
        buf_deinit(&body);
}

/* --- feedback --- */

void answer_label(struct buf *b, int digit)
{
        buf_printf(b, "\"label\":\"%d\"", digit);
}

static void put_row(struct buf *b, const float *x)
{
        for (size_t i = 0; i < DIGIT_PIXELS; i++)
                buf_printf(b, "%s%g", i == 0 ? "[" : ",", (double)x[i]);
        buf_putc(b, ']');
}

void put_event(struct buf *b, const struct sending *s, size_t row)
{
        buf_printf(b, "{\"event_id\":\"%s-%zu\",", s->prefix, row);
        if (s->task)
                buf_printf(b, "\"task\":\"%s\",", s->task);
        (s->answer ? s->answer : answer_label)(b, s->rows->label[row]);
        buf_puts(b, ",\"inputs\":");
        put_row(b, s->rows->x[row]);
        buf_putc(b, '}');
}

struct sent feedback_send(struct daemon *d, const struct sending *s)
{
        struct sent got = {0};
        size_t end = s->n ? s->first + s->n : s->rows->n;
        char path[128];
        struct buf b;
        snprintf(path, sizeof(path), "/v2/models/%s/feedback", s->model);
        buf_init(&b, BODY_MAX);
        for (size_t i = s->first; i < end;) {
                size_t stop = end - i > EVENTS_PER_REQUEST ? i + EVENTS_PER_REQUEST : end, n = stop - i;
                struct http_answer a;
                buf_reset(&b);
                buf_puts(&b, s->ndjson ? "" : "{\"events\":[");
                for (; i < stop; i++) {
                        put_event(&b, s, i);
                        buf_puts(&b, s->ndjson ? "\n" : i + 1 < stop ? "," : "]}");
                }
                ask(d, "POST", path, s->ndjson ? LINES_TYPE : JSON_TYPE, b.data, b.len, &a);
                if (a.status != 200)
                        fail_msg("feedback: status %d: %.600s", a.status, a.body.data);
                assert_int_equal(json_bool(a.doc, "/durable"), 1);
                got.accepted += (uint64_t)number_at(a.doc, "/accepted");
                got.duplicate += (uint64_t)number_at(a.doc, "/duplicate");
                got.rejected += (uint64_t)json_length(a.doc, "/rejected");
                assert_int_equal((uint64_t)number_at(a.doc, "/accepted") + (uint64_t)number_at(a.doc, "/duplicate") +
                                     (uint64_t)json_length(a.doc, "/rejected"),
                    n);
                http_answer_deinit(&a);
        }
        buf_deinit(&b);
        return got;
}

void feedback_all(struct daemon *d, const char *model, const char *prefix, const struct digits *rows)
{
        struct sent s = feedback_send(d, &(struct sending){.model = model, .prefix = prefix, .rows = rows});
        assert_int_equal(s.accepted, rows->n);
}

/* --- predictions --- */

void put_rows(struct buf *b, const struct digits *rows, size_t first, size_t n)
{
        for (size_t i = first; i < first + n; i++) {
                buf_putc(b, i == first ? '[' : ',');
                put_row(b, rows->x[i]);
        }
        buf_putc(b, ']');
}

void predict(
    struct daemon *d, const char *model, const char *task, const struct digits *rows, struct http_answer *ret)
{
        struct buf b;
        char path[128];
        buf_init(&b, BODY_MAX);
        buf_puts(&b, "{\"inputs\":");
        put_rows(&b, rows, 0, rows->n);
        if (task)
                buf_printf(&b, ",\"task\":\"%s\"", task);
        buf_putc(&b, '}');
        snprintf(path, sizeof(path), "/v2/models/%s/predict", model);
        expect(d, 200, "POST", path, b.data, ret);
        buf_deinit(&b);
        assert_int_equal(json_length(ret->doc, "/predictions"), rows->n);
}

/* Takes the predictions' ids out: no two answers have the same. */
static void drop_ids(char *text)
{
        static const char id[] = "\"id\":\"";
        for (char *at = strstr(text, id); at; at = strstr(at, id)) {
                char *end = strstr(at, "\",");
                assert_non_null(end);
                memmove(at, end + 2, strlen(end + 2) + 1);
        }
}

char *predict_text(struct daemon *d, const char *model, const char *task, const struct digits *rows)
{
        struct http_answer a;
        predict(d, model, task, rows, &a);
        char *text = strdup(a.body.data);
        assert_non_null(text);
        drop_ids(text);
        http_answer_deinit(&a);
        return text;
}

double accuracy(struct daemon *d, const char *model, const char *task, const struct digits *rows, name_fn name)
{
        struct http_answer a;
        size_t correct = 0;
        predict(d, model, task, rows, &a);
        for (size_t i = 0; i < rows->n; i++) {
                char digit[8];
                snprintf(digit, sizeof(digit), "%d", rows->label[i]);
                correct +=
                    strcmp(text_at(a.doc, "/predictions/%zu/label", i), name ? name(rows->label[i]) : digit) == 0;
        }
        http_answer_deinit(&a);
        return (double)correct / (double)rows->n;
}

double served_version(struct daemon *d, const char *model)
{
        struct http_answer a;
        char path[128];
        snprintf(path, sizeof(path), "/v2/models/%s", model);
        expect(d, 200, "GET", path, NULL, &a);
        double v = atof(text_at(a.doc, "/ewcd_champion"));
        http_answer_deinit(&a);
        return v;
}

/* --- jobs --- */

void look_again(struct daemon *d, uint64_t until, const char *what)
{
        struct pollfd p = {d->pidfd, POLLIN, 0};
        if (poll(&p, 1, POLL_MS) > 0)
                fail_msg("%s: ewcd has gone", what);
        if (now_ms() >= until) {
                char *log = daemon_log(d);
                print_error("%s\n", log);
                free(log);
                fail_msg("%s: it takes too long", what);
        }
}

uint64_t job_start(struct daemon *d, const char *model, const char *what, const char *body)
{
        struct http_answer a;
        char path[128], location[160];
        snprintf(path, sizeof(path), "/v2/models/%s/%s", model, what);
        expect(d, 202, "POST", path, body, &a);
        uint64_t id = (uint64_t)number_at(a.doc, "/id");
        snprintf(location, sizeof(location), "/v2/models/%s/jobs/%" PRIu64, model, id);
        assert_string_equal(a.location, location);
        assert_string_equal(text_at(a.doc, "/state"), "queued");
        http_answer_deinit(&a);
        return id;
}

static bool has_ended(const char *state)
{
        static const char *const ends[] = {"promoted", "rejected", "cancelled", "failed"};
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                if (strcmp(state, ends[i]) == 0)
                        return true;
        return false;
}

static void job_get(struct daemon *d, const char *model, uint64_t id, struct http_answer *ret)
{
        char path[160];
        snprintf(path, sizeof(path), "/v2/models/%s/jobs/%" PRIu64, model, id);
        expect(d, 200, "GET", path, NULL, ret);
}

void job_end(struct daemon *d, const char *model, uint64_t id, const char *state, struct http_answer *ret)
{
        uint64_t until = now_ms() + JOB_MS;
        struct http_answer a;
        for (job_get(d, model, id, &a); !has_ended(text_at(a.doc, "/state")); job_get(d, model, id, &a)) {
                http_answer_deinit(&a);
                look_again(d, until, "job");
        }
        if (state && strcmp(text_at(a.doc, "/state"), state) != 0)
                fail_msg("the job ended otherwise than %s: %.800s", state, a.body.data);
        if (strcmp(text_at(a.doc, "/state"), "promoted") == 0) /* who reads that meets the old version nowhere */
                assert_true(served_version(d, model) >= atof(text_at(a.doc, "/version")));
        if (ret)
                *ret = a;
        else
                http_answer_deinit(&a);
}

void job_reach(struct daemon *d, const char *model, uint64_t id, const char *state)
{
        uint64_t until = now_ms() + JOB_MS;
        for (;;) {
                struct http_answer a;
                job_get(d, model, id, &a);
                bool there = strcmp(text_at(a.doc, "/state"), state) == 0;
                if (!there && has_ended(text_at(a.doc, "/state")))
                        fail_msg("the job ended before it was %s: %.800s", state, a.body.data);
                http_answer_deinit(&a);
                if (there)
                        return;
                look_again(d, until, state);
        }
}

uint64_t consolidate(struct daemon *d, const char *model, const char *state)
{
        uint64_t id = job_start(d, model, "jobs", "{\"kind\":\"consolidate\"}");
        job_end(d, model, id, state, NULL);
        return id;
}

uint64_t rollover(struct daemon *d, const char *model, const char *body, const char *state)
{
        uint64_t id = job_start(d, model, "tasks", body);
        job_end(d, model, id, state, NULL);
        return id;
}
