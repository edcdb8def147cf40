/* control.c: messages and timers of the control thread.
 *
 * The watchdog proves progress, not life: the manager is told only if every serving loop has turned, neither the
 * store nor the reader has been busy with one thing since the last look, and no learner has outlived its own stall
 * limit. The exporter is not asked: one of its items may take as long as a large model does. */
#include "daemon/control.h"
#include "base/err.h"
#include "base/mem.h"
#include "daemon/app.h"
#include "daemon/notify.h"
#include "daemon/serve_thread.h"
#include "infer/publish.h"
#include "loop/loop.h"
#include "store/queue.h"
#include "super/jobs.h"
#include <stdlib.h>
#include <string.h>

enum { STATUS_MS = 1000, WATCHDOG_MIN_MS = 100 };

struct control {
        struct app *app;
        struct loop_source *status, *watchdog;
        char said[sizeof(((struct jobs_stats *)0)->status)];
        uint64_t writer_turns, reader_turns;
};

static void on_msg(void *arg, const struct msg *m)
{
        struct app *a = arg;
        if (store_work_dispatch(m) || jobs_dispatch(a->jobs, m) || publish_dispatch_control(a->publish, m))
                return;
        if (m->kind == SERVE_MSG_ENDED && !a->ending)
                loop_stop(a->control);
}

void control_listen(struct app *a)
{
        loop_on_msg(a->control, on_msg, a);
}

static void on_status(void *arg)
{
        struct control *c = arg;
        struct jobs_stats s;
        jobs_stats(c->app->jobs, &s);
        if (c->app->stopping || strcmp(s.status, c->said) == 0)
                return;
        memcpy(c->said, s.status, sizeof(c->said));
        notify_status(c->said);
}

static bool queue_progressed(struct store_queue *q, uint64_t *seen)
{
        struct store_queue_stats s;
        store_queue_stats(q, &s);
        bool moved = !s.busy || s.turns != *seen;
        *seen = s.turns;
        return moved;
}

static void on_watchdog(void *arg)
{
        struct control *c = arg;
        struct jobs_stats s;
        jobs_stats(c->app->jobs, &s);
        bool loops = serve_progressed(c->app->serve);
        bool writer = queue_progressed(c->app->writer, &c->writer_turns);
        bool reader = queue_progressed(c->app->reader, &c->reader_turns);
        if (loops && writer && reader && !s.stuck)
                notify_watchdog();
}

int control_new(struct control **ret, struct app *a, struct err *e)
{
        struct control *c = new_zero(struct control);
        uint64_t watchdog_ms = notify_watchdog_ms() / 2;
        if (!c)
                return err_oom(e);
        c->app = a;
        strcpy(c->said, "idle");
        c->status = loop_timer(a->control, STATUS_MS, true, on_status, c);
        if (watchdog_ms > 0)
                c->watchdog = loop_timer(
                    a->control, watchdog_ms > WATCHDOG_MIN_MS ? watchdog_ms : WATCHDOG_MIN_MS, true, on_watchdog, c);
        if (!c->status || (watchdog_ms > 0 && !c->watchdog)) {
                control_free(c);
                return err_oom(e);
        }
        *ret = c;
        return 0;
}

void control_free(struct control *c)
{
        if (!c)
                return;
        loop_source_free(c->status);
        loop_source_free(c->watchdog);
        free(c);
}

void control_drop_messages(struct app *a)
{
        struct msg m;
        while (a->control && loop_take_msg(a->control, &m)) {
                if (m.kind == PUBLISH_MSG_REQUEST)
                        publish_drop(&m);
        }
}
