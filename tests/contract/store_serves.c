/* store_serves.c: versions that come to serve by an act, and those that must not any more; what a row that has been
 * learned, or lies in the range of a job, means for the votes of its event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"
#include "contract/store_suite.h"
#include <errno.h>
#include <string.h>

/* A whole dry run. */
static version_id try_out(struct kit *k, model_id m, unsigned seed, bool passes)
{
        job_id j = kit_ask(k, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE, .dry_run = true});
        struct kit_outcome w;
        version_id v = 0;

        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, false, seed, false);
        w.o.candidate = passes;
        w.o.reason = passes ? "candidate: dry run: would be promoted" : "rejected: worse";
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        return v;
}

static int set(struct kit *k, model_id m, const char *alias, uint64_t number, const char *reason)
{
        struct alias a = {0};
        int r = store_alias_get(k->s, m, alias, &a, &k->e);

        assert_true(r == 0 || r == STORE_NOT_FOUND);
        return store_alias_set(k->s, m, alias, number, a.epoch, "op", reason, NULL, &k->e);
}

static int find_bob(void *arg, const struct source *s)
{
        if (strcmp(s->name, "bob") == 0)
                *(uint64_t *)arg = s->n_used;
        return 0;
}

static uint64_t used_of_bob(struct kit *k, model_id m)
{
        uint64_t n = 77;

        assert_int_equal(store_source_list(k->s, m, find_bob, &n, &k->e), 0);
        return n;
}

static uint64_t expire(struct kit *k, model_id m)
{
        return label_expire(k, m, (struct retention){.mode = RETAIN_USED}, 1000);
}

static struct job job_of(struct kit *k, model_id m, uint64_t number)
{
        struct job j;

        assert_int_equal(store_job_get(k->s, kit_version(k, m, number).job, &k->a, &j, &k->e), 0);
        return j;
}

/* --- dry runs that come to serve --- */

static void a_dry_run_tells_what_it_was_trained_with(void **state)
{
        const struct feedback_selection bob = {.source = "bob"};
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct erased done;

        kit_fill(k, m, 0, 3);
        kit_consolidate(k, m, 1, true); /* 2 */
        kit_add(k, m, label("x", "bob", 0));
        kit_add(k, m, label("y", "bob", 1));
        try_out(k, m, 2, true); /* 3 */
        kit_reopen(k);
        assert_int_equal(label_fate(k, m, "x").version_number, 3);
        assert_int_equal(label_fate(k, m, "x").state, FEEDBACK_USED);
        assert_int_equal(used_of_bob(k, m), 2);
        assert_int_equal(label_counts(k, m).n_new, 2); /* and yet it consumes nothing */
        assert_int_equal(expire(k, m), 3);
        assert_int_equal(label_counts(k, m).n_live, 2);

        assert_int_equal(set(k, m, "champion", 3, "looks good"), 0);
        kit_reopen(k);
        struct counters c = label_counts(k, m);
        assert_int_equal(c.n_new, 0);
        assert_int_equal(c.used_seq, c.last_seq);
        assert_int_equal(store_feedback_erase(k->s, m, &bob, "op", NULL, &done, &k->e), 0);
        assert_int_equal(done.n_used, 2);
        assert_int_equal(done.first_version_number, 3);
        struct unlearned u = label_unlearn(k, m, "bob"); /* its rows are gone, what they made is not */
        assert_int_equal(u.n_erased, 0);
        assert_int_equal(u.from_number, 3);
        assert_int_equal(u.back_to_number, 2);
        assert_int_equal(label_counts(k, m).used_seq, 3);
        labels_agree(k, m);
}

/* What a boundary found after the fact gives to the next task was learned before, and has yet to be learned there. */
static void rows_handed_to_the_next_task_were_learned(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v = 0;

        kit_fill(k, m, 0, 3);
        kit_add(k, m, label("x", "bob", 0));
        struct job_new n = {.model = m,
            .kind = JOB_ROLLOVER,
            .upto_seq = label_counts(k, m).last_seq - 1,
            .next_task = "two",
            .who = "policy"};
        kit_consolidate(k, m, 1, true); /* 2 */
        job_id j = kit_ask(k, n);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 2, true);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0); /* 3 */
        kit_reopen(k);
        assert_int_equal(label_fate(k, m, "x").version_number, 2);
        assert_int_equal(used_of_bob(k, m), 1);
        assert_int_equal(label_counts(k, m).n_new, 1);
        assert_int_equal(expire(k, m), 3);
        struct unlearned u;
        assert_int_equal(store_source_unlearn(k->s, m, "bob", "op", NULL, &u, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "has learned from source bob")); /* and closed a task with it */
        labels_agree(k, m);
}

static void what_a_dry_run_read_expires_when_it_serves(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        kit_fill(k, m, 0, 3);
        try_out(k, m, 1, true);  /* 2 */
        try_out(k, m, 2, false); /* 3 */
        assert_int_equal(expire(k, m), 0);
        assert_int_equal(label_counts(k, m).used_seq, 0);
        assert_int_equal(set(k, m, "champion", 3, "all the same"), 0); /* the gate was against it */
        assert_int_equal(kit_version(k, m, 3).state, VERSION_REJECTED);
        assert_int_equal(label_counts(k, m).used_seq, 3);
        kit_add(k, m, label("later", "", 1));
        assert_int_equal(label_counts(k, m).n_new, 1);
        kit_reopen(k);
        assert_int_equal(expire(k, m), 3);
        assert_int_equal(label_fate(k, m, "e0").version_number, 2);
        assert_int_equal(set(k, m, "champion", 2, "back"), 0); /* what lies above is new */
        assert_int_equal(label_counts(k, m).n_new, 1);
        labels_agree(k, m);
}

static void a_candidate_that_serves_waits_no_more(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        char who[KEY_SIZE], why[REASON_SIZE];

        kit_fill(k, m, 0, 4);
        kit_candidate(k, m, 1); /* 2 */
        assert_int_equal(set(k, m, "look", 2, "to ask it"), 0);
        assert_int_equal(kit_version(k, m, 2).state, VERSION_CANDIDATE);
        assert_int_equal(set(k, m, "champion", 2, "good enough"), 0);
        kit_reopen(k);
        assert_int_equal(kit_version(k, m, 2).state, VERSION_PROMOTED);
        assert_string_equal(kit_version(k, m, 2).reason, "promoted: by op: good enough");
        assert_int_equal(job_of(k, m, 2).state, JOB_PROMOTED);
        assert_string_equal(job_of(k, m, 2).reason, "promoted: by op: good enough");
        assert_int_equal(set(k, m, "champion", 1, "no"), 0); /* and is not compared again */
        assert_int_equal(kit_version(k, m, 1).state, VERSION_INITIAL);
        assert_int_equal(kit_version(k, m, 2).state, VERSION_PROMOTED);
        assert_int_equal(set(k, m, "champion", 2, NULL), 0);
        assert_string_equal(kit_version(k, m, 2).reason, "promoted: by op: good enough");

        kit_candidate(k, m, 2); /* 3: words that do not fit are cut, and no character is */
        memset(who, 'w', sizeof(who) - 2);
        who[sizeof(who) - 2] = '\0';
        memset(why, 'y', sizeof(why));
        for (size_t i = 0; i + 2 < sizeof(why); i += 2)
                memcpy(why + i, "\xc3\xa9", 2);
        why[sizeof(why) - 2] = '\0';
        uint64_t epoch = kit_alias(k, m, "champion").epoch;
        assert_int_equal(store_alias_set(k->s, m, "champion", 3, epoch, who, why, NULL, &k->e), 0);
        const char *said = kit_version(k, m, 3).reason;
        assert_true(strlen(said) >= REASON_SIZE - 2);
        assert_int_equal(said[strlen(said) - 1], (char)0xa9);
}

/* --- what must not serve any more --- */

static void every_alias_goes_back(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);

        kit_fill(k, m, 0, 3);
        kit_consolidate(k, m, 1, true); /* 2 */
        kit_add(k, m, label("x", "bob", 0));
        kit_consolidate(k, m, 2, true); /* 3 */
        kit_consolidate(k, m, 3, true); /* 4: its child */
        kit_add(k, other, label("x", "bob", 0));
        kit_consolidate(k, other, 4, true);
        assert_int_equal(set(k, other, "prod", 2, "x"), 0);
        assert_int_equal(set(k, m, "prod", 3, "x"), 0);
        assert_int_equal(set(k, m, "canary", 4, "x"), 0);
        assert_int_equal(set(k, m, "old", 2, "x"), 0);
        struct unlearned u = label_unlearn(k, m, "bob");
        assert_int_equal(u.back_to_number, 2);
        assert_int_equal(u.n_aliases, 2);
        assert_string_equal(u.aliases[0], "canary");
        assert_string_equal(u.aliases[1], "prod");
        kit_told(k, m, 0, "alias.set", "prod moved from version 3 to 2, epoch 2: source bob unlearned by op");
        kit_reopen(k);
        assert_int_equal(kit_alias(k, m, "prod").number, 2);
        assert_int_equal(kit_alias(k, m, "prod").epoch, 2);
        assert_int_equal(kit_alias(k, m, "canary").number, 2);
        assert_int_equal(kit_alias(k, m, "old").epoch, 1);
        assert_int_equal(kit_alias(k, other, "prod").number, 2);
        assert_int_equal(kit_alias(k, other, "champion").number, 2);
        assert_int_equal(label_unlearn(k, m, "bob").n_aliases, 0);
}

/* Only an operator's alias was set to what had learned from it. */
static void an_alias_alone_goes_back_too(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        kit_fill(k, m, 0, 3);
        kit_consolidate(k, m, 1, true); /* 2 */
        kit_add(k, m, label("x", "bob", 0));
        kit_consolidate(k, m, 2, false); /* 3: rejected, and looked at */
        assert_int_equal(set(k, m, "look", 3, "x"), 0);
        for (int i = 0; i < UNLEARNED_NAMES; i++) {
                const char name[3] = {'a', (char)('a' + i), '\0'};
                assert_int_equal(set(k, m, name, 3, "x"), 0);
        }
        struct unlearned u = label_unlearn(k, m, "bob");
        assert_int_equal(u.from_number, 2);
        assert_int_equal(u.back_to_number, 2);
        assert_int_equal(u.n_aliases, UNLEARNED_NAMES + 1);
        assert_string_equal(u.aliases[UNLEARNED_NAMES - 1], "ap");
        assert_int_equal(kit_alias(k, m, "look").number, 2);
        assert_int_equal(kit_alias(k, m, "champion").epoch, 2);
}

static void what_learned_from_it_serves_no_more(void **state)
{
        static const char *const aliases[] = {"champion", "challenger", "prod"};
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        kit_fill(k, m, 0, 3);
        kit_consolidate(k, m, 1, true); /* 2 */
        kit_add(k, m, label("x", "bob", 0));
        try_out(k, m, 2, true);         /* 3 */
        kit_consolidate(k, m, 3, true); /* 4 */
        kit_consolidate(k, m, 4, true); /* 5: its child */
        assert_int_equal(label_unlearn(k, m, "bob").back_to_number, 2);
        kit_reopen(k);
        for (uint64_t number = 3; number <= 5; number++) {
                for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
                        assert_int_equal(set(k, m, aliases[i], number, "again"), STORE_CONFLICT);
                        assert_non_null(strstr(k->e.msg, "source bob, which was unlearned"));
                        assert_non_null(strstr(k->e.msg, "consolidate what is left"));
                }
        }
        assert_int_equal(kit_alias(k, m, "champion").number, 2);
        assert_int_equal(set(k, m, "champion", 1, "back"), 0);
        assert_int_equal(set(k, m, "champion", 2, "and forth"), 0);
        kit_add(k, m, label("new", "bob", 1)); /* what it says from now on may be learned */
        kit_consolidate(k, m, 5, true);        /* 6 */
        assert_int_equal(set(k, m, "champion", 2, "back"), 0);
        assert_int_equal(set(k, m, "champion", 6, "and forth"), 0);
        labels_agree(k, m);
}

static void a_deleted_alias_pins_nothing(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct alias a;
        uint64_t n = 0;

        kit_consolidate(k, m, 1, true); /* 2 */
        kit_consolidate(k, m, 2, true); /* 3 */
        assert_int_equal(set(k, m, "prod", 2, "x"), 0);
        assert_int_equal(set(k, m, "prod", 3, "x"), 0);
        assert_int_equal(set(k, m, "prod", 2, "x"), 0);
        assert_int_equal(store_alias_delete(k->s, m, "champion", 3, "op", NULL, &k->e), -EINVAL);
        assert_int_equal(store_alias_delete(k->s, m, "nobody", 1, "op", NULL, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_alias_delete(k->s, m, "prod", 2, "op", NULL, &k->e), STORE_CONFLICT);
        assert_int_equal(store_version_prune(k->s, m, 0, "op", NULL, &n, &k->e), 0);
        assert_int_equal(n, 0);
        assert_int_equal(store_alias_delete(k->s, m, "prod", 3, "op", "moved house", &k->e), 0);
        kit_told(k, m, 0, "alias.delete", "prod of version 2 deleted at epoch 3: moved house");
        kit_reopen(k);
        assert_int_equal(store_alias_get(k->s, m, "prod", &a, &k->e), STORE_NOT_FOUND);
        assert_int_equal(kit_version(k, m, 2).n_aliases, 0);
        assert_int_equal(store_version_prune(k->s, m, 0, "op", NULL, &n, &k->e), 0);
        assert_int_equal(n, 1);
        assert_int_equal(set(k, m, "prod", 3, "x"), 0);
        labels_agree(k, m);
}

/* Who kept an epoch from before the deletion must not take what stands there now for what it saw. */
static void an_alias_has_no_epoch_twice(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        uint64_t seen = 0;

        for (int life = 0; life < 3; life++) {
                for (int i = 0; i < 3; i++) {
                        assert_int_equal(set(k, m, "prod", 1, "x"), 0);
                        uint64_t epoch = kit_alias(k, m, "prod").epoch;
                        assert_true(epoch > seen);
                        seen = epoch;
                }
                assert_int_equal(store_alias_delete(k->s, m, "prod", seen, "op", NULL, &k->e), 0);
                assert_int_equal(store_alias_set(k->s, m, "prod", 1, seen, "op", "x", NULL, &k->e), STORE_CONFLICT);
                kit_reopen(k);
        }
        assert_int_equal(set(k, other, "prod", 1, "x"), 0);
        assert_int_equal(kit_alias(k, other, "prod").epoch, 1);
}

/* --- votes --- */

static void votes_are_settled_when_the_job_ends(void **state)
{
        enum { PROMOTED, REJECTED, CANDIDATE, FAILED, REQUEUED, ROLLED, NOT_ROLLED, REBUILT, WAYS };
        struct kit *k = *state;

        for (int way = 0; way < WAYS; way++) {
                const char name[2] = {(char)('a' + way), '\0'};
                model_id m = kit_model(k, name, SCENARIO_DOMAIN);
                bool rolls = way == ROLLED || way == NOT_ROLLED;
                struct kit_outcome w;
                version_id v = 0;
                job_id j;
                label_add(k, m, label("e", "x", 0), CONFLICT_LATEST, NULL);
                if (way == REBUILT)
                        j = kit_ask(
                            k, (struct job_new){
                                   .model = m, .kind = JOB_REBUILD, .rebuild_of = kit_consolidate(k, m, 8, true)});
                else
                        j = kit_job(k, m, rolls ? "two" : NULL, false, 0, NULL);
                if (way == REQUEUED)
                        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
                else
                        kit_to_judging(k, j);
                label_add(k, m, label("e", "y", 1), CONFLICT_LATEST, NULL);
                assert_int_equal(label_counts(k, m).n_live, 2);
                kit_outcome(k, &w, m, j, way == PROMOTED || way == ROLLED, (unsigned)way, rolls);
                w.o.candidate = way == CANDIDATE;
                kit_reopen(k);
                if (rolls)
                        assert_int_equal(
                            store_rollover_commit(k->s, &w.o, way == ROLLED ? &w.close : NULL, &v, &k->e), 0);
                else if (way <= CANDIDATE)
                        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
                else if (way == REBUILT)
                        assert_int_equal(store_rebuild_commit(k->s, j, true, "verified: all", &k->e), 0);
                else if (way == FAILED)
                        assert_int_equal(store_job_move(k->s, j, JOB_JUDGING, JOB_FAILED, "broken", &k->e), 0);
                else {
                        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_QUEUED, NULL, &k->e), 0);
                        assert_int_equal(label_counts(k, m).n_live, 2);
                        assert_int_equal(store_job_claim(k->s, j, 1, &k->e), 0);
                }
                struct counters c = label_counts(k, m);
                assert_int_equal(c.n_live, 1);
                assert_int_equal(c.n_superseded, 1);
                assert_int_equal(label_fate(k, m, "e").row.class, 1);
                labels_agree(k, m);
        }
}

/* What counted when it expired has been learned: its event is closed, but for a correction under latest. */
static void an_expired_event_counts_once(void **state)
{
        struct kit *k = *state;

        for (enum conflict_policy p = CONFLICT_EARLIEST; p <= CONFLICT_MAJORITY; p++) {
                const char name[2] = {(char)('a' + (int)p), '\0'};
                model_id m = kit_model(k, name, SCENARIO_DOMAIN);
                bool closed = p != CONFLICT_LATEST;
                enum feedback_verdict v;
                uint64_t n;
                label_add(k, m, label("e", "x", 0), p, NULL);
                label_add(k, m, label_in(ROW_LATE, "l", "x", 0), p, NULL);
                label_add(k, m, label_in(ROW_QUARANTINED, "e", "q", 1), p, NULL);
                kit_consolidate(k, m, 1 + (unsigned)p, true);
                assert_int_equal(expire(k, m), 2);
                kit_reopen(k);
                struct receipt got = label_add(k, m, label("e", "other", 1), p, &v);
                assert_int_equal(v, FEEDBACK_ACCEPTED);
                assert_int_equal(got.n_superseded, closed);
                assert_int_equal(label_counts(k, m).n_live, !closed);
                assert_int_equal(label_counts(k, m).n_new, !closed);
                assert_int_equal(label_fate(k, m, "e").state, closed ? FEEDBACK_SUPERSEDED : FEEDBACK_QUEUED);
                label_add(k, m, label("e", "third", 1), p, NULL);
                assert_int_equal(label_counts(k, m).n_live, !closed);
                assert_int_equal(store_feedback_release(k->s, m, "e", true, "op", NULL, &n, &k->e), 0);
                assert_int_equal(label_counts(k, m).n_live, !closed); /* older than what came last */
                label_add(k, m, label("l", "other", 1), p, NULL);     /* nobody has learned the late one */
                assert_int_equal(label_fate(k, m, "l").state, FEEDBACK_QUEUED);
                labels_agree(k, m);
        }
}

/* Under latest what is older than the expired row stays lost, and so does what a later vote is about. */
static void an_expired_row_is_not_outlived_by_what_it_beat(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection third = {.source = "z"};
        struct erased done;
        uint64_t n;

        label_add(k, m, label_in(ROW_QUARANTINED, "e", "q", 2), CONFLICT_LATEST, NULL);
        label_add(k, m, label("e", "y", 1), CONFLICT_LATEST, NULL);
        kit_consolidate(k, m, 1, true);
        assert_int_equal(expire(k, m), 1);
        assert_int_equal(store_feedback_release(k->s, m, "e", true, "op", NULL, &n, &k->e), 0);
        assert_int_equal(label_counts(k, m).n_live, 0);
        label_add(k, m, label("e", "z", 0), CONFLICT_LATEST, NULL);
        assert_int_equal(label_counts(k, m).n_live, 1);
        assert_int_equal(store_feedback_erase(k->s, m, &third, "op", NULL, &done, &k->e), 0);
        assert_int_equal(label_counts(k, m).n_live, 0);
        labels_agree(k, m);
}

STORE_TESTS(store_serve_tests, STORE_TEST(a_dry_run_tells_what_it_was_trained_with),
    STORE_TEST(rows_handed_to_the_next_task_were_learned), STORE_TEST(what_a_dry_run_read_expires_when_it_serves),
    STORE_TEST(a_candidate_that_serves_waits_no_more), STORE_TEST(every_alias_goes_back),
    STORE_TEST(an_alias_alone_goes_back_too), STORE_TEST(what_learned_from_it_serves_no_more),
    STORE_TEST(a_deleted_alias_pins_nothing), STORE_TEST(an_alias_has_no_epoch_twice),
    STORE_TEST(votes_are_settled_when_the_job_ends), STORE_TEST(an_expired_event_counts_once),
    STORE_TEST(an_expired_row_is_not_outlived_by_what_it_beat));
