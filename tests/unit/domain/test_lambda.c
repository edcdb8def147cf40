/* test_lambda.c: the search for lambda as a function of its history, at its boundaries. */
#include "domain/lambda.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct lambda_conf conf = {
    .start = 0.8, .decay = 0.5, .drop = 0.1, .low = 1e-3, .high = 8, .max_tries = 5};

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

/* A caller keeps one candidate: the one that lambda_next chooses is lambda_best of the whole list, and it was the
 * best when it was made and ever after. */
static void test_choice_is_the_candidate(void **state)
{
        (void)state;
        struct ewc_rng r;
        ewc_rng_seed(&r, 1, 0);
        for (int round = 0; round < 4000; round++) {
                struct learn_try t[LEARN_MAX_TRIES] = {0};
                struct lambda_conf c = lambda_conf_default;
                uint32_t n = 0, kept = 0;
                struct lambda_next next;
                c.start = 1e-4 * pow(1000, (double)ewc_rng_unit(&r));
                c.past_floor = round % 3 == 0 ? 0 : round % 3 == 1 ? (double)NAN : 0.9;
                while (next = lambda_next(t, n, &c), !next.stop) {
                        assert_in_range(n, 0, c.max_tries - 1);
                        assert_true(n == 0 || (next.lambda >= c.low && next.lambda <= c.high));
                        for (uint32_t i = 0; i < n; i++)
                                assert_true(t[i].lambda != next.lambda); /* no value twice */
                        t[n++] = (struct learn_try){.lambda = next.lambda,
                            .accuracy = 1 - (n > 0 ? ewc_rng_below(&r, 20) / 300.0 : 0),
                            .past_accuracy = 1 - ewc_rng_below(&r, 20) / 100.0};
                        kept = lambda_best(t, n, &c) == n - 1 ? n - 1 : kept;
                }
                assert_int_equal(next.chosen, lambda_best(t, n, &c));
                assert_int_equal(next.chosen, kept);
                assert_true(next.chosen > 0);
                assert_true(next.lambda == t[next.chosen].lambda);
        }
}

/* A start that costs little is a start too low: upwards, while there is room. */
static void test_upwards(void **state)
{
        (void)state;
        struct learn_try t[LEARN_MAX_TRIES] = {{.accuracy = 1}, {.lambda = 0.8, .accuracy = 0.98}};
        struct lambda_next n = lambda_next(t, 2, &conf);
        assert_false(n.stop);
        assert_true(n.lambda == 1.6);
        t[2] = (struct learn_try){.lambda = 1.6, .accuracy = 0.89}; /* misses: the one before it */
        n = lambda_next(t, 3, &conf);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 1);
        t[2].accuracy = 0.97; /* reaches, with less room than it takes to go on */
        n = lambda_next(t, 3, &conf);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 2);
        t[2].accuracy = 0.975; /* exactly a quarter of the drop */
        assert_true(lambda_next(t, 3, &conf).lambda == 3.2 && !lambda_next(t, 3, &conf).stop);
        struct lambda_conf low = conf; /* the top of the band ends it */
        low.high = 1.6;
        n = lambda_next(t, 3, &low);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 2);
        t[3] = (struct learn_try){.lambda = 3.2, .accuracy = 0.99}; /* more accurate than what protects more */
        t[4] = (struct learn_try){.lambda = 6.4, .accuracy = 0.98};
        n = lambda_next(t, 5, &conf);
        assert_true(n.stop);
        assert_int_equal(n.chosen, 4);
}

#define TRY(l, a, past)                                                                                              \
        {                                                                                                            \
                .lambda = (l), .accuracy = (a), .past_accuracy = (past)                                              \
        }
#define NO ((double)NAN)
/* Tries so far, and what follows: the next lambda, or the chosen index after a stop. Target 0.9, brake 0.8. */
static const struct {
        uint32_t n;
        struct learn_try t[LEARN_MAX_TRIES];
        double high, floor;
        bool stop;
        uint32_t chosen;
        double lambda;
        const char *says;
} braked[] = {
    /* reaches the target and breaks the brake: up, and what keeps it is chosen */
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.95, 0.7)}, 8, 0.8, false, 0, 1.6, "brake allows"},
    {3, {TRY(0, 1, 0.2), TRY(0.8, 0.95, 0.7), TRY(1.6, 0.92, 0.81)}, 8, 0.8, true, 2, 1.6, "at least the brake's"},
    {3, {TRY(0, 1, 0.2), TRY(0.8, 0.95, 0.7), TRY(1.6, 0.92, 0.75)}, 8, 0.8, false, 0, 3.2, "brake allows"},
    /* kept, though the new task pays more than its target allows: better than the try that broke it */
    {3, {TRY(0, 1, 0.2), TRY(0.8, 0.95, 0.7), TRY(1.6, 0.6, 0.81)}, 8, 0.8, true, 2, 1.6, "below the target"},
    /* exactly at the brake */
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.92, 0.8)}, 8, 0.8, true, 1, 0.8, "at least the brake's"},
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.92, 0.8 - 1e-6)}, 8, 0.8, false, 0, 1.6, NULL},
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.92, 0.8 - 1e-12)}, 8, 0.8, true, 1, 0.8, NULL}, /* sums of shares */
    /* neither: the brake comes first */
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.5, 0.7)}, 8, 0.8, false, 0, 1.6, NULL},
    /* fallen into it: the value above is known */
    {3, {TRY(0, 1, 0.2), TRY(0.8, 0.5, 0.9), TRY(0.4, 0.95, 0.7)}, 8, 0.8, true, 1, 0.8, "below the target"},
    /* top of the band; tries used up: the nearest to the brake */
    {2, {TRY(0, 1, 0.2), TRY(8, 0.95, 0.7)}, 8, 0.8, true, 1, 8, "no try kept the brake's"},
    {5, {TRY(0, 1, 0.2), TRY(0.8, 1, 0.5), TRY(1.6, 1, 0.7), TRY(3.2, 1, 0.6), TRY(6.4, 1, 0.7)}, 8, 0.8, true, 2,
        1.6, "no try kept the brake's"},
    /* no brake, and nothing to measure it on */
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.92, 0.1)}, 8, 0, true, 1, 0.8, NULL},
    {2, {TRY(0, 1, 0.2), TRY(0.8, 0.92, 0.1)}, 8, NO, true, 1, 0.8, NULL},
    {2, {TRY(0, 1, NO), TRY(0.8, 0.92, NO)}, 8, 0.8, true, 1, 0.8, NULL},
};

static void test_brake(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(braked) / sizeof(braked[0]); i++) {
                struct lambda_conf c = conf;
                c.high = braked[i].high;
                c.past_floor = braked[i].floor;
                struct lambda_next n = lambda_next(braked[i].t, braked[i].n, &c);
                assert_int_equal(n.stop, braked[i].stop);
                assert_true(n.lambda == braked[i].lambda);
                assert_int_equal(n.chosen, braked[i].chosen);
                if (braked[i].says)
                        assert_non_null(strstr(n.reason, braked[i].says));
                else if (!(braked[i].floor > 0))
                        assert_null(strstr(n.reason, "brake"));
        }
}

static void test_band(void **state)
{
        (void)state;
        struct learn_try t[LEARN_MAX_TRIES] = {{.accuracy = 1}, {.lambda = 1.5e-3, .accuracy = 0.5}};
        struct lambda_conf c = conf;
        c.start = 1e9;
        assert_true(lambda_next(t, 1, &c).lambda == 8);
        c.start = (double)NAN;
        assert_true(lambda_next(t, 1, &c).lambda == 1e-3);
        assert_true(lambda_next(t, 2, &c).lambda == 1e-3);
        t[2] = (struct learn_try){.lambda = 1e-3, .accuracy = 0.4}; /* nowhere left to fall to */
        assert_true(lambda_next(t, 3, &c).stop);
        assert_int_equal(lambda_next(t, 3, &c).chosen, 1);
}

static void test_more_tasks_more_drop(void **state)
{
        (void)state;
        assert_true(lambda_conf_of(1).drop == lambda_conf_default.drop && lambda_conf_of(0).drop == 0.02);
        assert_true(fabs(lambda_conf_of(4).drop - 0.04) < 1e-15);
        assert_true(lambda_conf_of(100).drop == 0.2 && lambda_conf_of(UINT64_MAX).drop == 0.2);
        assert_int_equal(lambda_conf_of(9).max_tries, 7);
}

static void test_starts(void **state)
{
        (void)state;
        const struct lambda_conf *c = &lambda_conf_default;
        assert_true(fabs(c->low / 0.5e-4 - 1) < 1e-12 && fabs(c->high / 0.1 - 1) < 1e-12);
        assert_true(lambda_start_similarity(0, c) == c->high); /* unlike: the top */
        assert_true(lambda_start_similarity(-1, c) == c->high && lambda_start_similarity((double)NAN, c) == c->high);
        assert_true(lambda_start_similarity(0.65, c) == c->high && lambda_start_similarity(0.66, c) < c->high);
        assert_true(fabs(lambda_start_similarity(1, c) / 4e-3 - 1) < 1e-12);
        assert_true(lambda_start_similarity(1.5, c) == lambda_start_similarity(1, c));
        assert_true(fabs(lambda_start_similarity(0.825, c) / 2e-2 - 1) < 1e-12); /* evenly in the logarithm */
        for (int i = 66; i <= 100; i++)
                assert_true(lambda_start_similarity(i / 100.0, c) < lambda_start_similarity((i - 1) / 100.0, c));
        /* two decades from the top, by 2 s - 1.3: where searches began that compared weight by weight */
        static const double known[][2] = {{0.96, 0.62}, {0.87, 0.44}, {0.77, 0.24}};
        for (size_t i = 0; i < 3; i++) {
                double down = log10(c->high / lambda_start_similarity(known[i][0], c)) / 2;
                assert_true(fabs(down - known[i][1]) < 2e-3);
        }
        assert_true(fabs(lambda_start_tasks(1, c) / 0.05 - 1) < 1e-12);
        assert_true(fabs(lambda_start_tasks(10, c) / 0.005 - 1) < 1e-12);
        assert_true(lambda_start_tasks(1000000, c) == c->low);
        assert_true(lambda_start_tasks(0, c) == lambda_start_tasks(1, c));
}

static void test_defaults(void **state)
{
        (void)state;
        assert_true(lambda_conf_default.start > 0 && lambda_conf_default.decay < 1);
        assert_int_equal(lambda_conf_default.max_tries, 7);
        _Static_assert(LEARN_MAX_TRIES >= 7, "room for the search");
        struct learn_try one = {.accuracy = 1};
        assert_int_equal(lambda_best(&one, 1, &lambda_conf_default), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_order_of_tries),
            cmocka_unit_test(test_target_boundary),
            cmocka_unit_test(test_tries_used_up),
            cmocka_unit_test(test_no_accuracy),
            cmocka_unit_test(test_choice_is_the_candidate),
            cmocka_unit_test(test_upwards),
            cmocka_unit_test(test_brake),
            cmocka_unit_test(test_band),
            cmocka_unit_test(test_more_tasks_more_drop),
            cmocka_unit_test(test_starts),
            cmocka_unit_test(test_defaults),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
