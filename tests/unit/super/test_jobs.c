/* Jobs from request to end: what each outcome leaves in the store, and that nothing but a promotion moves the
 * champion. */
#include "base/file.h"
#include "base/mem.h"
#include "jobs_kit.h"
#include <ewc/penalty.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};

static void on_both(void (*body)(struct house *h))
{
        for (size_t i = 0; i < 2; i++) {
                static struct house h;
                house_open(&h, engines[i]);
                body(&h);
                house_close(&h);
        }
}

/* Where the engine makes no difference to what is tested. */
static void in_memory(void (*body)(struct house *h))
{
        static struct house h;
        house_open(&h, &store_memory);
        body(&h);
        house_close(&h);
}

static void begin(struct house *h)
{
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
}

static struct jobs_stats stats(struct house *h)
{
        struct jobs_stats s;
        jobs_stats(h->jobs, &s);
        return s;
}

static void promoted(struct house *h)
{
        begin(h);
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.attempts, 1);
        assert_int_equal(j.version_number, 2);
        assert_int_equal(j.parent_number, 1);
        assert_non_null(strstr(j.reason, "promoted: task low gained"));
        assert_int_equal(j.n_tasks, 1);
        assert_int_equal(j.tasks[0].after.n, 16);
        assert_true(j.tasks[0].after.accuracy == 1.0); /* two clouds apart */
        struct version v = house_champion(h, h->m);
        assert_int_equal(v.number, 2);
        assert_int_equal(v.state, VERSION_PROMOTED);
        assert_int_equal(v.n_outputs, 2);
        assert_false(v.has_fisher);
        assert_true(v.lambda == j.lambda && v.seed == j.seed && j.seed > 0);
        assert_string_equal(v.program, "ewcd test");
        assert_int_equal(v.n_evaluations, 1);
        assert_false(house_has_files(h, j.id));
        assert_int_equal(stats(h).promoted, 1);
        assert_int_equal(stats(h).running, 0);
        assert_int_equal(h->fake.starts, 1);
}

static void test_promoted(void **state)
{
        (void)state;
        on_both(promoted);
}

static void rejected(struct house *h)
{
        h->kit.learning.gate_min_gain = 1; /* only from all wrong to all right */
        h->kit.learning.seed = 12;         /* a first net that has some right */
        begin(h);
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_REJECTED);
        assert_non_null(strstr(j.reason, "rejected: task low"));
        assert_non_null(strstr(j.reason, "must gain at least 100.0"));
        assert_int_equal(house_champion(h, h->m).number, 1);
        assert_int_equal(house_version(h, h->m, 2).state, VERSION_REJECTED); /* kept, for people to look at */
        assert_int_equal(stats(h).rejected, 1);

        j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.kind, JOB_ROLLOVER);
        assert_int_equal(j.state, JOB_REJECTED);
        assert_string_equal(house_task(h, h->m, NULL).name, "low"); /* stays open */
        assert_int_equal(house_champion(h, h->m).number, 1);
}

static void test_rejected(void **state)
{
        (void)state;
        in_memory(rejected);
}

/* Two rollovers and a consolidation: records of closed tasks, and the protection of each version computed by hand. */
static void rollovers(struct house *h)
{
        begin(h);
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_PROMOTED);
        struct task low = house_task(h, h->m, "low"), high = house_task(h, h->m, NULL);
        assert_int_equal(low.state, TASK_CLOSED);
        assert_string_equal(high.name, "high");
        assert_true(low.has_fisher && low.fisher.n_samples == 48);
        struct version v2 = house_champion(h, h->m);
        assert_true(v2.has_fisher && v2.fisher_scale == 1.0);
        assert_int_equal(v2.fisher_samples, 48);
        assert_int_equal(low.closed_by, v2.id);

        enum { P2 = 18 + 2 * 7, P4 = 18 + 4 * 7 };
        float theta[P2], f[P2], anchor[P2], U[P2], c[P2];
        house_tensor(h, v2.id, TENSOR_THETA, theta, P2);
        house_tensor(h, v2.id, TENSOR_FISHER, U, P2);
        house_tensor(h, v2.id, TENSOR_ANCHOR, c, P2);
        house_task_tensor(h, low.id, TENSOR_FISHER, f, P2);
        house_task_tensor(h, low.id, TENSOR_ANCHOR, anchor, P2);
        double sum = 0;
        for (int i = 0; i < P2; i++) {
                assert_true(U[i] == f[i] && c[i] == theta[i] && anchor[i] == theta[i]);
                sum += f[i];
        }
        assert_true(fabs(sum / P2 - 1) < 1e-5);

        house_rows(h, h->m, 100, 64, 2, 3);
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.n_tasks, 2);
        struct version v3 = house_champion(h, h->m);
        assert_int_equal(v3.number, 3);
        assert_int_equal(v3.n_outputs, 4);
        assert_true(v3.outputs[3].task == high.id && v3.outputs[3].class == 3);
        assert_true(v3.has_fisher && v3.fisher_scale == 1.0);
        float U4[P4], c4[P4];
        house_tensor(h, v3.id, TENSOR_FISHER, U4, P4);
        house_tensor(h, v3.id, TENSOR_ANCHOR, c4, P4);
        for (int i = 0; i < 18 + 2 * 6; i++)
                assert_true(U4[i] == f[i] && c4[i] == theta[i]); /* hidden layer and the first task's rows */
        for (int i = 18 + 2 * 6; i < 18 + 4 * 6; i++)
                assert_true(U4[i] == 0);

        j = house_until_end(h, house_create(h, h->m, "third"));
        assert_int_equal(j.state, JOB_PROMOTED);
        struct version v4 = house_champion(h, h->m);
        assert_true(v4.fisher_scale == 2.0);
        assert_int_equal(v4.fisher_samples, 96);
        float f2[P4], a2[P4], theta4[P4], M[P4], centre[P4];
        house_tensor(h, v4.id, TENSOR_THETA, theta4, P4);
        house_task_tensor(h, high.id, TENSOR_FISHER, f2, P4);
        house_task_tensor(h, high.id, TENSOR_ANCHOR, a2, P4);
        assert_memory_equal(a2, theta4, sizeof(a2));
        house_tensor(h, v4.id, TENSOR_FISHER, M, P4);
        house_tensor(h, v4.id, TENSOR_ANCHOR, centre, P4);
        for (int i = 0; i < P4; i++) {
                double u = (double)U4[i] + (double)f2[i];
                double want = u > 0 ? ((double)U4[i] * (double)c4[i] + (double)f2[i] * (double)a2[i]) / u : 0;
                assert_true(fabs((double)M[i] - u) <= 1e-5 * (1 + u));
                if (u > 0)
                        assert_true(fabs((double)centre[i] - want) <= 1e-5 * (1 + fabs(want)));
        }
}

static void test_rollovers(void **state)
{
        (void)state;
        on_both(rollovers);
}

static void deaths(struct house *h)
{
        begin(h);
        h->fake.die_at_epoch = 2;
        h->fake.n_deaths = 2;
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.attempts, 3);
        assert_int_equal(h->fake.starts, 3);
        assert_int_equal(h->fake.resumes, 2);

        house_rows(h, h->m, 100, 64, 2, 3);
        h->fake.n_deaths = 99; /* one epoch further each time: no number of such deaths ends it */
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.attempts, 5);

        house_rows(h, h->m, 200, 64, 2, 3);
        h->fake.answer = LEARNER_DIED;
        h->fake.starts = 0;
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(
            j.reason, "the learner was started 3 times in a row without getting further; the last one: as scripted");
        assert_int_equal(j.attempts, 3);
        assert_int_equal(house_champion(h, h->m).number, 3);
        assert_int_equal(stats(h).failed, 1);
        assert_int_equal(h->fake.starts, 3);
}

static void test_deaths(void **state)
{
        (void)state;
        in_memory(deaths);
}

static void test_interrupted_gives_the_same_bits(void **state)
{
        (void)state;
        enum { P = 18 + 2 * 7 };
        float plain[P], broken[P];
        for (int i = 0; i < 2; i++) {
                static struct house h;
                house_open(&h, &store_memory);
                begin(&h);
                h.fake.die_at_epoch = 1 + 2 * (unsigned)i;
                h.fake.n_deaths = i ? 2 : 0;
                struct job j = house_until_end(&h, house_create(&h, h.m, NULL));
                assert_int_equal(j.state, JOB_PROMOTED);
                house_tensor(&h, j.version, TENSOR_THETA, i ? broken : plain, P);
                house_close(&h);
        }
        assert_memory_equal(plain, broken, sizeof(plain));
}

static void answers(struct house *h)
{
        begin(h);
        h->fake.answer = LEARNER_REFUSED;
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(j.reason, "as scripted");
        assert_int_equal(j.attempts, 1);
        h->fake.answer = LEARNER_FAILED;
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).attempts, 1);
        h->fake.answer = LEARNER_COMPLETE; /* says so, and there is no file */
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_FAILED);
        assert_non_null(strstr(j.reason, "result"));
        h->fake.answer = LEARNER_CANCELLED; /* stopped by someone else: tried again, then given up */
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_FAILED);
        assert_int_equal(j.attempts, 3);
        assert_int_equal(house_champion(h, h->m).number, 1);
}

static void test_answers(void **state)
{
        (void)state;
        in_memory(answers);
}

static void one_row_less(void *arg, struct learn_result *r)
{
        (void)arg;
        r->after[0].n--;
}

static void all_right(void *arg, struct learn_result *r)
{
        (void)arg;
        r->after[0].accuracy = 1.5;
}

static void not_finite(void *arg, struct learn_result *r)
{
        (void)arg;
        r->theta[0] = NAN;
}

static void diverged(void *arg, struct learn_result *r)
{
        (void)arg;
        r->outcome = LEARN_DIVERGED;
        free(r->theta);
        r->theta = NULL;
        r->loss = 1e30;
}

static void test_hostile_results(void **state)
{
        (void)state;
        static void (*const twists[])(void *, struct learn_result *) = {
            one_row_less, all_right, not_finite, diverged};
        static const char *const words[] = {"over 15 rows", "accuracy 1.5", "", "training diverged"};
        for (size_t i = 0; i < ARRAY_LEN(twists); i++) {
                static struct house h;
                house_open(&h, &store_memory);
                begin(&h);
                h.fake.twist = twists[i];
                struct job j = house_until_end(&h, house_create(&h, h.m, NULL));
                assert_int_equal(j.state, JOB_FAILED);
                assert_non_null(strstr(j.reason, words[i]));
                assert_int_equal(house_champion(&h, h.m).number, 1);
                house_close(&h);
        }
}

static void roll_back(void *arg)
{
        struct house *h = arg;
        assert_true(house_alias(h, h->m, 1));
}

static void parent_replaced(struct house *h)
{
        begin(h);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        h->fake.before_exit = roll_back;
        h->fake.arg = h;
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_REJECTED);
        assert_string_equal(
            j.reason, "parent replaced: version 2, which it was trained from, is not the champion any more");
        assert_int_equal(house_champion(h, h->m).number, 1);
        assert_int_equal(house_version(h, h->m, 3).state, VERSION_REJECTED);
        assert_false(house_version(h, h->m, 3).has_fisher);
        assert_string_equal(house_task(h, h->m, NULL).name, "low");
}

static void test_parent_replaced(void **state)
{
        (void)state;
        on_both(parent_replaced);
}

static bool learning(struct house *h, void *arg)
{
        struct job_live live;
        (void)arg;
        return jobs_live(h->jobs, 1, &live) && strcmp(live.phase, "starting") == 0;
}

static void hang_and_cancel(struct house *h)
{
        begin(h);
        h->fake.hang = true;
        job_id id = house_create(h, h->m, NULL);
        house_until(h, learning, NULL);
        assert_int_equal(house_job(h, id).state, JOB_RUNNING);
        assert_int_equal(stats(h).running, 1);
        assert_string_equal(stats(h).status, "model m: consolidating task low");
        struct job_live live;
        assert_false(jobs_live(h->jobs, id + 1, &live));
        assert_int_equal(jobs_post_cancel(h->jobs, id), 0);
        struct job j = house_until_end(h, id);
        assert_int_equal(j.state, JOB_CANCELLED);
        assert_false(jobs_live(h->jobs, id, &live));
        assert_int_equal(stats(h).cancelled, 1);
        assert_int_equal(jobs_post_cancel(h->jobs, id), 0); /* ended already: nothing happens */
        assert_int_equal(jobs_post_cancel(h->jobs, 999), 0);
        h->fake.hang = false;
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        assert_int_equal(house_job(h, id).state, JOB_CANCELLED);
}

static void test_hang_and_cancel(void **state)
{
        (void)state;
        in_memory(hang_and_cancel);
}

static void no_rows(struct house *h)
{
        house_model(h, "m", &h->m);
        house_start(h);
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(j.reason, "task low has no feedback to train on");
        assert_int_equal(h->fake.starts, 0);
}

/* Rows 4..7 of every eight are never held out. */
static void no_holdout(struct house *h)
{
        house_model(h, "m", &h->m);
        for (int i = 4; i < 64; i += 8)
                house_rows(h, h->m, i, 4, 0, 1);
        house_start(h);
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_string_equal(j.reason, "promoted: task low without holdout rows: not judged");
        struct version v = house_champion(h, h->m);
        assert_int_equal(v.n_evaluations, 1); /* a row all the same */
        assert_int_equal(v.evaluations[0].n, 0);
        assert_true(isnan(v.evaluations[0].accuracy));
}

static void test_no_holdout(void **state)
{
        (void)state;
        on_both(no_holdout);
}

static void test_no_rows(void **state)
{
        (void)state;
        in_memory(no_rows);
}

static bool turns_over(struct house *h, void *arg)
{
        (void)h;
        return --*(int *)arg == 0;
}

static void one_learner_at_a_time(struct house *h)
{
        model_id other;
        h->conf.max_learners = 1;
        begin(h);
        house_model(h, "n", &other);
        house_rows(h, other, 0, 64, 0, 1);
        h->fake.hang = true;
        job_id first = house_create(h, h->m, NULL);
        house_until(h, learning, NULL);
        job_id second = house_create(h, other, NULL);
        int turns = 20;
        house_until(h, turns_over, &turns);
        assert_int_equal(house_job(h, second).state, JOB_QUEUED); /* waits for its turn */
        assert_int_equal(stats(h).running, 1);
        assert_int_equal(jobs_post_cancel(h->jobs, first), 0);
        h->fake.hang = false;
        assert_int_equal(house_until_end(h, second).state, JOB_PROMOTED);
        assert_int_equal(house_until_end(h, first).state, JOB_CANCELLED);
}

static void test_one_learner_at_a_time(void **state)
{
        (void)state;
        in_memory(one_learner_at_a_time);
}

static bool ended_and_idle(struct house *h, void *arg)
{
        return job_has_ended(house_job(h, *(job_id *)arg).state) && strcmp(stats(h).status, "idle") == 0;
}

static void test_keeps_files(void **state)
{
        (void)state;
        static struct house h;
        house_open(&h, &store_memory);
        h.conf.keep_files = true;
        begin(&h);
        job_id id = house_create(&h, h.m, NULL);
        house_until(&h, ended_and_idle, &id);
        char path[600];
        snprintf(path, sizeof(path), "%s/1/result.safetensors", h.jobs_dir);
        assert_true(file_exists(path));
        house_close(&h);
}

/* Queues with room for one item refuse now and then; everything is tried again. */
static void test_narrow_queues(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                static struct house h;
                model_id other;
                house_open_narrow(&h, engines[i], 1);
                begin(&h);
                house_model(&h, "n", &other);
                house_rows(&h, other, 0, 64, 0, 1);
                job_id a = house_create(&h, h.m, "high"), b = house_create(&h, other, "high");
                assert_int_equal(house_until_end(&h, a).state, JOB_PROMOTED);
                assert_int_equal(house_until_end(&h, b).state, JOB_PROMOTED);
                house_close(&h);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_promoted), cmocka_unit_test(test_rejected),
            cmocka_unit_test(test_rollovers), cmocka_unit_test(test_deaths),
            cmocka_unit_test(test_interrupted_gives_the_same_bits), cmocka_unit_test(test_answers),
            cmocka_unit_test(test_hostile_results), cmocka_unit_test(test_parent_replaced),
            cmocka_unit_test(test_hang_and_cancel), cmocka_unit_test(test_no_rows), cmocka_unit_test(test_no_holdout),
            cmocka_unit_test(test_one_learner_at_a_time), cmocka_unit_test(test_keeps_files),
            cmocka_unit_test(test_narrow_queues)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
