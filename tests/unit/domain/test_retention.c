/* What expires, and the words of its price. */
#include "domain/retention.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define DAY INT64_C(86400000)
static const int64_t T = 1700000000000;

static void test_of(void **state)
{
        (void)state;
        static const struct {
                enum retention_mode mode;
                double days;
                int64_t before;
        } rows[] = {
            {RETAIN_FOREVER, 30, 0},
            {RETAIN_USED, 30, 0},
            {RETAIN_ROLLOVER, 30, 0},
            {RETAIN_DAYS, 30, 1700000000000 - 30 * DAY},
            {RETAIN_DAYS, 0.001, 1700000000000 - 86400},
            {RETAIN_DAYS, 36500, 1700000000000 - 36500 * DAY},
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                struct retention r;
                struct learning l;
                learning_defaults(&l);
                l.retention_features = rows[i].mode;
                l.retention_days = rows[i].days;
                l.retention_holdout_per_class = 50;
                l.retention_replay_per_class = 7;
                retention_of(&l, T, &r);
                assert_int_equal(r.mode, rows[i].mode);
                assert_true(r.before_ms == rows[i].before);
                assert_int_equal(r.holdout_per_class, 50);
                assert_int_equal(r.replay_per_class, 7);
        }
}

static void test_words(void **state)
{
        (void)state;
        static const struct {
                enum retention_mode mode;
                uint32_t holdout, replay;
                const char *starts, *ends;
        } rows[] = {
            {RETAIN_FOREVER, 0, 0,
                "features are kept for ever: joint training, rebuilding a version bit for bit, replay",
                "drift's reference have every row; the gate keeps every holdout row"},
            {RETAIN_FOREVER, 100, 9, "features are kept for ever", "from 100 holdout rows, to 10 points at worst"},
            {RETAIN_USED, 0, 0, "features of train rows go once a job has used them: joint training",
                "replay has no rows, drift's reference only holdout rows; the gate keeps every holdout row"},
            {RETAIN_USED, 30, 20, "features of train rows go once a job has used them",
                "up to 20 rows of each class; the gate knows a class's accuracy from 30 holdout rows, to 19 points "
                "at worst"},
            {RETAIN_ROLLOVER, 1, 0, "features of train rows go once their task has closed: ",
                "drift's reference the open task's; the gate knows a class's accuracy from 1 holdout rows, to 100 "
                "points "
                "at worst"},
            {RETAIN_DAYS, 4294967295u, 4294967295u,
                "features of train rows go after 12.5 days: ", "from 4294967295 holdout rows, to 1 points at worst"},
            {RETAIN_DAYS, 0, 0, "features of train rows go after 12.5 days: ",
                "those of that time; the gate keeps every holdout row"},
        };
        static const char *const told[] = {
            "joint training", "bit for bit", "unlearning", "replay", "the gate", "drift's"};
        for (size_t i = 0; i < LEN(rows); i++) {
                struct learning l;
                char words[REASON_SIZE];
                learning_defaults(&l);
                l.retention_features = rows[i].mode;
                l.retention_days = 12.5;
                l.retention_holdout_per_class = rows[i].holdout;
                l.retention_replay_per_class = rows[i].replay;
                retention_words(&l, words);
                assert_memory_equal(words, rows[i].starts, strlen(rows[i].starts));
                assert_true(strlen(words) > strlen(rows[i].ends));
                assert_string_equal(words + strlen(words) - strlen(rows[i].ends), rows[i].ends); /* nothing is cut */
                for (size_t k = 0; k < LEN(told); k++)
                        assert_non_null(strstr(words, told[k]));
        }
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(retention_mode_name(RETAIN_FOREVER), "forever");
        assert_string_equal(retention_mode_name(RETAIN_USED), "used");
        assert_string_equal(retention_mode_name(RETAIN_ROLLOVER), "rollover");
        assert_string_equal(retention_mode_name(RETAIN_DAYS), "days");
        assert_null(retention_mode_name((enum retention_mode)4));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_of), cmocka_unit_test(test_words), cmocka_unit_test(test_names)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
