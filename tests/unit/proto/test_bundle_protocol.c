/* test_bundle_protocol.c: what only papers' protocols put into a job, checkpoint or result, through a file bit for
 * bit; and that a file without it, as older programs wrote them, means the daemon's way. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include "proto/bundle.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { I = 2, O = 2, P = 6, N = 3 }; /* a linear model */

static const uint32_t outputs[O] = {0, 1};
static const float theta[P] = {1, -2, 3, -4, 5, -6}, fisher[P] = {1, 1, 1, 1, 1, 1}, x[N * I] = {0, 1, 2, 3, 4, 5};
static const float optim[2 * P] = {0.5f, 1e-42f, -0.0f, 7};
static const int32_t label[N] = {0, 1, 0};
static const struct learn_past past = {
    .task = 1, .alpha = 1, .fisher = fisher, .anchor = theta, .factor = 3e-9, .n_samples = 1ull << 40};

static const float rates[1] = {0.1f}; /* no short decimal */

static char *dir, path[256];
static struct arena arena;

static int setup(void **state)
{
        (void)state;
        dir = tmpdir_new();
        tmpdir_path(path, sizeof(path), dir, "file");
        arena_init(&arena, 1 << 20);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_deinit(&arena);
        tmpdir_remove(dir);
        return 0;
}

static struct learn_job job(void)
{
        return (struct learn_job){
            .kind = JOB_ROLLOVER,
            .net = {.n_inputs = I, .n_outputs = O, .loss = EWC_LOSS_SOFTMAX},
            .theta = theta,
            .n_past = 1,
            .past = &past,
            .train = {.task = 2, .head = {O, outputs}, .n = N, .x = x, .label = label},
            .plan = {.method = LEARN_EWC,
                .optim = {.type = EWC_OPTIM_ADAM, .rate = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
                .epochs = 1,
                .batch = 2,
                .fisher = EWC_FISHER_EXACT,
                .form = LEARN_FORM_GRAD,
                .merge = LEARN_MERGE_ONLINE,
                .merge_decay = 0.9,
                .scale = LEARN_SCALE_RAW,
                .importance = LEARN_IMPORTANCE_SI,
                .si_damping = 0.1,
                .drop_last = true,
                .final_theta = true,
                .distill = 0.25,
                .distill_temperature = 2,
                .keep_optim = true,
                .lambda_start = LEARN_START_TASKS,
                .brake = 0.15,
                .fisher_damping = 1e-3,
                .fisher_fraction = 0.3,
                .derpp = 0.125,
                .huber = 1e-3,
                .rate_new = 0.1,
                .rate_floor = 0.7,
                .n_rates = 1,
                .rates = rates},
            .seen = {.task = 2, .head = {O, outputs}, .n = 2, .x = x + 1},
            .n_optim_in = 2 * P,
            .optim_in = optim,
            .optim_steps = 4000,
        };
}

static void ok(int r, const struct err *e)
{
        if (r != 0)
                fail_msg("%d: %s", r, e->msg);
}

static void read_job(const struct learn_job *j, struct file_map *map, struct learn_job *ret)
{
        struct err e = ERR_NULL;
        struct digest digest;
        ok(bundle_write_job(path, j, &e), &e);
        ok(bundle_read_job(path, &arena, map, ret, &digest, &e), &e);
}

static void test_job(void **state)
{
        (void)state;
        struct learn_job j = job(), got;
        struct file_map map;
        read_job(&j, &map, &got);
        const struct learn_plan *p = &got.plan;
        assert_true(p->form == LEARN_FORM_GRAD && p->merge == LEARN_MERGE_ONLINE && p->merge_decay == 0.9);
        assert_true(p->scale == LEARN_SCALE_RAW && p->importance == LEARN_IMPORTANCE_SI && p->si_damping == 0.1);
        assert_true(p->drop_last && !p->replay_even && p->final_theta && p->keep_optim);
        assert_true(p->distill == 0.25 && p->distill_temperature == 2);
        assert_true(p->lambda_start == LEARN_START_TASKS && p->fisher_fraction == 0.3 && p->derpp == 0.125);
        assert_true(p->brake == 0.15 && p->fisher_damping == 1e-3);
        assert_true(p->huber == 1e-3 && p->rate_new == 0.1 && p->rate_floor == 0.7);
        assert_true(p->n_rates == 1 && p->rates[0] == 0.1f);
        assert_true(got.seen.n == 2 && got.seen.task == 2 && !got.seen.label && !got.seen.weight);
        assert_true(got.seen.head.n == O && got.seen.head.out[1] == 1);
        assert_memory_equal(got.seen.x, x + 1, 2 * I * sizeof(float));
        assert_true(got.past[0].factor == 3e-9 && got.past[0].n_samples == 1ull << 40);
        assert_true(got.n_optim_in == 2 * P && got.optim_steps == 4000);
        assert_memory_equal(got.optim_in, optim, sizeof(optim));
        file_unmap(&map);
}

static void test_nothing_of_it(void **state)
{
        (void)state;
        struct learn_past bare = past;
        struct learn_job j = job(), got;
        struct file_map map;
        struct buf b;
        struct err e = ERR_NULL;
        bare.factor = 0;
        bare.n_samples = 0;
        j.past = &bare;
        j.plan.form = LEARN_FORM_PROX;
        j.plan.merge = LEARN_MERGE_SEPARATE;
        j.plan.merge_decay = j.plan.si_damping = j.plan.distill = j.plan.distill_temperature = 0;
        j.plan.scale = LEARN_SCALE_UNIT;
        j.plan.importance = LEARN_IMPORTANCE_FISHER;
        j.plan.drop_last = j.plan.final_theta = j.plan.keep_optim = false;
        j.plan.lambda_start = LEARN_START_SIMILARITY;
        j.plan.fisher_fraction = j.plan.derpp = j.plan.huber = j.plan.rate_new = j.plan.rate_floor = 0;
        j.plan.n_rates = 0;
        j.plan.rates = NULL;
        j.seen = (struct learn_rows){0};
        j.optim_in = NULL;
        j.n_optim_in = 0;
        j.optim_steps = 0;
        read_job(&j, &map, &got);
        assert_true(got.plan.form == LEARN_FORM_PROX && got.plan.scale == LEARN_SCALE_UNIT && !got.plan.keep_optim);
        assert_null(got.optim_in);
        assert_true(got.past[0].factor == 0 && got.past[0].n_samples == 0);
        file_unmap(&map);
        buf_init(&b, 1 << 20); /* the file is the one of programs that know nothing of it */
        ok(file_read(path, 1 << 20, &b, &e), &e);
        assert_null(memmem(b.data, b.len, "protocol", 8));
        assert_null(memmem(b.data, b.len, "factor", 6));
        assert_null(memmem(b.data, b.len, "\\\"samples\\\":", 12));
        assert_null(memmem(b.data, b.len, "seen", 4));
        assert_null(memmem(b.data, b.len, "optim\\\"", 7));
        buf_deinit(&b);
}

/* Each new field alone is enough to be written down. */
static void test_each_alone(void **state)
{
        (void)state;
        for (int k = 0; k < 7; k++) {
                struct learn_job j = job(), got;
                struct learn_plan bare = {.method = j.plan.method,
                    .optim = j.plan.optim,
                    .epochs = 1,
                    .batch = 2,
                    .fisher = (enum ewc_fisher)(k < 4 ? 5 + k : 1)};
                double *numbers[] = {
                    &bare.fisher_fraction, &bare.derpp, &bare.huber, &bare.rate_new, &bare.rate_floor};
                struct file_map map;
                if (k < 5)
                        *numbers[k] = 0.1 + k;
                bare.lambda_start = k == 5 ? LEARN_START_TOP : LEARN_START_SIMILARITY;
                bare.n_rates = k == 6;
                bare.rates = k == 6 ? rates : NULL;
                j.plan = bare;
                read_job(&j, &map, &got);
                double back[] = {
                    got.plan.fisher_fraction, got.plan.derpp, got.plan.huber, got.plan.rate_new, got.plan.rate_floor};
                for (int i = 0; i < 5; i++)
                        assert_true(back[i] == *numbers[i]);
                assert_true(got.plan.lambda_start == bare.lambda_start && got.plan.n_rates == bare.n_rates);
                assert_true(got.plan.fisher == bare.fisher);
                file_unmap(&map);
        }
}

/* Replaces a text of the file by one as long and reads it. */
static int read_with(const char *from, const char *to)
{
        struct learn_job j = job(), got;
        struct err e = ERR_NULL;
        struct digest digest;
        struct file_map map;
        struct buf b;
        assert_int_equal(strlen(from), strlen(to));
        ok(bundle_write_job(path, &j, &e), &e);
        buf_init(&b, 1 << 20);
        ok(file_read(path, 1 << 20, &b, &e), &e);
        char *at = memmem(b.data, b.len, from, strlen(from));
        assert_non_null(at);
        memcpy(at, to, strlen(to));
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
        assert_int_equal(fclose(f), 0);
        buf_deinit(&b);
        int r = bundle_read_job(path, &arena, &map, &got, &digest, &e);
        if (r == 0)
                file_unmap(&map);
        return r;
}

static void test_refusals(void **state)
{
        (void)state;
        static const char *const pairs[][2] = {
            {"\\\"lambda_start\\\":\\\"tasks\\\"", "\\\"lambda_start\\\":\\\"tusks\\\""},
            {"\\\"derpp\\\":0.125", "\\\"derqq\\\":0.125"},
            {"\\\"huber\\\":", "\\\"hubar\\\":"},
            {"\\\"rate_new\\\":", "\\\"rate_old\\\":"},
            {"\\\"rates\\\":[0.1", "\\\"rates\\\":[nul"},
            {"\\\"seen\\\":{\\\"task\\\":2", "\\\"seem\\\":{\\\"task\\\":2"},
            {"\\\"seen\\\":{\\\"task\\\":2,\\\"rows\\\":2", "\\\"seen\\\":{\\\"task\\\":2,\\\"rows\\\":3"},
            {"\\\"seen\\\":{\\\"task\\\":2,\\\"rows\\\":2", "\\\"seen\\\":{\\\"task\\\":2,\\\"rows\\\":0"},
        };
        assert_int_equal(read_with("\\\"rows\\\"", "\\\"rows\\\""), 0);
        for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
                if (read_with(pairs[i][0], pairs[i][1]) != -EBADMSG)
                        fail_msg("%s", pairs[i][1]);
}

static void test_checkpoint(void **state)
{
        (void)state;
        static double integral[P] = {0.5, -3, 0, 1e-300, 2, -0.25};
        struct learn_job j = job();
        struct learn_state s = {.phase = LEARN_PHASE_TRAIN,
            .epoch = 1,
            .step = 2,
            .n_params = P,
            .theta = theta,
            .n_optim = 2 * P,
            .optim = optim,
            .path = integral};
        struct learn_state got;
        struct file_map map;
        struct digest digest;
        struct err e = ERR_NULL;
        digest_of("job", 3, &digest);
        ok(bundle_write_checkpoint(path, &digest, &j.net, &s, &e), &e);
        ok(bundle_read_checkpoint(path, &digest, &j.net, &arena, &map, &got, &e), &e);
        assert_memory_equal(got.path, integral, sizeof(integral));
        assert_memory_equal(got.optim, optim, sizeof(optim));
        assert_true(got.start == 0);
        file_unmap(&map);
        s.path = NULL;
        s.start = 0.1 / 3;
        ok(bundle_write_checkpoint(path, &digest, &j.net, &s, &e), &e);
        ok(bundle_read_checkpoint(path, &digest, &j.net, &arena, &map, &got, &e), &e);
        assert_null(got.path);
        assert_true(got.start == 0.1 / 3);
        file_unmap(&map);
        integral[2] = (double)NAN;
        s.path = integral;
        ok(bundle_write_checkpoint(path, &digest, &j.net, &s, &e), &e);
        assert_int_equal(bundle_read_checkpoint(path, &digest, &j.net, &arena, &map, &got, &e), -EBADMSG);
}

static void test_result(void **state)
{
        (void)state;
        struct learn_job j = job();
        struct learn_result r = {.outcome = LEARN_DONE, .n_params = P, .n_optim = 2 * P, .optim_steps = 4002}, got;
        struct digest digest;
        struct err e = ERR_NULL;
        float params[P], state_[2 * P];
        memcpy(params, theta, sizeof(params));
        memcpy(state_, optim, sizeof(state_));
        r.theta = params;
        r.optim = state_;
        digest_of("job", 3, &digest);
        ok(bundle_write_result(path, &digest, &j.net, &r, &e), &e);
        ok(bundle_read_result(path, &digest, &j.net, &got, &e), &e);
        assert_true(got.n_optim == 2 * P && got.optim_steps == 4002);
        assert_memory_equal(got.optim, optim, sizeof(optim));
        learn_result_free(&got);
        r.optim = NULL;
        ok(bundle_write_result(path, &digest, &j.net, &r, &e), &e);
        ok(bundle_read_result(path, &digest, &j.net, &got, &e), &e);
        assert_true(!got.optim && got.n_optim == 0);
        learn_result_free(&got);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_job, setup, teardown),
            cmocka_unit_test_setup_teardown(test_nothing_of_it, setup, teardown),
            cmocka_unit_test_setup_teardown(test_each_alone, setup, teardown),
            cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
            cmocka_unit_test_setup_teardown(test_checkpoint, setup, teardown),
            cmocka_unit_test_setup_teardown(test_result, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
