/* The split: fixed for a key, monotone in the share, near the share over many keys. */
#include "domain/holdout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void test_edges(void **state)
{
        (void)state;
        for (int i = 0; i < 100; i++) {
                char id[16];
                snprintf(id, sizeof(id), "e%d", i);
                assert_false(holdout_split(id, 0.0));
                assert_true(holdout_split(id, 1.0));
                assert_int_equal(holdout_split(id, 0.3), holdout_split(id, 0.3));
                if (holdout_split(id, 0.1))
                        assert_true(holdout_split(id, 0.2));
        }
}

static void test_share(void **state)
{
        (void)state;
        enum { N = 20000 };
        int held = 0;
        for (int i = 0; i < N; i++) {
                char id[16];
                snprintf(id, sizeof(id), "event-%d", i);
                held += holdout_split(id, 0.10);
        }
        /* binomial: 2000 with a standard deviation of 42; 5 of them */
        assert_in_range(held, 2000 - 212, 2000 + 212);
}

/* SHA-256("event-7") = 5976124a…: the first 53 bits are 0.34946…, computed with Python's hashlib. The event's id
 * alone counts, so all who label an event fall on one side. */
static void test_known(void **state)
{
        (void)state;
        assert_false(holdout_split("event-7", 0.3494569));
        assert_true(holdout_split("event-7", 0.3494589));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_edges), cmocka_unit_test(test_share), cmocka_unit_test(test_known)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
