/* test_json_feedback.c: events from JSON and from lines, each with its own verdict; payload digests; receipts. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "proto/json_feedback.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void events(void **state)
{
        (void)state;
        static const char text[] =
            "{\"events\":["
            "{\"event_id\":\"client-17\",\"inputs\":[0,0,12.5],\"label\":\"3\",\"task\":\"high\",\"weight\":0.5,"
            "\"source\":\"qa\","
            "\"observed_at\":\"2026-11-23T22:31:10Z\"},"
            "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}],\"label\":7},"
            "{\"inputs\":[1],\"labels\":[\"a\",5]},"
            "{\"inputs\":[[1,2],[3,4]],\"target\":[0.25,-1]},"
            "{\"inputs\":[1],\"target\":0.5},"
            "{\"inputs\":[1],\"labels\":[]},"
            "{\"prediction_id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789abcdef\",\"label\":\"b\"}]}";
        struct arena a;
        struct event *v;
        size_t n;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(json_feedback_read(slice_of(text), false, &a, &v, &n, &e), 0);
        assert_int_equal(n, 7);
        for (size_t i = 0; i < n; i++)
                if (v[i].problem)
                        fail_msg("%zu: %s", i, v[i].why->msg);
        assert_string_equal(v[0].event_id, "client-17");
        assert_string_equal(v[0].source, "qa");
        assert_string_equal(v[0].task, "high");
        assert_string_equal(v[0].label, "3");
        assert_int_equal(v[0].n_inputs, 3);
        assert_true(v[0].inputs[2] == 12.5f && v[0].weight == 0.5f);
        assert_int_equal(v[0].observed_ms, 1795473070000);
        assert_int_equal(v[0].n_labels, SIZE_MAX);
        assert_int_equal(v[0].n_target, 0);
        assert_null(v[0].why);
        assert_string_equal(v[1].label, "7");
        assert_true(v[1].n_inputs == 2 && v[1].inputs[1] == 2.0f && v[1].weight == 1.0f);
        assert_null(v[1].event_id);
        assert_int_equal(v[1].observed_ms, 0);
        assert_int_equal(v[2].n_labels, 2);
        assert_string_equal(v[2].labels[1], "5");
        assert_null(v[2].label);
        assert_int_equal(v[3].n_inputs, 4);
        assert_true(v[3].n_target == 2 && v[3].target[1] == -1.0f);
        assert_true(v[4].n_target == 1 && v[4].target[0] == 0.5f);
        assert_int_equal(v[5].n_labels, 0);
        assert_string_equal(v[6].prediction_id, "01ARZ3NDEKTSV4RRFFQ69G5FAV-0123456789abcdef");
        assert_true(v[6].inputs == NULL && v[6].n_inputs == 0 && v[5].prediction_id == NULL);
        arena_deinit(&a);
}

/* Wrong events, each among two good ones, in JSON and as a line. */
static const struct wrong {
        const char *event;
        int problem;
        const char *field, *in_message;
} wrong[] = {
    {"5", PROBLEM_BAD_VALUE, "", "an object"},
    {"{}", PROBLEM_BAD_VALUE, "/inputs", "no inputs"},
    {"{\"inputs\":[1]}", PROBLEM_BAD_VALUE, "/label", "no label"},
    {"{\"prediction_id\":\"x\"}", PROBLEM_BAD_VALUE, "/label", "no label"},
    {"{\"prediction_id\":7,\"label\":\"a\"}", PROBLEM_BAD_VALUE, "/prediction_id", "a string"},
    {"{\"inputs\":[1],\"label\":\"a\",\"labels\":[]}", PROBLEM_BAD_VALUE, "/label", "only one"},
    {"{\"inputs\":[1],\"label\":\"a\",\"target\":1}", PROBLEM_BAD_VALUE, "/label", "only one"},
    {"{\"inputs\":[],\"label\":\"a\"}", PROBLEM_BAD_SHAPE, "/inputs", "no numbers"},
    {"{\"inputs\":1,\"label\":\"a\"}", PROBLEM_BAD_VALUE, "/inputs", "an array"},
    {"{\"inputs\":[1,1e39],\"label\":\"a\"}", PROBLEM_NON_FINITE, "/inputs", "element 1"},
    {"{\"inputs\":[1,null],\"label\":\"a\"}", PROBLEM_BAD_VALUE, "/inputs", "element 1"},
    {"{\"inputs\":[[1],[2,3]],\"label\":\"a\"}", PROBLEM_BAD_SHAPE, "/inputs", "differ"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1]}],\"label\":\"a\"}",
        PROBLEM_BAD_SHAPE, "/inputs/0/data", "'x'"},
    {"{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]},5],\"label\":\"a\"}",
        PROBLEM_BAD_VALUE, "/inputs", "one tensor"},
    {"{\"inputs\":[1],\"label\":1.5}", PROBLEM_BAD_VALUE, "/label", "integer"},
    {"{\"inputs\":[1],\"label\":null}", PROBLEM_BAD_VALUE, "/label", "null"},
    {"{\"inputs\":[1],\"label\":true}", PROBLEM_BAD_VALUE, "/label", "true"},
    {"{\"inputs\":[1],\"labels\":\"a\"}", PROBLEM_BAD_VALUE, "/labels", "an array"},
    {"{\"inputs\":[1],\"labels\":[{}]}", PROBLEM_BAD_VALUE, "/labels", "an object"},
    {"{\"inputs\":[1],\"target\":\"a\"}", PROBLEM_BAD_VALUE, "/target", "a number"},
    {"{\"inputs\":[1],\"target\":1e99}", PROBLEM_NON_FINITE, "/target", "float32"},
    {"{\"inputs\":[1],\"label\":\"a\",\"weight\":-1}", PROBLEM_BAD_VALUE, "/weight", "negative"},
    {"{\"inputs\":[1],\"label\":\"a\",\"weight\":\"1\"}", PROBLEM_BAD_VALUE, "/weight", "a number"},
    {"{\"inputs\":[1],\"label\":\"a\",\"observed_at\":\"yesterday\"}", PROBLEM_BAD_VALUE, "/observed_at",
        "yesterday"},
    {"{\"inputs\":[1],\"label\":\"a\",\"event_id\":4}", PROBLEM_BAD_VALUE, "/event_id", "a string"},
    {"{\"inputs\":[1],\"lable\":\"a\"}", PROBLEM_UNKNOWN_KEY, "/lable",
        "'lable'; known: event_id, prediction_id, source, task, inputs, label"},
    {"{\"inputs\":[1],\"label\":\"a\",\"label\":\"b\"}", PROBLEM_MALFORMED, "", "twice"},
};

static void verdict_per_event(void **state)
{
        (void)state;
        static const char good[] = "{\"inputs\":[1],\"label\":\"a\"}";
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
                for (int ndjson = 0; ndjson < 2; ndjson++) {
                        char text[512], field[96];
                        struct arena a;
                        struct event *v;
                        size_t n;
                        struct err e = ERR_NULL;
                        arena_init(&a, 1 << 20);
                        if (ndjson)
                                snprintf(text, sizeof(text), "%s\n\r\n%s\r\n%s", good, wrong[i].event, good);
                        else
                                snprintf(text, sizeof(text), "{\"events\":[%s,%s,%s]}", good, wrong[i].event, good);
                        snprintf(field, sizeof(field), "%s%s", ndjson ? "" : "/events/1", wrong[i].field);
                        assert_int_equal(json_feedback_read(slice_of(text), ndjson, &a, &v, &n, &e), 0);
                        assert_int_equal(n, 3);
                        assert_int_equal(v[0].problem, 0);
                        assert_int_equal(v[2].problem, 0);
                        if (v[1].problem != wrong[i].problem || strcmp(v[1].why->field, field) != 0 ||
                            !strstr(v[1].why->msg, wrong[i].in_message))
                                fail_msg(
                                    "%s: %d '%s' '%s'", wrong[i].event, v[1].problem, v[1].why->field, v[1].why->msg);
                        assert_int_equal(v[1].line, ndjson ? 3 : 0);
                        assert_int_equal(v[2].line, ndjson ? 4 : 0);
                        arena_deinit(&a);
                }
}

static void broken_line(void **state)
{
        (void)state;
        static const char text[] =
            "{\"inputs\":[1],\"label\":\"a\"}\n{\"inputs\":[1],\"lab\n\n{\"inputs\":[1,NaN],\"label\":\"a\"}\n"
            "{\"inputs\":[2],\"label\":\"b\"} x\n{\"inputs\":[2],\"label\":\"b\"}\n";
        struct arena a;
        struct event *v;
        size_t n;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(json_feedback_read(slice_of(text), true, &a, &v, &n, &e), 0);
        assert_int_equal(n, 5);
        assert_int_equal(v[0].problem, 0);
        assert_int_equal(v[1].problem, PROBLEM_MALFORMED);
        assert_int_equal(v[1].line, 2);
        assert_int_equal(v[2].problem, PROBLEM_NON_FINITE);
        assert_int_equal(v[2].line, 4);
        assert_int_equal(v[3].problem, PROBLEM_MALFORMED);
        assert_int_equal(v[4].problem, 0);
        assert_int_equal(v[4].line, 6);
        arena_deinit(&a);
}

static void body_cannot_be_read(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool ndjson;
                int problem;
                const char *field;
        } cases[] = {
            {"", false, PROBLEM_MALFORMED, ""},
            {"[]", false, PROBLEM_BAD_VALUE, ""},
            {"{}", false, PROBLEM_BAD_VALUE, "/events"},
            {"{\"events\":[]}", false, PROBLEM_BAD_VALUE, "/events"},
            {"{\"events\":{}}", false, PROBLEM_BAD_VALUE, "/events"},
            {"{\"event\":[]}", false, PROBLEM_UNKNOWN_KEY, ""},
            {"{\"events\":[{\"inputs\":[1],\"label\":\"a\"},{\"inputs\":[NaN]}]}", false, PROBLEM_MALFORMED,
                "/events/1"},
            {"{\"events\":[{\"inputs\":[1],\"label\":\"a\"}", false, PROBLEM_MALFORMED, "/events"},
            {"{\"events\":[{\"inputs\":[1],\"label\":\"a\"}]}}", false, PROBLEM_MALFORMED, ""},
            {"", true, PROBLEM_BAD_VALUE, ""},
            {"\n \n", true, PROBLEM_BAD_VALUE, ""},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct arena a;
                struct event *v = NULL;
                size_t n = 55;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                int r = json_feedback_read(slice_of(cases[i].text), cases[i].ndjson, &a, &v, &n, &e);
                if (r != cases[i].problem || strcmp(e.field, cases[i].field) != 0)
                        fail_msg("%s: %d '%s' %s", cases[i].text, r, e.field, e.msg);
                assert_int_equal(n, 55);
                arena_deinit(&a);
        }
        struct arena a;
        struct event *v;
        size_t n;
        arena_init(&a, 64);
        assert_int_equal(json_feedback_read(slice_of("{\"events\":[{}]}"), false, &a, &v, &n, NULL), -ENOMEM);
        arena_deinit(&a);
}

static struct digest payload_of(const char *event)
{
        struct arena a;
        struct event *v;
        size_t n;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(json_feedback_read(slice_of(event), true, &a, &v, &n, &e), 0);
        assert_int_equal(v[0].problem, 0);
        struct digest d = v[0].payload;
        arena_deinit(&a);
        return d;
}

static void payload(void **state)
{
        (void)state;
        static const char base[] = "{\"inputs\":[1,0.5],\"label\":\"7\",\"task\":\"t\",\"weight\":2}";
        static const char *const same[] = {
            "{ \"weight\":2.0, \"label\":7, \"task\":\"\\u0074\", \"inputs\":[1.0,5e-1] }",
            "{\"inputs\":[{\"data\":[1,0.5],\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\"}],\"label\":\"7\","
            "\"task\":\"t\",\"weight\":2}",
            "{\"event_id\":\"other\",\"source\":\"s\",\"inputs\":[1,0.5],\"label\":\"7\",\"task\":\"t\",\"weight\":"
            "2}",
        };
        static const char *const other[] = {
            "{\"inputs\":[1,0.25],\"label\":\"7\",\"task\":\"t\",\"weight\":2}",
            "{\"inputs\":[1,0.5,0],\"label\":\"7\",\"task\":\"t\",\"weight\":2}",
            "{\"inputs\":[1,0.5],\"label\":\"8\",\"task\":\"t\",\"weight\":2}",
            "{\"inputs\":[1,0.5],\"labels\":[\"7\"],\"task\":\"t\",\"weight\":2}",
            "{\"inputs\":[1,0.5],\"target\":7,\"task\":\"t\",\"weight\":2}",
            "{\"inputs\":[1,0.5],\"label\":\"7\",\"task\":\"u\",\"weight\":2}",
            "{\"inputs\":[1,0.5],\"label\":\"7\",\"weight\":2}",
            "{\"inputs\":[1,0.5],\"label\":\"7\",\"task\":\"t\"}",
            "{\"inputs\":[1,0.5],\"label\":\"7\",\"task\":\"t\",\"weight\":2,\"prediction_id\":\"p\"}",
            "{\"label\":\"7\",\"task\":\"t\",\"weight\":2,\"prediction_id\":\"p\"}",
            "{\"inputs\":[1,0.5],\"label\":\"7\",\"task\":\"t\",\"weight\":2,\"observed_at\":\"2026-11-23T22:31:"
            "10Z\"}",
        };
        struct digest d = payload_of(base);
        for (size_t i = 0; i < ARRAY_LEN(same); i++) {
                struct digest x = payload_of(same[i]);
                assert_true(digest_eq(&d, &x));
        }
        for (size_t i = 0; i < ARRAY_LEN(other); i++) {
                struct digest x = payload_of(other[i]);
                assert_false(digest_eq(&d, &x));
        }
}

static void many_events(void **state)
{
        (void)state;
        struct buf b;
        struct arena a;
        struct event *v;
        size_t n;
        struct err e = ERR_NULL;
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"events\":[");
        for (int i = 0; i < 1000; i++)
                buf_printf(&b, "%s{\"inputs\":[%d],\"label\":%d}", i ? "," : "", i, i);
        buf_puts(&b, "]}");
        arena_init(&a, 64 << 20);
        assert_int_equal(json_feedback_read((struct slice){b.data, b.len}, false, &a, &v, &n, &e), 0);
        assert_int_equal(n, 1000);
        for (int i = 0; i < 1000; i++)
                assert_true(v[i].inputs[0] == (float)i && atoi(v[i].label) == i);
        arena_deinit(&a);
        buf_deinit(&b);
}

static void short_of_memory(void **state)
{
        (void)state;
        static const char text[] =
            "{\"events\":[{\"inputs\":[1],\"labels\":[\"a\"]},{\"inputs\":[1],\"lable\":\"a\"}]}";
        for (int n = 0;; n++) {
                struct arena a;
                struct event *v = NULL;
                size_t count = 0;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                fault_arm(n, 1);
                int r = json_feedback_read(slice_of(text), false, &a, &v, &count, &e);
                bool fired = fault_fired();
                fault_disarm();
                arena_deinit(&a);
                if (!fired) {
                        assert_int_equal(r, 0);
                        assert_int_equal(count, 2);
                        break;
                }
                assert_int_equal(r, -ENOMEM);
                assert_int_equal(count, 0);
        }
        for (size_t max = 0;; max += 16) { /* and with the arena's own limit */
                struct arena a;
                struct event *v = NULL;
                size_t count = 0;
                arena_init(&a, max);
                int r = json_feedback_read(slice_of(text), false, &a, &v, &count, NULL);
                arena_deinit(&a);
                if (r == 0)
                        break;
                assert_int_equal(r, -ENOMEM);
        }
}

static void receipts(void **state)
{
        (void)state;
        const struct event json[3] = {{.line = 0}}, lines[3] = {{.line = 1}, {.line = 2}, {.line = 5}};
        const struct event_verdict v[3] = {{0},
            {.problem = PROBLEM_UNKNOWN_LABEL,
                .slug = "unknown-label",
                .field = "/events/1/label",
                .detail = "no \"x\""},
            {.problem = PROBLEM_DUPLICATE_KEY}};
        const struct receipt r = {.n_accepted = 9,
            .n_duplicate = 1,
            .n_quarantined = 2,
            .n_late = 3,
            .n_superseded = 4,
            .first_seq = 1841,
            .last_seq = 1842};
        struct buf b;
        buf_init(&b, 4096);
        json_receipt_write(&b, &r, json, v, 3);
        assert_string_equal(b.data,
            "{\"accepted\":9,\"duplicate\":1,\"quarantined\":2,\"late\":3,\"superseded\":4,"
            "\"rejected\":[{\"index\":1,\"pointer\":\"/events/1/"
            "label\","
            "\"type\":\"urn:ewcd:problem:unknown-label\",\"detail\":\"no "
            "\\\"x\\\"\"},{\"index\":2,\"pointer\":\"/events/2\","
            "\"type\":\"urn:ewcd:problem:duplicate-key\",\"detail\":\"Same key, other payload\"}],\"first_seq\":1841,"
            "\"last_seq\":1842,\"durable\":true}");
        buf_reset(&b);
        json_rejected_write(&b, lines, v, 3, 1); /* no more than asked for */
        assert_string_equal(b.data, "[{\"line\":2,\"pointer\":\"/events/1/label\",\"type\":\"urn:ewcd:problem:"
                                    "unknown-label\",\"detail\":\"no \\\"x\\\"\"}]");
        buf_reset(&b);
        json_receipt_write(&b, &(struct receipt){0}, lines, v, 3);
        assert_string_equal(b.data,
            "{\"accepted\":0,\"duplicate\":0,\"quarantined\":0,\"late\":0,\"superseded\":0,"
            "\"rejected\":[{\"line\":2,\"pointer\":\"/events/1/"
            "label\","
            "\"type\":\"urn:ewcd:problem:unknown-label\",\"detail\":\"no \\\"x\\\"\"},{\"line\":5,\"pointer\":\"\","
            "\"type\":\"urn:ewcd:problem:duplicate-key\",\"detail\":\"Same key, other payload\"}],\"first_seq\":null,"
            "\"last_seq\":null,\"durable\":true}");
        buf_reset(&b);
        json_fate_write(&b, &(struct fate_view){.id = "client-17",
                                .seq = 1842,
                                .state = "used",
                                .received_ms = 1795473070000,
                                .label = "3",
                                .task = "high",
                                .source = "qa-team",
                                .job = 12,
                                .version = 7});
        assert_string_equal(b.data, "{\"id\":\"client-17\",\"seq\":1842,\"state\":\"used\",\"received_at\":\"2026-11-"
                                    "23T22:31:10.000Z\",\"label\":\"3\","
                                    "\"task\":\"high\",\"source\":\"qa-team\",\"split\":\"train\","
                                    "\"trusted\":false,\"job\":12,"
                                    "\"version\":\"7\",\"prediction\":null,\"reason\":null}");
        buf_reset(&b);
        json_fate_write(
            &b, &(struct fate_view){
                    .id = "x", .seq = 1, .state = "held_out", .received_ms = 1, .source = "", .holdout = true});
        assert_non_null(strstr(b.data,
            "\"label\":null,\"task\":null,\"source\":null,\"split\":\"holdout\",\"trusted\":false,\"job\":null,"
            "\"version\":null"));
        buf_reset(&b);
        json_fate_write(&b, &(struct fate_view){.id = "x",
                                .state = "quarantined",
                                .trusted = true,
                                .reason = "says \"a\"",
                                .served_version = 3,
                                .served_label = "b",
                                .served_probability = 0.5f});
        assert_non_null(
            strstr(b.data, "\"trusted\":true,\"job\":null,\"version\":null,\"prediction\":{\"version\":\"3\","
                           "\"label\":\"b\",\"probability\":0.5},\"reason\":\"says \\\"a\\\"\"}"));
        buf_reset(&b);
        json_fate_write(&b, &(struct fate_view){.id = "x", .state = "used", .served_version = 3});
        assert_non_null(strstr(
            b.data, "\"prediction\":{\"version\":\"3\",\"label\":null,\"probability\":null},\"reason\":null}"));
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(events),
            cmocka_unit_test(verdict_per_event),
            cmocka_unit_test(broken_line),
            cmocka_unit_test(body_cannot_be_read),
            cmocka_unit_test(payload),
            cmocka_unit_test(many_events),
            cmocka_unit_test(short_of_memory),
            cmocka_unit_test(receipts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
