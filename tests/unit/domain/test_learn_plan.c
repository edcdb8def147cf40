/* test_learn_plan.c: the words of methods, scales and starts. */
#include "domain/learn_plan.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_names(void **state)
{
        (void)state;
        enum learn_method m, all[] = {LEARN_EWC, LEARN_PLAIN, LEARN_JOINT};
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
                assert_true(learn_method_parse(learn_method_name(all[i]), &m));
                assert_int_equal(m, all[i]);
        }
        assert_false(learn_method_parse("", &m));
        assert_false(learn_method_parse("EWC", &m));
        assert_null(learn_method_name((enum learn_method)0));
        assert_null(learn_method_name((enum learn_method)99));
        _Static_assert(LEARN_EWC == 1 && LEARN_PLAIN == 2 && LEARN_JOINT == 3, "frozen: they stand in bundles");
}

/* Every row: the name of a value, and back. */
static void test_names_of_the_protocol(void **state)
{
        (void)state;
        static const char *const scales[] = {"unit", "raw", "l2", "minmax"}, *const starts[] = {
                                                                                 "similarity", "tasks", "top"};
        enum learn_scale scale;
        enum learn_start start;
        for (unsigned i = 0; i < ARRAY_LEN(scales); i++) {
                assert_string_equal(learn_scale_name((enum learn_scale)i), scales[i]);
                assert_true(learn_scale_parse(scales[i], &scale) && scale == (enum learn_scale)i);
        }
        for (unsigned i = 0; i < ARRAY_LEN(starts); i++) {
                assert_string_equal(learn_start_name((enum learn_start)i), starts[i]);
                assert_true(learn_start_parse(starts[i], &start) && start == (enum learn_start)i);
        }
        assert_null(learn_start_name((enum learn_start)3));
        assert_false(learn_start_parse("bottom", &start));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_names), cmocka_unit_test(test_names_of_the_protocol)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
