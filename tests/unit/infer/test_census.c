/* test_census.c: all versions of a model by number and digest; what is new is added, and nothing read twice. */
#include "infer/census.h"
#include "base/arena.h"
#include "base/fault.h"
#include "house.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct output_row all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};

static void open_house(struct house *h, model_id *ret)
{
        house_open(h);
        *ret = house_model(h, "m", SCENARIO_DOMAIN);
        house_feedback(h, *ret, 4, 4);
}

static void step(struct house *h, model_id m, float more)
{
        h->theta[0] += more;
        house_step(h, &(struct house_step){.model = m, .n_outputs = 4, .outputs = all, .theta = h->theta});
}

static void check(struct house *h, model_id m, const struct census *c, size_t n)
{
        struct arena a;
        arena_init(&a, 1 << 20);
        assert_int_equal(c->n, n);
        for (size_t i = 0; i < n; i++) {
                struct version v;
                assert_int_equal(c->row[i].number, n - i);
                assert_int_equal(store_version_by_number(h->s, m, n - i, &a, &v, &h->e), 0);
                assert_true(digest_eq(&v.theta, &c->row[i].theta));
        }
        arena_deinit(&a);
}

static void news_are_added(void **state)
{
        (void)state;
        struct house h;
        model_id m;
        struct census *first = NULL, *same = NULL, *later = NULL;
        open_house(&h, &m);
        step(&h, m, 1);
        assert_int_equal(census_load(h.s, m, NULL, &first, &h.e), 0);
        check(&h, m, first, 2);
        assert_int_equal(census_load(h.s, m, first, &same, &h.e), 0);
        assert_ptr_equal(same, first);
        step(&h, m, 1);
        step(&h, m, 1);
        first->row[1].number = 77; /* taken over as it stands */
        assert_int_equal(census_load(h.s, m, first, &later, &h.e), 0);
        assert_int_equal(later->row[3].number, 77);
        later->row[3].number = 1;
        check(&h, m, later, 4);
        census_unref(first);
        census_unref(same);
        census_unref(later);
        house_close(&h);
}

static void pruned_ones_stay(void **state)
{
        (void)state;
        struct house h;
        model_id m;
        uint64_t n = 0;
        struct census *c = NULL;
        open_house(&h, &m);
        for (int i = 0; i < 3; i++)
                step(&h, m, 1);
        assert_int_equal(store_version_prune(h.s, m, 0, "test", NULL, &n, &h.e), 0);
        assert_true(n > 0);
        assert_int_equal(census_load(h.s, m, NULL, &c, &h.e), 0);
        check(&h, m, c, 4);
        census_unref(c);
        house_close(&h);
}

static void memory_short(void **state)
{
        (void)state;
        struct house h;
        model_id m;
        struct census *c = NULL;
        open_house(&h, &m);
        bool fired = true;
        for (int i = 0; fired && !c; i++) {
                fault_arm(i, 1);
                int r = census_load(h.s, m, NULL, &c, &h.e);
                fired = fault_fired();
                fault_disarm();
                assert_int_equal(r, fired ? -ENOMEM : 0);
        }
        check(&h, m, c, 1);
        census_unref(c);
        assert_null(census_ref(NULL));
        census_unref(NULL);
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(news_are_added),
            cmocka_unit_test(pruned_ones_stay),
            cmocka_unit_test(memory_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
