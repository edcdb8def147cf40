/* test_process.c: the real ewcd-learner: lines, exit status, signals, and death at any moment.
 *
 * The path of the program is the first argument. Nothing waits for a clock: the child's stdout is a pipe of one page,
 * so a job of many epochs cannot end while its lines are not read, and a signal always meets it at work. */
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include "made.h"
#include "proto/bundle.h"
#include "proto/progress.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_BYTES = 4096, EPOCHS = 34 }; /* a page holds about 22 lines */

extern char **environ;
static const char *program;

struct fixture {
        char *dir;
        char job[256], result[256], checkpoint[256];
        struct ewc_spec net;
        struct made_task t;
        float theta[MADE_PARAMS_MAX];
        struct learn_job work;
        struct digest digest;
};

static int setup(void **state)
{
        struct fixture *f = new_zero(struct fixture);
        struct err e = ERR_NULL;
        f->dir = tmpdir_new();
        tmpdir_path(f->job, sizeof(f->job), f->dir, "job.safetensors");
        tmpdir_path(f->result, sizeof(f->result), f->dir, "result.safetensors");
        tmpdir_path(f->checkpoint, sizeof(f->checkpoint), f->dir, "checkpoint.safetensors");
        f->net = made_net(EWC_LOSS_SOFTMAX, 2);
        made_task(&f->t, 'A', 1, &f->net, 0, 1);
        made_theta(&f->net, 1, f->theta);
        f->work = made_job(&f->net, f->theta, &f->t, LEARN_PLAIN, 1);
        f->work.kind = JOB_ROLLOVER;
        f->work.plan.epochs = EPOCHS;
        assert_int_equal(bundle_write_job(f->job, &f->work, &e), 0);
        assert_int_equal(bundle_job_digest(f->job, &f->digest, &e), 0);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        tmpdir_remove(f->dir);
        free(f);
        return 0;
}

struct child {
        pid_t pid;
        FILE *out;
};

static struct child start_args(const char *const *argv)
{
        struct child c;
        int fd[2];
        posix_spawn_file_actions_t fa;
        assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
        assert_true(fcntl(fd[1], F_SETPIPE_SZ, PIPE_BYTES) >= 0);
        posix_spawn_file_actions_init(&fa);
        posix_spawn_file_actions_adddup2(&fa, fd[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        assert_int_equal(posix_spawn(&c.pid, program, &fa, NULL, (char *const *)(uintptr_t)argv, environ), 0);
        posix_spawn_file_actions_destroy(&fa);
        close(fd[1]);
        c.out = fdopen(fd[0], "r");
        assert_non_null(c.out);
        setvbuf(c.out, NULL, _IONBF, 0); /* or it would read ahead of the test */
        return c;
}

static struct child start(struct fixture *f)
{
        const char *const argv[] = {
            program, "--job", f->job, "--result", f->result, "--checkpoint", f->checkpoint, NULL};
        return start_args(argv);
}

static bool next_line(struct child *c, struct progress_line *ret)
{
        char line[PROGRESS_LINE_MAX + 2];
        struct err e = ERR_NULL;
        if (!fgets(line, sizeof(line), c->out))
                return false;
        size_t n = strlen(line);
        assert_int_equal(line[n - 1], '\n');
        if (progress_parse((struct slice){line, n - 1}, ret, &e) != 0)
                fail_msg("%s: %s", line, e.msg);
        return true;
}

/* Reads to the end; returns the raw wait status and the last line. */
static int end(struct child *c, struct progress_line *ret_last)
{
        int status;
        struct progress_line last = {0};
        while (next_line(c, &last))
                ;
        fclose(c->out);
        assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
        if (ret_last)
                *ret_last = last;
        return status;
}

static int exit_of(struct child *c, struct progress_line *ret_last)
{
        int status = end(c, ret_last);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void read_until_epoch(struct child *c, uint32_t epoch)
{
        struct progress_line l;
        do
                assert_true(next_line(c, &l));
        while (l.event != PROGRESS_EPOCH || l.epoch < epoch);
}

static struct learn_result result_of(struct fixture *f)
{
        struct learn_result r = {0};
        struct err e = ERR_NULL;
        if (bundle_read_result(f->result, &f->digest, &f->net, &r, &e) != 0)
                fail_msg("%s", e.msg);
        return r;
}

static void test_whole_run(void **state)
{
        struct fixture *f = *state;
        unsigned seen[PROGRESS_ERROR + 1] = {0};
        double fraction = 0;
        struct progress_line l;
        struct child c = start(f);
        while (next_line(&c, &l)) {
                seen[l.event]++;
                assert_true(l.fraction >= fraction);
                fraction = l.fraction;
        }
        assert_int_equal(exit_of(&c, NULL), 0);
        assert_int_equal(l.event, PROGRESS_DONE);
        assert_string_equal(l.message, "done");
        assert_true(l.fraction == 1.0);
        assert_int_equal(seen[PROGRESS_START], 1);
        assert_in_range(seen[PROGRESS_EPOCH], EPOCHS, EPOCHS + 5); /* more when the machine is very slow */
        assert_int_equal(seen[PROGRESS_TRY], 1);
        assert_true(seen[PROGRESS_FISHER] >= 1);
        assert_in_range(seen[PROGRESS_EVAL], 2, 2 + 5);
        assert_int_equal(seen[PROGRESS_ERROR], 0);
        struct learn_result r = result_of(f), want = {0};
        made_run(&f->work, NULL, LEARN_DONE, &want); /* the process adds nothing to learn_run */
        made_same(&r, &want);
        learn_result_free(&r);
        learn_result_free(&want);
}

static void test_kill_and_resume(void **state)
{
        struct fixture *f = *state;
        struct learn_result want = {0};
        made_run(&f->work, NULL, LEARN_DONE, &want);
        for (uint32_t epoch = 1; epoch <= 5; epoch += 2) {
                struct progress_line l;
                struct child c = start(f);
                assert_true(next_line(&c, &l));
                assert_string_equal(l.message, epoch > 1 ? "resumed" : "");
                read_until_epoch(&c, epoch);
                assert_int_equal(kill(c.pid, SIGKILL), 0);
                int status = end(&c, NULL);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                assert_true(file_exists(f->checkpoint));
                assert_false(file_exists(f->result));
        }
        struct child c = start(f);
        assert_int_equal(exit_of(&c, NULL), 0);
        struct learn_result got = result_of(f);
        assert_memory_equal(got.theta, want.theta, want.n_params * sizeof(float));
        made_same(&got, &want);
        learn_result_free(&got);
        learn_result_free(&want);
}

static void test_cancel(void **state)
{
        struct fixture *f = *state;
        struct child c = start(f);
        read_until_epoch(&c, 2);
        assert_int_equal(kill(c.pid, SIGTERM), 0);
        assert_int_equal(exit_of(&c, NULL), 10);
        assert_true(file_exists(f->checkpoint));
        assert_false(file_exists(f->result));
        c = start(f);
        assert_int_equal(exit_of(&c, NULL), 0);
        struct learn_result got = result_of(f), want = {0};
        made_run(&f->work, NULL, LEARN_DONE, &want);
        made_same(&got, &want);
        learn_result_free(&got);
        learn_result_free(&want);
}

/* Of a young run nothing is kept: to start anew costs less than the syncs. Its signs of life come all the same. */
static void test_checkpoints_keep_their_distance(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        const char *const argv[] = {program, "--job", f->job, "--result", f->result, "--checkpoint", f->checkpoint,
            "--checkpoint-ms", "86400000", NULL};
        f->work.plan.steps = 1000000000;
        assert_int_equal(bundle_write_job(f->job, &f->work, &e), 0);
        struct child c = start_args(argv);
        read_until_epoch(&c, 2);
        assert_false(file_exists(f->checkpoint));
        assert_int_equal(kill(c.pid, SIGTERM), 0);
        assert_int_equal(exit_of(&c, NULL), 10);
        assert_false(file_exists(f->checkpoint));
}

static void test_two_cannot_write(void **state)
{
        struct fixture *f = *state;
        struct progress_line last;
        struct child first = start(f);
        read_until_epoch(&first, 1);
        struct child second = start(f);
        assert_int_equal(exit_of(&second, &last), 11); /* worth another start, unlike a failure */
        assert_int_equal(last.event, PROGRESS_ERROR);
        assert_non_null(strstr(last.message, "another learner"));
        assert_int_equal(exit_of(&first, NULL), 0);
}

static void test_diverged(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct progress_line last;
        f->work.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 3e38f};
        assert_int_equal(bundle_write_job(f->job, &f->work, &e), 0);
        assert_int_equal(bundle_job_digest(f->job, &f->digest, &e), 0);
        struct child c = start(f);
        assert_int_equal(exit_of(&c, &last), 0);
        assert_string_equal(last.message, "diverged");
        struct learn_result r = result_of(f);
        assert_int_equal(r.outcome, LEARN_DIVERGED);
        assert_non_null(strstr(r.reason, "step "));
        assert_null(r.theta);
        assert_int_equal(r.n_evaluations, 1);
        learn_result_free(&r);
}

/* Its own words reach whoever reads the result. */
static void test_fisher_out_of_range(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct progress_line last;
        f->t.x[17 * MADE_INPUTS] = 1e20f;
        assert_int_equal(bundle_write_job(f->job, &f->work, &e), 0);
        assert_int_equal(bundle_job_digest(f->job, &f->digest, &e), 0);
        struct child c = start(f);
        assert_int_equal(exit_of(&c, &last), 0);
        assert_string_equal(last.message, "diverged");
        struct learn_result r = result_of(f);
        assert_int_equal(r.outcome, LEARN_DIVERGED);
        assert_true(strncmp(r.reason, "Fisher: ", 8) == 0);
        assert_non_null(strstr(r.reason, "row 17 of the open task has an input of 1e+20"));
        learn_result_free(&r);
}

static void test_refused(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct progress_line last;
        f->work.plan.batch = 0; /* well formed, but nonsense */
        assert_int_equal(bundle_write_job(f->job, &f->work, &e), 0);
        struct child c = start(f);
        assert_int_equal(exit_of(&c, &last), 3);
        assert_int_equal(last.event, PROGRESS_ERROR);
        assert_int_equal(file_replace(f->job, "rubbish", 7, &e), 0);
        c = start(f);
        assert_int_equal(exit_of(&c, &last), 3);
        assert_int_equal(last.event, PROGRESS_ERROR);
        tmpdir_path(f->job, sizeof(f->job), f->dir, "nothing");
        c = start(f);
        assert_int_equal(exit_of(&c, &last), 1);
}

static void test_stale_checkpoint(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct progress_line l;
        struct child c = start(f);
        read_until_epoch(&c, 2);
        assert_int_equal(kill(c.pid, SIGKILL), 0);
        end(&c, NULL);
        f->work.plan.seed = 2; /* another job now */
        assert_int_equal(bundle_write_job(f->job, &f->work, &e), 0);
        assert_int_equal(bundle_job_digest(f->job, &f->digest, &e), 0);
        c = start(f);
        assert_true(next_line(&c, &l));
        assert_string_equal(l.message, "");
        assert_int_equal(exit_of(&c, NULL), 0);
        struct learn_result got = result_of(f), want = {0};
        made_run(&f->work, NULL, LEARN_DONE, &want);
        made_same(&got, &want);
        learn_result_free(&got);
        learn_result_free(&want);
}

/* A checkpoint of this job in which the numbers do not add up costs the progress, not the job. */
static void test_unfitting_checkpoint(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct learn_state s = {
            .phase = LEARN_PHASE_TRAIN, .epoch = 1000, .n_params = ewc_spec_params(&f->net), .theta = f->theta};
        assert_int_equal(bundle_write_checkpoint(f->checkpoint, &f->digest, &f->net, &s, &e), 0);
        struct child c = start(f);
        assert_int_equal(exit_of(&c, NULL), 0);
        struct learn_result got = result_of(f), want = {0};
        made_run(&f->work, NULL, LEARN_DONE, &want);
        made_same(&got, &want);
        learn_result_free(&got);
        learn_result_free(&want);
}

static void usage_of(const char *const *argv)
{
        struct child c = start_args(argv);
        assert_int_equal(exit_of(&c, NULL), 2);
}

static void test_usage(void **state)
{
        struct fixture *f = *state;
        const char *self = program;
        usage_of((const char *const[]){self, NULL});
        usage_of((const char *const[]){self, "--job", f->job, "--result", f->result, NULL});
        usage_of((const char *const[]){self, "--job", f->job, "--result", f->result, "--checkpoint", NULL});
        usage_of((const char *const[]){
            self, "--job", f->job, "--result", f->result, "--checkpoint", f->checkpoint, "more", NULL});
        usage_of((const char *const[]){self, "--job", f->job, "--result", f->result, "--checkpoint", f->checkpoint,
            "--checkpoint-ms", "x", NULL});
        usage_of((const char *const[]){self, "--what", NULL});
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
            TEST(test_whole_run),
            TEST(test_kill_and_resume),
            TEST(test_cancel),
            TEST(test_checkpoints_keep_their_distance),
            TEST(test_two_cannot_write),
            TEST(test_diverged),
            TEST(test_fisher_out_of_range),
            TEST(test_refused),
            TEST(test_stale_checkpoint),
            TEST(test_unfitting_checkpoint),
            TEST(test_usage),
        };
        if (argc != 2) {
                fprintf(stderr, "usage: test_process PATH-OF-EWCD-LEARNER\n");
                return 2;
        }
        program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
