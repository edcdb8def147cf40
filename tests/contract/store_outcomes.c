/* store_outcomes.c: consolidations promoted, rejected, refused; versions and their tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static struct alias champion(struct kit *k, model_id m)
{
        struct alias a;

        assert_int_equal(store_alias_get(k->s, m, "champion", &a, &k->e), 0);
        return a;
}

static void promoted_is_one_step(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct receipt rows = kit_fill(k, m, 0, 8);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        struct kit_outcome w;
        version_id id = 0;
        struct version v;
        struct job job;
        float back[KIT_P];

        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 5, true);
        w.before[0].accuracy = w.before[0].loss = (double)NAN;
        w.before[0].n = 0;
        w.o.tries = "[{\"lambda\":0.25}]";
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), 0);
        kit_reopen(k);
        assert_int_equal(champion(k, m).version, id);
        assert_int_equal(champion(k, m).epoch, 2);
        assert_int_equal(store_version_by_number(k->s, m, 2, &k->a, &v, &k->e), 0);
        assert_int_equal(v.id, id);
        assert_int_equal(v.state, VERSION_PROMOTED);
        assert_int_equal(v.parent_number, 1);
        assert_int_equal(v.job, j);
        assert_int_equal(v.task, kit_task(k, m, NULL).id);
        assert_true(v.has_fisher);
        assert_true(v.fisher_scale == 1.5 && v.lambda == 0.25);
        assert_int_equal(v.fisher_kind, EWC_FISHER_EXACT);
        assert_int_equal(v.fisher_samples, 40);
        assert_true(v.seed == UINT64_MAX - 3);
        assert_int_equal(v.range.first, rows.first_seq);
        assert_int_equal(v.range.last, rows.last_seq);
        assert_string_equal(v.program, "ewcd test");
        assert_string_equal(v.reason, "promoted: better");
        assert_int_equal(v.n_evaluations, 1);
        assert_true(v.evaluations[0].accuracy == 0.875);
        assert_int_equal(v.n_aliases, 1);
        assert_int_equal(store_job_get(k->s, j, &k->a, &job, &k->e), 0);
        assert_int_equal(job.state, JOB_PROMOTED);
        assert_int_equal(job.version_number, 2);
        assert_true(job.lambda == 0.25);
        assert_non_null(job.tries);
        assert_string_equal(job.tries, "[{\"lambda\":0.25}]");
        assert_int_equal(job.n_tasks, 1);
        assert_string_equal(job.tasks[0].name, "one");
        assert_true(isnan(job.tasks[0].before.accuracy) && job.tasks[0].after.loss == 0.25);
        assert_true(job.ended_ms > 0);
        assert_int_equal(store_version_tensor(k->s, id, TENSOR_THETA, back, KIT_P, &k->e), 0);
        assert_memory_equal(back, w.theta, sizeof(back)); /* a NaN's payload too */
        assert_int_equal(store_version_tensor(k->s, id, TENSOR_FISHER, back, KIT_P, &k->e), 0);
        assert_memory_equal(back, w.fisher, sizeof(back));
        assert_int_equal(store_version_tensor(k->s, id, TENSOR_ANCHOR, back, KIT_P, &k->e), 0);
        assert_memory_equal(back, w.anchor, sizeof(back));
}

static void rejected_keeps_the_champion(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct counters c;
        struct version v;

        kit_fill(k, m, 0, 4);
        version_id id = kit_consolidate(k, m, 1, false);
        kit_reopen(k);
        assert_int_equal(champion(k, m).number, 1);
        assert_int_equal(champion(k, m).epoch, 1);
        assert_int_equal(store_version_get(k->s, id, &k->a, &v, &k->e), 0);
        assert_int_equal(v.state, VERSION_REJECTED);
        assert_int_equal(v.number, 2);
        assert_int_equal(v.n_aliases, 0);
        assert_false(v.has_fisher);
        assert_true(v.prior == 0);
        struct job job;
        assert_int_equal(store_job_get(k->s, v.job, &k->a, &job, &k->e), 0);
        assert_null(job.tries);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.n_new, 0); /* its rows have been judged */
        assert_int_equal(c.used_seq, c.last_seq);
}

static void parent_replaced_does_nothing(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        struct version v;
        struct alias a;
        struct job job;
        version_id id = 77;

        kit_consolidate(k, m, 1, true);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 2, false);
        assert_int_equal(store_alias_set(k->s, m, "champion", 1, 2, "op", "rollback", &a, &k->e), 0);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_CONFLICT);
        assert_int_equal(id, 77);
        assert_int_equal(store_version_by_number(k->s, m, 3, &k->a, &v, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_job_get(k->s, j, &k->a, &job, &k->e), 0);
        assert_int_equal(job.state, JOB_JUDGING);
        assert_int_equal(champion(k, m).number, 1);
        w.o.promote = false; /* the verdict then: rejected, "parent replaced" */
        w.o.reason = "parent replaced";
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), 0);
        assert_int_equal(champion(k, m).number, 1);
}

static void only_in_judging_and_with_its_blobs(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        struct kit_outcome w;
        version_id id = 0;

        kit_outcome(k, &w, m, j, true, 1, true);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_CONFLICT);
        w.o.promote = false;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "queued"));
        w.o.promote = true;
        kit_to_judging(k, j);
        w.o.anchor.b[0] ^= 1;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_NOT_FOUND);
        memset(&w.o.anchor, 0, sizeof(w.o.anchor)); /* a Fisher without anchor */
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), -EINVAL);
        memset(&w.o.fisher, 0, sizeof(w.o.fisher));
        static const double no_priors[] = {-1e-9, (double)NAN, (double)INFINITY};
        for (size_t i = 0; i < sizeof(no_priors) / sizeof(no_priors[0]); i++) {
                w.o.prior = no_priors[i];
                assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), -EINVAL);
                assert_non_null(strstr(k->e.msg, "prior"));
        }
        w.o.prior = 0; /* none */
        w.o.job = 99;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_NOT_FOUND);
        w.o.job = j;
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &id, &k->e), -EINVAL); /* the other kind */
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), 0);
        w.o.promote = false;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_CONFLICT);
}

struct numbers {
        uint64_t n[8];
        size_t count;
};

static int number(void *arg, const struct version *v)
{
        struct numbers *l = arg;
        l->n[l->count++] = v->number;
        return 0;
}

static void numbers_count_per_model(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), m2 = kit_model(k, "m2", SCENARIO_DOMAIN);
        struct numbers l = {0};

        kit_consolidate(k, m, 1, true);
        kit_consolidate(k, m2, 2, true);
        kit_consolidate(k, m, 3, false);
        assert_int_equal(store_version_list(k->s, m, 0, 0, number, &l, &k->e), 0);
        assert_int_equal(l.count, 3);
        assert_int_equal(l.n[0], 3);
        assert_int_equal(l.n[2], 1);
        l.count = 0;
        assert_int_equal(store_version_list(k->s, m, 3, 1, number, &l, &k->e), 0);
        assert_int_equal(l.count, 1);
        assert_int_equal(l.n[0], 2);
        l.count = 0;
        assert_int_equal(store_version_list(k->s, m2, 0, 0, number, &l, &k->e), 0);
        assert_int_equal(l.count, 2);
}

static void group_undoes_an_outcome(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        struct job job;
        version_id id = 0;

        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        kit_to_judging(k, j);
        assert_int_equal(store_begin(k->s, &k->e), 0);
        kit_outcome(k, &w, m, j, true, 2, true);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), 0);
        store_abort(k->s);
        assert_int_equal(champion(k, m).number, 1);
        assert_int_equal(store_job_get(k->s, j, &k->a, &job, &k->e), 0);
        assert_int_equal(job.state, JOB_JUDGING);
        assert_int_equal(
            store_consolidation_commit(k->s, &w.o, &id, &k->e), STORE_NOT_FOUND); /* blobs are undone too */
}

STORE_TESTS(store_outcome_tests, STORE_TEST(promoted_is_one_step), STORE_TEST(rejected_keeps_the_champion),
    STORE_TEST(parent_replaced_does_nothing), STORE_TEST(only_in_judging_and_with_its_blobs),
    STORE_TEST(numbers_count_per_model), STORE_TEST(group_undoes_an_outcome));
