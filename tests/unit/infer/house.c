/* house.c: see house.h. */
#include "house.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "domain/model.h"
#include "proto/json_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

void house_open(struct house *h)
{
        *h = (struct house){0};
        struct store_open how = {.clock = &clock_system};
        assert_int_equal(store_open(&h->s, &store_memory, &how, &h->e), 0);
        for (int i = 0; i < HOUSE_P; i++)
                h->theta[i] = (float)((i * 7) % 11) / 8.0f - 0.5f;
}

void house_close(struct house *h)
{
        store_close(h->s);
}

model_id house_model(struct house *h, const char *name, enum scenario s)
{
        static const char *const classes[] = {"a", "b", "c", "d"};
        static const uint32_t of_task[] = {0, 2};
        static const struct output_row shared[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}}, own[] = {{0, 0}, {0, 2}};
        char text[600];
        struct arena a;
        struct model_spec spec;
        struct learning learning;
        struct buf spec_json, learning_json;
        model_id id;
        bool task = s == SCENARIO_TASK;

        snprintf(text, sizeof(text),
            "{\"name\":\"%s\",\"input\":{\"name\":\"input\",\"shape\":[3],\"scale\":2,\"offset\":1},"
            "\"classes\":[\"a\",\"b\",\"c\",\"d\"],\"scenario\":\"%s\",\"layers\":[],\"task\":\"one\",\"learning\":{"
            "\"holdout\":0.25}}",
            name, scenario_name(s));
        arena_init(&a, 1 << 20);
        buf_init(&spec_json, 1 << 16);
        buf_init(&learning_json, 1 << 16);
        if (json_model_read(slice_of(text), &a, &spec, &learning, &h->e) != 0)
                fail_msg("%s: %s", h->e.field, h->e.msg);
        json_spec_write(&spec_json, &spec);
        json_learning_write(&learning_json, &learning);
        struct model_new m = {
            .name = name,
            .scenario = s,
            .spec_json = spec_json.data,
            .learning_json = learning_json.data,
            .n_classes = 4,
            .classes = classes,
            .task = "one",
            .n_task_classes = task ? 2 : 0,
            .task_classes = of_task,
            .n_outputs = task ? 2 : 4,
            .outputs = task ? own : shared,
            .n_params = task ? 2 * HOUSE_I + 2 : HOUSE_P,
            .theta = h->theta,
            .seed = 1,
            .who = "test",
        };
        if (store_model_create(h->s, &m, &id, &h->e) != 0)
                fail_msg("%s", h->e.msg);
        buf_deinit(&spec_json);
        buf_deinit(&learning_json);
        arena_deinit(&a);
        return id;
}

task_id house_task(struct house *h, model_id m, const char *name)
{
        struct arena a;
        struct task t;
        arena_init(&a, 1 << 20);
        if (store_task_get(h->s, m, name, &a, &t, &h->e) != 0)
                fail_msg("task: %s", h->e.msg);
        arena_deinit(&a);
        return t.id;
}

static void blob(struct house *h, const float *v, size_t P, struct digest *ret)
{
        bool complete;
        digest_of(v, P * sizeof(float), ret);
        assert_int_equal(
            store_blob_chunk(h->s, ret, P * sizeof(float), 0, v, P * sizeof(float), &complete, &h->e), 0);
        assert_true(complete);
}

static job_id judging(struct house *h, const struct house_step *s)
{
        static const char *const classes[] = {"b", "d"};
        struct arena a;
        struct model m;
        job_id j;
        arena_init(&a, 1 << 20);
        assert_int_equal(store_model_by_id(h->s, s->model, &a, &m, &h->e), 0);
        bool own = s->fisher && m.scenario == SCENARIO_TASK;
        struct job_new n = {.model = s->model,
            .kind = s->fisher ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = TRIGGER_MANUAL,
            .next_task = s->fisher ? s->next_task : NULL,
            .next_classes_given = own,
            .n_next_classes = own ? 2 : 0,
            .next_classes = classes,
            .who = "test"};
        arena_deinit(&a);
        if (store_job_create(h->s, &n, &j, &h->e) != 0)
                fail_msg("job: %s", h->e.msg);
        assert_int_equal(store_job_claim(h->s, j, 7, &h->e), 0);
        assert_int_equal(store_job_move(h->s, j, JOB_EXPORTING, JOB_RUNNING, NULL, &h->e), 0);
        assert_int_equal(store_job_move(h->s, j, JOB_RUNNING, JOB_JUDGING, NULL, &h->e), 0);
        return j;
}

uint64_t house_step(struct house *h, const struct house_step *s)
{
        size_t P = s->n_outputs * (HOUSE_I + 1);
        struct evaluation ev = {.task = house_task(h, s->model, NULL), .n = 5, .accuracy = 0.5, .loss = 0.5};
        struct outcome o = {.job = judging(h, s),
            .promote = true,
            .reason = "promoted",
            .n_outputs = s->n_outputs,
            .outputs = s->outputs,
            .n_params = P,
            .lambda = 1,
            .prior = s->prior,
            .program = "t",
            .n_evaluations = 1,
            .before = &ev,
            .after = &ev};
        struct alias champion;
        version_id v;
        blob(h, s->theta, P, &o.theta);
        if (s->fisher) {
                struct task_close c = {
                    .info = {s->kind, HOUSE_N, P, HOUSE_FACTOR, 1}, .alpha = 1, .n_outputs = s->n_outputs};
                blob(h, s->fisher, P, &c.fisher);
                c.anchor = o.anchor = o.theta;
                o.fisher = c.fisher;
                o.fisher_kind = s->kind;
                if (store_rollover_commit(h->s, &o, &c, &v, &h->e) != 0)
                        fail_msg("rollover: %s", h->e.msg);
        } else if (store_consolidation_commit(h->s, &o, &v, &h->e) != 0) {
                fail_msg("consolidation: %s", h->e.msg);
        }
        assert_int_equal(store_alias_get(h->s, s->model, "champion", &champion, &h->e), 0);
        assert_int_equal(champion.version, v);
        return champion.number;
}

void house_alias(struct house *h, model_id m, const char *alias, uint64_t number)
{
        struct alias a = {0};
        store_alias_get(h->s, m, alias, &a, &h->e);
        if (store_alias_set(h->s, m, alias, number, a.epoch, "test", NULL, &a, &h->e) != 0)
                fail_msg("alias: %s", h->e.msg);
}

void house_feedback(struct house *h, model_id m, int n, uint32_t n_classes)
{
        struct receipt receipt;
        static int n_events;
        static const float x[HOUSE_I] = {1, 2, 3};
        for (int i = 0; i < n; i++) {
                char id[24];
                snprintf(id, sizeof(id), "e%d", n_events++);
                struct feedback f = {.event_id = id,
                    .source = "",
                    .task = house_task(h, m, NULL),
                    .n_inputs = HOUSE_I,
                    .inputs = x,
                    .class = (int32_t)((uint32_t)i % n_classes),
                    .weight = 1};
                digest_of(id, strlen(id), &f.payload);
                if (store_feedback_add(h->s, m, &f, 1, NULL, NULL, &receipt, &h->e) != 0)
                        fail_msg("feedback: %s", h->e.msg);
        }
}
