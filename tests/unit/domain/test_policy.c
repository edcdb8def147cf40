/* When to train, at each boundary. */
#include "base/mem.h"
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
static const struct row basics[] = {
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

static struct due ask(
    int64_t now_ms, const struct counters *c, const struct watch *w, const struct learning *l, enum ewc_loss loss)
{
        return policy_due(now_ms, c, w, l, SCENARIO_DOMAIN, loss);
}

static void test_rows(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++) {
                const struct row *r = &basics[i];
                struct counters c = {.n_new = r->n_new,
                    .n_open_train = r->n_train,
                    .n_open_classes = r->n_classes,
                    .oldest_new_ms = r->oldest == 1 ? 0 : T + r->oldest,
                    .last_job_ended_ms = r->ended == 1 ? 0 : T + r->ended,
                    .job_active = r->active};
                const struct learning l = {.trigger_min_feedback = r->min_feedback,
                    .trigger_interval_s = r->interval_s,
                    .trigger_daily_min = TRIGGER_DAILY_OFF};
                struct due d = ask(T, &c, NULL, &l, r->loss);
                if (r->reason)
                        assert_string_equal(d.reason, r->reason);
                assert_int_equal(d.train, r->train);
                assert_int_equal(d.trigger, r->trigger);
                assert_int_equal(d.value, r->value);
                assert_int_equal(d.ask_again_ms, r->again ? (uint64_t)(T + r->again) : 0);
                assert_true(strlen(d.reason) > 0);
        }
}

/* One label is enough where closed tasks gave the same head others; else it can only be learned by heart. */
static void test_one_label(void **state)
{
        (void)state;
        const struct learning l = {.trigger_min_feedback = 5, .trigger_daily_min = TRIGGER_DAILY_OFF};
        static const enum scenario all[] = {SCENARIO_TASK, SCENARIO_DOMAIN, SCENARIO_CLASS};
        for (size_t i = 0; i < ARRAY_LEN(all) * 8; i++) {
                enum scenario scenario = all[i / 8];
                const struct counters c = {.n_new = 5,
                    .n_open_train = 5,
                    .n_open_classes = 1,
                    .n_head_classes = i % 4,
                    .n_closed = i / 4 % 2};
                struct due d = policy_due(T, &c, NULL, &l, scenario, SOFT);
                assert_int_equal(d.train, scenario == SCENARIO_CLASS && c.n_closed > 0 && c.n_head_classes >= 2);
                if (!d.train)
                        assert_string_equal(d.reason, "not due: all rows have the same label");
                assert_true(policy_due(T, &c, NULL, &l, scenario, REG).train);
        }
}

#define DAY INT64_C(86400000)
#define MIN INT64_C(60000)
static const int64_t MIDNIGHT = 19675 * DAY; /* 2023-11-14 00:00 UTC */

static void test_daily(void **state)
{
        (void)state;
        static const struct {
                int64_t now, oldest, ended; /* relative to MIDNIGHT; oldest 1, ended 1: none */
                uint32_t minute, interval_s;
                uint64_t n_new;
                bool train;
                int64_t again; /* relative; 0: only when counters change */
                const char *reason;
        } rows[] = {
            {180 * MIN - 1, 10 * MIN, 1, 180, 0, 3, false, 180 * MIN, "not due: daily at 03:00 UTC, 3 new rows"},
            {180 * MIN, 10 * MIN, 1, 180, 0, 3, true, 0, "due: daily at 03:00 UTC, 3 new rows"},
            {180 * MIN + 1, 10 * MIN, 1, 180, 0, 1, true, 0, NULL},
            {180 * MIN + 1, 10 * MIN, 1, 180, 0, 0, false, 0, "not due: no new rows"},
            {181 * MIN, 10 * MIN, 180 * MIN, 180, 0, 3, false, 180 * MIN + DAY, NULL}, /* once a day */
            {181 * MIN, 10 * MIN, 180 * MIN - 1, 180, 0, 3, true, 0, NULL},
            {180 * MIN + DAY - 1, 10 * MIN, 180 * MIN + 5, 180, 0, 3, false, 180 * MIN + DAY, NULL},
            {180 * MIN + DAY, 10 * MIN, 180 * MIN + 5, 180, 0, 3, true, 0, NULL},
            {181 * MIN, 180 * MIN, 1, 180, 0, 3, false, 180 * MIN + DAY, NULL}, /* the row came at that moment */
            {0, -1, 1, 0, 0, 3, true, 0, "due: daily at 00:00 UTC, 3 new rows"},
            {-1, -5, 1, 0, 0, 3, false, 0, NULL}, /* the next is at MIDNIGHT itself */
            {1439 * MIN, 10 * MIN, 1, 1439, 0, 3, true, 0, "due: daily at 23:59 UTC, 3 new rows"},
            {5 * DAY, 10 * MIN, 1, 1440, 0, 3, false, 0, "not due: no trigger is set"},
            {181 * MIN, 182 * MIN, 182 * MIN, 180, 0, 3, true, 0,
                "due: the clock was set back to before the last job or row, 3 new rows"},
            /* beside an interval: whichever comes first */
            {100 * MIN, 10 * MIN, 1, 180, 86400, 3, false, 180 * MIN, "not due: daily at 03:00 UTC, 3 new rows"},
            {100 * MIN, 10 * MIN, 1, 180, 5460, 3, false, 101 * MIN, "not due: 5400 of 5460 s since the last job"},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct counters c = {.n_new = rows[i].n_new,
                    .n_open_train = 9,
                    .n_open_classes = 2,
                    .oldest_new_ms = rows[i].oldest == 1 ? 0 : MIDNIGHT + rows[i].oldest,
                    .last_job_ended_ms = rows[i].ended == 1 ? 0 : MIDNIGHT + rows[i].ended};
                const struct learning l = {
                    .trigger_daily_min = rows[i].minute, .trigger_interval_s = rows[i].interval_s};
                struct due d = ask(MIDNIGHT + rows[i].now, &c, NULL, &l, SOFT);
                if (rows[i].reason)
                        assert_string_equal(d.reason, rows[i].reason);
                assert_int_equal(d.train, rows[i].train);
                assert_int_equal(d.trigger, rows[i].train ? TRIGGER_DAILY : 0);
                bool waits = !d.train && rows[i].n_new > 0 && rows[i].minute < 1440;
                assert_int_equal(d.ask_again_ms, waits ? (uint64_t)(MIDNIGHT + rows[i].again) : 0);
        }
}

/* Everything fires; what is taken away row by row shows the order of triggers. */
enum { ACCURACY = 1, INPUTS = 2, ROWS = 4, DAILY = 8, INTERVAL = 16, LADDER = 32, ALL = 63 };
#define USED 70
static struct watch drifted(unsigned what)
{
        struct watch w = {.champion = 3, .n_scored = 80, .n_right = 50, .used_seq = USED};
        if (what & ACCURACY)
                w.accuracy = (struct page_hinkley){.n = 80, .low_seq = 90, .fired = true, .fired_seq = 101};
        if (what & INPUTS)
                w.inputs = (struct input_drift){.n_reference = 500,
                    .n_current = 60,
                    .n_features = 4,
                    .feature = 2,
                    .statistic = 0.5,
                    .p = 0.0001,
                    .n_changed = 1,
                    .fired = true};
        return w;
}
static struct learning keys(unsigned what)
{
        struct learning l;
        learning_defaults(&l);
        l.trigger_accuracy = what & ACCURACY ? 25 : 0;
        l.trigger_inputs = what & INPUTS ? 0.01 : 0;
        l.trigger_min_feedback = what & ROWS ? 10 : 0;
        l.trigger_daily_min = what & DAILY ? 0 : TRIGGER_DAILY_OFF;
        l.trigger_interval_s = what & INTERVAL ? 60 : 0;
        l.strategy = what & LADDER ? STRATEGY_MODE_AUTO : STRATEGY_MODE_FIXED;
        return l;
}
static struct counters plenty(void)
{
        return (struct counters){.n_new = 40,
            .n_open_train = 100,
            .n_open_classes = 2,
            .last_seq = 120,
            .used_seq = USED,
            .last_job_ended_ms = T - 2 * DAY,
            .last_job = 17,
            .last_rejected = true,
            .last_strategy = STRATEGY_EWC,
            .n_closed = 1,
            .n_retained = 9};
}

static void test_order(void **state)
{
        (void)state;
        static const struct {
                unsigned on;
                enum trigger_kind trigger;
                uint64_t value;
                enum strategy strategy;
                const char *reason;
        } rows[] = {
            {ALL, TRIGGER_STRATEGY, 17, STRATEGY_REPLAY,
                "due: job 17 was rejected; strategy replay after ewc: 9 rows of closed tasks are retained"},
            {ALL - LADDER, TRIGGER_ACCURACY, 80, STRATEGY_FIXED,
                "due: accuracy fell behind row 90, seen at row 101: 50 of 80 answers right since version 3 was "
                "trained "
                "(threshold 25)"},
            {INPUTS | ROWS | DAILY | INTERVAL, TRIGGER_INPUTS, 60, STRATEGY_FIXED,
                "due: 1 of 4 inputs drifted in the newest 60 rows, input 2 most (distance 0.500, p 0.0001, "
                "significance "
                "0.01)"},
            {ROWS | DAILY | INTERVAL, TRIGGER_MIN_FEEDBACK, 40, STRATEGY_FIXED, "due: 40 new rows (threshold 10)"},
            {DAILY | INTERVAL, TRIGGER_DAILY, 40, STRATEGY_FIXED, "due: daily at 00:00 UTC, 40 new rows"},
            {INTERVAL, TRIGGER_INTERVAL, 172800, STRATEGY_FIXED, NULL},
            {0, 0, 0, STRATEGY_FIXED, "not due: no trigger is set"},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct watch w = drifted(ALL);
                const struct learning l = keys(rows[i].on);
                const struct counters c = plenty();
                struct due d = ask(T, &c, &w, &l, SOFT);
                if (rows[i].reason)
                        assert_string_equal(d.reason, rows[i].reason);
                assert_int_equal(d.train, rows[i].trigger != 0);
                assert_int_equal(d.trigger, rows[i].trigger);
                assert_int_equal(d.value, rows[i].value);
                assert_int_equal(d.strategy, rows[i].strategy);
                assert_true(!d.rollover && d.upto_seq == 0 && d.ask_again_ms == 0);
        }
}

static void test_drift(void **state)
{
        (void)state;
        struct watch w = drifted(ACCURACY);
        struct counters c = plenty();
        const struct learning l = keys(ACCURACY | INPUTS);
        assert_int_equal(ask(T, &c, &w, &l, SOFT).trigger, TRIGGER_ACCURACY);
        assert_string_equal(ask(T, &c, NULL, &l, SOFT).reason,
            "not due: no drift that a job has not answered, 40 new rows"); /* nothing is watched */
        c.used_seq = 100;
        assert_true(ask(T, &c, &w, &l, SOFT).train);
        c.used_seq = 101; /* a job has taken the row it was seen at: not again for the same evidence */
        assert_false(ask(T, &c, &w, &l, SOFT).train);
        c = plenty();
        w.accuracy.fired = false;
        assert_false(ask(T, &c, &w, &l, SOFT).train);
        w = drifted(ALL);
        c.n_new = 0;
        assert_string_equal(ask(T, &c, &w, &l, SOFT).reason, "not due: no new rows");
        c.n_new = c.n_open_train = 1;
        assert_string_equal(ask(T, &c, &w, &l, SOFT).reason, "not due: fewer than 2 rows to train on");
        c = plenty();
        c.n_open_classes = 1;
        assert_string_equal(ask(T, &c, &w, &l, SOFT).reason, "not due: all rows have the same label");
        const struct learning off = keys(INTERVAL);
        c = plenty();
        assert_int_equal(ask(T, &c, &w, &off, SOFT).trigger, TRIGGER_INTERVAL); /* by their keys only */
}

static void test_boundary(void **state)
{
        (void)state;
        for (unsigned what = ACCURACY; what <= INPUTS; what++) {
                const struct watch w = drifted(what);
                struct counters c = plenty();
                struct learning l = keys(ACCURACY | INPUTS | ROWS);
                l.task_boundary = BOUNDARY_AUTO;
                struct due d = ask(T, &c, &w, &l, SOFT);
                assert_true(d.train && d.rollover && d.upto_seq == USED);
                assert_int_equal(d.trigger, what == ACCURACY ? TRIGGER_ACCURACY : TRIGGER_INPUTS);
                assert_non_null(strstr(d.reason, "a new task begins: "));
                l.task_boundary = BOUNDARY_PROPOSE;
                d = ask(T, &c, &w, &l, SOFT);
                assert_true(d.train && !d.rollover && d.upto_seq == 0);
                assert_non_null(strstr(d.reason, "a new task is proposed: "));
                l.task_boundary = BOUNDARY_AUTO;
                c.last_rollover = true; /* it was rejected: the task goes on */
                d = ask(T, &c, &w, &l, SOFT);
                assert_true(d.train && !d.rollover && d.upto_seq == 0);
                c = plenty();
                l.trigger_accuracy = l.trigger_inputs = 0; /* rows alone begin no task */
                d = ask(T, &c, &w, &l, SOFT);
                assert_true(d.train && !d.rollover && d.trigger == TRIGGER_MIN_FEEDBACK);
        }
}

static void test_ladder(void **state)
{
        (void)state;
        const struct learning l = keys(LADDER);
        static const struct {
                struct counters c;
                enum ewc_loss loss;
                enum strategy next; /* FIXED: no job */
        } rows[] = {
            /* no new rows are asked for */
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5},
                SOFT, STRATEGY_REPLAY},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC},
                SOFT, STRATEGY_DISTILL},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_REPLAY,
                 .n_retained = 5},
                SOFT, STRATEGY_DISTILL},
            {{.n_open_train = 9,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_REPLAY,
                 .n_retained = 5},
                REG, STRATEGY_FIXED}, /* nothing to distill */
            {{.n_open_train = 9,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5},
                REG, STRATEGY_REPLAY},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_DISTILL,
                 .n_retained = 5},
                SOFT, STRATEGY_FIXED},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = false,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5},
                SOFT, STRATEGY_FIXED},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_FIXED,
                 .n_retained = 5},
                SOFT, STRATEGY_FIXED},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .last_rollover = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5},
                SOFT, STRATEGY_FIXED},
            {{.n_open_train = 1,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5},
                SOFT, STRATEGY_FIXED},
            {{.n_open_train = 9,
                 .n_open_classes = 1,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5},
                SOFT, STRATEGY_FIXED},
            {{.n_open_train = 9,
                 .n_open_classes = 2,
                 .last_job = 4,
                 .last_rejected = true,
                 .n_closed = 1,
                 .last_strategy = STRATEGY_EWC,
                 .n_retained = 5,
                 .job_active = true},
                SOFT, STRATEGY_FIXED},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct due d = ask(T, &rows[i].c, NULL, &l, rows[i].loss);
                assert_int_equal(d.train, rows[i].next != STRATEGY_FIXED);
                assert_int_equal(d.strategy, d.train ? rows[i].next : STRATEGY_EWC); /* filled all the same */
                assert_int_equal(d.trigger, d.train ? TRIGGER_STRATEGY : 0);
                assert_int_equal(d.value, d.train ? 4 : 0);
        }
}

static void test_cool_down(void **state)
{
        (void)state;
        static const struct {
                int64_t ended; /* relative to T; 1: never */
                unsigned on;
                bool train;
                int64_t again;
                const char *reason;
        } rows[] = {
            {-3600 * S + 1, ROWS, false, 1,
                "not due: 3599 of 3600 s of cool-down since the last job; then due: 40 new rows (threshold 10)"},
            {-3600 * S, ROWS, true, 0, NULL}, {1, ROWS, true, 0, NULL},
            {5 * S, ROWS, true, 0, NULL}, /* the clock was set back */
            {-60 * S, ACCURACY, false, 3540 * S, NULL}, {-60 * S, INPUTS, false, 3540 * S, NULL},
            {-60 * S, INTERVAL, false, 3540 * S, NULL},
            {-10 * S, INTERVAL, false, 50 * S, "not due: 10 of 60 s since the last job"},
            {-60 * S, LADDER, true, 0, NULL}, /* not before a stronger strategy */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct watch w = drifted(ALL);
                struct counters c = plenty();
                struct learning l = keys(rows[i].on);
                l.trigger_cool_down_s = 3600;
                c.last_job_ended_ms = rows[i].ended == 1 ? 0 : T + rows[i].ended;
                struct due d = ask(T, &c, &w, &l, SOFT);
                if (rows[i].reason)
                        assert_string_equal(d.reason, rows[i].reason);
                assert_int_equal(d.train, rows[i].train);
                assert_int_equal(d.ask_again_ms, rows[i].again ? (uint64_t)(T + rows[i].again) : 0);
        }
}

static void test_challenger(void **state)
{
        (void)state;
        const struct counters c = plenty();
        struct learning l = keys(ALL);
        struct watch w = drifted(ALL);
        w.shadow = (struct shadow_score){.champion = 3, .challenger = 4, .n = 12};
        assert_true(ask(T, &c, &w, &l, SOFT).train); /* nobody waits for it */
        l.promotion = PROMOTION_MANUAL;
        assert_true(ask(T, &c, &w, &l, SOFT).train);
        l.promotion = PROMOTION_SHADOW;
        struct due d = ask(T, &c, &w, &l, SOFT);
        assert_false(d.train);
        assert_string_equal(d.reason, "not due: challenger 4 is compared with champion 3 on live rows, 12 so far");
        assert_int_equal(d.strategy, STRATEGY_EWC);
        w.shadow.challenger = 0;
        assert_true(ask(T, &c, &w, &l, SOFT).train);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_rows),
            cmocka_unit_test(test_one_label),
            cmocka_unit_test(test_daily),
            cmocka_unit_test(test_order),
            cmocka_unit_test(test_drift),
            cmocka_unit_test(test_boundary),
            cmocka_unit_test(test_ladder),
            cmocka_unit_test(test_cool_down),
            cmocka_unit_test(test_challenger),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
