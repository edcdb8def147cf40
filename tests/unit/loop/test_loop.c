/* test_loop.c: running, stopping and the mailbox, from the loop's own thread and from others. */
#include "loop/loop.h"
#include "base/err.h"
#include "base/fault.h"
#include "lib/fake_clock.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct fake_clock clock_of_test;

static int make_loop(void **state)
{
        struct loop *l = NULL;
        struct err e = ERR_NULL;
        fake_clock_init(&clock_of_test, 0);
        if (loop_new(&l, &clock_of_test.clock, 8, &e) < 0)
                return -1;
        *state = l;
        return 0;
}

static int free_loop(void **state)
{
        loop_free(*state);
        return 0;
}

struct seen {
        struct loop *l;
        uint64_t next, last;
};

static void on_msg(void *arg, const struct msg *m)
{
        struct seen *s = arg;
        assert_true(m->id == s->next);
        if (s->next++ == s->last)
                loop_stop(s->l);
}

static void messages_arrive_in_order(void **state)
{
        struct loop *l = *state;
        struct seen s = {l, 0, 7};
        struct err e = ERR_NULL;
        for (uint64_t i = 0; i < 8; i++) /* before there is a handler they wait */
                assert_int_equal(loop_post(l, &(struct msg){.id = i}), 0);
        assert_int_equal(loop_post(l, &(struct msg){.id = 8}), -EAGAIN);
        loop_on_msg(l, on_msg, &s);
        assert_int_equal(loop_run(l, &e), 0);
        assert_true(s.next == 8);
        assert_true(loop_turns(l) >= 1);
        assert_ptr_equal(loop_clock(l), &clock_of_test.clock);
        assert_non_null(loop_base(l));
}

struct turns {
        struct loop *l;
        int timers, ends, work;
};

static void on_timer(void *arg)
{
        struct turns *t = arg;
        t->timers++;
        t->work = 3; /* arrives in this turn, is done from its end on */
}

/* While there is work no turn waits: nothing else would wake this loop. */
static bool on_turn(void *arg)
{
        struct turns *t = arg;
        t->ends++;
        if (t->work > 0 && --t->work == 0)
                loop_stop(t->l);
        return t->work > 0;
}

static void the_end_of_a_turn_is_told(void **state)
{
        struct loop *l = *state;
        struct err e = ERR_NULL;
        struct turns t = {.l = l};
        loop_on_turn(l, on_turn, &t);
        struct loop_source *timer = loop_timer(l, 1, false, on_timer, &t);
        assert_non_null(timer);
        assert_int_equal(loop_run(l, &e), 0);
        assert_int_equal(t.timers, 1);
        assert_int_equal(t.work, 0);
        assert_true(t.ends >= 3);
        loop_source_free(timer);
        loop_on_turn(l, NULL, NULL);
        int before = t.ends;
        struct seen s = {l, 0, 0};
        loop_on_msg(l, on_msg, &s);
        assert_int_equal(loop_post(l, &(struct msg){.id = 0}), 0);
        assert_int_equal(loop_run(l, &e), 0);
        assert_int_equal(t.ends, before);
}

static void stop_before_run_returns_at_once(void **state)
{
        struct loop *l = *state;
        struct err e = ERR_NULL;
        struct msg left;
        loop_stop(l);
        assert_int_equal(mailbox_put(loop_mailbox(l), &(struct msg){.id = 3}), 0);
        assert_int_equal(loop_run(l, &e), 0);
        assert_true(loop_take_msg(l, &left) && left.id == 3);
        assert_false(loop_take_msg(l, &left));
        struct seen s = {l, 0, 0}; /* and it runs again afterwards */
        loop_on_msg(l, on_msg, &s);
        assert_int_equal(loop_post(l, &(struct msg){.id = 0}), 0);
        assert_int_equal(loop_run(l, &e), 0);
        assert_true(s.next == 1);
}

enum { MANY = 5000 };

static void *post_many(void *arg)
{
        for (uint64_t i = 0; i <= MANY; i++) {
                while (loop_post(arg, &(struct msg){.id = i}) == -EAGAIN)
                        sched_yield();
        }
        return NULL;
}

static void another_thread_posts(void **state)
{
        struct loop *l = *state;
        struct seen s = {l, 0, MANY};
        struct err e = ERR_NULL;
        pthread_t t;
        loop_on_msg(l, on_msg, &s);
        assert_int_equal(pthread_create(&t, NULL, post_many, l), 0);
        assert_int_equal(loop_run(l, &e), 0);
        pthread_join(t, NULL);
        assert_true(s.next == MANY + 1);
}

static void on_msg_and_off(void *arg, const struct msg *m)
{
        struct seen *s = arg;
        assert_true(m->id == s->next++);
        loop_on_msg(s->l, NULL, NULL);
        loop_stop(s->l);
}

static void handler_can_be_taken_away_inside(void **state)
{
        struct loop *l = *state;
        struct seen s = {l, 0, 0};
        struct err e = ERR_NULL;
        struct msg left;
        assert_int_equal(loop_post(l, &(struct msg){.id = 0}), 0);
        assert_int_equal(loop_post(l, &(struct msg){.id = 1}), 0);
        loop_on_msg(l, on_msg_and_off, &s);
        assert_int_equal(loop_run(l, &e), 0);
        assert_true(s.next == 1);
        assert_true(loop_take_msg(l, &left) && left.id == 1);
}

static void memory_short(void **state)
{
        (void)state;
        struct loop *l = NULL;
        struct err e = ERR_NULL;
        for (int n = 0; n < 2; n++) {
                fault_arm(n, 1);
                assert_int_equal(loop_new(&l, &clock_system, 8, &e), -ENOMEM);
                assert_true(fault_fired());
                fault_disarm();
        }
        assert_int_equal(loop_new(&l, &clock_system, 0, &e), -EINVAL);
        assert_null(l);
        loop_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(messages_arrive_in_order, make_loop, free_loop),
            cmocka_unit_test_setup_teardown(the_end_of_a_turn_is_told, make_loop, free_loop),
            cmocka_unit_test_setup_teardown(stop_before_run_returns_at_once, make_loop, free_loop),
            cmocka_unit_test_setup_teardown(another_thread_posts, make_loop, free_loop),
            cmocka_unit_test_setup_teardown(handler_can_be_taken_away_inside, make_loop, free_loop),
            cmocka_unit_test(memory_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
