/* test_recall.c: rings of predictions: found by id, overwritten in turn, too old; several loops; nothing allocated
 * once warm; readers beside a writer. One event claims a prediction. */
#include "base/err.h"
#include "base/fault.h"
#include "infer/recall.h"
#include "lib/count_alloc.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { I = 3 };

static void name(uint64_t k, uint8_t ret[RECALL_ID])
{
        memset(ret, 0, RECALL_ID);
        memcpy(ret, &k, sizeof(k));
        uint64_t mixed = k * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(ret + 8, &mixed, sizeof(mixed));
}

/* Prediction k: all of it follows from k. */
static bool put(struct recall *r, unsigned lane, model_id m, size_t rows, uint64_t k)
{
        float x[I] = {(float)k, (float)k + 1, (float)k + 2};
        struct recalled p = {.mac = k * 7,
            .version = k + 100,
            .task = 5,
            .class = (int32_t)k,
            .probability = 0.5f,
            .at_ms = (int64_t)k,
            .n_inputs = I,
            .inputs = x};
        name(k, p.id);
        return recall_put(r, lane, m, rows, &p);
}

static bool has(struct recall *r, model_id m, uint64_t k, int64_t oldest)
{
        float x[I];
        uint8_t id[RECALL_ID];
        struct recalled p;
        name(k, id);
        if (!recall_find(r, m, id, oldest, x, I, &p))
                return false;
        assert_memory_equal(p.id, id, RECALL_ID);
        assert_true(p.mac == k * 7 && p.version == k + 100 && p.task == 5 && p.class == (int32_t)k);
        assert_true(p.at_ms == (int64_t)k && p.n_inputs == I && p.inputs == x);
        for (int i = 0; i < I; i++)
                assert_true(x[i] == (float)k + (float)i);
        return true;
}

static struct recall *made(size_t lanes)
{
        struct recall *r = NULL;
        struct err e = ERR_NULL;
        assert_int_equal(recall_new(&r, lanes, 1 << 20, &e), 0);
        return r;
}

static void overwrites_in_turn(void **state)
{
        (void)state;
        struct recall *r = made(1);
        assert_false(has(r, 1, 1, 0));
        for (uint64_t k = 1; k <= 1000; k++) {
                assert_true(put(r, 0, 1, 10, k));
                for (uint64_t old = k > 30 ? k - 30 : 1; old <= k; old++)
                        assert_int_equal(has(r, 1, old, 0), old + 10 > k);
        }
        assert_false(has(r, 2, 1000, 0)); /* another model's */
        recall_free(r);
}

static void age_and_length(void **state)
{
        (void)state;
        float x[I + 1];
        uint8_t id[RECALL_ID];
        struct recalled p;
        struct recall *r = made(1);
        assert_true(put(r, 0, 1, 10, 50));
        assert_true(has(r, 1, 50, 50));
        assert_false(has(r, 1, 50, 51));
        name(50, id);
        assert_false(recall_find(r, 1, id, 0, x, I + 1, &p));
        p = (struct recalled){.n_inputs = I + 1, .inputs = x};
        memset(x, 0, sizeof(x));
        assert_false(recall_put(r, 0, 1, 10, &p));
        recall_free(r);
}

/* Rows are shared out among the loops; a row is found whoever wrote it. */
static void loops_and_models(void **state)
{
        (void)state;
        struct recall *r = made(3);
        for (model_id m = 1; m <= 200; m++)
                for (unsigned lane = 0; lane < 3; lane++)
                        for (uint64_t k = 0; k < 5; k++)
                                assert_true(put(r, lane, m, 10, m * 100 + lane * 10 + k));
        for (model_id m = 1; m <= 200; m++)
                for (unsigned lane = 0; lane < 3; lane++)
                        for (uint64_t k = 0; k < 5; k++) /* 4 of each: 10 in three, rounded up */
                                assert_int_equal(has(r, m, m * 100 + lane * 10 + k, 0), k >= 1);
        recall_free(r);
}

static void forgets_on_demand(void **state)
{
        (void)state;
        uint8_t id[RECALL_ID];
        struct recall *r = made(2);
        for (uint64_t k = 1; k <= 10; k++)
                assert_true(put(r, (unsigned)(k % 2), 1, 10, k));
        for (uint64_t k = 7; k <= 8; k++) { /* one of each loop */
                name(k, id);
                recall_forget(r, 2, id);
                assert_true(has(r, 1, k, INT64_MIN + 1));
                recall_forget(r, 1, id);
        }
        for (uint64_t k = 1; k <= 10; k++)
                assert_int_equal(has(r, 1, k, INT64_MIN + 1), k != 7 && k != 8);
        for (uint64_t k = 11; k <= 40; k++) { /* and their places are used again */
                assert_true(put(r, (unsigned)(k % 2), 1, 10, k));
                assert_true(has(r, 1, k, 0));
        }
        recall_free(r);
}

static void long_rows_shorten_the_ring(void **state)
{
        (void)state;
        enum { LONG = 1 << 14 }; /* 64 KiB a row: 7 fit into half of the memory */
        static float x[LONG], back[LONG];
        struct recall *r = made(1);
        for (uint64_t k = 1; k <= 20; k++) {
                struct recalled p = {.at_ms = 1, .n_inputs = LONG, .inputs = x};
                name(k, p.id);
                x[LONG - 1] = (float)k;
                assert_true(recall_put(r, 0, 1, 1000, &p));
        }
        for (uint64_t k = 1; k <= 20; k++) {
                uint8_t id[RECALL_ID];
                struct recalled p;
                name(k, id);
                assert_int_equal(recall_find(r, 1, id, 0, back, LONG, &p), k > 13);
                if (k > 13)
                        assert_true(back[LONG - 1] == (float)k);
        }
        recall_free(r);
}

/* One budget for all models: what is taken is counted whole, a later model finds room, and clearing gives back. */
static void one_budget(void **state)
{
        (void)state;
        struct recall *r = made(1);
        size_t before = 0;
        for (model_id m = 1; m <= 40; m++) {
                for (uint64_t k = 0; k < 20000; k += 1000)
                        put(r, 0, m, 1000000, m * 100000 + k);
                assert_true(recall_bytes(r) <= 1 << 20);
                if (m <= 8)
                        assert_true(recall_bytes(r) > before && has(r, m, m * 100000 + 19000, 0));
                before = recall_bytes(r);
        }
        assert_true(before > 1 << 19);
        for (model_id m = 1; m <= 40; m++)
                recall_clear(r, m);
        assert_int_equal(recall_bytes(r), 0);
        assert_false(has(r, 1, 119000, 0));
        assert_true(put(r, 0, 1, 10, 7)); /* and it begins anew */
        assert_true(has(r, 1, 7, 0));
        assert_true(recall_bytes(r) >= 10 * (sizeof(struct recalled) + I * sizeof(float)));
        recall_free(r);
}

static enum recall_claimed claim(struct recall *r, model_id m, uint64_t k, const char *event, const char *first)
{
        uint8_t id[RECALL_ID];
        char was[KEY_SIZE] = "";
        name(k, id);
        enum recall_claimed c = recall_claim(r, m, id, event, was);
        assert_string_equal(was, first ? first : "");
        return c;
}

static void one_event_claims(void **state)
{
        (void)state;
        char last[KEY_SIZE];
        uint8_t id[RECALL_ID];
        struct recall *r = made(2);
        memset(last, 'z', sizeof(last));
        last[KEY_SIZE - 1] = '\0';
        for (uint64_t k = 1; k <= 8; k++)
                assert_true(put(r, (unsigned)(k % 2), 1, 8, k));
        assert_int_equal(claim(r, 1, 9, "a", NULL), RECALL_GONE);
        assert_int_equal(claim(r, 2, 1, "a", NULL), RECALL_GONE);
        assert_int_equal(claim(r, 1, 1, last, NULL), RECALL_CLAIMED);
        assert_int_equal(claim(r, 1, 1, last, NULL), RECALL_SAME);
        assert_int_equal(claim(r, 1, 1, "b", last), RECALL_OTHER);
        assert_int_equal(claim(r, 1, 2, "b", NULL), RECALL_CLAIMED); /* each its own, on any loop */
        name(1, id);
        recall_unclaim(r, 1, id, "b"); /* not its claim */
        assert_int_equal(claim(r, 1, 1, "b", last), RECALL_OTHER);
        recall_unclaim(r, 1, id, last);
        assert_int_equal(claim(r, 1, 1, "b", NULL), RECALL_CLAIMED);
        recall_forget(r, 1, id);
        assert_int_equal(claim(r, 1, 1, "b", NULL), RECALL_GONE);
        for (uint64_t k = 11; k <= 18; k++) { /* a place that is written again is nobody's */
                assert_true(put(r, (unsigned)(k % 2), 1, 8, k));
                assert_int_equal(claim(r, 1, k, "c", NULL), RECALL_CLAIMED);
        }
        recall_free(r);
}

static void forgets_by_event(void **state)
{
        (void)state;
        struct recall *r = made(2);
        for (uint64_t k = 1; k <= 8; k++)
                assert_true(put(r, (unsigned)(k % 2), 1, 100, k));
        for (uint64_t k = 2; k <= 4; k++)
                claim(r, 1, k, k == 4 ? "d" : "b", NULL);
        recall_forget_event(r, 2, "b");
        recall_forget_event(r, 1, "x");
        for (uint64_t k = 1; k <= 8; k++)
                assert_true(has(r, 1, k, INT64_MIN + 1));
        recall_forget_event(r, 1, "b");
        for (uint64_t k = 1; k <= 8; k++)
                assert_int_equal(has(r, 1, k, INT64_MIN + 1), k != 3 && k != 2);
        recall_free(r);
}

static void allocates_once(void **state)
{
        (void)state;
        struct recall *r = made(2);
        assert_true(put(r, 0, 1, 100, 1));
        size_t before = n_allocations;
        for (uint64_t k = 2; k < 500; k++) {
                assert_true(put(r, 0, 1, 100, k));
                assert_true(has(r, 1, k, 0));
        }
        assert_int_equal(n_allocations, before);
        recall_free(r);
}

static void memory_short(void **state)
{
        (void)state;
        struct recall *r = NULL;
        struct err e = ERR_NULL;
        assert_int_equal(recall_new(&r, 0, 1, &e), -EINVAL);
        assert_int_equal(recall_new(&r, RECALL_LANES + 1, 1, &e), -EINVAL);
        for (int i = 1; i <= 2; i++) {
                fault_arm(0, i);
                assert_int_equal(recall_new(&r, 1, 1, &e), -ENOMEM);
                fault_disarm();
        }
        r = made(1);
        for (int i = 0; i < 5; i++) { /* the ring and its four arrays */
                fault_arm(i, 1);
                assert_false(put(r, 0, 1, 10, 1));
                fault_disarm();
                assert_false(has(r, 1, 1, 0));
        }
        assert_true(put(r, 0, 1, 10, 1));
        assert_true(has(r, 1, 1, 0));
        recall_free(r);
        recall_free(NULL);
}

enum { ROUNDS = 20000 };

static void *writer(void *arg)
{
        for (uint64_t k = 1; k <= ROUNDS; k++)
                put(arg, 1, k % 3, 32, k);
        return NULL;
}

/* What is found beside a writer is whole: has() compares every number. */
static void beside_a_writer(void **state)
{
        (void)state;
        struct recall *r = made(2);
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, writer, r), 0);
        for (uint64_t k = 1; k <= ROUNDS; k++)
                has(r, k % 3, k, 0);
        pthread_join(t, NULL);
        assert_true(has(r, ROUNDS % 3, ROUNDS, 0));
        recall_free(r);
}

static enum recall_claimed claim_quietly(struct recall *r, uint64_t k, const char *event)
{
        uint8_t id[RECALL_ID];
        char first[KEY_SIZE];
        name(k, id);
        return recall_claim(r, 1, id, event, first);
}

struct racer {
        struct recall *r;
        const char *event;
        int won;
};

static void *race(void *arg)
{
        struct racer *c = arg;
        for (uint64_t k = 1; k <= ROUNDS; k++)
                c->won += claim_quietly(c->r, k, c->event) == RECALL_CLAIMED;
        return NULL;
}

/* Two loops claim the same predictions: each of these has one first event. */
static void one_is_first(void **state)
{
        (void)state;
        struct recall *r = NULL;
        struct err e = ERR_NULL;
        assert_int_equal(recall_new(&r, 1, (size_t)64 << 20, &e), 0);
        for (uint64_t k = 1; k <= ROUNDS; k++)
                assert_true(put(r, 0, 1, ROUNDS, k));
        struct racer here = {.r = r, .event = "here"}, there = {.r = r, .event = "there"};
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, race, &there), 0);
        race(&here);
        pthread_join(t, NULL);
        assert_int_equal(here.won + there.won, ROUNDS);
        recall_free(r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(overwrites_in_turn),
            cmocka_unit_test(age_and_length),
            cmocka_unit_test(loops_and_models),
            cmocka_unit_test(forgets_on_demand),
            cmocka_unit_test(long_rows_shorten_the_ring),
            cmocka_unit_test(one_budget),
            cmocka_unit_test(one_event_claims),
            cmocka_unit_test(forgets_by_event),
            cmocka_unit_test(one_is_first),
            cmocka_unit_test(allocates_once),
            cmocka_unit_test(memory_short),
            cmocka_unit_test(beside_a_writer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
