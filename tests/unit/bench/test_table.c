/* test_table.c: `table` on small files: the figures of `run`, method by method, with the papers' beside them.
 *
 * With --jobs the runner starts /proc/self/exe, so this program is its own child. */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/table.h"
#include "lib/tmpdir.h"
#include "unit/bench/kit.h"
#include "unit/bench/made.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MAX_LINES = 32 };

static char *dir;

static int setup(void **state)
{
        (void)state;
        dir = tmpdir_new();
        kit_mnist(dir);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        tmpdir_remove(dir);
        return 0;
}

struct lines { /* the objects at the end of what a command printed */
        size_t n;
        struct json_doc *d[MAX_LINES];
        char *text;
};

static int run(const char *command, const char *state, char **ret_text, struct json_doc **ret)
{
        char line[768];
        snprintf(line, sizeof(line), "%s --data %s --state %s/%s --json", command, dir, dir, state);
        return kit_run(line, ret_text, ret);
}

static void table(const char *command, const char *state, struct lines *ret)
{
        struct err e = ERR_NULL;
        *ret = (struct lines){0};
        assert_int_equal(run(command, state, &ret->text, NULL), EXIT_DONE);
        for (const char *at = ret->text; at && *at;) {
                const char *end = strchr(at, '\n');
                assert_non_null(end);
                if (*at == '{') {
                        assert_true(ret->n < MAX_LINES);
                        assert_int_equal(
                            json_parse((struct slice){at, (size_t)(end - at)}, &ret->d[ret->n++], &e), 0);
                } else {
                        assert_int_equal(ret->n, 0); /* nothing between the objects or after them */
                }
                at = end + 1;
        }
        assert_true(ret->n > 1);
}

static void done(struct lines *v)
{
        for (size_t i = 0; i < v->n; i++)
                json_free(v->d[i]);
        free(v->text);
}

/* The row of a method, with that Fisher and so many of its rows where a Fisher is named. */
static const struct json_doc *row(const struct lines *v, const char *method, const char *fisher, double samples)
{
        for (size_t i = 0; i + 1 < v->n; i++) {
                if (strcmp(json_text(v->d[i], "/method"), method) != 0)
                        continue;
                if (!fisher || (strcmp(json_text(v->d[i], "/fisher"), fisher) == 0 &&
                                   kit_number(v->d[i], "/fisher_samples") == samples))
                        return v->d[i];
        }
        fail_msg("no row %s %s", method, fisher ? fisher : "");
        return NULL;
}

static const char *const figures[] = {"/accuracy_mean", "/accuracy_sem", "/accuracy_n", "/forgetting_mean",
    "/forgetting_first_last_mean", "/intransigence_mean", "/R/1/0", "/lambda"};

static void same_figures(const struct json_doc *a, const struct json_doc *b)
{
        for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
                double x = -1, y = -1;
                int known = json_number(a, figures[i], &x);
                assert_int_equal(known, json_number(b, figures[i], &y));
                assert_true(x == y);
        }
}

#define SMALL " --steps 3 --tasks 2 --seeds 2"

/* Each figure against run's, which has trained in a place of its own. */
static void test_the_figures_of_run(void **state)
{
        (void)state;
        static const struct {
                const char *flags, *method, *fisher;
                double samples;
        } one[] = {
            {"--method ewc", "ewc", "exact", 0},
            {"--method ewc --fisher-samples 500", "ewc", "exact", 500},
            {"--method ewc --fisher batched", "ewc", "batched", 0},
            {"--method online-ewc", "online-ewc", "exact", 0},
            {"--method si", "si", NULL, 0},
            {"--method derpp", "derpp", NULL, 0},
        };
        struct lines v;
        table("table split-mnist --scenario task" SMALL, "table", &v);
        for (size_t i = 0; i < ARRAY_LEN(one); i++) {
                char line[256];
                struct json_doc *d;
                snprintf(line, sizeof(line), "run split-mnist-task %s" SMALL, one[i].flags);
                assert_int_equal(run(line, "run", NULL, &d), EXIT_DONE);
                const struct json_doc *r = row(&v, one[i].method, one[i].fisher, one[i].samples);
                same_figures(r, d);
                assert_true(
                    kit_number(row(&v, "none", NULL, 0), "/accuracy_mean") == kit_number(d, "/none/accuracy_mean"));
                assert_true(
                    kit_number(row(&v, "joint", NULL, 0), "/accuracy_mean") == kit_number(d, "/joint/accuracy_mean"));
                json_free(d);
        }
        const struct json_doc *ewc = row(&v, "ewc", "exact", 0), *derpp = row(&v, "derpp", NULL, 0);
        assert_true(fabs(kit_number(ewc, "/published") - 0.9912) < 1e-12);
        assert_true(fabs(kit_number(ewc, "/published_sem") - 0.0016) < 1e-12);
        assert_string_equal(json_text(ewc, "/source"), "van de Ven 2025, arXiv:2502.11756");
        assert_true(fabs(kit_number(ewc, "/difference") - (kit_number(ewc, "/accuracy_mean") - 0.9912)) < 1e-12);
        assert_int_equal(json_length(ewc, "/also_published"), 1);
        assert_non_null(strstr(json_text(ewc, "/also_published/0/source"), "second-hand"));
        double none;
        assert_true(json_number(derpp, "/published", &none) != 0);
        assert_null(json_text(derpp, "/source"));
        const struct json_doc *sum = v.d[v.n - 1];
        assert_string_equal(json_text(sum, "/protocol"), "split-mnist-task");
        assert_true(kit_number(sum, "/seeds") == 2 && kit_number(sum, "/steps") == 3);
        assert_true(kit_number(sum, "/methods") == (double)(v.n - 1));
        assert_int_equal(v.n - 1, 11 + 4); /* all methods, and ewc with four more Fishers */
        assert_int_equal(json_length(sum, "/left_out"), 0);
        double seconds = 0;
        for (size_t i = 0; i + 1 < v.n; i++)
                if (strcmp(json_text(v.d[i], "/method"), "online-ewc") != 0) /* ewc's training, counted there */
                        seconds += kit_number(v.d[i], "/seconds");
        assert_true(fabs(kit_number(sum, "/seconds") - seconds) < 1e-9 * (1 + seconds));
        done(&v);
}

/* What run has trained is not trained again: its seconds are those that were kept. */
static void test_units_are_shared_with_run(void **state)
{
        (void)state;
        struct json_doc *d;
        struct lines v, again;
        assert_int_equal(run("run split-mnist-task --method mas --steps 2 --tasks 2", "shared", NULL, &d), EXIT_DONE);
        table("table split-mnist-task --steps 2 --tasks 2", "shared", &v);
        assert_true(kit_number(row(&v, "mas", NULL, 0), "/seconds") == kit_number(d, "/seconds"));
        assert_true(kit_number(row(&v, "none", NULL, 0), "/seconds") == kit_number(d, "/none/seconds"));
        table("table split-mnist-task --steps 2 --tasks 2", "shared", &again);
        assert_string_equal(v.text, again.text);
        json_free(d);
        done(&again);
        done(&v);
}

static void test_processes_give_the_same_table(void **state)
{
        (void)state;
        struct lines one, two;
        table("table split-mnist-class --steps 2 --tasks 2 --rows 150", "one", &one);
        assert_non_null(strstr(kit_said(), "warning: class-incremental"));
        table("table split-mnist-class --steps 2 --tasks 2 --rows 150 --jobs 2", "two", &two);
        assert_int_equal(one.n, two.n);
        for (size_t i = 0; i + 1 < one.n; i++) {
                assert_string_equal(json_text(one.d[i], "/method"), json_text(two.d[i], "/method"));
                same_figures(one.d[i], two.d[i]);
        }
        done(&one);
        done(&two);
}

static void test_for_people(void **state)
{
        (void)state;
        char line[768], *text;
        snprintf(
            line, sizeof(line), "table split-mnist-domain --steps 2 --tasks 2 --data %s --state %s/text", dir, dir);
        assert_int_equal(kit_run(line, &text, NULL), EXIT_DONE);
        assert_non_null(strstr(text, "not the protocol's own schedule: 2 steps a task, the first 2 tasks"));
        assert_non_null(strstr(text, "63.95 (1.90)"));
        assert_non_null(strstr(text, "57.80 (1.61)"));
        assert_non_null(strstr(text, "\nderpp"));
        assert_non_null(strstr(text, "arXiv:1904.07734; second-hand\n"));
        assert_non_null(strstr(text, "arXiv:1809.10635, table 3; other schedule\n"));
        assert_null(strstr(text, "the training of ewc")); /* this one keeps a penalty a task */
        assert_null(strchr(text, '{'));
        free(text);
}

/* A method whose lambda nobody knows is left out and named. */
static void test_rows(void **state)
{
        (void)state;
        const struct options o = {.seeds = 1, .jobs = 1, .threads = 1, .data = "."};
        struct err e = ERR_NULL;
        struct protocol p = made_protocol;
        static struct table_of t;
        t = (struct table_of){.protocol = &p, .seeds = 1};
        p.lambda.si = 0;
        p.lambda.mas = 0;
        p.data = &(const struct data_files){.folder = "x"};
        assert_int_equal(table_rows(&t, &o, 1, &e), 0);
        assert_int_equal(t.n, 9);
        assert_int_equal(t.n_groups, 9); /* a penalty a task: online EWC is another training */
        for (int m = METHOD_NONE; m < METHOD_END; m++) {
                bool gone = m == METHOD_SI || m == METHOD_MAS;
                assert_true(t.left_out[m] == gone);
                assert_true((table_row_of(&t, (enum bench_method)m) == NULL) == gone);
        }
        t = (struct table_of){.protocol = &p, .seeds = 1};
        p.merge = LEARN_MERGE_ONLINE;
        p.merge_decay = p.online_decay;
        assert_int_equal(table_rows(&t, &o, 1, &e), 0);
        assert_int_equal(t.n_groups, 8);
        assert_true(table_row_of(&t, METHOD_ONLINE_EWC)->as_ewc);
        assert_int_equal(table_row_of(&t, METHOD_ONLINE_EWC)->group, table_row_of(&t, METHOD_EWC)->group);
        t = (struct table_of){.protocol = &p, .seeds = 1};
        p.merge_decay = 0.5; /* merged so, but with another memory */
        assert_int_equal(table_rows(&t, &o, 1, &e), 0);
        assert_int_equal(t.n_groups, 9);
        t = (struct table_of){.protocol = &p, .seeds = 1};
        const struct options bad = {.seeds = 1, .jobs = 1, .threads = 1, .data = ".", .tasks = 9};
        assert_int_equal(table_rows(&t, &bad, 1, &e), -EINVAL);
        assert_string_equal(e.field, "--tasks");
}

static void test_refusals(void **state)
{
        (void)state;
        assert_int_equal(run("table electricity", "no", NULL, NULL), EXIT_USAGE);
        assert_non_null(strstr(kit_said(), "electricity is a stream"));
        assert_int_equal(run("table nothing", "no", NULL, NULL), EXIT_USAGE);
        assert_int_equal(run("table split-mnist-task --rows 5", "no", NULL, NULL), EXIT_USAGE);
        assert_non_null(strstr(kit_said(), "--rows"));
        char at[256];
        assert_false(file_exists(tmpdir_path(at, sizeof(at), dir, "no"))); /* nothing was begun */
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_the_figures_of_run),
            cmocka_unit_test(test_units_are_shared_with_run),
            cmocka_unit_test(test_processes_give_the_same_table),
            cmocka_unit_test(test_for_people),
            cmocka_unit_test(test_rows),
            cmocka_unit_test(test_refusals),
        };
        if (argc > 1) {
                struct options o;
                struct err e = ERR_NULL;
                return options_parse(argc, argv, &o, &e) < 0 ? EXIT_USAGE : cmd_unit(&o);
        }
        return cmocka_run_group_tests(tests, setup, teardown);
}
