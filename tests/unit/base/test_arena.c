/* test_arena.c: alignment, zeroing, the ceiling, and no allocation once warm. */
#include "base/arena.h"
#include "base/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void pieces_are_aligned_zeroed_and_apart(void **state)
{
        (void)state;
        struct arena a;
        unsigned char *p[300];
        arena_init(&a, 1 << 20);
        for (int round = 0; round < 3; round++) { /* later rounds meet dirty memory */
                for (size_t i = 0; i < 300; i++) {
                        p[i] = arena_alloc(&a, i);
                        assert_non_null(p[i]);
                        assert_int_equal((uintptr_t)p[i] % 16, 0);
                        for (size_t k = 0; k < i; k++)
                                assert_int_equal(p[i][k], 0);
                        memset(p[i], (int)(i % 251 + 1), i);
                }
                for (size_t i = 0; i < 300; i++) {
                        for (size_t k = 0; k < i; k++)
                                assert_int_equal(p[i][k], i % 251 + 1);
                }
                arena_reset(&a);
        }
        arena_deinit(&a);
}

static void wide_alignment(void **state)
{
        (void)state;
        struct arena a;
        arena_init(&a, 1 << 20);
        for (size_t align = 1; align <= 4096; align *= 2) {
                assert_non_null(arena_strdup(&a, "x"));
                void *p = arena_aligned(&a, 40, align);
                assert_non_null(p);
                assert_int_equal((uintptr_t)p % align, 0);
        }
        assert_null(arena_aligned(&a, 40, 48));
        arena_deinit(&a);
}

static void ceiling_and_overflow(void **state)
{
        (void)state;
        struct arena a;
        arena_init(&a, 1000);
        fault_arm(0, 1);
        assert_null(arena_alloc(&a, 1001)); /* refused before any memory is asked for */
        assert_false(fault_fired());
        fault_disarm();
        assert_non_null(arena_alloc(&a, 992));
        assert_null(arena_alloc(&a, 16));
        assert_int_equal(a.used, 992);
        arena_reset(&a);
        assert_non_null(arena_alloc(&a, 1000));
        assert_null(arena_array(&a, SIZE_MAX / 2 + 1, 2));
        assert_null(arena_alloc(&a, SIZE_MAX));
        arena_deinit(&a);
        arena_init(&a, SIZE_MAX);
        assert_null(arena_alloc(&a, SIZE_MAX - 4));
        assert_non_null(arena_alloc(&a, 100000));
        arena_deinit(&a);
}

static void no_allocation_after_warm_up(void **state)
{
        (void)state;
        struct arena a;
        arena_init(&a, 1 << 22);
        for (int round = 0; round < 20; round++) {
                if (round == 3)
                        fault_arm(0, -1);
                for (int i = 0; i < 500; i++)
                        assert_non_null(arena_alloc(&a, 777));
                arena_reset(&a);
        }
        assert_false(fault_fired());
        fault_disarm();
        arena_deinit(&a);
}

static void memory_short(void **state)
{
        (void)state;
        struct arena a;
        arena_init(&a, 1 << 20);
        fault_arm(0, 1);
        assert_null(arena_alloc(&a, 8));
        fault_disarm();
        assert_non_null(arena_alloc(&a, 8));
        arena_deinit(&a);
        struct arena zero = {0};
        assert_null(arena_alloc(&zero, 1));
        arena_deinit(&zero);
}

static void text(void **state)
{
        (void)state;
        struct arena a;
        char longer[6000];
        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        arena_init(&a, 1 << 20);
        assert_string_equal(arena_strdup(&a, "theta"), "theta");
        assert_string_equal(arena_strndup(&a, "theta", 3), "the");
        assert_string_equal(arena_strndup(&a, "theta", SIZE_MAX), "theta");
        assert_string_equal(arena_printf(&a, "%d-%s", 7, longer) + 2, longer);
        assert_memory_equal(arena_memdup(&a, longer, sizeof(longer)), longer, sizeof(longer));
        assert_non_null(arena_memdup(&a, NULL, 0));
        arena_deinit(&a);
        arena_init(&a, 8);
        assert_null(arena_printf(&a, "%s", longer));
        arena_deinit(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
            cmocka_unit_test(wide_alignment),
            cmocka_unit_test(ceiling_and_overflow),
            cmocka_unit_test(no_allocation_after_warm_up),
            cmocka_unit_test(memory_short),
            cmocka_unit_test(text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
