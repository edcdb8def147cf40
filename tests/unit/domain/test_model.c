/* Descriptions of models: one good one, and every way to spoil it names its field. */
#include "base/err.h"
#include "domain/model.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const float one = 1.0f, zero = 0.0f, inf = INFINITY, two[2] = {2, 3}, six[6] = {1, 2, 3, 4, 5, 6},
                   holes[6] = {1, 2, -0.0f, 4, 5, 6};
static const char *const abc[] = {"a", "b", "c"}, *const twice[] = {"a", "b", "a"}, *const empty[] = {"a", "", "c"},
                         *const control[] = {"a", "b\n", "c"}, *const broken[] = {"a", "\xff", "c"};
static const uint32_t sub[] = {0, 2}, back[] = {2, 0}, past[] = {1, 3};

static struct model_spec good(void)
{
        return (struct model_spec){.name = "m",
            .input_name = "input",
            .rank = 2,
            .shape = {2, 3},
            .n_inputs = 6,
            .n_scale = 1,
            .scale = &one,
            .n_offset = 1,
            .offset = &zero,
            .scenario = SCENARIO_TASK,
            .n_classes = 3,
            .classes = abc,
            .net = {.n_inputs = 6,
                .n_outputs = 3,
                .loss = EWC_LOSS_SOFTMAX,
                .n_layers = 1,
                .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 4}}},
            .task = "t",
            .n_task_classes = 2,
            .task_classes = sub};
}

#define SPOIL(name, code)                                                                                            \
        static void name(struct model_spec *s)                                                                       \
        {                                                                                                            \
                code;                                                                                                \
        }
#define EMBED(s) ((s)->net.layers[0] = (struct ewc_layer){.type = EWC_LAYER_EMBEDDING, .units = 2, .count = 9})
SPOIL(embedding_scaled, (EMBED(s), s->scale = two))
SPOIL(embedding_moved, (EMBED(s), s->offset = &one))
SPOIL(bad_name, strcpy(s->name, ".m"))
SPOIL(bad_input, s->input_name[0] = '\0')
SPOIL(rank_0, s->rank = 0)
SPOIL(rank_9, s->rank = 9)
SPOIL(shape_0, s->shape[1] = 0)
SPOIL(shape_huge, (s->shape[0] = UINT32_MAX, s->shape[1] = UINT32_MAX))
SPOIL(shape_other, s->shape[1] = 4)
SPOIL(scale_2, (s->n_scale = 2, s->scale = two))
SPOIL(scale_inf, s->scale = &inf)
SPOIL(scale_zero, s->scale = &zero)
SPOIL(scale_a_zero, (s->n_scale = 6, s->scale = holes))
SPOIL(name_stats, strcpy(s->name, "stats"))
SPOIL(name_jobs, strcpy(s->name, "jobs"))
SPOIL(offset_0, s->n_offset = 0)
SPOIL(scenario_0, s->scenario = (enum scenario)0)
SPOIL(classes_1, s->n_classes = 1)
SPOIL(classes_many, s->n_classes = MODEL_MAX_CLASSES + 1)
SPOIL(class_twice, s->classes = twice)
SPOIL(class_empty, s->classes = empty)
SPOIL(class_control, s->classes = control)
SPOIL(class_broken, s->classes = broken)
SPOIL(task_none, s->task = NULL)
SPOIL(task_bad, s->task = "a b")
SPOIL(task_order, s->task_classes = back)
SPOIL(task_past, s->task_classes = past)
SPOIL(task_many, s->n_task_classes = 4)
SPOIL(loss_0, s->net.loss = (enum ewc_loss)0)
SPOIL(units_0, s->net.layers[0].units = 0)

static void test_refusals(void **state)
{
        (void)state;
        static const struct {
                void (*spoil)(struct model_spec *);
                const char *field;
        } cases[] = {
            {bad_name, "/name"},
            {bad_input, "/input/name"},
            {rank_0, "/input/shape"},
            {rank_9, "/input/shape"},
            {shape_0, "/input/shape"},
            {shape_huge, "/input/shape"},
            {shape_other, "/input/shape"},
            {scale_2, "/input/scale"},
            {scale_inf, "/input/scale"},
            {scale_zero, "/input/scale"},
            {scale_a_zero, "/input/scale"},
            {name_stats, "/name"},
            {name_jobs, "/name"},
            {offset_0, "/input/offset"},
            {scenario_0, "/scenario"},
            {classes_1, "/classes"},
            {classes_many, "/classes"},
            {class_twice, "/classes/2"},
            {class_empty, "/classes/1"},
            {class_control, "/classes/1"},
            {class_broken, "/classes/1"},
            {task_none, "/task"},
            {task_bad, "/task"},
            {task_order, "/task_classes"},
            {task_past, "/task_classes"},
            {task_many, "/task_classes"},
            {loss_0, "/loss"},
            {units_0, "/layers"},
            {embedding_scaled, "/input/scale"},
            {embedding_moved, "/input/offset"},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct model_spec s = good();
                struct err e = ERR_NULL;
                cases[i].spoil(&s);
                assert_true(model_spec_check(&s, &e) < 0);
                assert_string_equal(e.field, cases[i].field);
                assert_true(model_spec_check(&s, NULL) < 0);
        }
}

static void test_good(void **state)
{
        (void)state;
        struct model_spec s = good();
        struct err e = ERR_NULL;
        assert_int_equal(model_spec_check(&s, &e), 0);
        s.scenario = SCENARIO_CLASS;
        s.n_classes = 1;
        s.n_task_classes = 0;
        assert_int_equal(model_spec_check(&s, &e), 0);
        s.n_scale = 6;
        s.scale = six;
        assert_int_equal(model_spec_check(&s, &e), 0);
}

static void test_scale(void **state)
{
        (void)state;
        struct model_spec s = good();
        float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
        const float offset = 0.5f;
        s.n_scale = 6;
        s.scale = six;
        s.offset = &offset;
        model_scale(&s, 2, x, x);
        for (size_t i = 0; i < 12; i++)
                assert_true(x[i] == (float)i * six[i % 6] + 0.5f);
}

static void test_find(void **state)
{
        (void)state;
        struct model_spec s = good();
        assert_int_equal(model_class_find(&s, "a"), 0);
        assert_int_equal(model_class_find(&s, "c"), 2);
        assert_int_equal(model_class_find(&s, "C"), -1);
        assert_int_equal(model_class_find(&s, ""), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_refusals), cmocka_unit_test(test_good),
            cmocka_unit_test(test_scale), cmocka_unit_test(test_find)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
