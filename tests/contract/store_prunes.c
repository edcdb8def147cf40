/* store_prunes.c: versions lose their tensors when nothing needs them any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <string.h>

static uint64_t prune(struct kit *k, model_id m, uint64_t keep)
{
        uint64_t n = 77;

        assert_int_equal(store_version_prune(k->s, m, keep, "retention", NULL, &n, &k->e), 0);
        return n;
}

static bool whole(struct kit *k, model_id m, uint64_t number)
{
        struct version v = kit_version(k, m, number);
        float back[KIT_P];
        int r = store_version_tensor(k->s, v.id, TENSOR_THETA, back, KIT_P, &k->e);

        assert_int_equal(r, v.pruned ? STORE_NOT_FOUND : 0);
        if (v.pruned)
                assert_non_null(strstr(k->e.msg, "was pruned"));
        return !v.pruned;
}

static void pruning_keeps_what_is_needed(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct alias a;

        kit_consolidate(k, other, 9, true);
        for (unsigned i = 2; i <= 6; i++)
                kit_consolidate(k, m, i, i % 2 == 0); /* 2, 4 and 6 served */
        struct version third = kit_version(k, m, 3);
        assert_int_equal(store_alias_set(k->s, m, "canary", 2, 0, "op", "", &a, &k->e), 0);
        assert_int_equal(prune(k, m, 1), 2); /* 3 and 4; 5 is the newest of the rest */
        kit_reopen(k);
        kit_told(k, m, 0, "version.prune", "tensors of 2 versions dropped, 1 kept beside those in use: 3, 4");
        static const bool left[] = {true, true, false, false, true, true};
        for (uint64_t i = 0; i < 6; i++)
                assert_int_equal(whole(k, m, i + 1), left[i]);
        assert_true(whole(k, other, 2));
        struct version now = kit_version(k, m, 3);
        assert_true(digest_eq(&now.theta, &third.theta)); /* the record stays */
        assert_string_equal(now.reason, third.reason);
        assert_int_equal(now.n_evaluations, 1);
        assert_int_equal(prune(k, m, 1), 0);
        kit_told(k, m, 0, "version.prune", "tensors of 2 versions dropped, 1 kept beside those in use: 3, 4");

        assert_int_equal(store_alias_set(k->s, m, "champion", 4, 4, "op", "", &a, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "version 4 was pruned"));
        assert_int_equal(store_alias_set(k->s, m, "new", 4, 0, "op", "", &a, &k->e), STORE_CONFLICT);
        assert_int_equal(kit_alias(k, m, "champion").number, 6);

        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0); /* from 6 */
        assert_int_equal(store_alias_set(k->s, m, "champion", 2, 4, "op", "back", &a, &k->e), 0);
        assert_int_equal(prune(k, m, 0), 1);
        assert_true(whole(k, m, 6) && !whole(k, m, 5));
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_CANCELLED, NULL, &k->e), 0);
        assert_int_equal(prune(k, m, 0), 1);
        assert_false(whole(k, m, 6));
        assert_true(whole(k, m, 1) && whole(k, m, 2));
        kit_told(k, m, 0, "version.prune", "tensors of 1 version dropped, 0 kept beside those in use: 6");
}

static void pruning_spares_a_rebuild_and_a_challenger(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        for (unsigned i = 2; i <= 5; i++)
                kit_consolidate(k, m, i, true);
        kit_candidate(k, m, 6);
        kit_candidate(k, m, 7); /* takes the alias from version 6 */
        job_id j =
            kit_ask(k, (struct job_new){.model = m, .kind = JOB_REBUILD, .rebuild_of = kit_version(k, m, 4).id});
        assert_int_equal(prune(k, m, 0), 2);
        assert_true(!whole(k, m, 2) && !whole(k, m, 6));
        assert_true(whole(k, m, 3) && whole(k, m, 4) && whole(k, m, 7)); /* 3 is what 4 was trained from */
        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
        assert_int_equal(prune(k, m, 0), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_FAILED, "x", &k->e), 0);
        assert_int_equal(prune(k, m, 0), 2);
        assert_true(!whole(k, m, 3) && !whole(k, m, 4) && whole(k, m, 5) && whole(k, m, 7));
}

static void pruning_leaves_what_is_shared(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        float back[KIT_P];

        kit_roll(k, m, "two", 3);       /* version 2 closed task one */
        kit_consolidate(k, m, 3, true); /* version 3 has the same theta */
        task_id one = kit_task(k, m, "one").id;
        assert_int_equal(prune(k, m, 0), 1);
        for (int i = 0; i < 4; i++)
                assert_int_equal(store_maintain(k->s, NULL, &k->e), 0);
        kit_reopen(k);
        assert_true(!whole(k, m, 2) && whole(k, m, 3));
        struct version v = kit_version(k, m, 2), twin = kit_version(k, m, 3);
        assert_true(v.has_fisher && digest_eq(&v.theta, &twin.theta));
        assert_int_equal(store_version_tensor(k->s, v.id, TENSOR_FISHER, back, KIT_P, &k->e), STORE_NOT_FOUND);
        assert_non_null(strstr(k->e.msg, "version 2 was pruned"));
        assert_int_equal(store_task_tensor(k->s, one, TENSOR_FISHER, back, KIT_P, &k->e), 0);
        assert_int_equal(store_task_tensor(k->s, one, TENSOR_ANCHOR, back, KIT_P, &k->e), 0);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

static void a_group_undoes_pruning(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        kit_consolidate(k, m, 2, true);
        kit_consolidate(k, m, 3, true);
        assert_int_equal(store_begin(k->s, &k->e), 0);
        assert_int_equal(prune(k, m, 0), 1);
        assert_false(whole(k, m, 2));
        store_abort(k->s);
        assert_true(whole(k, m, 2));
        assert_int_equal(prune(k, m, 1), 0);
        assert_int_equal(prune(k, m, UINT64_MAX), 0);
}

STORE_TESTS(store_prune_tests, STORE_TEST(pruning_keeps_what_is_needed),
    STORE_TEST(pruning_spares_a_rebuild_and_a_challenger), STORE_TEST(pruning_leaves_what_is_shared),
    STORE_TEST(a_group_undoes_pruning));
