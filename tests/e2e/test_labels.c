/* test_labels.c: the life of a label, through the real daemon: from the prediction it names to the version it
 * made, and out again: late, contradicting, quarantined, erased, unlearned with its source. */
#include "labels_kit.h"

static char ids[N][64];

static void test_a_label_names_its_prediction(void **state)
{
        struct http_answer a;
        struct buf b;
        int said[N];
        (void)state;
        make("byid", LEARNING(",\"predict\":{\"retain_rows\":4000}"));
        ids_of("byid", 0, N, ids, said);
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"events\":[");
        for (size_t i = 0; i < N; i++)
                buf_printf(&b, "%s{\"prediction_id\":\"%s\",\"label\":%d,\"source\":\"qa\"}", i > 0 ? "," : "",
                    ids[i], sent.label[i]);
        buf_puts(&b, "]}");
        expect(&d, 200, "POST", path_of("byid", "feedback"), b.data, &a);
        assert_int_equal(number_at(a.doc, "/accepted"), N);
        http_answer_deinit(&a);
        fate("byid", ids[0], "queued", &a);
        assert_string_equal(text_at(a.doc, "/prediction/version"), "1");
        assert_int_equal(atoi(text_at(a.doc, "/prediction/label")), said[0]);
        assert_true(number_at(a.doc, "/prediction/probability") > 0.1);
        assert_int_equal(atoi(text_at(a.doc, "/label")), sent.label[0]);
        assert_null(json_text(a.doc, "/reason"));
        http_answer_deinit(&a);
        expect(&d, 200, "POST", path_of("byid", "feedback"), b.data, &a); /* a retry */
        assert_int_equal(number_at(a.doc, "/accepted"), 0);
        assert_int_equal(number_at(a.doc, "/duplicate"), N);
        http_answer_deinit(&a);
        buf_deinit(&b);
}

/* The rows that were remembered are the rows that were asked about: what is learned from them is digits. */
static void test_remembered_inputs_are_learned_from(void **state)
{
        struct http_answer a;
        (void)state;
        uint64_t job = consolidate(&d, "byid", "promoted");
        assert_true(accuracy(&d, "byid", NULL, &unseen, NULL) > 0.8);
        fate("byid", ids[0], "used", &a);
        assert_int_equal(number_at(a.doc, "/job"), job);
        assert_string_equal(text_at(a.doc, "/version"), "2");
        http_answer_deinit(&a);
        int agreed = 0;
        char more[N][64];
        int said[N];
        ids_of("byid", 0, 100, more, said);
        for (int i = 0; i < 100; i++)
                agreed += said[i] == sent.label[i];
        for (int i = 0; i < 100; i++)
                label("byid", 200, more[i], sent.label[i], ",\"source\":\"after\"", NULL);
        expect(&d, 200, "GET", path_of("byid", "sources"), NULL, &a);
        assert_int_equal(json_length(a.doc, "/sources"), 2);
        assert_string_equal(text_at(a.doc, "/sources/0/source"), "after");
        assert_int_equal(number_at(a.doc, "/sources/0/served"), 100);
        assert_int_equal(number_at(a.doc, "/sources/0/agreed"), agreed);
        assert_true(agreed > 80);
        assert_int_equal(number_at(a.doc, "/sources/1/rows"), N);
        assert_int_equal(number_at(a.doc, "/sources/1/used"), N);
        http_answer_deinit(&a);
}

static void test_erasing_tells_what_still_remembers(void **state)
{
        struct http_answer a;
        char rest[320];
        (void)state;
        memset(rest, 'r', sizeof(rest) - 1);
        rest[snprintf(rest, sizeof(rest), "feedback/%s?reason=", ids[0])] = 'r';
        rest[sizeof(rest) - 1] = '\0';
        expect_problem(&d, 400, "bad-value", "", "DELETE", path_of("byid", rest), NULL);
        snprintf(rest, sizeof(rest), "feedback/%s?reason=asked%%20for", ids[0]);
        expect(&d, 200, "DELETE", path_of("byid", rest), NULL, &a);
        assert_int_equal(json_bool(a.doc, "/backups"), 0);
        assert_int_equal(number_at(a.doc, "/erased"), 1);
        assert_int_equal(number_at(a.doc, "/used"), 1);
        assert_string_equal(text_at(a.doc, "/first_version"), "2");
        assert_non_null(strstr(text_at(a.doc, "/detail"), "ewcctl source unlearn"));
        http_answer_deinit(&a);
        fate("byid", ids[0], "erased", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), ": asked for"));
        assert_null(json_text(a.doc, "/label"));
        assert_string_equal(text_at(a.doc, "/version"), "2");
        http_answer_deinit(&a);
        check_refused("byid", ids[0], "forgotten-prediction", "send inputs"); /* nor is the prediction remembered */
        struct buf more;
        buf_init(&more, TEXT);
        buf_puts(&more, ",\"inputs\":");
        put_rows(&more, &sent, 0, 1);
        label("byid", 422, ids[0], sent.label[0], more.data, &a); /* and it does not come back */
        check_rejected(&a, "erased", "/events/0/event_id", "does not come back");
        buf_deinit(&more);
        expect_problem(&d, 404, "not-found", "", "DELETE", path_of("byid", "feedback/nobody"), NULL);
        expect(&d, 200, "DELETE", path_of("byid", "feedback?source=after"), NULL, &a);
        assert_int_equal(number_at(a.doc, "/erased"), 100);
        assert_int_equal(number_at(a.doc, "/used"), 0);
        assert_null(json_text(a.doc, "/detail"));
        http_answer_deinit(&a);
        expect_problem(&d, 404, "not-found", "", "DELETE", path_of("byid", "feedback?source=stranger"), NULL);
        expect_problem(&d, 400, "bad-value", "", "DELETE", path_of("byid", "feedback"), NULL);
}

/* --- ids that are refused --- */

static void test_forged_ids_are_refused(void **state)
{
        char one[1][64], forged[64];
        struct http_answer a;
        (void)state;
        make("other", LEARNING(""));
        make("amnesic", LEARNING(",\"predict\":{\"retain_rows\":0}"));
        ids_of("byid", 0, 1, one, NULL);
        for (size_t i = 0; i < strlen(one[0]); i++) {
                strcpy(forged, one[0]);
                forged[i] = forged[i] == '0' ? '1' : '0';
                check_refused("byid", forged, "unknown-prediction", "send inputs");
        }
        check_refused("byid", "x", "unknown-prediction", "send inputs");
        check_refused("byid", "", "unknown-prediction", "send inputs");
        check_refused("other", one[0], "unknown-prediction", "send inputs"); /* another model's */
        check_refused("amnesic", one[0], "unknown-prediction", "remembers no predictions");
        label("byid", 200, one[0], 3, "", NULL);
        struct digits few = {.n = 1, .x = sent.x, .label = sent.label};
        predict(&d, "amnesic", NULL, &few, &a);
        assert_null(json_text(a.doc, "/predictions/0/id"));
        http_answer_deinit(&a);
}

/* What was erased is remembered nowhere: the prediction it named goes, too, whatever the event was called; with a
 * source, of whose predictions nothing is known any more, all that the model remembers. */
static void test_erasing_reaches_predictions(void **state)
{
        enum { FEW = 3 };
        char one[FEW][64];
        struct http_answer a;
        (void)state;
        for (size_t i = 0; i < FEW; i++) {
                struct digits few = {.n = 1, .x = &sent.x[i], .label = &sent.label[i]};
                predict(&d, "byid", NULL, &few, &a);
                snprintf(one[i], 64, "%s", text_at(a.doc, "/predictions/0/id"));
                http_answer_deinit(&a);
        }
        label("byid", 200, one[0], 3, ",\"event_id\":\"mine\",\"source\":\"reach\"", NULL);
        expect(&d, 200, "DELETE", path_of("byid", "feedback/mine"), NULL, NULL);
        check_refused("byid", one[0], "forgotten-prediction", "no longer remembered");
        label("byid", 200, one[1], 3, ",\"source\":\"reach\"", NULL);
        expect(&d, 200, "DELETE", path_of("byid", "feedback?source=reach"), NULL, NULL);
        check_refused("byid", one[2], "forgotten-prediction", "no longer remembered");
}

/* A label may come by another connection, and so by another loop, than its prediction. */
static void test_any_connection_takes_the_label(void **state)
{
        enum { LINES = 12 };
        struct daemon line[LINES];
        char one[LINES][64], body[TEXT];
        (void)state;
        for (size_t i = 0; i < LINES; i++) {
                line[i] = d;
                http_client_unix(&line[i].http, d.socket);
                struct digits few = {.n = 1, .x = &sent.x[i], .label = &sent.label[i]};
                struct http_answer a;
                predict(&line[i], "byid", NULL, &few, &a);
                snprintf(one[i], 64, "%s", text_at(a.doc, "/predictions/0/id"));
                http_answer_deinit(&a);
        }
        for (size_t i = 0; i < LINES; i++) {
                for (size_t k = 0; k < LINES; k++) {
                        struct http_answer a;
                        snprintf(
                            body, sizeof(body), "{\"events\":[{\"prediction_id\":\"%s\",\"label\":\"4\"}]}", one[i]);
                        expect(&line[k], 200, "POST", path_of("byid", "feedback"), body, &a);
                        assert_int_equal(number_at(a.doc, k == 0 ? "/accepted" : "/duplicate"), 1);
                        http_answer_deinit(&a);
                }
        }
        for (size_t i = 0; i < LINES; i++)
                http_client_close(&line[i].http);
}

static void test_infer_gives_ids_on_demand(void **state)
{
        struct http_answer a;
        struct buf b;
        char one[64];
        (void)state;
        buf_init(&b, 1 << 16);
        buf_puts(&b, "{\"inputs\":[{\"name\":\"input\",\"shape\":[2,64],\"datatype\":\"FP32\",\"data\":");
        put_rows(&b, &sent, 0, 2);
        buf_puts(&b, "}],\"parameters\":{\"ewcd_prediction_id\":true}}");
        expect(&d, 200, "POST", path_of("byid", "infer"), b.data, &a);
        const char *text = text_at(a.doc, "/parameters/ewcd_prediction_id");
        assert_int_equal(strlen(text), 43 + 1 + 43);
        assert_int_equal(text[43], ',');
        snprintf(one, sizeof(one), "%.43s", text);
        label("byid", 200, one, 3, "", NULL);
        snprintf(one, sizeof(one), "%s", text + 44);
        label("byid", 200, one, 3, "", NULL);
        http_answer_deinit(&a);
        buf_reset(&b);
        buf_puts(&b, "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],\"datatype\":\"FP32\",\"data\":");
        put_rows(&b, &sent, 0, 1);
        buf_puts(&b, "}]}");
        expect(&d, 200, "POST", path_of("byid", "infer"), b.data, &a);
        assert_null(json_text(a.doc, "/parameters/ewcd_prediction_id"));
        http_answer_deinit(&a);
        buf_deinit(&b);
}

/* --- several labels, late labels, contradicting labels --- */

static void test_whose_label_counts(void **state)
{
        static const struct {
                const char *policy;
                int counts[3]; /* after the label of a, b, c */
        } rows[] = {{"earliest", {4, 4, 4}}, {"latest", {4, 5, 5}}, {"majority", {4, 4, 5}}};
        static const int says[] = {4, 5, 5};
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char learning[200], one[1][64], more[64];
                snprintf(
                    learning, sizeof(learning), LEARNING(",\"feedback\":{\"on_conflict\":\"%s\"}"), rows[i].policy);
                make(rows[i].policy, learning);
                ids_of(rows[i].policy, 0, 1, one, NULL);
                for (int k = 0; k < 3; k++) {
                        struct http_answer a;
                        snprintf(more, sizeof(more), ",\"source\":\"%c\"", 'a' + k);
                        label(rows[i].policy, 200, one[0], says[k], more, &a);
                        assert_int_equal(number_at(a.doc, "/accepted"), 1);
                        http_answer_deinit(&a);
                        fate(rows[i].policy, one[0], "queued", &a);
                        if (atoi(text_at(a.doc, "/label")) != rows[i].counts[k])
                                fail_msg("%s after %d: %s", rows[i].policy, k, a.body.data);
                        http_answer_deinit(&a);
                        expect(&d, 200, "GET", path_of(rows[i].policy, "tasks"), NULL, &a);
                        assert_int_equal(number_at(a.doc, "/tasks/0/feedback/train"), 1);
                        http_answer_deinit(&a);
                }
        }
}

static char early[1][64]; /* a prediction of model slow, long before its label */
static uint64_t early_ms;

static void test_late_labels_are_kept_and_not_learned(void **state)
{
        char one[2][64];
        struct http_answer a;
        (void)state;
        make("slow", LEARNING(",\"feedback\":{\"window_s\":1}"));
        ids_of("slow", 0, 1, early, NULL);
        early_ms = now_ms();
        make("hasty", LEARNING(",\"feedback\":{\"window_s\":60}"));
        ids_of("hasty", 0, 2, one, NULL);
        label("hasty", 200, one[0], 1, "", &a); /* the prediction has just been made */
        assert_int_equal(number_at(a.doc, "/late"), 0);
        http_answer_deinit(&a);
        label("hasty", 200, one[1], 1, ",\"observed_at\":\"2020-01-02T03:04:05Z\"", &a);
        assert_int_equal(number_at(a.doc, "/accepted"), 1);
        assert_int_equal(number_at(a.doc, "/late"), 1);
        http_answer_deinit(&a);
        fate("hasty", one[1], "late", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), "2020-01-02T03:04:05"));
        assert_non_null(strstr(text_at(a.doc, "/reason"), "feedback.window_s"));
        http_answer_deinit(&a);
        expect(&d, 200, "GET", path_of("hasty", "tasks"), NULL, &a);
        assert_int_equal(number_at(a.doc, "/tasks/0/feedback/train"), 1);
        http_answer_deinit(&a);
}

static void release(const char *model, const char *id, bool accept, int status)
{
        char rest[128];
        snprintf(rest, sizeof(rest), "feedback/%s/release", id);
        expect(&d, status, "POST", path_of(model, rest),
            accept ? "{\"accept\":true}" : "{\"accept\":false,\"reason\":\"a joke\"}", NULL);
}

static void test_contradictions_wait_for_a_decision(void **state)
{
        char one[3][64];
        int said[3];
        struct http_answer a;
        (void)state;
        make("wary", LEARNING(",\"feedback\":{\"quarantine_confidence\":0.05}"));
        ids_of("wary", 0, 3, one, said);
        label("wary", 200, one[0], said[0], "", &a);
        assert_int_equal(number_at(a.doc, "/quarantined"), 0);
        http_answer_deinit(&a);
        for (int i = 1; i < 3; i++) {
                label("wary", 200, one[i], (said[i] + 1) % 10, "", &a);
                assert_int_equal(number_at(a.doc, "/quarantined"), 1);
                http_answer_deinit(&a);
                fate("wary", one[i], "quarantined", &a);
                assert_non_null(strstr(text_at(a.doc, "/reason"), "version 1 said"));
                http_answer_deinit(&a);
        }
        expect_problem(&d, 400, "bad-value", "/accept", "POST", path_of("wary", "feedback/x/release"), "{}");
        release("wary", one[0], true, 404); /* it is not quarantined */
        release("wary", one[1], true, 200);
        release("wary", one[2], false, 200);
        release("wary", one[1], true, 404);
        fate("wary", one[1], "queued", NULL);
        fate("wary", one[2], "erased", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), ": a joke"));
        http_answer_deinit(&a);
        expect(&d, 200, "GET", path_of("wary", "tasks"), NULL, &a);
        assert_int_equal(number_at(a.doc, "/tasks/0/feedback/train"), 2);
        http_answer_deinit(&a);
}

/* --- a source that lies --- */

static void answer_good(struct buf *b, int digit)
{
        buf_printf(b, "\"label\":\"%d\",\"source\":\"good\"", digit);
}

static void answer_wrong(struct buf *b, int digit)
{
        buf_printf(b, "\"label\":\"%d\",\"source\":\"ba/d \\u00fc\"", (digit + 1) % 10);
}

static void put_clean(struct buf *b, size_t n)
{
        struct sending s = {.model = "poisoned", .prefix = "clean", .rows = &unseen};
        buf_puts(b, "{\"events\":[");
        for (size_t i = 0; i < n; i++) {
                buf_puts(b, i > 0 ? "," : "");
                put_event(b, &s, i);
        }
        buf_puts(b, "]}");
}

static void test_trusted_rows_come_over_the_unix_socket(void **state)
{
        static const char path[] = "/v2/models/poisoned/tasks/t/holdout";
        struct daemon tcp = d;
        struct http_answer a;
        struct buf b;
        (void)state;
        make("poisoned", LEARNING(""));
        buf_init(&b, 1 << 20);
        put_clean(&b, 100);
        http_client_tcp(&tcp.http, d.port);
        expect(&tcp, 403, "POST", path, b.data, &a);
        check_problem(&a, 403, "forbidden", "");
        http_answer_deinit(&a);
        expect(&d, 200, "POST", path, b.data, &a);
        assert_int_equal(number_at(a.doc, "/accepted"), 100);
        http_answer_deinit(&a);
        expect(&tcp, 404, "DELETE", path_of("poisoned", "feedback/clean-7"), NULL, &a); /* nor do they go over TCP */
        assert_non_null(strstr(text_at(a.doc, "/detail"), "over the UNIX socket only"));
        http_answer_deinit(&a);
        expect(&tcp, 404, "DELETE", path_of("poisoned", "feedback?source=operator"), NULL, NULL);
        http_client_close(&tcp.http);
        expect(&d, 200, "GET", path_of("poisoned", "tasks"), NULL, &a);
        assert_int_equal(number_at(a.doc, "/tasks/0/feedback/train"), 0);
        assert_int_equal(number_at(a.doc, "/tasks/0/feedback/holdout"), 100);
        http_answer_deinit(&a);
        fate("poisoned", "clean-7", "held_out", &a);
        assert_int_equal(json_bool(a.doc, "/trusted"), 1);
        assert_string_equal(text_at(a.doc, "/source"), "operator");
        http_answer_deinit(&a);
        expect_problem(&d, 422, "unknown-task", "", "POST", "/v2/models/poisoned/tasks/u/holdout", b.data);
        buf_deinit(&b);
        expect(&d, 422, "POST", path, "{\"events\":[{\"prediction_id\":\"x\",\"label\":\"1\"}]}", &a);
        check_rejected(&a, "bad-value", "/events/0/prediction_id", "its own inputs");
        expect(&d, 422, "POST", path, "{\"events\":[{\"inputs\":[1],\"label\":\"1\"}]}", &a);
        check_rejected(&a, "bad-shape", "/events/0/inputs", "64");
}

static void test_a_lying_source_is_unlearned(void **state)
{
        struct sending good = {.model = "poisoned", .prefix = "g", .rows = &sent, .n = 500, .answer = answer_good},
                       bad = {.model = "poisoned", .prefix = "b", .rows = &sent, .n = 800, .answer = answer_wrong};
        struct http_answer a;
        char version[32];
        (void)state;
        assert_int_equal(feedback_send(&d, &good).accepted, 500);
        consolidate(&d, "poisoned", "promoted");
        double clean = accuracy(&d, "poisoned", NULL, &unseen, NULL);
        assert_true(clean > 0.85);
        assert_int_equal(feedback_send(&d, &bad).accepted, 800);
        consolidate(&d, "poisoned", "promoted");
        double poisoned = accuracy(&d, "poisoned", NULL, &unseen, NULL);
        assert_true(poisoned < clean - 0.2);

        expect_problem(&d, 404, "not-found", "", "POST", path_of("poisoned", "sources/nobody/unlearn"), NULL);
        expect(&d, 202, "POST", path_of("poisoned", "sources/ba%2Fd%20%C3%BC/unlearn"),
            "{\"reason\":\"broken sensor\"}", &a);
        assert_int_equal(number_at(a.doc, "/erased"), 800);
        assert_string_equal(text_at(a.doc, "/source"), "ba/d \xc3\xbc");
        assert_string_equal(text_at(a.doc, "/from_version"), "3");
        assert_string_equal(text_at(a.doc, "/version"), "2");
        uint64_t job = (uint64_t)number_at(a.doc, "/job");
        assert_non_null(strstr(a.location, "/v2/models/poisoned/jobs/"));
        http_answer_deinit(&a);
        job_end(&d, "poisoned", job, "promoted", &a);
        assert_string_equal(text_at(a.doc, "/trigger/kind"), "unlearn");
        assert_non_null(strstr(text_at(a.doc, "/trigger/text"), "800 rows: broken sensor"));
        assert_string_equal(text_at(a.doc, "/parent"), "2");
        snprintf(version, sizeof(version), "%s", text_at(a.doc, "/version"));
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "poisoned"), atoi(version));
        double again = accuracy(&d, "poisoned", NULL, &unseen, NULL);
        assert_true(again > clean - 0.05);
        fate("poisoned", "b-0", "erased", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), ": broken sensor"));
        http_answer_deinit(&a);
        struct buf again_sent;
        buf_init(&again_sent, TEXT);
        buf_puts(&again_sent, "{\"events\":[");
        put_event(&again_sent, &bad, 0);
        buf_puts(&again_sent, "]}");
        expect(&d, 422, "POST", path_of("poisoned", "feedback"), again_sent.data, &a);
        check_rejected(&a, "erased", "/events/0/event_id", "does not come back");
        buf_deinit(&again_sent);
        expect(&d, 200, "GET", path_of("poisoned", "sources"), NULL, &a);
        assert_string_equal(text_at(a.doc, "/sources/0/source"), "ba/d \xc3\xbc");
        assert_int_equal(number_at(a.doc, "/sources/0/live"), 0);
        http_answer_deinit(&a);
}

/* Nobody else has taught it: the first version serves, and no job is made. */
static void test_unlearning_the_only_source(void **state)
{
        struct sending only = {.model = "lonely", .prefix = "o", .rows = &sent, .n = 100, .answer = answer_good};
        struct http_answer a;
        (void)state;
        make("lonely", LEARNING(""));
        assert_int_equal(feedback_send(&d, &only).accepted, 100);
        consolidate(&d, "lonely", "promoted");
        expect(&d, 202, "POST", path_of("lonely", "sources/good/unlearn"), NULL, &a);
        assert_string_equal(text_at(a.doc, "/version"), "1");
        assert_null(json_text(a.doc, "/job"));
        assert_non_null(strstr(text_at(a.doc, "/detail"), "0 rows left"));
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "lonely"), 1);
        expect(&d, 202, "POST", path_of("lonely", "sources/good/unlearn"), NULL, &a);
        assert_int_equal(number_at(a.doc, "/erased"), 0);
        assert_non_null(strstr(text_at(a.doc, "/detail"), "nothing is to be learned again"));
        http_answer_deinit(&a);
}

/* --- rows of an active job --- */

static void test_rows_of_a_running_job_are_frozen(void **state)
{
        struct sending rows = {.model = "busy", .prefix = "r", .rows = &sent, .n = 300, .answer = answer_good};
        struct http_answer a;
        char says[32];
        (void)state;
        make("busy", LEARNING(",\"epochs\":100000"));
        assert_int_equal(feedback_send(&d, &rows).accepted, 300);
        uint64_t job = job_start(&d, "busy", "jobs", "{\"kind\":\"consolidate\"}");
        job_reach(&d, "busy", job, "running");
        snprintf(says, sizeof(says), "job %d", (int)job);
        static const struct {
                const char *method, *rest;
        } refused[] = {
            {"DELETE", "feedback/r-3"}, {"DELETE", "feedback?source=good"}, {"POST", "sources/good/unlearn"}};
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                expect(&d, 409, refused[i].method, path_of("busy", refused[i].rest), NULL, &a);
                if (!strstr(text_at(a.doc, "/detail"), says))
                        fail_msg("%s does not name %s: %s", refused[i].rest, says, a.body.data);
                http_answer_deinit(&a);
        }
        char rest[64];
        snprintf(rest, sizeof(rest), "jobs/%d", (int)job);
        expect(&d, 202, "DELETE", path_of("busy", rest), NULL, NULL);
        job_end(&d, "busy", job, "cancelled", NULL);
        expect(&d, 200, "DELETE", path_of("busy", "feedback/r-3"), NULL, NULL);
}

/* What the client says of the time does not make a label earlier than its prediction. */
static void test_a_late_label_stays_late(void **state)
{
        char more[64];
        struct http_answer a;
        (void)state;
        while (now_ms() < early_ms + 1100) /* most of it has gone by in the tests since then */
                look_again(&d, early_ms + JOB_MS, "the end of the window");
        time_t now = time(NULL);
        strftime(more, sizeof(more), ",\"observed_at\":\"%Y-%m-%dT%H:%M:%SZ\"", gmtime(&now));
        label("slow", 200, early[0], 1, more, &a);
        assert_int_equal(number_at(a.doc, "/late"), 1);
        http_answer_deinit(&a);
        fate("slow", early[0], "late", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), "predicted "));
        http_answer_deinit(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_a_label_names_its_prediction),
            cmocka_unit_test(test_remembered_inputs_are_learned_from),
            cmocka_unit_test(test_erasing_tells_what_still_remembers),
            cmocka_unit_test(test_forged_ids_are_refused),
            cmocka_unit_test(test_any_connection_takes_the_label),
            cmocka_unit_test(test_erasing_reaches_predictions),
            cmocka_unit_test(test_infer_gives_ids_on_demand),
            cmocka_unit_test(test_whose_label_counts),
            cmocka_unit_test(test_late_labels_are_kept_and_not_learned),
            cmocka_unit_test(test_contradictions_wait_for_a_decision),
            cmocka_unit_test(test_trusted_rows_come_over_the_unix_socket),
            cmocka_unit_test(test_a_lying_source_is_unlearned),
            cmocka_unit_test(test_unlearning_the_only_source),
            cmocka_unit_test(test_rows_of_a_running_job_are_frozen),
            cmocka_unit_test(test_a_late_label_stays_late),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
