/* test_bundle_end.c: what a learner leaves behind, checkpoint and result, through a file bit for bit; and files that
 * lie, made as in test_bundle.c. */
#include "bundle_fixture.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include <stdlib.h>

static const struct output_score scores[] = {{0, 2, 1}, {3, 3, 0}};

static void fill(struct evaluation before[2])
{
        const double none = (double)NAN;
        before[0] = (struct evaluation){.task = 11,
            .n = 5,
            .accuracy = 0.1,
            .loss = 1.0 / 3.0,
            .ece = 2.0 / 7.0,
            .n_won = 1ull << 40,
            .n_lost = 2,
            .predicted = 9, /* not written */
            .n_outputs = 2,
            .outputs = scores};
        before[1] =
            (struct evaluation){.task = 13, .n = 0, .accuracy = none, .loss = none, .ece = none, .predicted = none};
}

/* All but predicted, which a file does not hold. */
static void same_evaluation(const struct evaluation *got, const struct evaluation *want)
{
        assert_true(got->task == want->task && got->n == want->n && got->accuracy == want->accuracy);
        assert_true(got->loss == want->loss && got->ece == want->ece && isnan(got->predicted));
        assert_true(got->n_won == want->n_won && got->n_lost == want->n_lost && got->n_outputs == want->n_outputs);
        assert_ptr_not_equal(got->outputs, want->outputs);
        for (size_t i = 0; i < want->n_outputs; i++) {
                const struct output_score *a = &got->outputs[i], *b = &want->outputs[i];
                assert_true(a->output == b->output && a->n == b->n && a->n_right == b->n_right);
        }
}

static struct learn_state state_of(struct fixture *f, struct evaluation *before, double *sum)
{
        size_t P = ewc_spec_params(&f->job.net);
        for (size_t i = 0; i < P; i++)
                sum[i] = (double)i / 7.0;
        fill(before);
        return (struct learn_state){.phase = LEARN_PHASE_FISHER,
            .try = 1,
            .epoch = 3,
            .step = 1ull << 40,
            .lambda = 0.1,
            .n_tries = 2,
            .tries = {{0, 0.9, (double)NAN, 0, 0.1, 1.5}, {0.1, 1.0 / 3.0, 0.7, 0.25, 2.0 / 3.0, 0}},
            .loss = 0.1 + 0.2,
            .penalty = 1e-300,
            .n_params = P,
            .theta = f->theta,
            .n_optim = 6,
            .optim = f->anchor,
            .best = f->fisher,
            .best_lambda = 0.1,
            .n_before = 2,
            .before = before,
            .fisher_done = 3,
            .fisher_sum = sum};
}

static void test_checkpoint_round_trip(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct file_map map;
        struct learn_state got;
        struct evaluation before[2];
        double sum[P_MAX];
        struct learn_state s = state_of(f, before, sum);
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        ok(bundle_read_checkpoint(f->path, &f->digest, &f->job.net, &f->arena, &map, &got, &e), &e);
        assert_int_equal(got.phase, s.phase);
        assert_true(got.try == s.try && got.epoch == s.epoch && got.step == s.step && got.lambda == s.lambda);
        assert_true(got.loss == s.loss && got.penalty == s.penalty && got.best_lambda == s.best_lambda);
        assert_int_equal(got.n_tries, 2);
        assert_true(isnan(got.tries[0].past_accuracy) && got.tries[0].seconds == 1.5);
        assert_memory_equal(&got.tries[1], &s.tries[1], sizeof(s.tries[1]));
        assert_true(got.n_params == s.n_params && got.n_optim == 6 && got.fisher_done == 3);
        assert_memory_equal(got.theta, s.theta, s.n_params * sizeof(float));
        assert_memory_equal(got.best, s.best, s.n_params * sizeof(float));
        assert_memory_equal(got.optim, s.optim, s.n_optim * sizeof(float));
        assert_memory_equal(got.fisher_sum, s.fisher_sum, s.n_params * sizeof(double));
        assert_int_equal(got.n_before, 2);
        same_evaluation(&got.before[0], &before[0]);
        assert_true(isnan(got.before[1].accuracy) && isnan(got.before[1].ece) && !got.before[1].outputs);
        file_unmap(&map);
        assert_null(got.best_optim);
        s.best_optim = f->theta;
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        ok(bundle_read_checkpoint(f->path, &f->digest, &f->job.net, &f->arena, &map, &got, &e), &e);
        assert_memory_equal(got.best_optim, s.best_optim, s.n_optim * sizeof(float));
        assert_memory_equal(got.optim, s.optim, s.n_optim * sizeof(float));
        file_unmap(&map);
        s.best = s.best_optim = NULL;
        s.fisher_sum = NULL;
        s.n_optim = 0;
        s.optim = NULL;
        s.phase = LEARN_PHASE_TRAIN;
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        ok(bundle_read_checkpoint(f->path, &f->digest, &f->job.net, &f->arena, &map, &got, &e), &e);
        assert_true(!got.best && !got.fisher_sum && !got.optim && got.phase == LEARN_PHASE_TRAIN);
        file_unmap(&map);
}

static void test_checkpoint_lies(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *from, *to, *why;
        } cases[] = {
            {"\"phase\":\"fisher\"", "\"phase\":\"nap\"", "ewcd.state"},
            {"\"epoch\":3", "\"epoch\":-3", "ewcd.state"},
            {"\"lambda\":0.1", "\"lambda\":null", "ewcd.state"},
            {"\"best\":true", "\"best\":false", "tensors, expected"},
            {"\"fisher\":true", "\"fisher\":false", "tensors, expected"},
            {"\"fisher\":true", "\"best_optim\":true,\"fisher\":true", "best_optim"},
            {"\"fisher\":true", "\"best_optim\":false,\"fisher\":true", "ewcd.state"},
            {"\"n_optim\":6", "\"n_optim\":7", "optim has the wrong shape"},
            {"\"tries\":[", "\"tries\":[{},", "ewcd.state"},
            {"\"tries\":[", "\"tries\":[0,0,0,0,0,0,0,", "ewcd.state"},
            {"\"before\":[", "\"before\":[{},", "ewcd.state"},
        };
        struct err e = ERR_NULL;
        struct file_map map = {0};
        struct learn_state got;
        struct evaluation before[2];
        double sum[P_MAX];
        struct learn_state s = state_of(f, before, sum);
        struct digest other;
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct doctor d;
                doctor_open(f, &d);
                doctor_json(f, &d, "ewcd.state", cases[i].from, cases[i].to);
                doctor_write(f, &d);
                int r = bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e);
                if (r != -EBADMSG || !strstr(e.msg, cases[i].why))
                        fail_msg("%s: %d \"%s\"", cases[i].to, r, e.msg);
        }
        struct doctor d;
        doctor_open(f, &d);
        *(double *)(uintptr_t)doctor_part(&d, "fisher_sum")->data = (double)NAN;
        doctor_write(f, &d);
        assert_int_equal(
            bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e), -EBADMSG);
        digest_of("another", 7, &other);
        assert_int_equal(
            bundle_read_checkpoint(f->path, &other, &f->job.net, &f->arena, &map, &got, &e), BUNDLE_OTHER_JOB);
        doctor_open(f, &d);
        doctor_json(f, &d, "ewcd.job_sha256", "", "z");
        doctor_write(f, &d);
        assert_int_equal(
            bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e), -EBADMSG);
        tmpdir_path(f->other, sizeof(f->other), f->dir, "nothing");
        assert_int_equal(
            bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e), -ENOENT);
        assert_null(map.data);
}

static struct learn_result result_of(struct fixture *f, struct evaluation *before)
{
        fill(before);
        return (struct learn_result){.outcome = LEARN_DONE,
            .n_params = ewc_spec_params(&f->job.net),
            .theta = f->theta,
            .fisher = f->fisher,
            .fisher_info = {EWC_FISHER_SAMPLE, 9, 20, 0.1, 2.0},
            .lambda = 0.1,
            .loss = 1.0 / 3.0,
            .penalty = 0.2,
            .prior = 1.0 / 3.0,
            .steps = 77,
            .n_evaluations = 2,
            .before = before,
            .after = before,
            .n_tries = 1,
            .tries = {{0.1, 0.9, 0.8, 0.2, 0.3, 1.25}}};
}

static void test_result_round_trip(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct evaluation before[2];
        struct learn_result got = {0}, r = result_of(f, before);
        struct buf text;
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        ok(bundle_read_result(f->path, &f->digest, &f->job.net, &got, &e), &e);
        assert_int_equal(got.outcome, LEARN_DONE);
        assert_memory_equal(got.theta, r.theta, r.n_params * sizeof(float));
        assert_memory_equal(got.fisher, r.fisher, r.n_params * sizeof(float));
        assert_true(got.fisher_info.kind == EWC_FISHER_SAMPLE && got.fisher_info.n_samples == 9);
        assert_true(got.fisher_info.n_protected == 20 && got.fisher_info.factor == 0.1);
        assert_true(got.fisher_info.trace == 2.0 && got.lambda == 0.1 && got.loss == 1.0 / 3.0 && got.steps == 77);
        assert_true(got.prior == 1.0 / 3.0);
        assert_memory_equal(&got.tries[0], &r.tries[0], sizeof(r.tries[0]));
        same_evaluation(&got.before[0], &before[0]);
        same_evaluation(&got.after[0], &before[0]);
        assert_ptr_not_equal(got.before[0].outputs, got.after[0].outputs);
        assert_true(isnan(got.before[1].loss));
        learn_result_free(&got);
        r.prior = 0; /* none: the file is the one of programs that know nothing of it */
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        ok(bundle_read_result(f->path, &f->digest, &f->job.net, &got, &e), &e);
        assert_true(got.prior == 0);
        learn_result_free(&got);
        buf_init(&text, 1 << 20);
        ok(file_read(f->path, 1 << 20, &text, &e), &e);
        assert_null(memmem(text.data, text.len, "prior", 5));
        buf_deinit(&text);
        r = (struct learn_result){.outcome = LEARN_DIVERGED,
            .n_evaluations = 2,
            .before = before,
            .loss = (double)NAN,
            .reason = "row \"7\""};
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        ok(bundle_read_result(f->path, &f->digest, &f->job.net, &got, &e), &e);
        assert_int_equal(got.outcome, LEARN_DIVERGED);
        assert_true(!got.theta && !got.fisher && !got.after && got.n_evaluations == 2 && isnan(got.loss));
        assert_string_equal(got.reason, r.reason);
        learn_result_free(&got);
        r.reason[0] = '\0';
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        ok(bundle_read_result(f->path, &f->digest, &f->job.net, &got, &e), &e);
        assert_string_equal(got.reason, "");
        learn_result_free(&got);
}

/* Words are one printable line of limited length, and only a learner that diverged has any. */
static void test_result_reason_lies(void **state)
{
        struct fixture *f = *state;
        static const char *const cases[] = {"\"reason\":7", "\"reason\":\"\"", "\"reason\":\"a\\nb\"",
            "\"reason\":\"a\\u001bb\"", "\"raison\":\"why\""};
        struct err e = ERR_NULL;
        struct learn_result got = {0}, r = {.outcome = LEARN_DIVERGED, .reason = "why"};
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        struct doctor d;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                doctor_open(f, &d);
                doctor_json(f, &d, "ewcd.metrics", "\"reason\":\"why\"", cases[i]);
                doctor_write(f, &d);
                if (bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e) != -EBADMSG)
                        fail_msg("accepted %s", cases[i]);
        }
        doctor_open(f, &d);
        doctor_json(f, &d, "ewcd.metrics", "\"outcome\":\"diverged\"", "\"outcome\":\"stopped\"");
        doctor_write(f, &d);
        assert_int_equal(bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e), -EBADMSG);
}

static void test_result_lies(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *from, *to;
        } cases[] = {
            {"\"outcome\":\"done\"", "\"outcome\":\"great\""},
            {"\"outcome\":\"done\"", "\"outcome\":\"diverged\""}, /* then there may be no theta */
            {"\"samples\":9", "\"samples\":-9"},
            {"\"kind\":\"sample\"", "\"kind\":\"taste\""},
            {"\"factor\":0", "\"factor\":-0"},
            {"\"after\":[", "\"after\":[{\"task\":1,\"n\":1,\"accuracy\":1,\"loss\":1},"},
            {"\"steps\":77", "\"steps\":77.5"},
            {"\"prior\":0.3333333333333333", "\"prior\":-0.3333333333333333"},
            {"\"prior\":0.3333333333333333", "\"prior\":0"},
            {"\"prior\":0.3333333333333333", "\"prior\":null"},
            {"\"prior\":0.3333333333333333", "\"prior\":NaN"},
            {"\"prior\":0.3333333333333333", "\"prior\":\"1\""},
            {"\"prior\":0.3333333333333333", "\"prior\":1.1e9"},
            {"\"prior\":0.3333333333333333", "\"prior\":1e308"},
            {"\"prior\":0.3333333333333333", "\"prior\":1e999"},
            {"\"prior\":0.3333333333333333", "\"prior\":9e-7"},
            {"\"prior\":0.3333333333333333", "\"prime\":1"},
            {"\"ece\":0.2857142857142857,", ""},
            {"\"ece\":0.2857142857142857", "\"ece\":\"low\""},
            {"\"won\":", "\"one\":"},
            {"\"lost\":2", "\"lost\":-2"},
            {"\"outputs\":[[0,2,1]", "\"outputs\":[[0,2]"},
            {"\"outputs\":[[0,2,1]", "\"outputs\":[[0,2,3]"}, /* more right than rows */
            {"\"outputs\":[[0,2,1]", "\"outputs\":[[3,2,1]"}, /* twice */
            {"\"outputs\":[[0,2,1]", "\"outputs\":[[4294967296,2,1]"},
            {"\"outputs\":[[0,2,1]", "\"outputs\":[[-1,2,1]"},
            {"\"outputs\":[[0,2,1]", "\"outputs\":[{}"},
            {"\"outputs\":[[0,2,1]", "\"outputs\":[[0,2,1,1]"},
            {"\"outputs\":[]", "\"outputs\":{}"},
        };
        struct err e = ERR_NULL;
        struct evaluation before[2];
        struct learn_result got = {0}, r = result_of(f, before);
        struct digest other;
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        struct doctor d;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                doctor_open(f, &d);
                doctor_json(f, &d, "ewcd.metrics", cases[i].from, cases[i].to);
                doctor_write(f, &d);
                if (bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e) != -EBADMSG)
                        fail_msg("accepted %s", cases[i].to);
        }
        struct learn_result other_end = {
            .outcome = LEARN_STOPPED, .prior = 1}; /* has trained nothing to have one of */
        ok(bundle_write_result(f->other, &f->digest, &f->job.net, &other_end, &e), &e);
        assert_int_equal(bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e), -EBADMSG);
        static const char *const tensors[] = {"theta/0.w", "fisher/out.b"};
        for (size_t i = 0; i < ARRAY_LEN(tensors); i++) {
                doctor_open(f, &d);
                doctor_float(&d, tensors[i], (float)NAN);
                doctor_write(f, &d);
                assert_int_equal(bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e), -EBADMSG);
        }
        doctor_open(f, &d);
        doctor_float(&d, "fisher/0.w", -1);
        doctor_write(f, &d);
        assert_int_equal(bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e), -EBADMSG);
        digest_of("another", 7, &other);
        assert_int_equal(bundle_read_result(f->path, &other, &f->job.net, &got, &e), BUNDLE_OTHER_JOB);
        assert_null(got.theta);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(test_checkpoint_round_trip),
            TEST(test_checkpoint_lies),
            TEST(test_result_round_trip),
            TEST(test_result_lies),
            TEST(test_result_reason_lies),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
