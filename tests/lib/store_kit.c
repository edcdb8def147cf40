/* store_kit.c: see store_kit.h. Numbers are small and fixed; some have awkward bits (a NaN with a payload, -0). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/store_kit.h"
#include "lib/tmpdir.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void open_store(struct kit *k)
{
        const struct store_open how = {.path = k->path, .clock = &k->clock.clock};
        int r = store_open(&k->s, k->ops, &how, &k->e);

        if (r != 0)
                fail_msg("store_open: %d %s", r, k->e.msg);
}

void kit_open(struct kit *k, const struct store_ops *ops)
{
        memset(k, 0, sizeof(*k));
        k->ops = ops;
        fake_clock_init(&k->clock, 1700000000000);
        arena_init(&k->a, SIZE_MAX);
        k->dir = tmpdir_new();
        tmpdir_path(k->path, sizeof(k->path), k->dir, "store.db");
        for (int i = 0; i < KIT_P; i++)
                k->theta[i] = (float)i / 8;
        k->theta[1] = -0.0f;
        open_store(k);
}

void kit_close(struct kit *k)
{
        store_close(k->s);
        arena_deinit(&k->a);
        tmpdir_remove(k->dir);
}

void kit_reopen(struct kit *k)
{
        if (k->ops == &store_memory)
                return;
        store_close(k->s);
        open_store(k);
}

model_id kit_model(struct kit *k, const char *name, enum scenario s)
{
        static const char *const classes[] = {"a", "b", "c"};
        static const struct output_row shared[] = {{0, 0}, {0, 1}, {0, 2}}, own[] = {{1, 0}, {1, 1}, {1, 2}};
        const struct model_new m = {.name = name,
            .scenario = s,
            .spec_json = "{\"spec\":1}",
            .learning_json = "{}",
            .n_classes = 3,
            .classes = classes,
            .task = "one",
            .n_outputs = 3,
            .outputs = s == SCENARIO_TASK ? own : shared,
            .n_params = KIT_P,
            .theta = k->theta,
            .seed = UINT64_MAX - 5,
            .who = "tester"};
        model_id id = 0;

        assert_int_equal(store_model_create(k->s, &m, &id, &k->e), 0);
        return id;
}

struct task kit_task(struct kit *k, model_id m, const char *name)
{
        struct task t;

        assert_int_equal(store_task_get(k->s, m, name, &k->a, &t, &k->e), 0);
        return t;
}

struct feedback kit_row(const char *id, int32_t class, bool holdout)
{
        static const float x[KIT_I] = {0.5f, -1.25f};
        struct feedback f = {.event_id = id,
            .source = "",
            .holdout = holdout,
            .n_inputs = KIT_I,
            .inputs = x,
            .class = class,
            .weight = 1};

        digest_of(id, strlen(id), &f.payload);
        f.payload.b[0] = (uint8_t) class;
        return f;
}

struct receipt kit_add(struct kit *k, model_id m, struct feedback row)
{
        struct receipt got = {0};
        int r = store_feedback_add(k->s, m, &row, 1, NULL, NULL, &got, &k->e);

        if (r != 0)
                fail_msg("store_feedback_add: %d %s", r, k->e.msg);
        return got;
}

struct receipt kit_fill(struct kit *k, model_id m, int from, int to)
{
        struct receipt all = {0};

        for (int i = from; i < to; i++) {
                char id[16];
                snprintf(id, sizeof(id), "e%d", i);
                struct receipt one = kit_add(k, m, kit_row(id, i % 3, i % 4 == 3));
                all.n_accepted += one.n_accepted;
                all.first_seq = all.first_seq ? all.first_seq : one.first_seq;
                all.last_seq = one.last_seq;
        }
        return all;
}

static int count_row(void *arg, const struct feedback *f)
{
        (void)f;
        ++*(uint64_t *)arg;
        return 0;
}

uint64_t kit_rows(struct kit *k, model_id m)
{
        const struct feedback_filter all = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        uint64_t n = 0;

        assert_int_equal(store_feedback_scan(k->s, m, &all, count_row, &n, &k->e), 0);
        return n;
}

struct digest kit_blob(struct kit *k, const float *v, size_t P)
{
        size_t size = P * sizeof(float);
        bool complete = false;
        struct digest d;

        digest_of(v, size, &d);
        for (size_t i = 0; i * BLOB_CHUNK < size; i++) {
                size_t left = size - i * BLOB_CHUNK;
                assert_int_equal(store_blob_chunk(k->s, &d, size, (uint32_t)i, (const char *)v + i * BLOB_CHUNK,
                                     left < BLOB_CHUNK ? left : BLOB_CHUNK, &complete, &k->e),
                    0);
        }
        assert_true(complete);
        return d;
}

job_id kit_job(struct kit *k, model_id m, const char *next_task, bool given, size_t n, const char *const *classes)
{
        const struct job_new j = {.model = m,
            .kind = next_task ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = TRIGGER_MANUAL,
            .trigger_value = 7,
            .next_task = next_task,
            .next_classes_given = given,
            .n_next_classes = n,
            .next_classes = classes,
            .who = "tester"};
        job_id id = 0;
        int r = store_job_create(k->s, &j, &id, &k->e);

        if (r != 0)
                fail_msg("store_job_create: %d %s", r, k->e.msg);
        return id;
}

job_id kit_ask(struct kit *k, struct job_new n)
{
        job_id id = 0;

        n.trigger = n.trigger ? n.trigger : TRIGGER_MANUAL;
        n.who = "tester";
        int r = store_job_create(k->s, &n, &id, &k->e);
        if (r != 0)
                fail_msg("store_job_create: %d %s", r, k->e.msg);
        return id;
}

void kit_to_judging(struct kit *k, job_id j)
{
        uint32_t attempts;

        assert_int_equal(store_job_claim(k->s, j, UINT64_MAX - 3, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_RUNNING, NULL, &k->e), 0);
        assert_int_equal(store_job_attempt(k->s, j, &attempts, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_RUNNING, JOB_JUDGING, NULL, &k->e), 0);
}

void kit_outcome(
    struct kit *k, struct kit_outcome *ret, model_id m, job_id j, bool promote, unsigned seed, bool protect)
{
        struct kit_outcome *w = ret;
        struct task *tasks;
        size_t n;

        memset(w, 0, sizeof(*w));
        for (int i = 0; i < KIT_P; i++) {
                w->theta[i] = (float)seed + (float)i / 16;
                w->fisher[i] = 1.0f + (float)seed / 32;
                w->anchor[i] = w->theta[i] - 1;
        }
        w->theta[0] = nanf("0x1234"); /* bits, not numbers, must come back */
        w->o = (struct outcome){.job = j,
            .promote = promote,
            .reason = promote ? "promoted: better" : "rejected: worse",
            .n_outputs = 3,
            .outputs = w->outputs,
            .n_params = KIT_P,
            .lambda = 0.25,
            .program = "ewcd test",
            .before = w->before,
            .after = w->after};
        for (uint32_t i = 0; i < 3; i++)
                w->outputs[i] = (struct output_row){0, i};
        w->o.theta = kit_blob(k, w->theta, KIT_P);
        if (protect) {
                w->o.fisher = kit_blob(k, w->fisher, KIT_P);
                w->o.anchor = kit_blob(k, w->anchor, KIT_P);
                w->o.fisher_scale = 1.5;
                w->o.fisher_kind = EWC_FISHER_EXACT;
                w->o.fisher_samples = 40;
                w->close = (struct task_close){.fisher = w->o.fisher,
                    .anchor = w->o.anchor,
                    .info = {EWC_FISHER_EXACT, 40, KIT_P, 0.125, 1.5},
                    .alpha = 0.75,
                    .n_outputs = 3};
        }
        assert_int_equal(store_task_list(k->s, m, &k->a, &tasks, &n, &k->e), 0);
        assert_true(n <= 8);
        w->o.n_evaluations = n;
        for (size_t i = 0; i < n; i++) {
                w->before[i] = (struct evaluation){.task = tasks[i].id, .n = 10, .accuracy = 0.5, .loss = 0.75};
                w->after[i] = (struct evaluation){.task = tasks[i].id, .n = 10, .accuracy = 0.875, .loss = 0.25};
        }
}

version_id kit_consolidate(struct kit *k, model_id m, unsigned seed, bool promote)
{
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        struct kit_outcome w;
        version_id v = 0;

        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, promote, seed, false);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        return v;
}

version_id kit_roll(struct kit *k, model_id m, const char *next_task, unsigned seed)
{
        job_id j = kit_job(k, m, next_task, false, 0, NULL);
        struct kit_outcome w;
        version_id v = 0;

        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, seed, true);
        int r = store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e);
        if (r != 0)
                fail_msg("store_rollover_commit: %d %s", r, k->e.msg);
        return v;
}

version_id kit_candidate(struct kit *k, model_id m, unsigned seed)
{
        job_id j = kit_ask(k, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE});
        struct kit_outcome w;
        version_id v = 0;

        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, false, seed, false);
        w.o.candidate = true;
        w.o.reason = "candidate: waits";
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        return v;
}

struct version kit_version(struct kit *k, model_id m, uint64_t number)
{
        struct version v;

        if (store_version_by_number(k->s, m, number, &k->a, &v, &k->e) != 0)
                fail_msg("store_version_by_number: %s", k->e.msg);
        return v;
}

struct alias kit_alias(struct kit *k, model_id m, const char *name)
{
        struct alias a;

        if (store_alias_get(k->s, m, name, &a, &k->e) != 0)
                fail_msg("store_alias_get: %s", k->e.msg);
        return a;
}

struct told {
        size_t n, want; /* rows; the one that is compared, from 0 */
        const char *what, *detail;
};

static int tell(void *arg, const struct audit *a)
{
        struct told *t = arg;

        if (t->n++ == t->want && t->what) {
                assert_string_equal(a->what, t->what);
                assert_string_equal(a->detail, t->detail);
        }
        return 0;
}

void kit_told(struct kit *k, model_id m, size_t back, const char *what, const char *detail)
{
        struct told count = {0}, t = {.what = what, .detail = detail};

        assert_int_equal(store_audit_list(k->s, m, tell, &count, &k->e), 0);
        assert_true(back < count.n);
        t.want = count.n - 1 - back;
        assert_int_equal(store_audit_list(k->s, m, tell, &t, &k->e), 0);
}
