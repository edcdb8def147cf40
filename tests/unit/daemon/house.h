/* house.h: the whole daemon inside a test: app_init in a temporary directory, its control loop on a thread of its
 * own.
 *
 * The learner is /bin/false: jobs can be made but fail. */
#pragma once
#include "base/clock.h"
#include "daemon/app.h"
#include "lib/http_client.h"
#include <pthread.h>

struct house {
        char *dir;
        struct conf conf;
        struct app app;
        struct err e;
        pthread_t thread;
        bool running;
        struct http_client http;
};

void house_make(struct house *h);  /* directory and configuration */
void house_start(struct house *h); /* must succeed */
void house_stop(struct house *h);  /* as SIGTERM does; may be started again */
void house_remove(struct house *h);
