/* Sentences in parts: they follow each other, and a long one is cut at the end of the buffer. */
#include "domain/words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_parts(void **state)
{
        (void)state;
        char text[REASON_SIZE] = "before";
        struct words w = words_in(text);
        assert_string_equal(text, "");
        words_put(&w, "%d of %s", 3, "7");
        words_put(&w, "%s", "");
        words_put(&w, "; more");
        assert_string_equal(text, "3 of 7; more");
        assert_int_equal(w.n, strlen(text));
}

static void test_cut(void **state)
{
        (void)state;
        char text[REASON_SIZE + 1];
        memset(text, '#', sizeof(text));
        struct words w = words_in(text);
        for (int i = 0; i < REASON_SIZE / 10 + 3; i++)
                words_put(&w, "%s", "0123456789");
        assert_int_equal(strlen(text), REASON_SIZE - 1);
        assert_int_equal(w.n, REASON_SIZE - 1);
        assert_int_equal(text[REASON_SIZE], '#');
        assert_memory_equal(text + 500, "01234567890", 11);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_cut)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
