/* test_cut.c: what each task holds, by scenario and kind of cut, and that it follows from the arguments alone. */
#include "bench/cut.h"
#include "base/err.h"
#include "unit/bench/made.h"
#include <errno.h>
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

static void open_cut(struct cutter *c, const struct cut *cut, enum scenario s, uint64_t seed)
{
        struct err e = ERR_NULL;
        if (cutter_open(c, &data, cut, s, seed, &e) != 0)
                fail_msg("%s", e.msg);
}

static void get(const struct cutter *c, uint32_t k, struct cut_task *t)
{
        struct err e = ERR_NULL;
        if (cutter_task(c, k, 0, true, true, t, &e) != 0)
                fail_msg("%s", e.msg);
}

static void test_classes_and_heads(void **state)
{
        (void)state;
        const struct cut cut = {.kind = CUT_CLASSES, .tasks = 3};
        static const struct {
                enum scenario s;
                uint32_t outputs, head_n, head_first, own_n, own_first, base;
        } want[] = {{SCENARIO_TASK, 6, 2, 2, 2, 2, 2}, {SCENARIO_DOMAIN, 2, 2, 0, 2, 0, 0},
            {SCENARIO_CLASS, 6, 6, 0, 2, 2, 2}};
        for (size_t i = 0; i < 3; i++) {
                struct cutter c;
                struct cut_task t;
                open_cut(&c, &cut, want[i].s, 1);
                assert_int_equal(c.n_outputs, want[i].outputs);
                get(&c, 1, &t); /* the second task: classes 2 and 3 */
                assert_int_equal(t.head.n, want[i].head_n);
                assert_int_equal(t.head.out[0], want[i].head_first);
                assert_int_equal(t.own.n, want[i].own_n);
                assert_int_equal(t.own.out[0], want[i].own_first);
                assert_int_equal(t.train.n, MADE_TRAIN / 3);
                assert_int_equal(t.test.n, MADE_TEST / 3);
                for (size_t r = 0; r < t.train.n; r++) {
                        int32_t class = (int32_t)(t.train.x[r * MADE_INPUTS + 3] > 0.55f ? 3 : 2);
                        assert_true(t.train.x[r * MADE_INPUTS + (size_t) class] > 0.55f);
                        assert_int_equal(t.train.label[r], (int32_t)want[i].base + class - 2);
                }
                cut_task_free(&t);
                cutter_close(&c);
        }
}

/* Seven classes in three tasks: 3, 2 and 2. The seventh has no rows; it has an output nevertheless. */
static void test_no_class_is_left_out(void **state)
{
        (void)state;
        const struct cut cut = {.kind = CUT_CLASSES, .tasks = 3, .shuffle_classes = true};
        static const struct {
                enum scenario s;
                uint32_t outputs, heads[3], first[3], base[3];
        } want[] = {
            {SCENARIO_TASK, 7, {3, 2, 2}, {0, 3, 5}, {0, 3, 5}},
            {SCENARIO_DOMAIN, 3, {3, 3, 3}, {0, 0, 0}, {0, 0, 0}},
            {SCENARIO_CLASS, 7, {7, 7, 7}, {0, 0, 0}, {0, 3, 5}},
        };
        static const uint32_t has[] = {3, 2, 2};
        data.n_classes = 7;
        for (size_t i = 0; i < 3; i++) {
                struct cutter c;
                size_t train = 0, test = 0;
                open_cut(&c, &cut, want[i].s, 2);
                assert_int_equal(c.n_outputs, want[i].outputs);
                for (uint32_t k = 0; k < 3; k++) {
                        struct cut_task t;
                        get(&c, k, &t);
                        assert_int_equal(t.head.n, want[i].heads[k]);
                        assert_int_equal(t.head.out[0], want[i].first[k]);
                        for (size_t r = 0; r < t.train.n; r++)
                                assert_in_range(t.train.label[r], want[i].base[k], want[i].base[k] + has[k] - 1);
                        train += t.train.n;
                        test += t.test.n;
                        cut_task_free(&t);
                }
                assert_true(train == MADE_TRAIN && test == MADE_TEST);
                cutter_close(&c);
        }
        data.n_classes = MADE_CLASSES;
}

static void test_pixels_are_normalised(void **state)
{
        (void)state;
        struct cut cut = {.kind = CUT_CLASSES, .tasks = 3, .pad = 1};
        struct cutter a, b;
        struct cut_task x, y;
        open_cut(&a, &cut, SCENARIO_TASK, 1);
        cut.mean = 0.25f;
        cut.deviation = 0.5f;
        open_cut(&b, &cut, SCENARIO_TASK, 1);
        get(&a, 1, &x);
        get(&b, 1, &y);
        assert_int_equal(x.train.n, y.train.n);
        for (size_t i = 0; i < x.train.n * a.n_inputs; i++)
                assert_true(y.train.x[i] == (x.train.x[i] - 0.25f) / 0.5f);
        assert_true(y.test.x[0] == -0.5f); /* padding too */
        cut_task_free(&x);
        cut_task_free(&y);
        cutter_close(&a);
        cutter_close(&b);
}

static void test_class_order_follows_the_seed(void **state)
{
        (void)state;
        const struct cut cut = {.kind = CUT_CLASSES, .tasks = 3, .shuffle_classes = true};
        struct cutter a, b, other;
        open_cut(&a, &cut, SCENARIO_TASK, 5);
        open_cut(&b, &cut, SCENARIO_TASK, 5);
        assert_memory_equal(a.classes, b.classes, MADE_CLASSES * sizeof(uint32_t));
        bool differs = false;
        for (uint64_t seed = 6; seed < 12 && !differs; seed++) {
                open_cut(&other, &cut, SCENARIO_TASK, seed);
                differs = memcmp(a.classes, other.classes, MADE_CLASSES * sizeof(uint32_t)) != 0;
                cutter_close(&other);
        }
        assert_true(differs);
        uint32_t seen = 0;
        for (size_t i = 0; i < MADE_CLASSES; i++)
                seen |= 1U << a.classes[i];
        assert_int_equal(seen, (1U << MADE_CLASSES) - 1);
        cutter_close(&a);
        cutter_close(&b);
}

static void test_permutations(void **state)
{
        (void)state;
        const struct cut cut = {.kind = CUT_PERMUTE, .tasks = 3, .pad = 1};
        struct cutter a, b;
        struct cut_task t[3], again;
        open_cut(&a, &cut, SCENARIO_DOMAIN, 4);
        open_cut(&b, &cut, SCENARIO_DOMAIN, 4);
        assert_int_equal(a.n_inputs, 25); /* 3x3 padded by one on every side */
        for (uint32_t k = 0; k < 3; k++)
                get(&a, k, &t[k]);
        get(&b, 1, &again);
        assert_memory_equal(t[1].train.x, again.train.x, again.train.n * 25 * sizeof(float));
        assert_memory_not_equal(t[0].train.x, t[1].train.x, 25 * sizeof(float));
        assert_memory_not_equal(t[1].train.x, t[2].train.x, 25 * sizeof(float));
        for (size_t row = 0; row < 20; row++) { /* a permutation keeps what there is, and the labels */
                double sum = 0, want = 0;
                size_t zeros = 0;
                for (size_t i = 0; i < 25; i++) {
                        sum += (double)t[2].train.x[row * 25 + i];
                        zeros += t[2].train.x[row * 25 + i] == 0.0f;
                }
                for (size_t i = 0; i < MADE_INPUTS; i++)
                        want += (double)data.train.x[row * MADE_INPUTS + i];
                assert_true(fabs(sum - want) < 1e-5);
                assert_true(zeros >= 16);
                assert_int_equal(t[2].train.label[row], data.train.label[row]);
        }
        /* the same permutation for training and test rows: equal rows stay equal */
        for (uint32_t k = 0; k < 3; k++)
                cut_task_free(&t[k]);
        cut_task_free(&again);
        cutter_close(&a);
        cutter_close(&b);
}

static void test_rotation(void **state)
{
        (void)state;
        const struct cut cut = {.kind = CUT_ROTATE, .tasks = 3, .degrees = {0, 90, 45}};
        struct cutter c;
        struct cut_task t[3];
        open_cut(&c, &cut, SCENARIO_DOMAIN, 1);
        for (uint32_t k = 0; k < 3; k++)
                get(&c, k, &t[k]);
        assert_memory_equal(t[0].train.x, data.train.x, MADE_TRAIN * MADE_INPUTS * sizeof(float));
        /* a quarter turn about the middle: row y column x comes from row 2-x column y or its mirror; the centre
         * stays, corners go to corners */
        const float *from = data.train.x, *to = t[1].train.x;
        for (size_t y = 0; y < 3; y++)
                for (size_t x = 0; x < 3; x++)
                        assert_true(fabsf(to[y * 3 + x] - from[(2 - x) * 3 + y]) < 1e-5f);
        assert_true(fabsf(t[2].train.x[4] - from[4]) < 1e-6f);
        for (uint32_t k = 0; k < 3; k++)
                cut_task_free(&t[k]);
        cutter_close(&c);
}

static void test_refusals(void **state)
{
        (void)state;
        struct cutter c;
        struct err e = ERR_NULL;
        struct cut many = {.kind = CUT_CLASSES, .tasks = 4}; /* six classes: one and a half each */
        assert_int_equal(cutter_open(&c, &data, &many, SCENARIO_TASK, 1, &e), -EINVAL);
        assert_string_equal(e.field, "--tasks");
        struct cut padded = {.kind = CUT_PERMUTE, .tasks = 2, .pad = 1};
        data.n_inputs = 8; /* no square */
        assert_int_equal(cutter_open(&c, &data, &padded, SCENARIO_DOMAIN, 1, &e), -EINVAL);
        assert_string_equal(e.field, "--data");
        data.n_inputs = MADE_INPUTS;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_classes_and_heads),
            cmocka_unit_test(test_no_class_is_left_out),
            cmocka_unit_test(test_pixels_are_normalised),
            cmocka_unit_test(test_class_order_follows_the_seed),
            cmocka_unit_test(test_permutations),
            cmocka_unit_test(test_rotation),
            cmocka_unit_test(test_refusals),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
