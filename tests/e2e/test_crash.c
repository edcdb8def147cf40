/* test_crash.c: processes killed in the middle of their work.
 *
 * Feedback that was acknowledged is there afterwards, once. A job that was interrupted, however that came, ends with
 * the same parameters, bit for bit, as one that was left alone: the reference is made first. */
#include "e2e.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 20, SOON = 10, LATE = 60, DIGEST_TEXT = 80 }; /* of 200 epochs */

static struct digits all, rows;
static struct daemon d;

static const struct description model = {
    .name = "digits",
    .scenario = "domain",
    .classes = TEN_CLASSES,
    .task = "first",
    .learning = "{" ADAM "," BY_HAND
                ",\"seed\":3,\"epochs\":200,\"batch\":32,\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}}",
};

static int setup_group(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 9, DIGITS_UNSEEN, false, &rows);
        return 0;
}

static int teardown_group(void **state)
{
        (void)state;
        digits_free(&all);
        digits_free(&rows);
        return 0;
}

static int setup(void **state)
{
        (void)state;
        daemon_init(&d);
        daemon_start(&d);
        model_create(&d, &model);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        daemon_deinit(&d);
        return 0;
}

/* --- feedback --- */

static void put_request(struct buf *b, size_t k)
{
        struct sending s = {.model = "digits", .prefix = "e", .rows = &rows};
        struct buf body;
        buf_init(&body, 1 << 20);
        buf_puts(&body, "{\"events\":[");
        for (size_t i = 0; i < BATCH; i++) {
                buf_puts(&body, i > 0 ? "," : "");
                put_event(&body, &s, k * BATCH + i);
        }
        buf_puts(&body, "]}");
        buf_printf(b,
            "POST /v2/models/digits/feedback HTTP/1.1\r\nHost: x\r\n" JSON_TYPE "Content-Length: %zu\r\n\r\n",
            body.len);
        buf_put(b, body.data, body.len);
        buf_deinit(&body);
}

static double stored(void)
{
        struct http_answer a;
        expect(&d, 200, "GET", "/v2/models/digits/tasks", NULL, &a);
        double n = number_at(a.doc, "/tasks/0/feedback/train") + number_at(a.doc, "/tasks/0/feedback/holdout");
        http_answer_deinit(&a);
        return n;
}

/* Requests go out one behind the other; after `answers` of them the daemon is killed. What it had said by then is
 * still read. */
static void check_kill_while_streaming(size_t answers)
{
        size_t n_requests = rows.n / BATCH, acknowledged = 0, extra = 0;
        struct http_client c;
        struct http_answer a;
        struct buf stream;
        buf_init(&stream, 64 << 20);
        for (size_t k = 0; k < n_requests; k++)
                put_request(&stream, k);
        http_client_unix(&c, d.socket);
        assert_int_equal(http_client_send(&c, stream.data, stream.len), 0);
        buf_deinit(&stream);
        bool killed = false;
        while (http_client_receive(&c, false, &a) == 0) {
                assert_int_equal(a.status, 200);
                assert_int_equal(number_at(a.doc, "/accepted"), BATCH);
                http_answer_deinit(&a);
                acknowledged++;
                if (acknowledged >= answers && !killed) {
                        assert_int_equal(kill(d.pid, SIGKILL), 0);
                        killed = true;
                }
        }
        http_client_close(&c);
        assert_true(acknowledged >= answers);
        assert_true(WIFSIGNALED(daemon_wait(&d, STOP_MS)));
        daemon_start(&d);
        for (size_t k = 0; k < n_requests; k++) {
                struct sent s = feedback_send(
                    &d, &(struct sending){
                            .model = "digits", .prefix = "e", .rows = &rows, .first = k * BATCH, .n = BATCH});
                assert_int_equal(s.rejected, 0);
                if (k < acknowledged)
                        assert_int_equal(s.duplicate, BATCH);
                else
                        assert_true(
                            s.accepted == BATCH || s.duplicate == BATCH); /* a request is all there or not at all */
                extra += k >= acknowledged && s.duplicate == BATCH;
        }
        assert_true(stored() == (double)(n_requests * BATCH));
        print_message(
            "killed after %zu answers: %zu acknowledged, %zu more were on disk\n", answers, acknowledged, extra);
}

static void test_acknowledged_feedback_survives_early(void **state)
{
        (void)state;
        check_kill_while_streaming(1);
}

static void test_acknowledged_feedback_survives_late(void **state)
{
        (void)state;
        check_kill_while_streaming(9);
}

/* --- jobs --- */

static char consolidated[DIGEST_TEXT], rolled_over[DIGEST_TEXT]; /* digests of theta of undisturbed runs */

static void digest_of_version(const char *version, char *ret)
{
        struct http_answer a;
        char path[96];
        snprintf(path, sizeof(path), "/v2/models/digits/versions/%s", version);
        expect(&d, 200, "GET", path, NULL, &a);
        snprintf(ret, DIGEST_TEXT, "%s", text_at(a.doc, "/digest"));
        http_answer_deinit(&a);
}

static uint64_t begin(bool rollover)
{
        feedback_all(&d, "digits", "e", &rows);
        return rollover ? job_start(&d, "digits", "tasks", "{\"task\":\"second\"}")
                        : job_start(&d, "digits", "jobs", "{\"kind\":\"consolidate\"}");
}

/* Until as many epochs are done; returns how many were when first seen, which tells where the learner began. */
static double wait_for_epochs(uint64_t id, double wanted)
{
        uint64_t until = now_ms() + JOB_MS;
        char path[96];
        double first = 0;
        snprintf(path, sizeof(path), "/v2/models/digits/jobs/%" PRIu64, id);
        for (;;) {
                struct http_answer a;
                double epoch = 0;
                expect(&d, 200, "GET", path, NULL, &a);
                json_number(a.doc, "/epoch", &epoch);
                const char *state = text_at(a.doc, "/state");
                if (strcmp(state, "promoted") == 0 || strcmp(state, "failed") == 0)
                        fail_msg("the job was over before it could be interrupted: %s", a.body.data);
                http_answer_deinit(&a);
                first = first > 0 ? first : epoch;
                if (epoch >= wanted)
                        return first;
                look_again(&d, until, "first epochs");
        }
}

static void finish(uint64_t id, bool rollover, const char *reference)
{
        char digest[DIGEST_TEXT];
        struct http_answer a;
        job_end(&d, "digits", id, "promoted", NULL);
        digest_of_version("2", digest);
        assert_string_equal(digest, reference);
        expect(&d, 200, "GET", "/v2/models/digits/tasks", NULL, &a);
        assert_int_equal(json_length(a.doc, "/tasks"), rollover ? 2 : 1);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", "/v2/models/digits/versions", NULL, &a);
        assert_int_equal(json_length(a.doc, "/versions"), 2);
        http_answer_deinit(&a);
}

static void test_undisturbed(void **state)
{
        (void)state;
        job_end(&d, "digits", begin(false), "promoted", NULL);
        digest_of_version("2", consolidated);
}

static void test_undisturbed_rollover(void **state)
{
        (void)state;
        job_end(&d, "digits", begin(true), "promoted", NULL);
        digest_of_version("2", rolled_over);
        assert_string_equal(consolidated, rolled_over); /* the Fisher pass changes no parameter */
}

static void test_kill_during_consolidation(void **state)
{
        (void)state;
        uint64_t id = begin(false);
        wait_for_epochs(id, LATE);
        assert_true(WIFSIGNALED(daemon_stop(&d, SIGKILL, STOP_MS)));
        daemon_start(&d);
        assert_true(wait_for_epochs(id, 1) >= LATE); /* it goes on where it was */
        finish(id, false, consolidated);
}

static void test_kill_during_rollover(void **state)
{
        (void)state;
        uint64_t id = begin(true);
        for (int round = 0; round < 2; round++) {
                wait_for_epochs(id, SOON);
                assert_true(WIFSIGNALED(daemon_stop(&d, SIGKILL, STOP_MS)));
                daemon_start(&d);
        }
        finish(id, true, rolled_over);
}

/* Right behind the answer, in whatever state that finds the job. */
static void test_kill_at_once(void **state)
{
        (void)state;
        uint64_t id = begin(false);
        assert_true(WIFSIGNALED(daemon_stop(&d, SIGKILL, STOP_MS)));
        daemon_start(&d);
        finish(id, false, consolidated);
}

static void test_terminate_during_consolidation(void **state)
{
        (void)state;
        uint64_t id = begin(false);
        wait_for_epochs(id, SOON);
        uint64_t start = now_ms();
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        print_message("stopped in %llu ms\n", (unsigned long long)(now_ms() - start));
        daemon_start(&d);
        finish(id, false, consolidated);
}

/* The daemon's only child. */
static pid_t learner_of(pid_t pid)
{
        char path[64];
        long child = 0;
        DIR *tasks;
        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        tasks = opendir(path);
        assert_non_null(tasks);
        for (struct dirent *t; child == 0 && (t = readdir(tasks));) {
                char file[512];
                snprintf(file, sizeof(file), "%s/%s/children", path, t->d_name);
                FILE *f = fopen(file, "re");
                if (f && fscanf(f, "%ld", &child) != 1)
                        child = 0;
                if (f)
                        fclose(f);
        }
        closedir(tasks);
        return (pid_t)child;
}

static void test_a_killed_learner_goes_on_from_its_checkpoint(void **state)
{
        struct http_answer a;
        (void)state;
        uint64_t id = begin(false);
        wait_for_epochs(id, SOON);
        pid_t learner = learner_of(d.pid);
        assert_true(learner > 0);
        assert_int_equal(kill(learner, SIGKILL), 0);
        finish(id, false, consolidated);
        char *log = daemon_log(&d);
        assert_non_null(strstr(log, "signal 9"));
        free(log);
        expect(&d, 200, "GET", "/v2/models/digits/jobs", NULL, &a);
        assert_int_equal(json_length(a.doc, "/jobs"), 1);
        http_answer_deinit(&a);
}

/* A learner of the last life that has not noticed yet holds the lock beside the checkpoint; the test does so in its
 * place. The new one must wait for it, not cost the job. */
static void test_a_learner_left_behind_is_waited_for(void **state)
{
        char path[DAEMON_PATH + 64];
        (void)state;
        uint64_t id = begin(false), until = now_ms() + JOB_MS;
        wait_for_epochs(id, SOON);
        assert_true(WIFSIGNALED(daemon_stop(&d, SIGKILL, STOP_MS)));
        snprintf(path, sizeof(path), "%s/jobs/%" PRIu64 "/checkpoint.safetensors.lock", d.state, id);
        int lock = open(path, O_RDWR | O_CLOEXEC);
        assert_true(lock >= 0);
        assert_int_equal(flock(lock, LOCK_EX), 0); /* the old learner is gone now */
        daemon_start(&d);
        for (;;) {
                char *log = daemon_log(&d);
                bool refused = strstr(log, "another learner") != NULL;
                free(log);
                if (refused)
                        break;
                look_again(&d, until, "a second learner");
        }
        close(lock);
        finish(id, false, consolidated);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_acknowledged_feedback_survives_early, setup, teardown),
            cmocka_unit_test_setup_teardown(test_acknowledged_feedback_survives_late, setup, teardown),
            cmocka_unit_test_setup_teardown(test_undisturbed, setup, teardown),
            cmocka_unit_test_setup_teardown(test_undisturbed_rollover, setup, teardown),
            cmocka_unit_test_setup_teardown(test_kill_during_consolidation, setup, teardown),
            cmocka_unit_test_setup_teardown(test_kill_during_rollover, setup, teardown),
            cmocka_unit_test_setup_teardown(test_kill_at_once, setup, teardown),
            cmocka_unit_test_setup_teardown(test_terminate_during_consolidation, setup, teardown),
            cmocka_unit_test_setup_teardown(test_a_killed_learner_goes_on_from_its_checkpoint, setup, teardown),
            cmocka_unit_test_setup_teardown(test_a_learner_left_behind_is_waited_for, setup, teardown),
        };
        return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
