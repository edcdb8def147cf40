/* The gate: verdicts at the boundaries, the deciding task with both operands, and the words. */
#include "gate_kit.h"

static void test_words(void **state)
{
        (void)state;
        struct gate_task t[] = {task("low", false, 600, 0.981, 0.978), task("high", true, 90, 0.877, 0.918)};
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote);
        assert_int_equal(v.deciding, 0);
        assert_string_equal(v.reason, "promoted: task low lost 0.3 pt (budget 2.0), task high gained 4.1 pt");

        t[0].after.accuracy = 0.950;
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_int_equal(v.deciding, 0);
        assert_true(fabs(v.value - 0.031) < 1e-12 && v.limit == 0.02);
        assert_string_equal(v.reason, "rejected: task low lost 3.1 pt (budget 2.0), task high gained 4.1 pt");

        t[0].after.accuracy = 0.981;
        t[1].after.accuracy = 0.872;
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_int_equal(v.deciding, 1);
        assert_true(fabs(v.value + 0.005) < 1e-12 && v.limit == 0.0);
        assert_string_equal(v.reason,
            "rejected: task low gained 0.0 pt (budget 2.0), task high lost 0.5 pt (must gain at least 0.0)");
}

static void test_close_call_shows_the_difference(void **state)
{
        (void)state;
        struct gate_task t[] = {task("a", false, 5000, 0.9, 0.8798), task("b", true, 10, 0.5, 0.5)};
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_string_equal(v.reason, "rejected: task a lost 2.02 pt (budget 2.00), task b gained 0.0 pt");
}

static void test_boundaries(void **state)
{
        (void)state;
        static const struct {
                double lost, gained, budget, min_gain;
                bool promote;
        } rows[] = {
            {0.02, 0, 0.02, 0, true},
            {0.02 + 0.9e-9, 0, 0.02, 0, true},
            {0.02 + 1.5e-9, 0, 0.02, 0, false},
            {0, 0, 0, 0, true},
            {0, -0.9e-9, 0, 0, true},
            {0, -1.5e-9, 0, 0, false},
            {0, 0.01, 0, 0.01, true},
            {0, 0.01 - 1.5e-9, 0, 0.01, false},
            {0, -0.01, 0, -0.01, true},
            {-0.5, 0.1, 0, 0, true},
            {1, 1, 1, 1, true},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct gate_task t[] = {
                    task("a", false, 9, 0.5, 0.5 - rows[i].lost), task("b", true, 9, 0.5, 0.5 + rows[i].gained)};
                struct gate_conf c = {
                    .max_forgetting = rows[i].budget, .min_gain = rows[i].min_gain, .max_ece_rise = 1};
                assert_int_equal(judge(t, 2, &c, EWC_LOSS_SOFTMAX).promote, rows[i].promote);
                assert_int_equal(judge(t, 2, &c, EWC_LOSS_SIGMOID).promote, rows[i].promote);
        }
}

static void test_losses_add_up_since_the_close(void **state)
{
        (void)state;
        struct gate_task t[] = {task("low", false, 600, 0.965, 0.955), task("high", true, 90, 0.8, 0.9)};
        assert_true(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);
        t[0].at_close = (struct evaluation){.n = 600, .accuracy = 0.980, .loss = 0.980};
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_true(fabs(v.value - 0.025) < 1e-12);
        assert_string_equal(
            v.reason, "rejected: task low lost 2.5 pt since its close (budget 2.0), task high gained 10.0 pt");
        t[0].after.accuracy = 0.965; /* no worse than the champion, whatever was lost before */
        assert_true(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);
        t[0].after.accuracy = 0.955;
        t[0].at_close.accuracy = 0.960; /* learned since then: the champion is the better base */
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote && fabs(v.value - 0.010) < 1e-12);
        t[0].at_close.n = 0;
        assert_true(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);

        struct gate_task u[] = {task("a", false, 9, 0.51, 0.515), task("b", true, 9, 0.4, 0.3)};
        assert_true(judge(u, 2, &conf, EWC_LOSS_SQUARED).promote);
        u[0].at_close = (struct evaluation){.n = 9, .loss = 0.50};
        assert_false(judge(u, 2, &conf, EWC_LOSS_SQUARED).promote);
}

static void test_without_rows(void **state)
{
        (void)state;
        struct gate_task t[] = {task("a", false, 9, 0.9, 0.9), task("b", true, 0, NAN, NAN)};
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote);
        assert_string_equal(
            v.reason, "promoted: task a gained 0.0 pt (budget 2.0); task b without holdout rows: not judged");
        v = judge(t + 1, 1, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote);
        assert_int_equal(v.deciding, 0);
        assert_string_equal(v.reason, "promoted: task b without holdout rows: not judged");
        t[1] = task("b", true, 4, 0.25, 0.75);
        v = judge(t + 1, 1, &conf, EWC_LOSS_SOFTMAX);
        assert_string_equal(v.reason, "promoted: task b gained 50.0 pt");
        assert_true(v.value == 0.5 && v.limit == 0);
}

static void test_not_finite_blocks(void **state)
{
        (void)state;
        const double bad[] = {NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < 3; i++) {
                struct gate_task t[] = {task("a", false, 9, 0.9, bad[i]), task("b", true, 9, 0.1, 0.9)};
                assert_false(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);
                struct gate_task u[] = {task("a", false, 9, 0.9, 0.9), task("b", true, 9, 0.1, bad[i])};
                struct verdict v = judge(u, 2, &conf, EWC_LOSS_SOFTMAX);
                assert_false(v.promote);
                assert_int_equal(v.deciding, 1);
                struct gate_task w[] = {task("a", false, 9, 0.9, 0.1), task("b", false, 9, 0.9, bad[i])};
                assert_int_equal(judge(w, 2, &conf, EWC_LOSS_SOFTMAX).deciding, 1);
        }
}

static void test_squared(void **state)
{
        (void)state;
        struct gate_task t[] = {task("a", false, 9, 0.50, 0.51), task("b", true, 9, 0.4, 0.3)};
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SQUARED);
        assert_true(v.promote); /* 2 % of 0.50 exactly at the budget */
        assert_string_equal(
            v.reason, "promoted: loss of task a rose 2.0 % (budget 2.0 %), loss of task b fell 25.0 %");
        t[0].after.loss = 0.52;
        v = judge(t, 2, &conf, EWC_LOSS_SQUARED);
        assert_false(v.promote);
        assert_true(fabs(v.value - 0.04) < 1e-12);
        t[0].after.loss = 0.1;
        t[1].after.loss = 0.41;
        assert_false(judge(t, 2, &conf, EWC_LOSS_SQUARED).promote);
        t[1].before.loss = 0; /* nothing to divide by: any loss at all is a great increase */
        assert_false(judge(t, 2, &conf, EWC_LOSS_SQUARED).promote);
}

static void test_worst_of_many(void **state)
{
        (void)state;
        enum { N = 1000 };
        static struct gate_task t[N];
        static char names[N][NAME_SIZE];
        for (int i = 0; i < N; i++) {
                memset(names[i], 'n', NAME_SIZE - 1);
                t[i] = task(names[i], i == N - 1, i % 2 ? 0 : 9, 0.9, 0.9 - i * 1e-5);
        }
        strcpy(names[700], "worst");
        t[700].after.accuracy = 0.5;
        t[N - 1] = task("open", true, 9, 0.5, 0.6);
        struct verdict v = judge(t, N, &conf, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_int_equal(v.deciding, 700);
        assert_non_null(strstr(v.reason, "task worst lost 40.0 pt (budget 2.0), the most of 500 closed tasks"));
        assert_non_null(strstr(v.reason, "and 496 more without holdout rows"));
        assert_true(strlen(v.reason) < REASON_SIZE);
}

/* A closed task with rows to judge it by that was not measured may have been lost: nothing is promoted. */
static void test_unmeasured_closed_task_blocks(void **state)
{
        (void)state;
        struct gate_task t[] = {task("a", false, 9, 0.9, 0.9), task("b", false, 0, NAN, NAN),
            task("c", false, 0, NAN, NAN), task("d", true, 9, 0.1, 0.9)};
        assert_true(judge(t, 4, &conf, EWC_LOSS_SOFTMAX).promote);
        t[1].n_holdout = 27;
        struct verdict v = judge(t, 4, &conf, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_int_equal(v.deciding, 1);
        assert_true(isnan(v.value));
        assert_string_equal(v.reason, "rejected: task b has 27 holdout rows but could not be measured, task a gained "
                                      "0.0 pt (budget 2.0), task d "
                                      "gained 80.0 pt; task c without holdout rows: not judged");
        t[2].n_holdout = 5;
        v = judge(t, 4, &conf, EWC_LOSS_SOFTMAX);
        assert_non_null(strstr(v.reason, "could not be measured, and 1 more closed task"));
        assert_null(strstr(v.reason, "not judged"));
        v = judge(t + 1, 1, &conf, EWC_LOSS_SQUARED);
        assert_string_equal(v.reason, "rejected: task b has 27 holdout rows but could not be measured");
        t[3].after.n = t[3].before.n = 0; /* an open task's rows are new: it has lost nothing */
        assert_true(judge(t + 3, 1, &conf, EWC_LOSS_SOFTMAX).promote);
}

/* --- the checks --- */
int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_words),
            cmocka_unit_test(test_close_call_shows_the_difference),
            cmocka_unit_test(test_boundaries),
            cmocka_unit_test(test_losses_add_up_since_the_close),
            cmocka_unit_test(test_without_rows),
            cmocka_unit_test(test_not_finite_blocks),
            cmocka_unit_test(test_squared),
            cmocka_unit_test(test_worst_of_many),
            cmocka_unit_test(test_unmeasured_closed_task_blocks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
