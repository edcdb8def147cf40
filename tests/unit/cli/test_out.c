/* test_out.c: lists, percentages, tables and JSON as they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/cli.h"
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static void test_lists(void **state)
{
        (void)state;
        assert_true(out_list_has("1,2,3", "1"));
        assert_true(out_list_has("1,2,3", "2"));
        assert_true(out_list_has("1,2,3", "3"));
        assert_false(out_list_has("1,2,3", "4"));
        assert_false(out_list_has("10,20", "1"));
        assert_false(out_list_has("1", "10"));
        assert_false(out_list_has("1,2", "1,2"));
        assert_false(out_list_has("1,2", ""));
        assert_true(out_list_has("1,,2", ""));
        assert_true(out_list_has("2,", "2"));
        assert_false(out_list_has("", "2"));
        assert_true(out_list_has(NULL, "2")); /* no list has everything */
        assert_true(out_list_has("caf\xc3\xa9,tea", "caf\xc3\xa9"));
}

static const char *percent(double share)
{
        static char text[16];
        out_percent(text, sizeof(text), share);
        return text;
}

static void test_percentages(void **state)
{
        char small[4];
        (void)state;
        assert_string_equal(percent(0), "0.00 %");
        assert_string_equal(percent(1), "100.00 %");
        assert_string_equal(percent(0.97351), "97.35 %");
        assert_string_equal(percent(-0.015), "-1.50 %");
        assert_string_equal(percent((double)NAN), "-");
        out_percent(small, sizeof(small), 0.5);
        assert_string_equal(small, "50.");
}

static const char *number(double v)
{
        static char text[32];
        out_number(text, sizeof(text), v);
        return text;
}

static void test_numbers(void **state)
{
        (void)state;
        assert_string_equal(number(0), "0");
        assert_string_equal(number(-3), "-3");
        assert_string_equal(number(9007199254740991.0), "9007199254740991");
        assert_string_equal(number(0.125), "0.125");
        assert_string_equal(number(1e20), "1e+20");
        assert_string_equal(number((double)NAN), "-");
}

/* What fn prints to stdout. */
static void capture(void (*fn)(void), char *ret, size_t size)
{
        FILE *f = tmpfile();
        int saved = dup(STDOUT_FILENO);
        assert_true(f && saved >= 0);
        fflush(stdout);
        dup2(fileno(f), STDOUT_FILENO);
        fn();
        fflush(stdout);
        dup2(saved, STDOUT_FILENO);
        close(saved);
        rewind(f);
        ret[fread(ret, 1, size - 1, f)] = '\0';
        fclose(f);
}

static void print_table(void)
{
        const char *heads[] = {"A", "LONG", "LAST"};
        struct out_table *t = out_table_new(3, heads);
        out_table_cell(t, "%d", 1);
        out_table_cell(t, "caf\xc3\xa9");
        out_table_cell(t, "x");
        out_table_cell(t, "%s", "22");
        out_table_cell(t, "longer");
        out_table_cell(t, "%s", "");
        out_table_print(t);
}

static void print_cells(void)
{
        const char *heads[] = {"SHARE", "NUMBER", "FIXED"};
        struct out_table *t = out_table_new(3, heads);
        out_table_percent(t, 0.5);
        out_table_number(t, 7);
        out_table_fixed(t, 0.123456);
        out_table_percent(t, (double)NAN);
        out_table_number(t, (double)NAN);
        out_table_fixed(t, (double)NAN);
        out_table_print(t);
}

static void print_empty_table(void)
{
        const char *heads[] = {"A", "B"};
        out_table_print(out_table_new(2, heads));
        out_table_print(NULL);
}

static void print_json(void)
{
        struct buf b;
        buf_init(&b, 64);
        buf_puts(&b, "{}");
        out_json(&b);
        buf_putc(&b, '\n');
        out_json(&b);
        buf_reset(&b);
        out_json(&b);
        buf_deinit(&b);
}

static void test_tables_align_by_characters(void **state)
{
        char text[512];
        (void)state;
        capture(print_table, text, sizeof(text));
        assert_string_equal(text, "A   LONG    LAST\n1   caf\xc3\xa9    x\n22  longer  \n");
        capture(print_cells, text, sizeof(text));
        assert_string_equal(text, "SHARE    NUMBER  FIXED\n50.00 %  7       0.1235\n-        -       -\n");
        capture(print_empty_table, text, sizeof(text));
        assert_string_equal(text, "A  B\n");
}

static void test_json_ends_with_one_newline(void **state)
{
        char text[64];
        (void)state;
        capture(print_json, text, sizeof(text));
        assert_string_equal(text, "{}\n{}\n\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_lists),
            cmocka_unit_test(test_percentages),
            cmocka_unit_test(test_numbers),
            cmocka_unit_test(test_tables_align_by_characters),
            cmocka_unit_test(test_json_ends_with_one_newline),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
