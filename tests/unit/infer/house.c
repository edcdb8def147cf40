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
