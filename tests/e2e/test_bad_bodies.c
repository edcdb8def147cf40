/* test_bad_bodies.c: predictions and feedback that cannot be taken, and what their sender is told.
 *
 * Each row of a table is one request with the status, the problem and the place in the body it must name. */
#include "bad.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define P "POST", "/v2/models/digits/predict"

static void test_predict(void **state)
{
        static const struct row rows[] = {
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[1,2,3]]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[" PIX63 "]]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[" PIX "],[" PIX63 "]]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[" PIX ",1]]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[]]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[[" PIX "]]]}", 0},
            {400, "bad-shape", "/inputs", P, "{\"task\":\"low\",\"inputs\":[1,[2]]}", 0},
            {400, "non-finite", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[NaN," PIX63 "]]}", 0},
            {400, "non-finite", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[Infinity," PIX63 "]]}", 0},
            {400, "non-finite", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[-Infinity," PIX63 "]]}", 0},
            {400, "non-finite", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[1e999," PIX63 "]]}", 0},
            {400, "non-finite", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[-1e39," PIX63 "]]}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\",\"inputs\":\"abc\"}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\",\"inputs\":{\"a\":1}}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\",\"inputs\":null}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[\"1\"," PIX63 "]]}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[null," PIX63 "]]}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\",\"inputs\":[[true," PIX63 "]]}", 0},
            {400, "bad-value", "/inputs", P, "{\"task\":\"low\"}", 0},
            {400, "bad-value", "/inputs", P, "{}", 0},
            {400, "bad-value", "/task", P, "{\"task\":5,\"inputs\":[[" PIX "]]}", 0},
            {400, "bad-value", "/task", P, "{\"inputs\":[[" PIX "],[" PIX "]],\"task\":[]}", 0},
            {422, "unknown-task", "/task", P, "{\"task\":\"middle\",\"inputs\":[[" PIX "]]}", 0},
            {409, "no-head", "/task", P, "{\"task\":\"high\",\"inputs\":[[" PIX "]]}", 0},
            {400, "bad-value", "/top_k", P, "{\"task\":\"low\",\"top_k\":-1,\"inputs\":[[" PIX "]]}", 0},
            {400, "bad-value", "/top_k", P, "{\"task\":\"low\",\"top_k\":1.5,\"inputs\":[[" PIX "]]}", 0},
            {400, "bad-value", "/top_k", P, "{\"task\":\"low\",\"top_k\":\"3\",\"inputs\":[[" PIX "]]}", 0},
            {400, "bad-value", "/top_k", P,
                "{\"task\":\"low\",\"top_k\":99999999999999999999,\"inputs\":[[" PIX "]]}", 0},
            {400, "unknown-key", NULL, P, "{\"task\":\"low\",\"inpust\":1,\"inputs\":[[" PIX "]]}", 0},
            {404, "unknown-model", "", "POST", "/v2/models/nothing/predict", "{\"inputs\":[[1]]}", 0},
            {404, "unknown-version", "", "POST", "/v2/models/digits/versions/99/predict", "{\"inputs\":[[1]]}", 0},
            {404, "unknown-version", "", "POST", "/v2/models/digits/versions/@nobody/predict", "{\"inputs\":[[1]]}",
                0},
            {404, "unknown-version", "", "POST", "/v2/models/digits/versions/seven/predict", "{\"inputs\":[[1]]}", 0},
            {400, "bad-shape", "/inputs", "POST", "/v2/models/digits/versions/1/predict", "{\"inputs\":[[1]]}", 0},
        };
        (void)state;
        CHECK(rows);
}

static void test_malformed_json(void **state)
{
        static const struct row rows[] = {
            {400, "malformed", NULL, P, "{", 0},
            {400, "malformed", NULL, P, "{\"inputs\"", 0},
            {400, "malformed", NULL, P, "{\"inputs\":", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1,", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1,]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[,1]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1 2]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1]", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1],}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1]}x", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1]}{}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[01]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[+1]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[.5]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1.]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1e]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[0x10]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[--1]}", 0},
            {400, "malformed", NULL, P, "{'inputs':[1]}", 0},
            {400, "malformed", NULL, P, "{inputs:[1]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\" [1]}", 0},
            {400, "malformed", NULL, P, "{\"inputs\":[1] \"task\":\"low\"}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"lo\nw\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"\\x\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"\\u12\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"\\ud800\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"\\u0000\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"\xff\xfe\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"\xc0\xaf\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":\"low\",\"task\":\"low\",\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{\"task\":tru,\"inputs\":[1]}", 0},
            {400, "malformed", NULL, P, "{/**/}", 0},
            {400, "malformed", NULL, P, "{\0}", 3},
            {400, "malformed", NULL, P, "\xef\xbb\xbf{}", 0},
            {400, "malformed", NULL, "POST", "/v2/models", "{\"name\":", 0},
            {400, "malformed", NULL, "POST", "/v2/models", "{\"name\":\"a\",\"name\":\"b\"}", 0},
            {400, "malformed", NULL, "POST", "/v2/models", "{\"name\":\"\xff\"}", 0},
            {400, "malformed", NULL, "POST", "/v2/models/digits/jobs", "kind=consolidate", 0},
            {400, "malformed", NULL, "POST", "/v2/models/digits/tasks", "{\"task\":\"x\"", 0},
            {400, "malformed", NULL, "POST", "/v2/models/digits/feedback", "{\"events\":[{]}", 0},
            {400, "malformed", NULL, "POST", "/v2/models/digits/infer", "{\"inputs\":[{\"name\":}]}", 0},
        };
        (void)state;
        CHECK(rows);
}

/* No JSON value of the kind asked for, or none at all. */
static void test_wrong_roots(void **state)
{
        static const char *const paths[] = {"/v2/models", "/v2/models/digits/predict", "/v2/models/digits/infer",
            "/v2/models/digits/feedback", "/v2/models/digits/tasks", "/v2/models/digits/jobs"};
        static const char *const bodies[] = {"", "[]", "null", "5", "\"x\"", "true", "   "};
        (void)state;
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                for (size_t k = 0; k < sizeof(bodies) / sizeof(bodies[0]); k++) {
                        struct http_answer a;
                        ask(&bad.d, "POST", paths[i], JSON_TYPE, bodies[k], strlen(bodies[k]), &a);
                        if (a.status != 400)
                                fail_msg(
                                    "POST %s '%s': status %d: %.300s", paths[i], bodies[k], a.status, a.body.data);
                        bool value = strstr(text_at(a.doc, "/type"), "bad-value") != NULL;
                        check_problem(&a, 400, value ? "bad-value" : "malformed", NULL);
                        http_answer_deinit(&a);
                }
        check_unharmed();
}

#define I "POST", "/v2/models/digits/infer"
#define TASK "\"parameters\":{\"ewcd_task\":\"low\"},"

static void test_infer(void **state)
{
        static const struct row rows[] = {
            {400, "bad-shape", "/inputs/0/shape", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[2,32],\"datatype\":\"FP32\",\"data\":[" PIX
                "]}]}",
                0},
            {400, "bad-shape", "/inputs/0/shape", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[64],\"datatype\":\"FP32\",\"data\":[" PIX "]}]}",
                0},
            {400, "bad-shape", "/inputs/0/data", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],\"datatype\":\"FP32\",\"data\":[" PIX63
                "]}]}",
                0},
            {400, "bad-shape", "/inputs/0/data", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],\"datatype\":\"FP32\",\"data\":[" PIX
                ",1]}]}",
                0},
            {400, "bad-shape", NULL, I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[4294967296,4294967296],\"datatype\":\"FP32\","
                         "\"data\":[1]}]}",
                0},
            {400, "bad-shape", NULL, I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[0,64],\"datatype\":\"FP32\",\"data\":[]}]}", 0},
            {400, "bad-value", "/inputs", I, "{" TASK "\"inputs\":[]}", 0},
            {400, "bad-shape", "/inputs/0/shape", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[-1,64],\"datatype\":\"FP32\",\"data\":[" PIX
                "]}]}",
                0},
            {400, "bad-value", "/inputs/0/shape", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":\"x\",\"datatype\":\"FP32\",\"data\":[" PIX
                "]}]}",
                0},
            {400, "bad-value", "/inputs/0/datatype", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],\"datatype\":\"FP33\",\"data\":[" PIX
                "]}]}",
                0},
            {400, "bad-value", "/inputs/0/name", I,
                "{" TASK "\"inputs\":[{\"name\":\"image\",\"shape\":[1,64],\"datatype\":\"FP32\",\"data\":[" PIX
                "]}]}",
                0},
            {400, "non-finite", "/inputs/0/data", I,
                "{" TASK "\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],\"datatype\":\"FP32\",\"data\":[NaN," PIX63
                "]}]}",
                0},
            {400, "non-finite", "/inputs/0/data", I,
                "{" TASK
                "\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],\"datatype\":\"FP32\",\"data\":[1e999," PIX63
                "]}]}",
                0},
            {400, "bad-value", "/outputs/0/name", I,
                "{" TASK "\"outputs\":[{\"name\":\"logits\"}],\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],"
                         "\"datatype\":\"FP32\",\"data\":[" PIX "]}]}",
                0},
            {422, "unknown-task", "/parameters/ewcd_task", I,
                "{\"parameters\":{\"ewcd_task\":\"no\"},\"inputs\":[{\"name\":\"input\",\"shape\":[1,64],"
                "\"datatype\":\"FP32\",\"data\":[" PIX "]}]}",
                0},
            {404, "unknown-model", "", "POST", "/v2/models/nothing/infer", "{}", 0},
        };
        (void)state;
        CHECK(rows);
}

#define F "POST", "/v2/models/digits/feedback"
#define EVENT "\"label\":\"5\",\"inputs\":[" PIX "]"

/* One bad event alone: all were rejected, with the first one's place. */
static void test_feedback(void **state)
{
        static const struct row rows[] = {
            {422, "all-rejected", "/events/0/inputs", F, "{\"events\":[{\"label\":\"5\",\"inputs\":[1,2,3]}]}", 0},
            {422, "all-rejected", "/events/0/inputs", F, "{\"events\":[{\"label\":\"5\",\"inputs\":[" PIX ",1]}]}",
                0},
            {400, "malformed", "/events/0", F, "{\"events\":[{\"label\":\"5\",\"inputs\":[NaN," PIX63 "]}]}", 0},
            {422, "all-rejected", "/events/0/inputs", F,
                "{\"events\":[{\"label\":\"5\",\"inputs\":[1e999," PIX63 "]}]}", 0},
            {422, "all-rejected", "/events/0/inputs", F, "{\"events\":[{\"label\":\"5\",\"inputs\":\"x\"}]}", 0},
            {422, "all-rejected", "/events/0/inputs", F, "{\"events\":[{\"label\":\"5\"}]}", 0},
            {422, "all-rejected", "/events/0/label", F, "{\"events\":[{\"label\":\"cat\",\"inputs\":[" PIX "]}]}", 0},
            {422, "all-rejected", "/events/0/label", F, "{\"events\":[{\"label\":\"1\",\"inputs\":[" PIX "]}]}", 0},
            {422, "all-rejected", "/events/0/label", F, "{\"events\":[{\"label\":1.5,\"inputs\":[" PIX "]}]}", 0},
            {422, "all-rejected", "/events/0/label", F, "{\"events\":[{\"label\":[],\"inputs\":[" PIX "]}]}", 0},
            {422, "all-rejected", "/events/0/label", F, "{\"events\":[{\"inputs\":[" PIX "]}]}", 0},
            {422, "all-rejected", "/events/0/label", F,
                "{\"events\":[{\"label\":\"5\",\"target\":1,\"inputs\":[" PIX "]}]}", 0},
            {422, "all-rejected", "/events/0/label", F, "{\"events\":[{\"labels\":[\"5\"],\"inputs\":[" PIX "]}]}",
                0},
            {422, "all-rejected", "/events/0/task", F, "{\"events\":[{" EVENT ",\"task\":\"middle\"}]}", 0},
            {422, "all-rejected", "/events/0/task", F,
                "{\"events\":[{\"label\":\"0\",\"inputs\":[" PIX "],\"task\":\"low\"}]}", 0},
            {422, "all-rejected", "/events/0/task", F, "{\"events\":[{" EVENT ",\"task\":7}]}", 0},
            {422, "all-rejected", "/events/0/weight", F, "{\"events\":[{" EVENT ",\"weight\":-1}]}", 0},
            {422, "all-rejected", "/events/0/weight", F, "{\"events\":[{" EVENT ",\"weight\":0}]}", 0},
            {422, "all-rejected", "/events/0/weight", F, "{\"events\":[{" EVENT ",\"weight\":\"heavy\"}]}", 0},
            {422, "all-rejected", "/events/0/weight", F, "{\"events\":[{" EVENT ",\"weight\":1e999}]}", 0},
            {422, "all-rejected", "/events/0/observed_at", F,
                "{\"events\":[{" EVENT ",\"observed_at\":\"yesterday\"}]}", 0},
            {422, "all-rejected", "/events/0/observed_at", F, "{\"events\":[{" EVENT ",\"observed_at\":5}]}", 0},
            {422, "all-rejected", "/events/0/event_id", F, "{\"events\":[{" EVENT ",\"event_id\":\"\"}]}", 0},
            {422, "all-rejected", "/events/0/event_id", F, "{\"events\":[{" EVENT ",\"event_id\":5}]}", 0},
            {422, "all-rejected", "/events/0/event_id", F, "{\"events\":[{" EVENT ",\"event_id\":\"high-0\"}]}", 0},
            {422, "all-rejected", "/events/0/source", F, "{\"events\":[{" EVENT ",\"source\":{}}]}", 0},
            {422, "all-rejected", NULL, F, "{\"events\":[{" EVENT ",\"colour\":\"red\"}]}", 0},
            {422, "all-rejected", NULL, F, "{\"events\":[7,\"x\",null]}", 0},
            {400, "bad-value", "/events", F, "{\"events\":[]}", 0},
            {400, "bad-value", "/events", F, "{\"events\":{}}", 0},
            {400, "bad-value", "/events", F, "{}", 0},
            {400, "unknown-key", NULL, F, "{\"event\":[]}", 0},
            {404, "unknown-model", "", "POST", "/v2/models/nothing/feedback", "{\"events\":[]}", 0},
            {404, "not-found", "", "GET", "/v2/models/digits/feedback/never-sent", NULL, 0},
        };
        (void)state;
        CHECK(rows);
}

/* Bad neighbours do not spoil a good event, and each gets its own verdict. */
static void test_one_bad_event_spoils_no_other(void **state)
{
        static const char body[] = "{\"events\":[{\"event_id\":\"g1\"," EVENT "},"
                                   "{\"event_id\":\"b1\",\"label\":\"cat\",\"inputs\":[" PIX "]},"
                                   "{\"event_id\":\"b2\",\"label\":\"5\",\"inputs\":[1]},"
                                   "{\"event_id\":\"high-0\"," EVENT "},"
                                   "{\"event_id\":\"b4\",\"task\":\"low\"," EVENT "},"
                                   "{\"event_id\":\"g2\"," EVENT "},"
                                   "{\"event_id\":\"g1\"," EVENT "},"
                                   "{\"event_id\":\"g2\",\"label\":\"6\",\"inputs\":[" PIX "]}]}";
        static const struct {
                int index;
                const char *slug, *pointer;
        } verdicts[] = {{1, "unknown-label", "/events/1/label"}, {2, "bad-shape", "/events/2/inputs"},
            {3, "duplicate-key", "/events/3/event_id"}, {4, "task-closed", "/events/4/task"},
            {7, "duplicate-key", "/events/7/event_id"}};
        static const char lines[] =
            "{\"event_id\":\"g3\"," EVENT "}\n\nnot json\n{\"event_id\":\"b\",\"label\":\"5\",\"inputs\":[NaN]}\n";
        struct http_answer a;
        (void)state;
        expect(&bad.d, 200, "POST", "/v2/models/digits/feedback", body, &a);
        assert_int_equal(number_at(a.doc, "/accepted"), 2);
        assert_int_equal(number_at(a.doc, "/duplicate"), 1);
        assert_int_equal(json_length(a.doc, "/rejected"), 5);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(number_at(a.doc, "/rejected/%d/index", i), verdicts[i].index);
                assert_string_equal(
                    text_at(a.doc, "/rejected/%d/type", i) + strlen("urn:ewcd:problem:"), verdicts[i].slug);
                assert_string_equal(text_at(a.doc, "/rejected/%d/pointer", i), verdicts[i].pointer);
                assert_true(strlen(text_at(a.doc, "/rejected/%d/detail", i)) > 8);
        }
        http_answer_deinit(&a);
        ask(&bad.d, "POST", "/v2/models/digits/feedback", LINES_TYPE, lines, strlen(lines), &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(number_at(a.doc, "/accepted"), 1);
        assert_int_equal(number_at(a.doc, "/rejected/0/line"), 3);
        assert_string_equal(text_at(a.doc, "/rejected/0/type"), "urn:ewcd:problem:malformed");
        assert_int_equal(number_at(a.doc, "/rejected/1/line"), 4);
        assert_string_equal(text_at(a.doc, "/rejected/1/type"), "urn:ewcd:problem:non-finite");
        http_answer_deinit(&a);
        bad.n_feedback += 3;
        check_unharmed();
}

/* Numbers that are finite until the model's scale makes them something else. */
static void test_numbers_the_net_cannot_bear(void **state)
{
        (void)state;
        expect(&bad.d, 201, "POST", "/v2/models",
            "{\"name\":\"hot\",\"input\":{\"shape\":[1],\"scale\":1e30},\"scenario\":\"domain\","
            "\"classes\":[\"a\",\"b\"],\"task\":\"t\",\"layers\":[]}",
            NULL);
        expect(&bad.d, 200, "POST", "/v2/models/hot/predict", "{\"inputs\":[[1e-20]]}", NULL);
        expect_problem(
            &bad.d, 400, "non-finite", "/inputs", "POST", "/v2/models/hot/predict", "{\"inputs\":[[1e30]]}");
        expect_problem(&bad.d, 400, "non-finite", NULL, "POST", "/v2/models/hot/infer",
            "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[1e30]}]}");
        expect(&bad.d, 200, "POST", "/v2/models/hot/predict", "{\"inputs\":[[1e-20]]}", NULL);
        check_unharmed();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_predict),
            cmocka_unit_test(test_malformed_json),
            cmocka_unit_test(test_wrong_roots),
            cmocka_unit_test(test_infer),
            cmocka_unit_test(test_feedback),
            cmocka_unit_test(test_one_bad_event_spoils_no_other),
            cmocka_unit_test(test_numbers_the_net_cannot_bear),
        };
        return cmocka_run_group_tests(tests, bad_setup, bad_teardown);
}
