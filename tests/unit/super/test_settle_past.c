/* What a closed task is held against: the best since its close on the rows of now, and what was lost on others. */
#include "base/mem.h"
#include "settle_kit.h"
#include "super/settle_in.h"
#include <math.h>

/* Task by task, with n rows each. */
static void since_close(struct world *w, const struct layout *l, const uint64_t n[2], struct gate_task ret[2])
{
        for (size_t i = 0; i < 2; i++)
                ret[i] = (struct gate_task){.before = {.n = n[i]}};
        must(w, settle_since_close(w->s, l, ret, &w->e));
}

/* What low is held against: the best since its close among versions with as many rows as now, one after another. */
static void test_since_close(void **state)
{
        (void)state;
        struct world w;
        struct gate_task past[2];
        begin(&w);
        w.kit.scenario = SCENARIO_DOMAIN;
        learn_high(&w, true); /* closed by version 2; version 3 is the parent */
        const struct settlement *t = settle(&w, NULL);
        struct version v;
        must(&w, store_version_by_number(w.s, w.m, 3, &w.a, &v, &w.e));
        assert_true(v.evaluations[0].task == t->layout.tasks[0].id && v.evaluations[0].n > 0);
        double after = v.evaluations[0].accuracy;
        struct task tasks[2] = {t->layout.tasks[0], t->layout.tasks[1]};
        struct layout l = t->layout;
        l.tasks = tasks;
        uint64_t n[2] = {v.evaluations[0].n, 5};
        tasks[0].accuracy_at_close = -1; /* the version since was better */
        since_close(&w, &l, n, past);
        assert_true(past[0].at_close.n == n[0] && past[0].at_close.accuracy == after && !past[0].rows_changed);
        assert_true(past[0].at_change.n == 0 && past[0].carry.lost == 0);
        assert_true(past[1].at_close.n == 0 && !past[1].rows_changed); /* the open task has no close */
        tasks[0].accuracy_at_close = 2;
        since_close(&w, &l, n, past);
        assert_true(past[0].at_close.accuracy == 2 && !past[0].rows_changed);
        tasks[0].n_at_close++; /* one was erased, and version 3 was measured after that */
        since_close(&w, &l, n, past);
        assert_true(past[0].at_close.n == n[0] && past[0].rows_changed && past[0].carry.n_rows == n[0] + 1);
        n[0]++; /* one came since: nothing compares, though the close had as many */
        since_close(&w, &l, n, past);
        assert_true(past[0].at_close.n == 0 && past[0].at_change.n == 0 && past[0].rows_changed);
        tasks[0].n_at_close = 0; /* it was closed without any */
        since_close(&w, &l, n, past);
        assert_true(past[0].at_close.n == 0 && past[0].rows_changed);
        finish(&w);
}

struct measured { /* of low, hundredths right by the parent and by the version; n 0: it was not measured */
        uint64_t n;
        double before, after;
};

/* A version that says so of low. */
static void commit_as(struct world *w, int from, const struct measured *low)
{
        version_id v;
        must(w, kit_rows_add(w->s, &w->kit, w->m, from, 8, 2, 3, &w->e));
        learn(w, NULL);
        const struct settlement *t = settle(w, NULL);
        struct outcome o = t->outcome;
        struct evaluation b[2] = {o.before[0], o.before[1]}, a[2] = {o.after[0], o.after[1]};
        b[0].n = a[0].n = low->n;
        b[0].accuracy = low->before / 100;
        a[0].accuracy = low->after / 100;
        o.before = b;
        o.after = a;
        o.promote = true;
        o.theta = t->layout.parent.theta; /* what it says and what it does are two things */
        stage_blobs(w, t);
        must(w, store_consolidation_commit(w->s, &o, &v, &w->e));
}

/* Rows of low come and go between the versions: what was lost on the ones goes on counting on the others. */
static void test_carried(void **state)
{
        (void)state;
        static const struct {
                size_t n;
                struct measured v[3];
                uint64_t n_now;
                double lost, best, first; /* best, first 0: none */
                bool changed;
        } rows[] = {
            {2, {{100, 97, 96}, {100, 96, 95}}, 100, 0, 97, 0, false},
            {2, {{100, 97, 96}, {100, 96, 95}}, 99, 2, 0, 0, true},                     /* one was erased just now */
            {3, {{100, 97, 96}, {99, 96, 95}, {98, 95, 93}}, 97, 4, 0, 0, true},        /* after each job */
            {3, {{100, 97, 96}, {99, 99, 98}, {99, 98, 97}}, 99, 1, 99, 99, true},      /* a hard one was erased */
            {2, {{100, 97, 99}, {99, 99, 95}}, 98, 4, 0, 0, true},                      /* since the best it was */
            {3, {{100, 97, 95}, {200, 90, 91}, {200, 91, 90.5}}, 200, 2, 91, 90, true}, /* others came */
            {2, {{100, 97, 95}, {200, 90, 91}}, 201, 1, 0, 0, true},                    /* and half was paid back */
            {2, {{99, 97, 95}, {100, 95, 93}}, 100, 2, 95, 95, true}, /* as many as at the close, and others */
            {3, {{100, 97, 95}, {0, 0, 0}, {100, 94, 93}}, 100, 2, 94, 94, true},
            {2, {{100, 97, 95}, {0, 0, 0}}, 100, 2, 0, 0, true},
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;
                struct gate_task past[2];
                begin(&w);
                w.kit.scenario = SCENARIO_DOMAIN;
                learn_low(&w, true);
                commit(&w);
                for (size_t k = 0; k < rows[i].n; k++)
                        commit_as(&w, 100 + 8 * (int)k, &rows[i].v[k]);
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 200, 8, 2, 3, &w.e));
                learn(&w, NULL);
                struct layout l = settle(&w, NULL)->layout;
                struct task tasks[2] = {l.tasks[0], l.tasks[1]};
                l.tasks = tasks;
                tasks[0].n_at_close = 100;
                tasks[0].accuracy_at_close = 0.97;
                const uint64_t n[2] = {rows[i].n_now, 0};
                since_close(&w, &l, n, past);
                const struct gate_task *p = &past[0];
                if (fabs(p->carry.lost * 100 - rows[i].lost) > 1e-9 || p->rows_changed != rows[i].changed ||
                    fabs(p->at_close.accuracy * 100 - rows[i].best) > 1e-9 ||
                    fabs(p->at_change.accuracy * 100 - rows[i].first) > 1e-9)
                        fail_msg("row %zu: carried %g, best %g, first %g, changed %d", i, p->carry.lost * 100,
                            p->at_close.accuracy * 100, p->at_change.accuracy * 100, p->rows_changed);
                finish(&w);
        }
}

/* The gate adds it up, and says so. */
static void test_carried_to_the_gate(void **state)
{
        (void)state;
        for (int erased = 0; erased < 2; erased++) {
                struct world w;
                begin(&w);
                close_low_unheld(&w, 0.5);
                struct task low;
                must(&w, store_task_get(w.s, w.m, "low", &w.a, &low, &w.e));
                uint64_t n = low.n_at_close;
                double close = low.accuracy_at_close * 100;
                commit_as(&w, 100, &(struct measured){n, close, close - (erased ? 45 : 0)});
                commit_as(&w, 108, &(struct measured){n + 1, 80, 80}); /* one came, and went */
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 200, 64, 2, 3, &w.e));
                learn(&w, NULL);
                const struct settlement *t = settle(&w, NULL);
                double lost = t->outcome.before[0].accuracy - t->outcome.after[0].accuracy;
                assert_true(t->outcome.before[0].n == n && lost > 0.05);
                if (erased) {
                        assert_true(!t->outcome.promote && fabs(t->verdict.value - (lost + 0.45)) < 1e-9);
                        assert_non_null(
                            strstr(t->outcome.reason, "of which 45.0 pt before rows of its holdout were "));
                } else {
                        assert_true(fabs(t->verdict.value - lost) < 1e-9);
                        assert_null(strstr(t->outcome.reason, "of which"));
                }
                finish(&w);
        }
}

/* As many rows, and other ones: an operator's took their place. */
static void test_since_trusted_rows(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.scenario = SCENARIO_DOMAIN;
        learn_high(&w, true);
        const struct settlement *t = settle(&w, NULL);
        uint64_t n[2] = {t->outcome.before[0].n, 0};
        struct gate_task past[2];
        fake_clock_advance_ms(&w.clock, 1000);
        const float x[KIT_INPUTS] = {0};
        struct receipt got;
        const struct feedback f = {.event_id = "given",
            .source = "",
            .task = t->layout.tasks[0].id,
            .task_named = true,
            .holdout = true,
            .trusted = true,
            .n_inputs = KIT_INPUTS,
            .inputs = x,
            .class = 0,
            .weight = 1,
            .served_class = -1};
        must(&w, store_feedback_add(w.s, w.m, &f, 1, NULL, NULL, &got, &w.e));
        since_close(&w, &t->layout, n, past);
        assert_true(past[0].at_close.n == 0 && past[0].rows_changed);
        finish(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_since_close), cmocka_unit_test(test_carried),
            cmocka_unit_test(test_carried_to_the_gate), cmocka_unit_test(test_since_trusted_rows)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
