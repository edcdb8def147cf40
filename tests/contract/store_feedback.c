/* store_feedback.c: rows, their order and fate, counters, groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_retry_is_a_duplicate(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), m2 = kit_model(k, "m2", SCENARIO_DOMAIN);
        struct feedback rows[4] = {
            kit_row("a", 0, false), kit_row("b", 1, false), kit_row("a", 2, false), kit_row("b", 1, false)};
        enum feedback_verdict v[4];
        struct receipt got;

        /* inside one call: another payload under a's key, b again */
        assert_int_equal(store_feedback_add(k->s, m, rows, 4, NULL, v, &got, &k->e), 0);
        assert_int_equal(v[0], FEEDBACK_ACCEPTED);
        assert_int_equal(v[1], FEEDBACK_ACCEPTED);
        assert_int_equal(v[2], FEEDBACK_CONFLICT);
        assert_int_equal(v[3], FEEDBACK_DUPLICATE);
        assert_int_equal(got.n_accepted, 2);
        assert_int_equal(got.n_duplicate, 1);
        assert_int_equal(got.n_conflict, 1);
        assert_int_equal(got.last_seq, got.first_seq + 1);
        kit_reopen(k);
        assert_int_equal(store_feedback_add(k->s, m, rows, 2, NULL, v, &got, &k->e), 0);
        assert_int_equal(got.n_accepted, 0);
        assert_int_equal(got.n_duplicate, 2);
        assert_int_equal(got.first_seq, 0);
        rows[0].source = "elsewhere"; /* another source is another key, another model too */
        assert_int_equal(store_feedback_add(k->s, m, rows, 1, NULL, v, &got, &k->e), 0);
        assert_int_equal(got.n_accepted, 1);
        assert_int_equal(got.n_superseded, 1); /* the earliest label of an event counts */
        assert_int_equal(store_feedback_add(k->s, m2, rows, 1, NULL, NULL, &got, &k->e), 0);
        assert_int_equal(got.n_accepted, 1);
        assert_int_equal(kit_rows(k, m), 2);
        assert_int_equal(store_feedback_add(k->s, 99, rows, 1, NULL, NULL, &got, &k->e), STORE_NOT_FOUND);
}

static void bad_rows_are_refused(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct feedback r = kit_row("", 0, false);
        struct receipt got;

        assert_int_equal(store_feedback_add(k->s, m, &r, 1, NULL, NULL, &got, &k->e), -EINVAL);
        r = kit_row("x", -1, false);
        assert_int_equal(store_feedback_add(k->s, m, &r, 1, NULL, NULL, &got, &k->e), -EINVAL);
        r = kit_row("x", 0, false);
        r.n_inputs = 0;
        assert_int_equal(store_feedback_add(k->s, m, &r, 1, NULL, NULL, &got, &k->e), -EINVAL);
        r = kit_row("x", MODEL_MAX_CLASSES, false);
        assert_int_equal(store_feedback_add(k->s, m, &r, 1, NULL, NULL, &got, &k->e), -EINVAL);
        assert_int_equal(kit_rows(k, m), 0);
}

struct seen {
        uint64_t n, last;
        bool rising;
        float first_input, last_target, weight;
        size_t n_targets;
        int64_t observed_ms;
};

static int see(void *arg, const struct feedback *f)
{
        struct seen *s = arg;

        s->n++;
        s->rising = s->rising && f->seq > s->last;
        s->last = f->seq;
        s->first_input = f->inputs[0];
        s->n_targets = f->n_targets;
        s->last_target = f->targets ? f->targets[f->n_targets - 1] : 0;
        s->weight = f->weight;
        s->observed_ms = f->observed_ms;
        return 0;
}

static struct seen scan(struct kit *k, model_id m, task_id t, struct seq_range range, int split)
{
        struct feedback_filter f = {.task = t, .range = range};
        struct seen s = {.rising = true};

        f.split = split == SPLIT_TRAIN ? SPLIT_TRAIN : split == SPLIT_HOLDOUT ? SPLIT_HOLDOUT : SPLIT_BOTH;
        assert_int_equal(store_feedback_scan(k->s, m, &f, see, &s, &k->e), 0);
        assert_true(s.rising);
        return s;
}

static void scans_filter_in_order(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        const struct seq_range all = {0, UINT64_MAX};
        uint64_t first = kit_fill(k, m, 0, 8).first_seq;
        task_id one = kit_task(k, m, NULL).id;

        kit_fill(k, other, 0, 5);
        kit_roll(k, m, "two", 1);
        kit_fill(k, m, 8, 12);
        task_id two = kit_task(k, m, NULL).id;
        assert_int_equal(scan(k, m, 0, all, SPLIT_BOTH).n, 12);
        assert_int_equal(scan(k, m, 0, all, SPLIT_HOLDOUT).n, 3);
        assert_int_equal(scan(k, m, one, all, SPLIT_TRAIN).n, 6);
        assert_int_equal(scan(k, m, two, all, SPLIT_BOTH).n, 4);
        assert_int_equal(scan(k, m, one, (struct seq_range){first, first + 3}, SPLIT_BOTH).n, 4);
        assert_int_equal(scan(k, m, 0, (struct seq_range){first + 4, first + 4}, SPLIT_BOTH).n, 1);
        assert_int_equal(scan(k, m, 0, (struct seq_range){5, 4}, SPLIT_BOTH).n, 0);
        assert_int_equal(scan(k, other, two, all, SPLIT_BOTH).n, 0);
}

static int stop(void *arg, const struct feedback *f)
{
        (void)f;
        return ++*(int *)arg == 2 ? -77 : 0;
}

static void a_callback_ends_the_walk(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_filter all = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        int calls = 0;

        kit_fill(k, m, 0, 5);
        assert_int_equal(store_feedback_scan(k->s, m, &all, stop, &calls, &k->e), -77);
        assert_int_equal(calls, 2);
        assert_int_equal(kit_rows(k, m), 5); /* the walk left nothing open */
        kit_fill(k, m, 5, 6);
}

static void values_come_back_bit_for_bit(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const float x[3] = {-0.0f, 1e-42f, 3.4e38f}, y[3] = {0, 1, -2.5f};
        struct feedback r = kit_row("e", 0, true);
        struct feedback_fate fate;

        r.class = -1;
        r.n_inputs = 3;
        r.inputs = x;
        r.n_targets = 3;
        r.targets = y;
        r.weight = 0.1f;
        r.observed_ms = 12345;
        r.source = "qa";
        kit_add(k, m, r);
        kit_reopen(k);
        struct seen s = scan(k, m, 0, (struct seq_range){0, UINT64_MAX}, SPLIT_BOTH);
        assert_memory_equal(&s.first_input, &x[0], 4);
        assert_int_equal(s.n_targets, 3);
        assert_memory_equal(&s.last_target, &y[2], 4);
        assert_memory_equal(&s.weight, &r.weight, 4);
        assert_int_equal(s.observed_ms, 12345);
        assert_int_equal(store_feedback_get(k->s, m, "e", &k->a, &fate, &k->e), 0);
        assert_string_equal(fate.row.source, "qa");
        assert_int_equal(fate.row.n_targets, 3);
        assert_memory_equal(fate.row.targets, y, sizeof(y));
        assert_true(digest_eq(&fate.row.payload, &r.payload));
        /* rows with targets use every class */
        assert_int_equal(kit_task(k, m, NULL).n_classes, 3);
}

static void fate_of_a_row(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct feedback_fate f;

        kit_fill(k, m, 0, 4);
        assert_int_equal(store_feedback_get(k->s, m, "e0", &k->a, &f, &k->e), 0);
        assert_int_equal(f.state, FEEDBACK_QUEUED);
        assert_string_equal(f.task_name, "one");
        kit_consolidate(k, m, 1, false);
        kit_consolidate(k, m, 2, true);
        kit_fill(k, m, 4, 5);
        assert_int_equal(store_feedback_get(k->s, m, "e0", &k->a, &f, &k->e), 0);
        assert_int_equal(f.state, FEEDBACK_USED);
        assert_int_equal(f.job, 1); /* the first that used it */
        assert_int_equal(f.version_number, 2);
        assert_int_equal(store_feedback_get(k->s, m, "e3", &k->a, &f, &k->e), 0);
        assert_int_equal(f.state, FEEDBACK_HELD_OUT);
        assert_int_equal(store_feedback_get(k->s, m, "e4", &k->a, &f, &k->e), 0);
        assert_int_equal(f.state, FEEDBACK_QUEUED);
        assert_int_equal(store_feedback_get(k->s, m, "nope", &k->a, &f, &k->e), STORE_NOT_FOUND);
}

static void counters_follow(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct counters c;

        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.n_new + c.n_open_train + c.last_seq + c.used_seq, 0);
        assert_false(c.job_active);
        kit_fill(k, m, 0, 8);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.n_new, 6);
        assert_int_equal(c.n_open_train, 6);
        assert_int_equal(c.n_open_holdout, 2);
        assert_int_equal(c.n_open_classes, 3);
        assert_int_equal(c.oldest_new_ms, 1700000000000);
        assert_int_equal(c.last_job_ended_ms, 0);
        fake_clock_advance_ms(&k->clock, 10);
        kit_consolidate(k, m, 1, false);
        fake_clock_advance_ms(&k->clock, 10);
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        kit_fill(k, m, 8, 9);
        kit_reopen(k);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.n_new, 1);
        assert_int_equal(c.n_open_train, 7);
        assert_int_equal(c.oldest_new_ms, 1700000000020);
        assert_int_equal(c.last_job_ended_ms, 1700000000010);
        assert_true(c.job_active);
        assert_int_equal(c.used_seq + 1, c.last_seq);
        assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_CANCELLED, "asked", &k->e), 0);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_false(c.job_active);
        assert_int_equal(c.n_new, 1); /* a cancelled job consumes nothing */
        struct task t = kit_task(k, m, NULL);
        assert_int_equal(t.n_train, 7);
        assert_int_equal(t.n_holdout, 2);
        assert_int_equal(t.last_seq, c.last_seq);
}

static void a_group_is_all_or_nothing(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        model_id id;
        struct receipt got;

        assert_int_equal(store_begin(k->s, &k->e), 0);
        kit_fill(k, m, 0, 3);
        store_abort(k->s);
        assert_int_equal(kit_rows(k, m), 0);
        assert_int_equal(kit_task(k, m, NULL).n_train, 0);
        assert_int_equal(store_begin(k->s, &k->e), 0);
        kit_fill(k, m, 0, 2);
        /* one that fails among good ones harms nobody */
        const char *classes[] = {"x", "y"};
        const struct output_row out = {0, 0};
        const struct model_new twice = {.name = "m",
            .scenario = SCENARIO_DOMAIN,
            .spec_json = "{}",
            .learning_json = "{}",
            .n_classes = 2,
            .classes = classes,
            .task = "t",
            .n_outputs = 1,
            .outputs = &out,
            .n_params = KIT_P,
            .theta = k->theta,
            .who = "x"};
        assert_int_equal(store_model_create(k->s, &twice, &id, &k->e), STORE_EXISTS);
        assert_int_equal(store_job_claim(k->s, 77, 1, &k->e), STORE_NOT_FOUND);
        kit_fill(k, m, 2, 4);
        struct feedback again = kit_row("e1", 1, false); /* seen inside the group already */
        assert_int_equal(store_feedback_add(k->s, m, &again, 1, NULL, NULL, &got, &k->e), 0);
        assert_int_equal(got.n_duplicate, 1);
        assert_int_equal(store_commit(k->s, &k->e), 0);
        kit_reopen(k);
        assert_int_equal(kit_rows(k, m), 4);
        assert_int_equal(kit_task(k, m, NULL).n_train, 3);
}

static void sequence_numbers_rise_for_ever(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), m2 = kit_model(k, "m2", SCENARIO_DOMAIN);
        uint64_t a = kit_fill(k, m, 0, 2).last_seq;
        uint64_t b = kit_fill(k, m2, 0, 2).last_seq;
        kit_reopen(k);
        uint64_t c = kit_fill(k, m, 2, 3).last_seq;
        assert_true(a < b && b < c);
}

static void a_named_task_must_be_open(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        task_id one = kit_task(k, m, NULL).id;
        struct feedback rows[3] = {kit_row("n", 0, false), kit_row("u", 0, false), kit_row("e0", 0, false)};
        enum feedback_verdict v[3];
        struct receipt got;

        kit_fill(k, m, 0, 1);
        kit_roll(k, m, "two", 1);
        rows[0].task = rows[1].task = rows[2].task = one;
        rows[0].task_named = rows[2].task_named = true;
        assert_int_equal(store_feedback_add(k->s, m, rows, 3, NULL, v, &got, &k->e), 0);
        assert_int_equal(v[0], FEEDBACK_TASK_CLOSED);
        assert_int_equal(v[1], FEEDBACK_ACCEPTED);
        assert_int_equal(v[2], FEEDBACK_DUPLICATE); /* a retry stays a retry after the close */
        assert_int_equal(got.n_accepted, 1);
        assert_int_equal(kit_task(k, m, "two").n_train, 1);
}

static void what_was_committed_survives_a_kill(void **state)
{
        struct kit *k = *state;
        int status;

        if (k->ops == &store_memory)
                return;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        store_close(k->s);
        k->s = NULL;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                const struct store_open how = {.path = k->path, .clock = &k->clock.clock};
                if (store_open(&k->s, k->ops, &how, &k->e) != 0)
                        _exit(2);
                kit_fill(k, m, 0, 10);
                if (store_begin(k->s, &k->e) != 0)
                        _exit(3);
                kit_fill(k, m, 10, 20);
                _exit(0); /* no commit, no close */
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        const struct store_open how = {.path = k->path, .clock = &k->clock.clock};
        assert_int_equal(store_open(&k->s, k->ops, &how, &k->e), 0);
        assert_int_equal(kit_rows(k, m), 10);
        assert_int_equal(kit_task(k, m, NULL).n_train, 8);
        assert_int_equal(store_check(k->s, true, NULL, &k->e), 0);
}

STORE_TESTS(store_feedback_tests, STORE_TEST(a_retry_is_a_duplicate), STORE_TEST(bad_rows_are_refused),
    STORE_TEST(scans_filter_in_order), STORE_TEST(a_callback_ends_the_walk), STORE_TEST(values_come_back_bit_for_bit),
    STORE_TEST(fate_of_a_row), STORE_TEST(counters_follow), STORE_TEST(a_group_is_all_or_nothing),
    STORE_TEST(sequence_numbers_rise_for_ever), STORE_TEST(a_named_task_must_be_open),
    STORE_TEST(what_was_committed_survives_a_kill));
