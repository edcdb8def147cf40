/* test_queue.c: order, bounds, groups, answers after the commit, read mode, idle work. The store is a fake that notes
 * what it is asked, or the memory engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mailbox.h"
#include "lib/fake_clock.h"
#include "lib/store_kit.h"
#include "store/ops.h"
#include "store/queue.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 64 };

/* A store that only knows groups and care. Written by the queue's thread; read after an answer or the stop. */
struct fake {
        struct store base;
        char log[1024];
        int commit_result;
        int begin_result;
        uint64_t looks; /* at its sizes */
        sem_t cared;
};

static struct fake *fake_of(struct store *s)
{
        return (struct fake *)(void *)s;
}

static int fake_begin(struct store *s, struct err *e)
{
        strcat(fake_of(s)->log, "[");
        return fake_of(s)->begin_result == 0 ? 0 : err_set(e, fake_of(s)->begin_result, "no begin");
}

static int fake_commit(struct store *s, struct err *e)
{
        strcat(fake_of(s)->log, "]");
        return fake_of(s)->commit_result == 0 ? 0 : err_set(e, fake_of(s)->commit_result, "no commit");
}

static void fake_close(struct store *s)
{
        strcat(fake_of(s)->log, ".");
}

static int fake_maintain(struct store *s, struct store_health *ret, struct err *e)
{
        (void)e;
        *ret = (struct store_health){.wal_bytes = 11, .db_bytes = 22};
        sem_post(&fake_of(s)->cared);
        return 0;
}

static void fake_sizes(struct store *s, struct store_health *ret)
{
        ret->wal_bytes = ++fake_of(s)->looks;
        ret->db_bytes = 100 + fake_of(s)->looks;
}

static const struct store_ops fake_ops = {
    .begin = fake_begin, .commit = fake_commit, .close = fake_close, .sizes = fake_sizes, .maintain = fake_maintain};

struct item {
        struct store_work w;
        char name;
        int returns;
        sem_t *gate; /* the item waits here */
        sem_t *in;   /* and says here that it does */
        struct fake_clock *clock;
        uint64_t takes_ms; /* by that clock */
        bool done, released;
        char log_when_done[1024];
};

struct bench {
        struct fake f;
        struct mailbox *box;
        struct store_queue *q;
        struct item items[MAX];
        sem_t gate, in;
};

static int run(struct store *s, struct store_work *w, struct err *e)
{
        struct item *i = w->arg;
        size_t n = strlen(fake_of(s)->log);

        if (i->gate) {
                sem_post(i->in);
                sem_wait(i->gate);
        }
        if (i->clock)
                fake_clock_advance_ms(i->clock, i->takes_ms);
        fake_of(s)->log[n] = i->name;
        fake_of(s)->log[n + 1] = '\0';
        return i->returns == 0 ? 0 : err_set(e, i->returns, "item %c", i->name);
}

static void done(struct store_work *w)
{
        struct item *i = w->arg;
        i->done = true;
}

static void release(struct store_work *w)
{
        struct item *i = w->arg;
        i->released = true;
}

static void start(struct bench *b, const struct store_queue_conf *c, size_t box)
{
        struct err e = ERR_NULL;

        memset(b, 0, sizeof(*b));
        b->f.base.ops = &fake_ops;
        sem_init(&b->f.cared, 0, 0);
        sem_init(&b->gate, 0, 0);
        sem_init(&b->in, 0, 0);
        assert_int_equal(mailbox_new(&b->box, box, &e), 0);
        for (int i = 0; i < MAX; i++) {
                b->items[i].name = (char)('a' + i % 26);
                b->items[i].w = (struct store_work){.run = run,
                    .done = done,
                    .release = release,
                    .reply_to = b->box,
                    .cost = 10,
                    .arg = &b->items[i]};
        }
        assert_int_equal(store_queue_start(&b->q, &b->f.base, c, &e), 0);
}

static void end(struct bench *b)
{
        struct msg m;

        store_queue_stop(b->q);
        while (mailbox_get(b->box, &m))
                ;
        mailbox_free(b->box);
}

/* Waits for n answers; each is dispatched. */
static void receive(struct bench *b, int n)
{
        while (n > 0) {
                struct pollfd p = {.fd = mailbox_fd(b->box), .events = POLLIN};
                struct msg m;
                assert_true(poll(&p, 1, 10000) == 1);
                while (mailbox_get(b->box, &m)) {
                        assert_true(store_work_dispatch(&m));
                        n--;
                }
        }
        assert_int_equal(n, 0);
}

/* The first item holds the thread until the others wait behind it. */
static void submit_behind_a_gate(struct bench *b, int n)
{
        b->items[0].gate = &b->gate;
        b->items[0].in = &b->in;
        assert_int_equal(store_submit(b->q, &b->items[0].w), 0);
        sem_wait(&b->in);
        for (int i = 1; i < n; i++)
                assert_int_equal(store_submit(b->q, &b->items[i].w), 0);
        sem_post(&b->gate);
}

static const struct store_queue_conf roomy = {.max_items = 32, .max_group_items = 8, .max_group_bytes = 1000};

static void what_waits_is_one_group_in_order(void **state)
{
        struct bench b;
        struct store_queue_stats st;

        (void)state;
        start(&b, &roomy, MAX);
        submit_behind_a_gate(&b, 6);
        receive(&b, 6);
        assert_string_equal(b.f.log, "[a][bcdef]");
        store_queue_stats(b.q, &st);
        assert_int_equal(st.items, 6);
        assert_int_equal(st.groups, 2);
        assert_int_equal(st.waiting, 0);
        for (int i = 0; i < 6; i++)
                assert_true(b.items[i].done && b.items[i].w.result == 0);
        end(&b);
        assert_string_equal(b.f.log, "[a][bcdef]."); /* closed by its thread */
}

static void groups_have_limits(void **state)
{
        const struct store_queue_conf by_items = {.max_items = 32, .max_group_items = 2, .max_group_bytes = 1000};
        const struct store_queue_conf by_bytes = {.max_items = 32, .max_group_items = 8, .max_group_bytes = 30};
        struct bench b;

        (void)state;
        start(&b, &by_items, MAX);
        submit_behind_a_gate(&b, 6);
        receive(&b, 6);
        assert_string_equal(b.f.log, "[a][bc][de][f]");
        end(&b);
        start(&b, &by_bytes, MAX);
        b.items[2].w.cost = 500; /* too large for any group: goes alone */
        submit_behind_a_gate(&b, 6);
        receive(&b, 6);
        assert_string_equal(b.f.log, "[a][b][c][def]");
        end(&b);
}

static void full_says_so_at_once(void **state)
{
        const struct store_queue_conf small = {.max_items = 3, .max_group_items = 8, .max_group_bytes = 1000};
        struct store_queue_stats st;
        struct bench b;

        (void)state;
        start(&b, &small, MAX);
        b.items[0].gate = &b.gate;
        b.items[0].in = &b.in;
        assert_int_equal(store_submit(b.q, &b.items[0].w), 0);
        sem_wait(&b.in);
        for (int i = 1; i <= 3; i++)
                assert_int_equal(store_submit(b.q, &b.items[i].w), 0);
        assert_int_equal(store_submit(b.q, &b.items[4].w), -EAGAIN);
        store_queue_stats(b.q, &st);
        assert_int_equal(st.waiting, 3);
        assert_true(st.busy);
        sem_post(&b.gate);
        receive(&b, 4);
        assert_int_equal(store_submit(b.q, &b.items[4].w), 0);
        receive(&b, 1);
        end(&b);
}

static void one_failure_is_one_answer(void **state)
{
        struct bench b;

        (void)state;
        start(&b, &roomy, MAX);
        b.items[2].returns = STORE_NOT_FOUND;
        submit_behind_a_gate(&b, 4);
        receive(&b, 4);
        assert_int_equal(b.items[1].w.result, 0);
        assert_int_equal(b.items[2].w.result, STORE_NOT_FOUND);
        assert_string_equal(b.items[2].w.err.msg, "item c");
        assert_int_equal(b.items[3].w.result, 0);
        end(&b);
}

static void a_failed_commit_is_everybodys(void **state)
{
        struct store_queue_stats st;
        struct bench b;

        (void)state;
        start(&b, &roomy, MAX);
        b.f.commit_result = STORE_READONLY;
        b.items[2].returns = STORE_NOT_FOUND;
        submit_behind_a_gate(&b, 4);
        receive(&b, 4);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(b.items[i].w.result, STORE_READONLY);
                assert_string_equal(b.items[i].w.err.msg, "no commit");
        }
        store_queue_stats(b.q, &st);
        assert_true(st.read_only);
        end(&b);
}

static void a_group_that_cannot_begin(void **state)
{
        struct bench b;

        (void)state;
        start(&b, &roomy, MAX);
        b.f.begin_result = -EIO;
        assert_int_equal(store_submit(b.q, &b.items[0].w), 0);
        receive(&b, 1);
        assert_int_equal(b.items[0].w.result, -EIO);
        assert_string_equal(b.f.log, "["); /* it did not run */
        b.f.base.failed = true;            /* a read-only store: items run by themselves, reading ones succeed */
        assert_int_equal(store_submit(b.q, &b.items[1].w), 0);
        receive(&b, 1);
        assert_int_equal(b.items[1].w.result, 0);
        assert_string_equal(b.f.log, "[b");
        end(&b);
}

/* The answer of a group's item is in the mailbox only when the commit has been logged. */
static void watch_done(struct store_work *w)
{
        struct item *i = w->arg;
        struct bench *b = (struct bench *)(void *)((char *)i->in - offsetof(struct bench, in));

        i->done = true;
        memcpy(i->log_when_done, b->f.log, sizeof(b->f.log));
}

static void answers_come_after_the_commit(void **state)
{
        struct bench b;

        (void)state;
        start(&b, &roomy, MAX);
        for (int i = 0; i < 3; i++) {
                b.items[i].w.done = watch_done;
                b.items[i].in = &b.in;
        }
        submit_behind_a_gate(&b, 3);
        receive(&b, 3);
        assert_true(strncmp(b.items[0].log_when_done, "[a]", 3) == 0);
        assert_string_equal(b.items[1].log_when_done, "[a][bc]");
        assert_string_equal(b.items[2].log_when_done, "[a][bc]");
        end(&b);
}

static void a_read_queue_runs_one_by_one(void **state)
{
        const struct store_queue_conf reading = {
            .max_items = 32, .max_group_items = 8, .max_group_bytes = 1000, .read = true, .maintain_ms = 1};
        struct bench b;

        (void)state;
        start(&b, &reading, MAX);
        submit_behind_a_gate(&b, 4);
        receive(&b, 4);
        assert_string_equal(b.f.log, "[a][b][c][d]");
        end(&b);
        int cared = 0;
        sem_getvalue(&b.f.cared, &cared);
        assert_int_equal(cared, 0);
}

static void idle_time_is_used_for_care(void **state)
{
        const struct store_queue_conf caring = {
            .max_items = 32, .max_group_items = 8, .max_group_bytes = 1000, .maintain_ms = 1};
        struct store_queue_stats st;
        struct bench b;

        (void)state;
        start(&b, &caring, MAX);
        sem_wait(&b.f.cared);
        assert_int_equal(store_submit(b.q, &b.items[0].w), 0);
        receive(&b, 1);
        sem_wait(&b.f.cared);
        assert_int_equal(store_submit(b.q, &b.items[1].w), 0); /* behind it the sizes are known */
        receive(&b, 1);
        store_queue_stats(b.q, &st);
        assert_int_equal(st.wal_bytes, 11);
        assert_int_equal(st.db_bytes, 22);
        assert_true(st.turns >= 4);
        end(&b);
}

static struct store_queue_stats after(struct bench *b, int i, struct fake_clock *clock, uint64_t takes_ms)
{
        struct store_queue_stats st;

        b->items[i].clock = clock;
        b->items[i].takes_ms = takes_ms;
        assert_int_equal(store_submit(b->q, &b->items[i].w), 0);
        receive(b, 1);
        /* care comes behind the answers: another item shows that it is over */
        b->items[i + 1].w.cost = 0;
        assert_int_equal(store_submit(b->q, &b->items[i + 1].w), 0);
        receive(b, 1);
        store_queue_stats(b->q, &st);
        return st;
}

static int cared(struct bench *b)
{
        int n = 0;

        sem_getvalue(&b->f.cared, &n);
        return n;
}

static void a_busy_store_is_cared_for_too(void **state)
{
        struct fake_clock clock;
        struct bench b;

        (void)state;
        fake_clock_init(&clock, 0);
        start(&b,
            &(struct store_queue_conf){.max_items = 32,
                .max_group_items = 8,
                .max_group_bytes = 1000,
                .maintain_ms = 3600000, /* it is never idle for so long here */
                .clock = &clock.clock},
            MAX);
        after(&b, 0, &clock, 36000000 - 1);
        assert_int_equal(cared(&b), 0);
        struct store_queue_stats st = after(&b, 2, &clock, 1);
        assert_int_equal(cared(&b), 1);
        assert_int_equal(st.wal_bytes, 11);
        after(&b, 4, &clock, 36000000 - 1); /* once, and then not before as long again */
        assert_int_equal(cared(&b), 1);
        end(&b);
}

static void sizes_are_looked_at_each_second(void **state)
{
        struct store_queue_stats st;
        struct fake_clock clock;
        struct store_queue_conf c = roomy;
        struct bench b;

        (void)state;
        fake_clock_init(&clock, 0);
        c.clock = &clock.clock;
        start(&b, &c, MAX);
        store_queue_stats(b.q, &st);
        assert_int_equal(st.wal_bytes, 1); /* before anything has been done */
        assert_int_equal(st.db_bytes, 101);
        assert_int_equal(after(&b, 0, &clock, 999).wal_bytes, 1);
        assert_int_equal(after(&b, 2, &clock, 1).wal_bytes, 2);
        assert_int_equal(after(&b, 4, &clock, 999).wal_bytes, 2);
        assert_int_equal(after(&b, 6, &clock, 5000).db_bytes, 103);
        end(&b);
}

static void full_until_something_is_written(void **state)
{
        struct bench b;

        (void)state;
        start(&b, &roomy, MAX);
        b.items[0].returns = STORE_FULL;
        assert_true(after(&b, 0, NULL, 0).full); /* a reading item behind it has proved nothing */
        assert_false(after(&b, 2, NULL, 0).full);
        b.f.commit_result = STORE_FULL;
        assert_true(after(&b, 4, NULL, 0).full);
        b.f.commit_result = 0;
        assert_false(after(&b, 6, NULL, 0).full);
        end(&b);
}

static void stopping_drains_and_releases(void **state)
{
        struct bench b;

        (void)state;
        start(&b, &roomy, 2); /* room for two answers only, and nobody reads them */
        b.items[1].w.reply_to = NULL;
        submit_behind_a_gate(&b, 6);
        store_queue_stop(b.q);
        assert_string_equal(b.f.log, "[a][bcdef]."); /* all of it was done */
        assert_true(b.items[1].released);
        int answered = 0, released = 0;
        struct msg m;
        while (mailbox_get(b.box, &m)) {
                assert_true(store_work_dispatch(&m));
                answered++;
        }
        for (int i = 0; i < 6; i++) {
                released += b.items[i].released;
                assert_true(b.items[i].done != b.items[i].released);
        }
        assert_int_equal(answered, 2);
        assert_int_equal(released, 4);
        mailbox_free(b.box);
        store_queue_stop(NULL);
}

static void other_messages_are_not_ours(void **state)
{
        const struct msg m = {.kind = 7};

        (void)state;
        assert_false(store_work_dispatch(&m));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_waits_is_one_group_in_order),
            cmocka_unit_test(groups_have_limits),
            cmocka_unit_test(full_says_so_at_once),
            cmocka_unit_test(one_failure_is_one_answer),
            cmocka_unit_test(a_failed_commit_is_everybodys),
            cmocka_unit_test(a_group_that_cannot_begin),
            cmocka_unit_test(answers_come_after_the_commit),
            cmocka_unit_test(a_read_queue_runs_one_by_one),
            cmocka_unit_test(idle_time_is_used_for_care),
            cmocka_unit_test(a_busy_store_is_cared_for_too),
            cmocka_unit_test(sizes_are_looked_at_each_second),
            cmocka_unit_test(full_until_something_is_written),
            cmocka_unit_test(stopping_drains_and_releases),
            cmocka_unit_test(other_messages_are_not_ours),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
