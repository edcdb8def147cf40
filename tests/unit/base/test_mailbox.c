/* test_mailbox.c: order, the bound, the descriptor in step with the queue, many senders. */
#include "base/mailbox.h"
#include "base/err.h"
#include "base/fault.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool readable(struct mailbox *m)
{
        struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};
        return poll(&p, 1, 0) == 1;
}

static void order_bound_and_descriptor(void **state)
{
        (void)state;
        struct mailbox *m = NULL;
        struct err e = ERR_NULL;
        struct msg got;
        assert_int_equal(mailbox_new(&m, 3, &e), 0);
        for (uint64_t round = 0; round < 5; round++) { /* the ring wraps */
                assert_false(readable(m));
                assert_false(mailbox_get(m, &got));
                for (uint64_t i = 0; i < 3; i++)
                        assert_int_equal(
                            mailbox_put(m, &(struct msg){.kind = 7, .id = 10 * round + i, .payload = m}), 0);
                assert_int_equal(mailbox_put(m, &(struct msg){.id = 99}), -EAGAIN);
                for (uint64_t i = 0; i < 3; i++) {
                        assert_true(readable(m));
                        assert_true(mailbox_get(m, &got));
                        assert_true(got.id == 10 * round + i && got.kind == 7 && got.payload == m);
                }
        }
        mailbox_free(m);
        mailbox_free(NULL);
}

static void refusals(void **state)
{
        (void)state;
        struct mailbox *m = NULL;
        struct err e = ERR_NULL;
        assert_int_equal(mailbox_new(&m, 0, &e), -EINVAL);
        assert_int_equal(mailbox_new(&m, SIZE_MAX / 2, &e), -ENOMEM);
        fault_arm(0, 1);
        assert_int_equal(mailbox_new(&m, 3, &e), -ENOMEM);
        fault_disarm();
        assert_null(m);
}

enum { SENDERS = 4, PER_SENDER = 2000 };

struct sender {
        struct mailbox *to;
        uint16_t number;
};

static void *send_all(void *arg)
{
        const struct sender *s = arg;
        for (uint64_t i = 0; i < PER_SENDER; i++) {
                while (mailbox_put(s->to, &(struct msg){.from = s->number, .id = i}) == -EAGAIN)
                        sched_yield();
        }
        return NULL;
}

static void many_senders_lose_nothing(void **state)
{
        (void)state;
        struct mailbox *m = NULL;
        struct err e = ERR_NULL;
        pthread_t t[SENDERS];
        struct sender s[SENDERS];
        uint64_t next[SENDERS] = {0};
        assert_int_equal(mailbox_new(&m, 16, &e), 0);
        for (uint16_t i = 0; i < SENDERS; i++) {
                s[i] = (struct sender){m, i};
                assert_int_equal(pthread_create(&t[i], NULL, send_all, &s[i]), 0);
        }
        for (int n = 0; n < SENDERS * PER_SENDER;) {
                struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};
                struct msg got;
                assert_int_equal(poll(&p, 1, -1), 1);
                for (; mailbox_get(m, &got); n++)
                        assert_true(got.id == next[got.from]++);
        }
        for (int i = 0; i < SENDERS; i++)
                pthread_join(t[i], NULL);
        assert_false(readable(m));
        mailbox_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(order_bound_and_descriptor),
            cmocka_unit_test(refusals),
            cmocka_unit_test(many_senders_lose_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
