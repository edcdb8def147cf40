/* store_blobs.c: tensors in chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <errno.h>
#include <string.h>

enum { FLOATS = BLOB_CHUNK / 4 * 2 + 5 }; /* two full chunks and five floats */

static float big[FLOATS];

static struct digest fill(float seed)
{
        struct digest d;

        for (size_t i = 0; i < FLOATS; i++)
                big[i] = seed + (float)i;
        digest_of(big, sizeof(big), &d);
        return d;
}

static int chunk(struct kit *k, const struct digest *d, uint32_t i, bool *ret_complete)
{
        size_t at = (size_t)i * BLOB_CHUNK, left = sizeof(big) - at;

        *ret_complete = false;
        return store_blob_chunk(k->s, d, sizeof(big), i, (const char *)big + at,
            left < BLOB_CHUNK ? left : BLOB_CHUNK, ret_complete, &k->e);
}

static int reference(struct kit *k, model_id m, job_id j, const struct digest *d, version_id *ret)
{
        struct kit_outcome w;

        kit_outcome(k, &w, m, j, true, 1, false);
        w.o.theta = *d;
        w.o.n_params = FLOATS;
        return store_consolidation_commit(k->s, &w.o, ret, &k->e);
}

static void any_order_and_again(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        struct digest d = fill(1);
        static float back[FLOATS];
        version_id v = 0;
        bool complete;

        kit_to_judging(k, j);
        assert_int_equal(chunk(k, &d, 2, &complete), 0);
        assert_false(complete);
        assert_int_equal(chunk(k, &d, 0, &complete), 0);
        assert_int_equal(chunk(k, &d, 0, &complete), 0);
        assert_false(complete);
        assert_int_equal(reference(k, m, j, &d, &v), STORE_NOT_FOUND); /* a chunk is missing */
        kit_reopen(k);
        assert_int_equal(chunk(k, &d, 1, &complete), 0);
        assert_true(complete);
        assert_int_equal(chunk(k, &d, 1, &complete), 0); /* once more */
        assert_true(complete);
        assert_int_equal(reference(k, m, j, &d, &v), 0);
        kit_reopen(k);
        assert_int_equal(store_version_tensor(k->s, v, TENSOR_THETA, back, FLOATS, &k->e), 0);
        assert_memory_equal(back, big, sizeof(big));
        assert_int_equal(store_version_tensor(k->s, v, TENSOR_THETA, back, FLOATS - 1, &k->e), -EINVAL);
}

static void a_wrong_hash_drops_the_chunks(void **state)
{
        struct kit *k = *state;
        struct digest d = fill(2);
        bool complete;

        assert_int_equal(chunk(k, &d, 0, &complete), 0);
        assert_int_equal(chunk(k, &d, 1, &complete), 0);
        big[FLOATS - 1] += 1;
        assert_int_equal(chunk(k, &d, 2, &complete), STORE_CONFLICT);
        assert_false(complete);
        big[FLOATS - 1] -= 1;
        assert_int_equal(chunk(k, &d, 2, &complete), 0);
        assert_false(complete); /* the others are gone: all must come again */
        assert_int_equal(chunk(k, &d, 0, &complete), 0);
        assert_int_equal(chunk(k, &d, 1, &complete), 0);
        assert_true(complete);
}

static void sizes_are_checked(void **state)
{
        struct kit *k = *state;
        struct digest d = fill(3);
        bool complete;

        assert_int_equal(store_blob_chunk(k->s, &d, 0, 0, big, 0, &complete, &k->e), -EINVAL);
        assert_int_equal(store_blob_chunk(k->s, &d, 100, 1, big, 100, &complete, &k->e), -EINVAL);
        assert_int_equal(store_blob_chunk(k->s, &d, 100, 0, big, 99, &complete, &k->e), -EINVAL);
        assert_int_equal(store_blob_chunk(k->s, &d, sizeof(big), 0, big, 100, &complete, &k->e), -EINVAL);
        assert_int_equal(store_blob_chunk(k->s, &d, SIZE_MAX, 0, big, BLOB_CHUNK, &complete, &k->e), -EINVAL);
        assert_int_equal(chunk(k, &d, 0, &complete), 0);
        assert_int_equal(store_blob_chunk(k->s, &d, 100, 0, big, 100, &complete, &k->e), STORE_CONFLICT);
}

static void equal_tensors_are_shared(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), m2 = kit_model(k, "m2", SCENARIO_DOMAIN);
        struct version v, v2;
        float back[KIT_P];

        assert_int_equal(store_version_by_number(k->s, m, 1, &k->a, &v, &k->e), 0);
        assert_int_equal(store_version_by_number(k->s, m2, 1, &k->a, &v2, &k->e), 0);
        assert_true(digest_eq(&v.theta, &v2.theta));
        assert_int_equal(store_version_tensor(k->s, v2.id, TENSOR_THETA, back, KIT_P, &k->e), 0);
        assert_memory_equal(back, k->theta, sizeof(back));
}

static void idle_work_keeps_what_is_needed(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct digest d = fill(4);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        version_id v = 0;
        bool complete;

        kit_to_judging(k, j);
        for (uint32_t i = 0; i < 3; i++)
                assert_int_equal(chunk(k, &d, i, &complete), 0);
        assert_true(complete);
        for (int i = 0; i < 4; i++)
                assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_int_equal(
            reference(k, m, j, &d, &v), 0); /* staged tensors outlive idle work while their job is active */
        for (int i = 0; i < 4; i++)
                assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        assert_int_equal(store_version_tensor(k->s, v, TENSOR_THETA, big, FLOATS, &k->e), 0);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

STORE_TESTS(store_blob_tests, STORE_TEST(any_order_and_again), STORE_TEST(a_wrong_hash_drops_the_chunks),
    STORE_TEST(sizes_are_checked), STORE_TEST(equal_tensors_are_shared), STORE_TEST(idle_work_keeps_what_is_needed));
