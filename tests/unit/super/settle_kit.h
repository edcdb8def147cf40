/* settle_kit.h: a world with a store, and a job from its creation to its settlement, for the tests of settle_*.c. The
 * learner is run in place. Assertions inside are cmocka's. */
#pragma once
#include "base/file.h"
#include "domain/learn_job.h"
#include "job_kit.h"
#include "learner/learn.h"
#include "lib/fake_clock.h"
#include "lib/tmpdir.h"
#include "proto/bundle.h"
#include "super/export.h"
#include "super/settle.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct world {
        struct fake_clock clock;
        struct store *s;
        struct arena a;
        struct err e;
        char *dir, job_path[256], result_path[256];
        struct model_kit kit;
        model_id m;
        struct job job;
        struct file_map map;
        struct learn_job file; /* as the learner read it */
        struct settlement *got;
};

static inline void begin(struct world *w)
{
        memset(w, 0, sizeof(*w));
        fake_clock_init(&w->clock, 1700000000000);
        arena_init(&w->a, 1 << 26);
        const struct store_open how = {.clock = &w->clock.clock};
        assert_int_equal(store_open(&w->s, &store_memory, &how, &w->e), 0);
        w->dir = tmpdir_new();
        tmpdir_path(w->job_path, sizeof(w->job_path), w->dir, "job");
        tmpdir_path(w->result_path, sizeof(w->result_path), w->dir, "result");
        kit_defaults(&w->kit);
}

static inline void finish(struct world *w)
{
        settlement_free(w->got);
        file_unmap(&w->map);
        store_close(w->s);
        arena_deinit(&w->a);
        tmpdir_remove(w->dir);
}

static inline void must(struct world *w, int r)
{
        if (r != 0)
                fail_msg("%d: %s", r, w->e.msg);
}

/* A job of everything that is new: claimed, exported, learned, in JUDGING. */
static inline void learn(struct world *w, const char *next_task)
{
        job_id id;
        struct digest d;
        struct learn_result r = {0};
        const struct job_new n = {.model = w->m,
            .kind = next_task ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .trigger = TRIGGER_MANUAL,
            .next_task = next_task,
            .who = "tester"};
        must(w, store_job_create(w->s, &n, &id, &w->e));
        must(w, store_job_claim(w->s, id, 77, &w->e));
        must(w, store_job_get(w->s, id, &w->a, &w->job, &w->e));
        must(w, export_job(w->s, &w->job, &(struct export_conf){.path = w->job_path, .threads = 1}, NULL, &w->e));
        file_unmap(&w->map);
        must(w, bundle_read_job(w->job_path, &w->a, &w->map, &w->file, &d, &w->e));
        must(w, learn_run(&w->file, NULL, &r, &w->e));
        must(w, bundle_write_result(w->result_path, &d, &w->file.net, &r, &w->e));
        learn_result_free(&r);
        must(w, store_job_move(w->s, id, JOB_EXPORTING, JOB_RUNNING, NULL, &w->e));
        must(w, store_job_move(w->s, id, JOB_RUNNING, JOB_JUDGING, NULL, &w->e));
}

static inline struct settlement *settle(struct world *w, const char *refusal)
{
        const struct settle_conf c = {w->job_path, w->result_path, "t", refusal};
        settlement_free(w->got);
        w->got = NULL;
        must(w, settle_prepare(w->s, &w->job, &c, &w->got, &w->e));
        return w->got;
}

static inline void stage_blobs(struct world *w, const struct settlement *t)
{
        for (size_t i = 0; i < t->n_blobs; i++) {
                bool complete;
                must(w, store_blob_chunk(w->s, &t->blobs[i].digest, t->blobs[i].size, 0, t->blobs[i].data,
                            t->blobs[i].size, &complete, &w->e));
        }
}

static inline void commit(struct world *w)
{
        const struct settlement *t = settle(w, NULL);
        version_id v;
        assert_true(t->outcome.promote);
        stage_blobs(w, t);
        if (w->job.kind == JOB_ROLLOVER)
                must(w, store_rollover_commit(w->s, &t->outcome, t->has_close ? &t->close : NULL, &v, &w->e));
        else
                must(w, store_consolidation_commit(w->s, &t->outcome, &v, &w->e));
}

/* Task low learned; held_out: with rows to judge it by. */
static inline void learn_low(struct world *w, bool held_out)
{
        must(w, kit_model_create(w->s, &w->kit, "m", &w->m, &w->e));
        for (int i = 4; i < 64; i += 8)
                must(w, kit_rows_add(w->s, &w->kit, w->m, i, held_out ? 8 : 4, 0, 1, &w->e));
        learn(w, "high");
}

/* Task low closed in one head with high, and nothing holds it there: a training of high moves all its answers. */
static inline void close_low_unheld(struct world *w, double max_forgetting)
{
        w->kit.scenario = SCENARIO_DOMAIN;
        w->kit.learning.gate_max_forgetting = max_forgetting;
        w->kit.learning.optimizer_rate = 1;
        w->kit.learning.lambda_auto = false;
        w->kit.learning.lambda = 0;
        learn_low(w, true);
        commit(w);
}

/* Task low closed, high trained twice: its anchor is not where the last training began. */
static inline void learn_high(struct world *w, bool held_out)
{
        learn_low(w, held_out);
        commit(w);
        must(w, kit_rows_add(w->s, &w->kit, w->m, 100, 32, 2, 3, &w->e));
        learn(w, NULL);
        commit(w);
        must(w, kit_rows_add(w->s, &w->kit, w->m, 200, 32, 2, 3, &w->e));
        learn(w, NULL);
}
