/* test_mem.c: sizes are checked, arrays are zeroed and aligned, growth keeps its contents. */
#include "base/mem.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static void arrays_are_zeroed_and_never_null_when_empty(void **state)
{
        (void)state;
        _free_ uint64_t *a = new_array(uint64_t, 100);
        assert_non_null(a);
        for (int i = 0; i < 100; i++)
                assert_true(a[i] == 0);
        _free_ void *none = mem_array(0, 8);
        assert_non_null(none);
}

static void overflow_is_refused(void **state)
{
        (void)state;
        size_t got = 7;
        assert_null(mem_array(SIZE_MAX / 2 + 1, 2)); /* would wrap round to nothing */
        assert_null(mem_aligned(SIZE_MAX / 2 + 1, 2, 64));
        assert_false(mem_mul(SIZE_MAX, 2, &got));
        assert_false(mem_add(SIZE_MAX, 1, &got));
        assert_true(mem_mul(6, 7, &got) && got == 42);
        assert_true(mem_add(SIZE_MAX - 1, 1, &got) && got == SIZE_MAX);
}

static void aligned_is_aligned(void **state)
{
        (void)state;
        for (size_t align = 1; align <= 4096; align *= 2) {
                _free_ void *p = mem_aligned(3, 5, align);
                assert_non_null(p);
                assert_int_equal((uintptr_t)p % align, 0);
        }
}

static void growth_doubles_and_keeps(void **state)
{
        (void)state;
        _free_ int *a = NULL;
        size_t cap = 0, steps = 0;
        for (size_t n = 0; n < 10000; n++) {
                size_t before = cap;
                assert_true(mem_grow((void **)&a, &cap, n + 1, sizeof(*a)));
                steps += cap != before;
                a[n] = (int)n;
        }
        assert_in_range(steps, 1, 12);
        for (int i = 0; i < 10000; i++)
                assert_int_equal(a[i], i);
        size_t same = cap;
        assert_false(mem_grow((void **)&a, &cap, SIZE_MAX / 4 + 1, sizeof(*a)));
        assert_int_equal(cap, same);
        assert_int_equal(a[9999], 9999);
}

static void each_allocation_ticks(void **state)
{
        (void)state;
        void *p = NULL;
        size_t cap = 0;
        fault_arm(0, 4);
        assert_null(mem_array(1, 1));
        assert_null(mem_aligned(1, 1, 16));
        assert_false(mem_resize(&p, 1, 1));
        assert_false(mem_grow(&p, &cap, 1, 1));
        fault_disarm();
        assert_null(p);
        assert_int_equal(cap, 0);
}

static void closing_keeps_errno(void **state)
{
        (void)state;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;
        assert_true(fd >= 0);
        errno = ENOSPC;
        mem_close_ptr(&fd);
        mem_close_ptr(&none);
        assert_int_equal(errno, ENOSPC);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(arrays_are_zeroed_and_never_null_when_empty),
            cmocka_unit_test(overflow_is_refused),
            cmocka_unit_test(aligned_is_aligned),
            cmocka_unit_test(growth_doubles_and_keeps),
            cmocka_unit_test(each_allocation_ticks),
            cmocka_unit_test(closing_keeps_errno),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
