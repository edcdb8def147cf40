/* A version's later life: trained again from its lineage, its closed tasks given other weights, tried without being
 * served, judged by rows an operator gave. */
#include "base/mem.h"
#include "jobs_kit.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
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

static void begin(struct house *h)
{
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
}

static int create(struct store *s, void *arg, struct err *e)
{
        job_id id;
        int r = store_job_create(s, arg, &id, e);
        return r == 0 ? (int)id : -1000 - r;
}

static struct job ended(struct house *h, struct job_new *j)
{
        j->model = h->m;
        j->trigger = TRIGGER_MANUAL;
        j->who = "test";
        int id = house_do(h, create, j);
        assert_true(id > 0);
        jobs_post_pump(h->jobs);
        return house_until_end(h, (job_id)id);
}

static struct job rebuilt(struct house *h, uint64_t number)
{
        struct job_new j = {.kind = JOB_REBUILD, .rebuild_of = house_version(h, h->m, number).id};
        return ended(h, &j);
}

static struct job reweighted(struct house *h, const char *task, double alpha)
{
        struct job_new j = {.kind = JOB_REWEIGHT, .alpha_task = house_task(h, h->m, task).id, .alpha = alpha};
        return ended(h, &j);
}

/* low closed by version 2, high trained by version 3 and closed by version 4. */
static void two_tasks(struct house *h)
{
        begin(h);
        assert_int_equal(house_until_end(h, house_create(h, h->m, "high")).state, JOB_PROMOTED);
        house_rows(h, h->m, 100, 64, 2, 3);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        assert_int_equal(house_until_end(h, house_create(h, h->m, "third")).state, JOB_PROMOTED);
        assert_int_equal(house_champion(h, h->m).number, 4);
}

static void rebuilds(struct house *h)
{
        two_tasks(h);
        /* though later tasks have been opened and its own is closed: each as it was */
        for (uint64_t number = 2; number <= 4; number++) {
                struct job j = rebuilt(h, number);
                if (j.state != JOB_VERIFIED)
                        print_error("version %d: %s\n", (int)number, j.reason);
                assert_int_equal(j.state, JOB_VERIFIED);
                assert_non_null(strstr(j.reason, "bit for bit"));
                assert_int_equal(j.version, 0); /* proves, and makes nothing */
        }
        assert_non_null(strstr(rebuilt(h, 2).reason, "and the Fisher of the task it closed"));
        assert_null(strstr(rebuilt(h, 3).reason, "Fisher"));
        assert_int_equal(house_champion(h, h->m).number, 4);

        struct job_new first = {
            .model = h->m, .kind = JOB_REBUILD, .rebuild_of = house_version(h, h->m, 1).id, .who = "test"};
        first.trigger = TRIGGER_MANUAL;
        assert_true(house_do(h, create, &first) < 0); /* no job trained it */
}

static void test_rebuild(void **state)
{
        (void)state;
        on_both(rebuilds);
}

static int erase(struct store *s, void *arg, struct err *e)
{
        struct house *h = arg;
        struct erased ret;
        const struct feedback_selection sel = {.event_id = "e3"};
        int r = store_feedback_erase(s, h->m, &sel, "test", NULL, &ret, e);
        return r == 0 ? (int)ret.n : -1;
}

static void says_what_changed(struct house *h)
{
        two_tasks(h);
        assert_int_equal(house_do(h, erase, h), 1); /* a row of low */
        struct job j = rebuilt(h, 2);
        assert_int_equal(j.state, JOB_FAILED);
        assert_non_null(strstr(j.reason, "its job file would be another one"));
        assert_non_null(strstr(j.reason, "erased"));
}

static void test_rebuild_erased(void **state)
{
        (void)state;
        on_both(says_what_changed);
}

/* In scenario class a rollover adds classes: an older version is built again without them. */
static void rebuilds_with_fewer_classes(struct house *h)
{
        static const char *const names[] = {"e", "f"};
        h->kit.scenario = SCENARIO_CLASS;
        begin(h);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        struct job_new next = {.kind = JOB_ROLLOVER,
            .next_task = "high",
            .next_classes_given = true,
            .n_next_classes = 2,
            .next_classes = names};
        assert_int_equal(ended(h, &next).state, JOB_PROMOTED);
        for (uint64_t number = 2; number <= 3; number++) {
                struct job j = rebuilt(h, number);
                if (j.state != JOB_VERIFIED)
                        print_error("version %d: %s\n", (int)number, j.reason);
                assert_int_equal(j.state, JOB_VERIFIED);
        }
}

static void test_rebuild_with_fewer_classes(void **state)
{
        (void)state;
        on_both(rebuilds_with_fewer_classes);
}

static int prune(struct store *s, void *arg, struct err *e)
{
        uint64_t n;
        return store_version_prune(s, *(model_id *)arg, 0, "retention", NULL, &n, e) == 0 ? (int)n : -1;
}

static void says_why_not(struct house *h)
{
        two_tasks(h);
        assert_int_equal(reweighted(h, "low", 0.5).state, JOB_PROMOTED);
        struct job j = rebuilt(h, 5);
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(j.reason, "version 5 cannot be rebuilt: nothing was trained for it, a task's weight was "
                                      "changed; its parameters are those of version 4");
        assert_true(house_do(h, prune, &h->m) > 0);
        j = rebuilt(h, 4);
        assert_int_equal(j.state, JOB_FAILED);
        assert_string_equal(j.reason, "version 4 cannot be rebuilt: version 3, which it was trained from, was pruned "
                                      "and its parameters are gone");
}

static void test_rebuild_impossible(void **state)
{
        (void)state;
        on_both(says_why_not);
}

static void reweights(struct house *h)
{
        two_tasks(h);
        struct version before = house_champion(h, h->m);
        size_t P = before.n_params;
        _free_ float *theta = new_array(float, P), *after = new_array(float, P), *F = new_array(float, P),
                     *low = new_array(float, P), *high = new_array(float, P);
        house_tensor(h, before.id, TENSOR_THETA, theta, P);

        struct job j = reweighted(h, "low", 0.25);
        if (j.state != JOB_PROMOTED)
                print_error("%s\n", j.reason);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_non_null(strstr(
            j.reason, "; no answer changes now: in every later job task low is protected less (alpha 0.25, was 1)"));
        assert_int_equal(h->fake.starts, 3); /* nothing is trained */
        struct version v = house_champion(h, h->m);
        assert_int_equal(v.number, 5);
        assert_true(house_task(h, h->m, "low").alpha == 0.25);
        house_tensor(h, v.id, TENSOR_THETA, after, P);
        assert_memory_equal(theta, after, P * sizeof(float));
        assert_true(fabs(v.fisher_scale - 1.25) < 1e-6);
        assert_int_equal(v.range.first, before.range.first);
        assert_int_equal(v.range.last, before.range.last);

        /* U = 0.25 F_low + F_high, and high's record has the layout of the version that closed it */
        house_tensor(h, v.id, TENSOR_FISHER, F, P);
        struct version v2 = house_version(h, h->m, 2);
        house_task_tensor(h, house_task(h, h->m, "low").id, TENSOR_FISHER, low, v2.n_params);
        house_task_tensor(h, house_task(h, h->m, "high").id, TENSOR_FISHER, high, P);
        for (size_t i = 0; i < 12; i++) /* first layer: the same place in every layout */
                assert_true(fabsf(F[i] - (0.25f * low[i] + high[i])) <= 1e-6f * (1 + F[i]));

        house_rows(h, h->m, 300, 64, 0, 1);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED); /* under 0.25 */
        uint64_t under = house_champion(h, h->m).number;

        /* 0 drops the protection; versions from before can still be built again, with the weights they had */
        j = reweighted(h, "low", 0);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_non_null(strstr(j.reason, "task low is not protected any more and not checked (alpha 0, was 0.25)"));
        j = rebuilt(h, under);
        if (j.state != JOB_VERIFIED)
                print_error("%s\n", j.reason);
        assert_int_equal(j.state, JOB_VERIFIED);
        assert_true(fabs(house_champion(h, h->m).fisher_scale - 1.0) < 1e-6);
        j = rebuilt(h, 3);
        if (j.state != JOB_VERIFIED)
                print_error("%s\n", j.reason);
        assert_int_equal(j.state, JOB_VERIFIED);

        /* one call back, and low is protected again, in what is learned from there too */
        uint64_t given_up = house_champion(h, h->m).number;
        assert_true(house_alias(h, h->m, 4));
        assert_true(house_task(h, h->m, "low").alpha == 1);
        house_rows(h, h->m, 400, 64, 0, 1);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        v = house_champion(h, h->m);
        assert_true(fabs(v.fisher_scale - 2.0) < 1e-6);
        assert_true(house_alias(h, h->m, given_up));
        assert_true(house_task(h, h->m, "low").alpha == 0);
        j = rebuilt(h, v.number); /* on its own line low has its weight */
        if (j.state != JOB_VERIFIED)
                print_error("%s\n", j.reason);
        assert_int_equal(j.state, JOB_VERIFIED);
}

static void test_reweight(void **state)
{
        (void)state;
        on_both(reweights);
}

#define TOLD 12.5

static void tell_prior(void *arg, struct learn_result *r)
{
        (void)arg;
        r->prior = TOLD;
}

/* Sixteen holdout rows a task say too little alone; both closed tasks' do. Then what a learner says: it holds beside
 * the records the job leaves behind, so a rollover that closes nothing has none. */
static void priors(struct house *h)
{
        two_tasks(h);
        assert_true(house_version(h, h->m, 2).prior == 0 && house_version(h, h->m, 3).prior == 0);
        double prior = house_champion(h, h->m).prior;
        assert_true(prior >= LEARN_PRIOR_LOW && prior <= LEARN_PRIOR_HIGH);
        assert_int_equal(reweighted(h, "low", 0.25).state, JOB_PROMOTED);
        assert_true(house_champion(h, h->m).prior == prior); /* nothing that it was chosen by has changed */

        h->fake.twist = tell_prior;
        house_rows(h, h->m, 300, 64, 0, 1);
        struct job_new dry = {.kind = JOB_ROLLOVER, .dry_run = true, .next_task = "fourth"};
        struct job j = ended(h, &dry);
        assert_int_equal(j.state, JOB_CANDIDATE);
        assert_true(house_version(h, h->m, j.version_number).prior == 0);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        assert_true(house_champion(h, h->m).prior == TOLD);
        house_rows(h, h->m, 400, 64, 0, 1);
        assert_int_equal(house_until_end(h, house_create(h, h->m, "fourth")).state, JOB_PROMOTED);
        assert_true(house_champion(h, h->m).prior == TOLD);
}

/* With any other Fisher there is no curvature, and a job's records say so to the learner. */
static void nothing_chosen(struct house *h)
{
        two_tasks(h);
        assert_true(house_champion(h, h->m).prior == 0);
        house_rows(h, h->m, 300, 64, 0, 1);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        assert_true(house_champion(h, h->m).prior == 0);
}

static void no_priors(struct house *h)
{
        h->kit.learning.fisher_variant = EWC_FISHER_EMPIRICAL;
        nothing_chosen(h);
}

static void no_priors_of_mas(struct house *h)
{
        h->kit.learning.importance_type = LEARN_IMPORTANCE_MAS;
        nothing_chosen(h);
}

static void test_prior(void **state)
{
        (void)state;
        on_both(priors);
        on_both(no_priors);
        on_both(no_priors_of_mas);
}

static void tries_only(struct house *h)
{
        begin(h);
        struct job_new dry = {.kind = JOB_CONSOLIDATE, .dry_run = true};
        struct job j = ended(h, &dry);
        assert_int_equal(j.state, JOB_CANDIDATE);
        assert_non_null(strstr(j.reason, "dry run"));
        assert_int_equal(house_champion(h, h->m).number, 1);
        assert_int_equal(house_version(h, h->m, 2).state, VERSION_CANDIDATE);

        /* nothing was consumed: the same rows train the next one */
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.range.first, 1);
        assert_int_equal(house_champion(h, h->m).number, 3);
}

static void test_dry_run(void **state)
{
        (void)state;
        on_both(tries_only);
}

static void trusted(struct house *h)
{
        begin(h);
        const struct kit_row given = {.trusted = true};
        house_live(h, h->m, 500, 6, &given);
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.tasks[0].after.n, 6); /* and not the 16 held out of what clients sent */
}

static void test_trusted(void **state)
{
        (void)state;
        on_both(trusted);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_rebuild),
            cmocka_unit_test(test_rebuild_erased),
            cmocka_unit_test(test_rebuild_with_fewer_classes),
            cmocka_unit_test(test_rebuild_impossible),
            cmocka_unit_test(test_reweight),
            cmocka_unit_test(test_prior),
            cmocka_unit_test(test_dry_run),
            cmocka_unit_test(test_trusted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
