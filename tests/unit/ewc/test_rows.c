/* test_rows.c: the product of the prediction path in every remainder of its tiles, against plain loops, and to the
 * bit against a row alone. */
#include "oracle.h"

#include "ewc/internal.h"

enum { MAX = 40, ROWS = 11, COLUMNS = 9 };

static void every_remainder(void **state)
{
        float x[ROWS * MAX], w[COLUMNS * MAX], y[ROWS * COLUMNS], one[COLUMNS];
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 91, 0);
        for (int i = 0; i < ROWS * MAX; i++)
                x[i] = (float)ewc_rng_normal(&r);
        for (int i = 0; i < COLUMNS * MAX; i++)
                w[i] = (float)ewc_rng_normal(&r);
        for (size_t B = 1; B <= ROWS; B++) {
                for (size_t O = 1; O <= COLUMNS; O++) {
                        for (size_t I = 1; I <= MAX; I++) {
                                ewc_rows_product(B, O, I, x, w, y);
                                for (size_t n = 0; n < B; n++) {
                                        ewc_rows_product(1, O, I, x + n * I, w, one);
                                        assert_memory_equal(one, y + n * O, O * sizeof(float));
                                }
                                for (size_t n = 0; n < B * O; n++) {
                                        double sum = 0, size = 0;

                                        for (size_t i = 0; i < I; i++) {
                                                double p = (double)x[n / O * I + i] * (double)w[n % O * I + i];

                                                sum += p;
                                                size += fabs(p);
                                        }
                                        assert_true(fabs((double)y[n] - sum) <= 1e-6 * size);
                                }
                        }
                }
        }
}

/* Nothing is written behind the last output, and a NaN stays in its row and column. */
static void stays_in_bounds(void **state)
{
        float x[5 * 17], w[6 * 17], y[5 * 6 + 8];

        (void)state;
        for (int i = 0; i < 5 * 17; i++)
                x[i] = 1.0f;
        for (int i = 0; i < 6 * 17; i++)
                w[i] = 2.0f;
        for (int i = 0; i < 38; i++)
                y[i] = -1.0f;
        x[3 * 17 + 16] = NAN;
        w[5 * 17] = INFINITY;
        ewc_rows_product(5, 6, 17, x, w, y);
        for (int i = 0; i < 30; i++) {
                if (i / 6 == 3)
                        assert_true(isnan(y[i]));
                else
                        assert_true(i % 6 == 5 ? isinf(y[i]) : y[i] == 34.0f);
        }
        for (int i = 30; i < 38; i++)
                assert_true(y[i] == -1.0f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_remainder),
            cmocka_unit_test(stays_in_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
