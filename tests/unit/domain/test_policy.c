/* When to train, at each boundary. */
#include "domain/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define S 1000                          /* ms */
static const int64_t T = 1700000000000; /* some wall-clock time, ms */

struct row {
        uint64_t n_new, n_train, n_classes;
        int64_t oldest, ended; /* relative to T; 1: never */
        bool active;
        uint32_t min_feedback, interval_s;
        enum ewc_loss loss;
        bool train;
        enum trigger_kind trigger;
        uint64_t value;
        int64_t again; /* relative to T; 0: only when counters change */
        const char *reason;
};

#define SOFT EWC_LOSS_SOFTMAX
#define REG EWC_LOSS_SQUARED
static const struct row rows[] = {
    {499, 499, 2, 1, 1, false, 500, 0, SOFT, false, 0, 0, 0, "not due: 499 of 500 new rows"},
    {500, 500, 2, 1, 1, false, 500, 0, SOFT, true, TRIGGER_MIN_FEEDBACK, 500, 0, "due: 500 new rows (threshold 500)"},
    {501, 900, 2, 1, 1, false, 500, 0, SOFT, true, TRIGGER_MIN_FEEDBACK, 501, 0, NULL},
    {501, 900, 2, 1, 1, true, 500, 0, SOFT, false, 0, 0, 0, "not due: a job is active"},
    {501, 900, 1, 1, 1, false, 500, 0, SOFT, false, 0, 0, 0, "not due: all rows have the same label"},
    {501, 900, 0, 1, 1, false, 500, 0, REG, true, TRIGGER_MIN_FEEDBACK, 501, 0, NULL},
    {1, 1, 1, 1, 1, false, 1, 0, REG, false, 0, 0, 0, "not due: fewer than 2 rows to train on"},
    {1, 2, 1, 1, 1, false, 1, 0, REG, true, TRIGGER_MIN_FEEDBACK, 1, 0, NULL},
    {0, 900, 2, 1, 1, false, 1, 1, SOFT, false, 0, 0, 0, "not due: no new rows"},
    {9, 900, 2, 1, 1, false, 0, 0, SOFT, false, 0, 0, 0, "not due: no trigger is set"},
    {1, 900, 2, -5 * S, -60 * S + 1, false, 0, 60, SOFT, false, 0, 0, 1, "not due: 59 of 60 s since the last job"},
    {1, 900, 2, -5 * S, -60 * S, false, 0, 60, SOFT, true, TRIGGER_INTERVAL, 60, 0,
        "due: 60 s since the last job, 1 new rows"},
    {1, 900, 2, -60 * S, 1, false, 0, 60, SOFT, true, TRIGGER_INTERVAL, 60, 0, NULL},
    {1, 900, 2, -59 * S, 1, false, 500, 60, SOFT, false, 0, 0, S, NULL},
    {500, 900, 2, -59 * S, 1, false, 500, 60, SOFT, true, TRIGGER_MIN_FEEDBACK, 500, 0, NULL},
    {1, 900, 2, -S, 0, false, 500, 60, SOFT, false, 0, 0, 60 * S, "not due: 0 of 60 s since the last job"},
    /* the clock was set back: after the last job, before there was one, and by a millisecond */
    {1, 900, 2, 10 * S, 10 * S, false, 500, 60, SOFT, true, TRIGGER_INTERVAL, 0, 0,
        "due: the clock was set back to before the last job or row, 1 new rows"},
    {1, 900, 2, 10 * S, 1, false, 0, 60, SOFT, true, TRIGGER_INTERVAL, 0, 0, NULL},
    {1, 900, 2, -S, 2, false, 0, 60, SOFT, true, TRIGGER_INTERVAL, 0, 0, NULL},
    {0, 900, 2, 1, 10 * S, false, 0, 60, SOFT, false, 0, 0, 0, "not due: no new rows"},
    {1, 900, 2, 10 * S, 10 * S, true, 0, 60, SOFT, false, 0, 0, 0, "not due: a job is active"},
};

static void test_rows(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct row *r = &rows[i];
                struct counters c = {.n_new = r->n_new,
                    .n_open_train = r->n_train,
                    .n_open_classes = r->n_classes,
                    .oldest_new_ms = r->oldest == 1 ? 0 : T + r->oldest,
                    .last_job_ended_ms = r->ended == 1 ? 0 : T + r->ended,
                    .job_active = r->active};
                struct learning l = {.trigger_min_feedback = r->min_feedback, .trigger_interval_s = r->interval_s};
                struct due d = policy_due(T, &c, &l, r->loss);
                if (r->reason)
                        assert_string_equal(d.reason, r->reason);
                assert_int_equal(d.train, r->train);
                assert_int_equal(d.trigger, r->trigger);
                assert_int_equal(d.value, r->value);
                assert_int_equal(d.ask_again_ms, r->again ? (uint64_t)(T + r->again) : 0);
                assert_true(strlen(d.reason) > 0);
        }
}

/* One label is enough when the head knows others; a head with that one alone has nothing to learn. */
static void test_one_label(void **state)
{
        (void)state;
        const struct learning l = {.trigger_min_feedback = 5};
        for (uint64_t n_head = 0; n_head < 4; n_head++) {
                const struct counters c = {
                    .n_new = 5, .n_open_train = 5, .n_open_classes = 1, .n_head_classes = n_head};
                struct due d = policy_due(T, &c, &l, SOFT);
                assert_int_equal(d.train, n_head >= 2);
                if (!d.train)
                        assert_string_equal(d.reason, "not due: all rows have the same label");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_one_label)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
