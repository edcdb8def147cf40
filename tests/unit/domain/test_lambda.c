/* test_lambda.c: the search for lambda as a function of its history, at its boundaries. */
#include "domain/lambda.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct lambda_conf conf = {.start = 0.8, .decay = 0.5, .drop = 0.1, .max_tries = 5};

static void test_order_of_tries(void **state)
{
        (void)state;
        struct learn_try t[LEARN_MAX_TRIES] = {0};
        struct lambda_next n = lambda_next(t, 0, &conf);
        assert_false(n.stop);
        assert_true(n.lambda == 0); /* A* first */
        t[0] = (struct learn_try){.lambda = 0, .accuracy = 0.9};
        n = lambda_next(t, 1, &conf);
        assert_false(n.stop);
        assert_true(n.lambda == 0.8);
        t[1] = (struct learn_try){.lambda = 0.8, .accuracy = 0.5};
        n = lambda_next(t, 2, &conf);
        assert_false(n.stop);
        assert_true(n.lambda == 0.4);
        t[2] = (struct learn_try){.lambda = 0.4, .accuracy = 0.85};
        n = lambda_next(t, 3, &conf);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 2);
        assert_true(n.lambda == 0.4);
        assert_true(n.reason[0] != '\0');
}

static void test_target_boundary(void **state)
{
        (void)state;
        struct learn_try t[2] = {{.lambda = 0, .accuracy = 0.8}, {.lambda = 0.8, .accuracy = 0.72}};
        assert_true(lambda_next(t, 2, &conf).stop); /* exactly (1 - drop) * A* */
        t[1].accuracy = 0.72 - 1e-6;
        assert_false(lambda_next(t, 2, &conf).stop);
}

static void test_tries_used_up(void **state)
{
        (void)state;
        struct learn_try t[LEARN_MAX_TRIES];
        for (int i = 0; i < LEARN_MAX_TRIES; i++)
                t[i] = (struct learn_try){.lambda = i ? 0.8 / (1 << (i - 1)) : 0, .accuracy = i ? 0.3 : 0.9};
        t[3].accuracy = 0.4;
        assert_false(lambda_next(t, 4, &conf).stop);
        struct lambda_next n = lambda_next(t, 5, &conf);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 3); /* the most accurate, not the last, never the one without penalty */
        t[3].accuracy = 0.3;
        assert_int_equal(lambda_next(t, 5, &conf).chosen, 1); /* a tie goes to the larger lambda */
        struct lambda_conf greedy = conf;
        greedy.max_tries = 1000;
        assert_false(lambda_next(t, LEARN_MAX_TRIES - 1, &greedy).stop);
        assert_true(lambda_next(t, LEARN_MAX_TRIES, &greedy).stop);
}

static void test_no_accuracy(void **state)
{
        (void)state;
        struct learn_try t[2] = {{.lambda = 0, .accuracy = (double)NAN}, {.lambda = 0.8, .accuracy = (double)NAN}};
        struct lambda_next n = lambda_next(t, 2, &conf); /* nothing to reach: the first value will do */
        assert_true(n.stop);
        assert_int_equal(n.chosen, 1);
        struct lambda_conf one = conf;
        one.max_tries = 1;
        n = lambda_next(t, 1, &one);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 0);
}

/* A caller keeps one candidate: whatever lambda_next chooses is lambda_best of the whole list. */
static void test_choice_is_the_candidate(void **state)
{
        (void)state;
        struct ewc_rng r;
        ewc_rng_seed(&r, 1, 0);
        for (int round = 0; round < 2000; round++) {
                struct learn_try t[LEARN_MAX_TRIES] = {0};
                uint32_t n = 0;
                struct lambda_next next;
                while (next = lambda_next(t, n, &lambda_conf_default), !next.stop) {
                        assert_in_range(n, 0, LEARN_MAX_TRIES - 1);
                        t[n++] = (struct learn_try){.lambda = next.lambda, .accuracy = ewc_rng_below(&r, 20) / 20.0};
                }
                assert_int_equal(next.chosen, lambda_best(t, n));
                assert_true(next.lambda == t[next.chosen].lambda);
        }
}

static void test_defaults(void **state)
{
        (void)state;
        assert_true(lambda_conf_default.start > 0 && lambda_conf_default.decay < 1);
        assert_in_range(lambda_conf_default.max_tries, 2, LEARN_MAX_TRIES);
        struct learn_try one = {.accuracy = 1};
        assert_int_equal(lambda_best(&one, 1), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_order_of_tries),
            cmocka_unit_test(test_target_boundary),
            cmocka_unit_test(test_tries_used_up),
            cmocka_unit_test(test_no_accuracy),
            cmocka_unit_test(test_choice_is_the_candidate),
            cmocka_unit_test(test_defaults),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
