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

/* A row of a champion alone; the reference made here goes into it. */
static struct vrow *row(struct served *champion)
{
        struct vrow *r = vrow_new(champion, 0, NULL);
        assert_non_null(r);
        served_unref(champion);
        return r;
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
                assert_int_equal(vtable_put(t, row(made(names[i], i)), &e), 0);
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

static void finds_versions_by_number(void **state)
{
        (void)state;
        struct vtable *t;
        struct err e;
        struct served *v[6];
        assert_int_equal(vtable_new(&t, &e), 0);
        for (uint64_t i = 0; i < 6; i++)
                v[i] = made("m", 10 * i);
        struct vrow *r = vrow_new(v[3], 5, (struct served *[]){v[0], v[1], v[2], v[4], v[5]});
        assert_non_null(r);
        assert_int_equal(vtable_put(t, r, &e), 0);
        for (uint64_t i = 0; i <= 60; i++) {
                struct served *s = vtable_find(t, slice_of("m"), i);
                if (i % 10 == 0 && i <= 50)
                        assert_ptr_equal(s, v[i / 10]);
                else
                        assert_null(s);
        }
        assert_null(vtable_find(t, slice_of("n"), 10));
        assert_ptr_equal(vtable_get(t, slice_of("m")), v[3]);
        assert_int_equal(vtable_size(t), 1);
        vtable_free(t);
        for (int i = 0; i < 6; i++) {
                assert_int_equal(atomic_load(&v[i]->refs), 1);
                served_unref(v[i]);
        }
}

static void a_replaced_row_loses_its_references(void **state)
{
        (void)state;
        struct vtable *t;
        struct err e;
        struct served *old = made("m", 1), *other = made("m", 7);
        assert_int_equal(vtable_new(&t, &e), 0);
        assert_int_equal(vtable_put(t, vrow_new(old, 1, &other), &e), 0);
        assert_int_equal(atomic_load(&old->refs), 2);
        assert_int_equal(atomic_load(&other->refs), 2);
        assert_int_equal(vtable_put(t, row(made("m", 2)), &e), 0);
        assert_int_equal(atomic_load(&old->refs), 1);
        assert_int_equal(atomic_load(&other->refs), 1);
        assert_int_equal(vtable_size(t), 1);
        assert_int_equal(vtable_get(t, slice_of("m"))->number, 2);
        assert_null(vtable_find(t, slice_of("m"), 7));
        served_unref(old);
        served_unref(other);
        vtable_set_lane(t, 5);
        assert_int_equal(vtable_lane(t), 5);
        vtable_free(t);
        vtable_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(finds_what_was_put),
            cmocka_unit_test(finds_versions_by_number),
            cmocka_unit_test(a_replaced_row_loses_its_references),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
