/* test_progress.c: the learner's lines both ways, and everything that is not on the list. */
#include "proto/progress.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void round_trip(const struct progress_line *l, struct progress_line *ret)
{
        struct buf b;
        struct err e = ERR_NULL;
        buf_init(&b, PROGRESS_LINE_MAX);
        progress_write(&b, l);
        assert_true(buf_ok(&b));
        assert_in_range(b.len, 2, PROGRESS_LINE_MAX);
        assert_true(memchr(b.data, '\n', b.len) == b.data + b.len - 1);
        if (progress_parse((struct slice){b.data, b.len - 1}, ret, &e) != 0)
                fail_msg("%s: %s", b.data, e.msg);
        buf_deinit(&b);
}

static void test_round_trip(void **state)
{
        (void)state;
        for (int i = PROGRESS_START; i <= PROGRESS_ERROR; i++) {
                struct progress_line l = {.event = (enum progress_event)i,
                    .fraction = 0.25,
                    .try = 3,
                    .epoch = 7,
                    .epochs = UINT32_MAX,
                    .step = 1ull << 40,
                    .lambda = 0.03125,
                    .loss = 1.5,
                    .penalty = 0.5,
                    .penalty_ratio = 0.25};
                struct progress_line got;
                snprintf(l.message, sizeof(l.message), "event \"%s\" \\ \n \xc3\xa9", progress_event_name(l.event));
                round_trip(&l, &got);
                assert_int_equal(got.event, i);
                assert_true(got.fraction == 0.25 && got.lambda == 0.03125 && got.loss == 1.5);
                assert_true(got.penalty == 0.5 && got.penalty_ratio == 0.25);
                assert_int_equal(got.try, 3);
                assert_int_equal(got.epoch, 7);
                assert_true(got.epochs == UINT32_MAX);
                assert_true(got.step == 1ull << 40);
                assert_string_equal(got.message, l.message);
        }
        assert_null(progress_event_name((enum progress_event)0));
        assert_null(progress_event_name((enum progress_event)99));
}

static void test_awkward_values(void **state)
{
        (void)state;
        struct progress_line l = {.event = PROGRESS_ERROR, .loss = (double)NAN, .penalty = (double)INFINITY}, got;
        memset(l.message, 1, sizeof(l.message) - 1); /* the longest when escaped */
        round_trip(&l, &got);
        assert_true(isnan(got.loss) && isnan(got.penalty));
        assert_string_equal(got.message, l.message);
        strcpy(l.message, "bad \xff byte");
        round_trip(&l, &got);
        assert_string_equal(got.message, "bad ? byte");
}

static void refuse(const char *line, const char *why)
{
        struct progress_line l;
        struct err e = ERR_NULL;
        if (progress_parse(slice_of(line), &l, &e) != -EBADMSG || !strstr(e.msg, why))
                fail_msg("%s: \"%s\", wanted \"%s\"", line, e.msg, why);
}

static void test_refused(void **state)
{
        (void)state;
        refuse("", "not JSON");
        refuse("hello", "not JSON");
        refuse("{\"event\":\"epoch\"", "not JSON");
        refuse("{\"event\":\"epoch\"} x", "not JSON");
        refuse("[]", "not an object");
        refuse("{}", "without an event");
        refuse("{\"event\":\"party\"}", "\"event\"");
        refuse("{\"event\":1}", "\"event\"");
        refuse("{\"event\":\"epoch\",\"event\":\"epoch\"}", "duplicate");
        refuse("{\"event\":\"epoch\",\"mood\":1}", "\"mood\"");
        refuse("{\"event\":\"epoch\",\"epoch\":-1}", "\"epoch\"");
        refuse("{\"event\":\"epoch\",\"epoch\":1.5}", "\"epoch\"");
        refuse("{\"event\":\"epoch\",\"epoch\":4294967296}", "\"epoch\"");
        refuse("{\"event\":\"epoch\",\"loss\":\"1\"}", "\"loss\"");
        refuse("{\"event\":\"epoch\",\"message\":1}", "\"message\"");
        refuse("{\"event\":\"epoch\",\"fraction\":1.5}", "fraction");
        refuse("{\"event\":\"epoch\",\"fraction\":-0.1}", "fraction");
        refuse("{\"event\":\"epoch\",\"fraction\":null}", "fraction");
}

static void test_too_long(void **state)
{
        (void)state;
        char line[PROGRESS_LINE_MAX + 2];
        static const char start[] = "{\"event\":\"epoch\"";
        struct progress_line l;
        memset(line, ' ', sizeof(line));
        memcpy(line, start, sizeof(start) - 1);
        line[PROGRESS_LINE_MAX] = '}';
        line[PROGRESS_LINE_MAX + 1] = '\0';
        refuse(line, "at most 4096");
        line[PROGRESS_LINE_MAX - 1] = '}';
        assert_int_equal(progress_parse((struct slice){line, PROGRESS_LINE_MAX}, &l, NULL), 0);
        memset(line, 'm', sizeof(line)); /* a message that does not fit its field */
        memcpy(line, "{\"event\":\"done\",\"message\":\"", 27);
        memcpy(line + 27 + sizeof(l.message), "\"}", 3);
        refuse(line, "\"message\"");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_round_trip),
            cmocka_unit_test(test_awkward_values),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
