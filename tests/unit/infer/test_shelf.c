/* test_shelf.c: who stays, who goes, and who hears of it. */
#include "infer/shelf.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SIZE = 100 };

static struct served_task open_task[2] = {{.id = 1}, {.id = 2}};
static int n_changed;

static void on_changed(void *arg, struct shelf *s)
{
        (void)arg;
        (void)s;
        n_changed++;
}

/* A version of 100 bytes, as far as the shelf can see. */
static struct served *made(model_id m, uint64_t number)
{
        struct served *s = new_zero(struct served);
        assert_non_null(s);
        atomic_init(&s->refs, 1);
        arena_init(&s->arena, 1 << 20);
        s->uses = arena_aligned(&s->arena, SERVED_LANES * sizeof(*s->uses), SERVED_LINE);
        assert_non_null(s->uses);
        s->model = m;
        s->number = number;
        s->n_tasks = 1;
        s->tasks = s->open = &open_task[0];
        s->bytes = SIZE;
        return s;
}

static struct shelf *champion(struct shelves *all, model_id m, uint64_t number, uint64_t now)
{
        struct err e;
        struct shelf *s = NULL;
        struct served *v = made(m, number);
        assert_int_equal(shelf_set_champion(all, v, now, &s, &e), 0);
        served_unref(v);
        return s;
}

static int add(struct shelves *all, struct shelf *s, uint64_t number, uint64_t now)
{
        struct err e = ERR_NULL;
        struct served *v = made(shelf_model(s), number);
        int r = shelf_add(all, s, v, now, &e);
        assert_true(r == 0 || strstr(e.msg, "max_bytes") || strstr(e.msg, "aliases name"));
        served_unref(v);
        return r;
}

static struct shelves begin(size_t max)
{
        n_changed = 0;
        return (struct shelves){.max_bytes = max, .changed = on_changed};
}

/* As the loops get it; the shelf keeps it alive. */
static struct served *champion_of(const struct shelf *s)
{
        struct vrow *r = shelf_row(s);
        struct served *c = r->champion;
        vrow_free(r);
        return c;
}

static void the_old_champion_stays_as_one_of_the_others(void **state)
{
        (void)state;
        struct shelves all = begin(SIZE_MAX);
        size_t n, bytes;
        struct shelf *s = champion(&all, 1, 3, 0);
        assert_ptr_equal(champion(&all, 1, 2, 0), s);
        assert_int_equal(champion_of(s)->number, 2);
        assert_int_equal(shelf_find(s, 3)->number, 3);
        struct served *before = shelf_find(s, 3);
        champion(&all, 1, 3, 0); /* built anew: the one that was there goes */
        assert_ptr_not_equal(champion_of(s), before);
        assert_int_equal(shelf_find(s, 2)->number, 2);
        shelves_count(&all, &n, &bytes);
        assert_int_equal(n, 2);
        assert_int_equal(bytes, 2 * SIZE);
        struct vrow *r = shelf_row(s);
        assert_int_equal(r->champion->number, 3);
        assert_int_equal(r->n, 1);
        assert_int_equal(r->others[0]->number, 2);
        vrow_free(r);
        shelves_free(&all);
}

static void other_tasks_send_the_others_away(void **state)
{
        (void)state;
        struct shelves all = begin(SIZE_MAX);
        struct err e;
        struct shelf *s = champion(&all, 1, 1, 0);
        assert_int_equal(add(&all, s, 5, 0), 0);
        struct served *v = made(1, 9);
        v->open = &open_task[1];
        assert_int_equal(shelf_set_champion(&all, v, 0, &s, &e), 0);
        served_unref(v);
        assert_null(shelf_find(s, 1));
        assert_null(shelf_find(s, 5));
        assert_int_equal(shelf_find(s, 9)->number, 9);
        shelves_free(&all);
}

static void the_least_recently_used_makes_room(void **state)
{
        (void)state;
        struct shelves all = begin(5 * SIZE);
        struct shelf *a = champion(&all, 1, 1, 0), *b = champion(&all, 2, 1, 0);
        assert_int_equal(add(&all, a, 2, 10), 0);
        assert_int_equal(add(&all, b, 2, 20), 0);
        assert_int_equal(add(&all, a, 3, 30), 0);
        assert_int_equal(n_changed, 0);
        served_used(shelf_find(a, 2), 7); /* seen at the next look, which is at 40 */
        assert_int_equal(add(&all, a, 4, 40), 0);
        assert_int_equal(n_changed, 1);
        assert_null(shelf_find(b, 2));
        assert_non_null(shelf_find(a, 2));
        assert_int_equal(add(&all, a, 5, 50), 0);
        assert_null(shelf_find(a, 3));
        assert_int_equal(add(&all, a, 5, 60), 0); /* there already */
        assert_int_equal(n_changed, 2);
        champion(&all, 3, 1, 70); /* champions come in anyway */
        assert_int_equal(n_changed, 3);
        shelves_free(&all);
}

static void what_may_not_go_is_not_dropped(void **state)
{
        (void)state;
        struct shelves all = begin(3 * SIZE);
        struct shelf *s = champion(&all, 1, 1, 0);
        assert_int_equal(add(&all, s, 2, 0), 0);
        assert_int_equal(add(&all, s, 3, 0), 0);
        shelf_pin(s, 2, (uint64_t[]){2, 3}, 0);
        assert_int_equal(add(&all, s, 4, 10), -ENOBUFS);
        shelves_look(&all, 1000, 10);
        assert_non_null(shelf_find(s, 2));
        assert_int_equal(n_changed, 0);
        shelf_pin(s, 1, (uint64_t[]){3}, 1000);
        shelves_look(&all, 1005, 10); /* its time runs from when the alias went */
        assert_non_null(shelf_find(s, 2));
        assert_int_equal(add(&all, s, 4, 1006), 0);
        assert_null(shelf_find(s, 2));
        assert_non_null(shelf_find(s, 3));
        shelves_free(&all);
}

static void what_is_idle_goes(void **state)
{
        (void)state;
        struct shelves all = begin(SIZE_MAX);
        struct shelf *s = champion(&all, 1, 1, 0);
        assert_int_equal(add(&all, s, 2, 0), 0);
        assert_int_equal(add(&all, s, 3, 0), 0);
        served_used(shelf_find(s, 3), 1);
        shelves_look(&all, 100, 100);
        assert_null(shelf_find(s, 2));
        assert_non_null(shelf_find(s, 3));
        assert_int_equal(n_changed, 1);
        shelves_look(&all, 199, 100);
        assert_non_null(shelf_find(s, 3));
        shelves_look(&all, 200, 100);
        assert_null(shelf_find(s, 3));
        assert_int_equal(champion_of(s)->number, 1); /* never */
        shelves_free(&all);
}

static void only_so_many_of_one_model(void **state)
{
        (void)state;
        struct shelves all = begin(SIZE_MAX);
        struct shelf *s = champion(&all, 1, 1, 0);
        uint64_t numbers[SHELF_ROWS];
        for (uint64_t i = 0; i < SHELF_ROWS; i++) {
                numbers[i] = i + 2;
                assert_int_equal(add(&all, s, i + 2, i), 0);
        }
        assert_int_equal(add(&all, s, 1000, 1000), 0);
        assert_null(shelf_find(s, 2));
        shelf_pin(s, SHELF_ROWS, numbers, 1001);
        assert_int_equal(add(&all, s, 1001, 1002), 0);
        assert_null(shelf_find(s, 1000));
        numbers[0] = 1001;
        shelf_pin(s, SHELF_ROWS, numbers, 1003);
        assert_int_equal(add(&all, s, 1002, 1004), -ENOBUFS);
        shelves_free(&all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_old_champion_stays_as_one_of_the_others),
            cmocka_unit_test(other_tasks_send_the_others_away),
            cmocka_unit_test(the_least_recently_used_makes_room),
            cmocka_unit_test(what_may_not_go_is_not_dropped),
            cmocka_unit_test(what_is_idle_goes),
            cmocka_unit_test(only_so_many_of_one_model),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
