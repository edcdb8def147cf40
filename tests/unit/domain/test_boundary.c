/* Which scenario the data shows, whether a new task begins, and what it is called. */
#include "domain/boundary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
        struct scene s; /* scenario, drifted, open, new, shared classes, named, closed, retained, replay, distill */
        enum scenario shows;
        bool agrees, advise;
        const char *starts, *says, *ends;
} scenes[] = {
    {{SCENARIO_CLASS, false, 4, 4, 0, 0, 0, 0, false, false}, SCENARIO_CLASS, true, false, "no task is closed yet",
        NULL, "nothing shows a scenario"},
    {{SCENARIO_CLASS, false, 4, 2, 2, 0, 1, 1200, false, false}, SCENARIO_CLASS, true, true,
        "class-incremental: 2 of the open task's 4 labels are new; EWC alone does not hold",
        "19.9 % without, at most 20.6 % with it, 88.8 % with replay",
        "; replay is off and possible: 1200 rows are retained (replay.per_class)"},
    {{SCENARIO_CLASS, false, 4, 2, 2, 0, 1, 1200, true, false}, SCENARIO_CLASS, true, true,
        "class-incremental: ", NULL, "; replay is on, from 1200 retained rows"},
    {{SCENARIO_CLASS, false, 4, 2, 2, 0, 1, 0, true, false}, SCENARIO_CLASS, true, true, "class-incremental: ", NULL,
        "; replay is on, but no row of closed tasks is retained"},
    {{SCENARIO_CLASS, false, 4, 2, 2, 0, 1, 0, false, false}, SCENARIO_CLASS, true, true,
        "class-incremental: ", "; replay is off and not possible", "distillation needs none, but alone gains little"},
    {{SCENARIO_CLASS, false, 4, 2, 2, 0, 1, 0, false, true}, SCENARIO_CLASS, true, true, "class-incremental: ", NULL,
        "no row of closed tasks is retained, distillation is on"},
    {{SCENARIO_CLASS, false, 4, 2, 2, 0, 1, 5, false, true}, SCENARIO_CLASS, true, true,
        "class-incremental: ", "; replay is off, distillation is on and possible", NULL},
    /* the same labels, in a model that could have new ones */
    {{SCENARIO_CLASS, true, 4, 0, 4, 0, 1, 9, false, false}, SCENARIO_DOMAIN, false, false,
        "domain-incremental: the labels of closed tasks again, under other inputs or with other answers, while the "
        "model "
        "is of scenario class; EWC alone holds in part",
        "94.3 %", "9 rows are retained (replay.per_class)"},
    {{SCENARIO_CLASS, false, 0, 0, 0, 0, 1, 9, false, false}, SCENARIO_CLASS, true, true,
        "class-incremental, as the model says: the open task has no labels to tell; EWC alone does not hold", NULL,
        NULL},
    {{SCENARIO_DOMAIN, true, 4, 0, 4, 0, 1, 9, false, false}, SCENARIO_DOMAIN, true, false,
        "domain-incremental: the labels of closed tasks again, under other inputs or with other answers; EWC alone "
        "holds "
        "in part",
        NULL, NULL},
    {{SCENARIO_DOMAIN, false, 4, 0, 4, 0, 1, 9, true, false}, SCENARIO_DOMAIN, true, false,
        "domain-incremental: the labels of closed tasks again, and no drift seen; ", NULL,
        "replay is on, from 9 retained rows"},
    {{SCENARIO_DOMAIN, false, 4, 1, 3, 0, 1, 9, false, false}, SCENARIO_CLASS, false, true,
        "class-incremental: 1 of the open task's 4 labels are new, while the model is of scenario domain; EWC alone "
        "does "
        "not hold",
        NULL, NULL},
    {{SCENARIO_DOMAIN, false, 0, 0, 0, 0, 1, 9, false, false}, SCENARIO_DOMAIN, true, false,
        "domain-incremental, as the model says: ", NULL, NULL},
    /* rows that name their task */
    {{SCENARIO_CLASS, false, 4, 2, 2, 30, 1, 9, false, false}, SCENARIO_TASK, false, true,
        "task-incremental: 30 rows name their task, but predictions of scenario class do not",
        "as it is, EWC alone does not", "(replay.per_class)"},
    {{SCENARIO_DOMAIN, true, 4, 0, 4, 30, 1, 9, false, false}, SCENARIO_TASK, false, false,
        "task-incremental: 30 rows", "as it is, EWC alone holds in part", NULL},
    {{SCENARIO_TASK, false, 4, 4, 0, 30, 1, 9, false, false}, SCENARIO_TASK, true, false,
        "task-incremental: predictions name their task, and rows do too; EWC alone can hold",
        "85.4 % without, 99.1 % with it", "99.1 % with it)"},
    {{SCENARIO_TASK, true, 4, 4, 0, 0, 1, 9, true, false}, SCENARIO_TASK, true, false,
        "task-incremental: predictions name their task; where callers do not know it, nothing of this holds", NULL,
        "replay is on, from 9 retained rows"},
};

static void test_scenes(void **state)
{
        (void)state;
        for (size_t i = 0; i < LEN(scenes); i++) {
                struct scene_verdict v = scene_judge(&scenes[i].s);
                assert_int_equal(v.scenario, scenes[i].shows);
                assert_int_equal(v.agrees, scenes[i].agrees);
                assert_int_equal(v.advise_replay, scenes[i].advise);
                assert_memory_equal(v.words, scenes[i].starts, strlen(scenes[i].starts));
                if (scenes[i].says)
                        assert_non_null(strstr(v.words, scenes[i].says));
                if (scenes[i].ends)
                        assert_string_equal(v.words + strlen(v.words) - strlen(scenes[i].ends), scenes[i].ends);
        }
}

/* The longest words that any scene has still fit. */
static void test_words_fit(void **state)
{
        (void)state;
        const uint64_t n[] = {0, UINT64_MAX};
        for (unsigned bits = 0; bits < 512; bits++) {
                struct scene s = {.drifted = bits & 1, .replay = bits & 2, .distill = bits & 4};
                s.n_open_classes = n[bits >> 3 & 1];
                s.n_new_classes = n[bits >> 4 & 1];
                s.n_shared_classes = n[bits >> 5 & 1];
                s.n_named = n[bits >> 6 & 1];
                s.n_closed = n[bits >> 7 & 1];
                s.n_retained = n[bits >> 8 & 1];
                for (int k = SCENARIO_TASK; k <= SCENARIO_CLASS; k++) {
                        s.scenario = (enum scenario)k;
                        assert_true(strlen(scene_judge(&s).words) < REASON_SIZE - 1);
                }
        }
}

#define OPEN .n_open_train = 100, .n_new = 40
static void test_boundaries(void **state)
{
        (void)state;
        static const struct {
                struct watch w;
                struct counters c;
                enum boundary_mode mode;
                bool propose, roll;
                const char *reason;
        } rows[] = {
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}}, {OPEN, .used_seq = 70}, BOUNDARY_AUTO, true,
                true, "a new task begins: answers changed, and the open task ends at row 70"},
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}}, {OPEN, .used_seq = 70}, BOUNDARY_PROPOSE, true,
                false,
                "a new task is proposed: answers changed, and the open task ends at row 70 (task.boundary is "
                "propose)"},
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}}, {OPEN, .used_seq = 70}, BOUNDARY_OFF, false,
                false, NULL},
            {{.used_seq = 70, .accuracy = {.n = 29, .fired = true}}, {OPEN, .used_seq = 70}, BOUNDARY_AUTO, false,
                false, "no new task: too few rows since the champion was trained"},
            {{.used_seq = 70, .accuracy = {.n = 300}}, {OPEN, .used_seq = 70}, BOUNDARY_AUTO, false, false,
                "no new task: no drift"},
            {{.used_seq = 70, .inputs = {.n_current = 30, .fired = true}}, {OPEN, .used_seq = 70}, BOUNDARY_AUTO,
                true, true, "a new task begins: inputs changed, and the open task ends at row 70"},
            {{.used_seq = 70, .inputs = {.n_current = 29, .fired = true}}, {OPEN, .used_seq = 70}, BOUNDARY_AUTO,
                false, false, NULL},
            {{.used_seq = 70, .accuracy = {.n = 99, .fired = true}, .inputs = {.n_current = 30, .fired = true}},
                {OPEN, .used_seq = 70}, BOUNDARY_AUTO, true, true,
                "a new task begins: answers and inputs changed, and the open task ends at row 70"},
            /* the champion is from before the open task */
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}},
                {.n_open_train = 40, .n_new = 40, .used_seq = 70}, BOUNDARY_AUTO, false, false,
                "no new task: nothing has been trained on the open one"},
            {{.accuracy = {.n = 30, .fired = true}}, {OPEN}, BOUNDARY_AUTO, false, false, NULL},
            /* a rejected job has used rows: the answers watched came behind them; a rejected rollover none */
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}}, {OPEN, .used_seq = 75}, BOUNDARY_AUTO, true,
                true, "a new task begins: answers changed, and the open task ends at row 75"},
            {{.used_seq = 70, .inputs = {.n_current = 30, .fired = true}}, {OPEN, .used_seq = 75}, BOUNDARY_AUTO,
                true, false,
                "a new task is proposed: inputs changed, and the open task ends at row 70 (a later job than the "
                "champion's has used rows up)"},
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}},
                {OPEN, .used_seq = 70, .last_rejected = true, .last_rollover = true}, BOUNDARY_AUTO, true, false,
                "a new task is proposed: answers changed, and the open task ends at row 70 (the last rollover was "
                "rejected)"},
            {{.used_seq = 70, .accuracy = {.n = 30, .fired = true}}, {OPEN, .used_seq = 70, .last_rollover = true},
                BOUNDARY_AUTO, true, true, NULL},
        };
        for (size_t i = 0; i < LEN(rows); i++) {
                struct boundary b = boundary_judge(&rows[i].w, &rows[i].c, rows[i].mode);
                assert_int_equal(b.propose, rows[i].propose);
                assert_int_equal(b.roll, rows[i].roll);
                uint64_t ends = rows[i].w.accuracy.fired ? rows[i].c.used_seq : rows[i].w.used_seq;
                assert_int_equal(b.upto_seq, rows[i].propose ? ends : 0);
                assert_true(strlen(b.reason) > 0);
                if (rows[i].reason)
                        assert_string_equal(b.reason, rows[i].reason);
        }
}

static void test_task_name(void **state)
{
        (void)state;
        static const char *const taken[] = {"drift-3", "night", "drift-4", "drift-6", "drift-03"};
        static const struct {
                uint64_t n;
                size_t n_taken;
                const char *name;
        } rows[] = {{1, 0, "drift-1"}, {1, 5, "drift-1"}, {3, 5, "drift-5"}, {4, 5, "drift-5"}, {6, 5, "drift-7"},
            {3, 1, "drift-4"}, {UINT64_MAX, 5, "drift-18446744073709551615"}};
        for (size_t i = 0; i < LEN(rows); i++) {
                char name[NAME_SIZE];
                boundary_task_name(rows[i].n, rows[i].n_taken, taken, name);
                assert_string_equal(name, rows[i].name);
        }
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(boundary_mode_name(BOUNDARY_OFF), "off");
        assert_string_equal(boundary_mode_name(BOUNDARY_PROPOSE), "propose");
        assert_string_equal(boundary_mode_name(BOUNDARY_AUTO), "auto");
        assert_null(boundary_mode_name((enum boundary_mode)3));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_scenes), cmocka_unit_test(test_words_fit),
            cmocka_unit_test(test_boundaries), cmocka_unit_test(test_task_name), cmocka_unit_test(test_names)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
