/* The gate's record: its text byte for byte, every kind of check by name, and what is not known as null. */
#include "base/buf.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/json_gate.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"cat", "say \"d\xc3\xb6g\""};

static struct gate_task measured(void)
{
        return (struct gate_task){.name = "low",
            .before = {.n = 200, .accuracy = 0.95, .loss = 0.25, .ece = 0.0625},
            .after =
                {.n = 200, .accuracy = 0.9, .loss = 0.5, .ece = 0.125, .n_won = 2, .n_lost = 12, .predicted = 0.001},
            .n_classes = 2,
            .classes = names};
}

static void expect(const struct gate_record *r, const char *want)
{
        struct buf b;
        buf_init(&b, 1 << 16);
        json_gate_write(&b, r);
        assert_true(buf_ok(&b));
        assert_string_equal(b.data, want);
        struct json_doc *d;
        assert_int_equal(json_parse((struct slice){b.data, b.len}, &d, NULL), 0);
        json_free(d);
        buf_deinit(&b);
}

static void test_whole(void **state)
{
        (void)state;
        const double none = (double)NAN;
        const struct gate_task tasks[] = {
            measured(), {.name = "high",
                            .before = {.accuracy = none, .loss = none, .ece = none},
                            .after = {.accuracy = none, .loss = none, .ece = none, .predicted = none}}};
        const struct gate_check checks[] = {
            {GATE_FORGETTING, 0, -1, false, 0.05, 0.02, 0.0375, "task low lost 5.0 ±3.8 pt (budget 2.0)"},
            {GATE_CLASS_FLOOR, 0, 1, true, 1, 0.5, 0, "class \"d\""},
            {GATE_CLASS_FLOOR, 0, 0, true, 1, 0.5, 0, "class cat"},
            {GATE_CLASS_FLOOR, 0, 2, true, 1, 0.5, 0, "output 2"},
            {GATE_UNMEASURED, 1, -1, false, none, 0.02, 0, "not measured"},
        };
        const struct gate_record r = {"rejected", "rejected: task low lost 5.0 pt", 5, checks, 2, tasks};
        expect(&r,
            "{\"verdict\":\"rejected\",\"reason\":\"rejected: task low lost 5.0 pt\",\"checks\":["
            "{\"check\":\"forgetting\",\"task\":\"low\",\"class\":null,\"passed\":false,\"value\":0.05,\"limit\":0."
            "02,"
            "\"noise\":0.0375,\"words\":\"task low lost 5.0 ±3.8 pt (budget 2.0)\"},"
            "{\"check\":\"class_floor\",\"task\":\"low\",\"class\":\"say "
            "\\\"d\xc3\xb6g\\\"\",\"passed\":true,\"value\":1,"
            "\"limit\":0.5,\"noise\":null,\"words\":\"class \\\"d\\\"\"},"
            "{\"check\":\"class_floor\",\"task\":\"low\",\"class\":\"cat\",\"passed\":true,\"value\":1,"
            "\"limit\":0.5,\"noise\":null,\"words\":\"class cat\"},"
            "{\"check\":\"class_floor\",\"task\":\"low\",\"class\":\"2\",\"passed\":true,\"value\":1,"
            "\"limit\":0.5,\"noise\":null,\"words\":\"output 2\"},"
            "{\"check\":\"unmeasured\",\"task\":\"high\",\"class\":null,\"passed\":false,\"value\":null,\"limit\":0."
            "02,"
            "\"noise\":null,\"words\":\"not measured\"}],\"tasks\":["
            "{\"task\":\"low\",\"n\":200,\"accuracy_before\":0.95,\"accuracy_after\":0.9,\"ece_before\":0.0625,"
            "\"ece_after\":0.125,\"loss_before\":0.25,\"loss_after\":0.5,\"loss_change_predicted\":0.001,\"n_won\":2,"
            "\"n_lost\":12},"
            "{\"task\":\"high\",\"n\":0,\"accuracy_before\":null,\"accuracy_after\":null,\"ece_before\":null,"
            "\"ece_after\":null,\"loss_before\":null,\"loss_after\":null,\"loss_change_predicted\":null,\"n_won\":0,"
            "\"n_lost\":0}]}");
}

static void test_bare(void **state)
{
        (void)state;
        const struct gate_record r = {.verdict = "promoted", .reason = ""};
        expect(&r, "{\"verdict\":\"promoted\",\"reason\":\"\",\"checks\":[],\"tasks\":[]}");
}

/* Numbers of a side without rows are not shown, whatever stands there. */
static void test_no_rows_no_numbers(void **state)
{
        (void)state;
        struct gate_task t = measured();
        t.before.n = 0;
        const struct gate_record r = {"promoted", "", 0, NULL, 1, &t};
        expect(&r,
            "{\"verdict\":\"promoted\",\"reason\":\"\",\"checks\":[],\"tasks\":[{\"task\":\"low\",\"n\":200,"
            "\"accuracy_before\":null,\"accuracy_after\":0.9,\"ece_before\":null,\"ece_after\":0.125,"
            "\"loss_before\":null,\"loss_after\":0.5,\"loss_change_predicted\":0.001,\"n_won\":2,\"n_lost\":12}]}");
}

static void test_kinds(void **state)
{
        (void)state;
        static const char *const kinds[] = {
            "forgetting", "gain", "floor", "class_floor", "calibration", "predicted", "unmeasured"};
        const struct gate_task t = measured();
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                const struct gate_check c = {.kind = (enum gate_kind)(GATE_FORGETTING + (int)i), .output = -1};
                const struct gate_record r = {"promoted", "", 1, &c, 1, &t};
                char want[64];
                struct buf b;
                buf_init(&b, 1 << 12);
                json_gate_write(&b, &r);
                snprintf(want, sizeof(want), "{\"check\":\"%s\",", kinds[i]);
                assert_non_null(strstr(b.data, want));
                buf_deinit(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_bare),
            cmocka_unit_test(test_no_rows_no_numbers), cmocka_unit_test(test_kinds)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
