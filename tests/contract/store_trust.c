/* store_trust.c: holdout rows that an operator gave: no label that comes by the API has a say in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/label_kit.h"
#include "contract/store_suite.h"
#include <string.h>

static struct feedback trusted(const char *id, const char *source, int32_t class)
{
        struct feedback f = label(id, source, class);

        f.holdout = f.trusted = true;
        return f;
}

static enum feedback_verdict verdict(struct kit *k, model_id m, struct feedback f, enum conflict_policy p)
{
        enum feedback_verdict v;

        label_add(k, m, f, p, &v);
        return v;
}

struct seen {
        uint64_t n_trusted, n_others;
        int32_t trusted, other; /* classes */
};

static int see(void *arg, const struct feedback *f)
{
        struct seen *s = arg;

        if (f->trusted) {
                s->n_trusted++;
                s->trusted = f->class;
                assert_string_equal(f->source, "op");
        } else {
                s->n_others++;
                s->other = f->class;
        }
        return 0;
}

static void live(struct kit *k, model_id m, uint64_t n_trusted, int32_t class, uint64_t n_others, int32_t other)
{
        const struct feedback_filter f = {.range = {0, UINT64_MAX}, .split = SPLIT_BOTH};
        struct seen s = {.trusted = -1, .other = -1};

        assert_int_equal(store_feedback_scan(k->s, m, &f, see, &s, &k->e), 0);
        assert_int_equal(s.n_trusted, n_trusted);
        assert_int_equal(s.trusted, class);
        assert_int_equal(s.n_others, n_others);
        assert_int_equal(s.other, other);
        labels_agree(k, m);
}

static void trusted_rows_neither_vote_nor_lose(void **state)
{
        static const int32_t winner[] = {
            [CONFLICT_EARLIEST] = 0, [CONFLICT_LATEST] = 2, [CONFLICT_MAJORITY] = 0}; /* of votes 0, 0, 2 */
        static const char names[3][2] = {"a", "b", "c"};
        struct kit *k = *state;

        for (enum conflict_policy p = CONFLICT_EARLIEST; p <= CONFLICT_MAJORITY; p++) {
                model_id m = kit_model(k, names[p], SCENARIO_DOMAIN);
                assert_int_equal(verdict(k, m, trusted("e", "op", 1), p), FEEDBACK_ACCEPTED);
                assert_int_equal(verdict(k, m, label("e", "op", 0), p), FEEDBACK_ACCEPTED); /* the same key */
                live(k, m, 1, 1, 1, 0);
                assert_int_equal(verdict(k, m, label("e", "x", 0), p), FEEDBACK_ACCEPTED);
                assert_int_equal(verdict(k, m, label("e", "y", 2), p), FEEDBACK_ACCEPTED);
                live(k, m, 1, 1, 1, winner[p]);
                assert_int_equal(label_counts(k, m).n_superseded, 2);
                assert_int_equal(verdict(k, m, trusted("e", "op", 1), p), FEEDBACK_DUPLICATE);
                assert_int_equal(verdict(k, m, trusted("e", "op", 2), p), FEEDBACK_CONFLICT); /* erase it first */
                assert_int_equal(verdict(k, m, label("e", "op", 0), p), FEEDBACK_DUPLICATE);
                assert_false(label_fate(k, m, "e").row.trusted);
        }
}

static void a_trusted_row_may_come_second(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);

        kit_add(k, m, label("e", "op", 0));
        assert_int_equal(verdict(k, m, trusted("e", "op", 1), CONFLICT_EARLIEST), FEEDBACK_ACCEPTED);
        live(k, m, 1, 1, 1, 0);
        assert_int_equal(verdict(k, m, label("e", "op", 0), CONFLICT_EARLIEST), FEEDBACK_DUPLICATE);
        assert_int_equal(verdict(k, m, label("e", "op", 2), CONFLICT_EARLIEST), FEEDBACK_CONFLICT);
        assert_int_equal(verdict(k, m, label("e", "op", 2), CONFLICT_LATEST), FEEDBACK_ACCEPTED);
        live(k, m, 1, 1, 1, 2);
        kit_reopen(k);
        assert_int_equal(verdict(k, m, trusted("e", "op", 1), CONFLICT_LATEST), FEEDBACK_DUPLICATE);
}

static void trusted_rows_are_erased_when_asked_for(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        const struct feedback_selection t = {.event_id = "t"}, op = {.source = "op"};
        struct erased done;
        struct unlearned u;

        kit_add(k, m, trusted("e", "op", 1));
        kit_add(k, m, trusted("t", "op", 1));
        kit_add(k, m, label("e", "x", 0));
        assert_int_equal(label_erase(k, m, (struct feedback_selection){.event_id = "e"}).n, 1);
        live(k, m, 2, 1, 0, -1);
        assert_int_equal(store_feedback_erase(k->s, m, &t, "op", NULL, &done, &k->e), STORE_NOT_FOUND);
        assert_non_null(strstr(k->e.msg, "trusted"));
        assert_int_equal(store_feedback_erase(k->s, m, &op, "op", NULL, &done, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_source_unlearn(k->s, m, "op", "op", NULL, &u, &k->e), STORE_NOT_FOUND);
        kit_add(k, m, label("f", "op", 0));
        assert_int_equal(store_source_unlearn(k->s, m, "op", "op", NULL, &u, &k->e), 0);
        assert_int_equal(u.n_erased, 1);
        live(k, m, 2, 1, 0, -1);
        assert_int_equal(label_erase(k, m, (struct feedback_selection){.event_id = "e", .trusted = true}).n, 1);
        live(k, m, 1, 1, 0, -1);
        assert_int_equal(label_erase(k, m, (struct feedback_selection){.source = "op", .trusted = true}).n, 1);
        live(k, m, 0, -1, 0, -1);
        assert_int_equal(verdict(k, m, trusted("e", "op", 1), CONFLICT_LATEST), FEEDBACK_ERASED);
        assert_int_equal(verdict(k, m, label("e", "z", 1), CONFLICT_LATEST), FEEDBACK_ERASED);
}

STORE_TESTS(store_trust_tests, STORE_TEST(trusted_rows_neither_vote_nor_lose),
    STORE_TEST(a_trusted_row_may_come_second), STORE_TEST(trusted_rows_are_erased_when_asked_for));
