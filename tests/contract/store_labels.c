/* store_labels.c: several labels of one event, states a row comes in, trust, the prediction a row answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"
#include "contract/store_suite.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static void labels_of_one_event_are_votes(void **state)
{
        static const struct {
                enum conflict_policy p;
                int32_t after[5]; /* the class that counts after each vote */
        } expect[] = {{CONFLICT_EARLIEST, {0, 0, 0, 0, 0}}, {CONFLICT_LATEST, {0, 1, 1, 2, 2}},
            {CONFLICT_MAJORITY, {0, 0, 1, 1, 1}}};
        static const int32_t votes[5] = {0, 1, 1, 2, 2};
        static const char *const sources[5] = {"v", "w", "x", "y", "z"};
        struct kit *k = *state;

        for (size_t i = 0; i < 3; i++) {
                const char names[3][2] = {"a", "b", "c"};
                model_id m = kit_model(k, names[i], SCENARIO_DOMAIN);
                for (int v = 0; v < 5; v++) {
                        struct receipt got = label_add(k, m, label("e", sources[v], votes[v]), expect[i].p, NULL);
                        assert_int_equal(got.n_accepted, 1);
                        assert_int_equal(label_counting(k, m), expect[i].after[v]);
                        bool lost = expect[i].p == CONFLICT_EARLIEST   ? v > 0
                                    : expect[i].p == CONFLICT_MAJORITY ? v > 0
                                                                       : false;
                        assert_int_equal(got.n_superseded, lost);
                }
                struct counters c = label_counts(k, m);
                assert_int_equal(c.n_live, 1);
                assert_int_equal(c.n_superseded, 4);
                assert_int_equal(c.n_new, 1);
                assert_int_equal(c.n_open_train, 1);
                assert_int_equal(c.n_open_classes, 1);
                struct feedback_fate f = label_fate(k, m, "e"); /* the one that counts */
                assert_int_equal(f.state, FEEDBACK_QUEUED);
                assert_int_equal(f.row.class, expect[i].after[4]);
        }
        kit_reopen(k);
        labels_agree(k, 1);
        labels_agree(k, 3);
}

/* In one call: what a row supersedes counts as superseded too. */
static void votes_of_one_call(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_rules latest = {CONFLICT_LATEST};
        const struct feedback rows[] = {label("e", "x", 0), label("f", "x", 1), label("e", "y", 2)};
        struct receipt got;

        assert_int_equal(store_feedback_add(k->s, m, rows, 3, &latest, NULL, &got, &k->e), 0);
        assert_int_equal(got.n_accepted, 3);
        assert_int_equal(got.n_superseded, 1);
        assert_int_equal(label_counts(k, m).n_live, 2);
        labels_agree(k, m);
}

static void a_source_may_change_its_mind(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        enum feedback_verdict v;

        label_add(k, m, label("e", "x", 0), CONFLICT_EARLIEST, &v);
        label_add(k, m, label("e", "x", 1), CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_CONFLICT);
        assert_int_equal(label_counting(k, m), 0);
        struct receipt got = label_add(k, m, label("e", "x", 1), CONFLICT_LATEST, &v);
        assert_int_equal(v, FEEDBACK_ACCEPTED);
        assert_int_equal(got.n_superseded, 0);
        assert_int_equal(label_counting(k, m), 1);
        kit_reopen(k);
        label_add(k, m, label("e", "x", 0), CONFLICT_EARLIEST, &v); /* not what it said last */
        assert_int_equal(v, FEEDBACK_CONFLICT);
        label_add(k, m, label("e", "x", 1), CONFLICT_MAJORITY, &v);
        assert_int_equal(v, FEEDBACK_DUPLICATE);
        label_add(k, m, label("e", "x", 2), CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_CONFLICT);
        /* a source has one vote, however often it speaks */
        label_add(k, m, label("e", "x", 2), CONFLICT_MAJORITY, NULL);
        assert_int_equal(label_counting(k, m), 2);
        label_add(k, m, label("e", "y", 0), CONFLICT_MAJORITY, NULL);
        assert_int_equal(label_counting(k, m), 2);
        label_add(k, m, label("e", "z", 0), CONFLICT_MAJORITY, NULL);
        assert_int_equal(label_counting(k, m), 0);
        assert_string_equal(label_fate(k, m, "e").row.source, "y");
        assert_int_equal(label_counts(k, m).n_superseded, 4);
        labels_agree(k, m);
}

static void a_correction_may_go_back(void **state)
{
        struct kit *k = *state;

        for (enum conflict_policy p = CONFLICT_LATEST; p <= CONFLICT_MAJORITY; p++) {
                model_id m = kit_model(k, p == CONFLICT_LATEST ? "a" : "b", SCENARIO_DOMAIN);
                enum feedback_verdict v;
                label_add(k, m, label("e", "x", 0), p, NULL);
                label_add(k, m, label("e", "x", 1), p, NULL);
                label_add(k, m, label("e", "x", 0), p, &v);
                assert_int_equal(v, FEEDBACK_ACCEPTED);
                assert_int_equal(label_counting(k, m), 0);
                label_add(k, m, label("e", "x", 0), p, &v);
                assert_int_equal(v, FEEDBACK_DUPLICATE);
                assert_int_equal(label_counts(k, m).n_superseded, 2);
                labels_agree(k, m);
        }
}

static void a_state_that_is_not_live_is_kept_and_not_learned(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct feedback q = label_in(ROW_QUARANTINED, "q", "x", 0), l = label_in(ROW_LATE, "l", "x", 1),
                        bad = label("b", "x", 1);
        enum feedback_verdict v;

        q.why = "source x is watched";
        l.why = "two days late";
        struct receipt got = label_add(k, m, q, CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_ACCEPTED);
        assert_int_equal(got.n_quarantined, 1);
        got = label_add(k, m, l, CONFLICT_EARLIEST, NULL);
        assert_int_equal(got.n_late, 1);
        kit_reopen(k);
        assert_int_equal(kit_rows(k, m), 0);
        assert_int_equal(label_fate(k, m, "q").state, FEEDBACK_QUARANTINED);
        assert_string_equal(label_fate(k, m, "q").row.why, "source x is watched");
        assert_int_equal(label_fate(k, m, "q").row.class, 0);
        assert_int_equal(label_fate(k, m, "l").state, FEEDBACK_LATE);
        assert_string_equal(label_fate(k, m, "l").row.why, "two days late");
        struct counters c = label_counts(k, m);
        assert_int_equal(c.n_quarantined, 1);
        assert_int_equal(c.n_late, 1);
        assert_true(c.n_live == 0 && c.n_new == 0 && c.oldest_new_ms == 0);
        label_add(k, m, q, CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_DUPLICATE);
        label_add(k, m, label("q", "y", 2), CONFLICT_EARLIEST, NULL); /* it has no vote yet */
        assert_int_equal(label_counting(k, m), 2);
        kit_consolidate(k, m, 1, true);
        assert_int_equal(label_fate(k, m, "l").state, FEEDBACK_LATE); /* nobody has used it */
        assert_int_equal(label_fate(k, m, "l").job, 0);

        bad.state = ROW_ERASED;
        assert_int_equal(store_feedback_add(k->s, m, &bad, 1, NULL, NULL, &got, &k->e), -EINVAL);
        bad.state = 0;
        bad.trusted = true; /* and no holdout row */
        assert_int_equal(store_feedback_add(k->s, m, &bad, 1, NULL, NULL, &got, &k->e), -EINVAL);
        labels_agree(k, m);
}

static void trusted_rows_go_to_closed_tasks_too(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct feedback f = label("t", "op", 1);
        enum feedback_verdict v;

        kit_fill(k, m, 0, 4);
        task_id one = kit_task(k, m, NULL).id;
        kit_roll(k, m, "two", 1);
        f.holdout = f.task_named = f.trusted = true;
        f.task = one;
        label_add(k, m, f, CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_ACCEPTED);
        assert_int_equal(kit_task(k, m, "one").n_holdout, 2);
        assert_true(label_fate(k, m, "t").row.trusted);
        assert_int_equal(label_fate(k, m, "t").state, FEEDBACK_HELD_OUT);
        assert_false(label_fate(k, m, "e3").row.trusted);
        f.event_id = "u";
        f.task = kit_task(k, other, NULL).id;
        label_add(k, m, f, CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_TASK_CLOSED);
        labels_agree(k, m);
}

struct last {
        struct feedback f;
        uint64_t n, seqs[8];
};

static int remember(void *arg, const struct feedback *f)
{
        struct last *l = arg;

        if (l->n < 8)
                l->seqs[l->n] = f->seq;
        l->n++;
        l->f = *f;
        assert_true(f->n_inputs == KIT_I && f->inputs[0] == 0.5f);
        return 0;
}

static void a_row_remembers_what_it_answers(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_filter all = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        struct feedback f = label("p", "x", 1);
        struct last l = {0};

        f.served_version = 7;
        f.served_class = 2;
        f.served_probability = 0.625f;
        kit_add(k, m, f);
        kit_reopen(k);
        assert_int_equal(store_feedback_scan(k->s, m, &all, remember, &l, &k->e), 0);
        assert_int_equal(l.f.served_version, 7);
        assert_int_equal(l.f.served_class, 2);
        assert_true(l.f.served_probability == 0.625f);
        assert_int_equal(label_fate(k, m, "p").row.served_version, 7);
        kit_add(k, m, label("q", "x", 1));
        assert_int_equal(store_feedback_scan(k->s, m, &all, remember, &l, &k->e), 0);
        assert_int_equal(l.f.served_version, 0);
        assert_int_equal(l.f.served_class, -1);
        assert_false(l.f.trusted);
}

static void the_newest_come_first(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct last l = {0};
        struct feedback late = label("late", "x", 0);

        uint64_t first = kit_fill(k, m, 0, 5).first_seq;
        kit_fill(k, kit_model(k, "other", SCENARIO_DOMAIN), 0, 3);
        late.state = ROW_LATE;
        kit_add(k, m, late);
        assert_int_equal(store_feedback_newest(k->s, m, 0, 0, remember, &l, &k->e), 0);
        assert_int_equal(l.n, 5);
        assert_int_equal(l.seqs[0], first + 4);
        assert_int_equal(l.seqs[4], first);
        l.n = 0;
        assert_int_equal(store_feedback_newest(k->s, m, first, 3, remember, &l, &k->e), 0);
        assert_int_equal(l.n, 3);
        assert_int_equal(l.seqs[2], first + 2);
        l.n = 0;
        assert_int_equal(store_feedback_newest(k->s, m, first + 3, 0, remember, &l, &k->e), 0);
        assert_int_equal(l.n, 1);
}

/* A job's rows stay as they are; the event is settled when it ends. */
static void rows_of_an_active_job_are_frozen(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v;

        label_add(k, m, label("e", "x", 0), CONFLICT_LATEST, NULL);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        kit_to_judging(k, j);
        struct receipt got = label_add(k, m, label("e", "x", 1), CONFLICT_LATEST, NULL);
        assert_int_equal(got.n_superseded, 0);
        assert_int_equal(label_counts(k, m).n_live, 2);
        kit_outcome(k, &w, m, j, true, 1, false);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        kit_reopen(k);
        assert_int_equal(label_counts(k, m).n_live, 1);
        assert_int_equal(label_counting(k, m), 1);
        labels_agree(k, m);
}

static void counters_know_the_last_job_and_the_closed_tasks(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct counters c;
        struct kit_outcome w;
        version_id v;

        kit_fill(k, m, 0, 8);
        c = label_counts(k, m);
        assert_true(c.last_job == 0 && !c.last_rejected && c.last_strategy == STRATEGY_FIXED);
        job_id j = kit_ask(k, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE, .strategy = STRATEGY_EWC});
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, false, 1, false);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        int64_t ended = label_counts(k, m).last_job_ended_ms;
        assert_true(ended > 0);
        fake_clock_advance_ms(&k->clock, 1000);
        job_id dry = kit_ask(
            k, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE, .strategy = STRATEGY_REPLAY, .dry_run = true});
        assert_int_equal(store_job_move(k->s, dry, JOB_QUEUED, JOB_CANCELLED, "asked", &k->e), 0);
        c = label_counts(k, m);
        assert_int_equal(c.last_job, j);
        assert_true(c.last_rejected && !c.last_rollover);
        assert_int_equal(c.last_job_ended_ms, ended); /* what only tries does not put off the next one */
        assert_int_equal(c.last_strategy, STRATEGY_EWC);
        assert_int_equal(c.n_closed + c.n_retained, 0);
        kit_roll(k, m, "two", 2);
        c = label_counts(k, m);
        assert_true(c.last_job > j && c.last_rollover && !c.last_rejected);
        assert_int_equal(c.n_closed, 1);
        assert_int_equal(c.n_retained, 6);
        assert_int_equal(c.last_job_ended_ms, ended + 1000);
        fake_clock_advance_ms(&k->clock, 1000);
        kit_ask(k,
            (struct job_new){.model = m, .kind = JOB_REWEIGHT, .alpha_task = kit_task(k, m, "one").id, .alpha = 2});
        assert_int_equal(store_job_move(k->s, c.last_job + 1, JOB_QUEUED, JOB_CANCELLED, "asked", &k->e), 0);
        assert_int_equal(label_counts(k, m).last_job_ended_ms, ended + 1000);
        j = kit_job(k, m, "three", false, 0, NULL);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, false, 3, false);
        assert_int_equal(store_rollover_commit(k->s, &w.o, NULL, &v, &k->e), 0);
        c = label_counts(k, m);
        assert_true(c.last_job == j && c.last_rollover && c.last_rejected);
        kit_consolidate(k, m, 3, true);
        c = label_counts(k, m);
        assert_false(c.last_rejected || c.last_rollover);
        labels_agree(k, m);
}

/* Rows above a rollover's range go to the next task in whatever state they are. */
static void rows_are_handed_over_in_every_state(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v;

        kit_fill(k, m, 0, 4);
        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_add(k, m, label_in(ROW_LATE, "late", "x", 0));
        kit_add(k, m, label("e", "x", 0));
        kit_add(k, m, label("e", "y", 0)); /* superseded */
        kit_outcome(k, &w, m, j, true, 1, true);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        assert_string_equal(label_fate(k, m, "late").task_name, "two");
        assert_int_equal(label_counts(k, m).n_new, 1);
        assert_int_equal(label_counts(k, m).n_open_train, 1);
        labels_agree(k, m);
}

STORE_TESTS(store_label_tests, STORE_TEST(labels_of_one_event_are_votes), STORE_TEST(votes_of_one_call),
    STORE_TEST(a_source_may_change_its_mind), STORE_TEST(a_correction_may_go_back),
    STORE_TEST(a_state_that_is_not_live_is_kept_and_not_learned), STORE_TEST(trusted_rows_go_to_closed_tasks_too),
    STORE_TEST(a_row_remembers_what_it_answers), STORE_TEST(the_newest_come_first),
    STORE_TEST(rows_of_an_active_job_are_frozen), STORE_TEST(rows_are_handed_over_in_every_state),
    STORE_TEST(counters_know_the_last_job_and_the_closed_tasks));
