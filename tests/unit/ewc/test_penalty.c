/* test_penalty.c: value, gradient and proximal step of the penalty, and the merge of several tasks. */
#include "oracle.h"

enum { P = 1003 };

struct arrays {
        float theta[P], fisher[P], anchor[P], step[P];
};

static void fill(struct arrays *a, uint64_t seed)
{
        struct ewc_rng r;

        ewc_rng_seed(&r, seed, 0);
        for (size_t i = 0; i < P; i++) {
                a->theta[i] = (float)ewc_rng_normal(&r);
                a->anchor[i] = (float)ewc_rng_normal(&r);
                a->fisher[i] = i % 4 == 0 ? 0.0f : (float)exp(2 * ewc_rng_normal(&r));
                a->step[i] = 0.001f + 0.1f * ewc_rng_unit(&r);
        }
}

static void zero_at_the_anchor(void **state)
{
        struct arrays a;
        const struct ewc_penalty pen = {1e13, a.fisher, a.theta};
        float grad[P] = {0};

        (void)state;
        fill(&a, 1);
        assert_true(ewc_penalty_value(P, a.theta, &pen) == 0);
        ewc_penalty_grad(P, a.theta, &pen, grad);
        for (size_t i = 0; i < P; i++)
                assert_true(grad[i] == 0.0f);
}

static void value_by_plain_loop(void **state)
{
        struct arrays a;
        const struct ewc_penalty pen = {0.7, a.fisher, a.anchor};
        double sum = 0;

        (void)state;
        fill(&a, 2);
        for (size_t n = 0; n < 40; n++) { /* every remainder of the lanes */
                assert_true(fabs(ewc_penalty_value(n, a.theta, &pen) - 0.7 * sum) <= 1e-12 * sum);
                sum += (double)a.fisher[n] * pow((double)a.theta[n] - (double)a.anchor[n], 2);
        }
}

/* (value(theta + h u) - value(theta - h u)) / 2h against grad . u; the penalty is quadratic, so h may be large. */
static void gradient_by_finite_difference(void **state)
{
        struct arrays a;
        const struct ewc_penalty pen = {0.3, a.fisher, a.anchor};
        float up[P], down[P], grad[P] = {0};
        double got = 0, want;

        (void)state;
        fill(&a, 3);
        ewc_penalty_grad(P, a.theta, &pen, grad);
        for (size_t i = 0; i < P; i++) {
                up[i] = a.theta[i] + 0.125f * (i % 3 ? 1.0f : -1.0f);
                down[i] = a.theta[i] - 0.125f * (i % 3 ? 1.0f : -1.0f);
                got += (double)grad[i] * ((double)up[i] - (double)down[i]);
        }
        want = ewc_penalty_value(P, up, &pen) - ewc_penalty_value(P, down, &pen);
        assert_true(fabs(got - want) < 1e-4 * fabs(want));
        ewc_penalty_grad(P, a.theta, &pen, grad); /* adds */
        for (size_t i = 0; i < P; i++)
                assert_true(fabs((double)grad[i] -
                                 2 * 2 * 0.3 * (double)a.fisher[i] * ((double)a.theta[i] - (double)a.anchor[i])) <=
                            1e-5 * fabs((double)grad[i]));
}

/* lambda F (t - anchor)^2 + (t - theta)^2 / (2 step) has its minimum at (theta + k anchor) / (1 + k). */
static void prox_formula(void **state)
{
        struct arrays a;
        const struct ewc_penalty pen = {5, a.fisher, a.anchor};
        float t[P], one[P];

        (void)state;
        fill(&a, 4);
        memcpy(t, a.theta, sizeof(t));
        ewc_penalty_prox(P, t, &pen, a.step, 0.0f);
        for (size_t i = 0; i < P; i++) {
                double k = 2 * 5 * (double)a.step[i] * (double)a.fisher[i];
                double want = ((double)a.theta[i] + k * (double)a.anchor[i]) / (1 + k);

                assert_true(fabs((double)t[i] - want) < 1e-6 * (1 + fabs((double)a.theta[i] - (double)a.anchor[i])));
                if (a.fisher[i] == 0.0f)
                        assert_memory_equal(&t[i], &a.theta[i], sizeof(float));
        }
        memcpy(one, a.theta, sizeof(one));
        ewc_penalty_prox(P, one, &pen, NULL, 0.05f);
        for (size_t i = 0; i < P; i++)
                a.step[i] = 0.05f;
        memcpy(t, a.theta, sizeof(t));
        ewc_penalty_prox(P, t, &pen, a.step, 0.0f);
        assert_memory_equal(one, t, sizeof(t));
}

static void prox_extremes(void **state)
{
        static const double huge[] = {1e13, 1e38, 1e39, 1e300, INFINITY};
        struct arrays a;
        struct ewc_penalty pen = {0, a.fisher, a.anchor};
        float t[P];

        (void)state;
        fill(&a, 5);
        a.theta[0] = -0.0f;
        memcpy(t, a.theta, sizeof(t));
        ewc_penalty_prox(P, t, &pen, NULL, 0.1f);
        assert_memory_equal(t, a.theta, sizeof(t));
        for (size_t k = 0; k < sizeof(huge) / sizeof(huge[0]); k++) {
                pen.lambda = huge[k];
                memcpy(t, a.theta, sizeof(t));
                ewc_penalty_prox(P, t, &pen, NULL, 0.1f);
                for (size_t i = 0; i < P; i++)
                        assert_memory_equal(&t[i], a.fisher[i] > 0.0f ? &a.anchor[i] : &a.theta[i], sizeof(float));
        }
}

/* The merged penalty and the sum of the tasks' penalties differ by a constant. */
static void merge_equals_sum(void **state)
{
        enum { TASKS = 4 };
        static const double alpha[TASKS] = {1, 0.5, 2, 1};
        static struct arrays task[TASKS];
        float U[P] = {0}, centre[P];
        const struct ewc_penalty merged = {0.1, U, centre};
        double constant = 0;

        (void)state;
        for (size_t i = 0; i < P; i++)
                centre[i] = 99.0f; /* where U is 0 the centre is not read */
        for (size_t k = 0; k < TASKS; k++) {
                fill(&task[k], 10 + k);
                ewc_penalty_merge(P, U, centre, alpha[k], task[k].fisher, task[k].anchor);
        }
        for (int at = 0; at < 5; at++) {
                struct arrays a;
                double sum = 0, difference;

                fill(&a, 50 + (uint64_t)at);
                for (size_t k = 0; k < TASKS; k++) {
                        struct ewc_penalty one = {0.1 * alpha[k], task[k].fisher, task[k].anchor};

                        sum += ewc_penalty_value(P, a.theta, &one);
                }
                difference = sum - ewc_penalty_value(P, a.theta, &merged);
                if (at == 0)
                        constant = difference;
                assert_true(fabs(difference - constant) < 1e-5 * sum);
        }
        for (size_t i = 0; i < P; i += 4) { /* never protected: the latest anchor */
                assert_true(U[i] == 0.0f);
                assert_memory_equal(&centre[i], &task[TASKS - 1].anchor[i], sizeof(float));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(zero_at_the_anchor),
            cmocka_unit_test(value_by_plain_loop),
            cmocka_unit_test(gradient_by_finite_difference),
            cmocka_unit_test(prox_formula),
            cmocka_unit_test(prox_extremes),
            cmocka_unit_test(merge_equals_sum),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
