/* A stored version's answers to rows: against the learner's own count of right ones, and the heads it has. */
#include "super/scorer.h"
#include "base/mem.h"
#include "job_kit.h"
#include "lib/fake_clock.h"
#include "lib/tmpdir.h"
#include "proto/json_model.h"
#include <ewc/train.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { N = 40, O = 4, P = 18 + 7 * O };

struct bench {
        struct store *s;
        struct fake_clock clock;
        struct arena a;
        struct err e;
        struct model_kit kit;
        model_id m;
        struct model_spec spec;
        struct task *tasks;
        size_t n_tasks;
        struct scorer scorer;
        struct tile tile;
        struct score score[N];
        float theta[P];
};

static int take(void *arg, const struct feedback *row)
{
        struct bench *b = arg;
        assert_true(tile_take(&b->tile, &b->spec, row));
        return 0;
}

/* Sigmoid: classes a and b by the first input, c and d never, so that half of the rows are right on all sides. */
static void set_theta(struct bench *b, enum ewc_loss loss)
{
        struct ewc_rng rng;
        ewc_rng_seed(&rng, 3, 0);
        for (size_t i = 0; i < P; i++)
                b->theta[i] =
                    loss == EWC_LOSS_SIGMOID ? 0 : (float)((double)(ewc_rng_u64(&rng) >> 40) / (1 << 23) - 1);
        if (loss != EWC_LOSS_SIGMOID)
                return;
        b->theta[0] = 4;
        b->theta[18] = -3;
        b->theta[24] = 3;
        b->theta[P - 2] = b->theta[P - 1] = -3;
}

/* Rows of classes a and b before the version, of c and d after it. */
static void bench_open(struct bench *b, enum scenario scenario, enum ewc_loss loss)
{
        memset(b, 0, sizeof(*b));
        arena_init(&b->a, 1 << 22);
        fake_clock_init(&b->clock, 1700000000000);
        const struct store_open how = {.clock = &b->clock.clock};
        assert_int_equal(store_open(&b->s, &store_memory, &how, &b->e), 0);
        kit_defaults(&b->kit);
        b->kit.scenario = scenario;
        b->kit.loss = loss;
        b->kit.open_classes = true;
        assert_int_equal(kit_model_create(b->s, &b->kit, "m", &b->m, &b->e), 0);
        assert_int_equal(kit_rows_add(b->s, &b->kit, b->m, 0, N / 2, 0, 1, &b->e), 0);
        set_theta(b, loss);
        version_id v = kit_version(b->s, b->m, KIT_PROMOTED, b->theta, P, N / 2, &b->e);
        assert_int_equal(kit_rows_add(b->s, &b->kit, b->m, N / 2, N / 2, 2, 3, &b->e), 0);
        struct model m;
        assert_int_equal(store_model_by_id(b->s, b->m, &b->a, &m, &b->e), 0);
        assert_int_equal(json_spec_read(m.spec_json, &b->a, &b->spec, &b->e), 0);
        b->spec.n_classes = m.n_classes;
        b->spec.scenario = scenario;
        assert_int_equal(store_task_list(b->s, b->m, &b->a, &b->tasks, &b->n_tasks, &b->e), 0);
        assert_int_equal(scorer_open(b->s, v, &b->spec, b->n_tasks, b->tasks, &b->a, &b->scorer, &b->e), 0);
        assert_int_equal(tile_init(&b->tile, &b->spec, &b->e), 0);
        const struct feedback_filter all = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        assert_int_equal(store_feedback_scan(b->s, b->m, &all, take, b, &b->e), 0);
        assert_int_equal(b->tile.n, N);
        assert_int_equal(scorer_run(b->s, &b->scorer, &b->tile, b->score, &b->e), 0);
}

static void bench_close(struct bench *b)
{
        tile_deinit(&b->tile);
        scorer_close(&b->scorer);
        store_close(b->s);
        arena_deinit(&b->a);
}

/* How many of the first n rows the learner would count as right under a head. */
static size_t counted(struct bench *b, size_t n, const struct ewc_head *head)
{
        int32_t label[N];
        struct ewc_score score = {0};
        for (size_t i = 0; i < n; i++)
                label[i] = b->tile.row[i].class; /* output i is class i here */
        const struct ewc_batch batch = {
            .n = n, .x = b->tile.x, .label = b->tile.targets ? NULL : label, .target = b->tile.targets};
        _free_ void *ws = mem_aligned(1, ewc_train_workspace(b->scorer.net, n), 64);
        assert_int_equal(ewc_train_score(b->scorer.net, head, &batch, &score, ws), 0);
        return score.correct;
}

static size_t answers(const struct bench *b, enum answer a, size_t from, size_t to)
{
        size_t n = 0;
        for (size_t i = from; i < to; i++)
                n += b->score[i].answer == a;
        return n;
}

static void test_all_outputs(void **state)
{
        (void)state;
        static const enum ewc_loss losses[] = {EWC_LOSS_SOFTMAX, EWC_LOSS_SIGMOID};
        for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
                static struct bench b;
                bench_open(&b, SCENARIO_DOMAIN, losses[i]);
                size_t right = counted(&b, N, NULL);
                assert_true(right > 0 && right < N);
                assert_int_equal(answers(&b, ANSWER_RIGHT, 0, N), right);
                assert_int_equal(answers(&b, ANSWER_NONE, 0, N), 0);
                bench_close(&b);
        }
}

/* Its head is what it was trained on: classes that came in later have no output yet. */
static void test_growing_head(void **state)
{
        (void)state;
        static struct bench b;
        static const uint32_t both[] = {0, 1};
        const struct ewc_head head = {2, both};
        bench_open(&b, SCENARIO_CLASS, EWC_LOSS_SOFTMAX);
        assert_int_equal(b.tasks[0].n_classes, 4);
        assert_int_equal(b.scorer.heads[0].n, 2);
        assert_int_equal(answers(&b, ANSWER_RIGHT, 0, N / 2), counted(&b, N / 2, &head));
        assert_int_equal(answers(&b, ANSWER_NONE, N / 2, N), N / 2);
        bench_close(&b);
}

static void test_squared(void **state)
{
        (void)state;
        static struct bench b;
        float y[N * O];
        bench_open(&b, SCENARIO_DOMAIN, EWC_LOSS_SQUARED);
        _free_ void *ws = mem_aligned(1, ewc_net_workspace(b.scorer.net, N), 64);
        assert_int_equal(ewc_net_forward(b.scorer.net, N, b.tile.x, y, ws), 0);
        for (size_t i = 0; i < N; i++) {
                double sum = 0;
                for (size_t o = 0; o < O; o++)
                        sum += pow((double)y[i * O + o] - (double)b.tile.targets[i * O + o], 2) / 2;
                assert_true(fabs(b.score[i].error - sum) < 1e-9);
                assert_int_equal(b.score[i].answer, ANSWER_WRONG);
        }
        bench_close(&b);
}

static void test_unusable(void **state)
{
        (void)state;
        static struct bench b;
        float x[] = {1, NAN}, wide[] = {1, 2, 3}, good[] = {1, 2};
        bench_open(&b, SCENARIO_DOMAIN, EWC_LOSS_SOFTMAX);
        b.tile.n = 0;
        struct feedback row = {.n_inputs = 2, .inputs = x, .class = 0};
        assert_false(tile_take(&b.tile, &b.spec, &row));
        row.n_inputs = 3;
        row.inputs = wide;
        assert_false(tile_take(&b.tile, &b.spec, &row));
        row.n_inputs = 2;
        row.inputs = good;
        row.class = -1;
        assert_false(tile_take(&b.tile, &b.spec, &row));
        row.class = 1;
        assert_true(tile_take(&b.tile, &b.spec, &row));
        assert_true(b.tile.x[0] > 0.74f && b.tile.x[0] < 0.76f); /* scaled */
        row.task = 999;                                          /* of a task it does not know */
        b.tile.row[0].task = 999;
        assert_int_equal(scorer_run(b.s, &b.scorer, &b.tile, b.score, &b.e), 0);
        assert_int_equal(b.score[0].answer, ANSWER_NONE);
        bench_close(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_outputs), cmocka_unit_test(test_growing_head),
            cmocka_unit_test(test_squared), cmocka_unit_test(test_unusable)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
