/* test_buf.c: growth, the ceiling to the byte, the sticky failure, the NUL. */
#include "base/buf.h"
#include "base/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void puts_append(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 1000);
        buf_put(&b, NULL, 0);
        assert_string_equal(b.data, "");
        buf_puts(&b, "a");
        buf_putc(&b, 'b');
        buf_printf(&b, "%03d", 7);
        buf_put_u64(&b, 0);
        buf_put_u64(&b, UINT64_MAX);
        buf_put(&b, "z\0z", 3);
        assert_true(buf_ok(&b));
        assert_string_equal(b.data, "ab007018446744073709551615z");
        assert_int_equal(b.len, 29);
        assert_int_equal(b.data[b.len], 0);
        buf_reset(&b);
        assert_string_equal(b.data, "");
        buf_deinit(&b);
        assert_null(b.data);
}

static void ceiling_to_the_byte(void **state)
{
        (void)state;
        for (size_t max = 0; max < 300; max++) {
                struct buf b;
                buf_init(&b, max);
                for (size_t i = 0; i < max; i++)
                        buf_putc(&b, 'x');
                assert_true(buf_ok(&b));
                assert_int_equal(b.len, max);
                assert_true(b.cap <= max + 1);
                buf_putc(&b, 'y');
                assert_false(buf_ok(&b));
                buf_put(&b, "", 0); /* sticks even for what would fit */
                assert_int_equal(b.len, max);
                buf_reset(&b);
                assert_true(buf_ok(&b));
                buf_deinit(&b);
        }
}

static void printf_past_the_ceiling(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 5);
        buf_printf(&b, "%s", "12345");
        assert_string_equal(b.data, "12345");
        buf_reset(&b);
        buf_printf(&b, "%s", "123456");
        assert_false(buf_ok(&b));
        assert_int_equal(b.len, 0);
        buf_deinit(&b);
}

static void memory_short_keeps_contents(void **state)
{
        (void)state;
        struct buf b;
        char big[500] = {0};
        buf_init(&b, SIZE_MAX);
        buf_puts(&b, "kept");
        fault_arm(0, 1);
        buf_put(&b, big, sizeof(big));
        fault_disarm();
        assert_false(buf_ok(&b));
        assert_string_equal(b.data, "kept");
        assert_int_equal(b.len, 4);
        buf_reset(&b);
        assert_null(buf_reserve(&b, SIZE_MAX));
        buf_deinit(&b);
}

static void reserve_and_advance(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 4096);
        char *at = buf_reserve(&b, 4096);
        assert_non_null(at);
        memset(at, 'q', 4096);
        buf_advance(&b, 3);
        assert_string_equal(b.data, "qqq");
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(puts_append),
            cmocka_unit_test(ceiling_to_the_byte),
            cmocka_unit_test(printf_past_the_ceiling),
            cmocka_unit_test(memory_short_keeps_contents),
            cmocka_unit_test(reserve_and_advance),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
