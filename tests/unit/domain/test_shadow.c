/* Challenger against champion: the test against exact numbers, the verdict at each boundary, errors under being asked
 * again and again. */
#include "domain/shadow.h"
#include <ewc/rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Python: min(1, 2 * sum(comb(n, i) for i <= min(won, lost)) / 2**n) in whole numbers and 40 digits. */
static void test_sign(void **state)
{
        (void)state;
        static const struct {
                uint64_t won, lost;
                double p;
        } gold[] = {
            {0, 0, 1},
            {1, 0, 1},
            {5, 5, 1},
            {17, 16, 1},
            {6, 4, 0.75390625},
            {8, 0, 0.0078125},
            {30, 10, 0.0022214337732293643},
            {10, 30, 0.0022214337732293643},
            {520, 480, 0.21744829320414094},
            {600, 400, 2.7284641560660184e-10},
            {2600, 2400, 0.0048836497375175179},
            {1000, 0, 1.8665272370064378e-301},
            {501000, 499000, 0.045608299865382083},
            {500100, 499900, 0.8422627570516088},
        };
        for (size_t i = 0; i < LEN(gold); i++)
                assert_true(fabs(shadow_sign_test(gold[i].won, gold[i].lost) / gold[i].p - 1) < 1e-10);
        assert_true(shadow_sign_test(750000, 250000) == 0); /* below the least double */
}

/* Every split of small numbers, from Pascal's triangle. */
static void test_small(void **state)
{
        (void)state;
        double c[61] = {1};
        for (uint64_t n = 1; n <= 60; n++) {
                for (uint64_t k = n; k > 0; k--)
                        c[k] += c[k - 1];
                for (uint64_t won = 0; won <= n; won++) {
                        double p = 0, pow2 = ldexp(1, (int)n), k = (double)(won < n - won ? won : n - won);
                        for (uint64_t i = 0; (double)i <= k; i++)
                                p += c[i] / pow2;
                        p = fmin(1, 2 * p);
                        assert_true(fabs(shadow_sign_test(won, n - won) / p - 1) < 1e-12);
                        double any = fmin(1, (double)(n + 1) * c[won] / pow2);
                        assert_true(fabs(shadow_sequential(won, n - won) / any - 1) < 1e-12);
                }
        }
        assert_true(shadow_sequential(0, 0) == 1);
}

static void test_verdicts(void **state)
{
        (void)state;
        static const struct {
                uint64_t challenger, n, won, lost, min_rows, max_rows;
                double confidence;
                enum shadow_outcome outcome;
                const char *says;
        } rows[] = {
            {0, 900, 90, 0, 10, 0, 0.95, SHADOW_WAIT, "nothing is compared"},
            {5, 199, 90, 0, 200, 500, 0.95, SHADOW_WAIT, "challenger 5 waits: 199 of 200 labelled rows"},
            {5, 200, 90, 0, 200, 500, 0.95, SHADOW_PROMOTE, "promoted: it is better"},
            {5, 200, 0, 90, 200, 500, 0.95, SHADOW_DROP, "dropped: it is worse"},
            {5, 200, 8, 0, 200, 500, 0.95, SHADOW_PROMOTE, "alone right on 8 and 0"}, /* 9 / 2^8 = 0.035 */
            {5, 200, 7, 0, 200, 500, 0.95, SHADOW_WAIT, "waits: no difference beyond chance yet"}, /* 8 / 2^7 */
            {5, 200, 3, 0, 200, 500, 0.5, SHADOW_PROMOTE, NULL},                                   /* exactly 0.5 */
            {5, 200, 3, 0, 200, 500, 0.51, SHADOW_WAIT, NULL},
            {5, 200, 30, 10, 200, 500, 0.95, SHADOW_PROMOTE, "p 0.00222"},
            {5, 499, 7, 0, 200, 500, 0.95, SHADOW_WAIT, NULL},
            {5, 500, 7, 0, 200, 500, 0.95, SHADOW_DROP, "not shown to be better within the rows allowed"},
            {5, 500, 90, 0, 200, 500, 0.95, SHADOW_PROMOTE, NULL},
            {5, 1000000, 7, 0, 200, 0, 0.95, SHADOW_WAIT, NULL}, /* no end */
            {5, 200, 0, 0, 200, 0, 0.5, SHADOW_WAIT, NULL},
            {5, 200, 40, 40, 200, 200, 0.5, SHADOW_DROP, NULL},
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                const struct shadow_score s = {.champion = 4,
                    .challenger = rows[i].challenger,
                    .n = rows[i].n,
                    .n_right_champion = 60 + rows[i].lost,
                    .n_right_challenger = 60 + rows[i].won,
                    .won = rows[i].won,
                    .lost = rows[i].lost};
                const struct shadow_conf c = {rows[i].min_rows, rows[i].max_rows, rows[i].confidence};
                struct shadow_verdict v = shadow_judge(&s, &c);
                assert_int_equal(v.outcome, rows[i].outcome);
                assert_true(v.p == (rows[i].challenger ? shadow_sign_test(s.won, s.lost) : 1));
                assert_true(strlen(v.reason) > 0 && strlen(v.reason) < REASON_SIZE - 100);
                if (rows[i].says)
                        assert_non_null(strstr(v.reason, rows[i].says));
        }
}

/* Whatever the rows say: the gate's word was about another champion. */
static void test_superseded(void **state)
{
        (void)state;
        const struct shadow_conf c = {200, 500, 0.95};
        struct shadow_score s = {.champion = 4, .challenger = 5, .parent = 4, .n = 200, .won = 90};
        assert_int_equal(shadow_judge(&s, &c).outcome, SHADOW_PROMOTE);
        s.parent = 3;
        struct shadow_verdict v = shadow_judge(&s, &c);
        assert_int_equal(v.outcome, SHADOW_DROP);
        assert_string_equal(v.reason,
            "challenger 5 dropped: superseded: it was judged against version 3, and the champion is version 4");
        s.n = 0;
        assert_int_equal(shadow_judge(&s, &c).outcome, SHADOW_DROP);
}

/* Equals, asked at every row: the verdict errs in no more than one of twenty, where a sign test of 5 % would in every
 * third. One that is better is found. */
static void test_asked_again(void **state)
{
        (void)state;
        struct ewc_rng r;
        int wrong = 0, naive = 0, found = 0;
        ewc_rng_seed(&r, 2, 0);
        for (int round = 0; round < 300; round++) {
                struct shadow_score s = {.champion = 1, .challenger = 2}, better = s;
                const struct shadow_conf c = {.min_rows = 20, .confidence = 0.95};
                bool erred = false, would = false, done = false;
                for (s.n = 1; s.n <= 1000; s.n++) {
                        if (ewc_rng_below(&r, 2) == 0)
                                s.won++;
                        else
                                s.lost++;
                        erred = erred || shadow_judge(&s, &c).outcome != SHADOW_WAIT;
                        would = would || (s.n >= 20 && shadow_sign_test(s.won, s.lost) <= 0.05);
                }
                for (better.n = 1; better.n <= 1000 && !done; better.n++) {
                        if (ewc_rng_below(&r, 100) < 65)
                                better.won++;
                        else
                                better.lost++;
                        done = shadow_judge(&better, &c).outcome == SHADOW_PROMOTE;
                }
                wrong += erred;
                naive += would;
                found += done;
        }
        assert_true(wrong <= 15);
        assert_true(naive >= 75);
        assert_true(found >= 295);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_sign), cmocka_unit_test(test_small),
            cmocka_unit_test(test_verdicts), cmocka_unit_test(test_superseded), cmocka_unit_test(test_asked_again)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
