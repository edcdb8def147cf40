/* The table of job states against an independent list of every allowed move. */
#include "domain/job_sm.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const enum job_state states[] = {JOB_QUEUED, JOB_EXPORTING, JOB_RUNNING, JOB_JUDGING, JOB_PROMOTED,
    JOB_REJECTED, JOB_CANCELLED, JOB_FAILED, JOB_CANDIDATE, JOB_VERIFIED};
static const char *const names[] = {"queued", "exporting", "running", "judging", "promoted", "rejected", "cancelled",
    "failed", "candidate", "verified"};
enum { N = 10 };

static const struct {
        enum job_state from, to;
} moves[] = {
    {JOB_QUEUED, JOB_EXPORTING},
    {JOB_QUEUED, JOB_CANCELLED},
    {JOB_QUEUED, JOB_FAILED},
    {JOB_EXPORTING, JOB_RUNNING},
    {JOB_EXPORTING, JOB_QUEUED},
    {JOB_EXPORTING, JOB_CANCELLED},
    {JOB_EXPORTING, JOB_FAILED},
    {JOB_RUNNING, JOB_JUDGING},
    {JOB_RUNNING, JOB_CANCELLED},
    {JOB_RUNNING, JOB_FAILED},
    {JOB_JUDGING, JOB_PROMOTED},
    {JOB_JUDGING, JOB_REJECTED},
    {JOB_JUDGING, JOB_CANDIDATE},
    {JOB_JUDGING, JOB_VERIFIED},
    {JOB_JUDGING, JOB_CANCELLED},
    {JOB_JUDGING, JOB_FAILED},
};

static bool listed(enum job_state from, enum job_state to)
{
        for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
                if (moves[i].from == from && moves[i].to == to)
                        return true;
        return false;
}

static void test_moves(void **state)
{
        (void)state;
        for (int i = 0; i < N; i++)
                for (int k = 0; k < N; k++)
                        assert_int_equal(job_may_move(states[i], states[k]), listed(states[i], states[k]));
        assert_false(job_may_move((enum job_state)0, JOB_QUEUED));
        assert_false(job_may_move(JOB_QUEUED, (enum job_state)99));
        assert_false(job_may_move(JOB_QUEUED, (enum job_state)7));
}

static void test_names(void **state)
{
        (void)state;
        for (int i = 0; i < N; i++) {
                enum job_state got = (enum job_state)0;
                assert_string_equal(job_state_name(states[i]), names[i]);
                assert_true(job_state_parse(names[i], &got));
                assert_int_equal(got, states[i]);
        }
        enum job_state got = JOB_QUEUED;
        assert_false(job_state_parse("done", &got));
        assert_int_equal(got, JOB_QUEUED);
        assert_null(job_state_name((enum job_state)5));
        assert_null(job_state_name((enum job_state) - 1));
}

static void test_ends_and_restarts(void **state)
{
        (void)state;
        for (int i = 0; i < N; i++)
                assert_int_equal(job_has_ended(states[i]), states[i] >= 10);
        assert_false(job_has_ended((enum job_state)0));
        assert_int_equal(job_restart_rule(JOB_QUEUED), RESTART_KEEP);
        assert_int_equal(job_restart_rule(JOB_EXPORTING), RESTART_REQUEUE);
        assert_int_equal(job_restart_rule(JOB_RUNNING), RESTART_RESUME);
        assert_int_equal(job_restart_rule(JOB_JUDGING), RESTART_REJUDGE);
        assert_int_equal(job_restart_rule(JOB_FAILED), RESTART_KEEP);
        assert_int_equal(job_restart_rule(JOB_CANDIDATE), RESTART_KEEP);
        assert_int_equal(job_restart_rule(JOB_VERIFIED), RESTART_KEEP);
        assert_int_equal(job_restart_rule((enum job_state)6), RESTART_KEEP);
}

static void test_reason_says_its_state_once(void **state)
{
        (void)state;
        assert_string_equal(job_reason_rest("promoted", "promoted: task low gained"), "task low gained");
        assert_string_equal(job_reason_rest("rejected", "promoted: x"), "promoted: x");
        assert_string_equal(job_reason_rest("rejected", "parent replaced"), "parent replaced");
        assert_string_equal(job_reason_rest("promoted", "promoted:"), "promoted:");
        assert_string_equal(job_reason_rest("promoted", ""), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_moves), cmocka_unit_test(test_names),
            cmocka_unit_test(test_ends_and_restarts), cmocka_unit_test(test_reason_says_its_state_once)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
