/* store_models.c: models, first tasks, aliases, audit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <errno.h>
#include <string.h>

static void create_makes_all_of_it(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "digits", SCENARIO_TASK);
        struct model got;
        struct version v;
        struct alias champion;
        float theta[KIT_P];

        kit_reopen(k);
        assert_int_equal(store_model_get(k->s, "digits", &k->a, &got, &k->e), 0);
        assert_int_equal(got.id, m);
        assert_int_equal(got.scenario, SCENARIO_TASK);
        assert_string_equal(got.spec_json, "{\"spec\":1}");
        assert_int_equal(got.n_classes, 3);
        assert_string_equal(got.classes[2], "c");
        assert_int_equal(got.created_ms, 1700000000000);
        struct task t = kit_task(k, m, NULL);
        assert_string_equal(t.name, "one");
        assert_int_equal(t.state, TASK_OPEN);
        assert_int_equal(t.ordinal, 0);
        assert_false(t.classes_fixed);
        assert_int_equal(t.n_classes, 0);
        assert_int_equal(store_alias_get(k->s, m, "champion", &champion, &k->e), 0);
        assert_int_equal(champion.number, 1);
        assert_int_equal(champion.epoch, 1);
        assert_int_equal(store_version_get(k->s, champion.version, &k->a, &v, &k->e), 0);
        assert_int_equal(v.state, VERSION_INITIAL);
        assert_true(v.seed == UINT64_MAX - 5);
        assert_int_equal(v.n_outputs, 3);
        assert_int_equal(v.outputs[2].class, 2);
        assert_int_equal(v.outputs[2].task, t.id); /* "the first task" has become its id */
        assert_true(v.range.first > v.range.last);
        assert_int_equal(v.n_aliases, 1);
        assert_string_equal(v.aliases[0], "champion");
        assert_int_equal(store_version_tensor(k->s, v.id, TENSOR_THETA, theta, KIT_P, &k->e), 0);
        assert_memory_equal(theta, k->theta, sizeof(theta));
        assert_int_equal(store_version_tensor(k->s, v.id, TENSOR_FISHER, theta, KIT_P, &k->e), STORE_NOT_FOUND);
}

static void name_is_taken_once(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "one", SCENARIO_DOMAIN), other = 99;
        const char *classes[] = {"x"};
        const struct output_row out = {0, 0};
        struct model_new n = {.name = "one",
            .scenario = SCENARIO_CLASS,
            .spec_json = "{}",
            .learning_json = "{}",
            .n_classes = 1,
            .classes = classes,
            .task = "t",
            .n_outputs = 1,
            .outputs = &out,
            .n_params = KIT_P,
            .theta = k->theta,
            .who = "x"};
        struct model got;

        assert_int_equal(store_model_create(k->s, &n, &other, &k->e), STORE_EXISTS);
        assert_int_equal(other, 99);
        assert_int_equal(store_model_by_id(k->s, m, &k->a, &got, &k->e), 0);
        assert_int_equal(got.scenario, SCENARIO_DOMAIN);
        n.name = "../etc";
        assert_int_equal(store_model_create(k->s, &n, &other, &k->e), -EINVAL);
        n.name = "two";
        assert_int_equal(store_model_create(k->s, &n, &other, &k->e), 0);
        assert_true(other != m);
        assert_int_equal(store_model_get(k->s, "three", &k->a, &got, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_model_by_id(k->s, 77, &k->a, &got, &k->e), STORE_NOT_FOUND);
}

static int join(void *arg, const struct model *m)
{
        strcat(strcat(arg, m->name), " ");
        return 0;
}

static int stop(void *arg, const struct model *m)
{
        (void)m;
        ++*(int *)arg;
        return 42;
}

static void list_by_name_and_stop(void **state)
{
        struct kit *k = *state;
        char names[64] = "";
        int calls = 0;

        kit_model(k, "zeta", SCENARIO_DOMAIN);
        kit_model(k, "alpha", SCENARIO_DOMAIN);
        kit_model(k, "mid", SCENARIO_DOMAIN);
        assert_int_equal(store_model_list(k->s, join, names, &k->e), 0);
        assert_string_equal(names, "alpha mid zeta ");
        assert_int_equal(store_model_list(k->s, stop, &calls, &k->e), 42);
        assert_int_equal(calls, 1);
}

static void fixed_classes_of_the_first_task(void **state)
{
        struct kit *k = *state;
        const char *classes[] = {"x", "y", "z"};
        const uint32_t of_task[] = {0, 2};
        const struct output_row out = {0, 0};
        const struct model_new n = {.name = "f",
            .scenario = SCENARIO_DOMAIN,
            .spec_json = "{}",
            .learning_json = "{}",
            .n_classes = 3,
            .classes = classes,
            .task = "t",
            .n_task_classes = 2,
            .task_classes = of_task,
            .n_outputs = 1,
            .outputs = &out,
            .n_params = KIT_P,
            .theta = k->theta,
            .who = "x"};
        model_id m;

        assert_int_equal(store_model_create(k->s, &n, &m, &k->e), 0);
        kit_add(k, m, kit_row("e", 1, false));
        struct task t = kit_task(k, m, "t");
        assert_true(t.classes_fixed);
        assert_int_equal(t.n_classes, 2);
        assert_int_equal(t.classes[1], 2);
}

static int alias_names(void *arg, const struct alias *a)
{
        strcat(strcat(arg, a->name), " ");
        return 0;
}

static void alias_is_compare_and_set(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        char names[64] = "";
        struct alias a;

        kit_consolidate(k, m, 3, true);
        assert_int_equal(store_alias_get(k->s, m, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, 2);
        assert_int_equal(a.epoch, 2);
        assert_int_equal(store_alias_set(k->s, m, "champion", 1, 1, "op", "old epoch", &a, &k->e), STORE_CONFLICT);
        assert_int_equal(store_alias_set(k->s, m, "champion", 9, 2, "op", "no such", &a, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_alias_get(k->s, m, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, 2);
        fake_clock_advance_ms(&k->clock, 5);
        assert_int_equal(store_alias_set(k->s, m, "champion", 1, 2, "op", "back", &a, &k->e), 0);
        assert_int_equal(a.number, 1);
        assert_int_equal(a.epoch, 3);
        assert_int_equal(a.updated_ms, 1700000000005);
        assert_int_equal(store_alias_set(k->s, m, "canary", 2, 4, "op", NULL, &a, &k->e), STORE_CONFLICT);
        assert_int_equal(store_alias_set(k->s, m, "canary", 2, 0, "op", NULL, &a, &k->e), 0);
        assert_int_equal(store_alias_set(k->s, m, "canary", 2, 0, "op", NULL, &a, &k->e), STORE_CONFLICT);
        assert_int_equal(store_alias_list(k->s, m, alias_names, names, &k->e), 0);
        assert_string_equal(names, "canary champion ");
        assert_int_equal(store_alias_get(k->s, m, "none", &a, &k->e), STORE_NOT_FOUND);
}

struct log {
        char what[256];
        uint64_t last_seq;
        bool in_order;
};

static int audit_row(void *arg, const struct audit *a)
{
        struct log *l = arg;

        strcat(strcat(l->what, a->what), " ");
        l->in_order = l->in_order && a->seq > l->last_seq && strcmp(a->who, "") != 0 && strcmp(a->detail, "") != 0;
        l->last_seq = a->seq;
        return 0;
}

static void audit_tells_every_change_in_order(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct log l = {.in_order = true}, l2 = {.in_order = true};
        struct alias a;

        kit_fill(k, m, 0, 4);
        kit_consolidate(k, m, 1, false);
        kit_consolidate(k, m, 2, true);
        kit_roll(k, m, "two", 3);
        assert_int_equal(store_alias_set(k->s, m, "champion", 1, 3, "op", "back", &a, &k->e), 0);
        assert_int_equal(store_audit_list(k->s, m, audit_row, &l, &k->e), 0);
        assert_string_equal(l.what, "model.create job.create job.claim job.attempt version.reject "
                                    "job.create job.claim job.attempt version.promote "
                                    "job.create job.claim job.attempt task.rollover alias.set ");
        assert_true(l.in_order);
        assert_int_equal(store_audit_list(k->s, other, audit_row, &l2, &k->e), 0);
        assert_string_equal(l2.what, "model.create ");
}

STORE_TESTS(store_model_tests, STORE_TEST(create_makes_all_of_it), STORE_TEST(name_is_taken_once),
    STORE_TEST(list_by_name_and_stop), STORE_TEST(fixed_classes_of_the_first_task),
    STORE_TEST(alias_is_compare_and_set), STORE_TEST(audit_tells_every_change_in_order));
