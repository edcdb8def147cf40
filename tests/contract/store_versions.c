/* store_versions.c: versions that wait, jobs that only try, other weights, rebuilds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"
#include "contract/store_suite.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static struct job job_of(struct kit *k, job_id id)
{
        struct job j;

        assert_int_equal(store_job_get(k->s, id, &k->a, &j, &k->e), 0);
        return j;
}

static int ask_code(struct kit *k, struct job_new n)
{
        job_id j = 0;

        n.trigger = TRIGGER_MANUAL;
        n.who = "tester";
        return store_job_create(k->s, &n, &j, &k->e);
}

/* A job in JUDGING and its outcome: neither promoted nor candidate yet. */
static void judged(struct kit *k, struct kit_outcome *w, struct job_new n, unsigned seed)
{
        job_id j = kit_ask(k, n);

        kit_to_judging(k, j);
        kit_outcome(k, w, n.model, j, false, seed, false);
}

/* --- candidates --- */

static void a_candidate_waits_as_challenger(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct alias a;

        kit_fill(k, m, 0, 4);
        assert_int_equal(store_alias_get(k->s, m, "challenger", &a, &k->e), STORE_NOT_FOUND);
        version_id id = kit_candidate(k, m, 1);
        kit_reopen(k);
        assert_int_equal(kit_alias(k, m, "champion").epoch, 1);
        assert_int_equal(kit_alias(k, m, "challenger").version, id);
        assert_int_equal(kit_alias(k, m, "challenger").epoch, 1);
        struct version v = kit_version(k, m, 2);
        assert_int_equal(v.state, VERSION_CANDIDATE);
        assert_int_equal(v.n_aliases, 1);
        struct job j = job_of(k, v.job);
        assert_int_equal(j.state, JOB_CANDIDATE);
        assert_int_equal(j.version_number, 2);
        assert_true(j.ended_ms > 0);
        assert_int_equal(label_counts(k, m).n_new, 0); /* its rows have been judged */
        kit_told(k, m, 0, "version.candidate", "job 1: version 2 candidate: waits");
        kit_told(k, m, 1, "alias.set", "challenger set to version 2, epoch 1: candidate: waits");

        kit_candidate(k, m, 2); /* the newer one takes its place */
        assert_int_equal(kit_alias(k, m, "challenger").number, 3);
        assert_int_equal(kit_alias(k, m, "challenger").epoch, 2);
        kit_told(k, m, 1, "alias.set", "challenger moved from version 2 to 3, epoch 2: candidate: waits");
        assert_int_equal(store_alias_set(k->s, m, "champion", 3, 1, "shadow", "better", &a, &k->e), 0);
        assert_int_equal(kit_version(k, m, 3).state, VERSION_PROMOTED);
        assert_int_equal(kit_version(k, m, 2).state, VERSION_CANDIDATE);
        assert_int_equal(kit_alias(k, m, "challenger").number, 3);
        assert_int_equal(kit_alias(k, m, "challenger").epoch, 2);
}

/* A comparison that is under way ends when another version than the two comes to serve. */
static void a_challenger_is_superseded(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct alias a;

        kit_fill(k, m, 0, 4);
        kit_consolidate(k, m, 1, true); /* 2 */
        kit_candidate(k, m, 2);         /* 3 */
        kit_consolidate(k, m, 3, true); /* 4 */
        assert_int_equal(kit_alias(k, m, "champion").number, 4);
        assert_int_equal(kit_alias(k, m, "challenger").number, 4);
        kit_told(k, m, 1, "alias.set", "challenger moved from version 3 to 4, epoch 2: challenger superseded");
        kit_candidate(k, m, 4); /* 5 */
        assert_int_equal(store_alias_set(k->s, m, "champion", 4, 3, "op", "again", &a, &k->e), 0);
        assert_int_equal(kit_alias(k, m, "challenger").number, 5); /* its parent serves */
        assert_int_equal(store_alias_set(k->s, m, "champion", 2, 4, "op", "back", &a, &k->e), 0);
        assert_int_equal(a.number, 2);
        assert_int_equal(kit_alias(k, m, "challenger").number, 2);
        kit_told(k, m, 0, "alias.set", "challenger moved from version 5 to 2, epoch 4: challenger superseded");
        kit_reopen(k);
        kit_candidate(k, m, 5); /* 6 */
        kit_roll(k, m, "two", 6);
        assert_int_equal(kit_alias(k, m, "challenger").number, 7);
        assert_int_equal(store_alias_set(k->s, m, "challenger", 2, 6, "op", "to look at", &a, &k->e), 0);
        kit_consolidate(k, m, 7, true);
        assert_int_equal(kit_alias(k, m, "challenger").number, 2); /* it waits for nothing */
}

static void a_candidate_does_not_mind_another_champion(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v = 0;

        judged(k, &w, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE}, 1);
        w.o.promote = w.o.candidate = true;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), -EINVAL);
        w.o.promote = false;
        w.o.job = 99;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), STORE_NOT_FOUND);
        w.o.job = 1;
        w.o.theta.b[0] ^= 1;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), STORE_NOT_FOUND);
        w.o.theta.b[0] ^= 1;
        kit_reopen(k);
        assert_int_equal(store_alias_set(k->s, m, "champion", 1, 1, "op", "again", NULL, &k->e), 0);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        assert_int_equal(kit_alias(k, m, "challenger").version, v);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), STORE_CONFLICT); /* once only */
        assert_non_null(strstr(k->e.msg, "candidate"));
}

static void what_a_version_was_made_of_comes_back(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct output_score scores[] = {{0, 5, 4}, {1, 5, 5}};
        struct kit_outcome w;
        version_id id = 0;
        struct version v = kit_version(k, m, 1);

        assert_true(!v.gate && !v.pruned && v.threads == 0 && v.n_train == 0 && v.strategy == STRATEGY_FIXED);
        assert_true(v.prior == 0);
        judged(k, &w, (struct job_new){.model = m, .kind = JOB_CONSOLIDATE, .strategy = STRATEGY_REPLAY}, 1);
        w.o.candidate = true;
        w.o.gate = "[{\"kind\":\"gain\"}]";
        w.o.threads = 3;
        w.o.n_train = 1234567890123;
        w.o.prior = 1.0 / 3.0;
        digest_of("job", 3, &w.o.job_file);
        w.after[0].ece = 0.125;
        w.after[0].n_won = 7;
        w.after[0].n_lost = 2;
        w.after[0].predicted = 0.0625;
        w.after[0].n_outputs = 2;
        w.after[0].outputs = scores;
        w.before[0].ece = (double)NAN;
        w.before[0].n_won = 2;
        w.before[0].predicted = 4;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), 0);
        kit_reopen(k);
        v = kit_version(k, m, 2);
        assert_string_equal(v.gate, "[{\"kind\":\"gain\"}]");
        assert_int_equal(v.threads, 3);
        assert_true(v.n_train == 1234567890123 && v.prior == 1.0 / 3.0);
        assert_true(digest_eq(&v.job_file, &w.o.job_file));
        assert_int_equal(v.strategy, STRATEGY_REPLAY);
        struct job j = job_of(k, v.job);
        const struct evaluation *read[] = {&v.evaluations[0], &j.tasks[0].after};
        for (size_t i = 0; i < 2; i++) {
                assert_true(read[i]->ece == 0.125 && read[i]->predicted == 0.0625);
                assert_int_equal(read[i]->n_won, 7);
                assert_int_equal(read[i]->n_lost, 2);
                assert_int_equal(read[i]->n_outputs, 0); /* scores per output are not kept */
                assert_null(read[i]->outputs);
        }
        const struct evaluation *b = &j.tasks[0].before;
        assert_true(isnan(b->ece) && isnan(b->predicted) && b->accuracy == 0.5);
        assert_int_equal(b->n_won + b->n_lost, 0); /* how they compare stands with the later one */
}

/* --- dry runs --- */

static void a_dry_run_consumes_nothing(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct job_new dry = {.model = m, .kind = JOB_CONSOLIDATE, .dry_run = true};
        struct kit_outcome w;
        struct alias a;
        version_id v = 0;

        kit_fill(k, m, 0, 4);
        judged(k, &w, dry, 1);
        w.o.promote = true;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), -EINVAL);
        w.o.promote = false;
        w.o.candidate = true;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        kit_reopen(k);
        assert_int_equal(store_alias_get(k->s, m, "challenger", &a, &k->e), STORE_NOT_FOUND);
        assert_int_equal(kit_alias(k, m, "champion").epoch, 1);
        assert_int_equal(kit_version(k, m, 2).state, VERSION_CANDIDATE);
        assert_int_equal(job_of(k, 1).state, JOB_CANDIDATE);
        assert_int_equal(label_counts(k, m).used_seq, 0);
        assert_int_equal(label_counts(k, m).n_new, 3);
        kit_told(k, m, 0, "version.candidate", "job 1: version 2 candidate by a dry run: rejected: worse");
        judged(k, &w, dry, 2);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        assert_int_equal(job_of(k, 2).state, JOB_REJECTED);
        assert_int_equal(label_counts(k, m).n_new, 3);
        kit_told(k, m, 0, "version.reject", "job 2: version 3 rejected by a dry run: worse");
}

static void a_rollover_waits_in_a_dry_run_only(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct job_new roll = {.model = m, .kind = JOB_ROLLOVER, .next_task = "two"};
        struct kit_outcome w;
        version_id v = 0;

        kit_fill(k, m, 0, 4);
        judged(k, &w, roll, 1);
        w.o.candidate = true;
        assert_int_equal(store_rollover_commit(k->s, &w.o, NULL, &v, &k->e), -EINVAL);
        assert_int_equal(store_job_move(k->s, w.o.job, JOB_JUDGING, JOB_CANCELLED, NULL, &k->e), 0);
        roll.dry_run = true;
        judged(k, &w, roll, 1);
        w.o.candidate = true;
        assert_int_equal(store_rollover_commit(k->s, &w.o, NULL, &v, &k->e), 0);
        assert_int_equal(job_of(k, w.o.job).state, JOB_CANDIDATE);
        assert_string_equal(kit_task(k, m, NULL).name, "one");
        assert_int_equal(label_counts(k, m).n_new, 3);
        struct alias champion = kit_alias(k, m, "champion");
        assert_int_equal(
            store_alias_set(k->s, m, "champion", 2, champion.epoch, "test", NULL, NULL, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "closed no task"));
        assert_int_equal(store_alias_set(k->s, m, "look", 2, 0, "test", NULL, NULL, &k->e), 0); /* to ask it */
        roll.dry_run = false;
        judged(k, &w, roll, 2);
        assert_int_equal(store_rollover_commit(k->s, &w.o, NULL, &v, &k->e), 0); /* rejected: no better */
        assert_int_equal(
            store_alias_set(k->s, m, "champion", 3, champion.epoch, "test", NULL, NULL, &k->e), STORE_CONFLICT);
        assert_non_null(strstr(k->e.msg, "closed no task"));
        kit_roll(k, m, "two", 2); /* in earnest: the name is still free */
}

/* --- another weight --- */

static void a_reweight_gives_its_task_the_new_alpha(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v = 0;

        kit_fill(k, m, 0, 4);
        kit_roll(k, m, "two", 1);
        task_id one = kit_task(k, m, "one").id;
        struct job_new n = {.model = m, .kind = JOB_REWEIGHT, .alpha_task = kit_task(k, m, "two").id, .alpha = 0.25};
        assert_int_equal(ask_code(k, n), STORE_NOT_FOUND); /* it is open */
        n.alpha_task = one;
        n.model = other;
        assert_int_equal(ask_code(k, n), STORE_NOT_FOUND);
        n.model = m;
        for (double bad = -1; !isnan(bad); bad = bad < 0 ? HUGE_VAL : (double)NAN) {
                n.alpha = bad;
                assert_int_equal(ask_code(k, n), -EINVAL);
        }
        n.alpha = 0.25;
        n.kind = JOB_CONSOLIDATE;
        assert_int_equal(ask_code(k, n), -EINVAL);
        n.kind = JOB_REWEIGHT;
        kit_fill(k, m, 4, 8); /* they wait for a job that learns */
        uint64_t used = label_counts(k, m).used_seq;
        judged(k, &w, n, 2);
        kit_told(k, m, 2, "job.create", "job 2: reweight task one to alpha 0.25, trigger manual");
        w.o.candidate = true;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), -EINVAL);
        w.o.candidate = false;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0); /* rejected */
        assert_true(kit_task(k, m, "one").alpha == 0.75);
        judged(k, &w, n, 2);
        w.o.promote = true;
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), -EINVAL);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
        kit_reopen(k);
        assert_true(kit_task(k, m, "one").alpha == 0.25);
        assert_int_equal(kit_alias(k, m, "champion").version, v);
        struct job j = job_of(k, w.o.job);
        assert_int_equal(j.state, JOB_PROMOTED);
        assert_int_equal(j.alpha_task, one);
        assert_true(j.alpha == 0.25);
        assert_int_equal(label_counts(k, m).used_seq, used);
        assert_int_equal(label_counts(k, m).n_new, 3);
        struct version now = kit_version(k, m, 4), parent = kit_version(k, m, 2);
        assert_int_equal(now.range.first, parent.range.first); /* its theta is its parent's */
        assert_int_equal(now.range.last, parent.range.last);
        assert_true(j.range.last > parent.range.last);
        kit_told(k, m, 0, "task.alpha", "job 3: alpha of task one from 0.75 to 0.25 with version 4");
}

static void reweigh(struct kit *k, model_id m, const char *task, double alpha, unsigned seed)
{
        struct kit_outcome w;
        version_id v = 0;

        judged(k, &w,
            (struct job_new){.model = m, .kind = JOB_REWEIGHT, .alpha_task = kit_task(k, m, task).id, .alpha = alpha},
            seed);
        w.o.promote = true;
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &v, &k->e), 0);
}

static void champion_to(struct kit *k, model_id m, uint64_t number)
{
        uint64_t epoch = kit_alias(k, m, "champion").epoch;

        assert_int_equal(store_alias_set(k->s, m, "champion", number, epoch, "op", "back", NULL, &k->e), 0);
        kit_reopen(k);
}

static double weighs(struct kit *k, model_id m, const char *task, uint64_t number)
{
        double ret = -1;

        assert_int_equal(
            store_task_weight(k->s, kit_task(k, m, task).id, kit_version(k, m, number).id, 99, &ret, &k->e), 0);
        return ret;
}

/* One call back restores the protection as well, and one forth what was said of it. */
static void weights_follow_the_champion(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        double ret;

        kit_roll(k, other, "two", 9);
        reweigh(k, other, "one", 5, 9);
        kit_fill(k, m, 0, 4);
        kit_roll(k, m, "two", 1); /* 2: closes "one" with alpha 0.75 */
        kit_fill(k, m, 4, 8);
        kit_roll(k, m, "three", 2);     /* 3 */
        reweigh(k, m, "one", 0.25, 3);  /* 4 */
        reweigh(k, m, "two", 8, 3);     /* 5 */
        reweigh(k, m, "one", 0, 3);     /* 6 */
        kit_consolidate(k, m, 4, true); /* 7 */
        assert_true(kit_task(k, m, "one").alpha == 0 && kit_task(k, m, "two").alpha == 8);
        champion_to(k, m, 5);
        assert_true(kit_task(k, m, "one").alpha == 0.25 && kit_task(k, m, "two").alpha == 8);
        kit_told(k, m, 0, "task.alpha", "alpha of task one from 0 to 0.25 with version 5");
        kit_told(k, m, 1, "alias.set", "champion moved from version 7 to 5, epoch 8: back");
        champion_to(k, m, 3);
        assert_true(kit_task(k, m, "one").alpha == 0.75 && kit_task(k, m, "two").alpha == 0.75);
        kit_told(k, m, 1, "task.alpha", "alpha of task one from 0.25 to 0.75 with version 3");
        kit_told(k, m, 0, "task.alpha", "alpha of task two from 8 to 0.75 with version 3");
        reweigh(k, m, "two", 3, 5); /* 8: another line */
        assert_true(kit_task(k, m, "one").alpha == 0.75 && kit_task(k, m, "two").alpha == 3);
        champion_to(k, m, 7);
        assert_true(kit_task(k, m, "one").alpha == 0 && kit_task(k, m, "two").alpha == 8);
        champion_to(k, m, 1); /* before any task was closed */
        assert_true(kit_task(k, m, "one").alpha == 0.75 && kit_task(k, m, "two").alpha == 0.75);
        assert_true(kit_task(k, m, "three").alpha == 1);
        assert_true(kit_task(k, other, "one").alpha == 5);
        assert_true(weighs(k, m, "one", 7) == 0 && weighs(k, m, "one", 4) == 0.25 && weighs(k, m, "one", 8) == 0.75);
        assert_true(weighs(k, m, "two", 8) == 3 && weighs(k, m, "two", 4) == 0.75 && weighs(k, m, "two", 6) == 8);
        task_id open = kit_task(k, m, "three").id;
        assert_int_equal(store_task_weight(k->s, open, 1, 1, &ret, &k->e), STORE_NOT_FOUND);
}

/* --- rebuilds --- */

static void a_rebuild_starts_where_its_version_did(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN), other = kit_model(k, "other", SCENARIO_DOMAIN);
        struct kit_outcome w;
        struct version v;
        version_id id = 0;

        kit_consolidate(k, m, 9, true);
        struct receipt rows = kit_fill(k, m, 0, 4);
        version_id third = kit_consolidate(k, m, 1, true);
        task_id one = kit_task(k, m, NULL).id;
        kit_fill(k, m, 4, 8);
        kit_roll(k, m, "two", 2);
        kit_fill(k, m, 8, 9);
        struct job_new n = {.model = m, .kind = JOB_REBUILD, .rebuild_of = kit_version(k, m, 1).id};
        assert_int_equal(ask_code(k, n), STORE_NOT_FOUND); /* nothing has trained the first */
        n.rebuild_of = 99;
        assert_int_equal(ask_code(k, n), STORE_NOT_FOUND);
        n.rebuild_of = third;
        n.model = other;
        assert_int_equal(ask_code(k, n), STORE_NOT_FOUND);
        n.model = m;
        n.kind = JOB_CONSOLIDATE;
        assert_int_equal(ask_code(k, n), -EINVAL);
        n.kind = JOB_REBUILD;
        uint64_t used = label_counts(k, m).used_seq;
        job_id j = kit_ask(k, n);
        kit_told(k, m, 0, "job.create", "job 4: rebuild version 3, trigger manual");
        assert_int_equal(store_job_claim(k->s, j, 5, &k->e), 0);
        kit_reopen(k);
        struct job got = job_of(k, j);
        assert_int_equal(got.rebuild_of, third);
        assert_int_equal(got.parent_number, 2);
        assert_int_equal(got.task, one);
        assert_int_equal(got.range.first, rows.first_seq);
        assert_int_equal(got.range.last, rows.last_seq);
        assert_true(got.seed == UINT64_MAX - 3);
        assert_int_equal(store_rebuild_commit(k->s, j, true, "x", &k->e), STORE_CONFLICT);
        assert_int_equal(store_job_move(k->s, j, JOB_EXPORTING, JOB_RUNNING, NULL, &k->e), 0);
        assert_int_equal(store_job_move(k->s, j, JOB_RUNNING, JOB_JUDGING, NULL, &k->e), 0);
        kit_outcome(k, &w, m, j, false, 1, false);
        assert_int_equal(store_consolidation_commit(k->s, &w.o, &id, &k->e), -EINVAL);
        assert_int_equal(store_job_move(k->s, j, JOB_JUDGING, JOB_VERIFIED, NULL, &k->e), -EINVAL);
        assert_int_equal(store_job_move(k->s, j, JOB_JUDGING, JOB_CANDIDATE, NULL, &k->e), -EINVAL);
        assert_int_equal(store_rebuild_commit(k->s, j, true, "verified: 12 parameters", &k->e), 0);
        kit_reopen(k);
        got = job_of(k, j);
        assert_int_equal(got.state, JOB_VERIFIED);
        assert_string_equal(got.reason, "verified: 12 parameters");
        assert_int_equal(got.version, 0);
        assert_true(got.ended_ms > 0);
        assert_int_equal(label_counts(k, m).used_seq, used);
        assert_int_equal(kit_alias(k, m, "champion").number, 4);
        assert_int_equal(store_version_by_number(k->s, m, 5, &k->a, &v, &k->e), STORE_NOT_FOUND);
        kit_told(k, m, 0, "version.rebuild", "job 4: version 3 rebuilt, the same bits: 12 parameters");
        j = kit_ask(k, n);
        kit_to_judging(k, j);
        assert_int_equal(store_rebuild_commit(k->s, j, false, "theta differs", &k->e), 0);
        assert_int_equal(job_of(k, j).state, JOB_REJECTED);
        kit_told(k, m, 0, "version.rebuild", "job 5: version 3 rebuilt, not the same bits: theta differs");
        j = kit_job(k, m, NULL, false, 0, NULL);
        kit_to_judging(k, j);
        assert_int_equal(store_rebuild_commit(k->s, j, true, "x", &k->e), -EINVAL);
        assert_int_equal(store_rebuild_commit(k->s, 99, true, "x", &k->e), STORE_NOT_FOUND);
}

STORE_TESTS(store_version_tests, STORE_TEST(a_candidate_waits_as_challenger), STORE_TEST(a_challenger_is_superseded),
    STORE_TEST(a_candidate_does_not_mind_another_champion), STORE_TEST(what_a_version_was_made_of_comes_back),
    STORE_TEST(a_dry_run_consumes_nothing), STORE_TEST(a_rollover_waits_in_a_dry_run_only),
    STORE_TEST(a_reweight_gives_its_task_the_new_alpha), STORE_TEST(weights_follow_the_champion),
    STORE_TEST(a_rebuild_starts_where_its_version_did));
