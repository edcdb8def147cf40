/* house.c: see house.h. The end is asked for as a service manager asks, by SIGTERM to the process; whichever
 * thread takes it, the handler only wakes the control loop. */
#include "house.h"
#include "base/log.h"
#include "base/str.h"
#include "lib/tmpdir.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void set(struct house *h, const char *name, const char *value)
{
        if (conf_set(&h->conf, name, value, &h->e) < 0)
                fail_msg("%s", h->e.msg);
}

void house_make(struct house *h)
{
        char path[256];
        *h = (struct house){0};
        log_init(LOG_LEVEL_ERROR, false);
        h->dir = tmpdir_new();
        conf_defaults(&h->conf);
        set(h, "store.dir", tmpdir_path(path, sizeof(path), h->dir, "state"));
        set(h, "listen.socket", tmpdir_path(path, sizeof(path), h->dir, "s"));
        set(h, "learner.path", "/bin/false");
        set(h, "server.threads", "2");
}

static void *control(void *arg)
{
        struct house *h = arg;
        app_run(&h->app, &h->e);
        return NULL;
}

void house_start(struct house *h)
{
        if (app_init(&h->app, &h->conf, NULL, &clock_system, &h->e) < 0)
                fail_msg("%s", h->e.msg);
        assert_int_equal(pthread_create(&h->thread, NULL, control, h), 0);
        h->running = true;
        http_client_unix(&h->http, h->conf.listen_socket);
}

void house_stop(struct house *h)
{
        if (!h->running)
                return;
        http_client_close(&h->http);
        kill(getpid(), SIGTERM);
        pthread_join(h->thread, NULL);
        h->running = false;
        app_deinit(&h->app);
}

void house_remove(struct house *h)
{
        house_stop(h);
        tmpdir_remove(h->dir);
}
