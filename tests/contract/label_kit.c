/* label_kit.c: labels in, their fates, labels out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"

struct feedback label(const char *id, const char *source, int32_t class)
{
        struct feedback f = kit_row(id, class, false);

        f.source = source;
        return f;
}

struct feedback label_in(enum row_state state, const char *id, const char *source, int32_t class)
{
        struct feedback f = label(id, source, class);

        f.state = state;
        return f;
}

struct receipt label_add(
    struct kit *k, model_id m, struct feedback f, enum conflict_policy p, enum feedback_verdict *v)
{
        const struct feedback_rules rules = {p};
        struct receipt got;

        int r = store_feedback_add(k->s, m, &f, 1, &rules, v, &got, &k->e);
        if (r != 0)
                fail_msg("store_feedback_add: %d %s", r, k->e.msg);
        return got;
}

struct feedback_fate label_fate(struct kit *k, model_id m, const char *id)
{
        struct feedback_fate f;

        assert_int_equal(store_feedback_get(k->s, m, id, &k->a, &f, &k->e), 0);
        return f;
}

struct counters label_counts(struct kit *k, model_id m)
{
        struct counters c;

        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        return c;
}

struct tally {
        uint64_t n[2];
        int32_t class;
};

static int tally(void *arg, const struct feedback *f)
{
        struct tally *t = arg;

        assert_int_equal(f->state, ROW_LIVE);
        t->n[f->holdout]++;
        t->class = f->class;
        return 0;
}

void labels_agree(struct kit *k, model_id m)
{
        struct counters c = label_counts(k, m);
        struct store_health h;
        struct task *tasks;
        uint64_t live = 0, retained = 0;
        size_t n;

        assert_int_equal(store_task_list(k->s, m, &k->a, &tasks, &n, &k->e), 0);
        for (size_t i = 0; i < n; i++) {
                const struct feedback_filter f = {.task = tasks[i].id, .range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
                struct tally t = {0};
                assert_int_equal(store_feedback_scan(k->s, m, &f, tally, &t, &k->e), 0);
                assert_int_equal(tasks[i].n_train, t.n[0]);
                assert_int_equal(tasks[i].n_holdout, t.n[1]);
                live += t.n[0] + t.n[1];
                retained += tasks[i].state == TASK_CLOSED ? t.n[0] : 0;
                if (tasks[i].state == TASK_OPEN) {
                        assert_int_equal(c.n_open_train, t.n[0]);
                        assert_int_equal(c.n_open_holdout, t.n[1]);
                }
        }
        assert_int_equal(c.n_live, live);
        assert_int_equal(c.n_live, kit_rows(k, m));
        assert_int_equal(c.n_retained, retained);
        if (store_check(k->s, true, &h, &k->e) != 0)
                fail_msg("%s", k->e.msg);
        assert_true(h.n_feedback >= /* of all models */
                    c.n_live + c.n_quarantined + c.n_late + c.n_superseded + c.n_erased + c.n_expired);
}

int32_t label_counting(struct kit *k, model_id m)
{
        const struct feedback_filter f = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        struct tally t = {.class = -1};

        assert_int_equal(store_feedback_scan(k->s, m, &f, tally, &t, &k->e), 0);
        assert_true(t.n[0] + t.n[1] <= 1);
        return t.class;
}

struct erased label_erase(struct kit *k, model_id m, struct feedback_selection sel)
{
        struct erased done = {0};

        int r = store_feedback_erase(k->s, m, &sel, "op", NULL, &done, &k->e);
        if (r != 0)
                fail_msg("store_feedback_erase: %d %s", r, k->e.msg);
        return done;
}

uint64_t label_expire(struct kit *k, model_id m, struct retention how, size_t limit)
{
        uint64_t n = 77;

        int r = store_feedback_expire(k->s, m, &how, limit, &n, &k->e);
        if (r != 0)
                fail_msg("store_feedback_expire: %d %s", r, k->e.msg);
        return n;
}

struct unlearned label_unlearn(struct kit *k, model_id m, const char *source)
{
        struct unlearned u;

        int r = store_source_unlearn(k->s, m, source, "op", NULL, &u, &k->e);
        if (r != 0)
                fail_msg("store_source_unlearn: %d %s", r, k->e.msg);
        return u;
}
