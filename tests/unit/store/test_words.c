/* test_words.c: the audit's sentences name what they are about, and are cut rather than overrun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/words.h"
#include <string.h>

static void jobs(void **state)
{
        const struct job_new roll = {.kind = JOB_ROLLOVER, .trigger = TRIGGER_MANUAL, .next_task = "high"};
        const struct job_new plain = {.kind = JOB_CONSOLIDATE, .trigger = TRIGGER_MIN_FEEDBACK, .trigger_text = ""};
        const struct job_new full = {.kind = JOB_CONSOLIDATE,
            .trigger = TRIGGER_ACCURACY,
            .trigger_text = "0.91, then 0.80",
            .strategy = STRATEGY_DISTILL,
            .dry_run = true,
            .upto_seq = 77};
        const struct job_new weigh = {.kind = JOB_REWEIGHT, .trigger = TRIGGER_MANUAL, .alpha_task = 4, .alpha = 0.5};
        const struct job_new again = {.kind = JOB_REBUILD, .trigger = TRIGGER_MANUAL, .rebuild_of = 9};

        (void)state;
        assert_string_equal(words_job(3, &roll, NULL, 0).text, "job 3: rollover to task high, trigger manual");
        assert_string_equal(words_job(4, &plain, NULL, 0).text, "job 4: consolidate, trigger min_feedback");
        assert_string_equal(words_job(4, &full, NULL, 0).text,
            "job 4: consolidate, dry run, strategy distill, "
            "feedback up to 77, trigger accuracy: 0.91, then 0.80");
        assert_string_equal(
            words_job(5, &weigh, "low", 0).text, "job 5: reweight task low to alpha 0.5, trigger manual");
        assert_string_equal(words_job(6, &again, NULL, 2).text, "job 6: rebuild version 2, trigger manual");
        assert_string_equal(words_claim(3, 2, "low", (struct seq_range){1, 20}, 7).text,
            "job 3: from version 2, task low, feedback 1 to 20, seed 7");
        assert_string_equal(words_attempt(3, 2).text, "job 3: learner start 2");
}

static void promotions(void **state)
{
        (void)state;
        assert_string_equal(words_promoted("op", "good enough").text, "promoted: by op: good enough");
        assert_string_equal(words_promoted("shadow", "promoted: 40 won").text, "promoted: by shadow: 40 won");
        assert_string_equal(words_promoted("op", "").text, "promoted: by op");
}

static void outcomes(void **state)
{
        const uint64_t numbers[] = {2, 3, 7};

        (void)state;
        assert_string_equal(
            words_outcome(3, 5, JOB_REJECTED, false, "lost 3 pt").text, "job 3: version 5 rejected: lost 3 pt");
        assert_string_equal(words_outcome(3, 5, JOB_PROMOTED, false, "promoted: task a gained").text,
            "job 3: version 5 promoted: task a gained");
        assert_string_equal(words_outcome(3, 5, JOB_CANDIDATE, true, "candidate: fine").text,
            "job 3: version 5 candidate by a dry run: fine");
        assert_string_equal(words_rollover(3, 5, "low", "high", "fine").text,
            "job 3: task low closed by version 5, task high opened: fine");
        assert_string_equal(
            words_alpha(3, "low", 1, 0.25, 6).text, "job 3: alpha of task low from 1 to 0.25 with version 6");
        assert_string_equal(
            words_rebuild(3, 5, true, "verified: all").text, "job 3: version 5 rebuilt, the same bits: all");
        assert_string_equal(
            words_rebuild(3, 5, false, "rejected: theta").text, "job 3: version 5 rebuilt, not the same bits: theta");
        assert_string_equal(
            words_prune(1, numbers, 0, NULL).text, "tensors of 1 version dropped, 0 kept beside those in use: 2");
        assert_string_equal(words_prune(3, numbers, 4, "the disk").text,
            "tensors of 3 versions dropped (the disk), 4 kept beside those in use: 2, 3, 7");
        assert_string_equal(
            words_alpha(0, "low", 1, 0.25, 6).text, "alpha of task low from 1 to 0.25 with version 6");
        assert_string_equal(words_prune(3, numbers, 4, "").text,
            "tensors of 3 versions dropped, 4 kept beside those in use: 2, 3, 7");
        assert_string_equal(
            words_alias("champion", 4, 5, 9, "back").text, "champion moved from version 5 to 4, epoch 9: back");
        assert_string_equal(words_alias("canary", 4, 0, 1, "new").text, "canary set to version 4, epoch 1: new");
}

static void labels(void **state)
{
        const struct feedback_selection event = {.event_id = "e1"}, source = {.source = "lab"};
        const struct erased some = {.n = 3, .n_used = 2, .first_version_number = 7}, unused = {.n = 3};
        const struct unlearned back = {.n_erased = 5, .from_number = 9, .back_to_number = 4},
                               stays = {.n_erased = 5, .from_number = 9, .back_to_number = 9};

        (void)state;
        assert_string_equal(words_superseded(CONFLICT_LATEST).text, "another label of the event counts: latest");
        assert_string_equal(words_erased("op", NULL).text, "erased by op");
        assert_string_equal(words_refused("op", "").text, "refused by op");
        assert_string_equal(words_erased("op", "asked").text, "erased by op: asked");
        assert_string_equal(words_refused("op", "a joke").text, "refused by op: a joke");
        assert_string_equal(words_unlearned("lab", "op", "broken").text, "source lab unlearned by op: broken");
        assert_string_equal(
            words_erase(&source, &unused, "asked").text, "feedback of source lab: 3 rows erased: asked");
        assert_string_equal(
            words_release("e1", true, 2, "seen").text, "feedback of event e1: 2 quarantined rows accepted: seen");
        assert_string_equal(words_unlearn("lab", &stays, "broken").text,
            "source lab: 5 rows erased, champion stays at version 9: broken");
        assert_string_equal(words_unlearned("lab", "op", NULL).text, "source lab unlearned by op");
        assert_string_equal(words_expired(RETAIN_DAYS).text, "expired by retention: days");
        assert_string_equal(words_erase(&event, &some, NULL).text,
            "feedback of event e1: 3 rows erased, 2 of them used, first by version 7");
        assert_string_equal(words_erase(&source, &unused, NULL).text, "feedback of source lab: 3 rows erased");
        assert_string_equal(
            words_release("e1", true, 2, NULL).text, "feedback of event e1: 2 quarantined rows accepted");
        assert_string_equal(
            words_release("e1", false, 2, NULL).text, "feedback of event e1: 2 quarantined rows refused and erased");
        assert_string_equal(words_expire(RETAIN_USED, 4).text, "4 rows of feedback expired, retention used");
        assert_string_equal(
            words_unlearn("lab", &back, NULL).text, "source lab: 5 rows erased, champion back from version 9 to 4");
        assert_string_equal(
            words_unlearn("lab", &stays, NULL).text, "source lab: 5 rows erased, champion stays at version 9");
}

static void long_ones_are_cut(void **state)
{
        char reason[2 * WORDS_SIZE];

        (void)state;
        memset(reason, 'x', sizeof(reason));
        reason[sizeof(reason) - 1] = '\0';
        uint64_t many[2 * WORDS_SIZE] = {0};
        assert_int_equal(strlen(words_prune(2 * WORDS_SIZE, many, 1, NULL).text), WORDS_SIZE - 1);
        assert_int_equal(strlen(words_outcome(1, 2, JOB_PROMOTED, false, reason).text), WORDS_SIZE - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(jobs), cmocka_unit_test(promotions),
            cmocka_unit_test(outcomes), cmocka_unit_test(labels), cmocka_unit_test(long_ones_are_cut)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
