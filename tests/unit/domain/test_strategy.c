/* The ladder, and what each rung makes of a plan. */
#include "domain/strategy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static void test_climb(void **state)
{
        (void)state;
        static const struct {
                enum strategy_mode mode;
                enum strategy had;
                uint64_t n_closed, n_retained;
                enum strategy next; /* FIXED: no climb */
                const char *reason;
        } rows[] = {
            {STRATEGY_MODE_AUTO, STRATEGY_EWC, 1, 7, STRATEGY_REPLAY,
                "strategy replay after ewc: 7 rows of closed tasks are retained"},
            {STRATEGY_MODE_AUTO, STRATEGY_REPLAY, 1, 7, STRATEGY_DISTILL, "strategy distill after replay"},
            {STRATEGY_MODE_AUTO, STRATEGY_EWC, 1, 0, STRATEGY_DISTILL,
                "strategy distill after ewc: no row of closed tasks is retained to replay"},
            {STRATEGY_MODE_AUTO, STRATEGY_REPLAY, 1, 0, STRATEGY_DISTILL, NULL},
            {STRATEGY_MODE_AUTO, STRATEGY_DISTILL, 9, 7, STRATEGY_FIXED, "strategy distill was the last to try"},
            {STRATEGY_MODE_AUTO, STRATEGY_FIXED, 9, 7, STRATEGY_FIXED,
                "the rejected job learned by the model's keys"},
            {STRATEGY_MODE_AUTO, STRATEGY_EWC, 0, 0, STRATEGY_FIXED, NULL},
            {STRATEGY_MODE_AUTO, STRATEGY_EWC, 0, 7, STRATEGY_FIXED, NULL},
            {STRATEGY_MODE_FIXED, STRATEGY_EWC, 1, 7, STRATEGY_FIXED, "strategy fixed has no other to try"},
            {STRATEGY_MODE_AUTO, (enum strategy)9, 1, 7, STRATEGY_FIXED, NULL},
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                const struct learning l = {.strategy = rows[i].mode};
                struct ladder got = strategy_climb(rows[i].had, &l, rows[i].n_closed, rows[i].n_retained);
                assert_int_equal(got.climb, rows[i].next != STRATEGY_FIXED);
                assert_int_equal(got.next, rows[i].next);
                assert_true(strlen(got.reason) > 0);
                if (rows[i].reason)
                        assert_string_equal(got.reason, rows[i].reason);
        }
        assert_int_equal(strategy_first(&(struct learning){.strategy = STRATEGY_MODE_AUTO}), STRATEGY_EWC);
        assert_int_equal(strategy_first(&(struct learning){.strategy = STRATEGY_MODE_FIXED}), STRATEGY_FIXED);
}

/* From the bottom every step is another one and the ladder ends. */
static void test_ends(void **state)
{
        (void)state;
        const struct learning l = {.strategy = STRATEGY_MODE_AUTO};
        for (uint64_t retained = 0; retained < 2; retained++) {
                enum strategy s = strategy_first(&l);
                struct ladder up;
                int steps = 0;
                while (up = strategy_climb(s, &l, 1, retained), up.climb) {
                        assert_true(up.next > s);
                        s = up.next;
                        steps++;
                }
                assert_int_equal(steps, 1 + (int)retained);
                assert_int_equal(s, STRATEGY_DISTILL);
        }
}

static void test_apply(void **state)
{
        (void)state;
        static const struct {
                enum strategy s;
                bool keys; /* replay 3, derpp 0.25, distill 2 */
                uint32_t replay;
                double derpp, distill, temperature;
        } rows[] = {
            {STRATEGY_FIXED, false, 0, 0, 0, 0},
            {STRATEGY_FIXED, true, 3, 0.25, 2, 4},
            {STRATEGY_EWC, false, 0, 0, 0, 0},
            {STRATEGY_EWC, true, 0, 0, 0, 0},
            {STRATEGY_REPLAY, false, 20, 0, 0, 0},
            {STRATEGY_REPLAY, true, 3, 0.25, 0, 0},
            {STRATEGY_DISTILL, false, 20, 0, 0.5, 4},
            {STRATEGY_DISTILL, true, 3, 0.25, 2, 4},
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                struct learning l;
                struct learn_plan p, before;
                learning_defaults(&l);
                l.distill_temperature = 4;
                if (rows[i].keys) {
                        l.replay_per_class = 3;
                        l.replay_derpp = 0.25;
                        l.distill_weight = 2;
                }
                learning_plan(&l, 1, 1, &p);
                before = p;
                strategy_apply(rows[i].s, &l, &p);
                assert_int_equal(p.replay_per_class, rows[i].replay);
                assert_true(p.derpp == rows[i].derpp && p.distill == rows[i].distill);
                assert_true(p.distill_temperature == rows[i].temperature);
                p.replay_per_class = before.replay_per_class; /* and nothing else */
                p.derpp = before.derpp;
                p.distill = before.distill;
                p.distill_temperature = before.distill_temperature;
                assert_memory_equal(&p, &before, sizeof(p));
        }
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(strategy_mode_name(STRATEGY_MODE_FIXED), "fixed");
        assert_string_equal(strategy_mode_name(STRATEGY_MODE_AUTO), "auto");
        assert_null(strategy_mode_name((enum strategy_mode)2));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_climb), cmocka_unit_test(test_ends),
            cmocka_unit_test(test_apply), cmocka_unit_test(test_names)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
