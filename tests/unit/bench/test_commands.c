/* test_commands.c: run, sweep and two-task on small files, as their users meet them: what is on the last line. */
#include "base/err.h"
#include "base/file.h"
#include "bench/commands.h"
#include "lib/tmpdir.h"
#include "unit/bench/kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

static char *dir;

static int setup(void **state)
{
        (void)state;
        dir = tmpdir_new();
        kit_mnist(dir);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        tmpdir_remove(dir);
        return 0;
}

/* The command with data and state, and its last line. */
static struct json_doc *ran(const char *command, char **ret_text)
{
        char line[768];
        struct json_doc *d;
        snprintf(line, sizeof(line), "%s --data %s --state %s/state --json", command, dir, dir);
        assert_int_equal(kit_run(line, ret_text, &d), EXIT_DONE);
        assert_non_null(d);
        return d;
}

static int refused(const char *command)
{
        char line[768];
        snprintf(line, sizeof(line), "%s --data %s --state %s/state", command, dir, dir);
        return kit_run(line, NULL, NULL);
}

static void test_two_task(void **state)
{
        (void)state;
        char *text;
        struct json_doc *d = ran("two-task --steps 4 --rows 200 --seeds 2", &text);
        assert_string_equal(json_text(d, "/protocol"), "permuted-mnist-small");
        assert_true(kit_number(d, "/ewc/lambda") == 130); /* the command's own */
        assert_true(kit_number(d, "/seeds") == 2);
        assert_int_equal(json_length(d, "/conditions"), 2);
        double held = 0, old = 0;
        for (unsigned i = 0; i < 2; i++) {
                char at[64];
                snprintf(at, sizeof(at), "/conditions/%u/held", i);
                held += json_bool(d, at) == 1;
                snprintf(at, sizeof(at), "/conditions/%u/new_cost", i);
                old += kit_number(d, at) / 2;
        }
        assert_true(kit_number(d, "/seeds_held") == held);
        assert_true(fabs(kit_number(d, "/none/new_after") - kit_number(d, "/ewc/new_after") - old) < 1e-12);
        assert_true(json_number(d, "/joint/old_before", &old) != 0); /* joint has no before */
        assert_non_null(strstr(text, "both conditions"));
        json_free(d);
        free(text);
        d = ran("two-task --steps 4 --rows 200 --lambda 7 --form prox", NULL);
        assert_true(kit_number(d, "/ewc-replay/lambda") == 7);
        json_free(d);
        d = ran("two-task split-mnist --scenario domain --steps 2 --lambda 7", NULL);
        assert_string_equal(json_text(d, "/protocol"), "split-mnist-domain");
        json_free(d);
        assert_int_equal(refused("two-task electricity"), EXIT_USAGE);
        assert_int_equal(refused("two-task --merge ema"), EXIT_USAGE);
}

static void test_sweep(void **state)
{
        (void)state;
        char *text;
        struct json_doc *d = ran("sweep --fisher exact --from 2 --to 200 --factor 10 --steps 2 --seeds 1", &text);
        assert_int_equal(json_length(d, "/points"), 6); /* all rows and 500 of them */
        assert_true(kit_number(d, "/points/1/lambda_paper") == 20);
        assert_true(kit_number(d, "/points/1/lambda") == 10);
        assert_true(kit_number(d, "/points/4/fisher_samples") == 500);
        assert_true(kit_number(d, "/points/0/accuracy_mean") > 0);
        assert_non_null(strstr(text, "seconds")); /* every try has its line */
        json_free(d);
        free(text);
        assert_int_equal(refused("sweep --from 5 --to 1"), EXIT_USAGE);
        assert_int_equal(refused("sweep electricity"), EXIT_USAGE);
}

static void test_run_names_a_scenario(void **state)
{
        (void)state;
        struct json_doc *d = ran("run split-mnist --scenario class --method hybrid --steps 2", NULL);
        static const char *const numbers[] = {"/lambda", "/seeds", "/accuracy_mean", "/accuracy_sem",
            "/forgetting_mean", "/seconds", "/none/accuracy_mean", "/joint/accuracy_mean"};
        assert_string_equal(json_text(d, "/protocol"), "split-mnist-class");
        assert_string_equal(json_text(d, "/scenario"), "class");
        assert_string_equal(json_text(d, "/method"), "hybrid");
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                kit_number(d, numbers[i]);
        json_free(d);
        d = ran("run split-mnist-class --method lwf --distill 2 --active task --steps 2", NULL);
        assert_string_equal(json_text(d, "/departures"), "--distill 2 --active task");
        kit_number(d, "/none/accuracy_mean");
        kit_number(d, "/joint/accuracy_mean"); /* which has no use for either, and runs nevertheless */
        json_free(d);
        assert_int_equal(refused("run split-mnist-task --method joint --distill 2"), EXIT_USAGE);
        assert_int_equal(refused("run split-mnist-task --scenario class"), EXIT_USAGE);
        assert_int_equal(refused("run rotated-mnist --scenario class"), EXIT_USAGE);
        assert_int_equal(refused("run nothing"), EXIT_USAGE);
}

static void test_tries_of_a_search(void **state)
{
        (void)state;
        char *text;
        struct json_doc *d =
            ran("run split-mnist --scenario task --lambda auto --tasks 2 --steps 20 --seeds 1", &text);
        int n = json_length(d, "/tries");
        assert_true(n >= 2);
        assert_true(kit_number(d, "/tries/0/task") == 2); /* the first task has nothing to protect */
        assert_true(kit_number(d, "/tries/0/lambda") == 0);
        assert_true(kit_number(d, "/tries/1/lambda") > 0);
        assert_true(kit_number(d, "/tries/1/seed") == 1);
        assert_true(kit_number(d, "/tries/1/seconds") > 0);
        assert_true(kit_number(d, "/tries/1/past_accuracy") >= 0);
        kit_number(d, "/tries/1/penalty");
        kit_number(d, "/tries/1/loss");
        assert_true(kit_number(d, "/R/1/0") >= 0 && kit_number(d, "/R/1/1") >= 0);
        assert_non_null(strstr(text, "tries of ewc"));
        json_free(d);
        free(text);
}

static void test_packed_records(void **state)
{
        (void)state;
        struct json_doc *d = ran("run split-mnist --scenario task --keep 20% --steps 4", NULL);
        assert_string_equal(json_text(d, "/encoding"), "bitmap16");
        assert_string_equal(json_text(d, "/departures"), "--encoding bitmap16 --keep 20%");
        assert_true(kit_number(d, "/packed_share_mean") < 0.25);
        json_free(d);
        d = ran("run split-mnist --scenario task --encoding dense --steps 4", NULL);
        double dense = kit_number(d, "/accuracy_mean");
        assert_true(fabs(kit_number(d, "/packed_share_mean") - 1) < 0.01); /* and a header */
        json_free(d);
        d = ran("run split-mnist --scenario task --steps 4", NULL);
        assert_true(kit_number(d, "/accuracy_mean") == dense); /* nothing is lost */
        json_free(d);
}

/* The lambda of the object is the one asked for, whatever became of it. */
static void test_divergence_is_told(void **state)
{
        (void)state;
        char line[768], csv[256];
        struct json_doc *d;
        kit_csv(tmpdir_path(csv, sizeof(csv), dir, "six.csv"), 240);
        const char *const flags = "--form grad --steps 30 --lambda 1e38 --seeds 2 --json";
        snprintf(line, sizeof(line), "run split --data %s --state %s/state %s", csv, dir, flags);
        assert_int_equal(kit_run(line, NULL, &d), EXIT_FAILED);
        assert_non_null(d);
        assert_true(kit_number(d, "/lambda") == 1e38);
        assert_true(kit_number(d, "/lambda_used_mean") == 1e38);
        assert_true(kit_number(d, "/diverged") == 2);
        assert_non_null(strstr(kit_said(), "ewc: 2 of 2 seeds diverged at lambda 1e+38"));
        json_free(d);
        snprintf(line, sizeof(line), "two-task split --data %s --state %s/state %s", csv, dir, flags);
        assert_int_equal(kit_run(line, NULL, &d), EXIT_FAILED);
        assert_true(kit_number(d, "/ewc/lambda") == 1e38);
        json_free(d);
        snprintf(line, sizeof(line),
            "sweep split --fisher empirical --from 1 --to 2e38 --factor 2e38 --data %s --state %s/state --form grad "
            "--steps 30",
            csv, dir);
        assert_int_equal(kit_run(line, NULL, NULL), EXIT_DONE); /* some of the grid held */
        assert_non_null(strstr(kit_said(), "ewc: 1 of 1 seeds diverged at lambda 1e+38"));
}

/* Nothing is trained for a drawing that cannot be written: nothing is kept. */
static void test_plot_is_tried_first(void **state)
{
        (void)state;
        static const char *const commands[] = {"run split-mnist", "sweep --fisher empirical --to 10"};
        static const char *const places[] = {"nowhere/x.svg", "."};
        char line[768], at[256];
        for (size_t i = 0; i < 4; i++) {
                snprintf(line, sizeof(line), "%s --steps 2 --data %s --state %s/plot --plot %s/%s", commands[i / 2],
                    dir, dir, dir, places[i % 2]);
                assert_int_not_equal(kit_run(line, NULL, NULL), EXIT_DONE);
                assert_non_null(strstr(kit_said(), "--plot"));
                assert_false(file_exists(tmpdir_path(at, sizeof(at), dir, "plot")));
        }
        snprintf(
            line, sizeof(line), "run split-mnist --steps 2 --data %s --state %s/plot --plot %s/x.svg", dir, dir, dir);
        assert_int_equal(kit_run(line, NULL, NULL), EXIT_DONE);
        assert_true(file_exists(tmpdir_path(at, sizeof(at), dir, "x.svg")));
        assert_int_equal(refused("run electricity --plot x.svg"), EXIT_USAGE);
        assert_non_null(strstr(kit_said(), "--plot"));
}

static void test_too_few_rows_for_a_batch(void **state)
{
        (void)state;
        assert_int_equal(refused("run split-mnist --rows 100"), EXIT_USAGE);
        assert_non_null(strstr(kit_said(), "--rows: 100 rows"));
        /* a search keeps a tenth of them, and its brake a tenth of the first task's too */
        assert_int_equal(refused("run split-mnist --rows 130 --lambda auto --steps 2"), EXIT_USAGE);
        assert_non_null(strstr(kit_said(), "--rows: task 1 trains on 117 rows"));
        assert_int_equal(refused("run split-mnist --rows 130 --lambda auto --brake 0 --steps 2"), EXIT_USAGE);
        assert_non_null(strstr(kit_said(), "--rows: task 2 trains on 117 rows"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_two_task),
            cmocka_unit_test(test_sweep),
            cmocka_unit_test(test_run_names_a_scenario),
            cmocka_unit_test(test_tries_of_a_search),
            cmocka_unit_test(test_packed_records),
            cmocka_unit_test(test_divergence_is_told),
            cmocka_unit_test(test_plot_is_tried_first),
            cmocka_unit_test(test_too_few_rows_for_a_batch),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
