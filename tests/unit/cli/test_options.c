/* test_options.c: argv into options, over a small table of commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "cli/cli.h"

enum { MAX_WORDS = 16 };

static int never(struct cli *c)
{
        (void)c;
        fail_msg("parsing runs nothing");
        return 0;
}

/* "job" alone is shorter than "job watch"; "one" takes exactly one argument, "some" one to three. */
const struct command commands[] = {
    {"job", never, "", 0, 0, 0, "the short one"},
    {"job watch", never, "MODEL JOB", 2, 2, FLAG_WAIT, "the long one"},
    {"one", never, "A", 1, 1, FLAG_LIMIT | FLAG_SKIP | FLAG_BATCH | FLAG_TASK, "exactly one"},
    {"some", never, "A [B [C]]", 1, 3, FLAG_LABELS | FLAG_ONLY, "one to three"},
    {"decide", never, "A", 1, 1, FLAG_DRY_RUN | FLAG_REJECT | FLAG_REBUILD, "with words that take no value"},
    {"pair first", never, "", 0, 0, 0, "one of a noun without a command of its own"},
};
const size_t n_commands = sizeof(commands) / sizeof(commands[0]);

static struct options opt;
static const struct command *command;
static struct err e;

static int parse(const char *const *words, size_t n)
{
        char *argv[MAX_WORDS + 1] = {(char *)(uintptr_t) "ewcctl"};
        assert_true(n < MAX_WORDS);
        for (size_t i = 0; i < n; i++)
                argv[i + 1] = (char *)(uintptr_t)words[i];
        opt = (struct options){0};
        command = NULL;
        e = (struct err)ERR_NULL;
        return options_parse((int)n + 1, argv, &opt, &command, &e);
}

#define PARSE(...)                                                                                                   \
        parse((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void test_the_longest_command_wins(void **state)
{
        (void)state;
        assert_int_equal(PARSE("job"), 0);
        assert_string_equal(command->name, "job");
        assert_int_equal(PARSE("job", "watch", "digits", "7"), 0);
        assert_string_equal(command->name, "job watch");
        assert_int_equal(opt.n_pos, 2);
        assert_string_equal(opt.pos[0], "digits");
        assert_string_equal(opt.pos[1], "7");
        assert_true(PARSE("job", "dance") < 0); /* "job" takes no argument */
        assert_non_null(strstr(e.msg, "usage: ewcctl job"));
}

static void test_unknown_and_missing_commands(void **state)
{
        (void)state;
        assert_true(parse(NULL, 0) < 0);
        assert_non_null(strstr(e.msg, "--help"));
        assert_true(PARSE("dance") < 0);
        assert_non_null(strstr(e.msg, "'dance'"));
        assert_true(PARSE("watch", "job") < 0);
        assert_true(PARSE("some", "a", "b", "c", "d") < 0);
        assert_true(PARSE("some") < 0);
        assert_true(PARSE("a", "b", "c", "d", "e", "f", "g", "h") < 0);
        assert_non_null(strstr(e.msg, "too many"));
}

static void test_flags_may_stand_anywhere(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--json", "job", "--socket", "/x", "watch", "m", "--wait", "1"), 0);
        assert_string_equal(command->name, "job watch");
        assert_true(opt.json && opt.wait);
        assert_string_equal(opt.socket, "/x");
        assert_string_equal(opt.pos[1], "1");
}

static void test_values_behind_a_space_or_an_equals_sign(void **state)
{
        (void)state;
        assert_int_equal(PARSE("one", "m", "--task", "low", "--limit=18446744073709551615"), 0);
        assert_string_equal(opt.task, "low");
        assert_true(opt.limit == UINT64_MAX);
        assert_int_equal(PARSE("one", "m", "--task=", "--skip", "0"), 0);
        assert_string_equal(opt.task, "");
        assert_int_equal(opt.skip, 0);
        assert_int_equal(PARSE("one", "m", "--task", "--limit"), 0); /* a value may look like a flag */
        assert_string_equal(opt.task, "--limit");
}

static void test_values_that_are_not(void **state)
{
        static const char *const numbers[] = {"", "-1", "1.5", "0x10", "many", "18446744073709551616", " 1"};
        (void)state;
        assert_true(PARSE("one", "m", "--task") < 0);
        assert_string_equal(e.field, "--task");
        assert_true(PARSE("one", "m", "--limit") < 0);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                assert_true(PARSE("one", "m", "--limit", numbers[i]) < 0);
                assert_string_equal(e.field, "--limit");
        }
}

static void test_optional_values(void **state)
{
        (void)state;
        assert_int_equal(PARSE("some", "--labels", "file"), 0); /* the next word is not its value */
        assert_true(opt.labels);
        assert_null(opt.labels_file);
        assert_string_equal(opt.pos[0], "file");
        assert_int_equal(PARSE("some", "file", "--labels=y.idx"), 0);
        assert_true(opt.labels);
        assert_string_equal(opt.labels_file, "y.idx");
}

static void test_flags_without_values(void **state)
{
        (void)state;
        assert_int_equal(PARSE("decide", "--dry-run", "m"), 0);
        assert_true(opt.dry_run && !opt.reject && !opt.rebuild);
        assert_string_equal(opt.pos[0], "m");
        assert_int_equal(PARSE("decide", "m", "--reject"), 0);
        assert_true(opt.reject && !opt.dry_run && !opt.rebuild);
        assert_int_equal(PARSE("decide", "m", "--rebuild"), 0);
        assert_true(opt.rebuild && !opt.dry_run && !opt.reject);
        assert_true(PARSE("job", "--dry-run") < 0);
}

static void test_flags_of_other_commands(void **state)
{
        (void)state;
        assert_true(PARSE("job", "--wait") < 0);
        assert_string_equal(e.field, "--wait");
        assert_true(PARSE("some", "a", "--limit", "3") < 0);
        assert_true(PARSE("some", "a", "--colour") < 0);
        assert_non_null(strstr(e.msg, "--colour"));
        assert_true(PARSE("some", "a", "--lim", "3") < 0); /* no abbreviations */
        assert_true(PARSE("some", "a", "--") < 0);
}

static void test_help_needs_nothing_else(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--help"), 0);
        assert_true(opt.help);
        assert_null(command);
        assert_int_equal(PARSE("one", "--help"), 0);
        assert_string_equal(command->name, "one");
        assert_null(opt.noun);
        assert_int_equal(PARSE("pair", "--help"), 0);
        assert_null(command);
        assert_string_equal(opt.noun, "pair");
        assert_int_equal(PARSE("pai", "--help"), 0);
        assert_null(opt.noun);
}

static void test_defaults(void **state)
{
        (void)state;
        assert_int_equal(PARSE("one", "-"), 0);
        assert_string_equal(opt.pos[0], "-");
        assert_int_equal(opt.batch, 64);
        assert_int_equal(opt.limit, 0);
        assert_null(opt.socket);
        assert_null(opt.url);
        assert_false(opt.json || opt.help || opt.wait || opt.labels);
}

/* What was parsed before a failure is not handed out. */
static void test_nothing_is_set_on_failure(void **state)
{
        (void)state;
        assert_true(PARSE("one", "m", "--task", "low", "--colour") < 0);
        assert_null(opt.task);
        assert_int_equal(opt.n_pos, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_the_longest_command_wins),
            cmocka_unit_test(test_unknown_and_missing_commands),
            cmocka_unit_test(test_flags_may_stand_anywhere),
            cmocka_unit_test(test_values_behind_a_space_or_an_equals_sign),
            cmocka_unit_test(test_values_that_are_not),
            cmocka_unit_test(test_optional_values),
            cmocka_unit_test(test_flags_without_values),
            cmocka_unit_test(test_flags_of_other_commands),
            cmocka_unit_test(test_help_needs_nothing_else),
            cmocka_unit_test(test_defaults),
            cmocka_unit_test(test_nothing_is_set_on_failure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
