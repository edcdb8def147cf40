/* What the judgement of a job is told about each task. */
#include "jobs_kit.h"
#include "store/sqlite/db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Rows 4 to 7 of every eight are never held out; rows 2 and 3 are, and here of a class the task has no output for. */
static void unmeasurable(struct house *h)
{
        house_model(h, "m", &h->m);
        for (int i = 4; i < 64; i += 8)
                house_rows(h, h->m, i, 4, 0, 1);
        house_rows(h, h->m, 2, 2, 3, 3);
        house_start(h);
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_PROMOTED); /* an open task has nothing to lose yet */
        assert_non_null(strstr(j.reason, "promoted: task low without holdout rows: not judged"));
        house_rows(h, h->m, 100, 64, 2, 3);
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_REJECTED);
        const char *want = "rejected: task low has 2 holdout rows but could not be measured, task high ";
        assert_memory_equal(j.reason, want, strlen(want));
        assert_int_equal(house_champion(h, h->m).number, 2);
}

static void test_unmeasurable_closed_task(void **state)
{
        static struct house h;
        (void)state;
        house_open(&h, &store_memory);
        unmeasurable(&h);
        house_close(&h);
        house_open(&h, &store_sqlite);
        unmeasurable(&h);
        house_close(&h);
}

static int no_weight(struct store *s, void *arg, struct err *e)
{
        (void)arg;
        (void)e;
        return sqlite3_exec(db_of(s)->h, "UPDATE task SET alpha = 0", NULL, NULL, NULL);
}

/* A task of alpha 0 is closed without protection, and the record says so. */
static void test_alpha_zero(void **state)
{
        static struct house h;
        (void)state;
        house_open(&h, &store_sqlite);
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        assert_int_equal(house_do(&h, no_weight, NULL), 0);
        house_start(&h);
        assert_int_equal(house_until_end(&h, house_create(&h, h.m, "high")).state, JOB_PROMOTED);
        assert_true(house_task(&h, h.m, "low").alpha == 0);
        assert_true(house_champion(&h, h.m).fisher_scale == 0);
        house_close(&h);
}

static void search(const struct store_ops *ops)
{
        static struct house h;
        house_open(&h, ops);
        h.kit.learning.lambda_auto = true;
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        house_start(&h);
        assert_null(strstr(house_until_end(&h, house_create(&h, h.m, "high")).reason, "nearly vanished"));
        house_rows(&h, h.m, 100, 64, 2, 3);
        struct job j = house_until_end(&h, house_create(&h, h.m, NULL));
        assert_non_null(j.tries);
        assert_ptr_equal(strstr(j.tries, "[{\"lambda\":0,\"accuracy\":"), j.tries); /* the search begins free */
        assert_non_null(strstr(j.tries, "},{\"lambda\":"));
        house_close(&h);
}

static void test_tries_of_a_search_are_kept(void **state)
{
        static struct house h;
        (void)state;
        search(&store_memory);
        search(&store_sqlite);
        house_open(&h, &store_memory);
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        house_start(&h);
        assert_null(house_until_end(&h, house_create(&h, h.m, NULL)).tries); /* lambda was given */
        house_close(&h);
}

static void vanish(void *arg, struct learn_result *r)
{
        (void)arg;
        r->fisher_info.trace = 3e-6;
}

static struct job close_low(struct house *h, enum scenario scenario, uint32_t per_class, enum learn_method method)
{
        house_open(h, &store_memory);
        h->kit.scenario = scenario;
        h->kit.learning.replay_per_class = per_class;
        h->kit.learning.method = method;
        h->fake.twist = vanish;
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_PROMOTED);
        return j;
}

/* What the gate cannot see stands behind its verdict: a Fisher next to nothing, and classes that EWC cannot keep. */
static void test_notes(void **state)
{
        static const char *const thin = "; the Fisher's trace is 3e-06: ", *const apart = "; EWC alone cannot keep ";
        static struct house h;
        (void)state;
        struct job j = close_low(&h, SCENARIO_CLASS, 0, LEARN_EWC);
        assert_non_null(strstr(j.reason, thin));
        assert_non_null(strstr(j.reason, apart));
        assert_non_null(strstr(j.reason, "replay.per_class helps"));
        house_close(&h);
        j = close_low(&h, SCENARIO_CLASS, 4, LEARN_EWC);
        assert_non_null(strstr(j.reason, thin));
        assert_null(strstr(j.reason, apart));
        house_close(&h);
        j = close_low(&h, SCENARIO_TASK, 0, LEARN_EWC);
        assert_null(strstr(j.reason, apart));
        house_close(&h);
        j = close_low(&h, SCENARIO_CLASS, 0, LEARN_PLAIN);
        assert_null(strstr(j.reason, thin));
        assert_null(strstr(j.reason, apart));
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_unmeasurable_closed_task),
            cmocka_unit_test(test_alpha_zero), cmocka_unit_test(test_tries_of_a_search_are_kept),
            cmocka_unit_test(test_notes)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
