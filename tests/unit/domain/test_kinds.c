/* Names of stored enums: every value has one, parsing is its inverse, numbers outside have none. */
#include "domain/kinds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(scenario_name(SCENARIO_TASK), "task");
        assert_string_equal(scenario_name(SCENARIO_DOMAIN), "domain");
        assert_string_equal(scenario_name(SCENARIO_CLASS), "class");
        assert_string_equal(task_state_name(TASK_OPEN), "open");
        assert_string_equal(task_state_name(TASK_CLOSED), "closed");
        assert_string_equal(job_kind_name(JOB_CONSOLIDATE), "consolidate");
        assert_string_equal(job_kind_name(JOB_ROLLOVER), "rollover");
        assert_string_equal(version_state_name(VERSION_INITIAL), "initial");
        assert_string_equal(version_state_name(VERSION_PROMOTED), "promoted");
        assert_string_equal(version_state_name(VERSION_REJECTED), "rejected");
        assert_string_equal(trigger_kind_name(TRIGGER_MANUAL), "manual");
        assert_string_equal(trigger_kind_name(TRIGGER_MIN_FEEDBACK), "min_feedback");
        assert_string_equal(trigger_kind_name(TRIGGER_INTERVAL), "interval");
        assert_string_equal(job_kind_name(JOB_REWEIGHT), "reweight");
        assert_string_equal(job_kind_name(JOB_REBUILD), "rebuild");
        assert_string_equal(version_state_name(VERSION_CANDIDATE), "candidate");
        assert_string_equal(trigger_kind_name(TRIGGER_DAILY), "daily");
        assert_string_equal(trigger_kind_name(TRIGGER_ACCURACY), "accuracy");
        assert_string_equal(trigger_kind_name(TRIGGER_INPUTS), "inputs");
        assert_string_equal(trigger_kind_name(TRIGGER_STRATEGY), "strategy");
        assert_string_equal(trigger_kind_name(TRIGGER_UNLEARN), "unlearn");
        assert_string_equal(strategy_name(STRATEGY_FIXED), "fixed");
        assert_string_equal(strategy_name(STRATEGY_EWC), "ewc");
        assert_string_equal(strategy_name(STRATEGY_REPLAY), "replay");
        assert_string_equal(strategy_name(STRATEGY_DISTILL), "distill");
        assert_string_equal(row_state_name(ROW_LIVE), "live");
        assert_string_equal(row_state_name(ROW_QUARANTINED), "quarantined");
        assert_string_equal(row_state_name(ROW_LATE), "late");
        assert_string_equal(row_state_name(ROW_SUPERSEDED), "superseded");
        assert_string_equal(row_state_name(ROW_ERASED), "erased");
        assert_string_equal(row_state_name(ROW_EXPIRED), "expired");
        assert_string_equal(tensor_role_name(TENSOR_THETA), "theta");
        assert_string_equal(tensor_role_name(TENSOR_FISHER), "fisher");
        assert_string_equal(tensor_role_name(TENSOR_ANCHOR), "theta_old");
}

static void test_unknown(void **state)
{
        (void)state;
        assert_null(scenario_name((enum scenario)4));
        assert_null(task_state_name((enum task_state)3));
        assert_null(job_kind_name((enum job_kind)5));
        assert_null(version_state_name((enum version_state)5));
        assert_null(trigger_kind_name((enum trigger_kind)9));
        assert_null(strategy_name((enum strategy)4));
        assert_null(row_state_name((enum row_state)7));
        assert_null(tensor_role_name((enum tensor_role)4));
        assert_null(row_state_name((enum row_state)0));
        assert_null(strategy_name((enum strategy) - 1));
        const unsigned bad[] = {0, 200, (unsigned)-1};
        for (size_t i = 0; i < 3; i++) {
                assert_null(scenario_name((enum scenario)bad[i]));
                assert_null(task_state_name((enum task_state)bad[i]));
                assert_null(job_kind_name((enum job_kind)bad[i]));
                assert_null(version_state_name((enum version_state)bad[i]));
                assert_null(trigger_kind_name((enum trigger_kind)bad[i]));
                assert_null(tensor_role_name((enum tensor_role)bad[i]));
        }
}

static void test_parse(void **state)
{
        (void)state;
        enum scenario s = SCENARIO_TASK;
        enum job_kind k = JOB_CONSOLIDATE;
        assert_true(scenario_parse("class", &s));
        assert_int_equal(s, SCENARIO_CLASS);
        assert_false(scenario_parse("Class", &s));
        assert_false(scenario_parse("", &s));
        assert_int_equal(s, SCENARIO_CLASS);
        assert_true(job_kind_parse("rollover", &k));
        assert_int_equal(k, JOB_ROLLOVER);
        assert_true(job_kind_parse("reweight", &k));
        assert_int_equal(k, JOB_REWEIGHT);
        assert_true(job_kind_parse("rebuild", &k));
        assert_int_equal(k, JOB_REBUILD);
        assert_false(job_kind_parse("train", &k));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_names), cmocka_unit_test(test_unknown), cmocka_unit_test(test_parse)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
