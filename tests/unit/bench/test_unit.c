/* test_unit.c: a unit on made-up data: what it measures, and that an interruption changes nothing. */
#include "bench/unit.h"
#include "base/err.h"
#include "bench/unit_state.h"
#include "lib/tmpdir.h"
#include "unit/bench/made.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct dataset data;

static int setup(void **state)
{
        (void)state;
        made_dataset(&data);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        dataset_close(&data);
        return 0;
}

static void run(const struct settings *s, const char *dir, struct unit_result *ret)
{
        struct err e = ERR_NULL;
        if (unit_run(s, &data, dir, NULL, ret, &e) != 0)
                fail_msg("%s", e.msg);
}

/* Times aside. */
static void same(const struct unit_result *a, const struct unit_result *b)
{
        assert_int_equal(a->tasks, b->tasks);
        for (uint32_t i = 0; i < a->tasks; i++) {
                assert_memory_equal(&a->start[i], &b->start[i], sizeof(double));
                for (uint32_t j = 0; j < a->tasks; j++)
                        assert_true(a->R[i][j] == b->R[i][j] || (isnan(a->R[i][j]) && isnan(b->R[i][j])));
        }
        assert_true(a->lambda == b->lambda);
        assert_true(a->factor == b->factor || (isnan(a->factor) && isnan(b->factor)));
        assert_true(a->trace == b->trace || (isnan(a->trace) && isnan(b->trace)));
        assert_true(a->anytime_mean == b->anytime_mean || (isnan(a->anytime_mean) && isnan(b->anytime_mean)));
}

static void test_methods_measure_what_they_should(void **state)
{
        (void)state;
        for (int m = METHOD_NONE; m < METHOD_END; m++) {
                struct settings s = made_settings(&made_protocol, (enum bench_method)m, 3);
                struct unit_result r;
                run(&s, NULL, &r);
                assert_int_equal(r.test_rows, MADE_TEST);
                for (uint32_t j = 0; j < 3; j++) {
                        assert_true(r.R[2][j] > 0.6); /* the tasks are easy */
                        assert_true(r.start[j] >= 0 && r.start[j] <= 1);
                }
                assert_int_equal(isnan(r.R[0][0]), m == METHOD_JOINT);
                assert_int_equal(isnan(r.factor), !method_has_penalty((enum bench_method)m));
                assert_int_equal(isnan(r.anytime_min), m == METHOD_JOINT);
        }
}

/* Where a task trains its own outputs alone it does not push down the others, and earlier classes are still found.
 * The weight of distillation reaches the training too. */
static void test_outputs_and_distillation_reach_the_training(void **state)
{
        (void)state;
        struct protocol p = made_protocol;
        struct unit_result all, task, more;
        p.scenario = SCENARIO_CLASS;
        struct settings s = made_settings(&p, METHOD_NONE, 3);
        run(&s, NULL, &all);
        s.active = ACTIVE_TASK;
        run(&s, NULL, &task);
        assert_true(all.R[2][0] + all.R[2][1] < 0.1); /* only the last task's outputs are left */
        assert_true(task.R[2][0] + task.R[2][1] > 0.5);
        s = made_settings(&p, METHOD_LWF, 3);
        run(&s, NULL, &all);
        s.distill = 8;
        run(&s, NULL, &more);
        assert_true(more.R[2][0] + more.R[2][1] > all.R[2][0] + all.R[2][1]);
}

struct stop {
        double after;
        bool now;
};

static void on_progress(void *arg, double fraction, const char *text)
{
        struct stop *s = arg;
        (void)text;
        s->now = fraction >= s->after;
}

static bool on_stop(void *arg)
{
        return ((struct stop *)arg)->now;
}

static void test_resume(void **state)
{
        (void)state;
        static const enum bench_method methods[] = {METHOD_EWC, METHOD_SI, METHOD_EWC_REPLAY, METHOD_LWF};
        for (size_t i = 0; i < 4; i++) {
                struct settings s = made_settings(&made_protocol, methods[i], 7);
                struct unit_result whole, parts, kept;
                struct err e = ERR_NULL;
                char *dir = tmpdir_new();
                run(&s, NULL, &whole);
                for (double at = 0.4; at < 0.9; at += 0.35) { /* inside the second task, then inside the third */
                        struct stop stop = {.after = at};
                        const struct unit_callbacks cb = {on_progress, on_stop, &stop};
                        assert_int_equal(unit_run(&s, &data, dir, &cb, &parts, &e), UNIT_STOPPED);
                        assert_int_equal(unit_kept(&s, dir, &kept, &e), UNIT_NONE);
                }
                struct digest key;
                struct unit_state st = {0};
                struct ewc_spec net = settings_net(&s, MADE_INPUTS, MADE_CLASSES);
                settings_digest(&s, &key);
                assert_int_equal(unit_state_read(dir, &key, ewc_spec_params(&net), &st, &e), 0);
                assert_int_equal(st.done, 2);
                unit_state_deinit(&st);
                run(&s, dir, &parts);
                same(&whole, &parts);
                assert_int_equal(unit_kept(&s, dir, &kept, &e), 0);
                same(&whole, &kept);
                run(&s, dir, &kept); /* read, not run again */
                assert_true(kept.seconds == parts.seconds);
                tmpdir_remove(dir);
        }
}

/* What protects between tasks is what came out of the pack: three of four hidden biases are their floor. */
static void test_a_record_is_kept_packed(void **state)
{
        (void)state;
        struct settings s = made_settings(&made_protocol, METHOD_EWC, 7);
        struct ewc_spec net = settings_net(&s, MADE_INPUTS, MADE_CLASSES);
        struct stop stop = {.after = 0.5};
        const struct unit_callbacks cb = {on_progress, on_stop, &stop};
        struct unit_result r;
        struct unit_state st;
        struct digest key;
        struct err e = ERR_NULL;
        char *dir = tmpdir_new();
        s.encoding = EWC_PACK_BITMAP16;
        s.keep_percent = 20;
        assert_int_equal(unit_run(&s, &data, dir, &cb, &r, &e), UNIT_STOPPED);
        settings_digest(&s, &key);
        assert_int_equal(unit_state_read(dir, &key, ewc_spec_params(&net), &st, &e), 0);
        assert_int_equal(st.n_past, 1);
        uint32_t most = 0, n = made_protocol.hidden[0];
        const float *bias = st.fisher[0] + MADE_INPUTS * n;
        for (uint32_t i = 0; i < n; i++) {
                uint32_t equal = 0;
                for (uint32_t j = 0; j < n; j++)
                        equal += bias[i] > 0 && bias[i] == bias[j];
                most = equal > most ? equal : most;
        }
        assert_in_range(most, n - n / 5 - 1, n);
        assert_true(st.result.record_bytes == (double)(ewc_spec_params(&net) * sizeof(float)));
        assert_true(st.result.packed_bytes > 0 && st.result.packed_bytes < st.result.record_bytes);
        unit_state_deinit(&st);
        tmpdir_remove(dir);
}

static void test_a_state_of_another_unit_is_none(void **state)
{
        (void)state;
        struct settings s = made_settings(&made_protocol, METHOD_NONE, 7);
        struct unit_state st = {.n_params = 4, .theta = (float[]){1, 2, 3, 4}}, got = {0};
        struct digest key, other;
        struct err e = ERR_NULL;
        char *dir = tmpdir_new();
        settings_digest(&s, &key);
        assert_int_equal(unit_state_write(dir, &key, &st, &e), 0);
        assert_int_equal(unit_state_read(dir, &key, 5, &got, &e), STATE_NONE);
        s.seed++;
        settings_digest(&s, &other);
        assert_int_equal(unit_state_read(dir, &other, 4, &got, &e), STATE_NONE);
        assert_int_equal(unit_state_read(dir, &key, 4, &got, &e), 0);
        assert_memory_equal(got.theta, st.theta, 4 * sizeof(float));
        unit_state_deinit(&got);
        tmpdir_remove(dir);
}

static void test_search(void **state)
{
        (void)state;
        struct settings s = made_settings(&made_protocol, METHOD_EWC, 3);
        struct unit_result r;
        s.lambda_auto = true;
        s.scale = LEARN_SCALE_UNIT;
        run(&s, NULL, &r);
        assert_true(r.lambda > 0 && r.lambda <= 0.1);
        assert_true(r.R[2][2] > 0.6);
        struct unit_result braked;
        s.brake = 1e-9;
        run(&s, NULL, &braked);
        for (size_t i = 0; i < 3; i++)
                for (size_t j = 0; j <= i; j++) /* all of them test rows, though the brake has rows of its own */
                        assert_true(fabs(braked.R[i][j] * 60 - round(braked.R[i][j] * 60)) < 1e-9);
        assert_true(braked.n_tries >= r.n_tries);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_methods_measure_what_they_should),
            cmocka_unit_test(test_outputs_and_distillation_reach_the_training),
            cmocka_unit_test(test_resume),
            cmocka_unit_test(test_a_record_is_kept_packed),
            cmocka_unit_test(test_a_state_of_another_unit_is_none),
            cmocka_unit_test(test_search),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
