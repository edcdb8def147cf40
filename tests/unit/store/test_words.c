/* test_words.c: the audit's sentences name what they are about, and are cut rather than overrun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/words.h"
#include <string.h>

static void sentences(void **state)
{
        const struct job_new roll = {.kind = JOB_ROLLOVER, .trigger = TRIGGER_MANUAL, .next_task = "high"};
        const struct job_new plain = {.kind = JOB_CONSOLIDATE, .trigger = TRIGGER_MIN_FEEDBACK};

        (void)state;
        assert_string_equal(words_job(3, &roll).text, "job 3: rollover to task high, trigger manual");
        assert_string_equal(words_job(4, &plain).text, "job 4: consolidate, trigger min_feedback");
        assert_string_equal(words_claim(3, 2, "low", (struct seq_range){1, 20}, 7).text,
            "job 3: from version 2, task low, feedback 1 to 20, seed 7");
        assert_string_equal(words_attempt(3, 2).text, "job 3: learner start 2");
        assert_string_equal(words_outcome(3, 5, false, "lost 3 pt").text, "job 3: version 5 rejected: lost 3 pt");
        assert_string_equal(
            words_outcome(3, 5, true, "promoted: task a gained").text, "job 3: version 5 promoted: task a gained");
        assert_string_equal(words_rollover(3, 5, "low", "high", "fine").text,
            "job 3: task low closed by version 5, task high opened: fine");
        assert_string_equal(
            words_alias("champion", 4, 5, 9, "back").text, "champion moved from version 5 to 4, epoch 9: back");
        assert_string_equal(words_alias("canary", 4, 0, 1, "new").text, "canary set to version 4, epoch 1: new");
}

static void long_ones_are_cut(void **state)
{
        char reason[2 * WORDS_SIZE];

        (void)state;
        memset(reason, 'x', sizeof(reason));
        reason[sizeof(reason) - 1] = '\0';
        assert_int_equal(strlen(words_outcome(1, 2, true, reason).text), WORDS_SIZE - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(sentences), cmocka_unit_test(long_ones_are_cut)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
