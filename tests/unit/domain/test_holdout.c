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
                assert_false(holdout_split("s", id, 0.0));
                assert_true(holdout_split("s", id, 1.0));
                assert_int_equal(holdout_split("s", id, 0.3), holdout_split("s", id, 0.3));
                if (holdout_split("s", id, 0.1))
                        assert_true(holdout_split("s", id, 0.2));
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
                held += holdout_split("", id, 0.10);
        }
        /* binomial: 2000 with a standard deviation of 42; 5 of them */
        assert_in_range(held, 2000 - 212, 2000 + 212);
}

/* SHA-256("a\0b") = 59b271ae…: the first 53 bits are 0.35038…, computed with Python's hashlib. */
static void test_known(void **state)
{
        (void)state;
        assert_false(holdout_split("a", "b", 0.3503781));
        assert_true(holdout_split("a", "b", 0.3503801));
}

static void test_parts_do_not_run_together(void **state)
{
        (void)state;
        int differ = 0;
        for (int i = 0; i < 64; i++) {
                char a[16], b[16];
                snprintf(a, sizeof(a), "x%d", i);
                snprintf(b, sizeof(b), "%dx", i);
                differ += holdout_split(a, "b", 0.5) != holdout_split("", b, 0.5);
                differ += holdout_split("a", a, 0.5) != holdout_split("ax", a + 1, 0.5);
        }
        assert_true(differ > 30);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_edges), cmocka_unit_test(test_share),
            cmocka_unit_test(test_known), cmocka_unit_test(test_parts_do_not_run_together)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
