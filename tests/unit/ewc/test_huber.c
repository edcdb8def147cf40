/* test_huber.c: Huber's penalty in value, gradient and proximal form; an infinite knee is the plain penalty. */
#include "oracle.h"

enum { P = 1003 };
static const float knees[] = {1e-3f, 0.3f, 2.0f};

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

/* lambda F rho(t - anchor) in double */
static double rho(double d, double knee)
{
        return fabs(d) <= knee ? d * d : 2 * knee * fabs(d) - knee * knee;
}

static void value_by_plain_loop(void **state)
{
        struct arrays a;
        const struct ewc_penalty pen = {0.7, a.fisher, a.anchor};

        (void)state;
        fill(&a, 91);
        for (size_t k = 0; k < 3; k++) {
                double sum = 0;

                for (size_t n = 0; n < 40; n++) {
                        assert_true(
                            fabs(ewc_penalty_huber_value(n, a.theta, &pen, knees[k]) - 0.7 * sum) <= 1e-12 * sum);
                        sum += (double)a.fisher[n] * rho((double)a.theta[n] - (double)a.anchor[n], (double)knees[k]);
                }
        }
}

/* One coordinate at a time, by central differences in double. */
static void gradient_by_finite_difference(void **state)
{
        const double h = 1e-7;
        struct arrays a;
        const struct ewc_penalty pen = {0.3, a.fisher, a.anchor};

        (void)state;
        fill(&a, 92);
        for (size_t k = 0; k < 3; k++) {
                float grad[P] = {0};

                ewc_penalty_huber_grad(P, a.theta, &pen, knees[k], grad);
                ewc_penalty_huber_grad(P, a.theta, &pen, knees[k], grad); /* adds */
                for (size_t i = 0; i < P; i++) {
                        double d = (double)a.theta[i] - (double)a.anchor[i], knee = (double)knees[k];
                        double want = 2 * 0.3 * (double)a.fisher[i] * (rho(d + h, knee) - rho(d - h, knee)) / (2 * h);

                        assert_true(fabs((double)grad[i] - want) <= 1e-4 * fabs(want) + 1e-7);
                }
        }
}

/* argmin_t lambda F rho(t - anchor) + (t - theta)^2 / (2 step), by halving the sign of its slope. */
static double minimiser(double lambda_f, double knee, double anchor, double theta, double step)
{
        double low = fmin(anchor, theta), high = fmax(anchor, theta);

        for (int i = 0; i < 100; i++) {
                double t = (low + high) / 2, d = t - anchor;
                double slope = 2 * lambda_f * (fabs(d) <= knee ? d : copysign(knee, d)) + (t - theta) / step;

                if (slope > 0)
                        high = t;
                else
                        low = t;
        }
        return (low + high) / 2;
}

static void prox_is_the_minimiser(void **state)
{
        struct arrays a;
        const struct ewc_penalty pen = {5, a.fisher, a.anchor};

        (void)state;
        fill(&a, 93);
        for (size_t k = 0; k < 3; k++) {
                float t[P];
                size_t inside = 0, outside = 0;

                memcpy(t, a.theta, sizeof(t));
                ewc_penalty_huber_prox(P, t, &pen, a.step, 0.0f, knees[k]);
                for (size_t i = 0; i < P; i++) {
                        double want = minimiser(5 * (double)a.fisher[i], (double)knees[k], (double)a.anchor[i],
                            (double)a.theta[i], (double)a.step[i]);

                        if (a.fisher[i] == 0.0f)
                                assert_memory_equal(&t[i], &a.theta[i], sizeof(float));
                        assert_true(fabs((double)t[i] - want) < 2e-6 * (1 + fabs((double)a.theta[i])));
                        inside += fabs(want - (double)a.anchor[i]) <= (double)knees[k];
                        outside += fabs(want - (double)a.anchor[i]) > (double)knees[k];
                }
                assert_true((k == 0 || inside > 100) && (k == 2 || outside > 100));
        }
}

static void infinite_knee_is_plain(void **state)
{
        static const double lambda[] = {0, 1e-2, 5, 1e13, 1e39, 1e300};
        struct arrays a;
        struct ewc_penalty pen = {0, a.fisher, a.anchor};

        (void)state;
        fill(&a, 94);
        a.theta[0] = -0.0f;
        for (size_t k = 0; k < sizeof(lambda) / sizeof(lambda[0]); k++) {
                float t[P], u[P], g[P] = {0}, h[P] = {0};

                pen.lambda = lambda[k];
                memcpy(t, a.theta, sizeof(t));
                memcpy(u, a.theta, sizeof(u));
                ewc_penalty_prox(P, t, &pen, NULL, 0.1f);
                ewc_penalty_huber_prox(P, u, &pen, NULL, 0.1f, INFINITY);
                assert_memory_equal(t, u, sizeof(t));
                ewc_penalty_prox(P, t, &pen, a.step, 0.0f);
                ewc_penalty_huber_prox(P, u, &pen, a.step, 0.0f, INFINITY);
                assert_memory_equal(t, u, sizeof(t));
                if (lambda[k] > 1e38)
                        continue;
                ewc_penalty_grad(P, a.theta, &pen, g);
                ewc_penalty_huber_grad(P, a.theta, &pen, INFINITY, h);
                assert_memory_equal(g, h, sizeof(g));
                assert_true(
                    ewc_penalty_value(P, a.theta, &pen) == ewc_penalty_huber_value(P, a.theta, &pen, INFINITY));
        }
}

/* A huge pull lands on the anchor and never beyond it; a NaN stays one. */
static void prox_extremes(void **state)
{
        static const double lambda[] = {1e13, 1e38, 1e39, 1e300, INFINITY};
        struct arrays a;
        struct ewc_penalty pen = {0, a.fisher, a.anchor};

        (void)state;
        fill(&a, 95);
        for (size_t k = 0; k < 5; k++) {
                float t[P];

                pen.lambda = lambda[k];
                memcpy(t, a.theta, sizeof(t));
                t[1] = NAN;
                ewc_penalty_huber_prox(P, t, &pen, NULL, 0.1f, 0.5f);
                assert_true(isnan(t[1]));
                for (size_t i = 2; i < P; i++) {
                        assert_true(isfinite(t[i]));
                        if (a.fisher[i] > 0.0f)
                                assert_true(fabsf(t[i] - a.anchor[i]) <= 1e-6f);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(value_by_plain_loop),
            cmocka_unit_test(gradient_by_finite_difference),
            cmocka_unit_test(prox_is_the_minimiser),
            cmocka_unit_test(infinite_knee_is_plain),
            cmocka_unit_test(prox_extremes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
