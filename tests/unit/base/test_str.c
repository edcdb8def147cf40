/* test_str.c: slices, numbers at their limits, names, UTF-8 against the table of the Unicode standard. */
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct slice s(const char *z)
{
        return slice_of(z);
}

static void slices_compare(void **state)
{
        (void)state;
        assert_true(slice_eq(s("Fisher"), "Fisher"));
        assert_false(slice_eq(s("Fisher"), "Fishe"));
        assert_false(slice_eq(s("Fisher"), "fisher"));
        assert_false(slice_eq((struct slice){"Fisher", 4}, "Fisher"));
        assert_true(slice_eq((struct slice){NULL, 0}, ""));
        assert_true(slice_eq_nocase(s("Content-Length"), "content-LENGTH"));
        assert_false(slice_eq_nocase(s("a["), "A{"));
        assert_false(slice_eq_nocase(s("ab"), "a"));
}

static void numbers(void **state)
{
        (void)state;
        static const char *const bad[] = {
            "", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999"};
        uint64_t v = 5;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(slice_u64(s(bad[i]), &v));
        assert_true(v == 5);
        assert_true(slice_u64(s("0"), &v) && v == 0);
        assert_true(slice_u64(s("0018446744073709551615"), &v) && v == UINT64_MAX);
}

static void copies(void **state)
{
        (void)state;
        char d[4] = "???";
        assert_true(str_copy(d, sizeof(d), "abc"));
        assert_string_equal(d, "abc");
        assert_false(str_copy(d, sizeof(d), "abcd"));
        assert_string_equal(d, "");
        assert_true(str_copy_n(d, sizeof(d), "xyz", 2));
        assert_string_equal(d, "xy");
        assert_true(str_copy_n(d, sizeof(d), NULL, 0));
        assert_false(str_copy_n(d, 0, "a", 1));
}

static void names(void **state)
{
        (void)state;
        char n[66];
        static const char *const good[] = {"a", "0", "mnist-1.2_x", "A-"};
        static const char *const bad[] = {"", "-a", ".", "_a", "a b", "a/b", "\xc3\xa4", "a\n"};
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(str_is_name(good[i]));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(str_is_name(bad[i]));
        memset(n, 'x', sizeof(n));
        n[63] = '\0';
        assert_true(str_is_name(n));
        n[63] = 'x', n[64] = '\0';
        assert_false(str_is_name(n));
}

/* Encodes any number as UTF-8 would, surrogates and too large ones included; len 0 asks for the shortest. */
static size_t encode(uint32_t c, size_t len, char out[4])
{
        if (len == 0)
                len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t i = len; i-- > 1; c >>= 6)
                out[i] = (char)(0x80 | (c & 0x3f));
        out[0] = (char)(lead[len] | c);
        return len;
}

static void utf8_takes_exactly_the_scalar_values(void **state)
{
        (void)state;
        for (uint32_t c = 0; c < 0x140000; c++) {
                char out[4];
                size_t n = encode(c, 0, out);
                bool scalar = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
                assert_int_equal(str_is_utf8(out, n), scalar);
                if (scalar && n > 1) {
                        assert_false(str_is_utf8(out, n - 1));
                        assert_int_equal(str_utf8_cut(out, n - 1), 0);
                        assert_int_equal(str_utf8_cut(out, n), n);
                }
        }
        for (uint32_t c = 0; c < 0x10000; c++) { /* longer than need be */
                char out[4];
                size_t n = encode(c, 0, out);
                for (size_t longer = n + 1; longer <= 4; longer++)
                        assert_false(str_is_utf8(out, encode(c, longer, out)));
        }
        assert_false(str_is_utf8("\x80", 1));
        assert_false(str_is_utf8("\xff", 1));
        assert_true(str_is_utf8("", 0));
}

/* The vectors of the hash are its authors'. */
static void test_texts_of_numbers(void **state)
{
        char text[STR_U64], hex[9] = "........";
        (void)state;
        assert_string_equal(str_u64(text, 0), "0");
        assert_string_equal(str_u64(text, 10), "10");
        assert_string_equal(str_u64(text, UINT64_MAX), "18446744073709551615");
        str_hex(hex, (const uint8_t[]){0x00, 0x1f, 0xa9}, 3);
        assert_string_equal(hex, "001fa9..");
        assert_true(str_hash("") == UINT64_C(0xcbf29ce484222325));
        assert_true(str_hash("a") == UINT64_C(0xaf63dc4c8601ec8c));
        assert_true(str_hash("foobar") == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(slices_compare),
            cmocka_unit_test(numbers),
            cmocka_unit_test(copies),
            cmocka_unit_test(names),
            cmocka_unit_test(utf8_takes_exactly_the_scalar_values),
            cmocka_unit_test(test_texts_of_numbers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
