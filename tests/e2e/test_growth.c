/* test_growth.c: nets that gain outputs, by new classes and after a return to an older version. */
#include "e2e.h"
#include <stdio.h>
#include <stdlib.h>

static struct daemon d;
static struct digits all, part[3], part_unseen[3]; /* digits 0 to 2, 3 to 5, 6 to 8 */

#define LAYER "[{\"type\":\"dense\",\"units\":48,\"activation\":\"relu\"}]"

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        for (int i = 0; i < 3; i++) {
                digits_pick(&all, 3 * i, 3 * i + 2, DIGITS_SENT, false, &part[i]);
                digits_pick(&all, 3 * i, 3 * i + 2, DIGITS_UNSEEN, false, &part_unseen[i]);
        }
        daemon_init(&d);
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        daemon_deinit(&d);
        for (int i = 0; i < 3; i++) {
                digits_free(&part[i]);
                digits_free(&part_unseen[i]);
        }
        digits_free(&all);
        return 0;
}

/* n rows around two corners of a square, every other one of each class. */
static void send_corners(const char *prefix, int n, const char *const names[2], const float corners[2][2])
{
        struct buf b;
        struct http_answer a;
        buf_init(&b, 1 << 20);
        buf_printf(&b, "{\"events\":[");
        for (int i = 0; i < n; i++)
                buf_printf(&b, "%s{\"event_id\":\"%s%d\",\"label\":\"%s\",\"inputs\":[%.3f,%.3f]}", i ? "," : "",
                    prefix, i, names[i % 2], (double)corners[i % 2][0] + (i % 13 - 6) * 0.1,
                    (double)corners[i % 2][1] + (i % 11 - 5) * 0.1);
        buf_printf(&b, "]}");
        assert_true(buf_ok(&b));
        expect(&d, 200, "POST", "/v2/models/widened/feedback", b.data, &a);
        assert_int_equal(number_at(a.doc, "/accepted"), n);
        http_answer_deinit(&a);
        buf_deinit(&b);
}

/* What the new classes cost is counted from what the champion answers, which knows none of them: untrained rows of a
 * grown net would outshout the old classes here. */
static void test_new_classes_may_not_cost_the_old_ones(void **state)
{
        static const char *const old[2] = {"a", "b"}, *const new[2] = {"c", "d"};
        static const float below[2][2] = {{-6, -6}, {6, -6}}, above[2][2] = {{-6, 6}, {6, 6}};
        struct http_answer a;
        (void)state;
        expect(&d, 201, "POST", "/v2/models",
            "{\"name\":\"widened\",\"input\":{\"name\":\"input\",\"shape\":[2]},\"classes\":[\"a\",\"b\"],"
            "\"scenario\":\"class\",\"layers\":[{\"type\":\"dense\",\"units\":16,\"activation\":\"relu\"}],"
            "\"task\":\"t1\",\"learning\":{" ADAM "," BY_HAND ",\"epochs\":40,\"seed\":3}}",
            NULL);
        send_corners("x", 400, old, below);
        rollover(&d, "widened", "{\"task\":\"t2\",\"classes\":[\"c\",\"d\"]}", "promoted");
        send_corners("y", 200, new, above);
        uint64_t id = job_start(&d, "widened", "jobs", "{\"kind\":\"consolidate\"}");
        job_end(&d, "widened", id, "rejected", &a);
        assert_true(number_at(a.doc, "/tasks/0/accuracy_before") == 1);
        assert_true(number_at(a.doc, "/tasks/0/accuracy_after") < 0.9);
        assert_true(number_at(a.doc, "/tasks/1/accuracy_before") == 0);
        assert_true(number_at(a.doc, "/tasks/1/accuracy_after") > 0.9);
        assert_memory_equal(text_at(a.doc, "/reason"), "rejected: task t1 lost ", 23);
        http_answer_deinit(&a);
        assert_int_equal(served_version(&d, "widened"), 2);
        expect(&d, 200, "POST", "/v2/models/widened/predict", "{\"inputs\":[[-6,-6],[6,-6]]}", &a);
        assert_string_equal(text_at(a.doc, "/predictions/0/label"), "a");
        assert_string_equal(text_at(a.doc, "/predictions/1/label"), "b");
        http_answer_deinit(&a);
}

static void serve(const char *model, const char *version)
{
        struct http_answer a;
        char path[96], headers[160], body[48];
        snprintf(path, sizeof(path), "/v2/models/%s/aliases/champion", model);
        expect(&d, 200, "GET", path, NULL, &a);
        snprintf(headers, sizeof(headers), JSON_TYPE "If-Match: %s\r\n", a.etag);
        snprintf(body, sizeof(body), "{\"version\":\"%s\"}", version);
        http_answer_deinit(&a);
        ask(&d, "PUT", path, headers, body, strlen(body), &a);
        assert_int_equal(a.status, 200);
        http_answer_deinit(&a);
}

/* A consolidation of the third task from `version`: every task is measured, answered and kept. */
static void learn_on(const char *version)
{
        static const char *const tasks[] = {"t0", "t1", "t2"};
        struct http_answer a;
        serve("tree", version);
        uint64_t id = job_start(&d, "tree", "jobs", "{\"kind\":\"consolidate\"}");
        job_end(&d, "tree", id, "promoted", &a);
        assert_string_equal(text_at(a.doc, "/parent"), version);
        assert_null(strstr(text_at(a.doc, "/reason"), "not judged"));
        for (int i = 0; i < 3; i++)
                assert_true(number_at(a.doc, "/tasks/%d/n", i) > 20);
        http_answer_deinit(&a);
        for (int i = 0; i < 3; i++) {
                double share = accuracy(&d, "tree", tasks[i], &part_unseen[i], NULL);
                print_message("from version %s: task %s %.3f\n", version, tasks[i], share);
                assert_true(share > 0.85);
        }
}

static void test_back_before_a_close_and_forward_again(void **state)
{
        (void)state;
        model_create(&d, &(struct description){.name = "tree",
                             .scenario = "task",
                             .classes = TEN_CLASSES,
                             .task = "t0",
                             .task_classes = "[\"0\",\"1\",\"2\"]",
                             .layers = LAYER,
                             .learning = "{" ADAM "," BY_HAND ",\"gate\":{\"max_forgetting\":0.1}}"});
        feedback_all(&d, "tree", "t0", &part[0]);
        rollover(&d, "tree", "{\"task\":\"t1\",\"classes\":[\"3\",\"4\",\"5\"]}", "promoted");
        feedback_all(&d, "tree", "t1", &part[1]);
        rollover(&d, "tree", "{\"task\":\"t2\",\"classes\":[\"6\",\"7\",\"8\"]}", "promoted");
        feedback_all(&d, "tree", "t2", &part[2]);
        learn_on("2");
        learn_on("3");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_new_classes_may_not_cost_the_old_ones),
            cmocka_unit_test(test_back_before_a_close_and_forward_again),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
