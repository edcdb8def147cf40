/* When a queue takes no more, and that it takes again at once when its work is young or gone. */
#include "server/queue_age.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const uint64_t ms = 1000000, target = 500 * 1000000ull;

static void test_short_peaks_pass(void **state)
{
        (void)state;
        struct queue_age q = {0};
        uint32_t wait = 0;
        for (uint64_t t = 0; t < 2000; t += 50) { /* old ones now and then, young ones between them */
                assert_true(queue_age_enter(&q, target, t * ms, &wait));
                assert_true(queue_age_enter(&q, target, t * ms, &wait));
                queue_age_leave(&q, target, t * ms, t % 100 ? 900 * ms : 100 * ms);
                if (t >= 1900)
                        break;
        }
        assert_int_equal(wait, 0);
}

static void test_all_old(void **state)
{
        (void)state;
        struct queue_age q = {0};
        uint32_t wait = 0;
        for (int i = 0; i < 10; i++)
                assert_true(queue_age_enter(&q, target, 1000 * ms, &wait));
        queue_age_leave(&q, target, 2000 * ms, 3200 * ms);
        assert_true(queue_age_enter(&q, target, 2099 * ms, &wait)); /* not yet a fact */
        assert_false(queue_age_enter(&q, target, 2100 * ms, &wait));
        assert_int_equal(wait, 4);
        assert_true(queue_age_enter(&q, 0, 2100 * ms, &wait)); /* no limit is set */
        queue_age_undo(&q);
        queue_age_leave(&q, target, 2200 * ms, 700 * ms); /* still too old */
        assert_false(queue_age_enter(&q, target, 2200 * ms, &wait));
        queue_age_leave(&q, target, 2300 * ms, target); /* young: at once */
        assert_true(queue_age_enter(&q, target, 2300 * ms, &wait));
}

static void test_an_empty_queue_takes(void **state)
{
        (void)state;
        struct queue_age q = {0};
        uint32_t wait;
        assert_true(queue_age_enter(&q, target, 1000 * ms, &wait));
        assert_true(queue_age_enter(&q, target, 1000 * ms, &wait));
        queue_age_leave(&q, target, 2000 * ms, 1000 * ms);
        assert_false(queue_age_enter(&q, target, 3000 * ms, &wait));
        queue_age_leave(&q, target, 3000 * ms, 2000 * ms); /* the last, and old */
        assert_true(queue_age_enter(&q, target, 3000 * ms, &wait));
        queue_age_undo(&q);
        assert_true(queue_age_enter(&q, target, 3000 * ms, &wait));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_short_peaks_pass),
            cmocka_unit_test(test_all_old),
            cmocka_unit_test(test_an_empty_queue_takes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
