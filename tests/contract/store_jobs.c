/* store_jobs.c: jobs until they are judged. */
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

static struct job get(struct kit *k, job_id id)
{
        struct job j;

        assert_int_equal(store_job_get(k->s, id, &k->a, &j, &k->e), 0);
        return j;
}

static struct job_new asking(model_id m, const char *next)
{
        return (struct job_new){.model = m,
            .kind = next ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = TRIGGER_MIN_FEEDBACK,
            .trigger_value = 50,
            .next_task = next,
            .who = "policy"};
}

static void one_active_job_per_model(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), m2 = kit_model(k, "m2", SCENARIO_DOMAIN);
        struct job_new n = asking(m, NULL), unknown = asking(99, NULL), taken = asking(m, "one");
        job_id j = kit_job(k, m, NULL, false, 0, NULL), other = 0;

        assert_int_equal(store_job_create(k->s, &n, &other, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "job 1 ")); /* says which */
        kit_job(k, m2, NULL, false, 0, NULL);
        assert_int_equal(store_job_create(k->s, &unknown, &other, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_CANCELLED, NULL, &k->e), 0);
        assert_int_equal(store_job_create(k->s, &taken, &other, &k->e), STORE_EXISTS);
        assert_int_equal(store_job_create(k->s, &n, &other, &k->e), 0);
        struct job got = get(k, other);
        assert_int_equal(got.state, JOB_QUEUED);
        assert_int_equal(got.trigger, TRIGGER_MIN_FEEDBACK);
        assert_int_equal(got.trigger_value, 50);
        assert_string_equal(got.model_name, "m");
        assert_int_equal(got.parent_number, 0);
        assert_true(isnan(got.lambda));
}

static void a_rollover_names_its_task_and_classes(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const char *known[] = {"c", "a"}, *unknown[] = {"a", "new"};
        struct job_new n = asking(m, "two");
        job_id j = 0;

        n.next_classes_given = true;
        n.n_next_classes = 2;
        n.next_classes = unknown;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), STORE_NOT_FOUND); /* classes are fixed here */
        unknown[1] = "a";
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), -EINVAL); /* twice the same */
        n.next_classes = known;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), 0);
        kit_reopen(k);
        struct job got = get(k, j);
        assert_int_equal(got.kind, JOB_ROLLOVER);
        assert_string_equal(got.next_task, "two");
        assert_true(got.next_classes_given);
        assert_int_equal(got.n_next_classes, 2);
        assert_string_equal(got.next_classes[0], "c");
        n.next_task = NULL;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), -EINVAL);
}

static void moves_are_compare_and_set(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        uint32_t attempts = 0;

        assert_int_equal(store_job_move(k->s, j, JOB_RUNNING, JOB_JUDGING, NULL, &k->e), STORE_CONFLICT);
        assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_JUDGING, NULL, &k->e), -EINVAL);
        assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_EXPORTING, NULL, &k->e), -EINVAL); /* a claim */
        assert_int_equal(store_job_claim(k->s, j, 5, &k->e), 0);
        assert_int_equal(store_job_claim(k->s, j, 5, &k->e), STORE_CONFLICT);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_QUEUED, "half a bundle", &k->e), 0);
        assert_int_equal(store_job_claim(k->s, j, 6, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_RUNNING, NULL, &k->e), 0);
        assert_int_equal(store_job_attempt(k->s, j, &attempts, &k->e), 0);
        assert_int_equal(store_job_attempt(k->s, j, &attempts, &k->e), 0);
        assert_int_equal(attempts, 2);
        assert_int_equal(store_job_move(k->s, j, JOB_RUNNING, JOB_JUDGING, NULL, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_JUDGING, JOB_PROMOTED, NULL, &k->e), -EINVAL); /* a commit */
        fake_clock_advance_ms(&k->clock, 3);
        assert_int_equal(store_job_move(k->s, j, JOB_JUDGING, JOB_FAILED, "result is not readable", &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_JUDGING, JOB_CANCELLED, NULL, &k->e), STORE_CONFLICT);
        kit_reopen(k);
        struct job got = get(k, j);
        assert_int_equal(got.state, JOB_FAILED);
        assert_string_equal(got.reason, "result is not readable");
        assert_int_equal(got.ended_ms, 1700000000003);
        assert_int_equal(got.seed, 6);
        assert_int_equal(got.attempts, 2);
        assert_int_equal(store_job_move(k->s, 99, JOB_QUEUED, JOB_CANCELLED, NULL, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_job_attempt(k->s, 99, &attempts, &k->e), STORE_NOT_FOUND);
}

static void a_claim_freezes_what_the_job_is_about(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct alias a;

        kit_fill(k, other, 0, 3);
        struct receipt rows = kit_fill(k, m, 0, 5);
        kit_fill(k, other, 3, 4);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_job_claim(k->s, j, UINT64_MAX, &k->e), 0);
        kit_fill(k, m, 5, 9); /* later rows and a moved champion change nothing */
        assert_int_equal(store_alias_set(k->s, m, "champion", 1, 1, "op", "", &a, &k->e), 0);
        kit_reopen(k);
        struct job got = get(k, j);
        assert_int_equal(got.state, JOB_EXPORTING);
        assert_int_equal(got.parent_number, 1);
        assert_int_equal(got.task, kit_task(k, m, NULL).id);
        assert_int_equal(got.range.first, rows.first_seq);
        assert_int_equal(got.range.last, rows.last_seq);
        assert_true(got.seed == UINT64_MAX);
        assert_true(got.started_ms > 0);
}

static void a_claim_of_an_empty_task(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);

        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
        struct job got = get(k, j);
        assert_true(got.range.first > got.range.last);
        assert_int_equal(store_job_claim(k->s, 99, 1, &k->e), STORE_NOT_FOUND);
}

static void what_is_asked_comes_back(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct job_new n = asking(m, NULL);
        char text[REASON_SIZE + 1];
        job_id j = 0;

        for (enum trigger_kind t = TRIGGER_MANUAL; t <= TRIGGER_UNLEARN; t++) {
                n.trigger = t;
                n.strategy = (enum strategy)(t % 4);
                n.dry_run = t % 2 == 0;
                n.upto_seq = t == TRIGGER_DAILY ? 0 : 40 + (unsigned)t;
                n.trigger_text = t == TRIGGER_MANUAL ? NULL : "accuracy 0.91, then 0.80";
                assert_int_equal(store_job_create(k->s, &n, &j, &k->e), 0);
                if (t == TRIGGER_DAILY)
                        kit_reopen(k);
                struct job got = get(k, j);
                assert_int_equal(got.trigger, t);
                assert_int_equal(got.strategy, n.strategy);
                assert_int_equal(got.dry_run, n.dry_run);
                assert_int_equal(got.upto_seq, n.upto_seq);
                assert_string_equal(got.trigger_text, n.trigger_text ? n.trigger_text : "");
                assert_int_equal(got.alpha_task, 0);
                assert_true(got.alpha == 0);
                assert_int_equal(got.rebuild_of, 0);
                assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_CANCELLED, NULL, &k->e), 0);
        }
        memset(text, 'x', REASON_SIZE);
        text[REASON_SIZE] = '\0';
        n.trigger_text = text;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), -EINVAL);
        text[REASON_SIZE - 1] = '\0';
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_CANCELLED, NULL, &k->e), 0);
        n.trigger = (enum trigger_kind)9;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), -EINVAL);
        n.trigger = TRIGGER_MANUAL;
        n.strategy = (enum strategy)4;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), -EINVAL);
        n.strategy = STRATEGY_FIXED;
        n.kind = (enum job_kind)5;
        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), -EINVAL);
}

static struct seq_range claimed(struct kit *k, struct job_new n)
{
        job_id j = 0;

        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), 0);
        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_CANCELLED, NULL, &k->e), 0);
        return get(k, j).range;
}

static void a_claim_goes_up_to_its_bound(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct job_new n = asking(m, NULL);
        struct seq_range r;

        kit_fill(k, other, 0, 3);
        struct receipt rows = kit_fill(k, m, 0, 5);
        n.upto_seq = rows.last_seq - 2;
        r = claimed(k, n);
        assert_int_equal(r.first, rows.first_seq);
        assert_int_equal(r.last, rows.last_seq - 2);
        n.upto_seq = rows.last_seq + 9; /* no more than there is */
        assert_int_equal(claimed(k, n).last, rows.last_seq);
        n.upto_seq = rows.first_seq - 1; /* none of them: empty */
        r = claimed(k, n);
        assert_int_equal(r.last, rows.first_seq - 1);
        assert_int_equal(r.first, rows.first_seq);
        assert_true(r.first > r.last);
}

struct ids {
        job_id id[8];
        size_t n;
};

static int collect(void *arg, const struct job *j)
{
        struct ids *l = arg;
        l->id[l->n++] = j->id;
        return 0;
}

static void lists_newest_first(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), m2 = kit_model(k, "m2", SCENARIO_DOMAIN);
        job_id j[3];
        struct ids l = {0};

        for (int i = 0; i < 3; i++) {
                j[i] = kit_job(k, i == 1 ? m2 : m, NULL, false, 0, NULL);
                if (i == 0)
                        assert_int_equal(store_job_move(k->s, j[i], JOB_QUEUED, JOB_FAILED, "x", &k->e), 0);
        }
        struct job_filter f = {0};
        assert_int_equal(store_job_list(k->s, &f, collect, &l, &k->e), 0);
        assert_int_equal(l.n, 3);
        assert_int_equal(l.id[0], j[2]);
        assert_int_equal(l.id[2], j[0]);
        f.model = m;
        l.n = 0;
        assert_int_equal(store_job_list(k->s, &f, collect, &l, &k->e), 0);
        assert_int_equal(l.n, 2);
        f = (struct job_filter){.active_only = true, .limit = 1};
        l.n = 0;
        assert_int_equal(store_job_list(k->s, &f, collect, &l, &k->e), 0);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.id[0], j[2]);
        f = (struct job_filter){.before = j[2]};
        l.n = 0;
        assert_int_equal(store_job_list(k->s, &f, collect, &l, &k->e), 0);
        assert_int_equal(l.n, 2);
        assert_int_equal(l.id[0], j[1]);
}

STORE_TESTS(store_job_tests, STORE_TEST(one_active_job_per_model), STORE_TEST(a_rollover_names_its_task_and_classes),
    STORE_TEST(moves_are_compare_and_set), STORE_TEST(a_claim_freezes_what_the_job_is_about),
    STORE_TEST(a_claim_of_an_empty_task), STORE_TEST(what_is_asked_comes_back),
    STORE_TEST(a_claim_goes_up_to_its_bound), STORE_TEST(lists_newest_first));
