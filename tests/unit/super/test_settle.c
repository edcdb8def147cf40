/* What the judgement of a job is told about each task. */
#include "jobs_kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Rows 4 to 7 of every eight are never held out; rows 2 and 3 are, and here of a class the task has no output for. */
static void unmeasurable(struct house *h)
{
        house_model(h, "m", &h->m);
        for (int i = 4; i < 64; i += 8)
                house_rows(h, h->m, i, 4, 0, 1);
        house_rows(h, h->m, 2, 2, 3, 3);
        house_start(h);
        struct job j = house_until_end(h, house_create(h, h->m, "high"));
        assert_int_equal(j.state, JOB_PROMOTED); /* an open task has nothing to lose yet */
        assert_non_null(strstr(j.reason, "promoted: task low without holdout rows: not judged"));
        house_rows(h, h->m, 100, 64, 2, 3);
        j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_REJECTED);
        const char *want = "rejected: task low has 2 holdout rows but could not be measured, task high ";
        assert_memory_equal(j.reason, want, strlen(want));
        assert_int_equal(house_champion(h, h->m).number, 2);
}

static void test_unmeasurable_closed_task(void **state)
{
        static struct house h;
        (void)state;
        house_open(&h, &store_memory);
        unmeasurable(&h);
        house_close(&h);
        house_open(&h, &store_sqlite);
        unmeasurable(&h);
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_unmeasurable_closed_task)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
