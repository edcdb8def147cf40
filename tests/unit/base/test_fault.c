/* test_fault.c: the counter counts from the arming on, fails the asked number of times, and remembers that it did. */
#include "base/fault.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void unarmed_never_fails(void **state)
{
        (void)state;
        for (int i = 0; i < 100; i++)
                assert_false(fault_tick());
        assert_false(fault_fired());
}

static void waits_then_fails_then_stops(void **state)
{
        (void)state;
        fault_arm(2, 3);
        const bool want[] = {false, false, true, true, true, false, false};
        for (size_t i = 0; i < sizeof(want); i++) {
                assert_int_equal(fault_fired(), i > 2);
                assert_int_equal(fault_tick(), want[i]);
        }
        fault_arm(0, 1);
        assert_false(fault_fired());
        assert_true(fault_tick());
        fault_disarm();
        assert_true(fault_fired());
        assert_false(fault_tick());
}

static void minus_one_fails_for_ever(void **state)
{
        (void)state;
        fault_arm(1, -1);
        assert_false(fault_tick());
        for (int i = 0; i < 1000; i++)
                assert_true(fault_tick());
        fault_disarm();
}

static void *tick_many(void *arg)
{
        int *fired = arg;
        for (int i = 0; i < 1000; i++)
                *fired += fault_tick();
        return NULL;
}

static void threads_share_the_count(void **state)
{
        (void)state;
        pthread_t t[4];
        int fired[4] = {0}, sum = 0;
        fault_arm(1500, 700);
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&t[i], NULL, tick_many, &fired[i]), 0);
        for (int i = 0; i < 4; i++) {
                pthread_join(t[i], NULL);
                sum += fired[i];
        }
        fault_disarm();
        assert_int_equal(sum, 700);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(unarmed_never_fails),
            cmocka_unit_test(waits_then_fails_then_stops),
            cmocka_unit_test(minus_one_fails_for_ever),
            cmocka_unit_test(threads_share_the_count),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
