/* test_learn_job.c: the release of results. */
#include "domain/learn_job.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_release(void **state)
{
        (void)state;
        struct learn_result r = {0};
        learn_result_free(&r);
        r.theta = new_array(float, 3);
        r.fisher = new_array(float, 3);
        r.before = new_array(struct evaluation, 1);
        r.after = new_array(struct evaluation, 1);
        learn_result_free(&r);
        assert_null(r.theta);
        learn_result_free(&r); /* twice does no harm */
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_release)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
