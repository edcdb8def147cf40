/* test_merge.c: every merge against double loops, the identities between them, the trap of batch_ema, and
 * contradictory options refused by name. */
#include "oracle.h"

#include <ewc/merge.h>

enum { P = 501, TASKS = 5 };

struct tasks {
        float fisher[TASKS][P], anchor[TASKS][P];
        struct ewc_record rec[TASKS];
};

static void fill(struct tasks *t)
{
        struct ewc_rng r;

        ewc_rng_seed(&r, 71, 0);
        for (size_t k = 0; k < TASKS; k++) {
                for (size_t i = 0; i < P; i++) {
                        t->fisher[k][i] = (i + k) % 6 == 0 || i % 50 == 0 ? 0.0f : (float)exp(2 * ewc_rng_normal(&r));
                        t->anchor[k][i] = (float)ewc_rng_normal(&r);
                }
                t->rec[k] = (struct ewc_record){1, pow(10, -2 - (double)k), t->fisher[k], t->anchor[k]};
        }
}

static bool near(double got, double want, double relative)
{
        return fabs(got - want) <= relative * fabs(want);
}

static void names(void **state)
{
        enum ewc_merge m;
        enum ewc_scale s;

        (void)state;
        for (int i = EWC_MERGE_SEPARATE; i <= EWC_MERGE_BATCH_EMA; i++) {
                assert_int_equal(ewc_merge_parse(ewc_merge_name((enum ewc_merge)i), &m), 0);
                assert_int_equal(m, i);
        }
        assert_null(ewc_merge_name((enum ewc_merge)7));
        assert_int_equal(ewc_merge_parse("ewc++", &m), EWC_E_INVAL);
        assert_int_equal(ewc_scale_parse("raw", &s), 0);
        assert_int_equal(s, EWC_SCALE_RAW);
        assert_string_equal(ewc_scale_name(EWC_SCALE_UNIT), "unit");
        assert_int_equal(ewc_scale_parse("x", &s), EWC_E_INVAL);
}

static void contradictions(void **state)
{
        static const struct {
                struct ewc_merge_rule rule;
                const char *why; /* NULL: fine */
        } cases[] = {
            {{.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT}, NULL},
            {{.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_RAW, .alphas = true}, NULL},
            {{.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT, .centre = EWC_CENTRE_WEIGHTED}, NULL},
            {{.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = 1}, NULL},
            {{.mode = EWC_MERGE_EMA, .scale = EWC_SCALE_UNIT, .beta = 0.9}, NULL},
            {{.mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_UNIT, .alphas = true}, NULL},
            {{.mode = EWC_MERGE_BATCH_EMA, .scale = EWC_SCALE_UNIT, .rate = 0.9}, NULL},
            {{.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT, .gamma = 0.9},
                "gamma belongs to online, not to separate"},
            {{.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = 1, .beta = 0.5},
                "beta belongs to ema, not to online"},
            {{.mode = EWC_MERGE_EMA, .scale = EWC_SCALE_UNIT, .beta = 0.5, .rate = 0.5},
                "rate belongs to batch_ema, not to ema"},
            {{.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_UNIT, .gamma = 1}, "gamma belongs to online, not to sum"},
            {{.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_UNIT, .gamma = NAN}, "gamma belongs to online, not to sum"},
            {{.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT}, "gamma is missing: online needs it"},
            {{.mode = EWC_MERGE_EMA, .scale = EWC_SCALE_UNIT}, "beta is missing: ema needs it"},
            {{.mode = EWC_MERGE_BATCH_EMA, .scale = EWC_SCALE_UNIT}, "rate is missing: batch_ema needs it"},
            {{.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = 1.5},
                "gamma 1.5, must be above 0 and at most 1"},
            {{.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = -1},
                "gamma -1, must be above 0 and at most 1"},
            {{.mode = EWC_MERGE_EMA, .scale = EWC_SCALE_UNIT, .beta = 1}, "beta 1, must be above 0 and below 1"},
            {{.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = 1, .alphas = true},
                "alpha belongs to separate and cumulative, not to online"},
            {{.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT, .centre = EWC_CENTRE_LATEST},
                "centre latest belongs to the other modes, not to separate"},
            {{.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_UNIT, .centre = EWC_CENTRE_WEIGHTED},
                "centre weighted belongs to separate and cumulative, not to sum"},
            {{.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_UNIT, .centre = (enum ewc_centre)3}, "unknown centre 3"},
            {{.mode = EWC_MERGE_SUM}, "scale is missing: unit or raw"},
            {{.scale = EWC_SCALE_UNIT}, "unknown merge 0"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char why[100] = "";
                int want = cases[i].why ? EWC_E_INVAL : 0;

                assert_int_equal(ewc_merge_check(&cases[i].rule, why, sizeof(why)), want);
                assert_int_equal(ewc_merge_check(&cases[i].rule, NULL, 0), want);
                assert_string_equal(why, cases[i].why ? cases[i].why : "");
        }
}

/* weight[k] of the final U, by the definition of each mode, against a loop in double. */
static void expect(const struct tasks *t, const struct ewc_merge_rule *rule, const double *weight, bool weighted)
{
        static float U[P], centre[P];

        for (size_t i = 0; i < P; i++)
                U[i] = centre[i] = NAN; /* not read */
        assert_int_equal(ewc_merge_all(rule, P, TASKS, t->rec, U, centre), 0);
        for (size_t i = 0; i < P; i++) {
                double u = 0, c = 0;

                for (size_t k = 0; k < TASKS; k++) {
                        u += weight[k] * (double)t->fisher[k][i];
                        c += weight[k] * (double)t->fisher[k][i] * (double)t->anchor[k][i];
                }
                assert_true(near((double)U[i], u, 1e-6));
                if (!weighted)
                        assert_true(centre[i] == t->anchor[TASKS - 1][i]);
                else if (u > 0)
                        assert_true(fabs((double)centre[i] - c / u) < 2e-6);
        }
}

static void weights_of_tasks(void **state)
{
        static const double alpha[TASKS] = {0.5, 2, 1, 3, 0.25};
        static struct tasks t;
        double w[TASKS];

        (void)state;
        fill(&t);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = 1;
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT}, w, true);
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_UNIT}, w, false);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = pow(0.7, (double)(TASKS - 1 - k));
        expect(
            &t, &(struct ewc_merge_rule){.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = 0.7}, w, false);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = (k == 0 ? 1 : 1 - 0.7) * pow(0.7, (double)(TASKS - 1 - k));
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_EMA, .scale = EWC_SCALE_UNIT, .beta = 0.7}, w, false);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = k == TASKS - 1;
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_BATCH_EMA, .scale = EWC_SCALE_UNIT, .rate = 0.9}, w,
            false);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = t.rec[k].factor;
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_RAW}, w, false);
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_RAW}, w, true);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = t.rec[k].alpha = alpha[k];
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_UNIT, .alphas = true}, w,
            false);
        expect(&t,
            &(struct ewc_merge_rule){
                .mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_UNIT, .alphas = true, .centre = EWC_CENTRE_WEIGHTED},
            w, true);
        for (size_t k = 0; k < TASKS; k++)
                w[k] = alpha[k] * t.rec[k].factor;
        expect(&t, &(struct ewc_merge_rule){.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_RAW, .alphas = true}, w,
            true);
}

/* Weights chosen later, without data, give what the other modes would have given. */
static void cumulative_is_the_general_case(void **state)
{
        const struct ewc_merge_rule free_alphas = {
            .mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_UNIT, .alphas = true};
        const struct ewc_merge_rule sum = {.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_UNIT};
        const struct ewc_merge_rule online = {.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT, .gamma = 0.9};
        static struct tasks t;
        float U[P], centre[P], other[P], other_centre[P];

        (void)state;
        fill(&t);
        assert_int_equal(ewc_merge_all(&free_alphas, P, TASKS, t.rec, U, centre), 0);
        assert_int_equal(ewc_merge_all(&sum, P, TASKS, t.rec, other, other_centre), 0);
        assert_memory_equal(U, other, sizeof(U));
        assert_memory_equal(centre, other_centre, sizeof(centre));
        assert_int_equal(ewc_merge_all(&online, P, TASKS, t.rec, other, other_centre), 0);
        for (size_t k = 0; k < TASKS; k++)
                t.rec[k].alpha = pow(0.9, (double)(TASKS - 1 - k));
        assert_int_equal(ewc_merge_all(&free_alphas, P, TASKS, t.rec, U, centre), 0);
        for (size_t i = 0; i < P; i++)
                assert_true(near((double)U[i], (double)other[i], 1e-6));
        assert_memory_equal(centre, other_centre, sizeof(centre));
}

static void weight_zero_leaves_a_record_out(void **state)
{
        static const struct ewc_merge_rule rules[] = {
            {.mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_UNIT, .alphas = true},
            {.mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_RAW, .alphas = true, .centre = EWC_CENTRE_WEIGHTED},
            {.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT, .alphas = true},
        };
        static struct tasks t;

        (void)state;
        fill(&t);
        for (size_t k = 0; k < TASKS; k++)
                t.rec[k].alpha = 0.3 + (double)k;
        for (size_t rule = 0; rule < 3; rule++) {
                for (size_t out = 0; out < TASKS; out++) {
                        struct ewc_record some[TASKS], all[TASKS];
                        float U[P], centre[P], other[P], other_centre[P];
                        size_t n = 0;

                        memcpy(all, t.rec, sizeof(all));
                        all[out].alpha = 0;
                        for (size_t k = 0; k < TASKS; k++) {
                                if (k != out)
                                        some[n++] = t.rec[k];
                        }
                        assert_int_equal(ewc_merge_all(&rules[rule], P, TASKS, all, U, centre), 0);
                        assert_int_equal(ewc_merge_all(&rules[rule], P, n, some, other, other_centre), 0);
                        assert_memory_equal(U, other, sizeof(U));
                        assert_memory_equal(centre, other_centre, sizeof(centre));
                }
        }
}

/* After ten updates of the second task nothing of the first is left: its share is 0.1^10. */
static void batch_ema_forgets_the_first_task(void **state)
{
        const double rate = 0.9;
        float F[P] = {0}, second[P] = {0}, grad[P];
        double first_share = 0;
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 72, 0);
        for (int task = 0; task < 2; task++) {
                for (int update = 0; update < 10; update++) {
                        for (size_t i = 0; i < P; i++)
                                grad[i] = (float)ewc_rng_normal(&r);
                        ewc_merge_batch(P, rate, grad, F);
                        if (task == 1) /* the same mean, had there been no first task */
                                ewc_merge_batch(P, rate, grad, second);
                }
        }
        for (size_t i = 0; i < P; i++)
                first_share = fmax(first_share, fabs((double)F[i] - (double)second[i]) / (double)F[i]);
        print_message("share of the first task after ten updates of the second: %.1e\n", first_share);
        assert_true(pow(1 - rate, 10) < 1e-6);
        assert_true(first_share < 1e-6);
}

static void batch_update_by_plain_loop(void **state)
{
        float F[P] = {0}, grad[P];
        double want[P] = {0};
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 73, 0);
        for (int update = 0; update < 30; update++) {
                for (size_t i = 0; i < P; i++) {
                        grad[i] = (float)ewc_rng_normal(&r);
                        want[i] = 0.2 * (double)grad[i] * (double)grad[i] + 0.8 * want[i];
                }
                ewc_merge_batch(P, 0.2, grad, F);
        }
        for (size_t i = 0; i < P; i++)
                assert_true(near((double)F[i], want[i], 1e-5));
}

static void refusals(void **state)
{
        const struct ewc_merge_rule sum = {.mode = EWC_MERGE_SUM, .scale = EWC_SCALE_RAW};
        const struct ewc_merge_rule bad = {.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_UNIT};
        const struct ewc_merge_rule free_alphas = {
            .mode = EWC_MERGE_CUMULATIVE, .scale = EWC_SCALE_UNIT, .alphas = true};
        float f[2] = {1, 1e30f}, a[2] = {0}, U[2] = {0}, c[2] = {0};
        struct ewc_record rec = {1, 1, f, a};

        (void)state;
        assert_int_equal(ewc_merge_add(&bad, 2, 0, &rec, U, c), EWC_E_INVAL);
        assert_int_equal(ewc_merge_all(&bad, 2, 0, &rec, U, c), EWC_E_INVAL);
        rec.alpha = 2;
        assert_int_equal(ewc_merge_add(&sum, 2, 0, &rec, U, c), EWC_E_INVAL);
        rec.alpha = -1;
        assert_int_equal(ewc_merge_add(&free_alphas, 2, 0, &rec, U, c), EWC_E_INVAL);
        rec.alpha = NAN;
        assert_int_equal(ewc_merge_add(&free_alphas, 2, 0, &rec, U, c), EWC_E_INVAL);
        rec.alpha = INFINITY;
        assert_int_equal(ewc_merge_add(&free_alphas, 2, 0, &rec, U, c), EWC_E_NONFINITE);
        rec = (struct ewc_record){1, -1, f, a};
        assert_int_equal(ewc_merge_add(&sum, 2, 0, &rec, U, c), EWC_E_INVAL);
        assert_true(U[0] == 0.0f && c[0] == 0.0f);
        rec.factor = 1e10;
        assert_int_equal(ewc_merge_add(&sum, 2, 0, &rec, U, c), EWC_E_NONFINITE);
        rec = (struct ewc_record){1e10, 1, f, a};
        assert_int_equal(
            ewc_merge_add(
                &(struct ewc_merge_rule){.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT, .alphas = true}, 2, 0,
                &rec, U, c),
            EWC_E_NONFINITE);
        assert_int_equal(ewc_merge_all(&sum, 2, 0, NULL, U, c), 0);
        assert_true(U[1] == 0.0f && c[1] == 0.0f);
}

/* A negative weight would push away from the anchor, and a NaN protects nothing. */
static void bad_entries(void **state)
{
        static const float bad_f[] = {-1, NAN, -INFINITY, INFINITY}, bad_a[] = {NAN, INFINITY};
        static const struct ewc_merge_rule rules[] = {
            {.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_UNIT, .alphas = true},
            {.mode = EWC_MERGE_ONLINE, .scale = EWC_SCALE_RAW, .gamma = 0.9},
        };

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                float f[3] = {1, 2, 3}, a[3] = {0}, U[3], c[3];
                struct ewc_record rec = {1, 1, f, a};

                for (size_t i = 0; i < 4; i++) {
                        f[2] = bad_f[i];
                        assert_int_equal(ewc_merge_add(&rules[k], 3, 0, &rec, U, c), EWC_E_NONFINITE);
                        assert_int_equal(ewc_merge_all(&rules[k], 3, 1, &rec, U, c), EWC_E_NONFINITE);
                }
                f[2] = -0.0f;
                assert_int_equal(ewc_merge_add(&rules[k], 3, 0, &rec, U, c), 0);
                for (size_t i = 0; i < 2; i++) {
                        a[1] = bad_a[i];
                        assert_int_equal(ewc_merge_add(&rules[k], 3, 0, &rec, U, c), EWC_E_NONFINITE);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names),
            cmocka_unit_test(contradictions),
            cmocka_unit_test(weights_of_tasks),
            cmocka_unit_test(cumulative_is_the_general_case),
            cmocka_unit_test(weight_zero_leaves_a_record_out),
            cmocka_unit_test(batch_ema_forgets_the_first_task),
            cmocka_unit_test(batch_update_by_plain_loop),
            cmocka_unit_test(refusals),
            cmocka_unit_test(bad_entries),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
