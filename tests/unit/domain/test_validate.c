/* Input from outside: names, rows, keys. */
#include "base/err.h"
#include "domain/validate.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_name(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        char longest[NAME_SIZE + 1];
        memset(longest, 'a', sizeof(longest));
        longest[NAME_SIZE - 1] = '\0';
        assert_int_equal(validate_name("model", longest, &e), 0);
        longest[NAME_SIZE - 1] = 'a';
        longest[NAME_SIZE] = '\0';
        assert_int_equal(validate_name("model", longest, &e), -EINVAL);
        const char *bad[] = {"", ".x", "-x", "a/b", "a b", "\xc3\xa9", NULL};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(validate_name("task", bad[i], &e), -EINVAL);
        assert_non_null(strstr(e.msg, "task"));
        assert_int_equal(validate_name("task", "A0._-", &e), 0);
}

static void test_row(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        const struct model_spec s = {.name = "m", .n_inputs = 3};
        float x[3] = {0, 1, 2};
        assert_int_equal(validate_row(&s, 3, x, &e), 0);
        assert_int_equal(validate_row(&s, 2, x, &e), -ERANGE);
        assert_string_equal(e.field, "/inputs");
        x[2] = NAN;
        assert_int_equal(validate_row(&s, 3, x, &e), -EDOM);
        assert_string_equal(e.msg, "number 2 is not finite");
        x[2] = -INFINITY;
        assert_int_equal(validate_row(&s, 3, x, &e), -EDOM);
}

/* A number that is finite as sent and absurd once scaled names its place, all three numbers and the limit. */
static void test_scaled(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        const float big = 3e38f, one = 1, each[2] = {1, 1e12f}, offset[2] = {0, -1e12f}, none = 0;
        struct model_spec s = {
            .name = "m", .n_inputs = 2, .n_scale = 1, .scale = &big, .n_offset = 1, .offset = &none};
        const float x[2] = {0, 50}, small[2] = {1e-27f, -1e-27f}, y[2] = {50, 1}, z[2] = {50, -1};
        assert_int_equal(validate_row(&s, 2, small, &e), 0);
        assert_int_equal(validate_row(&s, 2, x, &e), -EDOM);
        assert_string_equal(e.field, "/inputs");
        assert_string_equal(e.msg,
            "number 1 is 50: times the model's scale 3e+38 plus its offset 0 it is beyond 1e+12 in "
            "magnitude, the most a net is given");
        s.n_scale = s.n_offset = 2;
        s.scale = each;
        s.offset = offset;
        assert_int_equal(validate_row(&s, 2, y, &e), 0);
        assert_int_equal(validate_row(&s, 2, z, &e), -EDOM);
        assert_non_null(strstr(e.msg, "number 1 is -1"));
        const float edge[2] = {VALIDATE_INPUT_MAX, -VALIDATE_INPUT_MAX}, beyond[2] = {0, -1e20f};
        s.n_scale = s.n_offset = 1;
        s.scale = &one;
        s.offset = &none;
        assert_int_equal(validate_row(&s, 2, edge, &e), 0);
        assert_int_equal(validate_row(&s, 2, beyond, &e), -EDOM);
        assert_non_null(strstr(e.msg, "number 1 is -1e+20: "));
        assert_non_null(strstr(e.msg, " beyond 1e+12 "));
}

static void test_ids(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        const struct model_spec s = {.name = "m",
            .n_inputs = 2,
            .net = {.n_layers = 1, .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 4, .count = 10}}}};
        const float bad[] = {-1, 10, 2.5f, 1e9f, NAN};
        float x[2] = {0, 9};
        assert_int_equal(validate_row(&s, 2, x, &e), 0);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                x[1] = bad[i];
                assert_int_equal(validate_row(&s, 2, x, &e), -EDOM);
        }
        x[1] = 10;
        assert_int_equal(validate_row(&s, 2, x, &e), -EDOM);
        assert_string_equal(e.msg, "number 1 is 10; model m takes ids from 0 to 9");
}

static void test_key(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        char longest[KEY_SIZE + 1];
        memset(longest, 'k', sizeof(longest));
        longest[KEY_SIZE - 1] = '\0';
        assert_int_equal(validate_key("event_id", longest, &e), 0);
        longest[KEY_SIZE - 1] = 'k';
        longest[KEY_SIZE] = '\0';
        assert_int_equal(validate_key("event_id", longest, &e), -EINVAL);
        assert_string_equal(e.field, "/event_id");
        const char *bad[] = {"", "a\tb", "a\x7f", "\xff", "\xc0\xaf", NULL};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(validate_key("source", bad[i], &e), -EINVAL);
        assert_int_equal(validate_key("source", "caf\xc3\xa9 / 7", &e), 0);
}

static void test_reason(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        char text[VALIDATE_REASON_MAX + 2];
        memset(text, 'r', sizeof(text));
        text[VALIDATE_REASON_MAX] = '\0';
        assert_int_equal(validate_reason(text, &e), 0);
        text[VALIDATE_REASON_MAX] = 'r';
        text[VALIDATE_REASON_MAX + 1] = '\0';
        assert_int_equal(validate_reason(text, &e), -EINVAL);
        assert_string_equal(e.field, "/reason");
        assert_int_equal(validate_reason("", &e), 0);
        assert_int_equal(validate_reason("caf\xc3\xa9, asked for", &e), 0);
        assert_int_equal(validate_reason("a\nb", &e), -EINVAL);
        assert_int_equal(validate_reason("\xff", &e), -EINVAL);
        assert_string_equal(e.msg, "reason is not UTF-8");
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_name), cmocka_unit_test(test_row),
            cmocka_unit_test(test_scaled), cmocka_unit_test(test_ids), cmocka_unit_test(test_key),
            cmocka_unit_test(test_reason)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
