/* test_batch.c: who is run with whom, when, and that nobody gets another's answer. Time stands still but where a test
 * moves it; the versions' batch sizes are set by the tests, not measured. */
#include "infer/batch.h"
#include "infer/batch_size.h"
#include "infer/served.h"
#include "lib/fake_clock.h"
#include "house.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MANY = 300, BIG = 200 };

static const struct output_row shared[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};

struct ask { /* one request */
        struct batch_job job;
        float x[BIG][HOUSE_I], probs[BIG][HOUSE_O], u[BIG];
        const struct served_task *chosen[BIG];
        int place, outcome; /* place: the how manieth to be answered, from 1; 0: not yet */
};

static struct kit {
        struct house h;
        struct fake_clock clock;
        struct served *a, *b; /* versions of two models */
        struct batch *batch;
        size_t n_runs, run[1000];
        uint64_t run_ns, answer_ms; /* in all runs; what an answer takes to go out */
} k;
static struct ask ask[MANY];
static int answered;

static void ran(void *arg, const struct served *s, size_t rows, uint64_t ns)
{
        (void)s;
        struct kit *kit = arg;
        kit->run_ns += ns;
        kit->run[kit->n_runs++ % 1000] = rows;
}

static void done(struct batch_job *j, int outcome)
{
        struct ask *a = (struct ask *)(void *)j;
        assert_int_equal(a->place, 0);
        a->place = ++answered;
        a->outcome = outcome;
        fake_clock_advance_ms(&k.clock, k.answer_ms);
}

static struct served *load(model_id m)
{
        struct served *s;
        if (served_load(k.h.s, &(struct served_want){.model = m}, &s, &k.h.e) != 0)
                fail_msg("%s", k.h.e.msg);
        assert_true(s->batch_rows >= 1 && s->batch_rows <= BATCH_MAX_ROWS);
        s->batch_rows = BATCH_MAX_ROWS;
        return s;
}

static void batch_with(struct batch_conf c)
{
        batch_free(k.batch);
        c.ran = ran;
        c.arg = &k;
        assert_int_equal(batch_new(&k.batch, &c, &k.clock.clock, &k.h.e), 0);
        k.n_runs = 0;
        answered = 0;
}

static int setup(void **state)
{
        (void)state;
        k = (struct kit){0};
        memset(ask, 0, sizeof(ask));
        fake_clock_init(&k.clock, 0);
        house_open(&k.h);
        model_id with = house_model(&k.h, "a", SCENARIO_DOMAIN);
        float fisher[HOUSE_P];
        for (int i = 0; i < HOUSE_P; i++)
                fisher[i] = (float)((i * 5) % 7) / 4.0f;
        house_feedback(&k.h, with, 1, 1);
        house_step(&k.h, &(struct house_step){.model = with,
                             .n_outputs = 4,
                             .outputs = shared,
                             .theta = k.h.theta,
                             .fisher = fisher,
                             .kind = EWC_FISHER_EXACT,
                             .next_task = "two"});
        k.a = load(with);
        k.b = load(house_model(&k.h, "b", SCENARIO_TASK));
        batch_with((struct batch_conf){.rows = 64, .queue_rows = 100000});
        for (size_t i = 0; i < MANY; i++) {
                for (size_t n = 0; n < BIG * HOUSE_I; n++)
                        ask[i].x[n / HOUSE_I][n % HOUSE_I] = (float)((i * 131 + n * 37) % 1009) / 500.0f - 1.0f;
        }
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        batch_free(k.batch);
        served_unref(k.a);
        served_unref(k.b);
        house_close(&k.h);
        return 0;
}

static struct batch_job *fill(size_t i, struct served *s, size_t rows)
{
        struct ask *a = &ask[i];
        a->place = a->outcome = 0;
        a->job = (struct batch_job){.version = s,
            .task = s->open,
            .rows = rows,
            .raw = a->x[0],
            .answer = {.stride = s->open->head.n, .probs = a->probs[0]},
            .arrived_ns = clock_mono_ns(&k.clock.clock),
            .done = done};
        return &a->job;
}

static void add(size_t i, struct served *s, size_t rows)
{
        assert_int_equal(batch_add(k.batch, fill(i, s, rows)), 0);
}

/* The same request by itself. */
static void check_alone(size_t i)
{
        static float probs[BIG][HOUSE_O], u[BIG];
        static const struct served_task *chosen[BIG];
        const struct ask *a = &ask[i];
        const struct batch_job *j = &a->job;
        struct served_answer alone = {.stride = j->answer.stride,
            .probs = probs[0],
            .uncertainty = j->answer.uncertainty ? u : NULL,
            .chosen = j->answer.chosen ? chosen : NULL};
        _Alignas(64) static char ws[1 << 20];
        assert_true(served_answer_workspace(j->version, j->rows) <= sizeof(ws));
        assert_int_equal(a->outcome, 0);
        assert_true(a->place > 0);
        assert_int_equal(served_answer(j->version, j->task, j->rows, j->raw, &alone, ws), 0);
        assert_memory_equal(a->probs, probs, j->rows * j->answer.stride * sizeof(float));
        if (alone.uncertainty)
                assert_memory_equal(a->u, u, j->rows * sizeof(float));
        if (alone.chosen)
                assert_memory_equal(a->chosen, chosen, j->rows * sizeof(*chosen));
}

static void run_all(void)
{
        for (int i = 0; batch_turn(k.batch); i++)
                assert_true(i < 10000);
}

static void what_is_there_is_run_together(void **state)
{
        (void)state;
        assert_false(batch_turn(k.batch));
        add(0, k.a, 1);
        assert_int_equal(ask[0].place, 0); /* never inside batch_add */
        assert_false(batch_turn(k.batch));
        assert_int_equal(ask[0].place, 1);
        assert_int_equal(k.n_runs, 1);
        for (size_t i = 1; i < 40; i++)
                add(i, k.a, 1);
        assert_false(batch_turn(k.batch));
        assert_int_equal(k.n_runs, 2);
        assert_int_equal(k.run[1], 39);
        for (size_t i = 0; i < 40; i++) {
                assert_int_equal(ask[i].place, i + 1);
                check_alone(i);
        }
}

static uint32_t draw(uint32_t *seed, uint32_t n)
{
        *seed = *seed * 1664525u + 1013904223u;
        return (*seed >> 16) % n;
}

/* Versions, heads, levels, sizes and what is wanted, all at random. */
static void answers_are_never_mixed(void **state)
{
        (void)state;
        uint32_t seed = 1;
        for (int round = 0; round < 20; round++) {
                batch_with((struct batch_conf){.rows = 1 + draw(&seed, 64), .queue_rows = 1000000});
                k.a->batch_rows = 1 + draw(&seed, 64);
                for (size_t i = 0; i < MANY; i++) {
                        struct served *s = draw(&seed, 3) ? k.a : k.b;
                        struct batch_job *j = fill(i, s, draw(&seed, 10) ? 1 + draw(&seed, 3) : 1 + draw(&seed, BIG));
                        j->priority = draw(&seed, 12);
                        if (draw(&seed, 2))
                                j->answer.uncertainty = ask[i].u;
                        if (draw(&seed, 3) == 0) {
                                j->task = NULL;
                                j->answer.chosen = ask[i].chosen;
                                j->answer.stride = served_widest(s);
                        }
                        memset(ask[i].probs, 0, sizeof(ask[i].probs));
                        memset(ask[i].u, 0, sizeof(ask[i].u));
                        assert_int_equal(batch_add(k.batch, j), 0);
                        if (draw(&seed, 20) == 0)
                                batch_turn(k.batch);
                }
                run_all();
                assert_int_equal(answered, MANY);
                for (size_t i = 0; i < MANY; i++)
                        check_alone(i);
        }
}

static void a_large_one_does_not_starve_small_ones(void **state)
{
        (void)state;
        add(0, k.a, BIG);
        assert_true(batch_turn(k.batch));
        assert_int_equal(k.run[0], 64); /* and back to the sockets */
        for (size_t i = 1; i < 11; i++)
                add(i, k.a, 1);
        add(11, k.b, 3);
        run_all();
        for (size_t i = 1; i < 12; i++)
                assert_true(ask[i].place < ask[0].place);
        for (size_t i = 0; i < 12; i++)
                check_alone(i);
        batch_with((struct batch_conf){.rows = 64, .queue_rows = 100000});
        for (size_t i = 0; i < 3; i++) /* large ones take turns: a later smaller one overtakes */
                add(i, k.a, i == 2 ? 70 : BIG);
        run_all();
        assert_int_equal(ask[2].place, 1);
}

static void levels_come_in_order(void **state)
{
        (void)state;
        static const uint64_t priority[] = {3, 0, 1, 2, UINT32_MAX, 1, 8};
        static const int place[] = {5, 3, 1, 4, 6, 2, 7};
        for (size_t i = 0; i < 7; i++) {
                struct batch_job *j = fill(i, k.a, 1);
                j->priority = priority[i];
                assert_int_equal(batch_add(k.batch, j), 0);
        }
        run_all();
        for (size_t i = 0; i < 7; i++)
                assert_int_equal(ask[i].place, place[i]);
        struct batch_job *large = fill(0, k.a, BIG);
        assert_int_equal(batch_add(k.batch, large), 0);
        assert_true(batch_turn(k.batch));
        struct batch_job *high = fill(1, k.a, 64);
        high->priority = 1;
        assert_int_equal(batch_add(k.batch, high), 0);
        assert_true(batch_turn(k.batch));
        assert_true(ask[1].place > 0 && ask[0].place == 0);
        run_all();
        check_alone(0);
}

static void past_its_timeout_it_is_not_computed(void **state)
{
        (void)state;
        fill(0, k.a, 1)->timeout_us = 1000;
        assert_int_equal(batch_add(k.batch, &ask[0].job), 0);
        fill(1, k.a, BIG)->timeout_us = 2000;
        assert_int_equal(batch_add(k.batch, &ask[1].job), 0);
        fill(2, k.a, 1)->timeout_us = UINT64_MAX;
        assert_int_equal(batch_add(k.batch, &ask[2].job), 0);
        fake_clock_advance_ms(&k.clock, 1); /* the very moment is too late */
        assert_true(batch_turn(k.batch));
        assert_int_equal(ask[0].outcome, BATCH_LATE);
        assert_int_equal(ask[0].job.start_ns, 0);
        assert_int_equal(ask[1].place, 0);
        fake_clock_advance_ms(&k.clock, 1);
        run_all();
        assert_int_equal(ask[1].outcome, BATCH_LATE);
        assert_int_equal(k.n_runs, 2);
        check_alone(2);
        fill(3, k.a, 1)->timeout_us = 5000;
        assert_int_equal(batch_add(k.batch, &ask[3].job), 0);
        fake_clock_advance_ms(&k.clock, 4);
        run_all();
        check_alone(3);
}

/* Answers go out between two batches of a turn; the net has not run meanwhile. */
static void what_answers_take_is_not_the_nets_time(void **state)
{
        (void)state;
        k.answer_ms = 1;
        k.a->batch_rows = 1;
        add(0, k.a, 1);
        add(1, k.a, 1);
        assert_false(batch_turn(k.batch));
        assert_int_equal(k.n_runs, 2);
        assert_int_equal(k.run_ns, 0);
        assert_int_equal(ask[1].job.run_ns, 0);
        assert_int_equal(ask[1].job.start_ns - ask[1].job.arrived_ns, 1000000); /* it has waited for them */
}

static void one_bad_row_spoils_only_its_own(void **state)
{
        (void)state;
        float kept = ask[5].x[1][0];
        ask[5].x[1][0] = 3e38f;
        for (size_t i = 0; i < 10; i++)
                add(i, k.a, 2);
        run_all();
        for (size_t i = 0; i < 10; i++) {
                if (i == 5)
                        assert_int_equal(ask[i].outcome, EWC_E_NONFINITE);
                else
                        check_alone(i);
        }
        ask[5].x[1][0] = kept;
}

static void the_queue_is_bounded(void **state)
{
        (void)state;
        batch_with((struct batch_conf){.rows = 64, .queue_rows = 100, .age_ns = 5000000});
        add(0, k.a, BIG); /* more than all, when nothing waits */
        assert_int_equal(batch_add(k.batch, fill(1, k.a, 1)), BATCH_FULL);
        run_all();
        add(0, k.a, 60);
        add(1, k.a, 40);
        assert_int_equal(batch_add(k.batch, fill(2, k.a, 1)), BATCH_FULL);
        batch_drop(k.batch, &ask[0].job);
        add(2, k.a, 60);
        run_all();
        assert_int_equal(ask[0].place, 0);
        check_alone(1);
        check_alone(2);
        add(0, k.a, 1);
        fake_clock_advance_ms(&k.clock, 6);
        assert_int_equal(batch_add(k.batch, fill(1, k.a, 1)), BATCH_FULL);
        fill(2, k.a, 1)->priority = 1; /* a level of its own, where nobody waits */
        assert_int_equal(batch_add(k.batch, &ask[2].job), 0);
        run_all();
        add(3, k.a, 1);
        run_all();
        check_alone(3);
}

static void who_leaves_is_not_computed(void **state)
{
        (void)state;
        for (size_t i = 0; i < 5; i++)
                add(i, k.a, i == 0 ? BIG : 1);
        batch_drop(k.batch, &ask[1].job);
        batch_drop(k.batch, &ask[4].job);
        assert_true(batch_turn(k.batch));
        batch_drop(k.batch, &ask[0].job); /* half done */
        run_all();
        assert_int_equal(answered, 2);
        assert_int_equal(ask[0].place + ask[1].place + ask[4].place, 0);
        check_alone(2);
        check_alone(3);
}

static void what_waits_keeps_its_version(void **state)
{
        (void)state;
        add(0, k.a, 1);
        add(1, k.a, BIG);
        add(2, k.b, 1);
        batch_hold(k.batch);
        batch_hold(k.batch);
        assert_int_equal(atomic_load(&k.a->refs), 3);
        batch_drop(k.batch, &ask[2].job);
        assert_int_equal(atomic_load(&k.b->refs), 1);
        run_all();
        assert_int_equal(atomic_load(&k.a->refs), 1);
        add(0, k.a, 1);
        batch_hold(k.batch);
        batch_with((struct batch_conf){.rows = 64, .queue_rows = 100});
        assert_int_equal(atomic_load(&k.a->refs), 1);
}

static void a_batch_is_no_larger_than_is_worth_it(void **state)
{
        (void)state;
        k.b->batch_rows = 4;
        for (size_t i = 0; i < 20; i++)
                add(i, i % 2 ? k.a : k.b, 1);
        assert_false(batch_turn(k.batch)); /* one turn for all, though in four runs */
        static const size_t runs[] = {4, 10, 4, 2};
        assert_int_equal(k.n_runs, 4);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(k.run[i], runs[i]);
        for (size_t i = 0; i < 20; i++)
                check_alone(i);
        struct batch *none;
        assert_true(batch_new(&none, &(struct batch_conf){.rows = 0}, &k.clock.clock, &k.h.e) < 0);
        assert_true(batch_new(&none, &(struct batch_conf){.rows = 65}, &k.clock.clock, &k.h.e) < 0);
}

static uint64_t ticks;

/* Every run takes 3 ms, whatever its size: the more rows the better. */
static uint64_t gains(void *arg)
{
        (void)arg;
        return ticks += 3000000;
}

/* A single row keeps the loop for long already. */
static uint64_t too_slow(void *arg)
{
        (void)arg;
        return ticks += 6000000;
}

static void the_size_is_measured(void **state)
{
        (void)state;
        struct clock c = {.mono_ns = gains};
        assert_int_equal(batch_size_measure(k.a, &c), BATCH_MAX_ROWS);
        c.mono_ns = too_slow;
        assert_int_equal(batch_size_measure(k.a, &c), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
            T(what_is_there_is_run_together),
            T(answers_are_never_mixed),
            T(a_large_one_does_not_starve_small_ones),
            T(levels_come_in_order),
            T(past_its_timeout_it_is_not_computed),
            T(what_answers_take_is_not_the_nets_time),
            T(one_bad_row_spoils_only_its_own),
            T(the_queue_is_bounded),
            T(who_leaves_is_not_computed),
            T(what_waits_keeps_its_version),
            T(a_batch_is_no_larger_than_is_worth_it),
            T(the_size_is_measured),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
