/* test_bad_models.c: descriptions of models that cannot be: names, learning settings, inputs, classes and tasks,
 * layers. No try may leave a model behind. */
#include "bad.h"
#include <stdio.h>
#include <stdlib.h>

#define M "POST", "/v2/models"
#define NAME "{\"name\":\"m\","
#define REST                                                                                                         \
        "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\",\"layers\":[]"
#define LEARN NAME REST ",\"learning\":"

static void check_refused(const struct row *rows, size_t n)
{
        struct http_answer a;
        check_rows(rows, n);
        expect(&bad.d, 200, "GET", "/v2/models", NULL, &a);
        assert_int_equal(json_length(a.doc, "/models"), 1);
        http_answer_deinit(&a);
}

#define REFUSED(rows) check_refused(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_names_and_keys(void **state)
{
        static const struct row rows[] = {
            {400, "bad-name", "/name", M, "{\"name\":\"../x\"," REST "}", 0},
            {400, "bad-name", "/name", M, "{\"name\":\"a/b\"," REST "}", 0},
            {400, "bad-name", "/name", M, "{\"name\":\"\"," REST "}", 0},
            {400, "bad-name", "/name", M, "{\"name\":\".\"," REST "}", 0},
            {400, "bad-name", "/name", M, "{\"name\":\"/etc/passwd\"," REST "}", 0},
            {400, "bad-name", "/name", M, "{\"name\":\"a b\"," REST "}", 0},
            {400, "bad-name", "/name", M, "{\"name\":\"caf\xc3\xa9\"," REST "}", 0},
            {400, "bad-name", "/name", M,
                "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\"," REST "}", 0},
            {400, "bad-value", "/name", M, "{\"name\":5," REST "}", 0},
            {400, "bad-value", "/name", M, "{" REST "}", 0},
            {409, "in-use", "/name", M, "{\"name\":\"digits\"," REST "}", 0},
            {400, "unknown-key", "/colour", M, NAME REST ",\"colour\":1}", 0},
        };
        (void)state;
        REFUSED(rows);
}

static void test_learning(void **state)
{
        static const struct row rows[] = {
            {400, "unknown-key", "/learning/lamda", M, LEARN "{\"lamda\":1}}", 0},
            {400, "unknown-key", "/learning/gate/budget", M, LEARN "{\"gate\":{\"budget\":1}}}", 0},
            {400, "bad-value", "/learning", M, LEARN "[]}", 0},
            {400, "bad-value", "/learning/lambda", M, LEARN "{\"lambda\":\"fast\"}}", 0},
            {400, "bad-value", "/learning/lambda", M, LEARN "{\"lambda\":-1}}", 0},
            {400, "bad-value", "/learning/method", M, LEARN "{\"method\":\"magic\"}}", 0},
            {400, "bad-value", "/learning/method", M, LEARN "{\"method\":1}}", 0},
            {400, "bad-value", "/learning/optimizer", M, LEARN "{\"optimizer\":\"adam\"}}", 0},
            {400, "bad-value", "/learning/optimizer/rate", M, LEARN "{\"optimizer\":{\"rate\":0}}}", 0},
            {400, "bad-value", "/learning/optimizer/rate", M, LEARN "{\"optimizer\":{\"rate\":\"x\"}}}", 0},
            {400, "bad-value", "/learning/fisher/variant", M, LEARN "{\"fisher\":{\"variant\":\"fuzzy\"}}}", 0},
            {400, "bad-value", "/learning/epochs", M, LEARN "{\"epochs\":-1}}", 0},
            {400, "bad-value", "/learning/epochs", M, LEARN "{\"epochs\":1.5}}", 0},
            {400, "bad-value", "/learning/epochs", M, LEARN "{\"epochs\":0}}", 0},
            {400, "bad-value", "/learning/seed", M, LEARN "{\"seed\":1e300}}", 0},
            {400, "bad-value", "/learning/seed", M, LEARN "{\"seed\":-1}}", 0},
            {400, "bad-value", "/learning/holdout", M, LEARN "{\"holdout\":0.95}}", 0},
            {400, "bad-value", "/learning/batch", M, LEARN "{\"batch\":0}}", 0},
            {400, "bad-value", "/learning/gate/max_forgetting", M, LEARN "{\"gate\":{\"max_forgetting\":2}}}", 0},
            {400, "bad-value", "/learning/replay/per_class", M,
                LEARN "{\"method\":\"joint\",\"replay\":{\"per_class\":5}}}", 0},
            {400, "bad-value", "/learning/fisher/keep", M, LEARN "{\"fisher\":{\"keep\":0.2}}}", 0},
            {400, "bad-value", "/learning/fisher/floor", M, LEARN "{\"fisher\":{\"floor\":0}}}", 0},
            {400, "bad-value", "/learning/merge/decay", M, LEARN "{\"merge\":{\"decay\":0.9}}}", 0},
            {400, "bad-value", "/learning/rates/layers", M, LEARN "{\"rates\":{\"layers\":[1,1,1,1,1]}}}", 0},
            {400, "bad-value", "/learning/rates/layers/1", M, LEARN "{\"rates\":{\"layers\":[1,-1]}}}", 0},
            {400, "bad-value", "/learning/importance/type", M,
                LEARN "{\"lambda\":\"auto\",\"importance\":{\"type\":\"si\"}}}", 0},
            {400, "bad-value", "/learning/replay/derpp", M, LEARN "{\"replay\":{\"derpp\":0.5}}}", 0},
        };
        (void)state;
        REFUSED(rows);
}

static void test_inputs(void **state)
{
        static const struct row rows[] = {
            {400, "bad-value", "/input", M,
                NAME "\"input\":4,\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-value", NULL, M,
                NAME "\"input\":{\"shape\":[0]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[]}",
                0},
            {400, "bad-value", NULL, M,
                NAME "\"input\":{\"shape\":[]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[]}",
                0},
            {400, "bad-value", NULL, M,
                NAME "\"input\":{\"shape\":[65536,65536,65536,65536]},\"scenario\":\"domain\",\"classes\":[\"a\","
                     "\"b\"],\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-value", NULL, M,
                NAME "\"input\":{\"shape\":[1,1,1,1,1,1,1,1,1]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],"
                     "\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-value", "/input/scale", M,
                NAME "\"input\":{\"shape\":[4],\"scale\":\"x\"},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],"
                     "\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-shape", "/input/scale", M,
                NAME "\"input\":{\"shape\":[4],\"scale\":[1,2]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],"
                     "\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "non-finite", "/input/scale", M,
                NAME "\"input\":{\"shape\":[4],\"scale\":1e300},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],"
                     "\"task\":\"t\",\"layers\":[]}",
                0},
        };
        (void)state;
        REFUSED(rows);
}

static void test_scenario_classes_and_task(void **state)
{
        static const struct row rows[] = {
            {400, "bad-value", "/scenario", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"dream\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[]}",
                0},
            {400, "bad-value", "/scenario", M,
                NAME "\"input\":{\"shape\":[4]},\"classes\":[\"a\",\"b\"],\"task\":\"t\",\"layers\":[]}", 0},
            {400, "bad-value", "/classes", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[],\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-value", "/classes", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":7,\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-value", "/classes", M,
                NAME
                "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\"],\"task\":\"t\",\"layers\":[]}",
                0},
            {400, "bad-value", "/classes/1", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"a\"],\"task\":\"t\","
                     "\"layers\":[]}",
                0},
            {400, "bad-value", "/classes/1", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"\"],\"task\":\"t\","
                     "\"layers\":[]}",
                0},
            {400, "bad-value", "/classes/1", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",null],\"task\":\"t\","
                     "\"layers\":[]}",
                0},
            {400, "bad-name", "/task", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"../"
                     "t\",\"layers\":[]}",
                0},
            {400, "bad-value", "/task", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"layers\":[]}", 0},
            {422, "unknown-label", "/task_classes/0", M, NAME REST ",\"task_classes\":[\"c\"]}", 0},
        };
        (void)state;
        REFUSED(rows);
}

static void test_layers_and_loss(void **state)
{
        static const struct row rows[] = {
            {400, "bad-value", "/loss", M, NAME REST ",\"loss\":\"hinge\"}", 0},
            {400, "bad-value", "/layers", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":3}",
                0},
            {400, "bad-value", "/layers/0", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[3]}",
                0},
            {400, "bad-value", "/layers/0/type", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[{\"type\":\"warp\",\"units\":4,\"activation\":\"relu\"}]}",
                0},
            {400, "bad-value", "/layers/0/units", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[{\"type\":\"dense\",\"units\":0,\"activation\":\"relu\"}]}",
                0},
            {400, "bad-value", "/layers/0/units", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[{\"type\":\"dense\",\"units\":99999999999,\"activation\":\"relu\"}]}",
                0},
            {400, "bad-value", "/layers/0/activation", M,
                NAME "\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[{\"type\":\"dense\",\"units\":4,\"activation\":\"step\"}]}",
                0},
            {400, "bad-value", NULL, M,
                NAME "\"input\":{\"shape\":[65536]},\"scenario\":\"domain\",\"classes\":[\"a\",\"b\"],\"task\":\"t\","
                     "\"layers\":[{\"type\":\"dense\",\"units\":65536,\"activation\":\"relu\"},{\"type\":\"dense\","
                     "\"units\":65536,\"activation\":\"relu\"}]}",
                0},
        };
        (void)state;
        REFUSED(rows);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_names_and_keys),
            cmocka_unit_test(test_learning),
            cmocka_unit_test(test_inputs),
            cmocka_unit_test(test_scenario_classes_and_task),
            cmocka_unit_test(test_layers_and_loss),
        };
        return cmocka_run_group_tests(tests, bad_setup, bad_teardown);
}
