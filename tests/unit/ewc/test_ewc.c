/* test_ewc.c: error texts and the finite check. */
#include "oracle.h"

#include "ewc/internal.h"

static void texts(void **state)
{
        (void)state;
        for (int e = 3; e > -12; e--)
                assert_true(strlen(ewc_strerror(e)) > 0);
        assert_string_equal(ewc_strerror(EWC_OK), "success");
        assert_string_equal(ewc_strerror(EWC_E_LABEL), "label is not an active output");
        assert_string_equal(ewc_strerror(-77), "unknown error");
}

static void finite_check(void **state)
{
        static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
        float x[70];

        (void)state;
        for (int i = 0; i < 70; i++)
                x[i] = i % 2 ? 3.4e38f : -1e-45f;
        assert_true(ewc_finite_all(70, x));
        assert_true(ewc_finite_all(0, x));
        for (size_t at = 0; at < 70; at++) {
                for (size_t k = 0; k < 4; k++) {
                        float keep = x[at];

                        x[at] = bad[k];
                        assert_false(ewc_finite_all(70, x));
                        assert_true(ewc_finite_all(at, x));
                        x[at] = keep;
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(texts),
            cmocka_unit_test(finite_check),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
