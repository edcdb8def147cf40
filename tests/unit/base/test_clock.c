/* test_clock.c: text of times against the C library's calendar, hard cases of parsing, and the system clock's order.
 * */
#include "base/clock.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void format_agrees_with_gmtime(void **state)
{
        (void)state;
        for (int64_t s = -62167219200; s <= 253402300799; s += 86400 * 11 + 3671) { /* years 0000 to 9999 */
                time_t t = (time_t)s;
                struct tm tm;
                char want[40], year[12], got[25];
                gmtime_r(&t, &tm);
                int ms = (int)((s % 1000 + 1000) % 1000);
                size_t n = strftime(want, sizeof(want), "-%m-%dT%H:%M:%S", &tm);
                snprintf(year, sizeof(year), "%04d", tm.tm_year + 1900);
                snprintf(want + n, sizeof(want) - n, ".%03dZ", ms);
                clock_format(s * 1000 + ms, got);
                assert_memory_equal(got, year, 4);
                assert_string_equal(got + 4, want);
                int64_t back = 0;
                assert_int_equal(clock_parse(got, &back), 0);
                assert_true(back == s * 1000 + ms);
        }
}

static void format_at_the_ends(void **state)
{
        (void)state;
        char got[25];
        clock_format(0, got);
        assert_string_equal(got, "1970-01-01T00:00:00.000Z");
        clock_format(-1, got);
        assert_string_equal(got, "1969-12-31T23:59:59.999Z");
        clock_format(INT64_MIN, got);
        assert_string_equal(got, "0000-01-01T00:00:00.000Z");
        clock_format(INT64_MAX, got);
        assert_string_equal(got, "9999-12-31T23:59:59.999Z");
}

static void parse_accepts(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t ms;
        } rows[] = {
            {"1970-01-01T00:00:00Z", 0},
            {"1970-01-01T00:00:00.5Z", 500},
            {"1970-01-01T00:00:00.0019999Z", 1},
            {"1970-01-01T01:30:00+01:30", 0},
            {"1969-12-31T23:00:00.250-01:00", 250},
            {"2000-02-29T00:00:00Z", 951782400000},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                int64_t got = -1;
                assert_int_equal(clock_parse(rows[i].text, &got), 0);
                assert_true(got == rows[i].ms);
        }
}

static void parse_refuses(void **state)
{
        (void)state;
        static const char *const bad[] = {"", "2026", "2026-11-23", "2026-11-23T22:31:10", "2026-11-23 22:31:10Z",
            "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z", "2026-04-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60", "+026-01-01T00:00:00Z", "2026-1-01T00:00:00Z"};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                int64_t got = 77;
                assert_int_equal(clock_parse(bad[i], &got), -EINVAL);
                assert_true(got == 77);
        }
}

static void system_clock_does_not_step_back(void **state)
{
        (void)state;
        uint64_t last = 0;
        for (int i = 0; i < 1000; i++) {
                uint64_t now = clock_mono_ns(&clock_system);
                assert_true(now >= last);
                last = now;
        }
        assert_true(clock_wall_ms(&clock_system) > INT64_C(1700000000000));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(format_agrees_with_gmtime),
            cmocka_unit_test(format_at_the_ends),
            cmocka_unit_test(parse_accepts),
            cmocka_unit_test(parse_refuses),
            cmocka_unit_test(system_clock_does_not_step_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
