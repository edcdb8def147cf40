/* test_faults.c: the disk fails at the n-th write or sync, or is full, n = 1, 2, 3 … until the verb succeeds
 * without a fault having fired. After each the verb's work is there whole or not at all: in the running store, and
 * after a reopening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/store_kit.h"
#include "lib/vfs_shim.h"
#include "store/sqlite/db.h"
#include <stdlib.h>
#include <string.h>

struct scene {
        struct kit k;
        model_id m;
        job_id job;
        struct kit_outcome w;
        version_id v;
};

static int lost; /* groups that were gone before their commit */

typedef void (*prepare_fn)(struct scene *s);
typedef int (*verb_fn)(struct scene *s);
typedef bool (*done_fn)(struct scene *s); /* asserts that it is all or nothing; true: all */

/* --- feedback_add: three rows --- */

static void feedback_prepare(struct scene *s)
{
        kit_fill(&s->k, s->m, 100, 102);
}

static int feedback_verb(struct scene *s)
{
        const struct feedback rows[] = {kit_row("a", 0, false), kit_row("b", 1, true), kit_row("c", 2, false)};
        struct receipt got;

        return store_feedback_add(s->k.s, s->m, rows, 3, NULL, NULL, &got, &s->k.e);
}

static bool feedback_done(struct scene *s)
{
        uint64_t rows = kit_rows(&s->k, s->m);
        struct task t = kit_task(&s->k, s->m, NULL);

        assert_true(rows == 2 || rows == 5);
        assert_int_equal(t.n_train + t.n_holdout, rows);
        return rows == 5;
}

/* --- consolidation_commit and rollover_commit --- */

static void outcome_prepare(struct scene *s, const char *next)
{
        kit_fill(&s->k, s->m, 0, 6);
        s->job = kit_job(&s->k, s->m, next, false, 0, NULL);
        kit_to_judging(&s->k, s->job);
        kit_fill(&s->k, s->m, 6, 9);
        kit_outcome(&s->k, &s->w, s->m, s->job, true, 3, true);
}

static void consolidation_prepare(struct scene *s)
{
        outcome_prepare(s, NULL);
}

static void rollover_prepare(struct scene *s)
{
        outcome_prepare(s, "two");
}

static int consolidation_verb(struct scene *s)
{
        return store_consolidation_commit(s->k.s, &s->w.o, &s->v, &s->k.e);
}

static int rollover_verb(struct scene *s)
{
        return store_rollover_commit(s->k.s, &s->w.o, &s->w.close, &s->v, &s->k.e);
}

static int last_what(void *arg, const struct audit *a)
{
        *(bool *)arg = strcmp(a->what, "job.attempt") != 0;
        return 0;
}

static int last_alias(void *arg, const struct audit *a)
{
        *(bool *)arg = strcmp(a->what, "alias.set") == 0;
        return 0;
}

static bool outcome_done(struct scene *s)
{
        struct kit *k = &s->k;
        struct version v;
        struct counters c;
        struct alias a;
        struct job j;
        bool audited = false;

        bool all = store_version_by_number(k->s, s->m, 2, &k->a, &v, &k->e) == 0;
        assert_int_equal(store_alias_get(k->s, s->m, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, all ? 2 : 1);
        assert_int_equal(store_job_get(k->s, s->job, &k->a, &j, &k->e), 0);
        assert_int_equal(j.state, all ? JOB_PROMOTED : JOB_JUDGING);
        assert_int_equal(j.n_tasks, all ? 1 : 0);
        assert_int_equal(store_feedback_count(k->s, s->m, &c, &k->e), 0);
        assert_int_equal(c.used_seq, all ? 6 : 0);
        assert_int_equal(store_audit_list(k->s, s->m, last_what, &audited, &k->e), 0);
        assert_int_equal(audited, all);
        return all;
}

static bool rollover_done(struct scene *s)
{
        bool all = outcome_done(s);
        struct task one = kit_task(&s->k, s->m, "one"), open = kit_task(&s->k, s->m, NULL);

        assert_int_equal(one.state, all ? TASK_CLOSED : TASK_OPEN);
        assert_string_equal(open.name, all ? "two" : "one");
        assert_int_equal(one.n_train + one.n_holdout, all ? 6 : 9);
        return all;
}

/* --- a candidate's commit --- */

static void candidate_prepare(struct scene *s)
{
        outcome_prepare(s, NULL);
        s->w.o.promote = false;
        s->w.o.candidate = true;
        s->w.o.gate = "[]";
}

static bool candidate_done(struct scene *s)
{
        struct kit *k = &s->k;
        struct version v;
        struct counters c;
        struct alias a;
        struct job j;
        bool audited = false;

        bool all = store_version_by_number(k->s, s->m, 2, &k->a, &v, &k->e) == 0;
        assert_int_equal(store_alias_get(k->s, s->m, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, 1);
        assert_int_equal(store_alias_get(k->s, s->m, "challenger", &a, &k->e), all ? 0 : STORE_NOT_FOUND);
        if (all) {
                assert_int_equal(a.number, 2);
                assert_int_equal(v.state, VERSION_CANDIDATE);
                assert_string_equal(v.gate, "[]");
        }
        assert_int_equal(store_job_get(k->s, s->job, &k->a, &j, &k->e), 0);
        assert_int_equal(j.state, all ? JOB_CANDIDATE : JOB_JUDGING);
        assert_int_equal(j.n_tasks, all ? 1 : 0);
        assert_int_equal(store_feedback_count(k->s, s->m, &c, &k->e), 0);
        assert_int_equal(c.used_seq, all ? 6 : 0);
        assert_int_equal(store_audit_list(k->s, s->m, last_what, &audited, &k->e), 0);
        assert_int_equal(audited, all);
        return all;
}

/* --- pruning --- */

static void prune_prepare(struct scene *s)
{
        for (unsigned i = 2; i <= 4; i++)
                kit_consolidate(&s->k, s->m, i, true);
}

static int prune_verb(struct scene *s)
{
        uint64_t n;

        return store_version_prune(s->k.s, s->m, 0, "retention", NULL, &n, &s->k.e);
}

static bool prune_done(struct scene *s)
{
        struct version v[2];
        float back[KIT_P];

        for (uint64_t i = 0; i < 2; i++) {
                assert_int_equal(store_version_by_number(s->k.s, s->m, 2 + i, &s->k.a, &v[i], &s->k.e), 0);
                assert_int_equal(store_version_tensor(s->k.s, v[i].id, TENSOR_THETA, back, KIT_P, &s->k.e),
                    v[i].pruned ? STORE_NOT_FOUND : 0);
        }
        assert_int_equal(v[0].pruned, v[1].pruned);
        return v[0].pruned;
}

/* --- a source taken out: rows, votes, counts, aliases, audit --- */

static void unlearn_prepare(struct scene *s)
{
        static const char *const ids[] = {"x", "y", "z"};

        kit_fill(&s->k, s->m, 0, 3);
        for (int i = 0; i < 3; i++) {
                struct feedback bad = kit_row(ids[i], i, false), good = kit_row(ids[i], 0, false);
                bad.source = "bad";
                good.source = "good";
                kit_add(&s->k, s->m, bad);
                kit_add(&s->k, s->m, good); /* lost */
        }
        kit_consolidate(&s->k, s->m, 1, true);
        kit_candidate(&s->k, s->m, 2);
}

static int unlearn_verb(struct scene *s)
{
        struct unlearned u;

        return store_source_unlearn(s->k.s, s->m, "bad", "op", NULL, &u, &s->k.e);
}

static bool unlearn_done(struct scene *s)
{
        struct kit *k = &s->k;
        struct counters c;
        struct alias a;
        bool audited = false;

        assert_int_equal(store_feedback_count(k->s, s->m, &c, &k->e), 0);
        bool all = c.n_erased > 0;
        assert_int_equal(c.n_erased, all ? 3 : 0);
        assert_int_equal(c.n_superseded, all ? 0 : 3);
        assert_int_equal(c.n_live, 6);
        assert_int_equal(kit_rows(k, s->m), 6);
        assert_int_equal(c.used_seq, all ? 0 : 9);
        assert_int_equal(store_alias_get(k->s, s->m, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, all ? 1 : 2);
        assert_int_equal(store_alias_get(k->s, s->m, "challenger", &a, &k->e), 0);
        assert_int_equal(a.number, all ? 1 : 3);
        assert_int_equal(store_audit_list(k->s, s->m, last_alias, &audited, &k->e), 0);
        assert_int_equal(audited, all);
        return all;
}

/* --- the sweep --- */

/* SPILL: SQLite's page cache is so small that pages are written before the commit; a fault then may end the whole
 * transaction in the middle of a verb. */
enum mode { ALONE, GROUPED, SPILL, MODES };

static bool once(unsigned fault, int n, enum mode mode, prepare_fn prepare, verb_fn verb, done_fn done)
{
        bool grouped = mode != ALONE;
        struct scene *s = calloc(1, sizeof(*s));

        assert_non_null(s);
        kit_open(&s->k, &store_sqlite);
        s->m = kit_model(&s->k, "m", SCENARIO_DOMAIN);
        prepare(s);
        assert_false(done(s));
        if (mode == SPILL)
                assert_int_equal(
                    sqlite3_exec(db_of(s->k.s)->h, "PRAGMA cache_size = 1", NULL, NULL, NULL), SQLITE_OK);
        if (grouped)
                assert_int_equal(store_begin(s->k.s, &s->k.e), 0);
        shim_arm(fault, n);
        int r = verb(s);
        if (grouped) {
                int c = store_commit(s->k.s, &s->k.e);
                lost += r != 0 && c != 0;
                r = r != 0 ? r : c;
        }
        bool fired = shim_fired();
        shim_disarm();
        assert_int_equal(r == 0, !fired);
        if (fired)
                assert_int_equal(r, fault == SHIM_FULL ? STORE_FULL : STORE_READONLY);
        assert_int_equal(done(s), r == 0);
        if (r == STORE_FULL) { /* room again: the same call succeeds */
                assert_int_equal(verb(s), 0);
                assert_true(done(s));
        }
        if (r == STORE_READONLY) /* and stays so */
                assert_int_equal(verb(s), STORE_READONLY);
        kit_reopen(&s->k);
        bool all = done(s); /* after a failed fsync either is possible: the frames may have reached the disk */
        if (r == 0 || r == STORE_FULL)
                assert_true(all);
        assert_int_equal(store_check(s->k.s, true, NULL, &s->k.e), 0);
        kit_close(&s->k);
        free(s);
        return fired;
}

static void sweep(prepare_fn prepare, verb_fn verb, done_fn done)
{
        static const unsigned faults[] = {SHIM_FAIL_WRITE, SHIM_FAIL_SYNC, SHIM_FULL};

        for (size_t i = 0; i < 3; i++) {
                for (enum mode mode = ALONE; mode < MODES; mode++) {
                        if (mode == GROUPED && faults[i] != SHIM_FAIL_SYNC)
                                continue; /* SPILL meets the same writes */
                        int n = 1;
                        while (once(faults[i], n, mode, prepare, verb, done))
                                n++;
                        assert_true(n > 1); /* something could fail at all */
                }
        }
}

static void feedback_add_is_whole_or_nothing(void **state)
{
        (void)state;
        sweep(feedback_prepare, feedback_verb, feedback_done);
}

static void consolidation_commit_is_whole_or_nothing(void **state)
{
        (void)state;
        sweep(consolidation_prepare, consolidation_verb, outcome_done);
}

static void rollover_commit_is_whole_or_nothing(void **state)
{
        (void)state;
        lost = 0;
        sweep(rollover_prepare, rollover_verb, rollover_done);
        assert_true(lost > 0); /* the middle of a verb was met */
}

static void candidate_commit_is_whole_or_nothing(void **state)
{
        (void)state;
        sweep(candidate_prepare, consolidation_verb, candidate_done);
}

static void pruning_is_whole_or_nothing(void **state)
{
        (void)state;
        sweep(prune_prepare, prune_verb, prune_done);
}

static void a_failed_checkpoint_ends_writing_but_loses_nothing(void **state)
{
        struct kit k;

        (void)state;
        kit_open(&k, &store_sqlite);
        model_id m = kit_model(&k, "m", SCENARIO_DOMAIN);
        kit_fill(&k, m, 0, 5);
        shim_arm(SHIM_FAIL_WRITE, 1);
        assert_int_equal(store_maintain(k.s, NULL, &k.e), STORE_READONLY);
        shim_disarm();
        assert_int_equal(kit_rows(&k, m), 5);
        assert_int_equal(store_begin(k.s, &k.e), STORE_READONLY);
        kit_reopen(&k);
        assert_int_equal(kit_rows(&k, m), 5);
        kit_fill(&k, m, 5, 6);
        kit_close(&k);
}

static void unlearning_is_whole_or_nothing(void **state)
{
        (void)state;
        sweep(unlearn_prepare, unlearn_verb, unlearn_done);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(feedback_add_is_whole_or_nothing),
            cmocka_unit_test(consolidation_commit_is_whole_or_nothing),
            cmocka_unit_test(rollover_commit_is_whole_or_nothing),
            cmocka_unit_test(candidate_commit_is_whole_or_nothing),
            cmocka_unit_test(pruning_is_whole_or_nothing),
            cmocka_unit_test(unlearning_is_whole_or_nothing),
            cmocka_unit_test(a_failed_checkpoint_ends_writing_but_loses_nothing),
        };
        shim_install();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        shim_remove();
        return failed;
}
