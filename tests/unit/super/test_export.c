/* The bundle of a job against the store it came from: every row, label, parameter and record is found again. */
#include "base/file.h"
#include "base/log.h"
#include "domain/head.h"
#include "job_kit.h"
#include "lib/fake_clock.h"
#include "lib/tmpdir.h"
#include "proto/bundle.h"
#include "super/export.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct world {
        struct fake_clock clock;
        struct store *s;
        struct arena a;
        struct err e;
        char *dir, path[256];
        struct model_kit kit;
        model_id m;
        struct job job;
        struct file_map map;
        struct learn_job out;
        struct digest digest;
};

static void begin(struct world *w)
{
        fake_clock_init(&w->clock, 1700000000000);
        arena_init(&w->a, 1 << 24);
        w->e = (struct err)ERR_NULL;
        w->map = (struct file_map){0};
        const struct store_open how = {.clock = &w->clock.clock};
        assert_int_equal(store_open(&w->s, &store_memory, &how, &w->e), 0);
        w->dir = tmpdir_new();
        tmpdir_path(w->path, sizeof(w->path), w->dir, "job");
        kit_defaults(&w->kit);
}

static void finish(struct world *w)
{
        file_unmap(&w->map);
        store_close(w->s);
        arena_deinit(&w->a);
        tmpdir_remove(w->dir);
}

static void claim_with(struct world *w, const char *next_task, const char *const *classes, size_t n_classes)
{
        job_id id;
        const struct job_new n = {.model = w->m,
            .kind = next_task ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = TRIGGER_MANUAL,
            .next_task = next_task,
            .next_classes_given = n_classes > 0,
            .n_next_classes = n_classes,
            .next_classes = classes,
            .who = "tester"};
        assert_int_equal(store_job_create(w->s, &n, &id, &w->e), 0);
        assert_int_equal(store_job_claim(w->s, id, 77, &w->e), 0);
        assert_int_equal(store_job_get(w->s, id, &w->a, &w->job, &w->e), 0);
}

static void claim(struct world *w, const char *next_task)
{
        claim_with(w, next_task, NULL, 0);
}

static int export(struct world *w, size_t max_bytes, uint64_t *ret_unusable)
{
        const struct export_conf c = {.path = w->path, .threads = 2, .max_bytes = max_bytes};
        return export_job(w->s, &w->job, &c, ret_unusable, &w->e);
}

static void export_and_read(struct world *w)
{
        int r = export(w, 0, NULL);
        if (r != 0)
                fail_msg("export: %d %s", r, w->e.msg);
        file_unmap(&w->map);
        r = bundle_read_job(w->path, &w->a, &w->map, &w->out, &w->digest, &w->e);
        if (r != 0)
                fail_msg("read: %d %s", r, w->e.msg);
}

/* Commits the claimed job as promoted, with theta of value v everywhere; a rollover with Fisher f0 + i and that
 * theta. */
static void commit(struct world *w, size_t n_outputs, const struct output_row *outputs, float v, float f0)
{
        struct ewc_spec net = {.n_inputs = KIT_INPUTS,
            .n_outputs = (uint32_t)n_outputs,
            .loss = w->kit.loss,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}};
        size_t P = ewc_spec_params(&net);
        float *theta = calloc(P, sizeof(float)), *fisher = calloc(P, sizeof(float));
        struct digest dt, df;
        bool complete;
        struct task *tasks;
        size_t n;
        for (size_t i = 0; i < P; i++) {
                theta[i] = v + (float)i;
                fisher[i] = f0 + (float)i;
        }
        digest_of(theta, P * sizeof(float), &dt);
        digest_of(fisher, P * sizeof(float), &df);
        assert_int_equal(
            store_blob_chunk(w->s, &dt, P * sizeof(float), 0, theta, P * sizeof(float), &complete, &w->e), 0);
        assert_int_equal(
            store_blob_chunk(w->s, &df, P * sizeof(float), 0, fisher, P * sizeof(float), &complete, &w->e), 0);
        assert_int_equal(store_task_list(w->s, w->m, &w->a, &tasks, &n, &w->e), 0);
        struct evaluation ev[4];
        for (size_t i = 0; i < n; i++)
                ev[i] = (struct evaluation){.task = tasks[i].id, .n = 5, .accuracy = 0.5, .loss = 0.5};
        bool roll = w->job.kind == JOB_ROLLOVER;
        struct outcome o = {.job = w->job.id,
            .promote = true,
            .reason = "promoted",
            .n_outputs = n_outputs,
            .outputs = outputs,
            .n_params = P,
            .theta = dt,
            .lambda = 1,
            .program = "t",
            .n_evaluations = n,
            .before = ev,
            .after = ev};
        struct task_close close = {.fisher = df,
            .anchor = dt,
            .info = {EWC_FISHER_EXACT, 9, P, 0.5, 1},
            .alpha = 0.75,
            .n_outputs = n_outputs};
        if (roll) {
                o.fisher = df;
                o.anchor = dt;
                o.fisher_kind = EWC_FISHER_EXACT;
        }
        version_id id;
        assert_int_equal(store_job_move(w->s, w->job.id, JOB_EXPORTING, JOB_RUNNING, NULL, &w->e), 0);
        assert_int_equal(store_job_move(w->s, w->job.id, JOB_RUNNING, JOB_JUDGING, NULL, &w->e), 0);
        int r = roll ? store_rollover_commit(w->s, &o, &close, &id, &w->e)
                     : store_consolidation_commit(w->s, &o, &id, &w->e);
        if (r != 0)
                fail_msg("commit: %d %s", r, w->e.msg);
        free(theta);
        free(fisher);
}

/* The first task closed, rows for the second one; returns the closed one. */
static task_id close_low(struct world *w, int n_rows, float v, float f0)
{
        assert_int_equal(kit_model_create(w->s, &w->kit, "m", &w->m, &w->e), 0);
        assert_int_equal(kit_rows_add(w->s, &w->kit, w->m, 0, n_rows, 0, 1, &w->e), 0);
        claim(w, "high");
        task_id low = w->job.task;
        const struct output_row two[] = {{low, 0}, {low, 1}};
        commit(w, 2, two, v, f0);
        assert_int_equal(kit_rows_add(w->s, &w->kit, w->m, 100, 16, 2, 3, &w->e), 0);
        return low;
}

static void test_first_task(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        assert_int_equal(kit_model_create(w.s, &w.kit, "m", &w.m, &w.e), 0);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 0, 40, 0, 1, &w.e), 0);
        claim(&w, NULL);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 40, 8, 0, 1, &w.e), 0); /* beyond the claimed range */
        export_and_read(&w);
        const struct learn_job *j = &w.out;
        assert_int_equal(j->kind, JOB_CONSOLIDATE);
        assert_int_equal(j->id, w.job.id);
        assert_int_equal(j->net.n_outputs, 2);
        assert_int_equal(j->n_past, 0);
        assert_int_equal(j->n_replay, 0);
        assert_int_equal(j->n_holdout, 1);
        assert_int_equal(j->train.n, 30);
        assert_int_equal(j->holdout[0].n, 10);
        assert_int_equal(j->train.task, w.job.task);
        assert_int_equal(j->train.head.n, 2);
        assert_null(j->train.weight);
        assert_int_equal(j->plan.seed, 77);
        assert_int_equal(j->plan.threads, 2);
        assert_int_equal(j->plan.epochs, 4);
        assert_int_equal(j->plan.method, LEARN_EWC);
        size_t t = 0, h = 0;
        for (int i = 0; i < 40; i++) {
                bool held = i % 4 >= 2 && i % 8 < 4;
                const struct learn_rows *rows = held ? &j->holdout[0] : &j->train;
                size_t at = held ? h++ : t++;
                float x[KIT_INPUTS];
                kit_row_inputs(i, i % 2, 0, x);
                assert_true(rows->x[at * 2] == x[0] * 0.5f + 0.25f && rows->x[at * 2 + 1] == x[1] * 0.5f + 0.25f);
                assert_int_equal(rows->label[at], i % 2);
        }
        float theta[64];
        size_t P = ewc_spec_params(&j->net);
        assert_int_equal(store_version_tensor(w.s, w.job.parent, TENSOR_THETA, theta, P, &w.e), 0);
        assert_memory_equal(theta, j->theta, P * sizeof(float));
        finish(&w);
}

static void test_second_task_grows(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        task_id low = close_low(&w, 16, 100, 3);
        claim(&w, NULL);
        export_and_read(&w);
        const struct learn_job *j = &w.out;
        assert_int_equal(j->net.n_outputs, 4);
        assert_int_equal(j->train.head.n, 2);
        assert_int_equal(j->train.head.out[0], 2);
        assert_int_equal(j->train.head.out[1], 3);
        assert_int_equal(j->train.label[0], 2); /* class 2 of the second task is output 2 */
        assert_int_equal(j->train.label[1], 3);
        assert_int_equal(j->n_holdout, 2);
        assert_int_equal(j->holdout[0].task, low);
        assert_int_equal(j->holdout[0].n, 4);
        assert_int_equal(j->holdout[1].task, w.job.task);

        /* theta: hidden layer and old rows as committed, new rows of a fresh net; records padded with zeros */
        assert_int_equal(j->n_past, 1);
        assert_int_equal(j->past[0].task, low);
        assert_true(j->past[0].alpha == 0.75);
        const size_t hidden = 6 * 2 + 6, row = 6;
        size_t n_old = hidden + 2 * row + 2, at = 0;
        assert_int_equal(ewc_spec_params(&j->net), hidden + 4 * row + 4);
        for (size_t i = 0; i < n_old; i++, at++) {
                if (i == hidden + 2 * row)
                        at += 2 * row; /* over the new rows, to the biases */
                assert_true(j->theta[at] == 100 + (float)i);
                assert_true(j->past[0].fisher[at] == 3 + (float)i);
                assert_true(j->past[0].anchor[at] == 100 + (float)i);
        }
        bool drawn = false;
        for (size_t i = hidden + 2 * row; i < hidden + 4 * row; i++) {
                assert_true(j->past[0].fisher[i] == 0 && j->past[0].anchor[i] == j->theta[i]);
                assert_true(fabsf(j->theta[i]) <= 1 / sqrtf(6) + 1e-6f);
                drawn |= j->theta[i] != 0;
        }
        assert_true(drawn);
        assert_int_equal(j->n_fresh, 2);
        assert_true(j->past[0].fisher[at] == 0);

        /* the same job gives the same bytes */
        struct digest before = w.digest;
        export_and_read(&w);
        assert_true(digest_eq(&before, &w.digest));
        finish(&w);
}

static void set_champion(struct world *w, uint64_t number)
{
        struct alias now;
        struct version v;
        assert_int_equal(store_alias_get(w->s, w->m, "champion", &now, &w->e), 0);
        assert_int_equal(store_version_by_number(w->s, w->m, number, &w->a, &v, &w->e), 0);
        assert_true(store_alias_set(w->s, w->m, "champion", v.id, now.epoch, "tester", "by hand", &now, &w->e) >= 0);
}

/* The champion is from before a task's close: that task's outputs start as they were closed, and each record keeps to
 * its own. */
static void test_rolled_back(void **state)
{
        (void)state;
        enum { HIDDEN = 18, ROW = 6, O = 6 };
        struct world w;
        begin(&w);
        task_id low = close_low(&w, 16, 100, 3);
        claim(&w, "third");
        task_id high = w.job.task;
        const struct output_row four[] = {{low, 0}, {low, 1}, {high, 2}, {high, 3}};
        commit(&w, 4, four, 1000, 7);
        set_champion(&w, 2);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 200, 16, 0, 1, &w.e), 0);
        claim(&w, NULL);
        export_and_read(&w);
        const struct learn_job *j = &w.out;
        assert_int_equal(j->net.n_outputs, O);
        assert_int_equal(j->n_fresh, 2); /* the open task's: the second task's are there to be measured */
        assert_int_equal(j->n_past, 2);
        assert_int_equal(j->train.head.out[0], 4);
        assert_int_equal(j->holdout[1].head.n, 2);
        assert_int_equal(j->holdout[1].head.out[0], 2);
        assert_int_equal(j->holdout[1].n, 4);
        for (size_t i = 0; i < HIDDEN; i++)
                assert_true(j->theta[i] == 100 + (float)i && j->past[1].fisher[i] == 7 + (float)i);
        for (size_t o = 0; o < O; o++) {
                for (size_t i = 0; i <= ROW; i++) {
                        bool bias = i == ROW;
                        size_t at = HIDDEN + (bias ? O * ROW + o : o * ROW + i);
                        float in_two = (float)(HIDDEN + (bias ? 2 * ROW + o : o * ROW + i)),
                              in_four = (float)(HIDDEN + (bias ? 4 * ROW + o : o * ROW + i)), start = j->theta[at];
                        if (o < 4)
                                assert_true(start == (o < 2 ? 100 + in_two : 1000 + in_four));
                        else
                                assert_true(fabsf(start) < 1);
                        assert_true(j->past[0].fisher[at] == (o < 2 ? 3 + in_two : 0));
                        assert_true(j->past[0].anchor[at] == (o < 2 ? 100 + in_two : start));
                        assert_true(j->past[1].fisher[at] == (o < 4 ? 7 + in_four : 0));
                        assert_true(j->past[1].anchor[at] == (o < 4 ? 1000 + in_four : start));
                }
        }
        finish(&w);
}

static void test_replay(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.learning.replay_per_class = 5;
        task_id low = close_low(&w, 80, 1, 1);
        claim(&w, NULL);
        export_and_read(&w);
        assert_int_equal(w.out.n_replay, 1);
        const struct learn_rows *r = &w.out.replay[0];
        assert_int_equal(r->task, low);
        assert_int_equal(r->n, 10);
        int of[2] = {0};
        for (size_t i = 0; i < r->n; i++) {
                of[r->label[i]]++;
                assert_true((r->x[i * 2] < 0.25f) == (r->label[i] == 0));
        }
        assert_true(of[0] == 5 && of[1] == 5);
        assert_int_equal(w.out.plan.replay_per_class, 5);
        finish(&w);
}

static void test_joint_takes_all(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.learning.method = LEARN_JOINT;
        close_low(&w, 80, 1, 1);
        claim(&w, NULL);
        export_and_read(&w);
        assert_true(w.out.n_replay == 1 && w.out.replay[0].n == 60);
        finish(&w);
}

/* Classes of an open task are those of the claimed range, whatever has come since. */
static void test_classes_of_the_range(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.scenario = SCENARIO_CLASS;
        w.kit.open_classes = true;
        assert_int_equal(kit_model_create(w.s, &w.kit, "m", &w.m, &w.e), 0);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 0, 16, 0, 2, &w.e), 0);
        claim(&w, NULL);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 16, 16, 1, 3, &w.e), 0);
        export_and_read(&w);
        assert_int_equal(w.out.net.n_outputs, 4);
        assert_int_equal(w.out.train.head.n, 2);
        assert_int_equal(w.out.train.head.out[0], 0);
        assert_int_equal(w.out.train.head.out[1], 2);
        finish(&w);
}

static void test_targets(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.loss = EWC_LOSS_SIGMOID;
        w.kit.scenario = SCENARIO_DOMAIN;
        assert_int_equal(kit_model_create(w.s, &w.kit, "m", &w.m, &w.e), 0);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 0, 16, 1, 3, &w.e), 0);
        claim(&w, NULL);
        export_and_read(&w);
        assert_int_equal(w.out.net.n_outputs, 4);
        assert_null(w.out.train.label);
        for (size_t i = 0; i < w.out.train.n; i++) {
                const float *t = w.out.train.target + i * 4;
                bool left = w.out.train.x[i * 2] < 0.25f;
                assert_true(t[0] == 0 && t[2] == 0 && t[1] == (left ? 1 : 0) && t[3] == (left ? 0 : 1));
        }
        finish(&w);
}

static void add_odd(struct world *w, const char *id, float x0, int32_t class, float weight)
{
        const float x[KIT_INPUTS] = {x0, 0};
        struct task open;
        struct receipt got;
        assert_int_equal(store_task_get(w->s, w->m, NULL, &w->a, &open, &w->e), 0);
        struct feedback f = {.event_id = id,
            .source = "",
            .task = open.id,
            .n_inputs = KIT_INPUTS,
            .inputs = x,
            .class = class,
            .weight = weight};
        digest_of(id, strlen(id), &f.payload);
        assert_int_equal(store_feedback_add(w->s, w->m, &f, 1, NULL, NULL, &got, &w->e), 0);
}

static void test_unusable_rows_and_weights(void **state)
{
        (void)state;
        struct world w;
        uint64_t unusable = 99;
        begin(&w);
        assert_int_equal(kit_model_create(w.s, &w.kit, "m", &w.m, &w.e), 0);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 0, 8, 0, 1, &w.e), 0);
        add_odd(&w, "nan", NAN, 0, 1);
        add_odd(&w, "other-class", 0, 3, 1);
        add_odd(&w, "heavy", 0, 1, 2.5f);
        claim(&w, NULL);
        assert_int_equal(export(&w, 0, &unusable), 0);
        assert_int_equal(unusable, 2);
        export_and_read(&w);
        assert_int_equal(w.out.train.n, 7);
        assert_non_null(w.out.train.weight);
        assert_true(w.out.train.weight[0] == 1 && w.out.train.weight[6] == 2.5f);
        finish(&w);
}

/* Where tasks share a head, all outputs that the champion lacks are silent when it is measured. */
static void test_class_growth(void **state)
{
        (void)state;
        static const char *const more[] = {"e", "f"};
        static const struct output_row six[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}};
        struct world w;
        begin(&w);
        w.kit.scenario = SCENARIO_CLASS;
        assert_int_equal(kit_model_create(w.s, &w.kit, "m", &w.m, &w.e), 0);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 0, 16, 0, 1, &w.e), 0);
        claim_with(&w, "high", more, 2);
        commit(&w, 4, six, 100, 3);
        add_odd(&w, "n0", 0, 4, 1);
        add_odd(&w, "n1", 1, 5, 1);
        claim(&w, NULL);
        export_and_read(&w);
        assert_int_equal(w.out.net.n_outputs, 6);
        assert_int_equal(w.out.n_fresh, 2);
        assert_int_equal(w.out.train.head.n, 4); /* classes 0 and 1, 4 and 5 */
        assert_int_equal(store_job_move(w.s, w.job.id, JOB_EXPORTING, JOB_FAILED, NULL, &w.e), 0);
        claim(&w, "third");
        commit(&w, 6, six, 1000, 7);
        set_champion(&w, 2);
        add_odd(&w, "n2", 0, 1, 1);
        claim(&w, NULL);
        export_and_read(&w);
        assert_int_equal(w.out.n_fresh, 2);
        assert_true(w.out.theta[18 + 4 * 6] == 1000 + 18 + 4 * 6); /* as the task that had them was closed */
        assert_true(w.out.theta[18 + 3 * 6] == 100 + 18 + 3 * 6);
        finish(&w);
}

static void test_empty_and_too_large(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        assert_int_equal(kit_model_create(w.s, &w.kit, "m", &w.m, &w.e), 0);
        claim(&w, NULL);
        assert_int_equal(export(&w, 0, NULL), EXPORT_EMPTY);
        assert_string_equal(w.e.msg, "task low has no feedback to train on");
        assert_false(file_exists(w.path));
        assert_int_equal(store_job_move(w.s, w.job.id, JOB_EXPORTING, JOB_FAILED, NULL, &w.e), 0);
        assert_int_equal(kit_rows_add(w.s, &w.kit, w.m, 0, 40, 0, 1, &w.e), 0);
        claim(&w, NULL);
        size_t need = 1;
        int r;
        while ((r = export(&w, need, NULL)) != 0) { /* too small a budget is a clean refusal at every size */
                assert_true(r < 0);
                assert_non_null(strstr(w.e.msg, "memory"));
                assert_false(file_exists(w.path));
                need += need < 4096 ? 64 : need;
                assert_true(need < (1 << 20));
        }
        finish(&w);
}

int main(void)
{
        log_init(LOG_LEVEL_ERROR, false);
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_task),
            cmocka_unit_test(test_second_task_grows), cmocka_unit_test(test_rolled_back),
            cmocka_unit_test(test_class_growth), cmocka_unit_test(test_replay),
            cmocka_unit_test(test_joint_takes_all), cmocka_unit_test(test_classes_of_the_range),
            cmocka_unit_test(test_targets), cmocka_unit_test(test_unusable_rows_and_weights),
            cmocka_unit_test(test_empty_and_too_large)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
