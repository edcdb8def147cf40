/* test_alike.c: tasks whose likeness is known: the same task again, one turned by a right angle, permutations; what
 * is refused; and the command. */
#include "bench/alike.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "lib/tmpdir.h"
#include "unit/bench/kit.h"
#include "unit/bench/made.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct dataset data;
static struct protocol turned, mixed;

static int setup(void **state)
{
        (void)state;
        made_dataset(&data);
        turned = made_protocol;
        turned.scenario = SCENARIO_DOMAIN;
        turned.cut = (struct cut){.kind = CUT_ROTATE, .tasks = 3, .degrees = {0, 0, 90}};
        turned.keep_optim = false;
        mixed = turned;
        mixed.cut = (struct cut){.kind = CUT_PERMUTE, .tasks = 3};
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        dataset_close(&data);
        return 0;
}

static struct alike measured(const struct protocol *p, uint32_t samples)
{
        struct settings s = made_settings(p, METHOD_EWC, 3);
        struct alike a;
        struct err e = ERR_NULL;
        s.fisher_samples = samples;
        if (alike_measure(&s, &data, &a, &e) != 0)
                fail_msg("%s", e.msg);
        return a;
}

static void test_known_tasks(void **state)
{
        (void)state;
        struct alike a = measured(&turned, 60), again = measured(&turned, 60), b = measured(&mixed, 60);
        assert_int_equal(a.n, 2);
        assert_true(a.same > 0.5 && a.same < 1); /* other rows */
        assert_true(a.task[0] == a.same);        /* not turned at all: the very same rows */
        assert_true(a.task[1] < a.same - 0.005); /* a right angle moves every class's pixel */
        assert_true(again.task[1] == a.task[1]); /* nothing is drawn but from the seed */
        assert_true(b.task[0] != b.task[1]);     /* two permutations */
        assert_true(b.task[0] < b.same && b.task[1] < b.same - 0.05);
        assert_true(measured(&turned, 5).same < a.same); /* few rows are less alike */
}

/* Every row twice over: both samples are then the same rows, and a task is exactly like itself. */
static void test_like_itself(void **state)
{
        struct dataset twice = data;
        struct settings s = made_settings(&turned, METHOD_EWC, 3);
        struct err e = ERR_NULL;
        struct alike a;
        (void)state;
        s.fisher_samples = 60;
        twice.train.x = new_array(float, data.train.n *MADE_INPUTS);
        twice.train.label = new_array(int32_t, data.train.n);
        assert_true(twice.train.x && twice.train.label);
        for (size_t i = 0; i < data.train.n; i++) {
                memcpy(twice.train.x + i * MADE_INPUTS, data.train.x + i % 60 * MADE_INPUTS,
                    MADE_INPUTS * sizeof(float));
                twice.train.label[i] = data.train.label[i % 60];
        }
        assert_int_equal(alike_measure(&s, &twice, &a, &e), 0);
        table_free(&twice.train);
        assert_true(fabs(a.same - 1) < 1e-9);
        assert_true(a.task[1] < 0.995);
}

static void test_refusals(void **state)
{
        struct settings s = made_settings(&turned, METHOD_EWC, 3);
        struct err e = ERR_NULL;
        struct alike a;
        (void)state;
        s.fisher_samples = MADE_TRAIN / 2 + 1;
        assert_int_equal(alike_measure(&s, &data, &a, &e), -EINVAL);
        assert_string_equal(e.field, "--fisher-samples");
        s.fisher_samples = 0;
        assert_int_equal(alike_measure(&s, &data, &a, &e), -EINVAL);
}

static void test_command(void **state)
{
        char *dir = tmpdir_new(), *text, line[512];
        struct json_doc *d;
        (void)state;
        kit_mnist(dir);
        snprintf(line, sizeof(line), "similarity --data %s --steps 2 --fisher-samples 40 --seeds 2 --json", dir);
        assert_int_equal(kit_run(line, &text, &d), EXIT_DONE);
        assert_non_null(strstr(text, "every rotation above every permutation in"));
        assert_string_equal(json_text(d, "/protocol"), "similarity");
        assert_true(kit_number(d, "/seeds") == 2 && kit_number(d, "/steps") == 2);
        assert_true(kit_number(d, "/fisher_samples") == 40);
        assert_int_equal(json_length(d, "/rotations"), 4);
        assert_string_equal(json_text(d, "/rotations/3/name"), "rotated by 60");
        assert_true(kit_number(d, "/rotations/0/mean") > kit_number(d, "/rotations/3/mean")); /* nearer, more alike */
        assert_true(kit_number(d, "/ranked_share") == kit_number(d, "/seeds_ranked") / 2);
        static const char *const of[] = {"same", "rotations/0", "permutations"};
        for (size_t i = 0; i < ARRAY_LEN(of); i++) {
                char mean[64], least[64], most[64];
                snprintf(mean, sizeof(mean), "/%s/mean", of[i]);
                snprintf(least, sizeof(least), "/%s/min", of[i]);
                snprintf(most, sizeof(most), "/%s/max", of[i]);
                assert_true(kit_number(d, least) < kit_number(d, mean));
                assert_true(kit_number(d, mean) < kit_number(d, most));
        }
        double mean = (kit_number(d, "/same/min") + kit_number(d, "/same/max")) / 2; /* of two seeds */
        assert_true(fabs(kit_number(d, "/same/mean") - mean) < 1e-12);
        json_free(d);
        free(text);
        static const char *const bad[] = {
            "--fisher-samples 10%", "--fisher-samples 500 --steps 2", "--fisher-samples 0"};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                snprintf(line, sizeof(line), "similarity --data %s %s", dir, bad[i]);
                assert_int_equal(kit_run(line, NULL, NULL), EXIT_USAGE);
                assert_non_null(strstr(kit_said(), i == 0 ? "not a share" : i == 1 ? "needed twice" : "at least 1"));
        }
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_known_tasks),
            cmocka_unit_test(test_like_itself),
            cmocka_unit_test(test_refusals),
            cmocka_unit_test(test_command),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
