/* test_commands.c: run, sweep and two-task on small files, as their users meet them: what is on the last line. */
#include "base/err.h"
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

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_two_task),
            cmocka_unit_test(test_sweep),
            cmocka_unit_test(test_run_names_a_scenario),
            cmocka_unit_test(test_tries_of_a_search),
            cmocka_unit_test(test_packed_records),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
