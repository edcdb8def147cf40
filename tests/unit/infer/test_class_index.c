/* test_class_index.c: every class is found by its name and nothing else is; few names share a slot. */
#include "infer/class_index.h"
#include "base/arena.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { MANY = 4096 };

static char text[MANY][16];
static const char *names[MANY];

static void finds_each(void **state)
{
        (void)state;
        static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 1000, MANY};
        for (int i = 0; i < MANY; i++) {
                snprintf(text[i], sizeof(text[i]), "class-%d", i);
                names[i] = text[i];
        }
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                struct arena a;
                struct class_index x;
                arena_init(&a, 1 << 20);
                assert_int_equal(class_index_new(&x, &a, sizes[s], names), 0);
                for (size_t i = 0; i < MANY; i++) {
                        char copy[16];
                        strcpy(copy, names[i]);
                        assert_int_equal(class_index_find(&x, copy), i < sizes[s] ? (int)i : -1);
                }
                assert_int_equal(class_index_find(&x, ""), -1);
                assert_int_equal(class_index_find(&x, "class-"), -1);
                arena_deinit(&a);
        }
}

/* A search looks at what stands between a name's slot and the next free one. */
static void looks_are_short(void **state)
{
        (void)state;
        struct arena a;
        struct class_index x;
        size_t looks = 0;
        arena_init(&a, 1 << 20);
        assert_int_equal(class_index_new(&x, &a, MANY, names), 0);
        for (size_t at = 0, run = 0; at < x.n_slots; at++) {
                run = x.slots[at] != 0 ? run + 1 : 0;
                looks += run;
        }
        assert_true(looks < 4 * (size_t)MANY);
        arena_deinit(&a);
}

static void memory_is_short(void **state)
{
        (void)state;
        struct arena a;
        struct class_index x;
        arena_init(&a, 4096);
        assert_true(class_index_new(&x, &a, MANY, names) < 0);
        arena_deinit(&a);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(finds_each),
            cmocka_unit_test(looks_are_short),
            cmocka_unit_test(memory_is_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
