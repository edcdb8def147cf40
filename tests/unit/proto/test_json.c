/* test_json.c: the pieces of the writers, the cursor over answers, and the small protocol bodies. */
#include "proto/json.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "proto/json_oip.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void expect(struct buf *b, const char *want)
{
        assert_true(buf_ok(b));
        assert_string_equal(b->data, want);
        buf_reset(b);
}

static void pieces(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 4096);
        json_put_string(&b, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa4");
        expect(&b, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa4\"");
        json_put_string_n(&b, "a\0b", 3);
        expect(&b, "\"a\\u0000b\"");
        json_put_string(&b, "x\xc3");
        expect(&b, "\"x\xef\xbf\xbd\"");
        json_put_string(&b, "");
        expect(&b, "\"\"");
        json_put_text(&b, NULL);
        expect(&b, "null");
        json_put_number(&b, 0.1);
        json_put_number(&b, NAN);
        json_put_number(&b, -INFINITY);
        json_put_float(&b, 0.1f);
        json_put_float(&b, NAN);
        expect(&b, "0.1nullnull0.1null");
        json_put_time(&b, 1795473070123);
        json_put_time(&b, 0);
        expect(&b, "\"2026-11-23T22:31:10.123Z\"null");
        json_put_id(&b, 0);
        json_put_id(&b, 7);
        json_put_version(&b, 0);
        json_put_version(&b, 7);
        expect(&b, "null7null\"7\"");
        json_put_range(&b, 2, 1);
        json_put_range(&b, 0, 5);
        json_put_range(&b, 2, 2);
        expect(&b, "nullnull{\"first_seq\":2,\"last_seq\":2}");
        buf_deinit(&b);
}

/* Every byte, and every pair with a quote, comes back from another parser. */
static void strings_come_back(void **state)
{
        (void)state;
        for (int c = 1; c < 128; c++) {
                struct buf b;
                const char text[] = {(char)c, '"', (char)c, '\\', (char)c, '\0'};
                buf_init(&b, 4096);
                json_put_string(&b, text);
                json_t *v = json_loadb(b.data, b.len, JSON_DECODE_ANY, NULL);
                assert_non_null(v);
                assert_string_equal(json_string_value(v), text);
                json_decref(v);
                buf_deinit(&b);
        }
}

static void full_buffer(void **state)
{
        (void)state;
        for (size_t max = 0; max < 40; max++) {
                struct buf b;
                buf_init(&b, max);
                json_put_string(&b, "0123456789\n");
                json_put_number(&b, 1.5);
                json_put_float(&b, 1.5f);
                json_put_time(&b, 1);
                assert_false(buf_ok(&b));
                buf_deinit(&b);
        }
}

static void cursor(void **state)
{
        (void)state;
        static const char text[] = "{\"a\":[{\"b\":\"x\"},2.5,true],\"c/d\":{\"e~f\":7},\"n\":null}";
        struct json_doc *d;
        struct err e = ERR_NULL;
        double v;
        assert_int_equal(json_parse(slice_of(text), &d, &e), 0);
        assert_string_equal(json_text(d, "/a/0/b"), "x");
        assert_null(json_text(d, "/a/1"));
        assert_null(json_text(d, "/a/9/b"));
        assert_null(json_text(d, "/a/x"));
        assert_null(json_text(d, "a"));
        assert_int_equal(json_number(d, "/a/1", &v), 0);
        assert_true(v == 2.5);
        assert_int_equal(json_number(d, "/c~1d/e~0f", &v), 0);
        assert_true(v == 7);
        assert_int_equal(json_number(d, "/n", &v), -ENOENT);
        assert_int_equal(json_number(d, "/zz", &v), -ENOENT);
        assert_int_equal(json_length(d, "/a"), 3);
        assert_int_equal(json_length(d, ""), 3);
        assert_int_equal(json_length(d, "/n"), -1);
        assert_string_equal(json_key(d, "", 1), "c/d");
        assert_null(json_key(d, "", 3));
        assert_null(json_key(d, "/a", 0));
        assert_int_equal(json_bool(d, "/a/2"), 1);
        assert_int_equal(json_bool(d, "/n"), -1);
        json_free(d);
        json_free(NULL);
        assert_int_equal(json_parse(slice_of("{\"a\":1,\"a\":2}"), &d, &e), -EBADMSG);
        assert_int_equal(json_parse(slice_of("{"), &d, &e), -EBADMSG);
        assert_int_equal(json_parse((struct slice){NULL, 0}, &d, &e), -EBADMSG);
}

static void protocol(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 4096);
        json_server_write(&b, "ewcd", "0.1.0");
        expect(&b,
            "{\"name\":\"ewcd\",\"version\":\"0.1.0\",\"extensions\":[\"binary_tensor_data\",\"classification\","
            "\"model_repository\",\"statistics\",\"model_configuration\",\"schedule_policy\",\"ewcd_feedback\","
            "\"ewcd_tasks\"]}");
        json_live_write(&b);
        expect(&b, "{\"live\":true}");
        json_ready_write(&b, true);
        expect(&b, "{\"live\":true,\"ready\":true}");
        json_ready_write(&b, false);
        expect(&b, "{\"live\":true,\"ready\":false}");
        json_model_ready_write(&b, "mnist", true);
        expect(&b, "{\"name\":\"mnist\",\"ready\":true}");
        assert_string_equal(oip_output_name(EWC_LOSS_SQUARED), "values");
        assert_string_equal(oip_output_name(EWC_LOSS_SOFTMAX), "probabilities");
        buf_deinit(&b);
}

static void repository(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int index, load;
                bool ready;
        } cases[] = {
            {"", 0, 0, false},
            {" \r\n", 0, 0, false},
            {"{}", 0, 0, false},
            {"{\"ready\":true,\"other\":1}", 0, 0, true},
            {"{\"ready\":1}", PROBLEM_BAD_VALUE, 0, false},
            {"[]", PROBLEM_BAD_VALUE, PROBLEM_BAD_VALUE, false},
            {"{", PROBLEM_MALFORMED, PROBLEM_MALFORMED, false},
            {"{\"parameters\":{\"unload_dependents\":false}}", 0, 0, false},
            {"{\"parameters\":[]}", 0, PROBLEM_BAD_VALUE, false},
            {"{\"parameters\":{\"config\":\"{}\"}}", 0, PROBLEM_BAD_VALUE, false},
            {"{\"parameters\":{\"file:1/model\":\"AA\"}}", 0, PROBLEM_BAD_VALUE, false},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct err e = ERR_NULL;
                bool ready = false;
                assert_int_equal(json_index_request_read(slice_of(cases[i].text), &ready, &e), cases[i].index);
                assert_int_equal(ready, cases[i].ready);
                assert_int_equal(json_load_request_read(slice_of(cases[i].text), &e), cases[i].load);
        }
        struct buf b;
        buf_init(&b, 4096);
        json_index_row(&b, "a", 7, true, "", true);
        json_index_row(&b, "b", 1, false, "not loaded", false);
        expect(&b, "{\"name\":\"a\",\"version\":\"7\",\"state\":\"READY\",\"reason\":\"\"},"
                   "{\"name\":\"b\",\"version\":\"1\",\"state\":\"UNAVAILABLE\",\"reason\":\"not loaded\"}");
        buf_deinit(&b);
}

static void described(void **state)
{
        (void)state;
        const uint64_t versions[] = {3, 7};
        struct model_spec m = {.name = "m",
            .input_name = "input",
            .rank = 2,
            .shape = {28, 28},
            .scenario = SCENARIO_DOMAIN,
            .n_classes = 10,
            .net = {.loss = EWC_LOSS_SOFTMAX}};
        struct buf b;
        buf_init(&b, 4096);
        json_metadata_begin(&b, &m, 2, versions);
        expect(&b,
            "{\"name\":\"m\",\"versions\":[\"3\",\"7\"],\"platform\":\"ewcd_v1\",\"inputs\":[{\"name\":\"input\","
            "\"datatype\":\"FP32\",\"shape\":[-1,28,28]}],\"outputs\":[{\"name\":\"probabilities\",\"datatype\":"
            "\"FP32\",\"shape\":[-1,10]}]");
        m.scenario = SCENARIO_TASK;
        json_config_write(&b, &m, 3, 7);
        expect(&b,
            "{\"name\":\"m\",\"platform\":\"ewcd_v1\",\"backend\":\"ewcd\",\"max_batch_size\":128,\"input\":[{"
            "\"name\":\"input\",\"data_type\":\"TYPE_FP32\",\"dims\":[\"28\",\"28\"]}],\"output\":[{\"name\":"
            "\"probabilities\",\"data_type\":\"TYPE_FP32\",\"dims\":[\"-1\"]}],\"parameters\":{\"ewcd_version\":{"
            "\"string_value\":\"3\"},\"ewcd_champion\":{\"string_value\":\"7\"}}}");
        buf_deinit(&b);
}

static void statistics(void **state)
{
        (void)state;
        static struct oip_stats s = {.model = "m", .number = 2, .last_ms = 1790000000000, .rows = 9, .executions = 2};
        const struct oip_stats *all[] = {&s};
        struct buf b;
        buf_init(&b, 4096);
        for (size_t i = 0; i < OIP_STAGES; i++)
                s.stage[i] = (struct oip_sum){i, 10 * i};
        s.batch[8] = (struct oip_batch){1, 2, 3, 4};
        json_stats_write(&b, 1, all);
        expect(&b,
            "{\"model_stats\":[{\"name\":\"m\",\"version\":\"2\",\"last_inference\":1790000000000,\"inference_"
            "count\":9,"
            "\"execution_count\":2,\"inference_stats\":{\"success\":{\"count\":0,\"ns\":0},\"fail\":{\"count\":1,"
            "\"ns\":10},"
            "\"queue\":{\"count\":2,\"ns\":20},\"compute_input\":{\"count\":3,\"ns\":30},\"compute_infer\":{"
            "\"count\":4,"
            "\"ns\":40},\"compute_output\":{\"count\":5,\"ns\":50},\"cache_hit\":{\"count\":0,\"ns\":0},\"cache_"
            "miss\":{"
            "\"count\":0,\"ns\":0}},\"batch_stats\":[{\"batch_size\":8,\"compute_input\":{\"count\":1,\"ns\":2},"
            "\"compute_infer\":{\"count\":1,\"ns\":3},\"compute_output\":{\"count\":1,\"ns\":4}}]}]}");
        json_stats_write(&b, 0, NULL);
        expect(&b, "{\"model_stats\":[]}");
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(pieces),
            cmocka_unit_test(strings_come_back),
            cmocka_unit_test(full_buffer),
            cmocka_unit_test(cursor),
            cmocka_unit_test(protocol),
            cmocka_unit_test(repository),
            cmocka_unit_test(described),
            cmocka_unit_test(statistics),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
