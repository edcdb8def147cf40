/* Jobs nobody asked for: created when due, held back after a failure or a cancel. */
#include "jobs_kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};

static bool idle_after(struct house *h, uint64_t n_ended)
{
        struct jobs_stats s;
        jobs_stats(h->jobs, &s);
        return s.promoted + s.rejected + s.failed + s.cancelled >= n_ended && strcmp(s.status, "idle") == 0;
}

static bool ended(struct house *h, void *arg)
{
        return idle_after(h, *(uint64_t *)arg);
}

static int get_job(struct store *s, void *arg, struct err *e)
{
        struct arena a;
        struct job j;
        arena_init(&a, 1 << 20);
        int r = store_job_get(s, *(job_id *)arg, &a, &j, e);
        arena_deinit(&a);
        return r;
}

static bool exists(struct house *h, job_id id)
{
        return house_do(h, get_job, &id) == 0;
}

static void due(struct house *h)
{
        uint64_t one = 1;
        h->kit.learning.trigger_min_feedback = 30;
        house_model(h, "m", &h->m);
        house_start(h);
        house_rows(h, h->m, 0, 32, 0, 1); /* 24 to train on */
        house_settle(h);
        assert_false(exists(h, 1));
        house_rows(h, h->m, 32, 32, 0, 1);
        assert_int_equal(jobs_post_counters(h->jobs, h->m), 0);
        house_until(h, ended, &one);
        struct job j = house_job(h, 1);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.trigger, TRIGGER_MIN_FEEDBACK);
        assert_int_equal(j.trigger_value, 48);
        house_settle(h);
        assert_false(exists(h, 2)); /* what it used is used */
}

static void test_due(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                static struct house h;
                house_open(&h, engines[i]);
                due(&h);
                house_close(&h);
        }
}

static void test_found_at_start(void **state)
{
        (void)state;
        static struct house h;
        uint64_t one = 1;
        house_open(&h, &store_memory);
        h.kit.learning.trigger_min_feedback = 30;
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        house_start(&h); /* nobody posts anything */
        house_until(&h, ended, &one);
        assert_int_equal(house_job(&h, 1).state, JOB_PROMOTED);
        house_close(&h);
}

static void test_interval(void **state)
{
        (void)state;
        static struct house h;
        uint64_t one = 1;
        house_open(&h, &store_memory);
        h.conf.policy_ms = 60000;
        h.kit.learning.trigger_interval_s = 10; /* the timer comes when it is over, not a minute later */
        h.ahead_ms = 9970;
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        house_start(&h);
        house_until(&h, ended, &one);
        assert_int_equal(house_job(&h, 1).trigger, TRIGGER_INTERVAL);
        house_close(&h);
}

static void test_failure_holds_back(void **state)
{
        (void)state;
        static struct house h;
        uint64_t one = 1;
        house_open(&h, &store_memory);
        h.kit.learning.trigger_min_feedback = 30;
        h.fake.answer = LEARNER_FAILED;
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        house_start(&h);
        house_until(&h, ended, &one);
        assert_int_equal(house_job(&h, 1).state, JOB_FAILED);
        house_settle(&h);
        assert_false(exists(&h, 2));
        house_close(&h);
}

static bool live(struct house *h, void *arg)
{
        struct job_live l;
        return jobs_live(h->jobs, *(job_id *)arg, &l);
}

static void test_cancel_holds_until_feedback(void **state)
{
        (void)state;
        static struct house h;
        uint64_t one = 1, two = 2;
        job_id id = 1;
        house_open(&h, &store_memory);
        h.kit.learning.trigger_min_feedback = 30;
        h.fake.hang = true;
        house_model(&h, "m", &h.m);
        house_rows(&h, h.m, 0, 64, 0, 1);
        house_start(&h);
        house_until(&h, live, &id);
        assert_int_equal(jobs_post_cancel(h.jobs, 1), 0);
        house_until(&h, ended, &one);
        house_settle(&h);
        assert_false(exists(&h, 2));
        h.fake.hang = false;
        house_rows(&h, h.m, 64, 8, 0, 1);
        assert_int_equal(jobs_post_counters(h.jobs, h.m), 0);
        house_until(&h, ended, &two);
        assert_int_equal(house_job(&h, 2).state, JOB_PROMOTED);
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_due), cmocka_unit_test(test_found_at_start),
            cmocka_unit_test(test_interval), cmocka_unit_test(test_failure_holds_back),
            cmocka_unit_test(test_cancel_holds_until_feedback)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
