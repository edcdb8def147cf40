/* test_api.c: the whole API as a table of requests and answers, in order, against one daemon in this process.
 *
 * A row names the method, the path, the body, the status, and a piece of the answer. Later rows build on earlier
 * ones: the table reads as a conversation. Jobs can be made but not run (the learner is /bin/false). */
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "house.h"
#include "lib/tmpdir.h"
#include "lib/vfs_shim.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct row {
        const char *method, *path, *headers, *body;
        int status;
        const char *says; /* in the body, or in the header named by where */
        enum { BODY, ETAG, LOCATION, TYPE } where;
};

#define GET(path, status, says)                                                                                      \
        {                                                                                                            \
                "GET", path, "", NULL, status, says, BODY                                                            \
        }
#define POST(path, body, status, says)                                                                               \
        {                                                                                                            \
                "POST", path, "", body, status, says, BODY                                                           \
        }
#define DELETE(path, status, says)                                                                                   \
        {                                                                                                            \
                "DELETE", path, "", NULL, status, says, BODY                                                         \
        }
#define M                                                                                                            \
        "{\"name\":\"m\",\"input\":{\"name\":\"x\",\"shape\":[2]},\"classes\":[\"a\",\"b\",\"c\",\"d\"],"            \
        "\"scenario\":\"task\",\"layers\":[],"                                                                       \
        "\"task\":\"one\",\"task_classes\":[\"a\",\"b\"],\"learning\":{\"trigger\":{\"min_feedback\":0},"            \
        "\"holdout\":0}}"
#define INFER(name, shape, data)                                                                                     \
        "{\"id\":\"7\",\"inputs\":[{\"name\":\"" name "\",\"shape\":" shape ",\"datatype\":\"FP32\",\"data\":" data  \
        "}]}"
#define NAMED(name, scale)                                                                                           \
        "{\"name\":\"" name "\",\"input\":{\"name\":\"x\",\"shape\":[1],\"scale\":" scale                            \
        "},\"classes\":[\"a\",\"b\"],\"scenario\":\"domain\",\"layers\":[],\"task\":\"one\","                        \
        "\"learning\":{\"trigger\":{\"min_feedback\":0}}}"
#define EV(rest) "{\"events\":[{\"inputs\":[1,2]," rest "}]}"

#define BAD_LINE "{\"inputs\":[1],\"label\":\"a\"}\n"
#define NINE_BAD BAD_LINE BAD_LINE BAD_LINE BAD_LINE BAD_LINE BAD_LINE BAD_LINE BAD_LINE BAD_LINE

static const struct row conversation[] = {
    GET("/v2", 200, "\"name\":\"ewcd\",\"version\":\""),
    GET("/v2/", 200, "\"ewcd_tasks\""),
    GET("/v2/health/live", 200, "{\"live\":true}"),
    GET("/v2/health/ready", 200, "{\"live\":true,\"ready\":true}"),
    GET("/healthz", 200, "live"),
    GET("/readyz", 200, "ready"),
    GET("/v2/models", 200, "{\"models\":[]}"),
    GET("/v2/models/m", 404, "there is none yet"),
    POST("/v2/models", "{", 400, "malformed"),
    POST("/v2/models", "{\"name\":\"../etc\"}", 400, "problem:"),
    POST("/v2/models", "{\"nmae\":\"m\"}", 400, "nmae"),
    POST("/v2/models", NAMED("stats", "1"), 400, "\"pointer\":\"/name\""),
    POST("/v2/models", NAMED("n", "0"), 400, "\"pointer\":\"/input/scale\""),
    {"POST", "/v2/models", "", M, 201, "/v2/models/m", LOCATION},
    POST("/v2/models", M, 409, "in-use"),
    GET("/v2/models", 200, "{\"models\":[\"m\"]}"),
    GET("/v2/models/m", 200, "\"ewcd_champion\":\"1\""),
    GET("/v2/models/mm", 404, "known: m"),
    GET("/v2/models/m/ready", 200, "{\"name\":\"m\",\"ready\":true}"),
    GET("/v2/models/mm/ready", 404, "unknown-model"),
    GET("/v2/models/m/versions/1/ready", 200, "ready"),
    GET("/v2/models/m/versions/2/ready", 404, "unknown-version"),

    POST("/v2/models/m/predict", "{\"inputs\":[[1,2],[3,4]]}", 200, "\"task\":\"one\",\"predictions\":[{\"id\":\"0"),
    POST("/v2/models/m/predict", "{\"inputs\":[1,2],\"task\":\"one\",\"top_k\":1}", 200, "\"probability\":"),
    POST("/v2/models/m/versions/%40champion/predict", "{\"inputs\":[1,2]}", 200, "\"model_version\":\"1\""),
    POST("/v2/models/m/versions/@champion/predict", "{\"inputs\":[1,2]}", 200, "\"model_version\":\"1\""),
    POST("/v2/models/m/versions/9/predict", "{\"inputs\":[1,2]}", 404, "no version 9"),
    POST("/v2/models/m/versions/@nobody/predict", "{\"inputs\":[1,2]}", 404, "@nobody"),
    POST("/v2/models/m/versions/x/predict", "{\"inputs\":[1,2]}", 404, "neither a version number"),
    POST("/v2/models/m/predict", "{\"inputs\":[1,2,3]}", 400, "takes rows of 2"),
    POST("/v2/models/m/predict", "{\"inputs\":[]}", 400, "\"pointer\":\"/inputs\""),
    POST("/v2/models/m/predict", "{\"inputs\":[1,1e39]}", 400, "/inputs"),
    POST("/v2/models/m/predict", "{\"inputs\":[1,2],\"task\":\"two\"}", 422, "known: one"),
    POST("/v2/models/m/predict", "{\"inputs\":[1,2],\"tsak\":\"one\"}", 400, "tsak"),

    POST("/v2/models/m/infer", INFER("x", "[1,2]", "[1,2]"), 200,
        "\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[1,2]"),
    POST("/v2/models/m/infer", INFER("x", "[2,2]", "[[1,2],[3,4]]"), 200, "\"id\":\"7\""),
    POST("/v2/models/m/infer", INFER("y", "[1,2]", "[1,2]"), 400, "takes x"),
    POST("/v2/models/m/infer", INFER("x", "[1,3]", "[1,2,3]"), 400,
        "tensor x has shape [1,3]; model m takes [rows,2]"),
    POST("/v2/models/m/infer", INFER("x", "[2]", "[1,2]"), 400, "bad-shape"),
    POST("/v2/models/m/infer", INFER("x", "[0,2]", "[]"), 400, "bad-shape"),
    POST("/v2/models/m/infer",
        "{\"parameters\":{\"ewcd_task\":\"two\"},\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
        "\"data\":[1,2]}]}",
        422, "ewcd_task"),
    POST("/v2/models/m/infer",
        "{\"outputs\":[{\"name\":\"logits\"}],\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
        "\"data\":[1,2]}]}",
        400, "gives probabilities"),

    POST("/v2/models/m/jobs", "{\"kind\":\"consolidate\"}", 409, "0 rows to train on"),
    POST("/v2/models/m/feedback", "{\"events\":[]}", 400, "no events"),
    POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 200, "\"accepted\":1,\"duplicate\":0"),
    POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 200, "\"accepted\":0,\"duplicate\":1"),
    POST("/v2/models/m/feedback", EV("\"label\":\"b\",\"event_id\":\"e1\""), 422, "duplicate-key"),
    POST("/v2/models/m/feedback", EV("\"label\":\"b\",\"event_id\":\"e1\",\"source\":\"s\""), 200, "\"accepted\":1"),
    POST("/v2/models/m/feedback", EV("\"label\":\"zebra\""), 422, "known: a, b, c, d"),
    POST("/v2/models/m/feedback", EV("\"label\":\"c\""), 422, "not one of task one"),
    POST("/v2/models/m/feedback", EV("\"labels\":[\"a\"]"), 422, "learns from"),
    POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"task\":\"two\""), 422, "unknown-task"),
    POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"weight\":-1"), 422, "weight"),
    POST("/v2/models/m/feedback",
        "{\"events\":[{\"inputs\":[1],\"label\":\"a\"},{\"inputs\":[1,2],\"label\":\"a\"}]}", 200,
        "\"accepted\":1,\"duplicate\":0,\"quarantined\":0,\"late\":0,\"superseded\":0,"
        "\"rejected\":[{\"index\":0,\"pointer\":\"/events/0/inputs\""),
    {"POST", "/v2/models/m/feedback", "Content-Type: application/x-ndjson\r\n",
        "{\"inputs\":[1,2],\"label\":\"b\"}\n{\"inputs\":[1,2],\"label\":\"zebra\"}\n", 200, "\"line\":2", BODY},
    POST("/v2/models/m/feedback",
        "{\"events\":[{\"inputs\":[1],\"label\":\"a\"},{\"inputs\":[1,2],\"label\":\"zebra\"}]}", 422,
        "\"detail\":\"all 2 events were rejected; the first: 1 numbers; model m takes 2\""),
    POST("/v2/models/m/feedback",
        "{\"events\":[{\"inputs\":[1],\"label\":\"a\"},{\"inputs\":[1,2],\"label\":\"zebra\"}]}", 422,
        "\"errors\":[{\"index\":0,\"pointer\":\"/events/0/"
        "inputs\",\"type\":\"urn:ewcd:problem:bad-shape\",\"detail\":"
        "\"1 numbers; model m takes 2\"},{\"index\":1,\"pointer\":\"/events/1/label\",\"type\":"),
    {"POST", "/v2/models/m/feedback", "Content-Type: application/x-ndjson\r\n", NINE_BAD, 422,
        "{\"line\":8,\"pointer\":\"/inputs\",\"type\":\"urn:ewcd:problem:bad-shape\",\"detail\":\"1 numbers; model m "
        "takes 2\"}]}",
        BODY}, /* eight are told of nine */
    POST("/v2/models/mm/feedback", EV("\"label\":\"a\""), 404, "unknown-model"),
    GET("/v2/models/m/feedback/e1", 200, "\"state\":\"queued\""),
    GET("/v2/models/m/feedback/e2", 404, "no event 'e2'"),

    GET("/v2/models/m/tasks", 200, "\"task\":\"one\",\"state\":\"open\",\"classes\":[\"a\",\"b\"]"),
    POST("/v2/models/m/tasks", "{\"task\":\"a/b\"}", 400, "bad-name"),
    POST("/v2/models/m/tasks", "{\"task\":\"two\",\"classes\":[\"c\",\"x\"]}", 422, "/classes/1"),
    POST("/v2/models/m/tasks", "{\"task\":\"one\",\"classes\":[\"c\"]}", 409, "in-use"),
    GET("/v2/models/mm/tasks", 404, "known: m"),

    GET("/v2/models/m/versions", 200, "\"next_cursor\":null"),
    GET("/v2/models/m/versions/1", 200, "\"state\":\"initial\",\"aliases\":[\"champion\"]"),
    GET("/v2/models/m/versions/@champion", 200, "\"version\":\"1\""),
    GET("/v2/models/m/versions/5", 404, "unknown-version"),

    GET("/v2/models/m/aliases", 200, "{\"aliases\":[{\"alias\":\"champion\""),
    {"GET", "/v2/models/m/aliases/champion", "", NULL, 200, "\"1\"", ETAG},
    GET("/v2/models/m/aliases/nobody", 404, "unknown-alias"),
    {"PUT", "/v2/models/m/aliases/champion", "", "{\"version\":\"1\"}", 428, "If-Match", BODY},
    {"PUT", "/v2/models/m/aliases/champion", "If-Match: \"7\"\r\n", "{\"version\":\"1\"}", 412, "has moved", BODY},
    {"PUT", "/v2/models/m/aliases/champion", "If-Match: W/\"1\"\r\n", "{\"version\":\"1\"}", 412, "ETag", BODY},
    {"PUT", "/v2/models/m/aliases/champion", "If-Match: \"1\"\r\n", "{\"version\":\"4\"}", 404, "no version 4", BODY},
    {"PUT", "/v2/models/m/aliases/champion", "If-Match: \"1\"\r\n", "{\"version\":\"1\",\"reason\":\"again\"}", 200,
        "\"2\"", ETAG},
    {"PUT", "/v2/models/m/aliases/champion", "If-Match: *\r\n", "{\"version\":\"1\"}", 200, "\"3\"", ETAG},
    {"PUT", "/v2/models/m/aliases/shadow", "If-Match: \"0\"\r\n", "{\"version\":\"1\"}", 200, "\"alias\":\"shadow\"",
        BODY},
    {"PUT", "/v2/models/m/aliases/shadow", "If-Match: \"x\", W/\"1\" ,\"9\"\r\n", "{\"version\":\"1\"}", 412,
        "has moved", BODY},
    {"PUT", "/v2/models/m/aliases/shadow", "If-Match: \"9\" \"1\"\r\n", "{\"version\":\"1\"}", 412, "ETag", BODY},
    {"PUT", "/v2/models/m/aliases/shadow", "If-Match: \"9\", \"1\"\r\n", "{\"version\":\"1\"}", 200, "\"2\"", ETAG},
    {"PUT", "/v2/models/m/aliases/shadow", "If-Match: \"9\"\r\nIf-Match: \"a,b\",\"2\"\r\n", "{\"version\":\"1\"}",
        200, "\"3\"", ETAG},
    {"PUT", "/v2/models/m/aliases/late", "If-Match: \"9\",\"0\"\r\n", "{\"version\":\"1\"}", 200, "\"1\"", ETAG},
    POST("/v2/models/m/versions/@shadow/predict", "{\"inputs\":[1,2]}", 200, "\"model_version\":\"1\""),
    POST("/v2/models/m/versions/%40shadow/predict", "{\"inputs\":[1,2,3]}", 400, "takes rows of 2"),
    POST("/v2/models/m/versions/@shadow/infer", INFER("x", "[1,2]", "[1,2]"), 200, "\"model_version\":\"1\""),
    GET("/v2/models/m/versions/@shadow/ready", 200, "\"ready\":true"),
    GET("/v2/models/m/versions/@shadwo/ready", 404, "@shadwo"),
    GET("/v2/models/mm/versions/@shadow/ready", 404, "unknown-model"),
    {"PUT", "/v2/models/m/aliases/a%2fb", "If-Match: \"0\"\r\n", "{\"version\":\"1\"}", 400, "bad-name", BODY},

    GET("/v2/models/m/jobs", 200, "{\"jobs\":[],\"next_cursor\":null}"),
    POST("/v2/models/m/jobs", "{\"kind\":\"rollover\"}", 400, "kind"),
    GET("/v2/models/m/jobs/1", 404, "unknown-job"),
    GET("/v2/models/m/jobs/x", 404, "number"),
    {"DELETE", "/v2/models/m/jobs/1", "", NULL, 404, "unknown-job", BODY},
    {"POST", "/v2/models/m/jobs", "", "{\"kind\":\"consolidate\"}", 202, "/v2/models/m/jobs/1", LOCATION},
    GET("/v2/models/m/jobs/1", 200, "\"kind\":\"consolidate\""),

    GET("/v2/status", 200,
        "\"models\":[{\"model\":\"m\",\"scenario\":\"task\",\"champion\":\"1\",\"served\":\"1\",\"open_task\":\"o"),
    {"GET", "/metrics", "", NULL, 200, "text/plain; version=0.0.4; charset=utf-8", TYPE},
    GET("/metrics", 200, "ewcd_champion_version{model=\"m\"} 1"),
    GET("/metrics", 200, "ewcd_feedback_events_total{result=\"duplicate\"} 1"),
    GET("/v2/status", 200, "\"read_only\":false,\"full\":false"),
    GET("/metrics", 200, "\newcd_store_full 0\n"),
    GET("/v2/nothing", 404, "near it: /v2, /v2/status, /v2/models\""),
    GET("/v2/models/m/alias", 404, "/v2/models/{m}/versions, /v2/models/{m}/aliases\""),
    {"POST", "/v2/models/m/infer", "Inference-Header-Content-Length: 2\r\nInference-Header-Content-Length: 4\r\n",
        INFER("x", "[1,2]", "[1,2]"), 400, "more than one Inference-Header-Content-Length", BODY},
    {"POST", "/v2/models/m/feedback", "Idempotency-Key: k\r\n", EV("\"label\":\"a\""), 501, "event_id", BODY},
    {"DELETE", "/v2/models/m/predict", "", NULL, 405, "method", BODY},
};

static void play(struct house *h, const struct row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const struct row *r = &rows[i];
                struct http_answer a = {0};
                int rc = http_client_call(
                    &h->http, r->method, r->path, r->headers, r->body, r->body ? strlen(r->body) : 0, &a);
                if (rc < 0)
                        fail_msg("%s %s: %s", r->method, r->path, strerror(-rc));
                const char *in[] = {
                    [BODY] = a.body.data, [ETAG] = a.etag, [LOCATION] = a.location, [TYPE] = a.content_type};
                if (a.status != r->status || !in[r->where] || !strstr(in[r->where], r->says))
                        fail_msg("%s %s %.400s\n%d, want %d with %s in: %s", r->method, r->path,
                            r->body ? r->body : "", a.status, r->status, r->says, in[r->where] ? in[r->where] : "");
                http_answer_deinit(&a);
        }
}

static void a_session(void **state)
{
        (void)state;
        struct house h;
        house_make(&h);
        house_start(&h);
        play(&h, conversation, ARRAY_LEN(conversation));
        house_remove(&h);
}

/* One head for all tasks: no task need be named. */
static void shared_heads(void **state)
{
        (void)state;
        static const struct row rows[] = {
            POST("/v2/models",
                "{\"name\":\"d\",\"input\":{\"name\":\"x\",\"shape\":[1]},\"classes\":[\"a\",\"b\"],\"scenario\":"
                "\"domain\",\"layers\":[],\"task\":\"one\"}",
                201, "domain"),
            POST("/v2/models/d/predict", "{\"inputs\":[1]}", 200,
                "{\"model_name\":\"d\",\"model_version\":\"1\",\"predictions\":"),
            POST("/v2/models/d/predict", "{\"inputs\":[1],\"task\":\"one\"}", 200, "\"task\":\"one\""),
            POST("/v2/models",
                "{\"name\":\"s\",\"input\":{\"name\":\"x\",\"shape\":[1]},\"classes\":[\"a\",\"b\"],\"scenario\":"
                "\"domain\",\"loss\":\"sigmoid\",\"layers\":[],\"task\":\"one\"}",
                201, "sigmoid"),
            POST("/v2/models/s/predict", "{\"inputs\":[1]}", 200, "\"probabilities\":{\"a\":"),
            POST(
                "/v2/models/s/feedback", "{\"events\":[{\"inputs\":[1],\"labels\":[\"b\"]}]}", 200, "\"accepted\":1"),
            POST("/v2/models/s/feedback", "{\"events\":[{\"inputs\":[1],\"labels\":[]}]}", 200, "\"accepted\":1"),
            POST("/v2/models/s/feedback", "{\"events\":[{\"inputs\":[1],\"labels\":[\"z\"]}]}", 422, "/labels/0"),
            POST("/v2/models/s/feedback", "{\"events\":[{\"inputs\":[1],\"labels\":[\"b\",\"a\",\"b\"]}]}", 422,
                "/labels/2\",\"type\":\"urn:ewcd:problem:bad-value\",\"detail\":\"class 'b' stands there twice"),
            POST("/v2/models/s/feedback", "{\"events\":[{\"inputs\":[1],\"label\":\"b\"}]}", 422, "learns from"),
            POST("/v2/models",
                "{\"name\":\"q\",\"input\":{\"name\":\"x\",\"shape\":[1]},\"classes\":[\"a\",\"b\"],\"scenario\":"
                "\"domain\",\"loss\":\"squared\",\"layers\":[],\"task\":\"one\"}",
                201, "squared"),
            POST("/v2/models/q/infer", INFER("x", "[1,1]", "[2]"), 200, "\"name\":\"values\""),
            POST(
                "/v2/models/q/feedback", "{\"events\":[{\"inputs\":[1],\"target\":[0.5,2]}]}", 200, "\"accepted\":1"),
            POST("/v2/models/q/feedback", "{\"events\":[{\"inputs\":[1],\"target\":[0.5]}]}", 422, "2 numbers"),
            POST("/v2/models",
                "{\"name\":\"c\",\"input\":{\"name\":\"x\",\"shape\":[1]},\"classes\":[\"a\",\"b\"],\"scenario\":"
                "\"class\",\"layers\":[],\"task\":\"one\"}",
                201, "class"),
            POST("/v2/models/c/feedback",
                "{\"events\":[{\"inputs\":[1],\"label\":\"a\"},{\"inputs\":[2],\"label\":\"b\"},{\"inputs\":[3],"
                "\"label\":\"b\"},{\"inputs\":[4],\"label\":\"a\"}]}",
                200, "\"accepted\":4"),
            POST("/v2/models", NAMED("big", "3e38"), 201, "domain"),
            POST("/v2/models/big/predict", "{\"inputs\":[[1e-30],[50]]}", 400,
                "row 1: number 0 is 50: times the model's scale 3e+38"),
            POST("/v2/models/big/infer", INFER("x", "[1,1]", "[50]"), 400, "non-finite"),
            POST("/v2/models/big/feedback", "{\"events\":[{\"inputs\":[50],\"label\":\"a\"}]}", 422,
                "\"pointer\":\"/events/0/inputs\",\"type\":\"urn:ewcd:problem:non-finite\",\"detail\":\"number 0 is "
                "50"),
            POST("/v2/models/big/jobs", "{\"kind\":\"consolidate\"}", 409, "0 rows to train on"),
            POST("/v2/models/d/feedback",
                "{\"events\":[{\"event_id\":\"1\",\"inputs\":[1],\"label\":\"a\"},{\"event_id\":\"2\",\"inputs\":[1],"
                "\"label\":\"a\"},{\"event_id\":\"3\",\"inputs\":[1],\"label\":\"a\"},{\"event_id\":\"4\",\"inputs\":"
                "[1],"
                "\"label\":\"a\"}]}",
                200, "\"accepted\":4"),
            POST("/v2/models/d/jobs", "{\"kind\":\"consolidate\"}", 202, "\"trigger\":{\"kind\":\"manual\""),
            POST("/v2/models/c/tasks", "{\"task\":\"two\",\"classes\":[\"c\",\"c\"]}", 400, "/classes/1"),
            POST("/v2/models/c/tasks", "{\"task\":\"two\",\"classes\":[\"c\",\"d\"]}", 202, "\"kind\":\"rollover\""),
        };
        struct house h;
        house_make(&h);
        house_start(&h);
        play(&h, rows, ARRAY_LEN(rows));
        house_remove(&h);
}

/* What can be done to labels once they are there, and how it is refused. */
static void labels(void **state)
{
        (void)state;
        static const struct row rows[] = {
            POST("/v2/models", M, 201, "\"name\":\"m\""),
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\",\"source\":\"x/y\""), 200,
                "\"accepted\":1"),
            POST("/v2/models/m/feedback", EV("\"label\":\"b\",\"event_id\":\"e2\",\"source\":\"x/y\""), 200,
                "\"accepted\":1"),
            POST("/v2/models/m/feedback", EV("\"label\":\"b\",\"event_id\":\"e3\""), 200, "\"accepted\":1"),
            POST("/v2/models/m/feedback", "{\"events\":[{\"prediction_id\":\"e1\",\"label\":\"a\"}]}", 422,
                "\"pointer\":\"/events/0/prediction_id\",\"type\":\"urn:ewcd:problem:unknown-prediction\""),
            POST("/v2/models/m/feedback",
                "{\"events\":[{\"prediction_id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789abcdef\",\"label\":\"a\"}]}",
                422, "no version of model m gave a prediction this id"),
            GET("/v2/models/m/feedback/e1", 200,
                "\"trusted\":false,\"job\":null,\"version\":null,\"prediction\":null,"),
            GET("/v2/models/m/sources", 200, "{\"sources\":[{\"source\":\"\",\"rows\":1,"),
            GET("/v2/models/m/sources", 200, "{\"source\":\"x/y\",\"rows\":2,\"live\":2,\"used\":0,\"served\":0,"),
            GET("/v2/models/none/sources", 404, "unknown-model"),
            DELETE("/v2/models/m/feedback/e3", 200,
                "{\"erased\":1,\"used\":0,\"first_version\":null,\"backups\":false,\"detail\":null}"),
            GET("/v2/models/m/feedback/e3", 200, "\"state\":\"erased\""),
            POST("/v2/models/m/feedback", EV("\"label\":\"b\",\"event_id\":\"e3\""), 422, "it does not come back"),
            DELETE("/v2/models/m/feedback/e9", 404, "no rows of event 'e9'"),
            DELETE("/v2/models/m/feedback", 400, "?source=NAME"),
            DELETE("/v2/models/m/feedback?source=", 400, "?source=NAME"),
            DELETE("/v2/models/m/feedback?source=%FF", 400, "bad-value"),
            DELETE("/v2/models/m/feedback?source=z", 404, "no rows of source 'z'"),
            POST("/v2/models/m/feedback/e1/release", "{\"accept\":true}", 404, "no quarantined row of event 'e1'"),
            POST("/v2/models/m/feedback/e1/release", "{\"accept\":3}", 400, "\"pointer\":\"/accept\""),
            POST("/v2/models/m/sources/z/unlearn", NULL, 404, "no rows of source 'z'"),
            POST("/v2/models/m/sources/x%2Fy/unlearn", NULL, 202,
                "{\"source\":\"x/y\",\"erased\":2,\"from_version\":\"1\",\"version\":\"1\",\"aliases\":[],"),
            GET("/v2/models/m/feedback/e1", 200, "\"state\":\"erased\""),
            POST("/v2/models/m/tasks/two/holdout", EV("\"label\":\"a\""), 422, "unknown-task"),
            POST("/v2/models/m/tasks/one/holdout", EV("\"label\":\"a\",\"task\":\"two\""), 422, "as the path says"),
            POST("/v2/models/m/tasks/one/holdout", EV("\"label\":\"c\""), 422, "not one of task one"),
            POST("/v2/models/m/tasks/one/holdout", EV("\"label\":\"a\",\"event_id\":\"t1\""), 200, "\"accepted\":1"),
            GET("/v2/models/m/feedback/t1", 200, "\"source\":\"operator\",\"split\":\"holdout\",\"trusted\":true"),
            GET("/v2/models/m/tasks", 200, "\"train\":0,\"holdout\":1"),
        };
        struct house h;
        house_make(&h);
        house_start(&h);
        play(&h, rows, ARRAY_LEN(rows));
        house_remove(&h);
}

/* A model is served again after a restart, and its feedback is still known. */
static void survives_a_restart(void **state)
{
        (void)state;
        static const struct row before[] = {
            POST("/v2/models", M, 201, "\"name\":\"m\""),
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 200, "\"accepted\":1"),
        };
        static const struct row after[] = {
            POST("/v2/models/m/predict", "{\"inputs\":[1,2]}", 200, "label"),
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 200, "\"duplicate\":1"),
        };
        struct house h;
        house_make(&h);
        house_start(&h);
        play(&h, before, ARRAY_LEN(before));
        house_stop(&h);
        house_start(&h);
        play(&h, after, ARRAY_LEN(after));
        house_remove(&h);
}

static size_t times(const char *text, const char *what)
{
        size_t n = 0;
        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

/* However many requests meet the full disk, the log has one line when it begins and one when it is over. */
static void a_full_disk(void **state)
{
        (void)state;
        static const struct row before[] = {
            POST("/v2/models", M, 201, "\"name\":\"m\""),
        };
        static const struct row full[] = {
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 507, "storage-full"),
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 507, "storage-full"),
            GET("/v2/status", 200, "\"read_only\":false,\"full\":true"),
            GET("/metrics", 200, "\newcd_store_full 1\n"),
            POST("/v2/models/m/predict", "{\"inputs\":[1,2]}", 200, "label"),
        };
        static const struct row after[] = {
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e1\""), 200, "\"accepted\":1"),
            POST("/v2/models/m/feedback", EV("\"label\":\"a\",\"event_id\":\"e2\""), 200, "\"accepted\":1"),
            GET("/v2/status", 200, "\"full\":false"),
        };
        struct house h;
        char path[256], text[4096];
        house_make(&h);
        log_init(LOG_LEVEL_WARNING, false);
        assert_int_equal(conf_set(&h.conf, "store.maintain_ms", "0", &h.e), 0); /* only requests write */
        int saved = dup(2),
            log = open(tmpdir_path(path, sizeof(path), h.dir, "log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(saved >= 0 && log >= 0);
        shim_install();
        house_start(&h);
        play(&h, before, ARRAY_LEN(before));
        dup2(log, 2);
        shim_arm(SHIM_FULL, 1);
        play(&h, full, ARRAY_LEN(full));
        shim_disarm();
        play(&h, after, ARRAY_LEN(after));
        dup2(saved, 2);
        ssize_t n = pread(log, text, sizeof(text) - 1, 0);
        assert_true(n >= 0);
        text[n] = '\0';
        assert_int_equal(times(text, "the disk is full"), 1);
        assert_int_equal(times(text, "the disk has room again"), 1);
        close(saved), close(log);
        house_stop(&h);
        shim_remove();
        house_remove(&h);
}

/* The sizes are there before the store has had anything to do. */
static void sizes_from_the_start(void **state)
{
        (void)state;
        struct house h;
        struct http_answer a = {0};
        house_make(&h);
        assert_int_equal(conf_set(&h.conf, "store.maintain_ms", "0", &h.e), 0);
        house_start(&h);
        assert_int_equal(http_client_call(&h.http, "GET", "/v2/status", "", NULL, 0, &a), 0);
        assert_null(strstr(a.body.data, "\"db_bytes\":0,"));
        http_answer_deinit(&a);
        house_remove(&h);
}

/* A client that ends its own side after asking has its answer all the same. */
/* What would be too large is refused for good, and says by which limit. */
static void too_large(void **state)
{
        (void)state;
        static const struct row rows[] = {
            POST("/v2/models", M, 201, "\"name\":\"m\""),
        };
        struct house h;
        struct buf b;
        house_make(&h);
        h.conf.server_max_answer = 65536;
        h.conf.server_max_request_memory = 1 << 20;
        house_start(&h);
        play(&h, rows, ARRAY_LEN(rows));
        buf_init(&b, 1 << 22);
        buf_puts(&b, "{\"inputs\":[");
        for (int i = 0; i < 4000; i++)
                buf_puts(&b, i == 0 ? "[1,2]" : ",[1,2]");
        buf_puts(&b, "]}");
        for (int i = 0; i < 2; i++) { /* found when it is written, and before anything is computed */
                play(&h,
                    (struct row[]){
                        POST("/v2/models/m/predict", b.data, 413, "the answer would have more than 65536 bytes"),
                    },
                    1);
                b.len -= 2;
                for (int k = 0; k < 4000; k++)
                        buf_puts(&b, ",[1,2]");
                buf_puts(&b, "]}");
        }
        buf_reset(&b);
        buf_puts(&b, "{\"events\":[");
        for (int i = 0; i < 20000; i++)
                buf_printf(&b, "%s{\"inputs\":[1,2],\"label\":\"a\"}", i == 0 ? "" : ",");
        buf_puts(&b, "]}");
        play(&h,
            (struct row[]){
                POST("/v2/models/m/feedback", b.data, 413,
                    "(server.max_request_memory) are needed for the events; send fewer"),
            },
            1);
        buf_deinit(&b);
        house_remove(&h);
}

static void half_closed(void **state)
{
        (void)state;
        static const char ask[] = "GET /v2/status HTTP/1.1\r\nHost: a\r\n\r\n";
        struct house h;
        house_make(&h);
        house_start(&h);
        for (int i = 0; i < 20; i++) {
                struct http_answer a = {0};
                assert_int_equal(http_client_send(&h.http, ask, sizeof(ask) - 1), 0);
                shutdown(h.http.fd, SHUT_WR);
                assert_int_equal(http_client_receive(&h.http, false, &a), 0);
                assert_int_equal(a.status, 200);
                http_answer_deinit(&a);
                http_client_close(&h.http);
                http_client_unix(&h.http, h.conf.listen_socket);
        }
        house_remove(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_session),
            cmocka_unit_test(shared_heads),
            cmocka_unit_test(labels),
            cmocka_unit_test(survives_a_restart),
            cmocka_unit_test(a_full_disk),
            cmocka_unit_test(sizes_from_the_start),
            cmocka_unit_test(half_closed),
            cmocka_unit_test(too_large),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
