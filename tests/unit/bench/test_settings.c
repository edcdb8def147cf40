/* test_settings.c: contradictions are refused by name, the rest becomes the plan that the papers describe. */
#include "bench/settings.h"
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
        struct options o = plain;
        o.lambda_given = o.lambda_auto = true;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        p = settings_plan(&s, 1);
        assert_true(p.lambda_auto && p.scale == LEARN_SCALE_UNIT);
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
        assert_non_null(strstr(settings_warning(&s), "class-incremental"));
        s = made(&plain, "split-mnist-class", METHOD_EWC_REPLAY);
        assert_string_equal(settings_warning(&s), "");
        s = made(&plain, "split-mnist-task", METHOD_EWC);
        assert_string_equal(settings_warning(&s), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_contradictions),
            cmocka_unit_test(test_strengths_belong_to_the_variant),
            cmocka_unit_test(test_plans),
            cmocka_unit_test(test_every_protocol_runs_with_its_own_choices),
            cmocka_unit_test(test_digest),
            cmocka_unit_test(test_warning),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
