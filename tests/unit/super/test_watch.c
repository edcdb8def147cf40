/* A watcher over a store: what live rows say of a champion, in whatever pieces it is asked. */
#include "domain/watch.h"
#include "base/arena.h"
#include "base/mem.h"
#include "domain/shadow.h"
#include "job_kit.h"
#include "lib/fake_clock.h"
#include "lib/tmpdir.h"
#include "super/watch.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct bench {
        struct store *s;
        struct fake_clock clock;
        char *dir, path[256];
        struct err e;
        struct model_kit kit;
        model_id m;
        struct watcher *w;
        int next; /* row */
};

static void bench_open(struct bench *b, const struct store_ops *ops)
{
        memset(b, 0, sizeof(*b));
        fake_clock_init(&b->clock, 1700000000000);
        b->dir = tmpdir_new();
        tmpdir_path(b->path, sizeof(b->path), b->dir, "store.db");
        const struct store_open how = {.path = b->path, .no_backup = true, .clock = &b->clock.clock};
        assert_int_equal(store_open(&b->s, ops, &how, &b->e), 0);
        kit_defaults(&b->kit);
        b->kit.learning.trigger_accuracy = 10;
        b->kit.learning.trigger_accuracy_delta = 0.05;
}

static void bench_model(struct bench *b)
{
        assert_int_equal(kit_model_create(b->s, &b->kit, "m", &b->m, &b->e), 0);
        assert_int_equal(watcher_new(&b->w, b->m, &b->e), 0);
}

static void bench_close(struct bench *b)
{
        watcher_free(b->w);
        store_close(b->s);
        tmpdir_remove(b->dir);
}

static void add(struct bench *b, uint64_t by, bool right, float shift, bool trusted)
{
        const struct kit_row row = {.by = by, .right = right, .shift = shift, .trusted = trusted};
        kit_row_add(b->s, b->m, b->next++, &row);
}

static void add_some(struct bench *b, int n, uint64_t by, bool right, float shift)
{
        for (int i = 0; i < n; i++)
                add(b, by, right, shift, false);
}

static void champion(struct bench *b, enum kit_end end, int sign, uint64_t trained)
{
        float theta[KIT_P];
        kit_theta(sign, theta);
        kit_version(b->s, b->m, end, theta, KIT_P, trained, &b->e);
}

/* Alias to version, by hand. */
static void point(struct bench *b, const char *alias, uint64_t number)
{
        struct alias a;
        assert_int_equal(store_alias_get(b->s, b->m, alias, &a, &b->e), 0);
        if (a.number != number)
                assert_int_equal(store_alias_set(b->s, b->m, alias, number, a.epoch, "tester", "", &a, &b->e), 0);
}

static bool look_with(struct bench *b, struct watcher *w, struct watch *ret)
{
        struct counters c;
        bool behind = true;
        assert_int_equal(store_feedback_count(b->s, b->m, &c, &b->e), 0);
        if (watcher_look(w, b->s, &b->kit.learning, &c, ret, &behind, &b->e) != 0)
                fail_msg("look: %s", b->e.msg);
        return behind;
}

static struct watch look(struct bench *b)
{
        struct watch w;
        while (look_with(b, b->w, &w))
                ;
        return w;
}

/* As after a restart. */
static struct watch afresh(struct bench *b)
{
        struct watcher *w;
        struct watch got;
        assert_int_equal(watcher_new(&w, b->m, &b->e), 0);
        while (look_with(b, w, &got))
                ;
        watcher_free(w);
        return got;
}

static void assert_same(const struct watch *a, const struct watch *b)
{
        assert_int_equal(a->champion, b->champion);
        assert_int_equal(a->n_scored, b->n_scored);
        assert_int_equal(a->n_right, b->n_right);
        assert_int_equal(a->last_seq, b->last_seq);
        assert_int_equal(a->used_seq, b->used_seq);
        assert_int_equal(a->n_unknown_classes, b->n_unknown_classes);
        const struct page_hinkley *p = &a->accuracy, *q = &b->accuracy;
        assert_true(p->n == q->n && p->fired == q->fired && p->fired_seq == q->fired_seq && p->low_seq == q->low_seq);
        assert_true(!(p->mean < q->mean || p->mean > q->mean || p->m < q->m || p->m > q->m));
        const struct input_drift *x = &a->inputs, *y = &b->inputs;
        assert_true(x->n_reference == y->n_reference && x->n_current == y->n_current && x->fired == y->fired);
        assert_true(!(x->statistic < y->statistic || x->statistic > y->statistic || x->p < y->p || x->p > y->p));
        const struct shadow_score *s = &a->shadow, *t = &b->shadow;
        assert_true(s->champion == t->champion && s->challenger == t->challenger && s->n == t->n &&
                    s->won == t->won && s->lost == t->lost && s->n_right_champion == t->n_right_champion &&
                    s->n_right_challenger == t->n_right_challenger);
}

static void on_both(void (*body)(struct bench *b))
{
        static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};
        for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
                static struct bench b;
                bench_open(&b, engines[i]);
                body(&b);
                bench_close(&b);
        }
}

static void test_wanted(void **state)
{
        (void)state;
        struct learning l;
        learning_defaults(&l);
        assert_false(watch_wanted(&l));
        l.trigger_accuracy = 1;
        assert_true(watch_wanted(&l));
        learning_defaults(&l);
        l.trigger_inputs = 0.01;
        assert_true(watch_wanted(&l));
        learning_defaults(&l);
        l.promotion = PROMOTION_MANUAL;
        assert_false(watch_wanted(&l));
        l.promotion = PROMOTION_SHADOW;
        assert_true(watch_wanted(&l));
        learning_defaults(&l);
        l.task_boundary = BOUNDARY_PROPOSE;
        assert_true(watch_wanted(&l));
}

/* Page-Hinkley as Page's formula has it, over the answers then given; row k of this test has number k + 1. */
static void served_answers(struct bench *b)
{
        bench_model(b);
        double mean = 0, m = 0, low = 0;
        uint64_t fired = 0, n_right = 0;
        for (int i = 0; i < 160; i++) {
                bool right = i < 90 ? i % 9 != 0 : i % 3 == 0;
                add(b, 1, right, 0, false);
                n_right += right;
                mean = (mean * i + (right ? 0 : 1)) / (i + 1);
                m += (right ? 0 : 1) - mean - 0.05;
                low = m < low ? m : low;
                if (fired == 0 && i >= 29 && m - low > 10)
                        fired = (uint64_t)i + 1;
                if (i % 7 == 3)
                        (void)look(b);
        }
        struct watch w = look(b);
        assert_true(fired > 90 && fired < 160);
        assert_int_equal(w.champion, 1);
        assert_int_equal(w.n_scored, 160);
        assert_int_equal(w.n_right, n_right);
        assert_int_equal(w.last_seq, 160);
        assert_true(w.accuracy.fired && w.accuracy.fired_seq == fired);
        assert_true(fabs(w.accuracy.mean - mean) < 1e-12);
        struct watch again = afresh(b);
        assert_same(&w, &again);
}

static void test_served_answers(void **state)
{
        (void)state;
        on_both(served_answers);
}

/* Rows that name no prediction, or another version's, are answered by the champion now. */
static void own_answers(struct bench *b)
{
        bench_model(b);
        add_some(b, 20, 1, false, 0);
        champion(b, KIT_PROMOTED, 1, 16); /* version 2 is right on every row */
        add_some(b, 10, 0, false, 0);
        add_some(b, 10, 1, false, 0); /* version 1 answered wrongly; the champion would not */
        add_some(b, 5, 2, false, 0);  /* the champion's answer then was wrong, whatever it says now */
        add(b, 2, false, 0, true);    /* an operator's row */
        struct watch w = look(b);
        assert_int_equal(w.champion, 2);
        assert_int_equal(w.used_seq, 20);
        assert_int_equal(w.n_scored, 25);
        assert_int_equal(w.n_right, 20);
        assert_int_equal(w.n_unknown_classes, 0);
        champion(b, KIT_PROMOTED, -1, 16); /* another champion: begun anew behind its range */
        add_some(b, 3, 0, false, 0);
        w = look(b);
        assert_int_equal(w.champion, 3);
        assert_int_equal(w.n_scored, 3);
        assert_int_equal(w.n_right, 0);
        struct watch again = afresh(b);
        assert_same(&w, &again);
}

static void test_own_answers(void **state)
{
        (void)state;
        on_both(own_answers);
}

/* What a rejected job has used starts nothing again; the champion's score goes on. */
static void rejected_restarts(struct bench *b)
{
        bench_model(b);
        add_some(b, 60, 1, true, 0);
        add_some(b, 40, 1, false, 0);
        assert_true(look(b).accuracy.fired);
        champion(b, KIT_REJECTED, 1, 16);
        struct watch w = look(b);
        assert_int_equal(w.champion, 1);
        assert_int_equal(w.n_scored, 100);
        assert_int_equal(w.n_right, 60);
        assert_int_equal(w.accuracy.n, 0);
        assert_false(w.accuracy.fired);
        add_some(b, 50, 1, false, 0); /* as wrong as before: no change */
        w = look(b);
        assert_int_equal(w.accuracy.n, 50);
        assert_false(w.accuracy.fired);
        struct watch again = afresh(b);
        assert_same(&w, &again);
}

static void test_rejected_restarts(void **state)
{
        (void)state;
        on_both(rejected_restarts);
}

static void unknown(struct bench *b)
{
        bench_model(b);
        add_some(b, 4, 0, true, 0);
        struct watch before = look(b);
        assert_int_equal(kit_rows_add(b->s, &b->kit, b->m, 1000, 6, 2, 3, &b->e), 0); /* no outputs of version 1 */
        struct watch w = look(b);
        assert_int_equal(w.n_scored, 10);
        assert_int_equal(w.n_right, before.n_right);
        assert_int_equal(w.n_unknown_classes, 6);
}

static void test_unknown(void **state)
{
        (void)state;
        on_both(unknown);
}

static void test_bounded(void **state)
{
        (void)state;
        static struct bench b;
        bench_open(&b, &store_memory);
        bench_model(&b);
        add_some(&b, WATCH_ROWS + 300, 1, true, 0);
        struct watch w;
        assert_true(look_with(&b, b.w, &w));
        assert_int_equal(w.n_scored, WATCH_ROWS);
        assert_false(look_with(&b, b.w, &w));
        assert_int_equal(w.n_scored, WATCH_ROWS + 300);
        bench_close(&b);
}

/* --- inputs --- */

static void inputs(struct bench *b)
{
        b->kit.learning.trigger_inputs = 0.01;
        b->kit.learning.trigger_inputs_rows = 60;
        bench_model(b);
        add_some(b, 100, 1, true, 0);
        assert_int_equal(look(b).inputs.n_reference, 0); /* version 1 was trained on nothing */
        champion(b, KIT_PROMOTED, 1, 81);
        add_some(b, 29, 2, true, 50);
        assert_int_equal(look(b).inputs.n_current, 0); /* too few */
        add_some(b, 2, 2, true, 50);
        struct watch w = look(b);
        assert_int_equal(w.inputs.n_reference, 60); /* 19 were held out, so the newest train rows */
        assert_int_equal(w.inputs.n_current, 30);
        assert_true(w.inputs.fired);
        add_some(b, 69, 2, true, 0);
        champion(b, KIT_PROMOTED, 1, 162);
        add_some(b, 100, 3, true, 0);
        w = look(b);
        assert_int_equal(w.inputs.n_reference, 38); /* held out, of 200 */
        assert_int_equal(w.inputs.n_current, 60);
        add_some(b, 11, 3, true, 6);
        for (int i = 0; i < 60; i++) {
                add(b, 3, true, 6, false);
                w = look(b);
        }
        assert_true(w.inputs.fired);
        assert_int_equal(w.inputs.feature, 1);
        struct watch again = afresh(b);
        assert_same(&w, &again);
        add_some(b, 4, 3, true, 6); /* between two rows of the grid */
        struct watch more = look(b);
        again = afresh(b);
        assert_same(&more, &again);
}

static void test_inputs(void **state)
{
        (void)state;
        on_both(inputs);
}

static void no_drift(struct bench *b)
{
        b->kit.learning.trigger_inputs = 0.001;
        b->kit.learning.trigger_inputs_rows = 100;
        bench_model(b);
        add_some(b, 700, 1, true, 0);
        champion(b, KIT_PROMOTED, 1, 600);
        add_some(b, 140, 2, true, 0);
        struct watch w = look(b);
        assert_int_equal(w.inputs.n_current, 100);
        assert_false(w.inputs.fired);
}

static void test_no_drift(void **state)
{
        (void)state;
        on_both(no_drift);
}

/* --- shadow --- */

static void shadow(struct bench *b)
{
        b->kit.learning.promotion = PROMOTION_SHADOW;
        bench_model(b);
        add_some(b, 20, 1, true, 0);
        champion(b, KIT_PROMOTED, 0, 16); /* by chance */
        add_some(b, 12, 2, true, 0);
        assert_int_equal(look(b).shadow.challenger, 0);
        champion(b, KIT_CANDIDATE, 1, 16);
        uint64_t right = 0;
        for (int i = 0; i < 70; i++) {
                float x[KIT_INPUTS];
                kit_row_inputs(b->next, b->next % 2, 0, x);
                right += (x[1] * 0.5f + 0.25f > 0) == (b->next % 2 == 1);
                add(b, 0, true, 0, false);
                if (i % 11 == 0)
                        (void)look(b);
        }
        struct watch w = look(b);
        assert_true(right > 20 && right < 50);
        assert_int_equal(w.champion, 2);
        assert_int_equal(w.n_scored, 82);
        assert_int_equal(w.shadow.champion, 2);
        assert_int_equal(w.shadow.challenger, 3);
        assert_int_equal(w.shadow.n, 70); /* the rows it was trained on do not count */
        assert_int_equal(w.shadow.n_right_challenger, 70);
        assert_int_equal(w.shadow.n_right_champion, right);
        assert_int_equal(w.shadow.won, 70 - right);
        assert_int_equal(w.shadow.lost, 0);
        struct watch again = afresh(b);
        assert_same(&w, &again);
        point(b, "challenger", 2);
        assert_int_equal(look(b).shadow.challenger, 0); /* somebody has decided */
}

static void test_shadow(void **state)
{
        (void)state;
        on_both(shadow);
}

/* Only a version that waits is compared: not one that was promoted before and has the alias. */
static void other_challenger(struct bench *b)
{
        struct alias a;
        b->kit.learning.promotion = PROMOTION_SHADOW;
        bench_model(b);
        add_some(b, 20, 1, true, 0);
        champion(b, KIT_PROMOTED, 1, 16);
        assert_int_equal(store_alias_set(b->s, b->m, "challenger", 1, 0, "tester", "", &a, &b->e), 0);
        add_some(b, 20, 2, true, 0);
        assert_int_equal(look(b).shadow.challenger, 0);
        assert_int_equal(look(b).n_scored, 20);
}

static void test_other_challenger(void **state)
{
        (void)state;
        on_both(other_challenger);
}

static void left_open(struct bench *b)
{
        b->kit.learning.promotion = PROMOTION_SHADOW;
        bench_model(b);
        add_some(b, 20, 1, true, 0);
        champion(b, KIT_LEFT_OPEN, 1, 16);
        add_some(b, 20, 1, true, 0);
        assert_int_equal(look(b).shadow.challenger, 0);
}

/* What the gate left open is an operator's to decide, not the live rows'. */
static void test_left_open(void **state)
{
        (void)state;
        on_both(left_open);
}

static void superseded(struct bench *b)
{
        b->kit.learning.promotion = PROMOTION_SHADOW;
        bench_model(b);
        add_some(b, 20, 1, true, 0);
        champion(b, KIT_PROMOTED, 0, 16);
        champion(b, KIT_CANDIDATE, 1, 16);
        assert_int_equal(look(b).shadow.parent, 2);
        point(b, "champion", 1);
        point(b, "challenger", 3);
        struct watch w = look(b);
        assert_true(w.shadow.champion == 1 && w.shadow.challenger == 3 && w.shadow.parent == 2);
        const struct shadow_conf c = {10, 100, 0.95};
        assert_int_equal(shadow_judge(&w.shadow, &c).outcome, SHADOW_DROP);
}

static void test_superseded(void **state)
{
        (void)state;
        on_both(superseded);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_wanted), cmocka_unit_test(test_served_answers),
            cmocka_unit_test(test_own_answers), cmocka_unit_test(test_rejected_restarts),
            cmocka_unit_test(test_unknown), cmocka_unit_test(test_bounded), cmocka_unit_test(test_inputs),
            cmocka_unit_test(test_no_drift), cmocka_unit_test(test_shadow), cmocka_unit_test(test_other_challenger),
            cmocka_unit_test(test_left_open), cmocka_unit_test(test_superseded)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
