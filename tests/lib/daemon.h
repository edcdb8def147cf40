/* daemon.h: a real ewcd in a directory of its own, on a UNIX socket there and on a free TCP port.
 *
 * Programs are found by the environment variables EWCD_BIN, EWCD_LEARNER_BIN, which meson sets. Nothing sleeps: the
 * start is over when the daemon has written its line "ready: …", the end when its process is gone. All of it runs on
 * the test's main thread and fails the test when something takes longer than it should. A daemon does not outlive its
 * test. */
#pragma once
#include "lib/http_client.h"
#include <stdint.h>
#include <sys/types.h>

enum { DAEMON_MAX_KEYS = 24, DAEMON_PATH = 256, DAEMON_READY_MS = 20000 };

struct daemon {
        char *dir; /* everything is in here */
        char conf[DAEMON_PATH], log[DAEMON_PATH], socket[DAEMON_PATH], state[DAEMON_PATH], database[DAEMON_PATH];
        char key[DAEMON_MAX_KEYS][48], value[DAEMON_MAX_KEYS][DAEMON_PATH];
        size_t n_keys;
        pid_t pid; /* 0: none runs */
        int pidfd, notify, watch;
        long log_from;           /* offset of the present run's lines */
        unsigned port;           /* TCP, known when ready */
        bool notified;           /* READY=1 came to $NOTIFY_SOCKET */
        struct http_client http; /* the test's own connection, on the UNIX socket */
};

void daemon_init(struct daemon *d);   /* directory and keys; starts nothing */
void daemon_deinit(struct daemon *d); /* kills it if it runs, removes the directory. Accepts what init left, twice */

void daemon_set(struct daemon *d, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* "section.key", for the next start */

void daemon_launch(struct daemon *d);                         /* only starts the process */
void daemon_ready(struct daemon *d);                          /* waits for it */
void daemon_start(struct daemon *d);                          /* both */
int daemon_wait(struct daemon *d, int within_ms);             /* its wait status; it must end by itself */
int daemon_stop(struct daemon *d, int signum, int within_ms); /* the same after a signal */

char *daemon_log(const struct daemon *d); /* what the present run has said; the caller frees it */

uint64_t now_ms(void); /* monotonic */
