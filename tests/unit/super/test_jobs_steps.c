/* One job, disturbed after every single answer of the store: cancelled there, or the daemon stopped and started
 * again.
 *
 * The sweep goes on until the disturbance comes after the end. Whatever happened, the store is in one of the states
 * the contract allows, no directory is left, and the next job works. */
#include "base/file.h"
#include "jobs_kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};

static void begin(struct house *h, const struct store_ops *ops)
{
        house_open(h, ops);
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
}

static void cancel_now(struct house *h)
{
        assert_int_equal(jobs_post_cancel(h->jobs, h->act_job), 0);
}

static void expect_untouched(struct house *h)
{
        assert_int_equal(house_champion(h, h->m).number, 1);
        assert_string_equal(house_task(h, h->m, NULL).name, "low");
}

/* Cancels a rollover after n answers; true when the cancel came too late. */
static bool cancel_after(const struct store_ops *ops, unsigned n, unsigned seen[16])
{
        static struct house h;
        begin(&h, ops);
        h.act_job = house_create(&h, h.m, "high");
        h.act = cancel_now;
        h.act_after = h.n_done + n;
        struct job j = house_until_end(&h, h.act_job);
        bool late = j.state == JOB_PROMOTED;
        seen[j.state]++;
        if (!late) {
                assert_int_equal(j.state, JOB_CANCELLED);
                assert_string_equal(j.reason, "cancelled on request");
                expect_untouched(&h);
                assert_int_equal(house_until_end(&h, house_create(&h, h.m, "high")).state, JOB_PROMOTED);
        }
        assert_int_equal(house_champion(&h, h.m).number, 2);
        house_close(&h);
        return late;
}

static void test_cancel_after_every_answer(void **state)
{
        (void)state;
        for (size_t e = 0; e < 2; e++) {
                unsigned seen[16] = {0}, n = 1;
                while (!cancel_after(engines[e], n, seen)) {
                        n += e == 0 ? 1 : 4; /* every step in memory, samples on disk */
                        assert_true(n < 60);
                }
                assert_true(seen[JOB_CANCELLED] >=
                            (e == 0 ? 8 : 2)); /* claim, export, start, judge, settle, stages … were all met */
        }
}

static bool stopped_by_act(struct house *h, void *arg)
{
        (void)arg;
        return h->n_done >= h->act_after;
}

/* Stops jobs after n answers and starts them again; the states in which the job was found are counted. */
static bool restart_after(const struct store_ops *ops, unsigned n, unsigned seen[16])
{
        static struct house h;
        begin(&h, ops);
        job_id id = house_create(&h, h.m, "high");
        h.act = house_halt;
        h.act_after = h.n_done + n;
        house_until(&h, stopped_by_act, NULL);
        house_stop(&h);
        struct job j = house_job(&h, id);
        bool late = job_has_ended(j.state);
        seen[j.state]++;
        house_start(&h);
        j = house_until_end(&h, id);
        if (j.state != JOB_PROMOTED)
                fail_msg("after %u answers: %s: %s", n, job_state_name(j.state), j.reason);
        assert_int_equal(house_champion(&h, h.m).number, 2);
        assert_int_equal(house_task(&h, h.m, "low").state, TASK_CLOSED);
        house_close(&h);
        return late;
}

static void test_restart_after_every_answer(void **state)
{
        (void)state;
        for (size_t e = 0; e < 2; e++) {
                unsigned seen[16] = {0}, n = 1;
                while (!restart_after(engines[e], n, seen)) {
                        n += e == 0 ? 1 : 4;
                        assert_true(n < 60);
                }
                if (e == 0)
                        assert_true(seen[JOB_QUEUED] > 0 && seen[JOB_EXPORTING] > 0 && seen[JOB_RUNNING] > 0 &&
                                    seen[JOB_JUDGING] > 0);
        }
}

/* --- what a restart finds on disk --- */

static bool in_state(struct house *h, void *arg)
{
        return house_job(h, 1).state == *(enum job_state *)arg;
}

static void remove_file(struct house *h, const char *name)
{
        char path[600];
        snprintf(path, sizeof(path), "%s/1/%s", h->jobs_dir, name);
        assert_int_equal(remove(path), 0);
}

static int to_judging(struct store *s, void *arg, struct err *e)
{
        return store_job_move(s, *(job_id *)arg, JOB_RUNNING, JOB_JUDGING, NULL, e);
}

static void running(struct house *h)
{
        enum job_state want = JOB_RUNNING;
        begin(h, &store_memory);
        h->fake.hang = true;
        house_create(h, h->m, NULL);
        house_until(h, in_state, &want);
        house_until(h, in_state, &want);
        house_stop(h);
        h->fake.hang = false;
}

static void test_running_without_its_file(void **state)
{
        (void)state;
        static struct house h;
        running(&h);
        remove_file(&h, "job.safetensors");
        house_start(&h);
        struct job j = house_until_end(&h, 1);
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(j.reason, "its job file was gone after a restart");
        expect_untouched(&h);
        house_close(&h);
}

static void test_judging_without_result_learns_again(void **state)
{
        (void)state;
        static struct house h;
        running(&h);
        job_id id = 1;
        assert_int_equal(house_do(&h, to_judging, &id), 0);
        house_start(&h);
        struct job j = house_until_end(&h, 1);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.attempts, 2);
        house_close(&h);
}

static void test_judging_without_any_file(void **state)
{
        (void)state;
        static struct house h;
        running(&h);
        job_id id = 1;
        assert_int_equal(house_do(&h, to_judging, &id), 0);
        remove_file(&h, "job.safetensors");
        house_start(&h);
        assert_int_equal(house_until_end(&h, 1).state, JOB_FAILED);
        expect_untouched(&h);
        house_close(&h);
}

static bool gone(struct house *h, void *arg)
{
        return !house_has_files(h, *(job_id *)arg);
}

static void test_leftovers_are_removed(void **state)
{
        (void)state;
        static struct house h;
        char path[600];
        job_id left = 77;
        house_open(&h, &store_sqlite);
        house_model(&h, "m", &h.m);
        snprintf(path, sizeof(path), "%s/77/deep", h.jobs_dir);
        assert_int_equal(file_mkdir(path, 0700, &h.e), 0);
        snprintf(path, sizeof(path), "%s/notes", h.jobs_dir);
        assert_int_equal(file_mkdir(path, 0700, &h.e), 0);
        house_start(&h);
        house_until(&h, gone, &left);
        assert_true(file_exists(path)); /* not a job's */
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_cancel_after_every_answer),
            cmocka_unit_test(test_restart_after_every_answer), cmocka_unit_test(test_running_without_its_file),
            cmocka_unit_test(test_judging_without_result_learns_again),
            cmocka_unit_test(test_judging_without_any_file), cmocka_unit_test(test_leftovers_are_removed)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
