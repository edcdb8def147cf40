/* test_life.c: a model from its first row to its fifth version: two tasks of digits, one head each.
 *
 * One daemon and one story; each test goes on where the one before it ended. What the model knows is measured on rows
 * that were never sent. */
#include "e2e.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct daemon d;
static struct digits all, low, high, low_unseen, high_unseen;
static double low_before; /* accuracy at the close of the first task */
static struct http_answer versions;

#define FORGETTING 0.05

static const struct description model = {
    .name = "digits",
    .scenario = "task",
    .classes = TEN_CLASSES,
    .task = "low",
    .task_classes = "[\"0\",\"1\",\"2\",\"3\",\"4\"]",
    .learning =
        "{" ADAM "," BY_HAND ",\"seed\":7,\"lambda\":0.1,\"gate\":{\"max_forgetting\":0.05,\"min_gain\":-0.05}}",
};

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 4, DIGITS_SENT, false, &low);
        digits_pick(&all, 5, 9, DIGITS_SENT, false, &high);
        digits_pick(&all, 0, 4, DIGITS_UNSEEN, false, &low_unseen);
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &high_unseen);
        daemon_init(&d);
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        struct digits *sets[] = {&all, &low, &high, &low_unseen, &high_unseen};
        (void)state;
        http_answer_deinit(&versions);
        daemon_deinit(&d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                digits_free(sets[i]);
        return 0;
}

static void test_an_empty_daemon_is_healthy(void **state)
{
        static const char *const live[] = {"/healthz", "/v2/health/live"}, *const ready[] = {
                                                                               "/readyz", "/v2/health/ready"};
        struct http_answer a;
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                expect(&d, 200, "GET", live[i], NULL, &a);
                assert_int_equal(json_bool(a.doc, "/live"), 1);
                http_answer_deinit(&a);
                expect(&d, 200, "GET", ready[i], NULL, &a);
                assert_int_equal(json_bool(a.doc, "/ready"), 1);
                http_answer_deinit(&a);
        }
        expect(&d, 200, "GET", "/v2", NULL, &a);
        assert_string_equal(text_at(a.doc, "/name"), "ewcd");
        assert_true(json_length(a.doc, "/extensions") > 0);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models", NULL, &a);
        assert_int_equal(json_length(a.doc, "/models"), 0);
        http_answer_deinit(&a);
}

static void test_a_model_is_created_and_described(void **state)
{
        struct http_answer a;
        (void)state;
        model_create(&d, &model);
        expect(&d, 200, "GET", "/v2/models/digits", NULL, &a);
        assert_string_equal(text_at(a.doc, "/name"), "digits");
        assert_string_equal(text_at(a.doc, "/platform"), "ewcd_v1");
        assert_string_equal(text_at(a.doc, "/inputs/0/datatype"), "FP32");
        assert_int_equal(number_at(a.doc, "/inputs/0/shape/1"), 64);
        assert_string_equal(text_at(a.doc, "/ewcd_champion"), "1");
        assert_string_equal(text_at(a.doc, "/open_task"), "low");
        assert_int_equal(number_at(a.doc, "/learning/seed"), 7);
        assert_int_equal(number_at(a.doc, "/parameters"), 64 * 64 + 64 + 64 * 64 + 64 + 64 * 5 + 5);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/digits/ready", NULL, NULL);
        expect_problem(&d, 409, "in-use", "/name", "POST", "/v2/models",
            "{\"name\":\"digits\",\"input\":{\"shape\":[1]},\"scenario\":\"task\",\"classes\":[\"a\",\"b\"],\"task\":"
            "\"t\",\"layers\":[]}");
}

static void test_feedback_is_taken_once(void **state)
{
        size_t half = low.n / 2;
        struct sending s = {.model = "digits", .prefix = "low", .rows = &low, .n = half};
        struct http_answer a;
        (void)state;
        assert_int_equal(feedback_send(&d, &s).accepted, half);
        struct sending rest = s;
        rest.first = half;
        rest.n = 0;
        rest.ndjson = true;
        assert_int_equal(feedback_send(&d, &rest).accepted, low.n - half);
        rest.first = 0; /* the first half again, in the other format */
        struct sent again = feedback_send(&d, &rest);
        assert_int_equal(again.accepted, 0);
        assert_int_equal(again.duplicate, low.n);
        expect(&d, 200, "GET", "/v2/models/digits/feedback/low-3", NULL, &a);
        assert_string_equal(text_at(a.doc, "/task"), "low");
        char label[8];
        snprintf(label, sizeof(label), "%d", low.label[3]);
        assert_string_equal(text_at(a.doc, "/label"), label);
        assert_int_equal(number_at(a.doc, "/seq"), 4);
        http_answer_deinit(&a);
}

static void test_the_first_task_is_learned(void **state)
{
        struct http_answer a;
        double untrained = accuracy(&d, "digits", "low", &low_unseen, NULL);
        (void)state;
        consolidate(&d, "digits", "promoted");
        double learned = accuracy(&d, "digits", NULL, &low_unseen, NULL);
        print_message("task low: %.3f before, %.3f after learning\n", untrained, learned);
        assert_true(untrained < 0.6);
        assert_true(learned > 0.95);
        expect(&d, 200, "GET", "/v2/models/digits/feedback/low-3", NULL, &a);
        assert_string_equal(text_at(a.doc, "/version"), "2");
        assert_int_equal(number_at(a.doc, "/job"), 1);
        http_answer_deinit(&a);
}

static void test_rollover_opens_the_second_task(void **state)
{
        struct http_answer a;
        (void)state;
        rollover(&d, "digits", "{\"task\":\"high\",\"classes\":[\"5\",\"6\",\"7\",\"8\",\"9\"]}", "promoted");
        low_before = accuracy(&d, "digits", "low", &low_unseen, NULL);
        assert_true(low_before > 0.95);
        expect(&d, 200, "GET", "/v2/models/digits/tasks", NULL, &a);
        assert_int_equal(json_length(a.doc, "/tasks"), 2);
        assert_string_equal(text_at(a.doc, "/tasks/0/task"), "low");
        assert_string_equal(text_at(a.doc, "/tasks/0/state"), "closed");
        assert_string_equal(text_at(a.doc, "/tasks/0/fisher/variant"), "exact");
        assert_true(number_at(a.doc, "/tasks/0/accuracy/at_close") > 0.9);
        double train = number_at(a.doc, "/tasks/0/feedback/train"),
               holdout = number_at(a.doc, "/tasks/0/feedback/holdout");
        assert_int_equal(train + holdout, low.n);
        assert_true(holdout > 0.05 * (double)low.n && holdout < 0.16 * (double)low.n);
        assert_int_equal(number_at(a.doc, "/tasks/0/fisher/samples"), train);
        assert_string_equal(text_at(a.doc, "/tasks/1/task"), "high");
        assert_string_equal(text_at(a.doc, "/tasks/1/state"), "open");
        assert_int_equal(json_length(a.doc, "/tasks/1/classes"), 5);
        http_answer_deinit(&a);
}

static void test_a_task_without_a_head_says_so(void **state)
{
        struct buf b;
        (void)state;
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"task\":\"high\",\"inputs\":");
        put_rows(&b, &high, 0, 1);
        buf_putc(&b, '}');
        expect_problem(&d, 409, "no-head", "/task", "POST", "/v2/models/digits/predict", b.data);
        buf_deinit(&b);
}

static void test_the_second_task_is_learned_and_the_first_kept(void **state)
{
        (void)state;
        feedback_all(&d, "digits", "high", &high);
        consolidate(&d, "digits", "promoted");
        double low_now = accuracy(&d, "digits", "low", &low_unseen, NULL),
               high_now = accuracy(&d, "digits", "high", &high_unseen, NULL);
        print_message("task low: %.3f at its close, %.3f now; task high: %.3f\n", low_before, low_now, high_now);
        assert_true(low_before - low_now <= FORGETTING + 1e-9);
        assert_true(high_now > 0.9);
}

static void test_versions_tell_their_lineage(void **state)
{
        struct http_answer a;
        (void)state;
        expect(&d, 200, "GET", "/v2/models/digits/versions", NULL, &versions);
        const struct json_doc *v = versions.doc;
        assert_int_equal(json_length(v, "/versions"), 4);
        for (int i = 0; i < 4; i++) { /* newest first */
                char number[8];
                snprintf(number, sizeof(number), "%d", 4 - i);
                assert_string_equal(text_at(v, "/versions/%d/version", i), number);
                assert_memory_equal(text_at(v, "/versions/%d/digest", i), "sha256:", 7);
                assert_memory_equal(text_at(v, "/versions/%d/program", i), "ewcd ", 5);
                snprintf(number, sizeof(number), "%d", 3 - i);
                if (i < 3)
                        assert_string_equal(text_at(v, "/versions/%d/parent", i), number);
        }
        assert_null(json_text(v, "/versions/3/parent"));
        assert_string_equal(text_at(v, "/versions/3/state"), "initial");
        assert_string_equal(text_at(v, "/versions/0/aliases/0"), "champion");
        assert_string_equal(text_at(v, "/versions/0/task"), "high");
        assert_string_equal(text_at(v, "/versions/1/task"), "low");
        assert_int_equal(number_at(v, "/versions/0/lambda") * 1000, 100);
        assert_int_equal(number_at(v, "/versions/0/range/first_seq"), low.n + 1);
        assert_int_equal(number_at(v, "/versions/0/range/last_seq"), low.n + high.n);
        assert_int_equal(number_at(v, "/versions/2/range/first_seq"), 1);
        assert_int_equal(number_at(v, "/versions/2/range/last_seq"), low.n);
        assert_true(number_at(v, "/versions/0/seed") >= 0);
        assert_int_equal(json_length(v, "/versions/0/evaluations"), 2);
        assert_int_equal(json_length(v, "/versions/2/evaluations"), 1);
        assert_true(number_at(v, "/versions/0/evaluations/0/n") > 0);
        assert_true(number_at(v, "/versions/0/evaluations/0/accuracy") > 0.85);
        assert_true(number_at(v, "/versions/0/evaluations/0/loss") >= 0);
        assert_string_equal(text_at(v, "/versions/0/gate/verdict"), "promoted");
        assert_memory_equal(text_at(v, "/versions/0/gate/reason"), "promoted:", 9);
        expect(&d, 200, "GET", "/v2/models/digits/versions?limit=1", NULL, &a);
        assert_int_equal(json_length(a.doc, "/versions"), 1);
        assert_string_equal(text_at(a.doc, "/next_cursor"), "4");
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/digits/versions?limit=10&cursor=4", NULL, &a);
        assert_string_equal(text_at(a.doc, "/versions/0/version"), "3");
        assert_null(json_text(a.doc, "/next_cursor"));
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/digits/versions/@champion", NULL, &a);
        assert_string_equal(text_at(a.doc, "/version"), "4");
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/digits/versions/%40champion/ready", NULL, NULL);
}

static void test_jobs_tell_what_happened(void **state)
{
        static const char *const kinds[] = {"consolidate", "rollover", "consolidate"}; /* newest first */
        struct http_answer a;
        (void)state;
        expect(&d, 200, "GET", "/v2/models/digits/jobs", NULL, &a);
        assert_int_equal(json_length(a.doc, "/jobs"), 3);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(number_at(a.doc, "/jobs/%d/id", i), 3 - i);
                assert_string_equal(text_at(a.doc, "/jobs/%d/kind", i), kinds[i]);
                assert_string_equal(text_at(a.doc, "/jobs/%d/state", i), "promoted");
                assert_int_equal(number_at(a.doc, "/jobs/%d/progress", i), 1);
                assert_string_equal(text_at(a.doc, "/jobs/%d/trigger/kind", i), "manual");
                assert_true(
                    strcmp(text_at(a.doc, "/jobs/%d/ended_at", i), text_at(a.doc, "/jobs/%d/created_at", i)) >= 0);
        }
        assert_int_equal(json_length(a.doc, "/jobs/0/tasks"), 2);
        assert_true(
            number_at(a.doc, "/jobs/0/tasks/1/accuracy_after") > number_at(a.doc, "/jobs/0/tasks/1/accuracy_before"));
        http_answer_deinit(&a);
}

/* The same rows by the Open Inference Protocol give the same numbers. */
static void test_infer_agrees_with_predict(void **state)
{
        struct digits few = low_unseen;
        struct http_answer p, a;
        struct buf b;
        (void)state;
        few.n = 20;
        predict(&d, "digits", "low", &few, &p);
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"id\":\"42\",\"model_name\":\"digits\",\"parameters\":{\"ewcd_task\":\"low\"},"
                     "\"inputs\":[{\"name\":\"input\",\"shape\":[20,64],\"datatype\":\"FP32\",\"data\":");
        put_rows(&b, &few, 0, few.n);
        buf_puts(&b, "}]}");
        expect(&d, 200, "POST", "/v2/models/digits/infer", b.data, &a);
        assert_string_equal(text_at(a.doc, "/id"), "42");
        assert_string_equal(text_at(a.doc, "/model_version"), text_at(p.doc, "/model_version"));
        assert_string_equal(text_at(a.doc, "/parameters/ewcd_task"), "low");
        assert_string_equal(
            text_at(a.doc, "/parameters/ewcd_model_digest"), text_at(versions.doc, "/versions/0/digest"));
        assert_string_equal(text_at(a.doc, "/outputs/0/name"), "probabilities");
        assert_int_equal(number_at(a.doc, "/outputs/0/shape/0"), 20);
        assert_int_equal(number_at(a.doc, "/outputs/0/shape/1"), 5);
        assert_int_equal(json_length(a.doc, "/outputs/0/data"), 100);
        for (int i = 0; i < 100; i++) {
                double one = number_at(a.doc, "/outputs/0/data/%d", i),
                       other = number_at(p.doc, "/predictions/%d/probabilities/%d", i / 5, i % 5);
                assert_true(one >= 0 && one <= 1);
                assert_memory_equal(&one, &other, sizeof(one));
        }
        buf_deinit(&b);
        http_answer_deinit(&a);
        http_answer_deinit(&p);
}

/* A row's probabilities are the same bits alone and in company. */
static void test_company_changes_no_bit(void **state)
{
        struct http_answer many, one;
        (void)state;
        predict(&d, "digits", "low", &low_unseen, &many);
        for (size_t i = 0; i < 40; i++) {
                struct digits alone = {.n = 1 + i % 3, .x = &low_unseen.x[i], .label = &low_unseen.label[i]};
                predict(&d, "digits", "low", &alone, &one);
                for (int k = 0; k < 5; k++) {
                        double p = number_at(one.doc, "/predictions/0/probabilities/%d", k);
                        double q = number_at(many.doc, "/predictions/%zu/probabilities/%d", i, k);
                        assert_memory_equal(&p, &q, sizeof(p));
                }
                http_answer_deinit(&one);
        }
        http_answer_deinit(&many);
}

/* TCP and the UNIX socket are the same server. */
static void test_tcp_answers_the_same(void **state)
{
        struct daemon over_tcp = d;
        char *one = predict_text(&d, "digits", "high", &high_unseen), *other;
        (void)state;
        assert_true(d.port > 0);
        http_client_tcp(&over_tcp.http, d.port);
        other = predict_text(&over_tcp, "digits", "high", &high_unseen);
        assert_string_equal(one, other);
        http_client_close(&over_tcp.http);
        free(one);
        free(other);
}

static void test_the_champion_survives_restarts(void **state)
{
        char *before = predict_text(&d, "digits", "low", &low_unseen), *after;
        (void)state;
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        daemon_start(&d);
        after = predict_text(&d, "digits", "low", &low_unseen);
        assert_string_equal(before, after);
        free(after);
        int status = daemon_stop(&d, SIGKILL, STOP_MS);
        assert_true(WIFSIGNALED(status));
        daemon_start(&d);
        after = predict_text(&d, "digits", "low", &low_unseen);
        assert_string_equal(before, after);
        free(after);
        free(before);
}

static void etag_of(struct http_answer *a, char *ret)
{
        expect(&d, 200, "GET", "/v2/models/digits/aliases/champion", NULL, a);
        assert_int_equal(a->etag[0], '"');
        snprintf(ret, 64, "%s", a->etag);
}

static void put_alias(const char *match, const char *body, struct http_answer *ret)
{
        char headers[160];
        snprintf(headers, sizeof(headers), JSON_TYPE "%s%s%s", match ? "If-Match: " : "", match ? match : "",
            match ? "\r\n" : "");
        ask(&d, "PUT", "/v2/models/digits/aliases/champion", headers, body, strlen(body), ret);
}

static void test_rollback_serves_the_old_version_at_once(void **state)
{
        char etag[64], stale[64];
        char *newest = predict_text(&d, "digits", "low", &low_unseen);
        struct http_answer a, p;
        (void)state;
        etag_of(&a, etag);
        assert_string_equal(text_at(a.doc, "/version"), "4");
        http_answer_deinit(&a);
        put_alias(NULL, "{\"version\":\"3\"}", &a);
        check_problem(&a, 428, "need-precondition", "");
        http_answer_deinit(&a);
        put_alias("\"999999\"", "{\"version\":\"3\"}", &a);
        check_problem(&a, 412, "precondition", "");
        http_answer_deinit(&a);
        put_alias(etag, "{\"version\":\"77\"}", &a);
        check_problem(&a, 404, "unknown-version", "/version");
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "digits"), 4);

        put_alias(etag, "{\"version\":\"3\",\"reason\":\"complaints from the field\"}", &a);
        assert_int_equal(a.status, 200);
        assert_string_not_equal(a.etag, etag);
        snprintf(stale, sizeof(stale), "%s", etag);
        snprintf(etag, sizeof(etag), "%s", a.etag);
        http_answer_deinit(&a);
        predict(&d, "digits", "low", &low_unseen, &p);
        assert_string_equal(text_at(p.doc, "/model_version"), "3");
        http_answer_deinit(&p);
        assert_true(fabs(accuracy(&d, "digits", "low", &low_unseen, NULL) - low_before) < 1e-12);

        put_alias(stale, "{\"version\":\"4\"}", &a);
        check_problem(&a, 412, "precondition", "");
        http_answer_deinit(&a);
        put_alias(etag, "{\"version\":4}", &a);
        assert_int_equal(a.status, 200);
        http_answer_deinit(&a);
        char *back = predict_text(&d, "digits", "low", &low_unseen);
        assert_string_equal(newest, back);
        free(back);
        free(newest);
}

static void test_other_aliases_can_be_made(void **state)
{
        static const char path[] = "/v2/models/digits/aliases/challenger", body[] = "{\"version\":\"2\"}";
        struct http_answer a;
        (void)state;
        expect_problem(&d, 404, "unknown-alias", "", "GET", path, NULL);
        ask(&d, "PUT", path, JSON_TYPE "If-Match: \"0\"\r\n", body, strlen(body), &a);
        assert_int_equal(a.status, 200);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/digits/aliases", NULL, &a);
        assert_int_equal(json_length(a.doc, "/aliases"), 2);
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "digits"), 4);
}

static void test_metrics_have_their_names(void **state)
{
        static const char *const lines[] = {
            "ewcd_build_info{version=\"",
            "ewcd_requests_total{route=\"POST /v2/models/{m}/predict\",code=\"2xx\"} ",
            "ewcd_request_duration_seconds_bucket{route=\"POST /v2/models/{m}/predict\",le=\"+Inf\"} ",
            "ewcd_request_duration_seconds_sum{",
            "ewcd_request_duration_seconds_count{",
            "ewcd_in_flight ",
            "ewcd_connections ",
            "ewcd_rejected_total{reason=\"overloaded\"} 0\n",
            "ewcd_inferences_total ",
            "ewcd_inference_rows_total ",
            "ewcd_compute_seconds_total ",
            "ewcd_feedback_events_total{result=\"accepted\"} ",
            "ewcd_feedback_events_total{result=\"duplicate\"} ",
            "ewcd_feedback_events_total{result=\"rejected\"} ",
            "ewcd_feedback_queue_events ",
            "ewcd_feedback_commit_seconds ",
            "ewcd_wal_bytes ",
            "ewcd_db_bytes ",
            "ewcd_store_read_only 0\n",
            "ewcd_consolidations_total{outcome=\"promoted\"} ",
            "ewcd_consolidations_total{outcome=\"failed\"} ",
            "ewcd_champion_version{model=\"digits\"} 4\n",
            "ewcd_ewc_lambda{model=\"digits\"} 0.1\n",
            "ewcd_task_accuracy_ratio{model=\"digits\",task=\"low\"} ",
            "ewcd_task_accuracy_ratio{model=\"digits\",task=\"high\"} ",
            "ewcd_task_forgetting_ratio{model=\"digits\",task=\"low\"} ",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_start_time_seconds ",
        };
        struct http_answer a;
        (void)state;
        ask(&d, "GET", "/metrics", "", NULL, 0, &a);
        assert_int_equal(a.status, 200);
        assert_memory_equal(a.content_type, "text/plain", 10);
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                if (!strstr(a.body.data, lines[i]))
                        fail_msg("no line '%s' in:\n%s", lines[i], a.body.data);
        http_answer_deinit(&a);
}

static void test_status_is_one_answer(void **state)
{
        struct http_answer a;
        (void)state;
        expect(&d, 200, "GET", "/v2/status", NULL, &a);
        assert_memory_equal(text_at(a.doc, "/program"), "ewcd ", 5);
        assert_int_equal(json_bool(a.doc, "/ready"), 1);
        assert_string_equal(text_at(a.doc, "/models/0/model"), "digits");
        assert_string_equal(text_at(a.doc, "/models/0/champion"), "4");
        assert_string_equal(text_at(a.doc, "/models/0/open_task"), "high");
        assert_int_equal(json_bool(a.doc, "/models/0/training/due"), 0);
        assert_int_equal(number_at(a.doc, "/store/schema"), 9);
        http_answer_deinit(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_an_empty_daemon_is_healthy),
            cmocka_unit_test(test_a_model_is_created_and_described),
            cmocka_unit_test(test_feedback_is_taken_once),
            cmocka_unit_test(test_the_first_task_is_learned),
            cmocka_unit_test(test_rollover_opens_the_second_task),
            cmocka_unit_test(test_a_task_without_a_head_says_so),
            cmocka_unit_test(test_the_second_task_is_learned_and_the_first_kept),
            cmocka_unit_test(test_versions_tell_their_lineage),
            cmocka_unit_test(test_jobs_tell_what_happened),
            cmocka_unit_test(test_infer_agrees_with_predict),
            cmocka_unit_test(test_company_changes_no_bit),
            cmocka_unit_test(test_tcp_answers_the_same),
            cmocka_unit_test(test_the_champion_survives_restarts),
            cmocka_unit_test(test_rollback_serves_the_old_version_at_once),
            cmocka_unit_test(test_other_aliases_can_be_made),
            cmocka_unit_test(test_metrics_have_their_names),
            cmocka_unit_test(test_status_is_one_answer),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
