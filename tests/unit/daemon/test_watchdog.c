/* test_watchdog.c: the manager is petted while everything moves, and not while a loop or a queue of the store stands
 * still. One long item of the exporter is no standstill.
 *
 * The test is the manager: it reads $NOTIFY_SOCKET. Silence is several periods without a word; the first word after
 * a stop may still be about the time before. */
#include "house.h"
#include "daemon/serve_thread.h"
#include "lib/tmpdir.h"
#include "loop/loop.h"
#include "store/queue.h"
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

enum { WATCHDOG_MS = 200, SILENCE_MS = 4 * WATCHDOG_MS, PATIENCE_MS = 20000 };

struct stop {
        struct store_work w;
        sem_t reached, go;
};

struct watched {
        struct house h;
        int fd;
        struct stop *standing; /* what a test that failed has left */
};

static int setup(void **state)
{
        static struct watched w;
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        char number[32];
        house_make(&w.h);
        tmpdir_path(a.sun_path, sizeof(a.sun_path), w.h.dir, "notify");
        w.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(w.fd, (struct sockaddr *)&a, sizeof(a)), 0);
        setenv("NOTIFY_SOCKET", a.sun_path, 1);
        snprintf(number, sizeof(number), "%d", WATCHDOG_MS * 1000);
        setenv("WATCHDOG_USEC", number, 1);
        snprintf(number, sizeof(number), "%ld", (long)getpid());
        setenv("WATCHDOG_PID", number, 1);
        house_start(&w.h);
        *state = &w;
        return 0;
}

static int teardown(void **state)
{
        struct watched *w = *state;
        if (w->standing)
                sem_post(&w->standing->go);
        w->standing = NULL;
        house_remove(&w->h);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        close(w->fd);
        return 0;
}

/* False: not petted for that long. */
static bool petted(struct watched *w, int within_ms)
{
        char got[512];
        struct pollfd p = {.fd = w->fd, .events = POLLIN};
        while (poll(&p, 1, within_ms) == 1) {
                ssize_t n = recv(w->fd, got, sizeof(got) - 1, 0);
                assert_true(n > 0);
                got[n] = '\0';
                if (strcmp(got, "WATCHDOG=1") == 0)
                        return true;
        }
        return false;
}

static void expect_life(struct watched *w)
{
        for (int i = 0; i < 3; i++)
                assert_true(petted(w, PATIENCE_MS));
}

static void expect_silence(struct watched *w)
{
        char got[512];
        while (recv(w->fd, got, sizeof(got), MSG_DONTWAIT) > 0)
                ; /* of the time before */
        int words = 0;
        while (petted(w, SILENCE_MS))
                assert_in_range(++words, 1, 2);
}

static int stand_still(struct store *s, struct store_work *w, struct err *e)
{
        struct stop *x = w->arg;
        (void)s;
        (void)e;
        sem_post(&x->reached);
        return sem_wait(&x->go);
}

static int pass(struct store *s, struct store_work *w, struct err *e)
{
        (void)s;
        (void)w;
        (void)e;
        return 0;
}

static void done(struct store_work *w)
{
        (void)w;
}

static void done_stands_still(struct store_work *w)
{
        stand_still(NULL, w, NULL);
}

static void stop_begin(struct watched *w, struct stop *x, struct store_queue *q, struct store_work work)
{
        sem_init(&x->reached, 0, 0);
        sem_init(&x->go, 0, 0);
        x->w = work;
        x->w.arg = x;
        x->w.reply_to = loop_mailbox(w->h.app.serve->threads[0].server.loop);
        assert_int_equal(store_submit(q, &x->w), 0);
        assert_int_equal(sem_wait(&x->reached), 0);
        w->standing = x;
}

static void stop_end(struct watched *w)
{
        sem_post(&w->standing->go);
        w->standing = NULL;
}

static void queue_stands(struct watched *w, struct store_queue *q)
{
        static struct stop x[2];
        struct stop *mine = &x[q == w->h.app.reader];
        expect_life(w);
        stop_begin(w, mine, q, (struct store_work){.run = stand_still, .done = done});
        expect_silence(w);
        stop_end(w);
        expect_life(w);
}

static void while_a_queue_stands(void **state)
{
        struct watched *w = *state;
        queue_stands(w, w->h.app.writer);
        queue_stands(w, w->h.app.reader);
}

static void while_a_loop_stands(void **state)
{
        struct watched *w = *state;
        static struct stop x;
        expect_life(w);
        stop_begin(w, &x, w->h.app.reader, (struct store_work){.run = pass, .done = done_stands_still});
        expect_silence(w);
        stop_end(w);
        expect_life(w);
}

static void while_the_exporter_is_long(void **state)
{
        struct watched *w = *state;
        static struct stop x;
        stop_begin(w, &x, w->h.app.exporter, (struct store_work){.run = stand_still, .done = done});
        expect_life(w);
        stop_end(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(while_a_queue_stands, setup, teardown),
            cmocka_unit_test_setup_teardown(while_a_loop_stands, setup, teardown),
            cmocka_unit_test_setup_teardown(while_the_exporter_is_long, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
