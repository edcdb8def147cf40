/* signals.c: SIGTERM and SIGINT stop cleanly, a second one at once; SIGHUP reads the log level again; SIGPIPE is
 * ignored, because a client that has left is noticed by the failed write. */
#include "daemon/signals.h"
#include "base/err.h"
#include "base/mem.h"
#include "daemon/app.h"
#include "loop/loop.h"
#include <signal.h>
#include <stdlib.h>

struct signals {
        struct app *app;
        struct loop_source *term, *interrupt, *hangup;
};

static void on_stop(void *arg)
{
        struct signals *s = arg;
        app_stop(s->app);
}

static void on_hangup(void *arg)
{
        struct signals *s = arg;
        app_reload(s->app);
}

int signals_new(struct signals **ret, struct app *a, struct err *e)
{
        struct signals *s = new_zero(struct signals);
        if (!s)
                return err_oom(e);
        signal(SIGPIPE, SIG_IGN);
        s->app = a;
        s->term = loop_signal(a->control, SIGTERM, on_stop, s);
        s->interrupt = loop_signal(a->control, SIGINT, on_stop, s);
        s->hangup = loop_signal(a->control, SIGHUP, on_hangup, s);
        if (!s->term || !s->interrupt || !s->hangup) {
                signals_free(s);
                return err_oom(e);
        }
        *ret = s;
        return 0;
}

void signals_free(struct signals *s)
{
        if (!s)
                return;
        loop_source_free(s->term);
        loop_source_free(s->interrupt);
        loop_source_free(s->hangup);
        free(s);
}
