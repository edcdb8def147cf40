/* What live rows bring about: jobs by drift, new tasks, stronger strategies, challengers, and the care of old rows.
 * */
#include "base/mem.h"
#include "jobs_kit.h"
#include "super/watch.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};
static const struct kit_row plain, swapped = {.swapped = true};

static void on_both(void (*body)(struct house *h))
{
        for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
                static struct house h;
                house_open(&h, engines[i]);
                h.kit.learning.epochs = 12;
                body(&h);
                house_close(&h);
        }
}

static bool n_have_ended(struct house *h, void *arg)
{
        struct jobs_stats s;
        jobs_stats(h->jobs, &s);
        return s.promoted + s.rejected + s.failed + s.cancelled + s.candidates >= *(uint64_t *)arg &&
               strcmp(s.status, "idle") == 0;
}

static void until_ended(struct house *h, uint64_t n)
{
        house_until(h, n_have_ended, &n);
}

static int find_job(struct store *s, void *arg, struct err *e)
{
        struct arena a;
        struct job j;
        arena_init(&a, 1 << 20);
        int r = store_job_get(s, *(job_id *)arg, &a, &j, e);
        arena_deinit(&a);
        return r;
}

static bool exists(struct house *h, job_id id)
{
        return house_do(h, find_job, &id) == 0;
}

static void live(struct house *h, int from, int n, const struct kit_row *row)
{
        house_live(h, h->m, from, n, row);
        assert_int_equal(jobs_post_counters(h->jobs, h->m), 0);
}

/* Version 2, trained on 64 rows, is right on all of them. */
static void begin(struct house *h)
{
        house_model(h, "m", &h->m);
        house_live(h, h->m, 0, 64, &plain);
        house_start(h);
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_true(j.tasks[0].after.accuracy == 1.0);
}

static void accuracy(struct house *h)
{
        h->kit.learning.trigger_accuracy = 10;
        begin(h);
        live(h, 64, 40, &plain);
        house_settle(h);
        assert_false(exists(h, 2));
        struct watch w;
        assert_true(jobs_watch(h->jobs, h->m, &w));
        assert_int_equal(w.n_right, 40);
        live(h, 104, 40, &swapped);
        until_ended(h, 2);
        struct job j = house_job(h, 2);
        assert_int_equal(j.kind, JOB_CONSOLIDATE);
        assert_int_equal(j.trigger, TRIGGER_ACCURACY);
        assert_true(j.trigger_value > 40);
        assert_non_null(strstr(j.trigger_text, "due: accuracy fell"));
        assert_non_null(strstr(j.trigger_text, "since version 2 was trained"));
        house_settle(h);
        assert_false(exists(h, 3));
}

static void test_accuracy(void **state)
{
        (void)state;
        on_both(accuracy);
}

static void inputs(struct house *h)
{
        static const struct kit_row shifted = {.shift = 8};
        h->kit.learning.trigger_inputs = 0.001;
        h->kit.learning.trigger_inputs_rows = 50;
        house_model(h, "m", &h->m);
        house_live(h, h->m, 0, 320, &plain);
        house_start(h);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        live(h, 320, 60, &plain);
        house_settle(h);
        assert_false(exists(h, 2));
        live(h, 380, 50, &shifted);
        until_ended(h, 2);
        struct job j = house_job(h, 2);
        assert_int_equal(j.trigger, TRIGGER_INPUTS);
        assert_int_equal(j.trigger_value, 50);
        assert_non_null(strstr(j.trigger_text, "input 1 most"));
}

static void test_inputs(void **state)
{
        (void)state;
        on_both(inputs);
}

static void cool_down(struct house *h)
{
        struct jobs_asked asked;
        h->kit.learning.trigger_accuracy = 10;
        h->kit.learning.trigger_cool_down_s = 3600;
        begin(h);
        live(h, 64, 30, &plain);
        live(h, 94, 40, &swapped);
        house_settle(h);
        assert_false(exists(h, 2));
        assert_true(jobs_asked(h->jobs, h->m, &asked));
        assert_non_null(strstr(asked.due.reason, "cool-down"));
        assert_true(asked.watch.accuracy.fired);
        h->ahead_ms += 3601 * 1000;
        assert_int_equal(jobs_post_counters(h->jobs, h->m), 0);
        until_ended(h, 2);
        assert_int_equal(house_job(h, 2).trigger, TRIGGER_ACCURACY);
}

static void test_cool_down(void **state)
{
        (void)state;
        on_both(cool_down);
}

static void boundary(struct house *h)
{
        h->kit.scenario = SCENARIO_DOMAIN;
        h->kit.learning.trigger_accuracy = 10;
        h->kit.learning.task_boundary = BOUNDARY_AUTO;
        begin(h);
        live(h, 64, 30, &plain);
        live(h, 94, 40, &swapped);
        until_ended(h, 2);
        struct job j = house_job(h, 2);
        assert_int_equal(j.kind, JOB_ROLLOVER);
        assert_int_equal(j.trigger, TRIGGER_ACCURACY);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.upto_seq, 64);
        assert_int_equal(j.range.last, 64);
        assert_string_equal(j.next_task, "drift-1");
        struct task low = house_task(h, h->m, "low"), next = house_task(h, h->m, NULL);
        assert_int_equal(low.state, TASK_CLOSED);
        assert_int_equal(low.last_seq, 64);
        assert_int_equal(low.n_train + low.n_holdout, 64);
        assert_string_equal(next.name, "drift-1");
        assert_int_equal(next.n_train + next.n_holdout, 70);
}

static void test_boundary(void **state)
{
        (void)state;
        on_both(boundary);
}

/* --- strategies --- */

/* As if training had left nothing right. */
static void spoil(void *arg, struct learn_result *r)
{
        (void)arg;
        for (size_t i = 0; i < r->n_evaluations; i++) {
                struct evaluation *now = &r->after[i];
                struct output_score *of = (struct output_score *)now->outputs;
                for (size_t o = 0; o < now->n_outputs; o++)
                        of[o].n_right = 0;
                now->accuracy = 0;
                now->n_won = 0;
                now->n_lost = (uint64_t)(r->before[i].accuracy * (double)now->n + 0.5);
        }
}

static void ladder(struct house *h)
{
        h->kit.scenario = SCENARIO_DOMAIN;
        h->kit.learning.strategy = STRATEGY_MODE_AUTO;
        h->kit.learning.gate_max_forgetting = 0.1;
        h->kit.learning.trigger_min_feedback = 40;
        house_model(h, "m", &h->m);
        house_live(h, h->m, 0, 64, &plain);
        house_start(h);
        until_ended(h, 1);
        assert_int_equal(house_job(h, 1).strategy, STRATEGY_EWC);
        assert_int_equal(house_job(h, 1).state, JOB_PROMOTED);
        assert_int_equal(house_until_end(h, house_create(h, h->m, "high")).state, JOB_PROMOTED);
        h->fake.twist = spoil;
        live(h, 64, 64, &plain);
        until_ended(h, 5);
        static const enum strategy had[] = {STRATEGY_EWC, STRATEGY_REPLAY, STRATEGY_DISTILL};
        for (size_t i = 0; i < 3; i++) {
                struct job j = house_job(h, 3 + i);
                assert_int_equal(j.state, JOB_REJECTED);
                assert_int_equal(j.strategy, had[i]);
                assert_int_equal(j.trigger, i == 0 ? TRIGGER_MIN_FEEDBACK : TRIGGER_STRATEGY);
                assert_int_equal(j.trigger_value, i == 0 ? 52 : 2 + i); /* the job that was rejected */
                assert_int_equal(j.range.first, 65);
        }
        house_settle(h);
        assert_false(exists(h, 6));
        h->fake.twist = NULL;
        live(h, 128, 64, &plain); /* new rows begin at the bottom */
        until_ended(h, 6);
        assert_int_equal(house_job(h, 6).strategy, STRATEGY_EWC);
        assert_int_equal(house_job(h, 6).state, JOB_PROMOTED);
}

static void test_ladder(void **state)
{
        (void)state;
        on_both(ladder);
}

/* --- challengers --- */

struct commit {
        struct house *h;
        enum kit_end end;
        int sign;
};

static int commit_version(struct store *s, void *arg, struct err *e)
{
        struct commit *q = arg;
        float theta[KIT_P];
        kit_theta(q->sign, theta);
        kit_version(s, q->h->m, q->end, theta, KIT_P, 16, e);
        return 0;
}

static void version(struct house *h, enum kit_end end, int sign)
{
        struct commit q = {h, end, sign};
        assert_int_equal(house_do(h, commit_version, &q), 0);
}

struct named {
        struct house *h;
        const char *name;
        struct alias alias;
};

static int get_alias(struct store *s, void *arg, struct err *e)
{
        struct named *q = arg;
        return store_alias_get(s, q->h->m, q->name, &q->alias, e);
}

static uint64_t alias_of(struct house *h, const char *name)
{
        struct named q = {.h = h, .name = name};
        assert_int_equal(house_do(h, get_alias, &q), 0);
        return q.alias.number;
}

struct wanted {
        const char *alias;
        uint64_t number;
};

static bool alias_is(struct house *h, void *arg)
{
        const struct wanted *w = arg;
        return alias_of(h, w->alias) == w->number;
}

static void until_alias(struct house *h, const char *alias, uint64_t number)
{
        struct wanted w = {alias, number};
        house_until(h, alias_is, &w);
}

/* Champion 2 is right by chance, challenger 3 as `sign` says. */
static void two_versions(struct house *h, int sign)
{
        h->kit.learning.promotion = PROMOTION_SHADOW;
        h->kit.learning.shadow_min_rows = 40;
        h->kit.learning.shadow_max_rows = 90;
        house_model(h, "m", &h->m);
        house_live(h, h->m, 0, 20, &plain);
        version(h, KIT_PROMOTED, 0);
        version(h, KIT_CANDIDATE, sign);
        assert_int_equal(alias_of(h, "challenger"), 3);
}

static int count_audit(void *arg, const struct audit *a)
{
        uint64_t *n = arg;
        *n += strcmp(a->who, "shadow") == 0;
        return 0;
}

static int audits(struct store *s, void *arg, struct err *e)
{
        return store_audit_list(s, 1, count_audit, arg, e);
}

static void better(struct house *h)
{
        struct watch before, after;
        uint64_t n = 0;
        two_versions(h, 1);
        house_start(h);
        live(h, 20, 39, &plain);
        house_settle(h);
        assert_int_equal(alias_of(h, "champion"), 2);
        assert_true(jobs_watch(h->jobs, h->m, &before));
        assert_int_equal(before.shadow.n, 39);
        assert_int_equal(before.shadow.n_right_challenger, 39);
        house_stop(h);
        house_start(h);
        house_settle(h);
        assert_true(jobs_watch(h->jobs, h->m, &after));
        assert_int_equal(after.shadow.n, 39);
        assert_int_equal(after.shadow.won, before.shadow.won);
        assert_int_equal(after.shadow.lost, before.shadow.lost);
        assert_int_equal(after.n_right, before.n_right);
        live(h, 59, 1, &plain);
        until_alias(h, "champion", 3);
        assert_int_equal(alias_of(h, "challenger"), 3);
        assert_int_equal(house_version(h, h->m, 3).state, VERSION_PROMOTED);
        assert_int_equal(house_do(h, audits, &n), 0);
        assert_int_equal(n, 1);
        house_settle(h);
        assert_true(jobs_watch(h->jobs, h->m, &after));
        assert_int_equal(after.champion, 3);
        assert_int_equal(after.shadow.challenger, 0);
}

static void test_better(void **state)
{
        (void)state;
        on_both(better);
}

static int challenge(struct store *s, void *arg, struct err *e)
{
        struct alias a;
        int r = store_alias_get(s, *(model_id *)arg, "challenger", &a, e);
        if (r == 0 && a.number != 3)
                r = store_alias_set(s, *(model_id *)arg, "challenger", 3, a.epoch, "tester", "", &a, e);
        return r;
}

/* An operator went back: however much better the challenger is, it was judged against the version he went back
 * from. */
static void superseded(struct house *h)
{
        uint64_t n = 0;
        two_versions(h, 1);
        assert_true(house_alias(h, h->m, 1));
        assert_int_equal(house_do(h, challenge, &h->m), 0);
        house_start(h);
        live(h, 20, 60, &plain);
        until_alias(h, "challenger", 1);
        assert_int_equal(alias_of(h, "champion"), 1);
        assert_int_equal(house_do(h, audits, &n), 0);
        assert_int_equal(n, 1);
}

static void test_superseded(void **state)
{
        (void)state;
        on_both(superseded);
}

static void equal(struct house *h)
{
        two_versions(h, 0);
        house_start(h);
        live(h, 20, 89, &plain);
        house_settle(h);
        assert_int_equal(alias_of(h, "challenger"), 3);
        live(h, 109, 1, &plain);
        until_alias(h, "challenger", 2);
        assert_int_equal(alias_of(h, "champion"), 2);
}

static void test_equal(void **state)
{
        (void)state;
        on_both(equal);
}

/* While it is compared no job starts by itself; a job that somebody asked for ends as a new challenger. */
static void candidate(struct house *h)
{
        struct jobs_stats s;
        h->kit.learning.trigger_min_feedback = 10;
        two_versions(h, 0);
        house_start(h);
        live(h, 20, 30, &plain);
        house_settle(h);
        assert_false(exists(h, 3));
        struct job j = house_until_end(h, house_create(h, h->m, NULL));
        assert_int_equal(j.state, JOB_CANDIDATE);
        assert_int_equal(alias_of(h, "champion"), 2);
        assert_int_equal(alias_of(h, "challenger"), 4);
        jobs_stats(h->jobs, &s);
        assert_int_equal(s.candidates, 1);
        assert_int_equal(s.promoted, 0);
        house_settle(h);
        struct watch w;
        assert_true(jobs_watch(h->jobs, h->m, &w));
        assert_int_equal(w.shadow.challenger, 4);
        assert_int_equal(w.shadow.n, 0);
}

static void test_candidate(void **state)
{
        (void)state;
        on_both(candidate);
}

/* --- care --- */

static int count(struct store *s, void *arg, struct err *e)
{
        return store_feedback_count(s, 1, arg, e);
}

static struct counters counters(struct house *h)
{
        struct counters c;
        assert_int_equal(house_do(h, count, &c), 0);
        return c;
}

static bool has_expired(struct house *h, void *arg)
{
        (void)arg;
        return counters(h).n_expired > 0;
}

static void care(struct house *h)
{
        h->kit.learning.retention_features = RETAIN_USED;
        h->kit.learning.retention_replay_per_class = 4;
        h->kit.learning.retention_versions = 1;
        house_model(h, "m", &h->m);
        house_live(h, h->m, 0, 64, &plain);
        house_start(h);
        house_settle(h); /* the first care was before the first job */
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        house_settle(h);
        assert_int_equal(counters(h).n_expired, 0);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        assert_int_equal(house_until_end(h, house_create(h, h->m, NULL)).state, JOB_PROMOTED);
        h->mono_ahead_ms += 61000;
        assert_int_equal(jobs_post_counters(h->jobs, h->m), 0);
        house_until(h, has_expired, NULL);
        house_settle(h);
        assert_int_equal(counters(h).n_open_train, 8);
        assert_true(house_version(h, h->m, 2).pruned);
        assert_false(house_version(h, h->m, 4).pruned);
}

static void test_care(void **state)
{
        (void)state;
        on_both(care);
}

/* --- many and none --- */

static bool is_watched(struct house *h, void *arg)
{
        return jobs_watch(h->jobs, h->m, arg);
}

/* Nothing is said, and nothing decided, before all rows have been walked. */
static void test_many_rows(void **state)
{
        (void)state;
        static struct house h;
        struct watch w;
        house_open(&h, &store_memory);
        h.kit.learning.trigger_accuracy = 1e6;
        house_model(&h, "m", &h.m);
        house_live(&h, h.m, 0, WATCH_ROWS + 100, &plain);
        house_start(&h);
        house_until(&h, is_watched, &w);
        assert_int_equal(w.n_scored, WATCH_ROWS + 100);
        house_close(&h);
}

static void test_nothing_watched(void **state)
{
        (void)state;
        static struct house h;
        struct jobs_asked asked;
        struct watch w;
        struct store_queue_stats before, after;
        house_open(&h, &store_sqlite);
        begin(&h);
        house_settle(&h);
        store_queue_stats(h.exporter, &before);
        live(&h, 64, 64, &plain);
        house_settle(&h);
        store_queue_stats(h.exporter, &after);
        assert_int_equal(after.items, before.items);
        assert_true(jobs_asked(h.jobs, h.m, &asked));
        assert_string_equal(asked.due.reason, "not due: no trigger is set");
        assert_false(jobs_watch(h.jobs, h.m, &w));
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_accuracy), cmocka_unit_test(test_inputs),
            cmocka_unit_test(test_cool_down), cmocka_unit_test(test_boundary), cmocka_unit_test(test_ladder),
            cmocka_unit_test(test_better), cmocka_unit_test(test_superseded), cmocka_unit_test(test_equal),
            cmocka_unit_test(test_candidate), cmocka_unit_test(test_care), cmocka_unit_test(test_many_rows),
            cmocka_unit_test(test_nothing_watched)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
