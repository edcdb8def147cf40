/* house.c: the house of a scenario: store, queues, loops, publication, jobs, and one model in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "domain/head.h"
#include "infer/publish.h"
#include "infer/vtable.h"
#include "lib/tmpdir.h"
#include "loop/loop.h"
#include "one_thread.h"
#include "proto/json_model.h"
#include "sim.h"
#include "store/queue.h"
#include "store/store.h"
#include <stdio.h>
#include <string.h>

#define START_MS INT64_C(1767225600000) /* the first of a year */

static const char *const class_names[WORLD_CLASSES] = {"a", "b", "c"};
static const uint32_t all_classes[WORLD_CLASSES] = {0, 1, 2};
static const float scale = 0.5f, offset = 0;

void sim_keys(struct learning *ret)
{
        learning_defaults(ret);
        ret->optimizer_rate = 0.01;
        ret->epochs = 6;
        ret->batch = 32;
        ret->holdout = 0.2;
        ret->trigger_min_feedback = 300;
}

static struct model_spec spec_of(const struct sim *s)
{
        return (struct model_spec){.name = "m",
            .input_name = "input",
            .rank = 1,
            .shape = {WORLD_INPUTS},
            .n_inputs = WORLD_INPUTS,
            .n_scale = 1,
            .scale = &scale,
            .n_offset = 1,
            .offset = &offset,
            .scenario = s->script->kind,
            .n_classes = WORLD_CLASSES,
            .classes = class_names,
            .net = {.n_inputs = WORLD_INPUTS,
                .loss = EWC_LOSS_SOFTMAX,
                .n_layers = 1,
                .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = SIM_HIDDEN}}},
            .task = "first",
            .n_task_classes = WORLD_CLASSES,
            .task_classes = all_classes};
}

static void create_model(struct sim *s)
{
        struct model_spec spec = spec_of(s);
        struct buf spec_json, learning_json;
        struct output_row *outputs;
        struct ewc_net *net;
        struct ewc_rng rng;
        size_t n;
        buf_init(&spec_json, 1 << 16);
        buf_init(&learning_json, 1 << 16);
        sim_require(s, model_spec_check(&spec, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, learning_check(&s->learning, &s->e) == 0, "%s", s->e.msg);
        sim_require(s,
            head_initial(spec.scenario, WORLD_CLASSES, 1, WORLD_CLASSES, all_classes, &s->a, &outputs, &n) == 0,
            "head");
        spec.net.n_outputs = (uint32_t)n;
        json_spec_write(&spec_json, &spec);
        json_learning_write(&learning_json, &s->learning);
        sim_require(s, ewc_net_new(&net, &spec.net, NULL) == 0, "net");
        ewc_rng_seed(&rng, s->learning.seed, 0);
        ewc_net_init(net, &rng);
        const struct model_new new = {.name = "m",
            .scenario = spec.scenario,
            .spec_json = spec_json.data,
            .learning_json = learning_json.data,
            .n_classes = WORLD_CLASSES,
            .classes = class_names,
            .task = spec.task,
            .n_task_classes = WORLD_CLASSES,
            .task_classes = all_classes,
            .n_outputs = n,
            .outputs = outputs,
            .n_params = ewc_net_params(net),
            .theta = ewc_net_theta_const(net),
            .seed = s->learning.seed,
            .who = "simulator"};
        sim_require(s, store_model_create(s->s, &new, &s->m, &s->e) == 0, "%s", s->e.msg);
        ewc_net_free(net);
        buf_deinit(&learning_json);
        buf_deinit(&spec_json);
}

static void on_control(void *arg, const struct msg *m)
{
        struct sim *s = arg;
        if (!store_work_dispatch(m) && !(s->jobs && jobs_dispatch(s->jobs, m)))
                publish_dispatch_control(s->publish, m);
}

static void on_serving(void *arg, const struct msg *m)
{
        struct sim *s = arg;
        publish_dispatch_loop(s->publish, s->table, m);
}

static struct store_queue *open_queue(struct sim *s, bool read)
{
        struct store_queue *q;
        struct store *store;
        const struct store_open how = {
            .path = s->path, .read_only = read, .no_backup = true, .clock = &s->clock.clock};
        const struct store_queue_conf c = {.max_items = 64, .max_group_items = 1, .read = read};
        sim_require(s, store_open(&store, s->ops, &how, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, store_queue_start(&q, store, &c, &s->e) == 0, "%s", s->e.msg);
        return q;
}

static void open_queues(struct sim *s)
{
        s->writer = s->reader = open_queue(s, false);
        s->s = one_thread_store(s->writer);
        if (s->ops == &store_memory)
                return; /* it does not share */
        s->reader = open_queue(s, true);
        s->exporter = open_queue(s, true);
}

void house_jobs_start(struct sim *s)
{
        const struct jobs_deps d = {.control = s->control,
            .writer = s->writer,
            .reader = s->reader,
            .exporter = s->exporter,
            .publish = s->publish,
            .learner = fake_learner_port(&s->fake)};
        sim_require(s, jobs_start(&s->jobs, &s->conf, &d, &s->e) == 0, "%s", s->e.msg);
}

void house_jobs_stop(struct sim *s)
{
        jobs_stop(s->jobs);
        s->jobs = NULL;
}

void house_open(struct sim *s)
{
        size_t loaded, failed;
        log_init(LOG_LEVEL_ERROR, false);
        s->dir = tmpdir_new();
        tmpdir_path(s->path, sizeof(s->path), s->dir, "store.db");
        tmpdir_path(s->jobs_dir, sizeof(s->jobs_dir), s->dir, "jobs");
        s->start_ms = START_MS;
        fake_clock_init(&s->clock, START_MS);
        one_thread_clock(&s->clock);
        sim_require(s, loop_new(&s->control, &s->clock.clock, 256, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, loop_new(&s->serving, &s->clock.clock, 64, &s->e) == 0, "%s", s->e.msg);
        open_queues(s);
        create_model(s);
        sim_require(s, vtable_new(&s->table, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, publish_new(&s->publish, s->control, s->reader, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, publish_add_loop(s->publish, s->serving, s->table, &s->e) == 0, "%s", s->e.msg);
        sim_require(
            s, publish_initial(s->publish, s->s, &loaded, &failed, &s->e) == 0 && loaded == 1, "%s", s->e.msg);
        loop_on_msg(s->control, on_control, s);
        loop_on_msg(s->serving, on_serving, s);
        s->fake.loop = s->control;
        s->fake.takes_ms = (uint64_t)(s->script->learner_hours * 3600000);
        s->conf = (struct jobs_conf){.dir = s->jobs_dir,
            .learner_threads = 1,
            .max_attempts = 3,
            .policy_ms = 6 * 3600000,
            .max_learners = 2,
            .backoff_ms = 1000,
            .program = "ewcd simulator"};
        house_jobs_start(s);
}

void house_close(struct sim *s)
{
        house_jobs_stop(s);
        while (one_thread_step())
                ;
        if (s->reader != s->writer)
                store_queue_stop(s->reader);
        store_queue_stop(s->exporter);
        store_queue_stop(s->writer);
        publish_free(s->publish);
        vtable_free(s->table);
        loop_free(s->serving);
        loop_free(s->control);
        tmpdir_remove(s->dir);
}
