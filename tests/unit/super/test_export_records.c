/* What an export makes of closed tasks' records: packed ones, damaged ones, factors, heads without rows. */
#include "base/file.h"
#include "domain/pack.h"
#include "job_kit.h"
#include "lib/fake_clock.h"
#include "lib/tmpdir.h"
#include "proto/bundle.h"
#include "super/export.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { P = 18 + 2 * 7 };

static const struct ewc_spec net = {.n_inputs = KIT_INPUTS,
    .n_outputs = 2,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}};

struct world {
        struct fake_clock clock;
        struct store *s;
        struct arena a;
        struct err e;
        char *dir, path[256];
        struct model_kit kit;
        model_id m;
        struct job job;
        task_id low;
        float theta[P], fisher[P];
        struct packed packed;
};

static void begin(struct world *w)
{
        memset(w, 0, sizeof(*w));
        fake_clock_init(&w->clock, 1700000000000);
        arena_init(&w->a, 1 << 24);
        const struct store_open how = {.clock = &w->clock.clock};
        assert_int_equal(store_open(&w->s, &store_memory, &how, &w->e), 0);
        w->dir = tmpdir_new();
        tmpdir_path(w->path, sizeof(w->path), w->dir, "job");
        kit_defaults(&w->kit);
        for (int i = 0; i < P; i++) {
                w->theta[i] = (float)i;
                w->fisher[i] = 1.0f + (float)(i % 5);
        }
}

static void finish(struct world *w)
{
        free(w->packed.bytes);
        store_close(w->s);
        arena_deinit(&w->a);
        tmpdir_remove(w->dir);
}

static void claim(struct world *w, const char *next_task)
{
        job_id id;
        const struct job_new n = {.model = w->m,
            .kind = next_task ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = TRIGGER_MANUAL,
            .next_task = next_task,
            .who = "tester"};
        assert_int_equal(store_job_create(w->s, &n, &id, &w->e), 0);
        assert_int_equal(store_job_claim(w->s, id, 77, &w->e), 0);
        assert_int_equal(store_job_get(w->s, id, &w->a, &w->job, &w->e), 0);
}

static struct digest blob(struct world *w, const void *v, size_t size)
{
        struct digest d;
        bool complete = false;
        digest_of(v, size, &d);
        assert_int_equal(store_blob_chunk(w->s, &d, size, 0, v, size, &complete, &w->e), 0);
        assert_true(complete);
        return d;
}

/* The first task closed with the Fisher as w->packed has it, rows for the second one. */
static void close_low(struct world *w, double factor)
{
        assert_int_equal(kit_model_create(w->s, &w->kit, "m", &w->m, &w->e), 0);
        assert_int_equal(kit_rows_add(w->s, &w->kit, w->m, 0, 16, 0, 1, &w->e), 0);
        claim(w, "high");
        w->low = w->job.task;
        const struct output_row two[] = {{w->low, 0}, {w->low, 1}};
        struct evaluation ev = {.task = w->low, .n = 5, .accuracy = 0.5, .loss = 0.5};
        struct outcome o = {.job = w->job.id,
            .promote = true,
            .reason = "promoted",
            .n_outputs = 2,
            .outputs = two,
            .n_params = P,
            .theta = blob(w, w->theta, sizeof(w->theta)),
            .program = "t",
            .n_evaluations = 1,
            .before = &ev,
            .after = &ev};
        struct task_close close = {.fisher = w->packed.bytes ? blob(w, w->packed.bytes, w->packed.size)
                                                             : blob(w, w->fisher, sizeof(w->fisher)),
            .anchor = o.theta,
            .info = {EWC_FISHER_EXACT, 9, P, factor, 1},
            .stored = w->packed.stored,
            .alpha = 1,
            .n_outputs = 2};
        version_id v;
        o.fisher = o.anchor = o.theta;
        assert_int_equal(store_job_move(w->s, w->job.id, JOB_EXPORTING, JOB_RUNNING, NULL, &w->e), 0);
        assert_int_equal(store_job_move(w->s, w->job.id, JOB_RUNNING, JOB_JUDGING, NULL, &w->e), 0);
        if (store_rollover_commit(w->s, &o, &close, &v, &w->e) != 0)
                fail_msg("%s", w->e.msg);
        assert_int_equal(kit_rows_add(w->s, &w->kit, w->m, 100, 16, 2, 3, &w->e), 0);
        claim(w, NULL);
}

static int export(struct world *w)
{
        return export_job(w->s, &w->job, &(struct export_conf){.path = w->path, .threads = 1}, NULL, &w->e);
}

static void pack(struct world *w)
{
        struct learning l = w->kit.learning;
        l.fisher_encoding = EWC_PACK_BITMAP16;
        l.fisher_keep = 0.25;
        assert_int_equal(fisher_pack(&net, &l, w->fisher, &w->packed, &w->e), 0);
}

static void read_back(struct world *w, struct file_map *map, struct learn_job *ret)
{
        struct digest d;
        int r = export(w);
        if (r != 0)
                fail_msg("%s", w->e.msg);
        assert_int_equal(bundle_read_job(w->path, &w->a, map, ret, &d, &w->e), 0);
}

/* The layout of the job has two outputs more than the record. */
static void test_packed_records_are_decoded(void **state)
{
        struct world w;
        struct file_map map = {0};
        struct learn_job job;
        (void)state;
        begin(&w);
        pack(&w);
        close_low(&w, 0.5);
        read_back(&w, &map, &job);
        assert_int_equal(job.n_past, 1);
        assert_int_equal(job.net.n_outputs, 4);
        assert_memory_equal(job.past[0].fisher, w.fisher, 30 * sizeof(float));
        assert_memory_equal(job.past[0].anchor, w.theta, 30 * sizeof(float));
        for (int i = 30; i < 42; i++)
                assert_true(job.past[0].fisher[i] == 0);
        assert_true(job.past[0].fisher[42] == w.fisher[30] && job.past[0].fisher[43] == w.fisher[31]);
        assert_int_equal(job.n_replay, 0);
        file_unmap(&map);
        finish(&w);
}

static void test_a_damaged_record_is_named(void **state)
{
        (void)state;
        for (int k = 0; k < 3; k++) {
                struct world w;
                begin(&w);
                pack(&w);
                unsigned char *b = w.packed.bytes;
                if (k == 0)
                        b[0] = 'X';
                else if (k == 1)
                        b[8]++; /* parameters */
                else
                        b[16 + 8]++; /* entries kept of the first tensor */
                close_low(&w, 0.5);
                assert_int_equal(export(&w), -EBADMSG);
                assert_non_null(strstr(w.e.msg, "fisher of task low"));
                assert_non_null(strstr(w.e.msg, "damaged"));
                assert_false(file_exists(w.path));
                finish(&w);
        }
}

static void test_raw_records_carry_their_factor(void **state)
{
        static const double factors[] = {0.25, 0};
        (void)state;
        for (int k = 0; k < 2; k++) {
                struct world w;
                struct file_map map = {0};
                struct learn_job job;
                begin(&w);
                w.kit.learning.penalty_scale = LEARN_SCALE_RAW;
                if (k == 1)
                        memset(w.fisher, 0, sizeof(w.fisher));
                close_low(&w, factors[k]);
                read_back(&w, &map, &job);
                assert_int_equal(job.plan.scale, LEARN_SCALE_RAW);
                assert_true(job.past[0].factor == (k == 0 ? 0.25 : 1)); /* zeros are zeros at any factor */
                file_unmap(&map);
                finish(&w);
        }
}

/* Distillation holds on to the outputs of closed tasks, and needs none of their rows. */
static void test_heads_without_rows(void **state)
{
        (void)state;
        for (uint32_t per_class = 0; per_class < 4; per_class += 3) {
                struct world w;
                struct file_map map = {0};
                struct learn_job job;
                begin(&w);
                w.kit.learning.distill_weight = 0.5;
                w.kit.learning.replay_per_class = per_class;
                close_low(&w, 0.5);
                read_back(&w, &map, &job);
                assert_int_equal(job.n_replay, 1);
                assert_int_equal(job.replay[0].task, w.low);
                assert_int_equal(job.replay[0].n, 2 * per_class);
                assert_int_equal(job.replay[0].head.n, 2);
                assert_int_equal(job.replay[0].head.out[1], 1);
                assert_true(job.plan.distill == 0.5 && job.plan.distill_temperature == 2);
                file_unmap(&map);
                finish(&w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_packed_records_are_decoded),
            cmocka_unit_test(test_a_damaged_record_is_named), cmocka_unit_test(test_raw_records_carry_their_factor),
            cmocka_unit_test(test_heads_without_rows)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
