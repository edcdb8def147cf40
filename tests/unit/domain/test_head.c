/* Outputs, tasks and growth in the three scenarios. */
#include "base/arena.h"
#include "domain/head.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const uint32_t low[] = {0, 1, 2}, high[] = {1, 3};
static const struct task first = {.id = 7, .ordinal = 0, .n_classes = 3, .classes = low},
                         second = {.id = 9, .ordinal = 1, .n_classes = 2, .classes = high};

static int setup(void **state)
{
        static struct arena a;
        arena_init(&a, 1 << 20);
        *state = &a;
        return 0;
}

static int teardown(void **state)
{
        arena_deinit(*state);
        return 0;
}

static void expect_rows(const struct output_row *rows, size_t n, const struct output_row *want, size_t n_want)
{
        assert_int_equal(n, n_want);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(rows[i].task, want[i].task);
                assert_int_equal(rows[i].class, want[i].class);
        }
}
#define EXPECT_ROWS(rows, n, ...)                                                                                    \
        expect_rows(rows, n, (struct output_row[]){__VA_ARGS__},                                                     \
            sizeof((struct output_row[]){__VA_ARGS__}) / sizeof(struct output_row))

static void test_initial(void **state)
{
        struct output_row *r;
        size_t n;
        assert_int_equal(head_initial(SCENARIO_DOMAIN, 2, 7, 1, high, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 0}, {0, 1});
        assert_int_equal(head_initial(SCENARIO_CLASS, 2, 7, 0, NULL, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 0}, {0, 1});
        assert_int_equal(head_initial(SCENARIO_TASK, 4, 7, 2, high, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {7, 1}, {7, 3});
        assert_int_equal(head_initial(SCENARIO_TASK, 2, 7, 0, NULL, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {7, 0}, {7, 1});
}

static void test_extend(void **state)
{
        struct output_row *r, *again;
        size_t n, m;
        const struct output_row old[] = {{7, 0}, {7, 1}, {7, 2}}, shared[] = {{0, 0}, {0, 1}},
                                blank[] = {{0, 0}, {0, 1}};
        assert_int_equal(head_extend(SCENARIO_TASK, old, 3, 4, &second, 1, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {7, 0}, {7, 1}, {7, 2}, {9, 1}, {9, 3});
        assert_int_equal(head_extend(SCENARIO_TASK, r, n, 4, &second, 1, *state, &again, &m), 0);
        assert_int_equal(m, n);
        assert_int_equal(head_extend(SCENARIO_TASK, blank, 2, 4, &first, 1, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 0}, {0, 1}, {7, 2});
        assert_int_equal(head_extend(SCENARIO_CLASS, shared, 2, 4, &second, 1, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 0}, {0, 1}, {0, 2}, {0, 3});
        assert_int_equal(head_extend(SCENARIO_DOMAIN, shared, 2, 2, &second, 1, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 0}, {0, 1});
}

/* Tasks in the order given, each with what is missing of it. */
static void test_extend_by_several(void **state)
{
        struct output_row *r;
        size_t n;
        static const uint32_t one[] = {2};
        const struct output_row old[] = {{0, 0}, {9, 3}, {0, 1}};
        const struct task tasks[] = {first, second, {.id = 12, .ordinal = 2, .n_classes = 1, .classes = one}};
        assert_int_equal(head_extend(SCENARIO_TASK, old, 3, 4, tasks, 3, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 0}, {9, 3}, {0, 1}, {7, 2}, {9, 1}, {12, 2});
        const struct output_row shared[] = {{0, 1}, {0, 0}};
        assert_int_equal(head_extend(SCENARIO_CLASS, shared, 2, 3, tasks, 3, *state, &r, &n), 0);
        EXPECT_ROWS(r, n, {0, 1}, {0, 0}, {0, 2});
}

static void test_map(void **state)
{
        (void)state;
        const struct output_row from[] = {{0, 0}, {7, 1}, {9, 1}, {9, 3}, {9, 2}},
                                to[] = {{7, 0}, {0, 1}, {9, 3}, {9, 1}, {12, 1}, {7, 3}};
        uint32_t source[6];
        head_map(SCENARIO_TASK, 7, from, 5, to, 6, source);
        const uint32_t want[] = {0, 1, 3, 2, EWC_OUTPUT_NEW, EWC_OUTPUT_NEW};
        assert_memory_equal(source, want, sizeof(want));
        const struct output_row few[] = {{0, 1}, {0, 0}}, more[] = {{0, 0}, {0, 1}, {0, 2}};
        head_map(SCENARIO_CLASS, 7, few, 2, more, 3, source);
        const uint32_t turned[] = {1, 0, EWC_OUTPUT_NEW};
        assert_memory_equal(source, turned, sizeof(turned));
        head_map(SCENARIO_CLASS, 7, NULL, 0, more, 1, source);
        assert_true(source[0] == EWC_OUTPUT_NEW);
}

static void expect_head(const struct ewc_head *h, size_t n, const uint32_t *want)
{
        assert_int_equal(h->n, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(h->out[i], want[i]);
}

static void test_of_task(void **state)
{
        struct ewc_head h;
        const struct output_row own[] = {{7, 0}, {9, 1}, {7, 2}, {9, 3}}, shared[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
        const struct task all[] = {first, second}, bare[] = {{.id = 7}};
        assert_int_equal(head_of_task(SCENARIO_TASK, own, 4, &second, all, 2, *state, &h), 0);
        expect_head(&h, 2, (uint32_t[]){1, 3});
        assert_int_equal(head_output(own, &h, 3), 3);
        assert_int_equal(head_output(own, &h, 0), -1);
        assert_int_equal(head_of_task(SCENARIO_TASK, own, 1, &second, all, 2, *state, &h), 0);
        assert_int_equal(h.n, 0);
        assert_int_equal(head_output(own, &h, 1), -1);
        assert_int_equal(head_of_task(SCENARIO_TASK, shared, 4, &first, all, 2, *state, &h), 0);
        assert_int_equal(h.n, 4); /* rows made before the first task had an id */
        assert_int_equal(head_of_task(SCENARIO_DOMAIN, shared, 4, &second, all, 2, *state, &h), 0);
        expect_head(&h, 4, (uint32_t[]){0, 1, 2, 3});
        assert_int_equal(head_of_task(SCENARIO_CLASS, shared, 4, &first, all, 1, *state, &h), 0);
        expect_head(&h, 3, (uint32_t[]){0, 1, 2});
        assert_int_equal(head_of_task(SCENARIO_CLASS, shared, 4, &first, all, 2, *state, &h), 0);
        expect_head(&h, 4, (uint32_t[]){0, 1, 2, 3});
        assert_int_equal(head_of_task(SCENARIO_CLASS, shared, 4, bare, bare, 1, *state, &h), 0);
        assert_int_equal(h.n, 4);
}

static void test_no_memory(void **state)
{
        (void)state;
        struct arena tiny;
        arena_init(&tiny, 8);
        struct output_row *r = NULL;
        size_t n = 5;
        struct ewc_head h = {0};
        assert_true(head_initial(SCENARIO_TASK, 4, 7, 0, NULL, &tiny, &r, &n) < 0);
        assert_true(head_extend(SCENARIO_TASK, NULL, 0, 4, &second, 1, &tiny, &r, &n) < 0);
        assert_true(
            head_of_task(SCENARIO_DOMAIN, (struct output_row[4]){{0, 0}}, 4, &second, NULL, 0, &tiny, &h) < 0);
        assert_null(r);
        assert_int_equal(n, 5);
        arena_deinit(&tiny);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_initial, setup, teardown),
            cmocka_unit_test_setup_teardown(test_extend, setup, teardown),
            cmocka_unit_test_setup_teardown(test_extend_by_several, setup, teardown), cmocka_unit_test(test_map),
            cmocka_unit_test_setup_teardown(test_of_task, setup, teardown), cmocka_unit_test(test_no_memory)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
