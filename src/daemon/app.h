/* app.h: the whole daemon: its parts in the order they are made, and the way it ends. */
#pragma once
#include "base/err.h"
#include "daemon/conf.h"
#include "daemon/listen.h"
#include "daemon/paths.h"
#include <stdbool.h>
#include <stdint.h>

struct clock;
struct control;
struct jobs;
struct learner_proc;
struct loop;
struct publish;
struct serve;
struct signals;
struct store_queue;

#define APP_PROGRAM "ewcd " EWCD_VERSION

enum app_exit { /* exit statuses of the daemon */
        APP_OK = 0,
        APP_FAILED = 1,  /* something broke */
        APP_USAGE = 2,   /* flags or configuration */
        APP_STORE = 3,   /* the database is newer, not ours, in use or damaged */
        APP_ADDRESS = 4, /* an address cannot be listened on */
};

struct app {
        const struct conf *conf;
        const char *conf_path; /* NULL: none */
        const struct clock *clock;
        struct paths paths;
        struct loop *control;
        struct signals *signals;
        struct store_queue *writer, *reader, *exporter;
        struct serve *serve;
        struct publish *publish;
        struct learner_proc *learner;
        struct jobs *jobs;
        struct listen listen;
        struct control *timers;
        bool stopping;      /* a signal asked for the end */
        bool ending;        /* app_deinit runs; the loop turns only for jobs_stop, which waits for learners */
        enum app_exit exit; /* why app_init failed, or how app_run ended */
};

#define APP_NULL                                                                                                     \
        {                                                                                                            \
                0                                                                                                    \
        }

/* Everything up to READY; on failure all is undone, a->exit says which status and e why. conf must outlive a. */
int app_init(struct app *a, const struct conf *c, const char *conf_path, const struct clock *clock, struct err *e);
int app_run(struct app *a, struct err *e); /* until a signal */
void app_deinit(struct app *a);            /* accepts what never started */

void app_stop(struct app *a);   /* drain, then end; called again: end at once */
void app_reload(struct app *a); /* the log level */
