/* test_speed.c: figures of made times, worked out by hand, the lines they are printed as, and a peer's lines. Nothing
 * is timed here. */
#include "bench/speed.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define NONE (double)NAN

static void near(double got, double want)
{
        if (!(fabs(got - want) <= 1e-12 * fabs(want)))
                fail_msg("%.15g, not %.15g", got, want);
}

static void test_median(void **state)
{
        (void)state;
        near(speed_median(1, (const double[]){7}), 7);
        near(speed_median(3, (const double[]){9, 1, 4}), 4);
        near(speed_median(4, (const double[]){8, 1, 4, 2}), 3);
        assert_true(isnan(speed_median(0, NULL)));
}

/* 2 x 3 multiply-adds a row of the only layer: forward and the weights' gradient, two each. */
static void test_flops(void **state)
{
        struct speed_net net = {.spec = {.n_inputs = 3, .n_outputs = 2, .loss = EWC_LOSS_SOFTMAX}, .dense = true};
        (void)state;
        near(speed_flops(&net), SPEED_BATCH * 2.0 * 6 * 2);
        net.spec.n_layers = 1;
        net.spec.layers[0] = (struct ewc_layer){.type = EWC_LAYER_DENSE, .units = 5};
        near(speed_flops(&net), SPEED_BATCH * 2.0 * (15 * 2 + 10 * 3));
        net.spec.n_inputs = 4 * 4 * 2;
        net.spec.input = (struct ewc_shape){4, 4, 2};
        net.spec.n_layers = 2;
        net.spec.layers[0] =
            (struct ewc_layer){.type = EWC_LAYER_CONV, .units = 3, .kernel = 3, .stride = 1, .padding = 1};
        net.spec.layers[1] = (struct ewc_layer){.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2};
        near(speed_flops(&net), SPEED_BATCH * 2.0 * (16 * 18 * 3 * 2 + 12 * 2 * 3));
}

static void test_nets(void **state)
{
        (void)state;
        for (size_t i = 0; i < speed_n_nets; i++) {
                assert_int_equal(ewc_spec_check(&speed_nets[i].spec, NULL, 0), 0);
                assert_in_range(speed_nets[i].rounds, 3, SPEED_MAX_ROUNDS);
                assert_true(speed_nets[i].rows >= SPEED_BATCH && speed_nets[i].rows % SPEED_BATCH == 0);
        }
        assert_string_equal(speed_nets[speed_n_nets - 1].name, "1024-1000-1000-10");
}

static struct speed_times made(void)
{
        struct speed_times t = {.rounds = 3, .rows = 100, .flops = 4e6, .allocations = 0};
        for (size_t k = 0; k < N_PARTS; k++) {
                t.has[k] = true;
                for (size_t i = 0; i < 3; i++)
                        t.ms[k][i] = 1 + (double)i;
        }
        return t;
}

static double figure(const struct speed_times *t, const struct speed_torch *torch, const char *name)
{
        struct speed_figure f[SPEED_MAX_FIGURES];
        size_t n = speed_figures(t, torch, f);
        double got = NONE;
        for (size_t i = 0; i < n; i++)
                if (strcmp(f[i].name, name) == 0) {
                        assert_true(isnan(got)); /* once a net */
                        got = f[i].value;
                }
        return got;
}

static void test_figures(void **state)
{
        struct speed_times t = made();
        const struct speed_torch torch = {5, 8, 30};
        const double ewc[] = {1.5, 2, 4.5}, tenth[] = {10, 40, 15}, square[] = {9, 2, 3};
        (void)state;
        memcpy(t.ms[PART_STEP_EWC], ewc, sizeof(ewc));
        memcpy(t.ms[PART_EXACT_TENTH], tenth, sizeof(tenth));
        memcpy(t.ms[PART_CEILING], square, sizeof(square));
        near(figure(&t, &torch, "step_plain"), 2);
        near(figure(&t, &torch, "step_ewc_over_plain"), 1.5); /* of 1.5, 1, 1.5; not of the medians */
        near(figure(&t, &torch, "sampled_speedup"), 100 * 0.1);
        near(figure(&t, &torch, "step_rate"), 2);
        near(figure(&t, &torch, "sgemm_ceiling"), 2.0 * 1024 * 1024 * 1024 / 2e6);
        near(figure(&t, &torch, "train_over_sgemm"), 2 / (2.0 * 1024 * 1024 * 1024 / 2e6));
        near(figure(&t, &torch, "exact_over_empirical"), 1);
        near(figure(&t, &torch, "allocations_per_step"), 0);
        near(figure(&t, &torch, "train_over_torch"), 8 / 2.0);
        near(figure(&t, &torch, "fisher_over_torch"), 30 / 2.0);
        near(figure(&t, &torch, "torch_step_plain"), 5);
        assert_true(isnan(figure(&t, &torch, "conv_over_torch")));
}

static void test_what_is_missing(void **state)
{
        struct speed_times t = made();
        const struct speed_torch torch = {5, 8, NONE}, no_torch = {NONE, NONE, NONE};
        (void)state;
        assert_true(isnan(figure(&t, &no_torch, "train_over_torch")));
        assert_true(isnan(figure(&t, &no_torch, "torch_step_ewc")));
        near(figure(&t, &no_torch, "step_ewc_over_plain"), 1);
        t.has[PART_EXACT] = t.has[PART_EMPIRICAL] = false; /* a net with convolutions */
        t.allocations = NONE;
        near(figure(&t, &torch, "conv_over_torch"), 2.5);
        assert_true(isnan(figure(&t, &torch, "exact_over_empirical")));
        assert_true(isnan(figure(&t, &torch, "fisher_exact_row")));
        assert_true(isnan(figure(&t, &torch, "train_over_torch")));
        assert_true(isnan(figure(&t, &torch, "allocations_per_step")));
}

static const char *printed(bool json, const char *net, char text[256])
{
        const struct speed_figure f = {"step_plain", "ms", 3.25};
        FILE *to = fmemopen(text, 256, "w");
        assert_non_null(to);
        speed_print(to, json, net, &f);
        fclose(to);
        return text;
}

static void test_lines(void **state)
{
        char text[256];
        (void)state;
        assert_string_equal(
            printed(true, "3-2", text), "{\"name\":\"step_plain\",\"value\":3.25,\"unit\":\"ms\",\"net\":\"3-2\"}\n");
        assert_string_equal(printed(true, NULL, text), "{\"name\":\"step_plain\",\"value\":3.25,\"unit\":\"ms\"}\n");
        assert_string_equal(
            printed(false, "3-2", text), "step_plain                 3-2                    3.2500 ms\n");
}

static void test_peer_lines(void **state)
{
        char lines[] =
            "step_plain 5.5 ms\nother 1 count\nstep_ewc 8 ms\nstep_plain 6 ms\nstep_ewc 7.5 ms\nnot a line\n";
        struct speed_torch t = {NONE, NONE, NONE};
        FILE *in = fmemopen(lines, strlen(lines), "r");
        (void)state;
        assert_non_null(in);
        speed_torch_read(in, &t);
        fclose(in);
        near(t.step_plain, 5.5); /* the better one stays */
        near(t.step_ewc, 7.5);
        assert_true(isnan(t.fisher_row));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_median),
            cmocka_unit_test(test_flops),
            cmocka_unit_test(test_nets),
            cmocka_unit_test(test_figures),
            cmocka_unit_test(test_what_is_missing),
            cmocka_unit_test(test_lines),
            cmocka_unit_test(test_peer_lines),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
