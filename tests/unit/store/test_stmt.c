/* test_stmt.c: statements are prepared once, run inside themselves, and carry their first error to the next step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/sqlite/db.h"
#include "unit/store/sqlite_case.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static const char echo[] = "SELECT :a AS a, :b AS b";

static void prepared_once_and_nested(void **state)
{
        struct kit *k = *state;
        struct db *db = db_of(k->s);
        struct query outer = query_open(db, echo), inner = query_open(db, echo);

        assert_ptr_not_equal(outer.s, inner.s); /* one is running: another is made */
        query_int(&outer, ":a", 1);
        query_int(&inner, ":a", 2);
        assert_int_equal(query_step(&outer, &k->e), QUERY_ROW);
        assert_int_equal(query_step(&inner, &k->e), QUERY_ROW);
        assert_int_equal(query_get_int(&outer, "a"), 1);
        assert_int_equal(query_get_int(&inner, "a"), 2);
        struct stmt *first = inner.s;
        query_close(&inner);
        struct query again = query_open(db, echo);
        assert_ptr_equal(again.s, first);
        assert_int_equal(query_step(&again, &k->e), QUERY_ROW);
        assert_true(query_null(&again, "a")); /* nothing of the last run is left bound */
        query_close(&again);
        query_close(&outer);
        query_close(&outer);
}

static void values_there_and_back(void **state)
{
        struct kit *k = *state;
        _query_ struct query q = query_open(db_of(k->s), echo);

        query_u64(&q, ":a", UINT64_MAX);
        query_real(&q, ":b", (double)NAN);
        assert_int_equal(query_step(&q, &k->e), QUERY_ROW);
        assert_true(query_get_u64(&q, "a") == UINT64_MAX);
        assert_true(query_null(&q, "b") && isnan(query_get_real(&q, "b")));
        query_run(&q, &k->e);
        query_seq(&q, ":a", UINT64_MAX);
        query_id(&q, ":b", 0);
        assert_int_equal(query_step(&q, &k->e), QUERY_ROW);
        assert_true(query_get_int(&q, "a") == INT64_MAX);
        assert_true(query_null(&q, "b"));
        assert_string_equal(query_get_text(&q, "b"), "");
}

static void an_error_sticks(void **state)
{
        struct kit *k = *state;
        char small[3];
        struct query q = query_open(db_of(k->s), "SELECT nonsense FROM nowhere");

        query_int(&q, ":whatever", 1); /* does nothing */
        assert_int_equal(query_step(&q, &k->e), -EPROTO);
        assert_non_null(strstr(k->e.msg, "nowhere"));
        query_close(&q);
        q = query_open(db_of(k->s), echo);
        query_text(&q, ":a", "too long");
        assert_int_equal(query_step(&q, &k->e), QUERY_ROW);
        query_get_name(&q, "a", small, sizeof(small));
        assert_int_equal(query_step(&q, &k->e), -EBADMSG);
        query_close(&q);
        q = query_open(db_of(k->s), "SELECT 1 AS x WHERE 0");
        assert_int_equal(query_one(&q, STORE_NOT_FOUND, &k->e, "no %s", "thing"), STORE_NOT_FOUND);
        assert_string_equal(k->e.msg, "no thing");
        query_close(&q);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {T(prepared_once_and_nested), T(values_there_and_back), T(an_error_sticks)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
