/* How many starts of a learner a job may have: those that brought no newer checkpoint, in a row, and no others.
 *
 * The learner hangs until a test lets it work. A crash of the daemon is a stop in good order after which the notes
 * are put back as they were: a daemon that dies writes nothing any more. */
#include "base/buf.h"
#include "base/file.h"
#include "jobs_kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void begin(struct house *h, uint32_t max_attempts)
{
        house_open(h, &store_memory);
        h->conf.max_attempts = max_attempts;
        h->fake.hang = true;
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
        assert_int_equal(house_create(h, h->m, "high"), 1);
}

static bool started(struct house *h, void *arg)
{
        struct job_live live;
        return house_job(h, 1).attempts == *(uint32_t *)arg && jobs_live(h->jobs, 1, &live);
}

static char *path_of(struct house *h, const char *name)
{
        static char path[600];
        snprintf(path, sizeof(path), "%s/1/%s", h->jobs_dir, name);
        return path;
}

static void until_started(struct house *h, uint32_t attempts)
{
        house_until(h, started, &attempts);
}

static void restart(struct house *h)
{
        house_stop(h);
        house_start(h);
}

static void crash_and_restart(struct house *h)
{
        struct buf notes;
        buf_init(&notes, 4096);
        assert_int_equal(file_read(path_of(h, "notes"), 4096, &notes, &h->e), 0);
        house_stop(h);
        assert_int_equal(file_replace(path_of(h, "notes"), notes.data, notes.len, &h->e), 0);
        buf_deinit(&notes);
        house_start(h);
}

static void test_five_restarts_end_promoted(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, 1);
        for (uint32_t i = 1; i <= 5; i++) {
                until_started(&h, i);
                restart(&h);
        }
        until_started(&h, 6);
        h.fake.hang = false;
        restart(&h);
        struct job j = house_until_end(&h, 1);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.attempts, 7); /* starts are counted all the same */
        house_close(&h);
}

enum { FORGIVEN = 10 }; /* deaths of the daemon in a row */

/* Ten of them are not the learner's fault, and it has all its starts yet. */
static void test_crashes_are_not_the_learners(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, 1);
        for (uint32_t i = 1; i <= FORGIVEN; i++) {
                until_started(&h, i);
                crash_and_restart(&h);
        }
        until_started(&h, FORGIVEN + 1);
        h.fake.hang = false;
        restart(&h);
        assert_int_equal(house_until_end(&h, 1).state, JOB_PROMOTED);
        house_close(&h);
}

static void test_crashes_without_progress_end(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, 2);
        for (uint32_t i = 1; i <= FORGIVEN + 2; i++) {
                until_started(&h, i);
                crash_and_restart(&h);
        }
        struct job j = house_until_end(&h, 1);
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(
            j.reason, "the learner was started 2 times in a row without getting further, before a restart");
        assert_int_equal(j.attempts, FORGIVEN + 2);
        house_close(&h);
}

static void test_crashes_with_progress_do_not(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, 1);
        for (uint32_t i = 1; i <= FORGIVEN + 5; i++) {
                until_started(&h, i);
                assert_int_equal(file_replace(path_of(&h, "checkpoint.safetensors"), "0123456789abcdef", i, &h.e), 0);
                crash_and_restart(&h);
        }
        until_started(&h, FORGIVEN + 6);
        h.fake.hang = false;
        restart(&h);
        assert_int_equal(house_until_end(&h, 1).state, JOB_PROMOTED);
        house_close(&h);
}

/* The same state written once more is no progress. */
static void test_the_same_checkpoint_again_is_none(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, 1);
        for (uint32_t i = 1; i <= FORGIVEN + 2; i++) {
                until_started(&h, i);
                assert_int_equal(file_replace(path_of(&h, "checkpoint.safetensors"), "same", 4, &h.e), 0);
                crash_and_restart(&h);
        }
        assert_int_equal(house_until_end(&h, 1).state, JOB_FAILED);
        house_close(&h);
}

static void test_notes_that_cannot_be_read_count_nothing(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, 1);
        until_started(&h, 1);
        house_stop(&h);
        assert_int_equal(file_replace(path_of(&h, "notes"), "starts 1 fruitless 9 unusable", 29, &h.e), 0);
        h.fake.hang = false;
        house_start(&h);
        assert_int_equal(house_until_end(&h, 1).state, JOB_PROMOTED);
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_five_restarts_end_promoted),
            cmocka_unit_test(test_crashes_are_not_the_learners), cmocka_unit_test(test_crashes_without_progress_end),
            cmocka_unit_test(test_crashes_with_progress_do_not),
            cmocka_unit_test(test_the_same_checkpoint_again_is_none),
            cmocka_unit_test(test_notes_that_cannot_be_read_count_nothing)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
