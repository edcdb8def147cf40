/* test_settings.c: contradictions are refused by name, the rest becomes the plan that the papers describe. */
#include "bench/settings.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct options plain = {.seeds = 1, .jobs = 1, .threads = 1, .data = "."};

static void refused(const struct options *o, const char *protocol, enum bench_method m, const char *field)
{
        struct settings s;
        struct err e = ERR_NULL;
        assert_int_equal(settings_make(o, protocol_find(protocol), m, 1, 0, &s, &e), -EINVAL);
        assert_string_equal(e.field, field);
}

static struct settings made(const struct options *o, const char *protocol, enum bench_method m)
{
        struct settings s;
        struct err e = ERR_NULL;
        if (settings_make(o, protocol_find(protocol), m, 1, 0, &s, &e) != 0)
                fail_msg("%s", e.msg);
        return s;
}

static void test_contradictions(void **state)
{
        (void)state;
        struct options o = plain;
        o.fisher = EWC_FISHER_SAMPLE;
        refused(&o, "split-mnist-task", METHOD_NONE, "--fisher");
        refused(&o, "split-mnist-task", METHOD_SI, "--fisher");
        refused(&o, "split-mnist-class", METHOD_EWC, "--lambda"); /* none known for this variant */
        o = plain;
        o.fisher_samples_given = true;
        refused(&o, "split-mnist-task", METHOD_JOINT, "--fisher-samples");
        o = plain;
        o.lambda_given = true;
        refused(&o, "split-mnist-task", METHOD_REPLAY, "--lambda");
        o.lambda_auto = true;
        refused(&o, "split-mnist-task", METHOD_SI, "--lambda");
        refused(&o, "electricity", METHOD_EWC, "--lambda");
        o = plain;
        o.tasks = 6;
        refused(&o, "split-mnist-task", METHOD_EWC, "--tasks");
        o = plain;
        o.scenario = SCENARIO_CLASS;
        refused(&o, "split-mnist-task", METHOD_EWC, "--scenario");
        o = plain;
        o.labels = "labels";
        refused(&o, "rotated-mnist", METHOD_EWC, "--labels");
        o = plain;
        o.data = NULL;
        refused(&o, "rotated-mnist", METHOD_EWC, "--data");
}

/* Every flag of a penalty is refused by name for a method that has none. */
static void test_flags_without_effect(void **state)
{
        (void)state;
        struct options o[11];
        static const char *const flags[] = {"--lambda", "--lambda-start", "--scale", "--merge", "--merge-decay",
            "--form", "--huber", "--rate-new", "--rate-floor", "--keep", "--encoding"};
        for (size_t i = 0; i < 11; i++)
                o[i] = plain;
        o[0].lambda_given = o[1].start_given = o[2].scale_given = o[3].merge_given = o[5].form_given = true;
        o[4].merge_decay = o[6].huber = o[7].rate_new = o[8].rate_floor = 0.5;
        o[9].keep_percent = 20;
        o[10].encoding = EWC_PACK_LOG8;
        static const enum bench_method methods[] = {
            METHOD_NONE, METHOD_JOINT, METHOD_REPLAY, METHOD_LWF, METHOD_DERPP};
        for (size_t i = 0; i < 11; i++)
                for (size_t k = 0; k < ARRAY_LEN(methods); k++)
                        refused(&o[i], "split-mnist-task", methods[k], flags[i]);
        refused(&o[1], "split-mnist-task", METHOD_EWC, "--lambda-start"); /* without auto */
        struct options more = plain;
        more.brake_given = true;
        refused(&more, "split-mnist-task", METHOD_EWC, "--brake"); /* without auto */
        refused(&more, "split-mnist-task", METHOD_JOINT, "--brake");
        more = plain;
        more.damping = 1e-3;
        refused(&more, "split-mnist-task", METHOD_MAS, "--damping");
        refused(&more, "split-mnist-task", METHOD_REPLAY, "--damping");
        refused(&o[3], "split-mnist-task", METHOD_SI, "--merge");
        refused(&o[3], "split-mnist-task", METHOD_ONLINE_EWC, "--merge");
        refused(&o[4], "split-mnist-task", METHOD_SI, "--merge-decay");
        refused(&o[4], "permuted-mnist", METHOD_EWC, "--merge-decay"); /* separate */
        refused(&o[9], "electricity", METHOD_EWC, "--keep");
        refused(&o[10], "electricity", METHOD_EWC, "--encoding");
        refused(&o[3], "electricity", METHOD_EWC, "--merge");
        o[10].keep_percent = 20;
        refused(&o[10], "split-mnist-task", METHOD_EWC, "--keep"); /* log8 keeps all */
        o[3].merge = LEARN_MERGE_EMA;
        refused(&o[3], "split-mnist-task", METHOD_EWC, "--merge-decay"); /* it needs one */
        o[2].scale = LEARN_SCALE_L2;
        refused(&o[2], "split-mnist-task", METHOD_EWC, "--lambda"); /* none known on that scale */
        o[2].lambda_given = o[2].lambda_auto = true;
        refused(&o[2], "split-mnist-task", METHOD_EWC, "--scale");
        o[8].rate_floor = 1;
        refused(&o[8], "split-mnist-task", METHOD_EWC, "--rate-floor");
}

/* Distillation's weight is for methods that distill; the choice of outputs for the class scenario. */
static void test_distillation_and_outputs_where_they_mean_something(void **state)
{
        (void)state;
        struct options o = plain;
        o.distill = 1;
        for (int m = METHOD_NONE; m < METHOD_END; m++)
                if (m != METHOD_LWF && m != METHOD_HYBRID)
                        refused(&o, "split-mnist-task", (enum bench_method)m, "--distill");
        o = plain;
        for (int a = ACTIVE_ALL; a <= ACTIVE_TASK; a++) {
                o.active = (enum bench_active)a;
                refused(&o, "split-mnist-task", METHOD_EWC, "--active");
                refused(&o, "split-mnist-domain", METHOD_NONE, "--active");
                refused(&o, "electricity", METHOD_EWC, "--active");
                refused(&o, "split-mnist-class", METHOD_JOINT, "--active");
        }
        o.tasks = 2;
        refused(&o, "split", METHOD_EWC, "--active");
        o.scenario = SCENARIO_CLASS;
        o.lambda_given = true;
        assert_int_equal(made(&o, "split", METHOD_EWC).active, ACTIVE_TASK);
}

static const char *flags_of(const struct settings *s)
{
        static char text[512];
        struct buf b;
        buf_init(&b, sizeof(text) - 1);
        settings_flags(s, &b);
        assert_true(buf_ok(&b));
        text[0] = '\0';
        if (b.len > 0)
                memcpy(text, b.data, b.len + 1);
        buf_deinit(&b);
        return text;
}

static void test_departures_reach_the_plan(void **state)
{
        (void)state;
        struct options o = plain;
        struct settings s = made(&plain, "split-mnist-task", METHOD_EWC);
        struct digest own, other;
        settings_digest(&s, &own);
        assert_string_equal(flags_of(&s), "");
        o.form_given = o.merge_given = true; /* said, but as the protocol has it */
        o.form = LEARN_FORM_GRAD;
        o.merge = LEARN_MERGE_ONLINE;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        settings_digest(&s, &other);
        assert_true(digest_eq(&own, &other));
        o = plain;
        o.fisher_samples_given = o.lambda_given = o.scale_given = o.merge_given = o.form_given = true;
        o.fisher_percent = 10;
        o.lambda = 3;
        o.scale = LEARN_SCALE_MINMAX;
        o.merge = LEARN_MERGE_EMA;
        o.merge_decay = 0.25;
        o.form = LEARN_FORM_PROX;
        o.huber = 0.5;
        o.rate_new = 2;
        o.rate_floor = 0.125;
        o.keep_percent = 20;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        assert_string_equal(flags_of(&s), " --fisher-samples 10% --scale minmax --merge ema --merge-decay 0.25 "
                                          "--form prox --huber 0.5 --rate-new 2 "
                                          "--rate-floor 0.125 --encoding bitmap16 --keep 20%");
        struct learn_plan p = settings_plan(&s, 1);
        assert_true(p.fisher_fraction == 0.1 && p.fisher_samples == 0 && p.lambda == 3);
        assert_true(p.scale == LEARN_SCALE_MINMAX && p.merge == LEARN_MERGE_EMA && p.merge_decay == 0.25);
        assert_true(p.form == LEARN_FORM_PROX && p.huber == 0.5 && p.rate_new == 2 && p.rate_floor == 0.125);
        settings_digest(&s, &other);
        assert_false(digest_eq(&own, &other));
}

/* Said as the method has it, it is the same unit. */
static void test_distillation_and_outputs_are_departures(void **state)
{
        (void)state;
        struct options o = plain;
        struct settings s = made(&plain, "split-mnist-class", METHOD_HYBRID);
        struct digest own, other;
        settings_digest(&s, &own);
        assert_string_equal(flags_of(&s), "");
        o.distill = 0.5;
        o.active = ACTIVE_ALL;
        s = made(&o, "split-mnist-class", METHOD_HYBRID);
        settings_digest(&s, &other);
        assert_true(digest_eq(&own, &other));
        o.distill = 2;
        s = made(&o, "split-mnist-class", METHOD_HYBRID);
        assert_string_equal(flags_of(&s), " --distill 2");
        settings_digest(&s, &other);
        assert_false(digest_eq(&own, &other));
        struct learn_plan p = settings_plan(&s, 2);
        assert_true(p.method == LEARN_EWC && p.distill == 1); /* 2, for the two closed tasks together */
        assert_true(settings_plan(&s, 0).distill == 0);
        o.distill = 0;
        o.active = ACTIVE_TASK;
        s = made(&o, "split-mnist-class", METHOD_HYBRID);
        assert_string_equal(flags_of(&s), " --active task");
        settings_digest(&s, &other);
        assert_false(digest_eq(&own, &other));
        o.distill = 0.25;
        s = made(&o, "split-mnist-class", METHOD_LWF); /* without a penalty, whose flags come after */
        assert_string_equal(flags_of(&s), " --distill 0.25 --active task");
        p = settings_plan(&s, 1);
        assert_true(p.method == LEARN_PLAIN && p.distill == 0.25);
}

/* A protocol may know what fits beside a penalty; a unit with the method's own weight is another one there. */
static void test_a_protocol_may_know_hybrids_weights(void **state)
{
        (void)state;
        struct options o = plain;
        struct digest known, other;
        struct settings s = made(&plain, "split-mnist-domain", METHOD_HYBRID);
        assert_true(s.distill == 2 && s.lambda == 5e4 && settings_plan(&s, 3).distill == 2);
        assert_string_equal(flags_of(&s), "");
        settings_digest(&s, &known);
        o.distill = 0.5;
        s = made(&o, "split-mnist-domain", METHOD_HYBRID);
        assert_string_equal(flags_of(&s), " --distill 0.5");
        settings_digest(&s, &other);
        assert_false(digest_eq(&known, &other));
        struct protocol before = *protocol_find("split-mnist-domain"); /* when it knew no weight */
        before.hybrid_distill = 0;
        struct err e = ERR_NULL;
        assert_int_equal(settings_make(&plain, &before, METHOD_HYBRID, 1, 0, &s, &e), 0);
        assert_true(s.distill == 0.5);
        settings_digest(&s, &other);
        assert_false(digest_eq(&known, &other));
        assert_true(made(&plain, "split-mnist-domain", METHOD_EWC).lambda == 5e9);
        assert_true(made(&plain, "split-mnist-domain", METHOD_LWF).distill == 1);
        o = plain;
        o.fisher = EWC_FISHER_SAMPLE; /* for which none is known */
        refused(&o, "split-mnist-domain", METHOD_HYBRID, "--lambda");
}

/* Results kept by earlier builds are found under these names: a digest that moves orphans them. */
static void test_digests_stay(void **state)
{
        (void)state;
        static const struct {
                const char *protocol;
                enum bench_method method;
                const char *hex;
        } v[] = {
            {"permuted-mnist", METHOD_EWC, "2128b69b1bd8b4e530947604"},
            {"split-mnist-task", METHOD_SI, "a328656aa9b4f4c78f307462"},
            {"split-mnist-class", METHOD_JOINT, "af3464d9c28670cd83363c78"},
        };
        for (size_t i = 0; i < ARRAY_LEN(v); i++) {
                struct settings s = made(&plain, v[i].protocol, v[i].method);
                struct digest d;
                char hex[DIGEST_HEX];
                settings_digest(&s, &d);
                digest_hex(&d, hex);
                hex[24] = '\0';
                assert_string_equal(hex, v[i].hex);
        }
}

static void test_a_family_and_a_scenario(void **state)
{
        (void)state;
        assert_string_equal(protocol_choose("split-mnist", 0)->name, "split-mnist-task");
        assert_string_equal(protocol_choose("split-mnist", SCENARIO_DOMAIN)->name, "split-mnist-domain");
        assert_string_equal(protocol_choose("split-mnist", SCENARIO_CLASS)->name, "split-mnist-class");
        assert_string_equal(protocol_choose("permuted-mnist", 0)->name, "permuted-mnist");
        assert_string_equal(protocol_choose("permuted-mnist", SCENARIO_TASK)->name, "permuted-mnist-task");
        assert_string_equal(protocol_choose("hsu-split-mnist", SCENARIO_DOMAIN)->name, "hsu-split-mnist-domain");
        assert_string_equal(protocol_choose("cifar10", 0)->name, "split-cifar10");
        assert_string_equal(protocol_choose("cifar10", SCENARIO_CLASS)->name, "split-cifar10-class");
        assert_string_equal(protocol_choose("split-cifar10", SCENARIO_TASK)->name, "split-cifar10");
        assert_string_equal(protocol_choose("split", SCENARIO_CLASS)->name, "split"); /* settings see to it */
        /* a name that says its scenario stays what it says, and the contradiction is settings_make's to tell */
        assert_string_equal(protocol_choose("split-mnist-task", SCENARIO_CLASS)->name, "split-mnist-task");
        assert_null(protocol_choose("nothing", 0));
}

static void test_strengths_belong_to_the_variant(void **state)
{
        (void)state;
        struct options o = plain;
        assert_true(made(&o, "split-mnist-task", METHOD_EWC).lambda == 5e4); /* half of the papers' 1e5 */
        o.fisher_samples_given = true;
        o.fisher_samples = 500;
        assert_true(made(&o, "split-mnist-task", METHOD_EWC).lambda == 5e5);
        o = plain;
        o.fisher = EWC_FISHER_BATCHED;
        assert_true(made(&o, "split-mnist-task", METHOD_EWC).lambda == 5e10);
        assert_true(made(&plain, "split-mnist-task", METHOD_SI).lambda == 10);
        assert_true(made(&plain, "split-mnist-task", METHOD_NONE).lambda == 0);
        assert_true(made(&plain, "permuted-mnist", METHOD_EWC).lambda == 50);
        assert_int_equal(made(&plain, "permuted-mnist", METHOD_EWC).fisher_samples, 1000);
}

static void test_plans(void **state)
{
        (void)state;
        struct settings s = made(&plain, "split-mnist-task", METHOD_EWC);
        struct learn_plan p = settings_plan(&s, 2);
        assert_true(p.method == LEARN_EWC && p.form == LEARN_FORM_GRAD && p.scale == LEARN_SCALE_RAW);
        assert_true(p.merge == LEARN_MERGE_ONLINE && p.merge_decay == 1.0 && p.keep_optim && p.drop_last);
        assert_true(p.steps == 2000 && p.batch == 128 && p.replay_per_class == 0 && p.final_theta);
        s = made(&plain, "split-mnist-class", METHOD_SI);
        p = settings_plan(&s, 0);
        assert_true(p.importance == LEARN_IMPORTANCE_SI && p.si_damping == 0.1 && p.merge == LEARN_MERGE_SUM);
        s = made(&plain, "split-mnist-task", METHOD_EWC_REPLAY);
        p = settings_plan(&s, 1);
        assert_true(p.replay_per_class == 100 && p.replay_even);
        s = made(&plain, "split-mnist-class", METHOD_REPLAY);
        p = settings_plan(&s, 1);
        assert_true(p.method == LEARN_PLAIN && p.replay_per_class == 100 && !p.replay_even);
        s = made(&plain, "split-mnist-task", METHOD_JOINT);
        p = settings_plan(&s, 0);
        assert_true(p.method == LEARN_JOINT && p.steps == 2000 && p.form == LEARN_FORM_PROX);
        s = made(&plain, "split-mnist-task", METHOD_HYBRID);
        p = settings_plan(&s, 2);
        assert_true(p.method == LEARN_EWC && p.lambda == 5e4 && p.distill == 0.5 && p.distill_temperature == 2);
        s = made(&plain, "split-mnist-class", METHOD_LWF);
        p = settings_plan(&s, 2);
        assert_true(p.method == LEARN_PLAIN && p.distill == 0.5); /* one term for two closed tasks */
        s = made(&plain, "split-mnist-class", METHOD_DERPP);
        p = settings_plan(&s, 1);
        assert_true(p.method == LEARN_PLAIN && p.derpp > 0 && p.replay_per_class == 100 && p.distill == 0);
        p = settings_plan(&s, 0);
        assert_true(p.derpp == 0); /* nothing to remember yet */
        struct options o = plain;
        o.lambda_given = o.lambda_auto = true;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        p = settings_plan(&s, 1);
        assert_true(p.lambda_auto && p.scale == LEARN_SCALE_UNIT && p.brake == 0.02 && p.fisher_damping == 0);
        o.brake_given = true;
        o.damping = 1e-3;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        p = settings_plan(&s, 1);
        assert_true(p.brake == 0 && p.fisher_damping == 1e-3);
        assert_string_equal(flags_of(&s), " --damping 0.001 --lambda-start similarity --brake 0");
}

static void test_every_protocol_runs_with_its_own_choices(void **state)
{
        (void)state;
        const struct protocol *p;
        for (size_t i = 0; (p = protocol_at(i)); i++) {
                struct options o = plain;
                struct settings s;
                o.tasks = p->data || p->stream ? 0 : 2;
                assert_ptr_equal(protocol_find(p->name), p);
                for (int m = METHOD_NONE; m < METHOD_END; m++)
                        if (m != METHOD_ONLINE_EWC || p->lambda.online > 0)
                                assert_int_equal(settings_make(&o, p, (enum bench_method)m, 1, 0, &s, NULL), 0);
        }
}

static void test_digest(void **state)
{
        (void)state;
        struct settings a = made(&plain, "split-mnist-task", METHOD_EWC), b = a;
        struct digest x, y;
        settings_digest(&a, &x);
        settings_digest(&b, &y);
        assert_true(digest_eq(&x, &y));
        b.lambda *= 1 + 1e-15;
        settings_digest(&b, &y);
        assert_false(digest_eq(&x, &y));
        b = a;
        b.seed++;
        settings_digest(&b, &y);
        assert_false(digest_eq(&x, &y));
}

static void test_warning(void **state)
{
        (void)state;
        struct settings s = made(&plain, "split-mnist-class", METHOD_EWC);
        assert_non_null(strstr(settings_warning(&s), "cannot help"));
        s.active = ACTIVE_TASK; /* there it can */
        assert_non_null(strstr(settings_warning(&s), "class-incremental"));
        assert_null(strstr(settings_warning(&s), "cannot help"));
        s = made(&plain, "split-mnist-class", METHOD_EWC_REPLAY);
        assert_string_equal(settings_warning(&s), "");
        s = made(&plain, "split-mnist-task", METHOD_EWC);
        assert_string_equal(settings_warning(&s), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_contradictions),
            cmocka_unit_test(test_flags_without_effect),
            cmocka_unit_test(test_distillation_and_outputs_where_they_mean_something),
            cmocka_unit_test(test_departures_reach_the_plan),
            cmocka_unit_test(test_distillation_and_outputs_are_departures),
            cmocka_unit_test(test_a_protocol_may_know_hybrids_weights),
            cmocka_unit_test(test_digests_stay),
            cmocka_unit_test(test_a_family_and_a_scenario),
            cmocka_unit_test(test_strengths_belong_to_the_variant),
            cmocka_unit_test(test_plans),
            cmocka_unit_test(test_every_protocol_runs_with_its_own_choices),
            cmocka_unit_test(test_digest),
            cmocka_unit_test(test_warning),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
