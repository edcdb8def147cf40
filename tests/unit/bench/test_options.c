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

static void test_departures(void **state)
{
        (void)state;
        struct options o;
        struct err e = ERR_NULL;
        assert_int_equal(parse(&o, &e,
                             "run p --fisher argmax --fisher-samples 10% --scale l2 --merge ema --merge-decay 0.5 "
                             "--form prox --huber 0.1 --rate-new 0.1 --rate-floor 0.01 --keep 20% --encoding csr "
                             "--damping 0.001"),
            0);
        assert_true(o.fisher == EWC_FISHER_ARGMAX && o.fisher_samples_given);
        assert_true(o.fisher_percent == 10 && o.fisher_samples == 0);
        assert_true(o.scale_given && o.scale == LEARN_SCALE_L2 && o.merge_given && o.merge == LEARN_MERGE_EMA);
        assert_true(o.merge_decay == 0.5 && o.form_given && o.form == LEARN_FORM_PROX && o.huber == 0.1);
        assert_true(o.rate_new == 0.1 && o.rate_floor == 0.01 && o.damping == 0.001);
        assert_true(o.keep_percent == 20 && o.encoding == EWC_PACK_CSR16);
        assert_int_equal(parse(&o, &e, "run p --distill 2 --active task"), 0);
        assert_true(o.distill == 2 && o.active == ACTIVE_TASK);
        struct options c = options_plain(&o);
        assert_true(c.distill == 0 && c.active == ACTIVE_TASK); /* the latter concerns every method */
        assert_int_equal(parse(&o, &e, "unit p --active all"), 0);
        assert_true(o.active == ACTIVE_ALL && o.distill == 0);
        assert_int_equal(parse(&o, &e, "run p --encoding dense"), 0);
        assert_int_equal(o.encoding, EWC_PACK_DENSE32);
        assert_int_equal(parse(&o, &e, "run p --encoding log8 --fisher-samples 5% --fisher-samples 7"), 0);
        assert_true(o.encoding == EWC_PACK_LOG8 && o.fisher_percent == 0 && o.fisher_samples == 7); /* the last */
        assert_int_equal(parse(&o, &e, "run p --method plain --lambda auto --lambda-start top --brake 0"), 0);
        assert_true(o.brake_given && o.brake == 0);
        assert_true(o.method == METHOD_NONE && o.start_given && o.start == LEARN_START_TOP);
        c = options_plain(&o);
        assert_true(!c.lambda_given && !c.lambda_auto && !c.start_given && !c.brake_given && c.method == METHOD_NONE);
        assert_int_equal(parse(&o, &e, "federated --clients 3 --rounds 7 --lambda 2 --steps 5 --seeds 2"), 0);
        assert_true(o.clients == 3 && o.rounds == 7 && o.lambda == 2 && o.steps == 5 && o.seeds == 2);
        assert_int_equal(parse(&o, &e, "similarity --fisher-samples 50 --rows 9 --json"), 0);
        assert_true(o.fisher_samples == 50 && o.rows == 9 && o.json && o.clients == 0 && o.rounds == 0);
        assert_int_equal(parse(&o, &e, "two-task"), 0); /* with a protocol of its own */
        assert_null(o.protocol);
        assert_int_equal(parse(&o, &e, "two-task pneumonia"), 0);
        assert_string_equal(o.protocol, "pneumonia");
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
        refused(parse(&o, &e, "run p --threads 257"), &e, "--threads");
        refused(parse(&o, &e, "speed --threads 257"), &e, "--threads");
        assert_int_equal(parse(&o, &e, "run p --threads 256"), 0);
        refused(parse(&o, &e, "run p --seed 18446744073709551615 --seeds 2"), &e, "--seed");
        assert_int_equal(parse(&o, &e, "run p --seed 18446744073709551615"), 0);
        refused(parse(&o, &e, "run p --method magic"), &e, "--method");
        refused(parse(&o, &e, "run p --lambda -1"), &e, "--lambda");
        refused(parse(&o, &e, "run p --lambda nan"), &e, "--lambda");
        refused(parse(&o, &e, "run p --from 1"), &e, "--from"); /* a flag of sweep */
        refused(parse(&o, &e, "speed --seeds 2"), &e, "--seeds");
        refused(parse(&o, &e, "run p --clients 3"), &e, "--clients");
        refused(parse(&o, &e, "similarity --rounds 3"), &e, "--rounds");
        refused(parse(&o, &e, "federated --state d"), &e, "--state"); /* keeps nothing */
        refused(parse(&o, &e, "federated --rounds 0"), &e, "--rounds");
        refused(parse(&o, &e, "run p --wings 2"), &e, "--wings");
        refused(parse(&o, &e, "run p --fisher-samples 0%"), &e, "--fisher-samples");
        refused(parse(&o, &e, "run p --fisher-samples 101%"), &e, "--fisher-samples");
        refused(parse(&o, &e, "run p --fisher-samples -5"), &e, "--fisher-samples");
        refused(parse(&o, &e, "run p --keep 20"), &e, "--keep");
        refused(parse(&o, &e, "run p --encoding zip"), &e, "--encoding");
        refused(parse(&o, &e, "run p --merge some"), &e, "--merge");
        refused(parse(&o, &e, "run p --huber 0"), &e, "--huber");
        refused(parse(&o, &e, "run p --rate-new inf"), &e, "--rate-new");
        refused(parse(&o, &e, "run p --distill 0"), &e, "--distill");
        refused(parse(&o, &e, "run p --active some"), &e, "--active");
        refused(parse(&o, &e, "sweep --active task"), &e, "--active");
        refused(parse(&o, &e, "two-task --distill 1"), &e, "--distill");
        refused(parse(&o, &e, "sweep --lambda 1"), &e, "--lambda");
        refused(parse(&o, &e, "two-task --tasks 3"), &e, "--tasks");
        refused(parse(&o, &e, "speed fast"), &e, "fast");
}

/* A refusal says what is allowed, not what the flag is for. */
static void test_refusals_name_the_range(void **state)
{
        (void)state;
        static const struct {
                const char *line, *says;
        } v[] = {
            {"run p --keep 0%", "above 0% and at most 100%"},
            {"run p --lambda -1", "of at least 0, or auto"},
            {"run p --brake 1.5", "a share from 0 to 1"},
            {"run p --damping 0", "a finite number above 0"},
            {"run p --seeds 0", "from 1 to 4294967295"},
            {"run p --huber 0", "above 0"},
            {"run p --distill -1", "a finite number above 0"},
            {"run p --active some", "all or task"},
            {"run p --fisher-samples 101%", "at most 100%"},
            {"run p --method magic", "one of ewc"},
            {"run p --encoding zip", "one of dense bitmap log8 csr"},
            {"run p --seed -1", "from 0 to 18446744073709551615"},
        };
        struct options o;
        for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
                struct err e = ERR_NULL;
                assert_int_equal(parse(&o, &e, v[i].line), -EINVAL);
                assert_non_null(strstr(e.msg, v[i].says));
        }
        char name[] = "ewc-bench", run[] = "run", protocol[] = "p", flag[] = "--plot", nothing[] = "";
        char *argv[] = {name, run, protocol, flag, nothing};
        struct err e = ERR_NULL;
        refused(options_parse(5, argv, &o, &e), &e, "--plot");
}

static void test_no_command_is_not_a_question(void **state)
{
        (void)state;
        struct options o;
        struct err e = ERR_NULL;
        assert_int_equal(parse(&o, &e, ""), 0);
        assert_true(o.help && o.bare);
        assert_int_equal(parse(&o, &e, "--help"), 0);
        assert_true(o.help && !o.bare);
        assert_int_equal(parse(&o, &e, "run --help"), 0);
        assert_true(o.help && !o.bare);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_run),
            cmocka_unit_test(test_departures),
            cmocka_unit_test(test_refusals),
            cmocka_unit_test(test_refusals_name_the_range),
            cmocka_unit_test(test_no_command_is_not_a_question),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
