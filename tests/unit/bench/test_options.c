/* test_options.c: flags, their ranges, and that a flag without effect is refused. */
#include "bench/options.h"
#include "base/err.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* A command line, cut at its blanks; what *ret points to lives until the next call. */
static int parse(struct options *ret, struct err *e, const char *line)
{
        static char text[256], name[] = "ewc-bench";
        char *argv[32] = {name};
        int argc = 1;
        assert_true(strlen(line) < sizeof(text));
        strcpy(text, line);
        for (char *at = strtok(text, " "); at && argc < 32; at = strtok(NULL, " "))
                argv[argc++] = at;
        return options_parse(argc, argv, ret, e);
}

static void test_run(void **state)
{
        (void)state;
        struct options o;
        struct err e = ERR_NULL;
        assert_int_equal(parse(&o, &e, "run split-mnist-task --method si --lambda 2.5 --seeds 3 --data d --json"), 0);
        assert_string_equal(o.protocol, "split-mnist-task");
        assert_true(o.method == METHOD_SI && o.lambda_given && !o.lambda_auto && o.lambda == 2.5);
        assert_true(o.seeds == 3 && o.json && o.jobs == 1 && o.seed == 1);
        assert_string_equal(o.data, "d");
        assert_int_equal(parse(&o, &e, "run p --fisher batched --fisher-samples 0 --lambda auto"), 0);
        assert_true(o.fisher == EWC_FISHER_BATCHED && o.fisher_samples_given && o.lambda_auto);
        assert_int_equal(parse(&o, &e, "run p --lambda 0x1.8p+1"), 0); /* as children are started */
        assert_true(o.lambda == 3);
}

static void refused(int r, const struct err *e, const char *field)
{
        assert_int_equal(r, -EINVAL);
        assert_string_equal(e->field, field);
}

static void test_refusals(void **state)
{
        (void)state;
        struct options o;
        struct err e = ERR_NULL;
        refused(parse(&o, &e, "fly"), &e, "fly");
        refused(parse(&o, &e, "run"), &e, "PROTOCOL");
        refused(parse(&o, &e, "run p --seeds 0"), &e, "--seeds");
        refused(parse(&o, &e, "run p --seeds"), &e, "--seeds");
        refused(parse(&o, &e, "run p --method magic"), &e, "--method");
        refused(parse(&o, &e, "run p --lambda -1"), &e, "--lambda");
        refused(parse(&o, &e, "run p --lambda nan"), &e, "--lambda");
        refused(parse(&o, &e, "run p --from 1"), &e, "--from"); /* a flag of sweep */
        refused(parse(&o, &e, "speed --seeds 2"), &e, "--seeds");
        refused(parse(&o, &e, "run p --wings 2"), &e, "--wings");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_run),
            cmocka_unit_test(test_refusals),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
