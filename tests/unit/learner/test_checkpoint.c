/* test_checkpoint.c: one holder at a time, and which files are worth resuming. */
#include "learner/checkpoint.h"
#include "base/arena.h"
#include "base/err.h"
#include "lib/tmpdir.h"
#include "made.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void test_lock(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        struct digest job;
        struct checkpoint a = {0}, b = {0};
        struct err e = ERR_NULL;
        digest_of("job", 3, &job);
        tmpdir_path(path, sizeof(path), dir, "checkpoint");
        assert_int_equal(checkpoint_open(&a, path, &job, &net, &e), 0);
        assert_int_equal(checkpoint_open(&b, path, &job, &net, &e), -EBUSY);
        assert_non_null(strstr(e.msg, path));
        checkpoint_close(&b); /* never opened */
        checkpoint_close(&a);
        assert_int_equal(checkpoint_open(&b, path, &job, &net, &e), 0);
        checkpoint_close(&b);
        checkpoint_close(&b);
        tmpdir_path(path, sizeof(path), dir, "no/such/place");
        assert_int_equal(checkpoint_open(&a, path, &job, &net, &e), -ENOENT);
        tmpdir_remove(dir);
}

static void test_load(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        float theta[MADE_PARAMS_MAX];
        struct digest job, other;
        struct checkpoint c = {0};
        struct arena arena;
        struct learn_state got;
        struct err e = ERR_NULL;
        arena_init(&arena, 1 << 20);
        digest_of("job", 3, &job);
        digest_of("other", 5, &other);
        made_theta(&net, 1, theta);
        tmpdir_path(path, sizeof(path), dir, "checkpoint");
        struct learn_state s = {
            .phase = LEARN_PHASE_TRAIN, .epoch = 2, .step = 9, .n_params = ewc_spec_params(&net), .theta = theta};
        assert_int_equal(checkpoint_open(&c, path, &job, &net, &e), 0);
        assert_int_equal(checkpoint_load(&c, &arena, &got, &e), CHECKPOINT_NONE);
        assert_string_equal(e.msg, "");
        assert_int_equal(checkpoint_write(&c, &s, &e), 0);
        assert_int_equal(checkpoint_load(&c, &arena, &got, &e), 0);
        assert_int_equal(got.epoch, 2);
        assert_memory_equal(got.theta, theta, s.n_params * sizeof(float));
        checkpoint_close(&c);
        assert_int_equal(checkpoint_open(&c, path, &other, &net, &e), 0);
        assert_int_equal(checkpoint_load(&c, &arena, &got, &e), CHECKPOINT_NONE);
        assert_non_null(strstr(e.msg, "another job"));
        assert_int_equal(file_replace(path, "rubbish", 7, &e), 0);
        assert_int_equal(checkpoint_load(&c, &arena, &got, &e), CHECKPOINT_NONE);
        assert_true(strlen(e.msg) > 0);
        checkpoint_close(&c);
        arena_deinit(&arena);
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_lock), cmocka_unit_test(test_load)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
