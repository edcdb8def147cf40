/* test_decisions.c: what the daemon decides by itself: when to train, which task a row belongs to, what may be
 * promoted, which lambda is right. */
#include "e2e.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct daemon d;
static struct digits all, sent, unseen, mirrored;

#define LAYER "[{\"type\":\"dense\",\"units\":48,\"activation\":\"relu\"}]"
#define OPEN_GATE "\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}"

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 9, DIGITS_SENT, false, &sent);
        digits_pick(&all, 0, 9, DIGITS_UNSEEN, false, &unseen);
        digits_pick(&all, 0, 9, DIGITS_SENT, true, &mirrored);
        daemon_init(&d);
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        struct digits *sets[] = {&all, &sent, &unseen, &mirrored};
        (void)state;
        daemon_deinit(&d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                digits_free(sets[i]);
        return 0;
}

/* --- when to train --- */

static uint64_t only_job(const char *model)
{
        uint64_t until = now_ms() + JOB_MS, id = 0;
        char path[96];
        snprintf(path, sizeof(path), "/v2/models/%s/jobs", model);
        while (id == 0) {
                struct http_answer a;
                double v;
                expect(&d, 200, "GET", path, NULL, &a);
                if (json_number(a.doc, "/jobs/0/id", &v) == 0)
                        id = (uint64_t)v;
                http_answer_deinit(&a);
                if (id == 0)
                        look_again(&d, until, "a job by itself");
        }
        return id;
}

static void test_enough_feedback_starts_a_job(void **state)
{
        struct http_answer a;
        (void)state;
        model_create(&d, &(struct description){.name = "eager",
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "t",
                             .layers = LAYER,
                             .learning = "{" ADAM ",\"holdout\":0,\"trigger\":{\"min_feedback\":100}}"});
        struct sending s = {.model = "eager", .prefix = "e", .rows = &sent, .n = 99};
        assert_int_equal(feedback_send(&d, &s).accepted, 99);
        expect(&d, 200, "GET", "/v2/models/eager/jobs", NULL, &a);
        assert_int_equal(json_length(a.doc, "/jobs"), 0);
        http_answer_deinit(&a);
        s.first = 99;
        s.n = 1;
        assert_int_equal(feedback_send(&d, &s).accepted, 1);
        job_end(&d, "eager", only_job("eager"), "promoted", &a);
        assert_string_equal(text_at(a.doc, "/trigger/kind"), "min_feedback");
        assert_int_equal(number_at(a.doc, "/trigger/value"), 100); /* and not one row earlier */
        assert_int_equal(number_at(a.doc, "/range/last_seq") - number_at(a.doc, "/range/first_seq"), 99);
        http_answer_deinit(&a);
}

static void test_an_interval_starts_a_job(void **state)
{
        struct http_answer a;
        (void)state;
        model_create(&d, &(struct description){.name = "patient",
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "t",
                             .layers = LAYER,
                             .learning = "{" ADAM ",\"trigger\":{\"min_feedback\":0,\"interval_s\":1}}"});
        struct sending s = {.model = "patient", .prefix = "p", .rows = &sent, .n = 60};
        assert_int_equal(feedback_send(&d, &s).accepted, 60);
        job_end(&d, "patient", only_job("patient"), NULL, &a);
        assert_string_equal(text_at(a.doc, "/trigger/kind"), "interval");
        assert_true(number_at(a.doc, "/trigger/value") >= 1);
        http_answer_deinit(&a);
}

/* --- what comes while a job runs --- */

#define SLOW_LEARNING "{" ADAM "," BY_HAND "," OPEN_GATE ",\"epochs\":300}"

static double rows_of(const struct json_doc *doc, int task)
{
        return number_at(doc, "/tasks/%d/feedback/train", task) + number_at(doc, "/tasks/%d/feedback/holdout", task);
}

/* Rows that name no task and come behind the rollover's range belong to the next task; named ones stay. */
static void test_rows_that_come_during_a_rollover(void **state)
{
        struct http_answer a;
        (void)state;
        model_create(&d, &(struct description){.name = "busy",
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "first",
                             .layers = LAYER,
                             .learning = SLOW_LEARNING});
        struct sending s = {.model = "busy", .prefix = "before", .rows = &sent, .n = 300};
        assert_int_equal(feedback_send(&d, &s).accepted, 300);
        uint64_t id = job_start(&d, "busy", "tasks", "{\"task\":\"second\"}");
        job_reach(&d, "busy", id, "running");
        s = (struct sending){.model = "busy", .prefix = "during", .rows = &sent, .first = 300, .n = 50};
        assert_int_equal(feedback_send(&d, &s).accepted, 50);
        s = (struct sending){
            .model = "busy", .prefix = "named", .task = "first", .rows = &sent, .first = 350, .n = 20};
        assert_int_equal(feedback_send(&d, &s).accepted, 20);
        job_end(&d, "busy", id, "promoted", &a);
        assert_int_equal(number_at(a.doc, "/range/last_seq") - number_at(a.doc, "/range/first_seq"), 299);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/busy/tasks", NULL, &a);
        assert_int_equal(rows_of(a.doc, 0), 320);
        assert_int_equal(rows_of(a.doc, 1), 50);
        http_answer_deinit(&a);
}

/* Its measurements compare with a version that no longer serves: nothing may be promoted. */
static void test_a_champion_replaced_while_a_job_runs(void **state)
{
        struct http_answer a;
        char headers[160];
        (void)state;
        model_create(&d, &(struct description){.name = "moved",
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "first",
                             .layers = LAYER,
                             .learning = SLOW_LEARNING});
        struct sending s = {.model = "moved", .prefix = "m", .rows = &sent, .n = 300};
        feedback_send(&d, &s);
        consolidate(&d, "moved", "promoted");
        uint64_t id = job_start(&d, "moved", "jobs", "{\"kind\":\"consolidate\"}");
        job_reach(&d, "moved", id, "running");
        expect(&d, 200, "GET", "/v2/models/moved/aliases/champion", NULL, &a);
        snprintf(headers, sizeof(headers), JSON_TYPE "If-Match: %s\r\n", a.etag);
        http_answer_deinit(&a);
        ask(&d, "PUT", "/v2/models/moved/aliases/champion", headers, "{\"version\":1}", 13, &a);
        assert_int_equal(a.status, 200);
        http_answer_deinit(&a);
        job_end(&d, "moved", id, "rejected", &a);
        assert_non_null(strstr(text_at(a.doc, "/reason"), "champion"));
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "moved"), 1);
}

/* --- the gate --- */

static void test_the_gate_holds_back_what_forgets(void **state)
{
        struct http_answer a;
        (void)state;
        model_create(&d, &(struct description){.name = "strict",
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "plain",
                             .layers = LAYER,
                             .learning = "{" ADAM "," BY_HAND
                                         ",\"method\":\"plain\",\"gate\":{\"max_forgetting\":0.0,\"min_gain\":-1}}"});
        feedback_all(&d, "strict", "plain", &sent);
        rollover(&d, "strict", "{\"task\":\"mirrored\"}", "promoted");
        char *before = predict_text(&d, "strict", NULL, &unseen);
        feedback_all(&d, "strict", "mirrored", &mirrored);
        uint64_t id = job_start(&d, "strict", "jobs", "{\"kind\":\"consolidate\"}");
        job_end(&d, "strict", id, "rejected", &a);
        assert_memory_equal(text_at(a.doc, "/reason"), "rejected: task plain lost ", 26);
        assert_non_null(strstr(text_at(a.doc, "/reason"), "(budget 0.0"));
        assert_string_equal(text_at(a.doc, "/version"), "3");
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/strict/versions/3", NULL, &a);
        assert_string_equal(text_at(a.doc, "/state"), "rejected");
        assert_string_equal(text_at(a.doc, "/gate/verdict"), "rejected");
        assert_int_equal(json_length(a.doc, "/aliases"), 0);
        assert_true(number_at(a.doc, "/evaluations/0/accuracy") < 0.9);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/strict/aliases/champion", NULL, &a);
        assert_string_equal(text_at(a.doc, "/version"), "2");
        http_answer_deinit(&a);
        char *after = predict_text(&d, "strict", NULL, &unseen);
        assert_string_equal(before, after);
        free(before);
        free(after);
        /* A rollover that is refused leaves its task open. */
        rollover(&d, "strict", "{\"task\":\"third\"}", "rejected");
        expect(&d, 200, "GET", "/v2/models/strict/tasks", NULL, &a);
        assert_int_equal(json_length(a.doc, "/tasks"), 2);
        assert_string_equal(text_at(a.doc, "/tasks/1/state"), "open");
        http_answer_deinit(&a);
        /* A person may still decide otherwise. */
        expect(&d, 200, "GET", "/v2/models/strict/aliases/champion", NULL, &a);
        char headers[160];
        snprintf(headers, sizeof(headers), JSON_TYPE "If-Match: %s\r\n", a.etag);
        http_answer_deinit(&a);
        ask(&d, "PUT", "/v2/models/strict/aliases/champion", headers, "{\"version\":3}", 13, &a);
        assert_int_equal(a.status, 200);
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "strict"), 3);
}

/* --- lambda --- */

static void test_lambda_is_searched(void **state)
{
        struct http_answer a;
        struct digits low, high, high_unseen;
        (void)state;
        digits_pick(&all, 0, 4, DIGITS_SENT, false, &low);
        digits_pick(&all, 5, 9, DIGITS_SENT, false, &high);
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &high_unseen);
        model_create(&d, &(struct description){.name = "searching",
                             .scenario = "task",
                             .classes = TEN_CLASSES,
                             .task = "low",
                             .layers = LAYER,
                             .task_classes = "[0,1,2,3,4]",
                             .learning = "{" ADAM "," BY_HAND "," OPEN_GATE ",\"lambda\":\"auto\"}"});
        feedback_all(&d, "searching", "low", &low);
        rollover(&d, "searching", "{\"task\":\"high\",\"classes\":[5,6,7,8,9]}", "promoted");
        feedback_all(&d, "searching", "high", &high);
        uint64_t id = job_start(&d, "searching", "jobs", "{\"kind\":\"consolidate\"}");
        job_end(&d, "searching", id, "promoted", &a);
        double lambda = number_at(a.doc, "/lambda");
        print_message("lambda %g was found\n", lambda);
        assert_true(lambda >= 0.5e-4 && lambda <= 0.1); /* the band of the search */
        http_answer_deinit(&a);
        assert_true(accuracy(&d, "searching", "high", &high_unseen, NULL) > 0.9);
        expect(&d, 200, "GET", "/v2/models/searching", NULL, &a);
        assert_string_equal(text_at(a.doc, "/learning/lambda"), "auto");
        http_answer_deinit(&a);
        digits_free(&low);
        digits_free(&high);
        digits_free(&high_unseen);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_enough_feedback_starts_a_job),
            cmocka_unit_test(test_an_interval_starts_a_job),
            cmocka_unit_test(test_rows_that_come_during_a_rollover),
            cmocka_unit_test(test_a_champion_replaced_while_a_job_runs),
            cmocka_unit_test(test_the_gate_holds_back_what_forgets),
            cmocka_unit_test(test_lambda_is_searched),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
