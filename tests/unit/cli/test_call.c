/* test_call.c: names as parts of a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "cli/client.h"

const struct command commands[] = {{0}};
const size_t n_commands = 0;

enum { KEY_BYTES = 128 }; /* the longest id or source the daemon knows */

static const char *part(const char *s)
{
        static char text[URL_PART];
        return url_part(text, s);
}

static void test_names_stay(void **state)
{
        (void)state;
        assert_string_equal(part(""), "");
        assert_string_equal(part("import-0123abcDEF_x.y~-7"), "import-0123abcDEF_x.y~-7");
}

static void test_all_else_is_encoded(void **state)
{
        (void)state;
        assert_string_equal(part("a/b?c%#d e"), "a%2Fb%3Fc%25%23d%20e");
        assert_string_equal(part("@champion"), "%40champion");
        assert_string_equal(part("caf\xc3\xa9\n"), "caf%C3%A9%0A");
}

/* The longest name comes through whole; one byte more is never cut down to a name. */
static void test_long_names(void **state)
{
        char s[2 * URL_PART];
        const char *cut;
        size_t n = 0;
        (void)state;
        memset(s, '/', sizeof(s) - 1);
        s[sizeof(s) - 1] = 0;
        s[KEY_BYTES] = 0;
        assert_int_equal(strlen(part(s)), 3 * KEY_BYTES);
        s[KEY_BYTES] = '/';
        cut = part(s);
        assert_true(strlen(cut) < URL_PART);
        for (; *cut; n++)
                cut += 3;
        assert_true(n > KEY_BYTES);
        memset(s, 'x', sizeof(s) - 1);
        assert_true(strlen(part(s)) > KEY_BYTES && strlen(part(s)) < URL_PART);
}

static void test_reasons(void **state)
{
        struct cli c = {0};
        char text[URL_REASON], longest[402];
        struct buf b;
        (void)state;
        buf_init(&b, 1024);
        assert_string_equal(url_reason(text, &c, true), "");
        put_reason(&b, &c);
        assert_int_equal(b.len, 0);
        c.opt.reason = "a & \"b\"";
        assert_string_equal(url_reason(text, &c, false), "?reason=a%20%26%20%22b%22");
        assert_string_equal(url_reason(text, &c, true), "&reason=a%20%26%20%22b%22");
        put_reason(&b, &c);
        assert_string_equal(b.data, ",\"reason\":\"a & \\\"b\\\"\"");
        buf_deinit(&b);
        memset(longest, '/', sizeof(longest)); /* one that is too long is never cut down to one that is not */
        longest[401] = 0;
        c.opt.reason = longest;
        assert_true(strlen(url_reason(text, &c, true)) > strlen("&reason=") + 3 * 200);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_names_stay),
            cmocka_unit_test(test_all_else_is_encoded),
            cmocka_unit_test(test_long_names),
            cmocka_unit_test(test_reasons),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
