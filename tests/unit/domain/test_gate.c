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
        struct gate_conf first = conf;
        first.first = true;
        v = judge(t + 1, 1, &first, EWC_LOSS_SOFTMAX);
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
        t[3].after.n = t[3].before.n = 0;             /* an open task's rows are new: it has lost nothing */
        v = judge(t + 2, 2, &conf, EWC_LOSS_SOFTMAX); /* the closed one is blocked all the same */
        assert_true(!v.promote && !v.undecided);
}

static struct gate_run run(uint64_t n, double first, double best, double last)
{
        return (struct gate_run){{.n = n, .accuracy = first, .loss = first}, {.n = n, .accuracy = best, .loss = best},
            {.n = n, .accuracy = last, .loss = last}};
}

static void test_carry(void **state)
{
        (void)state;
        static const struct {
                enum ewc_loss loss;
                double lost;
                uint64_t n_rows, n;
                double first, best, last, expected;
                uint64_t most;
        } rows[] = {
            {EWC_LOSS_SOFTMAX, 0, 0, 100, 0.98, 0.98, 0.98, 0, 100},
            {EWC_LOSS_SOFTMAX, 0, 0, 100, 0.98, 0.98, 0.95, 0.03, 100},
            {EWC_LOSS_SOFTMAX, 0.03, 100, 99, 0.95, 0.95, 0.93, 0.05, 100},  /* losses add up */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 99, 0.95, 0.97, 0.93, 0.05, 100},  /* what came back in between was lost */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 99, 0.90, 0.95, 0.90, 0.05, 100},  /* all of it, and more was lost again */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 100, 0.90, 0.92, 0.92, 0.01, 100}, /* a gain pays back */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 100, 0.90, 0.99, 0.99, 0, 100},    /* no credit */
            {EWC_LOSS_SOFTMAX, 0, 100, 90, 0.80, 0.95, 0.95, 0, 100},
            {EWC_LOSS_SOFTMAX, 0, 100, 100, 0.80, 0.90, 0.95, 0, 100},      /* the last is better still */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 10, 0.40, 0.50, 0.50, 0.02, 100}, /* one row of ten left is one of 100 */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 10, 0.50, 0.50, 0.40, 0.13, 100}, /* and lost, one of ten */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 400, 0.90, 0.92, 0.92, 0.01, 400},
            {EWC_LOSS_SOFTMAX, 0.03, 100, 50, 0.99, 0.99, 0.99, 0.03, 100}, /* hard rows went: nothing was gained */
            {EWC_LOSS_SOFTMAX, 0.03, 100, 50, NAN, NAN, 0.9, 0.03, 100},
            {EWC_LOSS_SOFTMAX, 0.03, 100, 50, 0.9, 0.9, -INFINITY, 0.03, 100},
            {EWC_LOSS_SIGMOID, 0.03, 100, 99, 0.95, 0.95, 0.93, 0.05, 100},
            {EWC_LOSS_SQUARED, 0.03, 100, 99, 0.50, 0.50, 0.51, 0.05, 100},
            {EWC_LOSS_SQUARED, 0.03, 100, 100, 0.50, 0.49, 0.49, 0.01, 100},
            {EWC_LOSS_SQUARED, 0.03, 100, 100, 0.50, 0.40, 0.40, 0, 100},
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct gate_run r = run(rows[i].n, rows[i].first, rows[i].best, rows[i].last);
                struct gate_carry c = gate_carry((struct gate_carry){rows[i].lost, rows[i].n_rows}, &r, rows[i].loss);
                if (!(fabs(c.lost - rows[i].expected) < 1e-12) || c.lost < 0 || c.n_rows != rows[i].most)
                        fail_msg("row %zu: %.15g lost, %zu rows", i, c.lost, (size_t)c.n_rows);
        }
}

/* However the rows of a task come and go: what was lost on each kind of them counts. */
static void test_rows_changed_since_the_close(void **state)
{
        (void)state;
        struct gate_task t[] = {task("low", false, 99, 0.8, 0.79), task("high", true, 90, 0.8, 0.9)};
        t[0].rows_changed = true; /* and nothing was lost before */
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote && fabs(v.value - 0.01) < 1e-12);
        assert_string_equal(v.reason,
            "promoted: task low lost 1.0 pt (budget 2.0; rows of its holdout were erased or "
            "added since its close), task high gained 10.0 pt");
        t[0].carry = (struct gate_carry){0.015, 100};
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && fabs(v.value - 0.025) < 1e-12);
        assert_string_equal(v.reason, "rejected: task low lost 2.5 pt since its close (budget 2.0), of which 1.5 pt "
                                      "before rows of its holdout were erased or added, task high gained 10.0 pt");
        t[0].at_change = t[0].at_close = (struct evaluation){.n = 99, .accuracy = 0.82}; /* lost on these rows too */
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && fabs(v.value - 0.045) < 1e-12);
        assert_non_null(
            strstr(v.reason, "task low lost 4.5 pt since its close (budget 2.0), of which 1.5 pt before"));
        t[0].at_change.accuracy = 0.70; /* what had been lost came back, and then this was lost */
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && fabs(v.value - 0.03) < 1e-12);
        assert_non_null(strstr(v.reason, "task low lost 3.0 pt since its close (budget 2.0; rows of its holdout"));
        t[0].after = t[0].before; /* no worse than the champion */
        t[0].carry.lost = 0.5;
        assert_true(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);

        struct gate_task u[] = {task("a", false, 9, 0.50, 0.505), task("b", true, 9, 0.4, 0.3)};
        assert_true(judge(u, 2, &conf, EWC_LOSS_SQUARED).promote);
        u[0].carry = (struct gate_carry){0.015, 9};
        v = judge(u, 2, &conf, EWC_LOSS_SQUARED);
        assert_true(!v.promote && fabs(v.value - 0.025) < 1e-12);
        assert_non_null(strstr(v.reason, "loss of task a rose 2.5 % since its close (budget 2.0 %), of which 1.5 % "
                                         "before rows of its holdout were erased or added"));
}

/* --- what is left open --- */

static void test_holdout_rows_that_are_gone(void **state)
{
        (void)state;
        struct gate_task t[] = {task("low", false, 0, NAN, NAN), task("high", true, 9, 0.5, 0.9)};
        t[0].after.predicted = 0.01;
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote && !v.undecided); /* it never had any */
        t[0].n_at_close = 31;
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && v.undecided && v.deciding == 0);
        assert_string_equal(v.reason,
            "undecided: task low was closed with 31 holdout rows and has none now; the Fisher's prediction alone "
            "does not promote; task high gained 40.0 pt; task low without holdout rows: judged by the Fisher's "
            "prediction alone");
        t[0].after.predicted = NAN;
        assert_true(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).undecided);
        t[0].after.predicted = 0.2; /* what failed is not left open */
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && !v.undecided);
        t[0].after.predicted = 0.01;
        t[1].after.accuracy = 0.4;
        assert_false(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).undecided);
        t[1].after.accuracy = 0.9;

        struct gate_conf c = conf;
        c.first = true; /* of no matter to a task that is closed */
        assert_true(judge(t, 2, &c, EWC_LOSS_SOFTMAX).undecided);
        c = conf;
        c.unmoved = true;
        assert_true(judge(t, 2, &c, EWC_LOSS_SOFTMAX).promote);
        c = conf;
        c.holdout = 0;
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(v.promote && !v.undecided);
        assert_non_null(strstr(v.reason, "; the model holds no rows out, by its own settings"));
}

static void test_nothing_measured(void **state)
{
        (void)state;
        struct gate_task t[] = {task("a", true, 0, NAN, NAN), task("b", false, 0, NAN, NAN)};
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && v.undecided && v.n_checks == 0);
        assert_string_equal(
            v.reason, "undecided: nothing could be measured; task a, b without holdout rows: not judged");
        struct gate_conf c[] = {conf, conf, conf};
        c[0].first = true;
        c[1].unmoved = true;
        c[2].holdout = 0;
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                assert_true(judge(t, 2, &c[i], EWC_LOSS_SOFTMAX).promote);
        t[1].after.predicted = 0; /* that is something */
        assert_true(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);
}

/* Shown, and in nobody's way. */
static void test_given_up(void **state)
{
        (void)state;
        struct gate_task t[] = {task("low", false, 100, 0.9, 0.2), task("high", true, 90, 0.8, 0.9)};
        assert_false(judge(t, 2, &conf, EWC_LOSS_SOFTMAX).promote);
        t[0].given_up = true;
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote && v.n_checks == 1);
        assert_string_equal(v.reason,
            "promoted: task high gained 10.0 pt; task low is given up (alpha 0): task low lost 70.0 pt, not "
            "checked");
        struct gate_task gone = task("low", false, 0, NAN, NAN);
        gone.given_up = true;
        gone.after.predicted = 5;
        gone.n_at_close = 30;
        for (uint64_t n = 0; n < 2; n++) {
                gone.n_holdout = n;
                t[0] = gone;
                v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
                assert_true(v.promote && v.n_checks == 1);
                assert_non_null(strstr(v.reason, "task low is given up (alpha 0): not checked"));
        }
        assert_true(judge(t, 1, &conf, EWC_LOSS_SOFTMAX).undecided); /* nothing else is left to go by */
}

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
            cmocka_unit_test(test_carry),
            cmocka_unit_test(test_rows_changed_since_the_close),
            cmocka_unit_test(test_holdout_rows_that_are_gone),
            cmocka_unit_test(test_nothing_measured),
            cmocka_unit_test(test_given_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
