/* test_publish.c: the hand-over to two loops, one message at a time.
 *
 * The loops are not run: the test takes their messages itself and decides who moves next. The reader is a real queue
 * on the memory store, so its answers are waited for on the mailbox's descriptor. */
#include "infer/publish.h"
#include "base/clock.h"
#include "house.h"
#include "infer/census.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "store/queue.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { LOOPS = 2, CAPACITY = 16 };

struct stage {
        struct house house;
        struct loop *control, *loops[LOOPS];
        struct vtable *tables[LOOPS];
        struct store_queue *reader;
        struct publish *p;
        model_id m;
        struct err e;
};

struct heard {
        int n, result;
};

static void hear(void *arg, int result, const struct err *e)
{
        (void)e;
        struct heard *h = arg;
        h->n++;
        h->result = result;
}

static void stage_open(struct stage *s)
{
        struct store_queue_conf qc = {.max_items = 8, .max_group_items = 1, .max_group_bytes = 1 << 20, .read = true};
        *s = (struct stage){0};
        house_open(&s->house);
        s->m = house_model(&s->house, "m", SCENARIO_DOMAIN);
        assert_int_equal(loop_new(&s->control, &clock_system, CAPACITY, &s->e), 0);
        for (int i = 0; i < LOOPS; i++) {
                assert_int_equal(loop_new(&s->loops[i], &clock_system, CAPACITY, &s->e), 0);
                assert_int_equal(vtable_new(&s->tables[i], &s->e), 0);
        }
        assert_int_equal(store_queue_start(&s->reader, s->house.s, &qc, &s->e), 0);
        assert_int_equal(publish_new(&s->p, s->control, s->reader, &s->e), 0);
        for (int i = 0; i < LOOPS; i++)
                assert_int_equal(publish_add_loop(s->p, s->loops[i], s->tables[i], &s->e), 0);
}

static void stage_close(struct stage *s)
{
        store_queue_stop(s->reader); /* closes the store */
        publish_free(s->p);
        for (int i = 0; i < LOOPS; i++) {
                vtable_free(s->tables[i]);
                loop_free(s->loops[i]);
        }
        loop_free(s->control);
}

/* The next message of a loop; waits for one that another thread sends. */
static struct msg next(struct loop *l)
{
        struct msg m;
        struct pollfd p = {.fd = mailbox_fd(loop_mailbox(l)), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_true(loop_take_msg(l, &m));
        return m;
}

static bool nothing(struct loop *l)
{
        struct msg m;
        return !loop_take_msg(l, &m);
}

static void loaded(struct stage *s)
{
        struct msg m = next(s->control);
        assert_true(store_work_dispatch(&m));
}

static void swap(struct stage *s, int i)
{
        struct msg m = next(s->loops[i]);
        assert_int_equal(m.kind, PUBLISH_MSG_SERVE);
        assert_true(publish_dispatch_loop(s->p, s->tables[i], &m));
        m = next(s->control);
        assert_int_equal(m.kind, PUBLISH_MSG_ACK);
        assert_true(publish_dispatch_control(s->p, &m));
}

static void heard_when_every_loop_has_switched(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        struct publish_stats stats;
        stage_open(&s);
        assert_int_equal(publish_model(s.p, s.m, hear, &h), 0);
        loaded(&s);
        assert_null(vtable_get(s.tables[0], slice_of("m")));
        swap(&s, 1);
        assert_int_equal(h.n, 0);
        assert_non_null(vtable_get(s.tables[1], slice_of("m")));
        swap(&s, 0);
        assert_true(nothing(s.loops[0])); /* sent once, however often it was looked at */
        assert_int_equal(h.n, 1);
        assert_int_equal(h.result, 0);
        struct served *v = vtable_get(s.tables[0], slice_of("m"));
        assert_ptr_equal(v, vtable_get(s.tables[1], slice_of("m")));
        assert_int_equal(atomic_load(&v->refs), LOOPS + 1); /* and the shelf's */
        publish_stats(s.p, &stats);
        assert_int_equal(stats.swaps, 1);
        stage_close(&s);
}

static void a_request_that_comes_meanwhile_gets_its_own_round(void **state)
{
        (void)state;
        struct stage s;
        struct heard first = {0}, second = {0}, third = {0};
        stage_open(&s);
        assert_int_equal(publish_model(s.p, s.m, hear, &first), 0);
        assert_int_equal(publish_model(s.p, s.m, hear, &second), 0);
        loaded(&s);
        assert_int_equal(publish_model(s.p, s.m, hear, &third), 0);
        swap(&s, 0);
        swap(&s, 1);
        assert_int_equal(first.n, 1);
        assert_int_equal(second.n + third.n, 0);
        struct served *old = served_ref(vtable_get(s.tables[0], slice_of("m")));
        loaded(&s);
        swap(&s, 0);
        swap(&s, 1);
        assert_int_equal(second.n, 1);
        assert_int_equal(third.n, 1);
        assert_int_equal(atomic_load(&old->refs), 1); /* the loops have let go */
        assert_true(vtable_get(s.tables[0], slice_of("m")) != old);
        served_unref(old);
        stage_close(&s);
}

static void an_unknown_model_is_an_answer_too(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        stage_open(&s);
        assert_int_equal(publish_model(s.p, 77, hear, &h), 0);
        loaded(&s);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.result, STORE_NOT_FOUND);
        assert_true(nothing(s.loops[0]));
        stage_close(&s);
}

static void by_message(void **state)
{
        (void)state;
        struct stage s;
        struct mailbox *mine;
        stage_open(&s);
        assert_int_equal(mailbox_new(&mine, 1, &s.e), 0);
        assert_int_equal(publish_post(s.p, s.m, mine, 41, 7), 0);
        struct msg m = next(s.control);
        assert_int_equal(m.kind, PUBLISH_MSG_REQUEST);
        assert_true(publish_dispatch_control(s.p, &m));
        loaded(&s);
        swap(&s, 0);
        assert_false(mailbox_get(mine, &m));
        swap(&s, 1);
        assert_true(mailbox_get(mine, &m));
        assert_int_equal(m.kind, PUBLISH_MSG_DONE);
        assert_int_equal(m.id, 41);
        assert_int_equal(m.generation, 7);
        assert_int_equal(((struct publish_reply *)m.payload)->result, 0);
        free(m.payload);
        mailbox_free(mine);
        stage_close(&s);
}

static void full_mailboxes_only_delay(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        struct msg m, filler = {.kind = 1};
        stage_open(&s);
        for (int i = 0; i < CAPACITY; i++)
                assert_int_equal(loop_post(s.loops[1], &filler), 0);
        assert_int_equal(publish_model(s.p, s.m, hear, &h), 0);
        loaded(&s);
        swap(&s, 0);
        for (int i = 0; i < CAPACITY; i++) {
                m = next(s.loops[1]);
                assert_int_equal(m.kind, 1);
        }
        assert_true(nothing(s.loops[1]));
        m = (struct msg){.kind = PUBLISH_MSG_ACK}; /* what the timer does: look again */
        assert_true(publish_dispatch_control(s.p, &m));
        swap(&s, 1);
        assert_int_equal(h.n, 1);
        stage_close(&s);
}

static void an_end_halfway_drops_what_nobody_took(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        stage_open(&s);
        assert_int_equal(publish_model(s.p, s.m, hear, &h), 0);
        loaded(&s);
        swap(&s, 0);
        assert_int_equal(publish_post(s.p, s.m, loop_mailbox(s.loops[0]), 1, 0), 0);
        struct served *v = served_ref(vtable_get(s.tables[0], slice_of("m")));
        struct msg m = next(s.control);
        publish_drop(&m);
        store_queue_stop(s.reader);
        s.reader = NULL;
        publish_free(s.p);
        s.p = NULL;
        assert_int_equal(atomic_load(&v->refs), 2); /* this test's and the first loop's */
        assert_int_equal(h.n, 0);
        served_unref(v);
        stage_close(&s);
}

static void at_the_start_every_table_is_filled(void **state)
{
        (void)state;
        struct stage s;
        size_t ok = 0, failed = 0;
        struct house other;
        stage_open(&s);
        house_open(&other);
        house_model(&other, "a", SCENARIO_DOMAIN);
        house_model(&other, "b", SCENARIO_TASK);
        for (int i = 0; i < HOUSE_P; i++)
                other.theta[i] = 3e38f;
        house_model(&other, "broken", SCENARIO_DOMAIN);
        assert_int_equal(publish_initial(s.p, other.s, &ok, &failed, &s.e), 0);
        assert_int_equal(ok, 2);
        assert_int_equal(failed, 1);
        for (int i = 0; i < LOOPS; i++) {
                assert_int_equal(vtable_size(s.tables[i]), 2);
                assert_non_null(vtable_get(s.tables[i], slice_of("a")));
                assert_null(vtable_get(s.tables[i], slice_of("broken")));
        }
        house_close(&other);
        stage_close(&s);
}

static struct served *held(struct stage *s, int i, uint64_t number)
{
        return vtable_find(s->tables[i], slice_of("m"), number);
}

/* Versions 2 and 3 beside the first; the champion is 3. */
static void three_versions(struct stage *s)
{
        static const struct output_row all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
        size_t ok, failed;
        struct house_step step = {.model = s->m, .n_outputs = 4, .outputs = all, .theta = s->house.theta};
        house_feedback(&s->house, s->m, 4, 4);
        house_step(&s->house, &step);
        house_step(&s->house, &step);
        house_alias(&s->house, s->m, "challenger", 2);
        assert_int_equal(publish_initial(s->p, s->house.s, &ok, &failed, &s->e), 0);
        assert_int_equal(ok, 1);
}

static void what_an_alias_names_is_held(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        stage_open(&s);
        three_versions(&s);
        for (int i = 0; i < LOOPS; i++) {
                assert_int_equal(vtable_get(s.tables[i], slice_of("m"))->number, 3);
                assert_non_null(held(&s, i, 2));
                assert_null(held(&s, i, 1));
        }
        struct served *challenger = held(&s, 0, 2), *champion = held(&s, 0, 3);
        house_alias(&s.house, s.m, "challenger", 1);
        assert_int_equal(publish_model(s.p, s.m, hear, &h), 0);
        loaded(&s);
        swap(&s, 0);
        swap(&s, 1);
        assert_int_equal(h.result, 0);
        assert_non_null(held(&s, 1, 1));
        assert_ptr_equal(held(&s, 1, 2), challenger);   /* as one that was asked for: it goes when it is idle */
        assert_ptr_not_equal(held(&s, 1, 3), champion); /* built anew */
        stage_close(&s);
}

static void a_version_is_loaded_when_asked_for(void **state)
{
        (void)state;
        struct stage s;
        struct heard first = {0}, second = {0}, unknown = {0};
        struct publish_stats stats;
        stage_open(&s);
        three_versions(&s);
        assert_int_equal(publish_version(s.p, s.m, 1, hear, &first), 0);
        assert_int_equal(publish_version(s.p, s.m, 9, hear, &unknown), 0);
        assert_int_equal(publish_version(s.p, s.m, 1, hear, &second), 0);
        loaded(&s);
        swap(&s, 0);
        assert_null(held(&s, 1, 1));
        swap(&s, 1);
        assert_int_equal(first.n, 1);
        assert_int_equal(first.result, 0);
        assert_ptr_equal(held(&s, 0, 1), held(&s, 1, 1));
        loaded(&s);
        assert_int_equal(unknown.n, 1);
        assert_int_equal(unknown.result, STORE_NOT_FOUND);
        swap(&s, 0); /* there already: only said to be so */
        swap(&s, 1);
        assert_int_equal(second.n, 1);
        assert_int_equal(second.result, 0);
        publish_stats(s.p, &stats);
        assert_int_equal(stats.versions, 3);
        assert_int_equal(stats.loads, 1);
        assert_int_equal(stats.swaps, 0);
        stage_close(&s);
}

/* Whoever is not loaded is known all the same, and stays so when a version goes. */
static void every_version_is_known(void **state)
{
        (void)state;
        static const struct output_row all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
        struct stage s;
        struct heard h = {0};
        stage_open(&s);
        three_versions(&s);
        const struct census *c = vtable_row(s.tables[0], slice_of("m"))->census;
        assert_non_null(c);
        assert_int_equal(c->n, 3);
        assert_int_equal(c->row[2].number, 1);
        assert_null(held(&s, 0, 1));
        struct house_step step = {.model = s.m, .n_outputs = 4, .outputs = all, .theta = s.house.theta};
        house_step(&s.house, &step);
        assert_int_equal(publish_version(s.p, s.m, 1, hear, &h), 0);
        loaded(&s);
        swap(&s, 0);
        swap(&s, 1);
        assert_int_equal(h.result, 0);
        for (int i = 0; i < LOOPS; i++) {
                c = vtable_row(s.tables[i], slice_of("m"))->census;
                assert_int_equal(c->n, 4);
                assert_int_equal(c->row[0].number, 4);
        }
        stage_close(&s);
}

static void a_version_that_does_not_fit_is_refused(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        struct publish_stats stats;
        stage_open(&s);
        three_versions(&s);
        publish_stats(s.p, &stats);
        assert_int_equal(publish_limit(s.p, &(struct publish_limits){stats.bytes + 10, 1000}, &s.e), 0);
        assert_int_equal(publish_version(s.p, s.m, 1, hear, &h), 0);
        loaded(&s);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.result, -ENOBUFS);
        assert_true(nothing(s.loops[0]));
        stage_close(&s);
}

/* With room for one more, the second asked for takes the place of the first: one round loads, one takes away. */
static void one_makes_room_for_another(void **state)
{
        (void)state;
        struct stage s;
        struct heard h = {0};
        struct publish_stats stats;
        stage_open(&s);
        three_versions(&s);
        house_alias(&s.house, s.m, "challenger", 3); /* nothing beside the champion is pinned */
        assert_int_equal(publish_model(s.p, s.m, hear, &h), 0);
        loaded(&s);
        swap(&s, 0);
        swap(&s, 1);
        publish_stats(s.p, &stats);
        assert_int_equal(stats.versions, 2);
        assert_int_equal(publish_limit(s.p, &(struct publish_limits){stats.bytes + 10, 1000}, &s.e), 0);
        assert_int_equal(publish_version(s.p, s.m, 1, hear, &h), 0);
        loaded(&s);
        swap(&s, 0);
        assert_non_null(held(&s, 1, 2));
        swap(&s, 1);
        assert_null(held(&s, 1, 2));
        assert_non_null(held(&s, 1, 1));
        assert_true(nothing(s.loops[0]));
        publish_stats(s.p, &stats);
        assert_int_equal(stats.drops, 1);
        stage_close(&s);
}

static void messages_of_others_are_left_alone(void **state)
{
        (void)state;
        struct stage s;
        struct msg m = {.kind = STORE_MSG_DONE};
        stage_open(&s);
        assert_false(publish_dispatch_control(s.p, &m));
        assert_false(publish_dispatch_loop(s.p, s.tables[0], &m));
        stage_close(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(heard_when_every_loop_has_switched),
            cmocka_unit_test(a_request_that_comes_meanwhile_gets_its_own_round),
            cmocka_unit_test(an_unknown_model_is_an_answer_too),
            cmocka_unit_test(by_message),
            cmocka_unit_test(full_mailboxes_only_delay),
            cmocka_unit_test(an_end_halfway_drops_what_nobody_took),
            cmocka_unit_test(at_the_start_every_table_is_filled),
            cmocka_unit_test(what_an_alias_names_is_held),
            cmocka_unit_test(a_version_is_loaded_when_asked_for),
            cmocka_unit_test(every_version_is_known),
            cmocka_unit_test(a_version_that_does_not_fit_is_refused),
            cmocka_unit_test(one_makes_room_for_another),
            cmocka_unit_test(messages_of_others_are_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
