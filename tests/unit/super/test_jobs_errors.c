/* Jobs that cannot go on: what is damaged ends them at once and says why, what may pass is tried again. Then rows
 * that could not be used, a job file of another job, and long items that leave the reader free. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "jobs_kit.h"
#include "proto/bundle.h"
#include "proto/json_model.h"
#include "super/jobs_in.h"
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void begin(struct house *h, const struct store_ops *ops)
{
        house_open(h, ops);
        h->conf.backoff_ms = 3600000; /* nothing here is tried again */
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
}

static void test_tries(void **state)
{
        (void)state;
        static const int passing[] = {STORE_FULL, STORE_READONLY, -EAGAIN, -ENOMEM, -ENOSPC, -EIO};
        static const int lasting[] = {-EBADMSG, -EPROTO, -ESTALE, -E2BIG, -EINVAL, STORE_NOT_FOUND, STORE_CONFLICT};
        for (size_t i = 0; i < ARRAY_LEN(passing); i++)
                assert_int_equal(jobs_tries(passing[i]), STORE_TRIES);
        for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
                assert_int_equal(jobs_tries(lasting[i]), 1);
}

struct described {
        struct house *h;
        bool bad_learning;
        model_id m;
};

/* A model whose description nobody can read, as if its text had been damaged. */
static int create_unreadable(struct store *s, void *arg, struct err *e)
{
        static const char *const classes[] = {"a", "b"};
        static const uint32_t both[] = {0, 1};
        static const float theta[6];
        const struct output_row rows[] = {{0, 0}, {0, 1}};
        struct described *d = arg;
        struct buf learning;
        buf_init(&learning, 1 << 16);
        json_learning_write(&learning, &d->h->kit.learning);
        const struct model_new new = {.name = "unreadable",
            .scenario = SCENARIO_TASK,
            .spec_json = "{}",
            .learning_json = d->bad_learning ? "{\"method\":7}" : learning.data,
            .n_classes = 2,
            .classes = classes,
            .task = "low",
            .n_task_classes = 2,
            .task_classes = both,
            .n_outputs = 2,
            .outputs = rows,
            .n_params = 6,
            .theta = theta,
            .who = "tester"};
        int r = store_model_create(s, &new, &d->m, e);
        buf_deinit(&learning);
        return r;
}

static void test_unreadable_description_fails_at_once(void **state)
{
        (void)state;
        for (int i = 0; i < 2; i++) {
                static struct house h;
                begin(&h, &store_memory);
                struct described d = {.h = &h, .bad_learning = i == 1};
                assert_int_equal(house_do(&h, create_unreadable, &d), 0);
                house_rows(&h, d.m, 0, 16, 0, 1);
                struct job j = house_until_end(&h, house_create(&h, d.m, NULL));
                assert_int_equal(j.state, JOB_FAILED);
                if (i == 0)
                        assert_int_equal(strncmp(j.reason, "export: description of model unreadable", 39), 0);
                else
                        assert_non_null(strstr(j.reason, "model of job"));
                assert_int_equal(h.fake.starts, 0);
                house_close(&h);
        }
}

static bool failed(struct house *h, void *arg)
{
        return house_job(h, *(job_id *)arg).state == JOB_FAILED;
}

static void test_no_place_for_the_job_file(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, &store_memory);
        assert_int_equal(file_replace(h.jobs_dir, "", 0, &h.e), 0); /* a file where the directory should be */
        job_id id = house_create(&h, h.m, NULL);
        house_until(&h, failed, &id);
        house_close(&h);
}

/* --- rows left out --- */

static int add_odd(struct store *s, void *arg, struct err *e)
{
        struct house *h = arg;
        struct receipt got;
        struct task open;
        int r = store_task_get(s, h->m, NULL, &h->a, &open, e);
        for (int i = 0; r == 0 && i < 2; i++) {
                const float x[KIT_INPUTS] = {i ? NAN : -1e20f, 0};
                struct feedback f = {.event_id = i ? "nan" : "big",
                    .source = "",
                    .task = open.id,
                    .n_inputs = KIT_INPUTS,
                    .inputs = x,
                    .class = 0,
                    .weight = 1};
                digest_of(f.event_id, 3, &f.payload);
                r = store_feedback_add(s, h->m, &f, 1, NULL, NULL, &got, e);
        }
        return r;
}

static bool starts_running(struct house *h, void *arg)
{
        struct job_live live;
        return jobs_live(h->jobs, *(job_id *)arg, &live);
}

static void test_rows_left_out_are_named(void **state)
{
        (void)state;
        static const char *const words = "; 2 rows could not be used: another size, a class without an output, or "
                                         "not finite or beyond 1e12 after scale and offset";
        for (int i = 0; i < 2; i++) { /* without and with a restart in between */
                static struct house h;
                begin(&h, &store_memory);
                assert_int_equal(house_do(&h, add_odd, &h), 0);
                h.fake.hang = i == 1;
                job_id id = house_create(&h, h.m, NULL);
                if (i == 1) {
                        house_until(&h, starts_running, &id);
                        h.fake.hang = false;
                        house_stop(&h);
                        house_start(&h);
                }
                struct job j = house_until_end(&h, id);
                assert_int_equal(j.state, JOB_PROMOTED);
                assert_int_equal(strncmp(j.reason, "promoted: ", 10), 0);
                assert_true(strlen(j.reason) > strlen(words));
                assert_string_equal(j.reason + strlen(j.reason) - strlen(words), words);
                house_close(&h);
        }
}

/* --- a job file that is not this job's --- */

static void other_id(void *arg)
{
        struct house *h = arg;
        char job[600], result[600];
        struct arena a;
        struct file_map map = {0};
        struct learn_job file;
        struct learn_result res;
        struct digest d;
        snprintf(job, sizeof(job), "%s/1/job.safetensors", h->jobs_dir);
        snprintf(result, sizeof(result), "%s/1/result.safetensors", h->jobs_dir);
        arena_init(&a, (size_t)1 << 26);
        assert_int_equal(bundle_read_job(job, &a, &map, &file, &d, &h->e), 0);
        assert_int_equal(bundle_read_result(result, &d, &file.net, &res, &h->e), 0);
        file.id += 1;
        assert_int_equal(bundle_write_job(job, &file, &h->e), 0);
        assert_int_equal(bundle_job_digest(job, &d, &h->e), 0);
        assert_int_equal(bundle_write_result(result, &d, &file.net, &res, &h->e), 0); /* it answers that file */
        learn_result_free(&res);
        file_unmap(&map);
        arena_deinit(&a);
}

static void test_job_file_of_another_job(void **state)
{
        (void)state;
        static struct house h;
        begin(&h, &store_memory);
        h.fake.before_exit = other_id;
        h.fake.arg = &h;
        struct job j = house_until_end(&h, house_create(&h, h.m, NULL));
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(j.reason, "settle: the job file is of another job");
        assert_int_equal(house_champion(&h, h.m).number, 1);
        house_close(&h);
}

/* --- the exporter --- */

static int wait_for_it(struct store *s, struct store_work *w, struct err *e)
{
        (void)s;
        (void)e;
        return sem_wait(w->arg);
}

static int at_once(struct store *s, struct store_work *w, struct err *e)
{
        (void)s;
        (void)w;
        (void)e;
        return 0;
}

static void answered(struct store_work *w)
{
        (void)w;
}

static bool exporting(struct house *h, void *arg)
{
        return house_job(h, *(job_id *)arg).state == JOB_EXPORTING;
}

static bool turns_over(struct house *h, void *arg)
{
        (void)h;
        return --*(int *)arg == 0;
}

static void expect_answer(struct house *h)
{
        struct msg m;
        while (!mailbox_get(h->answers, &m)) {
                struct pollfd p = {.fd = mailbox_fd(h->answers), .events = POLLIN};
                assert_int_equal(poll(&p, 1, 10000), 1);
        }
}

static void test_an_export_leaves_the_reader_free(void **state)
{
        (void)state;
        static struct house h;
        sem_t held;
        int turns = 20;
        assert_int_equal(sem_init(&held, 0, 0), 0);
        begin(&h, &store_sqlite);
        struct store_work busy = {.run = wait_for_it, .done = answered, .reply_to = h.answers, .arg = &held};
        struct store_work quick = {.run = at_once, .done = answered, .reply_to = h.answers};
        assert_int_equal(store_submit(h.exporter, &busy), 0);
        job_id id = house_create(&h, h.m, NULL);
        house_until(&h, exporting, &id);
        assert_int_equal(store_submit(h.reader, &quick), 0);
        expect_answer(&h);
        house_until(&h, turns_over, &turns);
        assert_true(exporting(&h, &id)); /* waits for the exporter, which is busy */
        assert_int_equal(sem_post(&held), 0);
        expect_answer(&h);
        assert_int_equal(house_until_end(&h, id).state, JOB_PROMOTED);
        house_close(&h);
        sem_destroy(&held);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_tries),
            cmocka_unit_test(test_unreadable_description_fails_at_once),
            cmocka_unit_test(test_no_place_for_the_job_file), cmocka_unit_test(test_rows_left_out_are_named),
            cmocka_unit_test(test_job_file_of_another_job), cmocka_unit_test(test_an_export_leaves_the_reader_free)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
