/* Counting a request: class, bucket edges, sum; routes and statuses outside the table land in its last row. */
#include "server/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_buckets(void **state)
{
        (void)state;
        static const struct {
                uint64_t ns;
                size_t bucket;
        } rows[] = {
            {0, 0},
            {50000, 0},
            {50001, 1},
            {100000, 1},
            {100001, 2},
            {1000000000, 15},
            {819200000, 14},
            {819200001, 15},
            {UINT64_MAX / 2, 15},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                static struct metrics m;
                memset(&m, 0, sizeof(m));
                metrics_request(&m, 3, 200, rows[i].ns);
                for (size_t b = 0; b <= METRICS_BUCKETS; b++)
                        assert_int_equal(atomic_load(&m.route[3].bucket[b]), b == rows[i].bucket);
                assert_int_equal(atomic_load(&m.route[3].sum_ns), rows[i].ns);
        }
}

static void test_classes(void **state)
{
        (void)state;
        static struct metrics m;
        metrics_request(&m, 0, 200, 1);
        metrics_request(&m, 0, 204, 2);
        metrics_request(&m, 0, 404, 3);
        metrics_request(&m, 0, 0, 4);
        metrics_request(&m, METRICS_ROUTES + 5, 599, 1);
        assert_int_equal(atomic_load(&m.route[0].by_class[2]), 2);
        assert_int_equal(atomic_load(&m.route[0].by_class[4]), 1);
        assert_int_equal(atomic_load(&m.route[0].by_class[0]), 1);
        assert_int_equal(atomic_load(&m.route[0].sum_ns), 10);
        assert_int_equal(atomic_load(&m.route[METRICS_ROUTES - 1].by_class[5]), 1);
        metrics_request(&m, 0, -1, 0);
        metrics_request(&m, 0, METRICS_CODES, 0);
        assert_int_equal(atomic_load(&m.route[0].by_class[5]), 2);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {cmocka_unit_test(test_buckets), cmocka_unit_test(test_classes)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
