/* Several labels of one event, and late ones. */
#include "domain/label.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NONE SIZE_MAX
#define ON true
#define OFF false

static void test_winner(void **state)
{
        (void)state;
        static const struct {
                size_t n;
                struct vote v[6];
                size_t earliest, latest, majority;
        } rows[] = {
            {0, {{0}}, NONE, NONE, NONE}, {1, {{1, 3, ON}}, 0, 0, 0}, {1, {{1, 3, OFF}}, NONE, NONE, NONE},
            {2, {{1, 3, ON}, {2, 4, ON}}, 0, 1, 0},             /* equally many: voted for first */
            {3, {{1, 3, ON}, {2, 4, ON}, {3, 4, ON}}, 0, 2, 1}, /* earliest row of the majority */
            {3, {{1, 3, ON}, {2, 4, OFF}, {3, 4, ON}}, 0, 2, 0}, {3, {{1, 3, OFF}, {2, 4, ON}, {3, 5, OFF}}, 1, 1, 1},
            {4, {{1, 3, ON}, {2, 4, ON}, {3, 4, ON}, {4, 3, ON}}, 0, 3, 0},
            {5, {{1, 9, OFF}, {2, 4, ON}, {3, 3, ON}, {4, 3, ON}, {5, 9, OFF}}, 1, 3, 2},
            {6, {{1, 1, ON}, {2, 2, ON}, {3, 3, ON}, {4, 3, ON}, {5, 2, ON}, {6, 2, ON}}, 0, 5, 1},
            {2, {{1, -1, ON}, {2, -1, ON}}, 0, 1, 0}, /* no classes */
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                assert_int_equal(label_winner(rows[i].v, rows[i].n, CONFLICT_EARLIEST), rows[i].earliest);
                assert_int_equal(label_winner(rows[i].v, rows[i].n, CONFLICT_LATEST), rows[i].latest);
                assert_int_equal(label_winner(rows[i].v, rows[i].n, CONFLICT_MAJORITY), rows[i].majority);
        }
}

static void test_late(void **state)
{
        (void)state;
        static const struct {
                int64_t observed, received;
                uint32_t window;
                bool late;
        } rows[] = {
            {1000000, 1060000, 60, false}, /* exactly the window */
            {1000000, 1060001, 60, true},
            {1000000, 9999999999, 0, false}, /* off */
            {0, 9999999999, 60, false},      /* not given */
            {1060001, 1000000, 60, false},   /* a clock ahead of ours */
            {INT64_MIN, INT64_MAX, 4294967295u, true},
            {-1, 1060001, 1060, true},
            {1, 4294967295001, 4294967295u, false},
            {1, 4294967295002, 4294967295u, true},
        };
        for (size_t i = 0; i < LEN(rows); i++)
                assert_int_equal(label_late(rows[i].observed, rows[i].received, rows[i].window), rows[i].late);
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(conflict_policy_name(CONFLICT_EARLIEST), "earliest");
        assert_string_equal(conflict_policy_name(CONFLICT_LATEST), "latest");
        assert_string_equal(conflict_policy_name(CONFLICT_MAJORITY), "majority");
        assert_null(conflict_policy_name((enum conflict_policy)3));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_winner), cmocka_unit_test(test_late), cmocka_unit_test(test_names)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
