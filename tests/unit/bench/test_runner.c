/* test_runner.c: units one by one, in processes, and after a process was killed: the same figures every time.
 *
 * The runner starts /proc/self/exe, so this program is its own child: with `unit` it is that command, with `die` the
 * same unit until its half, where it kills itself as a machine's end would. */
#include "bench/runner.h"
#include "base/err.h"
#include "base/file.h"
#include "bench/commands.h"
#include "bench/settings.h"
#include "bench/unit.h"
#include "bench/unit_state.h"
#include "lib/tmpdir.h"
#include "unit/bench/kit.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

extern char **environ;

enum { SEEDS = 3 };

struct fixture {
        char *dir;
        char csv[256];
        struct options o;
        struct dataset d;
        const struct protocol *p;
};

static void open_fixture(struct fixture *f, unsigned jobs)
{
        struct err e = ERR_NULL;
        char line[1024];
        *f = (struct fixture){.dir = tmpdir_new(), .p = protocol_find("split")};
        kit_csv(tmpdir_path(f->csv, sizeof(f->csv), f->dir, "rows.csv"), 240);
        snprintf(line, sizeof(line), "run split --tasks 3 --steps 30 --data %s --state %s/state --seeds %d --jobs %u",
            f->csv, f->dir, SEEDS, jobs);
        kit_options(&f->o, line);
        if (command_data(&f->o, f->p, &f->d, &e) != 0)
                fail_msg("%s", e.msg);
}

static void close_fixture(struct fixture *f)
{
        dataset_close(&f->d);
        tmpdir_remove(f->dir);
}

static void make(const struct fixture *f, const struct options *o, enum bench_method m, struct work *w)
{
        struct err e = ERR_NULL;
        for (uint32_t i = 0; i < SEEDS; i++)
                if (settings_make(o, f->p, m, 1 + i, dataset_id(&f->d), &w[i].s, &e) != 0)
                        fail_msg("%s", e.msg);
}

static void same(const struct unit_result *a, const struct unit_result *b)
{
        assert_int_equal(a->tasks, b->tasks);
        for (uint32_t i = 0; i < a->tasks; i++)
                for (uint32_t j = 0; j < a->tasks; j++)
                        assert_true(a->R[i][j] == b->R[i][j] || (isnan(a->R[i][j]) && isnan(b->R[i][j])));
        assert_true(a->lambda == b->lambda);
        assert_true(a->factor == b->factor || (isnan(a->factor) && isnan(b->factor)));
        assert_true(a->packed_bytes == b->packed_bytes || (isnan(a->packed_bytes) && isnan(b->packed_bytes)));
}

/* Every choice must reach the child: its result is looked for under the digest of the parent's settings. */
static void test_processes_give_the_figures_of_one(void **state)
{
        (void)state;
        struct options odd = {0};
        kit_options(&odd,
            "run split --fisher-samples 12.5% --lambda 0.1 --scale l2 --merge ema --merge-decay 0.3 --form grad "
            "--huber 0.7 --rate-new 0.9 --rate-floor 0.4 --keep 33.3% --encoding csr --distill 0.3 --active task "
            "--scenario class");
        for (int k = 0; k < 3; k++) {
                struct fixture f;
                struct work one[SEEDS], many[SEEDS];
                struct err e = ERR_NULL;
                open_fixture(&f, 2);
                struct options o = f.o;
                if (k == 1) {
                        odd.data = o.data;
                        odd.state = o.state;
                        odd.tasks = o.tasks;
                        odd.steps = o.steps;
                        odd.jobs = o.jobs;
                        o = odd;
                }
                if (k == 2) {
                        o.lambda_given = o.lambda_auto = true;
                        o.start_given = true;
                        o.start = LEARN_START_TASKS;
                }
                make(&f, &o, k == 1 ? METHOD_HYBRID : METHOD_EWC, many);
                make(&f, &o, k == 1 ? METHOD_HYBRID : METHOD_EWC, one);
                if (runner_run(many, SEEDS, &o, NULL, &e) != 0)
                        fail_msg("%s", e.msg);
                for (size_t i = 0; i < SEEDS; i++) {
                        if (unit_run(&one[i].s, &f.d, NULL, NULL, &one[i].result, &e) != 0)
                                fail_msg("%s", e.msg);
                        same(&one[i].result, &many[i].result);
                        assert_int_equal(one[i].result.n_tries, many[i].result.n_tries);
                        assert_int_equal(one[i].result.n_tries > 0, k == 2);
                        assert_int_equal(isnan(one[i].result.packed_bytes), k != 1);
                }
                close_fixture(&f);
        }
}

static void test_kept_results_are_read(void **state)
{
        (void)state;
        struct fixture f;
        struct work first[SEEDS], again[SEEDS];
        struct err e = ERR_NULL;
        open_fixture(&f, 1);
        make(&f, &f.o, METHOD_NONE, first);
        make(&f, &f.o, METHOD_NONE, again);
        assert_int_equal(runner_run(first, SEEDS, &f.o, &f.d, &e), 0);
        f.o.jobs = 4;
        f.o.data = "nowhere"; /* a child would fail on it */
        assert_int_equal(runner_run(again, SEEDS, &f.o, NULL, &e), 0);
        for (size_t i = 0; i < SEEDS; i++) {
                same(&first[i].result, &again[i].result);
                assert_true(first[i].result.seconds == again[i].result.seconds);
        }
        close_fixture(&f);
}

static void test_a_child_that_fails_fails_the_run(void **state)
{
        (void)state;
        struct fixture f;
        struct work w[SEEDS];
        struct err e = ERR_NULL;
        open_fixture(&f, 2);
        make(&f, &f.o, METHOD_NONE, w);
        f.o.data = "nowhere";
        assert_int_equal(runner_run(w, SEEDS, &f.o, NULL, &e), -EIO);
        assert_non_null(strstr(e.msg, "none with seed"));
        close_fixture(&f);
}

static void test_killed_and_gone_on(void **state)
{
        (void)state;
        static const enum bench_method methods[] = {METHOD_EWC, METHOD_HYBRID, METHOD_DERPP};
        for (size_t k = 0; k < 3; k++) {
                struct fixture f;
                struct work whole[SEEDS], resumed[SEEDS];
                struct err e = ERR_NULL;
                pid_t pid;
                int status;
                open_fixture(&f, 1);
                char name[] = "ewc-bench", die[] = "die", protocol[] = "split", method[] = "--method",
                     data_[] = "--data", state_[] = "--state", tasks[] = "--tasks", three[] = "3",
                     steps[] = "--steps", thirty[] = "30", value[32], dir[256];
                snprintf(value, sizeof(value), "%s", method_name(methods[k]));
                snprintf(dir, sizeof(dir), "%s", f.o.state);
                char *argv[] = {
                    name, die, protocol, method, value, data_, f.csv, state_, dir, tasks, three, steps, thirty, NULL};
                assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

                make(&f, &f.o, methods[k], whole);
                make(&f, &f.o, methods[k], resumed);
                struct unit_state st;
                struct digest key;
                struct ewc_spec net = settings_net(&resumed[0].s, 6, 6);
                settings_digest(&resumed[0].s, &key);
                assert_int_equal(unit_state_read(f.o.state, &key, ewc_spec_params(&net), &st, &e), 0);
                assert_int_equal(st.done, 1); /* it goes on with the second task */
                unit_state_deinit(&st);

                assert_int_equal(runner_run(resumed, 1, &f.o, &f.d, &e), 0);
                assert_int_equal(unit_run(&whole[0].s, &f.d, NULL, NULL, &whole[0].result, &e), 0);
                same(&whole[0].result, &resumed[0].result);
                close_fixture(&f);
        }
}

static void die_at_half(void *arg, double fraction, const char *text)
{
        (void)arg;
        (void)text;
        if (fraction >= 0.5)
                raise(SIGKILL);
}

/* The unit command, killed. */
static int die(int argc, char **argv)
{
        static char unit[] = "unit";
        struct options o;
        struct err e = ERR_NULL;
        struct dataset d;
        struct settings s;
        struct unit_result r;
        const struct unit_callbacks cb = {die_at_half, NULL, NULL};
        const struct protocol *p = protocol_find("split");
        argv[1] = unit;
        if (options_parse(argc, argv, &o, &e) < 0 || command_data(&o, p, &d, &e) < 0 ||
            settings_make(&o, p, o.method, o.seed, dataset_id(&d), &s, &e) < 0)
                return 1;
        return unit_run(&s, &d, o.state, &cb, &r, &e) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_processes_give_the_figures_of_one),
            cmocka_unit_test(test_kept_results_are_read),
            cmocka_unit_test(test_a_child_that_fails_fails_the_run),
            cmocka_unit_test(test_killed_and_gone_on),
        };
        if (argc > 1 && strcmp(argv[1], "die") == 0)
                return die(argc, argv);
        if (argc > 1) {
                struct options o;
                struct err e = ERR_NULL;
                return options_parse(argc, argv, &o, &e) < 0 ? EXIT_USAGE : cmd_unit(&o);
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
