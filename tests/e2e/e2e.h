/* e2e.h: what the end-to-end tests say to a daemon, as verbs that fail the test with the daemon's own words.
 *
 * Included first by every file here; brings cmocka in. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/bundled.h"
#include "lib/daemon.h"
#include "lib/http_client.h"
#include "proto/json.h"

enum { JOB_MS = 150000, STOP_MS = 8000, POLL_MS = 10 };

#define JSON_TYPE "Content-Type: application/json\r\n"
#define LINES_TYPE "Content-Type: application/x-ndjson\r\n"

/* --- calls --- */
void ask(struct daemon *d, const char *method, const char *path, const char *headers, const void *body, size_t n,
    struct http_answer *ret);
/* JSON body or NULL; ret may be NULL. */
void expect(
    struct daemon *d, int status, const char *method, const char *path, const char *body, struct http_answer *ret);
/* The whole shape of an error: status, type, title, detail, instance, error; pointer "" means that no place is named,
 * NULL that it does not matter. */
void check_problem(const struct http_answer *a, int status, const char *slug, const char *pointer);
void expect_problem(struct daemon *d, int status, const char *slug, const char *pointer, const char *method,
    const char *path, const char *body);

/* Values of an answer; the test fails when they are not there. */
double number_at(const struct json_doc *doc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *text_at(const struct json_doc *doc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- models --- */
struct description {
        const char *name, *scenario;
        const char *classes; /* JSON array */
        const char *task;
        const char *task_classes; /* JSON array, or NULL */
        const char *loss;         /* NULL: softmax */
        const char *layers;       /* NULL: two dense layers of 64 relu units */
        const char *learning;     /* JSON object */
};

#define ADAM "\"optimizer\":{\"type\":\"adam\",\"rate\":0.01}"
#define BY_HAND "\"trigger\":{\"min_feedback\":0}"
#define TEN_CLASSES "[\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]"

void describe(const struct description *m, struct buf *ret);
void model_create(struct daemon *d, const struct description *m);

/* --- feedback --- */
typedef void (*answer_fn)(struct buf *b, int digit); /* writes "label":… and the like */
void answer_label(struct buf *b, int digit);

struct sending {
        const char *model, *prefix; /* event_id is <prefix>-<row> */
        const char *task;           /* NULL: not named */
        const struct digits *rows;
        size_t first, n;  /* n 0: to the end */
        answer_fn answer; /* NULL: answer_label */
        bool ndjson;
};

struct sent {
        uint64_t accepted, duplicate, rejected;
};

void put_event(struct buf *b, const struct sending *s, size_t row);
struct sent feedback_send(struct daemon *d, const struct sending *s);
void feedback_all(
    struct daemon *d, const char *model, const char *prefix, const struct digits *rows); /* all accepted */

/* --- predictions --- */
void put_rows(struct buf *b, const struct digits *rows, size_t first, size_t n); /* "[[…],…]" */
void predict(
    struct daemon *d, const char *model, const char *task, const struct digits *rows, struct http_answer *ret);
char *predict_text(struct daemon *d, const char *model, const char *task,
    const struct digits *rows); /* the answer as it came, but for the predictions' ids; free it */
typedef const char *(*name_fn)(int digit);
double accuracy(struct daemon *d, const char *model, const char *task, const struct digits *rows,
    name_fn name); /* name NULL: the digit */
double served_version(struct daemon *d, const char *model);

/* --- jobs --- */
uint64_t job_start(
    struct daemon *d, const char *model, const char *what, const char *body); /* what: "jobs", "tasks" */
/* Asks until the job has ended; state NULL: any. A promoted version is served when this returns. *ret may be NULL. */
void job_end(struct daemon *d, const char *model, uint64_t id, const char *state, struct http_answer *ret);
/* Asks until the job's state is the one given; fails if it ends otherwise. */
void job_reach(struct daemon *d, const char *model, uint64_t id, const char *state);
uint64_t consolidate(struct daemon *d, const char *model, const char *state);
uint64_t rollover(struct daemon *d, const char *model, const char *body, const char *state);

/* Waits a moment for the next look, noticing a daemon that has gone. */
void look_again(struct daemon *d, uint64_t until, const char *what);
