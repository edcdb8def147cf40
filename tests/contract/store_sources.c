/* store_sources.c: what came from whom, a source taken out with all that learned from it; secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"
#include "contract/store_suite.h"
#include <errno.h>
#include <string.h>

struct listed {
        size_t n;
        struct source s[8];
        char names[8][KEY_SIZE];
};

static int note(void *arg, const struct source *s)
{
        struct listed *l = arg;

        assert_true(l->n < 8);
        l->s[l->n] = *s;
        strcpy(l->names[l->n++], s->name);
        return 0;
}

static void sources_are_counted(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct listed l = {0};
        struct feedback f = label("a", "x", 1);

        f.served_version = 1;
        f.served_class = 1;
        kit_add(k, m, f);
        f = label("b", "x", 2);
        f.served_version = 1;
        f.served_class = 1;
        uint64_t b = kit_add(k, m, f).first_seq;
        f = label("h", "x", 2);
        f.holdout = true;
        kit_add(k, m, f);
        kit_add(k, other, label("a", "x", 0));
        kit_consolidate(k, m, 1, true);
        label_add(k, m, label("b", "w", 0), CONFLICT_LATEST, NULL); /* b of x is superseded */
        label_add(k, m, label("c", "w", 0), CONFLICT_LATEST, NULL);
        label_add(k, m, label("c", "w", 1), CONFLICT_LATEST, NULL); /* the first c gave its key away */
        uint64_t last = kit_add(k, m, label("d", "", 0)).last_seq;
        kit_reopen(k);
        assert_int_equal(store_source_list(k->s, m, note, &l, &k->e), 0);
        assert_int_equal(l.n, 3);
        assert_string_equal(l.names[0], "");
        assert_int_equal(l.s[0].n, 1);
        assert_int_equal(l.s[0].first_seq, last);
        assert_string_equal(l.names[1], "w");
        assert_int_equal(l.s[1].n, 3);
        assert_int_equal(l.s[1].n_live, 2);
        assert_int_equal(l.s[1].n_used, 0);
        assert_int_equal(l.s[1].last_seq, last - 1);
        assert_string_equal(l.names[2], "x");
        assert_int_equal(l.s[2].n, 3);
        assert_int_equal(l.s[2].n_live, 2);
        assert_int_equal(l.s[2].n_used, 2);
        assert_int_equal(l.s[2].n_served, 2);
        assert_int_equal(l.s[2].n_agreed, 1);
        assert_int_equal(l.s[2].first_seq, b - 1);
        assert_int_equal(l.s[2].last_seq, b + 1);
}

static void the_champion_goes_back_to_before_the_source(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct unlearned u;

        kit_fill(k, m, 0, 4);
        kit_consolidate(k, m, 1, true); /* version 2 */
        uint64_t used = label_counts(k, m).used_seq;
        kit_add(k, m, label("x1", "bad", 0));
        kit_fill(k, m, 4, 6);
        kit_consolidate(k, m, 2, false); /* 3, rejected */
        kit_consolidate(k, m, 3, true);  /* 4 */
        kit_fill(k, m, 6, 7);
        kit_consolidate(k, m, 4, true); /* 5: its parent has learned from bad */
        kit_add(k, m, label("x2", "bad", 1));
        assert_int_equal(store_source_unlearn(k->s, m, "nobody", "op", NULL, &u, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_source_unlearn(k->s, m, "", "op", NULL, &u, &k->e), -EINVAL);
        assert_non_null(strstr(k->e.msg, "rows without a source can be erased by their ids"));
        job_id j = kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_source_unlearn(k->s, m, "bad", "op", NULL, &u, &k->e), STORE_CONFLICT);
        assert_int_equal(store_job_move(k->s, j, JOB_QUEUED, JOB_CANCELLED, "asked", &k->e), 0);
        assert_int_equal(label_counts(k, m).n_erased, 0);
        u = label_unlearn(k, m, "bad");
        assert_int_equal(u.n_erased, 2);
        assert_int_equal(u.from_number, 5);
        assert_int_equal(u.back_to_number, 2);
        kit_told(k, m, 0, "alias.set", "champion moved from version 5 to 2, epoch 5: source bad unlearned by op");
        kit_told(k, m, 1, "source.unlearn", "source bad: 2 rows erased, champion back from version 5 to 2");
        kit_reopen(k);
        assert_int_equal(kit_alias(k, m, "champion").number, 2);
        struct counters c = label_counts(k, m);
        assert_int_equal(c.used_seq, used);
        assert_int_equal(c.n_new, 3); /* those of 4 .. 6 */
        assert_int_equal(c.n_erased, 2);
        struct feedback_fate f = label_fate(k, m, "x1");
        assert_int_equal(f.state, FEEDBACK_FEATURES_ERASED);
        assert_int_equal(f.version_number, 3);
        u = label_unlearn(k, m, "bad"); /* once more: nothing is left to do */
        assert_int_equal(u.n_erased, 0);
        assert_int_equal(u.from_number, 2);
        assert_int_equal(u.back_to_number, 2);
        labels_agree(k, m);
}

static void a_source_nobody_learned_from_moves_nothing(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct feedback h = label("h", "bad", 0);

        kit_fill(k, m, 0, 3);
        h.holdout = true;
        kit_add(k, m, h);
        kit_add(k, m, label_in(ROW_QUARANTINED, "q", "bad", 0));
        kit_consolidate(k, m, 1, true);
        kit_add(k, m, label("x", "bad", 0));
        uint64_t used = label_counts(k, m).used_seq;
        struct unlearned u = label_unlearn(k, m, "bad");
        assert_int_equal(u.n_erased, 3);
        assert_int_equal(u.from_number, 2);
        assert_int_equal(u.back_to_number, 2);
        assert_int_equal(kit_alias(k, m, "champion").epoch, 2);
        assert_int_equal(label_counts(k, m).used_seq, used);
        kit_told(k, m, 0, "source.unlearn", "source bad: 3 rows erased, champion stays at version 2");
        labels_agree(k, m);
}

static void back_to_the_first_version(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        label_add(k, m, label("e", "bad", 0), CONFLICT_EARLIEST, NULL);
        label_add(k, m, label("e", "good", 1), CONFLICT_EARLIEST, NULL);
        kit_consolidate(k, m, 1, true);
        kit_candidate(k, m, 2); /* a challenger that has learned from it too */
        struct unlearned u = label_unlearn(k, m, "bad");
        assert_int_equal(u.back_to_number, 1);
        assert_int_equal(kit_alias(k, m, "champion").number, 1);
        assert_int_equal(kit_alias(k, m, "challenger").number, 1);
        struct counters c = label_counts(k, m);
        assert_int_equal(c.used_seq, 0);
        assert_int_equal(c.n_new, 1); /* the other label of the event counts now */
        assert_int_equal(label_fate(k, m, "e").state, FEEDBACK_QUEUED);
        labels_agree(k, m);
}

static void a_protected_task_is_in_the_way(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct unlearned u;
        struct kit_outcome w;
        version_id v;

        kit_fill(k, m, 0, 4);
        kit_add(k, m, label("x", "bad", 0));
        kit_roll(k, m, "two", 1); /* closes "one" with alpha 0.75 */
        kit_fill(k, m, 4, 6);
        kit_consolidate(k, m, 2, true);
        assert_int_equal(store_source_unlearn(k->s, m, "bad", "op", NULL, &u, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "task one"));
        assert_non_null(strstr(k->e.msg, "alpha"));
        assert_int_equal(label_counts(k, m).n_erased, 0);
        assert_int_equal(kit_alias(k, m, "champion").number, 3);

        job_id j = kit_ask(k,
            (struct job_new){.model = m, .kind = JOB_REWEIGHT, .alpha_task = kit_task(k, m, "one").id, .alpha = 0});
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 3, true);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        u = label_unlearn(k, m, "bad");
        assert_int_equal(u.from_number, 4);
        assert_int_equal(u.back_to_number, 1);
        labels_agree(k, m);

        double weight = -1; /* what was given up stays given up, on a line that never said so */
        task_id one = kit_task(k, m, "one").id;
        kit_reopen(k);
        assert_true(kit_task(k, m, "one").alpha == 0);
        kit_consolidate(k, m, 4, true);
        assert_true(kit_task(k, m, "one").alpha == 0);
        assert_int_equal(store_task_weight(k->s, one, 3, j, &weight, &k->e), 0);
        assert_true(weight == 0.75); /* before that */
        assert_int_equal(store_task_weight(k->s, one, 3, j + 1, &weight, &k->e), 0);
        assert_true(weight == 0);
}

/* A job that replays has used rows of the tasks closed before its own. */
static version_id replay(struct kit *k, model_id m, unsigned seed, bool says_so, enum strategy s)
{
        struct kit_outcome w;
        version_id v;

        job_id j = kit_ask(k, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE, .strategy = s});
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, seed, true);
        w.o.replayed = says_so;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        return v;
}

static void replayed_rows_are_used(void **state)
{
        const struct feedback_selection event = {.event_id = "q"};
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct erased done;
        uint64_t n;

        kit_add(k, m, label_in(ROW_QUARANTINED, "q", "bad", 1));
        kit_add(k, m, label_in(ROW_QUARANTINED, "p", "bad", 1));
        kit_fill(k, m, 0, 4);
        kit_roll(k, m, "two", 1); /* 2; bad was in quarantine */
        assert_int_equal(store_feedback_release(k->s, m, "q", true, "op", NULL, &n, &k->e), 0);
        kit_fill(k, m, 4, 8);
        kit_consolidate(k, m, 2, true); /* 3 learns its own task's rows */
        assert_int_equal(label_fate(k, m, "q").job, 0);
        replay(k, m, 3, true, STRATEGY_FIXED); /* 4 */
        kit_reopen(k);
        assert_int_equal(label_fate(k, m, "q").version_number, 4);
        assert_int_equal(store_feedback_release(k->s, m, "p", true, "op", NULL, &n, &k->e), 0);
        assert_int_equal(label_fate(k, m, "p").job, 0);
        replay(k, m, 4, false, STRATEGY_REPLAY); /* 5 */
        assert_int_equal(label_fate(k, m, "p").version_number, 5);
        assert_int_equal(store_feedback_erase(k->s, m, &event, "op", NULL, &done, &k->e), 0);
        assert_int_equal(done.n_used, 1);
        assert_int_equal(done.first_version_number, 4);
        struct unlearned u = label_unlearn(k, m, "bad");
        assert_int_equal(u.n_erased, 1);
        assert_int_equal(u.from_number, 5);
        assert_int_equal(u.back_to_number, 3);
        labels_agree(k, m);
}

static void secrets_stay(void **state)
{
        struct kit *k = *state;
        const uint8_t a[32] = {1, 2, 3}, b[32] = {9};
        uint8_t got[32];

        assert_int_equal(store_secret(k->s, "one", a, got, &k->e), 0);
        assert_memory_equal(got, a, 32);
        kit_reopen(k);
        assert_int_equal(store_secret(k->s, "one", b, got, &k->e), 0);
        assert_memory_equal(got, a, 32);
        assert_int_equal(store_secret(k->s, "two", b, got, &k->e), 0);
        assert_memory_equal(got, b, 32);
        assert_int_equal(store_secret(k->s, "", b, got, &k->e), -EINVAL);
}

STORE_TESTS(store_source_tests, STORE_TEST(sources_are_counted),
    STORE_TEST(the_champion_goes_back_to_before_the_source), STORE_TEST(a_source_nobody_learned_from_moves_nothing),
    STORE_TEST(back_to_the_first_version), STORE_TEST(a_protected_task_is_in_the_way),
    STORE_TEST(replayed_rows_are_used), STORE_TEST(secrets_stay));
