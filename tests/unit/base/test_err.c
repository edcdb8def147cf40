/* test_err.c: codes come back, messages are prefixed and cut at a character, NULL is accepted everywhere. */
#include "base/err.h"
#include "base/str.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void set_and_field(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        assert_int_equal(err_field(&e, -EINVAL, "/layers/0/units", "%d is too many", 9), -EINVAL);
        assert_int_equal(e.code, -EINVAL);
        assert_string_equal(e.field, "/layers/0/units");
        assert_string_equal(e.msg, "9 is too many");
        assert_int_equal(err_set(&e, 3, "twice: %s", e.msg), 3);
        assert_string_equal(e.msg, "twice: 9 is too many");
        assert_string_equal(e.field, "");
}

static void wrap_prefixes_and_tames_stray_outcomes(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        err_field(&e, -ENOENT, "path", "no such file");
        assert_int_equal(err_wrap(&e, -ENOENT, "model %d", 4), -ENOENT);
        assert_int_equal(err_wrap(&e, -ENOENT, "start"), -ENOENT);
        assert_string_equal(e.msg, "start: model 4: no such file");
        assert_string_equal(e.field, "path");
        assert_int_equal(err_wrap(&e, 2, "claim"), -EPROTO);
        assert_int_equal(e.code, -EPROTO);
        struct err blank = ERR_NULL;
        err_wrap(&blank, -EIO, "alone");
        assert_string_equal(blank.msg, "alone");
}

static void errno_text(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        assert_int_equal(err_errno(&e, ENOENT, "open %s", "x"), -ENOENT);
        assert_string_equal(e.msg, "open x: No such file or directory");
        assert_int_equal(err_errno(&e, 0, "open"), -EIO);
        assert_int_equal(err_oom(&e), -ENOMEM);
        assert_string_equal(e.msg, "out of memory");
}

static void long_messages_stay_utf8(void **state)
{
        (void)state;
        char text[1000];
        for (size_t shift = 0; shift < 4; shift++) {
                struct err e = ERR_NULL;
                size_t n = 0;
                while (n < shift)
                        text[n++] = 'a';
                for (; n + 4 < sizeof(text); n += 4)
                        memcpy(text + n, "\xf0\x9f\x98\x80", 4);
                text[n] = '\0';
                err_field(&e, -EINVAL, text, "%s", text);
                assert_true(str_is_utf8(e.msg, strlen(e.msg)) && str_is_utf8(e.field, strlen(e.field)));
                assert_in_range(strlen(e.msg), ERR_MSG_MAX - 4, ERR_MSG_MAX - 1);
                err_wrap(&e, -EINVAL, "%s", "front");
                assert_true(str_is_utf8(e.msg, strlen(e.msg)));
                assert_memory_equal(e.msg, "front: ", 7);
                err_errno(&e, EIO, "%s", text);
                assert_true(str_is_utf8(e.msg, strlen(e.msg)));
        }
}

static void null_is_accepted(void **state)
{
        (void)state;
        assert_int_equal(err_set(NULL, -1, "x"), -1);
        assert_int_equal(err_field(NULL, 5, "f", "x"), 5);
        assert_int_equal(err_wrap(NULL, 5, "x"), -EPROTO);
        assert_int_equal(err_oom(NULL), -ENOMEM);
        assert_int_equal(err_errno(NULL, EIO, "x"), -EIO);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(set_and_field),
            cmocka_unit_test(wrap_prefixes_and_tames_stray_outcomes),
            cmocka_unit_test(errno_text),
            cmocka_unit_test(long_messages_stay_utf8),
            cmocka_unit_test(null_is_accepted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
