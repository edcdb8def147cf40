/* test_vtable.c: names to versions, and whose the references are. */
#include "infer/vtable.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/served.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct served *made(const char *name, uint64_t number)
{
        struct served *s = new_zero(struct served);
        assert_non_null(s);
        atomic_init(&s->refs, 1);
        str_copy(s->spec.name, sizeof(s->spec.name), name);
        s->number = number;
        return s;
}

static void finds_what_was_put(void **state)
{
        (void)state;
        static const char *const names[] = {"m", "b", "z", "ma", "a", "m0", "zz", "y"};
        struct vtable *t;
        struct err e;
        assert_int_equal(vtable_new(&t, &e), 0);
        assert_null(vtable_get(t, slice_of("m")));
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                assert_int_equal(vtable_put(t, made(names[i], i), &e), 0);
        assert_int_equal(vtable_size(t), ARRAY_LEN(names));
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                struct served *s = vtable_get(t, slice_of(names[i]));
                assert_non_null(s);
                assert_int_equal(s->number, i);
        }
        for (size_t i = 1; i < vtable_size(t); i++)
                assert_true(strcmp(vtable_at(t, i - 1)->spec.name, vtable_at(t, i)->spec.name) < 0);
        assert_null(vtable_get(t, slice_of("")));
        assert_null(vtable_get(t, slice_of("mm")));
        assert_int_equal(vtable_get(t, (struct slice){"mad", 2})->number, 3); /* a slice ends where it says */
        vtable_free(t);
}

static void a_replaced_version_loses_its_reference(void **state)
{
        (void)state;
        struct vtable *t;
        struct err e;
        struct served *old = made("m", 1);
        assert_int_equal(vtable_new(&t, &e), 0);
        assert_int_equal(vtable_put(t, served_ref(old), &e), 0);
        assert_int_equal(atomic_load(&old->refs), 2);
        assert_int_equal(vtable_put(t, made("m", 2), &e), 0);
        assert_int_equal(atomic_load(&old->refs), 1);
        assert_int_equal(vtable_size(t), 1);
        assert_int_equal(vtable_get(t, slice_of("m"))->number, 2);
        served_unref(old);
        vtable_free(t);
        vtable_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(finds_what_was_put),
            cmocka_unit_test(a_replaced_version_loses_its_reference),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
