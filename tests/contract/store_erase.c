/* store_erase.c: rows taken out, released, and expired; what of them stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"
#include "contract/store_suite.h"
#include "store/event_hash.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct erased erase(struct kit *k, model_id m, const char *event_id, const char *source)
{
        return label_erase(k, m, (struct feedback_selection){.event_id = event_id, .source = source});
}

static void an_erased_event_stays_as_a_trace(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection gone = {.event_id = "nope"}, both = {.event_id = "e1", .source = "x"},
                                        neither = {0};
        enum feedback_verdict v;
        struct erased done;

        kit_fill(k, m, 0, 4);
        struct feedback_fate before = label_fate(k, m, "e1");
        kit_consolidate(k, m, 1, false);
        kit_consolidate(k, m, 2, true);
        done = erase(k, m, "e1", NULL);
        assert_int_equal(done.n, 1);
        assert_int_equal(done.n_used, 1);
        assert_int_equal(done.first_version_number, 2); /* a rejected one has learned from it too */
        kit_told(
            k, m, 0, "feedback.erase", "feedback of event e1: 1 rows erased, 1 of them used, first by version 2");
        kit_reopen(k);
        struct feedback_fate f = label_fate(k, m, "e1");
        assert_int_equal(f.state, FEEDBACK_FEATURES_ERASED);
        assert_int_equal(f.row.seq, before.row.seq);
        assert_int_equal(f.row.received_ms, before.row.received_ms);
        assert_int_equal(f.row.class, -1);
        assert_null(f.row.targets);
        assert_true(f.row.weight == 0);
        assert_int_equal(digest_u64(&f.row.payload), 0);
        assert_int_equal(f.job, 1);
        assert_int_equal(f.version_number, 2);
        assert_string_equal(f.row.why, "erased by op");
        assert_int_equal(label_counts(k, m).n_erased, 1);
        label_add(k, m, kit_row("e1", 1, false), CONFLICT_LATEST, &v); /* nothing comes back */
        assert_int_equal(v, FEEDBACK_ERASED);
        label_add(k, m, label("e1", "elsewhere", 1), CONFLICT_EARLIEST, &v);
        assert_int_equal(v, FEEDBACK_ERASED);
        done = erase(k, m, "e1", NULL);
        assert_int_equal(done.n + done.n_used + done.first_version_number, 0);
        assert_int_equal(store_feedback_erase(k->s, m, &gone, "op", NULL, &done, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_feedback_erase(k->s, m, &both, "op", NULL, &done, &k->e), -EINVAL);
        assert_int_equal(store_feedback_erase(k->s, m, &neither, "op", NULL, &done, &k->e), -EINVAL);
        labels_agree(k, m);
}

static void an_erased_source_gives_way_to_the_others(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        enum feedback_verdict v;

        label_add(k, m, label("e", "bad", 0), CONFLICT_EARLIEST, NULL);
        label_add(k, m, label("e", "good", 1), CONFLICT_EARLIEST, NULL);
        label_add(k, m, label("f", "bad", 0), CONFLICT_LATEST, NULL);
        label_add(k, m, label("f", "bad", 1), CONFLICT_LATEST, NULL); /* one of its rows gave its key away */
        assert_int_equal(erase(k, m, NULL, "bad").n, 3);
        struct feedback_fate f = label_fate(k, m, "e");
        assert_int_equal(f.state, FEEDBACK_QUEUED);
        assert_string_equal(f.row.source, "good");
        assert_int_equal(label_counts(k, m).n_erased, 3);
        assert_int_equal(label_counts(k, m).n_superseded, 0);
        assert_int_equal(label_counts(k, m).n_live, 1);
        label_add(k, m, label("f", "bad", 2), CONFLICT_LATEST, &v);
        assert_int_equal(v, FEEDBACK_ERASED);
        label_add(k, m, label("f", "good", 2), CONFLICT_LATEST, &v); /* only the source was taken out */
        assert_int_equal(v, FEEDBACK_ACCEPTED);
        labels_agree(k, m);
}

static void a_frozen_row_is_not_erased(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection sel = {.event_id = "e0"};
        struct erased done;
        uint64_t n;

        kit_add(k, m, label_in(ROW_QUARANTINED, "q", "x", 0));
        kit_fill(k, m, 0, 3);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
        kit_fill(k, m, 3, 5);
        assert_int_equal(store_feedback_erase(k->s, m, &sel, "op", NULL, &done, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "job 1"));
        assert_int_equal(label_fate(k, m, "e0").state, FEEDBACK_QUEUED);
        assert_int_equal(label_counts(k, m).n_erased, 0);
        assert_int_equal(erase(k, m, "e4", NULL).n, 1); /* outside its range */
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_CANCELLED, "asked", &k->e), 0);
        assert_int_equal(erase(k, m, "e0", NULL).n, 1);
        assert_int_equal(store_feedback_release(k->s, m, "q", true, "op", NULL, &n, &k->e), 0);
        labels_agree(k, m);
}

static void why_it_was_done_is_kept(void **state)
{
        const struct feedback_selection e0 = {.event_id = "e0"};
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct erased done;
        struct unlearned u;
        char longest[202];
        uint64_t n = 0;

        for (int i = 0; i < 2; i++)
                kit_add(k, m, label_in(ROW_QUARANTINED, i == 0 ? "q" : "r", "lab", i));
        kit_fill(k, m, 0, 4);
        kit_add(k, m, label("x", "bad", 0));
        memset(longest, 'x', sizeof(longest));
        longest[201] = '\0';
        assert_int_equal(store_feedback_erase(k->s, m, &e0, "op", longest, &done, &k->e), -EINVAL);
        longest[200] = '\0';
        assert_int_equal(store_feedback_release(k->s, m, "q", true, "op", longest, &n, &k->e), 0);
        assert_int_equal(store_feedback_erase(k->s, m, &e0, "op", "asked for", &done, &k->e), 0);
        kit_told(k, m, 0, "feedback.erase", "feedback of event e0: 1 rows erased: asked for");
        assert_int_equal(store_feedback_release(k->s, m, "r", false, "op", "a joke", &n, &k->e), 0);
        kit_told(k, m, 0, "feedback.refuse", "feedback of event r: 1 quarantined rows refused and erased: a joke");
        kit_consolidate(k, m, 1, true);
        assert_int_equal(store_source_unlearn(k->s, m, "bad", "op", "broken sensor", &u, &k->e), 0);
        kit_told(k, m, 0, "alias.set",
            "champion moved from version 2 to 1, epoch 3: source bad unlearned by op: broken sensor");
        kit_told(
            k, m, 1, "source.unlearn", "source bad: 1 rows erased, champion back from version 2 to 1: broken sensor");
        assert_int_equal(store_version_prune(k->s, m, 0, "op", "the disk", &n, &k->e), 0);
        assert_int_equal(n, 1);
        kit_told(k, m, 0, "version.prune", "tensors of 1 version dropped (the disk), 0 kept beside those in use: 2");
        kit_reopen(k);
        assert_string_equal(label_fate(k, m, "e0").row.why, "erased by op: asked for");
        assert_string_equal(label_fate(k, m, "r").row.why, "refused by op: a joke");
        assert_string_equal(label_fate(k, m, "x").row.why, "source bad unlearned by op: broken sensor");
}

static void quarantined_rows_are_released(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        uint64_t n = 0;

        for (int i = 0; i < 3; i++) {
                static const char *const ids[] = {"a", "b", "c"};
                struct feedback q = label(ids[i], "x", i);
                q.state = ROW_QUARANTINED;
                q.why = "watched";
                label_add(k, m, q, CONFLICT_LATEST, NULL);
        }
        label_add(k, m, label("c", "y", 0), CONFLICT_LATEST, NULL);
        kit_consolidate(k, m, 1, true); /* has passed over them */
        assert_int_equal(store_feedback_release(k->s, m, "a", true, "op", NULL, &n, &k->e), 0);
        assert_int_equal(n, 1);
        kit_told(k, m, 0, "feedback.accept", "feedback of event a: 1 quarantined rows accepted");
        assert_int_equal(label_fate(k, m, "a").state, FEEDBACK_QUEUED); /* no job has used it yet */
        assert_int_equal(store_feedback_release(k->s, m, "a", true, "op", NULL, &n, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_feedback_release(k->s, m, "b", false, "op", NULL, &n, &k->e), 0);
        struct feedback_fate f = label_fate(k, m, "b");
        assert_int_equal(f.state, FEEDBACK_FEATURES_ERASED);
        assert_string_equal(f.row.why, "refused by op");
        assert_int_equal(f.job, 0);
        assert_int_equal(store_feedback_release(k->s, m, "c", true, "op", NULL, &n, &k->e), 0);
        assert_int_equal(label_counts(k, m).n_live, 2); /* its vote is older than the other one */
        assert_string_equal(label_fate(k, m, "c").row.source, "y");
        assert_int_equal(store_feedback_release(k->s, m, "nope", true, "op", NULL, &n, &k->e), STORE_NOT_FOUND);
        kit_reopen(k);
        kit_consolidate(k, m, 2, true);
        f = label_fate(k, m, "a");
        assert_int_equal(f.state, FEEDBACK_USED);
        assert_int_equal(f.job, 2);
        labels_agree(k, m);
}

/* --- retention --- */

enum { MANY = 24 };

static bool is_live(struct kit *k, model_id m, int i)
{
        char id[16];

        snprintf(id, sizeof(id), "e%d", i);
        return label_fate(k, m, id).state != FEEDBACK_EXPIRED;
}

static void used_rows_go_but_for_the_lowest_hashes(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct retention how = {.mode = RETAIN_USED, .replay_per_class = 2};
        enum feedback_verdict v;
        uint64_t left[3] = {0};

        kit_fill(k, m, 0, MANY);
        assert_int_equal(label_expire(k, m, how, 1000), 0); /* no job has used them */
        kit_consolidate(k, m, 1, true);
        kit_fill(k, m, MANY, MANY + 4);
        assert_int_equal(label_expire(k, m, how, 0), 0);
        assert_int_equal(label_expire(k, m, how, 5), 5);
        assert_int_equal(label_counts(k, m).n_expired, 5);
        assert_int_equal(label_expire(k, m, how, 1000), 18 - 6 - 5);
        assert_int_equal(label_expire(k, m, how, 1000), 0);
        kit_reopen(k);
        for (int i = 0; i < MANY; i++) {
                char id[16];
                int lower = 0;
                snprintf(id, sizeof(id), "e%d", i);
                for (int o = 0; o < MANY; o++) {
                        char other[16];
                        snprintf(other, sizeof(other), "e%d", o);
                        lower += o % 4 != 3 && o % 3 == i % 3 && event_hash(other, "") < event_hash(id, "");
                }
                assert_int_equal(is_live(k, m, i), i % 4 == 3 || lower < 2); /* holdout rows have no cap here */
                left[i % 3] += i % 4 != 3 && is_live(k, m, i);
        }
        assert_true(left[0] == 2 && left[1] == 2 && left[2] == 2);
        for (int i = MANY; i < MANY + 4; i++)
                assert_true(is_live(k, m, i));
        int gone = 0;
        while (is_live(k, m, gone))
                gone++;
        char id[16];
        snprintf(id, sizeof(id), "e%d", gone);
        struct feedback_fate f = label_fate(k, m, id);
        assert_int_equal(f.row.class, -1);
        assert_int_equal(f.job, 1);
        assert_int_equal(f.version_number, 2);
        assert_non_null(strstr(f.row.why, "used"));
        label_add(k, m, kit_row(id, gone % 3, false), CONFLICT_EARLIEST, &v); /* a retry is known as one */
        assert_int_equal(v, FEEDBACK_DUPLICATE);
        assert_int_equal(label_counts(k, m).n_new, 3);
        labels_agree(k, m);
}

/* While a job reads the store it may read rows of closed tasks too. */
static void older_rows_are_frozen_while_a_job_reads(void **state)
{
        static const struct retention how = {.mode = RETAIN_ROLLOVER};
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection sel = {.event_id = "e0"};
        struct erased done;

        kit_fill(k, m, 0, 4);
        kit_roll(k, m, "two", 1);
        kit_fill(k, m, 4, 6);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
        kit_fill(k, m, 6, 7);
        assert_int_equal(store_feedback_erase(k->s, m, &sel, "op", NULL, &done, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "job 2"));
        assert_int_equal(label_expire(k, m, how, 1000), 0);
        label_add(k, m, label("e0", "x", 2), CONFLICT_LATEST, NULL);
        assert_int_equal(label_counts(k, m).n_superseded, 0); /* later */
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_RUNNING, NULL, &k->e), 0);
        assert_int_equal(store_feedback_erase(k->s, m, &sel, "op", NULL, &done, &k->e), STORE_CONFLICT);
        assert_int_equal(erase(k, m, "e6", NULL).n, 1); /* came after it was claimed */
        assert_int_equal(store_job_move(k->s, j, JOB_RUNNING, JOB_JUDGING, NULL, &k->e), 0);
        assert_int_equal(erase(k, m, "e1", NULL).n, 1);
        const struct feedback_selection own = {.event_id = "e4"};
        assert_int_equal(store_feedback_erase(k->s, m, &own, "op", NULL, &done, &k->e), STORE_CONFLICT);
        labels_agree(k, m);
}

/* What was rejected, or waits, may still be learned: only a version that came to serve has used its rows up. */
static void rows_go_when_what_learned_them_serves(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct retention how = {.mode = RETAIN_USED};

        kit_fill(k, m, 0, 4);
        label_add(k, m, label("e0", "late", 1), CONFLICT_EARLIEST, NULL); /* superseded */
        kit_consolidate(k, m, 1, false);
        assert_int_equal(label_expire(k, m, how, 1000), 0);
        kit_candidate(k, m, 2); /* 3 */
        assert_int_equal(label_expire(k, m, how, 1000), 0);
        kit_reopen(k);
        assert_int_equal(store_alias_set(k->s, m, "champion", 3, 1, "shadow", "better", NULL, &k->e), 0);
        assert_int_equal(label_expire(k, m, how, 2), 2);
        kit_consolidate(k, m, 3, true); /* the champion was 3 once */
        assert_int_equal(label_expire(k, m, how, 1000), 2);
        labels_agree(k, m);
}

static void a_class_outlives_its_rows(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_CLASS);

        kit_fill(k, m, 0, 3);
        kit_consolidate(k, m, 1, true);
        assert_int_equal(label_expire(k, m, (struct retention){.mode = RETAIN_USED}, 1000), 3);
        assert_int_equal(kit_task(k, m, NULL).n_classes, 3);
        assert_int_equal(label_counts(k, m).n_head_classes, 3);
        assert_int_equal(label_counts(k, m).n_open_classes, 0);
        kit_roll(k, m, "two", 2);
        assert_int_equal(kit_task(k, m, "one").n_classes, 3);
        labels_agree(k, m);
}

static void other_modes(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct feedback trusted = label("t", "x", 0);

        kit_fill(k, m, 0, 8);
        trusted.holdout = trusted.trusted = true;
        kit_add(k, m, label_in(ROW_LATE, "late", "x", 0));
        kit_add(k, m, label_in(ROW_QUARANTINED, "held", "x", 0));
        kit_add(k, m, trusted);
        kit_consolidate(k, m, 1, true);
        assert_int_equal(
            label_expire(k, m, (struct retention){.mode = RETAIN_FOREVER, .replay_per_class = 1}, 1000), 0);
        assert_int_equal(label_expire(k, m, (struct retention){.mode = RETAIN_ROLLOVER}, 1000), 0);
        kit_roll(k, m, "two", 2);
        int64_t then = 1700000000000;
        fake_clock_advance_ms(&k->clock, 10);
        kit_fill(k, m, 8, 12);
        assert_int_equal(label_expire(k, m,
                             (struct retention){.mode = RETAIN_DAYS, .before_ms = then, .replay_per_class = 0}, 1000),
            0);
        /* one's six train rows but one of each class, and the late row; nobody has decided about the other */
        assert_int_equal(
            label_expire(k, m, (struct retention){.mode = RETAIN_ROLLOVER, .replay_per_class = 1}, 1000), 4);
        assert_int_equal(label_fate(k, m, "late").state, FEEDBACK_EXPIRED);
        assert_int_equal(label_fate(k, m, "held").state, FEEDBACK_QUARANTINED);
        assert_int_equal(label_expire(k, m, (struct retention){.mode = RETAIN_DAYS, .before_ms = then + 1}, 1000), 4);
        assert_int_equal(label_fate(k, m, "held").state, FEEDBACK_EXPIRED);
        assert_int_equal(kit_task(k, m, "one").n_train, 0);
        assert_int_equal(kit_task(k, m, "one").n_holdout, 3);
        assert_int_equal(kit_task(k, m, "two").n_train, 3);
        kit_told(k, m, 0, "feedback.expire", "4 rows of feedback expired, retention days");
        labels_agree(k, m);
}

static void holdout_rows_have_a_cap_and_trusted_ones_none(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct retention how = {.mode = RETAIN_FOREVER, .holdout_per_class = 1};
        const struct retention all = {.mode = RETAIN_DAYS, .before_ms = INT64_MAX, .holdout_per_class = 1};
        struct feedback f = label("t", "x", 0);

        for (int i = 0; i < 6; i++) {
                char id[8];
                snprintf(id, sizeof(id), "h%d", i);
                f = kit_row(id, i % 2, true);
                kit_add(k, m, f);
                snprintf(id, sizeof(id), "t%d", i);
                f = kit_row(id, i % 2, true);
                f.trusted = true;
                kit_add(k, m, f);
        }
        assert_int_equal(label_expire(k, m, how, 1000), 4);
        assert_int_equal(label_expire(k, m, how, 1000), 0);
        assert_int_equal(kit_task(k, m, NULL).n_holdout, 8);
        f = kit_row("h6", 0, true);
        kit_add(k, m, f);
        f = kit_row("train", 0, false);
        kit_add(k, m, f);
        assert_int_equal(label_expire(k, m, all, 1), 1); /* the limit is one of both kinds together */
        assert_int_equal(label_expire(k, m, all, 1), 1);
        assert_int_equal(label_expire(k, m, all, 1), 0);
        labels_agree(k, m);
}

static void rows_of_an_active_job_do_not_expire(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct retention how = {.mode = RETAIN_USED};

        kit_fill(k, m, 0, 4);
        kit_consolidate(k, m, 1, true);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
        assert_int_equal(label_expire(k, m, how, 1000), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_CANCELLED, "asked", &k->e), 0);
        assert_int_equal(label_expire(k, m, how, 1000), 3);
        labels_agree(k, m);
}

/* Only who had a vote makes its event vote again: a label that lost against one that has expired stays lost. */
static void a_refusal_wakes_no_other_label(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        uint64_t n;

        kit_add(k, m, label("e", "x", 0));
        kit_consolidate(k, m, 1, true);
        kit_add(k, m, label("e", "y", 1));
        kit_add(k, m, label_in(ROW_QUARANTINED, "e", "z", 2));
        assert_int_equal(label_expire(k, m, (struct retention){.mode = RETAIN_USED}, 1000), 1);
        assert_int_equal(store_feedback_release(k->s, m, "e", false, "op", NULL, &n, &k->e), 0);
        assert_int_equal(erase(k, m, NULL, "x").n, 1);
        assert_int_equal(label_counts(k, m).n_superseded, 1);
        assert_int_equal(label_counts(k, m).n_live, 0);
        labels_agree(k, m);
}

STORE_TESTS(store_erase_tests, STORE_TEST(an_erased_event_stays_as_a_trace),
    STORE_TEST(an_erased_source_gives_way_to_the_others), STORE_TEST(a_frozen_row_is_not_erased),
    STORE_TEST(older_rows_are_frozen_while_a_job_reads), STORE_TEST(rows_go_when_what_learned_them_serves),
    STORE_TEST(why_it_was_done_is_kept), STORE_TEST(quarantined_rows_are_released),
    STORE_TEST(a_refusal_wakes_no_other_label), STORE_TEST(used_rows_go_but_for_the_lowest_hashes),
    STORE_TEST(a_class_outlives_its_rows), STORE_TEST(other_modes),
    STORE_TEST(holdout_rows_have_a_cap_and_trusted_ones_none), STORE_TEST(rows_of_an_active_job_do_not_expire));
