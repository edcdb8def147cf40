/* test_predict.c: the short JSON of predictions, both ways. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/oip.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void requests(void **state)
{
        (void)state;
        struct arena a;
        struct predict_request q;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(
            predict_request_read(
                slice_of("{\"inputs\":[[0,0.5,12],[1,2,3e1]],\"task\":\"low\",\"top_k\":3}"), &a, &q, &e),
            0);
        assert_int_equal(q.rows, 2);
        assert_int_equal(q.cols, 3);
        assert_true(q.inputs[1] == 0.5f && q.inputs[5] == 30.0f);
        assert_string_equal(q.task, "low");
        assert_int_equal(q.top_k, 3);
        assert_false(q.uncertainty);
        assert_int_equal(predict_request_read(slice_of("{\"uncertainty\":true,\"inputs\":[1]}"), &a, &q, &e), 0);
        assert_true(q.uncertainty);
        assert_int_equal(predict_request_read(slice_of(" { \"inputs\" : [ 4 , 5 ] } "), &a, &q, &e), 0);
        assert_int_equal(q.rows, 1);
        assert_int_equal(q.cols, 2);
        assert_null(q.task);
        assert_int_equal(q.top_k, 0);
        arena_deinit(&a);
}

/* More numbers than the first guess of memory. */
static void many_rows(void **state)
{
        (void)state;
        enum { ROWS = 500, COLS = 97 };
        struct buf b;
        struct arena a;
        struct predict_request q;
        struct err e = ERR_NULL;
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"inputs\":[");
        for (int r = 0; r < ROWS; r++)
                for (int c = 0; c < COLS; c++)
                        buf_printf(&b, "%s%d%s", c == 0 ? (r == 0 ? "[" : ",[") : ",", r * COLS + c,
                            c == COLS - 1 ? "]" : "");
        buf_puts(&b, "]}");
        arena_init(&a, 4 << 20);
        assert_int_equal(predict_request_read((struct slice){b.data, b.len}, &a, &q, &e), 0);
        assert_int_equal(q.rows, ROWS);
        assert_int_equal(q.cols, COLS);
        for (int i = 0; i < ROWS * COLS; i++)
                assert_true(q.inputs[i] == (float)i);
        arena_deinit(&a);
        buf_deinit(&b);
}

static void refusals(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int problem;
                const char *field, *in_message;
        } cases[] = {
            {"{}", PROBLEM_BAD_VALUE, "/inputs", "missing"},
            {"[]", PROBLEM_BAD_VALUE, "", "an object"},
            {"{\"inputs\":[]}", PROBLEM_BAD_SHAPE, "/inputs", "no numbers"},
            {"{\"inputs\":[[]]}", PROBLEM_BAD_SHAPE, "/inputs", "empty"},
            {"{\"inputs\":[[],[],[],1]}", PROBLEM_BAD_SHAPE, "/inputs", "empty"}, /* not four rows of one number */
            {"{\"inputs\":[[],[1]]}", PROBLEM_BAD_SHAPE, "/inputs", "empty"},
            {"{\"inputs\":[[1],[]]}", PROBLEM_BAD_SHAPE, "/inputs", "empty"},
            {"{\"inputs\":[[ ],[ ]]}", PROBLEM_BAD_SHAPE, "/inputs", "empty"},
            {"{\"inputs\":[[1,2],[3]]}", PROBLEM_BAD_SHAPE, "/inputs", "differ"},
            {"{\"inputs\":[[[1]]]}", PROBLEM_BAD_SHAPE, "/inputs", "deep"},
            {"{\"inputs\":[1,[2]]}", PROBLEM_BAD_SHAPE, "/inputs", "mixed"},
            {"{\"inputs\":[NaN]}", PROBLEM_NON_FINITE, "/inputs", "element 0"},
            {"{\"inputs\":[\"1\"]}", PROBLEM_BAD_VALUE, "/inputs", "a string"},
            {"{\"input\":[1]}", PROBLEM_UNKNOWN_KEY, "", "'input'; known: inputs, task, top_k"},
            {"{\"inputs\":[1],\"top_k\":-1}", PROBLEM_BAD_VALUE, "/top_k", "integer"},
            {"{\"inputs\":[1],\"top_k\":4294967296}", PROBLEM_BAD_VALUE, "/top_k", "4294967295"},
            {"{\"inputs\":[1],\"uncertainty\":1}", PROBLEM_BAD_VALUE, "/uncertainty", "true"},
            {"{\"inputs\":[1],\"task\":7}", PROBLEM_BAD_VALUE, "/task", "a string"},
            {"{\"inputs\":[1],\"inputs\":[1]}", PROBLEM_MALFORMED, "", "twice"},
            {"{\"inputs\":[1]} 5", PROBLEM_MALFORMED, "", "byte 15"},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct arena a;
                struct predict_request q = {.rows = 99};
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                int r = predict_request_read(slice_of(cases[i].text), &a, &q, &e);
                if (r != cases[i].problem || strcmp(e.field, cases[i].field) != 0 ||
                    !strstr(e.msg, cases[i].in_message))
                        fail_msg("%s: %d '%s' '%s'", cases[i].text, r, e.field, e.msg);
                assert_int_equal(q.rows, 99);
                arena_deinit(&a);
        }
}

static void answers(void **state)
{
        (void)state;
        const char *const classes[] = {"0", "sh\"ip"};
        const float probs[] = {0.019f, 0.981f}, doubt[] = {0.25f, NAN};
        struct buf b;
        buf_init(&b, 1 << 16);
        predict_response_begin(&b, "mnist", "7", "low");
        predict_response_row(&b,
            &(struct predict_row){
                .id = "01JC", .label = "sh\"ip", .probability = 0.981f, .n = 2, .classes = classes, .probs = probs},
            true);
        predict_response_row(&b, &(struct predict_row){.n = 1, .classes = classes, .probs = probs}, false);
        predict_response_row(&b,
            &(struct predict_row){.label = "0",
                .probability = 0.5f,
                .n = 1,
                .classes = classes,
                .probs = probs,
                .uncertainty = &doubt[0],
                .task = "lo\"w"},
            false);
        predict_response_row(
            &b, &(struct predict_row){.n = 1, .classes = classes, .probs = probs, .uncertainty = &doubt[1]}, false);
        predict_response_end(&b, "no \"Fisher\"");
        assert_string_equal(b.data,
            "{\"model_name\":\"mnist\",\"model_version\":\"7\",\"task\":\"low\",\"predictions\":["
            "{\"id\":\"01JC\",\"label\":\"sh\\\"ip\",\"probability\":0.981,\"probabilities\":{\"0\":0.019,"
            "\"sh\\\"ip\":0.981}},"
            "{\"values\":{\"0\":0.019}},"
            "{\"label\":\"0\",\"probability\":0.5,\"probabilities\":{\"0\":0.019},\"uncertainty\":0.25,"
            "\"task\":\"lo\\\"w\",\"task_inferred\":true},"
            "{\"values\":{\"0\":0.019},\"uncertainty\":null}],\"uncertainty_reason\":\"no \\\"Fisher\\\"\"}");
        json_t *v = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(v);
        json_decref(v);
        buf_reset(&b);
        predict_response_begin(&b, "m", "1", NULL);
        predict_response_end(&b, NULL);
        assert_string_equal(b.data, "{\"model_name\":\"m\",\"model_version\":\"1\",\"predictions\":[]}");
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(requests),
            cmocka_unit_test(many_rows),
            cmocka_unit_test(refusals),
            cmocka_unit_test(answers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
