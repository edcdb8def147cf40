/* What every learner behind the port keeps, in process and as a process: lines, one exit, files, cancel and resume,
 * and that both arrive at the same bits. The path of the real learner is the only argument. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "lib/fake_learner.h"
#include "lib/tmpdir.h"
#include "loop/loop.h"
#include "proto/bundle.h"
#include "proto/progress.h"
#include "super/learner_proc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { N = 64, HELD = 16, P = 2 * 6 + 6 + 6 * 2 + 2 };

static const char *learner_path;

struct bench {
        char *dir, job[256], result[256], checkpoint[256];
        struct loop *loop;
        struct fake_learner fake;
        struct learner_proc *proc;
        struct learner_port port;
        struct learner_run *run;
        unsigned n_start, n_epochs, n_exits;
        bool cancel_at_epoch;
        enum learner_exit how;
        char why[512];
        struct ewc_spec net;
        struct digest digest;
};

static void write_job(struct bench *b)
{
        static float x[N * 2], theta[P];
        static int32_t label[N];
        static const uint32_t all[] = {0, 1};
        struct ewc_rng rng;
        struct err e = ERR_NULL;
        ewc_rng_seed(&rng, 5, 0);
        for (int i = 0; i < N; i++) {
                label[i] = i % 2;
                x[i * 2] = (i % 2 ? 1.0f : -1.0f) + 0.5f * (float)ewc_rng_normal(&rng);
                x[i * 2 + 1] = (float)ewc_rng_normal(&rng);
        }
        for (int i = 0; i < P; i++)
                theta[i] = 0.5f * (float)ewc_rng_normal(&rng);
        struct learn_rows held = {.task = 3, .head = {2, all}, .n = HELD, .x = x, .label = label};
        struct learn_job job = {.kind = JOB_ROLLOVER,
            .id = 9,
            .net = b->net,
            .theta = theta,
            .train = {.task = 3, .head = {2, all}, .n = N - HELD, .x = x + HELD * 2, .label = label + HELD},
            .n_holdout = 1,
            .holdout = &held,
            .plan = {.method = LEARN_EWC,
                .optim = {EWC_OPTIM_ADAM, 0.01f, 0, 0.9f, 0.999f, 1e-8f},
                .epochs = 12,
                .batch = 8,
                .lambda = 1,
                .fisher = EWC_FISHER_EXACT,
                .seed = 21,
                .threads = 1}};
        assert_int_equal(bundle_write_job(b->job, &job, &e), 0);
        assert_int_equal(bundle_job_digest(b->job, &b->digest, &e), 0);
}

static void begin(struct bench *b, bool process)
{
        struct err e = ERR_NULL;
        memset(b, 0, sizeof(*b));
        b->dir = tmpdir_new();
        tmpdir_path(b->job, sizeof(b->job), b->dir, "job");
        tmpdir_path(b->result, sizeof(b->result), b->dir, "result");
        tmpdir_path(b->checkpoint, sizeof(b->checkpoint), b->dir, "checkpoint");
        b->net = (struct ewc_spec){.n_inputs = 2,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}};
        assert_int_equal(ewc_spec_params(&b->net), P);
        assert_int_equal(loop_new(&b->loop, &clock_system, 8, &e), 0);
        b->fake.loop = b->loop;
        const struct learner_proc_conf c = {.path = learner_path, .stall_ms = 20000, .grace_ms = 5000};
        assert_int_equal(learner_proc_new(&b->proc, b->loop, &c, &e), 0);
        b->port = process ? learner_proc_port(b->proc) : fake_learner_port(&b->fake);
        write_job(b);
}

static void end(struct bench *b)
{
        learner_proc_free(b->proc);
        loop_free(b->loop);
        tmpdir_remove(b->dir);
}

static void on_line(void *arg, const struct progress_line *l)
{
        struct bench *b = arg;
        assert_int_equal(b->n_exits, 0);
        b->n_start += l->event == PROGRESS_START;
        b->n_epochs += l->event == PROGRESS_EPOCH;
        if (b->cancel_at_epoch && l->event == PROGRESS_EPOCH) {
                b->cancel_at_epoch = false;
                b->port.cancel(b->run);
        }
}

static void on_exit_of_learner(void *arg, enum learner_exit how, const char *why)
{
        struct bench *b = arg;
        b->n_exits++;
        b->how = how;
        strncpy(b->why, why, sizeof(b->why) - 1);
        loop_stop(b->loop);
}

static enum learner_exit play(struct bench *b)
{
        struct err e = ERR_NULL;
        const struct learner_start s = {9, b->job, b->result, b->checkpoint};
        const struct learner_events ev = {.line = on_line, .ended = on_exit_of_learner, .arg = b};
        b->n_exits = 0;
        int r = b->port.start(b->port.impl, &s, &ev, &b->run, &e);
        if (r != 0)
                fail_msg("start: %s", e.msg);
        assert_int_equal(b->n_exits, 0); /* never inside start */
        assert_int_equal(loop_run(b->loop, &e), 0);
        assert_int_equal(b->n_exits, 1);
        return b->how;
}

static void read_result(struct bench *b, float theta[P], float fisher[P])
{
        struct learn_result r;
        struct err e = ERR_NULL;
        if (bundle_read_result(b->result, &b->digest, &b->net, &r, &e) != 0)
                fail_msg("result: %s", e.msg);
        assert_int_equal(r.outcome, LEARN_DONE);
        memcpy(theta, r.theta, P * sizeof(float));
        memcpy(fisher, r.fisher, P * sizeof(float));
        assert_int_equal(r.n_evaluations, 1);
        assert_int_equal(r.after[0].n, HELD);
        assert_true(r.after[0].loss < r.before[0].loss);
        learn_result_free(&r);
}

static void whole(bool process, float theta[P], float fisher[P])
{
        struct bench b;
        begin(&b, process);
        assert_int_equal(play(&b), LEARNER_COMPLETE);
        assert_int_equal(b.n_start, 1);
        assert_in_range(b.n_epochs, 12, 14);
        read_result(&b, theta, fisher);
        end(&b);
}

static void broken(bool process, float theta[P], float fisher[P])
{
        struct bench b;
        begin(&b, process);
        b.cancel_at_epoch = true;
        assert_int_equal(play(&b), LEARNER_CANCELLED);
        assert_false(file_exists(b.result));
        assert_true(file_exists(b.checkpoint)); /* stays */
        assert_int_equal(play(&b), LEARNER_COMPLETE);
        read_result(&b, theta, fisher);
        end(&b);
}

static void test_same_bits(void **state)
{
        (void)state;
        float theta[P], fisher[P], other[P], other_fisher[P];
        whole(false, theta, fisher);
        whole(true, other, other_fisher);
        assert_memory_equal(theta, other, sizeof(theta));
        assert_memory_equal(fisher, other_fisher, sizeof(fisher));
        for (int process = 0; process < 2; process++) {
                broken(process, other, other_fisher);
                assert_memory_equal(theta, other, sizeof(theta));
                assert_memory_equal(fisher, other_fisher, sizeof(fisher));
        }
}

static void test_bad_job_is_refused(void **state)
{
        (void)state;
        for (int process = 0; process < 2; process++) {
                struct bench b;
                struct err e = ERR_NULL;
                begin(&b, process);
                assert_int_equal(file_replace(b.job, "not a bundle", 12, &e), 0);
                assert_int_equal(play(&b), LEARNER_REFUSED);
                assert_true(strlen(b.why) > 0);
                assert_false(file_exists(b.result));
                end(&b);
        }
}

/* A checkpoint of another job is not gone on from. */
static void test_foreign_checkpoint(void **state)
{
        (void)state;
        float theta[P], fisher[P], other[P], other_fisher[P];
        whole(false, theta, fisher);
        for (int process = 0; process < 2; process++) {
                struct bench b;
                struct err e = ERR_NULL;
                begin(&b, process);
                const struct digest stranger = {{1}};
                float half[P] = {0};
                struct learn_state s = {
                    .phase = LEARN_PHASE_TRAIN, .epoch = 3, .step = 18, .lambda = 1, .n_params = P, .theta = half};
                assert_int_equal(bundle_write_checkpoint(b.checkpoint, &stranger, &b.net, &s, &e), 0);
                assert_int_equal(play(&b), LEARNER_COMPLETE);
                read_result(&b, other, other_fisher);
                assert_memory_equal(theta, other, sizeof(theta));
                end(&b);
        }
}

int main(int argc, char **argv)
{
        if (argc != 2)
                return 2;
        learner_path = argv[1];
        log_init(LOG_LEVEL_ERROR, false);
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits),
            cmocka_unit_test(test_bad_job_is_refused), cmocka_unit_test(test_foreign_checkpoint)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
