/* Doubling waits, at their ends. */
#include "super/backoff.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_table(void **state)
{
        (void)state;
        static const struct {
                uint32_t attempt;
                uint64_t base, max, want;
        } rows[] = {
            {0, 1000, 60000, 1000},
            {1, 1000, 60000, 1000},
            {2, 1000, 60000, 2000},
            {3, 1000, 60000, 4000},
            {6, 1000, 60000, 32000},
            {7, 1000, 60000, 60000},
            {8, 1000, 60000, 60000},
            {UINT32_MAX, 1000, 60000, 60000},
            {UINT32_MAX, 1, UINT64_MAX, UINT64_MAX},
            {5, 0, 60000, 0},
            {1, 90000, 60000, 60000},
            {64, 3, UINT64_MAX, UINT64_MAX},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_true(backoff_next(rows[i].attempt, rows[i].base, rows[i].max) == rows[i].want);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
