/* job_kit.c: see job_kit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "domain/gate.h"
#include "domain/head.h"
#include "job_kit.h"
#include "proto/json_model.h"
#include <stdio.h>
#include <string.h>

static const char *const class_names[KIT_CLASSES] = {"a", "b", "c", "d"};
static const uint32_t low[] = {0, 1};
static const float kit_scale = 0.5f, kit_offset = 0.25f;

void kit_defaults(struct model_kit *k)
{
        *k = (struct model_kit){.scenario = SCENARIO_TASK, .loss = EWC_LOSS_SOFTMAX};
        learning_defaults(&k->learning);
        k->learning.optimizer_type = EWC_OPTIM_SGD;
        k->learning.optimizer_rate = 0.5;
        k->learning.epochs = 4;
        k->learning.batch = 8;
        k->learning.gate_max_forgetting = 1;
        k->learning.gate_min_gain = -1;
        k->learning.trigger_min_feedback = 0;
        k->learning.seed = 11;
}

static struct model_spec spec_of(const struct model_kit *k, const char *name)
{
        struct model_spec s = {
            .input_name = "input",
            .rank = 1,
            .shape = {KIT_INPUTS},
            .n_inputs = KIT_INPUTS,
            .n_scale = 1,
            .scale = &kit_scale,
            .n_offset = 1,
            .offset = &kit_offset,
            .scenario = k->scenario,
            .n_classes = KIT_CLASSES,
            .classes = class_names,
            .net = {.n_inputs = KIT_INPUTS,
                .loss = k->loss,
                .n_layers = 1,
                .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}},
            .task = "low",
            .n_task_classes = k->open_classes ? 0 : 2,
            .task_classes = low,
        };
        snprintf(s.name, sizeof(s.name), "%s", name);
        return s;
}

int kit_model_create(struct store *s, const struct model_kit *k, const char *name, model_id *ret, struct err *e)
{
        struct model_spec spec = spec_of(k, name);
        struct arena a;
        struct buf spec_json, learning_json;
        struct output_row *rows;
        size_t n;
        arena_init(&a, 1 << 20);
        buf_init(&spec_json, 1 << 16);
        buf_init(&learning_json, 1 << 16);
        assert_int_equal(model_spec_check(&spec, e), 0);
        assert_int_equal(learning_check(&k->learning, e), 0);
        assert_int_equal(head_initial(k->scenario, KIT_CLASSES, 1, spec.n_task_classes, low, &a, &rows, &n), 0);
        spec.net.n_outputs = (uint32_t)n;
        json_spec_write(&spec_json, &spec);
        json_learning_write(&learning_json, &k->learning);
        assert_true(buf_ok(&spec_json) && buf_ok(&learning_json));
        struct ewc_net *net;
        struct ewc_rng rng;
        assert_int_equal(ewc_net_new(&net, &spec.net, NULL), 0);
        ewc_rng_seed(&rng, k->learning.seed, 0);
        ewc_net_init(net, &rng);
        const struct model_new new = {
            .name = name,
            .scenario = k->scenario,
            .spec_json = spec_json.data,
            .learning_json = learning_json.data,
            .n_classes = KIT_CLASSES,
            .classes = class_names,
            .task = "low",
            .n_task_classes = spec.n_task_classes,
            .task_classes = low,
            .n_outputs = n,
            .outputs = rows,
            .n_params = ewc_net_params(net),
            .theta = ewc_net_theta_const(net),
            .seed = k->learning.seed,
            .who = "tester",
        };
        int r = store_model_create(s, &new, ret, e);
        ewc_net_free(net);
        buf_deinit(&learning_json);
        buf_deinit(&spec_json);
        arena_deinit(&a);
        return r;
}

void kit_row_inputs(int i, int32_t c, int32_t a, float ret[KIT_INPUTS])
{
        ret[0] = (c == a ? -2.0f : 2.0f) + (float)(i % 5) * 0.125f;
        ret[1] = (float)(i % 7) - 3.0f;
}

int kit_rows_add(
    struct store *s, const struct model_kit *k, model_id m, int from, int n, int32_t a, int32_t b, struct err *e)
{
        struct arena arena;
        struct task open;
        arena_init(&arena, 1 << 20);
        int r = store_task_get(s, m, NULL, &arena, &open, e);
        for (int i = from; r == 0 && i < from + n; i++) {
                char id[24];
                float x[KIT_INPUTS], t[KIT_CLASSES] = {0};
                int32_t c = i % 2 ? b : a;
                struct receipt got;
                snprintf(id, sizeof(id), "e%d", i);
                kit_row_inputs(i, c, a, x);
                t[c] = 1;
                struct feedback f = {
                    .event_id = id,
                    .source = "",
                    .task = open.id,
                    .holdout = i % 4 >= 2 && i % 8 < 4,
                    .n_inputs = KIT_INPUTS,
                    .inputs = x,
                    .class = k->loss == EWC_LOSS_SOFTMAX ? c : -1,
                    .n_targets = k->loss == EWC_LOSS_SOFTMAX ? 0 : KIT_CLASSES,
                    .targets = k->loss == EWC_LOSS_SOFTMAX ? NULL : t,
                    .weight = 1,
                };
                digest_of(id, strlen(id), &f.payload);
                r = store_feedback_add(s, m, &f, 1, NULL, NULL, &got, e);
                if (r == 0)
                        assert_int_equal(got.n_accepted, 1);
        }
        arena_deinit(&arena);
        return r;
}

void kit_theta(int sign, float ret[KIT_P])
{
        memset(ret, 0, KIT_P * sizeof(float));
        ret[sign == 0 ? 1 : 0] = 4;        /* hidden unit 0 sees one input */
        ret[18] = sign < 0 ? 3.0f : -3.0f; /* first output */
        ret[24] = -ret[18];
}

static void stage(struct store *s, const float *v, size_t P, struct digest *ret)
{
        struct err e = ERR_NULL;
        bool complete;
        digest_of(v, P * sizeof(float), ret);
        assert_int_equal(store_blob_chunk(s, ret, P * sizeof(float), 0, v, P * sizeof(float), &complete, &e), 0);
        assert_true(complete);
}

version_id kit_version(
    struct store *s, model_id m, enum kit_end end, const float *theta, size_t P, uint64_t trained, struct err *e)
{
        static const struct job_new none;
        struct job_new j = none;
        struct arena a;
        struct version first;
        job_id id;
        version_id v = 0;
        arena_init(&a, 1 << 20);
        j.model = m;
        j.kind = JOB_CONSOLIDATE;
        j.trigger = TRIGGER_MANUAL;
        j.who = "tester";
        int r = store_job_create(s, &j, &id, e);
        if (r == 0 && (r = store_job_claim(s, id, 1, e)) == 0 &&
            (r = store_job_move(s, id, JOB_EXPORTING, JOB_RUNNING, NULL, e)) == 0 &&
            (r = store_job_move(s, id, JOB_RUNNING, JOB_JUDGING, NULL, e)) == 0)
                r = store_version_by_number(s, m, 1, &a, &first, e);
        if (r == 0) {
                struct outcome o = {.job = id,
                    .promote = end == KIT_PROMOTED,
                    .candidate = end == KIT_CANDIDATE || end == KIT_LEFT_OPEN,
                    .reason = end == KIT_LEFT_OPEN ? GATE_LEFT_OPEN ": as the test says" : "as the test says",
                    .n_outputs = first.n_outputs,
                    .outputs = first.outputs,
                    .n_params = P,
                    .threads = 1,
                    .n_train = trained,
                    .program = "test"};
                stage(s, theta, P, &o.theta);
                r = store_consolidation_commit(s, &o, &v, e);
        }
        arena_deinit(&a);
        if (r != 0)
                fail_msg("version: %d %s", r, e->msg);
        return v;
}

void kit_row_add(struct store *s, model_id m, int i, const struct kit_row *row)
{
        char id[24];
        float x[KIT_INPUTS];
        struct arena a;
        struct task open;
        struct receipt got;
        struct err e = ERR_NULL;
        int32_t c = row->swapped ? 1 - i % 2 : i % 2;
        arena_init(&a, 1 << 20);
        assert_int_equal(store_task_get(s, m, NULL, &a, &open, &e), 0);
        kit_row_inputs(i, i % 2, 0, x);
        x[1] += row->shift;
        snprintf(id, sizeof(id), "live%d", i);
        struct feedback f = {.event_id = id,
            .source = "",
            .task = open.id,
            .holdout = row->trusted || i % 8 == 2 || i % 16 == 5,
            .trusted = row->trusted,
            .n_inputs = KIT_INPUTS,
            .inputs = x,
            .class = c,
            .weight = 1,
            .served_version = row->by,
            .served_class = row->by == 0 ? -1
                            : row->right ? c
                                         : 1 - c};
        digest_of(id, strlen(id), &f.payload);
        int r = store_feedback_add(s, m, &f, 1, NULL, NULL, &got, &e);
        if (r != 0)
                fail_msg("row: %d %s", r, e.msg);
        assert_int_equal(got.n_accepted, 1);
        arena_deinit(&a);
}
