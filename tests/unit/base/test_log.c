/* test_log.c: what arrives on stderr, read back through a pipe. */
#include "base/log.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static char got[8192];

/* Runs one log call with stderr in a pipe; the result is in got. */
#define CAPTURE(call)                                                                                                \
        do {                                                                                                         \
                int p[2], old = dup(STDERR_FILENO);                                                                  \
                assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);                                               \
                dup2(p[1], STDERR_FILENO);                                                                           \
                call;                                                                                                \
                dup2(old, STDERR_FILENO);                                                                            \
                ssize_t n = read(p[0], got, sizeof(got) - 1);                                                        \
                got[n > 0 ? n : 0] = '\0';                                                                           \
                close(p[0]), close(p[1]), close(old);                                                                \
        } while (0)

static void levels_filter(void **state)
{
        (void)state;
        log_init(LOG_LEVEL_WARNING, false);
        CAPTURE(log_info("quiet"));
        assert_string_equal(got, "");
        errno = ENOSPC;
        CAPTURE(log_warning("disk %d%%", 93));
        assert_string_equal(got, "warning: disk 93%\n");
        log_init(LOG_LEVEL_DEBUG, true);
        CAPTURE(log_debug("x"));
        assert_string_equal(got, "<7>x\n");
        CAPTURE(log_error("y"));
        assert_string_equal(got, "<3>y\n");
}

static void errno_survives(void **state)
{
        (void)state;
        errno = ENOSPC;
        CAPTURE(log_error("%s", "x"); assert_int_equal(errno, ENOSPC));
}

static void control_characters_are_tamed(void **state)
{
        (void)state;
        log_init(LOG_LEVEL_INFO, false);
        CAPTURE(log_info("a\n<0>b\x1b[31m\x7f\xc3\xa4"));
        assert_string_equal(got, "info: a?<0>b?[31m?\xc3\xa4\n");
}

static void long_lines_are_cut_whole(void **state)
{
        (void)state;
        static char text[6000];
        for (size_t i = 0; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "\xc3\xa4", 2);
        for (int shift = 0; shift < 2; shift++) {
                CAPTURE(log_info("%s%s", shift ? "x" : "", text));
                size_t n = strlen(got);
                assert_in_range(n, 2040, 2049);
                assert_int_equal(got[n - 1], '\n');
                assert_true(str_is_utf8(got, n));
        }
}

static void level_names(void **state)
{
        (void)state;
        enum log_level l = LOG_LEVEL_INFO;
        assert_true(log_level_parse("error", &l) && l == LOG_LEVEL_ERROR);
        assert_true(log_level_parse("debug", &l) && l == LOG_LEVEL_DEBUG);
        assert_false(log_level_parse("Debug", &l));
        assert_false(log_level_parse("", &l));
        assert_false(log_level_parse("dbg", &l));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(levels_filter),
            cmocka_unit_test(errno_survives),
            cmocka_unit_test(control_characters_are_tamed),
            cmocka_unit_test(long_lines_are_cut_whole),
            cmocka_unit_test(level_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
